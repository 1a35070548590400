"""Somebody takes a time while the day is being closed: they have another one, or are told that it is gone."""

from __future__ import annotations

from datetime import date, time

import pytest

from core.actor import Actor
from lending.models import Patron
from pickup import fitting, opening, slots
from pickup.models import Appointment, Slot
from pickup.states import PROMISED
from tests import rows
from tests.pickup import steps
from tests.races.guards import slowly
from tests.races.together import together

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

BOSS, TOMORROW = Actor("staff", 7, "desk"), date(2026, 11, 25)
READERS = 5


def everybody_at_once():
    """Five readers ask for a time of tomorrow, while tomorrow is being closed; gives back the point."""
    point = rows.point(rows.library(), rules={"promise": "at_order", "horizon_days": 7})
    for weekday in range(7):
        rows.window(point, weekday=weekday, opens=time(14), closes=time(15), capacity=5)
    slots.make(now=rows.NOW)
    local = rows.NOW.astimezone(rows.SEOUL).replace(hour=14)
    wanted = Slot.objects.get(point=point, starts_at=local + (TOMORROW - local.date()))
    readers = [rows.patron(point.library) for _ in range(READERS)]

    def act(n: int) -> object:
        if n == READERS:
            return opening.close(library_id=point.library_id, day=TOMORROW, reason="", by=BOSS, now=rows.NOW)
        return steps.asked(Patron.objects.get(pk=readers[n].pk), point, slot_id=wanted.pk)

    return wanted, together(READERS + 1, act)


def left_behind(wanted: Slot) -> int:
    """Those who still have a time on the closed day."""
    return Appointment.objects.filter(slot=wanted, state__in=PROMISED).count()


def test_nobody_keeps_a_time_on_a_closed_day(monkeypatch):
    slowly(monkeypatch, slots, "taking")
    wanted, outcome = everybody_at_once()
    assert set(outcome.codes()) <= {"slot_unavailable"}
    assert left_behind(wanted) == 0
    booked = {slot.pk: slot.booked for slot in Slot.objects.filter(point=wanted.point_id)}
    for pk, count in booked.items():
        assert Appointment.objects.filter(slot=pk, state__in=PROMISED).count() == count


@pytest.mark.control
def test_without_the_locks_on_the_slots_some_are_left_behind(monkeypatch):
    """The control: the day is looked at before the slots take nobody any more."""
    slowly(monkeypatch, slots, "taking")

    def fit_without_locks(library, point_ids, *, now):
        Slot.objects.filter(pk__in=[]).update(open=False)

    monkeypatch.setattr(fitting, "fit", fit_without_locks)
    wanted, _outcome = everybody_at_once()
    assert left_behind(wanted) > 0
