"""One person writes "2" and then "1": both are understood, in that order, however many workers there are."""

from __future__ import annotations

import threading
import time

import pytest

from notifications import inbound
from notifications.inbound import Reply
from notifications.models import InboundMessage, Sender
from tests import rows
from tests.races.together import together

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

SAID = ("2", "1")
done: list[str] = []
busy = threading.Event()


def answer(*, inbound, now):
    """Stands for the room above: takes long for the first text."""
    if inbound.body == SAID[0]:
        busy.set()
        time.sleep(0.5)
    done.append(inbound.body)
    return Reply(applied=True, why="heard")


def two_workers(now, settings, *, rung: bool):
    """One worker has the first text in hand when the other one is rung for the second, or sweeps."""
    settings.INBOUND_ANSWER = "tests.races.test_inbound_races.answer"
    done.clear()
    busy.clear()
    rows.library()
    sender, number = Sender.objects.get(), rows.american()
    keys = [
        inbound.store(
            provider_id=f"SM{rows.serial():032x}",
            from_number=number,
            to_number=sender.number,
            body=body,
            media=0,
            now=now,
        ).pk
        for body in SAID
    ]

    def apply(n):
        if n == 0:
            return inbound.apply(now=now, ids=keys[:1])
        assert busy.wait(20)
        return inbound.apply(now=now, ids=keys[1:] if rung else None)

    return together(2, apply, durable=False)


@pytest.mark.parametrize("rung", [True, False], ids=["rung", "swept"])
def test_what_one_person_writes_is_understood_in_the_order_in_which_it_came(now, settings, rung):
    outcome = two_workers(now, settings, rung=rung)
    assert (outcome.refused, sum(outcome.answers), done) == ([], 2, list(SAID))
    assert not InboundMessage.objects.filter(state="stored").exists()


@pytest.mark.control
def test_without_turns_the_second_is_understood_before_the_first(now, settings, monkeypatch):
    monkeypatch.setattr(inbound, "_is_its_turn", lambda _key: True)
    two_workers(now, settings, rung=True)
    assert done == list(reversed(SAID))
