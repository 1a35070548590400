"""Who fails to sign in waits, each time longer; counted in PostgreSQL, by one statement, before anything is compared.

There is no lock: the longest wait is a quarter of an hour, however often a stranger tries. A try within a wait is
refused and prolongs nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import connection
from django.utils.translation import gettext_lazy as _

from core.refusal import TooMany
from lending.models import Guess

if TYPE_CHECKING:
    from collections.abc import Collection

FREE = 5
"""Failures in a row before the first wait."""
FIRST, LONGEST = timedelta(seconds=30), timedelta(minutes=15)
"""The first wait; each further one is twice as long, up to the longest."""
FORGOTTEN = timedelta(hours=24)
"""Failures count as in a row until nobody has tried for so long."""

_COUNT = """
INSERT INTO lending_guess AS g (key, failures, last_at, wait_until) VALUES (%(key)s, 1, %(now)s, NULL)
ON CONFLICT (key) DO UPDATE SET
    failures = CASE WHEN g.last_at <= %(forgotten)s THEN 1 ELSE g.failures + 1 END,
    last_at = %(now)s,
    wait_until = CASE WHEN g.last_at > %(forgotten)s AND g.failures + 1 >= %(free)s
        THEN %(now)s::timestamptz + LEAST(%(longest)s, %(first)s * power(2, LEAST(g.failures + 1 - %(free)s, 20)))
            * interval '1 second' END
WHERE g.wait_until IS NULL OR g.wait_until <= %(now)s
RETURNING failures
"""


class PleaseWait(TooMany):
    """Facts: minutes (until the next try, at least 1)."""

    sentence = _(
        "Too many wrong tries. The next is possible in %(minutes)s min. A code by text, or the library, helps sooner."
    )


def count(key: str, *, now: datetime) -> int:
    """Count a try under `key` as failed before it is looked at; gives back how many failed in a row with this one.

    Refuses a try within a wait (`too_many_attempts`, with the seconds that are left). Call it outside the transaction
    of the try, and `wipe` after one that succeeded.
    """
    values: dict[str, str | int | float | datetime] = {
        "key": key,
        "now": now,
        "forgotten": now - FORGOTTEN,
        "free": FREE,
        "first": FIRST.total_seconds(),
        "longest": LONGEST.total_seconds(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, values)
        counted = cursor.fetchone()
    if counted:
        return int(counted[0])
    until = Guess.objects.filter(key=key).values_list("wait_until", flat=True).first() or now
    left = max(1, int((until - now).total_seconds()))
    raise PleaseWait(retry_after=left, minutes=-(-left // 60))


def wipe(keys: Collection[str]) -> int:
    """Forget the failures under these keys: somebody signed in, or staff lifted the wait. Gives back how many."""
    return Guess.objects.filter(key__in=keys).delete()[0]


def waits(key: str, *, now: datetime) -> datetime | None:
    """Until when tries under `key` are refused; None if one is possible now."""
    return Guess.objects.filter(key=key, wait_until__gt=now).values_list("wait_until", flat=True).first()


def forget(*, now: datetime) -> int:
    """Drop what is not counted any more."""
    return Guess.objects.filter(last_at__lte=now - FORGOTTEN).delete()[0]
