"""The lane board."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core import live
from pickup import arrivals, board, errors, lane
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db


@pytest.fixture
def point():
    return rows.point()


def ready(point, **columns):
    return steps.ready(steps.asked(rows.patron(point.library, **columns), point))


def here(order, now, **more):
    return arrivals.arrive(point_id=order.point_id, order_id=order.pk, by=DESK, now=now, **more)


# What it shows


def test_the_board_shows_lanes_cars_and_bags_in_their_order(point, now):
    first_lane = rows.lane(point, name="1")
    rows.lane(point, name="2", open=False)
    served, called, waiting = (ready(point) for _ in range(3))
    packing = steps.asked(rows.patron(point.library, needs=["boot"]), point, books=2)
    for minutes, order in enumerate((served, called, packing, waiting)):
        here(order, now + timedelta(minutes=minutes))
    later = now + timedelta(minutes=8)
    (first,) = lane.call_next(point_id=point.pk, by=DESK, now=later)
    lane.hand_over(visit_id=first.pk, by=DESK, now=later)
    lane.call_next(point_id=point.pk, by=DESK, now=later)

    shown = board.snapshot(point_id=point.pk, now=now + timedelta(minutes=10))

    assert [(one.name, one.open, one.car and one.car.bags[0].number) for one in shown.lanes] == [
        ("1", True, called.number),
        ("2", False, None),
    ]
    assert [car.bags[0].number for car in shown.called] == [called.number]
    assert shown.called[0].lane == first_lane.name
    assert [(car.bags[0].number, car.can_be_called, car.minutes) for car in shown.waiting] == [
        (packing.number, False, 8),
        (waiting.number, True, 7),
    ]
    assert [car.bags[0].number for car in shown.ended] == [served.number]
    assert shown.load.waiting == 2
    assert shown.waiting[0].bags[0].needs == packing.patron.what_to_do
    assert [book.state for book in shown.waiting[0].bags[0].books] == ["to_pick", "to_pick"]


def test_what_ended_longer_ago_than_it_can_be_undone_is_gone(point, now):
    visit = here(ready(point), now)
    lane.leave(visit_id=visit.pk, by=DESK, now=now)
    assert len(board.snapshot(point_id=point.pk, now=now + timedelta(minutes=10)).ended) == 1
    assert board.snapshot(point_id=point.pk, now=now + timedelta(minutes=11)).ended == []


def test_the_version_of_the_board_is_the_one_that_the_stream_tells(point, now):
    here(ready(point), now)
    topic = f"point:{point.pk}"
    assert board.snapshot(point_id=point.pk, now=now).version == live.versions([topic])[topic] != "0.0"


def test_an_unknown_place_has_no_board(now):
    with pytest.raises(errors.PointNotFound):
        board.snapshot(point_id=10**9, now=now)
