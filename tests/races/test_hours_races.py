"""Somebody takes a time while its places become fewer: they have it and are counted, or are told that it is full."""

from __future__ import annotations

import pytest
from django.db.models.query import QuerySet

from core.actor import Actor
from lending.models import Patron
from pickup import fitting, hours, slots
from pickup.models import Appointment, Slot, Window
from pickup.states import PROMISED
from tests import rows
from tests.pickup import steps
from tests.races.guards import slowly
from tests.races.together import Outcome, together

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

BOSS = Actor("staff", 7, "desk")
READERS = 4


def everybody_at_once(*, move: bool) -> tuple[Slot, Outcome[object]]:
    """Four readers ask for one of five places of a time, while it is lowered to one place."""
    point = rows.point(rows.library(), rules={"promise": "at_order", "horizon_days": 1})
    window = rows.window(point, capacity=5)
    slots.make(now=rows.NOW)
    wanted = Slot.objects.filter(point=point).earliest("starts_at")
    readers = [rows.patron(point.library) for _ in range(READERS)]

    def act(n: int) -> object:
        if n == READERS:
            return hours.set_window(
                point_id=point.pk, window_id=window.pk, values={"capacity": 1}, move=move, by=BOSS, now=rows.NOW
            )
        return steps.asked(Patron.objects.get(pk=readers[n].pk), point, slot_id=wanted.pk)

    outcome = together(READERS + 1, act)
    wanted.refresh_from_db()
    return wanted, outcome


@pytest.mark.parametrize("move", [False, True])
def test_a_place_is_either_taken_and_counted_or_gone(monkeypatch, move):
    slowly(monkeypatch, slots, "taking")
    slowly(monkeypatch, fitting, "_decided")
    wanted, outcome = everybody_at_once(move=move)
    assert set(outcome.codes()) <= {"slot_unavailable"}
    assert Window.objects.get(point=wanted.point_id).capacity == 1
    for slot in Slot.objects.filter(point=wanted.point_id):
        held = Appointment.objects.filter(slot=slot, state__in=PROMISED).count()
        assert (slot.booked, slot.capacity) == (held, max(1, held))


@pytest.mark.control
def test_without_the_locks_on_the_slots_the_change_comes_to_nothing(monkeypatch):
    """The control: places are counted, then taken by somebody, and only the law keeps the slot from being oversold."""
    slowly(monkeypatch, slots, "taking")
    slowly(monkeypatch, fitting, "_decided")
    of_orders = QuerySet.select_for_update

    def but_for_slots(self, *args, **kwargs):
        return self._chain() if self.model is Slot else of_orders(self, *args, **kwargs)

    monkeypatch.setattr(QuerySet, "select_for_update", but_for_slots)
    _wanted, outcome = everybody_at_once(move=False)
    assert "IntegrityError" in outcome.codes()
