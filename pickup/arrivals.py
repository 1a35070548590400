"""Somebody is here: one live visit for each car, whatever door they told us by and however often.

The visit is locked before its orders. Two arrivals of one car at the same moment meet at the laws `_here_once` or at
the lock of their common order, and end in one visit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from django.db import IntegrityError, transaction
from django.db.models import Q

from core import live
from core.actor import Actor
from core.refusal import BadInput
from lending import queries as lending_queries
from pickup import appointments, awaited, calling, order_of_service, parties, plates, queries, waits
from pickup.errors import AlreadyHandedOver, BooksTravel, ClosedNow, NoOpenOrder, OrderNotFound
from pickup.models import Order, Visit
from pickup.states import HERE, OPEN_ORDER, OrderState

FOR_THEMSELVES = frozenset({"patron", "collector", "anyone"})
_LIVE = Q(state__in=HERE)


@transaction.atomic
def arrive(
    *,
    point_id: int,
    by: Actor,
    now: datetime,
    order_id: int | None = None,
    patron_id: int | None = None,
    purpose: str = "collect",
    plate: str = "",
    bay: str = "",
    calls: bool = True,
) -> Visit:
    """Somebody is at a pickup point, by whatever door they told us; early is fine.

    The turn follows from the promises of its bags (see `order_of_service`). With `calls` the car is called at once
    where the service calls by itself and a lane is free.
    Saying it again gives back the same visit, with a new bay or plate noted; a bag that is tied to it only then may
    bring its turn forward, and never puts it back. Every open order that comes in the same
    car, as far as `by` may say (see `parties.party_of`), is tied to the visit, packed or not.
    A plate that is already here joins its visit when staff or a device says so; a patron who types the plate of a
    stranger's car gets a visit of their own, without the plate.
    Staff and devices may note a car without any order; where the plate was said with the orders of one car alone, these
    are tied to it. While it is closed for long yet a device sees cars that park or pass (`closed_now`), but for those
    that are expected.
    Refuses people who come to collect and have no open order (`no_open_order`), or of which the books are expected from
    other libraries on a later day (`books_travel`, with the day), an order that was handed over
    (`already_handed_over`, with when), one of another point or of somebody else (`unknown_order`), and what cannot be
    read (`invalid`, with the field).
    """
    if purpose not in Visit.Purpose.values:
        raise BadInput(field="purpose", known=Visit.Purpose.values)
    plate, bay = plates.plate(plate), plates.written(bay, field="bay", longest=10)
    load = waits.now_at(point_id=point_id, now=now)
    if by.kind == "collector" and order_id is None:
        order_id = by.id
    order = _asked_for(order_id, point_id, by) if order_id is not None else None
    if plate and order is None and patron_id is None and by.kind in {"staff", "device"}:
        order = _of_plate(point_id, plate)
    if by.kind == "device" and waits.is_turned_away(order, load, now=now):
        raise ClosedNow(next_open=load.next_open.isoformat() if load.next_open is not None else None)
    if by.kind == "patron":
        patron_id = by.id
    elif order is not None:
        patron_id = order.patron_id
    bags = in_this_car(parties.bags_of_car(point_id=point_id, patron_id=patron_id, order=order, by=by), order, by)
    if order is not None and bags and order not in bags:  # that bag waits in the car of its own people
        patron_id = bags[0].patron_id
    if by.kind in FOR_THEMSELVES and purpose == Visit.Purpose.COLLECT and (day := comes_on(bags, now=now)) is not None:
        raise BooksTravel(day)
    if not bags:
        _check_without_bag(point_id, patron_id, purpose, named=bool(plate or bay), by=by, now=now)
    told = by.kind in FOR_THEMSELVES and (not bags or any(bag.state == OrderState.READY for bag in bags))
    visit = _one_visit(
        point_id, patron_id, bags, purpose=purpose, plate=plate, bay=bay, load=load if told else None, by=by, now=now
    )
    appointments.come(order_ids=[bag.pk for bag in bags], by=by, now=now)
    live.publish([f"point:{point_id}"], now=now)
    called = calling.call_where_free(point_id=point_id, now=now) if calls else []
    return next((one for one in called if one.pk == visit.pk), visit)


def in_this_car(bags: list[Order], asked: Order | None, by: Actor) -> list[Order]:
    """The bags of a car, with those apart whose patrons are here in a car of their own.

    A patron who arrives speaks for the own household. Whoever names such a bag later means that car, and with a bag of
    somebody else does not put it into that car. A collector who says so from the named number has the others' bags.
    """
    cars = {bag.visit_id: bag.visit for bag in bags if bag.visit is not None and bag.visit.state in HERE}
    by_themselves = parties.begun_by_patrons([pk for pk in cars if pk is not None])
    for pk, car in cars.items():
        if pk not in by_themselves or car.patron_id is None:
            continue
        family = parties.family_of(car.patron_id)
        inside = [bag for bag in bags if bag.visit_id == pk]
        others = [bag for bag in bags if bag.visit_id != pk]
        if any(bag.patron_id not in family for bag in others):
            bags = others if asked not in inside or parties.has_the_telephone(by) else inside
    return bags


def comes_on(bags: Sequence[Order], *, now: datetime) -> date | None:
    """The first day on which all books of one of these bags are expected, where none of them can be had before that;
    None where a bag holds a book or may hold one today.
    """
    days = awaited.coming(bags)
    if not bags or len(days) < len(bags):
        return None
    first = min(max(expected) for expected in days.values())
    return first if first > lending_queries.today(bags[0].library, now) else None


def comes_in_vain(order: Order, *, by: Actor, now: datetime) -> date | None:
    """The same for all that comes in the car of an order: on an earlier day `arrive` refuses who says "I am here"."""
    return comes_on(parties.bags_of_car(point_id=order.point_id, patron_id=None, order=order, by=by), now=now)


def _asked_for(order_id: int, point_id: int, by: Actor) -> Order:
    """The open order that somebody says they come for, if it is of this point and theirs to collect."""
    order = queries.orders(pk=order_id, point_id=point_id).first()
    if order is None or not may_collect(order, by):
        raise OrderNotFound(field="order")
    refuse_over(order)
    return order


def refuse_over(order: Order) -> None:
    """Refuse an order for which nobody can come any more (`already_handed_over`, with when; `no_open_order`)."""
    if order.state == OrderState.HANDED_OVER:
        raise AlreadyHandedOver.of(order)
    if order.state not in OPEN_ORDER:
        raise NoOpenOrder(order=order.pk, state=order.state)


def _of_plate(point_id: int, plate: str) -> Order | None:
    """The open order that said this plate when it was made; None where strangers said the same one."""
    said = list(queries.open_orders(point_id).filter(plate=plate).order_by("pk"))
    together = {order.pk for order in parties.party_of(said[0])} if said else set()
    return said[0] if said and {order.pk for order in said} <= together else None


def may_collect(order: Order, by: Actor) -> bool:
    """Whether somebody may come for an order: its own people, their party, and whoever serves them."""
    if by.id is None:
        return by.kind not in FOR_THEMSELVES
    if by.kind == "patron":
        return order.patron_id == by.id or parties.party_of(order, by=by).filter(patron_id=by.id).exists()
    if by.kind == "collector":
        return order.pk == by.id or parties.party_of(order, by=by).filter(pk=by.id).exists()
    return by.kind != "anyone"


def _check_without_bag(
    point_id: int, patron_id: int | None, purpose: str, *, named: bool, by: Actor, now: datetime
) -> None:
    """Whether a car may wait that has nothing to collect."""
    if by.kind in FOR_THEMSELVES:
        if purpose == Visit.Purpose.COLLECT or patron_id is None:
            last = queries.handed_over_lately(point_id=point_id, patron_id=patron_id, now=now)
            raise AlreadyHandedOver.of(last) if last is not None else NoOpenOrder()
    elif purpose == Visit.Purpose.COLLECT and patron_id is None and not named:
        raise BadInput(field="order")


def _one_visit(
    point_id: int,
    patron_id: int | None,
    bags: Sequence[Order],
    *,
    purpose: str,
    plate: str,
    bay: str,
    load: waits.Waiting | None,
    by: Actor,
    now: datetime,
) -> Visit:
    """The live visit of this car: found and freshened, or begun; with the wait by `load`, if that is told."""
    while True:
        found = _live_visit(point_id, patron_id, bags, plate, by=by)
        if found is not None:
            _freshen(found, patron_id, plate=plate, bay=bay)
            if not bags:
                _say_why(found, purpose)
            more = [order.pk for order in bags if order.visit_id != found.pk]
            _tie(bags, found)
            _bring_forward(found, more)
            return found
        if plate and Visit.objects.filter(_LIVE, point_id=point_id, plate=plate).exists():
            plate = ""  # a stranger's car
        turn = order_of_service.turn(point_id=point_id, order_ids=[order.pk for order in bags], at=now)
        expected = None if load is None else waits.expected_seconds(load, ahead=waits.ahead_at(point_id, turn))
        try:
            with transaction.atomic():
                visit = Visit.begin(
                    at=now,
                    by=by,
                    point_id=point_id,
                    patron_id=patron_id,
                    purpose=purpose,
                    plate=plate,
                    bay=bay,
                    door=by.channel,
                    arrived_at=now,
                    queued_at=turn,
                    expected_seconds=expected,
                )
                if not _tie(bags, visit):
                    raise _OtherVisit
        except _OtherVisit:
            continue
        except IntegrityError as error:
            if "_here_once" not in str(error):
                raise
            continue
        return visit


class _OtherVisit(Exception):
    """Another member of the party has arrived since we looked: theirs is the visit."""


def _live_visit(point_id: int, patron_id: int | None, bags: Sequence[Order], plate: str, *, by: Actor) -> Visit | None:
    same = Q(orders__in=[order.pk for order in bags])
    if patron_id is not None:
        same |= Q(patron_id=patron_id)
    if plate:
        seen_first = Q() if by.kind not in FOR_THEMSELVES else Q(patron__isnull=True)  # a camera saw the car
        same |= Q(plate=plate) & seen_first
    ids = set(Visit.objects.filter(_LIVE, same, point_id=point_id).values_list("pk", flat=True))
    found = list(Visit.objects.select_for_update(no_key=True).filter(_LIVE, pk__in=ids).order_by("pk"))
    own = [visit for visit in found if visit.patron_id is not None and visit.patron_id == patron_id]
    return next(iter(own or found), None)


def _freshen(visit: Visit, patron_id: int | None, *, plate: str, bay: str) -> None:
    """Note what is known better now: whose visit it is, where the car stands, its plate."""
    better: dict[str, object] = {}
    if visit.patron_id is None and patron_id is not None:
        better["patron_id"] = patron_id
    if plate and plate != visit.plate:
        better["plate"] = plate
    if bay and bay != visit.bay:
        better["bay"] = bay
    for column, value in better.items():
        try:
            with transaction.atomic():
                Visit.objects.filter(pk=visit.pk).update(**{column: value})
        except IntegrityError as error:
            if "_here_once" not in str(error):
                raise
            continue  # the plate, or the patron, stands in another visit: the queue keeps both as they are
        setattr(visit, column, value)


def _say_why(visit: Visit, purpose: str) -> None:
    """Note what a car without any bag has come for, which whoever saw it first may not have known."""
    collect = Visit.Purpose.COLLECT
    if purpose != collect and visit.purpose == collect and not visit.orders.filter(state__in=OPEN_ORDER).exists():
        visit.purpose = purpose
        visit.save(update_fields=["purpose"])


def _bring_forward(visit: Visit, order_ids: Sequence[int]) -> None:
    """Give a visit the turn that these orders have, tied to it after its arrival, if that is sooner."""
    tied = list(Order.objects.filter(pk__in=order_ids, visit=visit).values_list("pk", flat=True)) if order_ids else []
    if not tied:
        return
    turn = order_of_service.turn(point_id=visit.point_id, order_ids=tied, at=visit.arrived_at)
    if turn < visit.queued_at:
        Visit.objects.filter(pk=visit.pk).update(queued_at=turn)
        visit.queued_at = turn


def _tie(bags: Sequence[Order], visit: Visit) -> bool:
    """Tie open orders to a visit. Leaves alone, and says False for, one that another live visit here has.

    Refuses where all of them were handed over, cancelled or moved to another place since they were looked at.
    """
    wanted = Order.objects.filter(pk__in=[order.pk for order in bags], state__in=OPEN_ORDER)
    locked = list(wanted.select_for_update(no_key=True).order_by("pk"))
    if bags and not locked:
        gone = queries.orders(pk=bags[0].pk).get()
        raise AlreadyHandedOver.of(gone) if gone.state == OrderState.HANDED_OVER else NoOpenOrder(order=gone.pk)
    # Read after the locks are ours: a joined row would be as old as the moment at which we began to wait for them.
    elsewhere = set(Visit.objects.filter(_LIVE, orders__in=locked).exclude(pk=visit.pk).values_list("pk", flat=True))
    others = [order.pk for order in locked if order.visit_id in elsewhere]
    free = [order.pk for order in locked if order.pk not in others]
    Order.objects.filter(pk__in=free).exclude(visit=visit).update(visit=visit)
    return not others
