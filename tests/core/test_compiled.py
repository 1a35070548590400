"""A compiled query gives what its queryset gives, whatever it is asked for and whoever asks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction
from django.db.models import F
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext

from core.compiled import Compiled, Given
from lending.models import Patron
from tests import rows

pytestmark = pytest.mark.django_db(transaction=True)


def of_library() -> Compiled[Patron]:
    return Compiled(lambda: Patron.objects.filter(home=Given("home"), name__gt="").order_by("-name"))


def test_each_asking_has_its_own_values() -> None:
    compiled, here, there = of_library(), rows.library(), rows.library()
    first, second = rows.patron(here, name="가나"), rows.patron(here, name="다라")
    other = rows.patron(there)
    assert compiled.rows(home=here.pk) == [second, first]
    assert compiled.first(home=there.pk) == other
    assert compiled.first(home=0) is None


def test_what_is_joined_and_annotated_comes_in_the_same_query() -> None:
    patron = rows.patron()
    compiled = Compiled(
        lambda: Patron.objects.filter(pk=Given("patron")).select_related("home__programme").annotate(at=F("home__zone"))
    )
    for _ in range(2):
        with CaptureQueriesContext(connection) as asked:
            found = compiled.first(patron=patron.pk)
            assert found is not None
            assert found.home.programme == patron.home.programme
            assert found.at == patron.home.zone  # type: ignore[attr-defined]  # annotated
        assert len(asked) == 1


def test_threads_ask_on_their_own_connections() -> None:
    compiled, patron = of_library(), rows.patron()
    compiled.rows(home=0)

    def asked(_number: int) -> list[Patron]:
        try:
            return compiled.rows(home=patron.home_id)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(asked, range(8))) == [[patron]] * 8


def test_a_value_that_nobody_gave_is_an_error() -> None:
    with pytest.raises(KeyError):
        of_library().rows()


def test_one_that_locks_is_not_asked_outside_a_transaction() -> None:
    patron = rows.patron()
    compiled = Compiled(lambda: Patron.objects.select_for_update().filter(pk=Given("patron")))
    with transaction.atomic():
        assert compiled.first(patron=patron.pk) == patron
    with pytest.raises(TransactionManagementError):
        compiled.first(patron=patron.pk)


def planned(words: str) -> int:
    """How many statements with these words PostgreSQL has planned ahead for this connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE position(%s in statement) > 0", [words])
        return int(cursor.fetchone()[0])


def test_it_is_planned_once_for_a_connection_and_stays_right_when_the_table_grows() -> None:
    compiled, library = of_library(), rows.library()
    ordered_by_name = 'ORDER BY "lending_patron"."name" DESC'
    for _ in range(3):
        assert compiled.rows(home=library.pk) == []
    patron = rows.patron(library)
    assert compiled.rows(home=library.pk) == [patron]
    assert planned(ordered_by_name) == 1
    try:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE lending_patron ADD COLUMN tried integer DEFAULT 1")
        assert compiled.rows(home=library.pk) == [patron]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE lending_patron DROP COLUMN tried")
    assert compiled.rows(home=library.pk) == [patron]
