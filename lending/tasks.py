"""Doorbells of this room: ids in, clock read, one call."""

from __future__ import annotations

from celery import shared_task

from core import clock
from lending import allocation, codes, copies, reminders, wishes


@shared_task(name="lending.tasks.allocate")
def allocate(*, ids: list[int] | None = None, **_: object) -> None:
    """Give free copies of these titles, or of any, to those who wait for them."""
    now = clock.database_now()
    copies.rested(now=now)
    allocation.allocate_due(title_ids=ids, now=now)
    if ids is None:
        allocation.send_home_due(now=now)


@shared_task(name="lending.tasks.deadlines")
def deadlines(**_: object) -> None:
    """Let paused reservations wait again, and end those that are not needed any more."""
    now = clock.database_now()
    wishes.expire_due(now=now)
    wishes.resume_due(now=now)


@shared_task(name="lending.tasks.send_codes")
def send_codes(*, ids: list[int] | None = None, **_: object) -> None:
    """Make and text the one-time codes that were asked for."""
    codes.send_due(ids=ids, now=clock.database_now())


@shared_task(name="lending.tasks.remind")
def remind(**_: object) -> None:
    """Remind people of books that are due or late, and confirm what came back."""
    now = clock.database_now()
    reminders.remind_due(now=now)
    reminders.confirm_returns(now=now)
