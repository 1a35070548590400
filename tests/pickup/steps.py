"""Steps of the main job, done with the verbs themselves, for tests that begin in the middle of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from core.actor import RULE, Actor
from core.compiled import ask
from lending import loans
from lending.models import Patron, PickupPoint, Title
from lending.reservations import Item
from pickup import handovers, orders, packing, queries, slots
from pickup.models import Order, Slot
from tests import rows

DESK = Actor("staff", 1, "desk")


def asked(who: Patron, at: PickupPoint, *, books: int = 1, now: datetime = rows.NOW, **more: Any) -> Order:
    """An order of some books that stand on the point's shelves."""
    return asked_for([rows.copy(at=at.library).title for _ in range(books)], who, at, now=now, **more)


def asked_for(titles: Sequence[Title], who: Patron, at: PickupPoint, *, now: datetime = rows.NOW, **more: Any) -> Order:
    """An order of these titles."""
    requested = orders.request(
        patron_id=who.pk,
        point_id=at.pk,
        items=[Item(title.pk) for title in titles],
        by=rows.patron_actor(who),
        now=now,
        **more,
    )
    assert requested.order is not None
    return requested.order


def taken(slot: Slot) -> bool:
    """Count somebody into a slot, if it has room."""
    return bool(ask(*slots.taking(slot_id=slot.pk, accessible=False)))


def asked_more(who: Patron, at: PickupPoint, *, now: datetime = rows.NOW) -> Order:
    """An order of a book that is here, asked for together with one that is lent out and stays on order."""
    here, lent = rows.copy(at=at.library), rows.copy(at=at.library)
    loans.check_out(copy_id=lent.pk, patron_id=rows.patron().pk, library_id=at.library_id, by=RULE, now=now)
    items = [Item(here.title_id), Item(lent.title_id)]
    requested = orders.request(patron_id=who.pk, point_id=at.pk, items=items, by=DESK, now=now)
    assert requested.order is not None
    return requested.order


def packed(order: Order, *, now: datetime = rows.NOW) -> Order:
    """Every book of the order in its bag."""
    for line in order.lines.select_related("copy").filter(state="to_pick"):
        packing.pack(order_id=order.pk, barcode=line.copy.barcode, by=DESK, now=now)
    return again(order)


def ready(order: Order, *, now: datetime = rows.NOW) -> Order:
    """The bag packed and marked ready."""
    packed(order, now=now)
    packing.mark_ready(order_id=order.pk, by=DESK, now=now)
    return again(order)


def handed_over(order: Order, *, now: datetime = rows.NOW, not_given: dict[str, str] | None = None) -> Order:
    """The bag given, without a car."""
    from django.db import transaction

    with transaction.atomic():
        handovers.give(order=orders.locked(order.pk), not_given=not_given or {}, by=DESK, now=now)
    return again(order)


def again(order: Order) -> Order:
    """The order as it is now."""
    return queries.orders(pk=order.pk).get()
