"""Packing: copies go into a bag, or cannot be had; the bag is ready, and kept until a day; a dead bag is unpacked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Q

from core import live, nudge
from core.actor import RULE, Actor
from lending import circulation, copies, quota, reservations
from lending import queries as lending_queries
from lending.states import CopyState
from pickup import appointments, bookings, calling, gathering, orders, places, point_queries, queries, slots, texts
from pickup.errors import AlreadyHandedOver, AlreadyPacked, NothingInBag, NotInOrder, OrderNotFound, StillToPack
from pickup.models import Order, OrderLine, PointRules
from pickup.states import IN_BAG, LineState, OrderState

if TYPE_CHECKING:
    from lending.models import Copy, Reservation


@transaction.atomic
def pack(*, order_id: int, barcode: str, by: Actor, now: datetime) -> OrderLine:
    """Put the scanned copy into this bag; refuses a copy that is not meant for it, and says for which it is.

    At a point that lends when packed it is on loan from now on.

    A card that was blocked since the books were asked for is refused here (`patron_blocked`) and when the bag is marked
    ready, never first at the window; staff cancel the order, or lift the block.
    """
    order = orders.locked(order_id)
    copy = copies.by_barcode(barcode)
    line = order.lines.filter(copy=copy).select_related("copy").order_by("-id").first()
    if line is None or line.state not in {LineState.TO_PICK, LineState.PACKED}:
        raise _not_here(copy, barcode)
    if line.state == LineState.PACKED:
        raise AlreadyPacked(field="barcode", barcode=barcode)
    _refuse_blocked(order, now=now)
    line.move(LineState.PACKED, at=now, by=by)
    left_behind = OrderLine.objects.filter(copy=copy, state=LineState.TO_UNPACK)
    if OrderLine.move_many(left_behind, LineState.UNPACKED, at=now, by=by) and copy.state == CopyState.BAG:
        copies.to_return_cart(copy_ids=[copy.pk], by=by, now=now)  # out of the dead bag, into this one
    rules = point_queries.rules_of(order.point_id)
    if rules.lend_at == PointRules.LendAt.PACKING and order.patron_id is not None:
        circulation.pack(
            copy_id=copy.pk,
            patron_id=order.patron_id,
            library_id=order.library_id,
            reservation_id=line.reservation_id,
            by=by,
            now=now,
        )
    else:
        copies.to_bag(copy_id=copy.pk, by=by, now=now)
    places.plan(order=order)
    live.publish([f"point:{order.point_id}"], now=now)
    return line


@transaction.atomic
def not_on_shelf(*, line_id: int, by: Actor, now: datetime) -> OrderLine:
    """The copy could not be found: its reservation waits again in its old place, for another copy.

    A bag for which nothing is left is closed, and the patron is told that we keep looking. What else cannot be had is
    told with the bag when it is ready; once it is, by itself.
    """
    return _not_to_be_had(line_id, "not_on_shelf", reservations.copy_missing, by=by, now=now)


@transaction.atomic
def damaged(*, line_id: int, by: Actor, now: datetime) -> OrderLine:
    """The copy that was to be fetched cannot be lent as it is: as `not_on_shelf`, but the copy is set aside."""
    return _not_to_be_had(line_id, "damaged", reservations.copy_damaged, by=by, now=now)


def _not_to_be_had(
    line_id: int, reason: str, lose: Callable[..., Reservation], *, by: Actor, now: datetime
) -> OrderLine:
    found = OrderLine.objects.filter(pk=line_id).values_list("order_id", flat=True).first()
    if found is None:
        raise OrderNotFound(line=line_id)
    order = orders.locked_with_car(found)
    line = order.lines.select_related("copy").get(pk=line_id)
    line.move(LineState.MISSING, at=now, by=by, reason=reason)
    waits = lose(reservation_id=line.reservation_id, by=by, now=now)
    orders.bag([waits], opening=False, collector_id=None, by=by, now=now)  # with the next copy, if there is one
    if not order.lines.filter(state__in=IN_BAG).exists():
        known = reason == "not_on_shelf" or order.appointment_id is not None  # else nobody was promised this bag yet
        orders.close_empty(order=order, why="nothing_found", by=by, now=now)
        if known:
            texts.about_order("not_found", order, now=now)
    elif order.state == OrderState.READY and (again := queries.back_in_line([order.pk]).get(order.pk)):
        texts.back_in_line(order, count=len(again), now=now)
    live.publish([f"point:{order.point_id}"], now=now)
    return line


@transaction.atomic
def mark_ready(*, order_id: int, by: Actor, now: datetime) -> Order:
    """The bag is packed: fix until when it is kept, confirm a time promised before, or have one offered, and tell."""
    bookings.lock_together(order_id)
    order = orders.locked(order_id)
    if order.state == OrderState.HANDED_OVER:  # the table lets it be ready again for an undone hand-over only
        raise AlreadyHandedOver.of(order)
    if order.state == OrderState.PICKING:
        left = list(order.lines.filter(state=LineState.TO_PICK).values_list("copy__barcode", flat=True))
        if left:
            raise StillToPack(barcodes=", ".join(left), count=len(left))
        if not order.lines.filter(state=LineState.PACKED).exists():
            raise NothingInBag()
        gathering.refuse_early(order, now=now)
        _refuse_blocked(order, now=now)
    planned = order.place  # another bag may stand there by now
    order.move(OrderState.READY, at=now, by=by, ready_at=now, keep_until=keep_until(order, now=now), place="")
    order.place = planned
    places.take(order=order)
    promised = queries.live_appointment(order)
    if promised is not None:
        appointments.confirm(appointment_id=promised.pk, by=RULE, now=now)
    here = queries.is_here(order)
    if here:
        texts.about_order("next", order, now=now, kind="answer")
    elif promised is not None:
        together = list(queries.orders(appointment_id=promised.pk, state=OrderState.READY).order_by("id"))
        texts.ready(together, now=now)
    elif not queries.to_offer(order_ids=[order.pk]).exists():
        texts.ready([order], now=now)  # no times here, or the time was given back, missed, or kept by the others
    else:
        nudge.ring("order ready", [order.pk])
    live.publish([f"point:{order.point_id}"], now=now)
    if here:
        calling.call_where_free(point_id=order.point_id, now=now)
    return order


def _not_here(copy: Copy, barcode: str) -> NotInOrder:
    """The refusal for a copy that was scanned at the wrong bag, with the bag that it belongs into."""
    meant = OrderLine.objects.filter(copy=copy, state__in=IN_BAG).select_related("order").first()
    return NotInOrder(field="barcode", barcode=barcode, belongs_to=meant.order.shown if meant else None)


def _refuse_blocked(order: Order, *, now: datetime) -> None:
    if order.patron is not None:
        quota.refuse_blocked(order.patron, today=lending_queries.today(order.library, now))


def keep_until(order: Order, *, now: datetime) -> datetime:
    """Until when a bag that is ready now is kept: the end of the keep day, which is an open day, UTC.

    Never before the end of the time that was promised for it. Where bags are kept for no day, until the evening of the
    day that was promised; of one without a time that is the first day on which a time can be offered, or else an open
    one.
    """
    library = order.library
    zone = ZoneInfo(library.zone)
    rules, calendar = point_queries.rules_of(order.point_id), lending_queries.calendar_of(library)
    promised = queries.live_appointment(order)
    first = now.astimezone(zone).date()
    if not rules.keep_days:
        first = calendar.next_open(first)
        to_be = promised.slot.ends_at if promised is not None else _first_offer(order, rules, now=now)
        first = first if to_be is None else max(first, to_be.astimezone(zone).date())
    if rules.keep_days and rules.keep_counts == PointRules.KeepCounts.ALL:
        last = calendar.next_open(first + timedelta(days=rules.keep_days))
    else:
        last = calendar.open_days_after(first, rules.keep_days)
    end = datetime.combine(last + timedelta(days=1), time(), tzinfo=zone)
    return max(end, promised.miss_after) if promised is not None else end


def _first_offer(order: Order, rules: PointRules, *, now: datetime) -> datetime | None:
    """When the first time begins that can be offered for a packed bag; None where none is, or no time is promised."""
    if not rules.by_appointment:
        return None
    wide, after = bookings.needs_accessible([order]), now + timedelta(minutes=rules.lead_minutes)
    rooms = slots.free(point_id=order.point_id, now=now, accessible=wide, after=after, ready=True, limit=1)
    return rooms[0].starts_at if rooms else None


@transaction.atomic
def unpack(*, barcode: str, by: Actor, now: datetime) -> OrderLine:
    """Take a copy out of a dead bag and onto the return cart, where the next in line may get it."""
    copy = copies.by_barcode(barcode)
    to_do = Q(state__in=[LineState.TO_UNPACK, LineState.WITHHELD])
    line = OrderLine.objects.filter(to_do, copy=copy).select_related("copy", "order").order_by("-id").first()
    if line is None:
        raise _not_here(copy, barcode)
    orders.locked(line.order_id)
    if line.state == LineState.WITHHELD:
        line.move(LineState.TO_UNPACK, at=now, by=by)
    line.move(LineState.UNPACKED, at=now, by=by)
    if copy.state == CopyState.MISSING:  # sought in vain for another bag, while it lay in this one
        copies.found(barcode=barcode, library_id=line.order.library_id, by=by, now=now)
    else:
        copies.to_return_cart(copy_ids=[copy.pk], by=by, now=now)
    live.publish([f"point:{line.order.point_id}"], now=now)
    return line
