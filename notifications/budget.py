"""How many segments a sender may send on one local day: a wrong rule must not empty the library's purse overnight."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import connection

from core.models import Counter
from notifications.models import Sender


def spend(*, sender: Sender, segments: int, now: datetime) -> bool:
    """Count segments against the sender's local day; False, counted all the same, when that is over the budget.

    Runs in the transaction of the claim, so what is rolled back was not spent.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO core_counter (key, since, count) VALUES (%s, %s, %s)"
            " ON CONFLICT (key, since) DO UPDATE SET count = core_counter.count + EXCLUDED.count RETURNING count",
            [_counter(sender), _midnight(sender, now), segments],
        )
        spent = int(cursor.fetchone()[0])
    return spent <= sender.daily_budget


def spent(*, sender: Sender, now: datetime) -> tuple[datetime, int]:
    """When the sender's local day began, in UTC, and how many segments went since."""
    since = _midnight(sender, now)
    count = Counter.objects.filter(key=_counter(sender), since=since).values_list("count", flat=True).first()
    return since, count or 0


def _counter(sender: Sender) -> str:
    return f"segments:{sender.key}"


def _midnight(sender: Sender, now: datetime) -> datetime:
    zone = ZoneInfo(sender.zone)
    return datetime.combine(now.astimezone(zone).date(), time(), tzinfo=zone).astimezone(UTC)


def renews_at(*, sender: Sender, now: datetime) -> datetime:
    """The sender's next local midnight, in UTC."""
    zone = ZoneInfo(sender.zone)
    return datetime.combine(now.astimezone(zone).date() + timedelta(days=1), time(), tzinfo=zone).astimezone(UTC)
