"""Two bags become ready at the same moment and want the same place of the shelf."""

from __future__ import annotations

import pytest

from pickup import packing, places
from pickup.models import Order, PointRules
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK
from tests.races.guards import law_dropped, slowly
from tests.races.together import together

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


def places_of_four_bags(now, monkeypatch):
    point = rows.point(rules={"by_appointment": False})
    bags = [steps.packed(steps.asked(rows.patron(point.library), point)) for _ in range(4)]
    PointRules.objects.filter(point=point).update(bag_places=["A1", "A2", "A3", "A4"])  # named after all were packed
    slowly(monkeypatch, places, "_put")
    outcome = together(4, lambda n: packing.mark_ready(order_id=bags[n].pk, by=DESK, now=now).pk)
    assert outcome.refused == []
    return sorted(Order.objects.filter(point=point).values_list("place", flat=True))


def test_four_bags_get_four_places(now, monkeypatch):
    assert places_of_four_bags(now, monkeypatch) == ["A1", "A2", "A3", "A4"]


@pytest.mark.control
def test_without_the_law_two_bags_stand_on_one_place(now, monkeypatch):
    with law_dropped(Order, "pickup_place_holds_one_bag"):
        assert len(set(places_of_four_bags(now, monkeypatch))) < 4
