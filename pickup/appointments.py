"""The promise: a party is served in a slot. Made, offered, confirmed, changed, given back, kept or missed.

Rows are locked in the order of the house: orders by id, then the appointment; places of slots are counted last.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from core import live
from core.actor import RULE, Actor
from pickup import queries, scheduling, slots, texts
from pickup.errors import NoAppointment, OrderNotFound, SlotNotChosenHere
from pickup.models import Appointment, Order, PointRules, Slot
from pickup.states import HERE, OPEN_ORDER, PROMISED, AppointmentState, OrderState

BATCH = 500


@transaction.atomic
def promise(*, order_id: int, slot_id: int, by: Actor, now: datetime, chosen: bool = True) -> Appointment:
    """Give an order the slot that somebody chose for it; refuses with `slot_unavailable` and the next free ones.

    Chosen by a person it is confirmed at once; by the rule (`chosen=False`) it stays an offer until the bag is ready.
    An order that has a promise already changes it. A party that holds the slot shares its place.
    """
    order = _locked(order_id)
    rules = queries.rules_of(order.point_id)
    if not rules.by_appointment:
        raise SlotNotChosenHere(field="slot")
    live_one = queries.live_appointment(order)
    if live_one is not None:
        if live_one.slot_id == slot_id:
            return confirm(appointment_id=live_one.pk, by=by, now=now) if chosen else live_one
        return change(appointment_id=live_one.pk, slot_id=slot_id, by=by, now=now)
    shared = _of_party(order, slot_id)
    accessible = _needs_accessible([order])
    ready = order.state == OrderState.READY
    slot = (
        slots.check(slot_id=slot_id, point_id=order.point_id, now=now, accessible=accessible, ready=ready)
        if (shared is None)
        else shared.slot
    )
    appointment = shared
    if appointment is None:
        _take(slot, accessible=accessible, ready=ready, now=now)
        appointment = _begin(slot, rules, accessible=accessible, by=by, now=now)
    _attach([order], appointment)
    if chosen and appointment.state == AppointmentState.OFFERED:
        appointment.move(AppointmentState.CONFIRMED, at=now, by=by)
    if ready:
        texts.ready([order], now=now)
    live.publish([f"point:{order.point_id}"], now=now)
    return appointment


@transaction.atomic
def offer_ready(
    *, now: datetime, point_ids: Collection[int] | None = None, order_ids: Collection[int] | None = None
) -> int:
    """Promise a time to ready orders that have none, one for each party, and tell them; gives back how many promises.

    Workers may run this side by side: each takes the orders that no other has in hand. Who finds no free slot before
    the bag's keep day stays in the queue and is tried again.
    """
    found = queries.to_offer(point_ids=point_ids, order_ids=order_ids)
    mine = list(
        found.select_for_update(of=("self",), skip_locked=True, no_key=True).values_list("pk", flat=True)[:BATCH]
    )
    of_point: dict[int, list[Order]] = {}
    still = queries.to_offer(order_ids=mine).values("pk")  # a joined row was as old as the moment before the lock
    for order in queries.orders(pk__in=still).order_by("ready_at", "id"):
        of_point.setdefault(order.point_id, []).append(order)
    return sum(_offer_at(point_id, orders, now=now) for point_id, orders in sorted(of_point.items()))


def _offer_at(point_id: int, orders: list[Order], *, now: datetime) -> int:
    rules = queries.rules_of(point_id)
    parties = queries.parties(orders)
    joined, seeking = 0, {}
    for head, party in parties.items():
        promised = _of_party(party[0], None, now=now)
        if promised is not None:
            _attach(party, promised)
            everybody = [*promised.orders.select_related(*_TOLD).filter(state=OrderState.READY).order_by("id")]
            texts.offer(promised, everybody, now=now)
            joined += 1
        else:
            seeking[str(head)] = party
    earliest = now + timedelta(minutes=rules.lead_minutes)
    rooms = [
        scheduling.FreeSlot(
            slot.pk, slot.starts_at, slot.capacity - slot.booked, slot.accessible - slot.booked_accessible
        )
        for slot in slots.free(point_id=point_id, now=now, after=earliest, ready=True, limit=BATCH)
    ]
    asked = [
        scheduling.Party(
            key=key,
            not_before=earliest,
            waiting_since=min(order.ready_at or now for order in party),
            accessible=_needs_accessible(party),
            not_slots=frozenset(order.appointment.slot_id for order in party if order.appointment is not None),
        )
        for key, party in seeking.items()
    ]
    plan = sorted(scheduling.assign(asked, rooms).items(), key=lambda pair: (pair[1], pair[0]))
    by_id = Slot.objects.select_related("point__library").in_bulk([slot_id for _key, slot_id in plan])
    offered = 0
    in_vain = [party for key, party in seeking.items() if key not in dict(plan)]
    for key, slot_id in plan:
        party, slot = seeking[key], by_id[slot_id]
        accessible = _needs_accessible(party)
        if slot.starts_at >= min(order.keep_until or slot.starts_at for order in party):
            in_vain.append(party)
            continue
        if not slots.take(slot_id=slot_id, accessible=accessible):
            continue  # somebody else was faster: the next round finds this party again
        before = [order.appointment.offer for order in party if order.appointment is not None]
        appointment = _begin(slot, rules, accessible=accessible, by=RULE, now=now, offer=max(before, default=0) + 1)
        _attach(party, appointment)
        texts.offer(appointment, party, now=now)
        offered += 1
    for party in in_vain:
        texts.no_time(party, now=now)
    if joined or offered:
        live.publish([f"point:{point_id}"], now=now)
    return joined + offered


@transaction.atomic
def confirm(*, appointment_id: int, by: Actor, now: datetime) -> Appointment:
    """Somebody said yes. Saying it twice is one yes."""
    appointment, _orders = _with_orders(appointment_id)
    if appointment.state != AppointmentState.CONFIRMED:
        appointment.move(AppointmentState.CONFIRMED, at=now, by=by)
        live.publish([f"point:{appointment.point_id}"], now=now)
    return appointment


@transaction.atomic
def change(*, appointment_id: int, slot_id: int, by: Actor, now: datetime) -> Appointment:
    """Another time instead; gives back the new promise. The old place is free only when the new one is taken."""
    appointment, orders = _with_orders(appointment_id)
    if appointment.state not in PROMISED:
        raise NoAppointment(appointment=appointment.pk)
    if appointment.slot_id == slot_id:
        return confirm(appointment_id=appointment_id, by=by, now=now)
    ready = any(order.state == OrderState.READY for order in orders)
    slot = slots.check(
        slot_id=slot_id, point_id=appointment.point_id, now=now, accessible=appointment.accessible, ready=ready
    )
    unsaid = texts.hush(orders=orders, why="time_changed", now=now)  # while they still name the old promise
    new = _instead(appointment, orders, slot, ready=ready, by=by, now=now)
    new.move(AppointmentState.CONFIRMED, at=now, by=by)
    if unsaid and ready:
        texts.ready([order for order in orders if order.state == OrderState.READY], now=now)
    live.publish([f"point:{appointment.point_id}"], now=now)
    return new


@transaction.atomic
def cancel(*, appointment_id: int, by: Actor, now: datetime) -> Appointment:
    """Give the time back and keep the bag: it waits until its keep day."""
    appointment, orders = _with_orders(appointment_id)
    appointment.move(AppointmentState.CANCELLED, at=now, by=by)
    texts.hush(orders=orders, why="time_given_back", now=now, by=by)
    slots.give_back(slot_id=appointment.slot_id, accessible=appointment.accessible)
    live.publish([f"point:{appointment.point_id}"], now=now)
    return appointment


def drop_if_empty(*, appointment: Appointment | None, by: Actor, now: datetime) -> None:
    """Give the place back when no open order is left to keep the promise for. The caller holds the orders' locks."""
    if appointment is None:
        return
    appointment = Appointment.objects.select_for_update(no_key=True).get(pk=appointment.pk)
    if appointment.state not in PROMISED or appointment.orders.filter(state__in=OPEN_ORDER).exists():
        return
    appointment.move(AppointmentState.CANCELLED, at=now, by=by)
    slots.give_back(slot_id=appointment.slot_id, accessible=appointment.accessible)


def keep(*, appointment: Appointment | None, by: Actor, now: datetime) -> None:
    """They came: once for a promise, however many bags. The caller holds the orders' locks."""
    if appointment is None:
        return
    appointment = Appointment.objects.select_for_update(no_key=True).get(pk=appointment.pk)
    if appointment.state in PROMISED:
        appointment.move(AppointmentState.KEPT, at=now, by=by)


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


def answers_due(*, now: datetime) -> int:
    """Close offers whose time to answer is over: silence is consent, unless the point says it lapses.

    Where an answer could not have arrived, or while the bag is not even ready, silence is always consent.
    """
    due = Appointment.objects.filter(state=AppointmentState.OFFERED, answer_by__lte=now)
    return sum(_answer_due(pk, now=now) for pk in due.order_by("id").values_list("pk", flat=True)[:BATCH])


@transaction.atomic
def _answer_due(appointment_id: int, *, now: datetime) -> int:
    appointment, orders = _with_orders(appointment_id)
    if appointment.state != AppointmentState.OFFERED or appointment.answer_by > now:
        return 0
    ready = [order for order in orders if order.state == OrderState.READY]
    silence = queries.rules_of(appointment.point_id).silence
    if not ready or silence == PointRules.Silence.CONSENT or not texts.asks_for_answer(ready[0]):
        appointment.move(AppointmentState.CONFIRMED, at=now, by=RULE)
    else:
        appointment.move(AppointmentState.LAPSED, at=now, by=RULE)
        texts.hush(orders=ready, why="lapsed", now=now)
        if appointment.offer >= queries.rules_of(appointment.point_id).offers:
            for order in ready:
                texts.about_order("kept", order, now=now, not_after=order.keep_until)
        slots.give_back(slot_id=appointment.slot_id, accessible=appointment.accessible)
    live.publish([f"point:{appointment.point_id}"], now=now)
    return 1


def misses_due(*, now: datetime) -> int:
    """Note who did not come within the grace period; a party that is here is never missed."""
    due = Appointment.objects.filter(state=AppointmentState.CONFIRMED, miss_after__lte=now)
    return sum(_miss(pk, now=now) for pk in due.order_by("id").values_list("pk", flat=True)[:BATCH])


@transaction.atomic
def _miss(appointment_id: int, *, now: datetime) -> int:
    appointment, orders = _with_orders(appointment_id)
    if appointment.state != AppointmentState.CONFIRMED or appointment.miss_after > now:
        return 0
    ready = [order for order in orders if order.state == OrderState.READY]
    if not ready or any(order.visit is not None and order.visit.state in HERE for order in orders):
        return 0
    appointment.move(AppointmentState.MISSED, at=now, by=RULE)
    for order in ready:
        texts.about_order("missed", order, now=now, not_after=order.keep_until)
    live.publish([f"point:{appointment.point_id}"], now=now)
    return 1


def not_ready_in_time(*, now: datetime) -> int:
    """Move promises whose slot begins while nothing is packed: to the next free slot, and say so. Not their fault."""
    begun = Appointment.objects.filter(state__in=PROMISED, slot__starts_at__lte=now)
    begun = begun.exclude(orders__state=OrderState.READY).exclude(orders__state=OrderState.HANDED_OVER)
    return sum(_move_on(pk, now=now) for pk in begun.order_by("id").values_list("pk", flat=True)[:BATCH])


@transaction.atomic
def _move_on(appointment_id: int, *, now: datetime) -> int:
    appointment, orders = _with_orders(appointment_id)
    packing = [order for order in orders if order.state == OrderState.PICKING]
    if appointment.state not in PROMISED or appointment.slot.starts_at > now or len(packing) != len(orders):
        return 0
    rooms = slots.free(point_id=appointment.point_id, now=now, accessible=appointment.accessible, limit=1)
    texts.hush(orders=packing, why="time_changed", now=now)
    if packing and rooms:
        new = _instead(appointment, packing, rooms[0], ready=False, by=RULE, now=now)
        texts.offer(new, packing, now=now, template="moved")
    else:
        appointment.move(AppointmentState.CANCELLED, at=now, by=RULE)
        Order.objects.filter(pk__in=[order.pk for order in packing]).update(appointment=None)
        for order in packing:
            texts.about_order("late", order, now=now)
        slots.give_back(slot_id=appointment.slot_id, accessible=appointment.accessible)
    live.publish([f"point:{appointment.point_id}"], now=now)
    return 1


_TOLD = ("library", "point__library", "patron", "collector", "appointment__slot", "visit")


def lock_together(order_id: int) -> None:
    """Lock an order with the open ones of its promise, by id, as whoever speaks for the promise does."""
    promise = Order.objects.filter(pk=order_id, appointment__state__in=PROMISED).values("appointment_id")
    same = Q(pk=order_id) | Q(appointment_id__in=promise, state__in=OPEN_ORDER)
    list(Order.objects.select_for_update(no_key=True).filter(same).order_by("pk").values_list("pk", flat=True))


def _locked(order_id: int) -> Order:
    lock_together(order_id)
    order = Order.objects.select_related(*_TOLD).filter(pk=order_id).first()  # read after the lock; see orders.locked
    if order is None:
        raise OrderNotFound(order=order_id)
    if order.state not in OPEN_ORDER:
        raise NoAppointment(order=order_id, state=order.state)
    return order


def _with_orders(appointment_id: int) -> tuple[Appointment, list[Order]]:
    """Lock the open orders of a promise and then the promise itself; its slot comes with it."""
    orders = Order.objects.filter(appointment_id=appointment_id, state__in=OPEN_ORDER).order_by("pk")
    locked = [order.pk for order in orders.select_for_update(no_key=True)]
    found = list(Order.objects.select_related(*_TOLD).filter(pk__in=locked).order_by("pk"))
    appointment = (
        Appointment.objects.select_for_update(of=("self",), no_key=True)
        .select_related("slot__point__library")
        .filter(pk=appointment_id)
        .first()
    )
    if appointment is None:
        raise NoAppointment(appointment=appointment_id)
    return appointment, found


def _of_party(order: Order, slot_id: int | None, *, now: datetime | None = None) -> Appointment | None:
    """A live promise that others of the order's party hold: for that slot, or for any slot not begun yet."""
    for other in queries.party_of(order).exclude(pk=order.pk):
        appointment = queries.live_appointment(other)
        if appointment is None:
            continue
        if appointment.slot_id == slot_id or (slot_id is None and now is not None and appointment.slot.starts_at > now):
            locked = Appointment.objects.select_for_update(of=("self",), no_key=True).select_related("slot")
            still = locked.filter(pk=appointment.pk, state__in=PROMISED).first()
            if still is not None:
                return still
    return None


def _needs_accessible(orders: Iterable[Order]) -> bool:
    return any(order.patron is not None and order.patron.accessible_place for order in orders)


def _take(slot: Slot, *, accessible: bool, ready: bool, now: datetime) -> None:
    if not slots.take(slot_id=slot.pk, accessible=accessible):
        raise slots.unavailable(point_id=slot.point_id, why="full", now=now, accessible=accessible, ready=ready)


def _begin(
    slot: Slot,
    rules: PointRules,
    *,
    accessible: bool,
    by: Actor,
    now: datetime,
    offer: int = 1,
    instead_of: Appointment | None = None,
) -> Appointment:
    answer_by = min(now + timedelta(minutes=rules.answer_minutes), slot.starts_at)
    return Appointment.begin(
        at=now,
        by=by,
        point_id=slot.point_id,
        slot=slot,
        accessible=accessible,
        offered_at=now,
        answer_by=max(now, answer_by),
        miss_after=slot.ends_at + timedelta(minutes=rules.grace_minutes),
        offer=offer,
        instead_of=instead_of,
    )


def _instead(
    old: Appointment, orders: Sequence[Order], slot: Slot, *, ready: bool, by: Actor, now: datetime
) -> Appointment:
    """Replace a promise. Both slots are counted in the order of their ids: two changes cannot lock each other out."""
    old.move(AppointmentState.CHANGED, at=now, by=by)
    if old.slot_id < slot.pk:
        slots.give_back(slot_id=old.slot_id, accessible=old.accessible)
    _take(slot, accessible=old.accessible, ready=ready, now=now)
    if old.slot_id > slot.pk:
        slots.give_back(slot_id=old.slot_id, accessible=old.accessible)
    rules = queries.rules_of(old.point_id)
    new = _begin(slot, rules, accessible=old.accessible, by=by, now=now, offer=old.offer, instead_of=old)
    _attach(orders, new)
    return new


def _attach(orders: Sequence[Order], appointment: Appointment) -> None:
    """Give orders a promise; a ready bag is kept at least until its time is over."""
    mine = Order.objects.filter(pk__in=[order.pk for order in orders])
    mine.update(appointment=appointment)
    mine.filter(state=OrderState.READY, keep_until__lt=appointment.miss_after).update(keep_until=appointment.miss_after)
    for order in orders:
        order.appointment = appointment
        if order.state == OrderState.READY and order.keep_until is not None:
            order.keep_until = max(order.keep_until, appointment.miss_after)
