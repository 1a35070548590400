"""The bag: asked for, put together; or cancelled, expired. Packed by packing.py, handed over by handovers.py."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from core import live, nudge, sweeps
from core.actor import RULE, Actor
from lending import queries as lending_queries
from lending import reservations, strikes, wishes
from lending.states import ReservationState, StrikeKind
from pickup import (
    appointments,
    awaited,
    bookings,
    calling,
    gathering,
    links,
    plates,
    point_queries,
    queries,
    slots,
    texts,
)
from pickup.errors import NoNumberFree, OrderNotFound
from pickup.models import Order, OrderLine, PointRules, Visit
from pickup.states import HERE, IN_BAG, OPEN_ORDER, PROMISED, LineState, OrderState

if TYPE_CHECKING:
    from lending.models import Reservation
    from pickup.models import Slot

BATCH = 500
NUMBERS = range(1000, 10000)
NUMBER_HELD = timedelta(days=1)
"""An order number rests for a day after the bag is gone, so that yesterday's text cannot open today's bag."""


class _NothingLeft(Exception):
    """None of the books that were to go into a bag can go into it any more."""


class _ArrivedMeanwhile(Exception):
    """The order was tied to another visit since we looked."""


@dataclass(frozen=True, slots=True)
class Requested:
    """What an asking led to: the bag it went into (None: nothing is on the shelf) and every reservation of it."""

    order: Order | None
    reservations: list[Reservation]
    why: str = ""


@transaction.atomic
def request(
    *,
    patron_id: int,
    point_id: int,
    items: Sequence[reservations.Item],
    by: Actor,
    now: datetime,
    slot_id: int | None = None,
    collector_id: int | None = None,
    plate: str = "",
    not_before: datetime | None = None,
    whole: bool = False,
    needed_until: date | None = None,
) -> Requested:
    """Ask for books to be collected at a point, at a time if the point promises one while ordering.

    All or nothing: a refused title, quota or slot refuses the whole asking. With no copy allocated no time is taken
    and `why` is `waiting`; the books join a bag when they come free. Where all that can be had travels first, the time
    is one from the day on which it is expected; an earlier one is refused (`slot_unavailable`). `plate` is of the car
    that will come, as somebody typed it (`invalid` if it cannot be one); a plate said before stands until another is
    said. A time that nobody chose is the first free one, from `not_before` on. With `whole` the bag waits until all of
    the books are together. After `needed_until`, a local day, nobody waits for those that are in no bag.
    """
    car = plates.plate(plate)
    reservations.lock_borrower(patron_id=patron_id, point_id=point_id)
    lock_open_order(patron_id, point_id)
    placed = reservations.place(
        patron_id=patron_id,
        items=items,
        point_id=point_id,
        by=by,
        now=now,
        collector_id=collector_id,
        needed_until=needed_until,
    )
    chosen = slot_id is not None
    order, room = _open_for(placed, collector_id=collector_id, chosen=chosen, not_before=not_before, by=by, now=now)
    if order is None:
        return Requested(None, placed, "waiting")
    if car and car != order.plate:
        Order.objects.filter(pk=order.pk).update(plate=car)
    if whole:
        room = _wait_for_all(order, placed, room, now=now)
    if slot_id is not None:
        appointments.promise(order_id=order.pk, slot_id=slot_id, by=by, now=now)
    elif room is not None:
        appointments.promise(order_id=order.pk, slot_id=room.pk, by=RULE, now=now, chosen=False)
    for reservation in placed:
        reservation.refresh_from_db()
    return Requested(queries.orders(pk=order.pk).get(), placed)


def begin_instead(found: Sequence[Reservation], *, of: Order, by: Actor, now: datetime) -> Order | None:
    """The bag that reservations out of a closed one go into at another point; None where no copy is there.

    Who collects, the plate of their car and the wish for all books at once are as they were. Where the time is promised
    while ordering it gets the first free one, also for books that travel first, and the time of the old bag is free for
    others from now on: both slots are counted in the order of their ids. The caller has locked borrower and bags.
    """
    order, room = _open_for(found, collector_id=of.collector_id, chosen=False, not_before=None, by=by, now=now)
    left = of.appointment
    later = left is not None and room is not None and left.slot_id > room.pk
    if not later:
        appointments.drop_if_empty(appointment=left, by=by, now=now)
    if order is not None and room is not None:
        appointments.promise(order_id=order.pk, slot_id=room.pk, by=RULE, now=now, chosen=False)
    if later:
        appointments.drop_if_empty(appointment=left, by=by, now=now)
    if order is None:
        return None
    there = queries.orders(pk=order.pk).get()
    if of.plate and not there.plate:
        Order.objects.filter(pk=there.pk).update(plate=of.plate)
    if of.whole_until is not None and of.whole_until > now:
        _wait_for_all(there, found, None, now=now)
    return queries.orders(pk=there.pk).get()


def _wait_for_all(order: Order, asked: Sequence[Reservation], room: Slot | None, *, now: datetime) -> Slot | None:
    """Note that a bag waits for all that was `asked` for, if not all of it is there; all of it may travel.

    Gives back the first time for it, where it has the time `room`: that is none before what travels is here.
    """
    if not awaited.more_to_come([order]) and (len(asked) < 2 or awaited.holds_books(order)):
        return room
    gathering.set_whole(order, whole=True, now=now)
    after = awaited.not_before([order])
    if room is None or after is None or room.starts_at >= after:
        return room
    return _first_room(order, now=now, not_before=after)


def _open_for(
    placed: Sequence[Reservation],
    *,
    collector_id: int | None,
    chosen: bool,
    not_before: datetime | None,
    by: Actor,
    now: datetime,
) -> tuple[Order | None, Slot | None]:
    """The bag that reservations go into, begun where there is none, and its first free time unless one was `chosen`.

    No bag where nothing can be had yet: the books go into one when they come.
    """
    bags = bag(placed, opening=True, collector_id=collector_id, by=by, now=now)
    if not bags:
        return _bag_to_come(placed, chosen=chosen, not_before=not_before, by=by, now=now)
    return bags[0], None if chosen else _first_room(bags[0], now=now, not_before=not_before)


def _bag_to_come(
    placed: Sequence[Reservation], *, chosen: bool, not_before: datetime | None, by: Actor, now: datetime
) -> tuple[Order | None, Slot | None]:
    """The bag for books that all travel first, so that it has a time where one is promised while ordering.

    None where nothing travels, no time is promised, or none is free from the day on which they are expected. A bag that
    holds books already is joined only when a time was `chosen`.
    """
    row = next((row for row in placed if row.state == ReservationState.ALLOCATED and row.patron_id is not None), None)
    if row is None or row.patron_id is None or not _is_promised_now(row.pickup_point_id):
        return None, None
    order = _open_order(row.patron_id, row.pickup_point_id)
    if order is not None:
        return (order if chosen or not order.lines.filter(state__in=IN_BAG).exists() else None), None
    room = None
    try:
        with transaction.atomic():
            order = _begin(row, row.patron_id, row.pickup_point_id, by=by, now=now)
            if not chosen:
                moments = [moment for moment in (awaited.not_before([order]), not_before) if moment is not None]
                room = _first_room(order, now=now, not_before=max(moments, default=None))
                if room is None:
                    raise _NothingLeft
    except _NothingLeft:
        return None, None
    live.publish([f"point:{order.point_id}"], now=now)
    return order, room


def _is_promised_now(point_id: int) -> bool:
    """Whether a point promises its times while ordering."""
    rules = point_queries.rules_of(point_id)
    return rules.by_appointment and rules.promise == PointRules.Promise.AT_ORDER


def _first_room(order: Order, *, now: datetime, not_before: datetime | None = None) -> Slot | None:
    """Where a time is promised while ordering and the bag has none yet: that of its party, else the first free one."""
    if not _is_promised_now(order.point_id) or order.appointment_id is not None:
        return None
    with_them = appointments.promise_of_party(order, None, now=now)
    if with_them is not None and (not_before is None or with_them.slot.starts_at >= not_before):
        return with_them.slot
    needs = order.patron is not None and order.patron.accessible_place
    rooms = slots.free(point_id=order.point_id, now=now, accessible=needs, limit=1, after=not_before)
    return next(iter(rooms), None)


def assemble(*, reservation_ids: Collection[int] | None = None, now: datetime, by: Actor = RULE) -> list[Order]:
    """Put allocated reservations into bags: the patron's open bag at the point, else a new one; each in its own
    transaction, so that one that cannot be made holds up no other.

    For ten minutes after a hand-over no new bag is opened for that patron and point, so that it can be undone.
    """
    of_bag: dict[tuple[int, int], list[Reservation]] = {}
    for row in lending_queries.allocated(reservation_ids=reservation_ids):
        of_bag.setdefault((row.patron_id or 0, row.pickup_point_id), []).append(row)
    made = sweeps.each(
        "bags to fill",
        of_bag,
        lambda whose: bag(of_bag[whose], opening=False, collector_id=None, by=by, now=now),
    )
    return [order for bags in made for order in bags]


def bag(
    found: Sequence[Reservation], *, opening: bool, collector_id: int | None, by: Actor, now: datetime
) -> list[Order]:
    """Put what is allocated into the bags of those who asked, `opening` one where there is none; gives those bags."""
    of_bag: dict[tuple[int, int], list[Reservation]] = {}
    for reservation in found:
        if reservation.patron_id is not None and lending_queries.can_be_bagged(reservation):
            of_bag.setdefault((reservation.patron_id, reservation.pickup_point_id), []).append(reservation)
    bags: list[Order] = []
    whose, where = {patron_id for patron_id, _ in of_bag}, {point_id for _, point_id in of_bag}
    opened = Order.objects.filter(patron_id__in=whose, point_id__in=where, state__in=OPEN_ORDER)
    list(opened.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))  # all of them by id
    for (patron_id, point_id), group in sorted(of_bag.items()):
        order = _open_order(patron_id, point_id)
        if order is None and not opening and _just_handed_over(patron_id, point_id, now=now):
            continue
        try:
            with transaction.atomic():
                begun = order or _begin(group[0], patron_id, point_id, by=by, now=now)
                ids = sorted(row.pk for row in group)
                bagged = reservations.bag(reservation_ids=ids, point_id=point_id, by=by, now=now)
                if not bagged:
                    raise _NothingLeft
        except _NothingLeft:
            continue  # called off, or wanted at another place, since they were looked at: no bag for nothing
        if order is None:
            order = begun
        elif collector_id is not None and order.collector_id != collector_id:
            _collected_by(order, group[0], now=now)
        late = order.state == OrderState.READY
        OrderLine.begin_many(
            [{"order": order, "reservation": row, "copy_id": row.copy_id, "late": late} for row in bagged],
            at=now,
            by=by,
        )
        if order.visit_id is None:
            visit = Visit.objects.filter(point_id=point_id, patron_id=patron_id, state__in=HERE).first()
            if visit is not None:
                Order.objects.filter(pk=order.pk).update(visit=visit)
        bags.append(order)
    if bags:
        live.publish({f"point:{order.point_id}" for order in bags}, now=now)
    return bags


def _collected_by(order: Order, reservation: Reservation, *, now: datetime) -> None:
    """Whom the later request names collects the whole bag, in their language; an address sent before is dead."""
    order.collector = reservation.collector
    if reservation.collector is not None:
        order.language = reservation.collector.language
    order.save(update_fields=["collector", "language"])
    links.renew(order, now=now)
    if order.state == OrderState.READY:  # whoever was told before does not come
        promised = queries.live_appointment(order)
        if promised is None:
            texts.ready([order], now=now)
        else:
            unsaid = texts.unsaid(promised, now=now)
            others = queries.orders(appointment=promised, state=OrderState.READY).exclude(visit__state__in=HERE)
            still = list(others.exclude(pk=order.pk).order_by("id")) if unsaid else []  # who may not know it yet
            texts.again(promised, *([still] if still else []), [order], now=now)


def lock_open_order(patron_id: int, point_id: int) -> None:
    """Lock the patron's open bag, with those that share its promise, before the titles that `place` locks."""
    found = Order.objects.filter(patron_id=patron_id, point_id=point_id, state__in=OPEN_ORDER)
    lock_with_parties(found)


def lock_with_parties(found: QuerySet[Order]) -> None:
    """Lock open bags, each with those that share its promise."""
    for order_id in found.order_by("pk").values_list("pk", flat=True):
        bookings.lock_together(order_id)


def _open_order(patron_id: int, point_id: int) -> Order | None:
    found = Order.objects.filter(patron_id=patron_id, point_id=point_id, state__in=OPEN_ORDER)
    return found.select_for_update(of=("self",), no_key=True).select_related("patron", "collector").first()


def _just_handed_over(patron_id: int, point_id: int, *, now: datetime) -> bool:
    recently = Order.objects.filter(patron_id=patron_id, point_id=point_id, state=OrderState.HANDED_OVER)
    return recently.filter(handed_over_at__gt=now - texts.UNDO).exists()


def _begin(reservation: Reservation, patron_id: int, point_id: int, *, by: Actor, now: datetime) -> Order:
    point = point_queries.point(point_id)
    collector = reservation.collector
    patron = reservation.patron
    language = collector.language if collector is not None else patron.language if patron is not None else "ko"
    for _attempt in range(8):
        try:
            with transaction.atomic():
                return Order.begin(
                    at=now,
                    by=by,
                    library_id=point.library_id,
                    point_id=point_id,
                    number=_free_number(point.library_id),
                    patron_id=patron_id,
                    collector=collector,
                    language=language,
                    opened_at=now,
                )
        except IntegrityError as error:
            if "pickup_one_open_order" in str(error):
                order = _open_order(patron_id, point_id)
                if order is not None:
                    return order
            elif "pickup_order_number_held_once" not in str(error):
                raise
    raise NoNumberFree  # others were faster eight times: hardly a number can be left


def _free_number(library_id: int) -> str:
    held = Order.objects.filter(library_id=library_id, number_released_at__isnull=True)
    taken = set(held.values_list("number", flat=True))
    free = [shown for number in NUMBERS if (shown := f"{number:04}") not in taken]
    if not free:
        raise NoNumberFree
    return secrets.choice(free)


@transaction.atomic
def cancel(*, order_id: int, by: Actor, now: datetime) -> Order:
    """Nobody wants the bag any more: books go back, the place of its time is free again.

    What was on its way to a bag that holds no book yet is not needed any more either. A car that is here for no other
    bag waits no longer, and its lane is free.
    """
    order = locked_with_car(order_id)
    themselves = by.kind in {"patron", "collector", "anyone"}  # who are told where they say so
    stay = 0 if themselves else awaited.staying(order)
    wishes.give_up(reservation_ids=awaited.on_their_way_to(order), by=by, now=now)
    _close(order, OrderState.CANCELLED, why=f"by_{by.kind}", by=by, now=now)
    if themselves:
        strikes.note(patron_id=order.patron_id, library_id=order.library_id, kind=StrikeKind.CANCELLED, now=now)
    else:
        texts.about_order(texts.cancelled(stay), order, now=now, count=stay)
    _let_go(order.visit, by=by, now=now)
    return order


def locked_with_car(order_id: int) -> Order:
    """As `locked`, with the visit that the order is tied to locked before it."""
    while True:
        visit_id = Order.objects.filter(pk=order_id).values_list("visit_id", flat=True).first()
        try:
            with transaction.atomic():
                Visit.objects.select_for_update(no_key=True).filter(pk=visit_id or 0).first()
                order = locked(order_id)
                if order.visit_id != visit_id:
                    raise _ArrivedMeanwhile
        except _ArrivedMeanwhile:
            continue
        return order


def _let_go(visit: Visit | None, *, by: Actor, now: datetime) -> None:
    """End a visit that is locked when no bag is left that it came for, and have the next car called."""
    if visit is None or visit.state not in HERE or visit.purpose != Visit.Purpose.COLLECT:
        return
    if visit.orders.filter(state__in=OPEN_ORDER).exists():
        return
    visit.move(queries.ends_as(visit), at=now, by=by, ended_at=now)
    calling.call_where_free(point_id=visit.point_id, now=now)


def expire_due(*, now: datetime) -> int:
    """Close bags whose keep day is over, unless somebody is here for them; no strike for who was to be given a time."""
    keys = to_expire(now=now).order_by("id").values_list("pk", flat=True)
    return sum(sweeps.each("bags to expire", keys, lambda pk: _expire(pk, now=now)))


def to_expire(*, now: datetime) -> QuerySet[Order]:
    """Packed bags whose keep day is over, for which nobody is here and nothing is promised: that is settled first."""
    over = Order.objects.filter(state=OrderState.READY, keep_until__lte=now)
    return over.exclude(visit__state__in=HERE).exclude(appointment__state__in=PROMISED)


@transaction.atomic
def _expire(order_id: int, *, now: datetime) -> int:
    order = locked(order_id)
    if order.state != OrderState.READY or order.keep_until is None or order.keep_until > now or queries.is_here(order):
        return 0
    if queries.live_appointment(order) is not None:
        return 0
    could_come = not queries.to_offer(order_ids=[order.pk]).exists()  # else we owe them a time, and none was free
    _close(order, OrderState.EXPIRED, why="not_collected", by=RULE, now=now)
    if could_come and texts.was_reached(order):
        strikes.note(patron_id=order.patron_id, library_id=order.library_id, kind=StrikeKind.UNCOLLECTED, now=now)
    texts.about_order("expired", order, now=now)
    return 1


def close_empty(*, order: Order, why: str, by: Actor, now: datetime) -> None:
    """Close a bag for which no book is left; a car that is here for no other one waits no longer.

    The caller has locked both (`locked_with_car`).
    """
    _close(order, OrderState.CANCELLED, why=why, by=by, now=now)
    _let_go(order.visit, by=by, now=now)


def close_moved(*, order: Order, by: Actor, now: datetime) -> None:
    """Close a bag whose books go into another one; its time is given back by `begin_instead`. The caller locked it."""
    _end(order, OrderState.CANCELLED, why="elsewhere", by=by, now=now)


def _close(order: Order, to: OrderState, *, why: str, by: Actor, now: datetime) -> None:
    """End an open order: its lines, its reservations, its promise, what was not said yet."""
    _end(order, to, why=why, by=by, now=now)
    appointments.drop_if_empty(appointment=order.appointment, by=by, now=now)


def _end(order: Order, to: OrderState, *, why: str, by: Actor, now: datetime) -> None:
    """End an open order, and leave its promise to the caller."""
    order.move(to, at=now, by=by, why=why)
    texts.hush_one(order, why=why, now=now, by=by)
    lines = list(queries.lines_of_bag(order.pk, IN_BAG))
    to_fetch = [line for line in lines if line.state == LineState.TO_PICK]
    OrderLine.move_many(to_fetch, LineState.DROPPED, at=now, by=by)
    OrderLine.move_many([line for line in lines if line not in to_fetch], LineState.TO_UNPACK, at=now, by=by)
    ended = ReservationState.EXPIRED if to == OrderState.EXPIRED else ReservationState.CANCELLED
    reservations.end_bagged(reservation_ids=[line.reservation_id for line in lines], to=ended, by=by, now=now)
    nudge.ring("copy came free", {line.copy.title_id for line in to_fetch})
    live.publish([f"point:{order.point_id}"], now=now)


@transaction.atomic
def release_numbers(*, now: datetime) -> int:
    """Free the numbers of bags that have been gone for a day."""
    over = Order.objects.filter(number_released_at__isnull=True, moved_at__lt=now - NUMBER_HELD)
    over = over.exclude(state__in=OPEN_ORDER).exclude(
        lines__state__in=[LineState.TO_PICK, LineState.PACKED, LineState.WITHHELD, LineState.TO_UNPACK]
    )
    over = over.exclude(lines__moved_at__gte=now - NUMBER_HELD)
    return Order.objects.filter(pk__in=list(over.values_list("pk", flat=True)[:BATCH])).update(number_released_at=now)


def locked(order_id: int) -> Order:
    """The order with its lock and all that is told of it; refuses an unknown one.

    Locked first and read after: a joined row would be as old as the moment at which we began to wait for the lock.
    """
    if Order.objects.select_for_update(no_key=True).filter(pk=order_id).first() is None:
        raise OrderNotFound(order=order_id)
    return Order.objects.select_related(*bookings.TOLD).get(pk=order_id)
