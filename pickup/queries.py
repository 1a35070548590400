"""What this room reads, across its own rows and lending's; querysets and plain facts, no locks, no writes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, F, Prefetch, Q, QuerySet

from core.actor import Actor
from lending.models import Contact, Copy, Library, Loan, PickupPoint
from pickup import windows
from pickup.models import Appointment, Order, OrderLine, PointRules, Question, Slot, Visit, Window
from pickup.states import HERE, OPEN_ORDER, PROMISED, AppointmentState, LineState, OrderState

LINES = Prefetch("lines", queryset=OrderLine.objects.select_related("copy__title").order_by("copy__shelf_key", "id"))


def slot_facts(slot: Slot) -> dict[str, Any]:
    """A slot as programs and refusals show it: id, start, end (RFC 3339 in the library's zone), places free."""
    zone = ZoneInfo(slot.point.library.zone)
    return {
        "id": slot.pk,
        "starts_at": slot.starts_at.astimezone(zone).isoformat(),
        "ends_at": slot.ends_at.astimezone(zone).isoformat(),
        "free": slot.capacity - slot.booked,
    }


def rules_of(point_id: int) -> PointRules:
    """The rules of a point; those of a point that nobody configured are the defaults, without appointments."""
    found = PointRules.objects.select_related("point__library").filter(point_id=point_id).first()
    if found is None:
        found = PointRules(point=point(point_id), by_appointment=False)
    return found


def point(point_id: int) -> PickupPoint:
    """The pickup point with its library."""
    return PickupPoint.objects.select_related("library__programme").get(pk=point_id)


def orders(**narrow: Any) -> QuerySet[Order]:
    """Orders with all that a page or the API shows of them."""
    return (
        Order.objects.filter(**narrow)
        .select_related("library", "point__library", "patron", "collector", "appointment__slot", "visit__lane")
        .prefetch_related(LINES)
    )


def open_orders(point_id: int) -> QuerySet[Order]:
    """The bags being packed or waiting at a point, those promised soonest first."""
    return orders(point_id=point_id, state__in=OPEN_ORDER).order_by(
        F("appointment__slot__starts_at").asc(nulls_last=True), "opened_at", "id"
    )


def orders_of(patron_id: int) -> QuerySet[Order]:
    """All orders of a patron, newest first."""
    return orders(patron_id=patron_id).order_by("-id")


def to_fetch(library_id: int) -> QuerySet[OrderLine]:
    """The pull list of a library in shelf order: lines whose copy has to be fetched, with order and appointment."""
    return (
        OrderLine.objects.filter(state=LineState.TO_PICK, order__library_id=library_id)
        .select_related("copy__title", "order__point", "order__appointment__slot")
        .order_by("copy__shelf_key", "copy__barcode")
    )


def to_unpack(library_id: int) -> QuerySet[OrderLine]:
    """Dead bags: lines whose copy goes back to the shelves."""
    return (
        OrderLine.objects.filter(state__in=[LineState.TO_UNPACK, LineState.WITHHELD], order__library_id=library_id)
        .select_related("copy__title", "order")
        .order_by("order__number", "copy__shelf_key")
    )


def where_is(copy: Copy) -> str:
    """The number of the bag a copy lies in, or "" when it lies in none."""
    line = (
        OrderLine.objects.filter(copy=copy, state__in=[LineState.PACKED, LineState.TO_UNPACK, LineState.WITHHELD])
        .select_related("order")
        .order_by("-id")
        .first()
    )
    return line.order.shown if line else ""


def collector_of(order: Order) -> Contact | None:
    """Who is told about an order and may collect it: the named collector, else the patron's first number."""
    if order.collector_id is not None:
        return order.collector
    if order.patron_id is None:
        return None
    return Contact.objects.filter(patron_id=order.patron_id, own=True).order_by("position", "id").first()


def party_of(order: Order) -> QuerySet[Order]:
    """The open orders at the same point that come in one car with this one, itself among them.

    One car is one collector named for several patrons, or a household whose members all agreed to be served together.
    Two patrons who merely share a telephone are not a party: a shared line is no consent.
    """
    same = Q(pk=order.pk)
    patron = order.patron
    if patron is not None and patron.household_id is not None:
        same |= Q(patron__household_id=patron.household_id, patron__household__together=True)
    collector = order.collector
    if collector is not None:
        same_number = Q(collector__number=collector.number)
        same |= same_number if not collector.own else same_number & Q(collector__own=False)
    return orders(point_id=order.point_id, state__in=OPEN_ORDER).filter(same).order_by("id")


def parties(orders: Iterable[Order]) -> dict[int, list[Order]]:
    """Orders grouped by who comes in one car, keyed by the first order's id."""
    left = {order.pk: order for order in orders}
    found: dict[int, list[Order]] = {}
    for head in list(left.values()):
        if head.pk in left:
            together = {other.pk for other in party_of(head)} & left.keys()
            found[head.pk] = [left.pop(pk) for pk in sorted(together)]
    return found


def live_appointment(order: Order) -> Appointment | None:
    """The promise still ahead of an order."""
    appointment = order.appointment
    return appointment if appointment is not None and appointment.state in PROMISED else None


def is_here(order: Order) -> bool:
    """Whether somebody has come for this order and not left yet."""
    return order.visit_id is not None and Visit.objects.filter(pk=order.visit_id, state__in=HERE).exists()


def to_offer(*, point_ids: Collection[int] | None = None, order_ids: Collection[int] | None = None) -> QuerySet[Order]:
    """Ready orders that need a time: none promised yet, or the last offer lapsed and another one is allowed.

    A point without appointments, a party that is already here, and a person who gave the time back get none.
    """
    waiting = Order.objects.filter(state=OrderState.READY, point__rules__by_appointment=True).filter(
        Q(appointment__isnull=True)
        | Q(appointment__state=AppointmentState.LAPSED, appointment__offer__lt=F("point__rules__offers"))
    )
    if point_ids is not None:
        waiting = waiting.filter(point_id__in=point_ids)
    if order_ids is not None:
        waiting = waiting.filter(pk__in=order_ids)
    return waiting.exclude(visit__state__in=HERE).order_by("ready_at", "id")


def lines_of_bag(order_id: int, states: Iterable[str]) -> QuerySet[OrderLine]:
    """The lines of one order in some states."""
    return (
        OrderLine.objects.filter(order_id=order_id, state__in=list(states))
        .select_related("copy", "reservation")
        .order_by("id")
    )


def points_with_windows() -> QuerySet[PickupPoint]:
    """Open points that promise times, for whom slots are made."""
    return PickupPoint.objects.filter(open=True, pk__in=Window.objects.values("point_id"))


def count_books(order_ids: Collection[int]) -> int:
    """How many books lie packed for these orders."""
    return OrderLine.objects.filter(order_id__in=order_ids, state=LineState.PACKED).count()


def free_slots(point_id: int, start: datetime, end: datetime) -> QuerySet[Slot]:
    """The slots of a point that start within [start, end), full ones too, in time order."""
    return (
        Slot.objects.filter(point_id=point_id, starts_at__gte=start, starts_at__lt=end)
        .select_related("point__library")
        .order_by("starts_at")
    )


def staff_counts(library: Library) -> dict[str, int]:
    """What is to be done at a library: books to fetch, bags ready, books to unpack."""
    found = OrderLine.objects.filter(order__library=library).aggregate(
        to_fetch=Count("id", filter=Q(state=LineState.TO_PICK)),
        to_unpack=Count("id", filter=Q(state__in=[LineState.TO_UNPACK, LineState.WITHHELD])),
    )
    ready = Order.objects.filter(library=library, state=OrderState.READY).count()
    return {"to_fetch": found["to_fetch"], "to_unpack": found["to_unpack"], "ready": ready}


def loan_of(reservation_id: int) -> int | None:
    """The open loan that fulfilled a reservation."""
    return Loan.objects.filter(reservation_id=reservation_id, state="out").values_list("pk", flat=True).first()


def copy_of_loan(loan_id: int) -> int | None:
    """The copy that a loan is about."""
    return Loan.objects.filter(pk=loan_id).values_list("copy_id", flat=True).first()


def line_to_fetch(copy_id: int | None) -> OrderLine | None:
    """The line that wants this copy fetched from the shelf or the return cart."""
    if copy_id is None:
        return None
    return OrderLine.objects.filter(copy_id=copy_id, state=LineState.TO_PICK).first()


def points(**narrow: Any) -> QuerySet[PickupPoint]:
    """Pickup points with their library, also those that take no new orders."""
    return PickupPoint.objects.filter(**narrow).select_related("library")


def bags_of_car(*, point_id: int, patron_id: int | None, order: Order | None) -> list[Order]:
    """The open orders at a point that come in the car of this order, or of this patron; see `party_of`.

    A patron without an open order still comes for those of a household that agreed to be served together.
    """
    if order is None and patron_id is not None:
        order = open_orders(point_id).filter(patron_id=patron_id).first()
    if order is not None:
        return list(party_of(order))
    if patron_id is None:
        return []
    household = Q(patron__household__together=True, patron__household__patrons=patron_id)
    return list(open_orders(point_id).filter(household).order_by("id"))


def handed_over_lately(*, point_id: int, patron_id: int | None, now: datetime) -> Order | None:
    """The last bag that a patron was given at a point within the last twelve hours."""
    recent = orders(point_id=point_id, state=OrderState.HANDED_OVER, handed_over_at__gt=now - timedelta(hours=12))
    return None if patron_id is None else recent.filter(patron_id=patron_id).order_by("-handed_over_at").first()


def order_with_copy(*, copy_id: int, library_id: int) -> Order | None:
    """The order of a library in whose bag a copy lies, is meant to lie, or lay last."""
    lines = OrderLine.objects.filter(copy_id=copy_id, order__library_id=library_id)
    meant = lines.filter(state__in=[LineState.TO_PICK, LineState.PACKED, LineState.GIVEN]).order_by("-id")
    pk = meant.values_list("order_id", flat=True).first()
    return None if pk is None else orders(pk=pk).first()


def is_of_visit(visit: Visit, by: Actor) -> bool:
    """Whether a patron or a collector is one of those who came with a visit."""
    if by.id is None:
        return False
    if by.kind == "patron":
        return visit.patron_id == by.id or Order.objects.filter(visit=visit, patron_id=by.id).exists()
    return by.kind == "collector" and Order.objects.filter(visit=visit, pk=by.id).exists()


def newer_than(order: Order) -> QuerySet[Order]:
    """Open orders of the same patron at the same point."""
    newer = Order.objects.filter(patron=order.patron, point_id=order.point_id, state__in=OPEN_ORDER)
    return newer.exclude(pk=order.pk)


def here_again(visit: Visit) -> QuerySet[Visit]:
    """Other live visits at the same point of the people, or of the car, of a visit."""
    people = Order.objects.filter(visit=visit).values("patron_id")
    same = Q(patron_id__in=people)
    if visit.patron_id is not None:
        same |= Q(patron_id=visit.patron_id)
    if visit.plate:
        same |= Q(plate=visit.plate)
    return Visit.objects.filter(same, point_id=visit.point_id, state__in=HERE).exclude(pk=visit.pk)


def numbers_of(order: Order) -> set[str]:
    """The telephone numbers that belong to an order: its collector's and the patron's own."""
    numbers: set[str] = set()
    if order.patron_id is not None:
        own = Contact.objects.filter(patron_id=order.patron_id, own=True)
        numbers = set(own.values_list("number", flat=True))
    return numbers | ({order.collector.number} if order.collector is not None else set())


def cars_here(point_id: int) -> QuerySet[Visit]:
    """The live visits of a point in the order in which they are called."""
    here = Visit.objects.filter(point_id=point_id, state__in=HERE).select_related("lane", "patron")
    return here.order_by("-first", "arrived_at", "pk")


def window_rules(point_id: int) -> list[windows.WindowRule]:
    """The windows of a point as rules that can be cut into slots."""
    lead = rules_of(point_id).lead_minutes
    return [
        windows.WindowRule(
            id=window.pk,
            weekday=window.weekday,
            date=window.date,
            opens=window.opens,
            closes=window.closes,
            slot_minutes=window.slot_minutes,
            capacity=window.capacity,
            accessible=window.accessible,
            cutoff_days=window.cutoff_days,
            cutoff_time=window.cutoff_time,
            lead_minutes=lead,
            regime=window.regime,
            session_ko=window.session_ko,
            session_en=window.session_en,
        )
        for window in Window.objects.filter(point_id=point_id).order_by("id")
    ]


def cars_gone(point_id: int, *, since: datetime) -> QuerySet[Visit]:
    """The visits of a point that ended after `since`, the last one first."""
    gone = Visit.objects.filter(point_id=point_id, ended_at__gte=since).exclude(state__in=HERE)
    return gone.select_related("lane", "patron").order_by("-ended_at", "-pk")


def orders_of_number(number: str, sender_key: str) -> list[Order]:
    """The open orders that a telephone number is told about by a sender, oldest first.

    Those that it collects; if there are none, those of the patron whose own number it is.
    """
    opened = orders(state__in=OPEN_ORDER, library__sender=sender_key).order_by("id")
    by_default = Q(collector__isnull=True, patron__contacts__number=number, patron__contacts__own=True)
    found = opened.filter(pk__in=Order.objects.filter(Q(collector__number=number) | by_default).values("pk"))
    if not found.exists():
        own = Order.objects.filter(patron__contacts__number=number, patron__contacts__own=True)
        found = opened.filter(pk__in=own.values("pk"))
    return list(found)


def last_of_number(number: str, sender_key: str) -> Order | None:
    """The bag that was handed over last to somebody with this number."""
    told = Q(collector__number=number) | Q(patron__contacts__number=number, patron__contacts__own=True)
    given = Order.objects.filter(told, state=OrderState.HANDED_OVER, library__sender=sender_key)
    return orders(pk__in=given.values("pk")).order_by("-handed_over_at").first()


def open_questions(number: str, sender_key: str) -> QuerySet[Question]:
    """What a number was asked by a sender and has not answered, about orders that are still open; newest first."""
    asked = Question.objects.filter(number=number, closed_at__isnull=True, order__library__sender=sender_key)
    return asked.filter(order__state__in=OPEN_ORDER).order_by("-asked_at", "-id")


def questions_about(order: Order, number: str) -> QuerySet[Question]:
    """The open questions to a number about an order, or about another one of the same promise."""
    about = Q(order=order)
    if order.appointment_id is not None:
        about |= Q(order__appointment_id=order.appointment_id)
    return Question.objects.filter(about, number=number, closed_at__isnull=True)


def is_known_number(number: str) -> bool:
    """Whether the number is somebody's."""
    return Contact.objects.filter(number=number).exists()


def language_of_number(number: str) -> str:
    """The language of whoever has this number, "" when nobody does."""
    found = Contact.objects.filter(number=number).order_by("position", "id").values_list("language", flat=True)
    return found.first() or ""


def slot(slot_id: int) -> Slot:
    """A slot with its point and library."""
    return Slot.objects.select_related("point__library").get(pk=slot_id)
