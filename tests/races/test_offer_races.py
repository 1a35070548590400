"""Workers offer times while people choose them: nothing is oversold, and nobody gets two."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F

from notifications.models import Message
from pickup import appointments, offers, queries, slots
from pickup.models import Appointment, Slot
from pickup.states import COUNTED
from tests import rows
from tests.pickup import steps
from tests.races.guards import law_dropped, slowly
from tests.races.together import together

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]
BAGS, PEOPLE, WORKERS = 8, 4, 3


@pytest.fixture
def crowd(now):
    """Eight ready bags without a time, four people who choose one, and two slots with seven places each."""
    lane = rows.point()
    times = [rows.slot(lane, now + timedelta(hours=6 + n), capacity=7) for n in range(2)]
    for _ in range(BAGS):
        steps.ready(steps.asked(rows.patron(lane.library), lane))
    choosing = [steps.asked(rows.patron(lane.library), lane) for _ in range(PEOPLE)]
    return times, choosing


def run(crowd, now, *, looked: threading.Event | None = None):
    times, choosing = crowd

    def offer_or_choose(n):
        if n < WORKERS:
            return offers.offer_ready(now=now)
        if looked is not None:
            assert looked.wait(20)
        order = choosing[n - WORKERS]
        by = rows.patron_actor(order.patron)
        appointments.promise(order_id=order.pk, slot_id=times[0].pk, by=by, now=now)
        return 0

    outcome = together(WORKERS + PEOPLE, offer_or_choose, durable=False)
    counted = {slot.pk: Appointment.objects.filter(slot=slot).count() for slot in times}
    return outcome, counted


def test_workers_and_people_want_the_same_places(crowd, now, monkeypatch):
    slowly(monkeypatch, offers, "_plan", before=False)
    outcome, counted = run(crowd, now)
    assert outcome.refused == []
    made = sum(outcome.answers)
    assert made + offers.offer_ready(now=now) == BAGS
    for slot in Slot.objects.all():
        assert slot.booked == Appointment.objects.filter(slot=slot).count() <= slot.capacity
    assert Message.objects.filter(template="offer").count() == BAGS
    assert sum(counted.values()) == PEOPLE + made


LOOKED = threading.Event()


def count_then_write(wanted):
    """What every naive scheduler does: look, then write."""
    free = {
        slot.pk: slot.booked + 1
        for slot in Slot.objects.filter(pk__in=wanted)
        if slot.booked + wanted[slot.pk].places <= slot.capacity
    }
    LOOKED.set()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.5)")
    for pk in free:
        Slot.objects.filter(pk=pk).update(booked=F("booked") + wanted[pk].places)
    return free


@pytest.mark.lawless("I1", "I3", why="does without two guards")
@pytest.mark.control
def test_without_the_guard_in_the_update_and_the_law_a_slot_is_oversold(crowd, now, monkeypatch):
    """The control."""
    monkeypatch.setattr(slots, "take_many", count_then_write)
    law = next(c for c in Slot._meta.constraints if c.name == "pickup_slot_never_oversold")
    with connection.schema_editor() as editor:
        editor.remove_constraint(Slot, law)
    try:
        Slot.objects.update(capacity=F("capacity") - 1)  # six of the eight bags fill the first slot
        LOOKED.clear()
        run(crowd, now, looked=LOOKED)
        assert any(slot.booked > slot.capacity for slot in Slot.objects.all())
    finally:
        Appointment.objects.all().update(state="cancelled")
        Slot.objects.update(booked=0)
        with connection.schema_editor() as editor:
            editor.add_constraint(Slot, law)


# Some choose, some change, some are offered the same places


EACH = 3


@pytest.fixture
def wanted(now):
    """A slot with four places, wanted by nine: three who change, three who choose, three who are to be offered one."""
    lane = rows.point()
    first, second = rows.slot(lane, capacity=4), rows.slot(lane, now + timedelta(hours=9), capacity=9)
    changing = [steps.ready(steps.asked(rows.patron(lane.library), lane)) for _ in range(EACH)]
    for order in changing:
        appointments.promise(order_id=order.pk, slot_id=second.pk, by=steps.DESK, now=now)
    for _ in range(EACH):
        steps.ready(steps.asked(rows.patron(lane.library), lane))
    choosing = [steps.asked(rows.patron(lane.library), lane) for _ in range(EACH)]
    return first, second, changing, choosing


def all_at_once(wanted, now, monkeypatch):
    first, second, changing, choosing = wanted
    slowly(monkeypatch, offers, "_plan", before=False)

    def choose_change_or_offer(n):
        order = (changing + choosing)[n] if n < 2 * EACH else None
        if order is None:
            return offers.offer_ready(now=now)
        if n >= EACH:
            return appointments.promise(order_id=order.pk, slot_id=first.pk, by=steps.DESK, now=now).pk
        promise = steps.again(order).appointment_id or 0
        return appointments.change(appointment_id=promise, slot_id=first.pk, by=steps.DESK, now=now).pk

    outcome = together(2 * EACH + 2, choose_change_or_offer, durable=False)
    for slot in (first, second):
        slot.refresh_from_db()
    return outcome, first, second


def test_who_chooses_who_changes_and_who_is_offered_a_time_do_not_oversell_it(wanted, now, monkeypatch):
    outcome, first, second = all_at_once(wanted, now, monkeypatch)
    offers.offer_ready(now=now)
    assert set(outcome.codes()) <= {"slot_unavailable"}
    for slot in (first, second):
        slot.refresh_from_db()
        counted = Appointment.objects.filter(slot=slot, state__in=COUNTED).count()
        assert slot.booked == counted <= slot.capacity
    assert first.booked == first.capacity
    changing = wanted[2]
    assert all(queries.live_appointment(steps.again(order)) for order in changing)


@pytest.mark.lawless("I1", "I3", why="does without two guards")
@pytest.mark.control
def test_with_places_counted_before_they_are_taken_the_three_oversell_it(wanted, now, monkeypatch):
    """The control."""

    def count_one_then_write(*, slot_id, accessible):
        room = Slot.objects.get(pk=slot_id)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.3)")
        free = room.booked < room.capacity
        return "UPDATE pickup_slot SET booked = booked + 1 WHERE id = %s AND %s RETURNING id", [slot_id, free]

    monkeypatch.setattr(slots, "taking", count_one_then_write)
    monkeypatch.setattr(slots, "take_many", count_then_write)
    with law_dropped(Slot, "pickup_slot_never_oversold"):
        _outcome, first, _second = all_at_once(wanted, now, monkeypatch)
        assert first.booked > first.capacity


def choose_what_a_worker_has_just_given(now, monkeypatch):
    """A person has seen the one place of a slot free, and takes it when a worker has promised it to a ready bag."""
    lane = rows.point()
    last = rows.slot(lane, capacity=1)
    rows.slot(lane, now + timedelta(hours=9))
    order = steps.ready(steps.asked(rows.patron(lane.library), lane))
    who = rows.patron(lane.library)
    quick = steps.asked(who, lane)
    looked, given = threading.Event(), threading.Event()
    taking = slots.taking

    def once_it_is_given(**asked):
        looked.set()
        assert given.wait(20)
        return taking(**asked)

    monkeypatch.setattr(slots, "taking", once_it_is_given)

    def offer_or_choose(n):
        if n == 0:
            assert looked.wait(20)
            made = offers.offer_ready(now=now)
            given.set()
            return made
        return appointments.promise(order_id=quick.pk, slot_id=last.pk, by=rows.patron_actor(who), now=now).pk

    outcome = together(2, offer_or_choose, durable=False)
    last.refresh_from_db()
    return outcome, last, steps.again(order).appointment.slot_id


def test_a_worker_wins_the_last_place_and_the_person_is_shown_another(now, monkeypatch):
    outcome, last, offered = choose_what_a_worker_has_just_given(now, monkeypatch)
    assert (outcome.answers, outcome.codes(), offered) == ([1], ["slot_unavailable"], last.pk)
    [lost] = outcome.refused
    assert len(lost.facts["next"]) == 1
    assert (last.booked, Appointment.objects.filter(slot=last).count()) == (1, 1)


@pytest.mark.lawless("I1", "I3", why="does without two guards")
@pytest.mark.control
def test_without_the_room_in_the_update_and_the_law_the_person_gets_the_workers_place(now, monkeypatch):
    """The control."""
    taking = slots.taking

    def taking_of_any(**asked):
        statement, values = taking(**asked)
        assert " AND booked < capacity " in statement
        return statement.replace(" AND booked < capacity ", " "), values

    monkeypatch.setattr(slots, "taking", taking_of_any)
    with law_dropped(Slot, "pickup_slot_never_oversold"):
        outcome, last, _offered = choose_what_a_worker_has_just_given(now, monkeypatch)
        assert outcome.refused == []
        assert last.booked > last.capacity


def offer_beside_a_planning_worker(lane, now, monkeypatch, *, rung=True):
    """Two workers at once, rung for a bag each or by the timetable; the outcome, and how many planned together."""
    slowly(monkeypatch, offers, "_plan")
    planning, together_at_most = set(), [0]
    plan = offers._plan

    def counted(*args, **kwargs):
        me = threading.get_ident()
        planning.add(me)
        together_at_most.append(len(planning))
        try:
            return plan(*args, **kwargs)
        finally:
            planning.discard(me)

    monkeypatch.setattr(offers, "_plan", counted)
    bags = [steps.ready(steps.asked(rows.patron(lane.library), lane)) for _ in range(2)]
    rows.slot(lane)
    outcome = together(
        2, lambda n: offers.offer_ready(now=now, order_ids=[bags[n].pk] if rung else None), durable=False
    )
    return outcome, max(together_at_most)


def test_a_worker_that_is_rung_for_a_bag_waits_for_whoever_plans_its_point(now, monkeypatch):
    """Whoever plans may have looked before that bag was ready; the next sweep would come seconds later."""
    outcome, planned = offer_beside_a_planning_worker(rows.point(), now, monkeypatch)
    assert (sorted(outcome.answers), planned) == ([1, 1], 1)


def test_a_sweep_leaves_a_point_to_whoever_plans_it(now, monkeypatch):
    outcome, planned = offer_beside_a_planning_worker(rows.point(), now, monkeypatch, rung=False)
    assert (sorted(outcome.answers), planned) == ([0, 2], 1)


@pytest.mark.control
def test_without_the_lock_of_the_point_both_plan(now, monkeypatch):
    """The control: correct as well, but each is blind to what the other gives away."""
    monkeypatch.setattr(offers, "_plans_alone", lambda _point_id, **_: True)
    outcome, planned = offer_beside_a_planning_worker(rows.point(), now, monkeypatch)
    assert (sorted(outcome.answers), planned) == ([1, 1], 2)
