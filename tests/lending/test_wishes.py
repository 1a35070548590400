"""A reservation that is in no bag can be paused, limited to a day, and collected elsewhere, and keeps its place."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from core.actor import RULE
from core.moves import MoveRefused
from core.refusal import BadInput
from lending import allocation, loans, queries, reservations, wishes
from lending.errors import InAnOrder, NoCopies, PointClosed, QueueFull, QuotaExceeded, TooManyReserved
from lending.models import Copy, PickupPoint, Reservation, Strike, Transfer
from notifications.models import Message
from tests import rows

pytestmark = pytest.mark.django_db

TODAY = date(2026, 11, 24)
DAY = timedelta(days=1)


@pytest.fixture
def point() -> PickupPoint:
    return rows.point()


def lent(at: PickupPoint) -> Copy:
    """A copy that somebody else has at home."""
    copy = rows.copy(at=at.library)
    reader = rows.patron(at.library)
    loans.check_out(copy_id=copy.pk, patron_id=reader.pk, library_id=at.library_id, by=RULE, now=rows.NOW)
    return copy


def wanted(copy: Copy, at: PickupPoint, *, after: timedelta = timedelta(), **more: object) -> Reservation:
    """Somebody waits for this copy."""
    (made,) = rows.reserve(rows.patron(at.library), copy.title, at=at, now=rows.NOW + after, **more)
    return made


def back(copy: Copy, at: PickupPoint, *, now: datetime = rows.NOW) -> Reservation | None:
    """It comes back at the library of the point; who gets it."""
    return loans.take_back(barcode=copy.barcode, library_id=at.library_id, by=RULE, now=now).next_reservation


def again(row: Reservation) -> Reservation:
    return Reservation.objects.get(pk=row.pk)


# A pause


def test_whoever_pauses_is_passed_over_and_keeps_the_place(point):
    copy = lent(point)
    first, second = wanted(copy, point), wanted(copy, point, after=timedelta(hours=1))
    wishes.suspend(reservation_id=first.pk, until=TODAY + 7 * DAY, by=RULE, now=rows.NOW)
    assert back(copy, point) == second
    wishes.resume(reservation_id=first.pk, by=RULE, now=rows.NOW)
    third = wanted(copy, point, after=timedelta(hours=2))
    assert queries.positions([again(first), third]) == {first.pk: 1, third.pk: 2}


def test_whoever_pauses_still_takes_a_place_in_a_line_that_is_limited():
    here = rows.point(rows.library(programme=rows.programme(waiting_most=1)))
    copy = lent(here)
    first = wanted(copy, here)
    wishes.suspend(reservation_id=first.pk, until=TODAY + 7 * DAY, by=RULE, now=rows.NOW)
    with pytest.raises(QueueFull) as refused:
        wanted(copy, here)
    assert refused.value.facts == {
        "title": copy.title_id,
        "allowed": 1,
        "waiting": 1,
        "again_on": "2026-12-08",
    }
    wishes.resume(reservation_id=first.pk, by=RULE, now=rows.NOW)
    wishes.cancel(reservation_id=first.pk, by=RULE, now=rows.NOW)
    assert wanted(copy, here).state == "waiting"


def test_a_paused_book_moves_only_into_a_line_that_has_room(point):
    full = rows.point(rows.library(programme=rows.programme(waiting_most=1)))
    copy = lent(point)
    there = rows.copy(copy.title, full.library)
    loans.check_out(copy_id=there.pk, patron_id=rows.patron().pk, library_id=full.library_id, by=RULE, now=rows.NOW)
    wanted(copy, full)
    row = wanted(copy, point)
    wishes.suspend(reservation_id=row.pk, until=TODAY + DAY, by=RULE, now=rows.NOW)
    with pytest.raises(QueueFull):
        moved(row, full)
    assert again(row).pickup_point == point


def test_a_pause_ends_on_its_day_in_the_librarys_zone_and_the_free_copy_is_theirs(point):
    copy = lent(point)
    row = wanted(copy, point)
    wishes.suspend(reservation_id=row.pk, until=TODAY + DAY, by=RULE, now=rows.NOW)
    back(copy, point)
    midnight = datetime.fromisoformat("2026-11-25T00:00:00+09:00")
    assert wishes.resume_due(now=midnight - timedelta(seconds=1)) == 0
    assert wishes.resume_due(now=midnight) == 1
    assert (again(row).state, again(row).copy, again(row).suspended_until) == ("allocated", copy, None)
    assert wishes.resume_due(now=midnight) == 0


def test_a_longer_pause_is_another_day(point):
    row = wanted(lent(point), point)
    for days in (3, 9):
        wishes.suspend(reservation_id=row.pk, until=TODAY + days * DAY, by=RULE, now=rows.NOW)
    assert (again(row).state, again(row).suspended_until) == ("suspended", TODAY + 9 * DAY)


@pytest.mark.parametrize("until", [TODAY - DAY, TODAY, TODAY + 367 * DAY])
def test_a_pause_ends_after_today_and_within_a_year(until, point):
    row = wanted(lent(point), point)
    with pytest.raises(BadInput) as refused:
        wishes.suspend(reservation_id=row.pk, until=until, by=RULE, now=rows.NOW)
    assert (refused.value.field, again(row).state) == ("until", "waiting")


def test_what_is_set_aside_is_not_paused(point):
    row = wanted(rows.copy(at=point.library), point)
    with pytest.raises(MoveRefused):
        wishes.suspend(reservation_id=row.pk, until=TODAY + DAY, by=RULE, now=rows.NOW)


# Needed until a day


def test_a_book_that_is_not_needed_any_more_goes_to_the_next_without_a_strike():
    here = rows.point(rows.library(programme=rows.programme(strikes=1, strikes_for=["cancelled", "uncollected"])))
    copy = rows.copy(at=here.library)
    first, second = wanted(copy, here, needed_until=TODAY + DAY), wanted(copy, here)
    evening = datetime.fromisoformat("2026-11-25T23:59:59+09:00")
    assert wishes.expire_due(now=evening) == 0
    assert wishes.expire_due(now=evening + timedelta(seconds=1)) == 1
    assert (again(first).state, again(first).copy, again(second).state) == ("expired", None, "allocated")
    assert not Strike.objects.exists()
    assert list(queries.not_needed_any_more(first.patron_id or 0, since=rows.NOW)) == [first]


@pytest.mark.parametrize("state", ["waiting", "suspended"])
def test_it_ends_whether_it_waits_or_is_paused(state, point):
    row = wanted(lent(point), point)
    wishes.need_until(reservation_id=row.pk, until=TODAY, by=RULE, now=rows.NOW)
    if state == "suspended":
        wishes.suspend(reservation_id=row.pk, until=TODAY + 9 * DAY, by=RULE, now=rows.NOW)
    assert wishes.expire_due(now=rows.NOW + DAY) == 1
    assert again(row).state == "expired"


def test_a_last_day_can_be_taken_back(point):
    row = wanted(lent(point), point, needed_until=TODAY)
    wishes.need_until(reservation_id=row.pk, until=None, by=RULE, now=rows.NOW)
    assert wishes.expire_due(now=rows.NOW + DAY) == 0


def test_what_lies_in_a_bag_is_kept_after_its_last_day(point):
    row = wanted(rows.copy(at=point.library), point, needed_until=TODAY)
    reservations.bag(reservation_ids=[row.pk], by=RULE, now=rows.NOW)
    assert wishes.expire_due(now=rows.NOW + DAY) == 0
    with pytest.raises(InAnOrder):
        wishes.need_until(reservation_id=row.pk, until=None, by=RULE, now=rows.NOW)


@pytest.mark.parametrize("until", [TODAY - DAY, TODAY + 367 * DAY])
def test_a_last_day_lies_ahead(until, point):
    row = wanted(lent(point), point)
    with pytest.raises(BadInput):
        wishes.need_until(reservation_id=row.pk, until=until, by=RULE, now=rows.NOW)
    with pytest.raises(BadInput) as refused:
        wanted(rows.copy(at=point.library), point, needed_until=until)
    assert refused.value.field == "needed_until"


# Another pickup point


def moved(row: Reservation, to: PickupPoint) -> Reservation:
    return wishes.collect_at(reservation_id=row.pk, point_id=to.pk, by=RULE, now=rows.NOW)


def test_at_the_same_library_the_copy_stays_set_aside(point):
    copy = rows.copy(at=point.library)
    row, door = wanted(copy, point), rows.point(point.library, layout="door")
    there = moved(row, door)
    assert (there.state, there.copy, there.pickup_point) == ("allocated", copy, door)


def test_a_copy_that_stands_at_the_new_place_is_taken_and_the_other_one_goes_to_the_next(point):
    other = rows.point(rows.library(programme=point.library.programme))
    title = rows.title()
    here, there = rows.copy(title, point.library), rows.copy(title, other.library)
    row, following = wanted(here, point), wanted(here, point, after=timedelta(hours=1))
    assert (row.copy, following.state) == (here, "waiting")
    assert moved(row, other).copy == there
    assert (again(following).state, again(following).copy) == ("allocated", here)


def test_where_books_travel_a_transfer_is_asked_for_and_the_one_before_called_off():
    programme = rows.programme(transfer_days=1)
    here, there, third = (rows.point(rows.library(programme=programme)) for _ in range(3))
    row = wanted(rows.copy(at=there.library), here)
    before = Transfer.objects.get()
    after = moved(row, third)
    before.refresh_from_db()
    assert (before.state, after.state) == ("cancelled", "allocated")
    now_open = Transfer.objects.exclude(pk=before.pk).get()
    assert (now_open.from_library, now_open.to_library) == (there.library, third.library)


def test_without_a_copy_there_it_waits_at_its_old_place(point):
    other = rows.point(rows.library(programme=point.library.programme))
    copy = rows.copy(at=point.library)
    row = wanted(copy, point)
    there = moved(row, other)
    assert (there.state, there.copy, there.placed_at) == ("waiting", None, row.placed_at)


def test_whoever_waits_or_pauses_moves_too(point):
    other = rows.point(rows.library(programme=point.library.programme))
    row = wanted(lent(point), point)
    assert moved(row, other).state == "waiting"
    wishes.suspend(reservation_id=row.pk, until=TODAY + DAY, by=RULE, now=rows.NOW)
    assert (moved(row, point).state, again(row).pickup_point) == ("suspended", point)


def test_the_quota_of_another_programme_has_to_allow_it(point):
    other = rows.point(rows.library(programme=rows.programme(volumes=1)))
    copy = rows.copy(at=point.library)
    rows.copy(copy.title, other.library)
    row = wanted(copy, point)
    assert row.patron is not None
    rows.reserve(row.patron, rows.copy(at=other.library).title, at=other)
    with pytest.raises(QuotaExceeded):
        moved(row, other)
    assert (again(row).pickup_point, again(row).state) == (point, "allocated")


def test_within_the_programme_no_quota_is_asked_twice():
    programme = rows.programme(reserved_at_once=1)
    here, there = (rows.point(rows.library(programme=programme)) for _ in range(2))
    row = wanted(rows.copy(at=here.library), here)
    assert moved(row, there).pickup_point == there
    assert row.patron is not None
    with pytest.raises(TooManyReserved):
        rows.reserve(row.patron, rows.copy(at=there.library).title, at=there)


def test_a_place_that_takes_no_orders_or_lends_no_such_book_is_refused(point):
    row = wanted(rows.copy(at=point.library), point)
    with pytest.raises(PointClosed):
        moved(row, rows.point(point.library, open=False))
    with pytest.raises(NoCopies):
        moved(row, rows.point())
    assert again(row).pickup_point == point


def test_what_is_in_a_bag_or_over_is_not_moved(point):
    row = wanted(rows.copy(at=point.library), point)
    door = rows.point(point.library, layout="door")
    reservations.bag(reservation_ids=[row.pk], by=RULE, now=rows.NOW)
    with pytest.raises(InAnOrder):
        moved(row, door)
    reservations.end_bagged(reservation_ids=[row.pk], to="cancelled", by=RULE, now=rows.NOW)  # type: ignore[arg-type]
    with pytest.raises(MoveRefused):
        moved(row, door)


def test_a_bag_takes_only_what_is_still_collected_at_its_point(point):
    row = wanted(rows.copy(at=point.library), point)
    door = rows.point(point.library, layout="door")
    moved(row, door)
    assert reservations.bag(reservation_ids=[row.pk], point_id=point.pk, by=RULE, now=rows.NOW) == []
    (bagged,) = reservations.bag(reservation_ids=[row.pk], point_id=door.pk, by=RULE, now=rows.NOW)
    assert bagged.state == "bagged"


def said():
    return list(Message.objects.order_by("pk"))


def test_who_is_not_waited_for_any_more_is_told_so_in_one_text(point):
    reader, other = rows.patron(point.library), rows.patron(point.library)
    for who, count in ((reader, 2), (other, 1)):
        for _ in range(count):
            rows.reserve(who, lent(point).title, at=point, needed_until=TODAY)
    midnight = datetime.fromisoformat("2026-11-25T00:00:00+09:00")
    assert wishes.expire_due(now=midnight) == 3
    assert {(row.template, row.kind) for row in said()} == {("lending.not_needed", "notice")}
    assert sorted(row.body.split(",")[0] for row in said()) == [f"[{point.library.name_ko}] 책 {n}권" for n in (1, 2)]
    for row in said():  # nobody is woken for it
        assert row.not_before == datetime.fromisoformat("2026-11-25T08:00:00+09:00")
    assert wishes.expire_due(now=midnight) == 0
    assert len(said()) == 2


def test_the_text_names_no_title_and_speaks_the_readers_language(point):
    reader = rows.patron(point.library, language="en")
    rows.reserve(reader, lent(point).title, at=point, needed_until=TODAY)
    assert wishes.expire_due(now=rows.NOW + DAY) == 1
    (row,) = said()
    assert row.body == (
        f"[{point.library.name_en}] 1 book did not come by the day you named, so we stopped waiting. Tel 02-100-6440"
    )


def test_who_has_a_landline_alone_reads_it_on_their_page(point):
    reader = rows.patron(point.library, number=rows.landline())
    (row,) = rows.reserve(reader, lent(point).title, at=point, needed_until=TODAY)
    assert wishes.expire_due(now=rows.NOW + DAY) == 1
    assert said() == []
    assert list(queries.not_needed_any_more(reader.pk, since=rows.NOW)) == [row]


def test_one_that_cannot_be_ended_does_not_hold_up_the_others(point, monkeypatch):
    bad, good = (
        rows.reserve(rows.patron(point.library), lent(point).title, at=point, needed_until=TODAY)[0] for _ in range(2)
    )
    real = allocation.lock

    def lock(reservation_id: int):
        if reservation_id == bad.pk:
            raise RuntimeError("a row that cannot be read")
        return real(reservation_id)

    monkeypatch.setattr(allocation, "lock", lock)
    assert wishes.expire_due(now=rows.NOW + DAY) == 1
    assert (again(bad).state, again(good).state) == ("waiting", "expired")
