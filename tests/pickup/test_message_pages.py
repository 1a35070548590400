"""What staff see of what was said to whoever collects an order, and saying it once more."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client

from core import clock
from core.models import Access
from notifications import consent, inbound, receipts, trail
from notifications.models import Message, Sender
from notifications.states import MessageState
from pickup import appointments, known_by, lapses, offers
from pickup.templatetags.desk import unbroken
from tests import rows
from tests.pickup import steps

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def point():
    return rows.point(rows.library(), rules={"promise": "when_ready"})


@pytest.fixture
def desk(point):
    client = Client(headers={"accept-language": "en"})
    client.force_login(rows.staff(point.library))
    return client


@pytest.fixture
def order(point):
    """A ready bag that was offered a time, as a text says; at no hour is it quiet."""
    now = clock.now()
    Sender.objects.update(quiet_from="00:00", quiet_until="00:00")
    for hour in (3, 6, 9):
        rows.slot(point, (now + timedelta(hours=hour)).replace(minute=0, second=0, microsecond=0))
    made = steps.ready(steps.asked(rows.patron(point.library), point, now=now), now=now)
    offers.offer_ready(now=now, order_ids=[made.pk])
    return steps.again(made)


def page(order):
    return f"/staff/orders/{order.pk}/messages/?point={order.point_id}"


def repeat(desk, order, message):
    address = f"/staff/orders/{order.pk}/messages/{message.pk}/again/?point={order.point_id}"
    return desk.post(address, {"key": uuid4().hex}, follow=True)


def failed(message, code="30003", why="undelivered"):
    now = clock.now()
    message.move(MessageState.SENDING, at=now, by=steps.DESK, lease_until=now)
    receipts.accept(message, provider_id=f"SM{message.pk}", at=now, now=now)
    Message.objects.filter(pk=message.pk).update(generation=3)  # it is not said again by itself
    message.refresh_from_db()
    receipts.give_up(message, code=code, why=why, now=now)
    return message


def test_what_was_said_stands_there_with_its_state_and_the_look_is_noted(desk, order):
    text = Message.objects.get()
    shown = desk.get(page(order)).content.decode()
    assert unbroken(text.body.replace("{link}", "(address)")) in shown
    assert order.shown in shown
    assert Access.objects.filter(about=f"order:{order.pk}", purpose="messages").exists()


def test_why_it_has_not_left_is_said(desk, order):
    later = clock.now() + timedelta(hours=9)
    Message.objects.update(not_before=later, not_after=later + timedelta(hours=9))
    shown = desk.get(page(order)).content.decode()
    assert "It waits" in shown
    assert "It goes out at" in shown
    Sender.objects.update(quiet_from="00:00", quiet_until="23:59")
    assert "It waits for the morning." in desk.get(page(order)).content.decode()


def test_what_the_carrier_said_is_told_in_words(desk, order):
    failed(Message.objects.get(), code="30006")
    shown = desk.get(page(order)).content.decode()
    assert "This number takes no texts." in shown
    assert "Call" in shown  # in its place somebody is called


def test_a_text_that_failed_goes_once_more_and_no_more_than_once_a_tap(desk, order):
    text = failed(Message.objects.get())
    assert "Send again" in desk.get(page(order)).content.decode()
    address = f"/staff/orders/{order.pk}/messages/{text.pk}/again/?point={order.point_id}"
    key = uuid4().hex
    for _ in range(3):
        assert desk.post(address, {"key": key}).status_code == 303
    again = Message.objects.exclude(pk=text.pk).get()
    assert (again.to, again.body, again.generation, again.state) == (text.to, text.body, 4, "queued")


def test_what_still_waits_is_over_or_unwanted_is_not_sent_again(desk, order):
    text = Message.objects.get()
    assert "still waits" in repeat(desk, order, text).content.decode()
    failed(text)
    consent.opt_out(number=text.to, source="inbound", now=clock.now())
    assert "Please call" in repeat(desk, order, text).content.decode()
    Message.objects.filter(pk=text.pk).update(not_after=clock.now() - timedelta(minutes=1), created_at=rows.NOW)
    consent.opt_in(number=text.to, now=clock.now())
    assert repeat(desk, order, text).status_code == 409
    assert Message.objects.count() == 1


def test_texts_of_another_order_or_library_are_out_of_reach(desk, order):
    other = rows.point()
    theirs = steps.ready(steps.asked(rows.patron(other.library), other))
    assert desk.get(f"/staff/orders/{theirs.pk}/messages/?point={order.point_id}").status_code == 404
    now = clock.now()
    text = Message.objects.get()
    stranger = steps.asked(rows.patron(order.library), order.point, now=now)
    assert repeat(desk, stranger, text).status_code == 404


@pytest.mark.lawless("I3", why="a text is delivered by hand")
def test_an_earlier_time_that_was_missed_is_still_told(desk, order):
    first = order.appointment
    late = first.miss_after + timedelta(minutes=1)
    Message.objects.update(state="delivered", provider_id="SM1", accepted_at=first.offered_at)
    appointments.confirm(appointment_id=first.pk, by=steps.DESK, now=clock.now())
    lapses.misses_due(now=late)
    offers.offer_ready(now=late, order_ids=[order.pk])
    order = steps.again(order)
    about = known_by.things_of(order)
    assert f"appointment:{first.pk}" in about
    assert len({entry.row.about for entry in trail.about(about, now=late)}) >= 2


def test_what_they_wrote_and_that_somebody_dealt_with_it_stands_among_the_texts(order, desk):
    now = clock.now()
    sender = Sender.objects.get(key=order.library.sender)
    came = inbound.store(
        provider_id="SM1",
        from_number=order.patron.contacts.get().number,
        to_number=sender.number,
        body="아이가 아파요",
        media=0,
        now=now,
    )
    inbound.apply(now=now)
    shown = desk.get(page(order)).content.decode()
    assert "아이가 아파요" in shown
    assert unbroken(Message.objects.get(dedup_key="answer:SM1").body) in shown
    assert "for the staff" in shown
    desk.post(f"/staff/inbox/{came.pk}/settle/?point={order.point_id}", {"key": uuid4().hex})
    assert "Somebody at the library has dealt with it." in desk.get(page(order)).content.decode()
