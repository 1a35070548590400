"""Telephone systems that ask what to say: Twilio's with TwiML, a library's own with JSON; unsigned ones are refused."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any
from xml.etree import ElementTree

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from notifications.models import Sender
from tests import rows
from tests.notifications.test_webhooks import fields, post, sign

pytestmark = pytest.mark.django_db
CALLS, OWN = "/hooks/twilio/calls", "/hooks/calls"
SECRET = "a telephone system's own secret"


def ringing(sender: Sender, settings: Any, **more: str) -> dict[str, str]:
    plain = {"CallSid": f"CA{rows.serial():032x}", "From": "anonymous", "To": sender.number, "CallStatus": "ringing"}
    return fields(settings, **{**plain, **more})


def test_a_signed_call_is_answered_in_both_languages_and_waits_for_keys(sender: Sender, settings):
    answer = post(settings, CALLS, ringing(sender, settings))
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/xml; charset=utf-8")
    gather = ElementTree.fromstring(answer.content).find("Gather")
    assert gather is not None
    assert [one.get("language") for one in gather.iter("Say")] == ["ko-KR", "en-US"]
    assert (gather.get("numDigits"), gather.get("action")) == ("4", f"{CALLS}?step=number")
    assert gather.get("actionOnEmptyResult") == "true"


def test_keys_go_on_where_the_last_answer_said(sender: Sender, settings):
    path = f"{CALLS}?step=number"
    answer = post(settings, path, ringing(sender, settings, Digits="4721#"))
    gather = ElementTree.fromstring(answer.content).find("Gather")
    assert gather is not None
    assert gather.get("action") == f"{CALLS}?step=phone-4721"


def test_whoever_waits_is_put_through_to_the_desk(sender: Sender, settings):
    Sender.objects.filter(pk=sender.pk).update(desk="+8221000042")
    answer = post(settings, f"{CALLS}?step=number", ringing(sender, settings, Digits=""))
    twiml = ElementTree.fromstring(answer.content)
    assert twiml.findtext("Dial") == "+8221000042"
    assert twiml.find("Hangup") is None


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        (CALLS, {"signature": "AAAA"}),
        (CALLS, {"signature": ""}),
        (f"{CALLS}?step=menu-1", {"signed_path": CALLS}),
        (CALLS, {"signed_path": f"{CALLS}/"}),
    ],
)
def test_a_forged_call_hears_nothing(sender: Sender, settings, path, changed):
    sent = ringing(sender, settings)
    signature = changed.get("signature", None)
    if "signed_path" in changed:
        signature = sign(settings, changed["signed_path"], sent)
    assert post(settings, path, sent, signature=signature).status_code == 403


def test_another_account_hears_nothing(sender: Sender, settings):
    assert post(settings, CALLS, {**ringing(sender, settings), "AccountSid": "AC" + "f" * 32}).status_code == 403


@pytest.mark.parametrize("gone", ["CallSid", "To"])
def test_a_call_without_its_fields_is_refused(sender: Sender, settings, gone):
    sent = ringing(sender, settings)
    del sent[gone]
    assert post(settings, CALLS, sent).status_code == 400


def test_a_number_that_is_none_of_ours_is_not_answered(sender: Sender, settings):
    assert post(settings, CALLS, ringing(sender, settings, To="+8221009999")).status_code == 404


def own(settings: Any, body: Any, *, secret: str = SECRET, at: float | None = None, **headers: str) -> Any:
    settings.CALLS_SECRET = SECRET
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    stamp = str(int(time.time() if at is None else at))
    signature = hmac.new(secret.encode(), stamp.encode() + b"." + sent, hashlib.sha256).hexdigest()
    client = Client(raise_request_exception=False)
    told = {"X-Call-Timestamp": stamp, "X-Call-Signature": signature, **headers}
    return client.post(OWN, sent, content_type="application/json", headers=told)


def test_a_librarys_own_telephone_system_asks_in_json(sender: Sender, settings):
    answer = own(settings, {"call": "7", "from": "", "to": sender.number})
    assert answer.status_code == 200
    heard = answer.json()
    assert [said["language"] for said in heard["say"]] == ["ko", "en"]
    assert (heard["step"], heard["keys"], heard["dial"]) == ("number", 4, "")
    more = own(settings, {"call": "7", "from": "", "to": sender.number, "step": "number", "keys": "4721"}).json()
    assert more["step"] == "phone-4721"


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ({"secret": "another"}, 403),
        ({"at": 1_000_000_000}, 403),
        ({"at": time.time() + 3600}, 403),
        ({"X-Call-Signature": ""}, 403),
        ({"X-Call-Timestamp": "now"}, 403),
    ],
)
def test_an_unsigned_or_old_one_is_refused(sender: Sender, settings, how, status):
    assert own(settings, {"call": "7", "from": "", "to": sender.number}, **how).status_code == status


def test_without_a_secret_the_door_is_shut(sender: Sender, settings):
    settings.CALLS_SECRET = ""
    stamp, body = str(int(time.time())), b"{}"
    signature = hmac.new(b"", stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    headers = {"X-Call-Timestamp": stamp, "X-Call-Signature": signature}
    assert Client().post(OWN, body, content_type="application/json", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"call": 1, "to": "+8221000001"}', b'{"to": "x"}', b'{"call": "x"}', b"\xff",
     b'{"call": "a\\u0000", "to": "x"}', b'{"call": "' + b"x" * 100 + b'", "to": "x"}'],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(settings, body):
    assert own(settings, body).status_code == 400


def test_what_is_too_large_is_refused(settings):
    assert own(settings, b" " * 70_000).status_code == 413


def test_neither_answers_a_get(settings):
    assert {Client().get(path).status_code for path in (CALLS, OWN)} == {403}


@pytest.mark.parametrize("desk", ["02-100-2020", "own"])
def test_a_desk_is_a_number_and_not_the_one_that_was_called(sender: Sender, desk):
    with pytest.raises(IntegrityError, match="notifications_sender_desk_rings"), transaction.atomic():
        Sender.objects.filter(pk=sender.pk).update(desk=sender.number if desk == "own" else desk)


@pytest.mark.django_db(transaction=True)
def test_a_phone_of_the_sandbox_rings_over_http(live_server, settings):
    settings.PUBLIC_BASE_URL = live_server.url
    sender, number = rows.sender(), rows.mobile()
    client = Client()
    page = client.post(f"/sandbox/phones/{number}/call/", {"hidden": "1"})
    assert page.context["heard"].keys == 4
    assert "신청번호 네 자리를 눌러 주세요" in page.content.decode()
    going_on = {
        "hidden": "1", "sid": page.context["sid"], "path": page.context["heard"].address, "keys": "4721",
        "sender": sender.number,
    }  # fmt: skip
    assert client.post(f"/sandbox/phones/{number}/call/", going_on).context["heard"].address.endswith("phone-4721")
    assert client.post(f"/sandbox/phones/{number}/call/", {"path": "/elsewhere"}).status_code == 404
    assert client.get(f"/sandbox/phones/{number}/call/").status_code == 405
    settings.PUBLIC_BASE_URL = "http://127.0.0.1:9"
    assert "전화를 받지 않았습니다" in client.post(f"/sandbox/phones/{number}/call/").content.decode()
