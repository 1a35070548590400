"""What a librarian says on the telephone when an order is made: number, time, place, books, and who is told where."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.utils import translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from lending import contacts
from notifications import outbox, phone
from pickup import point_queries, queries
from pickup.states import OPEN_ORDER, OrderState

if TYPE_CHECKING:
    from lending.models import Contact, Reservation
    from pickup.models import Order

NOON = time(12)


def sentences(
    *,
    order: Order | None,
    asked: Sequence[Reservation],
    contact: Contact | None,
    own: bool,
    sender: str,
    language: str,
    now: datetime,
) -> list[str]:
    """The sentences to read to a caller, in the language that the caller speaks.

    `order` is the bag that the books went into, None when none is on the shelf; `asked` are the reservations of this
    call, `contact` is who is told by `sender`, `own` whether that is the caller. No title, no name of the caller.
    """
    waiting = sum(row.copy_id is None for row in asked)
    inside = {line.reservation_id for line in order.lines.all()} if order is not None else set()
    travelling = sum(row.copy_id is not None and row.pk not in inside for row in asked)
    with translation.override(language):
        said = [_order(order, travelling, now=now)] if order is not None else []
        if travelling and (order is None or inside):
            said.append(_travelling(travelling))
        if waiting:
            said.append(_waiting(waiting, bool(said)))
        if order is not None and order.whole_until is not None and (waiting or travelling):
            said.append(_("The bag waits until all are here, a week at most."))
        said.append(_told(contact, own=own, sender=sender))
        said.append(_coming(order))
    return [sentence for sentence in said if sentence]


def is_texted(contact: Contact, sender: str) -> bool:
    """Whether a text of this sender reaches this number; else the staff call it."""
    return contact.may_text and bool(outbox.texted({(sender, contact.number)}))


def moment(at: datetime, *, zone: str, now: datetime) -> str:
    """A moment as one says it in the active language: tomorrow at 4 pm, 내일 오후 4시."""
    local, today = at.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone)).date()
    days = (local.date() - today).days
    near = {0: _("today"), 1: _("tomorrow")}
    day = near.get(days) or _("%(weekday)s, %(date)s") % {
        "weekday": date_format(local, "l"),
        "date": date_format(local, "MONTH_DAY_FORMAT"),
    }
    return _("%(day)s at %(time)s") % {"day": day, "time": clock_time(local.time())}


def clock_time(at: time) -> str:
    """A time of day as one says it in the active language: 4:15 pm, 오후 4시 15분."""
    if at == NOON:
        return _("noon")
    facts = {"hour": (at.hour - 1) % 12 + 1, "minute": f"{at.minute:02}"}
    if at < NOON:
        return (_("%(hour)s:%(minute)s am") if at.minute else _("%(hour)s am")) % facts
    return (_("%(hour)s:%(minute)s pm") if at.minute else _("%(hour)s pm")) % facts


def _order(order: Order, travelling: int, *, now: datetime) -> str:
    """The bag with its time; `travelling` books are told while it holds none."""
    count = sum(line.state in {"to_pick", "packed"} for line in order.lines.all()) or travelling
    facts = {
        "number": order.shown,
        "place": str(order.point),
        "books": ngettext("%(n)s book", "%(n)s books", count) % {"n": count},
    }
    promise = queries.live_appointment(order)
    if promise is None:
        return _("Order number %(number)s, %(place)s, %(books)s.") % facts
    when = moment(promise.arrives, zone=order.library.zone, now=now)
    return _("Order number %(number)s, %(when)s, %(place)s, %(books)s.") % {**facts, "when": when}


def _travelling(count: int) -> str:
    return ngettext(
        "%(n)s book comes from another library; you are told when it is here.",
        "%(n)s books come from another library; you are told when they are here.",
        count,
    ) % {"n": count}


def _waiting(count: int, beside_others: bool) -> str:
    if beside_others:
        said = ngettext(
            "%(n)s book is out at the moment; you are told when it is here.",
            "%(n)s books are out at the moment; you are told when they are here.",
            count,
        )
    else:
        said = ngettext(
            "The book is out at the moment; it is reserved for you, and you are told when it is here.",
            "The %(n)s books are out at the moment; they are reserved for you, and you are told when they are here.",
            count,
        )
    return said % {"n": count}


def _told(contact: Contact | None, *, own: bool, sender: str) -> str:
    if contact is None:
        return _("We have no telephone number, so please call us and ask.")
    facts = {"name": contact.name, "ends": phone.last_four(contact.number)}
    if own:
        if contacts.doors(contact).may_text and is_texted(contact, sender):
            return _("The text goes to your phone that ends in %(ends)s.") % facts
        if outbox.takes_mails(contacts.doors(contact).mail):
            return _("We mail to the address that you gave us.")
        return _("We call you on the phone that ends in %(ends)s.") % facts
    if is_texted(contact, sender):
        return _("The text goes to %(name)s, to the phone that ends in %(ends)s.") % facts
    return _("We call %(name)s on the phone that ends in %(ends)s.") % facts


def _coming(order: Order | None) -> str:
    """What the caller has to do when no time is promised yet."""
    if order is None or order.state not in OPEN_ORDER or queries.live_appointment(order) is not None:
        return ""
    if not point_queries.rules_of(order.point_id).by_appointment:
        if order.state == OrderState.READY:
            return _("You need no time: come whenever it is open.")
        return _("You need no time: come whenever it is open, once you are told that the bag is ready.")
    return _("You are told a time when the bag is ready.")
