"""Books that a bag still awaits: what travels to it, what follows it, and when all of it can be there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import date, datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Exists, OuterRef, QuerySet, Subquery

from core.among import Among
from lending import queries as lending_queries
from lending import wishes
from lending.models import Reservation
from lending.states import ReservationState
from pickup import queries
from pickup.models import Order, OrderLine
from pickup.states import IN_BAG, LineState, OrderState


def more_to_come(orders: Iterable[Order]) -> dict[int, int]:
    """How many books were asked for together with those of a bag and are still to come, by the order's id: waited for,
    or set aside for this point and not in the bag yet, since they travel first.

    Bags of which nothing is to come are left out. Two queries, however many bags.
    """
    points = {order.pk: order.point_id for order in orders if order.state == OrderState.PICKING}
    lines = OrderLine.objects.filter(Among("order_id", list(points), "bigint")).order_by()
    bags: dict[int, set[UUID]] = {}
    for pk, asking in lines.values_list("order_id", "reservation__request").distinct():
        bags.setdefault(pk, set()).add(asking)
    of_all = Among("request", set().union(*bags.values()), "uuid")
    rows = Reservation.objects.filter(of_all, state__in=(ReservationState.WAITING, ReservationState.ALLOCATED))
    awaited = Counter(
        (asking, None if state == ReservationState.WAITING else point_id)
        for asking, state, point_id in rows.values_list("request", "state", "pickup_point_id")
    )
    found = {
        pk: sum(awaited[asking, where] for asking in of_bag for where in (None, points[pk]))
        for pk, of_bag in bags.items()
    }
    return {pk: count for pk, count in found.items() if count}


def holds_books(order: Order) -> bool:
    """Whether a copy is in the bag, or to be fetched for it.

    Asks nothing of an order that is read with its lines, or with its `LINE_IN_BAG`.
    """
    if hasattr(order, "line_in_bag"):
        return order.line_in_bag is not None
    if "lines" in getattr(order, "_prefetched_objects_cache", ()):
        return any(line.state in IN_BAG for line in order.lines.all())
    return OrderLine.objects.filter(order=order.pk, state__in=IN_BAG).exists()


LINE_IN_BAG = Subquery(OrderLine.objects.filter(order=OuterRef("pk"), state__in=IN_BAG).values("pk")[:1])
"""As an annotation `line_in_bag` of orders. No `Exists`: PostgreSQL may answer that by reading all lines there are."""


def coming(orders: Iterable[Order]) -> dict[int, list[date]]:
    """The days on which the books of bags that hold none yet are expected from other libraries, by the order's id.

    Bags that hold a book, or to which none is on its way, are left out. One query, however many bags, when they are
    read with their lines as `queries.orders` does.
    """
    return {
        pk: [row.expected_on for row in rows if row.expected_on is not None]  # type: ignore[attr-defined]  # annotated
        for pk, rows in travelling(orders).items()
    }


def travelling(orders: Iterable[Order]) -> dict[int, list[Reservation]]:
    """The reservations whose books are on their way to bags that hold none yet, each with its day; see `coming`."""
    empty = {
        (order.patron_id, order.point_id): order.pk
        for order in orders
        if order.state == OrderState.PICKING and not holds_books(order)
    }
    if not empty:
        return {}
    rows = lending_queries.on_their_way(
        patron_ids={patron_id for patron_id, _point in empty if patron_id is not None},
        point_ids={point_id for _patron, point_id in empty},
    )
    found: dict[int, list[Reservation]] = {}
    for row in rows:
        if (whose := (row.patron_id, row.pickup_point_id)) in empty:
            found.setdefault(empty[whose], []).append(row)
    return {
        pk: those
        for pk, those in found.items()
        if any(row.expected_on is not None for row in those)  # type: ignore[attr-defined]
    }


def on_their_way_to(order: Order) -> list[int]:
    """The reservations whose books are on their way to a bag that holds none yet; none for any other bag."""
    return [row.pk for row in travelling([order]).get(order.pk, ())]


def following(orders: Iterable[Order]) -> dict[int, list[Reservation]]:
    """What was asked for together with the books of a bag and is in none yet, by the order's id: it waits, pauses or
    travels, and stays when the bag is called off.

    What is on its way to a bag that holds no book yet is called off with it and left out. Bags that nothing follows are
    left out. One query where nothing waits, else three, however many bags.
    """
    asked = list(orders)
    patrons = {order.patron_id for order in asked if order.patron_id is not None}
    rows = list(lending_queries.reservations().filter(Among("patron_id", patrons, "bigint"), state__in=wishes.FREE))
    if not rows:
        return {}
    travel = travelling(asked)
    requests = {pk: {row.request for row in those} for pk, those in travel.items()}
    lines = OrderLine.objects.filter(Among("order_id", [order.pk for order in asked], "bigint")).order_by()
    for pk, asking in lines.values_list("order_id", "reservation__request").distinct():
        requests.setdefault(pk, set()).add(asking)
    found = {}
    for pk, those in requests.items():
        gone = {row.pk for row in travel.get(pk, ())}
        if stay := [row for row in rows if row.request in those and row.pk not in gone]:
            found[pk] = stay
    return found


def staying(order: Order) -> int:
    """How many books stay on order when a bag is called off; see `following`."""
    return len(following([order]).get(order.pk, []))


def back_in_line(orders: Iterable[Order]) -> dict[int, list[int]]:
    """`queries.back_in_line` of orders that were read with their lines; asks nothing where every copy was found."""
    return queries.back_in_line(
        [order.pk for order in orders if any(line.state == LineState.MISSING for line in order.lines.all())]
    )


def not_before(orders: Collection[Order]) -> datetime | None:
    """The first moment of the day on which all books are expected that bags need before they can go; None where none.

    A bag that holds no book yet needs those that travel to it, one that waits for all needs those asked for with them.
    """
    days = coming(orders)
    for order in orders:
        if order.state == OrderState.PICKING and order.whole_until is not None and order.pk not in days:
            asked = order.lines.values("reservation__request")
            travel = lending_queries.on_their_way(patron_ids=[order.patron_id or 0], point_ids=[order.point_id])
            expected = [row.expected_on for row in travel.filter(request__in=asked)]  # type: ignore[attr-defined]
            if known := [day for day in expected if day is not None]:
                days[order.pk] = known
    travelling = [order for order in orders if order.pk in days]
    moments = (
        datetime.combine(max(days[order.pk]), time(), tzinfo=ZoneInfo(order.library.zone)) for order in travelling
    )
    return max(moments, default=None)


def nothing_comes() -> QuerySet[Order]:
    """Bags that were begun for books on their way, of which none comes any more."""
    held = OrderLine.objects.filter(order=OuterRef("pk"), state__in=IN_BAG)
    asked = Reservation.objects.filter(
        patron=OuterRef("patron"), pickup_point=OuterRef("point"), state=ReservationState.ALLOCATED
    )
    return Order.objects.filter(~Exists(held), ~Exists(asked), state=OrderState.PICKING)


def lost_its_copy(order: Order) -> bool:
    """Whether somebody who had a copy set aside when this bag was begun waits in line again."""
    again = Reservation.objects.filter(
        patron=order.patron_id, pickup_point=order.point_id, moved_at__gt=order.opened_at
    )
    return again.filter(state=ReservationState.WAITING).exists()
