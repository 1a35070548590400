"""The lane board: who is here, in which order, with what ready; and the streams that tell a page to look again.

An event carries only a version. The page fetches its fragment anew, so a missed event does no harm.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from asgiref.sync import sync_to_async
from django.db import connections
from django.http import HttpRequest, StreamingHttpResponse
from django.views.decorators.http import require_GET

from core import live
from core.actor import Actor
from core.refusal import TooMany
from lending import auth
from pickup import queries, texts, waits, watch
from pickup.errors import PointNotFound
from pickup.models import Lane, Order, Visit
from pickup.states import HERE, IN_BAG, OPEN_ORDER, LineState, OrderState, VisitState

RETRY = 2000  # milliseconds until a browser opens a broken stream again
MOST_STREAMS = 1000  # of one process


@dataclass(frozen=True, slots=True)
class Book:
    """One copy in a bag, as the person at the window sees it."""

    barcode: str
    title: str
    volume: str
    state: str


@dataclass(frozen=True, slots=True)
class Bag:
    """One order of a car: its number, whose it is, whether it is ready, its books."""

    order_id: int
    number: str
    shown: str
    patron_name: str
    state: str
    ready: bool
    books: list[Book]
    needs: str
    note: str


@dataclass(frozen=True, slots=True)
class Car:
    """One visit: since when it is here, where it stands, who serves it, what it comes for."""

    visit_id: int
    state: str
    purpose: str
    purpose_shown: str
    arrived_at: datetime
    minutes: int
    first: bool
    plate: str
    bay: str
    lane: str
    called_by: str
    ended_at: datetime | None
    appointment_at: datetime | None
    bags: list[Bag]
    can_be_called: bool

    @property
    def ready(self) -> list[Bag]:
        """The bags that can be handed over."""
        return [bag for bag in self.bags if bag.ready]


@dataclass(frozen=True, slots=True)
class LaneNow:
    """A lane and the car that is served in it."""

    lane_id: int
    name: str
    open: bool
    car: Car | None


@dataclass(frozen=True, slots=True)
class Board:
    """A pickup point at one moment; `version` is what the stream says when nothing changed since."""

    point_id: int
    layout: str
    version: str
    at: datetime
    lanes: list[LaneNow]
    called: list[Car]
    waiting: list[Car]
    ended: list[Car]
    load: waits.Waiting

    @property
    def free_lanes(self) -> list[LaneNow]:
        """Open lanes to which the next car can be called."""
        return [lane for lane in self.lanes if lane.open and lane.car is None]


def snapshot(*, point_id: int, now: datetime) -> Board:
    """The board of a point: lanes, cars called and waiting in their order, and those of the last ten minutes (`ended`).

    For staff: it names patrons. Times are UTC; `at` and `minutes` tell its age. Refuses an unknown point.
    """
    point = queries.points(pk=point_id).first()
    if point is None:
        raise PointNotFound(field="pickup_point")
    version = live.versions([f"point:{point_id}"])[f"point:{point_id}"]  # read first: newer rows only look again
    visits = list(queries.cars_here(point_id)) + list(queries.cars_gone(point_id, since=now - texts.UNDO))
    bags: dict[int, list[Order]] = {}
    for order in queries.orders(visit__in=visits).order_by("number"):
        if order.visit_id is not None and (order.state in OPEN_ORDER or order.state == OrderState.HANDED_OVER):
            bags.setdefault(order.visit_id, []).append(order)
    cars = [_car(visit, bags.get(visit.pk, []), now=now) for visit in visits]
    in_lane = {visit.lane_id: car for visit, car in zip(visits, cars, strict=True) if visit.state == VisitState.CALLED}
    return Board(
        point_id=point_id,
        layout=point.layout,
        version=version,
        at=now,
        lanes=[
            LaneNow(lane.pk, lane.name, lane.open, in_lane.get(lane.pk))
            for lane in Lane.objects.filter(point_id=point_id).order_by("name", "pk")
        ],
        called=[car for car in cars if car.state == VisitState.CALLED],
        waiting=[car for car in cars if car.state == VisitState.WAITING],
        ended=[car for car in cars if car.state not in HERE],
        load=waits.now_at(point_id=point_id, now=now),
    )


def _car(visit: Visit, orders: list[Order], *, now: datetime) -> Car:
    bags = [_bag(order) for order in orders]
    slots = [order.appointment.slot.starts_at for order in orders if order.appointment is not None]
    waiting = visit.state == VisitState.WAITING
    return Car(
        visit_id=visit.pk,
        state=visit.state,
        purpose=visit.purpose,
        purpose_shown=str(visit.get_purpose_display()),
        arrived_at=visit.arrived_at,
        minutes=max(0, int((now - visit.arrived_at).total_seconds() // 60)),
        first=visit.first,
        plate=visit.plate,
        bay=visit.bay,
        lane=visit.lane.name if visit.lane is not None else "",
        called_by=visit.called_by,
        ended_at=visit.ended_at,
        appointment_at=min(slots, default=None),
        bags=bags,
        can_be_called=waiting and (visit.purpose != Visit.Purpose.COLLECT or any(bag.ready for bag in bags)),
    )


def _bag(order: Order) -> Bag:
    shown = {*IN_BAG, LineState.GIVEN}
    return Bag(
        order_id=order.pk,
        number=order.number,
        shown=order.shown,
        patron_name=order.patron.name if order.patron is not None else "",
        state=order.state,
        ready=order.state == OrderState.READY,
        books=[
            Book(line.copy.barcode, line.copy.title.title, line.copy.volume, line.state)
            for line in order.lines.all()
            if line.state in shown
        ],
        needs=order.patron.needs if order.patron is not None else "",
        note=order.note,
    )


# The streams


@require_GET
async def stream(request: HttpRequest, point_id: int) -> StreamingHttpResponse:
    """Tell the board of a point, to its staff, that it changed (`/live/points/<id>/`)."""
    await sync_to_async(_check_staff)(Actor.of(request), point_id)
    return _answer([f"point:{point_id}"])


@require_GET
async def stream_now(request: HttpRequest, library_id: int) -> StreamingHttpResponse:
    """Tell the public pages of a library that the load of one of its points changed (`/live/now/<library id>/`)."""
    return _answer(await sync_to_async(_topics_of)(library_id))


def _check_staff(by: Actor, point_id: int) -> None:
    try:
        point = queries.points(pk=point_id).first()
        if point is None:
            raise PointNotFound
        auth.require_staff(by, point.library_id)
    finally:
        connections.close_all()


def _topics_of(library_id: int) -> list[str]:
    try:
        topics = [f"point:{point.pk}" for point in queries.points(library_id=library_id)]
    finally:
        connections.close_all()
    if not topics:
        raise PointNotFound
    return topics


def _answer(topics: list[str]) -> StreamingHttpResponse:
    if len(watch.hub().watchers) >= MOST_STREAMS:
        raise TooMany(retry_after=10)
    response = StreamingHttpResponse(_events(topics), content_type="text/event-stream")
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    return response


async def _events(topics: list[str]) -> AsyncIterator[str]:
    """Server-sent events: `version` with the version, `stale` while it cannot be read, `here` when nothing happens."""
    await sync_to_async(connections.close_all)()  # what the middleware read with is not needed for hours
    yield f"retry: {RETRY}\n\n"
    async with aclosing(watch.versions(topics)) as versions:
        async for version in versions:
            if version == watch.STALE:
                yield "event: stale\ndata: old\n\n"
            else:
                yield f"event: version\ndata: {version}\n\n" if version else "event: here\ndata: -\n\n"
