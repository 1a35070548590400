"""Tell open pages that something changed: a row in the transaction, a doorbell after it."""

from __future__ import annotations

import functools
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import redis
import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Count, Max

from core.compiled import soon
from core.models import Happening

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from core.moves import Said

log = structlog.get_logger()

Line = Any  # a connection of redis-py, which types nothing of what one does

PAUSE = 2.0  # seconds without a further try after Redis failed; readers look into PostgreSQL every two seconds anyway

_broken_until = 0.0
_at_the_bell = threading.Lock()


def publish(topics: Iterable[str], *, now: datetime) -> None:
    """Give each topic there is a new version within this transaction and ring its watchers after the commit."""
    if told := set(topics):
        soon(*published(told, now=now))


def published(topics: Iterable[str], *, now: datetime) -> Said:
    """What `publish` writes, for whoever writes it beside something else in this transaction; it rings all the same."""
    names = sorted(set(topics))
    transaction.on_commit(lambda: _ring(names))
    rows = ", ".join(["(%s, %s)"] * len(names))
    return f"INSERT INTO core_happening (topic, at) VALUES {rows}", [part for name in names for part in (name, now)]  # noqa: S608


def versions(topics: Iterable[str]) -> dict[str, str]:
    """The version of each topic, read from PostgreSQL: a text that changes whenever the topic does.

    It joins the newest id and the count, since a row with a lower id may commit after one with a higher.
    """
    names = sorted(set(topics))
    found = Happening.objects.filter(topic__in=names).values("topic").annotate(newest=Max("id"), count=Count("id"))
    known = {row["topic"]: f"{row['newest']}.{row['count']}" for row in found}
    return {name: known.get(name, "0.0") for name in names}


def channel(topic: str) -> str:
    """The Redis channel of a topic. Channels know no database numbers, so a prefix parts installations."""
    return f"{settings.LIVE_PREFIX}:{topic}"


def forget(*, before: datetime) -> int:
    """Drop old happenings; a watcher merely refetches once more."""
    return Happening.objects.filter(at__lt=before).delete()[0]


@functools.cache
def _doorbell(_process: int) -> Line:
    """One connection for all threads of a process, on which Redis answers nothing: to wait for how many heard the bell
    takes longer than all else of it.
    """
    pool = redis.ConnectionPool.from_url(
        settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1, redis_connect_func=_silenced
    )
    return pool.make_connection()


def _silenced(line: Line) -> None:
    line.on_connect()
    line.send_command("CLIENT", "REPLY", "OFF")


@functools.lru_cache(100)
def _packed(line: Line, channels: tuple[str, ...]) -> list[bytes]:
    packed: list[bytes] = line.pack_commands([("PUBLISH", name, "1") for name in channels])
    return packed


def _has_ended(line: Line) -> bool:
    try:
        return bool(line.can_read())  # nothing else is ever said on it
    except redis.ConnectionError:
        return True


def _ring(topics: list[str]) -> None:
    global _broken_until  # noqa: PLW0603
    if time.monotonic() < _broken_until:
        return
    line = _doorbell(os.getpid())
    try:
        with _at_the_bell:
            if line.is_connected and _has_ended(line):
                line.disconnect()
            line.send_packed_command(_packed(line, tuple(map(channel, topics))))
    except redis.RedisError as error:
        _broken_until = time.monotonic() + PAUSE
        log.warning("live.doorbell_lost", topics=topics, error=type(error).__name__)
