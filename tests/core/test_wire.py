"""Statements that travel together are done in their order, and whatever they run into is told to whoever took them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import pytest
from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    connection,
    transaction,
)
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext

from core.compiled import ask, soon
from core.driver import wire
from core.driver.wire import Wire
from lending.models import Patron
from tests import rows

pytestmark = pytest.mark.django_db(transaction=True)

RENAME = "UPDATE lending_patron SET name = %s WHERE id = %s"
NAME = "SELECT name FROM lending_patron WHERE id = %s"
MOVE = "UPDATE lending_patron SET home_id = %s WHERE id = %s"  # the law on it is kept for the commit


@pytest.fixture
def packets(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many statements there were in each packet that was sent."""
    counted: list[int] = []
    heard = Wire._heard

    def counting(self: Wire) -> object:
        counted.append(len(self._unheard))
        return heard(self)

    monkeypatch.setattr(Wire, "_heard", counting)
    return counted


@pytest.fixture(autouse=True)
def usable_afterwards() -> Iterator[None]:
    """Whatever happened: the next one finds no transaction and no statement of another."""
    yield
    assert not connection.in_atomic_block
    assert ask("SELECT %s::int", (1,)) == [(1,)]


def in_one(*steps: Callable[[], object]) -> None:
    """Take these steps in one transaction."""
    with transaction.atomic():
        for step in steps:
            step()


def stop(_rows: object) -> None:
    raise LookupError


def test_begin_travels_with_the_first_question_and_the_last_word_with_the_commit(packets: list[int]) -> None:
    who = rows.patron()
    for name in ("planned", "again"):
        packets.clear()
        with transaction.atomic():
            soon(RENAME, (name, who.pk))
            assert ask(NAME, (who.pk,)) == [(name,)]
            soon(RENAME, (f"{name} and kept", who.pk))
        assert ask(NAME, (who.pk,)) == [(f"{name} and kept",)]
    assert packets == [3, 2, 1]  # BEGIN and two; one and COMMIT; one


def test_what_django_asks_comes_after_it() -> None:
    who = rows.patron()
    with transaction.atomic():
        soon(RENAME, ("한강", who.pk))
        assert Patron.objects.get(pk=who.pk).name == "한강"
    with transaction.atomic(), connection.cursor() as made_before:
        soon(RENAME, ("남산", who.pk))
        made_before.execute(NAME, [who.pk])
        assert made_before.fetchone() == ("남산",)


def test_who_watches_sees_each_statement_in_its_order() -> None:
    who = rows.patron()
    with transaction.atomic():
        soon(RENAME, ("before", who.pk))
        with CaptureQueriesContext(connection) as seen:
            soon(RENAME, ("after", who.pk))
            assert ask(NAME, (who.pk,)) == [("after",)]
    assert [query["sql"][:6] for query in seen] == ["UPDATE", "SELECT"]


def test_outside_a_transaction_nothing_waits() -> None:
    who = rows.patron()
    soon(RENAME, ("한강", who.pk))
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute(NAME, [who.pk])
            assert cursor.fetchone() == ("한강",)
    finally:
        other.close()


def test_what_comes_next_raises_what_it_ran_into_and_is_not_done() -> None:
    who, other = rows.patron(), rows.patron()
    with pytest.raises(IntegrityError, match="name"):
        in_one(lambda: soon(RENAME, (None, who.pk)), lambda: ask(RENAME, ("never", other.pk)))
    assert Patron.objects.get(pk=other.pk).name == other.name


def test_the_commit_raises_it_too_and_undoes_all() -> None:
    who = rows.patron()
    for sql, values in ((RENAME, (None, who.pk)), (MOVE, (who.home_id + 1000, who.pk))):
        with pytest.raises(IntegrityError):
            in_one(lambda: ask(RENAME, ("never", who.pk)), partial(soon, sql, values))
        assert Patron.objects.get(pk=who.pk).name == who.name


def test_nobody_is_told_of_a_commit_that_was_none() -> None:
    who, told = rows.patron(), []
    with suppress(IntegrityError), transaction.atomic():
        transaction.on_commit(lambda: told.append("committed"))
        soon(RENAME, (None, who.pk))
    assert told == []


def test_a_savepoint_undoes_what_was_asked_within_it() -> None:
    who = rows.patron()
    with transaction.atomic():
        soon(RENAME, ("kept", who.pk))
        with suppress(LookupError), transaction.atomic():
            soon(RENAME, ("undone", who.pk))
            raise LookupError
        with suppress(IntegrityError), transaction.atomic():
            soon(RENAME, (None, who.pk))
    assert Patron.objects.get(pk=who.pk).name == "kept"


def test_what_is_undone_is_never_sent(packets: list[int]) -> None:
    who = rows.patron()
    with suppress(LookupError), transaction.atomic():
        soon(RENAME, ("never", who.pk))
        raise LookupError
    assert packets == []
    assert Patron.objects.get(pk=who.pk).name == who.name


def test_an_answer_is_heard_with_the_next_one_and_may_stop_it_all() -> None:
    who = rows.patron()
    heard: list[object] = []
    with transaction.atomic():
        soon(NAME, (who.pk,), heard.append)
        assert heard == []
        ask("SELECT 1", ())
        assert heard == [[(who.name,)]]

    with pytest.raises(LookupError):
        in_one(lambda: soon(NAME, (who.pk,), stop), lambda: ask(RENAME, ("never", who.pk)))
    assert Patron.objects.get(pk=who.pk).name == who.name


def test_words_are_numbered_and_a_percent_sign_is_one() -> None:
    assert ask("SELECT %s::text LIKE 'ha%%', 7 %% %s::int", ("half", 4)) == [(True, 3)]


def test_what_cannot_be_written_is_refused_where_it_is_said() -> None:
    with pytest.raises(DataError), transaction.atomic():
        soon("SELECT %s::text", ("a\0b",))


def test_plans_beyond_the_most_are_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MOST", 3)
    for _ in range(2):
        for number in range(5):
            with transaction.atomic():
                soon(f"SELECT {number}", ())
                assert ask(f"SELECT {number} + 10", ()) == [(number + 10,)]
    (kept,) = ask("SELECT count(*) FROM pg_prepared_statements", ())[0]
    assert kept <= 3 + 4  # with BEGIN, COMMIT and what travels with them


def test_a_plan_that_was_never_made_is_made_the_next_time() -> None:
    who = rows.patron()
    for _ in range(2):
        with pytest.raises(IntegrityError):
            in_one(lambda: soon(RENAME, (None, who.pk)), lambda: ask("SELECT 'after what failed'", ()))
    assert ask("SELECT 'after what failed'", ()) == [("after what failed",)]


class TimeIsUp(Exception):
    """A limit that comes by a signal, as a worker's."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    def ring(*_about: object) -> None:
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_commit_that_nobody_waited_for_is_none_where_it_was_not_done_yet() -> None:
    who = rows.patron()
    told: list[str] = []
    with pytest.raises(TimeIsUp), limited(0.3):
        in_one(
            lambda: transaction.on_commit(lambda: told.append("committed")),
            lambda: ask(RENAME, ("never", who.pk)),
            lambda: soon("SELECT pg_sleep(1.5)", ()),
        )
    with transaction.atomic():
        [(name,)] = ask(f"{NAME} FOR UPDATE", (who.pk,))  # after whoever still holds the row
    assert (name, told) == (who.name, [])


def test_what_cannot_be_sent_ends_the_connection_and_not_the_thread() -> None:
    who, many = rows.patron(), 70_000  # values; PostgreSQL takes 65,535
    with pytest.raises(OperationalError):
        in_one(
            lambda: ask(RENAME, ("never", who.pk)),
            lambda: ask(f"SELECT {', '.join(['%s'] * many)}", [1] * many),
        )
    assert Patron.objects.get(pk=who.pk).name == who.name


def test_another_number_of_values_is_refused() -> None:
    for values in ((), (1, 2)):
        with pytest.raises(ProgrammingError):
            ask("SELECT %s::int", values)


def test_what_hangs_on_a_commit_that_failed_does_not_happen_with_the_next() -> None:
    told: list[str] = []
    with pytest.raises(LookupError):
        in_one(lambda: transaction.on_commit(lambda: told.append("committed")), lambda: soon("SELECT 1", (), stop))
    in_one(lambda: ask("SELECT 2", ()))
    assert told == []


def test_what_was_only_to_be_done_within_a_savepoint_is_not_done_to_be_undone() -> None:
    who = rows.patron()
    with transaction.atomic():
        with suppress(LookupError), transaction.atomic():
            soon(RENAME, (None, who.pk))
            raise LookupError
        assert Patron.objects.filter(pk=who.pk).exists()


def test_nothing_is_asked_of_a_transaction_that_will_be_undone() -> None:
    def refused() -> None:
        with suppress(LookupError), transaction.atomic(savepoint=False):
            raise LookupError

    with pytest.raises(TransactionManagementError):
        in_one(refused, lambda: soon("SELECT 1", ()))


def test_a_plan_that_is_outdated_is_made_anew() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE tried (word varchar(5))")
    try:
        in_one(lambda: ask("SELECT word FROM tried", ()))
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE tried ALTER word TYPE varchar(9)")
        with pytest.raises(NotSupportedError):
            in_one(lambda: ask("SELECT word FROM tried", ()))
        in_one(lambda: ask("SELECT word FROM tried", ()))
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE tried")


def test_what_was_planned_beside_an_answer_that_stopped_it_is_kept() -> None:
    for _ in range(3):
        with pytest.raises(LookupError):
            in_one(lambda: soon("SELECT 1", (), stop), lambda: ask("SELECT 'beside'", ()))
    planned = "SELECT count(*) FROM pg_prepared_statements WHERE position('beside' in statement) = 9"
    assert ask(planned, ()) == [(1,)]


def test_a_connection_that_is_given_back_takes_nothing_along() -> None:
    who = rows.patron()
    with suppress(DatabaseError), transaction.atomic():
        soon(RENAME, ("never", who.pk))
        connection.close()
    with transaction.atomic():
        assert ask(NAME, (who.pk,)) == [(who.name,)]


@pytest.mark.parametrize("committed", [True, False])
def test_a_connection_that_is_gone_is_the_databases_trouble_and_replaced(committed: bool) -> None:
    who, other = rows.patron(), connection.copy()

    def hang_up() -> None:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", ask("SELECT pg_backend_pid()", ())[0])
        other.close()

    with pytest.raises((OperationalError, InternalError)):
        in_one(hang_up, lambda: soon(RENAME, ("never", who.pk)), lambda: committed or ask(NAME, (who.pk,)))
    connection.close_if_unusable_or_obsolete()
    assert Patron.objects.get(pk=who.pk).name == who.name
