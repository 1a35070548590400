"""Somebody says by text or by telephone that they are here: noted, and how it stands with their car."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.actor import Actor
from pickup import arrivals, queries, waits
from pickup.models import Order
from pickup.states import HERE, OrderState, VisitState


@dataclass(frozen=True, slots=True)
class CheckedIn:
    """Somebody is here: how many cars are called before theirs, about how many minutes they wait, whether a bag of
    theirs is packed; whether they are called already, and to which lane, "" for none.

    `minutes` is None where nothing can honestly be said. `bay` is the parking place in which they stand, "" where they
    have not said it, None where the places have no numbers.
    """

    visit_id: int
    ahead: int
    minutes: int | None
    packed: bool
    called: bool
    lane: str
    bay: str | None


def check_in(order: Order, *, by: Actor, now: datetime, bay: str = "") -> CheckedIn | datetime:
    """Note that somebody has come for an order, and in which bay; where they are turned away, as it is closed, say when
    it opens.
    """
    load = waits.now_at(point_id=order.point_id, now=now)
    if load.next_open is not None and waits.is_turned_away(order, load, now=now):
        return load.next_open
    visit = arrivals.arrive(point_id=order.point_id, order_id=order.pk, bay=bay, by=by, now=now)
    packed = queries.orders(visit=visit, state=OrderState.READY).exists()
    called = visit.state == VisitState.CALLED
    lane = visit.lane.name if visit.lane is not None else ""
    ahead = waits.ahead_of(visit)
    minutes = load.minutes(ahead) if packed and not called else None
    return CheckedIn(visit.pk, ahead, minutes, packed, called, lane, visit.bay if has_bays(order) else None)


def has_bays(order: Order) -> bool:
    """Whether cars stand in numbered places where an order is collected."""
    return bool(order.point.layout == order.point.Layout.BAYS)


def in_unknown_bay(orders: Sequence[Order]) -> Order | None:
    """One of some orders whose car stands in a numbered place that nobody has named yet."""
    return next(
        (
            order
            for order in orders
            if has_bays(order) and order.visit is not None and order.visit.state in HERE and not order.visit.bay
        ),
        None,
    )
