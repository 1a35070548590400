"""The board at the window: who is here, call, hand over, put back, left, undo; and one scan, one tap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from core import access
from core.once import once
from core.refusal import NotFound
from lending.accounts import read_card
from lending.pages import key_of
from pickup import arrivals, board, lane, queries
from pickup.errors import VisitNotFound
from pickup.forms import FindForm
from pickup.staff_pages import Desk, at_desk, order_here, show_desk
from pickup.states import IN_BAG

if TYPE_CHECKING:
    from pickup.models import Order

KEEP = "keep-"  # the fields that name a book which stays here: keep-<order number>-<barcode>


@at_desk
@require_safe
def lane_board(request: HttpRequest, desk: Desk) -> HttpResponse:
    """The board; only its changing part for the page's own question."""
    fragment = request.headers.get("HX-Request") == "true"
    context = _board(desk)
    if fragment:
        return show_desk(request, desk, "pickup/staff/_board.html", context)
    form = FindForm(request.GET if request.GET.get("number") else None)
    found = _found(desk, form) if form.is_valid() else []
    if form.is_bound and form.is_valid() and not found:
        form.add_error(
            "number", _("No open order here has this number, card or book. Please check it, or pack it first.")
        )
    _note_look(desk, context["board"], found)
    return show_desk(
        request,
        desk,
        "pickup/staff/lane.html",
        {**context, "form": form, "found": found},
        status=404 if form.errors else 200,
    )


def _board(desk: Desk) -> dict[str, Any]:
    return {"board": board.snapshot(point_id=desk.point.pk, now=desk.now)}


def _note_look(desk: Desk, shown: board.Board, found: list[Order]) -> None:
    """Note whose names the page shows: of the bags found and of the cars at the window."""
    named = {order.patron_id for order in found}
    bags = [bag.order_id for car in shown.called for bag in car.bags]
    if bags:
        named.update(queries.orders(pk__in=bags).values_list("patron_id", flat=True))
    if named:
        access.saw([f"patron:{patron_id}" for patron_id in named], purpose="lane", by=desk.by, now=desk.now)


def _found(desk: Desk, form: FindForm) -> list[Order]:
    typed = "".join(form.cleaned_data["number"].split())
    a_book = Q(lines__copy__barcode=typed, lines__state__in=IN_BAG)
    same = Q(number=form.as_order_number) | Q(patron__card_number=read_card(typed) or None) | a_book
    return list(queries.open_orders(desk.point.pk).filter(same).distinct())


@at_desk
@require_POST
def call_next(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Call who is next, to a lane where there are lanes."""
    chosen = request.POST.get("lane", "")
    lane_id = int(chosen) if chosen.isascii() and chosen.isdigit() and len(chosen) < 19 else None
    with once(desk.by, request, key=key_of(request)) as answer:
        lane.call_next(point_id=desk.point.pk, lane_id=lane_id, by=desk.by, now=desk.now)
        return answer.redirect(desk.to("lane"))


@at_desk
@require_POST
def set_lane(request: HttpRequest, desk: Desk, lane_id: int, what: str) -> HttpResponse:
    """Open or close a lane of this point."""
    with once(desk.by, request, key=key_of(request)) as answer:
        if not desk.point.lanes.filter(pk=lane_id).exists():
            raise NotFound
        change = lane.open_lane if what == "open" else lane.close_lane
        change(lane_id=lane_id, by=desk.by, now=desk.now)
        return answer.redirect(desk.to("lane"))


@at_desk
@require_POST
def serve(request: HttpRequest, desk: Desk) -> HttpResponse:
    """The bag that was scanned goes out of the window."""
    with once(desk.by, request, key=key_of(request)) as answer:
        handed = lane.serve(
            point_id=desk.point.pk, order_number=request.POST.get("order_number", "")[:20], by=desk.by, now=desk.now
        )
        _say_given(request, handed)
        return answer.redirect(desk.to("lane"))


@at_desk
@require_POST
def arrive(request: HttpRequest, desk: Desk, order_id: int) -> HttpResponse:
    """Somebody is here who did not tell us by themselves."""
    with once(desk.by, request, key=key_of(request)) as answer:
        order = order_here(desk, order_id)
        arrivals.arrive(point_id=desk.point.pk, order_id=order.pk, by=desk.by, now=desk.now)
        messages.success(request, _("%(number)s is in the line.") % {"number": order.shown})
        return answer.redirect(desk.to("lane"))


@at_desk
@require_POST
def hand_over(request: HttpRequest, desk: Desk, visit_id: int) -> HttpResponse:
    """Everything ready goes out of the window, but for the books that are kept back."""
    kept: dict[str, dict[str, str]] = {number[:20]: {} for number in request.POST.getlist("bag")}
    for name, reason in request.POST.items():
        number, _dash, barcode = name.removeprefix(KEEP).partition("-")
        if name.startswith(KEEP) and number in kept and reason:
            kept[number][barcode] = str(reason)[:40]
    with once(desk.by, request, key=key_of(request)) as answer:
        _check_here(desk, visit_id)
        bags = [lane.HandOver(number, not_given) for number, not_given in kept.items()]
        handed = lane.hand_over(visit_id=visit_id, orders=bags, by=desk.by, now=desk.now)
        _say_given(request, handed)
        return answer.redirect(desk.to("lane"))


ACTS = {"put-back": lane.put_back, "leave": lane.leave, "undo": lane.undo}


@at_desk
@require_POST
def visit_act(request: HttpRequest, desk: Desk, visit_id: int, what: str) -> HttpResponse:
    """Back into the line, left, or undone."""
    with once(desk.by, request, key=key_of(request)) as answer:
        _check_here(desk, visit_id)
        if what not in ACTS:
            raise NotFound
        ACTS[what](visit_id=visit_id, by=desk.by, now=desk.now)
        return answer.redirect(desk.to("lane"))


def _check_here(desk: Desk, visit_id: int) -> None:
    if not desk.point.visits.filter(pk=visit_id).exists():
        raise VisitNotFound(visit=visit_id)


def _say_given(request: HttpRequest, handed: lane.HandedOver) -> None:
    given = sum(1 for one in handed.given if not one.reason)
    kept = len(handed.given) - given
    said = ngettext("%(n)s book handed over.", "%(n)s books handed over.", given) % {"n": given}
    if kept:
        said += " " + ngettext("%(n)s stays here.", "%(n)s stay here.", kept) % {"n": kept}
    messages.success(request, said)
