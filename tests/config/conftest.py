"""A house without Redis, and with it again afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core import live


@pytest.fixture
def no_redis(settings, monkeypatch) -> Iterator[None]:
    """Redis does not answer; the process has not noticed yet."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(live, "_broken_until", 0.0)
    live._doorbell.cache_clear()
    yield
    live._doorbell.cache_clear()
