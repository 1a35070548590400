"""Slots that stand already, made to follow the hours: when the switch is turned, a day closed, a window changed.

Whoever has a time keeps it here: a slot that the hours do not have any more takes nobody new, and what becomes of the
visits promised in it is their caller's to say.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.db.models import Q

from core import live, sweeps
from lending import queries as lending_queries
from lending import surge as lending_surge
from pickup import point_queries, slots, windows
from pickup.models import PointRules, Slot

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from lending.calendar import Calendar
    from lending.models import Library

FITTED = [
    "open", "outside", "beyond", "window", "capacity", "capacity_wanted", "accessible", "accessible_wanted",
    "orders_until", "session_ko", "session_en", "ends_at",
]  # fmt: skip
"""The columns of a slot that follow the hours."""

_VALUES = [field.attname for field in Slot._meta.concrete_fields if field.name in FITTED]

NOWHERE: frozenset[int | None] = frozenset()


@dataclass(frozen=True, slots=True)
class Fit:
    """A slot that stands, and the same slot as the hours have it; neither is saved."""

    was: Slot
    becomes: Slot

    @property
    def differs(self) -> bool:
        return any(getattr(self.was, name) != getattr(self.becomes, name) for name in _VALUES)


def follow(library: Library, *, now: datetime) -> None:
    """Make the slots that the hours of a library have now, fit those that stand, and tell the pages that show them."""
    point_ids = list(point_queries.points(library_id=library.pk).order_by("pk").values_list("pk", flat=True))
    follow_at(library, point_ids, now=now)


def follow_due(*, now: datetime) -> int:
    """`follow` for each library whose slots are not what its zone, days and windows make; gives back how many.

    Whoever changes a library where lending alone is known, such as its zone, leaves it to this.
    """
    ids = sorted(set(point_queries.points().values_list("library_id", flat=True)))
    return sum(sweeps.each("slots to fit", ids, lambda library_id: _follow_if_due(library_id, now=now)))


def _follow_if_due(library_id: int, *, now: datetime) -> bool:
    library = lending_surge.lock(library_id)
    point_ids = list(point_queries.points(library_id=library_id).order_by("pk").values_list("pk", flat=True))
    looked = _fits(_ahead(point_ids, now), library, _windows_of(point_ids), _reach_of(point_ids, library, now=now))
    if due := any(one.differs for one in looked):
        follow_at(library, point_ids, now=now)
    return due


def follow_at(
    library: Library, point_ids: Collection[int], *, now: datetime, anew: Container[int | None] = NOWHERE
) -> list[Slot]:
    """`follow` for some points of a library; see `fit` for `anew`, and for what is given back."""
    slots.make(point_ids=point_ids, now=now)
    changed = fit(library, point_ids, anew=anew, now=now)
    live.publish({f"point:{pk}" for pk in point_ids}, now=now)
    return changed


def release(window_ids: Collection[int], *, now: datetime) -> None:
    """Close the slots to come of windows that are about to go; `fit` opens those again that other windows have."""
    going = Slot.objects.filter(window__in=window_ids, starts_at__gt=now, open=True)
    list(going.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    going.update(open=False, outside=True)


def plans(
    starts: Iterable[tuple[int, datetime]],
    cut: Mapping[int, list[windows.WindowRule]],
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


def fit(
    library: Library, point_ids: Collection[int], *, now: datetime, anew: Container[int | None] = NOWHERE
) -> list[Slot]:
    """Close what lies outside the hours or beyond the horizon, open again what does not, and give a slot the room of
    its new window.

    A slot that stays with its window keeps its room, which may be its own, unless the window is named in `anew`. Room
    never falls below what is promised; what is wanted is noted, and comes when places are given back.
    The slots are locked, for as short as may be, before anything is decided: whoever takes a place in one has either
    taken it, and it is counted, or finds it closed or full. Gives back the slots that became other.
    """
    reach = _reach_of(point_ids, library, now=now)
    looked = _fits(_ahead(point_ids, now), library, _windows_of(point_ids), reach, anew=anew, lock=True)
    changed = [one.becomes for one in looked if one.differs]
    Slot.objects.bulk_update(changed, FITTED)
    return changed


def _windows_of(point_ids: Collection[int]) -> Mapping[int, list[windows.WindowRule]]:
    promising = PointRules.objects.filter(point__in=point_ids, by_appointment=True).values_list("point_id", flat=True)
    return point_queries.window_rules_of(list(promising))  # elsewhere windows are hours to come in, without any slot


def horizon(rules: PointRules, library: Library, *, now: datetime) -> datetime:
    """The end of the last local day that can be booked."""
    following = lending_queries.today(library, now) + timedelta(days=rules.horizon_days + 1)
    return datetime.combine(following, time(), tzinfo=ZoneInfo(library.zone))


def _reach_of(point_ids: Collection[int], library: Library, *, now: datetime) -> dict[int, datetime]:
    of_points = PointRules.objects.filter(point__in=point_ids)
    return {rules.point_id: horizon(rules, library, now=now) for rules in of_points}


def look(
    library: Library,
    rules: PointRules,
    cut: list[windows.WindowRule],
    *,
    now: datetime,
    anew: Container[int | None] = NOWHERE,
) -> list[Fit]:
    """What `fit` would do to the slots of a point if these were its rules and windows; nothing is locked or saved."""
    reach = {rules.point_id: horizon(rules, library, now=now)}
    return _fits(_ahead([rules.point_id], now), library, {rules.point_id: cut}, reach, anew=anew)


def _ahead(point_ids: Collection[int], now: datetime) -> QuerySet[Slot]:
    """What was made by hand belongs to no hours; what was closed here may belong to a window that is gone."""
    made = Q(window__isnull=False) | Q(outside=True) | Q(beyond=True)
    return Slot.objects.filter(made, point__in=point_ids, starts_at__gt=now).order_by("pk")


def _fits(
    ahead: QuerySet[Slot],
    library: Library,
    cut: Mapping[int, list[windows.WindowRule]],
    reach: Mapping[int, datetime],
    *,
    anew: Container[int | None] = NOWHERE,
    lock: bool = False,
) -> list[Fit]:
    calendar = lending_queries.calendar_of(library)
    planned = plans(ahead.values_list("point_id", "starts_at"), cut, library, calendar, on=library.surge)
    standing = list(ahead.select_for_update(no_key=True) if lock else ahead)
    return [
        Fit(
            slot,
            _decided(slot, planned.get((slot.point_id, slot.starts_at)), reach=reach.get(slot.point_id), anew=anew),
        )
        for slot in standing
    ]


def _decided(slot: Slot, plan: windows.SlotPlan | None, *, reach: datetime | None, anew: Container[int | None]) -> Slot:
    slot = copy(slot)
    ours = slot.open or slot.outside or slot.beyond  # what staff have closed stays theirs
    slot.outside = ours and plan is None
    slot.beyond = ours and plan is not None and reach is not None and slot.starts_at >= reach
    slot.open = ours and not slot.outside and not slot.beyond
    if plan is None:
        return slot
    slot.orders_until = plan.orders_until
    slot.session_ko, slot.session_en = plan.session_ko, plan.session_en
    if not slot.booked:
        slot.ends_at = plan.ends_at
    if slot.window_id == plan.window and plan.window not in anew:
        return slot  # staff may have given this very slot other room
    slot.window_id = plan.window
    slot.capacity, slot.capacity_wanted = max(plan.capacity, slot.booked), plan.capacity
    slot.accessible, slot.accessible_wanted = max(plan.accessible, slot.booked_accessible), plan.accessible
    return slot
