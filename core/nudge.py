"""Ring a doorbell after the commit: speed only, beside a sweep that would come anyway."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Any

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import LimitExceeded, OperationalError
from kombu.pools import producers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

log = structlog.get_logger()

PAUSE = 2.0  # seconds without a further try after the broker failed, so that requests do not queue up behind it

# Requests ring on connections of their own: a worker's may wait for ten seconds, theirs may not. kombu would try a dead
# broker for six seconds where nothing says otherwise.
IMPATIENT = {
    "socket_timeout": 1,
    "socket_connect_timeout": 1,
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
}
MOST = 4  # connections of one process, as many as it has to PostgreSQL

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
        with _pool().acquire(block=True, timeout=1) as producer:
            current_app.send_task(task, kwargs={"ids": ids}, retry=False, producer=producer)
    except (OperationalError, LimitExceeded, OSError) as error:
        _broken_until = time.monotonic() + PAUSE
        log.warning("nudge.lost", task=task, count=len(ids), error=type(error).__name__)


@functools.cache
def _pool() -> Any:
    pool = producers[current_app.connection_for_write(transport_options=IMPATIENT)]
    pool.resize(MOST, ignore_errors=True)
    return pool
