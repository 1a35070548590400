"""The lane board: who is here, in which order, what is ready and where it stands, which bags to bring next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core import live
from pickup import handovers, point_queries, queries, texts, waits
from pickup.errors import PointNotFound
from pickup.models import Lane, Order, Visit
from pickup.states import HERE, IN_BAG, OPEN_ORDER, LineState, OrderState, VisitState

BRING = 6
"""So many bags somebody can carry, or fetch with one trolley, before the next look."""

IN_WRITING = "board"  # the need of those who read at the window what others hear


@dataclass(frozen=True, slots=True)
class Book:
    """One copy in a bag, as the person at the window sees it."""

    barcode: str
    title: str
    volume: str
    state: str


@dataclass(frozen=True, slots=True)
class Bag:
    """One order of a car: its number and its place on the shelf, what to do, whether it is ready, its books."""

    order_id: int
    number: str
    shown: str
    place: str
    patron_name: str
    state: str
    state_shown: str
    ready: bool
    books: list[Book]
    needs: list[str]
    in_writing: bool
    language: str

    @property
    def count(self) -> int:
        """How many books are meant for this bag, or were given with it."""
        return len(self.books)

    @property
    def packed(self) -> int:
        """How many of them lie in it by now."""
        return sum(1 for book in self.books if book.state == LineState.PACKED)


@dataclass(frozen=True, slots=True)
class Car:
    """One visit: since when it is here, where it stands, who serves it, what it comes for.

    `undoable`: whether one that has ended can wait again, as far as that is known here: not if nothing is left to wait
    for, its bags having been called off or gone out too long ago.
    """

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
    recalled_at: datetime | None
    ended_at: datetime | None
    appointment_at: datetime | None
    bags: list[Bag]
    can_be_called: bool
    undoable: bool

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
class Place:
    """A car in the line and where it can be moved: `up` and `down` are the cars that it would then stand before.

    `down` 0 is the end of the line, None means that it cannot go further that way.
    """

    car: Car
    up: int | None
    down: int | None


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
    def shut_lanes(self) -> list[LaneNow]:
        """Lanes at which nobody stands."""
        return [lane for lane in self.lanes if not lane.open]

    @property
    def next_car(self) -> Car | None:
        """The car that is called next: the first in line for which something is ready."""
        return next((car for car in self.waiting if car.can_be_called), None)

    @property
    def line(self) -> list[Place]:
        """The line of a single file with its ways to move a car; those that go first stay where they are."""
        ids = [0 if car.first else car.visit_id for car in self.waiting]
        return [
            Place(
                car,
                up=None if car.first or not place or not ids[place - 1] else ids[place - 1],
                down=None if car.first or place == len(ids) - 1 else [*ids, 0][place + 2],
            )
            for place, car in enumerate(self.waiting)
        ]

    @property
    def to_bring(self) -> list[Bag]:
        """The next bags to carry to the window: ready ones of those who wait, in the order of the line."""
        return [bag for car in self.waiting for bag in car.ready][:BRING]


def snapshot(*, point_id: int, now: datetime) -> Board:
    """The board of a point: lanes, cars called and waiting in their order, and those of the last ten minutes (`ended`).

    For staff: it names patrons. Times are UTC; `at` and `minutes` tell its age. Refuses an unknown point.
    """
    point = point_queries.points(pk=point_id).first()
    if point is None:
        raise PointNotFound(field="pickup_point")
    version = live.versions([f"point:{point_id}"])[f"point:{point_id}"]  # read first: newer rows only look again
    visits = list(queries.cars_here(point_id)) + list(queries.cars_gone(point_id, since=now - texts.UNDO))
    bags: dict[int, list[Order]] = {}
    for order in queries.orders(visit__in=visits).order_by("number"):
        if order.visit_id is not None and (order.state in OPEN_ORDER or order.state == OrderState.HANDED_OVER):
            bags.setdefault(order.visit_id, []).append(order)
    cars = [car_of(visit, bags.get(visit.pk, []), now=now) for visit in visits]
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
        load=waits.at_points([point], now=now)[0],
    )


def car_of(visit: Visit, orders: list[Order], *, now: datetime) -> Car:
    """A visit with its orders as the board shows them."""
    bags = [bag_of(order) for order in orders]
    slots = [order.appointment.slot.starts_at for order in orders if order.appointment is not None]
    waiting, collects = visit.state == VisitState.WAITING, visit.purpose == Visit.Purpose.COLLECT
    back = handovers.lately(orders, now=now) or any(order.state in OPEN_ORDER for order in orders)
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
        recalled_at=visit.recalled_at,
        ended_at=visit.ended_at,
        appointment_at=min(slots, default=None),
        bags=bags,
        can_be_called=waiting and (not collects or any(bag.ready for bag in bags)),
        undoable=bool(not collects or back or (visit.state == VisitState.LEFT and visit.plate and not orders)),
    )


def bag_of(order: Order) -> Bag:
    """An order as the board and the window show it."""
    patron = order.patron
    needs = list(patron.what_to_do) if patron is not None else []
    in_writing = patron is not None and IN_WRITING in patron.needs
    if patron is not None and in_writing:
        needs.remove(str(patron.Need(IN_WRITING).label))  # it is shown as a sign of its own
    return Bag(
        order_id=order.pk,
        number=order.number,
        shown=order.shown,
        place=order.place,
        patron_name=patron.name if patron is not None else "",
        state=order.state,
        state_shown=order.get_state_display(),
        ready=order.state == OrderState.READY,
        books=[
            Book(line.copy.barcode, line.copy.title.title, line.copy.volume, line.state)
            for line in order.lines.all()
            if line.state in {*IN_BAG, LineState.GIVEN}
        ],
        needs=needs,
        in_writing=in_writing,
        language=order.language,
    )
