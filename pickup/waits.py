"""How long it takes right now: cars at a point, expected minutes, whether it is closed. Counts and times only.

Each car goes to whoever of those who serve is free first: those at the window are there for what is left of the usual
time, then the line follows one by one. So many serve as lanes are open, else as people called cars in the last hour;
what one car takes is told by the point's own cars. Where nobody can be said to serve, no wait is told.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from statistics import median
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.db.models import F, Q, Window
from django.db.models.functions import RowNumber

from lending import queries as lending_queries
from lending.calendar import NeverOpen
from pickup import point_queries, queries, windows
from pickup.errors import PointNotFound
from pickup.models import Lane, PointRules, Slot, Visit
from pickup.states import HERE, OrderState, VisitState

if TYPE_CHECKING:
    from lending.calendar import Calendar
    from lending.models import PickupPoint
    from pickup.models import Order

OPENS_SOON = timedelta(hours=1)
"""So long before it opens people may stand in line."""
LOOK_BACK = 20  # served cars that tell how long one takes
LOOK_BACK_DAYS = timedelta(days=7)  # until then, while today's are too few: a week has its like evening
ENOUGH = 5  # fewer than that tell nothing
LATELY = timedelta(hours=1)
"""Who called a car within this time still serves; a car that was called before it was forgotten."""
AT_LEAST = 15.0  # seconds that a car at the window still takes, however long it has been there
LOOK_AHEAD = 15  # days in which the next opening is sought


@dataclass(frozen=True, slots=True)
class Waiting:
    """The load of a pickup point at this moment.

    `expected_minutes` is what somebody who came now would wait until called, rounded up; null while nobody can be said
    to serve, and while it is closed and nobody waits. `why_closed` is "hours"; "staff" when somebody at the window said
    so; "queue" when whoever sets out now could not be served any more before it closes: who is here or has a time still
    is. It is "" while it is open. `open_until` (UTC) is when the hours that hold now end; null outside them and where
    there are none. `next_open` (UTC) is the next opening of a point that is closed now, null when none is in sight.
    `free_in` are the seconds until each of those who serve is done with those who were called, `one_takes` the seconds
    that a car takes.
    """

    point_id: int
    waiting: int
    called: int
    lanes_open: int
    expected_minutes: int | None
    closed: bool
    why_closed: str
    open_until: datetime | None
    next_open: datetime | None
    free_in: tuple[float, ...]
    one_takes: float

    @property
    def shut(self) -> bool:
        """Whether it is closed also for who is here: not merely too late to set out."""
        return self.why_closed in {"hours", "staff"}

    def minutes(self, ahead: int) -> int | None:
        """How many minutes a car before which so many wait is told until it is called, rounded up.

        None where nothing can honestly be said: it is closed, or nobody can be said to serve.
        """
        return None if self.shut else _minutes(_until_called(self.free_in, ahead, self.one_takes))


def now_at(*, point_id: int, now: datetime) -> Waiting:
    """The load of one pickup point; refuses an unknown one (`unknown_pickup_point`)."""
    point = point_queries.points(pk=point_id).first()
    if point is None:
        raise PointNotFound(field="pickup_point")
    return at_points([point], now=now)[0]


def at_library(*, library_id: int, now: datetime) -> list[Waiting]:
    """The load of each pickup point of a library that is in use, in the order in which they are shown."""
    return at_points(list(point_queries.points(library_id=library_id, open=True)), now=now)


def at_points(points: Sequence[PickupPoint], *, now: datetime) -> list[Waiting]:
    """The load of each of these points (with their library), in their order; the same few queries for any number."""
    facts = _Facts(points, now=now)
    return [facts.load(point) for point in points]


def of_points(point_ids: Collection[int], *, now: datetime) -> dict[int, Waiting]:
    """The load of each of these points, by its id; as many queries as for one."""
    return {load.point_id: load for load in at_points(list(point_queries.points(pk__in=point_ids)), now=now)}


def is_night(load: Waiting, *, now: datetime) -> bool:
    """Whether a place is closed and does not open soon: who passes now does not come to wait."""
    return load.shut and (load.next_open is None or load.next_open - now > OPENS_SOON)


def came_at_night(visit: Visit, load: Waiting, *, now: datetime) -> bool:
    """Whether a car stands before a place that was closed when it came and still is, for long yet.

    Whoever came while it was open is still served, also after the last hour.
    """
    if load.why_closed != "hours" or load.next_open is None or not is_night(load, now=now):
        return False
    came = visit.arrived_at
    then = now_at(point_id=visit.point_id, now=came)
    return is_night(then, now=came) and not any(time_stands(order, then, now=came) for order in visit.orders.all())


def is_turned_away(order: Order | None, load: Waiting, *, now: datetime) -> bool:
    """Whether somebody who says that they are here only hears when it opens: it is closed for long yet.

    Never who stands in the line since before, and whose time is still to come before it opens again, or has its grace.
    """
    if not is_night(load, now=now):
        return False
    if order is None:
        return True
    if order.visit is not None and order.visit.state in HERE:
        return came_at_night(order.visit, load, now=now)
    return not time_stands(order, load, now=now)


def time_stands(order: Order, load: Waiting, *, now: datetime) -> bool:
    """Whether the promise of an order stands although it is closed for long: it outlasts who closes for today."""
    promised = queries.live_appointment(order)
    if promised is None or now > promised.miss_after or not is_night(load, now=now):
        return False
    soon = load.next_open if load.why_closed == "staff" and load.next_open is not None else now + OPENS_SOON
    return promised.slot.starts_at <= soon


def expected_seconds(load: Waiting, *, ahead: int) -> int | None:
    """What somebody before whom so many wait is told to wait until called; None where nothing is told."""
    minutes = load.minutes(ahead)
    return None if minutes is None else 60 * minutes


def ahead_of(visit: Visit) -> int:
    """How many cars are called before this one, as the queue stands; 0 once it is called."""
    return queries.cars_ahead([visit])[visit.pk]


def minutes_of(visit: Visit, load: Waiting) -> int | None:
    """What a car that waits is told until it is called; None also while the bag that it came for is being packed."""
    if visit.state != VisitState.WAITING:
        return None
    packed = visit.purpose != Visit.Purpose.COLLECT or visit.orders.filter(state=OrderState.READY).exists()
    return load.minutes(ahead_of(visit)) if packed else None


def ahead_at(point_id: int, turn: datetime) -> int:
    """How many cars would be called before one that comes now and has its turn then."""
    before = Q(first=True) | Q(queued_at__lte=turn)
    return Visit.objects.filter(before, point_id=point_id, state=VisitState.WAITING).count()


class _Facts:
    """What the loads of some points are told from, read at once."""

    def __init__(self, points: Sequence[PickupPoint], *, now: datetime) -> None:
        self.now = now
        ids = [point.pk for point in points]
        self.waiting: Counter[int] = Counter()
        self.called: defaultdict[int, list[tuple[datetime, str]]] = defaultdict(list)
        here = Visit.objects.filter(point__in=ids, state__in=HERE)
        for point_id, called_at, by in here.values_list("point_id", "called_at", "called_by"):
            if called_at is None:
                self.waiting[point_id] += 1
            else:
                self.called[point_id].append((called_at, by))
        self.lanes = Counter(Lane.objects.filter(point__in=ids, open=True).values_list("point_id", flat=True))
        self.rules = {rules.point_id: rules for rules in PointRules.objects.filter(point__in=ids)}
        self.windows = point_queries.window_rules_of(ids)
        libraries = {point.library_id: point.library for point in points}
        self.calendars = lending_queries.calendars_of(list(libraries.values()))
        self.served = _served(ids, now=now)
        self.shut: defaultdict[int, set[datetime]] = defaultdict(set)
        by_hand = Slot.objects.filter(point__in=ids, open=False, outside=False, beyond=False, ends_at__gt=now)
        for point_id, starts_at in by_hand.values_list("point_id", "starts_at"):
            self.shut[point_id].add(starts_at)

    def load(self, point: PickupPoint) -> Waiting:
        waiting, one_takes = self.waiting[point.pk], self._one_takes(point)
        free_in = self._free_in(point, one_takes)
        seconds = _until_called(free_in, waiting, one_takes)
        why_closed, until, next_open = self._opening(point)
        if until is not None and seconds is not None and self.now + timedelta(seconds=seconds + one_takes) > until:
            why_closed = "queue"
        return Waiting(
            point_id=point.pk,
            waiting=waiting,
            called=len(self.called[point.pk]),
            lanes_open=self.lanes[point.pk],
            expected_minutes=None if why_closed and not waiting else _minutes(seconds),
            closed=bool(why_closed),
            why_closed=why_closed,
            open_until=until,
            next_open=next_open if why_closed else None,
            free_in=free_in,
            one_takes=one_takes,
        )

    def _one_takes(self, point: PickupPoint) -> float:
        """What one car takes: the median of today's last ones, else of the last days, else what the rules say."""
        day = self.now.astimezone(ZoneInfo(point.library.zone)).date()
        midnight = datetime.combine(day, time(), tzinfo=ZoneInfo(point.library.zone))
        cars = self.served[point.pk]
        for seen in ([car for car in cars if car.ended_at >= midnight], cars):
            taken = list(_seconds_taken(seen))
            if len(taken) >= ENOUGH:
                return median(taken)
        return self.rules.get(point.pk, PointRules()).service_seconds

    def _free_in(self, point: PickupPoint, one_takes: float) -> tuple[float, ...]:
        """The seconds until each of those who serve is free; none where nobody can be said to serve.

        Cars that were called are served side by side, by however many people: so many are free one after another.
        """
        since = self.now - LATELY
        called = [(moment, by) for moment, by in self.called[point.pk] if moment > since]
        people = {by for _moment, by in called} | {car.by for car in self.served[point.pk] if car.ended_at > since}
        lanes = self.lanes[point.pk]
        if not lanes and not people and point.layout == point.Layout.FILE:
            return ()
        busy = [max(one_takes - (self.now - moment).total_seconds(), AT_LEAST) for moment, _by in called]
        return (*busy, *[0.0] * ((lanes or len(people) or 1) - len(busy)))

    def _opening(self, point: PickupPoint) -> tuple[str, datetime | None, datetime | None]:
        """Why a point is closed now, "" while it is open; until when its hours hold; when it opens next after that."""
        if not point.open:
            return "hours", None, None
        rules = self.rules.get(point.pk)
        until = rules.shut_until if rules is not None else None
        if until is None or until <= self.now:
            is_open, closes, opens = self._hours(point, self.now)
            return "" if is_open else "hours", closes, opens
        is_open, _closes, opens = self._hours(point, until)
        return "staff", None, until if is_open else opens

    def _hours(self, point: PickupPoint, moment: datetime) -> tuple[bool, datetime | None, datetime | None]:
        """Whether the hours say open at a moment, until when without a break, and when they next do after that.

        Hours are the windows of the point on the library's open days, without slots that were closed by hand; a point
        without any window is open all day on open days, and nobody can say until when.
        """
        zone, calendar = ZoneInfo(point.library.zone), self.calendars[point.library_id]
        today = moment.astimezone(zone).date()
        if not self.windows.get(point.pk):
            return calendar.is_open(today), None, None if calendar.is_open(today) else _next_day(calendar, moment, zone)
        until = None
        for starts_at, ends_at in self._slots(point, moment):
            if starts_at > (until or moment):
                return until is not None, until, starts_at
            until = max(ends_at, until or ends_at)
        return until is not None, until, None

    def _slots(self, point: PickupPoint, moment: datetime) -> Iterator[tuple[datetime, datetime]]:
        """From when to when the slots last in which somebody is served, from a moment on; not those closed by hand."""
        zone, calendar = ZoneInfo(point.library.zone), self.calendars[point.library_id]
        today = moment.astimezone(zone).date()
        for ahead in range(LOOK_AHEAD):
            day = today + timedelta(days=ahead)
            for plan in windows.plan(self.windows[point.pk], day, zone, calendar.is_open, surge=point.library.surge):
                if plan.ends_at > moment and plan.starts_at not in self.shut[point.pk]:
                    yield plan.starts_at, plan.ends_at


def _until_called(free_in: Sequence[float], ahead: int, one_takes: float) -> float | None:
    """The seconds until a car is called before which so many wait, each of them served by who is free first.

    None where nobody serves.
    """
    free = sorted(free_in)
    if not free:
        return None
    for _car in range(ahead):
        heapq.heapreplace(free, free[0] + one_takes)
    return free[0]


def _minutes(seconds: float | None) -> int | None:
    return None if seconds is None else math.ceil(seconds / 60)


def _next_day(calendar: Calendar, moment: datetime, zone: ZoneInfo) -> datetime | None:
    try:
        day = calendar.next_open(moment.astimezone(zone).date())
    except NeverOpen:
        return None
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class _Served:
    """A car that was served, and by whom."""

    by: str
    arrived_at: datetime
    called_at: datetime
    ended_at: datetime


def _served(point_ids: Sequence[int], *, now: datetime) -> defaultdict[int, list[_Served]]:
    """For each point its last cars of the last days, in the order in which they were served."""
    latest = Window(RowNumber(), partition_by=F("point_id"), order_by=F("ended_at").desc())
    cars = Visit.objects.filter(
        point__in=point_ids,
        state=VisitState.SERVED,
        called_at__isnull=False,
        ended_at__gt=now - LOOK_BACK_DAYS,
        ended_at__lte=now,
    )
    found: defaultdict[int, list[_Served]] = defaultdict(list)
    for car in cars.annotate(place=latest).filter(place__lte=LOOK_BACK).order_by("ended_at"):
        if car.called_at is not None and car.ended_at is not None:
            found[car.point_id].append(_Served(car.called_by, car.arrived_at, car.called_at, car.ended_at))
    return found


def _seconds_taken(cars: Iterable[_Served]) -> Iterator[float]:
    """What each of these cars took from the call to the end, where that can be told.

    One that was called and served by the same tap was begun when whoever tapped had done with the one before, if it
    stood in line by then; else nobody knows.
    """
    done: dict[str, datetime] = {}
    for car in cars:
        begun = car.called_at if car.called_at < car.ended_at else done.get(car.by)
        if begun is not None and (car.called_at < car.ended_at or car.arrived_at <= begun < car.ended_at):
            yield (car.ended_at - begun).total_seconds()
        done[car.by] = car.ended_at
