"""Somebody who goes on working while things break: `python -m tests.faults.feed`.

Reads one JSON object a line and answers with one. What fails for the database's sake is tried again, as a program with
an Idempotency-Key would: the same words again are the same row.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from datetime import time as clock_time
from datetime import timedelta
from typing import Any, TypeVar

import django
from django.db import InterfaceError, OperationalError, connection, transaction

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from config.celery import app  # noqa: E402
from core import clock  # noqa: E402 - rows come after the set-up
from core.actor import RULE  # noqa: E402
from lending.reservations import Item  # noqa: E402
from notifications import outbox, wording  # noqa: E402
from notifications.models import Message, Sender  # noqa: E402
from notifications.outbox import Text  # noqa: E402
from pickup import orders, packing  # noqa: E402
from pickup.models import OrderLine  # noqa: E402
from tests import rows  # noqa: E402

AGAIN_AFTER = 0.2
AWAKE = {"quiet_from": clock_time(0), "quiet_until": clock_time(0), "daily_budget": 1_000_000}
Answer = TypeVar("Answer")

wording.register(
    key="test.fault", places=["number"], ko="{number}번 책이 준비되었습니다.", en="Order {number} is ready."
)


def patiently(act: Callable[[], Answer], *, within: float) -> tuple[Answer, int]:
    """Do it in a transaction, again and again while the database is away; how often it had to be done again."""
    until = time.monotonic() + within
    for tries in range(1_000_000):
        try:
            with transaction.atomic(durable=True):
                return act(), tries
        except (InterfaceError, OperationalError):
            connection.close()
            if time.monotonic() > until:
                raise
            time.sleep(AGAIN_AFTER)
    raise AssertionError("unreachable")


def queue(*, first: int, count: int, batch: int, seconds: float, wait: bool = False) -> dict[str, Any]:
    """Queue so many texts by the verb itself, a batch a transaction, spread over so many seconds.

    Those that `wait` are not due until they are released.
    """
    sender, _ = patiently(_sender, within=60)
    ids: list[int] = []
    slowest = again = 0.0
    began = time.monotonic()
    for start in range(first, first + count, batch):
        numbers = range(start, min(start + batch, first + count))

        def say(numbers: range = numbers) -> list[int]:
            texts = [
                Text(
                    sender=sender.key,
                    to=f"+82100000{number % 10_000:04d}",
                    language="ko",
                    kind="notice",
                    template="test.fault",
                    values={"number": number},
                    about=f"fault:{number}",
                    dedup_key=f"fault:{number}",
                    not_before=clock.database_now() + timedelta(hours=1) if wait else None,
                )
                for number in numbers
            ]
            made = outbox.enqueue_all(texts, now=clock.database_now(), by=RULE)
            return [one.pk for one in made if one is not None]

        time.sleep(max(0.0, began + seconds * (start - first) / count - time.monotonic()))
        asked = time.monotonic()
        made, tries = patiently(say, within=60)
        slowest = max(slowest, time.monotonic() - asked)
        again += tries
        ids += made
    return {"ids": ids, "slowest": slowest, "again": again}


def release(*, ids: list[int], times: int) -> dict[str, Any]:
    """Make texts that wait due at once, and ring so many worker processes for them."""
    Message.objects.filter(pk__in=ids).update(not_before=clock.database_now())
    for _ in range(times):
        app.send_task("notifications.tasks.deliver")
    return {}


def _sender() -> Sender:
    return Sender.objects.filter(key="faults").first() or rows.sender(key="faults", **AWAKE)


def readers(*, count: int) -> dict[str, Any]:
    """So many readers, each with a bag that is ready and is offered a time by the worker; their numbers."""
    house = rows.sender(gateway="domestic", **AWAKE)
    library = rows.library(sender=house.key)
    point = rows.point(library)
    rows.slot(point, clock.database_now() + timedelta(hours=30), capacity=count)
    found = []
    for place in range(count):
        patron = rows.patron(library, number=f"+82100000{9_000 + place:04d}")
        copy = rows.copy(at=library)
        by, now = rows.patron_actor(patron), clock.database_now()
        asked = orders.request(patron_id=patron.pk, point_id=point.pk, items=[Item(copy.title_id)], by=by, now=now)
        assert asked.order is not None
        for line in OrderLine.objects.filter(order=asked.order).select_related("copy"):
            packing.pack(order_id=asked.order.pk, barcode=line.copy.barcode, by=RULE, now=now)
        packing.mark_ready(order_id=asked.order.pk, by=RULE, now=clock.database_now())
        found.append({"number": f"+82100000{9_000 + place:04d}", "order": asked.order.pk})
    return {"readers": found, "library": house.number}


if __name__ == "__main__":
    rows.leave_out(700_000)
    verbs: dict[str, Callable[..., dict[str, Any]]] = {"queue": queue, "readers": readers, "release": release}
    print(json.dumps({"awake": True}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(verbs[asked.pop("do")](**asked)), flush=True)
