"""`manage.py doctor` asks over real HTTP: a stand-in that lies, and the sandbox that tells the truth."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import CommandError, call_command

from config import health
from notifications.models import Sender
from tests import rows

pytestmark = pytest.mark.django_db(transaction=True)


OURS = f"PN{'5' * 32}"


class Outside:
    """Twilio and our own public address in one server; what each says can be changed."""

    def __init__(self, number: str) -> None:
        self.url = ""
        self.health: tuple[int, Any] = (200, {"status": "ok"})
        self.account: tuple[int, Any] = (200, {"sid": "AC0", "status": "active", "type": "Full"})
        self.number: dict[str, Any] = {
            "sid": OURS,
            "phone_number": number,
            "capabilities": {"sms": True, "voice": True},
            "sms_method": "POST",
            "voice_method": "POST",
        }
        self.in_service = True
        self.campaigns: list[str] = ["FAILED", "VERIFIED"]
        self.toll_free: list[str] = ["TWILIO_APPROVED"]
        self.asked: list[str] = []

    def answer(self, path: str) -> tuple[int, Any]:
        self.asked.append(path)
        parts = urlsplit(path)
        if parts.path == "/healthz":
            return self.health
        if parts.path.startswith("/v1/"):
            return 200, self.registered(parts.path, parse_qs(parts.query))
        if not parts.path.endswith("/IncomingPhoneNumbers.json"):
            return self.account
        wanted = parse_qs(parts.query)["PhoneNumber"][0]
        mine = {
            "sms_url": f"{self.url}/hooks/twilio/messages", "voice_url": f"{self.url}/hooks/twilio/calls", **self.number
        }  # fmt: skip
        found = [mine] if mine["phone_number"].startswith(wanted) else []
        return 200, {"incoming_phone_numbers": found, "page": 0, "next_page_uri": None, "uri": path}

    def registered(self, path: str, asked: dict[str, list[str]]) -> dict[str, Any]:
        """What messaging.twilio.com says: services, their numbers and campaigns, verifications."""
        service = f"MG{'7' * 32}"
        rows: dict[str, tuple[str, list[dict[str, Any]]]] = {
            "/v1/Services": ("services", [{"sid": f"MG{'0' * 32}"}, {"sid": service}]),
            f"/v1/Services/MG{'0' * 32}/PhoneNumbers": ("phone_numbers", []),
            f"/v1/Services/{service}/PhoneNumbers": ("phone_numbers", [{"sid": OURS}] if self.in_service else []),
            f"/v1/Services/{service}/Compliance/Usa2p": (
                "compliance",
                [{"sid": f"QE{n:032}", "campaign_status": state} for n, state in enumerate(self.campaigns)],
            ),
            "/v1/Tollfree/Verifications": (
                "verifications",
                [{"sid": f"HH{n:032}", "status": state} for n, state in enumerate(self.toll_free)]
                if asked.get("TollfreePhoneNumberSid") == [OURS]
                else [],
            ),
        }
        name, found = rows[path]
        return {name: found, "meta": {"key": name, "page": 0, "page_size": 50, "next_page_url": None}}


@contextmanager
def serving(outside: Outside) -> Iterator[Outside]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = outside.answer(self.path)
            raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    outside.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield outside
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def sender() -> Sender:
    return rows.sender(key="house", countries=["KR", "US"])


@pytest.fixture
def outside(settings: Any, sender: Sender) -> Iterator[Outside]:
    with serving(Outside(sender.number)) as running:
        settings.PUBLIC_BASE_URL = settings.TWILIO_API_BASE_URL = running.url
        settings.TRANSPORTS = {"text": "notifications.transports.twilio.Twilio", "mail": ""}
        yield running


def said() -> tuple[int, str]:
    """How many lines say WRONG, and everything that was said. The command fails when any does."""
    out = io.StringIO()
    failed = ""
    try:
        call_command("doctor", stdout=out)
    except CommandError as error:
        failed = str(error)
    lines = out.getvalue().splitlines()
    wrong = [line for line in lines if line.startswith("WRONG")]
    assert bool(wrong) == bool(failed), (failed, lines)
    assert all(line.startswith(("OK", "WRONG", "All")) for line in lines)
    assert all(";" in line for line in wrong)  # each says what to do
    return len(wrong), out.getvalue()


def test_all_is_well(outside: Outside, sender: Sender):
    wrong, text = said()
    assert wrong == 0, text
    for line in (
        "OK     PostgreSQL: ok",
        "OK     Redis: ok",
        f"OK     public address: {outside.url}/healthz",
        "OK     countries of house: KR, US",
        f"OK     number of house: {sender.number}",
        f"OK     texts to house: {outside.url}/hooks/twilio/messages",
        f"OK     calls to house: {outside.url}/hooks/twilio/calls",
    ):
        assert line in text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"health": (502, "")}, "public address: http://"),
        ({"health": (200, "<html>")}, "public address: http://"),
        ({"health": (200, {"status": "other"})}, "public address: http://"),
        ({"account": (401, {"code": 20003, "message": "Authenticate", "status": 401})}, "account: refused: 20003"),
        ({"account": (200, {"sid": "AC0", "status": "suspended", "type": "Full"})}, "is suspended; ask Twilio why"),
        ({"number": {"phone_number": "+12125550199"}}, "does not belong to the account"),
        ({"number": {"capabilities": {"sms": False, "voice": True}}}, "cannot send texts"),
        ({"number": {"sms_url": "https://demo.twilio.com/welcome"}}, "Twilio calls https://demo.twilio.com/welcome"),
        ({"number": {"sms_url": ""}}, "Twilio calls nobody"),
        ({"number": {"sms_method": "GET"}}, "Twilio calls by GET"),
        ({"number": {"voice_url": None}}, "calls to house: Twilio calls nobody"),
    ],
)
def test_one_thing_is_wrong_and_told(outside: Outside, change: dict[str, Any], told: str):
    for name, value in change.items():
        setattr(outside, name, {**outside.number, **value} if name == "number" else value)
    wrong, text = said()
    assert wrong == 1, text
    (line,) = [line for line in text.splitlines() if line.startswith("WRONG")]
    assert told in line


def american(outside: Outside, sender: Sender, number: str, *countries: str) -> None:
    """The sender has an American number."""
    sender.number, sender.countries, sender.region = number, list(countries), "US"
    sender.save()
    outside.number["phone_number"] = number


LOCAL, FREE = "+12125550147", "+18005550147"


def test_a_korean_number_is_registered_where_nobody_can_look(outside: Outside):
    wrong, text = said()
    assert wrong == 0, text
    assert "registration of house: a Korean sender number (발신번호 사전등록) cannot be looked up" in text
    assert not any(asked.startswith("/v1/") for asked in outside.asked)


@pytest.mark.parametrize(
    ("number", "change", "wrong", "told"),
    [
        (LOCAL, {}, 0, "OK     registration of house: 10DLC campaign VERIFIED"),
        (LOCAL, {"campaigns": ["IN_PROGRESS"]}, 1, "10DLC campaign IN_PROGRESS; wait for it"),
        (LOCAL, {"campaigns": []}, 1, "no 10DLC campaign: texts to the United States are stopped; submit one"),
        (LOCAL, {"in_service": False}, 1, f"{LOCAL} is in no messaging service; add it to one"),
        (FREE, {}, 0, "OK     registration of house: toll-free verification TWILIO_APPROVED"),
        (FREE, {"toll_free": ["IN_REVIEW"]}, 1, "toll-free verification IN_REVIEW; wait for it"),
        (FREE, {"toll_free": ["TWILIO_REJECTED", "PENDING_REVIEW"]}, 1, "TWILIO_REJECTED, PENDING_REVIEW"),
        (FREE, {"toll_free": []}, 1, "no toll-free verification"),
    ],
)
def test_an_american_number_is_registered_or_told_how_it_stands(outside, sender, number, change, wrong, told):
    american(outside, sender, number, "US")
    for name, value in change.items():
        setattr(outside, name, value)
    found, text = said()
    assert (found, told in text) == (wrong, True), text


def test_who_texts_no_american_needs_no_campaign(outside: Outside, sender: Sender):
    american(outside, sender, LOCAL, "CA")
    wrong, text = said()
    assert (wrong, "registration" in text) == (0, False)


def test_the_rights_of_a_key_may_not_reach_there(outside: Outside, sender: Sender, monkeypatch):
    american(outside, sender, LOCAL)
    plain, refused = outside.answer, (403, {"code": 20403, "message": "Forbidden", "status": 403})
    monkeypatch.setattr(outside, "answer", lambda path: refused if path.startswith("/v1/") else plain(path))
    wrong, text = said()
    assert (wrong, "registration of house: not told: " in text) == (1, True), text


def test_a_number_that_cannot_ring_needs_no_address_for_calls(outside: Outside):
    outside.number |= {"capabilities": {"sms": True, "voice": False}, "voice_url": ""}
    wrong, text = said()
    assert (wrong, "calls to house" in text) == (0, False)


def test_a_number_that_is_only_part_of_another_is_not_ours(outside: Outside, sender: Sender):
    outside.number["phone_number"] = sender.number + "0"
    assert "does not belong to the account" in said()[1]


def test_nobody_is_there(outside: Outside, settings: Any):
    settings.PUBLIC_BASE_URL = settings.TWILIO_API_BASE_URL = "http://127.0.0.1:9"
    wrong, text = said()
    assert wrong == 2
    assert "ConnectionError" in text
    assert "account: refused: NoConnection" in text


def test_a_country_that_nobody_looked_up(outside: Outside):
    rows.sender(key="berlin", region="DE", countries=["FR"], gateway="domestic")
    wrong, text = said()
    assert wrong == 1
    assert "countries of berlin: no row for DE, FR" in text
    assert "number of berlin" not in text  # another carrier has it


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("notifications.nowhere.Nobody", "No module named"),
        ("notifications.transports.Report", "arguments"),
    ],
)
def test_a_transport_that_is_none(outside: Outside, settings: Any, path: str, told: str):
    settings.TRANSPORTS = {"text": path, "mail": ""}
    wrong, text = said()
    assert wrong == 1
    assert told in text
    assert not any("Accounts" in asked for asked in outside.asked)


def test_an_account_without_its_keys_is_asked_for_nothing(outside: Outside, settings: Any):
    settings.TWILIO_AUTH_TOKEN = settings.TWILIO_API_KEY = ""
    wrong, text = said()
    assert (wrong, "TWILIO_AUTH_TOKEN missing" in text) == (1, True)
    assert not any("Accounts" in asked for asked in outside.asked)


def test_redis_is_away(outside: Outside, settings: Any):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    wrong, text = said()
    assert (wrong, "WRONG  Redis: ConnectionError" in text) == (1, True)


def test_a_mail_server_is_asked_too(outside: Outside, settings: Any):
    from tests.notifications.test_transports import post_office

    with post_office(settings) as mails:
        assert f"OK     mails: 127.0.0.1:{mails.port}, from library@" in said()[1]
    wrong, text = said()
    assert (wrong, "WRONG  mails: 127.0.0.1:" in text) == (1, True)


def test_without_a_database_the_rest_is_still_told(outside: Outside, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(health, "database", lambda: "OperationalError")
    wrong, text = said()
    assert (wrong, "public address" in text, "countries" in text) == (1, True, False)


def test_the_sandbox_tells_the_truth(live_server: Any, settings: Any, sender: Sender):
    rows.sender(key="local", number=LOCAL)
    rows.sender(key="free", number=FREE)
    settings.PUBLIC_BASE_URL = settings.TWILIO_API_BASE_URL = live_server.url
    settings.TRANSPORTS = {"text": "notifications.transports.twilio.Twilio", "mail": ""}
    wrong, text = said()
    assert wrong == 0, text
    assert "is active (Full)" in text
    assert "OK     registration of local: 10DLC campaign VERIFIED" in text
    assert "OK     registration of free: toll-free verification TWILIO_APPROVED" in text
    assert f"texts to house: {live_server.url}/hooks/twilio/messages" in text
    settings.TWILIO_AUTH_TOKEN, settings.TWILIO_API_KEY = "", ""
    assert said()[0] == 1
