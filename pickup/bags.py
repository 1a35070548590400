"""A bag as those see it who pack it, print its slip and carry it to the shelf: what is in, left, wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from lending.states import CopyState
from pickup import awaited, parties, point_queries, queries, sessions
from pickup.models import Appointment, Order, OrderLine, PointRules
from pickup.sessions import SOON, Session
from pickup.states import HERE, LineState, OrderState

ASTRAY = (CopyState.LOAN, CopyState.MISSING, CopyState.DAMAGED, CopyState.LOST, CopyState.TRANSIT, CopyState.WITHDRAWN)


class Problem(StrEnum):
    """What makes a bag stand out; the page has a word and an icon for each."""

    HERE = "here"  # somebody is at the window for it
    LATE = "late"  # its session begins soon, or has begun
    BLOCKED = "blocked"  # the card may not borrow at the moment
    MISSING = "missing"  # a book of it was not on its shelf
    ASTRAY = "astray"  # a book that it wants lies in another bag, is lent, or is not known to be anywhere


@dataclass(frozen=True, slots=True)
class Bag:
    """An open order with its books; its people wait for `waits_for` more before they want it.

    While it holds none, `coming` are the days on which its books are expected from other libraries.
    `session` and `appointment` are those promised; `kept_to` its last minute (UTC). `beside` are the other bags that
    go out with it, by number.
    """

    order: Order
    inside: list[OrderLine]
    left: list[OrderLine]
    lost: int
    appointment: Appointment | None
    session: Session | None
    problems: list[Problem]
    waits_for: int = 0
    coming: Sequence[date] = ()
    beside: Sequence[Order] = ()

    @property
    def goes_with(self) -> str:
        """The numbers of the bags that go out with it: 47-22, 47-23."""
        return numbers(self.beside)

    @property
    def lines(self) -> list[OrderLine]:
        """All books that are meant for it, in shelf order."""
        return sorted([*self.inside, *self.left], key=lambda line: (line.copy.shelf_key, line.pk))

    @property
    def count(self) -> int:
        """How many books it is to hold."""
        return len(self.inside) + len(self.left)

    @property
    def without_time(self) -> str:
        """What stands in the place of a time while none is promised."""
        return without_time(point_queries.rules_at(self.order.point))

    @property
    def comes_on(self) -> date | None:
        """The day on which all books of a bag that holds none yet are expected."""
        return max(self.coming, default=None)

    @property
    def complete(self) -> bool:
        """Whether it only has to be said to be ready."""
        return self.order.state == OrderState.PICKING and bool(self.inside) and not (self.left or self.waits_for)

    @property
    def late_lines(self) -> bool:
        """Whether it is on the shelf already and a book has come for it since."""
        return self.order.state == OrderState.READY and bool(self.left)

    @property
    def kept_to(self) -> datetime | None:
        """The last minute until which it is kept, for a reader who asks for a day."""
        return self.order.keep_until and self.order.keep_until - timedelta(minutes=1)


def of(orders: Iterable[Order], *, now: datetime) -> list[Bag]:
    """The bags of orders that were read with `queries.bags`; the same few queries, however many they are."""
    asked = list(orders)
    waiting = [order for order in asked if order.whole_until is not None and order.whole_until > now]
    more = awaited.more_to_come(waiting) if waiting else {}
    coming, beside = awaited.coming(asked), parties.beside(asked)
    return [
        _bag(order, more.get(order.pk, 0), coming.get(order.pk, ()), beside.get(order.pk, ()), now=now)
        for order in asked
    ]


def one(order: Order, *, now: datetime) -> Bag:
    """The bag of one order."""
    return of([order], now=now)[0]


def numbers(orders: Iterable[Order]) -> str:
    """Order numbers as they are said one after another; no line ends within one."""
    return ", ".join(order.shown.replace("-", "\N{WORD JOINER}-\N{WORD JOINER}") for order in orders)


def _bag(order: Order, waits_for: int, coming: Sequence[date], beside: Sequence[Order], *, now: datetime) -> Bag:
    lines = list(order.lines.all())
    inside = [line for line in lines if line.state in {LineState.PACKED, LineState.GIVEN}]
    left = [line for line in lines if line.state == LineState.TO_PICK]
    promise = queries.live_appointment(order)
    session = sessions.of(promise.slot, order.library.zone) if promise is not None else None
    lost = sum(line.state == LineState.MISSING for line in lines)
    problems = list(_problems(order, left, lost, session, now=now))
    return Bag(order, inside, left, lost, promise, session, problems, waits_for, coming, beside)


def without_time(rules: PointRules) -> str:
    """What is said of a bag that has no time, at a point with these rules."""
    return _("no time yet") if rules.by_appointment else _("no appointment needed")


def is_blocked(order: Order, *, now: datetime) -> bool:
    """Whether the patron's card is blocked on the library's day; `order` was read with its patron and library."""
    blocked = order.patron.blocked_until if order.patron is not None else None
    return blocked is not None and blocked >= now.astimezone(ZoneInfo(order.library.zone)).date()


def to_pack(found: Iterable[Bag]) -> list[Bag]:
    """Those that somebody has to work on: who is here for one comes first, then the time that was promised; bags that
    go out together follow each other.

    A bag on the shelf is among them when a book came later, or when its card was blocked since it was packed. One whose
    books are still on their way is not, until its time is near or somebody is here for it.
    """
    return next_to_each_other(
        sorted(
            (
                bag
                for bag in found
                if (bag.order.state == OrderState.PICKING and not bag.coming) or bag.left or bag.problems
            ),
            key=lambda bag: Problem.HERE not in bag.problems,
        )
    )


def next_to_each_other(found: Iterable[Bag]) -> list[Bag]:
    """Bags in their order, those that go out together after the first of them."""
    asked = list(found)
    rank = parties.side_by_side((bag.order.pk for bag in asked), {bag.order.pk: bag.beside for bag in asked})
    return sorted(asked, key=lambda bag: rank[bag.order.pk])


def _problems(
    order: Order, left: list[OrderLine], lost: int, session: Session | None, *, now: datetime
) -> Iterator[Problem]:
    packing = order.state == OrderState.PICKING
    if packing and order.visit is not None and order.visit.state in HERE:
        yield Problem.HERE
    if packing and session is not None and session.starts_at - now < SOON:
        yield Problem.LATE
    if is_blocked(order, now=now):
        yield Problem.BLOCKED
    if packing and lost:
        yield Problem.MISSING
    if any(line.copy.state in ASTRAY for line in left):
        yield Problem.ASTRAY
