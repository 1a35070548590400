"""The last place of a slot, wanted by many at the same moment."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from core import clock, moves
from core.models import Answer
from pickup import appointments, bookings, slots
from pickup.errors import SlotUnavailable
from pickup.models import Appointment, Slot
from tests import api, rows
from tests.pickup import steps
from tests.races.together import together

if TYPE_CHECKING:
    from core.moves import Said

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]
DRIVERS = 12


@pytest.fixture
def crowd(now):
    """Twelve orders and a slot with one place left."""
    lane = rows.point(rules={"promise": "at_order"})
    bags = [steps.asked(rows.patron(lane.library), lane) for _ in range(DRIVERS)]
    return rows.slot(lane, capacity=4, booked=3), bags


def run(crowd, now):
    slot, bags = crowd
    outcome = together(
        DRIVERS,
        lambda n: appointments.promise(
            order_id=bags[n].pk, slot_id=slot.pk, by=rows.patron_actor(bags[n].patron), now=now
        ),
    )
    slot.refresh_from_db()
    return outcome, slot


@pytest.mark.lawless("I1", why="a slot is filled by hand")
def test_the_last_place_goes_to_one_and_eleven_are_shown_other_times(crowd, now):
    outcome, slot = run(crowd, now)
    assert len(outcome.answers) == 1
    assert outcome.codes() == ["slot_unavailable"] * (DRIVERS - 1)
    assert all(isinstance(error, SlotUnavailable) for error in outcome.refused)
    assert (slot.booked, Appointment.objects.filter(slot=slot).count()) == (4, 1)


def count_then_write(*, slot_id: int, accessible: bool) -> Said:
    """What every naive system does: look, then write."""
    slot = Slot.objects.get(pk=slot_id)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.05)")
    return (
        "UPDATE pickup_slot SET booked = booked + 1 WHERE id = %s AND %s RETURNING id",
        [slot_id, slot.booked < slot.capacity],
    )


@pytest.mark.lawless("I1", why="a slot is filled by hand")
def test_without_the_count_in_the_update_the_law_still_refuses(crowd, now, monkeypatch):
    monkeypatch.setattr(slots, "taking", count_then_write)
    outcome, slot = run(crowd, now)
    assert (len(outcome.answers), slot.booked) == (1, 4)
    assert "IntegrityError" in outcome.codes()


@pytest.mark.lawless("I1", "I3", why="does without two guards")
@pytest.mark.control
def test_without_both_guards_the_slot_is_oversold(crowd, now, monkeypatch):
    """The control: the two tests above would notice."""
    monkeypatch.setattr(slots, "taking", count_then_write)
    law = next(c for c in Slot._meta.constraints if c.name == "pickup_slot_never_oversold")
    with connection.schema_editor() as editor:
        editor.remove_constraint(Slot, law)
    try:
        outcome, slot = run(crowd, now)
        assert len(outcome.answers) > 1
        assert slot.booked > slot.capacity
    finally:
        Appointment.objects.all().update(state="cancelled")
        Slot.objects.update(booked=0)
        with connection.schema_editor() as editor:
            editor.add_constraint(Slot, law)


# Programs do not wait for their place (`appointments.promise`, `wait`)


@pytest.fixture
def programs():
    """Twelve orders with their programs, a slot with one place left, and one that is free after it."""
    lane = rows.point(rules={"promise": "at_order"})
    readers = [api.patron(home=lane.library) for _ in range(DRIVERS)]
    bags = [(steps.asked(who, lane, now=clock.now()), mine) for who, mine in readers]
    at = clock.now() + timedelta(hours=6)
    rows.slot(lane, at + timedelta(hours=1))
    return rows.slot(lane, at, capacity=4, booked=3), bags


def choose(bag, slot):
    order, mine = bag
    answer = mine.client.post(
        f"/api/v1/orders/{order.pk}/appointment",
        {"slot": slot.pk},
        content_type="application/json",
        headers={"Idempotency-Key": f"a place for {order.pk}"},
    )
    return answer.status_code, answer.json()


def choose_together(programs):
    slot, bags = programs
    outcome = together(DRIVERS, lambda n: choose(bags[n], slot), durable=False)
    slot.refresh_from_db()
    return outcome.answers, slot


@pytest.mark.lawless("I1", why="a slot is filled by hand")
def test_of_programs_one_is_given_the_last_place_and_eleven_are_told_the_next(programs):
    answers, slot = choose_together(programs)
    assert sorted(status for status, _said in answers) == [200, *[409] * (DRIVERS - 1)]
    assert {said["code"] for status, said in answers if status == 409} == {"slot_unavailable"}
    assert all(said["facts"]["next"] for status, said in answers if status == 409)
    [(promised, state)] = Appointment.objects.filter(slot=slot).values_list("pk", "state")
    assert [said["id"] for status, said in answers if status == 200] == [promised]
    assert (slot.booked, state, Answer.objects.count()) == (4, "confirmed", 1)


def fill_between(monkeypatch, slot):
    """Somebody takes the last place after a program has looked and before it takes it."""
    take, keys = bookings.take, []

    def too_late(*args, **kwargs):
        keys.append(kwargs["key"])
        together(1, lambda _n: Slot.objects.filter(pk=slot.pk).update(booked=slot.capacity))
        return take(*args, **kwargs)

    monkeypatch.setattr(bookings, "take", too_late)
    return keys


@pytest.mark.lawless("I1", why="a slot is filled by hand")
def test_a_program_whose_place_went_in_between_is_told_the_next_and_nothing_is_kept(programs, monkeypatch):
    slot, bags = programs
    keys = fill_between(monkeypatch, slot)
    status, said = choose(bags[0], slot)
    assert len(keys) == 1, "the second look refuses"
    assert keys[0], "the first does not wait"
    assert (status, said["code"], len(said["facts"]["next"])) == (409, "slot_unavailable", 1)
    assert not any(model.objects.exists() for model in (Appointment, Answer))


@pytest.mark.lawless("I1", "I3", why="does without a guard")
@pytest.mark.control
def test_with_its_key_whatever_was_drawn_it_would_be_promised_what_is_gone(programs, monkeypatch):
    """The control: the test above would notice."""
    inserting = moves._inserting
    monkeypatch.setattr(moves, "_inserting", lambda model, rows, _drawn, keyed: inserting(model, rows, False, keyed))
    slot, bags = programs
    fill_between(monkeypatch, slot)
    assert choose(bags[0], slot)[0] == 200
    assert Appointment.objects.filter(slot=slot, state="confirmed").exists()
