"""How long it takes right now: cars at a point, expected minutes, whether it is closed. Counts and times only."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from statistics import median
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.db.models import Count, F, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from lending import queries as lending_queries
from lending.calendar import NeverOpen
from pickup import queries, windows
from pickup.errors import PointNotFound
from pickup.models import Lane, PointRules, Slot, Visit
from pickup.states import HERE, VisitState

if TYPE_CHECKING:
    from lending.calendar import Calendar
    from lending.models import PickupPoint

OPENS_SOON = timedelta(hours=1)
"""So long before it opens people may stand in line."""
LOOK_BACK = 20  # served cars that tell how long one takes
ENOUGH = 5  # fewer than that tell nothing
LOOK_AHEAD = 15  # days in which the next opening is sought


@dataclass(frozen=True, slots=True)
class Waiting:
    """The load of a pickup point at this moment.

    `expected_minutes` is what somebody who came now would wait until called, rounded up; null while it is closed and
    nobody waits. `why_closed` is "hours" or, when somebody at the window said so, "staff"; "" while it is open.
    `next_open` (UTC) is the next opening of a point that is closed now, null when none is in sight.
    """

    point_id: int
    waiting: int
    called: int
    lanes_open: int
    expected_minutes: int | None
    closed: bool
    why_closed: str
    next_open: datetime | None


def now_at(*, point_id: int, now: datetime) -> Waiting:
    """The load of one pickup point; refuses an unknown one (`unknown_pickup_point`)."""
    point = queries.points(pk=point_id).first()
    if point is None:
        raise PointNotFound(field="pickup_point")
    return at_points([point], now=now)[0]


def at_library(*, library_id: int, now: datetime) -> list[Waiting]:
    """The load of each pickup point of a library that is in use, in the order in which they are shown."""
    return at_points(list(queries.points(library_id=library_id, open=True)), now=now)


def at_points(points: Sequence[PickupPoint], *, now: datetime) -> list[Waiting]:
    """The load of each of these points (with their library), in their order; the same few queries for any number."""
    facts = _Facts(points, now=now)
    return [facts.load(point) for point in points]


def is_night(load: Waiting, *, now: datetime) -> bool:
    """Whether a place is closed and does not open soon: who passes now does not come to wait."""
    return load.closed and (load.next_open is None or load.next_open - now > OPENS_SOON)


def came_at_night(visit: Visit, load: Waiting, *, now: datetime) -> bool:
    """Whether a car stands before a place that was closed when it came and still is, for long yet.

    Whoever came while it was open is still served, also after the last hour.
    """
    if load.why_closed != "hours" or load.next_open is None or not is_night(load, now=now):
        return False
    return is_night(now_at(point_id=visit.point_id, now=visit.arrived_at), now=visit.arrived_at)


def expected_seconds(load: Waiting) -> int | None:
    """What somebody who comes now will wait until called, as everybody is told it; None while it is closed."""
    return None if load.closed or load.expected_minutes is None else 60 * load.expected_minutes


def ahead_of(visit: Visit) -> int:
    """How many cars are called before this one, as the queue stands; 0 once it is called."""
    if visit.state != VisitState.WAITING:
        return 0
    waiting = Visit.objects.filter(point_id=visit.point_id, state=VisitState.WAITING)
    order = list(waiting.order_by("-first", "queued_at", "pk").values_list("pk", flat=True))
    return order.index(visit.pk) if visit.pk in order else 0


class _Facts:
    """What the loads of some points are told from, read at once."""

    def __init__(self, points: Sequence[PickupPoint], *, now: datetime) -> None:
        self.now = now
        ids = [point.pk for point in points]
        here = Visit.objects.filter(point__in=ids, state__in=HERE).values("point_id", "state").annotate(n=Count("id"))
        self.here: Counter[tuple[int, str]] = Counter({(row["point_id"], row["state"]): row["n"] for row in here})
        self.lanes = Counter(Lane.objects.filter(point__in=ids, open=True).values_list("point_id", flat=True))
        self.rules = {rules.point_id: rules for rules in PointRules.objects.filter(point__in=ids)}
        self.windows = queries.window_rules_of(ids)
        libraries = {point.library_id: point.library for point in points}
        self.calendars = lending_queries.calendars_of(list(libraries.values()))
        self.taken = _seconds_taken(points, now=now)
        self.shut: defaultdict[int, set[datetime]] = defaultdict(set)
        for point_id, starts_at in Slot.objects.filter(point__in=ids, open=False, ends_at__gt=now).values_list(
            "point_id", "starts_at"
        ):
            self.shut[point_id].add(starts_at)

    def load(self, point: PickupPoint) -> Waiting:
        waiting, called = (self.here[point.pk, state] for state in (VisitState.WAITING, VisitState.CALLED))
        lanes = self.lanes[point.pk]
        why_closed, next_open = self._opening(point)
        minutes = math.ceil(waiting * self._service_seconds(point) / max(lanes, 1) / 60)
        return Waiting(
            point_id=point.pk,
            waiting=waiting,
            called=called,
            lanes_open=lanes,
            expected_minutes=None if why_closed and not waiting else minutes,
            closed=bool(why_closed),
            why_closed=why_closed,
            next_open=next_open,
        )

    def _service_seconds(self, point: PickupPoint) -> float:
        """What one car takes: the median of today's last ones, else what the point's rules say."""
        taken = self.taken.get(point.pk, [])
        if len(taken) >= ENOUGH:
            return median(taken)
        return self.rules.get(point.pk, PointRules()).service_seconds

    def _opening(self, point: PickupPoint) -> tuple[str, datetime | None]:
        """Why a point is closed now, "" while it is open, and when it opens next if it is closed."""
        if not point.open:
            return "hours", None
        rules = self.rules.get(point.pk)
        until = rules.shut_until if rules is not None else None
        if until is None or until <= self.now:
            is_open, opens = self._hours(point, self.now)
            return ("", None) if is_open else ("hours", opens)
        is_open, opens = self._hours(point, until)
        return "staff", until if is_open else opens

    def _hours(self, point: PickupPoint, moment: datetime) -> tuple[bool, datetime | None]:
        """Whether the hours say open at a moment, and when they next do if not.

        Hours are the windows of the point on the library's open days, without slots that were closed by hand; a point
        without any window is open all day on open days.
        """
        zone, calendar = ZoneInfo(point.library.zone), self.calendars[point.library_id]
        today = moment.astimezone(zone).date()
        rules = self.windows.get(point.pk, [])
        if not rules:
            return calendar.is_open(today), None if calendar.is_open(today) else _next_day(calendar, moment, zone)
        for ahead in range(LOOK_AHEAD):
            day = today + timedelta(days=ahead)
            for plan in windows.plan(rules, day, zone, calendar.is_open, surge=point.library.surge):
                if plan.ends_at > moment and plan.starts_at not in self.shut[point.pk]:
                    return (True, None) if plan.starts_at <= moment else (False, plan.starts_at)
        return False, None


def _next_day(calendar: Calendar, moment: datetime, zone: ZoneInfo) -> datetime | None:
    try:
        day = calendar.next_open(moment.astimezone(zone).date())
    except NeverOpen:
        return None
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def _seconds_taken(points: Iterable[PickupPoint], *, now: datetime) -> dict[int, list[float]]:
    """For each point what today's last cars took from the call to the end.

    A car that was called and served by the same tap tells nothing.
    """
    today = Q()
    for point in points:
        zone = ZoneInfo(point.library.zone)
        midnight = datetime.combine(now.astimezone(zone).date(), time(), tzinfo=zone)
        today |= Q(point=point, ended_at__gte=midnight)
    if not today:
        return {}
    served: QuerySet[Visit] = Visit.objects.filter(
        today, state=VisitState.SERVED, ended_at__lte=now, ended_at__gt=F("called_at")
    )
    latest = Window(RowNumber(), partition_by=F("point_id"), order_by=F("ended_at").desc())
    taken: dict[int, list[float]] = {}
    for point_id, called_at, ended_at in (
        served.annotate(place=latest).filter(place__lte=LOOK_BACK).values_list("point_id", "called_at", "ended_at")
    ):
        if called_at is not None and ended_at is not None:
            taken.setdefault(point_id, []).append((ended_at - called_at).total_seconds())
    return taken
