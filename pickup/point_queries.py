"""What this room reads of a pickup point: its rules, windows, slots and what was asked of them. No locks, no writes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import (
    Count,
    DurationField,
    ExpressionWrapper,
    F,
    IntegerField,
    QuerySet,
)
from django.db.models.functions import Cast, Coalesce, Extract, ExtractHour, ExtractIsoWeekDay, ExtractMinute, Floor

from core.compiled import Compiled, Given
from lending.models import PickupPoint
from pickup import scheduling, windows
from pickup.errors import PointNotFound
from pickup.models import Appointment, PointRules, Slot, Window
from pickup.states import (
    COUNTED,
)


def slot_facts(slot: Slot) -> dict[str, Any]:
    """A slot as programs and refusals show it: id, start, end (RFC 3339 in the library's zone), places free."""
    zone = ZoneInfo(slot.point.library.zone)
    return {
        "id": slot.pk,
        "starts_at": slot.starts_at.astimezone(zone).isoformat(),
        "ends_at": slot.ends_at.astimezone(zone).isoformat(),
        "free": slot.capacity - slot.booked,
    }


def rules_of(point_id: int) -> PointRules:
    """The rules of a point; those of a point that nobody configured are the defaults, without appointments.

    Refuses with `unknown_pickup_point`.
    """
    return _RULES.first(point=point_id) or _no_rules(point(point_id))


def rules_at(point: PickupPoint) -> PointRules:
    """`rules_of` a point that is here; asks nothing of one that was read with its rules."""
    return point.rules if hasattr(point, "rules") else _no_rules(point)


def _no_rules(point: PickupPoint) -> PointRules:
    return PointRules(point=point, by_appointment=False)


_RULES = Compiled(lambda: PointRules.objects.select_related("point__library").filter(point_id=Given("point")))


def rules_of_many(point_ids: Collection[int]) -> dict[int, PointRules]:
    """The rules of some points by the point's id, in one query; the defaults where nobody configured any."""
    found = {rules.point_id: rules for rules in PointRules.objects.filter(point_id__in=point_ids)}
    return {pk: found.get(pk) or PointRules(point_id=pk, by_appointment=False) for pk in point_ids}


def point(point_id: int) -> PickupPoint:
    """The pickup point with its library. Refuses with `unknown_pickup_point`."""
    found = PickupPoint.objects.select_related("library__programme").filter(pk=point_id).first()
    if found is None:
        raise PointNotFound(field="pickup_point")
    return found


def past_demand(point_id: int, *, zone: ZoneInfo, since: datetime, until: datetime) -> list[scheduling.Past]:
    """How many parties wanted which time of the week at a point: numbers, nobody's name.

    Only what somebody chose or wished counts, not what they got: whom the rule gave the soonest place told nothing
    about the next ones.
    """
    told = Appointment.objects.filter(
        slot__point_id=point_id,
        state__in=COUNTED,
        why__in=[Appointment.Why.CHOSEN, Appointment.Why.WISHED, Appointment.Why.NEAREST, Appointment.Why.NEAR],
        slot__starts_at__gte=since,
        slot__starts_at__lt=until,
    )
    start = Coalesce(F("wished_at"), F("slot__starts_at"))
    hours = Floor(Extract(ExpressionWrapper(start - F("offered_at"), output_field=DurationField()), "epoch") / 3600)
    told_by = told.annotate(
        weekday=ExtractIsoWeekDay(start, tzinfo=zone),
        hour=ExtractHour(start, tzinfo=zone),
        minute=ExtractMinute(start, tzinfo=zone),
        before=Cast(hours, IntegerField()),
    )
    rows = told_by.values_list("weekday", "hour", "minute", "before", "accessible").annotate(n=Count("pk")).order_by()
    return [
        scheduling.Past(weekday - 1, 60 * hour + minute, before, accessible, n)
        for weekday, hour, minute, before, accessible, n in rows
    ]


def free_slots(point_id: int, start: datetime, end: datetime) -> QuerySet[Slot]:
    """The slots of a point that start within [start, end), full ones too, in time order."""
    return (
        Slot.objects.filter(point_id=point_id, starts_at__gte=start, starts_at__lt=end)
        .select_related("point__library")
        .order_by("starts_at")
    )


def points(**narrow: Any) -> QuerySet[PickupPoint]:
    """Pickup points with their library, also those that take no new orders."""
    return PickupPoint.objects.filter(**narrow).select_related("library")


def window_rules(point_id: int) -> list[windows.WindowRule]:
    """The windows of a point as rules that can be cut into slots."""
    return window_rules_of([point_id]).get(point_id, [])


def window_rules_of(point_ids: Collection[int]) -> dict[int, list[windows.WindowRule]]:
    """The windows of several points as rules that can be cut into slots, by point."""
    leads = dict(PointRules.objects.filter(point__in=point_ids).values_list("point_id", "lead_minutes"))
    found: dict[int, list[windows.WindowRule]] = {}
    for window in Window.objects.filter(point__in=point_ids).order_by("id"):
        lead = leads.get(window.point_id, PointRules().lead_minutes)
        found.setdefault(window.point_id, []).append(rule_of(window, lead_minutes=lead))
    return found


def rule_of(window: Window, *, lead_minutes: int) -> windows.WindowRule:
    """A window, which need not be saved, as a rule that can be cut into slots."""
    return windows.WindowRule(
        id=window.pk,
        weekday=window.weekday,
        nth=window.nth,
        date=window.date,
        opens=window.opens,
        closes=window.closes,
        slot_minutes=window.slot_minutes,
        capacity=window.capacity,
        accessible=window.accessible,
        cutoff_days=window.cutoff_days,
        cutoff_time=window.cutoff_time,
        lead_minutes=lead_minutes,
        regime=window.regime,
        session_ko=window.session_ko,
        session_en=window.session_en,
    )


def slot(slot_id: int) -> Slot:
    """A slot with its point and library."""
    return Slot.objects.select_related("point__library").get(pk=slot_id)
