"""API v1 of this room: pickup points and times, orders, appointments."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError
from django.http.response import HttpResponseBase
from psycopg.errors import NotNullViolation
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.actor import Actor
from core.once import once
from core.refusal import BadInput, Forbidden, NotFound
from lending import auth, patrons, reservations
from lending import queries as lending_queries
from lending.api import reservation_row, reservation_rows
from lending.edge import (
    Edge,
    Pages,
    PublicEdge,
    borrower,
    is_staff,
    note_look,
    of_card,
    page_of,
    told,
    within,
)
from lending.serializers import Nothing, Paged, PointInput, Strict, Words, read, read_query, shown
from pickup import (
    appointments,
    elsewhere,
    gathering,
    orders,
    packing,
    places,
    point_queries,
    preferences,
    queries,
    turns,
    waits,
)
from pickup.errors import OrderNotFound, PointNotFound
from pickup.models import Appointment, Order
from pickup.serializers import (
    AppointmentRow,
    BarcodeInput,
    ExpectedRow,
    NowRow,
    OrderInput,
    OrderQuery,
    OrderRow,
    PointRow,
    PreferenceInput,
    PreferenceQuery,
    PreferenceRow,
    RequestedRow,
    SlotChoice,
    SlotQuery,
    SlotRow,
    WholeInput,
    of_orders,
)

HORIZON = timedelta(days=31)  # a list of times looks no further


class Points(PublicEdge):
    @told("list_pickup_points", page_of(PointRow), asks=Paged)
    def get(self, request: Request) -> Response:
        """The pickup points, also those that take no orders now."""
        read_query(Paged, request)
        pages = Pages("id")
        rows = pages.page(point_queries.points(library__training=False).select_related("library", "rules"), request)
        return pages.response(PointRow(rows, many=True).data)


class Now(PublicEdge):
    @told("library_now", NowRow)
    def get(self, request: Request, code: str) -> Response:
        """How many cars wait at a library and how long it takes; counts and times only."""
        read_query(Nothing, request)
        library = lending_queries.libraries().filter(code=code).first()
        if library is None:
            raise NotFound
        points = waits.at_library(library_id=library.pk, now=clock.now())
        return Response(NowRow({"library": library, "points": points}).data)


class OneReservation(Edge):
    @told("get_reservation", ExpectedRow)
    def get(self, request: Request, reservation_id: int) -> Response:
        """One reservation, with the day on which its turn may come."""
        by, now = Actor.of(request), clock.now()
        read_query(Nothing, request)
        rows = within(by, lending_queries.reservations(), library="pickup_point__library_id")
        row = rows.filter(pk=reservation_id).first()
        if row is None:
            raise NotFound
        note_look([row], purpose="api reservations", by=by, now=now)
        turn = turns.of([row], now=now)[0]
        day = turn.journey.expected_on if turn.journey is not None else turn.turn
        return Response({**reservation_row(row, by), "expected_on": day})


class Slots(PublicEdge):
    @told("list_slots", page_of(SlotRow), asks=SlotQuery)
    def get(self, request: Request) -> Response:
        """The times of a point, full ones too: capacity and what is free. From now for 31 days unless said."""
        asked, pages = read_query(SlotQuery, request), Pages("starts_at")
        if not point_queries.points(pk=asked["pickup_point"]).exists():
            raise PointNotFound(field="pickup_point")
        start: datetime = asked.get("from") or clock.now()
        end = min(asked.get("to") or start + HORIZON, start + HORIZON)
        rows = pages.page(point_queries.free_slots(asked["pickup_point"], start, end), request)
        return pages.response(SlotRow(rows, many=True).data)


def order_within(actor: Actor, order_id: int) -> Order:
    """The order, if the actor may know of it; else `unknown_order`, whether it exists or not."""
    order = within(actor, Order.objects.filter(pk=order_id), library="library_id").first()
    if order is None:
        raise OrderNotFound
    return order


def order_at_work(actor: Actor, order_id: int) -> Order:
    """The order, for those who work where it is packed; its own patron is told that this is for the staff."""
    order = order_within(actor, order_id)
    if actor.kind == "patron":
        raise Forbidden
    auth.require_staff(actor, order.library_id)
    return order


def order_rows(rows: Iterable[Order], by: Actor, *, purpose: str, now: datetime) -> list[dict[str, Any]]:
    """Orders as this actor may see them; that staff saw whose they are is noted."""
    found = list(rows)
    note_look(found, purpose=purpose, by=by, now=now)
    return list(OrderRow(found, many=True, context={**seen_by(by), **of_orders(found, by)}).data)


def order_row(order_id: int, by: Actor, *, purpose: str, now: datetime) -> dict[str, Any]:
    """One order, read again."""
    return order_rows([queries.orders().get(pk=order_id)], by, purpose=purpose, now=now)[0]


def seen_by(actor: Actor) -> dict[str, bool]:
    """What a row's serializer shows to this actor."""
    return {"staff": is_staff(actor), "at_work": actor.kind in {"staff", "device"}}


class Orders(Edge):
    @told("list_orders", page_of(OrderRow), asks=OrderQuery)
    def get(self, request: Request) -> Response:
        """One's own orders; for staff those of their libraries. Newest first."""
        by, asked, pages = Actor.of(request), read_query(OrderQuery, request), Pages()
        mine = of_card(by, within(by, queries.orders(), library="library_id"), asked)
        if "pickup_point" in asked:
            mine = mine.filter(point_id=asked["pickup_point"])
        rows = pages.page(mine, request)
        return pages.response(order_rows(rows, by, purpose="api orders", now=clock.now()))

    @told("ask_for_books", RequestedRow, takes=OrderInput, status=201, keyed=True)
    def post(self, request: Request) -> HttpResponseBase:
        """Ask for books to be collected at a point; all of them or none."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(OrderInput, request)
            patron_id = borrower(by, given.get("card_number"))
            items = [reservations.Item(item["title"], item["volume"]) for item in given["items"]]
            requested = orders.request(
                patron_id=patron_id,
                point_id=given.get("pickup_point") or _preferred(patron_id, items),
                items=items,
                slot_id=given["slot"],
                collector_id=_collector(given["collector"], patron_id, by=by, now=now),
                plate=given["plate"],
                whole=given["whole"],
                needed_until=given["needed_until"],
                by=by,
                now=now,
            )
            return answer(requested_row(requested, by, now=now), status=201)


def _preferred(patron_id: int, items: Collection[reservations.Item]) -> int:
    point_id = preferences.point_for(patron_id=patron_id, title_ids=[item.title_id for item in items])
    if point_id is None:
        raise BadInput(field="pickup_point")
    return point_id


def requested_row(requested: orders.Requested, by: Actor, *, now: datetime) -> dict[str, Any]:
    """What an asking led to."""
    order = requested.order
    return {
        "order": order_row(order.pk, by, purpose="api orders", now=now) if order else None,
        "reservations": reservation_rows(requested.reservations, by),
        "why": requested.why,
    }


def _collector(given: dict[str, Any] | None, patron_id: int, *, by: Actor, now: datetime) -> int | None:
    return None if given is None else patrons.collector_for(patron_id=patron_id, by=by, now=now, **given).pk


class OneOrder(Edge):
    @told("get_order", OrderRow)
    def get(self, request: Request, order_id: int) -> Response:
        """One order with its lines, appointment and visit."""
        by = Actor.of(request)
        read_query(Nothing, request)
        order_within(by, order_id)
        return Response(order_row(order_id, by, purpose="api order", now=clock.now()))


class PackOrder(Edge):
    @told("pack", OrderRow, takes=BarcodeInput, keyed=True)
    def post(self, request: Request, order_id: int) -> HttpResponseBase:
        """Put the scanned copy into the bag."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(BarcodeInput, request)
            order_at_work(by, order_id)
            packing.pack(order_id=order_id, barcode=given["barcode"], by=by, now=now)
            return answer(order_row(order_id, by, purpose="api pack", now=now))


class WholeOrder(Edge):
    @told("wait_for_all", OrderRow, takes=WholeInput, keyed=True)
    def post(self, request: Request, order_id: int) -> HttpResponseBase:
        """Let the bag wait until all of its books are together, or go as it is."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(WholeInput, request)
            order_within(by, order_id)
            gathering.choose(order_id=order_id, whole=given["whole"], by=by, now=now)
            return answer(order_row(order_id, by, purpose="api order", now=now))


class ReadyOrder(Edge):
    @told("mark_ready", OrderRow, keyed=True)
    def post(self, request: Request, order_id: int) -> HttpResponseBase:
        """The bag is packed; its people are told."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            read(Nothing, request)
            order_at_work(by, order_id)
            packing.mark_ready(order_id=order_id, by=by, now=now)
            return answer(order_row(order_id, by, purpose="api ready", now=now))


class MoveOrder(Edge):
    @told("collect_order_elsewhere", RequestedRow, takes=PointInput, keyed=True)
    def post(self, request: Request, order_id: int) -> HttpResponseBase:
        """Collect a bag at another pickup point; answers with the bag there, null while no book is there."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(PointInput, request)
            order_within(by, order_id)
            moved = elsewhere.collect_at(order_id=order_id, point_id=given["pickup_point"], by=by, now=now)
            return answer(requested_row(moved, by, now=now))


class PlaceInput(Strict):
    place = Words(max_length=12, help_text="a place of the pickup shelf, as the point names them")


class PlaceOrder(Edge):
    @told("place_order", OrderRow, takes=PlaceInput, keyed=True)
    def post(self, request: Request, order_id: int) -> HttpResponseBase:
        """A ready bag stands on another place of its point's shelf."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(PlaceInput, request)
            order_at_work(by, order_id)
            places.move(order_id=order_id, place=given["place"], by=by, now=now)
            return answer(order_row(order_id, by, purpose="api place", now=now))


class CancelOrder(Edge):
    @told("cancel_order", OrderRow, keyed=True)
    def post(self, request: Request, order_id: int) -> HttpResponseBase:
        """Nobody wants the bag any more."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            read(Nothing, request)
            order_within(by, order_id)
            orders.cancel(order_id=order_id, by=by, now=now)
            return answer(order_row(order_id, by, purpose="api cancel", now=now))


class ChooseSlot(Edge):
    @told("choose_slot", AppointmentRow, takes=SlotChoice, keyed=True)
    def post(self, request: Request, order_id: int) -> HttpResponseBase:
        """Choose a time for an order, or another one."""
        try:
            return self._chosen(request, order_id, wait=False)
        except IntegrityError as error:
            if not isinstance(error.__cause__, NotNullViolation):
                raise
            return self._chosen(request, order_id, wait=True)  # the last place went to somebody else in between

    def _chosen(self, request: Request, order_id: int, *, wait: bool) -> HttpResponseBase:
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(SlotChoice, request)
            if by.kind != "patron":  # a promise asks by itself whether it is a patron's own order
                order_within(by, order_id)
            promised = appointments.promise(order_id=order_id, slot_id=given["slot"], by=by, now=now, wait=wait)
            return answer(appointment_row(promised))


class Preferred(Edge):
    @told("get_preference", PreferenceRow, asks=PreferenceQuery)
    def get(self, request: Request) -> Response:
        """When and where a patron likes to come; offers go by it where they can."""
        by, asked = Actor.of(request), read_query(PreferenceQuery, request)
        return Response(preference_row(borrower(by, asked.get("card_number"))))

    @told("set_preference", PreferenceRow, takes=PreferenceInput, keyed=True)
    def post(self, request: Request) -> HttpResponseBase:
        """Say when and where one likes to come, or for a caller; it counts from the next offer or order on."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(PreferenceInput, request)
            patron_id = borrower(by, given.pop("card_number", None))
            preferences.note(patron_id=patron_id, **given, by=by, now=now)
            return answer(preference_row(patron_id))


def preference_row(patron_id: int) -> dict[str, Any]:
    """When and where a patron likes to come."""
    nothing: dict[str, Any] = {"weekdays": [], "begins": None, "ends": None, "point_id": None}
    return dict(PreferenceRow(queries.preferences_of([patron_id]).get(patron_id) or nothing).data)


def appointment_within(actor: Actor, appointment_id: int) -> Appointment:
    """The promise to a party of which the actor is one, or at a point where they work; else `not_found`."""
    rows = Appointment.objects.filter(pk=appointment_id)
    if actor.kind == "patron":
        rows = rows.filter(orders__patron_id=actor.id or 0)
    else:
        rows = rows.filter(point__library_id__in=auth.staff_libraries(actor))
    appointment = rows.distinct().first()
    if appointment is None:
        raise NotFound
    return appointment


def appointment_row(appointment: Appointment) -> dict[str, Any]:
    """One appointment."""
    return shown(AppointmentRow, appointment)


class ConfirmAppointment(Edge):
    @told("confirm_appointment", AppointmentRow, keyed=True)
    def post(self, request: Request, appointment_id: int) -> HttpResponseBase:
        """Yes, I come."""
        by = Actor.of(request)
        with once(by, request) as answer:
            read(Nothing, request)
            appointment_within(by, appointment_id)
            confirmed = appointments.confirm(appointment_id=appointment_id, by=by, now=clock.now())
            return answer(appointment_row(confirmed))


class ChangeAppointment(Edge):
    @told("change_appointment", AppointmentRow, takes=SlotChoice, keyed=True)
    def post(self, request: Request, appointment_id: int) -> HttpResponseBase:
        """Another time instead; answers with the new appointment."""
        by = Actor.of(request)
        with once(by, request) as answer:
            given = read(SlotChoice, request)
            appointment_within(by, appointment_id)
            new = appointments.change(appointment_id=appointment_id, slot_id=given["slot"], by=by, now=clock.now())
            return answer(appointment_row(new))


class CancelAppointment(Edge):
    @told("cancel_appointment", AppointmentRow, keyed=True)
    def post(self, request: Request, appointment_id: int) -> HttpResponseBase:
        """Give the time back and keep the bag."""
        by = Actor.of(request)
        with once(by, request) as answer:
            read(Nothing, request)
            appointment_within(by, appointment_id)
            ended = appointments.cancel(appointment_id=appointment_id, by=by, now=clock.now())
            return answer(appointment_row(Appointment.objects.select_related("slot__point__library").get(pk=ended.pk)))
