"""One book that is waited for: where it stands, pause it, say until when, collect it elsewhere, wait no more.

The patron's page, and the librarian's for a caller: the same acts, each journalled with its door.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core import access, clock
from core.actor import Actor
from core.once import once
from core.refusal import NotFound
from lending import auth, reservations, wishes
from lending import queries as lending_queries
from lending.pages import key_of, show, signed_in
from lending.states import ReservationState
from pickup import turns
from pickup.forms import day_of
from pickup.names import whole_number
from pickup.staff_pages import Here, at_library

if TYPE_CHECKING:
    from lending.models import Reservation

SCREEN = "reservations"  # the purpose under which it is noted who was looked at


@signed_in
@require_safe
def mine(request: HttpRequest, reservation_id: int) -> HttpResponse:
    """One of my reservations."""
    found = _mine(request, reservation_id)
    return show(request, "pickup/reservation.html", _shown(found, now=clock.now()))


@signed_in
@require_POST
def change_mine(request: HttpRequest, reservation_id: int, act: str) -> HttpResponse:
    """Change one of my reservations; how is `act`."""
    found, by = _mine(request, reservation_id), Actor.of(request)
    with once(by, request, key=key_of(request)) as answer:
        said = _act(request, found, act, by=by, now=clock.now())
        response = answer.redirect(reverse("my") if act == "cancel" else reverse("reservation", args=[found.pk]))
    messages.success(request, said)
    return response


def _mine(request: HttpRequest, reservation_id: int) -> Reservation:
    rows = lending_queries.reservations_of(auth.require_patron(Actor.of(request)))
    return _one(rows.filter(pk=reservation_id).first())


@at_library
@require_safe
def theirs(request: HttpRequest, here: Here, reservation_id: int) -> HttpResponse:
    """A reservation of somebody who calls, or stands here."""
    found = _theirs(here, reservation_id)
    access.saw([f"patron:{found.patron_id}"], purpose=SCREEN, by=here.by, now=here.now)
    return show(request, "pickup/staff/reservation.html", {**here.context, **_shown(found, now=here.now)})


@at_library
@require_POST
def change_theirs(request: HttpRequest, here: Here, reservation_id: int, act: str) -> HttpResponse:
    """Change it for them; how is `act`."""
    found = _theirs(here, reservation_id)
    with once(here.by, request, key=key_of(request)) as answer:
        said = _act(request, found, act, by=here.by, now=here.now)
        back = here.to("patron", found.patron_id) if act == "cancel" else here.to("staff-reservation", found.pk)
        response = answer.redirect(back)
    messages.success(request, said)
    return response


def _theirs(here: Here, reservation_id: int) -> Reservation:
    served = lending_queries.patrons_of([here.library.pk])
    return _one(lending_queries.reservations().filter(pk=reservation_id, patron__in=served).first())


def _one(found: Reservation | None) -> Reservation:
    if found is None:
        raise NotFound
    return found


def _shown(found: Reservation, *, now: datetime) -> dict[str, Any]:
    today = lending_queries.today(found.pickup_point.library, now)
    points = lending_queries.points_with([found.title_id], practice=found.pickup_point.library.training)
    return {
        "wish": turns.of([found], now=now)[0],
        "free": found.state in wishes.FREE,
        "points": [point for point in points if point.pk != found.pickup_point_id],
        "today": today,
        "tomorrow": today + timedelta(days=1),
        "furthest": today + reservations.FURTHEST,
    }


def _act(request: HttpRequest, found: Reservation, act: str, *, by: Actor, now: datetime) -> str:
    change = ACTS.get(act)
    if change is None:
        raise NotFound
    return change(request, found.pk, by, now)


def _suspend(request: HttpRequest, reservation_id: int, by: Actor, now: datetime) -> str:
    until = day_of(request.POST.get("until", ""), field="until")
    wishes.suspend(reservation_id=reservation_id, until=until, by=by, now=now)
    return _("Paused. The place in line is kept.")


def _resume(request: HttpRequest, reservation_id: int, by: Actor, now: datetime) -> str:
    wishes.resume(reservation_id=reservation_id, by=by, now=now)
    return _("It waits again, at its old place in line.")


def _need(request: HttpRequest, reservation_id: int, by: Actor, now: datetime) -> str:
    typed = request.POST.get("until", "").strip()
    until = day_of(typed, field="until") if typed else None
    wishes.need_until(reservation_id=reservation_id, until=until, by=by, now=now)
    if until is None:
        return _("Saved. It waits as long as it takes.")
    return _("Saved. After this day nobody waits for it any more.")


def _collect_at(request: HttpRequest, reservation_id: int, by: Actor, now: datetime) -> str:
    point_id = whole_number(request.POST.get("point", ""))
    moved = wishes.collect_at(reservation_id=reservation_id, point_id=point_id, by=by, now=now)
    if moved.state == ReservationState.ALLOCATED:
        return _("Saved. A copy is set aside for this place.")
    return _("Saved. No copy is free for this place right now; the place in line is kept.")


def _cancel(request: HttpRequest, reservation_id: int, by: Actor, now: datetime) -> str:
    wishes.cancel(reservation_id=reservation_id, by=by, now=now)
    if by.kind == "patron":
        return _("You are no longer waiting for this book.")
    return _("The reservation is called off.")


ACTS: dict[str, Callable[[HttpRequest, int, Actor, datetime], str]] = {
    "suspend": _suspend,
    "resume": _resume,
    "need": _need,
    "point": _collect_at,
    "cancel": _cancel,
}
