"""Signing in to API v1, and who one is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core import clock
from lending import guesses
from lending.models import Token
from tests import api, rows

pytestmark = pytest.mark.django_db


def test_a_patron_signs_in_with_card_and_pin_and_learns_who_they_are() -> None:
    who = rows.patron(pin=rows.PIN, name="김하늘")
    issued = api.anyone().post("tokens", {"card_number": who.card_number, "pin": rows.PIN}, 201, key=None)
    me = api.Api(issued["token"]).get("me")
    assert me["kind"] == "patron"
    assert (me["id"], me["name"], me["card_number"]) == (who.pk, "김하늘", who.card_number)
    assert me["home"] == who.home.code
    assert issued["expires_at"] > clock.now().isoformat()


def test_staff_sign_in_with_name_and_password_and_see_where_they_work() -> None:
    library = rows.library()
    account = rows.staff(library)
    issued = api.anyone().post("tokens", {"username": account.username, "password": "quiet please"}, 201, key=None)
    me = api.Api(issued["token"]).get("me")
    assert (me["kind"], me["id"]) == ("staff", account.pk)
    assert me["memberships"] == [{"library": library.code, "role": "librarian"}]


def test_a_device_knows_itself() -> None:
    library = rows.library()
    me = api.device(library).get("me")
    assert (me["kind"], me["name"]) == ("device", "camera")
    assert me["memberships"][0]["library"] == library.code


def test_an_unknown_card_and_a_wrong_pin_get_the_same_answer() -> None:
    who = rows.patron(pin=rows.PIN)
    wrong = api.anyone().post("tokens", {"card_number": who.card_number, "pin": "9999"}, 401, key=None)
    unknown = api.anyone().post("tokens", {"card_number": "00000000", "pin": rows.PIN}, 401, key=None)
    assert wrong == unknown
    assert wrong["code"] == "wrong_credentials"


def test_who_guesses_is_told_to_wait() -> None:
    who = rows.patron(pin=rows.PIN)
    guesser = api.anyone()
    for _ in range(guesses.FREE):
        guesser.post("tokens", {"card_number": who.card_number, "pin": "0000"}, 401, key=None)
    said = guesser.post("tokens", {"card_number": who.card_number, "pin": rows.PIN}, 429, key=None)
    assert said["code"] == "too_many_attempts"
    assert int(guesser.last.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"card_number": "1"},
        {"card_number": "1", "password": "2"},
        {"card_number": "1", "pin": "2", "username": "3", "password": "4"},
        {"card_number": 1, "pin": "2"},
        {"card_number": "1", "pin": "2", "admin": True},
        [],
        None,
        "card",
    ],
)
def test_what_is_not_a_sign_in_is_refused_as_such(body: object) -> None:
    import json

    said = api.anyone().post("tokens", raw=json.dumps(body).encode(), status=400, key=None)
    assert said["code"] in {"invalid", "unknown_field"}


def test_a_revoked_token_is_worthless() -> None:
    _who, mine = api.patron()
    mine.delete("tokens/current")
    said = mine.get("me", 401)
    assert said["code"] == "not_signed_in"
    assert mine.last.headers["WWW-Authenticate"] == "Token"


def test_a_token_dies_in_time() -> None:
    _who, mine = api.patron()
    Token.objects.update(created_at=clock.now() - timedelta(days=2), expires_at=clock.now() - timedelta(days=1))
    mine.get("me", 401)


@pytest.mark.parametrize("header", ["Token", "Token a b", "Token ", "Token \x01", "Bearer abc", "token " + "x" * 5000])
def test_a_header_that_is_no_token_is_nobody(header: str) -> None:
    stranger = api.anyone()
    stranger.client.defaults["HTTP_AUTHORIZATION"] = header
    stranger.get("me", 401)


def test_nobody_is_asked_to_sign_in() -> None:
    assert api.anyone().get("me", 401)["code"] == "not_signed_in"
    assert api.anyone().get("orders", 401)["code"] == "not_signed_in"
    api.anyone().post("returns", {"barcode": "1"}, 401)


def test_a_browser_session_needs_the_forms_token_to_act() -> None:
    from django.test import Client

    who = rows.patron(pin=rows.PIN)
    browser = Client(enforce_csrf_checks=True)
    assert who.account is not None
    browser.force_login(who.account)
    assert browser.get("/api/v1/me").json()["kind"] == "patron"
    refused = browser.post("/api/v1/reservations", "{}", content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (403, "form_outdated")
