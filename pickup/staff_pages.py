"""What every page behind the window needs: who works, at which pickup point, and what waits there."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import ngettext

from core import clock
from core.actor import Actor
from core.refusal import NotFound
from lending import auth, circulation
from lending import queries as lending_queries
from lending.errors import NotBeside
from lending.pages import around, show, signed_in
from pickup import point_queries, queries, returns, today
from pickup.errors import OrderNotFound
from pickup.models import Order
from pickup.names import whole_number

if TYPE_CHECKING:
    from lending.models import Library, PickupPoint

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Desk:
    """Who works, at which pickup point, at what moment."""

    point: PickupPoint
    by: Actor
    now: datetime

    @property
    def today(self) -> date:
        """The library's local day."""
        return self.now.astimezone(ZoneInfo(self.point.library.zone)).date()

    @property
    def context(self) -> dict[str, Any]:
        """What every staff page needs: the point, its zone, and what its forms' addresses end with."""
        zone = self.point.library.zone
        return {
            "desk": self.point,
            "zone": zone,
            "now": self.now,
            "seen_from": f"{zone} {self.now.isoformat()}",
            "at_point": f"?point={self.point.pk}",
            "at_library": f"?point={self.point.pk}&library={self.point.library_id}",
        }

    def to(self, name: str, *args: Any, **more: Any) -> str:
        """The address of a staff page for this point."""
        return f"{reverse(name, args=args)}?{urlencode({'point': self.point.pk, **more})}"


def at_desk(
    view: Callable[Concatenate[HttpRequest, Desk, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Let staff of the library of `?point=` pass, and say so to the view; without a point ask for one and go on."""

    @signed_in
    @functools.wraps(view)
    def inner(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        by = replace(Actor.of(request), channel="desk")
        mine = auth.require_any_staff(by)
        number = number_in(request, "point")
        point = point_queries.points(pk=number, library_id__in=mine).first()
        if point is None:
            if request.method == "POST" or number:
                raise NotFound
            return redirect(f"{reverse('staff')}?{urlencode({'then': request.path})}")
        return view(request, Desk(point, by, clock.now()), *args, **kwargs)

    return inner


@dataclass(frozen=True, slots=True)
class Here:
    """Who works, at which library, at what moment; `point` is the pickup point whose tabs stand above, 0 for none."""

    library: Library
    libraries: list[Library]
    by: Actor
    now: datetime
    point: int

    @property
    def today(self) -> date:
        """The library's local day."""
        return lending_queries.today(self.library, self.now)

    @property
    def context(self) -> dict[str, Any]:
        """What a page of a library needs: the library, those to choose from, and what its forms' addresses end with."""
        kept = {"point": self.point} if self.point else {}
        return {
            "library": self.library,
            "libraries": self.libraries,
            "at_point": f"?{urlencode({**kept, 'library': self.library.pk})}",
            "to_library": f"?{urlencode({**kept, 'library': ''})}",
            "zone": self.library.zone,
            "now": self.now,
            "seen_from": f"{self.library.zone} {self.now.isoformat()}",
            "today": self.today,
        }

    def to(self, name: str, *args: Any, **more: Any) -> str:
        """The address of a page of this library."""
        kept = {"point": self.point} if self.point else {}
        return f"{reverse(name, args=args)}?{urlencode({**kept, 'library': self.library.pk, **more})}"


def at_library(
    view: Callable[Concatenate[HttpRequest, Here, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Let staff of the library of `?library=` pass, or of that of `?point=`, also where there is no pickup point.

    Without either it is the first library in which they work; what is sent has to name one.
    """

    @signed_in
    @functools.wraps(view)
    def inner(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        by = replace(Actor.of(request), channel="desk")
        works = auth.require_any_staff(by)
        asked = number_in(request, "point")
        point = point_queries.points(pk=asked, library_id__in=works).first()
        if asked and point is None:
            raise NotFound
        mine = list(lending_queries.libraries().filter(pk__in=works))
        number = number_in(request, "library") or (point.library_id if point is not None else 0)
        if not number and request.method != "POST" and not request.GET.get("library") and mine:
            return redirect(f"{request.path}?{urlencode({'library': mine[0].pk})}")
        if number not in works:
            raise NotFound
        library = lending_queries.library_with_rules(number)
        here = Here(library, mine, by, clock.now(), point.pk if point is not None else 0)
        return view(request, here, *args, **kwargs)

    return with_tabs(inner)


def number_in(request: HttpRequest, name: str) -> int:
    """The id that an address names, 0 when it names none."""
    return whole_number(request.GET.get(name, ""))


def show_desk(
    request: HttpRequest, desk: Desk, template: str, context: dict[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    """A staff page, with its point and what waits there."""
    known = {"counts": today.counts(desk.point), "manages": auth.manages(desk.by, desk.point.library_id)}
    return show(request, template, {**desk.context, **known, **(context or {})}, status=status)


def show_not_used(request: HttpRequest, desk: Desk) -> HttpResponse:
    """The page of a library that keeps its own loans, where one for libraries beside another system was asked for."""
    status = NotBeside.status if request.method == "POST" else 200
    return show_desk(request, desk, "pickup/staff/not_used.html", status=status)


def with_tabs(
    view: Callable[Concatenate[HttpRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Keep the tabs of the pickup point (`?point=`) over a page that belongs to no single point."""

    @functools.wraps(view)
    def inner(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        by = Actor.of(request)
        mine = auth.staff_libraries(by) if by.is_staff else []
        point = point_queries.points(pk=number_in(request, "point"), library_id__in=mine).first()
        if point is not None:
            known = {"counts": today.counts(point), "manages": auth.manages(by, point.library_id)}
            around(request, {**Desk(point, by, clock.now()).context, **known, "frame": "pickup/staff/base.html"})
        return view(request, *args, **kwargs)

    return inner


def of_library(request: HttpRequest, name: str, library: Library, **more: int) -> str:
    """The address of a page of a library; `?point=`, whose tabs stand above it, stays."""
    point = number_in(request, "point")
    kept = {"point": point} if point else {}
    return f"{reverse(name)}?{urlencode({**kept, 'library': library.pk, **more})}"


def became(moved: int, called: int) -> list[str]:
    """What became of visits whose time fell away, in sentences; nothing of none."""
    parts = []
    if moved:
        parts.append(ngettext("%(n)s visit has a new time.", "%(n)s visits have a new time.", moved) % {"n": moved})
    if called:
        parts.append(ngettext("%(n)s is on the call list.", "%(n)s are on the call list.", called) % {"n": called})
    return parts


def undo_return_here(library: Library, return_id: int, *, by: Actor, now: datetime) -> None:
    """Undo a return at a library: of a loan, or of what the other system is told; any other is unknown."""
    if circulation.is_beside(library):
        if not lending_queries.postings().filter(pk=return_id, library=library).exists():
            raise NotFound
        returns.undo_posted(posting_id=return_id, by=by, now=now)
        return
    if not lending_queries.loans().filter(pk=return_id, copy__at_library=library).exists():
        raise NotFound
    returns.undo(loan_id=return_id, by=by, now=now)


def order_here(desk: Desk, order_id: int) -> Order:
    """An order of the desk's library; any other is unknown."""
    order = queries.orders(pk=order_id, library_id=desk.point.library_id).first()
    if order is None:
        raise OrderNotFound(order=order_id)
    return order
