"""What a programme's numbers mean: pure arithmetic over counts and dates, one code for every door."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from lending import calendar

if TYPE_CHECKING:
    from collections.abc import Sequence

WEEK = timedelta(days=7)
SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Counted:
    """One limit and how much of it is used; `again_on` is the first day with room again, null if no day is known."""

    allowed: int
    taken: int
    again_on: date | None = None

    @property
    def left(self) -> int:
        """How many more are possible."""
        return max(0, self.allowed - self.taken)


def week_of(today: date, *, rolling: bool) -> calendar.Week:
    """The days whose orders count today: the calendar week, or the seven days that end today."""
    return calendar.rolling(today) if rolling else calendar.week_of(today)


def in_week(allowed: int, days: Sequence[date], *, asked: int, today: date, rolling: bool) -> Counted:
    """A weekly limit, for whoever asks for `asked` more; `days` are those of what counts already, oldest first.

    There is room again when enough of them have left the week, or when the week ends; never for more than is allowed.
    """
    over = len(days) + asked - allowed
    if asked > allowed:
        again_on = None
    elif over <= 0:
        again_on = today
    elif rolling:
        again_on = days[over - 1] + WEEK
    else:
        again_on = week_of(today, rolling=False).last + timedelta(days=1)
    return Counted(allowed, len(days), again_on)


def at_once(allowed: int, on_order: int, due: Sequence[date], *, asked: int, today: date) -> Counted:
    """A limit of what is on order and at home together; `due` are the due dates of what is at home, in their order.

    There is room for `asked` more when enough of it is due; no day is known for what is on order or overdue.
    """
    over = on_order + len(due) + asked - allowed
    return Counted(allowed, on_order + len(due), today if over <= 0 else nth_due(due, over, today=today))


def nth_due(due: Sequence[date], nth: int, *, today: date) -> date | None:
    """The day on which the nth of these books is due (from 1); None if they are fewer, or it should be back already."""
    return due[nth - 1] if nth <= len(due) and due[nth - 1] >= today else None


def most_waiting(*, copies: int, per_copy: int | None, most: int | None) -> int | None:
    """How many people may wait for a title with so many copies; None for any number."""
    limits = [per_copy * copies] if per_copy is not None else []
    limits += [most] if most is not None else []
    return min(limits) if limits else None


def pause_of(strikes: Sequence[date], *, allowed: int, counts_for: int, pause: int) -> tuple[int, date] | None:
    """The last pause that these strikes led to: how many they were, and its last day; None if they led to none.

    A strike begins a pause of `pause` days when it is at least the `allowed`-th within `counts_for` days, its own among
    them.
    """
    for day in sorted(set(strikes), reverse=True):
        count = sum(day - timedelta(days=counts_for) < other <= day for other in strikes)
        if count >= allowed:
            return count, day + timedelta(days=pause)
    return None


def overdue_days(due_on: date, back_on: date) -> int:
    """How many days late a book came back; 0 for one that was in time."""
    return max(0, (back_on - due_on).days)


COUNTING = ("volumes", "volumes_per_order", "orders_per_week", "orders_weekday", "orders_weekend")
"""The rules whose effect on past orders can be worked out from dates and counts alone."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One past order: by whom it was counted, its day, its volumes."""

    whose: int
    day: date
    volumes: int


def refused(asked: Sequence[Asked], *, rolling: bool, **limits: int | None) -> dict[str, int]:
    """How many of these orders, in the order in which they came, each limit of COUNTING would have refused.

    What one limit refuses does not count towards it any more, so the figures are those of a life under that limit.
    """
    return {name: _refused_by(name, limits.get(name), asked, rolling=rolling) for name in COUNTING}


def _refused_by(name: str, allowed: int | None, asked: Sequence[Asked], *, rolling: bool) -> int:
    if allowed is None:
        return 0
    count = 0
    taken: dict[int, list[tuple[date, int]]] = {}
    for one in asked:
        if name == "volumes_per_order":
            count += one.volumes > allowed
            continue
        if name in {"orders_weekday", "orders_weekend"}:
            if (one.day.weekday() >= SATURDAY) != (name == "orders_weekend"):
                continue
            whose, first, weight = 0, one.day, 1
        else:
            whose, first = one.whose, week_of(one.day, rolling=rolling).first
            weight = one.volumes if name == "volumes" else 1
        mine = taken.setdefault(whose, [])
        if sum(number for day, number in mine if first <= day <= one.day) + weight > allowed:
            count += 1
        else:
            mine.append((one.day, weight))
    return count
