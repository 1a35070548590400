"""The pages of signing in: PIN, code, remembered devices."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client

from core import clock
from lending import codes, devices
from lending.models import Patron, RememberedDevice
from notifications.models import Message
from tests import rows

pytestmark = pytest.mark.django_db

CHROME = "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36"


def sign_in(client: Client, who: Patron, pin: str = rows.PIN, **more: str):
    return client.post(
        "/sign-in/", {"card_number": who.card_number, "pin": pin, **more}, headers={"User-Agent": CHROME}
    )


def by_code(client: Client, who: Patron, to: str = "/my/settings/pin/"):
    assert client.post("/sign-in/code/", {"card_number": who.card_number, "next": to}).status_code == 302
    codes.send_due(now=clock.now())
    found = re.search(r"\b[0-9]{6}\b", Message.objects.latest("pk").body)
    assert found
    return client.post("/sign-in/code/enter/", {"code": found[0], "next": to})


def test_who_has_no_pin_comes_in_by_a_code_and_chooses_one(client: Client) -> None:
    who = rows.patron()
    assert by_code(client, who).headers["Location"] == "/my/settings/pin/"
    page = client.get("/my/settings/pin/").content.decode()
    assert 'name="pin"' in page
    assert 'name="old"' not in page
    refused = client.post("/my/settings/pin/", {"pin": "123456", "again": "123456"})
    assert refused.status_code == 400
    assert refused.context["form"].errors["pin"]
    assert client.post("/my/settings/pin/", {"pin": "951620", "again": "951621"}).status_code == 400
    chosen = client.post("/my/settings/pin/", {"pin": "951620", "again": "951620"})
    assert chosen.headers["Location"] == "/my/settings/"
    assert client.get("/my/settings/").status_code == 200  # this one stays signed in
    assert sign_in(Client(), who, "951620").status_code == 302


def test_a_code_of_long_ago_changes_no_pin(client: Client, time_machine) -> None:
    time_machine.move_to(rows.NOW)
    who = rows.patron(pin=rows.PIN)
    by_code(client, who)
    assert 'name="old"' not in client.get("/my/settings/pin/").content.decode()
    time_machine.shift(timedelta(minutes=16))
    assert 'name="old"' in client.get("/my/settings/pin/").content.decode()


def test_a_pin_is_changed_by_the_old_one(client: Client) -> None:
    who = rows.patron(pin=rows.PIN)
    sign_in(client, who)
    wrong = client.post("/my/settings/pin/", {"old": "000000", "pin": "951620", "again": "951620"})
    assert wrong.status_code == 401
    assert wrong.context["form"].errors["old"]
    right = client.post("/my/settings/pin/", {"old": rows.PIN, "pin": "951620", "again": "951620"})
    assert right.status_code == 302


def test_every_card_gets_the_same_page(client: Client) -> None:
    known, unknown = rows.patron().card_number, "21009999"
    pages = set()
    for card in (known, unknown):
        asked = client.post("/sign-in/code/", {"card_number": card})
        entered = client.post("/sign-in/code/enter/", {"code": "000000"})
        text = entered.content.decode().replace(card, "CARD")
        pages.add((asked.headers["Location"], entered.status_code, re.sub(r'value="[^"]{20,}"', "", text)))
    assert len(pages) == 1


def test_without_a_card_there_is_no_code_to_enter(client: Client) -> None:
    assert client.get("/sign-in/code/enter/?next=/ask/").headers["Location"] == "/sign-in/code/?next=%2Fask%2F"


def test_nobody_is_sent_elsewhere(client: Client) -> None:
    who = rows.patron()
    assert by_code(client, who, "https://example.org/").headers["Location"] == "/my/"


def test_a_remembered_device_needs_no_pin(client: Client) -> None:
    who = rows.patron(pin=rows.PIN)
    client.get("/")
    answer = sign_in(client, who, remember="on")
    cookie = answer.cookies["device"]
    assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "Lax", 90 * 24 * 3600)
    assert RememberedDevice.objects.get().name == "Chrome, Android"
    del client.cookies["session"]
    assert client.get("/my/settings/devices/").status_code == 200
    assert "Chrome, Android" in client.get("/my/settings/devices/").content.decode()


def test_without_the_tick_no_device_is_remembered(client: Client) -> None:
    assert "device" not in sign_in(client, rows.patron(pin=rows.PIN)).cookies


def test_a_device_that_is_forgotten_is_signed_out_at_once(client: Client) -> None:
    who = rows.patron(pin=rows.PIN)
    sign_in(client, who, remember="on")
    phone = Client()
    sign_in(phone, who, remember="on")
    lost = RememberedDevice.objects.order_by("pk")[0]
    assert phone.post(f"/my/settings/devices/{lost.pk}/forget/").status_code == 302
    assert client.get("/my/settings/").status_code == 302
    assert phone.get("/my/settings/").status_code == 200


def test_nobody_forgets_a_device_of_somebody_else(client: Client) -> None:
    other = Client()
    sign_in(other, rows.patron(pin=rows.PIN), remember="on")
    sign_in(client, rows.patron(pin=rows.PIN))
    device = RememberedDevice.objects.get()
    assert client.post(f"/my/settings/devices/{device.pk}/forget/").status_code == 404
    assert RememberedDevice.objects.exists()


def test_signing_out_forgets_the_device(client: Client) -> None:
    sign_in(client, rows.patron(pin=rows.PIN), remember="on")
    client.post("/sign-out/")
    assert not RememberedDevice.objects.exists()
    assert client.get("/my/settings/").status_code == 302


def test_a_device_is_remembered_for_ninety_days_from_the_last_visit(client: Client, time_machine) -> None:
    time_machine.move_to(rows.NOW)
    who = rows.patron(pin=rows.PIN)
    sign_in(client, who, remember="on")
    for days, status in [(89, 200), (89, 200), (91, 302)]:
        time_machine.shift(timedelta(days=days))
        del client.cookies["session"]
        assert client.get("/my/settings/").status_code == status, days


@pytest.mark.parametrize("key", ["x", "x" * 5000, "\u00e9", "a\x00"])
def test_an_unknown_device_is_nobody(key: str) -> None:
    assert devices.of(key, now=rows.NOW) is None


def test_staff_are_not_remembered(client: Client) -> None:
    librarian = rows.staff(rows.library())
    client.cookies["device"] = devices.remember(account=librarian, agent="", now=clock.now())
    assert client.get("/staff/").status_code == 302


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (CHROME, "Chrome, Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile Safari/604.1", "Safari, iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64) Chrome/142.0 Safari/537.36 Edg/142.0", "Edge, Windows"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/142 Whale/4.0 Safari/537.36", "Whale, Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 15.0) Gecko Firefox/145.0", "Firefox, Mac"),
        ("", "?"),
        ("<script>" * 1000, "?"),
    ],
)
def test_a_device_is_named_by_browser_and_system(agent: str, name: str) -> None:
    assert devices.named(agent) == name


def test_the_door_of_codes_limits_an_address(client: Client, monkeypatch) -> None:
    monkeypatch.setattr(codes, "PER_ADDRESS", 2)
    answers = [client.post("/sign-in/code/", {"card_number": f"1234{n}"}).status_code for n in range(3)]
    assert answers == [302, 302, 429]


def test_only_patrons_have_settings(client: Client) -> None:
    assert client.get("/my/settings/").headers["Location"].startswith("/sign-in/")
    client.force_login(rows.staff(rows.library()))
    assert client.get("/my/settings/").status_code == 403
