"""Commands that touch several rooms."""

from __future__ import annotations

import io
import time
from datetime import time as clock_time
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from config import invariants, tasks
from config.celery import HANDOFFS, TIMETABLE
from core import clock, nudge
from core.models import Answer, Counter, Happening, Journal
from lending import accounts, codes
from lending.models import Copy
from notifications import inbound
from notifications.models import InboundMessage, Message, Receipt
from pickup import offers, orders
from pickup.models import Order, Slot
from tests import rows
from tests.pickup import steps


def said(command: str, *args: str) -> str:
    out = io.StringIO()
    call_command(command, *args, stdout=out)
    return out.getvalue()


@pytest.mark.django_db(transaction=True)
def test_a_sweep_carries_an_order_as_far_as_it_goes_without_any_worker(no_redis) -> None:
    now = clock.now()
    point = rows.point()
    who = rows.patron(point.library)
    rows.reserve(who, rows.copy(at=point.library).title, at=point, now=now)
    told = said("sweep")
    assert "pickup.order" in told
    order = Order.objects.get()
    assert (order.state, order.patron) == ("picking", who)
    rows.slot(point, now + timedelta(hours=26))
    steps.ready(order, now=now)
    assert "pickup.appointment" in said("sweep")
    order.refresh_from_db()
    assert order.appointment is not None
    assert Message.objects.filter(about=f"appointment:{order.appointment_id}").exists()
    assert "pickup." not in said("sweep")


@pytest.mark.django_db(transaction=True)
def test_a_sweep_goes_on_until_it_is_stopped_whatever_failed(no_redis, monkeypatch) -> None:
    rounds = []

    def one_round(_seconds: float) -> None:
        rounds.append(Message.objects.filter(template="offer").count())
        if len(rounds) == 1:
            monkeypatch.setattr(offers, "offer_ready", broken)
            rows.slot(point, clock.now() + timedelta(hours=26))
            steps.ready(steps.asked(rows.patron(point.library), point, now=clock.now()), now=clock.now())
        if len(rounds) == 2:
            monkeypatch.setattr(offers, "offer_ready", works)
        if len(rounds) == 3:
            raise KeyboardInterrupt

    def broken(**_: object) -> int:
        raise OperationalError("no database")

    works, point = offers.offer_ready, rows.point()
    monkeypatch.setattr("config.management.commands.sweep.time.sleep", one_round)
    with pytest.raises(KeyboardInterrupt):
        said("sweep", "--every", "5")
    assert rounds == [0, 0, 1]


@pytest.mark.django_db(transaction=True)
def test_what_no_doorbell_and_no_beat_told_is_found_by_a_sweep(no_redis, monkeypatch, settings) -> None:
    """Redis failed a moment ago, so that every ring is dropped without a try, and nobody's clock rings either.

    Each hand-off is left behind once; one sweep by hand, straight from PostgreSQL, does what each ring would have.
    """
    settings.TRANSPORTS = {**settings.TRANSPORTS, "text": "notifications.transports.memory.Memory"}
    monkeypatch.setattr(nudge, "_broken_until", time.monotonic() + 3600)
    monkeypatch.setattr("core.nudge.current_app.send_task", pytest.fail)
    assert set(HANDOFFS.values()) <= set(TIMETABLE)  # a doorbell without a sweep would be a promise on Redis
    now = clock.now()
    sender = rows.sender(quiet_from=clock_time(0), quiet_until=clock_time(0))
    point = rows.point(rows.library(sender=sender.key))
    rows.slot(point, now + timedelta(hours=26))
    given_back = steps.asked(rows.patron(point.library), point, now=now)
    waits = rows.patron(point.library)
    (waiting,) = rows.reserve(waits, given_back.lines.get().copy.title, at=point, now=now)
    orders.cancel(order_id=given_back.pk, by=steps.DESK, now=now)  # a copy came free
    packed = steps.ready(steps.asked(rows.patron(point.library), point, now=now), now=now)  # an order is ready
    codes.ask(card_number=waits.card_number, address="", now=now)  # a code is asked for
    came: dict[str, Any] = {"from_number": rows.mobile(), "to_number": sender.number, "body": "hello?", "media": 0}
    said_in = inbound.store(provider_id="SM1", **came, now=now)  # an answer is stored
    assert Message.objects.filter(state="queued").exists()  # that the order is cancelled: a message is queued
    assert (waiting.state, steps.again(packed).appointment) == ("waiting", None)

    said("sweep")
    waiting.refresh_from_db()
    assert (waiting.state, Order.objects.get(patron=waits).state) == ("bagged", "picking")
    assert steps.again(packed).appointment is not None
    assert not Message.objects.filter(state="queued").exists()
    assert Message.objects.filter(template="lending.code", state="accepted").exists()
    assert Message.objects.filter(about=f"appointment:{steps.again(packed).appointment_id}", state="accepted").exists()
    assert InboundMessage.objects.get(pk=said_in.pk).state != "stored"


@pytest.mark.django_db
def test_the_laws_hold_in_a_house_at_work() -> None:
    now = clock.now()
    point = rows.point()
    who = rows.patron(point.library)
    order = steps.ready(steps.asked(who, point, books=2, now=now), now=now)
    steps.handed_over(order, now=now)
    assert "laws hold" in said("check_invariants")


@pytest.mark.django_db
@pytest.mark.lawless("I1", why="breaks it to see that it is found")
def test_rows_that_break_a_law_are_printed() -> None:
    point = rows.point()
    slot = rows.slot(point)
    Slot.objects.filter(pk=slot.pk).update(booked=2)
    out = io.StringIO()
    with pytest.raises(CommandError, match=r"1 of \d+ laws are broken"):
        call_command("check_invariants", stdout=out)
    assert "I1" in out.getvalue()
    assert str(slot.pk) in out.getvalue()


def breaks(sql: str, *values: int) -> set[str]:
    """The laws that break once this was written past the house."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
    return {breach.law.number for breach in invariants.breaches()}


@pytest.mark.django_db
@pytest.mark.lawless("I3", why="breaks it to see that it is found")
def test_a_state_that_no_journal_tells_is_found() -> None:
    copy = rows.copy()
    assert breaks("UPDATE lending_copy SET state = 'missing' WHERE id = %s", copy.pk) == {"I3"}


@pytest.mark.django_db
@pytest.mark.lawless("I3", why="breaks it to see that it is found")
def test_a_move_that_is_in_no_table_is_found() -> None:
    copy = rows.copy()
    Copy.objects.filter(pk=copy.pk).update(state="withdrawn")
    for was, became in (("shelf", "lost"), ("lost", "withdrawn")):
        Journal.objects.create(
            noun="lending.copy", row=copy.pk, was=was, became=became, at=clock.now(), principal="rule", channel="rule"
        )
    assert {breach.law.number for breach in invariants.breaches()} == {"I3"}


@pytest.mark.django_db
@pytest.mark.lawless("I2", "I3", why="breaks them to see that they are found")
def test_a_bagged_reservation_without_a_bag_is_found() -> None:
    point = rows.point()
    [row] = rows.reserve(rows.patron(point.library), rows.copy(at=point.library).title, at=point)
    assert breaks("UPDATE lending_reservation SET state = 'bagged' WHERE id = %s", row.pk) == {"I2", "I3"}


@pytest.mark.django_db
@pytest.mark.lawless("I1", "I2", "I3", why="breaks them to see that they are found")
def test_a_promise_to_nobody_is_found() -> None:
    point = rows.point(rules={"promise": "at_order"})
    steps.asked(rows.patron(point.library), point, slot_id=rows.slot(point).pk)
    broken = breaks("UPDATE pickup_order SET state = 'cancelled'")
    assert "I1" in broken


@pytest.mark.django_db
@pytest.mark.lawless("I1", why="breaks it to see that it is found")
def test_a_time_of_arrival_beside_its_slot_is_found() -> None:
    point = rows.point(rules={"promise": "at_order"})
    steps.asked(rows.patron(point.library), point, slot_id=rows.slot(point).pk)
    assert breaks("UPDATE pickup_appointment SET arrive_at = arrive_at - interval '1 hour'") == {"I1"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("sql", "law"),
    [
        (
            "UPDATE pickup_order SET ready_at = now() - interval '2 minutes', opened_at = now() - interval '1 hour'",
            "I4",
        ),
        ("UPDATE pickup_order SET opened_at = now() + interval '1 minute'", "I9"),
        ("UPDATE lending_copy SET state = 'lost'", "I2"),
        (
            "UPDATE pickup_order SET state = 'cancelled', moved_at = now() - interval '30 days'",
            "I10",
        ),
        ("ALTER TABLE core_journal DISABLE TRIGGER core_journal_append_only", "I11"),
        ("ALTER TABLE lending_consent DISABLE TRIGGER lending_consent_unchanged", "I11"),
    ],
)
@pytest.mark.lawless("I2", "I3", "I11", why="breaks them to see that they are found")
def test_each_law_has_teeth(sql, law) -> None:
    now = clock.now()
    point = rows.point()
    steps.ready(steps.asked(rows.patron(point.library), point, now=now), now=now)
    assert {breach.law.number for breach in invariants.breaches()} == set()
    assert law in breaks(sql)


@pytest.mark.django_db
def test_short_memory_is_forgotten_and_the_rest_is_kept() -> None:
    now = clock.database_now()
    for age, name in ((timedelta(hours=1), "new"), (timedelta(days=3), "old")):
        Answer.objects.create(principal="patron:1", key=name, fingerprint="f", status=200, body={}, at=now - age)
        Counter.objects.create(key=name, since=now - age, count=1)
        Happening.objects.create(topic=name, at=now - age)
        Receipt.objects.create(provider_id=name, status="sent", at=now - age)
    tasks.forget()
    assert [row.key for row in Answer.objects.all()] == ["new"]
    assert [row.key for row in Counter.objects.all()] == ["new"]
    assert [row.topic for row in Happening.objects.all()] == ["new"]
    assert [row.provider_id for row in Receipt.objects.all()] == ["new"]


@pytest.mark.django_db
def test_a_camera_gets_its_token_by_a_command() -> None:
    library = rows.library()
    token = accounts.token_of(
        said("issue_device_token", "plate camera", "--library", library.code).strip(), now=clock.now()
    )
    assert token is not None
    assert (token.device, token.library, token.scopes) == ("plate camera", library, ["arrive"])
    with pytest.raises(CommandError, match="no library"):
        said("issue_device_token", "plate camera", "--library", "nowhere")
    with pytest.raises(CommandError, match="1 to 60"):
        said("issue_device_token", " ", "--library", library.code)
    with pytest.raises(CommandError, match="3650"):
        said("issue_device_token", "plate camera", "--library", library.code, "--days", "0")
