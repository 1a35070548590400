"""The last place of a slot, wanted by many at the same moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection

from pickup import appointments, slots
from pickup.errors import SlotUnavailable
from pickup.models import Appointment, Slot
from tests import rows
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
        "UPDATE pickup_slot SET booked = booked + 1 WHERE id = %s AND %s RETURNING booked AS place",
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
