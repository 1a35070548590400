"""Doorbells of this room: each reads the database's clock and makes one call; ringing twice is harmless."""

from __future__ import annotations

from celery import shared_task

from core import clock
from pickup import calling, coming, fitting, lane, lapses, offers, orders, rehearsals, slots


@shared_task
def assemble(*, ids: list[int] | None = None, **_: object) -> None:
    """Put allocated reservations into bags."""
    orders.assemble(reservation_ids=ids, now=clock.database_now())


@shared_task
def offer(*, ids: list[int] | None = None, **_: object) -> None:
    """Promise a time to ready orders and tell them."""
    offers.offer_ready(order_ids=ids, now=clock.database_now())


@shared_task
def deadlines(**_: object) -> None:
    """Everything of this room whose time has come."""
    now = clock.database_now()
    lapses.answers_due(now=now)
    lapses.not_ready_in_time(now=now)
    lapses.misses_due(now=now)
    orders.expire_due(now=now)
    coming.close_due(now=now)
    orders.release_numbers(now=now)
    lane.forget_stale(now=now)
    calling.call_due(now=now)


@shared_task
def rehearse(*, ids: list[int] | None = None, **_: object) -> None:
    """Let the cars of rehearsals come, and end those in which all have gone."""
    now = clock.database_now()
    rehearsals.arrive_due(rehearsal_ids=ids, now=now)
    rehearsals.finish_due(now=now)


@shared_task
def make_slots(**_: object) -> None:
    """Keep every point's slots made up to its horizon, and as its library's zone and days have them now."""
    now = clock.database_now()
    slots.make(now=now)
    fitting.follow_due(now=now)
