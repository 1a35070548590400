"""The privacy page, and what patrons do with their own data."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from django.apps import apps
from django.test import Client

from config import export
from core import access, clock
from core.actor import RULE
from lending import consents, loans, patrons
from lending.models import Account, Contact, Patron
from notifications.models import Gateway, Message
from pickup.models import Note, Order
from tests import rows
from tests.pickup import steps

pytestmark = pytest.mark.django_db


@pytest.fixture
def who(client: Client) -> Patron:
    point = rows.point(rules={"by_appointment": False})
    patron = rows.patron(point.library, pin=rows.PIN, name="하늘이", number="+821000008801")
    grandson = patrons.collector_for(
        patron_id=patron.pk, name="손자", number="+821000008802", language="ko", may_text=True, by=RULE, now=clock.now()
    )
    now = clock.now()
    order = steps.asked(patron, point, now=now, collector_id=grandson.pk, plate="99허4711")
    Note.objects.create(order=order, text="늦습니다", channel="web", written_at=now)
    steps.ready(order, now=now)
    consents.answer(patron_id=patron.pk, what="privacy", given=True, by=RULE, now=now)
    librarian = rows.staff(point.library)
    access.saw([f"patron:{patron.pk}"], purpose="lane", by=rows.staff_actor(librarian), now=now)
    client.post("/sign-in/", {"card_number": patron.card_number, "pin": rows.PIN})
    return patron


def test_the_file_holds_everything_from_every_room(client: Client, who: Patron) -> None:
    answer = client.get("/my/settings/data/export/")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="my-library-data.json"'
    told = json.loads(answer.content)
    assert told["patron"]["name"] == "하늘이"
    assert [one["number"] for one in told["contacts"]] == ["+821000008801", "+821000008802"]
    assert told["orders"][0]["plate"] == "99허4711"
    assert told["orders"][0]["books"][0]["title"]
    assert told["orders"][0]["notes"][0]["text"] == "늦습니다"
    assert told["texts"][0]["to"] == "+821000008802"
    assert told["consents"][0]["what"] == "privacy"
    assert told["looks"][0]["screen"] == "lane"
    assert "staff:" not in answer.content.decode().replace('"by": "staff', "")
    assert "argon2" not in answer.content.decode()
    assert "digest" not in answer.content.decode()


def test_no_table_that_is_tied_to_a_patron_is_left_out_of_the_file() -> None:
    tied = {
        model.__name__
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if getattr(field, "related_model", None) in {Patron, Contact} and field.concrete
    }
    assert tied - {"Patron"} == {
        *("Contact", "Consent", "OneTimeCode", "Reservation", "Loan", "Order", "Visit"),
        *("Grant", "Strike", "Pause", "Posting", "ListedCopy", "RehearsalCar", "Preference"),
    }
    assert all(hasattr(export, name) for name in tied)


def test_who_looked_is_told_by_role_and_day_and_not_by_name(client: Client, who: Patron) -> None:
    page = client.get("/my/settings/data/", headers={"Accept-Language": "en"}).content.decode()
    librarian = Account.objects.get(memberships__isnull=False)
    assert "librarian, Library" in page
    assert ">Window</span>" in page  # what people call the screen
    assert librarian.username not in page


def test_a_look_late_in_the_evening_of_london_is_of_the_next_day_in_seoul(client: Client, who: Patron) -> None:
    late = datetime(2026, 11, 24, 20, 0, tzinfo=UTC)
    access.saw([f"patron:{who.pk}"], purpose="api orders", by=rows.staff_actor(rows.staff(rows.library())), now=late)
    page = client.get("/my/settings/data/", headers={"Accept-Language": "en"}).content.decode()
    assert "25 November 2026" in page
    assert "a connected program" in page


def test_open_orders_stand_in_the_way_of_erasing(client: Client, who: Patron) -> None:
    answer = client.post("/my/settings/data/erase/", {"sure": rows.PIN})
    assert answer.status_code == 409
    assert answer.context["form"].non_field_errors()
    assert Patron.objects.filter(pk=who.pk).exists()


def test_who_says_so_with_the_pin_is_erased_at_once(client: Client) -> None:
    who = rows.patron(pin=rows.PIN)
    client.post("/sign-in/", {"card_number": who.card_number, "pin": rows.PIN, "remember": "on"})
    refused = client.post("/my/settings/data/erase/", {"sure": "000000"}, headers={"Accept-Language": "en"})
    assert refused.status_code == 401
    [sentence] = refused.context["form"].errors["sure"]
    assert sentence.startswith("This is not your PIN.")
    assert '<details class="ask" open>' in refused.content.decode()
    assert Patron.objects.filter(pk=who.pk).exists()
    answer = client.post("/my/settings/data/erase/", {"sure": rows.PIN})
    assert answer.headers["Location"] == "/"
    assert not Patron.objects.filter(pk=who.pk).exists()
    assert not Account.objects.filter(username=who.card_number).exists()
    assert client.get("/my/").status_code == 302


def test_the_address_of_erasing_leads_to_its_form(client: Client, who: Patron) -> None:
    page = client.get("/my/settings/data/erase/")
    assert (page.status_code, Patron.objects.filter(pk=who.pk).exists()) == (200, True)
    assert '<details class="ask" open>' in page.content.decode()
    assert '<details class="ask" open>' not in client.get("/my/settings/data/").content.decode()


def test_without_a_pin_the_card_number_says_it(client: Client) -> None:
    who = rows.patron(pin=rows.PIN)
    client.post("/sign-in/", {"card_number": who.card_number, "pin": rows.PIN})
    assert who.account
    who.account.set_unusable_password()
    who.account.save()
    client.force_login(who.account)
    assert client.post("/my/settings/data/erase/", {"sure": "x"}).status_code == 400
    assert client.post("/my/settings/data/erase/", {"sure": who.card_number}).status_code == 302
    assert not Patron.objects.filter(pk=who.pk).exists()


def test_who_keeps_a_history_sees_it(client: Client) -> None:
    now = clock.now()
    point = rows.point(rules={"by_appointment": False})
    who = rows.patron(point.library, pin=rows.PIN)
    order = steps.handed_over(steps.ready(steps.asked(who, point, now=now), now=now), now=now)
    copy = order.lines.get().copy
    loans.take_back(barcode=copy.barcode, library_id=point.library_id, by=steps.DESK, now=now)
    client.post("/sign-in/", {"card_number": who.card_number, "pin": rows.PIN})
    assert copy.title.title not in client.get("/my/history/").content.decode()
    consents.answer(patron_id=who.pk, what="history", given=True, by=RULE, now=now)
    assert copy.title.title in client.get("/my/history/").content.decode()


def test_the_privacy_page_is_made_from_what_is_in_force(client: Client, settings) -> None:
    rows.library(sender=rows.sender(gateway=Gateway.TWILIO).key, phone="02-100-7788")
    settings.SANDBOX, settings.RETENTION_DAYS, settings.PROCESSORS = False, 14, ["Host AG, Zürich"]
    settings.TRANSPORTS = {"text": "notifications.transports.twilio.Twilio"}
    page = client.get("/privacy/", headers={"Accept-Language": "en"}).content.decode()
    assert "mail server" not in page
    for said in ("Twilio Inc., United States", "abroad", "for 14 days after the end", "Host AG", "02-100-7788", "365"):
        assert said in page
    settings.TRANSPORTS = {
        "text": "notifications.transports.console.Console",
        "mail": "notifications.transports.email.Email",
    }
    settings.EMAIL_HOST = "mail.library.example.org"
    page = client.get("/privacy/", headers={"Accept-Language": "en"}).content.decode()
    assert "Twilio" not in page
    assert "The mail server mail.library.example.org" in page


def test_only_patrons_take_data_along(client: Client) -> None:
    client.force_login(rows.staff(rows.library()))
    for page in ("", "export/"):
        assert client.get(f"/my/settings/data/{page}").status_code == 403
    assert Message.objects.count() == Order.objects.count() == 0
