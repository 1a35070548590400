"""A carrier at the wire, sentences to say, and builders of texts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from core.actor import RULE
from notifications import breaker, claims, outbox, wording
from notifications.models import Call, Message, Sender
from tests import rows
from tests.notifications import standin
from tests.notifications.standin import StandIn

wording.register(key="test.ready", places=["count"], ko="책 {count}권 준비", en="{count} books ready")
wording.register(key="test.link", places=["count"], ko="책 {count}권 {link}", en="{count} books {link}")


def link_of(about: str, *, to: str, now: datetime) -> str | None:
    """Stands for the room above: an order has an address until it is over; one number breaks."""
    if about.endswith(":broken"):
        raise LookupError(about)
    if about.endswith(":refused"):
        Sender.objects.create(key="x" * 50)  # the database refuses it
    return None if about.endswith(":over") else f"https://pickup.example.org/o/{about.replace(':', '-')}"


@pytest.fixture(autouse=True)
def _fresh_breaker() -> Iterator[None]:
    breaker.reset()
    yield
    breaker.reset()


@pytest.fixture
def carrier(settings: Any) -> Iterator[StandIn]:
    """Twilio, on this machine."""
    with standin.serving() as running:
        settings.TWILIO_API_BASE_URL = running.base_url
        settings.LINK_OF = "tests.notifications.conftest.link_of"
        yield running


@pytest.fixture
def sender(db: None) -> Sender:
    return rows.sender()


def queue(sender: Sender, *, now: datetime = rows.NOW, **columns: Any) -> Message:
    """A text in the queue: a notice in Korean to a mobile of its own."""
    made = enqueue(sender, now=now, **columns)
    assert isinstance(made, Message)
    return made


def enqueue(sender: Sender, *, now: datetime = rows.NOW, **columns: Any) -> Message | Call | None:
    """Say something through the verb itself."""
    number = rows.serial()
    plain: dict[str, Any] = {
        "sender": sender.key,
        "to": rows.mobile(),
        "language": "ko",
        "kind": "notice",
        "template": "test.ready",
        "values": {"count": 3},
        "about": f"order:{number}",
        "dedup_key": f"test:{number}",
        "now": now,
        "by": RULE,
    }
    return outbox.enqueue(**{**plain, **columns})


def claimed(message: Message, *, now: datetime = rows.NOW) -> claims.Claimed:
    """The claim of one text by a worker."""
    (one,) = claims.claim(now=now, ids=[message.pk]).claimed
    return one
