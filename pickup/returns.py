"""What lies on the returns desk: a loan that ends, a book of a dead bag, one that was missing; and a return undone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction

from core import live
from core.actor import Actor
from lending import allocation, circulation, copies, loans, postings, reservations, transfers
from lending.errors import CopyNotHere, NotOnLoan
from lending.states import ON_HAND, CopyState
from pickup import orders, packing, queries, texts
from pickup.errors import BelongsInBag
from pickup.models import OrderLine
from pickup.states import IN_BAG, LineState

if TYPE_CHECKING:
    from lending.models import Copy, Loan, Posting


@dataclass(frozen=True, slots=True)
class CheckedIn:
    """A copy that lies on the desk, and the loan that ended with it; None when it was not on loan.

    Beside another system there is a posting in place of the loan, and no copy where only that system knows the book.
    """

    copy: Copy | None
    loan: Loan | None
    posting: Posting | None = None


@transaction.atomic
def check_in(*, barcode: str, library_id: int, by: Actor, now: datetime, damaged: bool = False) -> CheckedIn:
    """A book lies on the returns desk, wherever it comes from; who has waited longest for it here gets it.

    A loan ends. A book out of a bag that nobody collects is unpacked, one that was missing is found, one on its way
    between libraries has come. A `damaged` one is set aside, and nobody is given it. Refuses what belongs into a bag
    (`belongs_in_bag`), what is set aside as damaged (`copy_not_here`), and as `circulation.take_back` does, above all
    what is none of these (`not_on_loan`).
    """
    try:
        with transaction.atomic():
            back = circulation.take_back(barcode=barcode, library_id=library_id, damaged=damaged, by=by, now=now)
            return CheckedIn(back.copy, back.loan, back.posting)
    except NotOnLoan:
        copy = copies.by_barcode(barcode)
        if damaged:
            if copy.state not in ON_HAND:
                check_in(barcode=barcode, library_id=library_id, by=by, now=now)
            return CheckedIn(set_aside(copy_id=copy.pk, by=by, now=now), None)
        if queries.to_unpack(library_id).filter(copy=copy).exists():
            return CheckedIn(packing.unpack(barcode=barcode, by=by, now=now).copy, None)
        if copy.state == CopyState.TRANSIT:
            return CheckedIn(transfers.scan(barcode=barcode, library_id=library_id, by=by, now=now).transfer.copy, None)
        if copy.state == CopyState.DAMAGED:  # said by hand, so it is taken back by hand
            where = str(CopyState.DAMAGED.label)
            raise CopyNotHere(field="barcode", barcode=copy.barcode, state=copy.state, where=where) from None
        if copy.state in copies.AWAY:
            return CheckedIn(copies.found(barcode=barcode, library_id=library_id, by=by, now=now), None)
        line = queries.lines_in_bags([copy.pk]).get(copy.pk)
        if line is not None:
            order = line.order
            raise BelongsInBag(field="barcode", barcode=copy.barcode, number=order.shown, place=order.place) from None
        raise


@transaction.atomic
def set_aside(*, copy_id: int, by: Actor, now: datetime) -> Copy:
    """A book at hand is damaged, also one that was about to be fetched for a bag: its next reader waits on.

    Refuses as `copies.damaged` does.
    """
    return _out_of_reach(copy_id, copies.damaged, by=by, now=now)


@transaction.atomic
def withdraw(*, copy_id: int, by: Actor, now: datetime) -> Copy:
    """A book leaves the collection for good, also one that was about to be fetched. Refuses as `copies.withdraw`."""
    return _out_of_reach(copy_id, copies.withdraw, by=by, now=now)


def _out_of_reach(copy_id: int, verb: Callable[..., Copy], *, by: Actor, now: datetime) -> Copy:
    line = queries.line_to_fetch(copy_id)
    if line is not None:
        copy = packing.damaged(line_id=line.pk, by=by, now=now).copy
        copy.refresh_from_db()
        if verb is copies.damaged:
            return copy
    return verb(copy_id=copy_id, by=by, now=now)


@transaction.atomic
def undo(*, loan_id: int, by: Actor, now: datetime) -> Loan:
    """The book was not returned after all: its next reader waits again, in the old place, and the loan goes on.

    Refuses with `already_promised` once the copy is packed for somebody, and as `loans.undo_return` does.
    """
    with _without_next_reader(queries.line_to_fetch(queries.copy_of_loan(loan_id)), by=by, now=now):
        return loans.undo_return(loan_id=loan_id, by=by, now=now)


@transaction.atomic
def undo_posted(*, posting_id: int, by: Actor, now: datetime) -> Posting:
    """The book was not returned after all, at a library beside another system: `undo`, with a posting for the loan.

    A line that was there before the book came back is left as it is. Refuses as `postings.undo_take_back` does.
    """
    copy_id, since = queries.copy_of_posting(posting_id)
    line = queries.line_to_fetch(copy_id)
    if line is not None and since is not None and line.moved_at < since:
        line = None
    with _without_next_reader(line, by=by, now=now):
        return postings.undo_take_back(posting_id=posting_id, by=by, now=now)


@contextmanager
def _without_next_reader(line: OrderLine | None, *, by: Actor, now: datetime) -> Iterator[None]:
    """Drop the line that a return has led to, around what undoes the return; an empty bag is closed after it."""
    if line is None:
        yield
        return
    order = orders.locked_with_car(line.order_id)
    allocation.lock_titles([line.copy.title_id])
    line.move(LineState.DROPPED, at=now, by=by, reason="return_undone")
    reservations.wait_again(reservation_ids=[line.reservation_id], by=by, now=now)
    yield
    if not order.lines.filter(state__in=IN_BAG).exists():
        had_a_time = order.appointment_id is not None
        orders.close_empty(order=order, why="return_undone", by=by, now=now)  # the place of a slot comes last
        if had_a_time:
            texts.about_order("not_found", order, now=now)
    live.publish([f"point:{order.point_id}"], now=now)
