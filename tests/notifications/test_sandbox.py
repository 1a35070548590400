"""The stand-in for Twilio of the embedded run: the official client on one side, our real webhooks on the other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings as house
from django.test import Client
from django.urls import reverse

from notifications import consent, delivery, inbound, transports
from notifications.models import Call, Gateway, InboundMessage, Message, Sender
from notifications.sandbox import carrier as sandbox
from notifications.sandbox import magic
from notifications.sandbox.models import Posting, Text
from notifications.states import MessageState as S
from notifications.transports import Outgoing
from notifications.transports.twilio import Twilio
from tests import rows
from tests.notifications.conftest import enqueue, queue

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def town(live_server: Any, settings: Any) -> Any:
    """The whole road: our server is the carrier's server too, as in the embedded run."""
    settings.PUBLIC_BASE_URL = live_server.url
    settings.TWILIO_API_BASE_URL = live_server.url
    settings.INBOUND_ANSWER = "tests.notifications.test_inbound.answer"
    return live_server


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=5)


def send(sender: Sender, **columns: Any) -> Message:
    text = queue(sender, now=datetime.now(UTC), kind="answer", **columns)
    delivery.deliver(ids=[text.pk])
    text.refresh_from_db()
    return text


def test_a_text_goes_the_whole_road_and_is_reported_delivered(town):
    sender = rows.sender()
    text = send(sender)
    assert text.state == S.ACCEPTED
    assert sandbox.post_due(now=soon()) == 2
    assert sandbox.post_due(now=soon()) == 0
    text.refresh_from_db()
    assert text.state == S.DELIVERED
    assert Text.objects.get(sid=text.provider_id).status == "delivered"
    assert set(Posting.objects.values_list("answer", flat=True)) == {204}


@pytest.mark.parametrize(
    ("number", "code"),
    [("+821112345678", "21614"), ("+8221001234", "21614"), ("+8210", "21211"), ("+99912345678", "21211")],
)
def test_numbers_are_refused_as_twilio_refuses_them(town, number, code):
    with pytest.raises(Exception, match=code):
        transports.text().send(Outgoing(1, rows.sender().number, number, "x", 60))


def test_a_number_that_is_not_ours_and_an_empty_body_are_refused(town):
    sender = rows.sender()
    with pytest.raises(Exception, match="21606"):
        transports.text().send(Outgoing(1, "+12125550100", rows.mobile(), "x", 60))
    with pytest.raises(Exception, match="21602"):
        transports.text().send(Outgoing(1, sender.number, rows.mobile(), "", 60))
    with pytest.raises(Exception, match="21617"):
        transports.text().send(Outgoing(1, sender.number, rows.mobile(), "x" * 1601, 60))


def test_stop_is_obeyed_by_the_carrier_itself_and_start_undoes_it(town):
    sender, number = rows.sender(), rows.american()
    sandbox.bring(sent_from=number, sent_to=sender.number, body="STOP", now=datetime.now(UTC))
    assert "unsubscribed" in Text.objects.get(direction="outbound-reply").body
    text = send(sender, to=number)  # our webhook has not heard of it yet
    assert (text.state, text.error_code) == (S.SUPPRESSED, "21610")
    assert consent.opted_out([number])
    sandbox.bring(sent_from=number, sent_to=sender.number, body="START", now=datetime.now(UTC))
    sandbox.post_due(now=soon())
    assert not consent.opted_out([number])
    assert send(sender, to=number).state == S.ACCEPTED


def test_an_answer_reaches_our_webhook_signed(town):
    sender, number = rows.sender(), rows.american()
    sandbox.bring(sent_from=number, sent_to=sender.number, body="1 네", now=datetime.now(UTC))
    sandbox.post_due(now=soon())
    row = InboundMessage.objects.get()
    assert (row.from_number, row.body, row.sender) == (number, "1 네", sender)
    inbound.apply(now=datetime.now(UTC))
    assert Message.objects.get().to == number


def test_an_answer_that_our_webhook_does_not_take_is_posted_again(town, settings):
    sender = rows.sender()
    settings.TWILIO_AUTH_TOKEN = "wrong" * 8
    now = datetime.now(UTC)
    sandbox.bring(sent_from=rows.american(), sent_to=sender.number, body="1", now=now)
    Posting.objects.update(address=f"{town.url}/nowhere/")
    assert sandbox.post_due(now=soon()) == 0
    Posting.objects.update(address=f"{town.url}{reverse('twilio-messages')}")
    assert sandbox.post_due(now=soon() + timedelta(minutes=2)) == 1
    assert InboundMessage.objects.count() == 1


def test_missed_answers_and_lost_reports_are_found_by_asking(town):
    sender, number = rows.sender(), rows.american()
    sandbox.bring(sent_from=number, sent_to=sender.number, body="1", now=datetime.now(UTC))
    assert inbound.fetch_missed(now=datetime.now(UTC)) == 1
    text = send(sender, to=number)
    Text.objects.filter(sid=text.provider_id).update(status="delivered")
    assert delivery.fetch_missing(now=datetime.now(UTC) + timedelta(hours=1)) == 1
    (report,) = transports.text().sent_to(number, since=datetime.now(UTC) - timedelta(minutes=1))
    assert (report.provider_id, report.body) == (text.provider_id, text.body)
    assert transports.text().fetch("SM" + "0" * 32) is None


def test_the_list_comes_in_pages_and_narrowed(town):
    sender, number = rows.sender(), rows.american()
    for _ in range(7):
        sandbox.bring(sent_from=number, sent_to=sender.number, body="1", now=datetime.now(UTC))
    client = Twilio().client
    assert len(client.messages.list(page_size=3)) == 7
    assert len(client.messages.list(from_=number, limit=2)) == 2
    assert len(client.messages.list(to=sender.number, date_sent_after=datetime.now(UTC) - timedelta(days=1))) == 7
    assert client.messages.list(to=sender.number, date_sent_before=datetime.now(UTC) - timedelta(days=2)) == []
    assert client.messages.list(date_sent=datetime.now(UTC) - timedelta(days=3)) == []


def test_strangers_are_kept_out():
    address = f"/2010-04-01/Accounts/{house.TWILIO_ACCOUNT_SID}/Messages.json"
    for headers in ({}, {"Authorization": "Basic ???"}, {"Authorization": "Basic Og=="}, {"Authorization": "Bearer x"}):
        answer = Client().get(address, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, 20003)


def test_a_callback_to_somebody_else_is_refused():
    with pytest.raises(sandbox.Refused, match="StatusCallback"):
        sandbox.take(
            sent_to=rows.mobile(),
            sent_from=rows.sender().number,
            body="x",
            status_callback="http://169.254.169.254/latest",
            now=rows.NOW,
        )


# A bad day, to learn from.


@pytest.mark.parametrize(("number", "code"), [(number, code) for number, (code, _) in magic.TO.items()])
def test_texts_to_twilios_numbers_for_testing_meet_their_errors(town, number, code):
    text = send(rows.sender(), to=number)
    assert text.error_code == str(code)
    assert text.state == (S.SUPPRESSED if code == 21610 else S.FAILED)
    assert Call.objects.filter(number=number).exists() is False  # an answer is never called


@pytest.mark.parametrize(("number", "code"), [(number, code) for number, (code, _) in magic.FROM.items()])
def test_texts_from_twilios_numbers_for_testing_meet_their_errors(town, number, code):
    with pytest.raises(sandbox.Refused, match="From") as refused:
        sandbox.take(sent_to=rows.mobile(), sent_from=number, body="x", status_callback="", now=rows.NOW)
    assert refused.value.code == code


def mood(client: Client, **how: str) -> None:
    assert client.post(reverse("sandbox-mood"), {"reports": "usual", **how}).status_code == 302


def test_a_text_whose_answer_is_lost_is_in_doubt_and_then_found(town, client: Client):
    mood(client, answers_lost="on")
    text = send(rows.sender())
    assert text.state == S.IN_DOUBT
    assert Text.objects.count() == 1
    mood(client)
    delivery.resolve_doubts(now=datetime.now(UTC) + timedelta(minutes=1))
    text.refresh_from_db()
    assert (text.state, text.provider_id) == (S.ACCEPTED, Text.objects.get().sid)
    assert send(rows.sender()).state == S.ACCEPTED


def test_lost_reports_are_asked_for(town, client: Client):
    mood(client, reports="lost")
    text = send(rows.sender())
    sandbox.post_due(now=soon())
    text.refresh_from_db()
    assert (text.state, Text.objects.get().status) == (S.ACCEPTED, "delivered")
    assert delivery.fetch_missing(now=datetime.now(UTC) + timedelta(minutes=31)) == 1
    text.refresh_from_db()
    assert text.state == S.DELIVERED


def test_late_reports_come_a_minute_later(town, client: Client):
    mood(client, reports="late")
    text = send(rows.sender())
    sandbox.post_due(now=soon())
    text.refresh_from_db()
    assert (text.state, Text.objects.get().status) == (S.ACCEPTED, "delivered")
    sandbox.post_due(now=soon() + timedelta(minutes=1))
    text.refresh_from_db()
    assert text.state == S.DELIVERED


def test_repeated_reports_come_out_of_order_and_change_nothing(town, client: Client):
    mood(client, reports="repeated")
    text = send(rows.sender())
    told = list(Posting.objects.order_by("due_at").values_list("fields__MessageStatus", flat=True))
    assert told == ["sent", "delivered"] * 3
    assert sandbox.post_due(now=soon()) == 6
    text.refresh_from_db()
    assert (text.state, Text.objects.get().status) == (S.DELIVERED, "delivered")


# The phones in the browser.


def test_a_korean_phone_shows_its_texts_and_why_it_cannot_answer(client: Client, settings):
    sender, number = rows.sender(), rows.mobile()
    sandbox.take(
        sent_to=number, sent_from=sender.number, body="책 https://x.example.org/o/abc", status_callback="", now=rows.NOW
    )
    page = client.get(reverse("sandbox-phone", args=[number]))
    assert b'href="https://x.example.org/o/abc"' in page.content
    assert "한국에서는 답장을 받을 수 없습니다" in page.content.decode()
    assert b"<textarea" not in page.content
    client.post(reverse("sandbox-phone", args=[number]), {"body": "1"})
    assert not Text.objects.filter(direction="inbound").exists()


def test_with_the_domestic_gateway_a_korean_phone_answers(client: Client):
    sender, number = rows.sender(), rows.mobile()
    sandbox.take(sent_to=number, sent_from=sender.number, body="책", status_callback="", now=rows.NOW)
    client.post(reverse("sandbox-gateway"), {"domestic": "1"})
    assert Sender.objects.get(pk=sender.pk).gateway == Gateway.DOMESTIC
    answer = client.post(reverse("sandbox-phone", args=[number]), {"body": "<b>1</b>"})
    assert answer.status_code == 302
    reply = Text.objects.get(direction="inbound")
    assert (reply.sent_from, reply.sent_to, reply.body) == (number, sender.number, "<b>1</b>")
    part = client.get(reverse("sandbox-phone", args=[number]) + "?part").content.decode()
    assert "&lt;b&gt;1&lt;/b&gt;" in part
    client.post(reverse("sandbox-gateway"), {"domestic": "0"})
    assert Sender.objects.get(pk=sender.pk).gateway == Gateway.TWILIO


def test_an_american_phone_answers_whom_it_chooses(client: Client):
    first, second, number = rows.sender(), rows.sender(), "+12125550142"
    page = client.get(reverse("sandbox-phone", args=[number]))
    assert b"<textarea" in page.content
    assert first.number in page.content.decode()
    client.post(reverse("sandbox-phone", args=[number]), {"body": "4", "sender": second.number})
    assert Text.objects.get(direction="inbound").sent_to == second.number


def test_a_page_opened_before_a_text_came_answers_whoever_wrote_it(client: Client):
    first, second, number = rows.sender(), rows.sender(), "+12125550142"
    page = client.get(reverse("sandbox-phone", args=[number])).content.decode()
    assert '<option value="">' in page
    for sender in (first, second):
        sandbox.take(sent_to=number, sent_from=sender.number, body="Ready", status_callback="", now=rows.NOW)
    client.post(reverse("sandbox-phone", args=[number]), {"body": "1", "sender": ""})
    assert Text.objects.get(direction="inbound").sent_to == second.number


def test_phones_stand_beside_each_other_and_are_put_away(client: Client):
    first, second = "+821000000007", "+821000000008"
    sandbox.take(sent_to=first, sent_from=rows.sender().number, body="책", status_callback="", now=rows.NOW)
    page = client.get("/sandbox/phones/")
    assert "010-0000-0007" in page.content.decode()
    opened = client.get("/sandbox/phones/", {"phone": first, "number": "010-0000-0008"})
    assert opened.headers["Location"] == f"/sandbox/phones/?phone=%2B821000000008&phone=%2B{first[1:]}"
    beside = client.get(opened.headers["Location"]).context["handsets"]
    assert [one["phone"].number for one in beside] == [second, first]
    assert beside[0]["without"] == f"/sandbox/phones/?phone=%2B{first[1:]}"
    many = [f"+82100000{number:04}" for number in range(9)]
    assert len(client.get("/sandbox/phones/", {"phone": many}).context["handsets"]) == 4
    for odd in ("", "112", "x" * 40):
        assert client.get("/sandbox/phones/", {"number": odd}).status_code == 200
        assert client.get("/sandbox/phones/", {"phone": odd}).status_code == 200
    for odd in ("1", "abc", "+1", "+99999999999"):
        assert client.get(reverse("sandbox-phone", args=[odd])).status_code == 404


def test_a_phone_says_whose_it_is_and_its_order_numbers_can_be_copied(client: Client):
    sender = rows.sender()
    who = rows.patron(name="배순덕", number="+821000000018")
    body = "[성동] 책 2권. 11/25(수) 16:00-16:15, 번호 47-21. 문의 02-100-2020"
    sandbox.take(sent_to="+821000000018", sent_from=sender.number, body=body, status_callback="", now=rows.NOW)
    page = client.get("/sandbox/phones/", {"phone": "+821000000018"})
    assert page.context["handsets"][0]["phone"].entries[0].numbers == ["47-21"]
    assert who.name in page.content.decode()
    assert 'data-copy="47-21"' in page.content.decode()


def test_a_landline_shows_what_the_staff_say_to_it(client: Client):
    enqueue(rows.sender(), now=rows.NOW, to="+8221000018", kind="notice")
    page = client.get(reverse("sandbox-phone", args=["+8221000018"]))
    [entry] = page.context["phone"].entries
    assert (entry.kind, page.context["phone"].landline) == ("call", True)
    assert b"<textarea" not in page.content


def test_an_answer_leads_back_to_where_it_was_written(client: Client):
    rows.sender()
    beside = "/sandbox/phones/?phone=%2B12125550142"
    here = client.post(reverse("sandbox-phone", args=["+12125550142"]), {"body": "4", "next": beside})
    assert here.headers["Location"] == beside
    away = client.post(reverse("sandbox-phone", args=["+12125550142"]), {"body": "4", "next": "https://x.example/"})
    assert away.headers["Location"] == reverse("sandbox-phone", args=["+12125550142"])


def test_at_night_the_switch_lets_waiting_notices_leave_and_keeps_them_again(client: Client):
    now = datetime.now(UTC)
    message = queue(rows.sender(), now=now, not_before=now + timedelta(hours=9))
    page = client.get(reverse("sandbox-phones"))
    assert page.context["quiet"] == {"kept": True, "waiting": 1}
    client.post(reverse("sandbox-quiet"), {"kept": "0"})
    message.refresh_from_db()
    assert message.not_before <= datetime.now(UTC)
    assert client.get(reverse("sandbox-phones")).context["quiet"] == {"kept": False, "waiting": 0}
    client.post(reverse("sandbox-quiet"), {"kept": "1"})
    assert client.get(reverse("sandbox-phones")).context["quiet"]["kept"]
