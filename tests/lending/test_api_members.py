"""Managers through API v1: who works in the library as what, and who looked at whose records."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core import access, clock
from lending import reviews
from lending.models import AccessReview, Membership
from tests import api, rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def library():
    return rows.library()


@pytest.fixture
def boss(library):
    return api.librarian(library, role="manager")


def test_roles_are_given_and_taken_and_one_manager_stays(library, boss):
    address = f"libraries/{library.code}/members"
    new = {"username": "saeum", "role": "librarian", "name": "김새움", "password": "quiet reading room"}
    members = boss.post(address, new)["results"]
    assert [(one["name"], one["role"]) for one in members if one["username"] == "saeum"] == [("김새움", "librarian")]
    assert boss.get(address)["results"] == members
    promoted = boss.post(address, {"username": "saeum", "role": "manager"})["results"]
    assert {one["role"] for one in promoted} == {"manager"}
    (saeum,) = (one["id"] for one in members if one["username"] == "saeum")
    (me,) = (one["id"] for one in members if one["username"] != "saeum")
    boss.post(f"{address}/{saeum}/lost-factor")
    assert [one["id"] for one in boss.post(f"{address}/{saeum}/leave")["results"]] == [me]
    assert boss.post(f"{address}/{saeum}/leave", status=404)["code"] == "not_found"
    assert boss.post(f"{address}/{me}/leave", status=409)["code"] == "last_manager"
    assert boss.post(address, {**new, "username": "other", "password": "1234"}, status=400)["code"] == "weak_password"
    assert boss.post(address, {"username": "nobody", "role": "librarian"}, status=404)["field"] == "username"
    assert boss.post(address, {"username": "saeum", "role": "king"}, status=400)["field"] == "role"


def test_managers_alone_see_and_change_roles(library):
    address = f"libraries/{library.code}/members"
    account = rows.staff(library)
    librarian, device = api.signed_in(account), api.device(library)
    for who in (librarian, device):
        assert who.get(address, status=403)["code"] == "forbidden"
        assert who.post(address, {"username": account.username, "role": "manager"}, status=403)["code"] == "forbidden"
        assert who.get(f"libraries/{library.code}/looks", status=403)["code"] == "forbidden"
    stranger = api.librarian(rows.library(), role="manager")
    assert stranger.get(address, status=404)["code"] == "not_found"
    assert stranger.post(f"{address}/{account.pk}/leave", status=404)["code"] == "not_found"
    assert stranger.get("libraries/nowhere/members", status=404)["code"] == "not_found"
    assert Membership.objects.get(account=account).role == "librarian"


def test_looks_are_read_by_month_and_a_month_that_is_over_is_marked_once(library, boss):
    now = clock.now()
    looker = rows.staff(library, first_name="김사서")
    access.saw(["patron:1", "patron:2"], purpose="patrons", by=rows.staff_actor(looker), now=now)
    address, this = f"libraries/{library.code}/looks", f"{now + timedelta(hours=9):%Y-%m}"
    shown = boss.get(address, month=this)
    (seen,) = shown["seen"]
    assert (seen["name"], seen["records"], [one["looks"] for one in seen["screens"]]) == ("김사서", 2, [2])
    before = boss.get(address)
    assert (before["seen"], before["review"]) == ([], None)
    assert before["month"] == f"{reviews.before(reviews.month_of((now + timedelta(hours=9)).date())):%Y-%m}"
    assert boss.post(f"{address}/review", {"month": this}, status=400)["field"] == "month"
    marked = boss.post(f"{address}/review", {"month": before["month"], "note": "nothing to ask about"})
    assert marked["review"]["note"] == "nothing to ask about"
    assert boss.post(f"{address}/review", {"month": before["month"]}, status=409)["code"] == "already_reviewed"
    for wrong in ("2026-13", "moon", "2026-11-01"):
        assert boss.get(address, status=400, month=wrong)["field"] == "month"
    assert AccessReview.objects.count() == 1
