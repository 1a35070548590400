"""A bag that shall be collected at another pickup place: its books leave it, and go into a bag there.

Locks in the order of the house: household or patron, orders by id, titles, reservations, copies, loans, appointments,
and the slots of both places last, by id.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction

from core.actor import Actor
from lending import allocation, reservations, wishes
from lending import queries as lending_queries
from pickup import awaited, orders, queries, texts
from pickup.errors import HereAlready, NoOpenOrder
from pickup.models import Order
from pickup.states import IN_BAG, OPEN_ORDER

if TYPE_CHECKING:
    from lending.models import PickupPoint


@transaction.atomic
def collect_at(*, order_id: int, point_id: int, by: Actor, now: datetime) -> orders.Requested:
    """Collect the books of a bag at another pickup place; gives the bag there, with every reservation.

    The bag ends and its time is free for others; nothing is held against anybody. At the same library the copies stay
    set aside, packed ones lie in the old bag until they are scanned for the new one, which has a number of its own. At
    another library each book is given in line's order, and with none there yet the bag is None and `why` is `waiting`.
    Whoever collects is told. Refuses with `no_open_order`, `here_already`, and as `wishes.collect_at` does.
    """
    found = queries.orders(pk=order_id).first()
    if found is None or found.patron_id is None:
        raise NoOpenOrder(order=order_id)
    patron_id = found.patron_id
    reservations.lock_borrower(patron_id=patron_id, point_id=point_id)
    both = Order.objects.filter(patron_id=patron_id, point_id__in=[found.point_id, point_id], state__in=OPEN_ORDER)
    orders.lock_with_parties(both)
    order = orders.locked(order_id)
    if order.state not in OPEN_ORDER:
        raise NoOpenOrder(order=order.pk, state=order.state)
    if queries.is_here(order):
        raise HereAlready(order=order.pk)
    if order.point_id == point_id:
        return orders.Requested(order, [])
    ids = _reserved(order)
    allocation.lock_titles(lending_queries.reservations().filter(pk__in=ids).values_list("title_id", flat=True))
    reservations.unbag(reservation_ids=ids, by=by, now=now)
    orders.close_moved(order=order, by=by, now=now)
    for pk in sorted(ids):
        wishes.collect_at(reservation_id=pk, point_id=point_id, by=by, now=now)
    moved = list(lending_queries.reservations().filter(pk__in=ids).order_by("pk"))
    there = orders.begin_instead(moved, of=order, by=by, now=now)
    told = there or order
    texts.about_order("elsewhere" if there is not None else "elsewhere_waits", told, now=now)
    moved = list(lending_queries.reservations().filter(pk__in=ids).order_by("pk"))
    return orders.Requested(there, moved, "" if there is not None else "waiting")


def other_points(order: Order) -> list[PickupPoint]:
    """Where else the books of an order may be collected: some of them can be had there at all."""
    titles = lending_queries.reservations().filter(pk__in=_reserved(order)).values_list("title_id", flat=True)
    points = lending_queries.points(practice=order.library.training)
    if titles:
        points = lending_queries.points_with(list(titles), practice=order.library.training)
    return [point for point in points.select_related("library") if point.pk != order.point_id]


def _reserved(order: Order) -> list[int]:
    """The ids of the reservations of which the books lie in a bag, or travel to it while it holds none."""
    return [line.reservation_id for line in queries.lines_of_bag(order.pk, IN_BAG)] or awaited.on_their_way_to(order)
