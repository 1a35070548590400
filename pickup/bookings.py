"""A promise as rows: locked with its orders, begun with a place, given to its orders, replaced by another.

Rows are locked in the order of the house: orders by id, then the appointment; places of slots are counted last.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Q, QuerySet, Subquery

from core.actor import Actor
from core.compiled import Compiled, Given, soon
from core.moves import NothingToBeginWith
from pickup import awaited, point_queries, scheduling, slots
from pickup.errors import NoAppointment
from pickup.models import Appointment, Order, PointRules, Slot
from pickup.states import OPEN_ORDER, AppointmentState, OrderState

if TYPE_CHECKING:
    from core.moves import Said


TOLD = ("library", "point__library", "patron", "collector", "appointment__slot", "visit")
"""What is read of an order with it, to tell its people something."""


def lock_together(order_id: int) -> None:
    """Lock an order with the open ones of its promise, by id, as whoever speaks for the promise does."""
    _TOGETHER.soon(order=order_id)


def _together() -> QuerySet[Order]:
    promise = Subquery(Order.objects.filter(pk=Given("order")).values("appointment_id"))  # one value: found by index
    both = Q(pk=Given("order")) | Q(appointment_id=promise, state__in=OPEN_ORDER)
    return Order.objects.select_for_update(no_key=True).filter(both).order_by("pk").only("pk")


_TOGETHER = Compiled(_together)


def lock_many(appointment_ids: Collection[int], order_ids: Collection[int] = ()) -> None:
    """Lock the open orders of promises, with some others, and then the promises, by id, before anybody locks slots."""
    which = Q(appointment__in=appointment_ids) | Q(pk__in=order_ids)
    bags = Order.objects.select_for_update(no_key=True).filter(which, state__in=OPEN_ORDER)
    list(bags.order_by("pk").values_list("pk", flat=True))
    promises = Appointment.objects.select_for_update(no_key=True).filter(pk__in=appointment_ids)
    list(promises.order_by("pk").values_list("pk", flat=True))


def with_orders(appointment_id: int) -> tuple[Appointment, list[Order]]:
    """Lock the open orders of a promise and then the promise itself; its slot comes with it.

    Whoever joins a promise locks it, so that all are known once it is ours: if one has joined while we waited for it,
    everything is let go and locked anew, in the order of the house.
    """
    while True:
        try:
            with transaction.atomic():
                return _with_orders(appointment_id)
        except _JoinedMeanwhile:
            continue


class _JoinedMeanwhile(Exception):
    """An order has joined the promise since its orders were locked."""


def _with_orders(appointment_id: int) -> tuple[Appointment, list[Order]]:
    orders = Order.objects.filter(appointment_id=appointment_id, state__in=OPEN_ORDER).order_by("pk")
    locked = {order.pk for order in orders.select_for_update(no_key=True)}
    appointment = (
        Appointment.objects.select_for_update(of=("self",), no_key=True)
        .select_related("slot__point__library")
        .filter(pk=appointment_id)
        .first()
    )
    if appointment is None:
        raise NoAppointment(appointment=appointment_id)
    found = list(orders.select_related(*TOLD))
    if any(order.pk not in locked for order in found):
        raise _JoinedMeanwhile
    return appointment, found


def needs_accessible(orders: Iterable[Order]) -> bool:
    """Whether somebody of a party leaves the car."""
    return any(order.patron is not None and order.patron.accessible_place for order in orders)


def wide(promise: Appointment, orders: Iterable[Order]) -> bool:
    """Whether another time for a promise has to be an accessible place: it was, or the need was noted since."""
    return promise.accessible or needs_accessible(orders)


def make_wide(promise: Appointment, joining: Iterable[Order]) -> bool:
    """Have a locked promise take an accessible place where those who join it need one; False where none is left."""
    if promise.accessible or not needs_accessible(joining):
        return True
    if not slots.widen(slot_id=promise.slot_id):
        return False
    promise.accessible = True
    promise.save(update_fields=["accessible"])
    return True


def terms(slot: Slot, rules: PointRules, *, now: datetime) -> dict[str, Any]:
    """The columns of a new promise that follow from its slot and the point's rules; those of its place are not yet."""
    answer_by = min(now + timedelta(minutes=rules.answer_minutes), slot.starts_at)
    return {
        "point_id": slot.point_id,
        "slot": slot,
        "offered_at": now,
        "answer_by": max(now, answer_by),
        "miss_after": slot.ends_at + timedelta(minutes=rules.grace_minutes),
    }


def take(
    slot: Slot,
    orders: Sequence[Order],
    rules: PointRules,
    *,
    accessible: bool,
    ready: bool,
    by: Actor,
    now: datetime,
    confirmed: bool,
    beside: Sequence[Said] = (),
    key: int | None = None,
    **columns: Any,
) -> Appointment:
    """Take a place of the slot and begin the promise with it; refuses with `slot_unavailable` where it is full.

    One statement, so that nobody waits for the slot longer than the disk takes. With a `key` for the promise that was
    taken ahead it is done `soon`, and what comes next fails (NotNullViolation) where the slot is full. Whoever looked
    before another's place was committed comes in the same five minutes.
    """
    try:
        return _begun(
            orders,
            then=AppointmentState.CONFIRMED if confirmed else "",
            by=by,
            now=now,
            out_of=slots.taking(slot_id=slot.pk, accessible=accessible),
            beside=beside,
            **terms(slot, rules, now=now),
            arrive_at=scheduling.arrival(slot.starts_at, slot.ends_at, place=slot.booked + 1, capacity=slot.capacity),
            accessible=accessible,
            key=key,
            **columns,
        )
    except NothingToBeginWith:
        old = columns.get("instead_of")
        raise slots.unavailable(
            point_id=slot.point_id,
            why="full",
            now=now,
            accessible=accessible,
            ready=ready,
            after=awaited.not_before(orders),
            instead_of=old and old.slot_id,
        ) from None


def instead(
    old: Appointment,
    orders: Sequence[Order],
    slot: Slot,
    *,
    ready: bool,
    why: Appointment.Why,
    by: Actor,
    now: datetime,
    accessible: bool | None = None,
) -> Appointment:
    """Replace a promise, by what was chosen or by an offer that says `why`; as `accessible` as it was, unless said.

    Both slots are counted in the order of their ids: two changes cannot lock each other out.
    """
    old.move(AppointmentState.CHANGED, at=now, by=by)
    if old.slot_id < slot.pk:
        slots.give_back(slot_id=old.slot_id, accessible=old.accessible)
    new = take(
        slot,
        orders,
        point_queries.rules_of(old.point_id),
        accessible=old.accessible if accessible is None else accessible,
        ready=ready,
        why=why,
        by=by,
        now=now,
        offer=old.offer,
        instead_of=old,
        confirmed=why == Appointment.Why.CHOSEN,
    )
    if old.slot_id > slot.pk:
        slots.give_back(slot_id=old.slot_id, accessible=old.accessible)
    return new


def apart(
    old: Appointment, orders: Sequence[Order], slot: Slot, *, ready: bool, accessible: bool, by: Actor, now: datetime
) -> Appointment:
    """The time that was chosen for some orders of a promise that the others keep."""
    ended = twin(old, orders, AppointmentState.CHANGED, by=by, now=now)
    return take(
        slot,
        orders,
        point_queries.rules_of(old.point_id),
        accessible=accessible,
        ready=ready,
        why=Appointment.Why.CHOSEN,
        by=by,
        now=now,
        offer=old.offer,
        instead_of=ended,
        confirmed=True,
    )


def twin(
    old: Appointment, orders: Sequence[Order], ended: AppointmentState, *, by: Actor, now: datetime
) -> Appointment:
    """What some orders had of a promise that the others keep: for the journal, and never counted in the slot."""
    return _begun(
        orders,
        then=ended,
        by=by,
        now=now,
        point_id=old.point_id,
        slot_id=old.slot_id,
        offered_at=old.offered_at,
        answer_by=old.answer_by,
        miss_after=old.miss_after,
        arrive_at=old.arrive_at,
        why=old.why,
        offer=old.offer,
    )


_GIVE = """
    UPDATE pickup_order AS bag SET appointment_id = given.appointment,
        keep_until = CASE WHEN bag.state = 'ready' THEN GREATEST(bag.keep_until, given.until) ELSE bag.keep_until END
    FROM
"""


def attach(promises: Iterable[tuple[Appointment, Sequence[Order]]]) -> None:
    """Give orders their promises, in one statement; a ready bag is kept at least until its time is over."""
    pairs = [(order, appointment) for appointment, orders in promises for order in orders]
    soon(
        f"{_GIVE} unnest(%s::bigint[], %s::bigint[], %s::timestamptz[]) AS given (bag, appointment, until)"
        " WHERE bag.id = given.bag",
        [
            [order.pk for order, _appointment in pairs],
            [appointment.pk for _order, appointment in pairs],
            [appointment.miss_after for _order, appointment in pairs],
        ],
    )
    for order, appointment in pairs:
        _note([order], appointment)


def _begun(
    orders: Sequence[Order],
    *,
    then: str,
    by: Actor,
    now: datetime,
    out_of: Said | None = None,
    beside: Sequence[Said] = (),
    key: int | None = None,
    **columns: Any,
) -> Appointment:
    """A promise that begins, moves on to the state `then` and is given to its orders as by `attach`; one statement."""
    places = ", ".join(["%s"] * len(orders))
    give: Said = (
        f"{_GIVE} (SELECT key, %s::timestamptz FROM changed) AS given (appointment, until) WHERE bag.id IN ({places})",  # noqa: S608
        [columns["miss_after"], *[order.pk for order in orders]],
    )
    appointment = Appointment.begin(at=now, by=by, then=then, out_of=out_of, beside=[give, *beside], key=key, **columns)
    _note(orders, appointment)
    return appointment


def _note(orders: Sequence[Order], appointment: Appointment) -> None:
    """What `attach` has written, on the rows in hand."""
    for order in orders:
        order.appointment_id, order._state.fields_cache["appointment"] = appointment.pk, appointment
        if order.state == OrderState.READY and order.keep_until is not None:
            order.keep_until = max(order.keep_until, appointment.miss_after)
