"""The tasks of the frame."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task

from config import erasure
from core import access, clock, counters, live
from core.models import Answer
from lending import accounts, codes, devices, guesses, tablets
from notifications.models import Receipt

ANSWERS = timedelta(hours=24)  # how long a repeated request gets its first answer
CODES = timedelta(days=1)
COUNTERS = timedelta(days=2)
HAPPENINGS = timedelta(days=1)
RECEIPTS = timedelta(days=1)  # a callback may beat our commit by seconds, never by a day


@shared_task
def forget(**_: object) -> None:
    """Drop what only short memory needs, and looks and tokens whose time is over."""
    now = clock.database_now()
    Answer.objects.filter(at__lt=now - ANSWERS).delete()
    counters.forget(before=now - COUNTERS)
    live.forget(before=now - HAPPENINGS)
    Receipt.objects.filter(at__lt=now - RECEIPTS).delete()
    access.forget(now=now)
    accounts.forget_tokens(now=now)
    guesses.forget(now=now)
    codes.forget(before=now - CODES)
    devices.forget_expired(now=now)
    tablets.forget_expired(now=now)


@shared_task
def erase_due(**_: object) -> None:
    """Erase what is past its retention."""
    erasure.forget_due(now=clock.database_now())
