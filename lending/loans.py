"""Lending and taking back: whose copy is out until when, and undoing what was a mistake.

Locks are taken in the order of the house: title, reservation, copy, loan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from core.models import Journal
from core.moves import MoveRefused
from core.refusal import BadInput
from lending import copies, queries, reservations
from lending.errors import (
    AlreadyPromised,
    AlreadyReserved,
    CopyNotHere,
    CopyOnLoan,
    InAnOrder,
    KeptElsewhere,
    NotOnLoan,
    NotRenewable,
)
from lending.models import Copy, Library, Loan, Reservation, Title
from lending.states import HOLDING, CopyState, LoanState, ReservationState

if TYPE_CHECKING:
    from datetime import date, datetime

    from core.actor import Actor

LENDABLE = (CopyState.BAG, CopyState.SHELF, CopyState.TO_SHELVE)


@dataclass(frozen=True, slots=True)
class Returned:
    """A loan that ended, its copy, and the reservation that the copy is set aside for now, if any."""

    loan: Loan
    copy: Copy
    next_reservation: Reservation | None


def due_on(library: Library, day: date) -> date:
    """The last day of a loan that the library makes on `day`, by its programme and its calendar."""
    programme = library.programme
    return queries.calendar_of(library).due_date(day, programme.loan_days, first_day_counts=programme.first_day_counts)


@transaction.atomic
def check_out(
    *, copy_id: int, patron_id: int, library_id: int, by: Actor, now: datetime, reservation_id: int | None = None
) -> Loan:
    """Lend a copy to a patron; fulfils the patron's reservation that holds the copy, named or found.

    Refuses with `loans_kept_elsewhere`, `copy_on_loan`, `copy_not_here` (missing, on its way, ..), `already_promised`
    (set aside for another patron) and `in_an_order` (in the patron's own bag, which was not named). Blocks are not
    looked at: they are checked when packing.
    """
    library = _keeping(library_id)
    holder = _lock_holder(copy_id, reservation_id)
    copy = Copy.objects.select_for_update(no_key=True).get(pk=copy_id)
    _refuse_unlendable(copy)
    if holder is not None:
        if holder.patron_id != patron_id:
            raise AlreadyPromised(field="barcode", barcode=copy.barcode, reservation=holder.pk)
        if holder.state == ReservationState.BAGGED and reservation_id is None:
            raise InAnOrder(field="barcode", reservation=holder.pk)
    try:
        with transaction.atomic():
            loan = Loan.begin(
                copy=copy,
                patron_id=patron_id,
                library=library,
                programme=library.programme,
                reservation=holder,
                lent_at=now,
                due_on=due_on(library, queries.today(library, now)),
                at=now,
                by=by,
            )
    except IntegrityError as error:
        if "lending_copy_lent_once" not in str(error):
            raise
        raise CopyOnLoan(field="barcode", barcode=copy.barcode, due_on=None) from error
    if holder is not None:
        holder.move(ReservationState.FULFILLED, at=now, by=by)
    copy.move(CopyState.LOAN, at=now, by=by, at_library=library)
    return loan


@transaction.atomic
def take_back(*, barcode: str, library_id: int, by: Actor, now: datetime) -> Returned:
    """A copy comes back at a library, whosever it is; who has waited longest for it there gets it.

    Refuses with `unknown_barcode`, `loans_kept_elsewhere`, `in_an_order` (lent while packing, still in its bag) and
    `not_on_loan`, which says when and by whom it was taken back.
    """
    found = copies.by_barcode(barcode)
    library = _keeping(library_id)
    Title.objects.select_for_update(no_key=True).get(pk=found.title_id)
    holder = _lock_holder(found.pk, None)
    copy = Copy.objects.select_for_update(no_key=True).get(pk=found.pk)
    loan = Loan.objects.select_for_update(no_key=True).filter(copy=copy, state=LoanState.OUT).first()
    if loan is None:
        raise _not_on_loan(copy)  # also when it lies in the next reader's bag by now: it was taken back twice
    if holder is not None and holder.state == ReservationState.BAGGED:
        raise InAnOrder(field="barcode", reservation=holder.pk)
    loan.move(LoanState.RETURNED, at=now, by=by, returned_at=max(now, loan.lent_at))
    copy.move(CopyState.TO_SHELVE, at=now, by=by, at_library=library)
    given = reservations.allocate(title_ids=[copy.title_id], by=by, now=now)
    return Returned(loan, copy, next((row for row in given if row.copy_id == copy.pk), None))


@transaction.atomic
def undo_return(*, loan_id: int, by: Actor, now: datetime) -> Loan:
    """The book was not taken back after all; who was given it meanwhile waits again, in the old place.

    Refuses with `already_promised` when it is in a bag already, with `copy_on_loan` when it was lent again, with
    `copy_not_here` when it is not where a return has put it, and with `not_in_this_state` what was not returned or
    whose patron was erased.
    """
    loan = Loan.objects.select_related("copy").get(pk=loan_id)
    Title.objects.select_for_update(no_key=True).get(pk=loan.copy.title_id)
    holder = _lock_holder(loan.copy_id, None)
    copy = Copy.objects.select_for_update(no_key=True).get(pk=loan.copy_id)
    loan = Loan.objects.select_for_update(no_key=True).get(pk=loan_id)
    if loan.state != LoanState.RETURNED or loan.patron_id is None:
        raise MoveRefused(noun=Loan.noun(), state=loan.state, asked=LoanState.OUT)
    if holder is not None and holder.state == ReservationState.BAGGED:
        raise AlreadyPromised(field="barcode", barcode=copy.barcode, reservation=holder.pk)
    again = Loan.objects.filter(copy=copy, state=LoanState.OUT).first()
    if again is not None:
        raise CopyOnLoan(field="barcode", barcode=copy.barcode, due_on=again.due_on.isoformat())
    if copy.state not in {CopyState.SHELF, CopyState.TO_SHELVE}:
        raise _not_here(copy)
    if holder is not None:
        holder.move(ReservationState.WAITING, at=now, by=by, copy=None)
    copy.move(CopyState.LOAN, at=now, by=by)
    loan.move(LoanState.OUT, at=now, by=by, returned_at=None)
    return loan


@transaction.atomic
def undo_check_out(*, loan_id: int, by: Actor, now: datetime) -> Loan:
    """The book was not given after all. What came out of a bag goes back into it, all else onto the return cart.

    A reservation fulfilled at a desk has its copy set aside again. Refuses with `not_in_this_state` a loan that is not
    out, and with `already_reserved` when the patron has asked for the same title again meanwhile.
    """
    found = Loan.objects.get(pk=loan_id)
    reservation = None
    if found.reservation_id is not None:
        reservation = Reservation.objects.select_for_update(no_key=True).get(pk=found.reservation_id)
    copy = Copy.objects.select_for_update(no_key=True).get(pk=found.copy_id)
    loan = Loan.objects.select_for_update(no_key=True).get(pk=loan_id)
    loan.move(LoanState.VOIDED, at=now, by=by)
    if reservation is None:
        copy.move(CopyState.TO_SHELVE, at=now, by=by)
        return loan
    came_from_bag = _was_before(reservation, ReservationState.FULFILLED) == ReservationState.BAGGED
    try:
        with transaction.atomic():
            reservation.move(ReservationState.BAGGED, at=now, by=by)
    except IntegrityError as error:
        if "lending_title_reserved_once_per_patron" not in str(error):
            raise
        raise AlreadyReserved(
            title=reservation.title_id, volume=reservation.volume, reservation=reservation.pk
        ) from error
    if came_from_bag:
        copy.move(CopyState.BAG, at=now, by=by)
    else:
        copy.move(CopyState.TO_SHELVE, at=now, by=by)
        reservations.unbag(reservation_ids=[reservation.pk], by=by, now=now)
    return loan


@transaction.atomic
def renew(*, loan_id: int, by: Actor, now: datetime) -> Loan:
    """Lend on for another loan period, counted from the present due date.

    Refuses with `not_renewable` (`overdue`, `used_up`, or `wanted` when somebody of the programme waits for the title)
    and with `not_in_this_state` what is not on loan.
    """
    found = Loan.objects.select_related("copy").get(pk=loan_id)
    Title.objects.select_for_update(no_key=True).get(pk=found.copy.title_id)
    loan = (
        Loan.objects.select_for_update(no_key=True, of=("self",))
        .select_related("copy__title", "library__programme", "programme")
        .get(pk=loan_id)
    )
    if loan.state != LoanState.OUT:
        raise MoveRefused(noun=Loan.noun(), state=loan.state, asked=LoanState.OUT)
    if loan.due_on < queries.today(loan.library, now):
        raise NotRenewable(why="overdue")
    if loan.renewals >= loan.programme.renewals:
        raise NotRenewable(why="used_up")
    wanted = Reservation.objects.filter(
        title_id=loan.copy.title_id,
        volume=loan.copy.volume,
        programme_id=loan.programme_id,
        state=ReservationState.WAITING,
    )
    if wanted.exists():
        raise NotRenewable(why="wanted")
    calendar = queries.calendar_of(loan.library)
    loan.due_on = calendar.due_date(loan.due_on, loan.programme.loan_days, first_day_counts=False)
    loan.renewals += 1
    loan.save(update_fields=["due_on", "renewals"])
    return loan


def _keeping(library_id: int) -> Library:
    """The library, if it keeps its loans here."""
    library = Library.objects.select_related("programme").filter(pk=library_id).first()
    if library is None:
        raise BadInput(field="library")
    if library.circulation == Library.Circulation.BESIDE:
        raise KeptElsewhere(library=library.code)
    return library


def _lock_holder(copy_id: int, reservation_id: int | None) -> Reservation | None:
    """The reservation that has this copy to itself, locked; a named one must be the one."""
    holder = Reservation.objects.select_for_update(no_key=True).filter(copy_id=copy_id, state__in=HOLDING).first()
    if reservation_id is not None and (holder is None or holder.pk != reservation_id):
        named = Reservation.objects.get(pk=reservation_id)
        raise MoveRefused(noun=Reservation.noun(), state=named.state, asked=ReservationState.FULFILLED)
    return holder


def _refuse_unlendable(copy: Copy) -> None:
    out = Loan.objects.filter(copy=copy, state=LoanState.OUT).first()
    if out is not None:
        raise CopyOnLoan(field="barcode", barcode=copy.barcode, due_on=out.due_on.isoformat())
    if copy.state not in LENDABLE:
        raise _not_here(copy)


def _not_here(copy: Copy) -> CopyNotHere:
    where = str(CopyState(copy.state).label)
    return CopyNotHere(field="barcode", barcode=copy.barcode, state=copy.state, where=where)


def _not_on_loan(copy: Copy) -> NotOnLoan:
    last = Loan.objects.filter(copy=copy, state=LoanState.RETURNED).order_by("-returned_at", "-pk").first()
    if last is None or last.returned_at is None:
        return NotOnLoan(field="barcode", barcode=copy.barcode, returned_at=None, by=None)
    move = Journal.objects.filter(noun=Loan.noun(), row=last.pk, became=LoanState.RETURNED).order_by("-id").first()
    return NotOnLoan(
        field="barcode",
        barcode=copy.barcode,
        returned_at=last.returned_at.isoformat(timespec="seconds"),
        by=move.principal if move else None,
    )


def _was_before(row: Reservation, became: str) -> str:
    """The state that a row was in before it last became `became`."""
    move = Journal.objects.filter(noun=row.noun(), row=row.pk, became=became).order_by("-id").first()
    return move.was if move else ""
