"""A bag that was begun before its books are here: they travel, and its time was promised while ordering."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from core import sweeps
from core.actor import RULE
from pickup import awaited, orders, texts

if TYPE_CHECKING:
    from datetime import datetime


def close_due(*, now: datetime) -> int:
    """Close bags to which no book comes any more: called off, wanted elsewhere, not found; gives back how many.

    Who still waits for a book that was not found is told that it is looked for; the others know it.
    """
    keys = list(awaited.nothing_comes().order_by("pk").values_list("pk", flat=True))
    return sum(sweeps.each("bags that nothing comes for", keys, lambda pk: _close(pk, now=now)))


@transaction.atomic
def _close(order_id: int, *, now: datetime) -> int:
    order = orders.locked_with_car(order_id)
    if not awaited.nothing_comes().filter(pk=order_id).exists():
        return 0
    lost = awaited.lost_its_copy(order)
    orders.close_empty(order=order, why="nothing_found" if lost else "nothing_comes", by=RULE, now=now)
    if lost:
        texts.about_order("not_found", order, now=now)
    return 1
