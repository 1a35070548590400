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


class Outside:
    """Twilio and our own public address in one server; what each says can be changed."""

    def __init__(self, number: str) -> None:
        self.url = ""
        self.health: tuple[int, Any] = (200, {"status": "ok"})
        self.account: tuple[int, Any] = (200, {"sid": "AC0", "status": "active", "type": "Full"})
        self.number: dict[str, Any] = {
            "phone_number": number,
            "capabilities": {"sms": True, "voice": True},
            "sms_method": "POST",
            "voice_method": "POST",
        }
        self.asked: list[str] = []

    def answer(self, path: str) -> tuple[int, Any]:
        self.asked.append(path)
        parts = urlsplit(path)
        if parts.path == "/healthz":
            return self.health
        if not parts.path.endswith("/IncomingPhoneNumbers.json"):
            return self.account
        wanted = parse_qs(parts.query)["PhoneNumber"][0]
        mine = {
            "sms_url": f"{self.url}/hooks/twilio/messages", "voice_url": f"{self.url}/hooks/twilio/calls", **self.number
        }  # fmt: skip
        found = [mine] if mine["phone_number"].startswith(wanted) else []
        return 200, {"incoming_phone_numbers": found, "page": 0, "next_page_uri": None, "uri": path}


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
    settings.PUBLIC_BASE_URL = settings.TWILIO_API_BASE_URL = live_server.url
    settings.TRANSPORTS = {"text": "notifications.transports.twilio.Twilio", "mail": ""}
    wrong, text = said()
    assert wrong == 0, text
    assert "is active (Full)" in text
    assert f"texts to house: {live_server.url}/hooks/twilio/messages" in text
    settings.TWILIO_AUTH_TOKEN, settings.TWILIO_API_KEY = "", ""
    assert said()[0] == 1
