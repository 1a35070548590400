"""How many segments a sender may send on one local day: a wrong rule must not empty the library's purse overnight."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import connection

from core.models import Counter
from notifications.models import Sender


def spend(*, sender: Sender, segments: int, now: datetime, whole: bool = False) -> bool:
    """Count segments against the sender's local day; False when that is over the budget.

    They are counted all the same, unless it is the `whole` or nothing. Runs in the transaction of the claim, so what is
    rolled back was not spent.
    """
    most = sender.daily_budget if whole else None
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO core_counter (key, since, count) SELECT %(key)s, %(since)s, %(segments)s"
            " WHERE %(most)s::int IS NULL OR %(segments)s <= %(most)s ON CONFLICT (key, since) DO UPDATE"
            " SET count = core_counter.count + EXCLUDED.count"
            " WHERE %(most)s::int IS NULL OR core_counter.count + EXCLUDED.count <= %(most)s RETURNING count",
            {"key": _counter(sender), "since": _midnight(sender, now), "segments": segments, "most": most},
        )
        row = cursor.fetchone()
    return row is not None and int(row[0]) <= sender.daily_budget


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
