"""What every test may rely on: one clock value, enough connections for races, no slow password hashes."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import HealthCheck, settings

from tests import rows

settings.register_profile(
    "house",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("house")

CONNECTIONS = 24  # a race of twenty needs a connection for each


@pytest.fixture
def now() -> datetime:
    """Tuesday 24 November 2026, 10:00 in Seoul, in UTC."""
    return rows.NOW


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """Widen the pool before the first connection is made."""
    from django.db import connections

    for connection in connections.all():
        connection.settings_dict["OPTIONS"]["pool"] = {"min_size": 0, "max_size": CONNECTIONS, "timeout": 10}
