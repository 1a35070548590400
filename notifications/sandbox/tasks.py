"""The doorbell of the stand-in."""

from __future__ import annotations

from celery import shared_task

from core import clock
from notifications.sandbox import carrier


@shared_task
def post(**_: object) -> None:
    """Post what the carrier has to tell our webhooks."""
    carrier.post_due(now=clock.database_now())
