"""A bag becomes ready in the very moment in which its time is changed."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest

from lending import reservations
from notifications.models import Message
from pickup import appointments, orders
from pickup.models import Appointment
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK
from tests.races.guards import slowly
from tests.races.together import together

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


def test_a_bag_that_is_ready_while_its_time_changes_is_told_the_new_time(now):
    """A row that is joined to a locked one is as old as the moment at which one began to wait for the lock."""
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
            orders.mark_ready(order_id=order.pk, by=DESK, now=now)

    outcome = together(2, change_slowly_or_mark_ready)

    assert outcome.refused == []
    promised = steps.again(order).appointment
    assert (promised.slot_id, promised.state, steps.again(order).state) == (new.pk, "confirmed", "ready")
    (said,) = Message.objects.filter(template="ready")
    assert "19:00-19:15" in said.body


def a_family(point, slot):
    """Two bags that come in one car at one time; the second patron's bag is the older one."""
    household = rows.household(together=True)
    people = [rows.patron(point.library, household=household) for _ in range(2)]
    late, early = [steps.packed(steps.asked(who, point, slot_id=slot.pk)) for who in reversed(people)]
    return people, late, early


@pytest.fixture
def by_time():
    return rows.point(rules={"promise": "at_order"})


def test_two_bags_of_one_car_marked_ready_at_once_do_not_lock_each_other_out(by_time, now, monkeypatch):
    _, *bags = a_family(by_time, rows.slot(by_time))
    slowly(monkeypatch, orders, "locked", before=False)
    outcome = together(2, lambda n: orders.mark_ready(order_id=bags[n].pk, by=DESK, now=now).pk)
    assert outcome.refused == []


def test_bags_of_one_car_are_filled_while_their_promise_is_confirmed(by_time, now, monkeypatch):
    people, *bags = a_family(by_time, rows.slot(by_time))
    for who in people:
        rows.reserve(who, rows.copy(at=by_time.library).title, at=by_time)
    slowly(monkeypatch, reservations, "bag", before=False)
    promise = steps.again(bags[0]).appointment.pk

    def fill_or_confirm(n):
        if n == 0:
            return len(orders.assemble(now=now))
        time.sleep(0.07)
        return appointments.confirm(appointment_id=promise, by=DESK, now=now).pk

    outcome = together(2, fill_or_confirm)
    assert outcome.refused == []
    assert outcome.answers[0] == 2


def test_nobody_joins_a_promise_that_is_given_back_at_that_moment(by_time, now):
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
    assert outcome.refused == []
    slot.refresh_from_db()
    assert (steps.again(other).appointment.state, slot.booked) == ("confirmed", 1)
