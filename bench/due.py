"""Fills an empty database with ready orders for P6, offers them times, and prints how long it took, as JSON.

`python -m bench.due ORDERS ROUNDS`. Each round is ours (due, planned, promised, texts queued, committed), the solver of
everybody and one INSERT, and our own solver with the same INSERT; afterwards the promises are forgotten.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from datetime import datetime, timedelta
from uuid import uuid4

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.db import connection, transaction

from bench import schedules
from config.celery import collect_rarely
from core.actor import RULE
from lending.models import Contact, Copy, Patron, PickupPoint, Reservation, Title
from notifications.models import Message
from pickup import offers, scheduling
from pickup.models import Appointment, Order, OrderLine, Preference, Slot
from pickup.scheduling import FreeSlot, Party
from tests import rows

PLACES, ACCESSIBLE = 55, 11


def main(count: int, rounds: int) -> None:
    """Fill, measure, tell; in a process that is set up as a worker is."""
    collect_rarely()
    luck = random.Random(os.environ.get("SEED", "2020"))
    point = rows.point(rows.library(zone="UTC"))
    now = schedules.MONDAY + timedelta(hours=8)
    parties = _fill(point, count, now=now, luck=luck)
    slots = [
        FreeSlot(slot.pk, slot.starts_at, slot.capacity, slot.accessible)
        for slot in Slot.objects.filter(point=point).order_by("starts_at")
    ]
    found: dict[str, list[float]] = {"ours": [], "plain": [], "own": []}
    for _ in range(rounds):
        _forget()
        began = time.perf_counter()
        made = offers.offer_ready(now=now)
        found["ours"].append(time.perf_counter() - began)
        texts = Message.objects.filter(template="offer").count()
        if not made == texts == count:
            raise AssertionError(f"{made} promises and {texts} texts for {count} orders")
        for name, solve in (("plain", schedules.optimum), ("own", scheduling.assign)):
            _forget()
            began = time.perf_counter()
            _insert(point, solve(parties, slots), now=now)
            found[name].append(time.perf_counter() - began)
    print(json.dumps(found))


@transaction.atomic
def _fill(point: PickupPoint, count: int, *, now: datetime, luck: random.Random) -> list[Party]:
    """So many ready orders of one book, each of somebody who likes to come at one time of one day."""
    library, at = point.library, {"at": now, "by": RULE}
    slots = schedules.week(PLACES, ACCESSIBLE)
    Slot.objects.bulk_create(
        Slot(
            point=point,
            starts_at=slot.starts_at,
            ends_at=slot.starts_at + schedules.QUARTER,
            orders_until=slot.starts_at,
            capacity=PLACES,
            capacity_wanted=PLACES,
            accessible=ACCESSIBLE,
        )
        for slot in slots
    )
    crowd = schedules.crowd(count, luck)
    patrons = Patron.objects.bulk_create(
        Patron(card_number=f"21{n:08}", name=f"회원 {n}", home=library, accessible_place=party.accessible)
        for n, party in enumerate(crowd)
    )
    Contact.objects.bulk_create(
        Contact(patron=patron, number=f"+82100000{n:04}", language="ko") for n, patron in enumerate(patrons)
    )
    wishes = [party.wished[0][0] for party in crowd]
    Preference.objects.bulk_create(
        Preference(
            patron=patron,
            weekdays=[wish.weekday()],
            begins=wish.time(),
            ends=(wish + timedelta(minutes=1)).time(),
        )
        for patron, wish in zip(patrons, wishes, strict=True)
    )
    title = Title.objects.create(source="bench", control_number="1", title="t", searchable="t", grams="")
    copies = Copy.begin_many(
        [{"title": title, "library": library, "at_library": library, "barcode": f"B{n:07}"} for n in range(count)], **at
    )
    reservations = Reservation.begin_many(
        [
            {
                "patron": patron,
                "title": title,
                "pickup_point": point,
                "programme": library.programme,
                "request": uuid4(),
                "placed_at": now,
                "placed_on": now.date(),
                "channel": "web",
            }
            for patron in patrons
        ],
        **at,
    )
    orders = Order.begin_many(
        [
            {"library": library, "point": point, "number": f"{n:04}", "patron": patron, "opened_at": now}
            for n, patron in enumerate(patrons)
        ],
        **at,
    )
    lines = OrderLine.begin_many(
        [
            {"order": order, "reservation": reservation, "copy": copy}
            for order, reservation, copy in zip(orders, reservations, copies, strict=True)
        ],
        **at,
    )
    OrderLine.move_many(lines, "packed", **at)
    Order.move_many(orders, "ready", **at, ready_at=now, keep_until=now + timedelta(days=9))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return [
        Party(
            key=str(order.pk),
            not_before=now + schedules.LEAD,
            waiting_since=now,
            accessible=party.accessible,
            wished=party.wished,
        )
        for order, party in zip(orders, crowd, strict=True)
    ]


def _forget() -> None:
    Order.objects.update(appointment=None)
    Message.objects.all().delete()
    Appointment.objects.all().delete()
    Slot.objects.update(booked=0, booked_accessible=0)
    with connection.cursor() as cursor:
        for table in ("pickup_appointment", "notifications_message", "pickup_order", "pickup_slot"):
            cursor.execute(f"VACUUM ANALYZE {table}")


@transaction.atomic
def _insert(point: PickupPoint, plan: dict[str, int], *, now: datetime) -> None:
    """The bare promises of a plan, in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO pickup_appointment (state, moved_at, point_id, slot_id, accessible, offered_at, answer_by,"
            " miss_after, offer, why)"
            " SELECT 'offered', %(now)s, %(point)s, slot, false, %(now)s, %(now)s, %(now)s, 1, ''"
            " FROM unnest(%(slots)s::bigint[]) AS slot",
            {"now": now, "point": point.pk, "slots": list(plan.values())},
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
