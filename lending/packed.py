"""Books that are lent when they are packed, and lie in their bag until it is handed over: how that ends if it is not.

From packing on the loan is out, or the posting made; the reservation stays BAGGED and the copy BAG. Whoever takes such
a reservation out of its bag ends the loan here. The reservations are locked before, the copies if at all; loans and
postings follow, as everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.moves import MoveRefused
from lending.errors import KeptElsewhere
from lending.models import Loan, Posting, Reservation
from lending.states import UNTOLD, LoanState, PostingState, ReservationState

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from django.db.models import QuerySet

    from core.actor import Actor


def loan_of(reservation_id: int) -> Loan | None:
    """The loan that was made when this reservation was packed, if it is still out, locked."""
    out = Loan.objects.filter(reservation=reservation_id, state=LoanState.OUT, packed_due_on__isnull=False)
    return out.select_for_update(no_key=True).first()


def posting_of(reservation_id: int) -> Posting | None:
    """The posting that was made when this reservation was packed, if it was not taken back."""
    return _standing([reservation_id]).first()


def told_of_bags(library_id: int) -> QuerySet[Posting]:
    """What was told of books that still lie in their bags at a library beside another system."""
    bagged = Reservation.objects.filter(state=ReservationState.BAGGED).values("pk")
    return _standing(bagged).filter(library=library_id)


def end(*, reservation_ids: Collection[int], void: bool, by: Actor, now: datetime) -> None:
    """End what was lent of bags that are not handed over; what was not lent yet is left.

    A loan ends as a return where the reservation ends with it; where the reservation goes on, with another copy or in
    another bag, nothing was ever lent (`void`). Another system is told the contrary, if it was told anything.
    """
    out = Loan.objects.filter(reservation__in=reservation_ids, state=LoanState.OUT, packed_due_on__isnull=False)
    for loan in out.select_for_update(no_key=True).order_by("pk"):
        if void:
            loan.move(LoanState.VOIDED, at=now, by=by)
        else:
            loan.move(LoanState.RETURNED, at=now, by=by, returned_at=max(now, loan.lent_at))
    for posting in _standing(reservation_ids).select_for_update(no_key=True, of=("self",)).order_by("pk"):
        unsay(posting, by=by, now=now)


def lock_holder(*, reservation_id: int, copy_id: int, patron_id: int) -> Reservation:
    """The reservation in whose bag this copy is being put, locked. Refuses with `not_in_this_state`."""
    holder = Reservation.objects.select_for_update(no_key=True).get(pk=reservation_id)
    if holder.state != ReservationState.BAGGED or holder.copy_id != copy_id or holder.patron_id != patron_id:
        raise MoveRefused(noun=Reservation.noun(), state=holder.state, asked=ReservationState.FULFILLED)
    return holder


def unsay(posting: Posting, *, by: Actor, now: datetime) -> None:
    """Take back what the other system would be told; tell it the contrary if it knows, or may know from a file.

    Refuses with `loans_kept_elsewhere` a return that it knows of, of a book of which only it knows who had it.
    """
    if posting.state in UNTOLD and posting.export is None:
        if posting.state == PostingState.REFUSED:
            posting.move(PostingState.PENDING, at=now, by=by, reason="", note="")
        posting.move(PostingState.CANCELLED, at=now, by=by)
        return
    out = posting.kind == Posting.Kind.CHECK_IN
    if out and posting.patron_id is None:
        raise KeptElsewhere(library=posting.library.code)
    Posting.begin(
        at=now,
        by=by,
        library=posting.library,
        kind=Posting.Kind.CHECK_OUT if out else Posting.Kind.CHECK_IN,
        barcode=posting.barcode,
        copy=posting.copy,
        patron=posting.patron,
        undoes=posting,
        happened_at=now,
    )


def _standing(reservation_ids: Collection[int] | QuerySet[Reservation, Any]) -> QuerySet[Posting]:
    told = Posting.objects.filter(
        reservation__in=reservation_ids, kind=Posting.Kind.CHECK_OUT, packed=True, undone_by=None
    )
    return told.exclude(state=PostingState.CANCELLED).select_related("library", "copy", "patron")
