"""A bag of which a book is still to come: it goes as it is, or waits until all are together, as its people choose."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from django.db import transaction

from core import live
from lending import queries as lending_queries
from pickup import queries
from pickup.errors import NothingToWaitFor, OrderNotFound, WaitsForAll
from pickup.models import Order
from pickup.states import OrderState

LASTS = timedelta(days=7)
"""So long a bag waits for all of its books; then it goes as it is, for others wait for what lies in it."""


@transaction.atomic
def choose(*, order_id: int, whole: bool, now: datetime) -> Order:
    """Let a bag wait until all of its books are together (`whole`), or go as soon as what is there is packed.

    Refuses with `nothing_to_wait_for` a bag that is packed or ended, or of which nothing is to come. Whoever may see an
    order may choose.
    """
    rows = Order.objects.select_for_update(no_key=True, of=("self",)).select_related("library")
    order = rows.filter(pk=order_id).first()
    if order is None:
        raise OrderNotFound(order=order_id)
    if order.state != OrderState.PICKING or (whole and not queries.more_to_come([order])):
        raise NothingToWaitFor(order=order.pk, state=order.state)
    return set_whole(order, whole=whole, now=now)


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
    if missing := queries.more_to_come([order]).get(order.pk):
        raise WaitsForAll(count=missing, waits_until=order.whole_until.isoformat())
