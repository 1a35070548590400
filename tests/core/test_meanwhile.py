"""PostgreSQL works while Python goes on, and what it runs into is told as ever."""

from __future__ import annotations

import time
from contextlib import closing

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from core.compiled import ask, soon
from core.meanwhile import meanwhile
from lending.models import Patron
from tests import rows

pytestmark = pytest.mark.django_db


def rename(who, name):
    return lambda: soon("UPDATE lending_patron SET name = %s WHERE id = %s", (name, who.pk))


@pytest.mark.parametrize("much", [1, 60_000_000])  # the second is more than the driver sends at once
def test_postgresql_is_at_work_while_the_body_goes_on(much):
    other, waits = connection.copy(), 0
    lock = "SELECT pg_advisory_xact_lock(4711) WHERE length(%s) > 0"
    with closing(other), other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(4711)")
        with meanwhile(lambda: soon(lock, ("x" * much,))):
            until = time.monotonic() + 10
            while not waits and time.monotonic() < until:
                cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
                (waits,) = cursor.fetchone()
            cursor.execute("SELECT pg_advisory_unlock(4711)")  # whoever waited for the answer would wait for this
    assert waits


def test_what_was_asked_is_done_when_the_body_is():
    who = rows.patron()
    with meanwhile(rename(who, "한강")):
        pass
    assert Patron.objects.get(pk=who.pk).name == "한강"


def test_who_watches_sees_it_and_it_is_done() -> None:
    who = rows.patron()
    with CaptureQueriesContext(connection) as seen, meanwhile(rename(who, "한강")):
        pass
    assert [query["sql"][:6] for query in seen] == ["UPDATE", "SET CO", "SET CO"]
    assert Patron.objects.get(pk=who.pk).name == "한강"


def test_what_it_runs_into_is_djangos_error_and_undone_alone():
    who = rows.patron()
    with pytest.raises(IntegrityError, match="name"), transaction.atomic(), meanwhile(rename(who, None)):
        pass
    assert Patron.objects.get(pk=who.pk).name == who.name


def test_laws_kept_for_the_commit_are_looked_at_and_then_kept_for_it_again():
    who = rows.patron()
    to_nowhere = "UPDATE lending_patron SET home_id = %s WHERE id = %s"
    with (
        pytest.raises(IntegrityError, match="foreign key"),
        transaction.atomic(),
        meanwhile(lambda: soon(to_nowhere, (who.home_id + 1000, who.pk))),
    ):
        pass
    with meanwhile(rename(who, "한강")):
        pass
    ask(to_nowhere, (who.home_id + 1000, who.pk))
    ask(to_nowhere, (who.home_id, who.pk))


def test_an_error_of_the_body_comes_out_as_it_is():
    who = rows.patron()
    with pytest.raises(LookupError), transaction.atomic(), meanwhile(rename(who, "한강")):
        raise LookupError
    assert Patron.objects.get(pk=who.pk).name == who.name


def test_a_time_limit_is_the_databases_trouble():
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 50")
    with pytest.raises(OperationalError), transaction.atomic(), meanwhile(lambda: soon("SELECT pg_sleep(5)", ())):
        pass
