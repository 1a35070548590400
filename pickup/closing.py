"""Closed before the hours say so: rain, nobody at the window, everything handed over. People see it at once."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction

from core import live
from core.actor import Actor
from pickup import point_queries
from pickup.errors import PointNotFound
from pickup.models import PointRules


@transaction.atomic
def shut(*, point_id: int, by: Actor, now: datetime) -> datetime:
    """Close a pickup point for the rest of its local day; gives back until when (UTC).

    Nobody is sent away: who waits is served, promises stand. Shutting it again is fine. Refuses an unknown point.
    """
    point = point_queries.points(pk=point_id).first()
    if point is None:
        raise PointNotFound(field="pickup_point")
    zone = ZoneInfo(point.library.zone)
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    until = datetime.combine(tomorrow, time(), tzinfo=zone).astimezone(UTC)
    _set(point_id, until, now=now)
    return until


@transaction.atomic
def open_again(*, point_id: int, by: Actor, now: datetime) -> None:
    """The hours count again. Opening what nobody shut is fine. Refuses an unknown point."""
    if not point_queries.points(pk=point_id).exists():
        raise PointNotFound(field="pickup_point")
    _set(point_id, None, now=now)


def _set(point_id: int, until: datetime | None, *, now: datetime) -> None:
    rules, _made = PointRules.objects.get_or_create(point_id=point_id, defaults={"by_appointment": False})
    PointRules.objects.filter(pk=rules.pk).update(shut_until=until)
    live.publish([f"point:{point_id}"], now=now)
