"""How long it takes right now, and whether it is closed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lending.models import SpecialDay
from pickup import arrivals, errors, lane, waits
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
    load = waits.now_at(point_id=point.pk, now=now)
    assert (load.waiting, load.called, load.lanes_open, load.expected_minutes, load.closed) == (0, 0, 0, 0, False)


def test_expected_minutes_are_the_cars_before_one_by_the_lanes_that_are_open(point, now):
    for name in "AB":
        rows.lane(point, name=name)
    for _ in range(4):
        arrives(point, now)
    lane.call_next(point_id=point.pk, by=DESK, now=now)
    load = waits.now_at(point_id=point.pk, now=now)
    assert (load.waiting, load.called, load.lanes_open) == (3, 1, 2)
    assert load.expected_minutes == 3  # three cars of two minutes at two lanes


def test_five_served_cars_of_today_tell_how_long_one_really_takes(point, now):
    rows.lane(point)
    for seconds in (60, 60, 60, 600):
        serve(point, now, seconds)
    arrives(point, now)
    assert waits.now_at(point_id=point.pk, now=now + timedelta(hours=1)).expected_minutes == 2  # four tell nothing yet
    serve(point, now, 60)
    assert waits.now_at(point_id=point.pk, now=now + timedelta(hours=1)).expected_minutes == 1


def test_yesterdays_cars_tell_nothing_about_today(point, now):
    rows.lane(point)
    for _ in range(5):
        serve(point, now - timedelta(days=1), 600)
    arrives(point, now)
    assert waits.now_at(point_id=point.pk, now=now).expected_minutes == 2


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
    assert (inside.closed, inside.next_open) == (False, None)
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
