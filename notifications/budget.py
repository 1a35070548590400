"""How many segments a sender may send on one local day: a wrong rule must not empty the library's purse overnight."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import connection

from notifications.models import Sender


def spend(*, sender: Sender, segments: int, now: datetime) -> bool:
    """Count segments against the sender's local day; False, counted all the same, when that is over the budget.

    Runs in the transaction of the claim, so what is rolled back was not spent.
    """
    midnight = datetime.combine(now.astimezone(ZoneInfo(sender.zone)).date(), time(), tzinfo=ZoneInfo(sender.zone))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO core_counter (key, since, count) VALUES (%s, %s, %s)"
            " ON CONFLICT (key, since) DO UPDATE SET count = core_counter.count + EXCLUDED.count RETURNING count",
            [f"segments:{sender.key}", midnight.astimezone(UTC), segments],
        )
        spent = int(cursor.fetchone()[0])
    return spent <= sender.daily_budget


def renews_at(*, sender: Sender, now: datetime) -> datetime:
    """The sender's next local midnight, in UTC."""
    zone = ZoneInfo(sender.zone)
    return datetime.combine(now.astimezone(zone).date() + timedelta(days=1), time(), tzinfo=zone).astimezone(UTC)
