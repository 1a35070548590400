"""What happens to a bag at the window: its books are lent one by one, and all of it can be taken back for a while."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from core import nudge
from core.actor import Actor
from core.refusal import BadInput, Refusal
from lending import loans, reservations
from lending.errors import KeptElsewhere
from lending.states import ReservationState
from pickup import appointments, queries, texts
from pickup.errors import AlreadyHandedOver, NothingInBag, NothingReady, NotInOrder
from pickup.models import Order, OrderLine
from pickup.states import LineState, OrderState

if TYPE_CHECKING:
    from lending.models import Copy

NOT_GIVEN = ("not_wanted", "damaged", "missing")
"""Why a copy stays behind: the patron leaves it, it cannot be lent as it is, it is not in the bag."""


@dataclass(frozen=True, slots=True)
class Given:
    """What became of one copy: lent until `due_on`, or kept back for a `reason`."""

    line: OrderLine
    copy: Copy
    loan_id: int | None = None
    due_on: str = ""
    reason: str = ""


def give(*, order: Order, not_given: Mapping[str, str], by: Actor, now: datetime) -> list[Given]:
    """Hand a ready bag over: lend what is given, keep back what is named in `not_given` (barcode to reason).

    The caller has locked the order in its transaction. A copy that lending refuses stays behind with lending's code as
    its reason; the rest is given. Books that were still to be fetched go into the patron's next bag.
    """
    if order.state == OrderState.HANDED_OVER:
        at = order.handed_over_at
        raise AlreadyHandedOver(
            number=order.shown, at=at.astimezone(ZoneInfo(order.library.zone)).strftime("%H:%M") if at else ""
        )
    if order.state != OrderState.READY:
        raise NothingReady(order=order.pk, state=order.state)
    packed = list(queries.lines_of_bag(order.pk, [LineState.PACKED]))
    unknown = set(not_given) - {line.copy.barcode for line in packed}
    if unknown:
        raise NotInOrder(field="not_given", barcode=min(unknown), belongs_to=None)
    wrong = [reason for reason in not_given.values() if reason not in NOT_GIVEN]
    if wrong:
        raise BadInput(field="reason", known=list(NOT_GIVEN))
    results = [_give_one(order, line, not_given.get(line.copy.barcode, ""), by=by, now=now) for line in packed]
    left = list(queries.lines_of_bag(order.pk, [LineState.TO_PICK]))
    OrderLine.move_many(left, LineState.DROPPED, at=now, by=by)
    dropped = [line.reservation_id for line in left]
    reservations.unbag(reservation_ids=dropped, by=by, now=now)
    nudge.ring("reservation allocated", dropped)
    order.move(OrderState.HANDED_OVER, at=now, by=by, handed_over_at=now)
    appointments.keep(appointment=order.appointment, by=by, now=now)
    texts.hush_one(order, why="handed_over", now=now, by=by)
    lent = [given for given in results if given.loan_id is not None]
    if lent:
        texts.about_order(
            "receipt", order, now=now, kind="answer", not_before=now + texts.UNDO, due=lent[-1].due_on, count=len(lent)
        )
    return results


def _give_one(order: Order, line: OrderLine, reason: str, *, by: Actor, now: datetime) -> Given:
    if not reason and order.patron_id is not None:
        try:
            loan = loans.check_out(
                copy_id=line.copy_id,
                patron_id=order.patron_id,
                library_id=order.library_id,
                reservation_id=line.reservation_id,
                by=by,
                now=now,
            )
        except KeptElsewhere:
            raise  # no book of this library can be lent here: the bag stays as it is
        except Refusal as refusal:
            reason = refusal.code
        else:
            line.move(LineState.GIVEN, at=now, by=by)
            return Given(line, line.copy, loan_id=loan.pk, due_on=loan.due_on.isoformat())
    line.move(LineState.WITHHELD, at=now, by=by, reason=reason)
    if reason == "missing":
        reservations.copy_missing(reservation_id=line.reservation_id, by=by, now=now)
    elif reason == "damaged":
        reservations.copy_damaged(reservation_id=line.reservation_id, by=by, now=now)
    else:
        reservations.end_bagged(reservation_ids=[line.reservation_id], to=ReservationState.CANCELLED, by=by, now=now)
    line.move(LineState.TO_UNPACK, at=now, by=by)
    if reason in {"missing", "damaged"}:
        line.move(LineState.UNPACKED, at=now, by=by)
    return Given(line, line.copy, reason=reason)


def take_again(*, order: Order, by: Actor, now: datetime) -> None:
    """Undo a hand-over: the loans are void and the books lie in the bag again. The caller has locked the order.

    A book that came back since stays given; refuses with `nothing_in_bag` when that leaves none.
    """
    lent = [
        (line, loan_id)
        for line in queries.lines_of_bag(order.pk, [LineState.GIVEN])
        if (loan_id := queries.loan_of(line.reservation_id)) is not None
    ]
    if not lent:
        raise NothingInBag
    keep = order.keep_until or now
    order.move(OrderState.READY, at=now, by=by, handed_over_at=None, keep_until=max(keep, now + timedelta(days=1)))
    for line, loan_id in lent:
        loans.undo_check_out(loan_id=loan_id, by=by, now=now)
        line.move(LineState.PACKED, at=now, by=by)
    texts.hush(orders=[order], why="undone", now=now, by=by)
    appointments.keep_again(appointment=order.appointment, by=by, now=now)
