"""What whoever collects writes to the library about an order, and that somebody there has read it."""

from __future__ import annotations

import unicodedata
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from core import live
from core.actor import Actor
from core.refusal import BadInput, NotFound, TooMany
from pickup import queries
from pickup.errors import NoOpenOrder, OrderNotFound
from pickup.models import Note, Order
from pickup.states import OPEN_ORDER

LONGEST = 300
MOST_UNREAD = 5


class TooManyNotes(TooMany):
    """Facts: most."""

    code = "too_many_notes"
    sentence = _("The library has not read your last %(most)s messages yet. If it is urgent, please call.")


@transaction.atomic
def write(*, order_id: int, text: str, by: Actor, now: datetime) -> Note:
    """Leave a sentence for the library with an open order; it shows in the inbox and at the window.

    The text is kept as one line of at most 300 characters, without control characters. Refuses an empty or longer one
    (`invalid`), an unknown order (`unknown_order`), one that is over (`no_open_order`), and a sixth unread one
    (`too_many_notes`).
    """
    said = " ".join("".join(" " if unicodedata.category(ch).startswith("C") else ch for ch in text).split())
    if not 1 <= len(said) <= LONGEST:
        raise BadInput(field="text", longest=LONGEST)
    order = Order.objects.select_for_update(no_key=True).filter(pk=order_id).first()
    if order is None:
        raise OrderNotFound(order=order_id)
    if order.state not in OPEN_ORDER:
        raise NoOpenOrder(order=order_id, state=order.state)
    if Note.objects.filter(order=order, settled_at__isnull=True).count() >= MOST_UNREAD:
        raise TooManyNotes(most=MOST_UNREAD)
    note = Note.objects.create(order=order, text=said, channel=by.channel, written_at=now)
    live.publish([f"point:{order.point_id}"], now=now)
    return note


@transaction.atomic
def settle(*, note_id: int, by: Actor, now: datetime) -> Note:
    """Somebody has read a note. Reading it twice is once."""
    note = queries.notes().select_for_update(of=("self",), no_key=True).filter(pk=note_id).first()
    if note is None:
        raise NotFound(note=note_id)
    if note.settled_at is None:
        note.settled_at, note.settled_by = max(now, note.written_at), by.principal
        note.save(update_fields=["settled_at", "settled_by"])
        live.publish([f"point:{note.order.point_id}"], now=now)
    return note
