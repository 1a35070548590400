"""The first page behind the window: what waits at each hand-off today, and where to go next."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import is_valid_path, reverse
from django.views.decorators.http import require_safe

from core import clock
from core.actor import Actor
from core.refusal import NotFound
from lending import auth
from lending import queries as lending_queries
from lending.pages import show, signed_in
from lending.states import TransferState
from pickup import point_queries, today
from pickup.staff_pages import Desk, number_in, show_desk


@signed_in
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Today at every pickup point of my libraries; the one where I work (`?point=`) comes first.

    A library that only rehearses is shown to whoever works there at this moment, and by itself. Who wanted another page
    (`?then=`) goes on to it with the place that they choose.
    """
    by = Actor.of(request)
    if request.user.is_staff and not auth.staff_libraries(by):  # who only looks after the service works in no library
        return redirect("admin:index")
    every = list(point_queries.points(library_id__in=auth.require_any_staff(by)))
    chosen = number_in(request, "point") or (every[0].pk if len(every) == 1 else 0)
    mine = next((point for point in every if point.pk == chosen), None)
    if chosen and mine is None:
        raise NotFound
    then = request.GET.get("then", "")
    if not is_valid_path(then) or not then.startswith(reverse("staff")):
        then = ""
    if then and mine is not None:
        return redirect(f"{then}?{urlencode({'point': mine.pk})}")
    now = clock.now()
    training = [point for point in every if point.library.training]
    serving = [point for point in every if not point.library.training]
    rehearses = mine is not None and mine.library.training
    points = training if rehearses or not serving else serving
    if mine is not None:
        points.sort(key=lambda point: (point.pk != mine.pk, point.library_id != mine.library_id))
    context: dict[str, Any] = {
        "today": today.glance(points, now=now),
        "mine": mine,
        "then": then,
        "practice": None if rehearses else next(iter(training), None),
        "travelling": lending_queries.transfers(
            from_library__in=auth.staff_libraries(by), state=TransferState.REQUESTED
        ).count(),
    }
    if mine is not None:
        return show_desk(request, Desk(mine, by, now), "pickup/staff/today.html", context)
    return show(request, "pickup/staff/today.html", context)
