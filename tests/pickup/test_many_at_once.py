"""What is read for many rows at once is what is read for each of them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lending import queries as lending_queries
from pickup import arrivals, orders, queries
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db


@pytest.fixture
def point():
    return rows.point(layout="bays", rules={"by_appointment": False})


def test_where_copies_lie(point, now, django_assert_num_queries):
    packed = steps.packed(steps.asked(rows.patron(point.library), point, books=2))
    on_shelf = rows.copy(at=point.library)
    dead = steps.ready(steps.asked(rows.patron(point.library), point))
    orders.cancel(order_id=dead.pk, by=DESK, now=now)
    lines = [*packed.lines.all(), *dead.lines.all()]
    with django_assert_num_queries(1):
        found = queries.where_are([*(line.copy_id for line in lines), on_shelf])
    assert found == {line.copy_id: line.order.shown for line in lines}


def test_who_collects(point, django_assert_num_queries):
    mother = rows.patron(point.library)
    second = rows.contact(mother, position=1)
    son = rows.contact(mother, own=False, name="아들")
    nobody = rows.patron(point.library, number="")
    bags = [steps.asked(mother, point), steps.asked(nobody, point), steps.asked(rows.patron(point.library), point)]
    sent = steps.asked(mother, rows.point(point.library), collector_id=son.pk)
    bags = [steps.again(bag) for bag in [*bags, sent]]
    with django_assert_num_queries(1):
        found = queries.collectors_of(bags)
    own = mother.contacts.exclude(pk__in=[second.pk, son.pk]).get()
    assert found == {bags[0].pk: own, bags[2].pk: bags[2].patron.contacts.get(), sent.pk: son}


def test_cars_ahead_and_their_bags(point, now, django_assert_num_queries):
    people = [rows.patron(point.library) for _ in range(3)]
    bags = [steps.ready(steps.asked(who, point)) for who in people]
    cars = [
        arrivals.arrive(point_id=point.pk, order_id=bag.pk, by=DESK, now=now + timedelta(minutes=n))
        for n, bag in enumerate(bags)
    ]
    elsewhere = rows.point(point.library, layout="bays")
    other = arrivals.arrive(point_id=elsewhere.pk, order_id=steps.asked(people[0], elsewhere).pk, by=DESK, now=now)
    with django_assert_num_queries(2):
        ahead, of_cars = queries.cars_ahead([*cars, other]), queries.bags_of_visits(cars)
    assert ahead == {cars[0].pk: 0, cars[1].pk: 1, cars[2].pk: 2, other.pk: 0}
    assert of_cars == {car.pk: [bag] for car, bag in zip(cars, bags, strict=True)}


def test_places_in_line_and_why(point, django_assert_num_queries):
    lent = rows.copy(at=point.library).title
    rows.reserve(rows.patron(point.library), lent, at=point)
    elsewhere = rows.copy(at=rows.library(programme=point.library.programme)).title
    line = [rows.reserve(rows.patron(point.library), lent, at=point)[0] for _ in range(2)]
    line += rows.reserve(rows.patron(point.library), elsewhere, at=point)
    held = rows.reserve(rows.patron(point.library), rows.copy(at=point.library).title, at=point)
    with django_assert_num_queries(2):
        places, whys = lending_queries.positions([*line, *held]), lending_queries.whys_waiting(line)
    assert places == {line[0].pk: 1, line[1].pk: 2, line[2].pk: 1}
    assert whys == {line[0].pk: "lent", line[1].pk: "lent", line[2].pk: "elsewhere"}
