"""The call list."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.actor import Actor
from core.moves import MoveRefused
from notifications import calls, claims, outbox, queries
from notifications.errors import UnknownCall
from notifications.models import Call, Message, Sender
from notifications.states import CallState, MessageState
from tests import rows
from tests.notifications.conftest import enqueue, queue

pytestmark = pytest.mark.django_db
LIBRARIAN = Actor("staff", 3, "desk")


def listed(sender: Sender, **columns) -> Call:
    call = enqueue(sender, to=rows.landline(), **columns)
    assert isinstance(call, Call)
    return call


def test_a_call_that_nobody_answers_comes_back_later_until_it_is_answered(sender: Sender, now):
    call = listed(sender)
    assert list(queries.calls_due([sender.key])) == [call]
    calls.unreached(call_id=call.pk, by=LIBRARIAN, now=now)
    assert list(queries.calls_due([sender.key])) == []
    assert list(queries.calls_unreached([sender.key])) == [call]
    again = calls.again(call_id=call.pk, by=LIBRARIAN, now=now)
    assert (again.state, again.due_at) == (CallState.DUE, now + calls.LATER)
    reached = calls.reached(call_id=call.pk, by=LIBRARIAN, now=now)
    assert (reached.state, reached.tries) == (CallState.REACHED, 2)
    with pytest.raises(MoveRefused):
        calls.unreached(call_id=call.pk, by=LIBRARIAN, now=now)


def test_a_call_that_is_needless_is_dropped(sender: Sender, now):
    assert calls.dropped(call_id=listed(sender).pk, by=LIBRARIAN, now=now).state == CallState.DROPPED


def test_calls_that_are_over_drop_by_themselves(sender: Sender, now):
    call = listed(sender, not_after=now + timedelta(hours=1))
    assert calls.drop_late(now=now) == 0
    assert calls.drop_late(now=now + timedelta(hours=2)) == 1
    call.refresh_from_db()
    assert call.state == CallState.DROPPED


def test_a_call_belongs_to_the_list_of_its_sender(sender: Sender):
    call = listed(sender)
    assert calls.of_sender(call.pk) == sender.key
    assert list(queries.calls_due([rows.sender().key])) == []
    with pytest.raises(UnknownCall):
        calls.of_sender(0)
    with pytest.raises(UnknownCall):
        calls.reached(call_id=0, by=LIBRARIAN, now=rows.NOW)


def test_what_was_said_about_a_thing_is_found(sender: Sender):
    call = listed(sender, about="order:5")
    text = enqueue(sender, about="order:5")
    assert list(queries.calls_about({"order:5"})) == [call]
    assert list(queries.messages_about({"order:5"})) == [text]


def test_a_call_that_nobody_answered_ends_with_what_it_is_about(sender: Sender, now):
    gone, late, told = (listed(sender, about=f"order:{n}", not_after=now + timedelta(hours=1)) for n in (1, 2, 3))
    for call in (gone, late, told):
        calls.unreached(call_id=call.pk, by=LIBRARIAN, now=now)
    assert outbox.suppress(about=["order:1"], why="cancelled", now=now, by=LIBRARIAN) == 1
    assert calls.reached(call_id=told.pk, by=LIBRARIAN, now=now).state == CallState.REACHED
    assert calls.drop_late(now=now + timedelta(hours=2)) == 1
    assert [Call.objects.get(pk=call.pk).state for call in (gone, late)] == [CallState.DROPPED] * 2


def test_a_text_that_never_left_becomes_a_call_while_there_is_something_to_tell(sender: Sender, now):
    soon, later = now + timedelta(hours=1), now + timedelta(days=2)
    told = enqueue(sender, not_after=soon, call_until=later)
    over = enqueue(sender, not_after=soon)
    answer = enqueue(sender, not_after=soon, call_until=later, kind="answer")
    claims.claim(now=now + timedelta(hours=2), ids=[row.pk for row in (told, over, answer)])
    assert {row.state for row in Message.objects.all()} == {MessageState.EXPIRED}
    call = Call.objects.get()
    assert (call.number, call.not_after, call.state) == (told.to, later, CallState.DUE)


def test_a_text_that_was_kept_back_on_its_way_is_never_called(sender: Sender, now):
    text = queue(sender, about="order:9", call_until=now + timedelta(days=2))
    claims.claim(now=now, ids=[text.pk])
    outbox.suppress(about=["order:9"], why="cancelled", now=now, by=LIBRARIAN)
    text.refresh_from_db()
    assert calls.instead_of(text, now=now + timedelta(minutes=1)) is None
