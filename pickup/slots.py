"""Slots: made from windows, taken and given back as counters under a law.

Taking a place is one UPDATE that counts and checks at once, and comes last in its transaction: a slot is the row that
many people want at the same moment.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import F, Q

from lending import queries as lending_queries
from pickup import windows
from pickup.errors import NoSuchSlot, SlotUnavailable
from pickup.models import PointRules, Slot
from pickup.queries import slot_facts, window_rules


@transaction.atomic
def make(*, now: datetime, point_ids: Collection[int] | None = None) -> int:
    """Cut the windows of every open point into slots up to its horizon; gives back how many are new.

    Slots that stand are left alone: people may have been promised them. Safe to run at any time and twice at once.
    """
    made = 0
    rules = PointRules.objects.filter(by_appointment=True, point__open=True).select_related("point__library")
    if point_ids is not None:
        rules = rules.filter(point_id__in=point_ids)
    for rule in rules.order_by("point_id"):
        library = rule.point.library
        calendar = lending_queries.calendar_of(library)
        zone = ZoneInfo(library.zone)
        today = now.astimezone(zone).date()
        cut = window_rules(rule.point_id)
        plans = [
            plan
            for ahead in range(rule.horizon_days + 1)
            for plan in windows.plan(cut, today + timedelta(days=ahead), zone, calendar.is_open, surge=library.surge)
            if plan.starts_at > now
        ]
        standing = set(
            Slot.objects.filter(point_id=rule.point_id, starts_at__gt=now).values_list("starts_at", flat=True)
        )
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
        made += len(new)
    return made


def take(*, slot_id: int, accessible: bool) -> bool:
    """Count one more party into an open slot, on an accessible place too if asked; False when there is no room."""
    free = Slot.objects.filter(pk=slot_id, open=True, booked__lt=F("capacity"))
    if accessible:
        free = free.filter(booked_accessible__lt=F("accessible"))
    return bool(free.update(booked=F("booked") + 1, booked_accessible=F("booked_accessible") + int(accessible)))


def give_back(*, slot_id: int, accessible: bool) -> None:
    """Count one party out again."""
    Slot.objects.filter(pk=slot_id).update(
        booked=F("booked") - 1, booked_accessible=F("booked_accessible") - int(accessible)
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


def check(*, slot_id: int, point_id: int, now: datetime, accessible: bool, ready: bool) -> Slot:
    """The slot, if it can still be asked for at this point; refuses with `slot_unavailable` and the next free ones."""
    slot = Slot.objects.filter(pk=slot_id).first()
    if slot is None:
        raise NoSuchSlot(slot=slot_id)
    why = ""
    if slot.point_id != point_id:
        why = "other_point"
    elif not slot.open:
        why = "closed"
    elif slot.starts_at <= now:
        why = "past"
    elif not ready and slot.orders_until <= now:
        why = "cutoff"
    elif slot.booked >= slot.capacity:
        why = "full"
    elif accessible and slot.booked_accessible >= slot.accessible:
        why = "no_accessible_place"
    if why:
        raise unavailable(point_id=point_id, why=why, now=now, accessible=accessible, ready=ready)
    return slot


def unavailable(*, point_id: int, why: str, now: datetime, accessible: bool, ready: bool) -> SlotUnavailable:
    """The refusal for a slot that cannot be had, with the way on: the next three that can."""
    following = free(point_id=point_id, now=now, accessible=accessible, ready=ready)
    return SlotUnavailable(field="slot", why=why, next=[slot_facts(slot) for slot in following])


def drop_old(*, before: datetime) -> int:
    """Remove slots that ended before `before` and were never promised to anybody."""
    return Slot.objects.filter(Q(ends_at__lt=before), booked=0, appointments__isnull=True).delete()[0]
