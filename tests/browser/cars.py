"""Puts a library of its own with cars into a running product."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.product import Running

PASSWORD = "quiet please"  # of tests.rows.staff


@dataclass(frozen=True)
class Car:
    """A ready bag: its number as it is printed, its place, who it is for."""

    order: int
    shown: str
    place: str
    card: str
    barcodes: list[str]
    visit: int | None


@dataclass(frozen=True)
class Place:
    """A pickup point of its own, with a librarian who works there."""

    library: str
    point: int
    code: str
    username: str
    cars: list[Car]


def place(product: Running, *, layout: str = "file", cars: int = 1, books: int = 2, here: int = 0) -> Place:
    """Make it in a running product: so many cars with so many books each, the first so many of them here in line.

    In a single file lane `1` is open.
    """
    said = product.shell(f"from tests.browser import cars; cars.main({layout!r}, {cars}, {books}, {here})")
    told: dict[str, Any] = json.loads(said)
    return Place(**{**told, "cars": [Car(**car) for car in told["cars"]]})


def main(layout: str, count: int, books: int, here: int) -> None:
    """Make it with the database of this process; print who they are as JSON."""
    from core import clock
    from lending.models import Library
    from pickup import arrivals
    from tests import rows
    from tests.pickup import steps

    rows.leave_out(1 + 1000 * Library.objects.count())

    now = clock.now() - timedelta(minutes=count + 5)
    library = rows.library(programme=rows.programme(volumes=100))
    names = [f"{letter}{number}" for letter in "ABCDEFGH" for number in range(1, 10)]
    point = rows.point(library, layout=layout, rules={"by_appointment": False, "bag_places": names})
    if layout == "file":
        rows.lane(point, name="1")
    cars = []
    for number in range(count):
        patron = rows.patron(library)
        order = steps.ready(steps.asked(patron, point, books=books, now=now), now=now)
        visit = None
        if number < here:
            arrived = now + timedelta(minutes=number)
            bay = str(number + 1) if layout == "bays" else ""
            visit = arrivals.arrive(point_id=point.pk, order_id=order.pk, bay=bay, by=steps.DESK, now=arrived).pk
        barcodes = [line.copy.barcode for line in order.lines.all()]
        cars.append(
            {
                "order": order.pk,
                "shown": order.shown,
                "place": order.place,
                "card": patron.card_number,
                "barcodes": barcodes,
                "visit": visit,
            }
        )
    staff = rows.staff(library)
    told = {"library": library.code, "point": point.pk, "code": point.code, "username": staff.username, "cars": cars}
    print(json.dumps(told))
