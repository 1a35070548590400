"""People through API v1: found, enrolled, kept right by staff; household, consents, standing; signing in by a code."""

from __future__ import annotations

import re

import pytest

from core import clock
from core.models import Access
from lending import accounts, codes
from lending.models import Consent, Patron, Strike
from notifications.models import Message
from tests import api, rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def library():
    return rows.library()


@pytest.fixture
def staff(library):
    return api.librarian(library)


def test_staff_find_people_by_card_number_and_name(library, staff):
    who = rows.patron(library, name="박다온", number="+821000004711")
    for caller in (who.card_number, "4711", "박다온", "010-0000-4711"):
        (hint,) = staff.post("patrons/find", {"caller": caller})["results"]
        assert (hint["id"], hint["name"], hint["phone_ends"]) == (who.pk, "박*온", "4711")
    assert staff.post("patrons/find", {"caller": "1"})["results"] == []
    assert Access.objects.filter(about=f"patron:{who.pk}", purpose="api patrons").count() == 4
    assert api.librarian(rows.library()).post("patrons/find", {"caller": who.card_number})["results"] == []
    assert api.patron()[1].post("patrons/find", {"caller": "4711"}, status=403)["code"] == "staff_only"
    assert staff.post("patrons/find", {}, status=400)["field"] == "caller"


def test_somebody_new_is_enrolled_with_what_they_agreed_to(library, staff):
    body = {"card_number": "2100-9001", "name": "한새봄", "number": "010-0000-9001", "agrees": True, "abroad": False}
    made = staff.post("patrons", body, 201, key="once")
    assert staff.post("patrons", body, 201, key="once") == made
    assert (made["home"], made["has_pin"], made["household"]["members"]) == (library.code, False, [])
    assert [(one["number"], one["may_text"]) for one in made["contacts"]] == [("+821000009001", False)]
    said = Consent.objects.filter(patron=made["id"]).values_list("what", "given")
    assert set(said) == {("privacy", True), ("abroad", False)}
    assert staff.post("patrons", body, status=409)["code"] == "card_taken"
    assert staff.post("patrons", {**body, "agrees": False}, status=400)["field"] == "agrees"
    child = {**body, "card_number": "2100-9002", "child_until": "2035-03-02"}
    assert staff.post("patrons", child, status=400)["code"] == "guardian_needed"
    assert staff.post("patrons", {**child, "guardian": "한겨울"}, 201)["child_until"] == "2035-03-02"
    assert staff.post("patrons", {**body, "card_number": "x", "number": "1"}, status=400)["field"] == "card_number"
    assert api.patron()[1].post("patrons", body, status=403)["code"] == "staff_only"


def test_a_record_is_read_and_kept_right(library, staff):
    who = rows.patron(library, name="옛이름")
    read = staff.get(f"patrons/{who.pk}")
    assert (read["name"], read["card_number"], read["needs"]) == ("옛이름", who.card_number, [])
    kept = staff.post(
        f"patrons/{who.pk}", {"name": "새이름", "language": "en", "needs": ["boot"], "blocked_until": "2099-01-01"}
    )
    assert (kept["name"], kept["language"], kept["needs"]) == ("새이름", "en", ["boot"])
    assert kept["blocked_until"] == "2099-01-01"
    assert staff.post(f"patrons/{who.pk}", {"blocked_until": None})["name"] == "새이름"
    assert staff.post(f"patrons/{who.pk}", {"needs": ["wings"]}, status=400)["code"] == "invalid"
    for act in ("", "/household", "/consents", "/standing"):
        assert api.librarian(rows.library()).get(f"patrons/{who.pk}{act}", status=404)["code"] == "not_found"
    assert api.signed_in(rows.patron(library, pin=rows.PIN).account).get(f"patrons/{who.pk}", status=403)


def test_a_household_is_made_agreed_to_and_left(library, staff):
    one, other = rows.patron(library, pin=rows.PIN), rows.patron(library)
    joined = staff.post(f"patrons/{one.pk}/household", {"card_number": other.card_number})
    assert (joined["together"], len(joined["members"])) == (False, 2)
    for who in (one, other):
        noted = staff.post(f"patrons/{who.pk}/consents", {"what": "together", "given": True})
        assert [(row["what"], row["given"]) for row in noted["results"]] == [("together", True)]
    assert staff.get(f"patrons/{one.pk}/household")["together"]
    mine = api.signed_in(one.account)
    assert mine.get("me/household") == {"members": 2, "agreed": 2, "together": True}
    mine.post("me/consents", {"what": "together", "given": False})
    assert mine.get("me/household") == {"members": 2, "agreed": 1, "together": False}
    assert staff.post(f"patrons/{one.pk}/household/leave")["members"] == []
    assert staff.post(f"patrons/{one.pk}/household/leave", status=409)["code"] == "no_household"
    stranger = rows.patron()
    assert staff.post(f"patrons/{one.pk}/household", {"card_number": stranger.card_number}, status=404)
    assert staff.post(f"patrons/{one.pk}/household", {"card_number": "0000"}, status=404)["code"] == "unknown_card"
    assert staff.post(f"patrons/{one.pk}/consents", {"what": "moon", "given": True}, status=400)["field"] == "what"
    assert mine.post(f"patrons/{one.pk}/household/leave", status=403)["code"] == "staff_only"


def test_what_is_held_against_somebody_is_shown_and_forgiven():
    library = rows.library(programme=rows.programme(strikes=1, strikes_for=["missed"], strike_days=30, pause_days=30))
    who, staff = rows.patron(library), api.librarian(library)
    Strike.objects.create(patron=who, programme=library.programme, kind="missed", on=clock.now().date())
    standing = staff.get(f"patrons/{who.pk}/standing")
    assert (standing["paused"]["why"], [one["counts"] for one in standing["against"]]) == ("strikes", [True])
    assert staff.post(f"patrons/{who.pk}/forgive", {"why": "pity"}, status=400)["field"] == "why"
    after = staff.post(f"patrons/{who.pk}/forgive", {"why": "ours"})
    assert (after["paused"], after["against"]) == (None, [])
    assert Strike.objects.get().forgiven_why == "ours"
    assert api.librarian(rows.library()).post(f"patrons/{who.pk}/forgive", {"why": "ours"}, status=404)


def texted() -> str:
    found = re.search(r"\b[0-9]{6}\b", Message.objects.latest("pk").body)
    assert found
    return found[0]


def test_a_code_by_text_signs_in_and_sets_a_pin():
    who = rows.patron()
    asked = api.anyone().post("tokens/code", {"card_number": who.card_number})
    assert asked == {"card_number": who.card_number}
    assert api.anyone().post("tokens/code", {"card_number": "0000-0000"}) == {"card_number": "0000-0000"}
    codes.send_due(now=clock.now())
    body = {"card_number": who.card_number, "one_time_code": texted()}
    issued = api.anyone().post("tokens", body, 201, key=None)
    assert api.anyone().post("tokens", body, 401, key=None)["code"] == "wrong_code"
    mine = api.Api(issued["token"])
    assert mine.get("me")["card_number"] == who.card_number
    api.anyone().post("tokens/code", {"card_number": who.card_number})
    codes.send_due(now=clock.now())
    assert mine.post("me/pin", {"pin": rows.PIN}, 400)["code"] == "invalid"
    assert mine.post("me/pin", {"pin": rows.PIN, "one_time_code": "000000"}, 401)["code"] == "wrong_code"
    assert mine.post("me/pin", {"pin": rows.PIN, "one_time_code": texted()}) == {"signed_out": True}
    api.anyone().post("tokens", {"card_number": who.card_number, "pin": rows.PIN}, 201, key=None)
    assert api.anyone().post("tokens", {"one_time_code": "000000"}, 400, key=None)["code"] == "invalid"


def test_the_desk_gives_a_code_and_lifts_a_wait(library, staff):
    who = rows.patron(library)
    code = staff.post(f"patrons/{who.pk}/code")["code"]
    api.anyone().post("tokens", {"card_number": who.card_number, "one_time_code": code}, 201, key=None)
    again = rows.patron(library, pin=rows.PIN)
    for _ in range(12):
        api.anyone().client.post(
            "/api/v1/tokens", {"card_number": again.card_number, "pin": "918273"}, content_type="application/json"
        )
    assert accounts.wait_of(card_number=again.card_number, now=clock.now())
    staff.post(f"patrons/{again.pk}/lift-wait")
    assert not accounts.wait_of(card_number=again.card_number, now=clock.now())
    for act in ("code", "lift-wait"):
        assert api.librarian(rows.library()).post(f"patrons/{who.pk}/{act}", status=404)["code"] == "not_found"
        assert api.signed_in(again.account).post(f"patrons/{who.pk}/{act}", status=403)["code"] == "staff_only"
    assert Patron.objects.get(pk=who.pk).account is not None
