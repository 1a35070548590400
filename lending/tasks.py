"""Doorbells of this room: ids in, clock read, one call."""

from __future__ import annotations

from celery import shared_task
from django.db import transaction

from core import clock
from core.actor import RULE
from lending import reservations


@shared_task(name="lending.tasks.allocate")
def allocate(*, ids: list[int] | None = None, **_: object) -> None:
    """Give free copies of these titles, or of any, to those who wait for them."""
    with transaction.atomic(durable=True):
        reservations.allocate(title_ids=ids, by=RULE, now=clock.database_now())
