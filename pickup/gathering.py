"""A bag of which a book is still to come: it goes as it is, or waits until all are together, as its people choose."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

from django.db import transaction

from core import live
from lending import queries as lending_queries
from pickup import appointments, awaited, bookings, queries, slots
from pickup.errors import NothingToWaitFor, OrderNotFound, WaitsForAll
from pickup.models import Order
from pickup.states import OrderState

if TYPE_CHECKING:
    from core.actor import Actor

LASTS = timedelta(days=7)
"""So long a bag waits for all of its books; then it goes as it is, for others wait for what lies in it."""


@transaction.atomic
def choose(*, order_id: int, whole: bool, by: Actor, now: datetime) -> Order:
    """Let a bag wait until all of its books are together (`whole`), or go as soon as what is there is packed.

    A time before the day on which the last of them is expected becomes the first free one from then on, where no other
    bag shares it. Refuses with `nothing_to_wait_for` a bag that is packed or ended, or of which nothing is to come.
    Whoever may see an order may choose.
    """
    bookings.lock_together(order_id)
    order = Order.objects.select_related("library", "patron", "appointment__slot").filter(pk=order_id).first()
    if order is None:
        raise OrderNotFound(order=order_id)
    if order.state != OrderState.PICKING or (whole and not awaited.more_to_come([order])):
        raise NothingToWaitFor(order=order.pk, state=order.state)
    set_whole(order, whole=whole, now=now)
    if whole:
        _after_its_books(order, by=by, now=now)
    return order


def _after_its_books(order: Order, *, by: Actor, now: datetime) -> None:
    promised, after = queries.live_appointment(order), awaited.not_before([order])
    if promised is None or after is None or promised.slot.starts_at >= after or promised.orders.count() > 1:
        return
    wide = bookings.wide(promised, [order])
    rooms = slots.free(point_id=order.point_id, now=now, accessible=wide, after=after, limit=1)
    for room in rooms:  # without any it keeps its time until that begins, and is moved then
        order.appointment = appointments.change(appointment_id=promised.pk, slot_id=room.pk, by=by, now=now)


def set_whole(order: Order, *, whole: bool, now: datetime) -> Order:
    """Note it on a locked order."""
    today = lending_queries.today(order.library, now)
    last = datetime.combine(today + LASTS + timedelta(days=1), time(), tzinfo=lending_queries.zone_of(order.library))
    order.whole_until = last if whole else None
    order.save(update_fields=["whole_until"])
    live.publish([f"point:{order.point_id}"], now=now)
    return order


def refuse_early(order: Order, *, now: datetime) -> None:
    """Refuse to call a bag ready whose people wait for all of its books (`waits_for_all`), while that lasts."""
    if order.whole_until is None or order.whole_until <= now:
        return
    if missing := awaited.more_to_come([order]).get(order.pk):
        raise WaitsForAll(count=missing, waits_until=order.whole_until.isoformat())
