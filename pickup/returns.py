"""A return taken back: the next in line had the copy in a bag that nobody has packed yet."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction

from core import live
from core.actor import Actor
from lending import loans, reservations
from pickup import orders, queries
from pickup.states import IN_BAG, LineState

if TYPE_CHECKING:
    from lending.models import Loan


@transaction.atomic
def undo(*, loan_id: int, by: Actor, now: datetime) -> Loan:
    """The book was not returned after all: its next reader waits again, in the old place, and the loan goes on.

    Refuses with `already_promised` once the copy is packed for somebody, and as `loans.undo_return` does.
    """
    line = queries.line_to_fetch(queries.copy_of_loan(loan_id))
    if line is not None:
        order = orders.locked(line.order_id)
        line.move(LineState.DROPPED, at=now, by=by, reason="return_undone")
        reservations.wait_again(reservation_ids=[line.reservation_id], by=by, now=now)
        if not order.lines.filter(state__in=IN_BAG).exists():
            orders.close_empty(order=order, why="return_undone", by=by, now=now)
        live.publish([f"point:{order.point_id}"], now=now)
    return loans.undo_return(loan_id=loan_id, by=by, now=now)
