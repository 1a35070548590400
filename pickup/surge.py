"""The building is closed, lending goes on: what the switch changes here, and turning it.

Rules, allowances, rest hours and the notice hang on `Library.surge` and change with it at once; hours have been cut
into slots, so these are fitted in the same transaction. Whoever has a time keeps it: a slot outside the hours that hold
takes nobody new, and the visits promised in it stand until staff change them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.db import transaction

from core import live
from core.actor import Actor
from lending import queries as lending_queries
from lending import surge as lending_surge
from pickup import fitting, point_queries, queries, windows
from pickup.models import Appointment, Order
from pickup.states import PROMISED

if TYPE_CHECKING:
    from lending.calendar import Calendar
    from lending.models import Library, PickupPoint, SurgeChange

A_WEEK = 7


@dataclass(frozen=True, slots=True)
class Hours:
    """The hours of a point by weekday (Monday is 0) as local times, and what the coming week has: slots and places."""

    by_day: dict[int, list[str]]
    slots: int
    places: int


@dataclass(frozen=True, slots=True)
class PointHours:
    """A pickup point on normal days and while the building is closed; `times`: one takes a time there."""

    point: PickupPoint
    times: bool
    normal: Hours
    surge: Hours

    @property
    def days(self) -> list[tuple[int, list[str], list[str]]]:
        """Weekday by weekday: the hours of both, where there are any."""
        both = sorted(set(self.normal.by_day) | set(self.surge.by_day))
        return [(day, self.normal.by_day.get(day, []), self.surge.by_day.get(day, [])) for day in both]


@dataclass(frozen=True, slots=True)
class Outside:
    """A promised visit at a time that the other hours do not have, and its bags."""

    appointment: Appointment
    orders: list[Order] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Look:
    """What turning the switch would change here: hours, and the visits that would lie outside them."""

    on: bool
    points: list[PointHours]
    outside: list[Outside]


def look(*, library: Library, on: bool, now: datetime) -> Look:
    """What hours hold with the switch turned `on` or off, beside those of the other side. The number of queries does
    not grow with points, slots or visits."""
    points = list(point_queries.points(library_id=library.pk, open=True).order_by("position", "pk"))
    cut = point_queries.window_rules_of([point.pk for point in points])
    rules = point_queries.rules_of_many([point.pk for point in points])
    calendar, zone = lending_queries.calendar_of(library), ZoneInfo(library.zone)
    today = now.astimezone(zone).date()
    shown = []
    for point in points:
        sides = [
            _hours(cut.get(point.pk, []), today=today, zone=zone, calendar=calendar, surge=side)
            for side in (False, True)
        ]
        shown.append(PointHours(point, rules[point.pk].by_appointment, *sides))
    return Look(on, shown, _outside(library, cut, on=on, now=now, calendar=calendar))


def outside(*, library: Library, now: datetime) -> list[Outside]:
    """The visits that are promised at times which the hours that hold now do not have."""
    point_ids = list(point_queries.points(library_id=library.pk, open=True).values_list("pk", flat=True))
    cut, calendar = point_queries.window_rules_of(point_ids), lending_queries.calendar_of(library)
    return _outside(library, cut, on=library.surge, now=now, calendar=calendar)


def _hours(cut: Iterable[windows.WindowRule], *, today: date, zone: ZoneInfo, calendar: Calendar, surge: bool) -> Hours:
    cut = list(cut)
    holding = {windows.Regime.BOTH, windows.Regime.SURGE if surge else windows.Regime.NORMAL}
    by_day: dict[int, list[str]] = {}
    for rule in sorted(cut, key=lambda rule: rule.opens):
        if rule.regime in holding and rule.weekday is not None and rule.nth is None:
            by_day.setdefault(rule.weekday, []).append(f"{rule.opens:%H:%M}–{windows.until(rule.closes)}")
    week = [
        plan
        for ahead in range(A_WEEK)
        for plan in windows.plan(cut, today + timedelta(days=ahead), zone, calendar.is_open, surge=surge)
    ]
    return Hours(by_day, len(week), sum(plan.capacity for plan in week))


def _outside(
    library: Library, cut: dict[int, list[windows.WindowRule]], *, on: bool, now: datetime, calendar: Calendar
) -> list[Outside]:
    """Only times that a window has made: those that staff made by hand belong to no hours."""
    promised = Appointment.objects.filter(
        point__library=library, state__in=PROMISED, slot__starts_at__gt=now, slot__window__isnull=False
    )
    found = list(promised.select_related("slot", "point").order_by("slot__starts_at", "pk"))
    kept = fitting.plans({(one.point_id, one.slot.starts_at) for one in found}, cut, library, calendar, on=on)
    outside = [one for one in found if (one.point_id, one.slot.starts_at) not in kept]
    orders: dict[int, list[Order]] = {}
    for order in queries.orders(appointment__in=[one.pk for one in outside]).order_by("number"):
        orders.setdefault(order.appointment_id or 0, []).append(order)
    return [Outside(one, orders.get(one.pk, [])) for one in outside]


@transaction.atomic
def switch(*, library_id: int, on: bool, by: Actor, now: datetime) -> SurgeChange | None:
    """Turn the switch and fit the times to the hours that hold from now on; None if it stands so already.

    No visit is moved or called off. Refuses with `not_found`.
    """
    change = lending_surge.switch(library_id=library_id, on=on, by=by, now=now)
    if change is None:
        return None
    fitting.follow(change.library, now=now)
    return change


@transaction.atomic
def tell(*, library_id: int, notice_ko: str, notice_en: str, by: Actor, now: datetime) -> SurgeChange | None:
    """Other words for the notice; open pages show them at once. Refuses with `not_found`."""
    change = lending_surge.tell(library_id=library_id, notice_ko=notice_ko, notice_en=notice_en, by=by, now=now)
    if change is not None:
        point_ids = point_queries.points(library_id=library_id).values_list("pk", flat=True)
        live.publish({f"point:{pk}" for pk in point_ids}, now=now)
    return change
