"""Anybody may type anybody's telephone number as that of who collects; it gets them nothing of somebody else's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core.actor import Actor
from notifications.models import Message
from pickup import appointments, arrivals, errors, lane, offers, parties
from pickup.models import Order
from tests import api, rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db
NAMES = ["손자", "심부름꾼"]


@pytest.fixture
def point():
    return rows.point(layout="bays")


def naming(number: str, name: str, point, **asked: Any) -> Order:
    """A ready order for which somebody with this number collects."""
    who = rows.patron(point.library)
    contact = rows.contact(who, number=number, own=False, name=name)
    return steps.ready(steps.asked(who, point, collector_id=contact.pk, **asked))


@pytest.fixture
def two(point):
    """The order of a grandmother, and that of somebody who named her grandson's number and even his name."""
    number = rows.mobile()
    return naming(number, "손자", point), naming(number, "손자", point)


def as_patron(order: Order) -> Actor:
    return Actor("patron", order.patron_id)


def promised(*orders: Order, now=rows.NOW) -> list[int]:
    offers.offer_ready(now=now)
    return [steps.again(order).appointment_id or 0 for order in orders]


def test_the_rule_sends_one_car_to_one_place_and_one_text_to_its_driver(point, two, now):
    slot = rows.slot(point)
    first, second = promised(*two)
    slot.refresh_from_db()
    assert (first, slot.booked, Message.objects.filter(template__startswith="offer").count()) == (second, 1, 1)


def test_another_name_for_the_same_number_is_another_car(point, now):
    number = rows.mobile()
    theirs, strange = (naming(number, name, point) for name in NAMES)
    rows.slot(point)
    first, second = promised(theirs, strange)
    assert first != second
    assert set(parties.party_of(strange)) == {strange}


def test_a_stranger_does_not_arrive_with_somebody_elses_bag(point, two, now):
    theirs, strange = two
    with pytest.raises(errors.OrderNotFound):
        arrivals.arrive(point_id=point.pk, order_id=theirs.pk, by=as_patron(strange), now=now)
    visit = arrivals.arrive(point_id=point.pk, by=as_patron(strange), now=now)
    assert [steps.again(order).visit_id for order in two] == [None, visit.pk]


def test_a_strangers_car_is_not_given_somebody_elses_bag(point, two, now):
    theirs, strange = two
    visit = arrivals.arrive(point_id=point.pk, by=as_patron(strange), now=now)
    lane.call_next(point_id=point.pk, by=DESK, now=now)
    lane.hand_over(visit_id=visit.pk, by=DESK, now=now)
    assert [steps.again(order).state for order in (theirs, strange)] == ["ready", "handed_over"]


@pytest.mark.parametrize("by", [DESK, Actor("device", 7, "api"), "text", "link"])
def test_nobody_is_put_into_the_car_of_a_stranger_who_came_first(point, two, now, by):
    theirs, strange = two
    first = arrivals.arrive(point_id=point.pk, by=as_patron(strange), now=now)
    actor = by if isinstance(by, Actor) else Actor("collector", theirs.pk, by)
    second = arrivals.arrive(point_id=point.pk, order_id=theirs.pk, by=actor, now=now)
    assert [steps.again(order).visit_id for order in two] == [second.pk, first.pk]
    assert (second.pk != first.pk, second.patron_id) == (True, theirs.patron_id)


@pytest.mark.parametrize("by", [DESK, "link"])
def test_the_slip_of_a_stranger_who_came_first_means_that_car_alone(point, two, now, by):
    theirs, strange = two
    first = arrivals.arrive(point_id=point.pk, by=as_patron(strange), now=now)
    actor = by if isinstance(by, Actor) else Actor("collector", strange.pk, by)
    assert arrivals.arrive(point_id=point.pk, order_id=strange.pk, by=actor, now=now) == first
    assert steps.again(theirs).visit_id is None


def test_the_named_driver_who_answers_about_the_strangers_bag_comes_for_the_others(point, two, now):
    _theirs, strange = two
    first = arrivals.arrive(point_id=point.pk, by=as_patron(strange), now=now)
    second = arrivals.arrive(point_id=point.pk, by=Actor("collector", strange.pk, "text"), now=now)
    assert [steps.again(order).visit_id for order in two] == [second.pk, first.pk]


def test_a_stranger_changes_and_gives_back_only_the_own_time(point, two, now):
    theirs, strange = two
    slot, later = rows.slot(point), rows.slot(point, now + timedelta(hours=8))
    common, _ = promised(theirs, strange)
    new = appointments.change(appointment_id=common, slot_id=later.pk, by=as_patron(strange), now=now)
    for row in (slot, later):
        row.refresh_from_db()
    assert [steps.again(order).appointment_id for order in (theirs, strange)] == [common, new.pk]
    assert (steps.again(theirs).appointment.state, new.state, slot.booked, later.booked) == (
        "offered",
        "confirmed",
        1,
        1,
    )
    appointments.cancel(appointment_id=new.pk, by=as_patron(strange), now=now)
    later.refresh_from_db()
    assert (later.booked, steps.again(theirs).appointment_id) == (0, common)


def test_giving_back_a_common_time_leaves_it_to_the_other(point, two, now):
    theirs, strange = two
    slot = rows.slot(point)
    common, _ = promised(theirs, strange)
    appointments.cancel(appointment_id=common, by=as_patron(strange), now=now)
    slot.refresh_from_db()
    assert (steps.again(theirs).appointment.state, steps.again(strange).appointment.state, slot.booked) == (
        "offered",
        "cancelled",
        1,
    )
    assert offers.offer_ready(now=now) == 0
    told = list(Message.objects.filter(state="queued").order_by("id").values_list("template", flat=True))
    assert sorted(name.partition(".")[0] for name in told) == ["offer", "ready_until"]
    assert "책 1권" in Message.objects.get(state="queued", template="offer").body


def test_a_stranger_does_not_share_the_place_of_a_time_that_was_chosen(now):
    point = rows.point(rules={"promise": "at_order"})
    slot, number = rows.slot(point), rows.mobile()
    theirs, strange = (naming(number, "손자", point, slot_id=slot.pk) for _ in range(2))
    slot.refresh_from_db()
    assert (theirs.appointment_id != strange.appointment_id, slot.booked) == (True, 2)


def test_a_stranger_cannot_send_the_car_away_nor_read_the_other_number(point, two, now):
    theirs, strange = two
    visit = arrivals.arrive(point_id=point.pk, by=Actor("collector", theirs.pk, "text"), now=now)
    assert {steps.again(order).visit_id for order in two} == {visit.pk}
    with pytest.raises(errors.NotYours):
        lane.leave(visit_id=visit.pk, by=as_patron(strange), now=now)
    patron, program = api.patron(home=point.library)
    Order.objects.filter(pk=strange.pk).update(patron=patron)
    shown = program.get(f"orders/{strange.pk}")["visit"]["orders"]
    assert [row["id"] for row in shown] == [strange.pk]
    seen_by_staff = api.librarian(point.library).get(f"orders/{strange.pk}")["visit"]["orders"]
    assert [row["id"] for row in seen_by_staff] == [theirs.pk, strange.pk]


# And whoever really has the telephone is one car


def test_a_neighbour_whom_two_patrons_call_by_other_names_is_one_car_by_her_own_word(point, now):
    number = rows.mobile()
    bags = [naming(number, name, point) for name in NAMES]
    visit = arrivals.arrive(point_id=point.pk, by=Actor("collector", bags[1].pk, "text"), now=now)
    lane.call_next(point_id=point.pk, by=DESK, now=now)
    given = lane.hand_over(visit_id=visit.pk, by=DESK, now=now).given
    assert {one.line.order_id for one in given} == {bag.pk for bag in bags}


def test_one_scan_at_the_window_serves_both_bags_of_a_named_driver(point, two, now):
    given = lane.serve(point_id=point.pk, order_number=two[0].number, by=DESK, now=now).given
    assert {one.line.order_id for one in given} == {order.pk for order in two}


def test_her_answer_moves_the_time_of_all_that_she_collects(point, two, now):
    rows.slot(point)
    later = rows.slot(point, now + timedelta(hours=8))
    common, _ = promised(*two)
    new = appointments.change(
        appointment_id=common, slot_id=later.pk, by=Actor("collector", two[0].pk, "text"), now=now
    )
    assert {steps.again(order).appointment_id for order in two} == {new.pk}


def test_a_household_that_agreed_still_acts_for_all_of_it(point, now):
    household = rows.household(together=True)
    bags = [steps.ready(steps.asked(rows.patron(point.library, household=household), point)) for _ in range(2)]
    rows.slot(point)
    later = rows.slot(point, now + timedelta(hours=8))
    common, _ = promised(*bags)
    new = appointments.change(appointment_id=common, slot_id=later.pk, by=as_patron(bags[0]), now=now)
    assert {steps.again(bag).appointment_id for bag in bags} == {new.pk}
