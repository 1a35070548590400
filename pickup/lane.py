"""The lane: the next car is called, its bags are handed over, it leaves; and for a while all of it can be undone.

Rows are locked in the order of the house: the visit, then its orders by id. A lane is locked before any visit, and
whoever holds a visit takes a lane only with SKIP LOCKED, so that neither waits for the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q

from core import live
from core.actor import RULE, Actor
from core.moves import MoveRefused
from core.refusal import BadInput
from lending import copies, patrons
from lending import queries as lending_queries
from lending.errors import UnknownCard
from pickup import calling, handovers, parties, point_queries, queries, texts
from pickup.arrivals import FOR_THEMSELVES, arrive
from pickup.errors import (
    AlreadyHandedOver,
    AtAnotherPoint,
    CalledAlready,
    LaneBusy,
    LaneClosed,
    LaneNotFound,
    NewerOrder,
    NobodyWaiting,
    NoOpenOrder,
    NothingReady,
    NotYours,
    OrderNotFound,
    PointNotFound,
    UndoTooLate,
    VisitNotFound,
)
from pickup.models import Lane, Order, Visit
from pickup.names import digits
from pickup.order_of_service import STEP
from pickup.states import HERE, OPEN_ORDER, PROMISED, LineState, OrderState, VisitState

if TYPE_CHECKING:
    from lending.models import PickupPoint

__all__ = [
    "HandOver",
    "HandedOver",
    "arrive",
    "by_number",
    "call_next",
    "close_lane",
    "digits",
    "forget_stale",
    "hand_over",
    "leave",
    "open_lane",
    "put_back",
    "recall",
    "serve",
    "skip",
    "undo",
]

STALE = timedelta(hours=4)
"""After so long nobody is still standing there: the visit was forgotten."""

RECALL_AGAIN = timedelta(seconds=30)
"""So soon after a recall another one changes nothing: it is the same tap."""

OF_USE = timedelta(minutes=10)
"""How long a text about a recall is of use."""

MOST_AT_ONCE = 10
BATCH = 500


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
def call_next(*, point_id: int, by: Actor, now: datetime, lane_id: int | None = None, count: int = 1) -> list[Visit]:
    """Call those who are next: an undone hand-over first, then by their turn, if something is ready for them.

    The turn (`Visit.queued_at`) is the arrival of who came on time, the time of who is early, and a little later than
    the arrival for who is late or has none (see `order_of_service`); staff may have moved the car.
    Who came to return or to ask needs no bag. In a single file (`layout` file) one car is called to an open lane:
    the one named, else the first that is free; elsewhere several may be called, to be served where they stand.
    Any number of librarians may call at once and get different cars. Refuses with `lane_closed`, `lane_busy` (and the
    visit in it), `nobody_waiting` (and how many wait for their bag to be packed).
    """
    layout = _layout(point_id)
    if not 1 <= count <= MOST_AT_ONCE or (layout == calling.FILE and count != 1):
        raise BadInput(field="count")
    if lane_id is not None and layout != calling.FILE:
        raise BadInput(field="lane")
    lane = _lane_to_use(point_id, lane_id) if layout == calling.FILE else None
    visits = calling.next_up(point_id, count)
    if not visits:
        waiting = Visit.objects.filter(point_id=point_id, state=VisitState.WAITING)
        raise NobodyWaiting(waiting=waiting.count())
    for visit in visits:
        calling.call(visit, lane, by=by, now=now)
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
    handovers.lock_titles(asked)
    given: list[handovers.Given] = []
    for bag, not_given in asked:
        given += handovers.give(order=bag, not_given=not_given, by=by, now=now)
    if not any(bag.state == OrderState.READY for bag in found):
        visit.move(VisitState.SERVED, at=now, by=by, ended_at=now)
    live.publish([f"point:{visit.point_id}"], now=now)
    calling.call_where_free(point_id=visit.point_id, now=now)
    return HandedOver(visit, given)


@transaction.atomic
def serve(
    *,
    point_id: int,
    by: Actor,
    now: datetime,
    order_number: str = "",
    card_number: str = "",
    barcode: str = "",
    orders: Sequence[HandOver] = (),
) -> HandedOver:
    """One scan of a slip, a card or a book in the bag: the car is here, is called and gets its bags, all or nothing.

    A car that waits or was called already is served as it stands: the bags of `orders`, else every ready one. In a
    single file an open lane that is free is used; with none free the car is served beside them. Refuses as `arrive`
    and `hand_over` do, and a bag that waits at another pickup place (`at_another_point`).
    """
    if [bool(order_number), bool(card_number), bool(barcode)].count(True) != 1:
        raise BadInput(field="order_number")
    layout = _layout(point_id)
    order = _scanned(point_id, order_number=order_number, card_number=card_number, barcode=barcode, now=now)
    if order.point_id != point_id:
        raise AtAnotherPoint.of(order) if order.state in OPEN_ORDER else NoOpenOrder(order=order.pk, state=order.state)
    visit = arrive(point_id=point_id, order_id=order.pk, by=by, now=now, calls=False)
    if visit.state == VisitState.WAITING:
        lane = calling.free_lane(point_id) if layout == calling.FILE else None
        calling.call(visit, lane, by=by, now=now)
    order.refresh_from_db(fields=["state", "handed_over_at"])
    if order.state == OrderState.HANDED_OVER:
        raise AlreadyHandedOver.of(order)
    return hand_over(visit_id=visit.pk, by=by, now=now, orders=orders)


@transaction.atomic
def recall(*, visit_id: int, by: Actor, now: datetime) -> Visit:
    """Call once more who was called and is not there yet: the pages show it anew, and one text says so.

    The text goes to who collects the first ready bag and may be texted; nobody is rung. Again within half a minute it
    changes nothing. Refuses a visit that is not called (`not_in_this_state`).
    """
    visit = _locked(visit_id)
    _refuse_uncalled(visit, VisitState.CALLED)
    if visit.recalled_at is not None and now - visit.recalled_at < RECALL_AGAIN:
        return visit
    visit.recalled_at, visit.recalls = max(now, visit.called_at or now), visit.recalls + 1
    visit.save(update_fields=["recalled_at", "recalls"])
    ready = queries.orders(visit=visit, state=OrderState.READY).order_by("pk")
    comes = visit.point.layout != visit.point.Layout.BAYS  # there the bag comes to the car
    order = next((order for order in ready if comes and texts.may_text(order)), None)
    if order is not None:
        texts.about_order("recalled", order, now=now, kind="answer", not_after=now + OF_USE)
    live.publish([f"point:{visit.point_id}"], now=now)
    return visit


@transaction.atomic
def skip(*, visit_id: int, by: Actor, now: datetime) -> Visit:
    """Pass over who is not there: they wait behind the next one that can be served, so that another car is called.

    Whoever waits alone is called again, by the service itself not before a minute is over. Also a visit that was not
    called yet may be passed over. Refuses one that has ended (`not_in_this_state`).
    """
    visit = _locked(visit_id)
    others = calling.in_turn(visit.point_id).exclude(pk=visit.pk)
    if visit.state == VisitState.WAITING and not visit.first:  # those before it stay there
        others = others.filter(first=False).filter(
            Q(queued_at__gt=visit.queued_at) | Q(queued_at=visit.queued_at, pk__gt=visit.pk)
        )
    behind = others.first()
    turn = max(visit.queued_at, now if behind is None else behind.queued_at + STEP)
    passed: dict[str, Any] = {"queued_at": turn, "first": False, "passed_at": now}
    if visit.state == VisitState.WAITING:
        for column, value in passed.items():
            setattr(visit, column, value)
        visit.save(update_fields=list(passed))
    else:
        _refuse_uncalled(visit, VisitState.WAITING)
        visit.move(VisitState.WAITING, at=now, by=by, **passed, **_NOT_CALLED)
    return _let_the_next_come(visit, now=now)


@transaction.atomic
def put_back(*, visit_id: int, by: Actor, now: datetime) -> Visit:
    """Somebody was called who is not there yet: they wait again in their old place.

    Unlike after `skip` they are next again, but the service itself calls them no sooner than a minute later.
    """
    visit = _locked(visit_id)
    _refuse_uncalled(visit, VisitState.WAITING)
    visit.move(VisitState.WAITING, at=now, by=by, passed_at=now, **_NOT_CALLED)
    return _let_the_next_come(visit, now=now)


@transaction.atomic
def leave(*, visit_id: int, by: Actor, now: datetime) -> Visit:
    """They drove away without their bag, which stays ready; they may come again. Who was given another one was served.

    A patron or collector may say so of their own visit only, else `unknown_visit`; and not of a car that came for
    other people's bags as well (`not_your_order`), nor once it is called (`called_already`).
    """
    visit = _locked(visit_id)
    if by.kind in FOR_THEMSELVES:
        if not parties.is_of_visit(visit, by):
            raise VisitNotFound
        bags = queries.orders(visit=visit, state__in=OPEN_ORDER)
        if len(parties.speaks_for(by, bags)) < len(bags):
            raise NotYours
        if visit.state == VisitState.CALLED:
            raise CalledAlready(visit=visit.pk)
    visit.move(queries.ends_as(visit), at=now, by=by, ended_at=now)
    return _let_the_next_come(visit, now=now)


@transaction.atomic
def undo(*, visit_id: int, by: Actor, now: datetime) -> Visit:
    """Take back, within ten minutes, that a visit was served or left: they wait again.

    After an undone hand-over they are first in line, the loans are void and the books lie in the bag; a visit of
    several bags of which only some were given is undone alike, also once it waits again for the others. A bag of which
    nothing is out, kept back or come back, stays handed over beside others, as one that went out too long ago does
    while others of its car still wait: those get their old place in the line. Refuses after ten minutes
    (`undo_too_late`), when the same person has a newer order or is here again (`newer_order`), when nothing of any bag
    is out (as `handovers.take_again`), and a car that left whose bags are called off since (`no_open_order`).
    """
    visit = _locked(visit_id)
    was, ended_at = visit.state, visit.ended_at
    _wait_again(visit, by=by, now=now)
    bags = _lock(Q(visit=visit, state__in=[*OPEN_ORDER, OrderState.HANDED_OVER]))
    given = [order for order in bags if order.state == OrderState.HANDED_OVER]
    if was in HERE and not given:
        raise MoveRefused(noun=Visit.noun(), state=was, asked=str(VisitState.WAITING))
    can_wait = visit.purpose != Visit.Purpose.COLLECT or any(order.state in OPEN_ORDER for order in bags)
    if was == VisitState.LEFT and not (given or can_wait or visit.plate):
        raise NoOpenOrder  # nobody could tell whose car that is
    handed = [order.handed_over_at for order in given if order.handed_over_at]
    last = ended_at if ended_at and (can_wait or not handed) else max(handed)
    if now - last > texts.UNDO:
        raise UndoTooLate(at=last.isoformat(timespec="seconds"))
    given = handovers.lately(given, now=now)
    given = [order for order in given if handovers.is_out(order)] or given
    if queries.here_again(visit).exists() or any(queries.newer_than(order).exists() for order in given):
        raise NewerOrder(visit=visit.pk)
    visit.first = visit.first or bool(given) or (was == VisitState.SERVED and not handed)
    visit.save(update_fields=["first"])
    try:
        with transaction.atomic():
            for order in given:
                handovers.take_again(order=order, by=by, now=now)
    except IntegrityError as error:
        if "pickup_one_open_order" not in str(error):
            raise
        raise NewerOrder(visit=visit.pk) from error
    return _let_the_next_come(visit, now=now)


@transaction.atomic
def open_lane(*, lane_id: int, by: Actor, now: datetime) -> Lane:
    """Somebody stands at this lane now. Opening an open lane is fine."""
    return _set_open(lane_id, is_open=True, now=now)


@transaction.atomic
def close_lane(*, lane_id: int, by: Actor, now: datetime) -> Lane:
    """Nobody is called to this lane any more; refuses while somebody is served there (`lane_busy`)."""
    return _set_open(lane_id, is_open=False, now=now)


@transaction.atomic
def forget_stale(*, now: datetime) -> int:
    """End visits that nobody ended, hours after they came, were called or put back; gives back how many.

    Not whoever has a time that is not over yet. When one that was given a bag really ended nobody knows: it tells
    nothing of how long a car takes, as if it had not been called.
    """
    promised = Order.objects.filter(visit=OuterRef("pk"), appointment__state__in=PROMISED, state__in=OPEN_ORDER)
    old = Visit.objects.filter(
        ~Exists(promised.filter(appointment__miss_after__gt=now)), state__in=HERE, moved_at__lt=now - STALE
    )
    visits = list(old.select_for_update(of=("self",), skip_locked=True, no_key=True).order_by("pk")[:BATCH])
    ended = []
    for to, known in ((VisitState.LEFT, {}), (VisitState.SERVED, _NOT_CALLED)):
        alike = [visit for visit in visits if queries.ends_as(visit) == to]
        ended += Visit.move_many(alike, to, at=now, by=RULE, ended_at=now, **known)
    if ended:
        live.publish({f"point:{visit.point_id}" for visit in ended}, now=now)
    return len(ended)


_NOT_CALLED: Mapping[str, Any] = {"called_at": None, "called_by": "", "lane": None, "recalled_at": None, "recalls": 0}


def _refuse_uncalled(visit: Visit, asked: VisitState) -> None:
    """Refuse what is not called now: the table lets who was served or left wait again too, and that is `undo`."""
    if visit.state != VisitState.CALLED:
        raise MoveRefused(noun=Visit.noun(), state=visit.state, asked=str(asked))


def _wait_again(visit: Visit, *, by: Actor, now: datetime) -> None:
    """Put a visit into the line again; refuses with `newer_order` when its people are here in another one.

    Before any bag of it is locked: they may be saying "I am here" at this moment, and who arrives is seen by the law
    first and asks for the bags then.
    """
    if visit.state == VisitState.WAITING:  # for another bag, after the one that was given
        return
    try:
        with transaction.atomic():
            visit.move(VisitState.WAITING, at=now, by=by, ended_at=None, **_NOT_CALLED)
    except IntegrityError as error:
        if "_here_once" not in str(error):
            raise
        raise NewerOrder(visit=visit.pk) from error


def _let_the_next_come(visit: Visit, *, now: datetime) -> Visit:
    """Tell the pages that a lane may be free, and call the next car where the service does so."""
    live.publish([f"point:{visit.point_id}"], now=now)
    calling.call_where_free(point_id=visit.point_id, now=now)
    return visit


def _locked(visit_id: int) -> Visit:
    visits = Visit.objects.select_for_update(of=("self",), no_key=True).select_related("point__library")
    visit = visits.filter(pk=visit_id).first()
    if visit is None:
        raise VisitNotFound(visit=visit_id)
    return visit


def _lock(which: Q) -> list[Order]:
    """Orders with their locks, by id, and what a hand-over tells of them.

    Read again once the locks are ours: a joined row would be as old as the moment at which we began to wait.
    """
    locked = list(
        Order.objects.select_for_update(no_key=True).filter(which).order_by("pk").values_list("pk", flat=True)
    )
    return list(queries.orders(pk__in=locked).order_by("pk"))


def _lock_bags(visit: Visit) -> list[Order]:
    """The orders of a visit, with those that its people and their households opened since it arrived.

    Not those that name the same collector: who is in the car was said at the arrival, by somebody who may say so.
    """
    tied = Order.objects.filter(visit=visit, state__in=OPEN_ORDER).values_list("patron_id", flat=True)
    people = [pk for pk in {visit.patron_id, *tied} if pk is not None]
    family = parties.bags_of_family(point_id=visit.point_id, patron_ids=people)
    found = _lock(Q(visit=visit) | Q(pk__in=[order.pk for order in family]))
    bags = [
        order
        for order in found
        if order.visit_id == visit.pk
        or (order.state in OPEN_ORDER and (order.visit is None or order.visit.state not in HERE))
    ]
    newcomers = [order.pk for order in bags if order.visit_id != visit.pk]
    Order.objects.filter(pk__in=newcomers).update(visit=visit)
    return bags


def _asked(bags: Sequence[Order], orders: Sequence[HandOver]) -> list[tuple[Order, Mapping[str, str]]]:
    """The bags to hand over with what is kept back of each; all that are ready when none is named."""
    if not orders:
        return [(bag, {}) for bag in bags if bag.state == OrderState.READY]
    by_number = {bag.number: bag for bag in bags}
    asked: dict[int, tuple[Order, Mapping[str, str]]] = {}
    for one in orders:
        bag = by_number.get(digits(one.number))
        if bag is None:
            raise OrderNotFound(field="number", number=one.number)
        if bag.pk in asked:
            raise BadInput(field="number")
        asked[bag.pk] = (bag, one.not_given)
    return [asked[pk] for pk in sorted(asked)]


def _served_already(visit: Visit) -> AlreadyHandedOver:
    local = visit.ended_at.astimezone(ZoneInfo(visit.point.library.zone)) if visit.ended_at else None
    return AlreadyHandedOver(visit=visit.pk, at=f"{local:%H:%M}" if local else "")


def _scanned(point_id: int, *, order_number: str, card_number: str, barcode: str, now: datetime) -> Order:
    """The order behind a scan: of this point's library, else an open one that waits at another of its programme."""
    point = point_queries.point(point_id)
    library_id = point.library_id
    if order_number:
        order = by_number(point, digits(order_number))
        if order is None:
            raise OrderNotFound(field="order_number")
        return order
    if barcode:
        copy = copies.by_barcode(barcode)
        order = queries.order_with_copy(copy_id=copy.pk, library_id=library_id)
        if order is None or order.state not in OPEN_ORDER:
            away = queries.waiting_elsewhere(point, lines__copy=copy, lines__state=LineState.PACKED)
            order = away.first() or order
        if order is None:
            raise NoOpenOrder(barcode=barcode)
        return order
    patron = patrons.by_card(card_number)
    if not lending_queries.patrons_of([library_id]).filter(pk=patron.pk).exists():
        raise UnknownCard(field="card_number")
    bags = parties.bags_of_family(point_id=point_id, patron_ids=[patron.pk])
    bags.sort(key=lambda bag: bag.patron_id != patron.pk)  # their own before the family's
    order = next(iter(bags), None) or queries.waiting_elsewhere(point, patron_id=patron.pk).first()
    if order is None:
        last = queries.handed_over_lately(point_id=point_id, patron_id=patron.pk, now=now)
        raise AlreadyHandedOver.of(last) if last is not None else NoOpenOrder()
    return order


def by_number(point: PickupPoint, number: str) -> Order | None:
    """The order that holds a number at a point's library; else the only open one that does at another library.

    None where none does, and where several do: a number is unique within one library.
    """
    held = queries.orders(library_id=point.library_id, number=number, number_released_at__isnull=True).first()
    if held is not None:
        return held
    away = list(queries.waiting_elsewhere(point, number=number)[:2])
    return away[0] if len(away) == 1 else None


def _layout(point_id: int) -> str:
    layout = point_queries.points().filter(pk=point_id).values_list("layout", flat=True).first()
    if layout is None:
        raise PointNotFound(field="pickup_point")
    return str(layout)


def _lane_to_use(point_id: int, lane_id: int | None) -> Lane:
    if lane_id is None:
        lane = calling.free_lane(point_id)
        if lane is not None:
            return lane
        if not Lane.objects.filter(point_id=point_id, open=True).exists():
            raise LaneClosed(lane=None)
        busy = Visit.objects.filter(lane__point_id=point_id, state=VisitState.CALLED).order_by("called_at").first()
        raise LaneBusy(visit=busy.pk if busy else None)
    lane = Lane.objects.select_for_update(no_key=True).filter(pk=lane_id, point_id=point_id).first()
    if lane is None:
        raise LaneNotFound(field="lane")
    if not lane.open:
        raise LaneClosed(lane=lane.pk)
    busy = calling.served_in(lane)
    if busy is not None:
        raise LaneBusy(visit=busy.pk)
    return lane


def _set_open(lane_id: int, *, is_open: bool, now: datetime) -> Lane:
    lane = Lane.objects.select_for_update(no_key=True).filter(pk=lane_id).first()
    if lane is None:
        raise LaneNotFound(field="lane")
    busy = calling.served_in(lane)
    if not is_open and busy is not None:
        raise LaneBusy(visit=busy.pk)
    if lane.open != is_open:
        lane.open = is_open
        lane.save(update_fields=["open"])
        live.publish([f"point:{lane.point_id}"], now=now)
        calling.call_where_free(point_id=lane.point_id, now=now)
    return lane
