"""A day is closed, or opened: what that means for the times of the pickup points, and for those who have one.

Looked at before, done with one click: the slots of the day take nobody new, and each visit that was promised gets the
next free time and a text, or a call of the staff where no time is free or no text would come before the old one.
"""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.db import transaction

from core.actor import Actor
from lending import opening as lending_opening
from lending import queries as lending_queries
from lending import surge as lending_surge
from lending.calendar import NeverOpen
from pickup import bookings, fitting, lapses, point_queries, queries, texts, windows
from pickup.models import Appointment, Order
from pickup.states import PROMISED, OrderState

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.db.models import QuerySet

    from lending.models import Library

LONGEST = 60
"""Days for which a bag is kept where no open day is in sight."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit that is promised on a day, and its bags."""

    appointment: Appointment
    orders: list[Order]


@dataclass(frozen=True, slots=True)
class Day:
    """One local day: open or not, whether it differs from the rule, and why somebody said so."""

    day: date
    is_open: bool
    differs: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Closed:
    """What became of those who had a time: how many have a new one, how many are to be called."""

    moved: int
    called: int


def days(*, library: Library, first: date, last: date) -> list[Day]:
    """Each day from `first` to `last`, with what the calendar says of it; three queries."""
    calendar = lending_queries.calendar_of(library)
    special = {one.day: one for one in lending_opening.special_days(library.pk, since=first)}
    found = []
    for ahead in range((last - first).days + 1):
        day = first + timedelta(days=ahead)
        one = special.get(day)
        found.append(Day(day, calendar.is_open(day), one is not None, one.reason if one is not None else ""))
    return found


def visits_of_days(*, library: Library, first: date, last: date, now: datetime) -> Counter[date]:
    """How many visits are still to come on each local day from `first` to `last`; one query."""
    zone, come = ZoneInfo(library.zone), _promised(library, first, last, now=now)
    return Counter(at.astimezone(zone).date() for at in come.values_list("slot__starts_at", flat=True))


def visits(*, library: Library, day: date, now: datetime) -> list[Visit]:
    """The visits that are still to come on a local day, in the order of their times."""
    return with_bags(_promised(library, day, now=now))


def with_bags(promises: QuerySet[Appointment]) -> list[Visit]:
    """Promised visits in the order of their times, with their bags; two queries."""
    found = list(promises.select_related("slot", "point").order_by("slot__starts_at", "pk"))
    bags: dict[int, list[Order]] = {}
    for order in queries.orders(appointment__in=[one.pk for one in found]).order_by("number"):
        bags.setdefault(order.appointment_id or 0, []).append(order)
    return [Visit(one, bags.get(one.pk, [])) for one in found]


@transaction.atomic
def close(*, library_id: int, day: date, reason: str, by: Actor, now: datetime) -> Closed:
    """Close a day and give everybody who had a time on it another one. Refuses as `lending.opening.set_day` does.

    Today, too: who is here already, or whose time has begun, is served. Bags that are kept until this day are kept
    until the end of the next open one.
    """
    library = lending_opening.set_day(library_id=library_id, day=day, is_open=False, reason=reason, now=now).library
    _follow(library, day, now=now)
    return _move_all(library, day, by=by, now=now)


@transaction.atomic
def move(*, library_id: int, day: date, by: Actor, now: datetime) -> Closed:
    """Give those another time who have one on a day that is closed already; leaves an open day alone.

    Refuses as `close` does.
    """
    library = lending_surge.lock(library_id)
    lending_opening.refuse_day(library, day, now=now)
    if lending_queries.calendar_of(library).is_open(day):
        return Closed(0, 0)
    bookings.lock_many(_promised(library, day, now=now).values_list("pk", flat=True))
    return _move_all(library, day, by=by, now=now)


@transaction.atomic
def rule(
    *,
    library_id: int,
    weekly_closed: Collection[int],
    nth_closed: Collection[str],
    holidays: str,
    by: Actor,
    now: datetime,
) -> int:
    """Change the rule behind the days and fit the times to it; gives back how many visits lie on closed days now.

    These stand until somebody closes their day: a rule that is typed wrong must not move hundreds. Bags that are kept
    until a day that is closed now are kept longer. Refuses as `lending.opening.set_week` does.
    """
    library = lending_opening.set_week(
        library_id=library_id, weekly_closed=weekly_closed, nth_closed=nth_closed, holidays=holidays
    )
    _follow(library, now=now)
    return queries.to_come(point__library=library, slot__starts_at__gt=now, slot__outside=True).count()


@transaction.atomic
def open_up(*, library_id: int, day: date, reason: str, by: Actor, now: datetime) -> bool:
    """Open a day that week, month or holidays close; its times can be had at once. Refuses as `close` does.

    Gives back whether any place hands over on this day: the windows of its weekday may be none.
    """
    library = lending_opening.set_day(library_id=library_id, day=day, is_open=True, reason=reason, now=now).library
    fitting.follow(library, now=now)
    cut = point_queries.window_rules_of(list(point_queries.points(library_id=library.pk).values_list("pk", flat=True)))
    is_open, zone = lending_queries.calendar_of(library).is_open, ZoneInfo(library.zone)
    return any(windows.plan(rules, day, zone, is_open, surge=library.surge) for rules in cut.values())


@transaction.atomic
def forget(*, library_id: int, day: date, by: Actor, now: datetime) -> Closed:
    """Let the rule decide about a day again; if it closes the day, those who have a time get another one.

    Refuses as `close` does.
    """
    library = lending_opening.forget_day(library_id=library_id, day=day, now=now)
    _follow(library, day, now=now)
    if lending_queries.calendar_of(library).is_open(day):
        return Closed(0, 0)
    return _move_all(library, day, by=by, now=now)


def _follow(library: Library, day: date | None = None, *, now: datetime) -> None:
    """Have slots and keep days follow the calendar of a locked library.

    Orders, and the promises of a day whose visits may be moved, are locked before any slot is, as everywhere.
    """
    promised = _promised(library, day, now=now).values_list("pk", flat=True) if day is not None else ()
    ready = Order.objects.filter(library=library, state=OrderState.READY, keep_until__gt=now)
    calendar, zone = lending_queries.calendar_of(library), ZoneInfo(library.zone)
    days = ((pk, _last_day(until, zone)) for pk, until in ready.values_list("pk", "keep_until") if until is not None)
    kept = [pk for pk, last in days if not calendar.is_open(last)]
    longer = functools.cache(functools.partial(end_of_next_open_day, library))
    bookings.lock_many(promised, kept)
    fitting.follow(library, now=now)
    to_offer = set(queries.to_offer(order_ids=kept).values_list("pk", flat=True))
    for order in queries.orders(pk__in=kept, state=OrderState.READY).order_by("pk"):
        if order.keep_until is None or calendar.is_open(last := _last_day(order.keep_until, zone)):
            continue
        order.keep_until = longer(last)
        order.save(update_fields=["keep_until"])
        if order.pk in to_offer or queries.live_appointment(order) is not None or queries.is_here(order):
            continue  # a time says until when, or is about to
        texts.hush_own(order, why="kept_longer", now=now)
        texts.ready([order], now=now)


def kept_until(*, library: Library, day: date) -> QuerySet[Order]:
    """The packed bags without a time that are kept until the end of a local day."""
    begin, end = _span(library, day, day)
    ready = Order.objects.filter(library=library, state=OrderState.READY, keep_until__gt=begin, keep_until__lte=end)
    return ready.exclude(appointment__state__in=PROMISED)


def _last_day(until: datetime, zone: ZoneInfo) -> date:
    """The local day that ends with this moment, or in which it lies."""
    return (until - timedelta(microseconds=1)).astimezone(zone).date()


def _move_all(library: Library, day: date, *, by: Actor, now: datetime) -> Closed:
    keep = end_of_next_open_day(library, day)
    keys = list(_promised(library, day, now=now).order_by("slot__starts_at", "pk").values_list("pk", flat=True))
    moved = [lapses.move_away(appointment_id=pk, kept_until=keep, by=by, now=now) for pk in keys]
    new = sum(one is not None for one in moved)
    return Closed(new, len(moved) - new)


def _promised(library: Library, first: date, last: date | None = None, *, now: datetime) -> QuerySet[Appointment]:
    """The visits that are still to come from one local day to another, or on the one."""
    begin, end = _span(library, first, last or first)
    return queries.to_come(point__library=library, slot__starts_at__gte=max(begin, now), slot__starts_at__lt=end)


def _span(library: Library, first: date, last: date) -> tuple[datetime, datetime]:
    """When the local days from `first` to `last` begin and end."""
    zone = ZoneInfo(library.zone)
    begin = datetime.combine(first, time(), tzinfo=zone).astimezone(UTC)
    return begin, datetime.combine(last + timedelta(days=1), time(), tzinfo=zone).astimezone(UTC)


def end_of_next_open_day(library: Library, day: date) -> datetime:
    """Until when bags whose time on a day falls away are kept at least: the end of the first open day after it."""
    try:
        following = lending_queries.calendar_of(library).next_open(day + timedelta(days=1))
    except NeverOpen:
        following = day + timedelta(days=LONGEST)
    midnight = datetime.combine(following + timedelta(days=1), time(), tzinfo=ZoneInfo(library.zone))
    return midnight.astimezone(UTC)
