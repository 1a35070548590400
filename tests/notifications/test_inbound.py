"""What people send us is stored once, understood once, and never lost."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections

from core.actor import Actor
from core.moves import MoveRefused
from core.refusal import Refusal
from notifications import consent, delivery, inbound, queries
from notifications.doors import Door
from notifications.errors import UnknownInbound
from notifications.inbound import Inbound, Reply, Text
from notifications.keywords import Meaning
from notifications.models import Gateway, InboundMessage, Kind, Message, OptOut, Sender
from notifications.states import InboundState
from tests import rows
from tests.notifications.standin import StandIn

pytestmark = pytest.mark.django_db
heard: list[Inbound] = []


def answer(*, inbound: Inbound, now: datetime) -> Reply:
    """Stands for the room above: understands "1", breaks at "boom", keeps the rest for the staff."""
    heard.append(inbound)
    if inbound.body == "boom":
        OptOut.objects.create(number="+821000008888", since=now, source="staff")  # must be rolled back
        raise LookupError(inbound.body)
    if inbound.body == "refuse":
        raise Refusal
    text = Text("test.ready", {"count": 1}, "en")
    if inbound.meaning.meaning is Meaning.CONFIRM:
        return Reply(applied=True, why="confirm", about="order:1", text=text)
    return Reply(applied=False, why="not_understood", text=text)


@pytest.fixture(autouse=True)
def _hook(settings: Any) -> None:
    heard.clear()
    settings.INBOUND_ANSWER = "tests.notifications.test_inbound.answer"


def store(
    sender: Sender, body: str = "1", *, number: str = "", sid: str = "", now: datetime = rows.NOW, **columns: Any
):
    return inbound.store(
        provider_id=sid or f"SM{rows.serial():032x}",
        from_number=number or rows.american(),
        to_number=columns.pop("to", sender.number),
        body=body,
        media=0,
        now=now,
        **columns,
    )


def test_a_text_is_understood_once_and_answered_through_the_outbox(sender: Sender, now):
    row = store(sender)
    assert inbound.apply(now=now) == 1
    assert inbound.apply(now=now) == 0
    row.refresh_from_db()
    assert (row.state, row.why, row.about) == (InboundState.APPLIED, "confirm", "order:1")
    said = Message.objects.get()
    assert (said.to, said.kind, said.dedup_key, said.body, said.may_call) == (
        row.from_number,
        Kind.ANSWER,
        f"answer:{row.provider_id}",
        "1 books ready",
        False,
    )
    assert [(one.from_number, one.sender_key, one.body) for one in heard] == [(row.from_number, sender.key, "1")]


def test_the_same_text_ten_times_is_answered_once(sender: Sender, now):
    number = rows.american()
    stored = {store(sender, sid="SM" + "5" * 32, number=number).pk for _ in range(10)}
    for _ in range(3):
        inbound.apply(now=now)
    assert len(stored) == len(heard) == Message.objects.count() == 1


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_two_workers_understand_a_text_once(now):
    sender = rows.sender()
    for _ in range(12):
        store(sender)
    together = threading.Barrier(2)

    def work():
        together.wait()
        inbound.apply(now=now)
        connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    inbound.apply(now=now)
    assert Message.objects.count() == 12
    assert set(InboundMessage.objects.values_list("state", flat=True)) == {InboundState.APPLIED}


def test_what_is_not_understood_goes_to_the_staff_and_is_answered_all_the_same(sender: Sender, now):
    row = store(sender, "3시에 갈게요")
    inbound.apply(now=now)
    assert list(queries.parked()) == [row]
    assert list(queries.parked([sender.key])) == [row]
    assert list(queries.parked(["another"])) == []
    assert Message.objects.count() == 1


def test_a_text_that_breaks_is_tried_five_times_and_then_goes_to_the_staff(sender: Sender, now):
    broken, refused, fine = store(sender, "boom"), store(sender, "refuse"), store(sender)
    inbound.apply(now=now)
    fine.refresh_from_db()
    assert fine.state == InboundState.APPLIED
    for _ in range(5):
        inbound.apply(now=now)
    for row in (broken, refused):
        row.refresh_from_db()
        assert (row.state, row.why, row.attempts) == (InboundState.PARKED, "error", 5)
    assert not OptOut.objects.exists()


@pytest.mark.parametrize(
    ("body", "why"), [("STOP", "opt_out"), ("START", "opt_in"), ("HELP", "help"), ("info", "help")]
)
def test_what_the_carrier_answers_itself_gets_no_word_from_us(sender: Sender, now, body, why):
    row = store(sender, body)
    inbound.apply(now=now)
    row.refresh_from_db()
    assert (row.state, row.why) == (InboundState.APPLIED, why)
    assert heard == []
    assert not Message.objects.exists()


def test_who_said_stop_and_writes_again_is_heard_but_not_answered(sender: Sender, now):
    number = rows.american()
    store(sender, "STOP", number=number)
    store(sender, "1", number=number)
    inbound.apply(now=now)
    assert len(heard) == 1
    assert not Message.objects.exists()


def test_yes_opts_in_again_and_still_means_yes(sender: Sender, now):
    number = rows.american()
    store(sender, "STOP", number=number)
    store(sender, "YES", number=number)
    inbound.apply(now=now)
    assert not consent.opted_out([number])
    assert Message.objects.get().to == number


@pytest.mark.parametrize("number", ["02107", "+822107", "02-107", "107"])
def test_a_relay_is_never_matched_to_a_patron_and_never_opted_out(sender: Sender, now, number):
    for body in ("1", "STOP"):
        row = store(sender, body, number=number)
        inbound.apply(now=now)
        row.refresh_from_db()
        assert (row.state, row.why) == (InboundState.PARKED, "relay")
    assert heard == []
    assert not OptOut.objects.exists()


@pytest.mark.parametrize("number", ["anonymous", "+266696687", "Unknown", "12345"])
def test_a_withheld_number_goes_to_a_person(sender: Sender, now, number):
    row = store(sender, "1", number=number)
    inbound.apply(now=now)
    row.refresh_from_db()
    assert (row.state, row.why) == (InboundState.PARKED, "withheld")


def test_a_text_to_a_number_that_is_not_ours_goes_to_a_person(sender: Sender, now):
    row = store(sender, "1", to="+19995550000")
    inbound.apply(now=now)
    row.refresh_from_db()
    assert (row.state, row.why, row.sender) == (InboundState.PARKED, "not_our_number", None)


def test_nobody_settles_a_text_that_was_not_understood_yet(sender: Sender, now):
    row = store(sender, "4")
    with pytest.raises(MoveRefused):
        inbound.settle(inbound_id=row.pk, by=Actor("staff", 3), now=now)
    assert inbound.apply(now=now) == 1


def test_staff_settle_a_text_once(sender: Sender, now):
    row = store(sender, "?")
    inbound.apply(now=now)
    by = Actor("staff", 3)
    settled = inbound.settle(inbound_id=row.pk, by=by, now=now, why="phoned")
    assert (settled.state, settled.why) == (InboundState.APPLIED, "phoned")
    with pytest.raises(MoveRefused):
        inbound.settle(inbound_id=row.pk, by=by, now=now)
    with pytest.raises(UnknownInbound):
        inbound.settle(inbound_id=0, by=by, now=now)


def test_texts_that_no_webhook_brought_are_fetched_from_the_carrier(carrier: StandIn, sender: Sender):
    now = datetime.now(UTC)
    known = carrier.text_in(sent_from=rows.american(), sent_to=sender.number, body="1")
    missed = carrier.text_in(sent_from=rows.american(), sent_to=sender.number, body="4")
    carrier.text_in(sent_from=rows.american(), sent_to="+19995550000", body="1")
    store(sender, sid=known["sid"], number=known["from"])
    assert inbound.fetch_missed(now=now) == 1
    assert inbound.fetch_missed(now=now) == 0
    row = InboundMessage.objects.get(provider_id=missed["sid"])
    assert (row.from_number, row.body, row.sender) == (missed["from"], "4", sender)


def test_fetched_texts_are_heard_in_the_order_in_which_they_were_written(carrier: StandIn, sender: Sender):
    number = rows.american()
    for body in ("STOP", "START"):
        carrier.text_in(sent_from=number, sent_to=sender.number, body=body)
    assert inbound.fetch_missed(now=datetime.now(UTC)) == 2
    assert not consent.opted_out([number])


def test_after_a_long_silence_the_look_goes_back_as_far(carrier: StandIn, sender: Sender):
    now = datetime.now(UTC)
    inbound.fetch_missed(now=now - timedelta(hours=5))
    old = carrier.text_in(sent_from=rows.american(), sent_to=sender.number, body="1")
    old["date_sent"] = old["date_created"] = (now - timedelta(hours=4)).strftime("%a, %d %b %Y %H:%M:%S +0000")
    carrier.list_status = 503
    assert inbound.fetch_missed(now=now) == 0
    carrier.list_status = 200
    assert inbound.fetch_missed(now=now) == 1


def test_replies_of_korean_phones_are_asked_for_only_where_they_arrive(sender: Sender):
    korean, american = "+821000000001", "+12125550142"
    assert Door.REPLY not in queries.open_for(sender.key, korean)
    assert Door.REPLY in queries.open_for(sender.key, american)
    Sender.objects.filter(pk=sender.pk).update(gateway=Gateway.DOMESTIC)
    assert Door.REPLY in queries.open_for(sender.key, korean)
    assert Door.LINK not in queries.open_for(sender.key, korean)
    assert Door.REPLY not in queries.open_for(sender.key, "+819012345678")
    assert queries.open_for("nobody", "nonsense") == {Door.CODE_PAGE, Door.CALL_IN}


def test_an_answer_leaves_at_night(carrier: StandIn, sender: Sender):
    night = rows.NOW + timedelta(hours=13)
    store(sender, now=night)
    inbound.apply(now=night)
    delivery.deliver(now=night)
    assert len(carrier.taken) == 1
