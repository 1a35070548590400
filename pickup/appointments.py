"""The promise: a party is served in a slot. Made, confirmed, changed, given back, kept or missed; offered by offers.py.

Rows are locked in the order of the house: orders by id, then the appointment; places of slots are counted last.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import BigIntegerField, FilteredRelation, Q
from django.db.models.expressions import RawSQL

from core import live
from core.actor import RULE, Actor
from core.compiled import Compiled, Given, soon
from core.models import Journal
from core.rows import all_but
from lending import strikes
from lending.states import StrikeKind
from pickup import awaited, bookings, parties, point_queries, queries, slots, texts
from pickup.errors import NoAppointment, OrderNotFound, SlotNotChosenHere
from pickup.models import Appointment, Order, PointRules
from pickup.states import OPEN_ORDER, PROMISED, AppointmentState, OrderState


@transaction.atomic(savepoint=False)
def promise(
    *, order_id: int, slot_id: int, by: Actor, now: datetime, chosen: bool = True, wait: bool = True
) -> Appointment:
    """Give an order the slot that somebody chose for it; refuses with `slot_unavailable` and the next free ones.

    Chosen by a person it is confirmed at once; by the rule (`chosen=False`) it stays an offer until the bag is ready.
    An order that has a promise already changes it. A party that holds the slot shares its place, as far as `by` may say
    who is one (see `parties.party_of`). Whoever catches the refusal and goes on in a transaction needs a savepoint.

    Who does not `wait` for the place tries again and waits where the next statement, or the commit, fails
    (NotNullViolation), because somebody else took the last one in between.
    """
    order = _locked(order_id, slot_id, by=by)
    rules = point_queries.rules_at(order.point)
    if not rules.by_appointment:
        raise SlotNotChosenHere(field="slot")
    live_one = queries.live_appointment(order)
    if live_one is not None:
        if live_one.slot_id == slot_id:
            return confirm(appointment_id=live_one.pk, by=by, now=now) if chosen else live_one
        return change(appointment_id=live_one.pk, slot_id=slot_id, by=by, now=now)
    appointment = promise_of_party(order, slot_id, by=by)
    accessible = bookings.needs_accessible([order])
    ready = order.state == OrderState.READY
    slot = slots.check(
        slot_id=slot_id,
        slot=getattr(order, "asked", None),
        point=order.point,
        now=now,
        accessible=accessible,
        ready=ready,
        has_place=appointment is not None,
        after=awaited.not_before([order]),
    )
    published = live.published([f"point:{order.point_id}"], now=now)
    if appointment is None:
        appointment = bookings.take(
            slot,
            [order],
            rules,
            accessible=accessible,
            ready=ready,
            why=Appointment.Why.CHOSEN if chosen else Appointment.Why.SOONEST,
            by=by,
            now=now,
            confirmed=chosen,
            beside=[published],
            key=None if wait else order.next_promise,  # type: ignore[attr-defined]  # annotated
        )
    else:
        soon(*published)
        if not bookings.make_wide(appointment, [order]):
            why, after = "no_accessible_place", awaited.not_before([order])
            raise slots.unavailable(
                point_id=order.point_id, why=why, now=now, accessible=True, ready=ready, after=after
            )
        bookings.attach([(appointment, [order])])
        if chosen and appointment.state == AppointmentState.OFFERED:
            appointment.move(AppointmentState.CONFIRMED, at=now, by=by)
    if ready:
        together = queries.orders(appointment=appointment, state=OrderState.READY).order_by("id")
        texts.again(appointment, list(together), now=now)  # one text counts all that come at this time
    elif chosen and rules.tell_fixed:
        tell_fixed(appointment, list(queries.orders(pk=order.pk)), rules=rules, by=by, now=now)
    return appointment


@transaction.atomic
def confirm(*, appointment_id: int, by: Actor, now: datetime) -> Appointment:
    """Somebody said yes. Saying it twice is one yes; what is kept, missed or given back is refused (`no_appointment`).

    The table lets KEPT become CONFIRMED for an undone hand-over only. A yes counts for everybody who comes in that car:
    it takes nothing from anybody.
    """
    appointment, orders = bookings.with_orders(appointment_id)
    if appointment.state not in PROMISED:
        raise NoAppointment(appointment=appointment.pk, state=appointment.state)
    if appointment.state != AppointmentState.CONFIRMED:
        appointment.move(AppointmentState.CONFIRMED, at=now, by=by)
        tell_fixed(appointment, orders, by=by, now=now)
        live.publish([f"point:{appointment.point_id}"], now=now)
    return appointment


@transaction.atomic
def change(*, appointment_id: int, slot_id: int, by: Actor, now: datetime) -> Appointment:
    """Another time instead; gives back the new promise. The old place is free only when the new one is taken.

    Orders of the promise for which `by` does not speak keep the old one (see `parties.speaks_for`).
    """
    appointment, orders = bookings.with_orders(appointment_id)
    mine = _decided(appointment, orders, by)
    if appointment.slot_id == slot_id:
        return confirm(appointment_id=appointment_id, by=by, now=now)
    apart = len(mine) < len(orders)
    needed = _needed(appointment, orders, mine)
    ready, accessible = needed.ready, needed.accessible
    slot = slots.check(
        slot_id=slot_id,
        point=appointment.slot.point,
        now=now,
        accessible=accessible,
        ready=ready,
        after=needed.after,
        instead_of=appointment.slot_id,
    )
    unsaid = texts.hush(orders=mine, why="time_changed", now=now)  # while they still name the old promise
    if apart:
        new = bookings.apart(appointment, mine, slot, ready=ready, accessible=accessible, by=by, now=now)
        if unsaid:
            _say_anew(appointment, [order for order in orders if order not in mine], now=now)
    else:
        chosen = Appointment.Why.CHOSEN
        new = bookings.instead(
            appointment, orders, slot, ready=ready, why=chosen, by=by, now=now, accessible=accessible
        )
    if unsaid or apart:  # of those who come apart now, the collector knows only the common time
        _say_anew(new, mine, now=now)
    tell_fixed(new, mine, by=by, now=now)
    live.publish([f"point:{appointment.point_id}"], now=now)
    return new


@dataclass(frozen=True, slots=True)
class Needed:
    """What a time must have for those who would come at it: an accessible place, and books that are there by then
    (`after`, None where all are). Whether it is for a bag that is packed: then no order deadline counts.
    """

    accessible: bool
    ready: bool
    after: datetime | None


def needed(order: Order, *, by: Actor) -> Needed:
    """What a time must have to be chosen for an order, as `promise` and `change` will ask it of `by`."""
    promised = queries.live_appointment(order)
    if promised is None:
        return _needed(None, [order], [order])
    orders = list(queries.orders(appointment=promised, state__in=OPEN_ORDER).order_by("pk"))
    return _needed(promised, orders, parties.speaks_for(by, orders))


def _needed(promised: Appointment | None, orders: Sequence[Order], mine: Sequence[Order]) -> Needed:
    """The same for those orders of a promise that would get another time."""
    whole = promised if len(mine) == len(orders) else None
    accessible = bookings.needs_accessible(mine) if whole is None else bookings.wide(whole, orders)
    return Needed(accessible, any(order.state == OrderState.READY for order in mine), awaited.not_before(mine))


@transaction.atomic
def cancel(*, appointment_id: int, by: Actor, now: datetime) -> Appointment:
    """Give the time back and keep the bag: it waits until its keep day. Gives back the promise that ended.

    Orders of the promise for which `by` does not speak keep it (see `parties.speaks_for`).
    """
    appointment, orders = bookings.with_orders(appointment_id)
    mine = _decided(appointment, orders, by)
    unsaid = texts.hush(orders=mine, why="time_given_back", now=now, by=by)
    apart = len(mine) < len(orders)
    if apart:
        ended = bookings.twin(appointment, mine, AppointmentState.CANCELLED, by=by, now=now)
        if unsaid:
            _say_anew(appointment, [order for order in orders if order not in mine], now=now)
    else:
        ended = appointment
        appointment.move(AppointmentState.CANCELLED, at=now, by=by)
    if unsaid or apart:  # what was told of this time is over, or has not been told at all
        _say_anew(ended, mine, now=now)
    if not apart:
        slots.give_back(slot_id=appointment.slot_id, accessible=appointment.accessible)
    live.publish([f"point:{appointment.point_id}"], now=now)
    return ended


def _decided(appointment: Appointment, orders: Sequence[Order], by: Actor) -> list[Order]:
    """The orders of a promise still ahead for which `by` decides; refuses (`no_appointment`) where there is none."""
    mine = parties.speaks_for(by, orders)
    if appointment.state not in PROMISED or (orders and not mine):
        raise NoAppointment(appointment=appointment.pk, state=appointment.state)
    return mine


def drop_if_empty(*, appointment: Appointment | None, by: Actor, now: datetime) -> None:
    """Give the place back when no open order is left to keep the promise for. The caller holds the orders' locks."""
    if appointment is None:
        return
    appointment = Appointment.objects.select_for_update(no_key=True).get(pk=appointment.pk)
    if appointment.state not in PROMISED or appointment.orders.filter(state__in=OPEN_ORDER).exists():
        return
    appointment.move(AppointmentState.CANCELLED, at=now, by=by)
    slots.give_back(slot_id=appointment.slot_id, accessible=appointment.accessible)


def come(*, order_ids: Collection[int], by: Actor, now: datetime) -> None:
    """Coming is a yes to what was offered, for everybody in the car. The caller holds the orders' locks."""
    bags = Order.objects.filter(pk__in=order_ids, state__in=OPEN_ORDER)
    offered = Appointment.objects.filter(pk__in=bags.values("appointment"), state=AppointmentState.OFFERED)
    said = list(offered.select_for_update(no_key=True).order_by("pk"))
    Appointment.move_many(said, AppointmentState.CONFIRMED, at=now, by=by)


def keep(*, appointment: Appointment | None, by: Actor, now: datetime) -> None:
    """They came: once for a promise, however many bags. The caller holds the orders' locks."""
    if appointment is None:
        return
    appointment = Appointment.objects.select_for_update(no_key=True).get(pk=appointment.pk)
    if appointment.state in PROMISED:
        appointment.move(AppointmentState.KEPT, at=now, by=by)


def kept_after_all(*, order: Order, at: datetime, by: Actor, now: datetime) -> None:
    """What was missed was kept: the bag went out at the moment `at`, which was noted only afterwards.

    Also of an order that was offered another time since. What was held against its patron for this promise is taken
    back. Nothing changes for who came when the grace was over. The caller holds the order's lock.
    """
    last = order.appointment
    missed = last if last is not None and last.state == AppointmentState.MISSED else order.missed
    if missed is None or at > missed.miss_after:
        return
    missed = Appointment.objects.select_for_update(no_key=True).get(pk=missed.pk)
    if missed.state == AppointmentState.MISSED:
        missed.move(AppointmentState.KEPT, at=now, by=by)
    became = Journal.objects.filter(noun=Appointment.noun(), row=missed.pk, became=AppointmentState.MISSED)
    noted_at = became.order_by("pk").values_list("at", flat=True).last()
    if noted_at is not None and order.patron_id is not None:
        strikes.forgive_one(
            patron_id=order.patron_id,
            library_id=order.library_id,
            kind=StrikeKind.MISSED,
            noted_at=noted_at,
            by=by,
            now=now,
        )


def keep_again(*, appointment: Appointment | None, by: Actor, now: datetime) -> None:
    """Take KEPT back when no bag of the promise is handed over any more. The caller holds the orders' locks."""
    if appointment is None:
        return
    appointment = Appointment.objects.select_for_update(no_key=True).get(pk=appointment.pk)
    if (
        appointment.state == AppointmentState.KEPT
        and not appointment.orders.filter(state=OrderState.HANDED_OVER).exists()
    ):
        appointment.move(AppointmentState.CONFIRMED, at=now, by=by)


_NEXT_PROMISE = RawSQL("nextval('pickup_appointment_id_seq')", [], BigIntegerField())  # a key taken ahead
_ORDER = Compiled(
    lambda: (
        Order.objects.annotate(asked=FilteredRelation("point__slots", condition=Q(point__slots__pk=Given("slot"))))
        .select_related("patron", "point__library", "point__rules", "asked")  # type: ignore[misc]  # a filtered relation
        .annotate(line_in_bag=awaited.LINE_IN_BAG, next_promise=_NEXT_PROMISE)
        .filter(pk=Given("order"))
        .defer(
            *all_but(
                Order, "state", "library", "point", "patron", "collector", "appointment", "keep_until", "whole_until"
            ),
            *all_but(Order, "name", "household", "accessible_place", link="patron"),
            *all_but(Order, "library", link="point"),
            *all_but(Order, "zone", link="point__library"),
            *all_but(
                Order, "point", "by_appointment", "answer_minutes", "grace_minutes", "tell_fixed", link="point__rules"
            ),
        )
    )
)


def _locked(order_id: int, slot_id: int, *, by: Actor) -> Order:
    """The order with the slot that is `asked` for, if its point has it. Patrons learn nothing of others' orders."""
    bookings.lock_together(order_id)
    order = _ORDER.first(order=order_id, slot=slot_id)  # read after the lock; see orders.locked
    if order is None or (by.kind == "patron" and order.patron_id != by.id):
        raise OrderNotFound
    if order.state not in OPEN_ORDER:
        raise NoAppointment(order=order_id, state=order.state)
    return order


def promise_of_party(
    order: Order, slot_id: int | None, *, now: datetime | None = None, by: Actor = RULE
) -> Appointment | None:
    """A live promise that others of the order's party hold: for that slot, or for any slot not begun yet."""
    for other in parties.others_of_party(order, by=by):
        appointment = queries.live_appointment(other)
        if appointment is None:
            continue
        if appointment.slot_id == slot_id or (slot_id is None and now is not None and appointment.slot.starts_at > now):
            locked = Appointment.objects.select_for_update(of=("self",), no_key=True).select_related("slot")
            still = locked.filter(pk=appointment.pk, state__in=PROMISED).first()
            if still is not None:
                return still
    return None


def _say_anew(appointment: Appointment, orders: Sequence[Order], *, now: datetime) -> None:
    """Tell those whose bags are ready how it stands with this promise, or with none if it has ended."""
    ready = [order for order in orders if order.state == OrderState.READY]
    if ready:
        texts.again(appointment, ready, now=now)


def tell_fixed(
    appointment: Appointment, orders: Sequence[Order], *, by: Actor, now: datetime, rules: PointRules | None = None
) -> None:
    """Say which time is fixed, where the point says so before the bag is ready; a ready bag says it itself.

    Whoever asked for it just now is told at once, also at night; whoever did so by text has the answer to it.
    """
    if by.channel == "text":
        return
    packing = [order for order in orders if order.state == OrderState.PICKING]
    if not packing or len(packing) < len(orders):
        return
    if (rules or point_queries.rules_of(appointment.point_id)).tell_fixed:
        texts.fixed(appointment, packing, kind="notice" if by.kind == RULE.kind else "answer", now=now)
