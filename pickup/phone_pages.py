"""Pages for librarians on the telephone: order for a caller, call back, read what only a person understands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core import access
from core.once import once
from core.refusal import NotFound, Refusal
from lending import patrons, search
from lending import queries as lending_queries
from lending.forms import SearchForm
from lending.pages import key_of
from notifications import calls, inbound, phone
from notifications import queries as notified
from pickup import orders, queries
from pickup.forms import CardForm
from pickup.pages import asking
from pickup.staff_pages import Desk, at_desk, show_desk

FOUND = 20


# On the phone


@at_desk
@require_http_methods(["GET", "HEAD", "POST"])
def phone_orders(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Order for somebody on the phone: card, books, place, time."""
    card = request.GET.get("card", "")
    form = CardForm(request.GET if card else None)
    if not form.is_valid():
        return show_desk(request, desk, "pickup/staff/phone_orders.html", {"card_form": form})
    by = replace(desk.by, channel="phone")
    try:
        patron = patrons.by_card(card)
        if not lending_queries.patrons_of([desk.point.library_id]).filter(pk=patron.pk).exists():
            raise NotFound
    except Refusal as refusal:
        form.refuse(replace_field(refusal, "card"))
        return show_desk(request, desk, "pickup/staff/phone_orders.html", {"card_form": form}, status=refusal.status)
    if request.method == "GET":
        access.saw([f"patron:{patron.pk}"], purpose="phone-orders", by=by, now=desk.now)
    dropped = request.GET.get("drop", "")
    items = _items([text for text in request.GET.getlist("item") if text != dropped])
    asked = SearchForm(request.GET)
    q = asked.cleaned_data["q"] if asked.is_valid() else ""
    titles = Paginator(lending_queries.titles_with_availability(search.find(q)), FOUND).get_page(1) if q else None
    kept = {"card": patron.card_number, "item": [f"{title_id}:{volume}" for title_id, volume in items]}
    context = {
        "card_form": form,
        "search_form": asked,
        "q": q,
        "titles": titles,
        **desk.context,
        "counts": queries.staff_counts(desk.point.library),
        "kept": kept,
        "more": "&" + urlencode({"point": desk.point.pk, **kept}, doseq=True),
    }

    def done(requested: orders.Requested) -> str:
        if requested.order is None:
            messages.info(
                request,
                _("Noted. No copy is free at that library right now; the patron is told when the books are ready."),
            )
        else:
            number = requested.order.shown
            messages.success(request, _("The order number is %(number)s. Please say it twice.") % {"number": number})
        return desk.to("phone-orders")

    return asking(
        request, "pickup/staff/phone_orders.html", patron=patron, items=items, by=by, done=done, context=context
    )


def replace_field(refusal: Refusal, field: str) -> Refusal:
    """The same refusal, shown beside another field."""
    refusal.field = field
    return refusal


def _items(texts: list[str]) -> list[tuple[int, str]]:
    """Titles and volumes from an address: `17:` or `17:3`."""
    found = []
    for text in texts[:FOUND]:
        title_id, _colon, volume = text.partition(":")
        if title_id.isascii() and title_id.isdigit() and len(title_id) < 19:
            found.append((int(title_id), volume[:20]))
    return list(dict.fromkeys(found))


# What only a person can do


@at_desk
@require_safe
def inbox(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Texts that only a person understands, and people to phone."""
    sender, region = [desk.point.library.sender], desk.point.library.region
    context: dict[str, list[tuple[Any, str]]] = {
        "parked": [(row, _shown(row.from_number, region)) for row in notified.parked(sender)],
        "calls": [(row, _shown(row.number, region)) for row in notified.calls_due(sender)],
        "unreached": [(row, _shown(row.number, region)) for row in notified.calls_unreached(sender)],
    }
    seen = [f"inbound:{row.pk}" for row, _number in context["parked"]]
    seen += [f"call:{row.pk}" for name in ("calls", "unreached") for row, _number in context[name]]
    if seen:
        access.saw(seen, purpose="inbox", by=desk.by, now=desk.now)
    return show_desk(request, desk, "pickup/staff/inbox.html", context)


def _shown(number: str, region: str) -> str:
    """A number as people here write it; as it is when it is none, such as a withheld one."""
    try:
        return phone.display(number, region)
    except phone.NotANumber:
        return number


@at_desk
@require_POST
def settle(request: HttpRequest, desk: Desk, inbound_id: int) -> HttpResponse:
    """Somebody has dealt with this text."""
    with once(desk.by, request, key=key_of(request)) as answer:
        if not notified.parked([desk.point.library.sender]).filter(pk=inbound_id).exists():
            raise NotFound
        inbound.settle(inbound_id=inbound_id, by=desk.by, now=desk.now, why="settled_by_staff")
        return answer.redirect(desk.to("inbox"))


CALLED = {"reached": calls.reached, "unreached": calls.unreached, "again": calls.again, "dropped": calls.dropped}


@at_desk
@require_POST
def called(request: HttpRequest, desk: Desk, call_id: int, what: str) -> HttpResponse:
    """What became of a call."""
    with once(desk.by, request, key=key_of(request)) as answer:
        if what not in CALLED or calls.of_sender(call_id) != desk.point.library.sender:
            raise NotFound
        CALLED[what](call_id=call_id, by=desk.by, now=desk.now)
        return answer.redirect(desk.to("inbox"))
