"""The laws are looked at after every test: what breaks one is found, and nobody is excused without a reason."""

from __future__ import annotations

import pytest

from lending.models import Copy
from pickup.models import Slot
from tests import laws, rows
from tests.pickup import steps


@pytest.mark.django_db
@pytest.mark.lawless("I1", "I3", why="breaks them to see that they are found")
def test_what_breaks_a_law_is_found_by_its_number(request):
    point = rows.point(rules={"promise": "at_order"})
    steps.asked(rows.patron(point.library), point, slot_id=rows.slot(point).pk)
    assert laws.broken(within=request.path) == []
    Slot.objects.update(booked=0)
    Copy.objects.update(state="missing")
    assert {number for number, _told in laws.broken(within=request.path)} == {"I1", "I3"}
    assert {number for number, _told in laws.broken(within=request.path.parents[1] / "lending" / "x.py")} == {"I3"}


@pytest.mark.django_db
def test_they_are_looked_at_after_each_test_of_the_database(request):
    assert "_laws_hold" in request.fixturenames


def test_most_of_them_hold_on_any_day():
    assert len(laws.timeless()) > 20
    assert not [law for law in laws.timeless() if "now()" in law.sql]


def test_whoever_breaks_one_says_why(request):
    marks = [mark for item in request.session.items for mark in item.iter_markers("lawless")]
    assert not [mark for mark in marks if not mark.kwargs.get("why")]
