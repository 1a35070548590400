"""Doorbells of this room: each makes one call or two; ringing twice is harmless, since rows are claimed."""

from __future__ import annotations

from celery import shared_task

from core import clock
from notifications import calls, delivery, inbound, receipts


@shared_task
def deliver(*, ids: list[int] | None = None, **_: object) -> None:
    """Send the texts that are due."""
    delivery.deliver(ids=ids)


@shared_task
def apply_inbound(*, ids: list[int] | None = None, **_: object) -> None:
    """Understand what people sent us."""
    inbound.apply(ids=ids, now=clock.database_now())


@shared_task
def resolve_doubts(**_: object) -> None:
    """Find out what became of texts whose sending nobody wrote down, and drop calls that are over."""
    delivery.resolve_doubts()
    now = clock.database_now()
    receipts.apply_early(now=now)
    calls.drop_late(now=now)


@shared_task
def fetch_missing(**_: object) -> None:
    """Ask the carrier for what it did not tell us: reports, and texts that came in while we were away."""
    delivery.fetch_missing()
    inbound.fetch_missed(now=clock.database_now())
