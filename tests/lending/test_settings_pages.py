"""What patrons settle for themselves."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from core import clock
from lending import codes
from lending.models import Consent, Contact, Household, Patron
from notifications.models import Message
from tests import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def who(client: Client) -> Patron:
    patron = rows.patron(pin=rows.PIN, number="+821000000801")
    client.post("/sign-in/", {"card_number": patron.card_number, "pin": rows.PIN})
    return patron


def code_texted() -> str:
    codes.send_due(now=clock.now())
    found = re.search(r"\b[0-9]{6}\b", Message.objects.latest("pk").body)
    assert found
    return found[0]


@pytest.mark.parametrize("page", ["", "pin/", "devices/", "numbers/", "numbers/add/", "needs/", "consents/", "texts/"])
@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_page_is_shown(client: Client, who: Patron, page: str, language: str) -> None:
    assert client.get(f"/my/settings/{page}", headers={"Accept-Language": language}).status_code == 200


def test_the_language_of_pages_and_texts(client: Client, who: Patron) -> None:
    answer = client.post("/my/settings/language/", {"language": "en"})
    assert answer.cookies["django_language"].value == "en"
    who.refresh_from_db()
    assert (who.language, who.account.language, Contact.objects.get(patron=who).language) == ("en", "en", "en")
    assert client.post("/my/settings/language/", {"language": "xx"}).status_code == 400


def test_a_new_number_counts_once_its_code_was_typed(client: Client, who: Patron) -> None:
    assert client.get("/my/settings/numbers/confirm/").status_code == 302
    asked = client.post("/my/settings/numbers/add/", {"number": "010-0000-0802"})
    assert asked.headers["Location"] == "/my/settings/numbers/confirm/"
    code = code_texted()
    assert Message.objects.latest("pk").to == "+821000000802"
    wrong = client.post("/my/settings/numbers/confirm/", {"code": "x"})
    assert wrong.status_code == 401
    assert Contact.objects.filter(patron=who).count() == 1
    assert client.post("/my/settings/numbers/confirm/", {"code": code}).status_code == 302
    first = Contact.objects.filter(patron=who, own=True).order_by("position", "pk")[0]
    assert (first.number, first.own) == ("+821000000802", True)


@pytest.mark.parametrize(("typed", "status"), [("02-100-0802", 400), ("12", 400), ("", 400)])
def test_a_number_that_cannot_be_confirmed_is_refused_beside_its_field(client: Client, who, typed, status) -> None:
    answer = client.post("/my/settings/numbers/add/", {"number": typed})
    assert answer.status_code == status
    assert answer.context["form"].errors["number"]


def test_numbers_to_confirm_are_limited(client: Client, who: Patron) -> None:
    answers = [client.post("/my/settings/numbers/add/", {"number": f"010-0000-081{n}"}).status_code for n in range(4)]
    assert answers == [302, 302, 302, 429]


def test_what_may_be_done_with_a_number(client: Client, who: Patron) -> None:
    mine = Contact.objects.get(patron=who)
    client.post(f"/my/settings/numbers/{mine.pk}/uses/", {"may_call": "on"})
    mine.refresh_from_db()
    assert (mine.may_text, mine.may_call) == (False, True)
    assert client.post(f"/my/settings/numbers/{mine.pk}/remove/").status_code == 409


def test_somebody_who_collects_is_forgotten(client: Client, who: Patron) -> None:
    grandson = rows.contact(who, own=False, name="손자")
    client.post(f"/my/settings/numbers/{grandson.pk}/remove/")
    assert not Contact.objects.filter(pk=grandson.pk).exists()
    stranger = Contact.objects.get(patron=rows.patron())
    assert client.post(f"/my/settings/numbers/{stranger.pk}/remove/").status_code == 404


def test_needs_are_kept_by_consent_and_forgotten_by_taking_them_back(client: Client, who: Patron) -> None:
    client.post("/my/settings/needs/", {"needs": ["boot", "time"], "needs_note": "왼쪽 문으로"})
    who.refresh_from_db()
    assert (who.needs, who.needs_note) == (["boot", "time"], "왼쪽 문으로")
    assert Consent.objects.get(patron=who).given
    client.post("/my/settings/needs/", {"needs_note": ""})
    who.refresh_from_db()
    assert (who.needs, who.needs_note) == ([], "")
    assert [one.given for one in Consent.objects.filter(patron=who).order_by("pk")] == [True, False]
    assert client.post("/my/settings/needs/", {"needs": ["a chat"]}).status_code == 400


def test_the_household_is_asked_where_there_is_one(client: Client, who: Patron) -> None:
    assert 'value="together"' not in client.get("/my/settings/consents/").content.decode()
    assert client.post("/my/settings/consents/", {"what": "together", "given": "yes"}).status_code == 409
    home = rows.household()
    Patron.objects.filter(pk=who.pk).update(household=home)
    rows.patron(household=home)
    assert 'value="together"' in client.get("/my/settings/consents/").content.decode()
    client.post("/my/settings/consents/", {"what": "together", "given": "yes"})
    assert Consent.objects.get(patron=who, what="together").by == "patron"
    assert not Household.objects.get(pk=home.pk).together


def test_a_child_cannot_agree_alone(client: Client, who: Patron) -> None:
    Patron.objects.filter(pk=who.pk).update(child_until=rows.day("2999-01-01"))
    answer = client.post("/my/settings/consents/", {"what": "history", "given": "yes"})
    assert answer.status_code == 400
    assert "guardian" in answer.context["form"].errors
    assert client.post("/my/settings/needs/", {"needs": ["boot"]}).status_code == 400
