"""API v1 of the shelves: what is to be fetched and by whom, what is not there, what leaves dead bags."""

from __future__ import annotations

from typing import Any

from django.http.response import HttpResponseBase
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.actor import Actor
from core.once import once
from core.refusal import NotFound
from lending import auth, copies
from lending import queries as lending_queries
from lending.edge import Edge, told
from lending.serializers import Id, Nothing, Strict, TitleName, Whole, read, read_query
from pickup import fetching, packing, queries
from pickup.errors import NotInOrder, OrderNotFound
from pickup.models import OrderLine
from pickup.serializers import BarcodeInput
from pickup.states import HERE, LineState

MOST = 200  # lines that one who fetches names at a time


class ShelfLineRow(serializers.Serializer[Any]):
    """A book of a bag as those see it who walk to the shelves."""

    id = serializers.IntegerField(source="pk")
    state = serializers.ChoiceField(choices=LineState.choices)
    order = serializers.IntegerField(source="order_id")
    number = serializers.CharField(source="order.number", help_text="of the bag")
    barcode = serializers.CharField(source="copy.barcode")
    title = TitleName(source="copy.title")
    volume = serializers.CharField(source="copy.volume")
    call_number = serializers.CharField(source="copy.call_number")


class ToFetchRow(ShelfLineRow):
    """A book to fetch."""

    pickup_point = serializers.IntegerField(source="order.point_id")
    here = serializers.SerializerMethodField(help_text="somebody waits for it in their car")
    in_bag = serializers.SerializerMethodField(help_text="the bag in which the copy still lies, else empty")
    fetcher = serializers.SerializerMethodField(help_text="who fetches it now: account id, or null")

    def get_here(self, row: OrderLine) -> bool:
        return row.order.visit is not None and row.order.visit.state in HERE

    def get_in_bag(self, row: OrderLine) -> str:
        return str(self.context["where"].get(row.copy_id, ""))

    def get_fetcher(self, row: OrderLine) -> int | None:
        fetcher = fetching.fetcher_of(row, now=self.context["now"])
        return fetcher.pk if fetcher is not None else None


class PullListRow(serializers.Serializer[Any]):
    lines = ToFetchRow(many=True)


class TakeInput(Strict):
    count = Whole(required=False, min_value=1, max_value=fetching.AT_ONCE, default=fetching.AT_ONCE)
    lines = serializers.ListField(
        child=Id(),
        required=False,
        allow_null=True,
        default=None,
        max_length=MOST,
        help_text="null: whichever come next",
    )


class TakenRow(serializers.Serializer[Any]):
    books = serializers.IntegerField(help_text="how many books are yours to fetch now, or are left to others")


class ToUnpackRow(serializers.Serializer[Any]):
    lines = ShelfLineRow(many=True)


class PullList(Edge):
    @told("get_pull_list", PullListRow)
    def get(self, request: Request, code: str) -> Response:
        """What to fetch for bags, in shelf order; what somebody waits for in their car first."""
        read_query(Nothing, request)
        lines = list(queries.to_fetch(_works_at(Actor.of(request), code)))
        context = {"now": clock.now(), "where": queries.where_are(line.copy for line in lines)}
        return Response({"lines": ToFetchRow(lines, many=True, context=context).data})


class TakeLines(Edge):
    @told("take_lines", TakenRow, takes=TakeInput, keyed=True)
    def post(self, request: Request, code: str) -> HttpResponseBase:
        """Fetch the next books that nobody fetches; two who ask at once get different ones."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(TakeInput, request)
            library_id = _works_at(by, code)
            taken = fetching.take(library_id=library_id, count=given["count"], line_ids=given["lines"], by=by, now=now)
            return answer({"books": taken})


class LetGoLines(Edge):
    @told("let_go_lines", TakenRow, keyed=True)
    def post(self, request: Request, code: str) -> HttpResponseBase:
        """Leave to others what one has taken and not fetched."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            read(Nothing, request)
            return answer({"books": fetching.let_go(library_id=_works_at(by, code), by=by, now=now)})


class NotOnShelf(Edge):
    @told("not_on_shelf", ShelfLineRow, keyed=True)
    def post(self, request: Request, line_id: int) -> HttpResponseBase:
        """The copy could not be found: its reservation waits again, and another copy joins the list if there is one."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            read(Nothing, request)
            line = OrderLine.objects.filter(pk=line_id, order__library_id__in=auth.require_any_staff(by)).first()
            if line is None:
                raise OrderNotFound(line=line_id)
            packing.not_on_shelf(line_id=line_id, by=by, now=now)
            return answer(_line_row(line_id))


class Unpack(Edge):
    @told("list_to_unpack", ToUnpackRow)
    def get(self, request: Request, code: str) -> Response:
        """The books in dead bags, bag by bag."""
        read_query(Nothing, request)
        lines = queries.to_unpack(_works_at(Actor.of(request), code))
        return Response({"lines": ShelfLineRow(lines, many=True).data})

    @told("unpack", ShelfLineRow, takes=BarcodeInput, keyed=True)
    def post(self, request: Request, code: str) -> HttpResponseBase:
        """A copy leaves a dead bag for the return cart, where the next in line may get it."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(BarcodeInput, request)
            library_id = _works_at(by, code)
            copy = copies.by_barcode(given["barcode"])
            if not queries.to_unpack(library_id).filter(copy=copy).exists():
                raise NotInOrder(field="barcode", barcode=copy.barcode, belongs_to=None)
            line = packing.unpack(barcode=copy.barcode, by=by, now=now)
            return answer(_line_row(line.pk))


def _line_row(line_id: int) -> dict[str, Any]:
    return dict(ShelfLineRow(OrderLine.objects.select_related("order", "copy__title").get(pk=line_id)).data)


def _works_at(by: Actor, code: str) -> int:
    """The library of an address, for those who work there; for others of the staff there is none."""
    works = auth.require_any_staff(by)
    library = lending_queries.library_of(code)
    if library is None or library.pk not in works:
        raise NotFound
    return library.pk
