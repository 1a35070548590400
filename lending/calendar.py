"""When a library is open, and what lending counts by it: due dates, keep days, weeks. Pure: dates in, dates out.

Weekdays are those of `date.weekday()`: Monday is 0. Every date is a day in the library's own zone.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final, NamedTuple

from django.utils.translation import gettext_lazy as _

from core.refusal import Refusal

_DAY = timedelta(days=1)
HORIZON: Final = 400
"""Days that are looked at for an open one before NeverOpen is raised: more than a year."""


class NeverOpen(Refusal, ValueError):
    """The rules leave no open day within HORIZON days; somebody closed the library for good."""

    code = "library_never_open"
    sentence = _("This library has no open day in its calendar. Please have its closed days looked at.")


class Week(NamedTuple):
    """Seven days, both ends included."""

    first: date
    last: date

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last


@dataclass(frozen=True)
class Calendar:
    """The open and closed days of one library.

    `weekly_closed`: weekdays, such as {0} for every Monday. `nth_weekday_closed`: (n, weekday) pairs, (1, 1) and (3, 1)
    for the first and third Tuesday of a month; n is 1 to 5. `closed_dates`: single closed days. `open_dates`: single
    days that are open though a rule or a holiday says closed. `holidays`: anything that answers `day in holidays`, such
    as an object of the `holidays` package. A day in both lists of dates is closed: nobody stands before a shut door.
    """

    weekly_closed: frozenset[int] = frozenset()
    nth_weekday_closed: frozenset[tuple[int, int]] = frozenset()
    closed_dates: frozenset[date] = frozenset()
    open_dates: frozenset[date] = frozenset()
    holidays: Container[date] = field(default=frozenset(), compare=False, hash=False)

    def is_open(self, day: date) -> bool:
        """Whether the library works on that day. Single dates beat holidays, holidays and rules are equal."""
        if day in self.closed_dates:
            return False
        if day in self.open_dates:
            return True
        weekday = day.weekday()
        nth = (day.day - 1) // 7 + 1
        return not (weekday in self.weekly_closed or (nth, weekday) in self.nth_weekday_closed or day in self.holidays)

    def next_open(self, day: date) -> date:
        """The first open day on or after `day`. Refuses with NeverOpen."""
        return self._nth(day, 0, _DAY) if self.is_open(day) else self._nth(day, 1, _DAY)

    def open_days_before(self, day: date, n: int) -> date:
        """The n-th open day before `day`, not counting `day`; `day` itself for 0. Refuses with NeverOpen."""
        return self._nth(day, n, -_DAY)

    def open_days_after(self, day: date, n: int) -> date:
        """The n-th open day after `day`, not counting `day`; `day` itself for 0. Refuses with NeverOpen."""
        return self._nth(day, n, _DAY)

    def due_date(
        self, lent_on: date, days: int, *, first_day_counts: bool, skip_closed: bool = False, due_when_open: bool = True
    ) -> date:
        """The last day on which a book lent on `lent_on` for `days` days may come back.

        `first_day_counts`: the day of lending is day 1 (15 days from the 1st end on the 15th), else the next day is.
        `skip_closed`: only open days count. `due_when_open`: a due date on a closed day moves to the next open one.
        Refuses fewer than one day with ValueError and a library without open days with NeverOpen.
        """
        if days < 1:
            raise ValueError("a book is lent for at least one day")
        if skip_closed:
            day_before_first = lent_on - _DAY if first_day_counts else lent_on
            due = self.open_days_after(day_before_first, days)
        else:
            due = lent_on + timedelta(days=days - 1 if first_day_counts else days)
        return self.next_open(due) if due_when_open else due

    def _nth(self, day: date, n: int, step: timedelta) -> date:
        if n < 0:
            raise ValueError("days are counted from 0")
        looked = 0
        while n:
            day += step
            looked += 1
            if self.is_open(day):
                n, looked = n - 1, 0
            elif looked > HORIZON:
                raise NeverOpen
        return day


def week_of(day: date) -> Week:
    """The calendar week of a day, Monday to Sunday: what "five volumes a week" counts by default."""
    monday = day - timedelta(days=day.weekday())
    return Week(monday, monday + timedelta(days=6))


def rolling(day: date, days: int = 7) -> Week:
    """The `days` days that end with `day`: what a rolling week counts. Refuses fewer than one with ValueError."""
    if days < 1:
        raise ValueError("a rolling week has at least one day")
    return Week(day - timedelta(days=days - 1), day)
