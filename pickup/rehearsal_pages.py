"""The page of rehearsals: who will come, start, how it goes, the figure at the end."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from core import live
from core.actor import Actor
from core.once import once
from lending import auth
from lending.pages import key_of, show, signed_in
from pickup import cast, figures, point_queries, rehearsals
from pickup.names import whole_number
from pickup.staff_pages import Desk, at_desk, number_in, show_desk
from pickup.states import RehearsalState


@signed_in
@require_safe
def rehearsal(request: HttpRequest) -> HttpResponse:
    """Rehearsals at the training point of `?point=`; without one, or elsewhere, at the first that is mine."""
    mine = point_queries.points(library_id__in=auth.require_any_staff(Actor.of(request)), library__training=True)
    if mine.filter(pk=number_in(request, "point")).exists():
        return _at_point(request)
    first = mine.filter(open=True).order_by("position", "pk").first()
    if first is not None:
        return redirect(f"{reverse('rehearsal')}?point={first.pk}")
    return show(request, "pickup/staff/rehearsal.html", {"nowhere": True})


@at_desk
def _at_point(request: HttpRequest, desk: Desk) -> HttpResponse:
    version = live.versions([f"point:{desk.point.pk}"])[f"point:{desk.point.pk}"]  # read first: newer rows look again
    last = figures.newest(desk.point.library_id)
    told = figures.of(last) if last is not None else None
    context: dict[str, Any] = {
        "version": version,
        "told": told,
        "running": last is not None and last.state == RehearsalState.RUNNING,
        "cast": cast.CAST,
        "paces": rehearsals.PACES,
    }
    part = request.headers.get("X-Part", "") == "rehearsal"
    template = "pickup/staff/_rehearsal.html" if part else "pickup/staff/rehearsal.html"
    return show_desk(request, desk, template, {**context, "renew": part})


@at_desk
@require_POST
def start(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Begin; one that runs is ended and cleared away."""
    with once(desk.by, request, key=key_of(request)) as answer:
        minutes = whole_number(request.POST.get("minutes", ""))
        rehearsals.start(point_id=desk.point.pk, minutes=minutes, by=desk.by, now=desk.now)
        return answer.redirect(desk.to("rehearsal"))


@at_desk
@require_POST
def stop(request: HttpRequest, desk: Desk) -> HttpResponse:
    """End before the last car."""
    with once(desk.by, request, key=key_of(request)) as answer:
        running = figures.newest(desk.point.library_id)
        if running is not None:
            rehearsals.stop(rehearsal_id=running.pk, by=desk.by, now=desk.now)
        return answer.redirect(desk.to("rehearsal"))
