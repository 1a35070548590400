"""The days on which a library is open: its week, its month, public holidays, and single days that differ.

What is lent keeps its due date; what is counted from now on skips the days that are closed now. The times of pickup
points are pickup's: see pickup/opening.py.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.db import transaction

from core.refusal import BadInput
from lending import public_holidays, queries, surge
from lending.models import NTH_WEEKDAYS, SpecialDay

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from django.db.models import QuerySet

    from lending.models import Library

FURTHEST = timedelta(days=800)
"""How far ahead a single day may be named: two years and a bit."""


def special_days(library_id: int, *, since: date) -> QuerySet[SpecialDay]:
    """The single days of a library that differ, from a day on, soonest first."""
    return SpecialDay.objects.filter(library=library_id, day__gte=since).order_by("day")


def refuse_day(library: Library, day: date, *, now: datetime) -> None:
    """Refuse (`invalid`) a day that is over or more than two years ahead, of which nothing can be said."""
    if not can_change(day, today=queries.today(library, now)):
        raise BadInput(field="day")


def can_change(day: date, *, today: date) -> bool:
    """Whether a day is one that can still be opened or closed."""
    return today <= day <= today + FURTHEST


@transaction.atomic
def set_day(*, library_id: int, day: date, is_open: bool, reason: str, now: datetime) -> SpecialDay:
    """One day is closed, or open, whatever week, month and holidays say; the same day again is the newer word.

    Refuses with `not_found`, and with `invalid` a day that is over or more than two years ahead.
    """
    library = surge.lock(library_id)
    refuse_day(library, day, now=now)
    found, _made = SpecialDay.objects.update_or_create(
        library=library, day=day, defaults={"open": is_open, "reason": " ".join(reason.split())}
    )
    return found


@transaction.atomic
def forget_day(*, library_id: int, day: date, now: datetime) -> Library:
    """Week, month and holidays decide about this day again; one that did not differ stays so.

    Refuses as `set_day` does.
    """
    library = surge.lock(library_id)
    refuse_day(library, day, now=now)
    SpecialDay.objects.filter(library=library, day=day).delete()
    return library


@transaction.atomic
def set_week(*, library_id: int, weekly_closed: Collection[int], nth_closed: Collection[str], holidays: str) -> Library:
    """The rule: closed weekdays (Monday is 0), nth weekdays of the month ("1-1": first Tuesday), whose holidays.

    Refuses with `not_found`, and with `invalid` (and its field) what is no such day or no known country.
    """
    library = surge.lock(library_id)
    library.weekly_closed = sorted(set(weekly_closed))
    library.nth_closed = sorted(set(nth_closed))
    library.holidays = holidays.strip().upper()
    if set(library.weekly_closed) >= set(range(7)):
        raise BadInput(field="weekly_closed")  # a library is open on one weekday at least
    try:
        public_holidays.known(library.holidays)
    except ValidationError as error:
        raise BadInput(field="holidays") from error
    if not set(library.nth_closed) <= set(NTH_WEEKDAYS) or not set(library.weekly_closed) <= set(range(7)):
        raise BadInput(field="nth_closed")
    library.save(update_fields=["weekly_closed", "nth_closed", "holidays"])
    return library
