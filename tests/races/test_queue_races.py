"""Two librarians move cars of one line at the same moment: it ends as if one had moved after the other."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from pickup import arrivals, lane, queries, queue
from pickup.models import Visit
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK
from tests.races.guards import slowly
from tests.races.together import together

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def line(now):
    """A, X, B, Y and C wait."""
    point = rows.point()
    cars = []
    for minutes in range(5):
        order = steps.ready(steps.asked(rows.patron(point.library), point))
        when = now + timedelta(minutes=minutes)
        cars.append(arrivals.arrive(point_id=point.pk, order_id=order.pk, by=DESK, now=when))
    return cars


def both_move(line, now, monkeypatch):
    """X goes before Y and Y before X; how the line stands afterwards, by letters."""
    _a, x, _b, y, _c = line
    slowly(monkeypatch, queue, "_moments")
    wishes = [(x, y), (y, x)]

    def wish(n):
        visit, before = wishes[n]
        queue.move(visit_id=visit.pk, before_id=before.pk, by=DESK, now=now)

    outcome = together(2, wish)
    assert outcome.refused == []
    letters = {visit.pk: letter for visit, letter in zip(line, "AXBYC", strict=True)}
    return "".join(letters[visit.pk] for visit in queries.cars_here(line[0].point_id))


def test_of_two_moves_the_later_one_sees_what_the_first_one_did(line, now, monkeypatch):
    assert both_move(line, now, monkeypatch) in {"ABYXC", "AXYBC"}


@pytest.mark.control
def test_without_taking_turns_neither_wish_comes_true(line, now, monkeypatch):
    """The control: both look at the same line, and X and Y end apart from each other."""
    monkeypatch.setattr(queue, "_take_turns", lambda point_id: None)
    assert both_move(line, now, monkeypatch) == "AYBXC"


def call_while_cars_are_moved(line, now, monkeypatch):
    rows.lane(line[0].point)
    slowly(monkeypatch, queue, "_moments", before=False)
    later, moving = now + timedelta(minutes=9), threading.Event()
    take_turns = queue._take_turns

    def take_turns_and_say_so(point_id):
        take_turns(point_id)
        moving.set()

    monkeypatch.setattr(queue, "_take_turns", take_turns_and_say_so)

    def act(n):
        if n == 0:
            queue.move(visit_id=line[4].pk, before_id=line[1].pk, by=DESK, now=later)
            return None
        assert moving.wait(20)
        return lane.call_next(point_id=line[0].point_id, by=DESK, now=later)[0].pk

    return together(2, act)


def test_nobody_is_kept_from_calling_while_cars_are_moved(line, now, monkeypatch):
    outcome = call_while_cars_are_moved(line, now, monkeypatch)
    assert (outcome.refused, outcome.answers[1]) == ([], line[0].pk)


def lock_the_line(point_id):
    """Turns are taken at the cars themselves, as every naive system does it."""
    list(Visit.objects.select_for_update(no_key=True).filter(point_id=point_id).order_by("pk"))


def test_with_the_cars_locked_instead_of_the_line_nobody_can_be_called(line, now, monkeypatch):
    """The control: who calls passes over what is locked, and finds nobody."""
    monkeypatch.setattr(queue, "_take_turns", lock_the_line)
    assert call_while_cars_are_moved(line, now, monkeypatch).codes() == ["nobody_waiting"]
