"""Ring a doorbell after the commit: speed only, beside a sweep that would come anyway."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

log = structlog.get_logger()

PAUSE = 2.0  # seconds without a further try after the broker failed, so that requests do not queue up behind it

_tasks: dict[str, str] = {}
_broken_until = 0.0


def connect(handoffs: Mapping[str, str]) -> None:
    """Name the task behind each hand-off; called once by config/celery.py."""
    _tasks.clear()
    _tasks.update(handoffs)


def ring(handoff: str, ids: Iterable[int]) -> None:
    """Tell the worker of `handoff`, once this transaction has committed, which rows are waiting.

    Never fails: without a broker the sweep finds the rows. Unknown hand-offs are a KeyError at once.
    """
    task, numbers = _tasks[handoff], sorted(set(ids))
    if numbers:
        transaction.on_commit(lambda: _send(task, numbers))


def _send(task: str, ids: list[int]) -> None:
    global _broken_until  # noqa: PLW0603
    if time.monotonic() < _broken_until:
        return
    try:
        current_app.send_task(task, kwargs={"ids": ids}, retry=False)
    except (OperationalError, OSError) as error:
        _broken_until = time.monotonic() + PAUSE
        log.warning("nudge.lost", task=task, count=len(ids), error=type(error).__name__)
