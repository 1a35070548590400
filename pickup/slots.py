"""Slots: made from windows, taken and given back as counters under a law.

Taking a place is one UPDATE that counts and checks at once, and comes last in its transaction: a slot is the row that
many people want at the same moment.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import F, Q

from core import sweeps
from core.compiled import ask
from lending import queries as lending_queries
from lending import surge as lending_surge
from pickup import windows
from pickup.errors import NoSuchSlot, SlotUnavailable
from pickup.models import PointRules, Slot
from pickup.point_queries import rules_of, slot_facts, window_rules

if TYPE_CHECKING:
    from core.moves import Said
    from lending.models import Library, PickupPoint


NEXT = 3
"""So many free slots a refusal names."""


@dataclass(frozen=True, slots=True)
class Room:
    """A slot that can still be asked for, and how many places are left in it for the one who asks."""

    slot: Slot
    places: int


@dataclass(frozen=True, slots=True)
class Session:
    """Slots that share a session, such as the morning's; a point without sessions has one without a name."""

    name_ko: str
    name_en: str
    rooms: list[Room]


@dataclass(frozen=True, slots=True)
class Day:
    """A local day on which a point hands over: its slots with room, in time order; none of them is a full day."""

    day: date
    rooms: list[Room]

    @property
    def places(self) -> int:
        return sum(room.places for room in self.rooms)

    @property
    def sessions(self) -> list[Session]:
        """The rooms under the session they belong to, in time order."""
        of_session: dict[tuple[str, str], list[Room]] = {}
        for room in self.rooms:
            of_session.setdefault((room.slot.session_ko, room.slot.session_en), []).append(room)
        return [Session(*name, rooms) for name, rooms in of_session.items()]


def make(*, now: datetime, point_ids: Collection[int] | None = None) -> int:
    """Cut the windows of every open point into slots up to its horizon; gives back how many are new.

    Slots that stand are left alone: people may have been promised them. Safe to run at any time and twice at once.
    """
    rules = PointRules.objects.filter(by_appointment=True, point__open=True).select_related("point")
    if point_ids is not None:
        rules = rules.filter(point_id__in=point_ids)
    by_point = {rule.point_id: rule for rule in rules.order_by("point_id")}
    return sum(sweeps.each("slots to make", by_point, lambda point_id: _make_at(by_point[point_id], now=now)))


def _make_at(rule: PointRules, *, now: datetime) -> int:
    library = lending_surge.lock(rule.point.library_id)  # so that nobody turns the switch between looking and making
    plans = ahead(rule, window_rules(rule.point_id), library, now=now)
    standing = set(Slot.objects.filter(point_id=rule.point_id, starts_at__gt=now).values_list("starts_at", flat=True))
    new = [plan for plan in plans if plan.starts_at not in standing]
    Slot.objects.bulk_create(
        (
            Slot(
                point_id=rule.point_id,
                window_id=plan.window,
                starts_at=plan.starts_at,
                ends_at=plan.ends_at,
                orders_until=plan.orders_until,
                capacity=plan.capacity,
                capacity_wanted=plan.capacity,
                accessible=plan.accessible,
                session_ko=plan.session_ko,
                session_en=plan.session_en,
            )
            for plan in new
        ),
        ignore_conflicts=True,
    )
    return len(new)


def ahead(
    rule: PointRules, cut: Iterable[windows.WindowRule], library: Library, *, now: datetime
) -> list[windows.SlotPlan]:
    """The slots into which these windows are cut from now up to the point's horizon."""
    calendar, zone = lending_queries.calendar_of(library), ZoneInfo(library.zone)
    today, cut = now.astimezone(zone).date(), list(cut)
    return [
        plan
        for days_ahead in range(rule.horizon_days + 1)
        for plan in windows.plan(cut, today + timedelta(days=days_ahead), zone, calendar.is_open, surge=library.surge)
        if plan.starts_at > now
    ]


def taking(*, slot_id: int, accessible: bool) -> Said:
    """The statement that counts one more party into an open slot, on an accessible place too if asked.

    It gives no row when there is no room.
    """
    wide = int(accessible)
    taken = (
        "UPDATE pickup_slot SET booked = booked + 1, booked_accessible = booked_accessible + %s"
        " WHERE id = %s AND open AND booked < capacity AND (%s = 0 OR booked_accessible < accessible)"
        " RETURNING id"
    )
    return taken, [wide, slot_id, wide]


def widen(*, slot_id: int) -> bool:
    """Let a party that is counted in a slot take an accessible place of it; False where none is left."""
    wider = (
        "UPDATE pickup_slot SET booked_accessible = booked_accessible + 1"
        " WHERE id = %s AND booked_accessible < accessible RETURNING id"
    )
    return bool(ask(wider, [slot_id]))


@dataclass(frozen=True, slots=True)
class Wanted:
    """So many places of a slot at once, so many of them accessible."""

    places: int
    accessible: int


def take_many(wanted: Mapping[int, Wanted]) -> dict[int, int]:
    """Count parties into open slots, by the slot's id: into each slot all that are wanted there, or none.

    Gives back the first of the places taken (from 1) of each slot that had room for all of them. One statement, and
    slots are locked in the order of their ids, so that two of them cannot lock each other out.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE pickup_slot AS slot
            SET booked = slot.booked + wanted.places, booked_accessible = slot.booked_accessible + wanted.accessible
            FROM (
                SELECT own.id, asked.places, asked.accessible
                FROM unnest(%s::bigint[], %s::int[], %s::int[]) AS asked (id, places, accessible)
                JOIN pickup_slot own ON own.id = asked.id ORDER BY own.id FOR NO KEY UPDATE OF own
            ) AS wanted
            WHERE slot.id = wanted.id AND slot.open AND slot.booked + wanted.places <= slot.capacity
                AND (wanted.accessible = 0 OR slot.booked_accessible + wanted.accessible <= slot.accessible)
            RETURNING slot.id, slot.booked - wanted.places + 1
            """,
            [
                list(wanted),
                [one.places for one in wanted.values()],
                [one.accessible for one in wanted.values()],
            ],
        )
        return dict(cursor.fetchall())


def give_back(*, slot_id: int, accessible: bool) -> None:
    """Count one party out again. Where fewer places are wanted than were booked, the place is not there any more."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE pickup_slot SET booked = booked - 1, booked_accessible = booked_accessible - %(wide)s,
                accessible = LEAST(accessible,
                    GREATEST(COALESCE(accessible_wanted, accessible), booked_accessible - %(wide)s)),
                capacity = LEAST(capacity, GREATEST(
                    capacity_wanted, booked - 1, CASE WHEN accessible_wanted IS NULL THEN accessible ELSE 0 END))
            WHERE id = %(slot)s
            """,
            {"slot": slot_id, "wide": int(accessible)},
        )


def free(
    *,
    point_id: int,
    now: datetime,
    limit: int = 3,
    accessible: bool = False,
    after: datetime | None = None,
    ready: bool = False,
) -> list[Slot]:
    """The next slots of a point with room, soonest first.

    `after` is the earliest start wanted. For a bag that is already packed (`ready`) the order's cut-off does not
    matter, only that the slot has not begun.
    """
    rooms = Slot.objects.filter(point_id=point_id, open=True, booked__lt=F("capacity"))
    rooms = rooms.filter(starts_at__gt=now) if ready else rooms.filter(orders_until__gt=now)
    if accessible:
        rooms = rooms.filter(booked_accessible__lt=F("accessible"))
    if after is not None:
        rooms = rooms.filter(starts_at__gte=after)
    return list(rooms.select_related("point__library").order_by("starts_at")[:limit])


def days(
    *, point_id: int, now: datetime, accessible: bool = False, after: datetime | None = None, ready: bool = False
) -> list[Day]:
    """The days ahead on which a point hands over, full ones too; what `free` says of `after` and `ready` holds."""
    ahead = Slot.objects.filter(point_id=point_id, open=True).select_related("point__library").order_by("starts_at")
    ahead = ahead.filter(starts_at__gt=now) if ready else ahead.filter(orders_until__gt=now)
    if after is not None:
        ahead = ahead.filter(starts_at__gte=after)
    found: dict[date, list[Room]] = {}
    for slot in ahead:
        rooms = found.setdefault(slot.starts_at.astimezone(ZoneInfo(slot.point.library.zone)).date(), [])
        places = _places(slot, accessible=accessible)
        if places > 0:
            rooms.append(Room(slot, places))
    return [Day(day, rooms) for day, rooms in found.items()]


def earliest(*, point_ids: Collection[int], now: datetime, accessible: bool = False) -> dict[int, Slot]:
    """The next slot with room that can still be ordered for, by the point's id; points without any are left out."""
    rooms = Slot.objects.filter(point_id__in=point_ids, open=True, booked__lt=F("capacity"), orders_until__gt=now)
    if accessible:
        rooms = rooms.filter(booked_accessible__lt=F("accessible"))
    first = rooms.select_related("point__library").order_by("point_id", "starts_at").distinct("point_id")
    return {slot.point_id: slot for slot in first}


def _places(slot: Slot, *, accessible: bool) -> int:
    left = slot.capacity - slot.booked
    return min(left, slot.accessible - slot.booked_accessible) if accessible else left


def check(
    *,
    slot_id: int,
    point: PickupPoint,
    now: datetime,
    accessible: bool,
    ready: bool,
    has_place: bool = False,
    after: datetime | None = None,
    slot: Slot | None = None,
    instead_of: int | None = None,
) -> Slot:
    """The `slot`, if it can still be asked for at this point, which comes with it; read here where it is not known.

    Refuses with `slot_unavailable` and the next free ones, without the slot that it would be `instead_of`.
    `has_place`: the party holds a place of it already and joins there, so that only the room does not matter. Before
    `after` the books are not here yet.
    """
    slot = slot or Slot.objects.filter(pk=slot_id).first()
    if slot is None:
        raise NoSuchSlot(slot=slot_id)
    why = ""
    if slot.point_id != point.pk:
        why = "other_point"
    elif not slot.open:
        why = "closed"
    elif slot.starts_at <= now:
        why = "past"
    elif not ready and slot.orders_until <= now:
        why = "cutoff"
    elif after is not None and slot.starts_at < after:
        why = "travels"
    elif has_place:
        pass
    elif slot.booked >= slot.capacity:
        why = "full"
    elif accessible and slot.booked_accessible >= slot.accessible:
        why = "no_accessible_place"
    if why:
        raise unavailable(
            point_id=point.pk,
            why=why,
            now=now,
            accessible=accessible,
            ready=ready,
            after=after,
            instead_of=instead_of,
        )
    slot.point = point
    return slot


def unavailable(
    *,
    point_id: int,
    why: str,
    now: datetime,
    accessible: bool,
    ready: bool,
    after: datetime | None = None,
    instead_of: int | None = None,
) -> SlotUnavailable:
    """The refusal for a slot that cannot be had, with the way on: the next three that can.

    Not the one that the party has; nor, for bags that are packed, one that begins before anybody could come.
    """
    if ready:
        soonest = now + timedelta(minutes=rules_of(point_id).lead_minutes)
        after = max(after or soonest, soonest)
    rooms = free(point_id=point_id, now=now, accessible=accessible, ready=ready, after=after, limit=NEXT + 1)
    following = [slot for slot in rooms if slot.pk != instead_of][:NEXT]
    return SlotUnavailable(field="slot", why=why, next=[slot_facts(slot) for slot in following])


def drop_old(*, before: datetime) -> int:
    """Remove slots that ended before `before` and were never promised to anybody."""
    return Slot.objects.filter(Q(ends_at__lt=before), booked=0, appointments__isnull=True).delete()[0]
