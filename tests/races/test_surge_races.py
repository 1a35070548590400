"""The switch is turned at the moment in which somebody takes a time, or the sweep makes slots."""

from __future__ import annotations

import threading
import time
from datetime import time as hour

import pytest

from core.actor import Actor
from lending import surge as lending_surge
from pickup import fitting, slots, surge, windows
from pickup.models import Slot
from tests import rows
from tests.pickup import steps
from tests.races.guards import PAUSE, slowly, without_locks
from tests.races.together import together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]

NOW = rows.NOW
BOSS = Actor("staff", 7, "desk")


@pytest.fixture
def point():
    made = rows.point(rows.library(), rules={"promise": "at_order"})
    rows.window(made, regime="normal", capacity=1)
    rows.window(made, regime="surge", opens=hour(11), closes=hour(12))
    return made


# Taking a time


def take_while_it_is_turned(monkeypatch):
    """Normal days have three places, the closed building one; one is taken, and somebody takes another meanwhile."""
    point = rows.point(rows.library(), rules={"promise": "at_order", "horizon_days": 1})
    for regime, capacity in (("normal", 3), ("surge", 1)):
        rows.window(point, regime=regime, capacity=capacity)
    slots.make(now=NOW)
    slot = Slot.objects.filter(point=point).earliest("starts_at")
    assert steps.taken(slot)
    read, decide = threading.Event(), fitting._decided

    def slowly_decided(slot, plan, **about):
        read.set()
        time.sleep(PAUSE)
        return decide(slot, plan, **about)

    monkeypatch.setattr(fitting, "_decided", slowly_decided)

    def act(index):
        if index == 0:
            return surge.switch(library_id=point.library_id, on=True, by=BOSS, now=NOW)
        read.wait(10)
        return steps.taken(slot)

    outcome = together(2, act)
    slot.refresh_from_db()
    return outcome, slot


@pytest.mark.lawless("I1", why="a slot is filled by hand")
def test_a_place_is_either_taken_and_counted_or_gone(monkeypatch):
    outcome, slot = take_while_it_is_turned(monkeypatch)
    assert outcome.refused == []
    assert slot.booked == 1 + int(outcome.answers[1])
    assert slot.capacity == max(1, slot.booked)


@pytest.mark.control
def test_without_the_lock_the_switch_runs_into_the_law(monkeypatch):
    without_locks(monkeypatch)
    outcome, slot = take_while_it_is_turned(monkeypatch)
    assert [("pickup_slot_never_oversold" in str(error)) for error in outcome.refused] == [True]
    assert slot.booked == 2


# Making slots


def make_while_it_is_turned(point, monkeypatch):
    """The sweep has read the switch and cut the hours, and writes its slots after somebody has turned it."""
    looked, turned = threading.Event(), threading.Event()
    plan = windows.plan

    def slow_plan(*args, **kwargs):
        found = plan(*args, **kwargs)
        if threading.current_thread().name == "runner-0" and not looked.is_set():
            looked.set()
            turned.wait(PAUSE * 4)
        return found

    monkeypatch.setattr(windows, "plan", slow_plan)

    def act(index):
        if index == 0:
            return slots.make(now=NOW)
        looked.wait(10)
        answer = surge.switch(library_id=point.library_id, on=True, by=BOSS, now=NOW)
        turned.set()
        return answer

    outcome = together(2, act, durable=False)
    assert outcome.refused == []
    return Slot.objects.filter(point=point, open=True, window__regime="normal").count()


def test_no_slot_of_the_other_hours_is_made_open(point, monkeypatch):
    point.rules.horizon_days = 7
    point.rules.save()
    assert make_while_it_is_turned(point, monkeypatch) == 0


@pytest.mark.control
def test_without_the_lock_slots_of_the_other_hours_stay_open(point, monkeypatch):
    point.rules.horizon_days = 7
    point.rules.save()
    without_locks(monkeypatch)
    assert make_while_it_is_turned(point, monkeypatch) > 0


def test_two_managers_turn_it_once(point, monkeypatch):
    slowly(monkeypatch, lending_surge, "_note")
    outcome = together(2, lambda _index: surge.switch(library_id=point.library_id, on=True, by=BOSS, now=NOW))
    assert outcome.refused == []
    assert sorted(answer is None for answer in outcome.answers) == [False, True]
