"""The lane: the next car is called, its bags are handed over, it leaves; and for a while all of it can be undone.

Rows are locked in the order of the house: the visit, then its orders by id. A lane is locked before any visit, and
whoever holds a visit takes a lane only with SKIP LOCKED, so that neither waits for the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q

from core import live
from core.actor import RULE, Actor
from core.moves import MoveRefused
from core.refusal import BadInput
from lending import copies, patrons
from pickup import handovers, queries
from pickup.arrivals import FOR_THEMSELVES, already_handed_over, arrive
from pickup.errors import (
    AlreadyHandedOver,
    AtAnotherPoint,
    LaneBusy,
    LaneClosed,
    LaneNotFound,
    NewerOrder,
    NobodyWaiting,
    NoOpenOrder,
    NothingReady,
    OrderNotFound,
    PointNotFound,
    UndoTooLate,
    VisitNotFound,
)
from pickup.models import Lane, Order, Visit
from pickup.states import HERE, OPEN_ORDER, OrderState, VisitState
from pickup.texts import UNDO

__all__ = ["HandOver", "HandedOver", "arrive", "call_next", "hand_over", "serve"]

STALE = timedelta(hours=4)
"""After so long nobody is still standing there: the visit was forgotten."""

MOST_AT_ONCE = 10
BATCH = 500
_FILE = "file"


@dataclass(frozen=True, slots=True)
class HandOver:
    """One bag to hand over: its order number, and for each copy that is kept back (by barcode) the reason."""

    number: str
    not_given: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HandedOver:
    """The visit after a hand-over, and what became of each copy."""

    visit: Visit
    given: list[handovers.Given]


@transaction.atomic
def call_next(
    *, point_id: int, by: Actor, now: datetime, lane_id: int | None = None, count: int = 1
) -> list[Visit]:
    """Call those who are next: an undone hand-over first, then who arrived first, if something is ready for them.

    Who came to return or to ask needs no bag. In a single file (`layout` file) one car is called to an open lane:
    the one named, else the first that is free; elsewhere several may be called, to be served where they stand.
    Any number of librarians may call at once and get different cars. Refuses with `lane_closed`, `lane_busy` (and the
    visit in it), `nobody_waiting` (and how many wait for their bag to be packed).
    """
    layout = _layout(point_id)
    if not 1 <= count <= MOST_AT_ONCE or (layout == _FILE and count != 1):
        raise BadInput(field="count")
    if lane_id is not None and layout != _FILE:
        raise BadInput(field="lane")
    lane = _lane_to_use(point_id, lane_id) if layout == _FILE else None
    waiting = Visit.objects.filter(point_id=point_id, state=VisitState.WAITING)
    ready = Exists(Order.objects.filter(visit=OuterRef("pk"), state=OrderState.READY))
    can_be_served = waiting.filter(~Q(purpose=Visit.Purpose.COLLECT) | ready).order_by("-first", "arrived_at", "pk")
    visits = list(can_be_served.select_for_update(skip_locked=True, no_key=True)[:count])
    if not visits:
        raise NobodyWaiting(waiting=waiting.count())
    for visit in visits:
        _call(visit, lane, by=by, now=now)
    live.publish([f"point:{point_id}"], now=now)
    return visits


@transaction.atomic
def hand_over(*, visit_id: int, by: Actor, now: datetime, orders: Sequence[HandOver] = ()) -> HandedOver:
    """Hand the bags of a called visit over: those named, else every ready one; tells what became of each copy.

    The visit is served when no ready bag of it is left. Refuses a visit that was not called (`not_in_this_state`) or
    is served already (`already_handed_over`, with when), a number that is not of this visit (`unknown_order`), a copy
    that is not in the bag (`not_in_this_order`) and a visit without anything ready (`nothing_ready`).
    """
    visit = _locked(visit_id)
    if visit.state == VisitState.SERVED:
        raise _served_already(visit)
    if visit.state != VisitState.CALLED:
        raise MoveRefused(noun=Visit.noun(), state=visit.state, asked=str(VisitState.SERVED))
    found = _lock_bags(visit)
    asked = _asked(found, orders)
    if not asked and visit.purpose == Visit.Purpose.COLLECT:
        raise NothingReady(visit=visit.pk)
    given: list[handovers.Given] = []
    for bag, not_given in asked:
        given += handovers.give(order=bag, not_given=not_given, by=by, now=now)
    if not any(bag.state == OrderState.READY for bag in found):
        visit.move(VisitState.SERVED, at=now, by=by, ended_at=now)
    live.publish([f"point:{visit.point_id}"], now=now)
    return HandedOver(visit, given)


@transaction.atomic
def serve(
    *, point_id: int, by: Actor, now: datetime, order_number: str = "", card_number: str = "", barcode: str = ""
) -> HandedOver:
    """One scan of a slip, a card or a book in the bag: the car is here, is called and gets its bags, all or nothing.

    A car that waits or was called already is served as it stands. In a single file an open lane that is free is
    used; with none free the car is served beside them. Refuses as `arrive` and `hand_over` do, and a bag that waits
    at another pickup place (`at_another_point`).
    """
    if [bool(order_number), bool(card_number), bool(barcode)].count(True) != 1:
        raise BadInput(field="order_number")
    layout = _layout(point_id)
    order = _scanned(point_id, order_number=order_number, card_number=card_number, barcode=barcode, now=now)
    if order.point_id != point_id:
        raise AtAnotherPoint(point=str(order.point), pickup_point=order.point_id)
    visit = arrive(point_id=point_id, order_id=order.pk, by=by, now=now)
    if visit.state == VisitState.WAITING:
        lane = _free_lanes(point_id).first() if layout == _FILE else None
        _call(visit, lane, by=by, now=now)
    order.refresh_from_db(fields=["state", "handed_over_at"])
    if order.state == OrderState.HANDED_OVER:
        raise already_handed_over(order)
    return hand_over(visit_id=visit.pk, by=by, now=now)


@transaction.atomic
def put_back(*, visit_id: int, by: Actor, now: datetime) -> Visit:
    """Somebody was called who is not there yet: they wait again in their old place."""
    visit = _locked(visit_id)
    visit.move(VisitState.WAITING, at=now, by=by, called_at=None, called_by="", lane=None)
    live.publish([f"point:{visit.point_id}"], now=now)
    return visit


@transaction.atomic
def leave(*, visit_id: int, by: Actor, now: datetime) -> Visit:
    """They drove away without their bag, which stays ready; they may come again.

    A patron or collector may say so of their own visit only, else `unknown_visit`.
    """
    visit = _locked(visit_id)
    if by.kind in FOR_THEMSELVES and not queries.is_of_visit(visit, by):
        raise VisitNotFound
    visit.move(VisitState.LEFT, at=now, by=by, ended_at=now)
    live.publish([f"point:{visit.point_id}"], now=now)
    return visit


@transaction.atomic
def undo(*, visit_id: int, by: Actor, now: datetime) -> Visit:
    """Take back, within ten minutes, that a visit was served or left: they wait again.

    After an undone hand-over they are first in line, the loans are void and the books in the bag. Refuses after ten
    minutes (`undo_too_late`) and when the same person has a newer order or is here again (`newer_order`).
    """
    visit = _locked(visit_id)
    if visit.state not in {VisitState.SERVED, VisitState.LEFT}:
        raise MoveRefused(noun=Visit.noun(), state=visit.state, asked=str(VisitState.WAITING))
    if visit.ended_at is None or now - visit.ended_at > UNDO:
        raise UndoTooLate(at=visit.ended_at.isoformat() if visit.ended_at else "")
    served = visit.state == VisitState.SERVED
    given = _lock(Q(visit=visit, state=OrderState.HANDED_OVER, handed_over_at=visit.ended_at)) if served else []
    if any(queries.newer_than(order).exists() for order in given) or queries.here_again(visit).exists():
        raise NewerOrder(visit=visit.pk)
    try:
        with transaction.atomic():
            for order in given:
                handovers.take_again(order=order, by=by, now=now)
            visit.move(
                VisitState.WAITING,
                at=now,
                by=by,
                first=served or visit.first,
                ended_at=None,
                called_at=None,
                called_by="",
                lane=None,
            )
    except IntegrityError as error:
        if "_here_once" in str(error) or "pickup_one_open_order" in str(error):
            raise NewerOrder(visit=visit.pk) from error
        raise
    live.publish([f"point:{visit.point_id}"], now=now)
    return visit


@transaction.atomic
def open_lane(*, lane_id: int, by: Actor, now: datetime) -> Lane:
    """Somebody stands at this lane now. Opening an open lane is fine."""
    return _set_open(lane_id, True, now=now)


@transaction.atomic
def close_lane(*, lane_id: int, by: Actor, now: datetime) -> Lane:
    """Nobody is called to this lane any more; refuses while somebody is served there (`lane_busy`)."""
    return _set_open(lane_id, False, now=now)


@transaction.atomic
def forget_stale(*, now: datetime) -> int:
    """End visits that nobody ended, hours after they began; gives back how many."""
    old = Visit.objects.filter(state__in=HERE, arrived_at__lt=now - STALE)
    visits = list(old.select_for_update(skip_locked=True, no_key=True).order_by("pk")[:BATCH])
    ended = Visit.move_many(visits, VisitState.LEFT, at=now, by=RULE, ended_at=now)
    if ended:
        live.publish({f"point:{visit.point_id}" for visit in ended}, now=now)
    return len(ended)


def _layout(point_id: int) -> str:
    layout = queries.points().filter(pk=point_id).values_list("layout", flat=True).first()
    if layout is None:
        raise PointNotFound(field="pickup_point")
    return str(layout)


def _free_lanes(point_id: int):  # type: ignore[no-untyped-def]
    ...
