"""How long it takes right now, and whether it is closed."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.actor import Actor
from lending.models import SpecialDay
from pickup import arrivals, errors, lane, point_queries, waits
from pickup.models import Slot
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db


@pytest.fixture
def point():
    return rows.point(rules={"service_seconds": 120})


def at(hour, minute=0, day=24):
    """A moment of November 2026 in Seoul; the 24th is a Tuesday."""
    return datetime(2026, 11, day, hour, minute, tzinfo=rows.SEOUL).astimezone(UTC)


def arrives(point, when):
    order = steps.ready(steps.asked(rows.patron(point.library), point))
    return arrivals.arrive(point_id=point.pk, order_id=order.pk, by=DESK, now=when)


def test_an_empty_lane_waits_for_nobody(point, now):
    rows.lane(point)
    load = waits.now_at(point_id=point.pk, now=now)
    assert (load.waiting, load.called, load.lanes_open, load.expected_minutes, load.closed) == (0, 0, 1, 0, False)


def test_expected_minutes_are_the_cars_before_one_by_the_lanes_that_are_open(point, now):
    for name in "AB":
        rows.lane(point, name=name)
    for _ in range(4):
        arrives(point, now)
    lane.call_next(point_id=point.pk, by=DESK, now=now)
    load = waits.now_at(point_id=point.pk, now=now)
    assert (load.waiting, load.called, load.lanes_open) == (3, 1, 2)
    assert load.expected_minutes == 4  # three cars of two minutes after the one that is there, at two lanes


def test_five_served_cars_of_today_tell_how_long_one_really_takes(point, now):
    rows.lane(point)
    for seconds in (60, 60, 60, 600):
        serve(point, now, seconds)
    arrives(point, now)
    assert waits.now_at(point_id=point.pk, now=now + timedelta(hours=1)).expected_minutes == 2  # four tell nothing yet
    serve(point, now, 60)
    assert waits.now_at(point_id=point.pk, now=now + timedelta(hours=1)).expected_minutes == 1


def test_while_todays_cars_are_too_few_those_of_the_last_days_tell(point, now):
    rows.lane(point)
    for day in range(1, 6):
        serve(point, now - timedelta(days=day), 600)
    arrives(point, now)
    assert waits.now_at(point_id=point.pk, now=now).expected_minutes == 10
    assert waits.now_at(point_id=point.pk, now=now + timedelta(days=3)).expected_minutes == 2  # two of them
    for _ in range(5):
        serve(point, now, 60)
    assert waits.now_at(point_id=point.pk, now=now + timedelta(minutes=5)).expected_minutes == 1


def test_right_behind_a_car_one_waits_for_what_is_left_of_the_usual_time(point, now):
    rows.lane(point)
    arrives(point, now)
    lane.call_next(point_id=point.pk, by=DESK, now=now)
    seen = [waits.now_at(point_id=point.pk, now=now + timedelta(seconds=gone)) for gone in (0, 50, 70, 3000)]
    assert [load.expected_minutes for load in seen] == [2, 2, 1, 1]  # and never nothing while it is there
    assert waits.now_at(point_id=point.pk, now=now + timedelta(hours=2)).expected_minutes == 0  # somebody forgot it


def test_a_free_lane_beside_a_busy_one_waits_for_nobody(point, now):
    for name in "AB":
        rows.lane(point, name=name)
    arrives(point, now)
    lane.call_next(point_id=point.pk, by=DESK, now=now)
    assert waits.now_at(point_id=point.pk, now=now).expected_minutes == 0


def test_while_no_lane_is_open_nothing_is_told(point, now):
    rows.lane(point, open=False)
    arrives(point, now)
    load = waits.now_at(point_id=point.pk, now=now)
    assert (load.expected_minutes, load.minutes(0), waits.expected_seconds(load, ahead=load.waiting)) == (
        None,
        None,
        None,
    )
    assert not load.closed
    scanned(point, now)  # somebody serves beside the lanes
    assert waits.now_at(point_id=point.pk, now=now).expected_minutes == 2
    assert waits.now_at(point_id=point.pk, now=now + timedelta(hours=2)).expected_minutes is None


@pytest.mark.parametrize("layout", ["bays", "door"])
def test_where_there_are_no_lanes_so_many_serve_as_called_cars_in_the_last_hour(now, layout):
    place = rows.point(layout=layout, rules={"service_seconds": 120})
    for _ in range(6):
        arrives(place, now)
    assert waits.now_at(point_id=place.pk, now=now).expected_minutes == 12  # one, as far as anybody knows
    for clerk in (1, 2):
        (visit,) = lane.call_next(point_id=place.pk, by=runner(clerk), now=now)
        lane.hand_over(visit_id=visit.pk, by=runner(clerk), now=now + timedelta(seconds=120))
    later = now + timedelta(seconds=120)
    assert waits.now_at(point_id=place.pk, now=later).expected_minutes == 4  # four cars of two minutes by two people
    assert waits.now_at(point_id=place.pk, now=later + timedelta(hours=2)).expected_minutes == 8
    lane.call_next(point_id=place.pk, by=runner(1), count=4, now=later)
    load = waits.now_at(point_id=place.pk, now=later)
    assert (load.called, load.expected_minutes) == (4, 2)


def runner(clerk):
    return Actor("staff", clerk, "desk")


def scanned(point, when, *, since=None, by=DESK):
    """A car that one tap calls and serves; it stood in line since a moment, if it did."""
    order = steps.ready(steps.asked(rows.patron(point.library), point))
    if since is not None:
        arrivals.arrive(point_id=point.pk, order_id=order.pk, by=by, now=since)
    lane.serve(point_id=point.pk, order_number=order.number, by=by, now=when)


def test_a_day_of_single_taps_tells_its_times_by_the_one_before(point, now):
    rows.lane(point)
    for tap in range(6):
        scanned(point, now + timedelta(minutes=5 * tap), since=now)
    arrives(point, now)
    assert waits.now_at(point_id=point.pk, now=now + timedelta(minutes=30)).expected_minutes == 5


@pytest.mark.parametrize("one_runner", [True, False])
def test_single_taps_of_nobody_in_line_or_of_somebody_else_tell_nothing(point, now, one_runner):
    rows.lane(point)
    for tap in range(6):
        when = now + timedelta(minutes=5 * tap)
        scanned(point, when, since=None if one_runner else now, by=runner(1 if one_runner else tap))
    arrives(point, now)
    assert waits.now_at(point_id=point.pk, now=now + timedelta(minutes=30)).expected_minutes == 2


def test_any_number_of_places_costs_the_same(point, now, django_assert_num_queries):
    others = [rows.point(point.library) for _ in range(3)]
    for place in others:
        rows.window(place)
        arrives(place, now)
    places = list(point_queries.points(library_id=point.library_id))
    with CaptureQueriesContext(connection) as one:
        waits.at_points(places[:1], now=now)
    with django_assert_num_queries(len(one)):
        assert len(waits.at_points(places, now=now)) == 4


# Too late to set out


def test_it_closes_for_newcomers_when_they_could_not_be_served_any_more(point):
    rows.window(point)  # Tuesdays 16:00 to 17:00
    rows.lane(point)
    for _ in range(12):
        arrives(point, at(16, 20))
    early, late = (waits.now_at(point_id=point.pk, now=at(16, minute)) for minute in (34, 35))
    assert (early.closed, early.why_closed, early.open_until, early.next_open) == (False, "", at(17), None)
    assert (late.closed, late.why_closed, late.open_until) == (
        True,
        "queue",
        at(17),
    )  # in 26 minutes
    assert (late.next_open, late.expected_minutes) == (at(16) + timedelta(days=7), 24)
    after = waits.now_at(point_id=point.pk, now=at(17))
    assert (after.why_closed, after.open_until) == ("hours", None)


def test_the_queue_closes_for_nobody_who_is_here(point):
    rows.window(point)
    rows.lane(point)
    for _ in range(12):
        arrives(point, at(16, 50))
    load = waits.now_at(point_id=point.pk, now=at(16, 58))
    assert (load.why_closed, load.shut, load.minutes(3), waits.expected_seconds(load, ahead=load.waiting)) == (
        "queue",
        False,
        6,
        24 * 60,
    )
    assert not waits.is_night(load, now=at(16, 58))  # a camera still sees who comes
    arrivals.arrive(point_id=point.pk, plate="12가3456", by=Actor("device", 1, "api"), now=at(16, 58))


def test_what_the_next_window_brings_in_time_is_no_end(point):
    rows.window(point)
    rows.window(point, opens=time(17), closes=time(18))
    rows.lane(point)
    for _ in range(12):
        arrives(point, at(16, 50))
    load = waits.now_at(point_id=point.pk, now=at(16, 58))
    assert (load.why_closed, load.open_until) == ("", at(18))


def test_where_nobody_can_say_how_long_it_takes_the_hours_alone_count(point):
    rows.window(point)
    arrives(point, at(16, 50))
    load = waits.now_at(point_id=point.pk, now=at(16, 59))
    assert (load.why_closed, load.open_until) == ("", at(17))


def test_a_place_without_hours_never_closes_for_its_queue(point):
    rows.lane(point)
    for _ in range(3):
        arrives(point, at(23, 58))
    load = waits.now_at(point_id=point.pk, now=at(23, 59))
    assert (load.closed, load.open_until) == (False, None)


def serve(point, when, seconds):
    order = steps.ready(steps.asked(rows.patron(point.library), point))
    arrivals.arrive(point_id=point.pk, order_id=order.pk, by=DESK, now=when - timedelta(days=1))
    (visit,) = lane.call_next(point_id=point.pk, by=DESK, now=when)
    lane.hand_over(visit_id=visit.pk, by=DESK, now=when + timedelta(seconds=seconds))


def test_how_many_are_called_before_somebody(point, now):
    visits = [arrives(point, now + timedelta(minutes=minute)) for minute in range(3)]
    assert [waits.ahead_of(visit) for visit in visits] == [0, 1, 2]


def test_within_a_window_it_is_open_and_outside_it_says_when_it_opens(point):
    rows.window(point)  # Tuesdays 16:00 to 17:00
    inside = waits.now_at(point_id=point.pk, now=at(16, 30))
    assert (inside.closed, inside.next_open, inside.open_until) == (False, None, at(17))
    before, after = (waits.now_at(point_id=point.pk, now=when) for when in (at(10), at(17)))
    assert (before.closed, before.next_open) == (True, at(16))
    assert (after.closed, after.next_open) == (True, at(16) + timedelta(days=7))


def test_a_closed_day_is_passed_over(point):
    rows.window(point)
    SpecialDay.objects.create(library=point.library, day=rows.day("2026-11-24"))
    load = waits.now_at(point_id=point.pk, now=at(16, 30))
    assert (load.closed, load.next_open, load.expected_minutes) == (True, at(16) + timedelta(days=7), None)


def test_slots_that_were_closed_by_hand_are_closed(point):
    rows.window(point)
    for minute in (0, 15, 30):
        rows.slot(point, at(16, minute))
    Slot.objects.update(open=False)
    load = waits.now_at(point_id=point.pk, now=at(16, 5))
    assert (load.closed, load.next_open) == (True, at(16, 45))


def test_a_door_without_windows_is_open_on_open_days(now):
    library = rows.library(weekly_closed=[0])
    door = rows.point(library, layout="door", rules={"by_appointment": False})
    assert waits.now_at(point_id=door.pk, now=at(3)).closed is False
    monday = waits.now_at(point_id=door.pk, now=at(12, day=23))
    assert (monday.closed, monday.next_open) == (True, at(0))


def test_a_place_out_of_use_is_closed_for_good(point, now):
    point.open = False
    point.save()
    load = waits.now_at(point_id=point.pk, now=now)
    assert (load.closed, load.next_open) == (True, None)
    assert waits.at_library(library_id=point.library_id, now=now) == []


def test_every_place_of_a_library_has_its_load(point, now):
    rows.point(point.library)
    assert len(waits.at_library(library_id=point.library_id, now=now)) == 2


def test_an_unknown_place_is_refused(now):
    with pytest.raises(errors.PointNotFound):
        waits.now_at(point_id=10**9, now=now)
