"""How long it takes right now: cars at a point, expected minutes, whether it is closed. Counts and times only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from statistics import median
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from lending import queries as lending_queries
from lending.calendar import NeverOpen
from pickup import queries, windows
from pickup.errors import PointNotFound
from pickup.models import Lane, Slot, Visit
from pickup.states import VisitState

if TYPE_CHECKING:
    from lending.models import PickupPoint

LOOK_BACK = 20  # served cars that tell how long one takes
ENOUGH = 5  # fewer than that tell nothing
LOOK_AHEAD = 15  # days in which the next opening is sought


@dataclass(frozen=True, slots=True)
class Waiting:
    """The load of a pickup point at this moment.

    `expected_minutes` is what somebody who came now would wait until called, rounded up; null while it is closed and
    nobody waits. `next_open` (UTC) is the next opening of a point that is closed now, null when none is in sight.
    """

    point_id: int
    waiting: int
    called: int
    lanes_open: int
    expected_minutes: int | None
    closed: bool
    next_open: datetime | None


def now_at(*, point_id: int, now: datetime) -> Waiting:
    """The load of one pickup point; refuses an unknown one (`unknown_pickup_point`)."""
    point = queries.points(pk=point_id).first()
    if point is None:
        raise PointNotFound(field="pickup_point")
    return _load(point, now=now)


def at_library(*, library_id: int, now: datetime) -> list[Waiting]:
    """The load of each pickup point of a library that is in use, in the order in which they are shown."""
    return [_load(point, now=now) for point in queries.points(library_id=library_id, open=True)]


def ahead_of(visit: Visit) -> int:
    """How many cars are called before this one, as the queue stands; 0 once it is called."""
    if visit.state != VisitState.WAITING:
        return 0
    waiting = Visit.objects.filter(point_id=visit.point_id, state=VisitState.WAITING)
    order = list(waiting.order_by("-first", "arrived_at", "pk").values_list("pk", flat=True))
    return order.index(visit.pk) if visit.pk in order else 0


def _load(point: PickupPoint, *, now: datetime) -> Waiting:
    states = list(queries.cars_here(point.pk).values_list("state", flat=True))
    waiting, called = states.count(VisitState.WAITING), states.count(VisitState.CALLED)
    lanes = Lane.objects.filter(point=point, open=True).count()
    closed, next_open = _opening(point, now=now)
    minutes = math.ceil(waiting * _service_seconds(point, now=now) / max(lanes, 1) / 60)
    return Waiting(
        point_id=point.pk,
        waiting=waiting,
        called=called,
        lanes_open=lanes,
        expected_minutes=None if closed and not waiting else minutes,
        closed=closed,
        next_open=next_open,
    )


def _service_seconds(point: PickupPoint, *, now: datetime) -> float:
    """What one car takes: the median of today's last ones, else what the point's rules say."""
    zone = ZoneInfo(point.library.zone)
    midnight = datetime.combine(now.astimezone(zone).date(), time(), tzinfo=zone)
    served = Visit.objects.filter(point=point, state=VisitState.SERVED, ended_at__gte=midnight, ended_at__lte=now)
    last = served.order_by("-ended_at").values_list("called_at", "ended_at")[:LOOK_BACK]
    taken = [(ended - called).total_seconds() for called, ended in last if called is not None and ended is not None]
    return median(taken) if len(taken) >= ENOUGH else queries.rules_of(point.pk).service_seconds


def _opening(point: PickupPoint, *, now: datetime) -> tuple[bool, datetime | None]:
    """Whether the point is closed now, and when it opens next if it is.

    Hours are the windows of the point on the library's open days, without slots that were closed by hand; a point
    without any window is open all day on open days.
    """
    if not point.open:
        return True, None
    library = point.library
    zone, calendar = ZoneInfo(library.zone), lending_queries.calendar_of(library)
    today = now.astimezone(zone).date()
    rules = queries.window_rules(point.pk)
    if not rules:
        if calendar.is_open(today):
            return False, None
        try:
            opens = datetime.combine(calendar.next_open(today), time(), tzinfo=zone)
        except NeverOpen:
            return True, None
        return True, opens.astimezone(UTC)
    shut = set(Slot.objects.filter(point=point, open=False, ends_at__gt=now).values_list("starts_at", flat=True))
    for ahead in range(LOOK_AHEAD):
        plans = windows.plan(rules, today + timedelta(days=ahead), zone, calendar.is_open, surge=library.surge)
        for plan in _still_open(plans, shut, now=now):
            return (False, None) if plan.starts_at <= now else (True, plan.starts_at)
    return True, None


def _still_open(plans: Sequence[windows.SlotPlan], shut: set[datetime], *, now: datetime) -> list[windows.SlotPlan]:
    return [plan for plan in plans if plan.ends_at > now and plan.starts_at not in shut]
