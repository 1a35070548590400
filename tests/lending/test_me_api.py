"""What programs of patrons read and settle: standing, PIN, language, devices, numbers, consents."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from core import clock
from lending import devices, strikes
from lending.models import Contact, Pause, RememberedDevice, Strike
from tests import api, rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def library():
    rules = {"volumes": 3, "strikes": 3, "strikes_for": ["missed"], "strike_days": 30, "pause_days": 30}
    return rows.library(programme=rows.programme(volumes_per="patron", **rules))


def today():
    return clock.now().astimezone(rows.SEOUL).date()


def strike(who, library, days_ago=0):
    return Strike.objects.create(
        patron=who, programme=library.programme, kind="missed", on=today() - timedelta(days=days_ago)
    )


# Standing


def test_a_standing_says_count_maximum_and_when_again(library):
    who, mine = api.patron(home=library)
    point = rows.point(library)
    rows.reserve(who, *(rows.copy(at=library).title for _ in range(3)), at=point, now=clock.now())
    strike(who, library)
    strike(who, library, 40)
    said = mine.get("me/standing")
    (limit,) = said["limits"]
    assert (limit["limit"], limit["taken"], limit["allowed"], limit["left"]) == ("volumes", 3, 3, 0)
    assert limit["again_on"] > today().isoformat()
    assert (said["strikes"], said["paused"], said["blocked_until"]) == ({"taken": 1, "allowed": 3}, None, None)


def test_a_pause_is_told_with_its_reason_and_its_last_day(library):
    who, mine = api.patron(home=library)
    for _ in range(3):
        strike(who, library)
    paused = mine.get("me/standing", library=library.code)["paused"]
    assert (paused["why"], paused["count"]) == ("strikes", 3)
    assert mine.get("me/standing", 404, library="nowhere")["code"] == "not_found"
    assert api.librarian(library).get("me/standing", 403)["code"] == "patron_only"


def test_the_settings_page_tells_the_same_without_titles(client, library):
    who = rows.patron(library, pin=rows.PIN)
    for _ in range(2):
        strike(who, library)
    client.force_login(who.account)
    page = client.get(reverse("settings-standing"), headers={"Accept-Language": "en"}).content.decode()
    assert "2 of 3" in page
    assert "did not come at the agreed time" in page


def test_staff_see_strikes_and_take_them_back_with_a_reason(client, library):
    point, who = rows.point(library), rows.patron(library)
    strike(who, library)
    Pause.objects.create(
        patron=who, programme=library.programme, days_overdue=2, since=today(), until=today() + timedelta(days=2)
    )
    account = rows.staff(library)
    client.force_login(account)
    address = reverse("patron", args=[who.pk]) + f"?point={point.pk}"
    assert len(client.get(address).context["standing"].against) == 2
    act = reverse("patron-act", args=[who.pk, "forgive"]) + f"?point={point.pk}"
    for why in ("", "because"):
        assert client.post(act, {"key": f"k{rows.serial()}", "why": why}).status_code == 400
    client.post(act, {"key": "k", "why": "ours"})
    assert client.get(address).context["standing"].against == []
    row = Strike.objects.get()
    assert (row.forgiven_by, row.forgiven_why) == (f"staff:{account.pk}", "ours")
    assert Pause.objects.get().lifted_why == "ours"


def test_what_no_rule_can_see_any_more_is_not_shown(library):
    who = rows.patron(library)
    strike(who, library, 61)
    old = strike(who, library, 40)
    (held,) = strikes.held(patron_id=who.pk, library=library, today=today())
    assert (held.on, held.counts) == (old.on, False)


# PIN


def test_a_new_pin_ends_everything_of_the_old_one(library):
    who, mine = api.patron(home=library)
    assert mine.post("me/pin", {"old": rows.PIN, "pin": "573920"}) == {"signed_out": True}
    assert mine.get("me", 401)["code"] == "not_signed_in"
    said = {"card_number": who.card_number, "pin": "573920"}
    assert api.anyone().post("tokens", said, 201, key=None)["token"]


def test_guesses_at_the_old_pin_are_counted_though_they_are_refused(library):
    _who, mine = api.patron(home=library)
    codes = [mine.client.post("/api/v1/me/pin", {"old": f"11223{n}", "pin": "573920"}, "application/json",
                              headers={"Idempotency-Key": f"guess-{n}"}).json()["code"] for n in range(8)]  # fmt: skip
    assert codes[0] == "wrong_credentials"
    assert codes[-1] == "too_many_attempts"


def test_a_pin_that_is_guessed_soon_is_refused(library):
    _who, mine = api.patron(home=library)
    assert mine.post("me/pin", {"old": rows.PIN, "pin": "123456"}, 400)["code"] == "unusable_pin"


# Language, devices, numbers, consents


def test_the_language_of_texts_changes_too(library):
    who, mine = api.patron(home=library)
    assert mine.post("me/language", {"language": "en"}) == {"language": "en"}
    assert mine.post("me/language", {"language": "xx"}, 400)["field"] == "language"
    assert Contact.objects.get(patron=who).language == "en"


def test_devices_are_listed_and_forgotten(library):
    who, mine = api.patron(home=library)
    other, _ = api.patron(home=library)
    for account in (who.account, other.account):
        devices.remember(account=account, agent="Mozilla/5.0 (Android) Chrome/1", now=clock.now())
    (one,) = mine.get("me/devices")["results"]
    assert one["name"] == "Chrome, Android"
    foreign = RememberedDevice.objects.get(account=other.account)
    assert mine.post(f"me/devices/{foreign.pk}/forget", status=404)["code"] == "not_found"
    assert mine.post(f"me/devices/{one['id']}/forget")["results"] == []


def test_numbers_are_listed_preferred_and_forgotten(library):
    who, mine = api.patron(home=library)
    second = rows.contact(who, position=5)
    son = rows.contact(who, own=False, name="손자", kept=True)
    listed = mine.get("me/contacts")["results"]
    assert {one["id"] for one in listed} == {one.pk for one in who.contacts.all()}
    after = mine.post(f"me/contacts/{second.pk}", {"first": True, "may_call": False})["results"]
    assert (after[0]["id"], after[0]["may_call"]) == (second.pk, False)
    assert mine.post(f"me/contacts/{son.pk}", {"kept": False})["results"][-1]["kept"] is False
    assert mine.post(f"me/contacts/{second.pk}", {"kept": True}, 404)["code"] == "not_found"
    left = mine.post(f"me/contacts/{son.pk}/remove")["results"]
    assert son.pk not in {one["id"] for one in left}
    foreign = rows.contact(rows.patron(library))
    assert mine.post(f"me/contacts/{foreign.pk}", {"first": True}, 404)["code"] == "not_found"


def test_consents_are_read_and_answered(library):
    _who, mine = api.patron(home=library)
    assert mine.get("me/consents")["results"] == []
    (row,) = mine.post("me/consents", {"what": "history", "given": True})["results"]
    assert (row["what"], row["given"]) == ("history", True)
    assert mine.post("me/consents", {"what": "together", "given": True}, 409)["code"] == "no_household"
