"""Today at a glance: what waits at each hand-off of some pickup points, how old the oldest is, and what comes next.

A constant number of queries, however many points, orders and cars there are. Counts and times only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.db.models import CharField, Count, Exists, F, Max, Min, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat
from django.utils.timesince import timesince

from lending import circulation
from lending import queries as lending_queries
from lending.states import TransferState
from notifications import queries as notified
from pickup import bags, queries, sessions
from pickup.handoffs import PATIENCE, Kind, Task
from pickup.models import Note, Order, OrderLine, Slot, Visit
from pickup.sessions import SOON, Session
from pickup.states import COUNTED, HERE, OPEN_ORDER, LineState, OrderState, VisitState

if TYPE_CHECKING:
    from lending.models import Library, PickupPoint


@dataclass(frozen=True, slots=True)
class SessionToday:
    """A session of a point: parties expected and already gone, their bags and how many of those are ready or gone."""

    session: Session
    expected: int
    gone: int
    bags: int
    ready: int
    over: bool
    late: bool


@dataclass(frozen=True, slots=True)
class PointToday:
    point: PickupPoint
    tasks: list[Task]
    sessions: list[SessionToday]


@dataclass(frozen=True, slots=True)
class LibraryToday:
    """A library with its points; `tasks` are those that its points share: notes, texts, calls."""

    library: Library
    points: list[PointToday]
    tasks: list[Task]


@dataclass(frozen=True, slots=True)
class Today:
    """Everything, and the one thing to do next; None when nothing waits."""

    libraries: list[LibraryToday]
    following: Task | None
    at: datetime


@dataclass(slots=True)
class _Waiting:
    """A count that grows, with the oldest of what is counted and the soonest session that wants it."""

    count: int = 0
    oldest: datetime | None = None
    sessions: dict[Session, int] = field(default_factory=dict)

    def add(self, count: int, since: datetime | None, session: Session | None = None) -> None:
        if not count:
            return
        self.count += count
        if since is not None and (self.oldest is None or since < self.oldest):
            self.oldest = since
        if session is not None:
            self.sessions[session] = self.sessions.get(session, 0) + count


@dataclass(slots=True)
class _OfPoint:
    waiting: dict[Kind, _Waiting] = field(default_factory=dict)

    def of(self, kind: Kind) -> _Waiting:
        return self.waiting.setdefault(kind, _Waiting())


def glance(points: Sequence[PickupPoint], *, now: datetime) -> Today:
    """The day at these points (with their libraries), in their order; points of one library stand together."""
    found = {point.pk: _OfPoint() for point in points}
    zones = {point.pk: point.library.zone for point in points}
    _bags(found, zones, now=now)
    _cars(found)
    _dead_bags(found)
    coming = _sessions(points, now=now)
    shared = _shared(points, now=now)
    libraries: list[LibraryToday] = []
    for point in points:
        tasks = [_task(kind, row, point, now=now) for kind, row in found[point.pk].waiting.items() if row.count]
        mine = PointToday(point, sorted(tasks, key=_rank), coming[point.pk])
        of_library = next((one for one in libraries if one.library.pk == point.library_id), None)
        if of_library is None:
            libraries.append(LibraryToday(point.library, [mine], shared[point.library_id]))
        else:
            of_library.points.append(mine)
    everything = [task for one in libraries for point in one.points for task in point.tasks]
    everything += [task for one in libraries for task in one.tasks]
    return Today(libraries, min(everything, key=_urgency, default=None), now)


ORDER = list(Kind)


def _rank(task: Task) -> int:
    return ORDER.index(task.kind)


def _urgency(task: Task) -> tuple[bool, bool, bool, int]:
    """Who stands at the window comes first, then what is late, then what a session wants soon, then the day's order."""
    return (task.kind != Kind.HERE, not task.late, task.session is None, _rank(task))


def _task(kind: Kind, row: _Waiting, point: PickupPoint, *, now: datetime) -> Task:
    waited = row.oldest is not None and kind in PATIENCE and now - row.oldest > PATIENCE[kind]
    first = min(row.sessions, key=lambda session: session.starts_at, default=None)
    pressing = first is not None and first.starts_at - now < SOON
    age = timesince(row.oldest, now, depth=1) if row.oldest is not None else ""
    of_first = row.sessions[first] if first is not None else 0
    return Task(kind, row.count, row.oldest, age, waited or pressing, point, first, of_first)


def _bags(found: dict[int, _OfPoint], zones: dict[int, str], *, now: datetime) -> None:
    """Open orders, each as its next hand-off; and those of blocked cards, of which somebody has to decide first."""
    to_pick, packed = Q(lines__state=LineState.TO_PICK), Q(lines__state=LineState.PACKED)
    orders = (
        Order.objects.filter(point_id__in=found, state__in=OPEN_ORDER)
        .select_related("appointment__slot__window", "visit", "patron", "library")
        .annotate(
            by_appointment=F("point__rules__by_appointment"),
            left=Count("lines", filter=to_pick),
            inside=Count("lines", filter=packed),
            left_since=Min("lines__moved_at", filter=to_pick),
            packed_at=Max("lines__moved_at", filter=packed),
        )
    )
    for order in orders:
        mine, promise = found[order.point_id], queries.live_appointment(order)
        session = sessions.of(promise.slot, zones[order.point_id]) if promise is not None else None
        if bags.is_blocked(order, now=now):
            mine.of(Kind.BLOCKED).add(1, order.opened_at, session)
        if order.left:
            mine.of(Kind.FETCH).add(order.left, order.left_since, session)
        if order.left:
            mine.of(Kind.PACK).add(1, order.left_since, session)
        elif order.state == OrderState.PICKING and order.inside:
            mine.of(Kind.MARK).add(1, order.packed_at, session)
        elif order.state == OrderState.READY and session is None and order.by_appointment:
            here = order.visit is not None and order.visit.state in HERE
            if not here:
                mine.of(Kind.NO_TIME).add(1, order.ready_at)


def _cars(found: dict[int, _OfPoint]) -> None:
    here = Visit.objects.filter(point_id__in=found, state__in=HERE).values_list("point_id")
    for point_id, count, since in here.annotate(
        n=Count("pk"), since=Min("arrived_at", filter=Q(state=VisitState.WAITING))
    ).order_by():
        found[point_id].of(Kind.HERE).add(count, since)


def _dead_bags(found: dict[int, _OfPoint]) -> None:
    dead = OrderLine.objects.filter(
        order__point_id__in=found, state__in=[LineState.TO_UNPACK, LineState.WITHHELD]
    ).values_list("order__point_id")
    for point_id, count, since in dead.annotate(n=Count("pk"), since=Min("moved_at")).order_by():
        found[point_id].of(Kind.UNPACK).add(count, since)


def _sessions(points: Iterable[PickupPoint], *, now: datetime) -> dict[int, list[SessionToday]]:
    """The sessions of the local day at each point, the soonest first."""
    days = {point.pk: _day(point.library.zone, now) for point in points}
    zones = {point.pk: point.library.zone for point in points}
    coming: dict[int, list[SessionToday]] = {pk: [] for pk in days}
    if not days:
        return coming
    first, last = min(day[0] for day in days.values()), max(day[1] for day in days.values())
    of_day = Q(starts_at__gte=first, starts_at__lt=last, point_id__in=days)
    slots = [
        slot
        for slot in Slot.objects.filter(of_day).select_related("window").order_by("starts_at")
        if days[slot.point_id][0] <= slot.starts_at < days[slot.point_id][1]
    ]
    bags = Order.objects.filter(
        appointment__slot__in=[slot.pk for slot in slots],
        appointment__state__in=COUNTED,
        state__in=[*OPEN_ORDER, OrderState.HANDED_OVER],
    )
    told: dict[int, list[tuple[int, str]]] = {}
    for slot_id, appointment_id, state in bags.values_list("appointment__slot_id", "appointment_id", "state"):
        told.setdefault(slot_id, []).append((appointment_id, state))
    for point_id in days:
        mine = [(slot, sessions.of(slot, zones[point_id])) for slot in slots if slot.point_id == point_id]
        for session in sessions.in_order(one for _slot, one in mine):
            in_it = [bag for slot, one in mine if one.key == session.key for bag in told.get(slot.pk, [])]
            coming[point_id].append(_session(session, in_it, now=now))
    return coming


def _session(session: Session, bags: list[tuple[int, str]], *, now: datetime) -> SessionToday:
    parties = {appointment_id for appointment_id, _state in bags}
    still = {appointment_id for appointment_id, state in bags if state in OPEN_ORDER}
    ready = sum(state != OrderState.PICKING for _party, state in bags)
    over = session.ends_at <= now
    return SessionToday(
        session=session,
        expected=len(parties),
        gone=len(parties - still),
        bags=len(bags),
        ready=ready,
        over=over,
        late=ready < len(bags) and not over and session.starts_at - now < SOON,
    )


def _day(zone: str, now: datetime) -> tuple[datetime, datetime]:
    here = ZoneInfo(zone)
    midnight = datetime.combine(now.astimezone(here).date(), time(), tzinfo=here)
    following = datetime.combine(midnight.date() + timedelta(days=1), time(), tzinfo=here)
    return midnight, following


def _shared(points: Iterable[PickupPoint], *, now: datetime) -> dict[int, list[Task]]:
    """What all points of a library have in common. A telephone that several libraries share is told of once."""
    first: dict[int, PickupPoint] = {}
    of_sender: dict[str, int] = {}
    for point in points:
        first.setdefault(point.library_id, point)
        of_sender.setdefault(point.library.sender, point.library_id)
    waiting: dict[int, dict[Kind, _Waiting]] = {library_id: {} for library_id in first}

    def add(library_id: int, kind: Kind, count: int, since: datetime | None) -> None:
        waiting[library_id].setdefault(kind, _Waiting()).add(count, since)

    unread = Note.objects.filter(settled_at__isnull=True, order__library_id__in=first).values_list("order__library_id")
    for library_id, count, since in unread.annotate(n=Count("pk"), since=Min("written_at")).order_by():
        add(library_id, Kind.NOTES, count, since)
    for sender, count, since in notified.parked_counts(of_sender):
        add(of_sender[sender], Kind.TEXTS, count, since)
    for sender, count, since in notified.calls_due_counts(of_sender, now=now):
        add(of_sender[sender], Kind.CALLS, count, since)
    for library_id, count, since in lending_queries.untold_counts(first):
        add(library_id, Kind.TELL, count, since)
    for library_id, count, since in untold_counts(first):
        add(library_id, Kind.UNTOLD, count, since)
    return {
        library_id: sorted(
            (_task(kind, row, first[library_id], now=now) for kind, row in rows.items() if row.count), key=_rank
        )
        for library_id, rows in waiting.items()
    }


def untold(library_ids: Collection[int]) -> QuerySet[Order]:
    """Ready bags of these libraries whose collector nobody could tell: no number, or a text that failed for good."""
    named = {"order": "pk", "appointment": "appointment_id"}
    told = {f"{kind}_told": Concat(Value(f"{kind}:"), Cast(key, CharField())) for kind, key in named.items()}
    failed = notified.not_arrived().filter(Q(about=OuterRef("order_told")) | Q(about=OuterRef("appointment_told")))
    ready = queries.orders(library_id__in=library_ids, state=OrderState.READY).alias(**told)
    return ready.filter(Q(why="nobody_to_tell") | Exists(failed)).order_by("ready_at", "pk")


def untold_counts(library_ids: Collection[int]) -> Iterable[tuple[int, int, datetime]]:
    """How many such bags each library has that has any, and since when."""
    rows = untold(library_ids).order_by().values_list("library_id")
    return rows.annotate(n=Count("pk"), since=Min("ready_at"))


def counts(point: PickupPoint) -> dict[str, int]:
    """What waits for the staff of a pickup point, for the navigation: books, bags, people, and what people wrote."""
    library = Q(order__library=point.library_id)
    lines = OrderLine.objects.filter(library).aggregate(
        fetch=Count("pk", filter=Q(state=LineState.TO_PICK)),
        unpack=Count("pk", filter=Q(state__in=[LineState.TO_UNPACK, LineState.WITHHELD])),
    )
    lines["fetch"] += lending_queries.transfers(from_library=point.library_id, state=TransferState.REQUESTED).count()
    left = Q(pk__in=OrderLine.objects.filter(order__point=point, state=LineState.TO_PICK).values("order"))
    inside = Q(pk__in=OrderLine.objects.filter(order__point=point, state=LineState.PACKED).values("order"))
    bags = Order.objects.filter(point=point, state__in=OPEN_ORDER).aggregate(
        pack=Count("pk", filter=Q(state=OrderState.PICKING) & inside | left),
        shelf=Count("pk", filter=Q(state=OrderState.READY)),
    )
    here = Visit.objects.filter(point=point, state__in=HERE).count()
    sender = [point.library.sender]
    written = queries.notes_to_read(point.library_id).count() + notified.parked(sender).count()
    inbox = written + notified.calls_due(sender).count()
    beside = circulation.is_beside(point.library)
    tell = lending_queries.untold(point.library_id).count() if beside else 0
    return {**lines, **bags, "here": here, "inbox": inbox, "tell": tell, "more": inbox + lines["unpack"] + tell}
