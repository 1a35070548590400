"""A day is closed, or opened: what that means for the times of the pickup points, and for those who have one.

Looked at before, done with one click: the slots of the day take nobody new, and each visit that was promised gets the
next free time and a text, or a call of the staff where no time is free or no text would come before the old one.
"""

from __future__ import annotations

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
from pickup import bookings, fitting, lapses, queries
from pickup.models import Appointment, Order

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

    Today, too: who is here already, or whose time has begun, is served.
    """
    _lock_visits(library_id, day, now=now)
    library = lending_opening.set_day(library_id=library_id, day=day, is_open=False, reason=reason, now=now).library
    fitting.follow(library, now=now)
    return _move_all(library, day, by=by, now=now)


@transaction.atomic
def move(*, library_id: int, day: date, by: Actor, now: datetime) -> Closed:
    """Give those another time who have one on a day that is closed already; leaves an open day alone."""
    _lock_visits(library_id, day, now=now)
    library = lending_queries.library_with_rules(library_id)
    if lending_queries.calendar_of(library).is_open(day):
        return Closed(0, 0)
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

    These stand until somebody closes their day: a rule that is typed wrong must not move hundreds. Refuses as
    `lending.opening.set_week` does.
    """
    library = lending_opening.set_week(
        library_id=library_id, weekly_closed=weekly_closed, nth_closed=nth_closed, holidays=holidays
    )
    fitting.follow(library, now=now)
    return queries.to_come(point__library=library, slot__starts_at__gt=now, slot__outside=True).count()


@transaction.atomic
def open_up(*, library_id: int, day: date, reason: str, by: Actor, now: datetime) -> None:
    """Open a day that week, month or holidays close; its times can be had at once. Refuses as `close` does."""
    library = lending_opening.set_day(library_id=library_id, day=day, is_open=True, reason=reason, now=now).library
    fitting.follow(library, now=now)


@transaction.atomic
def forget(*, library_id: int, day: date, by: Actor, now: datetime) -> Closed:
    """Let the rule decide about a day again; if it closes the day, those who have a time get another one."""
    _lock_visits(library_id, day, now=now)
    lending_opening.forget_day(library_id=library_id, day=day)
    library = lending_queries.library_with_rules(library_id)
    fitting.follow(library, now=now)
    if lending_queries.calendar_of(library).is_open(day):
        return Closed(0, 0)
    return _move_all(library, day, by=by, now=now)


def _lock_visits(library_id: int, day: date, *, now: datetime) -> None:
    """Lock the library, then orders and promises of a day before any slot is, as everywhere: fitting locks slots."""
    library = lending_surge.lock(library_id)
    bookings.lock_many(_promised(library, day, now=now).values_list("pk", flat=True))


def _move_all(library: Library, day: date, *, by: Actor, now: datetime) -> Closed:
    keep = end_of_next_open_day(library, day)
    keys = list(_promised(library, day, now=now).order_by("slot__starts_at", "pk").values_list("pk", flat=True))
    moved = [lapses.move_away(appointment_id=pk, kept_until=keep, by=by, now=now) for pk in keys]
    new = sum(one is not None for one in moved)
    return Closed(new, len(moved) - new)


def _promised(library: Library, first: date, last: date | None = None, *, now: datetime) -> QuerySet[Appointment]:
    """The visits that are still to come from one local day to another, or on the one."""
    zone = ZoneInfo(library.zone)
    begin = datetime.combine(first, time(), tzinfo=zone).astimezone(UTC)
    end = datetime.combine((last or first) + timedelta(days=1), time(), tzinfo=zone).astimezone(UTC)
    return queries.to_come(point__library=library, slot__starts_at__gte=max(begin, now), slot__starts_at__lt=end)


def end_of_next_open_day(library: Library, day: date) -> datetime:
    """Until when bags whose time on a day falls away are kept at least: the end of the first open day after it."""
    try:
        following = lending_queries.calendar_of(library).next_open(day + timedelta(days=1))
    except NeverOpen:
        following = day + timedelta(days=LONGEST)
    midnight = datetime.combine(following + timedelta(days=1), time(), tzinfo=ZoneInfo(library.zone))
    return midnight.astimezone(UTC)
