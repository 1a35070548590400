"""Whose turn comes when: a car that arrives gets the moment by which it stands in the line, once and for all.

Who comes at the promised time stands by their arrival, who comes early by their time, who comes late or without a time
lets those go first who arrive a little later. See docs/adr/0032-order-of-service.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from pickup import point_queries
from pickup.models import Appointment, Order
from pickup.states import PROMISED, AppointmentState

EARLY = timedelta(minutes=10)
"""So long before the promised slot somebody is on time already."""

YIELDING = timedelta(minutes=10)
"""So much later than they came those stand who are late or have no time: who is on time by then goes first."""

COUNTS = frozenset({*PROMISED, AppointmentState.MISSED})

STEP = timedelta(milliseconds=1)
"""How far apart two cars are put where there is no moment left between their neighbours."""


def turn(*, point_id: int, order_ids: Iterable[int], at: datetime) -> datetime:
    """The turn of a car that arrived at a moment with these orders; never before it. UTC.

    The promise that gives it the soonest turn counts. Where no times are promised it is the arrival.
    """
    if not point_queries.rules_of(point_id).by_appointment:
        return at
    bags: dict[Appointment, list[Order]] = {}
    for order in Order.objects.filter(pk__in=order_ids).select_related(
        "appointment__slot__window", "appointment__point__library", "appointment__instead_of"
    ):
        promise = order.appointment
        if promise is None:
            continue
        if promise.state in COUNTS or (promise.state == AppointmentState.LAPSED and promise.moved_by_us):
            bags.setdefault(promise, []).append(order)
    return min((_by(promise, orders, at) for promise, orders in bags.items()), default=at + YIELDING)


def _by(promise: Appointment, orders: Sequence[Order], at: datetime) -> datetime:
    """The turn that one promise gives: the arrival, for who is early the time, for who is late a little more.

    A time that the rule gave to whoever missed another, or to which nobody has said yes, puts nobody further behind
    than without it.
    """
    times = [on_time(one) for one in and_before(promise)]
    if any(begins <= at <= ends for begins, ends in times):
        return at
    begins, _ends = times[0]
    if at < begins:
        not_theirs = promise.offer > 1 or promise.state == AppointmentState.OFFERED
        return min(begins, at + YIELDING) if not_theirs else begins
    bag_was_late = any(order.ready_at is None or order.ready_at > promise.slot.starts_at for order in orders)
    return at if len(times) > 1 or bag_was_late else at + YIELDING


def and_before(promise: Appointment) -> Iterator[Appointment]:
    """A promise, and those before it from which we moved it."""
    yield promise
    while promise.moved_by_us and promise.instead_of is not None:
        promise = promise.instead_of
        yield promise


def on_time(promise: Appointment) -> tuple[datetime, datetime]:
    """From when until when one is on time: for the slot, or for the whole window that serves by arrival."""
    slot = promise.slot
    begins, ends = slot.starts_at, slot.ends_at
    window = slot.window
    if window is not None and window.by_arrival:
        zone = ZoneInfo(promise.point.library.zone)
        day = begins.astimezone(zone).date()
        last = day + timedelta(days=1) if window.closes == time() else day
        begins = min(begins, datetime.combine(day, window.opens, tzinfo=zone))
        ends = max(ends, datetime.combine(last, window.closes, tzinfo=zone))
    grace = promise.miss_after - slot.ends_at
    return begins - EARLY, ends + grace
