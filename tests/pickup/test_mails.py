"""Whom no text reaches, or who chose so, gets a mail: at an address that whoever reads it has confirmed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import translation

from config import erasure, export
from core import clock
from core.actor import RULE
from core.refusal import NotFound
from lending import contacts, loans, reminders
from lending import mails as lending_mails
from lending import queries as lending_queries
from lending.errors import DoorShut, MailUnreadable, NoDoorLeft
from lending.models import Contact, Patron, PickupPoint
from notifications import delivery
from notifications.models import Call, Message
from pickup import offers, progress, readback, texts
from tests import api, rows
from tests.notifications.mailserver import MailServer
from tests.notifications.test_transports import post_office
from tests.pickup import steps

pytestmark = pytest.mark.django_db
ADDRESS = "grace@example.org"


@pytest.fixture
def mails(settings: Any) -> Iterator[MailServer]:
    with post_office(settings) as running:
        yield running


@pytest.fixture
def point() -> PickupPoint:
    return rows.point(rules={"by_appointment": False})


@pytest.fixture
def grace(point: PickupPoint) -> Patron:
    """Somebody with a landline and a mailbox."""
    who = rows.patron(point.library, number="", pin=rows.PIN)
    contact = contacts.add_own(patron_id=who.pk, number=rows.landline(), by=RULE, now=rows.NOW)
    contacts.set_mail(patron_id=who.pk, contact_id=contact.pk, mail=ADDRESS, by=RULE, now=rows.NOW)
    Message.objects.all().delete()  # the one that asks, which is told below
    Contact.objects.filter(pk=contact.pk).update(mail_confirmed_at=rows.NOW)
    return who


def test_a_bag_that_is_ready_is_told_by_mail_and_nobody_calls(mails: MailServer, grace, point, now):
    order = steps.ready(steps.asked(grace, point, now=now), now=now)
    assert progress.of_one(order, now=now).told == "mail"
    delivery.deliver(now=now)
    (body,) = mails.bodies_to(ADDRESS)
    assert order.shown in body
    assert not Call.objects.exists()
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(rows.staff(point.library))
    page = client.get(f"/staff/orders/{order.pk}/messages/?point={point.pk}").content.decode()
    assert f"Mail · {ADDRESS}" in " ".join(page.replace("\n", " ").split())


def test_without_a_mail_server_she_is_called_as_before(grace, point, now, settings):
    settings.TRANSPORTS = {**settings.TRANSPORTS, "mail": ""}
    order = steps.ready(steps.asked(grace, point, now=now), now=now)
    assert progress.of_one(order, now=now).told == "call"
    assert (Call.objects.count(), Message.objects.exists()) == (1, False)


def test_who_takes_texts_gets_texts(mails: MailServer, grace, point, now):
    contacts.add_own(patron_id=grace.pk, number=rows.mobile(), by=RULE, now=now)
    steps.ready(steps.asked(grace, point, now=now), now=now)
    assert Message.objects.get().mail == ""


def test_a_reminder_goes_by_mail_and_she_is_not_on_the_list_of_those_to_call(mails: MailServer, grace, point, now):
    copy = rows.copy(at=point.library)
    loans.check_out(patron_id=grace.pk, copy_id=copy.pk, library_id=point.library_id, by=RULE, now=now)
    late = now + timedelta(days=20)
    reminders.remind_due(now=late)
    assert Message.objects.get().mail == ADDRESS
    (row,) = reminders.late_people(point.library, now=late)
    assert row.texted


def test_the_caller_hears_where_it_goes(mails: MailServer, grace):
    contact = Contact.objects.get(patron=grace)
    with translation.override("en"):
        said = readback.sentences(
            order=None, asked=[], contact=contact, own=True, sender=grace.home.sender, language="en", now=rows.NOW
        )
    assert "We mail to the address that you gave us." in said


def test_staff_enter_correct_and_clear_the_address(mails: MailServer, point, now):
    who = rows.patron(point.library)
    contact = Contact.objects.get(patron=who)
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(rows.staff(point.library))

    def enter(mail: str) -> int:
        sent = {"key": f"k{rows.serial()}", "contact": contact.pk, "mail": mail}
        return client.post(f"/staff/patrons/{who.pk}/mail/?point={point.pk}", sent).status_code

    assert enter(f" {ADDRESS} ") == 303
    assert Contact.objects.get(pk=contact.pk).mail == ADDRESS
    assert ADDRESS in client.get(f"/staff/patrons/{who.pk}/?point={point.pk}").content.decode()
    for wrong in ("grace", "a@b", "grace@example.org\nBcc: all@example.org", "x" * 250 + "@example.org"):
        assert enter(wrong) == 400
    assert Contact.objects.get(pk=contact.pk).mail == ADDRESS
    assert enter("") == 303
    assert Contact.objects.get(pk=contact.pk).mail == ""


def test_the_field_is_not_offered_where_no_mails_are_sent(point, settings):
    settings.TRANSPORTS = {**settings.TRANSPORTS, "mail": ""}
    who = rows.patron(point.library)
    client = Client()
    client.force_login(rows.staff(point.library))
    assert 'name="mail"' not in client.get(f"/staff/patrons/{who.pk}/?point={point.pk}").content.decode()


def test_the_patron_sees_the_address_and_takes_it_back(mails: MailServer, grace):
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(rows.account_of(grace))
    contact = Contact.objects.get(patron=grace)
    assert f"Where no text arrives we mail to {ADDRESS}." in client.get("/my/settings/numbers/").content.decode()
    assert api.signed_in(grace.account).get("me/contacts")["results"][0]["mail"] == ADDRESS
    assert client.post(f"/my/settings/numbers/{contact.pk}/unmail/").status_code == 302
    assert Contact.objects.get(pk=contact.pk).mail == ""


def test_nobody_elses_contact_and_no_collector_gets_an_address(grace):
    other = rows.patron()
    grandson = rows.contact(grace, own=False, name="손자")
    for patron, contact in ((other, Contact.objects.get(patron=grace, own=True)), (grace, grandson)):
        with pytest.raises(NotFound):
            contacts.set_mail(patron_id=patron.pk, contact_id=contact.pk, mail=ADDRESS, by=RULE, now=rows.NOW)
    mine = Contact.objects.get(patron=grace, own=True)
    with pytest.raises(MailUnreadable):
        contacts.set_mail(patron_id=grace.pk, contact_id=mine.pk, mail="no address", by=RULE, now=rows.NOW)


def test_the_address_is_in_her_file_and_gone_when_she_is(mails: MailServer, grace, point, now):
    order = steps.ready(steps.asked(grace, point, now=now), now=now)
    assert ADDRESS in str(export.of(grace, now=now))
    steps.handed_over(order, now=now)
    for loan in lending_queries.at_home().filter(patron=grace):
        loans.take_back(barcode=loan.copy.barcode, library_id=point.library_id, by=steps.DESK, now=now)
    erasure.everything_of(patron_id=grace.pk, by=RULE, now=now)
    assert not Contact.objects.filter(mail=ADDRESS).exists()
    assert not Message.objects.filter(mail=ADDRESS).exists()


# Nothing goes to an address before whoever reads it has said yes


def typed(mail: str = ADDRESS, *, mobile: bool = False) -> tuple[Patron, Contact]:
    """Somebody for whom this address was typed, and not confirmed."""
    who = rows.patron(number=rows.mobile() if mobile else rows.landline(), pin=rows.PIN)
    contact = Contact.objects.get(patron=who)
    if not mobile:
        Contact.objects.filter(pk=contact.pk).update(may_text=False)
    contacts.set_mail(patron_id=who.pk, contact_id=contact.pk, mail=mail, by=RULE, now=clock.now())
    return who, Contact.objects.get(pk=contact.pk)


def link_in(body: str) -> str:
    """The path of the address in a mail."""
    found = re.search(r"https?://[^/\s]+(/mail/[^\s]+/)", body)
    assert found is not None, body
    return found[1]


def asked_by(mails: MailServer, address: str = ADDRESS) -> str:
    """The path that the newest mail to an address asks to open."""
    delivery.deliver(now=clock.now())
    return link_in(mails.bodies_to(address)[-1])


def test_the_one_mail_before_it_asks_and_opening_it_changes_nothing(mails: MailServer):
    _who, contact = typed()
    path = asked_by(mails)
    (body,) = mails.bodies_to(ADDRESS)
    assert not re.search(r"[0-9]권|order", body)
    stranger = Client(headers={"Accept-Language": "en"})
    page = stranger.get(path)
    assert "g…@example.org" in page.content.decode()
    assert ADDRESS not in page.content.decode()
    assert Contact.objects.get(pk=contact.pk).mails_to == ""
    assert "from now on" in stranger.post(path).content.decode()
    assert Contact.objects.get(pk=contact.pk).mails_to == ADDRESS
    assert stranger.post(path).status_code == stranger.get(path).status_code == 404


def test_before_the_yes_she_is_called(mails: MailServer, point, now):
    who, _contact = typed()
    Patron.objects.filter(pk=who.pk).update(home=point.library)
    who.refresh_from_db()
    order = steps.ready(steps.asked(who, point, now=now), now=now)
    assert progress.of_one(order, now=now).told == "call"
    assert Call.objects.get().number == Contact.objects.get(patron=who).number
    assert not Message.objects.filter(about=f"order:{order.pk}").exists()


@pytest.mark.parametrize("change", ["other", "none", "late", "forged", "someone"])
def test_a_link_that_is_over_confirms_nothing(mails: MailServer, change, monkeypatch):
    who, contact = typed()
    path = asked_by(mails)
    if change == "other":
        contacts.set_mail(patron_id=who.pk, contact_id=contact.pk, mail="new@example.org", by=RULE, now=clock.now())
    elif change == "none":
        contacts.set_mail(patron_id=who.pk, contact_id=contact.pk, mail="", by=RULE, now=clock.now())
    elif change == "late":
        real = clock.now()
        monkeypatch.setattr(clock, "now", lambda: real + lending_mails.LASTS + timedelta(minutes=1))
    elif change == "forged":
        path = path.replace(f"/mail/{contact.pk}-", f"/mail/{contact.pk}-1")
    else:
        other = typed("else@example.org")[1]
        path = path.replace(f"/mail/{contact.pk}-", f"/mail/{other.pk}-")
    assert Client().post(path).status_code == 404
    assert not Contact.objects.exclude(mail_confirmed_at=None).exists()


def test_rubbish_is_no_link_and_whoever_tries_many_is_stopped():
    client = Client()
    for token in ("x", "1-2-3", f"{'9' * 30}-{'9' * 30}-a", "1--", "-1-1-a", "٣-1-a"):
        assert client.get(f"/mail/{token}/").status_code == 404
    assert [client.get("/mail/1-1-a/").status_code for _ in range(70)][-1] == 429


def test_the_patron_types_an_address_and_may_not_write_to_the_whole_world(mails: MailServer):
    who = rows.patron(pin=rows.PIN)
    contact = Contact.objects.get(patron=who)
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(rows.account_of(who))
    address = f"/my/settings/numbers/{contact.pk}/mail/"
    assert client.post(address, {"mail": ADDRESS}).status_code == 302
    assert "nothing else is sent there before" in client.get("/my/settings/numbers/").content.decode()
    assert [client.post(address, {"mail": f"a{n}@example.org"}).status_code for n in range(5)][-1] == 429
    mine = api.signed_in(who.account)
    assert mine.post(f"me/contacts/{contact.pk}", {"mail": ADDRESS}, 429)["code"] == "too_many_attempts"
    assert mine.get("me/contacts")["results"][0]["mail_confirmed"] is False


def test_an_address_said_again_is_asked_again_unless_it_is_confirmed(mails: MailServer):
    who, contact = typed()
    again: dict[str, Any] = {"patron_id": who.pk, "contact_id": contact.pk, "mail": ADDRESS, "by": RULE}
    contacts.set_mail(**again, now=clock.now())
    assert list(Message.objects.order_by("pk").values_list("state", flat=True)) == ["suppressed", "queued"]
    assert Client().post(asked_by(mails)).status_code == 200
    contacts.set_mail(**again, now=clock.now())
    assert Message.objects.count() == 2
    assert Contact.objects.get(pk=contact.pk).mails_to == ADDRESS


# By which way, as they chose it


def both_ways(point, now, **columns) -> Patron:
    """Somebody with a mobile and a confirmed address."""
    who = rows.patron(point.library, pin=rows.PIN)
    told = {"mail": ADDRESS, "mail_confirmed_at": now, **columns}
    Contact.objects.filter(patron=who).update(**told)
    return who


@pytest.mark.parametrize(
    ("way", "told"),
    [("text", ("text", "", 0)), ("mail", ("mail", ADDRESS, 0)), ("call", ("call", None, 1))],
)
def test_a_bag_is_told_by_the_way_that_was_chosen(mails: MailServer, point, now, way, told):
    who = both_ways(point, now, told_by=way)
    order = steps.ready(steps.asked(who, point, now=now), now=now)
    said = Message.objects.filter(about=f"order:{order.pk}").first()
    assert (progress.of_one(order, now=now).told, said and said.mail, Call.objects.count()) == told


def test_a_way_that_is_shut_gives_way(mails: MailServer, point, now, settings):
    who = both_ways(point, now, told_by="mail", mail_confirmed_at=None)
    order = steps.ready(steps.asked(who, point, now=now), now=now)
    assert Message.objects.get(about=f"order:{order.pk}").mail == ""


@pytest.mark.parametrize(("way", "asks"), [("text", True), ("mail", False), ("call", False)])
def test_an_answer_is_asked_only_of_who_gets_a_text(mails: MailServer, now, way, asks):
    library = rows.library(sender=rows.sender(number="+12125550160", region="US").key)
    lane = rows.point(library)
    rows.slot(lane)
    who = rows.patron(library, number=rows.american())
    Contact.objects.filter(patron=who).update(mail=ADDRESS, mail_confirmed_at=now, told_by=way)
    order = steps.ready(steps.asked(who, lane, now=now), now=now)
    offers.offer_ready(now=now)
    said = [*Message.objects.values_list("body", flat=True), *Call.objects.values_list("say", flat=True)]
    assert len(said) == 1
    assert (texts.asks_for_answer([order]), "1=" in said[0]) == (asks, asks)


def test_what_is_not_needed_goes_by_mail_if_one_likes(mails: MailServer, point, now):
    who = both_ways(point, now)
    Patron.objects.filter(pk=who.pk).update(
        receipts_by="mail", reminders_by="mail", returns_by="mail", text_returns=True
    )
    who.refresh_from_db()
    order = steps.ready(steps.asked(who, point, now=now), now=now)
    assert Message.objects.get().mail == ""  # that it is ready is a text
    steps.handed_over(order, now=now)
    assert Message.objects.get(template="receipt").mail == ADDRESS
    late = now + timedelta(days=20)
    reminders.remind_due(now=late)
    assert Message.objects.latest("pk").mail == ADDRESS
    loans.take_back(barcode=order.lines.get().copy.barcode, library_id=point.library_id, by=steps.DESK, now=late)
    reminders.confirm_returns(now=late + timedelta(minutes=11))
    assert (Message.objects.latest("pk").template, Message.objects.latest("pk").mail) == ("lending.returned", ADDRESS)
    assert not Call.objects.exists()


def test_nobody_shuts_the_last_way(mails: MailServer, point, now):
    who = both_ways(point, now)
    contact = Contact.objects.get(patron=who)
    one = {"patron_id": who.pk, "contact_id": contact.pk, "by": RULE, "now": now}
    contacts.use(**one, may_text=False, may_call=False, told_by="mail")
    with pytest.raises(NoDoorLeft):
        contacts.set_mail(**one, mail="")
    assert Contact.objects.get(pk=contact.pk).mails_to == ADDRESS
    contacts.use(**one, may_text=False, may_call=True, told_by="call")
    contacts.set_mail(**one, mail="")
    with pytest.raises(DoorShut):
        contacts.use(**one, may_text=False, may_call=False)
    with pytest.raises(DoorShut):
        contacts.use(**one, may_text=True, may_call=True, told_by="mail")
    with pytest.raises(NoDoorLeft):
        contacts.use(**one, may_text=False, may_call=False, told_by="text")
    assert Contact.objects.get(pk=contact.pk).may_call


def test_the_way_is_chosen_on_the_pages_and_by_program(mails: MailServer, point, now):
    who = both_ways(point, now)
    contact = Contact.objects.get(patron=who)
    mine = Client(headers={"Accept-Language": "en"})
    mine.force_login(rows.account_of(who))
    uses = f"/my/settings/numbers/{contact.pk}/uses/"
    assert mine.post(uses, {"may_text": "on", "may_call": "on", "told_by": "mail"}).status_code == 302
    assert Contact.objects.get(pk=contact.pk).told_by == "mail"
    assert mine.post(uses, {"told_by": "pigeon"}).status_code == 400
    refused = mine.post(uses, {"told_by": "call"})
    assert refused.status_code == 409
    assert "This way is not open yet" in refused.content.decode()
    chosen = {"receipts": "no", "reminders": "mail", "returns": "text"}
    assert mine.post("/my/settings/texts/", chosen).status_code == 302
    who.refresh_from_db()
    assert (who.text_receipts, who.text_reminders, who.reminders_by, who.text_returns) == (False, True, "mail", True)
    desk = Client(headers={"Accept-Language": "en"})
    desk.force_login(rows.staff(point.library))
    page = f"/staff/patrons/{who.pk}/"
    sent = {"contact": contact.pk, "may_text": "on", "may_call": "on", "told_by": "call", "key": f"k{rows.serial()}"}
    assert desk.post(f"{page}told/?point={point.pk}", sent).status_code == 303
    assert Contact.objects.get(pk=contact.pk).told_by == "call"
    sent = {"receipts": "mail", "reminders": "no", "returns": "no", "key": f"k{rows.serial()}"}
    assert desk.post(f"{page}texts/?point={point.pk}", sent).status_code == 303
    who.refresh_from_db()
    assert (who.text_receipts, who.receipts_by, who.text_reminders) == (True, "mail", False)
    shown = desk.get(f"{page}?point={point.pk}").content.decode()
    assert "first by a call" in " ".join(shown.split())
    program = api.signed_in(who.account)
    row = program.post(f"me/contacts/{contact.pk}", {"told_by": "text"})["results"][0]
    assert (row["told_by"], row["mail_confirmed"]) == ("text", True)
    assert program.post(f"me/contacts/{contact.pk}", {"may_text": False, "may_call": False})["results"]
    assert program.post(f"me/contacts/{contact.pk}", {"mail": ""}, 409)["code"] == "no_door_left"
    assert program.post("me/texts", {"receipts_by": "text"})["receipts_by"] == "text"


def test_mails_are_not_offered_where_none_are_sent(point, now, settings):
    settings.TRANSPORTS = {**settings.TRANSPORTS, "mail": ""}
    who = both_ways(point, now)
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(rows.account_of(who))
    assert "mail-number" not in client.get("/my/settings/numbers/").content.decode()
    assert (
        client.post("/my/settings/texts/", {"receipts": "mail", "reminders": "no", "returns": "no"}).status_code == 400
    )
