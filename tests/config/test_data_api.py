"""What patrons do with their own data through API v1: take it along, have it erased."""

from __future__ import annotations

import pytest

from core import clock
from core.models import Answer
from lending.errors import WrongPin
from lending.models import Patron
from tests import api, rows
from tests.pickup import steps

pytestmark = pytest.mark.django_db


def test_a_patron_takes_along_what_is_kept_about_them():
    point = rows.point(rules={"by_appointment": False})
    who, mine = api.patron(home=point.library, name="하늘이")
    order = steps.asked(who, point, now=clock.now())
    kept = mine.get("me/data")
    assert (kept["patron"]["name"], [one["id"] for one in kept["orders"]]) == ("하늘이", [order.pk])
    assert api.librarian(point.library).get("me/data", status=403)["code"] == "patron_only"
    assert mine.get("me/data", status=400, of="somebody")["code"] == "unknown_field"


def test_erasing_needs_the_pin_and_leaves_nothing():
    who, mine = api.patron()
    for given in ({}, {"pin": "918273"}):
        refused = mine.post("me/data/erase", given, 401)
        assert (refused["code"], refused["field"]) == ("wrong_credentials", "pin")
        assert refused["detail"] == str(WrongPin.sentence)  # as the page says it
    assert mine.post("me/data/erase", {"pin": rows.PIN})["erased"]["record"]
    assert not Patron.objects.filter(pk=who.pk).exists()
    assert not Answer.objects.exists()
    assert mine.get("me", status=401)["code"] == "not_signed_in"


def test_nobody_is_erased_with_a_bag_open_or_by_somebody_else():
    point = rows.point(rules={"by_appointment": False})
    who, mine = api.patron(home=point.library)
    steps.asked(who, point, now=clock.now())
    assert mine.post("me/data/erase", {"pin": rows.PIN}, 409)["code"] == "open_business"
    assert api.librarian(point.library).post("me/data/erase", {"pin": rows.PIN}, 403)["code"] == "patron_only"
    assert Patron.objects.filter(pk=who.pk).exists()
