"""A month at a library's pickup places in numbers: from rows that name nobody, so they stay when people are forgotten.

Rehearsals are another library's and are never in these. Times are whole seconds.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.db.models import Aggregate, Count, DurationField, ExpressionWrapper, F, Min, Q, QuerySet
from django.db.models.functions import TruncMonth

from lending import queries as lending_queries
from pickup import order_of_service, point_queries
from pickup.models import Appointment, Order, OrderLine, Slot, Visit
from pickup.states import AppointmentState, LineState, OrderState, VisitState

if TYPE_CHECKING:
    from lending.models import Library, PickupPoint

YEAR = 12
"""So many months are shown beside each other."""
NEAR = 120
"""Seconds within which a wait that was told counts as right."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How long something took: of how many cars, the middle one and the one that nine of ten stay below, in seconds."""

    count: int
    middle: int
    most: int

    @staticmethod
    def of(seconds: Sequence[float]) -> Spread | None:
        """None where nothing was measured."""
        if not seconds:
            return None
        rising = sorted(seconds)
        return Spread(len(rising), round(median(rising)), round(rising[math.ceil(0.9 * len(rising)) - 1]))


@dataclass(frozen=True, slots=True)
class Told:
    """How right the waits were that people were told when they came: how many, how far off the middle one was in
    seconds, and how many were off by no more than `NEAR`.
    """

    count: int
    off: int
    near: int


@dataclass(frozen=True, slots=True)
class Hour:
    """The slots that began in an hour of the day: places given and places there."""

    hour: int
    booked: int
    capacity: int

    @property
    def share(self) -> int:
        """Places given of a hundred."""
        return round(100 * self.booked / self.capacity) if self.capacity else 0


@dataclass(frozen=True, slots=True)
class Figures:
    """A month of one pickup place.

    `cars` were served and `left` went without; `doors` tells by which channel they said that they are here. `waited`
    runs from the arrival to the call, `taken` from the call to the end; a car that one tap noted, called and served
    tells neither. `waited_at` and `taken_at` are their middle seconds by the local hour of the arrival. `early`,
    `on_time`, `late` are kept promises whose car is known.
    """

    point: PickupPoint
    cars: int
    left: int
    bags: int
    books: int
    doors: dict[str, int]
    waited: Spread | None
    taken: Spread | None
    waited_at: dict[int, int]
    taken_at: dict[int, int]
    told: Told | None
    kept: int
    missed: int
    cancelled: int
    early: int
    on_time: int
    late: int
    hours: list[Hour]

    @property
    def punctual(self) -> int | None:
        """Those on time of a hundred; None where nobody is known."""
        return _share(self.on_time, self.early + self.on_time + self.late)

    @property
    def no_shows(self) -> int | None:
        """Those who did not come of a hundred who had a time."""
        return _share(self.missed, self.kept + self.missed)

    def rows(self) -> Iterator[tuple[str, str, float | None]]:
        """What is told, as (measure, of what, number): the lines of the open file."""
        plain = ("cars", "left", "bags", "books", "kept", "missed", "cancelled", "early", "on_time", "late")
        yield from ((name, "", getattr(self, name)) for name in plain)
        yield from (("cars_by_door", door, count) for door, count in self.doors.items())
        for name, spread in (("waited", self.waited), ("taken", self.taken)):
            if spread is not None:
                yield from ((f"{name}_seconds", what, getattr(spread, what)) for what in ("count", "middle", "most"))
        for name, hours in (("waited", self.waited_at), ("taken", self.taken_at)):
            yield from ((f"{name}_seconds_by_hour", f"{hour:02}", middle) for hour, middle in hours.items())
        if self.told is not None:
            yield from (("estimate", what, getattr(self.told, what)) for what in ("count", "off", "near"))
        for hour in self.hours:
            yield "places_given", f"{hour.hour:02}", hour.booked
            yield "places_there", f"{hour.hour:02}", hour.capacity


@dataclass(slots=True)
class Month:
    """The main figures of a month of one pickup place, as in `Figures`; `wait` is the middle one until called."""

    first: date
    cars: int = 0
    left: int = 0
    bags: int = 0
    books: int = 0
    kept: int = 0
    missed: int = 0
    wait: timedelta | None = None

    @property
    def waited(self) -> int | None:
        """The middle wait in seconds; None where nothing was measured."""
        return None if self.wait is None else round(self.wait.total_seconds())

    @property
    def no_shows(self) -> int | None:
        """Those who did not come of a hundred who had a time."""
        return _share(self.missed, self.kept + self.missed)

    def rows(self) -> Iterator[tuple[str, str, float | None]]:
        """What is told, with the words of `Figures.rows`."""
        yield from ((name, "", getattr(self, name)) for name in ("cars", "left", "bags", "books", "kept", "missed"))
        if self.waited is not None:
            yield "waited_seconds", "middle", self.waited


class _Middle(Aggregate):
    """The middle one of some lengths of time."""

    template = "percentile_cont(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = DurationField()


def of_year(library: Library, *, now: datetime) -> list[tuple[PickupPoint, list[Month]]]:
    """The last twelve months of each pickup place of a library as far as there is anything to tell, the newest first,
    until now. A handful of queries, however many places and cars.
    """
    zone = lending_queries.zone_of(library)
    told = months(library, now=now)[:YEAR]
    begin = datetime.combine(told[-1], time(), zone)
    points = list(point_queries.points(library_id=library.pk))
    found = {(point.pk, first): Month(first) for point in points for first in told}

    def count(rows: QuerySet[Any], point: str, moment: str, **figures: Aggregate) -> None:
        within = rows.filter(**{f"{point}__in": points, f"{moment}__gte": begin, f"{moment}__lt": now}).order_by()
        by_month = within.annotate(month=TruncMonth(moment, tzinfo=zone)).values_list(point, "month")
        for point_id, first, *counted in by_month.annotate(**figures):
            for name, figure in zip(figures, counted, strict=True):
                setattr(found[point_id, first.date()], name, figure)

    served = Q(state=VisitState.SERVED)
    wait = ExpressionWrapper(F("called_at") - F("arrived_at"), output_field=DurationField())
    count(
        Visit.objects.all(),
        "point",
        "arrived_at",
        cars=Count("pk", filter=served),
        left=Count("pk", filter=Q(state=VisitState.LEFT)),
        wait=_Middle(wait, filter=served & Q(called_at__gt=F("arrived_at"))),
    )
    count(Order.objects.filter(state=OrderState.HANDED_OVER), "point", "handed_over_at", bags=Count("pk"))
    given = OrderLine.objects.filter(state=LineState.GIVEN, order__state=OrderState.HANDED_OVER)
    count(given, "order__point", "order__handed_over_at", books=Count("pk"))
    count(
        Appointment.objects.all(),
        "slot__point",
        "slot__starts_at",
        kept=Count("pk", filter=Q(state=AppointmentState.KEPT)),
        missed=Count("pk", filter=Q(state=AppointmentState.MISSED)),
    )
    return [(point, [found[point.pk, first] for first in told]) for point in points]


def of_month(library: Library, first: date, *, now: datetime) -> list[Figures]:
    """The figures of each pickup place of a library for the local month that begins on `first`, until now."""
    zone = lending_queries.zone_of(library)
    begin = datetime.combine(first, time(), zone)
    end = datetime.combine((first + timedelta(days=31)).replace(day=1), time(), zone)
    points = list(point_queries.points(library_id=library.pk))
    return [_of_point(point, begin, min(end, now), zone) for point in points]


def months(library: Library, *, now: datetime) -> list[date]:
    """The months of which there is something to tell, the newest first."""
    zone = lending_queries.zone_of(library)
    first = Visit.objects.filter(point__library=library).order_by("arrived_at").values_list("arrived_at", flat=True)
    this = now.astimezone(zone).date().replace(day=1)
    oldest = (first[0].astimezone(zone).date() if first else this).replace(day=1)
    found = [this]
    while found[-1] > oldest:
        found.append((found[-1] - timedelta(days=1)).replace(day=1))
    return found


def _of_point(point: PickupPoint, begin: datetime, end: datetime, zone: ZoneInfo) -> Figures:
    visits = Visit.objects.filter(point=point, arrived_at__gte=begin, arrived_at__lt=end)
    served = list(
        visits.filter(state=VisitState.SERVED).values_list(
            "door", "arrived_at", "called_at", "ended_at", "expected_seconds"
        )
    )
    waited = [
        (arrived, (called - arrived).total_seconds(), told)
        for _door, arrived, called, _end, told in served
        if called and called > arrived
    ]
    taken = [
        (arrived, (ended_at - called).total_seconds())
        for _door, arrived, called, ended_at, _told in served
        if called and ended_at and ended_at > called
    ]
    told = [abs(wait - seconds) for _arrived, wait, seconds in waited if seconds is not None]
    given = Order.objects.filter(
        point=point, state=OrderState.HANDED_OVER, handed_over_at__gte=begin, handed_over_at__lt=end
    )
    promised = Appointment.objects.filter(slot__point=point, slot__starts_at__gte=begin, slot__starts_at__lt=end)
    ended = Counter(promised.values_list("state", flat=True))
    early, on_time, late = _punctual(promised)
    return Figures(
        point=point,
        cars=len(served),
        left=visits.filter(state=VisitState.LEFT).count(),
        bags=given.count(),
        books=OrderLine.objects.filter(order__in=given, state=LineState.GIVEN).count(),
        doors=dict(Counter(door for door, *_rest in served).most_common()),
        waited=Spread.of([wait for _arrived, wait, _told in waited]),
        taken=Spread.of([took for _arrived, took in taken]),
        waited_at=_middles(((arrived, wait) for arrived, wait, _told in waited), zone),
        taken_at=_middles(taken, zone),
        told=Told(len(told), round(median(told)), sum(off <= NEAR for off in told)) if told else None,
        kept=ended[AppointmentState.KEPT],
        missed=ended[AppointmentState.MISSED],
        cancelled=ended[AppointmentState.CANCELLED] + ended[AppointmentState.LAPSED],
        early=early,
        on_time=on_time,
        late=late,
        hours=_hours(point, begin, end, zone),
    )


def _punctual(promised: QuerySet[Appointment]) -> tuple[int, int, int]:
    """How many kept promises were early, on time and late by the order of service, going by the first car for them."""
    kept = promised.filter(state=AppointmentState.KEPT, orders__visit__isnull=False)
    told = kept.annotate(arrived=Min("orders__visit__arrived_at")).select_related(
        "slot__window", "point__library", "instead_of__slot__window", "instead_of__point__library"
    )
    found: Counter[str] = Counter()
    for promise in told:
        times = [order_of_service.on_time(one) for one in order_of_service.and_before(promise)]
        if any(begins <= promise.arrived <= ends for begins, ends in times):
            found["on_time"] += 1
        else:
            found["early" if promise.arrived < times[0][0] else "late"] += 1
    return found["early"], found["on_time"], found["late"]


def _hours(point: PickupPoint, begin: datetime, end: datetime, zone: ZoneInfo) -> list[Hour]:
    used = Q(open=True) | Q(booked__gt=0)
    slots = Slot.objects.filter(used, point=point, starts_at__gte=begin, starts_at__lt=end)
    places: dict[int, tuple[int, int]] = {}
    for starts_at, booked, capacity in slots.values_list("starts_at", "booked", "capacity"):
        hour = starts_at.astimezone(zone).hour
        before = places.get(hour, (0, 0))
        places[hour] = (before[0] + booked, before[1] + capacity)
    return [Hour(hour, *places[hour]) for hour in sorted(places)]


def _middles(measured: Iterable[tuple[datetime, float]], zone: ZoneInfo) -> dict[int, int]:
    """The middle one of some seconds for each local hour of which there are any, in the order of the day."""
    of_hour: dict[int, list[float]] = {}
    for moment, seconds in measured:
        of_hour.setdefault(moment.astimezone(zone).hour, []).append(seconds)
    return {hour: round(median(of_hour[hour])) for hour in sorted(of_hour)}


def _share(part: int, whole: int) -> int | None:
    return round(100 * part / whole) if whole else None
