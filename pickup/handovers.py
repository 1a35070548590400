"""What happens to a bag at the window: its books are lent one by one, and all of it can be taken back for a while."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from core import nudge
from core.actor import Actor
from core.refusal import BadInput, Refusal
from lending import allocation, circulation, reservations
from lending.states import ReservationState
from pickup import appointments, places, queries, texts
from pickup.errors import AlreadyHandedOver, CameBackSince, NothingInBag, NothingReady, NotInOrder
from pickup.models import Order, OrderLine
from pickup.states import LineState, OrderState

if TYPE_CHECKING:
    from lending.models import Copy

NOT_GIVEN = ("not_wanted", "damaged", "missing")
"""Why a copy stays behind: the patron leaves it, it cannot be lent as it is, it is not in the bag."""


@dataclass(frozen=True, slots=True)
class Given:
    """What became of one copy: lent until `due_on`, or kept back for a `reason`.

    Where another system keeps the loans there is a posting for it in place of a loan, and it says when the book is due.
    """

    line: OrderLine
    copy: Copy
    loan_id: int | None = None
    posting_id: int | None = None
    due_on: str = ""
    reason: str = ""


def give(*, order: Order, not_given: Mapping[str, str], by: Actor, now: datetime) -> list[Given]:
    """Hand a ready bag over: lend what is given, keep back what is named in `not_given` (barcode to reason).

    The caller has locked the order in its transaction. A copy that lending refuses stays behind with lending's code as
    its reason; the rest is given. Books that were still to be fetched go into the patron's next bag.
    """
    if order.state == OrderState.HANDED_OVER:
        raise AlreadyHandedOver.of(order)
    if order.state != OrderState.READY:
        raise NothingReady(order=order.pk, state=order.state)
    packed = list(queries.lines_of_bag(order.pk, [LineState.PACKED]))
    unknown = set(not_given) - {line.copy.barcode for line in packed}
    if unknown:
        raise NotInOrder(field="not_given", barcode=min(unknown), belongs_to=None)
    wrong = [reason for reason in not_given.values() if reason not in NOT_GIVEN]
    if wrong:
        raise BadInput(field="reason", known=list(NOT_GIVEN))
    lock_titles([(order, not_given)])
    results = [_give_one(order, line, not_given.get(line.copy.barcode, ""), by=by, now=now) for line in packed]
    left = list(queries.lines_of_bag(order.pk, [LineState.TO_PICK]))
    OrderLine.move_many(left, LineState.DROPPED, at=now, by=by)
    dropped = [line.reservation_id for line in left]
    reservations.unbag(reservation_ids=dropped, by=by, now=now)
    nudge.ring("reservation allocated", dropped)
    order.move(OrderState.HANDED_OVER, at=now, by=by, handed_over_at=now)
    appointments.keep(appointment=order.appointment, by=by, now=now)
    texts.hush_one(order, why="handed_over", now=now, by=by)
    lent = [given for given in results if not given.reason]
    if lent and (order.patron is None or order.patron.text_receipts):
        due = lent[-1].due_on
        said = "receipt" if due else "given"
        texts.about_order(
            said,
            order,
            now=now,
            kind="answer",
            not_before=now + texts.UNDO,
            due=due,
            count=len(lent),
            by_mail=order.patron is not None and order.patron.receipts_by == "mail",
        )
    return results


def lock_titles(bags: Iterable[tuple[Order, Mapping[str, str]]]) -> None:
    """Lock the titles of what is kept back of some bags, all of them before any reservation of any of these bags.

    A copy that is missing or damaged sends its reservation back into the queue of its title. Whoever gives several bags
    in one transaction calls this first.
    """
    asked = [(order.pk, barcode) for order, not_given in bags for barcode in not_given]
    allocation.lock_titles(queries.titles_in_bags(asked))


def _give_one(order: Order, line: OrderLine, reason: str, *, by: Actor, now: datetime) -> Given:
    if not reason and order.patron_id is not None:
        try:
            lent = circulation.check_out(
                copy_id=line.copy_id,
                patron_id=order.patron_id,
                library_id=order.library_id,
                reservation_id=line.reservation_id,
                by=by,
                now=now,
            )
        except Refusal as refusal:
            reason = refusal.code
        else:
            line.move(LineState.GIVEN, at=now, by=by)
            return Given(
                line,
                line.copy,
                loan_id=lent.loan.pk if lent.loan is not None else None,
                posting_id=lent.posting.pk if lent.posting is not None else None,
                due_on=lent.due_on.isoformat() if lent.due_on is not None else "",
            )
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


def lately(orders: Iterable[Order], *, now: datetime) -> list[Order]:
    """Those of some bags that went out so short a time ago that it can be undone."""
    return [order for order in orders if order.handed_over_at and now - order.handed_over_at <= texts.UNDO]


def is_out(order: Order) -> bool:
    """Whether any book that was given with a bag has not come back."""
    given = queries.lines_of_bag(order.pk, [LineState.GIVEN])
    return bool(circulation.still_out([line.reservation_id for line in given]))


def take_again(*, order: Order, by: Actor, now: datetime) -> None:
    """Undo a hand-over: the loans are void, or the postings taken back, and the books lie in the bag again.

    The caller has locked the order. A book that came back since stays given; refuses with `came_back_since` when that
    leaves none, and with `nothing_in_bag` when none was given.
    """
    given = list(queries.lines_of_bag(order.pk, [LineState.GIVEN]))
    out = circulation.still_out([line.reservation_id for line in given])
    lent = [line for line in given if line.reservation_id in out]
    if not lent:
        raise CameBackSince(number=order.shown) if given else NothingInBag
    keep = order.keep_until or now
    kept = max(keep, now + timedelta(days=1))
    was = order.place  # another bag may stand there by now
    order.move(OrderState.READY, at=now, by=by, handed_over_at=None, keep_until=kept, place="")
    order.place = was
    places.take(order=order)
    for line in lent:
        circulation.undo_check_out(lent=out[line.reservation_id], by=by, now=now)
        line.move(LineState.PACKED, at=now, by=by)
    texts.hush_own(order, why="undone", now=now, by=by)
    appointments.keep_again(appointment=order.appointment, by=by, now=now)
