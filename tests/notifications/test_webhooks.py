"""Twilio's calls to us: signed ones work once, all others do nothing."""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from twilio.request_validator import RequestValidator

from core.models import Counter
from notifications import consent, delivery
from notifications.models import InboundMessage, Message, Sender
from notifications.states import MessageState
from notifications.transports import Report
from tests import rows
from tests.notifications.conftest import claimed, queue

pytestmark = pytest.mark.django_db
MESSAGES, STATUS = "/hooks/twilio/messages", "/hooks/twilio/status"
FORM = "application/x-www-form-urlencoded"


def fields(settings: Any, **more: str) -> dict[str, str]:
    return {"AccountSid": settings.TWILIO_ACCOUNT_SID, "ApiVersion": "2010-04-01", **more}


def sign(settings: Any, path: str, sent: dict[str, Any], *, token: str = "", algorithm: str | None = None) -> str:
    validator = RequestValidator(token or settings.TWILIO_AUTH_TOKEN)
    return str(validator.compute_signature(settings.PUBLIC_BASE_URL + path, sent, algorithm))


def post(
    settings: Any, path: str, sent: dict[str, Any], *, signature: str | None = None, client: Any = None, **headers
):
    signature = sign(settings, path, sent) if signature is None else signature
    headers = {"X-Twilio-Signature": signature, **headers}
    client = client or Client(raise_request_exception=False)
    return client.post(path, urlencode(sent, doseq=True), content_type=FORM, headers=headers)


def text_from(number: str, sender: Sender, settings: Any, **more: str) -> dict[str, str]:
    plain = {"MessageSid": f"SM{rows.serial():032x}", "From": number, "To": sender.number, "Body": "1", "NumMedia": "0"}
    return fields(settings, **{**plain, **more})


def test_a_signed_text_is_stored_raw_and_answered_with_nothing(sender: Sender, settings):
    sent = text_from("+12125550142", sender, settings, Body=" １ ", NumMedia="2")
    answer = post(settings, MESSAGES, sent)
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/xml; charset=utf-8")
    assert answer.content.endswith(b"<Response></Response>")
    row = InboundMessage.objects.get()
    assert (row.body, row.media, row.sender, row.from_number, row.state) == (
        " １ ",
        2,
        sender,
        "+12125550142",
        "stored",
    )


def test_the_same_text_ten_times_is_one(sender: Sender, settings):
    sent = text_from("+12125550142", sender, settings)
    assert {post(settings, MESSAGES, sent).status_code for _ in range(10)} == {200}
    assert InboundMessage.objects.count() == 1


def test_a_status_moves_our_text(sender: Sender, settings, now):
    text = queue(sender)
    delivery.record(claimed(text), Report("SM" + "1" * 32, "queued"), now=now)
    sent = fields(settings, MessageSid="SM" + "1" * 32, MessageStatus="delivered", To=text.to)
    assert post(settings, f"{STATUS}?m={text.pk}", sent).status_code == 204
    assert Message.objects.get(pk=text.pk).state == MessageState.DELIVERED


@pytest.mark.parametrize("status", ["", "teleported", "\x00"])
def test_a_status_that_nobody_knows_is_ignored(sender: Sender, settings, status):
    sent = fields(settings, MessageSid="SM" + "1" * 32, MessageStatus=status)
    assert post(settings, STATUS, sent).status_code == 204
    del sent["MessageStatus"]
    assert post(settings, STATUS, sent).status_code == 204


@pytest.mark.parametrize(
    "query", ["", "?m=", "?m=x", "?m=-1", "?m=９", "?m=99999999999999999999", "?m=9223372036854775808", "?m=0", "?n=1"]
)
def test_an_odd_id_in_the_address_is_never_an_error(sender: Sender, settings, query):
    sent = fields(settings, MessageSid="SM" + "1" * 32, MessageStatus="sent")
    address = query.encode("ascii", "ignore").decode() if "９" in query else query
    assert post(settings, STATUS + address, sent).status_code == 204


@pytest.mark.parametrize("gone", ["MessageSid", "From", "To"])
def test_a_text_without_what_it_needs_is_refused_as_bad(sender: Sender, settings, gone):
    sent = text_from("+12125550142", sender, settings)
    del sent[gone]
    assert post(settings, MESSAGES, sent).status_code == 400
    assert not InboundMessage.objects.exists()


@pytest.mark.parametrize(
    "odd",
    [
        {"Body": ""},
        {"Body": "가" * 1600},
        {"Body": "a\x00b"},
        {"Body": "</Response><Message>x</Message>'; DROP TABLE"},
        {"Body": "\u202e\u200b"},
        {"NumMedia": "3"},
        {"NumMedia": "-1"},
        {"NumMedia": "²"},
        {"From": ""},
        {"From": "anonymous"},
        {"From": "02107"},
        {"From": "12345"},
        {"To": "+19995550000"},
        {"OptOutType": "STOPALLTHESETHINGS"},
    ],
)
def test_odd_texts_are_stored(sender: Sender, settings, odd):
    assert post(settings, MESSAGES, text_from("+12125550142", sender, settings, **odd)).status_code == 200
    assert "\x00" not in InboundMessage.objects.get().body


@pytest.mark.parametrize("odd", [{"MessageSid": "S" * 65}, {"From": "+" * 41}, {"To": "1\x00"}, {"MessageSid": "\x00"}])
def test_impossible_texts_are_refused_as_bad(sender: Sender, settings, odd):
    assert post(settings, MESSAGES, text_from("+12125550142", sender, settings, **odd)).status_code == 400


def test_a_body_that_comes_twice_is_signed_and_stored_once(sender: Sender, settings):
    sent = {name: [value] for name, value in text_from("+12125550142", sender, settings).items()} | {"Body": ["2", "1"]}
    signature = RequestValidator(settings.TWILIO_AUTH_TOKEN).compute_signature(
        settings.PUBLIC_BASE_URL + MESSAGES, _Many(sent)
    )
    assert post(settings, MESSAGES, sent, signature=signature).status_code == 200


class _Many(dict[str, list[str]]):
    def getlist(self, name):
        return self[name]


def test_nothing_forged_gets_in(sender: Sender, settings):
    sent = text_from("+12125550142", sender, settings)
    good = sign(settings, MESSAGES, sent)
    forged = [
        post(settings, MESSAGES, sent, signature=""),
        post(settings, MESSAGES, sent, signature="x" * 28),
        post(settings, MESSAGES, sent, signature=good[:-2] + ("B=" if good.endswith("A=") else "A=")),
        post(settings, MESSAGES, sent, signature=good.lower()),
        post(settings, MESSAGES, sent, signature="ñ" * 28),
        post(settings, MESSAGES, sent, signature=sign(settings, STATUS, sent)),
        post(settings, MESSAGES + "?m=1", sent, signature=good),
        post(settings, MESSAGES, {**sent, "Extra": "1"}, signature=good),
        post(settings, MESSAGES, sent, signature=sign(settings, MESSAGES, sent, token="another" * 5)),
        Client().post(MESSAGES, urlencode(sent), content_type=FORM),
        Client().get(MESSAGES, sent, headers={"X-Twilio-Signature": good}),
        Client().put(MESSAGES, urlencode(sent), content_type=FORM, headers={"X-Twilio-Signature": good}),
        Client().post(MESSAGES, sent, content_type="application/json", headers={"X-Twilio-Signature": good}),
    ]
    changed = [{**sent, name: f"{value}x"} for name, value in sent.items()]
    changed += [{name: value for name, value in sent.items() if name != gone} for gone in sent]
    forged += [post(settings, MESSAGES, other, signature=good) for other in changed]
    assert {answer.status_code for answer in forged} == {403}
    assert {answer.content for answer in forged} == {b""}
    assert not InboundMessage.objects.exists()
    assert sum(Counter.objects.filter(key__startswith="hook refused").values_list("count", flat=True)) == len(forged)


def test_every_bit_of_the_signature_counts(sender: Sender, settings):
    sent = text_from("+12125550142", sender, settings)
    good = sign(settings, MESSAGES, sent)
    dice = random.Random(7)
    for place in range(len(good) - 2):  # the last character before "=" carries bits that are not used
        other = dice.choice([ch for ch in "abcXYZ019+/" if ch != good[place]])
        assert post(settings, MESSAGES, sent, signature=good[:place] + other + good[place + 1 :]).status_code == 403
    assert post(settings, MESSAGES, sent, signature=good).status_code == 200


def test_the_text_of_another_account_is_refused(sender: Sender, settings):
    sent = text_from("+12125550142", sender, settings) | {"AccountSid": "AC" + "9" * 32}
    assert post(settings, MESSAGES, sent).status_code == 403


def test_the_signature_is_that_of_the_public_address(sender: Sender, settings):
    settings.PUBLIC_BASE_URL = "https://pickup.example.org"
    sent = text_from("+12125550142", sender, settings)
    inside = RequestValidator(settings.TWILIO_AUTH_TOKEN).compute_signature(f"http://testserver{MESSAGES}", sent)
    assert post(settings, MESSAGES, sent, signature=inside).status_code == 403
    plain = RequestValidator(settings.TWILIO_AUTH_TOKEN).compute_signature(f"http://pickup.example.org{MESSAGES}", sent)
    assert post(settings, MESSAGES, sent, signature=plain).status_code == 403


def test_old_and_new_tokens_count_while_one_is_rotated(sender: Sender, settings):
    old = settings.TWILIO_AUTH_TOKEN
    settings.TWILIO_AUTH_TOKEN, settings.TWILIO_AUTH_TOKEN_OLD = "n" * 32, old
    for token in ("n" * 32, old):
        sent = text_from("+12125550142", sender, settings)
        assert post(settings, MESSAGES, sent, signature=sign(settings, MESSAGES, sent, token=token)).status_code == 200
    settings.TWILIO_AUTH_TOKEN_OLD = ""
    sent = text_from("+12125550142", sender, settings)
    assert post(settings, MESSAGES, sent, signature=sign(settings, MESSAGES, sent, token=old)).status_code == 403


def test_an_empty_token_signs_nothing(sender: Sender, settings):
    settings.TWILIO_AUTH_TOKEN = settings.TWILIO_AUTH_TOKEN_OLD = ""
    sent = text_from("+12125550142", sender, settings)
    forged = RequestValidator("").compute_signature(settings.PUBLIC_BASE_URL + MESSAGES, sent)
    assert post(settings, MESSAGES, sent, signature=forged).status_code == 403


def test_the_newer_signature_algorithm_is_understood_and_an_unknown_one_refused(sender: Sender, settings):
    sent = text_from("+12125550142", sender, settings)
    name = "X-Twilio-Webhooks-Signature-Settings"
    signature = sign(settings, MESSAGES, sent, algorithm="HMAC_SHA256")
    assert post(settings, MESSAGES, sent, signature=signature).status_code == 403
    assert post(settings, MESSAGES, sent, signature=signature, **{name: "key=k,algorithm=ROT13"}).status_code == 403
    assert (
        post(settings, MESSAGES, sent, signature=signature, **{name: "key=k,algorithm=HMAC_SHA256"}).status_code == 200
    )


@pytest.mark.parametrize(
    "many", [{"Body": "x" * 66_000}, {f"p{n}": "1" for n in range(1000)}, {f"p{n}": "1" for n in range(201)}]
)
def test_what_is_too_large_is_refused_although_signed(sender: Sender, settings, many):
    sent = text_from("+12125550142", sender, settings) | many
    assert post(settings, MESSAGES, sent).status_code == 413
    assert not InboundMessage.objects.exists()


def test_webhooks_need_no_csrf_token(sender: Sender, settings):
    sent = text_from("+12125550142", sender, settings)
    assert post(settings, MESSAGES, sent, client=Client(enforce_csrf_checks=True)).status_code == 200


@pytest.mark.parametrize("word", ["STOP", "stop.", "Cancel", "수신거부", "ＳＴＯＰ"])
def test_stop_counts_from_the_moment_it_is_stored(sender: Sender, settings, word):
    number = rows.american()
    post(settings, MESSAGES, text_from(number, sender, settings, Body=word))
    assert consent.opted_out([number]) == {number}
    post(settings, MESSAGES, text_from(number, sender, settings, Body="START"))
    assert not consent.opted_out([number])


def test_the_carriers_own_word_on_opting_out_counts(sender: Sender, settings):
    number = rows.american()
    post(settings, MESSAGES, text_from(number, sender, settings, Body="arret", OptOutType="STOP"))
    assert consent.opted_out([number])
    post(settings, MESSAGES, text_from(number, sender, settings, Body="yes"))
    assert not consent.opted_out([number])


@pytest.mark.parametrize("word", ["please cancel", "stop by at 4?", "취소"])
def test_a_sentence_with_such_a_word_opts_nobody_out(sender: Sender, settings, word):
    number = rows.american()
    post(settings, MESSAGES, text_from(number, sender, settings, Body=word))
    assert not consent.opted_out([number])
