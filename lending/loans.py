"""Lending and taking back: whose copy is out until when, and undoing what was a mistake.

Locks are taken in the order of the house: title, reservation, copy, loan.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction

from core import nudge
from core.models import Journal
from core.moves import MoveRefused
from core.refusal import BadInput
from lending import allocation, copies, packed, queries, quota, reservations, strikes
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
from lending.models import Copy, Library, Loan, Patron, Reservation, Title
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


def due_on(library: Library, patron: Patron, day: date) -> date:
    """The last day of a loan that the library makes to a patron on `day`, by its rules and its calendar."""
    ruling = library.rules
    return queries.calendar_of(library).due_date(
        day,
        quota.limits_of(patron, library, today=day).loan_days,
        first_day_counts=ruling.first_day_counts,
        skip_closed=ruling.open_days_only,
    )


@transaction.atomic
def check_out(
    *, copy_id: int, patron_id: int, library_id: int, by: Actor, now: datetime, reservation_id: int | None = None
) -> Loan:
    """Lend a copy to a patron; fulfils the patron's reservation that holds the copy, named or found.

    Refuses with `loans_kept_elsewhere`, `copy_on_loan`, `copy_not_here` (missing, on its way, ..), `already_promised`
    (set aside for another patron) and `in_an_order` (in the patron's own bag, which was not named). Blocks are not
    looked at: they are checked when packing. What was lent when it was packed is lent on, and its due date is counted
    anew from today.
    """
    library = _keeping(library_id)
    holder = _lock_holder(copy_id, reservation_id)
    copy = Copy.objects.select_for_update(no_key=True).get(pk=copy_id)
    if holder is not None:
        if holder.patron_id != patron_id:
            raise AlreadyPromised(field="barcode", barcode=copy.barcode, reservation=holder.pk)
        if holder.state == ReservationState.BAGGED and reservation_id is None:
            raise InAnOrder(field="barcode", reservation=holder.pk)
    due = due_on(library, Patron.objects.get(pk=patron_id), queries.today(library, now))
    loan = packed.loan_of(holder.pk) if holder is not None else None
    if loan is not None:
        if copy.state != CopyState.BAG:
            raise _not_here(copy)
        loan.due_on = due
        loan.save(update_fields=["due_on"])
    else:
        _refuse_unlendable(copy)
        loan = _begin(copy, patron_id=patron_id, library=library, holder=holder, due=due, by=by, now=now)
    allocation.call_off(copy_id=copy.pk, by=by, now=now)
    if holder is not None:
        holder.move(ReservationState.FULFILLED, at=now, by=by)
    copy.move(CopyState.LOAN, at=now, by=by, at_library=library)
    return loan


@transaction.atomic
def pack(*, copy_id: int, patron_id: int, library_id: int, reservation_id: int, by: Actor, now: datetime) -> Loan:
    """Put a copy into its bag and lend it at once; the hand-over, which counts the due date anew, does the rest.

    Refuses as `copies.to_bag`, and with `loans_kept_elsewhere` and `not_in_this_state` (the reservation is in no bag).
    """
    library = _keeping(library_id)
    holder = packed.lock_holder(reservation_id=reservation_id, copy_id=copy_id, patron_id=patron_id)
    copy = copies.to_bag(copy_id=copy_id, by=by, now=now)
    due = due_on(library, Patron.objects.get(pk=patron_id), queries.today(library, now))
    return _begin(copy, patron_id=patron_id, library=library, holder=holder, due=due, in_bag=True, by=by, now=now)


def _begin(
    copy: Copy,
    *,
    patron_id: int,
    library: Library,
    holder: Reservation | None,
    due: date,
    by: Actor,
    now: datetime,
    in_bag: bool = False,
) -> Loan:
    try:
        with transaction.atomic():
            return Loan.begin(
                copy=copy,
                patron_id=patron_id,
                library=library,
                programme=library.programme,
                reservation=holder,
                lent_at=now,
                due_on=due,
                packed_due_on=due if in_bag else None,
                at=now,
                by=by,
            )
    except IntegrityError as error:
        if "lending_copy_lent_once" not in str(error):
            raise
        raise CopyOnLoan(field="barcode", barcode=copy.barcode, due_on=None) from error


@transaction.atomic
def take_back(*, barcode: str, library_id: int, by: Actor, now: datetime, damaged: bool = False) -> Returned:
    """A copy comes back at a library, whosever it is; who has waited longest for it there gets it.

    A `damaged` one is set aside instead, and nobody is given it. One that its reader had lost is found again.

    Refuses with `unknown_barcode`, `in_an_order` (lent while packing, still in its bag) and `not_on_loan`, which says
    when, where and by whom it was taken back; a library beside another system takes only what was lent here
    (`loans_kept_elsewhere`).
    """
    found = copies.by_barcode(barcode)
    library = _library(library_id)
    Title.objects.select_for_update(no_key=True).get(pk=found.title_id)
    holder = _lock_holder(found.pk, None)
    copy = Copy.objects.select_for_update(no_key=True).get(pk=found.pk)
    theirs = Loan.objects.select_for_update(no_key=True, of=("self",)).filter(copy=copy)
    theirs = theirs.select_related("programme", "library__programme", "library__surge_programme")
    loan = theirs.filter(state=LoanState.OUT).first()
    if loan is None and copy.state == CopyState.LOST:
        loan = theirs.filter(state=LoanState.LOST).order_by("-pk").first()
    if loan is None and library.circulation == Library.Circulation.BESIDE:
        raise KeptElsewhere(library=library.code)
    if loan is None:
        raise _not_on_loan(
            copy, library, now=now
        )  # also when it lies in the next reader's bag by now: it was taken back twice
    if holder is not None and holder.state == ReservationState.BAGGED:
        raise InAnOrder(field="barcode", reservation=holder.pk)
    loan.move(LoanState.RETURNED, at=now, by=by, returned_at=max(now, loan.lent_at))
    strikes.came_back(loan=loan, now=loan.returned_at or now)
    if damaged:
        if copy.state == CopyState.LOST:
            copy.move(CopyState.TO_SHELVE, at=now, by=by)
        copy.move(CopyState.DAMAGED, at=now, by=by, at_library=library)
        return Returned(loan, copy, None)
    rest = timedelta(hours=library.rules.rest_hours)
    copy.move(CopyState.TO_SHELVE, at=now, by=by, at_library=library, rests_until=now + rest if rest else None)
    given = allocation.allocate(title_ids=[copy.title_id], by=by, now=now)
    allocation.send_home(copy_id=copy.pk, by=by, now=now)
    return Returned(loan, copy, next((row for row in given if row.copy_id == copy.pk), None))


def refuse_twice(*, barcode: str, library: Library, since: datetime, now: datetime) -> None:
    """Refuse with `not_on_loan` a copy whose loan ended after `since` and that has not gone out again."""
    ended = Loan.objects.filter(
        copy__barcode="".join(barcode[:80].split()), state=LoanState.RETURNED, returned_at__gt=since
    )
    last = ended.exclude(copy__state=CopyState.LOAN).select_related("copy__at_library").first()
    if last is not None:
        raise _not_on_loan(last.copy, library, now=now)


@transaction.atomic
def lost(*, loan_id: int, by: Actor, now: datetime) -> Loan:
    """The reader has lost the book: the loan ends, and the copy is lost until it is scanned at a returns desk.

    Who waits for the title keeps the place and gets another copy. Refuses with `in_an_order` what lies in its bag yet,
    and with `not_in_this_state` a loan that is not out.
    """
    found = Loan.objects.get(pk=loan_id)
    holder = _lock_holder(found.copy_id, None)
    copy = Copy.objects.select_for_update(no_key=True).get(pk=found.copy_id)
    loan = Loan.objects.select_for_update(no_key=True).get(pk=loan_id)
    if holder is not None:
        raise InAnOrder(field="loan", reservation=holder.pk)
    loan.move(LoanState.LOST, at=now, by=by)
    copy.move(CopyState.LOST, at=now, by=by)
    return loan


@transaction.atomic
def undo_return(*, loan_id: int, by: Actor, now: datetime) -> Loan:
    """The book was not taken back after all; who was given it meanwhile waits again, in the old place, and the pause
    for its being late is lifted.

    Refuses with `already_promised` when it is in a bag already, with `copy_on_loan` when it was lent again, with
    `copy_not_here` when it is not where a return has put it, and with `not_in_this_state` what was not returned, whose
    patron was erased, or what was lent when packed and never collected.
    """
    loan = Loan.objects.select_related("copy").get(pk=loan_id)
    Title.objects.select_for_update(no_key=True).get(pk=loan.copy.title_id)
    holder = _lock_holder(loan.copy_id, None)
    copy = Copy.objects.select_for_update(no_key=True).get(pk=loan.copy_id)
    loan = Loan.objects.select_for_update(no_key=True).get(pk=loan_id)
    if loan.state != LoanState.RETURNED or loan.patron_id is None or queries.never_given().contains(loan):
        raise MoveRefused(noun=Loan.noun(), state=loan.state, asked=LoanState.OUT)
    if holder is not None and holder.state == ReservationState.BAGGED:
        raise AlreadyPromised(field="barcode", barcode=copy.barcode, reservation=holder.pk)
    again = Loan.objects.filter(copy=copy, state=LoanState.OUT).first()
    if again is not None:
        raise CopyOnLoan(field="barcode", barcode=copy.barcode, due_on=again.due_on.isoformat())
    if copy.state not in {CopyState.SHELF, CopyState.TO_SHELVE}:
        raise _not_here(copy)
    allocation.call_off(copy_id=copy.pk, by=by, now=now)
    if holder is not None:
        holder.move(ReservationState.WAITING, at=now, by=by, copy=None)
    copy.move(CopyState.LOAN, at=now, by=by, rests_until=None)
    strikes.undo_came_back(loan=loan, by=by, now=now)
    loan.move(LoanState.OUT, at=now, by=by, returned_at=None, return_told_at=None)
    return loan


@transaction.atomic
def undo_check_out(*, loan_id: int, by: Actor, now: datetime) -> Loan:
    """The book was not given after all. What came out of a bag goes back into it, all else onto the return cart.

    What was lent when it was packed stays lent, until the day that it had then. A reservation fulfilled at a desk has
    its copy set aside again. Refuses with `not_in_this_state` a loan that is not out, and with `already_reserved` when
    the patron has asked for the same title again meanwhile.
    """
    found = Loan.objects.get(pk=loan_id)
    reservation = None
    if found.reservation_id is not None:
        reservation = Reservation.objects.select_for_update(no_key=True).get(pk=found.reservation_id)
    copy = Copy.objects.select_for_update(no_key=True).get(pk=found.copy_id)
    loan = Loan.objects.select_for_update(no_key=True).get(pk=loan_id)
    stays = loan.packed_due_on
    if stays is None or loan.state != LoanState.OUT:
        loan.move(LoanState.VOIDED, at=now, by=by)
    else:
        loan.due_on, loan.renewals, loan.reminded, loan.reminded_on = stays, 0, None, None
        loan.save(update_fields=["due_on", "renewals", "reminded", "reminded_on"])
    if reservation is None:
        copy.move(CopyState.TO_SHELVE, at=now, by=by)
        nudge.ring("copy came free", [copy.title_id])
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
    """Lend on for another loan period, counted from the present due date, by the rules of the library that lent it.

    Refuses with `not_renewable` (`in_bag` before the hand-over, `overdue`, `used_up`, or `wanted` when somebody of the
    programme waits for the title), with `not_in_this_state` what is not on loan, and with `loans_kept_elsewhere` where
    another system keeps the loans.
    """
    found = Loan.objects.select_related("copy").get(pk=loan_id)
    Title.objects.select_for_update(no_key=True).get(pk=found.copy.title_id)
    loan = (
        Loan.objects.select_for_update(no_key=True, of=("self",))
        .select_related("copy__title", "library__programme", "library__surge_programme", "patron")
        .get(pk=loan_id)
    )
    if loan.state != LoanState.OUT or loan.patron is None:
        raise MoveRefused(noun=Loan.noun(), state=loan.state, asked=LoanState.OUT)
    if loan.library.circulation == Library.Circulation.BESIDE:
        raise KeptElsewhere(library=loan.library.code)
    today, due = queries.today(loan.library, now), loan.due_on.isoformat()
    if queries.in_bags().contains(loan):
        raise NotRenewable(why="in_bag", count=0, due_on=due)
    if loan.due_on < today:
        raise NotRenewable(why="overdue", count=(today - loan.due_on).days, due_on=due)
    ruling = loan.library.rules
    if loan.renewals >= ruling.renewals:
        raise NotRenewable(why="used_up", count=ruling.renewals, due_on=due)
    wanted = Reservation.objects.filter(
        title_id=loan.copy.title_id,
        volume=loan.copy.volume,
        programme_id=loan.programme_id,
        state=ReservationState.WAITING,
    )
    waiting = wanted.count()
    if waiting:
        raise NotRenewable(why="wanted", count=waiting, due_on=due)
    calendar = queries.calendar_of(loan.library)
    limits = quota.limits_of(loan.patron, loan.library, today=today)
    loan.due_on = calendar.due_date(
        loan.due_on, limits.loan_days, first_day_counts=False, skip_closed=ruling.open_days_only
    )
    loan.renewals += 1
    loan.reminded = loan.reminded_on = None
    loan.save(update_fields=["due_on", "renewals", "reminded", "reminded_on"])
    return loan


def _keeping(library_id: int) -> Library:
    """The library, if it keeps its loans here."""
    library = _library(library_id)
    if library.circulation == Library.Circulation.BESIDE:
        raise KeptElsewhere(library=library.code)
    return library


def _library(library_id: int) -> Library:
    library = Library.objects.select_related("programme", "surge_programme").filter(pk=library_id).first()
    if library is None:
        raise BadInput(field="library")
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


def _not_on_loan(copy: Copy, here: Library, *, now: datetime) -> NotOnLoan:
    """When it came back, in the time of the library that asks, and at which library: there it is since."""
    last = Loan.objects.filter(copy=copy, state=LoanState.RETURNED).order_by("-returned_at", "-pk").first()
    if last is None or last.returned_at is None:
        return NotOnLoan(
            field="barcode", barcode=copy.barcode, returned_at=None, by=None, library=None, at="", where=""
        )
    move = Journal.objects.filter(noun=Loan.noun(), row=last.pk, became=LoanState.RETURNED).order_by("-id").first()
    zone = ZoneInfo(here.zone)
    local = last.returned_at.astimezone(zone)
    today = local.date() == now.astimezone(zone).date()
    return NotOnLoan(
        field="barcode",
        barcode=copy.barcode,
        returned_at=last.returned_at.isoformat(timespec="seconds"),
        by=move.principal if move else None,
        library=copy.at_library.code,
        at=f"{local:%H:%M}" if today else f"{local:%Y-%m-%d %H:%M}",
        where=str(copy.at_library),
    )


def _was_before(row: Reservation, became: str) -> str:
    """The state that a row was in before it last became `became`."""
    move = Journal.objects.filter(noun=row.noun(), row=row.pk, became=became).order_by("-id").first()
    return move.was if move else ""
