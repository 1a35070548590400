"""The inbox of the desk: notes and texts that a person reads, people to call, people whom nobody could tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
from pickup import known_by, notes, queries, today
from pickup.staff_pages import Desk, at_desk, show_desk

if TYPE_CHECKING:
    from lending.models import Library, Patron
    from notifications.models import Call, InboundMessage, Message
    from pickup.models import Order


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the inbox: the number as people here write it, the orders that it is about, else whose number it is, and
    what was answered by itself; and its library, where several speak with the same number.
    """

    row: Any
    number: str
    orders: list[Order]
    patrons: list[Patron]
    answer: Message | None = None
    library: Library | None = None

    @property
    def seen(self) -> set[str]:
        """Those whose names it shows, as the log of looks has them."""
        whose = {order.patron_id for order in self.orders} | {patron.pk for patron in self.patrons}
        return {f"order:{order.pk}" for order in self.orders} | {f"patron:{pk}" for pk in whose if pk is not None}


@at_desk
@require_safe
def inbox(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Notes and texts that only a person understands, people to phone, people whom nobody could tell."""
    library, sender = desk.point.library, [desk.point.library.sender]
    parked = list(notified.parked(sender))
    calls_due, unreached = list(notified.calls_due(sender)), list(notified.calls_unreached(sender))
    ring = [*calls_due, *unreached]
    about = {row.about for row in parked} | {row.about for row in ring}
    numbers = {row.from_number for row in parked} | {row.number for row in ring}
    orders = known_by.orders_about(about, library_id=library.pk)
    owners = known_by.owners_of(numbers, library_id=library.pk)
    answers = notified.answers_to(parked)
    several = len(known_by.codes_of_sender(library.sender)) > 1
    of_orders = known_by.libraries_about(about, sender=library.sender) if several else {}
    of_people = known_by.homes_of(numbers, sender=library.sender) if several else {}

    def line(row: Call | InboundMessage, number: str, answer: Message | None = None) -> Line:
        theirs = orders.get(row.about, [])
        people = [] if theirs else owners.get(number, [])
        at = of_orders.get(row.about) or of_people.get(number)
        return Line(row, phone.shown(number, library.region), theirs, people, answer, at)

    unread = list(queries.notes_to_read(library.pk))
    untold = list(today.untold([library.pk]))
    collectors = queries.collectors_of(untold)
    told = {pk: phone.shown(contact.number, library.region) for pk, contact in collectors.items()}
    lists = {
        "notes": [Line(note, "", [note.order], []) for note in unread],
        "calls": [line(row, row.number) for row in calls_due],
        "unreached": [line(row, row.number) for row in unreached],
        "parked": [line(row, row.from_number, answers.get(row.pk)) for row in parked],
        "untold": [Line(order, told.get(order.pk, ""), [order], []) for order in untold],
    }
    seen = {thing for lines in lists.values() for one in lines for thing in one.seen}
    seen |= {f"inbound:{row.pk}" for row in parked} | {f"call:{row.pk}" for row in ring}
    if seen:
        access.saw(seen, purpose="inbox", by=desk.by, now=desk.now)
    return show_desk(request, desk, "pickup/staff/inbox.html", lists)


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
