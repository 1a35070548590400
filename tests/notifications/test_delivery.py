"""Texts leave the house: who takes them, what the carrier says, and what becomes of doubts."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connections, transaction
from django.db.models import F

from core.actor import RULE
from core.models import Journal
from notifications import claims, consent, delivery, receipts, transports
from notifications.errors import NotBegun
from notifications.models import Call, Message, OptOut, Sender
from notifications.states import CallState, MessageState
from notifications.transports.twilio import Twilio
from tests import rows
from tests.notifications.conftest import claimed, enqueue, queue
from tests.notifications.standin import Answer, StandIn, refused

pytestmark = pytest.mark.django_db
SOON = timedelta(seconds=30)
S = MessageState


def states(*messages: Message) -> list[str]:
    return [Message.objects.get(pk=message.pk).state for message in messages]


def test_a_text_goes_out_once_with_its_callback_and_the_time_it_is_of_use(
    carrier: StandIn, sender: Sender, now, settings
):
    text = queue(sender, not_after=now + timedelta(minutes=90))
    assert delivery.deliver(now=now) == 1
    assert delivery.deliver(now=now) == 0
    (sent,) = carrier.taken
    text.refresh_from_db()
    assert (text.state, text.provider_id, text.accepted_at, text.attempts) == (S.ACCEPTED, sent["sid"], now, 1)
    assert sent["fields"] == {
        "To": text.to,
        "From": sender.number,
        "Body": "책 3권 준비",
        "StatusCallback": f"{settings.PUBLIC_BASE_URL}/hooks/twilio/status?m={text.pk}",
        "ValidityPeriod": "5400",
    }
    moves = Journal.objects.filter(noun="notifications.message", row=text.pk).order_by("id")
    assert list(moves.values_list("was", "became")) == [("", "queued"), ("queued", "sending"), ("sending", "accepted")]


def test_the_api_key_is_preferred_over_the_auth_token(carrier: StandIn, sender: Sender, now, settings):
    queue(sender)
    delivery.deliver(now=now)
    settings.TWILIO_API_KEY, settings.TWILIO_API_SECRET = "SK" + "1" * 32, "secret"
    queue(sender)
    delivery.deliver(now=now)
    assert carrier.users == [settings.TWILIO_ACCOUNT_SID, settings.TWILIO_API_KEY]


def test_a_useful_day_is_cut_to_what_twilio_allows(carrier: StandIn, sender: Sender, now):
    queue(sender, not_after=now + timedelta(days=3))
    delivery.deliver(now=now)
    assert carrier.taken[0]["fields"]["ValidityPeriod"] == "36000"


def test_answers_and_codes_go_before_notices(carrier: StandIn, sender: Sender, now, settings):
    settings.MESSAGE_THREADS = 1
    notice = queue(sender)
    code = queue(sender, kind="code")
    answer = queue(sender, kind="answer")
    batch = claims.claim(now=now)
    assert [one.message_id for one in batch.claimed] == [code.pk, answer.pk, notice.pk]


def test_what_waits_for_later_stays(carrier: StandIn, sender: Sender, now):
    text = queue(sender, not_before=now + SOON)
    assert delivery.deliver(now=now) == 0
    assert delivery.deliver(now=now + SOON) == 1
    assert states(text) == [S.ACCEPTED]


def test_a_doorbell_sends_only_its_own(carrier: StandIn, sender: Sender, now):
    one, other = queue(sender), queue(sender)
    delivery.deliver(ids=[one.pk], now=now)
    assert states(one, other) == [S.ACCEPTED, S.QUEUED]


def test_two_hundred_texts_each_get_their_own_answer(carrier: StandIn, sender: Sender, now):
    texts = [queue(sender, to=f"+8210{number:08d}") for number in range(200)]
    delivery.deliver(now=now)
    sid_of = {one["to"]: one["sid"] for one in carrier.taken}
    assert len(carrier.taken) == 200
    assert {text.to: Message.objects.get(pk=text.pk).provider_id for text in texts} == sid_of


# The claim checks once more.


def test_who_opts_out_between_enqueue_and_claim_gets_nothing_and_is_called(carrier: StandIn, sender: Sender, now):
    text = queue(sender)
    consent.opt_out(number=text.to, source="inbound", now=now)
    delivery.deliver(now=now)
    text.refresh_from_db()
    assert (text.state, text.why, carrier.taken) == (S.SUPPRESSED, "opted_out", [])
    assert Call.objects.get().number == text.to


def test_who_may_not_be_called_is_not_called_instead(carrier: StandIn, sender: Sender, now):
    text = queue(sender, may_call=False)
    consent.opt_out(number=text.to, source="inbound", now=now)
    delivery.deliver(now=now)
    assert states(text) == [S.SUPPRESSED]
    assert not Call.objects.exists()


def test_a_worker_that_is_late_does_not_send_at_night(carrier: StandIn, sender: Sender):
    evening = datetime(2026, 11, 24, 20, 59, tzinfo=ZoneInfo("Asia/Seoul")).astimezone(UTC)
    text, brief = queue(sender, now=evening), queue(sender, now=evening, not_after=evening + timedelta(hours=2))
    delivery.deliver(now=evening + timedelta(minutes=2))
    text.refresh_from_db()
    brief.refresh_from_db()
    assert carrier.taken == []
    assert (text.state, text.not_before.astimezone(ZoneInfo("Asia/Seoul")).time()) == (S.QUEUED, time(8))
    assert (brief.state, brief.why) == (S.EXPIRED, "quiet")
    assert Call.objects.get().about == brief.about


def test_a_text_that_is_of_no_use_any_more_is_not_sent(carrier: StandIn, sender: Sender, now):
    text = queue(sender, not_after=now + SOON)
    delivery.deliver(now=now + SOON)
    assert (states(text), carrier.taken) == ([S.EXPIRED], [])


def test_the_address_is_put_in_at_the_claim_and_not_kept(carrier: StandIn, sender: Sender, now):
    text = queue(sender, template="test.link", about="order:42")
    delivery.deliver(now=now)
    text.refresh_from_db()
    assert carrier.bodies_to(text.to) == ["책 3권 https://pickup.example.org/o/order-42"]
    assert text.body == "책 3권 {link}"


def test_a_text_about_an_order_that_is_over_is_not_sent(carrier: StandIn, sender: Sender, now):
    text = queue(sender, template="test.link", about="order:over")
    delivery.deliver(now=now)
    text.refresh_from_db()
    assert (text.state, text.why) == (S.SUPPRESSED, "no_link")


def test_a_poisoned_row_fails_at_last_and_the_others_flow(carrier: StandIn, sender: Sender, now):
    poison, other = queue(sender, template="test.link", about="order:broken"), queue(sender)
    delivery.deliver(now=now)
    assert states(poison, other) == [S.QUEUED, S.ACCEPTED]
    for tries in range(1, claims.POISON + 2):
        delivery.deliver(now=now + tries * timedelta(minutes=6))
    poison.refresh_from_db()
    assert (poison.state, poison.why) == (S.FAILED, "tried_too_often")
    assert Call.objects.get().about == "order:broken"


def test_a_row_whose_address_the_database_refuses_does_not_hold_up_the_others(carrier: StandIn, sender: Sender, now):
    poison, other = queue(sender, template="test.link", about="order:refused"), queue(sender)
    delivery.deliver(now=now)
    assert states(poison, other) == [S.QUEUED, S.ACCEPTED]


def test_what_is_tried_again_is_paid_once(carrier: StandIn, now):
    sender = rows.sender(daily_budget=2)
    carrier.answer = lambda _: refused(429, 20429)
    text = queue(sender)
    for minute in range(3):
        delivery.deliver(now=now + timedelta(minutes=minute))
    carrier.answer = lambda _: Answer()
    other = queue(sender)
    delivery.deliver(now=now + timedelta(minutes=9))
    assert states(text, other) == [S.ACCEPTED, S.ACCEPTED]


def test_what_was_claimed_and_not_begun_is_paid_once(carrier: StandIn, now, monkeypatch):
    sender = rows.sender(daily_budget=2)
    text = queue(sender)
    with monkeypatch.context() as patched:
        patched.setattr(delivery, "_send_one", lambda _claimed, _latest: NotBegun())
        for minute in range(3):
            claimed = claims.claim(now=now + timedelta(minutes=minute))
            delivery.send(claimed.claimed, now=now + timedelta(minutes=minute))
    assert states(text) == [S.QUEUED]
    other = queue(sender)
    delivery.deliver(now=now + timedelta(minutes=9))
    assert states(text, other) == [S.ACCEPTED, S.ACCEPTED]


def test_a_sender_that_has_spent_its_day_waits_for_the_next_but_codes_go(carrier: StandIn, now):
    sender = rows.sender(daily_budget=2)
    texts = [queue(sender) for _ in range(3)]
    code = queue(sender, kind="code")
    delivery.deliver(now=now)
    assert sorted(states(*texts)) == [S.ACCEPTED, S.QUEUED, S.QUEUED]
    assert states(code) == [S.ACCEPTED]
    tomorrow = datetime(2026, 11, 25, 9, 0, tzinfo=ZoneInfo("Asia/Seoul")).astimezone(UTC)
    delivery.deliver(now=tomorrow)
    assert S.QUEUED not in states(*texts)


def test_a_number_is_not_told_too_often_on_one_day(carrier: StandIn, now):
    """Two of three notices go, also when they are claimed apart; what cannot wait is called, codes always go."""
    sender, to = rows.sender(per_person=2), rows.mobile()
    first = queue(sender, to=to)
    delivery.deliver(now=now)
    second, third = (queue(sender, to=to) for _ in range(2))
    urgent = queue(sender, to=to, not_after=now + timedelta(hours=3))
    answer, code = queue(sender, to=to, kind="answer"), queue(sender, to=to, kind="code")
    other, elsewhere = queue(sender), queue(rows.sender(per_person=2), to=to)
    delivery.deliver(now=now)
    assert states(first, second, answer, code, other, elsewhere) == [S.ACCEPTED] * 6
    assert states(third, urgent) == [S.QUEUED, S.EXPIRED]
    assert Call.objects.get().number == to
    third.refresh_from_db()
    assert third.not_before == datetime(2026, 11, 24, 15, 0, tzinfo=UTC)  # midnight in Seoul, and then quiet hours
    delivery.deliver(now=third.not_before)
    assert states(third) == [S.QUEUED]
    delivery.deliver(now=datetime(2026, 11, 24, 23, 0, tzinfo=UTC))
    assert states(third) == [S.ACCEPTED]


def test_a_rehearsal_does_not_count_and_no_limit_is_none(carrier: StandIn, now, settings):
    to, strict, generous = rows.mobile(), rows.sender(per_person=1), rows.sender(per_person=None)
    for sender in (strict, generous):
        practised = [queue(sender, to=to, practice=True) for _ in range(3)]
        real = [queue(sender, to=to) for _ in range(2)]
        delivery.deliver(now=now)
        assert len(set(states(*practised))) == 1
        assert states(*real) == [S.ACCEPTED, S.QUEUED if sender == strict else S.ACCEPTED]


# What the carrier says.


@pytest.mark.parametrize("code", [21211, 21614, 21408, 21612, 30005, 30006])
def test_a_number_that_no_text_reaches_goes_to_the_call_list(carrier: StandIn, sender: Sender, now, code):
    carrier.answer = lambda _: refused(400, code)
    text = queue(sender)
    delivery.deliver(now=now)
    text.refresh_from_db()
    assert (text.state, text.error_code, text.why) == (S.FAILED, str(code), "unreachable")
    call = Call.objects.get()
    assert (call.number, call.say, call.state) == (text.to, text.body, CallState.DUE)


def test_who_told_the_carrier_to_stop_is_remembered_and_called(carrier: StandIn, sender: Sender, now):
    carrier.answer = lambda _: refused(400, 21610)
    text = queue(sender)
    delivery.deliver(now=now)
    assert states(text) == [S.SUPPRESSED]
    assert OptOut.objects.get(number=text.to).source == "carrier"
    assert isinstance(enqueue(sender, to=text.to), Call)


@pytest.mark.parametrize(("status", "code"), [(429, 20429), (429, None), (400, 21611)])
def test_too_much_at_once_waits_as_long_as_the_carrier_asks(carrier: StandIn, sender: Sender, now, status, code):
    carrier.answer = lambda _: refused(status, code, Retry_After="7")
    text = queue(sender)
    delivery.deliver(now=now)
    text.refresh_from_db()
    assert (text.state, text.not_before, text.resends) == (S.QUEUED, now + timedelta(seconds=7), 0)
    carrier.answer = lambda _: Answer()
    delivery.deliver(now=now + SOON)
    assert states(text) == [S.ACCEPTED]


def test_wrong_credentials_stop_everything_and_lose_nothing(carrier: StandIn, sender: Sender, now, settings, caplog):
    settings.MESSAGE_THREADS = 1
    carrier.answer = lambda _: refused(401, 20003)
    texts = [queue(sender) for _ in range(20)]
    delivery.deliver(now=now)
    assert set(states(*texts)) == {S.QUEUED}
    assert len(carrier.asked) == 1
    assert delivery.deliver(now=now) == 0  # nobody asks again for a minute
    assert set(Message.objects.values_list("attempts", flat=True)) == {0}
    assert "carrier.stopped" in caplog.text


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=500, stored=True),
        Answer(status=503, stored=False),
        Answer(hang_up=True),
        Answer(status=201, body="<html>"),
        Answer(status=201, body="{}"),
    ],
)
def test_an_answer_that_says_nothing_leaves_us_in_doubt_and_is_never_sent_blindly(
    carrier: StandIn, sender, now, answer
):
    carrier.answer = lambda _: answer
    text = queue(sender)
    delivery.deliver(now=now)
    assert states(text) == [S.IN_DOUBT]
    delivery.deliver(now=now)
    assert len(carrier.asked) == 1


def test_no_answer_in_time_leaves_us_in_doubt(carrier: StandIn, sender: Sender, now, settings):
    settings.MESSAGE_HTTP_SECONDS = 0.2
    carrier.answer = lambda _: Answer(pause=0.8)
    text = queue(sender)
    delivery.deliver(now=now)
    assert states(text) == [S.IN_DOUBT]


def test_nobody_at_the_door_means_surely_not_sent(carrier: StandIn, sender: Sender, now, settings):
    settings.TWILIO_API_BASE_URL = "http://127.0.0.1:9"
    text = queue(sender)
    delivery.deliver(now=now)
    assert states(text) == [S.QUEUED]


def test_another_refusal_fails_and_is_called(carrier: StandIn, sender: Sender, now):
    carrier.answer = lambda _: refused(400, 21606)
    text = queue(sender)
    delivery.deliver(now=now)
    assert states(text) == [S.FAILED]
    assert Call.objects.exists()


def test_after_five_doubts_in_a_row_nothing_more_is_put_in_doubt(carrier: StandIn, sender: Sender, now, settings):
    settings.MESSAGE_THREADS = 1
    carrier.answer = lambda _: refused(503)
    texts = [queue(sender) for _ in range(20)]
    delivery.deliver(now=now)
    assert sorted(states(*texts)).count(S.IN_DOUBT) == 5
    assert states(*texts).count(S.QUEUED) == 15


def test_the_client_talks_to_one_host_alone(carrier: StandIn):
    http = Twilio().client.http_client
    with pytest.raises(ValueError, match="not a request"):
        http.request("GET", "https://lookups.twilio.com/v2/PhoneNumbers/+821000000001")
    with pytest.raises(ValueError, match="not a request"):
        http.request("GET", "http://api.twilio.com/2010-04-01/Accounts.json")


def test_invented_people_are_never_texted_through_the_real_carrier(sender: Sender, now, settings):
    settings.TWILIO_API_BASE_URL = ""
    text = queue(sender)
    delivery.deliver(now=now)
    text.refresh_from_db()
    assert (text.state, text.error_code) == (S.FAILED, "invented")


# Two workers.


def send_in_two_workers(claim: Any) -> None:
    """Two workers take what is due at the same moment, by the given way of claiming, and send it."""
    together = threading.Barrier(2)

    def work():
        try:
            batch = claim(together)
            delivery.send(batch, now=rows.NOW)
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_two_workers_never_send_the_same_text(carrier: StandIn, now):
    sender = rows.sender()
    for _ in range(30):
        queue(sender)

    def guarded(together: threading.Barrier) -> list[claims.Claimed]:
        together.wait()
        return claims.claim(now=now, limit=30).claimed

    send_in_two_workers(guarded)
    delivery.deliver(now=now)
    assert len(carrier.taken) == 30
    assert set(Message.objects.values_list("state", flat=True)) == {S.ACCEPTED}


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
@pytest.mark.lawless("I3", why="does without compare-and-swap")
@pytest.mark.control
def test_without_the_compare_and_swap_two_workers_send_twice(carrier: StandIn, now):
    """The negative control: read what is due, then write that it is ours."""
    sender = rows.sender()
    for _ in range(30):
        queue(sender)

    def naive(together: threading.Barrier) -> list[claims.Claimed]:
        due = list(Message.objects.filter(state=S.QUEUED).select_related("sender").order_by("pk"))
        together.wait()
        Message.objects.filter(pk__in=[row.pk for row in due]).update(
            state=S.SENDING, lease_until=now + SOON, attempts=F("attempts") + 1
        )
        outgoing = [transports.Outgoing(row.pk, row.sender.number, row.to, row.body, 60) for row in due]
        return [claims.Claimed(one.message_id, 1, one) for one in outgoing]

    send_in_two_workers(naive)
    assert len(carrier.taken) == 60


# Doubts.


def lose(text: Message, carrier: StandIn, *, sent: bool) -> None:
    """A worker claims a text and dies, after or before the carrier has it."""
    one = claimed(text)
    if sent:
        transports.text().send(one.outgoing)


def test_a_text_whose_worker_died_is_in_doubt_when_the_lease_is_over(carrier: StandIn, sender: Sender, now):
    text = queue(sender)
    lose(text, carrier, sent=True)
    delivery.sweep_leases(now=now + timedelta(seconds=19))
    assert states(text) == [S.SENDING]
    delivery.sweep_leases(now=now + SOON)
    assert states(text) == [S.IN_DOUBT]
    delivery.deliver(now=now + timedelta(hours=1))
    assert len(carrier.taken) == 1


def resolve(at: datetime) -> None:
    """The sweep, as often as it comes round."""
    for step in range(4):
        delivery.resolve_doubts(now=at + step * SOON)


def test_a_doubt_is_settled_by_the_carriers_own_list(carrier: StandIn, sender: Sender, now):
    carrier.clock = lambda: now
    text = queue(sender, template="test.link", about="order:9")
    lose(text, carrier, sent=True)
    resolve(now + SOON)
    text.refresh_from_db()
    assert (text.state, text.provider_id, text.resends) == (S.ACCEPTED, carrier.taken[0]["sid"], 0)


def test_a_text_that_is_truly_absent_goes_once_more_and_no_oftener(carrier: StandIn, sender: Sender, now):
    text = queue(sender)
    lose(text, carrier, sent=False)
    resolve(now + SOON)
    text.refresh_from_db()
    assert (text.state, text.resends) == (S.QUEUED, 1)
    text = Message.objects.get(pk=text.pk)
    (again,) = claims.claim(now=now + timedelta(minutes=5), ids=[text.pk]).claimed
    assert again.attempt == 2
    resolve(now + timedelta(minutes=6))
    text.refresh_from_db()
    assert (text.state, text.why) == (S.FAILED, "lost")
    assert Call.objects.get().number == text.to


def test_a_like_text_that_we_know_is_no_evidence(carrier: StandIn, sender: Sender, now):
    number = rows.mobile()
    known, text = queue(sender, to=number), queue(sender, to=number)
    delivery.deliver(ids=[known.pk], now=now)
    lose(text, carrier, sent=False)
    resolve(now + SOON)
    text.refresh_from_db()
    assert (text.state, text.resends) == (S.QUEUED, 1)


def test_a_carrier_that_cannot_be_asked_leaves_the_doubt(carrier: StandIn, sender: Sender, now):
    text = queue(sender, not_after=now + timedelta(hours=1))
    lose(text, carrier, sent=True)
    carrier.list_status = 503
    resolve(now + SOON)
    assert states(text) == [S.IN_DOUBT]
    resolve(now + timedelta(hours=2))
    text.refresh_from_db()
    assert (text.state, text.why) == (S.FAILED, "carrier_silent")


def test_a_callback_with_our_id_settles_a_doubt_without_a_look(carrier: StandIn, sender: Sender, now):
    text = queue(sender)
    lose(text, carrier, sent=True)
    sid = carrier.taken[0]["sid"]
    receipts.record(provider_id=sid, message_id=text.pk, status="sent", to=text.to, now=now)
    carrier.asked.clear()
    resolve(now + SOON)
    text.refresh_from_db()
    assert (text.state, text.provider_id, carrier.asked) == (S.ACCEPTED, sid, [])


def test_a_report_that_comes_just_before_a_second_sending_stops_it(carrier: StandIn, sender: Sender, now):
    text = queue(sender)
    lose(text, carrier, sent=False)
    resolve(now + SOON)
    receipts.record(provider_id="SM" + "7" * 32, message_id=text.pk, status="delivered", to=text.to, now=now)
    delivery.deliver(now=now + timedelta(minutes=5))
    text.refresh_from_db()
    assert (text.state, text.provider_id, carrier.taken) == (S.DELIVERED, "SM" + "7" * 32, [])


def test_an_answer_that_comes_after_the_lease_is_evidence(carrier: StandIn, sender: Sender, now):
    text = queue(sender)
    one = claimed(text)
    report = transports.text().send(one.outgoing)
    delivery.sweep_leases(now=now + SOON)
    delivery.record(one, report, now=now + SOON)
    text.refresh_from_db()
    assert (text.state, text.provider_id) == (S.ACCEPTED, report.provider_id)


def test_a_lease_that_is_nearly_over_is_given_back_unsent(carrier: StandIn, sender: Sender, now, settings):
    settings.MESSAGE_LEASE_SECONDS, settings.MESSAGE_HTTP_SECONDS = 2, 1
    settings.MESSAGE_THREADS = 1
    carrier.answer = lambda _: Answer(pause=0.3)
    texts = [queue(sender) for _ in range(8)]
    batch = claims.claim(now=now)
    delivery.send(batch.claimed, now=now)
    left = states(*texts).count(S.QUEUED)
    assert 4 <= left < 8
    assert len(carrier.taken) == 8 - left
    assert not Message.objects.filter(state=S.QUEUED, attempts__gt=0).exists()


def test_sending_inside_a_transaction_is_refused(sender: Sender, now):
    with pytest.raises(RuntimeError), transaction.atomic():
        delivery.deliver(now=now)


def test_the_carrier_is_asked_about_texts_it_never_reported_on(carrier: StandIn, sender: Sender, now):
    text = queue(sender)
    delivery.deliver(now=now)
    carrier.taken[0]["status"] = "delivered"
    carrier.asked.clear()
    assert delivery.fetch_missing(now=now + timedelta(minutes=29)) == 0
    assert carrier.asked == []
    assert delivery.fetch_missing(now=now + timedelta(minutes=31)) == 1
    assert states(text) == [S.DELIVERED]


def test_a_text_that_is_never_confirmed_is_asked_for_ever_more_rarely(carrier: StandIn, sender: Sender, now):
    text = queue(sender)
    delivery.deliver(now=now)
    carrier.asked.clear()
    for minute in range(30, 60 * 48, 2):
        delivery.fetch_missing(now=now + timedelta(minutes=minute))
    assert states(text) == [S.ACCEPTED]
    assert 3 <= len(carrier.asked) <= 8


def test_moves_of_a_text_are_signed_by_rule_and_carrier(carrier: StandIn, sender: Sender, now):
    text = queue(sender, by=RULE)
    delivery.deliver(now=now)
    moves = Journal.objects.filter(noun="notifications.message", row=text.pk)
    assert set(moves.values_list("principal", flat=True)) == {"rule", "carrier"}


def test_many_results_are_written_at_once_and_what_is_not_plain_by_itself(sender: Sender, now):
    plain, early, lapsed, taken = texts = [queue(sender) for _ in range(4)]
    mine = {one.message_id: one for one in claims.claim(now=now).claimed}
    receipts.record(provider_id="SM" + "1" * 32, message_id=early.pk, status="delivered", to=early.to, now=now)
    Message.objects.filter(pk=lapsed.pk).update(attempts=2)  # somebody else has it by now
    sids = {plain.pk: "SM" + "0" * 32, early.pk: "SM" + "1" * 32, lapsed.pk: "SM" + "2" * 32, taken.pk: "SM" + "3" * 32}
    delivery.record_all([(mine[key], transports.Report(sid, "queued")) for key, sid in sids.items()], now=now)
    assert states(*texts) == [S.ACCEPTED, S.DELIVERED, S.SENDING, S.ACCEPTED]
    plain.refresh_from_db()
    assert (plain.provider_id, plain.accepted_at) == (sids[plain.pk], now)


def test_one_id_for_two_texts_leaves_the_second_in_doubt(sender: Sender, now):
    texts = [queue(sender) for _ in range(2)]
    mine = claims.claim(now=now).claimed
    delivery.record_all([(one, transports.Report("SM" + "4" * 32, "queued")) for one in mine], now=now)
    assert states(*texts) == [S.ACCEPTED, S.IN_DOUBT]
