"""Somebody takes a time while the day is being closed: they have another one, or are told that it is gone."""

from __future__ import annotations

import threading
from datetime import date, time

import pytest
from django.db import transaction

from core.actor import Actor
from lending.models import Patron
from pickup import opening, slots
from pickup.models import Appointment, Slot
from pickup.states import PROMISED
from tests import rows
from tests.pickup import steps
from tests.races.guards import slowly
from tests.races.together import together

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

BOSS, TOMORROW = Actor("staff", 7, "desk"), date(2026, 11, 25)
READERS = 5


def tomorrow_at_two():
    """A point, and its slot at two tomorrow; there is one on each of the next days."""
    point = rows.point(rows.library(), rules={"promise": "at_order", "horizon_days": 7})
    for weekday in range(7):
        rows.window(point, weekday=weekday, opens=time(14), closes=time(15), capacity=5)
    slots.make(now=rows.NOW)
    local = rows.NOW.astimezone(rows.SEOUL).replace(hour=14)
    return point, Slot.objects.get(point=point, starts_at=local + (TOMORROW - local.date()))


def everybody_at_once():
    """Five readers ask for a time of tomorrow, while tomorrow is being closed; gives back the slot and what came."""
    point, wanted = tomorrow_at_two()
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


def one_has_looked_before_the_day_is_closed(monkeypatch):
    """A reader has seen the time open and takes it once the day is closed; gives back the slot and what came of it."""
    point, wanted = tomorrow_at_two()
    reader = rows.patron(point.library)
    looked, closed = threading.Event(), threading.Event()
    taking = slots.taking

    def once_it_is_closed(**asked):
        looked.set()
        assert closed.wait(20)
        return taking(**asked)

    monkeypatch.setattr(slots, "taking", once_it_is_closed)

    def act(n):
        if n == 0:
            return steps.asked(reader, point, slot_id=wanted.pk).pk
        assert looked.wait(20)
        try:
            with transaction.atomic(durable=True):
                return opening.close(library_id=point.library_id, day=TOMORROW, reason="", by=BOSS, now=rows.NOW)
        finally:
            closed.set()

    return wanted, together(2, act, durable=False)


def test_who_has_looked_before_the_day_is_closed_finds_the_time_gone(monkeypatch):
    wanted, outcome = one_has_looked_before_the_day_is_closed(monkeypatch)
    assert outcome.codes() == ["slot_unavailable"]
    assert left_behind(wanted) == 0


@pytest.mark.control
def test_without_the_look_at_open_in_the_update_somebody_is_left_behind(monkeypatch):
    """The control: a closed slot still counts whoever has seen it open."""
    taking = slots.taking

    def taking_of_any(**asked):
        statement, values = taking(**asked)
        assert " AND open " in statement
        return statement.replace(" AND open ", " "), values

    monkeypatch.setattr(slots, "taking", taking_of_any)
    wanted, outcome = one_has_looked_before_the_day_is_closed(monkeypatch)
    assert outcome.refused == []
    assert left_behind(wanted) == 1
