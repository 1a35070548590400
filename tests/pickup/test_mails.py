"""Whom no text reaches gets a mail: staff enter the address of who stands there, the patron may take it back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import translation

from config import erasure, export
from core.actor import RULE
from core.refusal import NotFound
from lending import contacts, loans, reminders
from lending import queries as lending_queries
from lending.errors import MailUnreadable
from lending.models import Contact, Patron, PickupPoint
from notifications import delivery
from notifications.models import Call, Message
from pickup import progress, readback
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
        said = readback.sentences(order=None, asked=[], contact=contact, own=True, language="en", now=rows.NOW)
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
