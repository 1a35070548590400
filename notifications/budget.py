"""How much a sender may send on one local day: a wrong rule must not empty the library's purse overnight, nor fill
somebody's telephone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Q

from core import models as core_models
from core.among import Among
from notifications import quiet
from notifications.models import Message, Sender
from notifications.states import MessageState


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
    count = (
        core_models.Counter.objects.filter(key=_counter(sender), since=since).values_list("count", flat=True).first()
    )
    return since, count or 0


def too_often(rows: Sequence[Message], *, now: datetime) -> set[int]:
    """Those of these texts, by their ids, that would be too many for their number on this local day of its sender.

    The first of them go. Answers, codes and rehearsals are never too many. One query for each sender.
    """
    asked: dict[Sender, list[Message]] = {}
    for row in rows:
        counts = row.kind in quiet.WAITS and not row.dedup_key.startswith(Message.PRACTICE)
        if counts and row.sender.per_person is not None:
            asked.setdefault(row.sender, []).append(row)
    beyond: set[int] = set()
    for sender, waiting in asked.items():
        told = Message.objects.filter(Among("to", {row.to for row in waiting}, "varchar"), sender=sender)
        told = told.filter(kind__in=quiet.WAITS).exclude(dedup_key__startswith=Message.PRACTICE)
        gone = Q(accepted_at__gte=_midnight(sender, now)) | Q(state__in=[MessageState.SENDING, MessageState.IN_DOUBT])
        so_far = Counter(told.filter(gone).values_list("to", flat=True))
        for row in waiting:
            so_far[row.to] += 1
            if so_far[row.to] > (sender.per_person or 0):
                beyond.add(row.pk)
    return beyond


def _counter(sender: Sender) -> str:
    return f"segments:{sender.key}"


def _midnight(sender: Sender, now: datetime) -> datetime:
    zone = ZoneInfo(sender.zone)
    return datetime.combine(now.astimezone(zone).date(), time(), tzinfo=zone).astimezone(UTC)


def renews_at(*, sender: Sender, now: datetime) -> datetime:
    """The sender's next local midnight, in UTC."""
    zone = ZoneInfo(sender.zone)
    return datetime.combine(now.astimezone(zone).date() + timedelta(days=1), time(), tzinfo=zone).astimezone(UTC)
