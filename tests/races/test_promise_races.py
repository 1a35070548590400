"""Two want something else of one promise at once: the sweep and whoever arrives, two who change, who cancels."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest

from core.models import Journal
from lending.models import Loan
from pickup import appointments, arrivals, bookings, handovers, lane, lapses, offers, orders, point_queries, slots
from pickup.models import Appointment, Order, Slot, Visit
from pickup.states import AppointmentState
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK
from tests.races.guards import law_dropped, slowly, without_locks, without_swap
from tests.races.test_lock_order import deadlocks, pausing
from tests.races.together import together

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]
CROWD = 6


# Somebody arrives while the sweep decides about their promise


def missed(now):
    """A ready bag whose time is over."""
    point = rows.point(rules={"promise": "at_order"})
    slot = rows.slot(point)
    steps.ready(steps.asked(rows.patron(point.library), point, slot_id=slot.pk))
    return lapses.misses_due, slot.ends_at + timedelta(minutes=30)


def unanswered(now):
    """An offer to which silence is no."""
    point = rows.point(rules={"silence": "lapse", "answer_minutes": 60})
    rows.slot(point)
    steps.ready(steps.asked(rows.patron(point.library, number=rows.american()), point))
    assert offers.offer_ready(now=now) == 1
    return lapses.answers_due, now + timedelta(minutes=60)


def not_ready(now):
    """A time that begins while nothing is packed."""
    point = rows.point(rules={"promise": "at_order"})
    slot = rows.slot(point)
    rows.slot(point, now + timedelta(hours=9))
    steps.asked(rows.patron(point.library), point, slot_id=slot.pk)
    return lapses.not_ready_in_time, slot.starts_at


FATES = pytest.mark.parametrize("fate", [missed, unanswered, not_ready], ids=lambda fate: fate.__name__)


def arrive_while_the_sweep_decides(fate, now, monkeypatch):
    """The arrival has the locks of its orders and is not committed yet when the sweep comes to the promise."""
    sweep, due = fate(now)
    order, tied = Order.objects.get(), threading.Event()
    pausing(monkeypatch, arrivals, "_tie", tied)

    def arrive_or_sweep(n):
        if n == 0:
            return arrivals.arrive(point_id=order.point_id, order_id=order.pk, by=DESK, now=due).state
        assert tied.wait(20)
        return sweep(now=due)

    outcome = together(2, arrive_or_sweep, durable=False)
    assert outcome.refused == []
    assert Visit.objects.get().state == "waiting"
    return outcome, Appointment.objects.earliest("pk").state


@FATES
def test_who_arrives_while_the_sweep_decides_keeps_the_promise(fate, now, monkeypatch):
    outcome, state = arrive_while_the_sweep_decides(fate, now, monkeypatch)
    assert (outcome.answers, state) == (["waiting", 0], "confirmed")


@pytest.mark.control
@FATES
def test_without_locks_the_sweep_takes_the_promise_of_somebody_who_is_here(fate, now, monkeypatch):
    without_locks(monkeypatch)
    _outcome, state = arrive_while_the_sweep_decides(fate, now, monkeypatch)
    assert state in {"missed", "lapsed", "changed"}


def arrive_after_the_sweep_has_looked(fate, now, monkeypatch):
    """The sweep has found the promise, and locks it when the arrival is done."""
    sweep, due = fate(now)
    order, looked, here = Order.objects.get(), threading.Event(), threading.Event()
    with_orders = bookings.with_orders

    def once_they_are_here(appointment_id):
        looked.set()
        assert here.wait(20)
        return with_orders(appointment_id)

    monkeypatch.setattr(bookings, "with_orders", once_they_are_here)

    def arrive_or_sweep(n):
        if n == 1:
            return sweep(now=due)
        assert looked.wait(20)
        state = arrivals.arrive(point_id=order.point_id, order_id=order.pk, by=DESK, now=due).state
        here.set()
        return state

    outcome = together(2, arrive_or_sweep, durable=False)
    assert outcome.refused == []
    return Appointment.objects.earliest("pk").state


@FATES
def test_who_arrives_after_the_sweep_has_looked_keeps_the_promise(fate, now, monkeypatch):
    assert arrive_after_the_sweep_has_looked(fate, now, monkeypatch) == "confirmed"


@pytest.mark.control
@FATES
def test_without_a_second_look_the_sweep_takes_the_promise_of_somebody_who_is_here(fate, now, monkeypatch):
    monkeypatch.setattr(lapses, "_are_here", lambda _orders: False)
    monkeypatch.setattr(appointments, "come", lambda **_: None)
    assert arrive_after_the_sweep_has_looked(fate, now, monkeypatch) in {"missed", "lapsed", "changed"}


# A bag is cancelled while it is handed over


def cancel_while_it_is_handed_over(now, monkeypatch, first):
    """Whoever is `first` has read the bag when the other one begins."""
    point = rows.point(layout="bays")
    order = steps.ready(steps.asked(rows.patron(point.library), point))
    visit = arrivals.arrive(point_id=point.pk, order_id=order.pk, by=DESK, now=now)
    lane.call_next(point_id=point.pk, by=DESK, now=now)
    read = threading.Event()
    pausing(monkeypatch, *{"hand_over": (handovers, "lock_titles"), "cancel": (orders, "locked")}[first], read)

    def act(n):
        if (n == 0) != (first == "hand_over"):
            assert read.wait(20)
        if n == 0:
            return lane.hand_over(visit_id=visit.pk, by=DESK, now=now).visit.state
        return orders.cancel(order_id=order.pk, by=DESK, now=now).state

    outcome = together(2, act)
    became = Journal.objects.filter(noun="pickup.order", row=order.pk).order_by("pk").values_list("became", flat=True)
    return outcome, list(became)[2:], Loan.objects.filter(state="out").count()


WHO_IS_FIRST = pytest.mark.parametrize("first", ["hand_over", "cancel"])


@WHO_IS_FIRST
def test_a_bag_is_handed_over_or_cancelled(now, monkeypatch, first):
    outcome, became, lent = cancel_while_it_is_handed_over(now, monkeypatch, first)
    if first == "hand_over":
        assert (outcome.answers, outcome.codes()) == (["served"], ["not_in_this_state"])
        assert (became, lent) == (["handed_over"], 1)
    else:
        assert (outcome.answers, outcome.codes()) == (["cancelled"], ["not_in_this_state"])
        assert (became, lent, Visit.objects.get().state) == (["cancelled"], 0, "left")


@WHO_IS_FIRST
def test_without_the_locks_the_compare_and_swap_still_lets_only_one_have_the_bag(now, monkeypatch, first):
    without_locks(monkeypatch)
    outcome, became, lent = cancel_while_it_is_handed_over(now, monkeypatch, first)
    assert outcome.codes() == ["moved_meanwhile"]
    assert (became, lent) in [(["handed_over"], 1), (["cancelled"], 0)]


@pytest.mark.lawless("I2", "I3", why="does without three guards")
@pytest.mark.control
@WHO_IS_FIRST
def test_without_locks_swap_and_law_a_bag_is_handed_over_and_cancelled(now, monkeypatch, first):
    without_locks(monkeypatch)
    without_swap(monkeypatch)
    with law_dropped(Order, "pickup_handed_over_has_its_time"):
        outcome, became, _lent = cancel_while_it_is_handed_over(now, monkeypatch, first)
    assert outcome.refused == []
    assert sorted(became) == ["cancelled", "handed_over"]


# Many change to one last place


@pytest.fixture
def crowd(now):
    """Six who have a place of one time, and another time with one place."""
    point = rows.point(rules={"promise": "at_order"})
    last = rows.slot(point, now + timedelta(hours=9), capacity=1)  # the elder one: it is taken before the other is left
    slot = rows.slot(point, capacity=CROWD)
    for _ in range(CROWD):
        steps.asked(rows.patron(point.library), point, slot_id=slot.pk)
    return slot, last


def all_change(crowd, now):
    slot, last = crowd
    promises = list(Appointment.objects.order_by("pk").values_list("pk", flat=True))
    outcome = together(
        CROWD,
        lambda n: appointments.change(appointment_id=promises[n], slot_id=last.pk, by=DESK, now=now).pk,
    )
    slot.refresh_from_db()
    last.refresh_from_db()
    return outcome, slot, last


def test_the_last_place_goes_to_one_of_those_who_change_and_the_others_keep_theirs(crowd, now, monkeypatch):
    slowly(monkeypatch, slots, "taking")
    outcome, slot, last = all_change(crowd, now)
    assert outcome.codes() == ["slot_unavailable"] * (CROWD - 1)
    assert (len(outcome.answers), last.booked, slot.booked) == (1, 1, CROWD - 1)
    assert Appointment.objects.filter(slot=slot, state=AppointmentState.CONFIRMED).count() == CROWD - 1


@pytest.mark.lawless("I1", "I3", why="does without two guards")
@pytest.mark.control
def test_with_the_place_counted_before_it_is_taken_several_change_to_one_place(crowd, now, monkeypatch):
    def count_then_write(*, slot_id, accessible):
        room = point_queries.slot(slot_id)
        time.sleep(0.1)
        free = room.booked < room.capacity
        return "UPDATE pickup_slot SET booked = booked + 1 WHERE id = %s AND %s RETURNING id", [slot_id, free]

    monkeypatch.setattr(slots, "taking", count_then_write)
    with law_dropped(Slot, "pickup_slot_never_oversold"):
        outcome, _slot, last = all_change(crowd, now)
        assert len(outcome.answers) > 1
        assert last.booked > last.capacity


# Two change into each other's time


def two_change_places(now, monkeypatch):
    point = rows.point(rules={"promise": "at_order"})
    times = [rows.slot(point, now + timedelta(hours=hours)) for hours in (6, 9)]
    bags = [steps.asked(rows.patron(point.library), point, slot_id=slot.pk) for slot in times]
    promises = [steps.again(bag).appointment.pk for bag in bags]
    slowly(monkeypatch, bookings, "take", before=False)
    slowly(monkeypatch, slots, "give_back", before=False)
    outcome = together(
        2,
        lambda n: appointments.change(appointment_id=promises[n], slot_id=times[1 - n].pk, by=DESK, now=now).slot_id,
    )
    return outcome, times


def test_two_who_change_into_each_others_time_get_it(now, monkeypatch):
    outcome, times = two_change_places(now, monkeypatch)
    assert (outcome.refused, outcome.answers) == ([], [times[1].pk, times[0].pk])
    for slot in times:
        slot.refresh_from_db()
        assert slot.booked == 1


@pytest.mark.control
def test_with_the_new_time_always_taken_first_one_of_the_two_is_lost(now, monkeypatch):
    def take_then_give_back(old, orders, slot, *, ready, why, by, now, accessible):
        old.move(AppointmentState.CHANGED, at=now, by=by)
        rules = point_queries.rules_of(old.point_id)
        held = {"accessible": accessible, "ready": ready, "why": why, "confirmed": True, "instead_of": old}
        new = bookings.take(slot, orders, rules, **held, by=by, now=now)
        slots.give_back(slot_id=old.slot_id, accessible=old.accessible)
        return new

    monkeypatch.setattr(bookings, "instead", take_then_give_back)
    outcome, _times = two_change_places(now, monkeypatch)
    assert deadlocks(outcome) == 1
