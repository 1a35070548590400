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


@pytest.fixture
def long_shelf():
    return rows.point(rules={"by_appointment": False, "bag_places": ["A1", "A2", "A3", "A4", "A5", "A6"]})


def planned(order):
    """The place of a bag once its first book is packed."""
    packing.pack(order_id=order.pk, barcode=order.lines.first().copy.barcode, by=DESK, now=rows.NOW)
    return steps.again(order).place


def asked(shelf, **columns):
    return steps.asked(rows.patron(shelf.library, **columns), shelf)


def family_and_strangers(shelf, *, together):
    """Three bags of one household, each packed before that of a stranger; their places."""
    household = rows.household(together=together)
    family = [asked(shelf, household=household) for _ in range(3)]
    places_of = []
    for order in family:
        places_of.append(planned(order))
        planned(asked(shelf))
    return sorted(places_of)


def test_bags_that_go_out_together_stand_next_to_each_other_whoever_is_packed_between(long_shelf):
    assert family_and_strangers(long_shelf, together=True) == ["A1", "A2", "A3"]


def test_without_the_consent_of_the_household_its_bags_are_anywhere(long_shelf):
    assert family_and_strangers(long_shelf, together=False) == ["A1", "A3", "A5"]


def test_bags_of_one_car_need_places_that_lie_side_by_side(long_shelf):
    first, gone = planned(asked(long_shelf)), asked(long_shelf)
    assert (first, planned(gone), planned(asked(long_shelf))) == ("A1", "A2", "A3")
    orders.cancel(order_id=gone.pk, by=DESK, now=rows.NOW)
    packing.unpack(barcode=gone.lines.first().copy.barcode, by=DESK, now=rows.NOW)
    assert places.free(long_shelf.pk)[0] == "A2"
    household = rows.household(together=True)
    family = [asked(long_shelf, household=household) for _ in range(2)]
    assert [planned(order) for order in family] == ["A4", "A5"]  # A2 alone is too narrow for two
    late = asked(long_shelf, household=household)
    assert planned(late) == "A6"


def test_a_place_that_is_free_before_the_row_is_left_to_others(long_shelf):
    gone = asked(long_shelf)
    assert (planned(gone), planned(asked(long_shelf))) == ("A1", "A2")
    orders.cancel(order_id=gone.pk, by=DESK, now=rows.NOW)
    packing.unpack(barcode=gone.lines.first().copy.barcode, by=DESK, now=rows.NOW)
    household = rows.household(together=True)
    family = [asked(long_shelf, household=household) for _ in range(3)]
    assert sorted(planned(order) for order in family) == ["A3", "A4", "A5"]


def test_a_bag_whose_people_name_one_collector_stands_beside_and_a_full_shelf_scatters(shelf):
    first, second = rows.patron(shelf.library), rows.patron(shelf.library)
    orders_of = []
    for patron in (first, second):
        collector = rows.contact(patron, number="+821000005151", own=False, name="손자")
        orders_of.append(steps.asked(patron, shelf, collector_id=collector.pk))
    assert [planned(order) for order in orders_of] == ["A1", "A2"]
    assert planned(asked(shelf)) == ""


def test_who_goes_with_whom_is_asked_in_the_same_few_queries(long_shelf, django_assert_max_num_queries):
    from pickup import parties, queries

    household = rows.household(together=True)
    for _ in range(3):
        asked(long_shelf, household=household)
    alone = asked(long_shelf)
    found = list(queries.bags(point_id=long_shelf.pk))
    with django_assert_max_num_queries(2):
        together = parties.beside(found)
    assert {pk: len(others) for pk, others in together.items()} == {
        order.pk: 2 for order in found if order.pk != alone.pk
    }
