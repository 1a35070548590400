"""Limits that are counted in PostgreSQL, so that every process counts together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import connection

from core.models import Counter
from core.refusal import TooMany


def hit(key: str, *, limit: int, per: timedelta, now: datetime) -> int:
    """Count one attempt under `key`; refuse with `too_many_attempts` from the one after `limit` in a window.

    Windows are aligned to the epoch. Call it outside the transaction of the attempt itself: a refused attempt
    counts too.
    """
    since = _window(per, now)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO core_counter (key, since, count) VALUES (%s, %s, 1)"
            " ON CONFLICT (key, since) DO UPDATE SET count = core_counter.count + 1 RETURNING count",
            [key[:120], since],
        )
        count = int(cursor.fetchone()[0])
    if count > limit:
        raise TooMany(retry_after=max(1, int((since + per - now).total_seconds())))
    return count


def check(key: str, *, limit: int, per: timedelta, now: datetime) -> None:
    """Refuse with `too_many_attempts` when `limit` was counted in this window already; counts nothing itself."""
    since = _window(per, now)
    if Counter.objects.filter(key=key[:120], since=since, count__gte=limit).exists():
        raise TooMany(retry_after=max(1, int((since + per - now).total_seconds())))


def _window(per: timedelta, now: datetime) -> datetime:
    seconds = int(per.total_seconds())
    return datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, tz=UTC)


def forget(*, before: datetime) -> int:
    """Drop the windows that began before `before`."""
    return Counter.objects.filter(since__lt=before).delete()[0]
