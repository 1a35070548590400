"""Cars that are moved in the line, and people who need no bag."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core import live
from core.moves import MoveRefused
from core.refusal import BadInput
from pickup import arrivals, errors, lane, queries, queue
from pickup.models import Visit
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db


@pytest.fixture
def point():
    return rows.point()


@pytest.fixture
def line(point, now):
    """Four cars in the order in which they came."""
    return [car(point, now + timedelta(minutes=n)) for n in range(4)]


def car(point, when, **more):
    order = steps.ready(steps.asked(rows.patron(point.library), point))
    return arrivals.arrive(point_id=point.pk, order_id=order.pk, by=DESK, now=when, **more)


def standing(point):
    return list(queries.cars_here(point.pk).values_list("pk", flat=True))


def move(visit, before, now):
    return queue.move(visit_id=visit.pk, before_id=before and before.pk, by=DESK, now=now)


def test_a_car_is_put_before_another_and_is_called_in_that_order(point, line, now):
    a, b, c, d = line
    rows.lane(point)
    later = now + timedelta(minutes=5)
    move(d, b, later)
    assert standing(point) == [a.pk, d.pk, b.pk, c.pk]
    move(a, None, later)
    assert standing(point) == [d.pk, b.pk, c.pk, a.pk]
    move(c, d, later)
    assert standing(point) == [c.pk, d.pk, b.pk, a.pk]
    assert lane.call_next(point_id=point.pk, by=DESK, now=later) == [c]


def test_a_car_that_comes_later_stands_behind_one_that_was_moved_to_the_end(point, line, now):
    move(line[0], None, now + timedelta(minutes=5))
    last = car(point, now + timedelta(minutes=6))
    assert standing(point)[-2:] == [line[0].pk, last.pk]


def test_moving_does_not_change_since_when_somebody_waits(point, line, now):
    before = line[3].arrived_at
    move(line[3], line[0], now)
    assert Visit.objects.get(pk=line[3].pk).arrived_at == before


def test_there_is_always_room_between_two_cars(point, now):
    cars = [car(point, now) for _ in range(4)]  # all at the very same moment
    a, b, c, d = cars
    for _ in range(40):
        move(d, b, now)
        assert standing(point) == [a.pk, d.pk, b.pk, c.pk]
        move(b, d, now)
        assert standing(point) == [a.pk, b.pk, d.pk, c.pk]


def test_an_undone_hand_over_stays_before_all_others(point, line, now):
    rows.lane(point)
    later = now + timedelta(minutes=5)
    (first,) = lane.call_next(point_id=point.pk, by=DESK, now=later)
    lane.hand_over(visit_id=first.pk, by=DESK, now=later)
    lane.undo(visit_id=first.pk, by=DESK, now=later)
    with pytest.raises(errors.GoesFirst):
        move(first, None, later)
    move(line[3], first, later)
    assert standing(point) == [first.pk, line[3].pk, line[1].pk, line[2].pk]


def test_the_board_hears_of_it(point, line, now):
    topic = f"point:{point.pk}"
    before = live.versions([topic])
    move(line[3], line[0], now)
    assert live.versions([topic]) != before


def test_only_a_waiting_car_is_moved_and_only_before_one_that_still_waits(point, line, now):
    rows.lane(point)
    (called,) = lane.call_next(point_id=point.pk, by=DESK, now=now + timedelta(minutes=5))
    with pytest.raises(MoveRefused):
        move(called, line[2], now)
    with pytest.raises(errors.QueueChanged):
        move(line[2], called, now)
    with pytest.raises(errors.QueueChanged):
        move(line[2], car(rows.point(), now), now)
    with pytest.raises(BadInput):
        move(line[2], line[2], now)
    with pytest.raises(errors.VisitNotFound):
        queue.move(visit_id=10**9, before_id=None, by=DESK, now=now)


def test_who_came_to_return_is_seen_to_in_one_go(point, now):
    visit = arrivals.arrive(point_id=point.pk, purpose="return", plate="12가3456", by=DESK, now=now)
    assert queue.attend(visit_id=visit.pk, by=DESK, now=now).state == "served"


def test_no_bag_goes_out_that_became_ready_while_who_returned_was_on_the_screen(point, now):
    reader = rows.patron(point.library)
    visit = arrivals.arrive(point_id=point.pk, purpose="return", by=rows.patron_actor(reader), now=now)
    order = steps.ready(steps.asked(reader, point))
    with pytest.raises(errors.BagReady):
        queue.attend(visit_id=visit.pk, by=DESK, now=now)
    visit.refresh_from_db()
    assert (visit.state, steps.again(order).state) == ("waiting", "ready")


def test_who_came_to_collect_is_not_seen_to_without_a_bag(point, now):
    visit = arrivals.arrive(point_id=point.pk, purpose="collect", plate="12가3456", by=DESK, now=now)
    with pytest.raises(errors.NothingReady):
        queue.attend(visit_id=visit.pk, by=DESK, now=now)
    visit.refresh_from_db()
    assert visit.state == "waiting"
