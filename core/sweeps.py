"""A sweep goes on: a row that cannot be dealt with is told of and left, and the others are dealt with."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError, transaction

from core.refusal import Refusal

log = structlog.get_logger()

TimeIsUp = SoftTimeLimitExceeded
"""Comes out of any line when a task has worked too long; whoever forgives a row everything else lets it pass."""

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")

SPAN = 8.0
"""Seconds after which a sweep leaves the rest to the next one: several of them share the time limit of a task."""
ROWS_OWN = frozenset({"40001", "40P01", "55P03"})
"""Serialization failure, deadlock, lock not to be had: the trouble of one row at one moment, not of the database."""

_failed: dict[str, set[Hashable]] = {}


def each(sweep: str, keys: Iterable[Key], act: Callable[[Key], Answer]) -> list[Answer]:
    """Call `act` for each key, in a transaction of its own; gives back the answers of those that went well.

    What one row brings about stays with it: a refusal is logged with its code, any other error with its traceback.
    Rows that failed the last time come last, so that they never take the time of the others. Raises what is the
    database's trouble (no connection, a time limit): the next sweep tries all of them again.
    """
    asked = list(keys)
    before = _failed.get(sweep, set())
    asked.sort(key=lambda key: key in before)
    failed: set[Hashable] = set()
    answers: list[Answer] = []
    began = time.monotonic()
    for number, key in enumerate(asked):
        if time.monotonic() - began > SPAN:
            log.warning("sweep.left_over", sweep=sweep, count=len(asked) - number)
            failed |= before & set(asked[number:])
            break
        try:
            with transaction.atomic():
                answers.append(act(key))
        except TimeIsUp:
            raise
        except (InterfaceError, OperationalError) as error:
            if getattr(error.__cause__, "sqlstate", None) not in ROWS_OWN:
                raise
            log.info("sweep.row_busy", sweep=sweep, row=key, error=type(error.__cause__).__name__)
        except Refusal as refusal:
            failed.add(key)
            log.warning("sweep.row_refused", sweep=sweep, row=key, code=refusal.code, facts=refusal.facts)
        except Exception as error:  # the last resort: whatever it is, the other rows are not to blame
            failed.add(key)
            log.exception("sweep.row_failed", sweep=sweep, row=key, error=type(error).__name__)
    _failed[sweep] = failed
    return answers


def together(sweep: str, keys: Iterable[Key], act: Callable[[Sequence[Key]], list[Answer]]) -> list[Answer]:
    """Call `act` for all keys at once, in a transaction of its own; gives back its answers.

    If that fails the keys are halved, in their order, until those that are to blame stand alone; `each` deals with
    them, and says what it raises.
    """
    asked = list(keys)
    if len(asked) > 1:
        try:
            with transaction.atomic():
                return act(asked)
        except TimeIsUp:
            raise
        except (InterfaceError, OperationalError) as error:
            if getattr(error.__cause__, "sqlstate", None) not in ROWS_OWN:
                raise
        except Exception as error:  # noqa: BLE001 - whatever it is, most of the rows are not to blame
            log.info("sweep.halved", sweep=sweep, count=len(asked), error=type(error).__name__)
        half = len(asked) // 2
        return [*together(sweep, asked[:half], act), *together(sweep, asked[half:], act)]
    return [answer for answers in each(sweep, asked, lambda key: act([key])) for answer in answers]
