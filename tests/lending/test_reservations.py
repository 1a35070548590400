"""Asking for books: who gets what, when, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import pytest

from core.actor import RULE
from core.models import Journal
from core.moves import MoveRefused
from core.refusal import BadInput, Refusal
from lending import allocation, copies, loans, queries, reservations, wishes
from lending.errors import (
    AlreadyReserved,
    Blocked,
    InAnOrder,
    NoCopies,
    PointClosed,
    PointNotFound,
    QuotaExceeded,
    UnknownCard,
    UnknownTitle,
    WhichVolume,
)
from lending.models import Copy, Library, Patron, PickupPoint, Programme, Reservation
from lending.reservations import Item
from lending.states import CopyState, ReservationState
from tests import rows

pytestmark = pytest.mark.django_db

SOON = rows.NOW.date() + timedelta(days=7)
WAITING, ALLOCATED, BAGGED = ReservationState.WAITING, ReservationState.ALLOCATED, ReservationState.BAGGED


@pytest.fixture
def library() -> Library:
    return rows.library()


@pytest.fixture
def point(library: Library) -> PickupPoint:
    return rows.point(library)


@pytest.fixture
def patron(library: Library) -> Patron:
    return rows.patron(library)


def refused(kind: type[Refusal], act: Callable[[], object]) -> Refusal:
    """The refusal that the act meets."""
    with pytest.raises(kind) as caught:
        act()
    return caught.value


def state(row: Reservation | Copy) -> str:
    """The state in the database."""
    return type(row)._default_manager.values_list("state", flat=True).get(pk=row.pk)


# What place promises


def test_a_book_on_the_shelf_is_set_aside_at_once(library: Library, point: PickupPoint, patron: Patron) -> None:
    title = rows.title()
    copy = rows.copy(title, library)
    (made,) = rows.reserve(patron, title, at=point)
    assert (made.state, made.copy, made.channel) == (ALLOCATED, copy, "web")
    journal = Journal.objects.filter(noun="lending.reservation", row=made.pk).order_by("id")
    assert [(row.was, row.became, row.principal) for row in journal] == [
        ("", "waiting", "patron"),
        ("waiting", "allocated", "patron"),
    ]
    assert state(copy) == CopyState.SHELF


def test_one_request_has_one_mark_and_comes_back_in_the_order_asked(
    library: Library, point: PickupPoint, patron: Patron
) -> None:
    titles = [rows.title() for _ in range(3)]
    for title in titles:
        rows.copy(title, library)
    made = rows.reserve(patron, *reversed(titles), at=point)
    assert [row.title for row in made] == titles[::-1]
    assert len({row.request for row in made}) == 1
    assert rows.reserve(rows.patron(library), titles[0], at=point)[0].request != made[0].request


def test_the_local_day_counts_not_the_utc_day(library: Library, point: PickupPoint, patron: Patron) -> None:
    title = rows.title()
    rows.copy(title, library)
    after_midnight_in_seoul = datetime(2026, 11, 24, 0, 30, tzinfo=rows.SEOUL)
    (made,) = rows.reserve(patron, title, at=point, now=after_midnight_in_seoul)
    assert made.placed_on == rows.day("2026-11-24")


def test_a_collector_must_be_the_patrons_own(library: Library, point: PickupPoint, patron: Patron) -> None:
    title = rows.title()
    rows.copy(title, library)
    stranger = rows.contact(rows.patron(library), own=False, name="손자")
    assert (
        refused(BadInput, lambda: rows.reserve(patron, title, at=point, collector_id=stranger.pk)).field == "collector"
    )
    mine = rows.contact(patron, own=False, name="손자")
    (made,) = rows.reserve(patron, title, at=point, collector_id=mine.pk)
    assert made.collector == mine


# What place refuses


def test_an_unknown_title_is_refused_with_its_place_in_the_request(
    library: Library, point: PickupPoint, patron: Patron
) -> None:
    title = rows.title()
    rows.copy(title, library)
    for unknown in (10**9, 0, -1, 2**63, 10**30):
        refusal = refused(UnknownTitle, partial(rows.reserve, patron, title, Item(unknown), at=point))
        assert (refusal.code, refusal.status, refusal.field) == ("unknown_title", 404, "items.1")
    assert not Reservation.objects.exists()


def test_a_title_asked_twice_in_one_request_is_refused(library: Library, point: PickupPoint, patron: Patron) -> None:
    title, other = rows.title(), rows.title()
    rows.copy(title, library)
    rows.copy(other, library)
    refusal = refused(AlreadyReserved, lambda: rows.reserve(patron, title, other, title, at=point))
    assert (refusal.code, refusal.field, refusal.facts["reservation"]) == ("already_reserved", "items.2", None)


def test_a_title_that_is_open_already_is_refused_and_named(
    library: Library, point: PickupPoint, patron: Patron
) -> None:
    title = rows.title()
    rows.copy(title, library)
    (made,) = rows.reserve(patron, title, at=point)
    refusal = refused(AlreadyReserved, lambda: rows.reserve(patron, title, at=point))
    assert (refusal.field, refusal.facts["reservation"]) == ("items.0", made.pk)
    wishes.cancel(reservation_id=made.pk, by=RULE, now=rows.NOW)
    assert rows.reserve(patron, title, at=point)[0].state == ALLOCATED


def test_a_title_without_any_copy_in_the_programme_is_refused(
    library: Library, point: PickupPoint, patron: Patron
) -> None:
    nowhere, abroad, lost = rows.title(), rows.title(), rows.title()
    rows.copy(abroad)  # of a library of another programme
    copy = rows.copy(lost, library)
    copy.move(CopyState.MISSING, at=rows.NOW, by=RULE)
    copy.move(CopyState.LOST, at=rows.NOW, by=RULE)
    for title in (nowhere, abroad, lost):
        assert refused(NoCopies, partial(rows.reserve, patron, title, at=point)).code == "no_copies"


def test_a_set_asks_which_volume(library: Library, point: PickupPoint, patron: Patron) -> None:
    title = rows.title()
    for volume in ("10", "2", "1"):
        rows.copy(title, library, volume=volume)
    refusal = refused(WhichVolume, lambda: rows.reserve(patron, title, at=point))
    assert (refusal.code, refusal.facts["volumes"]) == ("which_volume", ["1", "2", "10"])
    refused(WhichVolume, lambda: rows.reserve(patron, Item(title.pk, "3"), at=point))
    made = rows.reserve(patron, Item(title.pk, "2"), Item(title.pk, "10"), at=point)
    assert [row.copy.volume for row in made if row.copy] == ["2", "10"]


def test_an_empty_or_endless_request_is_refused(library: Library, point: PickupPoint, patron: Patron) -> None:
    assert refused(BadInput, lambda: rows.reserve(patron, at=point)).field == "items"
    many = [Item(1)] * (reservations.MOST_ITEMS + 1)
    assert refused(BadInput, lambda: rows.reserve(patron, *many, at=point)).field == "items"


def test_a_closed_or_unknown_point_takes_no_orders(library: Library, patron: Patron) -> None:
    title = rows.title()
    rows.copy(title, library)
    shut = rows.point(library, open=False)
    assert refused(PointClosed, lambda: rows.reserve(patron, title, at=shut)).code == "pickup_point_closed"
    for unknown in (0, 10**9, 10**30):
        act = reservations.place
        with pytest.raises(PointNotFound):
            act(patron_id=patron.pk, items=[Item(title.pk)], point_id=unknown, by=RULE, now=rows.NOW)


def test_an_unknown_patron_is_refused(library: Library, point: PickupPoint) -> None:
    with pytest.raises(UnknownCard):
        reservations.place(patron_id=10**9, items=[Item(1)], point_id=point.pk, by=RULE, now=rows.NOW)


@pytest.mark.parametrize(("until", "blocked"), [("2026-11-23", False), ("2026-11-24", True), ("2026-12-24", True)])
def test_a_blocked_card_waits_for_the_day_after(
    until: str, blocked: bool, library: Library, point: PickupPoint
) -> None:
    patron = rows.patron(library, blocked_until=rows.day(until))
    title = rows.title()
    rows.copy(title, library)
    if blocked:
        refusal = refused(Blocked, lambda: rows.reserve(patron, title, at=point))
        assert (refusal.code, refusal.facts) == ("patron_blocked", {"until": until})
    else:
        assert rows.reserve(patron, title, at=point)


# The quota


def shelf(library: Library, n: int) -> list[Item]:
    """So many titles with a copy each."""
    titles = [rows.title() for _ in range(n)]
    for title in titles:
        rows.copy(title, library)
    return [Item(title.pk) for title in titles]


def test_the_sixth_volume_of_a_household_is_refused_whoever_asks(library: Library, point: PickupPoint) -> None:
    home = rows.household()
    mother, child = rows.patron(library, household=home), rows.patron(library, household=home)
    books = shelf(library, 6)
    rows.reserve(mother, *books[:3], at=point)
    rows.reserve(child, *books[3:5], at=point)
    refusal = refused(QuotaExceeded, lambda: rows.reserve(child, books[5], at=point))
    assert (refusal.code, refusal.field) == ("quota_exceeded", "items")
    assert refusal.facts == {"allowed": 5, "taken": 5, "asked": 1, "per": "household", "again_on": "2026-11-30"}
    assert "5" in str(refusal)
    assert rows.reserve(child, books[5], at=point, now=rows.NOW + timedelta(days=6))  # Monday


def test_six_at_once_are_refused_as_a_whole(library: Library, point: PickupPoint, patron: Patron) -> None:
    refusal = refused(QuotaExceeded, lambda: rows.reserve(patron, *shelf(library, 6), at=point))
    assert refusal.facts["again_on"] is None
    assert not Reservation.objects.exists()


def test_a_patron_without_household_counts_alone(library: Library, point: PickupPoint) -> None:
    for _ in range(2):
        assert len(rows.reserve(rows.patron(library), *shelf(library, 5), at=point)) == 5


def test_a_programme_may_count_per_patron(library: Library) -> None:
    alone = rows.library(programme=rows.programme(volumes=1, volumes_per=Programme.Per.PATRON))
    point, home = rows.point(alone), rows.household()
    books = shelf(alone, 3)
    first, second = rows.patron(alone, household=home), rows.patron(alone, household=home)
    rows.reserve(first, books[0], at=point)
    rows.reserve(second, books[1], at=point)
    refused(QuotaExceeded, lambda: rows.reserve(first, books[2], at=point))


def test_the_quota_runs_over_all_libraries_of_the_programme(
    library: Library, patron: Patron, point: PickupPoint
) -> None:
    sister = rows.library(programme=library.programme)
    rows.reserve(patron, *shelf(library, 3), at=point)
    rows.reserve(patron, *shelf(sister, 2), at=rows.point(sister))
    refused(QuotaExceeded, lambda: rows.reserve(patron, *shelf(library, 1), at=point))
    other = rows.library()
    assert rows.reserve(patron, *shelf(other, 1), at=rows.point(other))


def test_cancelled_volumes_are_given_back_and_collected_ones_are_not(
    library: Library, point: PickupPoint, patron: Patron
) -> None:
    books = shelf(library, 7)
    made = rows.reserve(patron, *books[:5], at=point)
    wishes.cancel(reservation_id=made[0].pk, by=RULE, now=rows.NOW)
    (again,) = rows.reserve(patron, books[5], at=point)
    assert again.copy
    loans.check_out(copy_id=again.copy.pk, patron_id=patron.pk, library_id=library.pk, by=RULE, now=rows.NOW)
    refused(QuotaExceeded, lambda: rows.reserve(patron, books[6], at=point))


def test_a_bag_that_was_not_collected_counts_as_taken(library: Library, point: PickupPoint, patron: Patron) -> None:
    made = rows.reserve(patron, *shelf(library, 5), at=point)
    ids = [row.pk for row in made]
    reservations.bag(reservation_ids=ids, by=RULE, now=rows.NOW)
    reservations.end_bagged(reservation_ids=ids, to=ReservationState.EXPIRED, by=RULE, now=rows.NOW)
    refused(QuotaExceeded, lambda: rows.reserve(patron, *shelf(library, 1), at=point))


def test_a_rolling_week_frees_one_day_after_another() -> None:
    library = rows.library(programme=rows.programme(volumes=3, week=Programme.Week.ROLLING))
    point, patron, books = rows.point(library), rows.patron(library), shelf(library, 6)
    rows.reserve(patron, *books[:2], at=point, now=rows.NOW)  # Tuesday 24
    rows.reserve(patron, books[2], at=point, now=rows.NOW + timedelta(days=2))  # Thursday 26
    monday = rows.NOW + timedelta(days=6)
    one = refused(QuotaExceeded, lambda: rows.reserve(patron, books[3], at=point, now=monday))
    three = refused(QuotaExceeded, lambda: rows.reserve(patron, *books[3:], at=point, now=monday))
    assert (one.facts["again_on"], three.facts["again_on"]) == ("2026-12-01", "2026-12-03")
    tuesday = monday + timedelta(days=1)
    assert len(rows.reserve(patron, *books[3:5], at=point, now=tuesday)) == 2
    refused(QuotaExceeded, lambda: rows.reserve(patron, books[5], at=point, now=tuesday))


# Who gets the next copy


def test_who_waits_longest_gets_the_copy(library: Library, point: PickupPoint) -> None:
    title = rows.title()
    copy = rows.copy(title, library)
    first, second, third = (rows.patron(library) for _ in range(3))
    loans.check_out(copy_id=copy.pk, patron_id=first.pk, library_id=library.pk, by=RULE, now=rows.NOW)
    (late,) = rows.reserve(third, title, at=point, now=rows.NOW + timedelta(minutes=2))
    (early,) = rows.reserve(second, title, at=point, now=rows.NOW + timedelta(minutes=1))
    assert queries.positions([early, late]) == {early.pk: 1, late.pk: 2}
    assert queries.whys_waiting([early])[early.pk] == "lent"
    returned = loans.take_back(barcode=copy.barcode, library_id=library.pk, by=RULE, now=rows.NOW + timedelta(days=1))
    assert returned.next_reservation == early
    assert (state(early), state(late)) == (ALLOCATED, WAITING)


def test_a_copy_elsewhere_waits_and_says_so(library: Library, point: PickupPoint, patron: Patron) -> None:
    sister = rows.library(programme=library.programme)
    title = rows.title()
    rows.copy(title, sister)
    (here,) = rows.reserve(patron, title, at=point)
    assert (here.state, queries.whys_waiting([here])[here.pk]) == (WAITING, "elsewhere")
    (there,) = rows.reserve(rows.patron(library), title, at=rows.point(sister))
    assert there.state == ALLOCATED  # nobody is kept waiting by somebody whose copy stands elsewhere


def test_a_title_whose_last_copy_went_missing_says_that_none_can_come(
    library: Library, point: PickupPoint, patron: Patron
) -> None:
    title = rows.title()
    rows.copy(title, library)
    (made,) = rows.reserve(patron, title, at=point)
    reservations.bag(reservation_ids=[made.pk], by=RULE, now=rows.NOW)
    waiting = reservations.copy_missing(reservation_id=made.pk, by=RULE, now=rows.NOW)
    assert (waiting.state, waiting.copy, queries.whys_waiting([waiting])[waiting.pk]) == (WAITING, None, "no_copy")


def test_only_the_very_volume_is_given(library: Library, point: PickupPoint) -> None:
    title = rows.title()
    one = rows.copy(title, library, volume="1")
    rows.copy(title, library, volume="2")
    (first,) = rows.reserve(rows.patron(library), Item(title.pk, "1"), at=point)
    (second,) = rows.reserve(rows.patron(library), Item(title.pk, "1"), at=point)
    assert (first.copy, second.state, queries.positions([second])[second.pk]) == (one, WAITING, 1)


def test_the_sweep_finds_what_no_doorbell_told(library: Library, point: PickupPoint, patron: Patron) -> None:
    title, idle = rows.title(), rows.title()
    lent = rows.copy(title, library)
    loans.check_out(copy_id=lent.pk, patron_id=rows.patron(library).pk, library_id=library.pk, by=RULE, now=rows.NOW)
    (made,) = rows.reserve(patron, title, at=point)
    rows.copy(title, library)  # bought; nobody rings
    rows.copy(idle, library)
    assert allocation.allocate(by=RULE, now=rows.NOW) == [made]
    assert allocation.allocate(by=RULE, now=rows.NOW) == []
    assert state(made) == ALLOCATED


def test_the_sweep_takes_the_longest_wait_first_and_keeps_its_limit(library: Library, point: PickupPoint) -> None:
    waiting = []
    for minute in range(3):
        title = rows.title()
        away = rows.copy(title, library)
        away.move(CopyState.MISSING, at=rows.NOW, by=RULE)
        (made,) = rows.reserve(rows.patron(library), title, at=point, now=rows.NOW - timedelta(minutes=minute))
        waiting.append(made)
        away.move(CopyState.SHELF, at=rows.NOW, by=RULE)
    given = allocation.allocate(by=RULE, now=rows.NOW, limit=2)
    assert set(given) == set(waiting[1:])


# Ending, pausing, and what pickup does


def test_a_cancelled_reservation_hands_its_copy_on(library: Library, point: PickupPoint, patron: Patron) -> None:
    title = rows.title()
    copy = rows.copy(title, library)
    (made,) = rows.reserve(patron, title, at=point)
    (next_one,) = rows.reserve(rows.patron(library), title, at=point)
    gone = wishes.cancel(reservation_id=made.pk, by=rows.patron_actor(patron), now=rows.NOW)
    assert gone.state == ReservationState.CANCELLED
    next_one.refresh_from_db()
    assert (next_one.state, next_one.copy) == (ALLOCATED, copy)
    with pytest.raises(MoveRefused):
        wishes.cancel(reservation_id=made.pk, by=RULE, now=rows.NOW)


def test_lending_lets_go_of_nothing_that_is_in_a_bag(library: Library, point: PickupPoint, patron: Patron) -> None:
    title = rows.title()
    rows.copy(title, library)
    (made,) = rows.reserve(patron, title, at=point)
    reservations.bag(reservation_ids=[made.pk], by=RULE, now=rows.NOW)
    for verb in (wishes.cancel, partial(wishes.suspend, until=SOON), partial(wishes.need_until, until=SOON)):
        refusal = refused(InAnOrder, partial(verb, reservation_id=made.pk, by=RULE, now=rows.NOW))
        assert (refusal.code, refusal.facts) == ("in_an_order", {"reservation": made.pk})


def test_a_paused_reservation_keeps_its_place(library: Library, point: PickupPoint, patron: Patron) -> None:
    title = rows.title()
    copy = rows.copy(title, library)
    loans.check_out(copy_id=copy.pk, patron_id=rows.patron(library).pk, library_id=library.pk, by=RULE, now=rows.NOW)
    (paused,) = rows.reserve(patron, title, at=point)
    (other,) = rows.reserve(rows.patron(library), title, at=point, now=rows.NOW + timedelta(hours=1))
    wishes.suspend(reservation_id=paused.pk, until=SOON, by=RULE, now=rows.NOW)
    assert queries.positions([other])[other.pk] == 1
    wishes.resume(reservation_id=paused.pk, by=RULE, now=rows.NOW)
    assert queries.positions([other])[other.pk] == 2
    returned = loans.take_back(barcode=copy.barcode, library_id=library.pk, by=RULE, now=rows.NOW + timedelta(days=1))
    assert returned.next_reservation == paused
    with pytest.raises(MoveRefused):
        wishes.resume(reservation_id=paused.pk, by=RULE, now=rows.NOW)


def test_a_bag_takes_only_what_is_still_set_aside(library: Library, point: PickupPoint, patron: Patron) -> None:
    books = shelf(library, 2)
    first, second = rows.reserve(patron, *books, at=point)
    wishes.cancel(reservation_id=first.pk, by=RULE, now=rows.NOW)
    bagged = reservations.bag(reservation_ids=[first.pk, second.pk], by=RULE, now=rows.NOW)
    assert [(row.pk, row.state) for row in bagged] == [(second.pk, BAGGED)]
    assert reservations.bag(reservation_ids=[first.pk, second.pk], by=RULE, now=rows.NOW) == []


def test_what_is_dropped_from_a_bag_keeps_its_copy_and_what_waits_gets_none_by_it(
    library: Library, point: PickupPoint, patron: Patron
) -> None:
    title = rows.title()
    copy = rows.copy(title, library)
    (made,) = rows.reserve(patron, title, at=point)
    (waiting,) = rows.reserve(rows.patron(library), title, at=point)
    reservations.bag(reservation_ids=[made.pk], by=RULE, now=rows.NOW)
    dropped = reservations.unbag(reservation_ids=[made.pk, waiting.pk], by=RULE, now=rows.NOW)
    assert [(row.pk, row.state, row.copy) for row in dropped] == [(made.pk, ALLOCATED, copy)]
    assert state(waiting) == WAITING


@pytest.mark.parametrize(
    ("verb", "became"),
    [(reservations.copy_missing, CopyState.MISSING), (reservations.copy_damaged, CopyState.DAMAGED)],
)
def test_who_loses_the_copy_gets_the_next_one_before_all_others(
    verb: Callable[..., Reservation], became: CopyState, library: Library, point: PickupPoint, patron: Patron
) -> None:
    title = rows.title()
    gone, spare = rows.copy(title, library), rows.copy(title, library)
    (made,) = rows.reserve(patron, title, at=point)
    (later,) = rows.reserve(rows.patron(library), title, at=point, now=rows.NOW + timedelta(minutes=1))
    assert (made.copy, later.copy) == (gone, spare)
    wishes.cancel(reservation_id=later.pk, by=RULE, now=rows.NOW)
    (third,) = rows.reserve(rows.patron(library), title, at=point, now=rows.NOW + timedelta(minutes=2))
    wishes.cancel(reservation_id=third.pk, by=RULE, now=rows.NOW)
    reservations.bag(reservation_ids=[made.pk], by=RULE, now=rows.NOW)
    again = verb(reservation_id=made.pk, by=RULE, now=rows.NOW)
    assert (again.state, again.copy, state(gone)) == (ALLOCATED, spare, became)
    with pytest.raises(MoveRefused):
        verb(reservation_id=made.pk, by=RULE, now=rows.NOW)


def test_a_bag_given_up_frees_its_books_for_the_next(library: Library, point: PickupPoint, patron: Patron) -> None:
    title = rows.title()
    copy = rows.copy(title, library)
    (made,) = rows.reserve(patron, title, at=point)
    (later,) = rows.reserve(rows.patron(library), title, at=point)
    reservations.bag(reservation_ids=[made.pk], by=RULE, now=rows.NOW)
    copies.to_bag(copy_id=copy.pk, by=RULE, now=rows.NOW)
    with pytest.raises(ValueError):
        reservations.end_bagged(reservation_ids=[made.pk], to=ReservationState.FULFILLED, by=RULE, now=rows.NOW)
    (ended,) = reservations.end_bagged(reservation_ids=[made.pk], to=ReservationState.CANCELLED, by=RULE, now=rows.NOW)
    assert ended.copy == copy  # the pull list still says where it is
    assert allocation.allocate(by=RULE, now=rows.NOW) == []  # it lies in a bag
    copies.to_return_cart(copy_ids=[copy.pk], by=RULE, now=rows.NOW)
    assert allocation.allocate(title_ids=[title.pk], by=RULE, now=rows.NOW) == [later]


def test_back_in_line_without_a_copy(library: Library, point: PickupPoint, patron: Patron) -> None:
    title = rows.title()
    rows.copy(title, library)
    (made,) = rows.reserve(patron, title, at=point)
    assert reservations.wait_again(reservation_ids=[made.pk], by=RULE, now=rows.NOW) == []
    reservations.bag(reservation_ids=[made.pk], by=RULE, now=rows.NOW)
    (back,) = reservations.wait_again(reservation_ids=[made.pk], by=RULE, now=rows.NOW)
    assert (back.state, back.copy) == (WAITING, None)
