"""When could I have it: one honest estimate for each pickup point."""

from __future__ import annotations

from datetime import date, time, timedelta

import pytest

from lending import availability, loans
from lending.models import Copy, Programme, SpecialDay
from lending.reservations import Item
from pickup import forecast
from tests import rows
from tests.pickup import steps

TODAY = rows.day("2026-11-24")


def weeks(count: int):
    return lambda day: day + timedelta(weeks=count)


@pytest.mark.parametrize(
    ("back", "ahead", "day"),
    [
        (["2026-12-01"], 0, "2026-12-01"),
        (["2026-12-08", "2026-12-01"], 0, "2026-12-01"),
        (["2026-12-08", "2026-12-01"], 1, "2026-12-08"),
        (["2026-12-08", "2026-12-01"], 2, "2026-12-15"),  # the first copy comes round once more
        (["2026-12-01"], 2, "2026-12-29"),
        ([], 0, None),
    ],
)
def test_the_turn_comes_when_those_before_have_read(back, ahead, day):
    days = [rows.day(one) for one in back]
    found = forecast.day_of_turn(days, ahead=ahead, lent_until=weeks(2))
    assert found == (rows.day(day) if day else None)


pytestmark = pytest.mark.django_db


@pytest.fixture
def place():
    """A drive lane where the time is chosen while ordering."""
    return rows.point(rules={"promise": "at_order"})


def hope(title, *points, volume: str = "", now=rows.NOW, **more):
    wish = (title.pk, volume)
    found = forecast.at_points(wishes=[wish], points=points, now=now, **more)[wish]
    return found[0] if len(points) == 1 else found


def lent(copy: Copy, at, *, until: date | None = None):
    """The copy out with somebody, until the day that the programme says or another one."""
    loan = loans.check_out(
        copy_id=copy.pk, patron_id=rows.patron(at.library).pk, library_id=at.library_id, by=steps.DESK, now=rows.NOW
    )
    if until is not None:
        type(loan).objects.filter(pk=loan.pk).update(due_on=until)


@pytest.mark.lawless("I1", why="a slot is filled by hand")
def test_on_the_shelf_the_earliest_time_that_can_still_be_ordered(place):
    copy = rows.copy(at=place.library)
    rows.slot(place, rows.NOW + timedelta(hours=1), orders_until=rows.NOW)  # too late for it
    rows.slot(place, rows.NOW + timedelta(hours=2), booked=3)
    rows.slot(place, rows.NOW + timedelta(hours=3), open=False)
    slot = rows.slot(place, rows.NOW + timedelta(hours=4))
    rows.slot(place, rows.NOW + timedelta(hours=5))
    found = hope(copy.title, place)
    assert (found.kind, found.slot, found.here) == ("time", slot, True)


def test_who_needs_an_accessible_place_is_told_of_one(place):
    copy = rows.copy(at=place.library)
    rows.slot(place, rows.NOW + timedelta(hours=1))
    slot = rows.slot(place, rows.NOW + timedelta(hours=2), accessible=1)
    assert hope(copy.title, place, accessible=True).slot == slot


def test_all_times_taken_is_said(place):
    assert hope(rows.copy(at=place.library).title, place).kind == "no_time"


def test_a_place_that_offers_times_says_the_earliest(place):
    offering = rows.point(place.library, rules={"promise": "when_ready"})
    slot = rows.slot(offering)
    found = hope(rows.copy(at=place.library).title, offering)
    assert (found.kind, found.slot) == ("offer", slot)


def test_a_door_needs_no_time_but_an_open_day(place):
    door = rows.point(place.library, layout="door", rules={"by_appointment": False})
    title = rows.copy(at=place.library).title
    assert (hope(title, door).kind, hope(title, door).day) == ("any_time", TODAY)
    SpecialDay.objects.create(library=place.library, day=TODAY)
    assert hope(title, door).day == TODAY + timedelta(days=1)


def test_lent_out_the_place_in_line_and_the_day_it_is_due(place):
    copy = rows.copy(at=place.library)
    lent(copy, place)
    found = hope(copy.title, place)
    assert (found.kind, found.number, found.day) == ("line", 1, rows.day("2026-12-08"))
    assert found.word == availability.WORDS["out"]
    rows.reserve(rows.patron(place.library), copy.title, at=place)
    found = hope(copy.title, place)
    assert (found.number, found.day) == (2, rows.day("2026-12-22"))


def test_a_book_due_on_a_closed_day_comes_on_the_next_open_one(place):
    copy = rows.copy(at=place.library)
    lent(copy, place)
    SpecialDay.objects.create(library=place.library, day=rows.day("2026-12-08"))
    assert hope(copy.title, place).day == rows.day("2026-12-09")


def test_an_overdue_book_names_no_day(place):
    copy = rows.copy(at=place.library)
    lent(copy, place, until=TODAY - timedelta(days=3))
    assert (hope(copy.title, place).kind, hope(copy.title, place).day) == ("line", None)


def test_a_copy_set_aside_is_lent_next_and_comes_back_after_that(place):
    copy = rows.copy(at=place.library)
    rows.reserve(rows.patron(place.library), copy.title, at=place)
    found = hope(copy.title, place)
    assert (found.kind, found.number, found.day) == ("line", 1, rows.day("2026-12-08"))


def test_a_copy_elsewhere_waits_there(place):
    other = rows.library(programme=place.library.programme, name_ko="금호도서관")
    copy = rows.copy(at=other)
    found = hope(copy.title, place)
    assert (found.kind, found.libraries, found.here) == ("elsewhere", (other,), False)


def test_what_is_set_aside_for_another_is_not_called_lent_out(place):
    title = rows.copy(at=place.library).title
    rows.reserve(rows.patron(place.library), title, at=place)
    found = hope(title, place)
    assert (found.kind, found.word) == ("line", availability.WORDS["kept"])


def test_a_copy_elsewhere_travels_where_books_do(place):
    Programme.objects.filter(pk=place.library.programme_id).update(transfer_days=2)
    place.library.programme.refresh_from_db()
    other = rows.library(programme=place.library.programme, name_ko="금호도서관")
    copy = rows.copy(at=other)
    SpecialDay.objects.create(library=place.library, day=rows.day("2026-11-25"))
    found = hope(copy.title, place)
    assert (found.kind, found.libraries, found.here) == ("travels", (other,), False)
    assert found.day == rows.day("2026-11-27")  # two open days
    (row,) = rows.reserve(rows.patron(place.library), copy.title, at=place)
    assert (row.state, hope(copy.title, place).kind) == ("allocated", "line")


def test_a_copy_of_another_programme_is_none(place):
    copy = rows.copy(at=rows.library())
    assert hope(copy.title, place).kind == "none"


def test_a_volume_is_looked_at_for_itself(place):
    title = rows.title()
    first, second = (rows.copy(title, place.library, volume=volume) for volume in ("1", "2"))
    lent(first, place)
    rows.slot(place)
    assert hope(title, place, volume="1").kind == "line"
    assert hope(title, place, volume="2").kind == "time"
    rows.reserve(rows.patron(place.library), Item(title.pk, "2"), at=place)
    assert hope(title, place, volume="2").kind == "line"
    assert second.volume == "2"


def test_who_waits_reads_the_day_that_a_newcomer_in_their_place_was_told(place):
    other = rows.point(rows.library(programme=place.library.programme))
    copy = rows.copy(at=place.library)
    lent(copy, place)
    told, waiting = [], []
    for at in (place, other, place):  # who collects elsewhere waits for another copy and holds nobody up
        told.append(hope(copy.title, at).day)
        waiting += rows.reserve(rows.patron(place.library), copy.title, at=at)
    assert told == [rows.day("2026-12-08"), None, rows.day("2026-12-22")]
    days = forecast.turns(waiting, now=rows.NOW)
    assert [days.get(row.pk) for row in waiting] == told


def test_the_days_of_many_who_wait_are_read_together(place, django_assert_max_num_queries):
    waiting = []
    for _ in range(4):
        copy = rows.copy(at=place.library)
        lent(copy, place)
        waiting += rows.reserve(rows.patron(place.library), copy.title, at=place)
    with django_assert_max_num_queries(4):
        assert len(forecast.turns(waiting, now=rows.NOW)) == len(waiting)
    assert forecast.turns([], now=rows.NOW) == {}


def test_the_number_of_queries_grows_with_nothing(place, django_assert_num_queries, django_assert_max_num_queries):
    few = [(rows.copy(at=place.library).title_id, "")]
    with django_assert_max_num_queries(6) as asked:
        forecast.at_points(wishes=few, points=[place], now=rows.NOW)
    titles = [rows.copy(at=place.library).title_id for _ in range(5)]
    points = [place, *(rows.point(rows.library(programme=place.library.programme)) for _ in range(4))]
    for point in points:
        rows.slot(point)
        rows.window(point, closes=time(18))
    rows.reserve(rows.patron(place.library), *(Item(title_id) for title_id in titles[:3]), at=place)
    with django_assert_num_queries(len(asked)):
        forecast.at_points(wishes=[(title_id, "") for title_id in titles], points=points, now=rows.NOW)
