"""What everybody may see without signing in: how busy it is, and the display of the lanes in the car park."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_safe

from core import clock
from lending import queries as lending_queries
from lending.pages import show
from pickup import queries, streams, waits
from pickup.models import Order, Visit
from pickup.states import OPEN_ORDER, VisitState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lending.models import PickupPoint

MOST_WAITING = 24  # numbers that fit beside each other on a screen that is read from afar


@require_safe
def now(request: HttpRequest) -> HttpResponse:
    """How busy each pickup place is."""
    return _now(request, list(lending_queries.points()), "")


@require_safe
def now_of(request: HttpRequest, library: str) -> HttpResponse:
    """How busy the pickup places of one library are."""
    found = list(lending_queries.points().filter(library__code=library))
    return _now(request, found, library) if found else redirect("now")


def _now(request: HttpRequest, points: list[PickupPoint], library: str) -> HttpResponse:
    moment = clock.now()  # and the version first: newer rows only make the page look again
    version = streams.version_of(streams.topics(**({"library_id": points[0].library_id} if library else {})))
    loads = waits.at_points(points, now=moment)
    live_at = reverse("live-now", args=[points[0].library_id]) if library else reverse("live-all")
    context = {
        "loads": [{"point": point, "load": load} for point, load in zip(points, loads, strict=True)],
        "surging": [one for one in lending_queries.surging() if one.pk in {point.library_id for point in points}],
        "at": moment,
        "library": library,
        "version": version,
        "live_at": live_at,
    }
    return show(request, f"pickup/{'_now' if _fragment(request) else 'now'}.html", context)


def _fragment(request: HttpRequest) -> bool:
    return "X-Part" in request.headers


@dataclass(frozen=True, slots=True)
class Shown:
    """A car on the display: its bags' numbers, where it is called to, when it was last called. No name, no plate."""

    visit_id: int
    numbers: list[str]
    purpose: str
    lane: str
    bay: str
    called_at: datetime | None
    recalls: int


@dataclass(frozen=True, slots=True)
class Display:
    """One pickup place on the display."""

    point: PickupPoint
    load: waits.Waiting
    called: list[Shown]
    waiting: list[Shown]
    more: int


@require_safe
def lanes(request: HttpRequest, library: str) -> HttpResponse:
    """The lane display of a library's car park, of one place if `?point=` names its code: called numbers, big."""
    found = lending_queries.library_of(library)  # a rehearsal has its display too
    practice = found is not None and found.training
    points = list(lending_queries.points(practice=practice).filter(library__code=library))
    one = [point for point in points if point.code == request.GET.get("point")]
    if not points:
        return redirect("now")
    moment = clock.now()
    version = streams.version_of(streams.topics(library_id=points[0].library_id))
    context: dict[str, Any] = {
        "library": points[0].library,
        "displays": _displays(one or points, now=moment),
        "alone": len(one or points) == 1,
        "at": moment,
        "zone": points[0].library.zone,
        "version": version,
        "live_at": reverse("live-now", args=[points[0].library_id]),
    }
    return show(request, f"pickup/{'_lanes' if _fragment(request) else 'lanes'}.html", context)


def _displays(points: Sequence[PickupPoint], *, now: datetime) -> list[Display]:
    ids = [point.pk for point in points]
    visits = list(queries.cars_here_at(ids))
    numbers: dict[int, list[str]] = {}
    of_cars = Order.objects.filter(visit__in=visits, state__in=OPEN_ORDER).order_by("number")
    for order in of_cars:
        if order.visit_id is not None:
            numbers.setdefault(order.visit_id, []).append(order.shown)
    found = []
    for point, load in zip(points, waits.at_points(points, now=now), strict=True):
        here = [visit for visit in visits if visit.point_id == point.pk]
        called = sorted(
            (_shown(visit, numbers) for visit in here if visit.state == VisitState.CALLED),
            key=lambda car: car.called_at or now,
            reverse=True,
        )
        waiting = [_shown(visit, numbers) for visit in here if visit.state == VisitState.WAITING]
        found.append(Display(point, load, called, waiting[:MOST_WAITING], max(0, len(waiting) - MOST_WAITING)))
    return found


def _shown(visit: Visit, numbers: dict[int, list[str]]) -> Shown:
    return Shown(
        visit_id=visit.pk,
        numbers=numbers.get(visit.pk, []),
        purpose=str(visit.get_purpose_display()),
        lane=visit.lane.name if visit.lane is not None else "",
        bay=visit.bay,
        called_at=visit.recalled_at or visit.called_at,
        recalls=visit.recalls,
    )
