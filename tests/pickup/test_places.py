"""A ready bag has a place on the pickup shelf, and a place holds one bag."""

from __future__ import annotations

import pytest

from core.moves import MoveRefused
from pickup import orders, packing, places
from pickup.errors import NoSuchPlace, OrderNotFound, PlaceTaken
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db


@pytest.fixture
def shelf():
    return rows.point(rules={"by_appointment": False, "bag_places": ["A1", "A2"]})


def bag(shelf):
    return steps.ready(steps.asked(rows.patron(shelf.library), shelf))


def test_bags_take_the_first_free_place_and_then_none(shelf):
    assert [bag(shelf).place for _ in range(3)] == ["A1", "A2", ""]


def test_a_place_is_free_again_when_its_bag_is_gone(shelf):
    first, _second = bag(shelf), bag(shelf)
    steps.handed_over(first)
    assert places.free(shelf.pk) == ["A1"]
    assert bag(shelf).place == "A1"


def test_an_undone_hand_over_gets_its_place_again_if_no_other_bag_stands_there(shelf, now):
    from django.db import transaction

    from pickup import handovers

    first, second = bag(shelf), bag(shelf)
    for order in (first, second):
        steps.handed_over(order)
    third = bag(shelf)
    for order in (second, first):
        with transaction.atomic():
            handovers.take_again(order=orders.locked(order.pk), by=DESK, now=now)
    assert (third.place, steps.again(second).place, steps.again(first).place) == ("A1", "A2", "")


def test_a_point_without_named_places_finds_bags_by_number():
    point = rows.point(rules={"by_appointment": False})
    assert bag(point).place == ""


def test_taking_a_place_twice_keeps_it(shelf):
    order = bag(shelf)
    assert places.take(order=order) == order.place == "A1"


def test_the_first_packed_book_names_the_place_and_the_ready_bag_stands_there(shelf, now):
    order = steps.asked(rows.patron(shelf.library), shelf, books=2)
    first = order.lines.select_related("copy").first()
    packing.pack(order_id=order.pk, barcode=first.copy.barcode, by=DESK, now=now)
    assert steps.again(order).place == "A1"
    other = bag(shelf)
    assert (other.place, steps.ready(order).place) == ("A2", "A1")


def test_a_place_that_is_only_planned_is_taken_when_no_other_is_left(shelf, now):
    planned = steps.packed(steps.asked(rows.patron(shelf.library), shelf))
    assert planned.place == "A1"
    assert [bag(shelf).place for _ in range(2)] == ["A2", "A1"]
    assert steps.ready(planned).place == ""


def test_a_bag_is_moved_to_a_place_that_is_free(shelf, now):
    first, second = bag(shelf), bag(shelf)
    with pytest.raises(PlaceTaken):
        places.move(order_id=first.pk, place="A2", by=DESK, now=now)
    with pytest.raises(NoSuchPlace):
        places.move(order_id=first.pk, place="Z9", by=DESK, now=now)
    steps.handed_over(second)
    assert places.move(order_id=first.pk, place="A2", by=DESK, now=now).place == "A2"
    with pytest.raises(MoveRefused):
        places.move(order_id=second.pk, place="A1", by=DESK, now=now)
    with pytest.raises(OrderNotFound):
        places.move(order_id=0, place="A1", by=DESK, now=now)


def test_where_a_dead_bag_still_stands_no_other_is_put_unless_nothing_else_is_left(shelf, now):
    dead = bag(shelf)
    orders.cancel(order_id=dead.pk, by=DESK, now=now)
    assert places.free(shelf.pk) == ["A2"]
    assert [bag(shelf).place for _ in range(3)] == ["A2", "A1", ""]
