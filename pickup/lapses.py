"""What becomes of a promise by itself: nobody answered, nobody came, the bag was late, the time falls away.

Whoever is here keeps the promise, which is decided under the orders' locks: an arrival takes them too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from core import live, nudge, sweeps
from core.actor import RULE, Actor
from lending import queries as lending_queries
from lending import strikes
from lending.states import StrikeKind
from pickup import appointments, awaited, bookings, point_queries, queries, slots, texts, waits
from pickup.models import Appointment, Order, PointRules
from pickup.states import HERE, PROMISED, AppointmentState, OrderState

WHY = {"closing": Appointment.Why.CLOSED, "hours": Appointment.Why.HOURS, "moved": Appointment.Why.LATE}
"""What each text about a time that fell away says of the reason."""


def answers_due(*, now: datetime) -> int:
    """Close offers whose time to answer is over: silence is consent, unless the point says it lapses.

    Where an answer could not have arrived, or while the bag is not even ready, silence is always consent.
    """
    keys = to_settle(now=now).order_by("id").values_list("pk", flat=True)
    return sum(sweeps.each("answers that are due", keys, lambda pk: _answer_due(pk, now=now)))


def to_settle(*, now: datetime) -> QuerySet[Appointment]:
    """Offers that nobody has answered in time."""
    return Appointment.objects.filter(state=AppointmentState.OFFERED, answer_by__lte=now)


@transaction.atomic
def _answer_due(appointment_id: int, *, now: datetime) -> int:
    appointment, orders = bookings.with_orders(appointment_id)
    if appointment.state != AppointmentState.OFFERED or appointment.answer_by > now:
        return 0
    ready = [order for order in orders if order.state == OrderState.READY]
    asked = point_queries.rules_of(appointment.point_id).silence == PointRules.Silence.LAPSE and not _are_here(orders)
    if asked and ready and texts.asks_for_answer(ready):
        _lapse(appointment, ready, now=now)
    else:
        appointment.move(AppointmentState.CONFIRMED, at=now, by=RULE)
        appointments.tell_fixed(appointment, orders, by=RULE, now=now)
    live.publish([f"point:{appointment.point_id}"], now=now)
    return 1


def _are_here(orders: Sequence[Order]) -> bool:
    """Whether somebody of a party has come and not left yet."""
    return any(order.visit is not None and order.visit.state in HERE for order in orders)


def _came(orders: Sequence[Order], appointment: Appointment) -> bool:
    """Whether somebody of a party was here at this time and left again: then it was the line that was too long."""
    first = appointment.slot.starts_at - waits.OPENS_SOON
    visits = [order.visit for order in orders if order.visit is not None]
    return any(
        visit.arrived_at <= appointment.miss_after and (visit.ended_at is None or visit.ended_at >= first)
        for visit in visits
    )


def _lapse(appointment: Appointment, ready: Sequence[Order], *, now: datetime) -> None:
    """Give the place of a promise back; bags are offered another time as after a miss."""
    appointment.move(AppointmentState.LAPSED, at=now, by=RULE)
    texts.hush(orders=ready, why="lapsed", now=now)
    _offer_again(ready, [], now=now)
    slots.give_back(slot_id=appointment.slot_id, accessible=appointment.accessible)


def _offer_again(ready: Sequence[Order], missed: Sequence[Order], *, now: datetime) -> None:
    """Ring for another offer, which says all there is to say; after the last one say until when bags are kept."""
    again = set(queries.to_offer(order_ids=[order.pk for order in ready]).values_list("pk", flat=True))
    if again:
        nudge.ring("order ready", sorted(again))
    for order in ready:
        if order.pk not in again:
            texts.about_order("missed" if order in missed else "kept", order, now=now, not_after=order.keep_until)


def _without_it(orders: Sequence[Order], *, now: datetime) -> None:
    """Let bags that were late go out of a promise that ends for the others: they are offered a time of their own."""
    Order.objects.filter(pk__in=[order.pk for order in orders]).update(appointment=None)
    for order in orders:
        order.appointment = None
        if order.state == OrderState.PICKING:
            texts.about_order("late", order, now=now)


def misses_due(*, now: datetime) -> int:
    """Note who did not come within the grace period; they are offered another time, if it was not the last offer.

    Never missed: who is here or was and left without the bag, whose bag was not ready when the time began, and whom we
    gave another time that they never said yes to.
    """
    keys = to_miss(now=now).order_by("id").values_list("pk", flat=True)
    return sum(sweeps.each("people who did not come", keys, lambda pk: _miss(pk, now=now)))


def to_miss(*, now: datetime) -> QuerySet[Appointment]:
    """Promises whose grace period is over and whose bags, ready when the time began, nobody has come for."""
    return queries.to_come(miss_after__lte=now).filter(_READY_IN_TIME, state=AppointmentState.CONFIRMED)


_READY_IN_TIME = Exists(
    Order.objects.filter(appointment=OuterRef("pk"), state=OrderState.READY, ready_at__lte=OuterRef("slot__starts_at"))
)


def _was_ready(order: Order, appointment: Appointment) -> bool:
    """Whether a bag was ready when its time began."""
    ready_at = order.ready_at if order.state == OrderState.READY else None
    return ready_at is not None and ready_at <= appointment.slot.starts_at


@transaction.atomic
def _miss(appointment_id: int, *, now: datetime) -> int:
    appointment, orders = bookings.with_orders(appointment_id)
    if appointment.state != AppointmentState.CONFIRMED or appointment.miss_after > now or _are_here(orders):
        return 0
    in_time = [order for order in orders if _was_ready(order, appointment)]
    if not in_time:
        return 0
    _without_it([order for order in orders if order not in in_time], now=now)
    ready = [order for order in orders if order.state == OrderState.READY]
    not_agreed = appointment.moved_by_us and not queries.was_agreed(appointment)
    if not_agreed or _came(orders, appointment):
        _keep_longer(ready, now=now)
        _lapse(appointment, ready, now=now)
    else:
        appointment.move(AppointmentState.MISSED, at=now, by=RULE)
        texts.hush(orders=ready, why="missed", now=now)
        for order in in_time:
            if texts.was_reached(order):
                strikes.note(patron_id=order.patron_id, library_id=order.library_id, kind=StrikeKind.MISSED, now=now)
        over = [order for order in ready if order.keep_until is not None and order.keep_until <= appointment.miss_after]
        _keep_longer(over, now=now)  # kept for this time alone: without it they would expire in the same breath
        _offer_again(ready, in_time, now=now)
    live.publish([f"point:{appointment.point_id}"], now=now)
    return 1


def _keep_longer(ready: Sequence[Order], *, now: datetime) -> None:
    """Keep bags until the end of the next open day at least, so that another time can still be had for them."""
    for order in ready:
        order.keep_until = max(order.keep_until or now, _another_day(order, now=now) + timedelta(days=1))
        order.save(update_fields=["keep_until"])


def not_ready_in_time(*, now: datetime) -> int:
    """Move promises whose slot began while nothing was packed: to the next free slot, and say so. Not their fault.

    Also those whose bag was packed since: what counts is what was ready when the slot began, however late we look.
    """
    begun = queries.to_come(slot__starts_at__lte=now).filter(~_READY_IN_TIME)
    keys = begun.order_by("id").values_list("pk", flat=True)
    return sum(sweeps.each("bags that are late", keys, lambda pk: _move_on(pk, now=now)))


@transaction.atomic
def _move_on(appointment_id: int, *, now: datetime) -> int:
    appointment, orders = bookings.with_orders(appointment_id)
    if appointment.state not in PROMISED or appointment.slot.starts_at > now or _are_here(orders):
        return 0
    if any(_was_ready(order, appointment) for order in orders):
        return 0
    packing = [order for order in orders if order.state == OrderState.PICKING]
    whole = [order for order in packing if order.whole_until is not None and order.whole_until > now]
    after = None
    if packing and (awaited.coming(packing) or awaited.more_to_come(whole)):
        after = _another_day(packing[0], now=now)
    if _next_free(appointment, orders, after=after, template="moved", by=RULE, now=now) is None:
        _keep_longer([order for order in orders if order.state == OrderState.READY], now=now)
        for order in orders:
            if order.state == OrderState.PICKING:
                texts.about_order("late", order, now=now)
            else:
                texts.no_time(order, now=now)
    return 1


def _lead(appointment: Appointment, *, now: datetime) -> datetime:
    """The earliest time that people may be given unasked."""
    return now + timedelta(minutes=point_queries.rules_of(appointment.point_id).lead_minutes)


def _another_day(order: Order, *, now: datetime) -> datetime:
    """The first moment of the next open day: a book that has not come by its time does not come in the next hour."""
    library = order.library
    day = lending_queries.calendar_of(library).open_days_after(lending_queries.today(library, now), 1)
    return datetime.combine(day, time(), tzinfo=lending_queries.zone_of(library))


@transaction.atomic
def move_away(
    *, appointment_id: int, kept_until: datetime, by: Actor, now: datetime, template: str = "closing"
) -> Appointment | None:
    """Give a party the next free time, since theirs falls away, and tell it before the old one; no fault of theirs.

    Never an earlier one: they may not be able to come by then. Where no time is free the promise ends, staff call, and
    packed bags are kept at least until `kept_until`. None then, and where nothing is promised any more. Whoever is here
    keeps the promise: None too.
    """
    old, orders = bookings.with_orders(appointment_id)
    if old.state not in PROMISED or _are_here(orders):
        return None
    begins = old.slot.starts_at
    new = _next_free(old, orders, after=begins, template=template, until=begins, by=by, now=now)
    if new is None:
        bags = queries.orders(pk__in=[order.pk for order in orders])
        bags.filter(state=OrderState.READY, keep_until__lt=kept_until).update(keep_until=kept_until)
        for order in bags.order_by("pk"):
            ended = f"{template}_kept" if order.keep_until is not None else f"{template}_packing"
            texts.about_order(ended, order, now=now, by_phone=True)
    return new


def _next_free(
    old: Appointment,
    orders: Sequence[Order],
    *,
    after: datetime | None,
    template: str,
    by: Actor,
    now: datetime,
    until: datetime | None = None,
) -> Appointment | None:
    """Put the next free time, from `after` on, in the place of a locked promise and say so with `template`.

    Until when one may order for it does not matter, only that the bag can still be packed. Where there is none the
    promise ends, which is the caller's to say; None then.
    """
    moments = (after, awaited.not_before(orders))
    after = max([_lead(old, now=now), *(moment for moment in moments if moment is not None)])
    wide = bookings.wide(old, orders)
    rooms = slots.free(point_id=old.point_id, now=now, accessible=wide, after=after, ready=True, limit=1)
    texts.hush(orders=orders, why="time_changed", now=now, by=by)
    new = None
    if orders and rooms:
        new = bookings.instead(old, orders, rooms[0], ready=True, why=WHY[template], by=by, now=now, accessible=wide)
        texts.offer(new, orders, now=now, template=template, until=until)
    else:
        old.move(AppointmentState.CANCELLED, at=now, by=by)
        Order.objects.filter(pk__in=[order.pk for order in orders]).update(appointment=None)
        slots.give_back(slot_id=old.slot_id, accessible=old.accessible)
    live.publish([f"point:{old.point_id}"], now=now)
    return new
