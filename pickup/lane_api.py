"""API v1 of the lane: somebody is here, is called, gets their bags, leaves; what was a mistake is undone."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.http.response import HttpResponseBase
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.actor import Actor
from core.once import once
from core.refusal import BadInput, Forbidden, NotFound
from lending import auth, patrons
from lending import queries as lending_queries
from lending.api import loans_within
from lending.edge import Edge, Pages, note_look, page_of, told
from lending.errors import UnknownCard
from lending.serializers import Id, LoanRow, Nothing, Paged, PostingRow, Strict, read, read_query
from pickup import arrivals, lane, parties, point_queries, queries, queue, returns
from pickup.api import order_within, seen_by
from pickup.errors import AtAnotherPoint, LaneNotFound, OrderNotFound, PointNotFound, VisitNotFound
from pickup.models import Lane, Order, Visit
from pickup.names import digits
from pickup.serializers import (
    CalledRow,
    CallInput,
    HandedOverRow,
    HandOverInput,
    LaneRow,
    ServeInput,
    VisitInput,
    VisitRow,
    of_visits,
)
from pickup.states import OPEN_ORDER, VisitState


def visit_rows(visit_ids: Collection[int], by: Actor) -> list[dict[str, Any]]:
    """Visits, read again, in the order of the ids given."""
    found = _visits().in_bulk(visit_ids)
    visits = [found[pk] for pk in visit_ids]
    return list(VisitRow(visits, many=True, context={**seen_by(by), **of_visits(visits, by)}).data)


def visit_row(visit_id: int, by: Actor) -> dict[str, Any]:
    """One visit, read again."""
    return visit_rows([visit_id], by)[0]


def _visits() -> Any:
    return Visit.objects.select_related("point__library", "lane")


def visit_at_work(actor: Actor, visit_id: int) -> Visit:
    """The visit, for those who work where it is; its own people are told that this is for the staff."""
    visit: Visit | None = _visits().filter(pk=visit_id).first()
    if visit is None:
        raise VisitNotFound
    if visit.point.library_id not in auth.staff_libraries(actor, auth.Scope.LANE):
        raise Forbidden if parties.is_of_visit(visit, actor) else VisitNotFound
    return visit


def point_at_work(actor: Actor, point_id: int, *, scope: str = auth.Scope.LANE) -> int:
    """The point's id, for those who work at its library; refuses others as if there were no such point."""
    libraries = auth.require_any_staff(actor, scope)
    if not point_queries.points(pk=point_id, library_id__in=libraries).exists():
        raise PointNotFound
    return point_id


class VisitQuery(Paged):
    pickup_point = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    state = serializers.ChoiceField(choices=VisitState.choices, required=False)


class Visits(Edge):
    @told("list_visits", page_of(VisitRow), asks=VisitQuery)
    def get(self, request: Request) -> Response:
        """The visits at the points where one works, or at one of them. Newest first."""
        by, asked, pages = Actor.of(request), read_query(VisitQuery, request), Pages()
        found = _visits().filter(point__library_id__in=auth.require_any_staff(by, auth.Scope.LANE))
        if "pickup_point" in asked:
            found = found.filter(point_id=point_at_work(by, asked["pickup_point"]))
        if "state" in asked:
            found = found.filter(state=asked["state"])
        return pages.response(visit_rows([visit.pk for visit in pages.page(found, request)], by))

    @told("arrive", VisitRow, takes=VisitInput, keyed=True)
    def post(self, request: Request) -> HttpResponseBase:
        """Somebody is here. Saying it again gives the same visit."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(VisitInput, request)
            visit = lane.arrive(**_who_is_where(given, by), by=by, now=now)
            return answer(visit_row(visit.pk, by))


def _who_is_where(given: dict[str, Any], by: Actor) -> dict[str, Any]:
    """The arrival as the use case takes it."""
    where: int | None = given.get("pickup_point")
    arrival: dict[str, Any] = {name: given[name] for name in ("purpose", "plate", "bay")}
    if by.kind == "patron":
        named = next((name for name in ("card_number", "order_number") if name in given), None)
        if named:
            raise BadInput(field=named)
    elif where is not None:
        point_at_work(by, where, scope=auth.Scope.ARRIVE)
    if "order" in given:
        order = _collected_by(by, given["order"])
        if where is not None and where != order.point_id and order.state in OPEN_ORDER:
            raise AtAnotherPoint.of(order)
        return {**arrival, "order_id": order.pk, "point_id": where or order.point_id}
    if "order_number" in given and where is not None:
        order = _held(where, given["order_number"])
        return {**arrival, "order_id": order.pk, "point_id": where}
    if "card_number" in given:
        arrival["patron_id"] = _borrower(by, given["card_number"])
    patron_id = by.id if by.kind == "patron" else arrival.get("patron_id")
    if where is not None and patron_id is not None and arrival["purpose"] == Visit.Purpose.COLLECT:
        _refuse_elsewhere(where, patron_id)
    return {**arrival, "point_id": where}


def _borrower(by: Actor, card_number: str) -> int:
    """The patron with this card, if these libraries' programmes know them; refuses others with `unknown_card`."""
    patron = patrons.by_card(card_number)
    libraries = auth.staff_libraries(by, auth.Scope.ARRIVE)
    if by.kind in {"staff", "device"} and not lending_queries.patrons_of(libraries).filter(pk=patron.pk).exists():
        raise UnknownCard(field="card_number")
    return patron.pk


def _collected_by(by: Actor, order_id: int) -> Order:
    if by.kind != "patron":
        return order_within(by, order_id)
    order = queries.orders(pk=order_id).first()
    if order is None or not arrivals.may_collect(order, by):
        raise OrderNotFound(field="order")
    return order


def _refuse_elsewhere(point_id: int, patron_id: int) -> None:
    """Refuse somebody who comes to collect and whose bag waits at another place alone."""
    if not parties.bags_of_family(point_id=point_id, patron_ids=[patron_id]):
        away = queries.waiting_elsewhere(point_queries.point(point_id), patron_id=patron_id).first()
        if away is not None:
            raise AtAnotherPoint.of(away)


def _held(point_id: int, number: str) -> Order:
    order = lane.by_number(point_queries.point(point_id), digits(number))
    if order is None:
        raise OrderNotFound(field="order_number")
    if order.point_id != point_id and order.state in OPEN_ORDER:
        raise AtAnotherPoint.of(order)
    return order


class CallNext(Edge):
    @told("call_next", CalledRow, takes=CallInput, keyed=True)
    def post(self, request: Request, point_id: int) -> HttpResponseBase:
        """Call whoever is next; any number of librarians may, and get different cars."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(CallInput, request)
            called = lane.call_next(
                point_id=point_at_work(by, point_id), lane_id=given["lane"], count=given["count"], by=by, now=now
            )
            return answer({"visits": visit_rows([visit.pk for visit in called], by)})


class HandOver(Edge):
    @told("hand_over", HandedOverRow, takes=HandOverInput, keyed=True)
    def post(self, request: Request, visit_id: int) -> HttpResponseBase:
        """Give the bags: all that are ready, or those named without what is kept back."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(HandOverInput, request)
            visit_at_work(by, visit_id)
            bags = [lane.HandOver(bag["number"], bag["not_given"] or {}) for bag in given["orders"]]
            done = lane.hand_over(visit_id=visit_id, orders=bags, by=by, now=now)
            return answer(_handed_over(done, by))


class Serve(Edge):
    @told("serve", HandedOverRow, takes=ServeInput, keyed=True)
    def post(self, request: Request, point_id: int) -> HttpResponseBase:
        """Arrive, call and hand over in one scan, all or nothing."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(ServeInput, request)
            done = lane.serve(point_id=point_at_work(by, point_id), **given, by=by, now=now)
            return answer(_handed_over(done, by))


def _handed_over(done: lane.HandedOver, by: Actor) -> dict[str, Any]:
    note_look(
        Order.objects.filter(pk__in={given.line.order_id for given in done.given}),
        purpose="api hand-over",
        by=by,
        now=clock.now(),
    )
    row: dict[str, Any] = {"visit": _visits().get(pk=done.visit.pk), "given": done.given}
    return dict(HandedOverRow(row, context={**seen_by(by), **of_visits([row["visit"]], by)}).data)


class _VisitAct(Edge):
    """What is done with a car by those who work where it is."""

    def act(self, request: Request, visit_id: int, verb: Any) -> HttpResponseBase:
        """Once, with the visit's row as the answer."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            read(Nothing, request)
            visit_at_work(by, visit_id)
            verb(visit_id=visit_id, by=by, now=now)
            return answer(visit_row(visit_id, by))


class PutBack(_VisitAct):
    @told("put_back", VisitRow, keyed=True)
    def post(self, request: Request, visit_id: int) -> HttpResponseBase:
        """They were called and are not there: they wait again in their old place."""
        return self.act(request, visit_id, lane.put_back)


class Recall(_VisitAct):
    @told("recall", VisitRow, keyed=True)
    def post(self, request: Request, visit_id: int) -> HttpResponseBase:
        """Call them once more, with a text where one arrives; again within half a minute changes nothing."""
        return self.act(request, visit_id, lane.recall)


class Skip(_VisitAct):
    @told("skip", VisitRow, keyed=True)
    def post(self, request: Request, visit_id: int) -> HttpResponseBase:
        """They are not there: they wait behind the next car that can be served."""
        return self.act(request, visit_id, lane.skip)


class MoveInput(Strict):
    before = Id(allow_null=True, help_text="the visit to stand before; null: at the end of the line")


class MoveVisit(Edge):
    @told("move_visit", VisitRow, takes=MoveInput, keyed=True)
    def post(self, request: Request, visit_id: int) -> HttpResponseBase:
        """The car stands elsewhere in the line than it says here: before another one, or at the end."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(MoveInput, request)
            visit_at_work(by, visit_id)
            queue.move(visit_id=visit_id, before_id=given["before"], by=by, now=now)
            return answer(visit_row(visit_id, by))


class Leave(Edge):
    @told("leave", VisitRow, keyed=True)
    def post(self, request: Request, visit_id: int) -> HttpResponseBase:
        """They drove away without their bag; patrons may say so of their own visit until it is called."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            read(Nothing, request)
            visit = _visits().filter(pk=visit_id).first()
            if visit is None or not parties.is_of_visit(visit, by):
                visit_at_work(by, visit_id)
            lane.leave(visit_id=visit_id, by=by, now=now)
            return answer(visit_row(visit_id, by))


class UndoVisit(_VisitAct):
    @told("undo_visit", VisitRow, keyed=True)
    def post(self, request: Request, visit_id: int) -> HttpResponseBase:
        """Within ten minutes: it was not served, or did not leave, after all."""
        return self.act(request, visit_id, lane.undo)


class _LaneAct(Edge):
    """Lanes are opened and closed by those who work at them."""

    def act(self, request: Request, lane_id: int, verb: Any) -> HttpResponseBase:
        """Once, with the lane's row as the answer."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            read(Nothing, request)
            libraries = auth.require_any_staff(by, auth.Scope.LANE)
            if not Lane.objects.filter(pk=lane_id, point__library_id__in=libraries).exists():
                raise LaneNotFound
            verb(lane_id=lane_id, by=by, now=now)
            return answer(LaneRow(Lane.objects.get(pk=lane_id)).data)


class OpenLane(_LaneAct):
    @told("open_lane", LaneRow, keyed=True)
    def post(self, request: Request, lane_id: int) -> HttpResponseBase:
        """Somebody stands at this lane now."""
        return self.act(request, lane_id, lane.open_lane)


class CloseLane(_LaneAct):
    @told("close_lane", LaneRow, keyed=True)
    def post(self, request: Request, lane_id: int) -> HttpResponseBase:
        """Nobody is called to this lane any more."""
        return self.act(request, lane_id, lane.close_lane)


class UndoReturn(Edge):
    @told("undo_return", LoanRow, keyed=True)
    def post(self, request: Request, loan_id: int) -> HttpResponseBase:
        """The book was not returned after all."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            read(Nothing, request)
            found = loans_within(by).filter(pk=loan_id).first()
            if found is None:
                raise NotFound
            auth.require_any_staff(by)
            returns.undo(loan_id=loan_id, by=by, now=now)
            return answer(LoanRow(lending_queries.loans().get(pk=loan_id)).data)


class UndoPosted(Edge):
    @told("undo_posted_return", PostingRow, keyed=True)
    def post(self, request: Request, posting_id: int) -> HttpResponseBase:
        """The book was not returned after all, at a library that keeps its loans in another system."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            read(Nothing, request)
            here = lending_queries.postings().filter(library_id__in=auth.require_any_staff(by))
            if not here.filter(pk=posting_id).exists():
                raise NotFound
            returns.undo_posted(posting_id=posting_id, by=by, now=now)
            row = here.get(pk=posting_id)
            note_look([row], purpose="api undo return", by=by, now=now)
            return answer(PostingRow(row).data)
