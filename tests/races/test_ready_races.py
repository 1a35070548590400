"""A bag becomes ready in the very moment in which its time is changed; and what is lost without the order of locks."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from django.db import transaction

from lending import reservations
from notifications.models import Message
from pickup import appointments, bookings, orders, packing
from pickup.models import Appointment, Order
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK
from tests.races.guards import slowly, without_locks
from tests.races.together import together

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


def time_changes_while_it_becomes_ready(now):
    """What came of both, the new slot, the bag as it is now and what its collector was told."""
    point = rows.point(rules={"promise": "at_order"})
    old, new = rows.slot(point), rows.slot(point, now + timedelta(hours=9))
    order = steps.packed(steps.asked(rows.patron(point.library), point, slot_id=old.pk))

    promise = Appointment.objects.get(orders=order)
    changed = threading.Event()

    def change_slowly_or_mark_ready(n):
        if n == 0:
            appointments.change(appointment_id=promise.pk, slot_id=new.pk, by=DESK, now=now)
            changed.set()
            time.sleep(0.5)  # the other one waits for the order meanwhile
        else:
            assert changed.wait(20)
            packing.mark_ready(order_id=order.pk, by=DESK, now=now)

    outcome = together(2, change_slowly_or_mark_ready)
    said = [message.body for message in Message.objects.filter(template="ready")]
    return outcome, new, steps.again(order), said


def test_a_bag_that_is_ready_while_its_time_changes_is_told_the_new_time(now):
    """A row that is joined to a locked one is as old as the moment at which one began to wait for the lock."""
    outcome, new, order, said = time_changes_while_it_becomes_ready(now)
    assert outcome.refused == []
    assert (order.appointment.slot_id, order.appointment.state, order.state) == (new.pk, "confirmed", "ready")
    assert ["19:00" in body for body in said] == [True]


def locked_with_its_promise(order_id):
    """The order and its promise in the statement that locks: what every naive system reads."""
    told = ("library", "point__library", "patron", "collector", "appointment__slot", "visit")
    return Order.objects.select_for_update(of=("self",), no_key=True).select_related(*told).get(pk=order_id)


@pytest.mark.control
def test_with_the_promise_read_before_the_lock_the_new_time_is_not_told(now, monkeypatch):
    """The control: told to come at any time. `lock_together` goes too: what is read after its wait is new."""
    monkeypatch.setattr(bookings, "lock_together", lambda order_id: None)
    monkeypatch.setattr(orders, "locked", locked_with_its_promise)
    outcome, new, order, said = time_changes_while_it_becomes_ready(now)
    assert (outcome.refused, order.state, order.appointment.slot_id) == ([], "ready", new.pk)
    assert (said, Message.objects.get().template) == ([], "ready_until")


def a_family(point, slot):
    """Two bags that come in one car at one time; the second patron's bag is the older one."""
    household = rows.household(together=True)
    people = [rows.patron(point.library, household=household) for _ in range(2)]
    late, early = [steps.packed(steps.asked(who, point, slot_id=slot.pk)) for who in reversed(people)]
    return people, late, early


@pytest.fixture
def by_time():
    return rows.point(rules={"promise": "at_order"})


def both_become_ready(by_time, now, monkeypatch):
    _, *bags = a_family(by_time, rows.slot(by_time))
    slowly(monkeypatch, orders, "locked", before=False)
    return together(2, lambda n: packing.mark_ready(order_id=bags[n].pk, by=DESK, now=now).pk)


def test_two_bags_of_one_car_marked_ready_at_once_do_not_lock_each_other_out(by_time, now, monkeypatch):
    assert both_become_ready(by_time, now, monkeypatch).refused == []


@pytest.mark.control
def test_with_only_the_own_bag_locked_first_one_of_the_two_is_lost(by_time, now, monkeypatch):
    """The control: each has its own bag and waits for the other's, to confirm the promise of both."""
    monkeypatch.setattr(bookings, "lock_together", lambda order_id: None)
    assert both_become_ready(by_time, now, monkeypatch).codes() == ["OperationalError"]


def fill_while_the_promise_is_confirmed(by_time, now, monkeypatch, fill):
    people, *bags = a_family(by_time, rows.slot(by_time))
    for who in people:
        rows.reserve(who, rows.copy(at=by_time.library).title, at=by_time)
    slowly(monkeypatch, reservations, "bag", before=False)
    promise = steps.again(bags[0]).appointment.pk

    def fill_or_confirm(n):
        if n == 0:
            return fill()
        time.sleep(0.07)
        return appointments.confirm(appointment_id=promise, by=DESK, now=now).pk

    return together(2, fill_or_confirm, durable=False)  # a sweep opens a transaction for each bag


def test_bags_of_one_car_are_filled_while_their_promise_is_confirmed(by_time, now, monkeypatch):
    outcome = fill_while_the_promise_is_confirmed(by_time, now, monkeypatch, lambda: len(orders.assemble(now=now)))
    assert outcome.refused == []
    assert outcome.answers[0] == 2


@pytest.mark.control
def test_with_all_bags_filled_in_one_transaction_a_bag_or_the_yes_is_lost(by_time, now, monkeypatch):
    """The control: the sweep keeps the lock of a younger bag while it asks for the elder one."""

    def fill_at_once():
        with transaction.atomic():
            return len(orders.assemble(now=now))

    outcome = fill_while_the_promise_is_confirmed(by_time, now, monkeypatch, fill_at_once)
    assert outcome.codes() == ["OperationalError"] or outcome.answers[0] < 2


def join_what_is_given_back(by_time, now):
    """What came of both, with the promise that the second bag has now and how often the slot is taken."""
    slot = rows.slot(by_time)
    household = rows.household(together=True)
    first, second = (rows.patron(by_time.library, household=household) for _ in range(2))
    one = steps.asked(first, by_time, slot_id=slot.pk)
    other = steps.asked(second, by_time, slot_id=rows.slot(by_time, now + timedelta(hours=9)).pk)
    appointments.cancel(appointment_id=other.appointment.pk, by=DESK, now=now)
    gone = threading.Event()

    def give_back_or_join(n):
        if n == 0:
            orders.cancel(order_id=one.pk, by=DESK, now=now)
            gone.set()
            time.sleep(0.5)  # the other one waits for the promise meanwhile
        else:
            assert gone.wait(20)
            appointments.promise(order_id=other.pk, slot_id=slot.pk, by=DESK, now=now)

    outcome = together(2, give_back_or_join)
    slot.refresh_from_db()
    return outcome, (steps.again(other).appointment.state, slot.booked)


def test_nobody_joins_a_promise_that_is_given_back_at_that_moment(by_time, now):
    outcome, promised = join_what_is_given_back(by_time, now)
    assert outcome.refused == []
    assert promised == ("confirmed", 1)


@pytest.mark.control
def test_without_locks_a_bag_shares_a_promise_that_is_over(by_time, now, monkeypatch):
    """The control."""
    without_locks(monkeypatch)
    _outcome, promised = join_what_is_given_back(by_time, now)
    assert promised == ("cancelled", 0)


def change_what_is_joined(point, now):
    """What came of the two bags, if one joins the other's time in the moment in which that is changed."""
    slot, later = rows.slot(point), rows.slot(point, now + timedelta(hours=9))
    household = rows.household(together=True)
    first, second = (rows.patron(point.library, household=household) for _ in range(2))
    one = steps.asked(first, point, slot_id=slot.pk)
    other = steps.asked(second, point, slot_id=rows.slot(point, now + timedelta(hours=8)).pk)
    appointments.cancel(appointment_id=other.appointment.pk, by=DESK, now=now)
    promise, joined = steps.again(one).appointment, threading.Event()

    def join_or_change(n):
        if n == 0:
            with transaction.atomic():
                appointments.promise(order_id=other.pk, slot_id=slot.pk, by=DESK, now=now)
                joined.set()
                time.sleep(0.5)  # the other one waits for the promise meanwhile
        else:
            assert joined.wait(20)
            appointments.change(appointment_id=promise.pk, slot_id=later.pk, by=DESK, now=now)

    outcome = together(2, join_or_change)
    return outcome, [
        (bag.appointment.state, bag.appointment.slot_id == later.pk) for bag in map(steps.again, (one, other))
    ]


def test_who_joins_a_time_in_the_moment_in_which_it_is_changed_changes_with_it(by_time, now):
    outcome, promised = change_what_is_joined(by_time, now)
    assert outcome.refused == []
    assert promised == [("confirmed", True), ("confirmed", True)]


def orders_of_before(appointment_id):
    """The orders of a promise as they were before it was locked: what every naive system reads."""
    orders = list(
        Order.objects.select_for_update(of=("self",), no_key=True)
        .select_related(*bookings.TOLD)
        .filter(appointment_id=appointment_id)
    )
    locked = Appointment.objects.select_for_update(of=("self",), no_key=True).select_related("slot__point__library")
    return locked.get(pk=appointment_id), orders


@pytest.mark.control
def test_with_the_orders_read_before_the_lock_one_is_left_on_a_time_that_is_over(by_time, now, monkeypatch):
    """The control."""
    monkeypatch.setattr(bookings, "_with_orders", orders_of_before)
    _outcome, promised = change_what_is_joined(by_time, now)
    assert promised == [("confirmed", True), ("changed", False)]
