"""What is queued, for whom, and when it may go."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError, connections, transaction

from core.actor import RULE
from notifications import claims, consent, delivery, outbox, quiet, receipts, wording
from notifications.errors import Busy
from notifications.models import Call, Message, Sender
from notifications.states import CallState, MessageState
from tests import rows
from tests.notifications.conftest import enqueue, queue
from tests.notifications.standin import StandIn

pytestmark = pytest.mark.django_db


def test_the_same_thing_is_said_once(sender: Sender, now):
    first = queue(sender, dedup_key="ready:7")
    assert enqueue(sender, dedup_key="ready:7") == first
    assert Message.objects.filter(dedup_key="ready:7").count() == 1


def test_another_generation_is_another_text(sender: Sender, now):
    assert queue(sender, dedup_key="ready:7") != queue(sender, dedup_key="ready:7", generation=2)


@pytest.mark.django_db(transaction=True)
def test_two_workers_say_the_same_thing_once(now):
    sender, made = rows.sender(), []
    number = rows.mobile()
    together = threading.Barrier(6)

    def say():
        together.wait()
        made.append(enqueue(sender, dedup_key="ready:race", to=number))
        connections.close_all()

    threads = [threading.Thread(target=say) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({row.pk for row in made}) == 1
    assert Message.objects.count() == 1


def test_a_rolled_back_order_says_nothing(sender: Sender):
    @transaction.atomic
    def order():
        queue(sender)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        order()
    assert not Message.objects.exists()


def test_a_landline_is_called_with_the_same_sentence(sender: Sender, now):
    call = enqueue(sender, to=rows.landline(), template="test.link")
    assert isinstance(call, Call)
    assert (call.state, call.say, call.due_at) == (CallState.DUE, "책 3권", now)
    assert enqueue(sender, to=call.number, dedup_key=call.dedup_key) == call


@pytest.mark.parametrize("number", ["+8215881234", "+8211123456", "+99912345678"])
def test_numbers_that_take_no_texts_are_called(sender: Sender, number):
    assert isinstance(enqueue(sender, to=number), Call)


def test_who_opted_out_is_called_and_never_texted(sender: Sender, now):
    number = rows.mobile()
    consent.opt_out(number=number, source="patron", now=now)
    assert isinstance(enqueue(sender, to=number), Call)
    assert enqueue(sender, to=number, kind="answer") is None
    assert enqueue(sender, to=number, may_call=False) is None
    consent.opt_in(number=number, now=now)
    assert isinstance(enqueue(sender, to=number), Message)


def test_who_wants_no_texts_is_called(sender: Sender):
    assert isinstance(enqueue(sender, may_text=False), Call)


def test_a_code_is_never_read_out_by_phone(sender: Sender):
    assert enqueue(sender, to=rows.landline(), kind="code") is None


def test_opting_out_twice_is_one_opt_out(now):
    assert consent.opt_out(number="+821000000001", source="inbound", now=now)
    assert not consent.opt_out(number="+821000000001", source="carrier", now=now)
    assert consent.opted_out(["+821000000001", "+821000000002"]) == {"+821000000001"}


SEOUL, NEW_YORK, LORD_HOWE = ZoneInfo("Asia/Seoul"), ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe")
NIGHT, MORNING = time(21), time(8)


@pytest.mark.parametrize(
    ("zone", "local", "opens"),
    [
        (SEOUL, "2026-11-24 20:59", None),
        (SEOUL, "2026-11-24 21:00", "2026-11-25 08:00"),
        (SEOUL, "2026-11-24 23:59", "2026-11-25 08:00"),
        (SEOUL, "2026-11-25 00:00", "2026-11-25 08:00"),
        (SEOUL, "2026-11-25 07:59:59", "2026-11-25 08:00"),
        (SEOUL, "2026-11-25 08:00", None),
        (NEW_YORK, "2026-10-31 22:00", "2026-11-01 08:00"),  # the hour that comes twice is between
        (NEW_YORK, "2027-03-13 22:00", "2027-03-14 08:00"),  # the hour that is skipped is between
        (LORD_HOWE, "2026-10-03 22:00", "2026-10-04 08:00"),  # half an hour is skipped
    ],
)
def test_quiet_hours_are_those_on_the_wall_of_the_sender(zone, local, opens):
    def wall(text):
        return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)

    assert quiet.opens_at(wall(local), zone, start=NIGHT, end=MORNING) == wall(opens or local)


def test_quiet_hours_by_day_and_none_at_all():
    noon = datetime(2026, 11, 24, 12, 30, tzinfo=SEOUL).astimezone(UTC)
    assert quiet.opens_at(noon, SEOUL, start=time(12), end=time(13)) == noon + timedelta(minutes=30)
    assert quiet.opens_at(noon, SEOUL, start=time(0), end=time(0)) == noon


def test_quiet_that_ends_in_a_skipped_hour_ends_when_the_clock_has_skipped_it():
    at = datetime(2027, 3, 14, 1, 0, tzinfo=NEW_YORK).astimezone(UTC)
    ends = quiet.opens_at(at, NEW_YORK, start=time(22), end=time(2, 30))
    assert ends == datetime(2027, 3, 14, 7, 30, tzinfo=UTC)


def test_a_notice_at_night_waits_for_the_morning_and_an_answer_does_not(sender: Sender):
    night = datetime(2026, 11, 24, 22, 0, tzinfo=SEOUL).astimezone(UTC)
    morning = datetime(2026, 11, 25, 8, 0, tzinfo=SEOUL)
    assert queue(sender, now=night).not_before == morning
    assert queue(sender, now=night, kind="reminder").not_before == morning
    assert queue(sender, now=night, kind="answer").not_before == night
    assert queue(sender, now=night, kind="code").not_before == night


def test_a_notice_that_the_night_makes_useless_goes_to_the_call_list(sender: Sender):
    night = datetime(2026, 11, 24, 22, 0, tzinfo=SEOUL).astimezone(UTC)
    assert isinstance(enqueue(sender, now=night, not_after=night + timedelta(hours=9)), Call)


def test_a_text_that_waits_keeps_its_day_of_use(sender: Sender, now):
    later = now + timedelta(days=3)
    assert queue(sender, not_before=later).not_after == later + outbox.OF_USE


def test_a_text_is_kept_back_by_what_it_is_about(sender: Sender, now):
    text = queue(sender, about="order:1")
    call = enqueue(sender, about="order:1", to=rows.landline())
    other = queue(sender, about="order:2")
    assert outbox.suppress(about={"order:1"}, why="cancelled", now=now, by=RULE) == 2
    for row in (text, call, other):
        row.refresh_from_db()
    assert (text.state, text.why) == (MessageState.SUPPRESSED, "cancelled")
    assert call.state == CallState.DROPPED
    assert other.state == MessageState.QUEUED


def test_a_text_taken_back_while_it_was_being_sent_is_not_sent_later(carrier: StandIn, sender: Sender, now):
    """Kept back in the very moment in which a worker had it; then the carrier was too busy to take it."""
    text = queue(sender, about="order:1", not_after=now + timedelta(hours=9))
    (taken,) = claims.claim(now=now).claimed
    outbox.suppress(about={"order:1"}, why="cancelled", now=now, by=RULE)
    delivery.record(taken, Busy("20429"), now=now)
    delivery.deliver(now=now + timedelta(hours=1))
    text.refresh_from_db()
    assert (text.state, carrier.taken, Call.objects.count()) == (MessageState.EXPIRED, [], 0)


def test_a_text_that_is_out_of_date_when_it_fails_is_not_said_again(carrier: StandIn, sender: Sender, now):
    text = queue(sender, about="order:1", not_after=now + timedelta(hours=9))
    delivery.deliver(now=now)
    text.refresh_from_db()
    outbox.suppress(about={"order:1"}, why="cancelled", now=now, by=RULE)
    later = now + timedelta(minutes=1)
    assert receipts.record(provider_id=text.provider_id, status="undelivered", error_code="30003", now=later)
    text.refresh_from_db()
    assert (text.state, Message.objects.count(), Call.objects.count()) == (MessageState.FAILED, 1, 0)


def test_a_better_text_takes_the_place_of_another(sender: Sender, now):
    old, other = queue(sender, about="appointment:1"), queue(sender, about="appointment:1", template="test.link")
    new = queue(sender, about="appointment:1")
    kept = outbox.suppress(
        about={"appointment:1"}, why="replaced", now=now, by=RULE, templates={"test.ready"}, replaced_by=new
    )
    for row in (old, new, other):
        row.refresh_from_db()
    assert kept == 1
    assert (old.replaced_by, old.state) == (new, MessageState.SUPPRESSED)
    assert new.state == other.state == MessageState.QUEUED


def test_a_sentence_refuses_places_that_it_does_not_know():
    with pytest.raises(KeyError):
        wording.register(key="test.wrong", places=["count"], ko="{title}", en="")
    with pytest.raises(KeyError):
        wording.register(key="test.ready", places=["count"], ko="other", en="other")
    with pytest.raises(KeyError):
        wording.render(key="test.nobody", language="ko", values={})
    with pytest.raises(KeyError):
        wording.render(key="test.ready", language="ko", values={})
    with pytest.raises(KeyError):
        wording.render(key="test.ready", language="ko", values={"count": 1, "title": "소년이 온다"})


def test_a_value_cannot_open_a_place():
    assert wording.render(key="test.link", language="en", values={"count": "{link}"}) == "(link) books {link}"
    assert wording.render(key="test.ready", language="ko-KR", values={"count": 2}) == "책 2권 준비"


def test_the_database_refuses_a_second_text_under_one_key(sender: Sender, now):
    text = queue(sender)
    with pytest.raises(IntegrityError), transaction.atomic():
        Message.begin(
            at=now,
            by=RULE,
            sender=sender,
            to=text.to,
            language="ko",
            kind="notice",
            template="test.ready",
            dedup_key=text.dedup_key,
            created_at=now,
            not_before=now,
            not_after=now + timedelta(hours=1),
        )
