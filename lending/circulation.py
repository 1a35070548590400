"""Lending and taking back, whoever keeps the library's loans: a Loan here, or a Posting for the system that does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction

from core.refusal import BadInput
from lending import copies, loans, packed, postings, queries
from lending.errors import BagsLent
from lending.models import Copy, Library, Loan, Posting, Reservation
from lending.states import LoanState

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date, datetime

    from core.actor import Actor


@dataclass(frozen=True, slots=True)
class Lent:
    """What a check-out left: a loan with its due date, or a posting; then the other system says when it is due."""

    loan: Loan | None = None
    posting: Posting | None = None

    @property
    def due_on(self) -> date | None:
        """The last day of the loan; None where another system says it."""
        return self.loan.due_on if self.loan is not None else None


@dataclass(frozen=True, slots=True)
class Returned:
    """A book that came back: its copy (None: only the other system knows it), its loan or posting, and who is next.

    `undo_id` is what the library's pages undo it by: of the loan, or of the posting where another system keeps the
    loans; 0 where they cannot.
    """

    barcode: str
    copy: Copy | None
    loan: Loan | None
    posting: Posting | None
    next_reservation: Reservation | None
    undo_id: int


def is_beside(library: Library) -> bool:
    """Whether another system keeps this library's loans."""
    return library.circulation == Library.Circulation.BESIDE


def refuse_change(*, library: Library, keeps: str) -> None:
    """Refuse with `bags_lent_already` to let somebody else keep a library's loans while books lie in bags that were
    lent when they were packed.

    All else goes on as it began: a book that was lent here comes back as a loan, one of which the other system was
    told is told there, and a bag that is not lent yet is lent by whoever keeps the loans when it is handed over.
    """
    if keeps == library.circulation:
        return
    count = queries.in_bags().filter(library=library).count() + packed.told_of_bags(library.pk).count()
    if count:
        raise BagsLent(field="circulation", count=count)


@transaction.atomic
def check_out(*, copy_id: int, patron_id: int, library_id: int, reservation_id: int, by: Actor, now: datetime) -> Lent:
    """Hand a book of a bag to its patron. Refuses as `loans.check_out` or `postings.check_out`."""
    library = _library(library_id)
    if is_beside(library):
        posting = postings.check_out(
            copy_id=copy_id, patron_id=patron_id, library=library, reservation_id=reservation_id, by=by, now=now
        )
        return Lent(posting=posting)
    loan = loans.check_out(
        copy_id=copy_id, patron_id=patron_id, library_id=library_id, reservation_id=reservation_id, by=by, now=now
    )
    return Lent(loan=loan)


@transaction.atomic
def pack(*, copy_id: int, patron_id: int, library_id: int, reservation_id: int, by: Actor, now: datetime) -> Lent:
    """Put a book into its bag and lend it at once. Refuses as `loans.pack` or `postings.pack`."""
    library = _library(library_id)
    whose = {"copy_id": copy_id, "patron_id": patron_id, "reservation_id": reservation_id}
    if is_beside(library):
        return Lent(posting=postings.pack(**whose, library=library, by=by, now=now))
    return Lent(loan=loans.pack(**whose, library_id=library_id, by=by, now=now))


@transaction.atomic
def take_back(*, barcode: str, library_id: int, by: Actor, now: datetime, damaged: bool = False) -> Returned:
    """A book comes back at a library. What was lent here ends as a loan everywhere, also where loans are kept elsewhere
    since; what a library beside another system has handed out is told there, wherever it comes back. A `damaged` one is
    given to nobody. Refuses as `loans.take_back` or `postings.take_back`; beside another system also as
    `loans.refuse_twice`, so that this is not told of a loan that it never had.
    """
    library = _library(library_id)
    lent_here = Loan.objects.filter(copy__barcode="".join(barcode[:80].split()), state=LoanState.OUT)
    if is_beside(library) and not lent_here.exists():
        loans.refuse_twice(barcode=barcode, library=library, since=now - postings.AGAIN, now=now)
        posting, following = postings.take_back(barcode=barcode, library=library, by=by, now=now)
        if damaged:
            return _set_aside(posting, posting.pk, by=by, now=now)
        return Returned(posting.barcode, posting.copy, None, posting, following, posting.pk)
    lender = None if is_beside(library) else postings.lender(barcode)
    if lender is not None:
        posting, following = postings.take_back(barcode=barcode, library=lender, at=library, by=by, now=now)
        if damaged:
            return _set_aside(posting, 0, by=by, now=now)
        return Returned(posting.barcode, posting.copy, None, posting, following, 0)
    back = loans.take_back(barcode=barcode, library_id=library_id, damaged=damaged, by=by, now=now)
    undo_id = 0 if is_beside(library) else back.loan.pk
    return Returned(back.copy.barcode, back.copy, back.loan, None, back.next_reservation, undo_id)


def _set_aside(posting: Posting, undo_id: int, *, by: Actor, now: datetime) -> Returned:
    copy = posting.copy
    if copy is not None:  # else only the other system knows the book, and whether it is fit to be lent
        copy = copies.damaged(copy_id=copy.pk, by=by, now=now)
    return Returned(posting.barcode, copy, None, posting, None, undo_id)


def still_out(reservation_ids: Collection[int]) -> dict[int, Lent]:
    """By what those of some handed-over reservations were lent whose books have not come back."""
    told = Posting.objects.in_bulk(postings.out_of(reservation_ids).values())
    out = {row.reservation_id: Lent(posting=row) for row in told.values()}
    for loan in Loan.objects.filter(reservation__in=reservation_ids, state=LoanState.OUT):
        out[loan.reservation_id] = Lent(loan=loan)
    return {reservation_id: lent for reservation_id, lent in out.items() if reservation_id is not None}


@transaction.atomic
def undo_check_out(*, lent: Lent, by: Actor, now: datetime) -> None:
    """The book was not given after all. Refuses as `loans.undo_check_out` or `postings.undo_check_out`."""
    if lent.posting is not None:
        postings.undo_check_out(posting_id=lent.posting.pk, by=by, now=now)
    if lent.loan is not None:
        loans.undo_check_out(loan_id=lent.loan.pk, by=by, now=now)


def _library(library_id: int) -> Library:
    library = Library.objects.select_related("programme", "surge_programme").filter(pk=library_id).first()
    if library is None:
        raise BadInput(field="library")
    return library
