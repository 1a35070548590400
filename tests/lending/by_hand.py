"""What the limits of a programme allow, counted by hand: slowly and plainly, row by row, to hold the house against."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, timedelta

from lending.models import Grant, Library, Loan, Patron, Programme, Reservation

OPEN = {"waiting", "suspended", "allocated", "bagged"}


def refusal(*, who: Patron, volumes: int, library: Library, today: date) -> str:
    """The code of the first limit that stands in the way of so many more volumes in one order; "" if none does."""
    rules = library.rules
    asked = list(Reservation.objects.filter(programme=library.programme))
    of_today = {row.request for row in asked if row.placed_on == today and row.state != "cancelled"}
    of_day = rules.orders_weekend if today.weekday() in {5, 6} else rules.orders_weekday
    if of_day is not None and len(of_today) >= of_day:
        return "day_full"
    if rules.volumes_per_order is not None and volumes > rules.volumes_per_order:
        return "too_many_in_order"
    mine = [row for row in asked if row.patron_id in _counted_with(who, rules)]
    week = [row for row in mine if row.placed_on in _week(today, rules) and not _given_back(row)]
    if rules.orders_per_week is not None and len({row.request for row in week}) >= rules.orders_per_week:
        return "orders_used_up"
    most = _most("volumes", who, rules, today)
    if most is not None and len(week) + volumes > most:
        return "quota_exceeded"
    wanted = [row for row in mine if row.state in OPEN]
    if rules.reserved_at_once is not None and len(wanted) + volumes > rules.reserved_at_once:
        return "too_many_reserved"
    most = _most("at_once", who, rules, today)
    home = [loan for loan in _at_home(library) if loan.patron_id in _counted_with(who, rules)]
    counted = home if rules.with_loans else [loan for loan in home if loan.reservation_id is not None]
    if most is not None and len(wanted) + len(counted) + volumes > most:
        return "too_many_at_once"
    return ""


def most_in_line(*, title_id: int, volume: str, library: Library) -> int | None:
    """How many may be in line for a volume by the library's rules; None for any number."""
    rules, copies = library.rules, 0
    for other in Library.objects.filter(programme=library.programme):
        there = other.copies.filter(title=title_id, volume=volume)
        copies += sum(copy.state not in {"missing", "damaged", "lost", "withdrawn"} for copy in there)
    limits = [rules.waiting_most, None if rules.waiting_per_copy is None else rules.waiting_per_copy * copies]
    return min((limit for limit in limits if limit is not None), default=None)


def in_line(*, title_id: int, volume: str, library: Library) -> int:
    """How many of the programme are in line for a volume, those who pause among them."""
    rows = Reservation.objects.filter(title=title_id, volume=volume, programme=library.programme)
    return sum(row.state in {"waiting", "suspended"} for row in rows)


def _counted_with(who: Patron, rules: Programme) -> Collection[int | None]:
    if rules.volumes_per == "household" and who.household_id is not None:
        return {one.pk for one in Patron.objects.filter(household=who.household_id)}
    return {who.pk}


def _week(today: date, rules: Programme) -> list[date]:
    first = today - timedelta(days=6 if rules.week == "rolling" else today.weekday())
    return [first + timedelta(days=n) for n in range(7)]


def _given_back(row: Reservation) -> bool:
    return row.state == "cancelled" or (row.state == "expired" and row.copy_id is None)


def _most(column: str, who: Patron, rules: Programme, today: date) -> int | None:
    most: int | None = getattr(rules, column)
    if most is None:
        return None
    for grant in Grant.objects.filter(patron=who, allowance__programme=rules).select_related("allowance"):
        more = getattr(grant.allowance, column)
        if more is not None and (grant.until is None or today <= grant.until):
            most = max(most, more)
    return most


def _at_home(library: Library) -> Iterable[Loan]:
    out = Loan.objects.filter(programme=library.programme, state="out").select_related("reservation")
    return [loan for loan in out if loan.reservation is None or loan.reservation.state != "bagged"]
