"""A rehearsal: invented people come to the real window of a training library, in cars, one after the other.

It is set up and cleared with the verbs that everybody uses; no row is deleted. Cars are rows that are due at a moment,
and a sweep lets them arrive, so that a worker that dies makes them late and never makes one come twice. Locks: the
rehearsal, its cars, then everything of the library in the order of the house.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from django.db import IntegrityError, connection, transaction
from django.db.models import Exists, OuterRef, QuerySet

from core import live, nudge, sweeps
from core.actor import RULE, Actor
from core.refusal import BadInput, Refusal
from lending import patrons, practice
from lending import queries as lending_queries
from lending.reservations import Item
from pickup import arrivals, cast, lane, orders, packing, point_queries, queries
from pickup.cast import Cue, Kind
from pickup.errors import AlreadyHandedOver, RehearsalNotFound, RehearsalRunning
from pickup.models import Lane, Order, Rehearsal, RehearsalCar, Visit
from pickup.states import HERE, OPEN_ORDER, CarState, LineState, RehearsalState

if TYPE_CHECKING:
    from lending.models import Copy, Patron, PickupPoint

log = structlog.get_logger()

PACES = (10, 60)
"""In how many minutes all cars come: a quick round, or a mock hour."""

BAYS = 6
_SPACE = 0x72656865  # "rehe": the first of the two numbers of the lock, the library is the second
_DESK = replace(RULE, channel="desk")  # somebody outside notes a car that said nothing itself
_CAMERA = replace(RULE, channel="api")


@transaction.atomic
def start(*, point_id: int, minutes: int, by: Actor, now: datetime) -> Rehearsal:
    """Begin a rehearsal at a point of a training library: people, orders and bags are there, the first car comes.

    One that runs there ends, and everything that stands, lies or waits in the library is cleared away first. Without
    another place that is open nobody comes to the wrong one. Refuses a library that serves people
    (`not_a_training_library`), another pace (`invalid`), and whoever starts one at the same moment
    (`rehearsal_running`).
    """
    point = point_queries.point(point_id)
    practice.library(point.library_id)
    if minutes not in PACES:
        raise BadInput(field="minutes", known=list(PACES))
    _take_turn(point.library_id)
    for running in _locked(library_id=point.library_id, state=RehearsalState.RUNNING):
        _end(running, by=by, now=now)
    rehearsal = _begin(point, minutes, by=by, now=now)
    _lock_everything(point.library_id, by=by, now=now)
    _clear(point.library_id, by=by, now=now)
    _open_a_lane(point, by=by, now=now)
    _invite(rehearsal, point, by=by, now=now)
    nudge.ring("rehearsal started", [rehearsal.pk])
    live.publish([f"point:{point.pk}"], now=now)
    return rehearsal


@transaction.atomic
def stop(*, rehearsal_id: int, by: Actor, now: datetime) -> Rehearsal:
    """End a rehearsal before its last car: who is not served goes home, and the library is cleared. Twice is once."""
    rehearsal = _locked(pk=rehearsal_id)[0]
    if rehearsal.state == RehearsalState.RUNNING:
        _end(rehearsal, by=by, now=now)
        _lock_everything(rehearsal.library_id, by=by, now=now)
        _clear(rehearsal.library_id, by=by, now=now)
        live.publish([f"point:{rehearsal.point_id}"], now=now)
    return rehearsal


def arrive_due(*, now: datetime, rehearsal_ids: Collection[int] | None = None) -> int:
    """Let the cars come whose time it is, late ones too, each once; gives back how many came."""
    due = to_come(now=now).order_by("due_at", "pk")
    if rehearsal_ids is not None:
        due = due.filter(rehearsal__in=rehearsal_ids)
    keys = due.values_list("pk", flat=True)
    return sum(sweeps.each("cars of rehearsals", keys, lambda pk: _arrive(pk, now=now)))


def to_come(*, now: datetime) -> QuerySet[RehearsalCar]:
    """Cars whose time it is and that have not come."""
    running = RehearsalState.RUNNING
    return RehearsalCar.objects.filter(state=CarState.DUE, due_at__lte=now, rehearsal__state=running)


def finish_due(*, now: datetime) -> int:
    """End rehearsals whose cars have all come and gone; what they left behind is cleared when the next one starts."""
    coming = RehearsalCar.objects.filter(rehearsal=OuterRef("pk"), state=CarState.DUE)
    here = RehearsalCar.objects.filter(rehearsal=OuterRef("pk"), state=CarState.CAME, visit__state__in=HERE)
    over = Rehearsal.objects.filter(~Exists(coming), ~Exists(here), state=RehearsalState.RUNNING)
    keys = over.order_by("pk").values_list("pk", flat=True)
    return sum(sweeps.each("rehearsals to end", keys, lambda pk: _finish(pk, now=now)))


@transaction.atomic
def _arrive(car_id: int, *, now: datetime) -> int:
    """One car comes, unless somebody else lets it come at this moment. One that cannot come any more is left out."""
    cars = RehearsalCar.objects.select_for_update(of=("self",), skip_locked=True, no_key=True)
    found = cars.filter(pk=car_id, state=CarState.DUE, rehearsal__state=RehearsalState.RUNNING)
    car = found.select_related("rehearsal__point", "order").first()
    if car is None:
        return 0
    visit: Visit | None = None
    try:
        with transaction.atomic():
            visit = _comes(car, now=now)
    except AlreadyHandedOver:
        visit = Visit.objects.filter(orders=car.order).first()  # served before it was due
    except Refusal as refusal:
        log.info("rehearsal.car_stays_away", car=car.pk, code=refusal.code)
    if visit is None or RehearsalCar.objects.filter(visit=visit).exists():
        car.move(CarState.DROPPED, at=now, by=RULE)
        return 0
    car.move(CarState.CAME, at=now, by=RULE, visit=visit)
    return 1


def _comes(car: RehearsalCar, *, now: datetime) -> Visit:
    """The arrival, by the door that this kind of car takes."""
    cue, point = cast.OF_KIND[Kind(car.kind)], car.rehearsal.point
    bay = str((car.number - 1) % BAYS + 1) if point.layout == point.Layout.BAYS else ""
    here: dict[str, Any] = {"point_id": point.pk, "bay": bay, "now": now}
    if cue.kind == Kind.RETURN:
        return arrivals.arrive(**here, patron_id=car.patron_id, purpose="return", by=_DESK)
    if cue.kind == Kind.ELSEWHERE:
        plate = cast.plate(car.number)
        return arrivals.arrive(**here, patron_id=car.patron_id, plate=plate, by=_DESK)
    if cue.door == "api":
        return arrivals.arrive(**here, order_id=car.order_id, plate=cast.plate(car.number), by=_CAMERA)
    if cue.door == "web":
        return arrivals.arrive(**here, order_id=car.order_id, by=Actor("patron", car.patron_id, "web"))
    return arrivals.arrive(**here, order_id=car.order_id, by=Actor("collector", car.order_id, cue.door))


@transaction.atomic
def _finish(rehearsal_id: int, *, now: datetime) -> int:
    rehearsal = _locked(pk=rehearsal_id)[0]
    left = RehearsalCar.objects.filter(rehearsal=rehearsal)
    if rehearsal.state != RehearsalState.RUNNING or left.filter(state=CarState.DUE).exists():
        return 0
    if left.filter(state=CarState.CAME, visit__state__in=HERE).exists():
        return 0
    rehearsal.move(RehearsalState.ENDED, at=now, by=RULE, ended_at=now)
    live.publish([f"point:{rehearsal.point_id}"], now=now)
    return 1


# Setting up


def _take_turn(library_id: int) -> None:
    """Whoever comes second while somebody sets up is told at once; the law stands behind it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [_SPACE, library_id % 2**31])
        if not cursor.fetchone()[0]:
            raise RehearsalRunning(library=library_id)


def _begin(point: PickupPoint, minutes: int, *, by: Actor, now: datetime) -> Rehearsal:
    try:
        with transaction.atomic():
            return Rehearsal.begin(
                at=now,
                by=by,
                library_id=point.library_id,
                point=point,
                minutes=minutes,
                started_at=now,
                begun_by=by.principal,
            )
    except IntegrityError as error:
        if "pickup_one_rehearsal_at_a_time" not in str(error):
            raise
        raise RehearsalRunning(library=point.library_id) from error


def _open_a_lane(point: PickupPoint, *, by: Actor, now: datetime) -> None:
    lanes = Lane.objects.filter(point=point).order_by("name", "pk")
    first = lanes.first()
    if first is not None and not lanes.filter(open=True).exists():
        lane.open_lane(lane_id=first.pk, by=by, now=now)


def _invite(rehearsal: Rehearsal, point: PickupPoint, *, by: Actor, now: datetime) -> None:
    """The people ask for their books, and their bags are packed, but for what is special about each."""
    people = practice.people(library_id=point.library_id, parts=cast.PEOPLE, by=by, now=now)
    shelf = iter(practice.books(library_id=point.library_id))
    others = lending_queries.points(practice=True).filter(library_id=point.library_id).exclude(pk=point.pk)
    other = others.order_by("position", "pk").first()
    cars: list[dict[str, Any]] = []
    for cue in cast.CAST:
        where = other if cue.kind == Kind.ELSEWHERE else point
        if where is None:
            continue
        bags = [_bag(cue, people[part.card], where, _taken(shelf, n), by=by, now=now) for part, n in cue.people]
        cars.append(
            {
                "rehearsal": rehearsal,
                "number": len(cars) + 1,
                "kind": cue.kind,
                "due_at": now + timedelta(minutes=rehearsal.minutes) * cue.at,
                "patron": people[cue.people[0][0].card],
                "order": bags[0],
            }
        )
    RehearsalCar.begin_many(cars, at=now, by=by)


def _taken(shelf: Iterator[Copy], count: int) -> list[Copy]:
    return [next(shelf) for _ in range(count)]


def _bag(cue: Cue, patron: Patron, point: PickupPoint, books: list[Copy], *, by: Actor, now: datetime) -> Order | None:
    """The order of one person, as far as it has come by now; None for somebody who only brings books back."""
    if cue.kind == Kind.RETURN:
        ids = [copy.pk for copy in books]
        practice.lend(library_id=point.library_id, patron_id=patron.pk, copy_ids=ids, by=by, now=now)
        return None
    name, number = cue.collector
    collector = None
    if name:
        collector = patrons.collector_for(
            patron_id=patron.pk, name=name, number=number, language=patron.language, may_text=True, by=by, now=now
        )
    order = orders.request(
        patron_id=patron.pk,
        point_id=point.pk,
        items=[Item(copy.title_id) for copy in books],
        collector_id=collector.pk if collector is not None else None,
        by=replace(by, channel="phone") if name else Actor("patron", patron.pk, "web"),
        now=now,
    ).order
    if order is None:
        raise RuntimeError("the shelves of a training library have not what its people ask for")
    if cue.kind == Kind.EARLY:
        return order
    lines = list(order.lines.filter(state=LineState.TO_PICK).select_related("copy").order_by("id"))
    for place, line in enumerate(lines):
        if cue.kind == Kind.MISSING and place == 0:
            packing.not_on_shelf(line_id=line.pk, by=by, now=now)
        else:
            packing.pack(order_id=order.pk, barcode=line.copy.barcode, by=by, now=now)
    return packing.mark_ready(order_id=order.pk, by=by, now=now)


# Clearing


def _locked(**narrow: Any) -> list[Rehearsal]:
    rows = Rehearsal.objects.select_for_update(no_key=True).filter(**narrow).order_by("pk")
    found = list(rows)
    if not found and "pk" in narrow:
        raise RehearsalNotFound
    return found


def _end(rehearsal: Rehearsal, *, by: Actor, now: datetime) -> None:
    """Whoever has not come or was not served does not count, and the rehearsal is over."""
    cars = list(rehearsal.cars.select_for_update(no_key=True).order_by("pk"))
    here = set(Visit.objects.filter(rehearsal_car__in=cars, state__in=HERE).values_list("pk", flat=True))
    left = [car for car in cars if car.state == CarState.DUE or car.visit_id in here]
    RehearsalCar.move_many(left, CarState.DROPPED, at=now, by=by)
    rehearsal.move(RehearsalState.ENDED, at=now, by=by, ended_at=max(now, rehearsal.started_at))


def _lock_everything(library_id: int, *, by: Actor, now: datetime) -> None:
    """Lock what a rehearsal changes in the order of the window: people, visits, orders, titles."""
    practice.stock(library_id=library_id, count=cast.BOOKS, by=by, now=now)
    practice.lock_people(library_id=library_id)
    visits = Visit.objects.filter(point__library=library_id, state__in=HERE)
    list(visits.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    bags = Order.objects.filter(library=library_id, state__in=OPEN_ORDER)
    list(bags.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    practice.lock_titles(library_id=library_id)


def _clear(library_id: int, *, by: Actor, now: datetime) -> None:
    """Nobody stands in line, no bag waits, every book is on its shelf: with the verbs of the window and the desk."""
    for pk in _ids(Visit.objects.filter(point__library=library_id, state__in=HERE)):
        lane.leave(visit_id=pk, by=by, now=now)
    for pk in _ids(Order.objects.filter(library=library_id, state__in=OPEN_ORDER)):
        orders.cancel(order_id=pk, by=by, now=now)
    for barcode in list(queries.to_unpack(library_id).values_list("copy__barcode", flat=True)):
        packing.unpack(barcode=barcode, by=by, now=now)
    practice.tidy(library_id=library_id, by=by, now=now)


def _ids(rows: Any) -> list[int]:
    return list(rows.order_by("pk").values_list("pk", flat=True))
