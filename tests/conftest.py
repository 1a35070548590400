"""What every test may rely on: one clock value, enough connections for races, no slow password hashes."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import transaction
from django.test import TransactionTestCase
from django.utils import translation
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
    """Widen the pool before the first connection is made; take a copy of a migrated database where there is one."""
    from django.db import connection

    connection.settings_dict["OPTIONS"] |= {
        "pool": {"min_size": 0, "max_size": CONNECTIONS, "timeout": 10},
    }
    if migrated := os.environ.get("TESTS_COPY"):
        creation: Any = connection.creation
        creation.create_test_db = lambda **_: _copy_of(migrated)


def _copy_of(migrated: str) -> str:
    from django.conf import settings
    from django.db import connection

    creation: Any = connection.creation
    name: str = creation._get_test_db_name()
    with creation._nodb_cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')
        cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{migrated}"')
    connection.close()
    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name
    return name


def _empty_tables(_case: TransactionTestCase) -> None:
    """Empty what a test that commits has filled: a tenth of the time of `flush`, which also makes all permissions anew.

    Content types and permissions stay as `migrate` made them. Triggers and foreign keys rest meanwhile; where the
    tests' user may not tell them to, the tables are cut.
    """
    from django.db import connection

    kept = {"django_content_type", "auth_permission"}
    tables = set(connection.introspection.django_table_names(only_existing=False, include_views=False)) - kept
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM \"{name}\")" for name in tables))
        filled = [f'"{name}"' for (name,) in cursor.fetchall()]
        cursor.execute("SELECT current_setting('is_superuser')")
        if cursor.fetchone() != ("on",):
            cursor.execute(f"TRUNCATE {', '.join(filled)} CASCADE" if filled else "SELECT 1")
            return
        cursor.execute("SET LOCAL session_replication_role = replica")
        for name in filled:
            cursor.execute(f"DELETE FROM {name}")


TransactionTestCase._fixture_teardown = _empty_tables  # type: ignore[attr-defined]


TWICE = {"browser", "fault", "journey", "control"}  # marks of tests that a busy machine may fail


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order files for two processes; `make check` leaves out the tests that need a database.

    A test of real processes that fails is run once more, and the end of the run says so with what went wrong: a page
    that came late on a busy machine stops nobody, and is seen. So is a control, which shows that a race *can* be lost
    once its guard is gone: a busy machine may let everybody pass one after the other. Races, laws and all else get no
    second chance.
    """
    for item in items:
        if any(mark.name in TWICE for mark in item.iter_markers()):
            item.add_marker(pytest.mark.flaky(reruns=1))
    if hasattr(config, "workerinput"):
        _longest_first(items)
    if not os.environ.get("INNER"):
        return
    left = [item for item in items if _needs_database(item)]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if not _needs_database(item)]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Beside a failure of real processes stands what they said last: it is gone with them."""
    report = yield
    if report.failed and (made := getattr(item, "funcargs", {}).get("product")):
        report.sections += [(f"log of {name}", made.said(name, 150)) for name in made.product.programs]
    return report


def _longest_first(items: list[pytest.Item]) -> None:
    """Begin with the files that need the product, which rests afterwards, and of the rest with those that take longest:
    so that no process is left alone with one at the end.
    """
    seconds = {"browser": 5.0, "journey": 10.0, "fault": 10.0, "race": 1.0}
    of_file: dict[Path, float] = {}
    for item in items:
        patience = item.get_closest_marker("timeout")  # whoever asks for more of it takes longer
        likely = [seconds.get(mark.name, 0.1) for mark in item.iter_markers()]
        longest = max([*likely, patience.args[0] / 40 if patience else 0.1])
        of_file[item.path] = of_file.get(item.path, 0.0) + longest
    beside = {item.path for item in items if "product" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: (item.path not in beside, -of_file[item.path]))


def pytest_collection_finish() -> None:
    """What was collected stays to the end: looking through it for garbage again and again took a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _needs_database(item: pytest.Item) -> bool:
    asked = {"db", "transactional_db"} & set(getattr(item, "fixturenames", ()))
    return bool(asked) or item.get_closest_marker("django_db") is not None


@pytest.fixture(autouse=True)
def _in_no_language() -> Iterator[None]:
    """Forget the language that a request or a command of the test spoke, so that the next one begins without any."""
    yield
    translation.deactivate()


@pytest.fixture(autouse=True)
def _laws_hold(request: pytest.FixtureRequest) -> Iterator[None]:
    """Look at the laws of the house before the database of a test is emptied; see tests/laws.py.

    Whoever breaks one on purpose says which and why: `@pytest.mark.lawless("I1", why="..")`.
    """
    if not _needs_database(request.node):
        yield
        return
    from django.db import connection

    from tests import laws

    request.getfixturevalue("_django_db_helper")  # so that the database is still there afterwards
    laws.taken_away.clear()
    yield
    excused = {number for mark in request.node.iter_markers("lawless") for number in mark.args}
    if not laws.taken_away and not connection.needs_rollback:
        broken = [told for number, told in laws.broken(within=request.path) if number not in excused]
        assert not broken, "\n".join(broken)
