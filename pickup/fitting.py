"""Slots that stand already, made to follow the hours: when the switch is turned, when a day is closed or opened.

Whoever has a time keeps it here: a slot that the hours do not have any more takes nobody new, and what becomes of the
visits promised in it is their caller's to say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from core import live
from lending import queries as lending_queries
from pickup import queries, slots, windows
from pickup.models import Slot

if TYPE_CHECKING:
    from lending.calendar import Calendar
    from lending.models import Library

FITTED = [
    "open", "outside", "window", "capacity", "capacity_wanted", "accessible", "orders_until", "session_ko",
    "session_en", "ends_at",
]  # fmt: skip
"""The columns of a slot that follow the hours."""


def follow(library: Library, *, now: datetime) -> None:
    """Make the slots that the hours of a library have now, fit those that stand, and tell the pages that show them."""
    point_ids = list(queries.points(library_id=library.pk).order_by("pk").values_list("pk", flat=True))
    slots.make(point_ids=point_ids, now=now)
    fit(library, point_ids, now=now)
    live.publish({f"point:{pk}" for pk in point_ids}, now=now)


def plans(
    starts: Iterable[tuple[int, datetime]],
    cut: dict[int, list[windows.WindowRule]],
    library: Library,
    calendar: Calendar,
    *,
    on: bool,
) -> dict[tuple[int, datetime], windows.SlotPlan]:
    """The slots that the hours have on the days of these starts, by point and start."""
    zone = ZoneInfo(library.zone)
    days = {(point_id, start.astimezone(zone).date()) for point_id, start in starts}
    return {
        (point_id, plan.starts_at): plan
        for point_id, day in days
        for plan in windows.plan(cut.get(point_id, []), day, zone, calendar.is_open, surge=on)
    }


def fit(library: Library, point_ids: Collection[int], *, now: datetime) -> None:
    """Close what lies outside the hours, open again what lies inside, and give a slot the room of its new window.

    The slots are locked, for as short as may be, before anything is decided: whoever takes a place in one has either
    taken it, and it is counted, or finds it closed.
    """
    ahead = Slot.objects.filter(point__in=point_ids, starts_at__gt=now, window__isnull=False).order_by("pk")
    calendar, cut = lending_queries.calendar_of(library), queries.window_rules_of(point_ids)
    planned = plans(ahead.values_list("point_id", "starts_at"), cut, library, calendar, on=library.surge)
    standing = list(ahead.select_for_update(no_key=True))
    for slot in standing:
        _decide(slot, planned.get((slot.point_id, slot.starts_at)))
    Slot.objects.bulk_update(standing, FITTED)


def _decide(slot: Slot, plan: windows.SlotPlan | None) -> None:
    if plan is None:
        slot.outside = slot.outside or slot.open  # what staff have closed stays theirs
        slot.open = False
        return
    slot.open = slot.open or slot.outside
    slot.outside = False
    if slot.window_id == plan.window:
        return  # staff may have given this very slot other room
    slot.window_id = plan.window
    slot.capacity, slot.capacity_wanted = max(plan.capacity, slot.booked), plan.capacity
    slot.accessible = max(plan.accessible, slot.booked_accessible)
    slot.orders_until = plan.orders_until
    slot.session_ko, slot.session_en = plan.session_ko, plan.session_en
    if not slot.booked:
        slot.ends_at = plan.ends_at
