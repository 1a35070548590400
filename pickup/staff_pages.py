"""Pages for librarians behind the window: fetch, pack, take back, unpack."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core import clock
from core.actor import Actor
from core.once import once
from core.refusal import NotFound, Refusal
from lending import auth, copies, loans
from lending import queries as lending_queries
from lending.pages import key_of, show, signed_in
from lending.states import HOLDING
from pickup import orders, queries, returns
from pickup.errors import NotInOrder, OrderNotFound
from pickup.forms import ScanForm
from pickup.models import Order
from pickup.states import OPEN_ORDER, LineState, OrderState

if TYPE_CHECKING:
    from lending.models import PickupPoint

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Desk:
    """Who works, at which pickup point, at what moment."""

    point: PickupPoint
    by: Actor
    now: datetime

    @property
    def context(self) -> dict[str, Any]:
        """What every staff page needs: the point, its zone, and what its forms' addresses end with."""
        return {"desk": self.point, "zone": self.point.library.zone, "at_point": f"?point={self.point.pk}"}

    def to(self, name: str, *args: Any, **more: Any) -> str:
        """The address of a staff page for this point."""
        return f"{reverse(name, args=args)}?{urlencode({'point': self.point.pk, **more})}"


def at_desk(
    view: Callable[Concatenate[HttpRequest, Desk, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Let staff of the library of `?point=` pass, and say so to the view; without a point ask for one."""

    @signed_in
    @functools.wraps(view)
    def inner(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        by = replace(Actor.of(request), channel="desk")
        mine = auth.require_any_staff(by)
        chosen = request.GET.get("point", "")
        number = int(chosen) if chosen.isascii() and chosen.isdigit() and len(chosen) < 19 else 0
        point = queries.points(pk=number, library_id__in=mine).first()
        if point is None:
            if request.method == "POST" or number:
                raise NotFound
            return redirect("staff")
        return view(request, Desk(point, by, clock.now()), *args, **kwargs)

    return inner


def show_desk(
    request: HttpRequest, desk: Desk, template: str, context: dict[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    """A staff page, with its point and what waits at its library."""
    counts = queries.staff_counts(desk.point.library)
    return show(
        request,
        template,
        {**desk.context, "counts": counts, **(context or {})},
        status=status,
    )


def order_here(desk: Desk, order_id: int) -> Order:
    """An order of the desk's library; any other is unknown."""
    order = queries.orders(pk=order_id, library_id=desk.point.library_id).first()
    if order is None:
        raise OrderNotFound(order=order_id)
    return order


@signed_in
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Where do you work today?"""
    mine = auth.require_any_staff(Actor.of(request))
    points = list(queries.points(library_id__in=mine))
    here = [{"point": point, "counts": queries.staff_counts(point.library)} for point in points]
    return show(request, "pickup/staff/home.html", {"here": here})


# Fetching and packing


@at_desk
@require_safe
def pull_list(request: HttpRequest, desk: Desk) -> HttpResponse:
    """What to fetch, in shelf order, and where each copy is."""
    lines = [{"line": line, "bag": queries.where_is(line.copy)} for line in queries.to_fetch(desk.point.library_id)]
    return show_desk(request, desk, "pickup/staff/pull_list.html", {"lines": lines})


@at_desk
@require_POST
def not_on_shelf(request: HttpRequest, desk: Desk, line_id: int) -> HttpResponse:
    """The copy could not be found: look for another one."""
    with once(desk.by, request, key=key_of(request)) as answer:
        if not queries.to_fetch(desk.point.library_id).filter(pk=line_id).exists():
            raise OrderNotFound(line=line_id)
        orders.not_on_shelf(line_id=line_id, by=desk.by, now=desk.now)
        messages.success(request, _("Noted as not on the shelf. If there is another copy, it joins the list."))
        return answer.redirect(desk.to("pull-list"))


@at_desk
@require_http_methods(["GET", "HEAD", "POST"])
def packing(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Scan a book: it goes into its bag. Below, the bags with their books."""
    form = ScanForm(request.POST if request.method == "POST" else None)
    status, hint = form.status, ""
    if request.method == "POST" and form.is_valid():
        barcode = form.cleaned_data["barcode"]
        try:
            with once(desk.by, request, key=key_of(request)) as answer:
                order_id = _bag_of(desk, barcode)
                line = orders.pack(order_id=order_id, barcode=barcode, by=desk.by, now=desk.now)
                messages.success(
                    request,
                    _("%(title)s goes into bag %(number)s.")
                    % {"title": line.copy.title.title, "number": line.order.shown},
                )
                return answer.redirect(desk.to("packing", packed=order_id) + f"#order-{order_id}")
        except Refusal as refusal:
            form.refuse(refusal)
            status, hint = refusal.status, str(refusal.facts.get("belongs_to") or "")
    bags = [_bag(order) for order in queries.open_orders(desk.point.pk)]
    context = {
        "form": form,
        "hint": hint,
        "packed": request.GET.get("packed", ""),
        "to_pack": [bag for bag in bags if bag["order"].state == OrderState.PICKING or bag["left"]],
        "ready": [bag for bag in bags if bag["order"].state == OrderState.READY and not bag["left"]],
    }
    return show_desk(request, desk, "pickup/staff/packing.html", context, status=status)


def _bag(order: Order) -> dict[str, Any]:
    lines = [line for line in order.lines.all() if line.state in {LineState.TO_PICK, LineState.PACKED}]
    left = [line for line in lines if line.state == LineState.TO_PICK]
    return {
        "order": order,
        "lines": lines,
        "left": left,
        "appointment": queries.live_appointment(order),
        "kept_to": order.keep_until and order.keep_until - timedelta(minutes=1),
    }


def _bag_of(desk: Desk, barcode: str) -> int:
    """The order at this library whose bag waits for the scanned copy."""
    copy = copies.by_barcode(barcode)
    order = queries.order_with_copy(copy_id=copy.pk, library_id=desk.point.library_id)
    if order is None:
        raise NotInOrder(field="barcode", barcode=copy.barcode, belongs_to=None)
    return order.pk


@at_desk
@require_POST
def ready(request: HttpRequest, desk: Desk, order_id: int) -> HttpResponse:
    """The bag is packed and on the pickup shelf."""
    with once(desk.by, request, key=key_of(request)) as answer:
        order = orders.mark_ready(order_id=order_here(desk, order_id).pk, by=desk.by, now=desk.now)
        messages.success(request, _("Bag %(number)s is ready. The patron is told.") % {"number": order.shown})
        return answer.redirect(desk.to("packing"))


@at_desk
@require_POST
def cancel(request: HttpRequest, desk: Desk, order_id: int) -> HttpResponse:
    """Nobody wants the bag any more: somebody said so on the phone or at the window."""
    with once(desk.by, request, key=key_of(request)) as answer:
        order = orders.cancel(order_id=order_here(desk, order_id).pk, by=desk.by, now=desk.now)
        messages.success(request, _("Order %(number)s is cancelled. Please unpack it.") % {"number": order.shown})
        return answer.redirect(desk.to("shelf"))


@at_desk
@require_safe
def slip(request: HttpRequest, desk: Desk, order_id: int) -> HttpResponse:
    """The paper on the bag: number, time, count; no name, no title."""
    order = order_here(desk, order_id)
    return show_desk(request, desk, "pickup/staff/slip.html", _bag(order))


# Coming back


@at_desk
@require_http_methods(["GET", "HEAD", "POST"])
def taking_back(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Scan a returned book: who is next, or onto the cart."""
    form = ScanForm(request.POST if request.method == "POST" else None)
    status = form.status
    if request.method == "POST" and form.is_valid():
        try:
            with once(desk.by, request, key=key_of(request)) as answer:
                back = loans.take_back(
                    barcode=form.cleaned_data["barcode"], library_id=desk.point.library_id, by=desk.by, now=desk.now
                )
                return answer.redirect(desk.to("returns", loan=back.loan.pk))
        except Refusal as refusal:
            form.refuse(refusal)
            status = refusal.status
    last = request.GET.get("loan", "")
    loan = None
    if last.isascii() and last.isdigit() and len(last) < 19:
        loan = lending_queries.loans().filter(pk=int(last), state="returned").first()
        if loan is not None and loan.copy.at_library_id != desk.point.library_id:
            loan = None
    following = loan and lending_queries.reservations().filter(copy=loan.copy, state__in=HOLDING).first()
    context = {"form": form, "loan": loan, "following": following, "bag": loan and queries.line_to_fetch(loan.copy_id)}
    return show_desk(request, desk, "pickup/staff/returns.html", context, status=status)


@at_desk
@require_POST
def undo_return(request: HttpRequest, desk: Desk, loan_id: int) -> HttpResponse:
    """The book was not returned after all."""
    with once(desk.by, request, key=key_of(request)) as answer:
        here = lending_queries.loans().filter(pk=loan_id, copy__at_library_id=desk.point.library_id)
        if not here.exists():
            raise NotFound
        returns.undo(loan_id=loan_id, by=desk.by, now=desk.now)
        messages.success(request, _("The return is undone: the book is on loan again."))
        return answer.redirect(desk.to("returns"))


@at_desk
@require_http_methods(["GET", "HEAD", "POST"])
def shelf(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Dead bags: scan each book as it leaves its bag."""
    form = ScanForm(request.POST if request.method == "POST" else None)
    status, hint = form.status, ""
    if request.method == "POST" and form.is_valid():
        barcode = form.cleaned_data["barcode"]
        try:
            with once(desk.by, request, key=key_of(request)) as answer:
                copy = copies.by_barcode(barcode)
                if not queries.to_unpack(desk.point.library_id).filter(copy=copy).exists():
                    meant = queries.order_with_copy(copy_id=copy.pk, library_id=desk.point.library_id)
                    belongs = meant.shown if meant is not None and meant.state in OPEN_ORDER else None
                    raise NotInOrder(field="barcode", barcode=copy.barcode, belongs_to=belongs)
                line = orders.unpack(barcode=barcode, by=desk.by, now=desk.now)
                messages.success(
                    request, _("%(title)s: onto the return cart, please.") % {"title": line.copy.title.title}
                )
                return answer.redirect(desk.to("shelf"))
        except Refusal as refusal:
            form.refuse(refusal)
            status, hint = refusal.status, str(refusal.facts.get("belongs_to") or "")
    lines = queries.to_unpack(desk.point.library_id)
    return show_desk(
        request, desk, "pickup/staff/shelf.html", {"form": form, "lines": lines, "hint": hint}, status=status
    )
