"""What every test may rely on: one clock value, enough connections for races, no slow password hashes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from hypothesis import HealthCheck, settings

from tests import rows

settings.register_profile(
    "house",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("house")


class QuickArgon2(Argon2PasswordHasher):
    """The product's hash with next to no work in it; a product process beside the tests can check it."""

    time_cost = 1
    memory_cost = 8
    parallelism = 1


CONNECTIONS = 24  # a race of twenty needs a connection for each


@pytest.fixture
def now() -> datetime:
    """Tuesday 24 November 2026, 10:00 in Seoul, in UTC."""
    return rows.NOW


@pytest.fixture
def slow_hashes() -> None:
    """Ask for the hashes of the product; slow hashes are meant for attackers, not for tests."""


@pytest.fixture(autouse=True)
def quick_hashes(request: pytest.FixtureRequest, settings: Any) -> None:
    """Quick hashes for every test that does not ask for `slow_hashes`."""
    if "slow_hashes" not in request.fixturenames:
        settings.PASSWORD_HASHERS = ["tests.conftest.QuickArgon2"]


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Widen the pool before the first connection is made."""
    from django.db import connections

    for connection in connections.all():
        connection.settings_dict["OPTIONS"]["pool"] = {"min_size": 0, "max_size": CONNECTIONS, "timeout": 10}
