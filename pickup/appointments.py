"""The promise: a party is served in a slot. Made, confirmed, changed, given back, kept or missed; offered by offers.py.

Rows are locked in the order of the house: orders by id, then the appointment; places of slots are counted last.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Exists, FilteredRelation, OuterRef, Q, QuerySet, Subquery

from core import live, sweeps
from core.actor import RULE, Actor
from core.compiled import Compiled, Given, ask
from core.moves import Drawn, NothingToBeginWith
from lending import queries as lending_queries
from lending import strikes
from lending.states import StrikeKind
from pickup import awaited, parties, queries, scheduling, slots, texts
from pickup.errors import NoAppointment, OrderNotFound, SlotNotChosenHere
from pickup.models import Appointment, Order, PointRules, Slot
from pickup.states import HERE, OPEN_ORDER, PROMISED, AppointmentState, OrderState

if TYPE_CHECKING:
    from core.moves import Said


@transaction.atomic(savepoint=False)
def promise(*, order_id: int, slot_id: int, by: Actor, now: datetime, chosen: bool = True) -> Appointment:
    """Give an order the slot that somebody chose for it; refuses with `slot_unavailable` and the next free ones.

    Chosen by a person it is confirmed at once; by the rule (`chosen=False`) it stays an offer until the bag is ready.
    An order that has a promise already changes it. A party that holds the slot shares its place, as far as `by` may say
    who is one (see `parties.party_of`). Whoever catches the refusal and goes on in a transaction needs a savepoint.
    """
    order = _locked(order_id, slot_id, by=by)
    rules = queries.rules_at(order.point)
    if not rules.by_appointment:
        raise SlotNotChosenHere(field="slot")
    live_one = queries.live_appointment(order)
    if live_one is not None:
        if live_one.slot_id == slot_id:
            return confirm(appointment_id=live_one.pk, by=by, now=now) if chosen else live_one
        return change(appointment_id=live_one.pk, slot_id=slot_id, by=by, now=now)
    appointment = promise_of_party(order, slot_id, by=by)
    accessible = needs_accessible([order])
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
        appointment = _take(
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
        )
    else:
        ask(*published)
        attach([(appointment, [order])])
        if chosen and appointment.state == AppointmentState.OFFERED:
            appointment.move(AppointmentState.CONFIRMED, at=now, by=by)
    if ready:
        together = queries.orders(appointment=appointment, state=OrderState.READY).order_by("id")
        texts.again(appointment, list(together), now=now)  # one text counts all that come at this time
    elif chosen:
        _tell_fixed(appointment, [order], rules=rules, by=by, now=now)
    return appointment


@transaction.atomic
def confirm(*, appointment_id: int, by: Actor, now: datetime) -> Appointment:
    """Somebody said yes. Saying it twice is one yes; what is kept, missed or given back is refused (`no_appointment`).

    The table lets KEPT become CONFIRMED for an undone hand-over only. A yes counts for everybody who comes in that car:
    it takes nothing from anybody.
    """
    appointment, orders = _with_orders(appointment_id)
    if appointment.state not in PROMISED:
        raise NoAppointment(appointment=appointment.pk, state=appointment.state)
    if appointment.state != AppointmentState.CONFIRMED:
        appointment.move(AppointmentState.CONFIRMED, at=now, by=by)
        _tell_fixed(appointment, orders, by=by, now=now)
        live.publish([f"point:{appointment.point_id}"], now=now)
    return appointment


@transaction.atomic
def change(*, appointment_id: int, slot_id: int, by: Actor, now: datetime) -> Appointment:
    """Another time instead; gives back the new promise. The old place is free only when the new one is taken.

    Orders of the promise for which `by` does not speak keep the old one (see `parties.speaks_for`).
    """
    appointment, orders = _with_orders(appointment_id)
    mine = _decided(appointment, orders, by)
    if appointment.slot_id == slot_id:
        return confirm(appointment_id=appointment_id, by=by, now=now)
    ready = any(order.state == OrderState.READY for order in mine)
    apart = len(mine) < len(orders)
    accessible = needs_accessible(mine) if apart else appointment.accessible
    slot = slots.check(
        slot_id=slot_id,
        point=appointment.slot.point,
        now=now,
        accessible=accessible,
        ready=ready,
        after=awaited.not_before(mine),
    )
    unsaid = texts.hush(orders=mine, why="time_changed", now=now)  # while they still name the old promise
    if apart:
        new = _apart(appointment, mine, slot, ready=ready, accessible=accessible, by=by, now=now)
        if unsaid:
            _say_anew(appointment, [order for order in orders if order not in mine], now=now)
    else:
        new = _instead(appointment, orders, slot, ready=ready, chosen=True, by=by, now=now)
    if unsaid or apart:  # of those who come apart now, the collector knows only the common time
        _say_anew(new, mine, now=now)
    _tell_fixed(new, mine, by=by, now=now)
    live.publish([f"point:{appointment.point_id}"], now=now)
    return new


@transaction.atomic
def cancel(*, appointment_id: int, by: Actor, now: datetime) -> Appointment:
    """Give the time back and keep the bag: it waits until its keep day. Gives back the promise that ended.

    Orders of the promise for which `by` does not speak keep it (see `parties.speaks_for`).
    """
    appointment, orders = _with_orders(appointment_id)
    mine = _decided(appointment, orders, by)
    unsaid = texts.hush(orders=mine, why="time_given_back", now=now, by=by)
    apart = len(mine) < len(orders)
    if apart:
        ended = _twin(appointment, mine, AppointmentState.CANCELLED, by=by, now=now)
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
    keys = to_settle(now=now).order_by("id").values_list("pk", flat=True)
    return sum(sweeps.each("answers that are due", keys, lambda pk: _answer_due(pk, now=now)))


def to_settle(*, now: datetime) -> QuerySet[Appointment]:
    """Offers that nobody has answered in time."""
    return Appointment.objects.filter(state=AppointmentState.OFFERED, answer_by__lte=now)


@transaction.atomic
def _answer_due(appointment_id: int, *, now: datetime) -> int:
    appointment, orders = _with_orders(appointment_id)
    if appointment.state != AppointmentState.OFFERED or appointment.answer_by > now:
        return 0
    ready = [order for order in orders if order.state == OrderState.READY]
    silence = queries.rules_of(appointment.point_id).silence
    if not ready or silence == PointRules.Silence.CONSENT or not texts.asks_for_answer(ready[0]):
        appointment.move(AppointmentState.CONFIRMED, at=now, by=RULE)
        _tell_fixed(appointment, orders, by=RULE, now=now)
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
    keys = to_miss(now=now).order_by("id").values_list("pk", flat=True)
    return sum(sweeps.each("people who did not come", keys, lambda pk: _miss(pk, now=now)))


def to_miss(*, now: datetime) -> QuerySet[Appointment]:
    """Promises whose grace period is over and whose packed bags nobody has come for."""
    packed = Order.objects.filter(appointment=OuterRef("pk"), state=OrderState.READY)
    here = Order.objects.filter(appointment=OuterRef("pk"), state__in=OPEN_ORDER, visit__state__in=HERE)
    return Appointment.objects.filter(
        Exists(packed), ~Exists(here), state=AppointmentState.CONFIRMED, miss_after__lte=now
    )


@transaction.atomic
def _miss(appointment_id: int, *, now: datetime) -> int:
    appointment, orders = _with_orders(appointment_id)
    if appointment.state != AppointmentState.CONFIRMED or appointment.miss_after > now:
        return 0
    ready = [order for order in orders if order.state == OrderState.READY]
    if not ready or any(order.visit is not None and order.visit.state in HERE for order in orders):
        return 0
    appointment.move(AppointmentState.MISSED, at=now, by=RULE)
    texts.hush(orders=ready, why="missed", now=now)
    for order in ready:
        if texts.was_reached(order):
            strikes.note(patron_id=order.patron_id, library_id=order.library_id, kind=StrikeKind.MISSED, now=now)
        texts.about_order("missed", order, now=now, not_after=order.keep_until)
    live.publish([f"point:{appointment.point_id}"], now=now)
    return 1


def not_ready_in_time(*, now: datetime) -> int:
    """Move promises whose slot begins while nothing is packed: to the next free slot, and say so. Not their fault."""
    begun = Appointment.objects.filter(state__in=PROMISED, slot__starts_at__lte=now)
    begun = begun.exclude(orders__state=OrderState.READY).exclude(orders__state=OrderState.HANDED_OVER)
    keys = begun.order_by("id").values_list("pk", flat=True)
    return sum(sweeps.each("bags that are late", keys, lambda pk: _move_on(pk, now=now)))


@transaction.atomic
def _move_on(appointment_id: int, *, now: datetime) -> int:
    appointment, orders = _with_orders(appointment_id)
    packing = [order for order in orders if order.state == OrderState.PICKING]
    if appointment.state not in PROMISED or appointment.slot.starts_at > now or len(packing) != len(orders):
        return 0
    whole = [order for order in packing if order.whole_until is not None and order.whole_until > now]
    late = awaited.coming(packing) or awaited.more_to_come(whole)
    after = _another_day(packing[0], now=now) if late else None
    if _next_free(appointment, packing, after=after, template="moved", by=RULE, now=now) is None:
        for order in packing:
            texts.about_order("late", order, now=now)
    return 1


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
    packed bags are kept at least until `kept_until`. None then, and when nothing is promised any more.
    """
    old, orders = _with_orders(appointment_id)
    if old.state not in PROMISED:
        return None
    after = max(old.slot.starts_at, now + timedelta(minutes=queries.rules_of(old.point_id).lead_minutes))
    new = _next_free(old, orders, after=after, template=template, until=old.slot.starts_at, by=by, now=now)
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

    Where there is none the promise ends, which is the caller's to say; None then.
    """
    ready = any(order.state == OrderState.READY for order in orders)
    after = max((moment for moment in (after, awaited.not_before(orders)) if moment is not None), default=None)
    rooms = slots.free(point_id=old.point_id, now=now, accessible=old.accessible, after=after, ready=ready, limit=1)
    texts.hush(orders=orders, why="time_changed", now=now, by=by)
    new = None
    if orders and rooms:
        new = _instead(old, orders, rooms[0], ready=ready, chosen=False, by=by, now=now)
        texts.offer(new, orders, now=now, template=template, until=until)
    else:
        old.move(AppointmentState.CANCELLED, at=now, by=by)
        Order.objects.filter(pk__in=[order.pk for order in orders]).update(appointment=None)
        slots.give_back(slot_id=old.slot_id, accessible=old.accessible)
    live.publish([f"point:{old.point_id}"], now=now)
    return new


TOLD = ("library", "point__library", "patron", "collector", "appointment__slot", "visit")
"""What is read of an order with it, to tell its people something."""


def lock_together(order_id: int) -> None:
    """Lock an order with the open ones of its promise, by id, as whoever speaks for the promise does."""
    _TOGETHER.told(order=order_id)


def _together() -> QuerySet[Order]:
    promise = Subquery(Order.objects.filter(pk=Given("order")).values("appointment_id"))  # one value: found by index
    beside = Order.objects.filter(appointment_id=promise, state__in=OPEN_ORDER).values("pk")
    both = beside.union(Order.objects.filter(pk=Given("order")).values("pk"), all=True)
    return Order.objects.select_for_update(no_key=True).filter(pk__in=both).order_by("pk").only("pk")


_TOGETHER = Compiled(_together)


def lock_many(appointment_ids: Collection[int]) -> None:
    """Lock the open orders of promises and then the promises, by id, for whoever goes on to lock their slots."""
    bags = Order.objects.select_for_update(no_key=True).filter(appointment__in=appointment_ids, state__in=OPEN_ORDER)
    list(bags.order_by("pk").values_list("pk", flat=True))
    promises = Appointment.objects.select_for_update(no_key=True).filter(pk__in=appointment_ids)
    list(promises.order_by("pk").values_list("pk", flat=True))


_ORDER = Compiled(
    lambda: (
        Order.objects.annotate(asked=FilteredRelation("point__slots", condition=Q(point__slots__pk=Given("slot"))))
        .select_related("patron", "point__library", "point__rules", "asked")  # type: ignore[misc]  # a filtered relation
        .annotate(line_in_bag=awaited.LINE_IN_BAG)
        .filter(pk=Given("order"))
    )
)


def _locked(order_id: int, slot_id: int, *, by: Actor) -> Order:
    """The order with the slot that is `asked` for, if its point has it. Patrons learn nothing of others' orders."""
    lock_together(order_id)
    order = _ORDER.first(order=order_id, slot=slot_id)  # read after the lock; see orders.locked
    if order is None or (by.kind == "patron" and order.patron_id != by.id):
        raise OrderNotFound
    if order.state not in OPEN_ORDER:
        raise NoAppointment(order=order_id, state=order.state)
    return order


def _with_orders(appointment_id: int) -> tuple[Appointment, list[Order]]:
    """Lock the open orders of a promise and then the promise itself; its slot comes with it."""
    orders = Order.objects.filter(appointment_id=appointment_id, state__in=OPEN_ORDER).order_by("pk")
    locked = [order.pk for order in orders.select_for_update(no_key=True)]
    found = list(Order.objects.select_related(*TOLD).filter(pk__in=locked).order_by("pk"))
    appointment = (
        Appointment.objects.select_for_update(of=("self",), no_key=True)
        .select_related("slot__point__library")
        .filter(pk=appointment_id)
        .first()
    )
    if appointment is None:
        raise NoAppointment(appointment=appointment_id)
    return appointment, found


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


def needs_accessible(orders: Iterable[Order]) -> bool:
    """Whether somebody of a party leaves the car."""
    return any(order.patron is not None and order.patron.accessible_place for order in orders)


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


def _take(
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
    **columns: Any,
) -> Appointment:
    """Take a place of the slot and begin the promise with it; refuses with `slot_unavailable` where it is full.

    One statement, so that nobody waits for the slot longer than the disk takes.
    """
    marks = scheduling.arrivals(slot.starts_at, slot.ends_at, capacity=slot.capacity)
    try:
        return _begun(
            orders,
            then=AppointmentState.CONFIRMED if confirmed else "",
            by=by,
            now=now,
            out_of=slots.taking(slot_id=slot.pk, accessible=accessible),
            beside=beside,
            **terms(slot, rules, now=now),
            arrive_at=Drawn(f"(ARRAY[{', '.join(['%s'] * len(marks))}])[LEAST(drawn.place, %s)]", [*marks, len(marks)]),
            accessible=accessible,
            **columns,
        )
    except NothingToBeginWith:
        after = awaited.not_before(orders)
        raise slots.unavailable(
            point_id=slot.point_id, why="full", now=now, accessible=accessible, ready=ready, after=after
        ) from None


def _instead(
    old: Appointment, orders: Sequence[Order], slot: Slot, *, ready: bool, chosen: bool, by: Actor, now: datetime
) -> Appointment:
    """Replace a promise, by what was `chosen` or by an offer.

    Both slots are counted in the order of their ids: two changes cannot lock each other out.
    """
    old.move(AppointmentState.CHANGED, at=now, by=by)
    if old.slot_id < slot.pk:
        slots.give_back(slot_id=old.slot_id, accessible=old.accessible)
    new = _take(
        slot,
        orders,
        queries.rules_of(old.point_id),
        accessible=old.accessible,
        ready=ready,
        why=Appointment.Why.CHOSEN if chosen else "",
        by=by,
        now=now,
        offer=old.offer,
        instead_of=old,
        confirmed=chosen,
    )
    if old.slot_id > slot.pk:
        slots.give_back(slot_id=old.slot_id, accessible=old.accessible)
    return new


def _apart(
    old: Appointment, orders: Sequence[Order], slot: Slot, *, ready: bool, accessible: bool, by: Actor, now: datetime
) -> Appointment:
    """The time that was chosen for some orders of a promise that the others keep."""
    twin = _twin(old, orders, AppointmentState.CHANGED, by=by, now=now)
    return _take(
        slot,
        orders,
        queries.rules_of(old.point_id),
        accessible=accessible,
        ready=ready,
        why=Appointment.Why.CHOSEN,
        by=by,
        now=now,
        offer=old.offer,
        instead_of=twin,
        confirmed=True,
    )


def _twin(
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


def _say_anew(appointment: Appointment, orders: Sequence[Order], *, now: datetime) -> None:
    """Tell those whose bags are ready how it stands with this promise, or with none if it has ended."""
    ready = [order for order in orders if order.state == OrderState.READY]
    if ready:
        texts.again(appointment, ready, now=now)


def _tell_fixed(
    appointment: Appointment, orders: Sequence[Order], *, by: Actor, now: datetime, rules: PointRules | None = None
) -> None:
    """Say which time is fixed, where the point says so before the bag is ready; a ready bag says it itself.

    Whoever asked for it just now is told at once, also at night.
    """
    packing = [order for order in orders if order.state == OrderState.PICKING]
    if not packing or len(packing) < len(orders):
        return
    if (rules or queries.rules_of(appointment.point_id)).tell_fixed:
        texts.fixed(appointment, packing, kind="notice" if by.kind == RULE.kind else "answer", now=now)


_GIVE = """
    UPDATE pickup_order AS bag SET appointment_id = given.appointment,
        keep_until = CASE WHEN bag.state = 'ready' THEN GREATEST(bag.keep_until, given.until) ELSE bag.keep_until END
    FROM
"""


def attach(promises: Iterable[tuple[Appointment, Sequence[Order]]]) -> None:
    """Give orders their promises, in one statement; a ready bag is kept at least until its time is over."""
    pairs = [(order, appointment) for appointment, orders in promises for order in orders]
    ask(
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
    **columns: Any,
) -> Appointment:
    """A promise that begins, moves on to the state `then` and is given to its orders as by `attach`; one statement."""
    places = ", ".join(["%s"] * len(orders))
    give: Said = (
        f"{_GIVE} (SELECT key, %s::timestamptz FROM changed) AS given (appointment, until) WHERE bag.id IN ({places})",  # noqa: S608
        [columns["miss_after"], *[order.pk for order in orders]],
    )
    appointment = Appointment.begin(at=now, by=by, then=then, out_of=out_of, beside=[give, *beside], **columns)
    _note(orders, appointment)
    return appointment


def _note(orders: Sequence[Order], appointment: Appointment) -> None:
    """What `attach` has written, on the rows in hand."""
    for order in orders:
        order.appointment_id, order._state.fields_cache["appointment"] = appointment.pk, appointment
        if order.state == OrderState.READY and order.keep_until is not None:
            order.keep_until = max(order.keep_until, appointment.miss_after)
