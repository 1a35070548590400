"""Two colleagues start a rehearsal at the same moment; two workers let the same cars come."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.models import Journal
from pickup import rehearsals
from pickup.models import Order, Rehearsal, RehearsalCar, Visit
from pickup.states import OPEN_ORDER
from tests import rows
from tests.pickup.steps import DESK
from tests.races.guards import law_dropped, slowly, without_locks, without_swap
from tests.races.together import together

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def window(now):
    """A training library that has been rehearsed in before, so that its people and books are there."""
    training = rows.library(training=True, programme=rows.programme(volumes=100, volumes_per="patron"))
    point = rows.point(training, rules={"by_appointment": False})
    begun = rehearsals.start(point_id=point.pk, minutes=10, by=DESK, now=now)
    rehearsals.stop(rehearsal_id=begun.pk, by=DESK, now=now)
    return point


def both_start(window, now):
    return together(2, lambda _n: rehearsals.start(point_id=window.pk, minutes=10, by=DESK, now=now).pk)


def running() -> int:
    return Rehearsal.objects.filter(state="running").count()


def test_of_two_who_start_at_once_one_does(window, now):
    for _ in range(2):  # with none that runs, and with one
        outcome = both_start(window, now)
        assert (len(outcome.answers), outcome.codes(), running()) == (1, ["rehearsal_running"], 1)
        cars = RehearsalCar.objects.filter(rehearsal=outcome.answers[0])
        assert cars.count() == 11  # nobody comes to the wrong place where there is only one
        assert Order.objects.filter(state__in=OPEN_ORDER).count() == 12


def test_the_law_stands_behind_the_turn(window, now, monkeypatch):
    monkeypatch.setattr(rehearsals, "_take_turn", lambda library_id: None)
    assert (len(both_start(window, now).answers), running()) == (1, 1)


@pytest.mark.control
def test_without_turn_and_law_two_rehearsals_run(window, now, monkeypatch):
    monkeypatch.setattr(rehearsals, "_take_turn", lambda library_id: None)
    slowly(monkeypatch, rehearsals, "_begin", before=False)
    monkeypatch.setattr(rehearsals, "_lock_everything", lambda *args, **kwargs: None)
    monkeypatch.setattr(rehearsals, "_clear", lambda *args, **kwargs: None)
    monkeypatch.setattr(rehearsals, "_invite", lambda *args, **kwargs: None)
    with law_dropped(Rehearsal, "pickup_one_rehearsal_at_a_time"):
        outcome = both_start(window, now)
        assert (len(outcome.answers), running()) == (2, 2)


def cars_that_came(window, now, monkeypatch) -> tuple[list[int], set[str]]:
    """How often each car came when three workers let them come, and how the cars stand afterwards."""
    rehearsals.start(point_id=window.pk, minutes=10, by=DESK, now=now)
    slowly(monkeypatch, rehearsals, "_comes", before=False)
    outcome = together(3, lambda _n: rehearsals.arrive_due(now=now + timedelta(minutes=10)), durable=False)
    assert outcome.refused == []
    came = Journal.objects.filter(noun=RehearsalCar.noun(), became="came").values_list("row", flat=True)
    states = RehearsalCar.objects.filter(rehearsal__state="running").values_list("state", flat=True)
    return sorted(list(came).count(row) for row in set(came)), set(states)


def test_three_workers_let_each_car_come_once(window, now, monkeypatch):
    assert cars_that_came(window, now, monkeypatch) == ([1] * 11, {"came"})
    assert Visit.objects.count() == 11


@pytest.mark.control
def test_without_lock_and_comparison_cars_are_taken_for_others(window, now, monkeypatch):
    without_locks(monkeypatch)
    without_swap(monkeypatch)
    assert cars_that_came(window, now, monkeypatch) != ([1] * 11, {"came"})
