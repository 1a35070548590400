"""A returned book rests for some hours before anybody is promised it, where the rules say so."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core import clock
from core.actor import RULE
from lending import allocation, circulation, copies, loans, queries, tasks
from lending.models import Copy, Library, Loan, Posting
from lending.states import CopyState, ReservationState
from pickup import forecast
from tests import rows

pytestmark = pytest.mark.django_db

NOW = rows.NOW
REST = timedelta(hours=24)


@pytest.fixture
def library() -> Library:
    return rows.library(programme=rows.programme(rest_hours=24))


@pytest.fixture
def back(library: Library) -> Copy:
    """A copy that came back at ten."""
    copy = rows.copy(at=library)
    lent = rows.patron(library)
    loans.check_out(copy_id=copy.pk, patron_id=lent.pk, library_id=library.pk, by=RULE, now=NOW - timedelta(days=3))
    loans.take_back(barcode=copy.barcode, library_id=library.pk, by=RULE, now=NOW)
    return Copy.objects.get(pk=copy.pk)


def test_a_book_that_rests_is_promised_to_nobody_before_its_time(library: Library, back: Copy) -> None:
    (waiting,) = rows.reserve(rows.patron(library), back.title, at=rows.point(library))
    assert (back.state, back.rests_until) == (CopyState.TO_SHELVE, NOW + REST)
    assert not queries.free_copies().exists()
    for hours in (1, 23):
        assert copies.rested(now=NOW + timedelta(hours=hours)) == 0
        assert allocation.allocate(by=RULE, now=NOW + timedelta(hours=hours)) == []
    waiting.refresh_from_db()
    assert waiting.state == ReservationState.WAITING
    assert copies.rested(now=NOW + REST) == 1
    (given,) = allocation.allocate(by=RULE, now=NOW + REST)
    assert (given.pk, given.copy) == (waiting.pk, back)
    assert copies.rested(now=NOW + REST) == 0


def test_who_waited_before_the_return_waits_for_the_end_of_the_rest_too(library: Library) -> None:
    copy = rows.copy(at=library)
    loans.check_out(copy_id=copy.pk, patron_id=rows.patron(library).pk, library_id=library.pk, by=RULE, now=NOW)
    (waiting,) = rows.reserve(rows.patron(library), copy.title, at=rows.point(library))
    returned = loans.take_back(barcode=copy.barcode, library_id=library.pk, by=RULE, now=NOW + timedelta(hours=1))
    assert returned.next_reservation is None
    copies.rested(now=NOW + timedelta(hours=25))
    (given,) = allocation.allocate(by=RULE, now=NOW + timedelta(hours=25))
    assert given.pk == waiting.pk


def test_a_book_may_be_shelved_while_it_rests(library: Library, back: Copy) -> None:
    copies.shelve(copy_ids=[back.pk], by=RULE, now=NOW)
    back.refresh_from_db()
    assert (back.state, back.rests_until) == (CopyState.SHELF, NOW + REST)
    assert not queries.free_copies().exists()


def test_without_rest_hours_the_next_has_it_at_once() -> None:
    library = rows.library(programme=rows.programme(rest_hours=0))
    copy = rows.copy(at=library)
    loans.check_out(copy_id=copy.pk, patron_id=rows.patron(library).pk, library_id=library.pk, by=RULE, now=NOW)
    (waiting,) = rows.reserve(rows.patron(library), copy.title, at=rows.point(library))
    returned = loans.take_back(barcode=copy.barcode, library_id=library.pk, by=RULE, now=NOW + timedelta(hours=1))
    assert returned.next_reservation == waiting


def test_the_hours_of_the_closed_building_hold_while_it_is_closed() -> None:
    surge = rows.programme(rest_hours=72)
    library = rows.library(programme=rows.programme(rest_hours=0), surge_programme=surge, surge=True)
    copy = rows.copy(at=library)
    loans.check_out(copy_id=copy.pk, patron_id=rows.patron(library).pk, library_id=library.pk, by=RULE, now=NOW)
    loans.take_back(barcode=copy.barcode, library_id=library.pk, by=RULE, now=NOW)
    copy.refresh_from_db()
    assert copy.rests_until == NOW + timedelta(hours=72)


def test_a_return_that_is_undone_ends_the_rest(back: Copy) -> None:
    loans.undo_return(loan_id=Loan.objects.get(copy=back).pk, by=RULE, now=NOW)
    back.refresh_from_db()
    assert (back.state, back.rests_until) == (CopyState.LOAN, None)


def test_a_book_rests_beside_another_system_too() -> None:
    library = rows.library(circulation="beside", programme=rows.programme(rest_hours=24))
    copy = rows.copy(at=library)
    copy.move(CopyState.LOAN, at=NOW, by=RULE)
    circulation.take_back(barcode=copy.barcode, library_id=library.pk, by=RULE, now=NOW)
    copy.refresh_from_db()
    assert copy.rests_until == NOW + REST
    assert Posting.objects.get().kind == "check_in"


def test_the_forecast_counts_a_book_from_the_end_of_its_rest(library: Library, back: Copy) -> None:
    point = rows.point(library, rules={"promise": "at_order"})
    wish = (back.title_id, "")
    (hope,) = forecast.at_points(wishes=[wish], points=[point], now=NOW)[wish]
    assert (hope.kind, hope.day, hope.number) == ("line", rows.day("2026-11-25"), 1)
    (waiting,) = rows.reserve(rows.patron(library), back.title, at=point)
    assert forecast.turns([waiting], now=NOW) == {waiting.pk: rows.day("2026-11-25")}
    (hope,) = forecast.at_points(wishes=[wish], points=[point], now=NOW)[wish]
    assert (hope.number, hope.day) == (2, rows.day("2026-12-09"))  # two weeks after the one before


@pytest.mark.django_db(transaction=True)
def test_the_sweep_ends_the_rest_and_hands_out(library: Library, back: Copy) -> None:
    (waiting,) = rows.reserve(rows.patron(library), back.title, at=rows.point(library))
    now = clock.now()
    Copy.objects.filter(pk=back.pk).update(rests_until=now + timedelta(hours=1))
    tasks.allocate()
    waiting.refresh_from_db()
    assert waiting.state == ReservationState.WAITING
    Copy.objects.filter(pk=back.pk).update(rests_until=now)
    tasks.allocate()
    waiting.refresh_from_db()
    assert (waiting.state, waiting.copy) == (ReservationState.ALLOCATED, back)
