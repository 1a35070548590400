"""What this room reads, across its own rows and lending's; querysets and plain facts, no locks, no writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import (
    Case,
    Count,
    Exists,
    F,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    When,
)

from core.actor import RULE
from core.among import Among
from core.models import Journal
from lending.models import Contact, Copy, Loan, PickupPoint, Posting, Reservation
from lending.states import ReservationState
from pickup.models import Appointment, Note, Order, OrderLine, Preference, Visit
from pickup.states import (
    HERE,
    IN_BAG,
    OPEN_ORDER,
    PROMISED,
    AppointmentState,
    LineState,
    OrderState,
    VisitState,
)

IN_TURN = ("-first", "queued_at", "pk")
"""How the cars that wait are called: an undone hand-over first, then by their turn."""
LINES = Prefetch("lines", queryset=OrderLine.objects.select_related("copy__title").order_by("copy__shelf_key", "id"))


def orders(**narrow: Any) -> QuerySet[Order]:
    """Orders with all that a page or the API shows of them."""
    return (
        Order.objects.filter(**narrow)
        .select_related("library", "point__library", "patron", "collector", "appointment__slot", "visit__lane")
        .prefetch_related(LINES)
    )


def waiting_elsewhere(point: PickupPoint, **narrow: Any) -> QuerySet[Order]:
    """The open orders at the other places of a point's programme, those of its own library first.

    Its staff serve the people of all of them: whoever holds a card, a slip or a book is told where the bag waits.
    """
    library = point.library
    found = orders(
        library__programme=library.programme_id, library__training=library.training, state__in=OPEN_ORDER, **narrow
    )
    own_first = Case(When(library=library.pk, then=0), default=1)
    return found.exclude(point=point.pk).order_by(own_first, "pk")


def open_orders(point_id: int) -> QuerySet[Order]:
    """The bags being packed or waiting at a point, those promised soonest first."""
    return orders(point_id=point_id, state__in=OPEN_ORDER).order_by(
        F("appointment__slot__starts_at").asc(nulls_last=True), "opened_at", "id"
    )


def orders_of(patron_id: int) -> QuerySet[Order]:
    """All orders of a patron, newest first."""
    return orders(patron_id=patron_id).order_by("-id")


def to_fetch(library_id: int) -> QuerySet[OrderLine]:
    """The pull list of a library: lines whose copy has to be fetched, with order, appointment and visit.

    First what somebody waits for in their car; within that, and the rest, in shelf order.
    """
    return (
        OrderLine.objects.filter(state=LineState.TO_PICK, order__library_id=library_id)
        .select_related("copy__title", "order__point", "order__appointment__slot", "order__visit", "fetcher")
        .select_related("order__patron", "order__collector")
        .order_by(Case(When(order__visit__state__in=HERE, then=0), default=1), "copy__shelf_key", "copy__barcode")
    )


def to_unpack(library_id: int) -> QuerySet[OrderLine]:
    """Dead bags: lines whose copy goes back to the shelves."""
    return (
        OrderLine.objects.filter(state__in=[LineState.TO_UNPACK, LineState.WITHHELD], order__library_id=library_id)
        .select_related("copy__title", "order")
        .order_by("order__number", "copy__shelf_key")
    )


def where_are(copies: Iterable[Copy | int]) -> dict[int, str]:
    """The numbers of the bags in which copies lie, by the copy's id; those that lie in none are left out. One query."""
    asked = {copy if isinstance(copy, int) else copy.pk for copy in copies}
    inside = OrderLine.objects.filter(
        copy_id__in=asked, state__in=[LineState.PACKED, LineState.TO_UNPACK, LineState.WITHHELD]
    )
    return {line.copy_id: line.order.shown for line in inside.select_related("order").order_by("id")}


def collectors_of(orders: Iterable[Order]) -> dict[int, Contact]:
    """Who is told about each order and may collect it, by the order's id; orders without anybody are left out.

    The named collector, else the patron's first number that has a way to be told, else their first. One query, however
    many orders, when `orders` are read with their collectors as `queries.orders` does.
    """
    asked = list(orders)
    by_patron: dict[int, Contact] = {}
    unnamed = {order.patron_id for order in asked if order.collector_id is None and order.patron_id is not None}
    if unnamed:
        own = Contact.objects.filter(Among("patron_id", unnamed, "bigint"), own=True).order_by("position", "id")
        for contact in sorted(own, key=lambda one: not one.reachable):
            if contact.patron_id is not None:
                by_patron.setdefault(contact.patron_id, contact)
    found: dict[int, Contact] = {}
    for order in asked:
        who = order.collector if order.collector_id is not None else by_patron.get(order.patron_id or 0)
        if who is not None:
            found[order.pk] = who
    return found


def collector_of(order: Order) -> Contact | None:
    """Who is told about one order and may collect it; see `collectors_of`."""
    return collectors_of([order]).get(order.pk)


def collected_by(contact_id: int) -> QuerySet[Order]:
    """The open orders that name this contact as the collector, and the unnamed of a patron whose own number it is."""
    own = Q(collector=None, patron__contacts=contact_id, patron__contacts__own=True)
    return orders(state__in=OPEN_ORDER).filter(Q(collector=contact_id) | own).order_by("id")


def cars_ahead(visits: Iterable[Visit]) -> dict[int, int]:
    """How many cars are called before each of these visits, by its id; 0 for one that is called. One query."""
    asked = list(visits)
    points = {visit.point_id for visit in asked if visit.state == VisitState.WAITING}
    ahead = {visit.pk: 0 for visit in asked}
    if points:
        waiting = Visit.objects.filter(point_id__in=points, state=VisitState.WAITING)
        before: Counter[int] = Counter()
        for pk, point_id in waiting.order_by(*IN_TURN).values_list("pk", "point_id"):
            if pk in ahead:
                ahead[pk] = before[point_id]
            before[point_id] += 1
    return ahead


def bags_of_visits(visits: Iterable[Visit | int]) -> dict[int, list[Order]]:
    """The orders that are tied to these visits, by the visit's id, each in the order of their ids. One query."""
    asked = {visit if isinstance(visit, int) else visit.pk for visit in visits}
    bags: dict[int, list[Order]] = {pk: [] for pk in asked}
    for order in Order.objects.filter(visit_id__in=asked).order_by("pk"):
        if order.visit_id is not None:
            bags[order.visit_id].append(order)
    return bags


def preferences_of(patron_ids: Collection[int]) -> dict[int, Preference]:
    """When and where some patrons like to come, by the patron's id; those who said nothing are left out."""
    return {one.patron_id: one for one in Preference.objects.filter(Among("patron_id", patron_ids, "bigint"))}


def likes_of(patron_ids: Collection[int]) -> dict[int, tuple[tuple[int, ...], time, time]]:
    """The times for thousands: weekdays, from when, until when."""
    rows = Preference.objects.filter(Among("patron_id", patron_ids, "bigint"))
    told = rows.values_list("patron_id", "weekdays", "begins", "ends")
    return {
        patron_id: (tuple(weekdays), begins, ends)
        for patron_id, weekdays, begins, ends in told
        if begins is not None and ends is not None
    }


def books_of(order_ids: Collection[int]) -> dict[int, int]:
    """How many books lie packed for each of these orders, by its id; those with none are left out."""
    packed = OrderLine.objects.filter(Among("order_id", order_ids, "bigint"), state=LineState.PACKED)
    return dict(packed.values_list("order_id").annotate(n=Count("pk")).order_by())


def back_in_line(order_ids: Collection[int]) -> dict[int, list[int]]:
    """The lines of these orders whose copy could not be had, while the reservation waits for another one; by order.

    Orders without any are left out. One query, none for no orders.
    """
    if not order_ids:
        return {}
    lost = OrderLine.objects.filter(
        Among("order_id", order_ids, "bigint"),
        state=LineState.MISSING,
        reservation__state__in=[ReservationState.WAITING, ReservationState.SUSPENDED],
    )
    newest: dict[int, tuple[int, int]] = {}  # one of each book, whose second copy may be missing too
    for reservation_id, order_id, pk in lost.order_by("pk").values_list("reservation_id", "order_id", "pk"):
        newest[reservation_id] = (order_id, pk)
    found: dict[int, list[int]] = {}
    for order_id, pk in newest.values():
        found.setdefault(order_id, []).append(pk)
    return found


def moved_to(order: Order) -> Order | None:
    """The open bag at another place into which the books of a closed one went; None where there is none."""
    if order.state != OrderState.CANCELLED or order.why != "elsewhere":
        return None
    books = OrderLine.objects.filter(order=order).values("reservation")
    moved = OrderLine.objects.filter(reservation__in=books, state__in=IN_BAG, order__state__in=OPEN_ORDER)
    return orders(pk__in=moved.values("order")).order_by("pk").first()


def live_appointment(order: Order) -> Appointment | None:
    """The promise still ahead of an order."""
    appointment = order.appointment
    return appointment if appointment is not None and appointment.state in PROMISED else None


def was_agreed(appointment: Appointment) -> bool:
    """Whether somebody said yes to an offered time; silence, and the rule, say nothing."""
    yes = Journal.objects.filter(noun=Appointment.noun(), row=appointment.pk, was=AppointmentState.OFFERED)
    return yes.filter(became=AppointmentState.CONFIRMED).exclude(principal=RULE.principal).exists()


def times_before(appointments: Iterable[Appointment]) -> dict[int, datetime]:
    """When those promises began that some promises have replaced, by the new one's id; asks nothing for none."""
    new = [appointment.pk for appointment in appointments]
    found = Appointment.objects.filter(became__in=new) if new else Appointment.objects.none()
    return dict(found.values_list("became", "slot__starts_at"))


def to_come(**narrow: Any) -> QuerySet[Appointment]:
    """The promises still ahead of parties that are not here yet: those that may be given another time."""
    here = Order.objects.filter(appointment=OuterRef("pk"), state__in=OPEN_ORDER, visit__state__in=HERE)
    return Appointment.objects.filter(~Exists(here), state__in=PROMISED, **narrow)


def is_here(order: Order) -> bool:
    """Whether somebody has come for this order and not left yet."""
    return order.visit_id is not None and Visit.objects.filter(pk=order.visit_id, state__in=HERE).exists()


def to_offer(*, point_ids: Collection[int] | None = None, order_ids: Collection[int] | None = None) -> QuerySet[Order]:
    """Ready orders that need a time: none promised yet, or the last one lapsed or was missed and another is allowed.

    One that we gave in place of another, and that lapsed, does not count among the offers.
    A point without appointments, a party that is already here, and a person who gave the time back get none.
    """
    waiting = Order.objects.filter(state=OrderState.READY, point__rules__by_appointment=True).filter(
        Q(appointment__isnull=True)
        | Q(
            appointment__state__in=[AppointmentState.LAPSED, AppointmentState.MISSED],
            appointment__offer__lt=F("point__rules__offers"),
        )
        | Q(appointment__state=AppointmentState.LAPSED, appointment__why__in=Appointment.MOVED)
    )
    if point_ids is not None:
        waiting = waiting.filter(point_id__in=point_ids)
    if order_ids is not None:
        waiting = waiting.filter(Among("pk", order_ids, "bigint"))
    return waiting.exclude(visit__state__in=HERE).order_by("ready_at", "id")


def lines_of_bag(order_id: int, states: Iterable[str]) -> QuerySet[OrderLine]:
    """The lines of one order in some states."""
    return (
        OrderLine.objects.filter(order_id=order_id, state__in=list(states))
        .select_related("copy", "reservation")
        .order_by("id")
    )


def titles_in_bags(books: Collection[tuple[int, str]]) -> set[int]:
    """The titles of some books, each named by its order's id and its barcode."""
    orders, barcodes = {pk for pk, _ in books}, {barcode for _, barcode in books}
    lines = OrderLine.objects.filter(order_id__in=orders, copy__barcode__in=barcodes)
    return set(lines.values_list("copy__title_id", flat=True))


def notes() -> QuerySet[Note]:
    """What was written to the library, with its order, oldest first."""
    return Note.objects.select_related("order__point__library", "order__patron").order_by("written_at", "pk")


def notes_to_read(library_id: int) -> QuerySet[Note]:
    """What nobody at a library has read yet, oldest first."""
    return notes().filter(settled_at__isnull=True, order__library_id=library_id)


def first_due(order_id: int) -> date | None:
    """When the first of the books that were handed over with an order is due; None when all are back."""
    loans = Loan.objects.filter(reservation__lines__order_id=order_id, reservation__lines__state=LineState.GIVEN)
    return loans.filter(state="out").order_by("due_on").values_list("due_on", flat=True).first()


def copy_of_loan(loan_id: int) -> int | None:
    """The copy that a loan is about."""
    return Loan.objects.filter(pk=loan_id).values_list("copy_id", flat=True).first()


def copy_of_posting(posting_id: int) -> tuple[int | None, datetime | None]:
    """The copy that a posting is about, None if only the other system knows it, and when it happened."""
    found = Posting.objects.filter(pk=posting_id).values_list("copy_id", "happened_at").first()
    return found or (None, None)


def line_to_fetch(copy_id: int | None) -> OrderLine | None:
    """The line that wants this copy fetched from the shelf or the return cart."""
    if copy_id is None:
        return None
    return OrderLine.objects.filter(copy_id=copy_id, state=LineState.TO_PICK).select_related("copy").first()


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


def given_to(visit: Visit) -> QuerySet[Order]:
    """The bags that a visit was given and has still."""
    return orders(visit=visit, state=OrderState.HANDED_OVER).order_by("number")


def ends_as(visit: Visit) -> VisitState:
    """How a visit ends that is not served to its end: it was, if it was given a bag and has it still."""
    return VisitState.SERVED if given_to(visit).exists() else VisitState.LEFT


def cars_here(point_id: int) -> QuerySet[Visit]:
    """The live visits of a point in the order in which they are called."""
    return cars_here_at([point_id])


def cars_here_at(point_ids: Collection[int]) -> QuerySet[Visit]:
    """The live visits of several points, those of each in the order in which they are called."""
    here = Visit.objects.filter(point__in=point_ids, state__in=HERE).select_related("lane", "patron")
    return here.order_by(*IN_TURN)


def cars_gone(point_id: int, *, since: datetime) -> QuerySet[Visit]:
    """The visits of a point that ended after `since`, the last one first."""
    gone = Visit.objects.filter(point_id=point_id, ended_at__gte=since).exclude(state__in=HERE)
    return gone.select_related("lane", "patron").order_by("-ended_at", "-pk")


def bags(**narrow: Any) -> QuerySet[Order]:
    """Orders with all that those see who pack them: also the session of the promised time, soonest first."""
    found = orders(**narrow).select_related("appointment__slot__window", "point__rules")
    return found.order_by(F("appointment__slot__starts_at").asc(nulls_last=True), "opened_at", "id")


def unpacked(library_id: int) -> QuerySet[OrderLine]:
    """Lines whose copy was taken out of a dead bag of a library and lies on the return cart."""
    gone = OrderLine.objects.filter(state=LineState.UNPACKED, order__library_id=library_id)
    return gone.select_related("copy__title", "order")


def lines_in_bags(copy_ids: Collection[int]) -> dict[int, OrderLine]:
    """The line of the bag that each of some copies is meant for or lies in, by the copy's id. One query."""
    lines = OrderLine.objects.filter(copy_id__in=copy_ids, state__in=IN_BAG).select_related("order__point__library")
    return {line.copy_id: line for line in lines}


def orders_of_reservations(asked: Iterable[Reservation]) -> QuerySet[OrderLine, int]:
    """The ids of the orders into whose bags the copies of some reservations went."""
    lines = OrderLine.objects.filter(reservation__in=[row.pk for row in asked], state__in=IN_BAG)
    return lines.values_list("order_id", flat=True)
