"""The browser: the system's Chromium, with the flags that a quiet test needs."""

from __future__ import annotations

import os
from typing import Any

import pytest

from config.embedded import browser
from tests.product import Running

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # Playwright's own loop runs in the thread of the test


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Found or installed; a machine without any stops here with a sentence."""
    return browser.launch_options(browser.find())


@pytest.fixture(scope="session")
def base_url(product: Running) -> str:
    """`page.goto("/")` is the patron's page of the running product."""
    return product.base_url


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    """A Korean reader in Seoul, on a telephone's width."""
    return {
        **browser_context_args,
        "locale": "ko-KR",
        "timezone_id": "Asia/Seoul",
        "viewport": {"width": 390, "height": 844},
    }
