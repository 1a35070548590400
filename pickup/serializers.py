"""What the API reads and shows of this room."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from core import clock
from core.actor import Actor
from lending.serializers import At, Day, Id, Local, Moment, Paged, ReservationRow, Strict, TitleName, Words
from pickup import awaited, handovers, parties, point_queries, queries, waits
from pickup.models import Appointment, Order, Slot, Visit
from pickup.states import IN_BAG, AppointmentState, LineState, OrderState, VisitState

MOST_ITEMS = 50
LANGUAGES = [("ko", "한국어"), ("en", "English")]
REASONS = list(handovers.NOT_GIVEN)


# Points, slots and how long it takes


class PointRow(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    code = serializers.CharField()
    library = serializers.CharField(source="library.code")
    name_ko = serializers.CharField()
    name_en = serializers.CharField()
    place_ko = serializers.CharField()
    place_en = serializers.CharField()
    layout = serializers.CharField(help_text="file, bays, door or locker")
    open = serializers.BooleanField(help_text="takes orders")
    by_appointment = serializers.SerializerMethodField(help_text="promises times")
    promise = serializers.SerializerMethodField(help_text="at_order or when_ready")

    def get_by_appointment(self, row: Any) -> bool:
        return point_queries.rules_at(row).by_appointment

    def get_promise(self, row: Any) -> str:
        return str(point_queries.rules_at(row).promise)


class WhyClosed(serializers.ChoiceField):
    """Why nobody should set out for a pickup point now."""

    def __init__(self) -> None:
        super().__init__(
            ["", "hours", "staff", "queue"],
            help_text="empty while it is open; queue: too many wait to serve one more before it closes",
        )


class WaitingRow(serializers.Serializer[Any]):
    """The load of a pickup point."""

    pickup_point = serializers.IntegerField(source="point_id")
    waiting = serializers.IntegerField(help_text="cars not called yet")
    called = serializers.IntegerField()
    lanes_open = serializers.IntegerField()
    expected_minutes = serializers.IntegerField(
        allow_null=True, help_text="until somebody who comes now is called; null where nobody can be said to serve"
    )
    closed = serializers.BooleanField(help_text="whoever sets out now comes in vain")
    why_closed = WhyClosed()
    open_until = At(allow_null=True, help_text="the end of the hours that hold now, null outside them or without any")
    next_open = At(allow_null=True)


class NowRow(Local):
    library = serializers.CharField(source="library.code")
    points = WaitingRow(many=True)

    def zone(self, row: Any) -> str:
        return str(row["library"].zone)


class SlotQuery(Paged):
    """Which times: of one point, starting from `from` (now) until before `to` (the horizon)."""

    pickup_point = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    to = Moment(required=False)

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "from": Moment(required=False)}


class SlotRow(Local):
    id = serializers.IntegerField()
    pickup_point = serializers.IntegerField(source="point_id")
    starts_at = At()
    ends_at = At()
    orders_until = At()
    capacity = serializers.IntegerField()
    free = serializers.SerializerMethodField()
    accessible_free = serializers.SerializerMethodField(help_text="places for people who leave the car")
    open = serializers.BooleanField()
    session_ko = serializers.CharField()
    session_en = serializers.CharField()

    def zone(self, row: Slot) -> str:
        return row.point.library.zone

    def get_free(self, row: Slot) -> int:
        return row.capacity - row.booked

    def get_accessible_free(self, row: Slot) -> int:
        return row.accessible - row.booked_accessible


# Orders and appointments


class ItemInput(Strict):
    title = Id()
    volume = Words(required=False, default="", allow_blank=True, max_length=20)


class CollectorInput(Strict):
    """Somebody else who comes for the books."""

    name = Words(max_length=80)
    number = Words(max_length=40, help_text="as people write it at the library, or E.164")
    language = serializers.ChoiceField(choices=LANGUAGES, required=False, default="ko")
    may_text = serializers.BooleanField(required=False, default=True)


class OrderInput(Strict):
    pickup_point = Id(required=False, help_text="left out: the one that the patron prefers")
    items = serializers.ListField(child=ItemInput(), allow_empty=False, max_length=MOST_ITEMS)
    slot = Id(required=False, allow_null=True, default=None)
    collector = CollectorInput(required=False, allow_null=True, default=None)
    plate = Words(required=False, allow_blank=True, default="", max_length=20, help_text="of the car that will come")
    whole = serializers.BooleanField(
        required=False, default=False, help_text="the bag waits until all of the books are together, a week at most"
    )
    needed_until = Day(
        required=False, allow_null=True, default=None, help_text="last local day on which what is waited for is of use"
    )
    card_number = Words(required=False, max_length=80, help_text="staff only: for whom")


class WholeInput(Strict):
    whole = serializers.BooleanField(help_text="wait until all of the books are together")


class OrderQuery(Paged):
    state = serializers.ChoiceField(choices=OrderState.choices, required=False)
    pickup_point = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    card_number = serializers.CharField(required=False, max_length=80, help_text="staff only")


class SlotChoice(Strict):
    slot = Id()


class PreferenceQuery(Strict):
    card_number = serializers.CharField(required=False, max_length=80, help_text="staff only: whose")


class PreferenceInput(Strict):
    """When and where a patron likes to come; no weekday at all takes the times back."""

    weekdays = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=6), max_length=7, help_text="Monday is 0"
    )
    begins = serializers.TimeField(required=False, allow_null=True, default=None)
    ends = serializers.TimeField(required=False, allow_null=True, default=None)
    pickup_point = Id(required=False, allow_null=True, default=None, help_text="left out: none in particular")
    card_number = Words(required=False, max_length=80, help_text="staff only: for whom")


class PreferenceRow(serializers.Serializer[Any]):
    """When a patron likes to come, in the local time of the pickup point, and where."""

    weekdays = serializers.ListField(child=serializers.IntegerField(), help_text="Monday is 0; empty: any time")
    begins = serializers.TimeField(allow_null=True)
    ends = serializers.TimeField(allow_null=True)
    pickup_point = serializers.IntegerField(source="point_id", allow_null=True)


class BarcodeInput(Strict):
    barcode = Words(max_length=30)


class AppointmentRow(Local):
    """The promise to a party."""

    id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=AppointmentState.choices)
    pickup_point = serializers.IntegerField(source="point_id")
    slot = serializers.IntegerField(source="slot_id")
    starts_at = At(source="slot.starts_at")
    ends_at = At(source="slot.ends_at")
    arrive_at = At(source="arrives", help_text="when within the slot the party shall come")
    why = serializers.ChoiceField(
        choices=Appointment.Why.choices, allow_blank=True, help_text="why it is this slot; empty where it was not noted"
    )
    answer_by = At()
    offer = serializers.IntegerField(help_text="the how-manieth offer it is")

    def zone(self, row: Appointment) -> str:
        return row.slot.point.library.zone


class CollectorRow(serializers.Serializer[Any]):
    """Who comes for the books."""

    name = serializers.CharField(help_text="empty: the patron")
    number = serializers.SerializerMethodField(help_text="for staff, else null")
    language = serializers.CharField()

    def get_number(self, row: Any) -> str | None:
        return str(row.number) if self.context.get("staff") else None


class BorrowerRow(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    card_number = serializers.CharField()
    name = serializers.CharField()


class LineRow(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=LineState.choices)
    title = TitleName(source="copy.title")
    volume = serializers.CharField(source="copy.volume")
    call_number = serializers.CharField(source="copy.call_number")
    barcode = serializers.SerializerMethodField(help_text="for staff, else null")
    reservation = serializers.IntegerField(source="reservation_id")
    late = serializers.BooleanField(help_text="joined after the bag was ready")
    reason = serializers.CharField(help_text="why it was not given")
    back_in_line = serializers.SerializerMethodField(
        help_text="the copy could not be had; the reservation waits for another one"
    )

    def get_back_in_line(self, row: Any) -> bool:
        return row.pk in self.context["back_in_line"].get(row.order_id, ())

    def get_barcode(self, row: Any) -> str | None:
        return str(row.copy.barcode) if self.context.get("staff") else None


class VisitRow(Local):
    """Somebody is here; see `of_visits` for the context."""

    id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=VisitState.choices)
    pickup_point = serializers.IntegerField(source="point_id")
    purpose = serializers.ChoiceField(choices=Visit.Purpose.choices)
    lane = serializers.IntegerField(source="lane_id", allow_null=True)
    bay = serializers.CharField()
    plate = serializers.SerializerMethodField(help_text="for staff and devices, else null")
    arrived_at = At()
    called_at = At(allow_null=True)
    recalled_at = At(allow_null=True, help_text="called once more")
    ended_at = At(allow_null=True)
    ahead = serializers.SerializerMethodField(help_text="cars that are called before this one")
    expected_minutes = serializers.SerializerMethodField(
        help_text="until it is called; null then, while it is closed or nobody serves, and until a bag is packed"
    )
    orders = serializers.SerializerMethodField(help_text="the bags, by number and state")

    def zone(self, row: Visit) -> str:
        return row.point.library.zone

    def get_plate(self, row: Visit) -> str | None:
        return row.plate if self.context.get("at_work") else None

    def get_ahead(self, row: Visit) -> int:
        return int(self.context["ahead"].get(row.pk, 0))

    def get_expected_minutes(self, row: Visit) -> int | None:
        minutes: int | None = self.context["minutes"].get(row.pk)
        return minutes

    def get_orders(self, row: Visit) -> list[dict[str, Any]]:
        return [_bag(order) for order in self.context["bags"].get(row.pk, [])]


def _bag(order: Order) -> dict[str, Any]:
    """A bag of a car, by number and state."""
    return {"id": order.pk, "number": order.number, "state": order.state}


def of_visits(visits: Iterable[Visit], by: Actor) -> dict[str, Any]:
    """What `VisitRow` shows of the queue and the bags, read at once for all visits.

    A patron sees the bags of the own family; those of others that came in the same car are not theirs to know.
    """
    asked = list(visits)
    bags, ahead = queries.bags_of_visits(asked), queries.cars_ahead(asked)
    minutes = _minutes(asked, ahead, bags)
    if by.kind == "patron":
        family = parties.family_of(by.id or 0)
        bags = {pk: [order for order in orders if order.patron_id in family] for pk, orders in bags.items()}
    return {"ahead": ahead, "minutes": minutes, "bags": bags}


def _minutes(
    visits: Iterable[Visit], ahead: Mapping[int, int], bags: Mapping[int, list[Order]]
) -> dict[int, int | None]:
    """How long each car that waits and could be called has still to wait, by its id."""
    told = [
        visit
        for visit in visits
        if visit.state == VisitState.WAITING
        and (not bags[visit.pk] or any(order.state == OrderState.READY for order in bags[visit.pk]))
    ]
    loads = waits.of_points({visit.point_id for visit in told}, now=clock.now()) if told else {}
    return {visit.pk: loads[visit.point_id].minutes(ahead[visit.pk]) for visit in told}


class OrderRow(Local):
    """The bag; see `of_orders` for the context."""

    id = serializers.IntegerField()
    number = serializers.CharField(help_text="four digits")
    shown = serializers.CharField(help_text="the number as it is printed: 47-21")
    state = serializers.ChoiceField(choices=OrderState.choices)
    library = serializers.CharField(source="library.code")
    pickup_point = serializers.IntegerField(source="point_id")
    books = serializers.SerializerMethodField(help_text="books that are meant for this bag")
    opened_at = At()
    ready_at = At(allow_null=True)
    handed_over_at = At(allow_null=True)
    keep_until = At(allow_null=True)
    whole_until = At(allow_null=True, help_text="until then it waits for all of its books")
    why = serializers.CharField(help_text="why nobody was told, or why it ended")
    lines = LineRow(many=True)
    appointment = AppointmentRow(allow_null=True)
    visit = VisitRow(allow_null=True)
    together = serializers.SerializerMethodField(
        help_text="other orders of the same car and time, by number and state; a patron sees those of the household"
    )
    goes_with = serializers.SerializerMethodField(
        help_text="numbers of the other open bags at this point that go out in the same car; for staff, else null"
    )
    following = serializers.SerializerMethodField(
        help_text="reservations asked for together with these and in no bag yet; they stay if this one is cancelled"
    )
    collector = serializers.SerializerMethodField()
    patron = serializers.SerializerMethodField(help_text="for staff, else null")

    def zone(self, row: Order) -> str:
        return row.library.zone

    def get_books(self, row: Order) -> int:
        return sum(line.state in {*IN_BAG, LineState.GIVEN} for line in row.lines.all())

    def get_together(self, row: Order) -> list[dict[str, Any]]:
        return [_bag(order) for order in self.context["sharing"].get(row.pk, ())]

    def get_goes_with(self, row: Order) -> list[str] | None:
        beside = self.context.get("beside")
        return None if beside is None else [order.number for order in beside.get(row.pk, ())]

    def get_following(self, row: Order) -> list[int]:
        return [asked.pk for asked in self.context["following"].get(row.pk, ())]

    def get_collector(self, row: Order) -> dict[str, Any] | None:
        who = self.context["collectors"].get(row.pk)
        return None if who is None else dict(CollectorRow(who, context=self.context).data)

    def get_patron(self, row: Order) -> dict[str, Any] | None:
        shown = self.context.get("staff") and row.patron is not None
        return dict(BorrowerRow(row.patron).data) if shown else None


def of_orders(orders: Iterable[Order], by: Actor) -> dict[str, Any]:
    """What `OrderRow` shows of collectors, cars, visits and books to come, read at once for all orders."""
    asked = list(orders)
    visits = [order.visit for order in asked if order.visit is not None]
    return {
        "collectors": queries.collectors_of(asked),
        "sharing": parties.sharing(asked, by=by),
        "following": awaited.following(asked),
        "back_in_line": awaited.back_in_line(asked),
        "beside": parties.beside(asked) if by.kind == "staff" else None,
        **of_visits(visits, by),
    }


class ExpectedRow(ReservationRow):
    """A reservation, with the day on which its turn may come."""

    expected_on = serializers.DateField(
        allow_null=True, help_text="local day, if books come back in time; null where none is known"
    )


class RequestedRow(serializers.Serializer[Any]):
    """What an asking led to."""

    order = OrderRow(
        allow_null=True, help_text="the bag; null while nothing is on the shelf, or on its way for a promised time"
    )
    reservations = ReservationRow(many=True)
    why = serializers.CharField(help_text="waiting: no copy is free yet, so no time was taken")


# Visits and lanes


class VisitInput(Strict):
    """Who is here: `order`, by its collector or by staff; a card, an order number or a plate by staff and devices.

    `pickup_point` may be left out where `order` says it.
    """

    pickup_point = Id(required=False)
    order = Id(required=False)
    card_number = Words(required=False, max_length=80)
    order_number = Words(required=False, max_length=10)
    plate = Words(required=False, default="", allow_blank=True, max_length=20)
    bay = Words(required=False, default="", allow_blank=True, max_length=10)
    purpose = serializers.ChoiceField(choices=Visit.Purpose.choices, required=False, default="collect")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if sum(name in attrs for name in ("order", "card_number", "order_number")) > 1:
            raise ValidationError(_("Please name one of order, card_number and order_number."))
        if "order" not in attrs and "pickup_point" not in attrs:
            raise ValidationError({"pickup_point": [_("Please say where.")]})
        return attrs


class CallInput(Strict):
    lane = Id(required=False, allow_null=True, default=None)
    count = Id(required=False, default=1)


class CalledRow(serializers.Serializer[Any]):
    visits = VisitRow(many=True)


class NotGivenInput(Strict):
    barcode = Words(max_length=30)
    reason = serializers.ChoiceField(choices=[(reason, reason) for reason in REASONS])


class BagInput(Strict):
    number = Words(max_length=10)
    not_given = serializers.ListField(child=NotGivenInput(), required=False, default=list, max_length=MOST_ITEMS)

    def validate_not_given(self, value: list[dict[str, str]]) -> dict[str, str]:
        """Barcode to reason; refuses a copy that is named twice."""
        reasons = {entry["barcode"]: entry["reason"] for entry in value}
        if len(reasons) != len(value):
            raise ValidationError(_("A copy is named twice."))
        return reasons


class HandOverInput(Strict):
    """Empty: every ready bag of the visit, with all that is in it."""

    orders = serializers.ListField(child=BagInput(), required=False, default=list, max_length=MOST_ITEMS)


class ServeInput(Strict):
    """One scan: a slip, a card or a book of the bag."""

    order_number = Words(required=False, max_length=10)
    card_number = Words(required=False, max_length=80)
    barcode = Words(required=False, max_length=30)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise ValidationError(_("Please send one of order_number, card_number and barcode."))
        return attrs


class GivenRow(serializers.Serializer[Any]):
    """What became of one copy."""

    barcode = serializers.CharField(source="copy.barcode")
    title = TitleName(source="copy.title")
    order = serializers.IntegerField(source="line.order_id")
    loan = serializers.IntegerField(source="loan_id", allow_null=True)
    posting = serializers.IntegerField(
        source="posting_id", allow_null=True, help_text="in place of the loan where another system keeps the loans"
    )
    due_on = serializers.CharField(help_text="local day; empty if it was not lent here")
    reason = serializers.CharField(help_text="why it was not given; else empty")


class HandedOverRow(serializers.Serializer[Any]):
    visit = VisitRow()
    given = GivenRow(many=True)


class LaneRow(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    pickup_point = serializers.IntegerField(source="point_id")
    name = serializers.CharField()
    open = serializers.BooleanField()
