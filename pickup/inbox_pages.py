"""The inbox of the desk: notes and texts that a person reads, people to call, people whom nobody could tell."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core import access
from core.once import once
from core.refusal import NotFound
from lending.pages import key_of
from notifications import calls, inbound, phone
from notifications import queries as notified
from pickup import notes, queries, today
from pickup.staff_pages import Desk, at_desk, show_desk


@at_desk
@require_safe
def inbox(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Notes and texts that only a person understands, people to phone, people whom nobody could tell."""
    library = desk.point.library
    sender = [library.sender]
    told: dict[str, list[tuple[Any, str]]] = {
        "parked": [(row, _shown(row.from_number, library.region)) for row in notified.parked(sender)],
        "calls": [(row, _shown(row.number, library.region)) for row in notified.calls_due(sender)],
        "unreached": [(row, _shown(row.number, library.region)) for row in notified.calls_unreached(sender)],
    }
    unread = list(queries.notes_to_read(library.pk))
    untold = list(today.untold([library.pk]))
    collectors = queries.collectors_of(untold)
    seen = [f"inbound:{row.pk}" for row, _number in told["parked"]]
    seen += [f"call:{row.pk}" for name in ("calls", "unreached") for row, _number in told[name]]
    seen += [f"order:{order.pk}" for order in [*untold, *(note.order for note in unread)]]
    if seen:
        access.saw(seen, purpose="inbox", by=desk.by, now=desk.now)
    context = {
        **told,
        "notes": unread,
        "untold": [
            (order, _shown(collectors[order.pk].number, library.region) if order.pk in collectors else "")
            for order in untold
        ],
    }
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


@at_desk
@require_POST
def settle_note(request: HttpRequest, desk: Desk, note_id: int) -> HttpResponse:
    """Somebody has read this note."""
    with once(desk.by, request, key=key_of(request)) as answer:
        if not queries.notes().filter(pk=note_id, order__library_id=desk.point.library_id).exists():
            raise NotFound
        note = notes.settle(note_id=note_id, by=desk.by, now=desk.now)
        messages.success(request, _("The note on %(number)s is dealt with.") % {"number": note.order.shown})
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
