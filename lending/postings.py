"""Beside another system: a hand-over and a return change what we know, and leave a posting of what it has to be told.

No loan is made here. Where a copy stands is a guess with an age (`Copy.moved_at`), so a book is taken back whatever we
thought. Locks are taken in the order of the house: title, reservation, copy; postings come last.
"""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.db import transaction

from core.models import Journal
from core.moves import MoveRefused
from core.refusal import BadInput, NotFound
from lending import allocation, copies, packed
from lending.errors import (
    AlreadyPromised,
    AlreadyReserved,
    CopyNotHere,
    InAnOrder,
    NotOnLoan,
    UnknownBarcode,
)
from lending.models import Copy, Library, Patron, Posting, Reservation, Title, Transfer
from lending.states import HOLDING, OPEN, CopyState, PostingState, ReservationState, TransferState

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from core.actor import Actor

LONGEST_NOTE = 200
UNKNOWN = re.compile(r"[0-9A-Za-z][0-9A-Za-z./-]{5,29}")
"""A barcode that only the other system may know; an order number, also 47-21, is none."""
AGAIN = timedelta(minutes=10)
"""A book that is scanned again within this time was scanned twice; after it, it has been lent there in between."""


@transaction.atomic
def check_out(
    *, copy_id: int, patron_id: int, library: Library, by: Actor, now: datetime, reservation_id: int
) -> Posting:
    """A book of a bag is handed to its patron: the reservation is fulfilled, the other system has to be told.

    Refuses with `copy_not_here` a copy that is not in the bag, and with `not_in_this_state` a reservation that holds
    another copy or none. Whether the card may borrow, the other system says when it is told. What was told when it was
    packed is not told again.
    """
    holder = Reservation.objects.select_for_update(no_key=True).get(pk=reservation_id)
    copy = Copy.objects.select_for_update(no_key=True).get(pk=copy_id)
    if holder.copy_id != copy.pk or holder.state not in HOLDING or holder.patron_id != patron_id:
        raise MoveRefused(noun=Reservation.noun(), state=holder.state, asked=ReservationState.FULFILLED)
    if copy.state != CopyState.BAG:
        raise _not_here(copy)
    holder.move(ReservationState.FULFILLED, at=now, by=by)
    copy.move(CopyState.LOAN, at=now, by=by, at_library=library)
    told = packed.posting_of(reservation_id)
    if told is not None:
        return told
    return _post(
        Posting.Kind.CHECK_OUT, library, copy, patron_id=patron_id, reservation_id=reservation_id, by=by, now=now
    )


@transaction.atomic
def pack(*, copy_id: int, patron_id: int, library: Library, reservation_id: int, by: Actor, now: datetime) -> Posting:
    """A copy is put into its bag, and the other system has to be told of the loan now, before the hand-over.

    Refuses as `copies.to_bag`, and with `not_in_this_state` a reservation that is in no bag.
    """
    packed.lock_holder(reservation_id=reservation_id, copy_id=copy_id, patron_id=patron_id)
    copy = copies.to_bag(copy_id=copy_id, by=by, now=now)
    return _post(
        Posting.Kind.CHECK_OUT,
        library,
        copy,
        patron_id=patron_id,
        reservation_id=reservation_id,
        packed=True,
        by=by,
        now=now,
    )


@transaction.atomic
def undo_check_out(*, posting_id: int, by: Actor, now: datetime) -> Posting:
    """The book was not given after all: it lies in its bag again, and the other system hears nothing, or the contrary.

    What was told when it was packed stays told. Refuses with `not_in_this_state` what was undone already or came back
    since, and with `already_reserved` when the patron has asked for the same title again meanwhile.
    """
    found = _posting(posting_id)
    if found.reservation_id is None or found.copy_id is None:
        raise MoveRefused(noun=Posting.noun(), state=found.state, asked=PostingState.CANCELLED)
    reservation = Reservation.objects.select_for_update(no_key=True).get(pk=found.reservation_id)
    copy = Copy.objects.select_for_update(no_key=True).get(pk=found.copy_id)
    posting = _locked(posting_id)
    if posting.pk not in _still_out([posting.reservation_id]).values() or copy.state != CopyState.LOAN:
        raise MoveRefused(noun=Posting.noun(), state=posting.state, asked=PostingState.CANCELLED)
    if Reservation.objects.filter(
        patron=reservation.patron, title=reservation.title_id, volume=reservation.volume, state__in=OPEN
    ).exists():
        raise AlreadyReserved(title=reservation.title_id, volume=reservation.volume, reservation=None)
    reservation.move(ReservationState.BAGGED, at=now, by=by)
    copy.move(CopyState.BAG, at=now, by=by)
    if not posting.packed:
        packed.unsay(posting, by=by, now=now)
    return posting


@transaction.atomic
def take_back(
    *, barcode: str, library: Library, by: Actor, now: datetime, at: Library | None = None
) -> tuple[Posting, Reservation | None]:
    """A book comes back at a library, whatever we thought of it; who has waited longest for it there gets it.

    A barcode that is not in our catalogue is taken too: the other system knows the book. Gives the posting and the
    reservation that the copy is set aside for now. `at` is where it lies, if not at the library whose system is told.
    Refuses with `unknown_barcode` what is no barcode at all, with `in_an_order` a copy that lies in a bag or is to be
    fetched for one at another library, with `copy_not_here` one that was withdrawn, and with `not_on_loan` what lies in
    a bag that nobody collects, has come from another library, or was taken back within the last minutes.
    """
    try:
        found = copies.by_barcode(barcode)
    except UnknownBarcode as unknown:
        return _take_back_unknown("".join(barcode[:80].split()), library, refused=unknown, by=by, now=now), None
    Title.objects.select_for_update(no_key=True).get(pk=found.title_id)
    holder = Reservation.objects.select_for_update(no_key=True).filter(copy=found, state__in=HOLDING).first()
    copy = Copy.objects.select_for_update(no_key=True).get(pk=found.pk)
    if copy.state == CopyState.WITHDRAWN:
        raise _not_here(copy)
    if copy.state == CopyState.BAG:
        if holder is not None:
            raise InAnOrder(field="barcode", reservation=holder.pk)
        raise _came_back(copy.barcode, None, library, now=now)
    if Transfer.objects.filter(copy=copy, state=TransferState.SENT).exists():
        raise _came_back(copy.barcode, None, library, now=now)
    last = Posting.objects.filter(copy=copy).exclude(state=PostingState.CANCELLED).order_by("-happened_at", "-pk")
    _refuse_twice(last.first(), library, now=now)
    here = at or library
    if copy.at_library_id != here.pk:
        allocation.call_off(copy_id=copy.pk, by=by, now=now)
        if holder is not None and holder.pickup_point.library_id != here.pk:
            if holder.state == ReservationState.BAGGED:
                raise InAnOrder(field="barcode", reservation=holder.pk)
            holder.move(ReservationState.WAITING, at=now, by=by, copy=None)
            holder = None
    posting = _post(Posting.Kind.CHECK_IN, library, copy, patron_id=_borrower(copy), by=by, now=now)
    rest = timedelta(hours=library.rules.rest_hours)
    until = now + rest if rest else None
    if copy.state == CopyState.TO_SHELVE:
        Copy.objects.filter(pk=copy.pk).update(at_library=here, rests_until=until)
    else:
        copy.move(CopyState.TO_SHELVE, at=now, by=by, at_library=here, rests_until=until)
    given = allocation.allocate(title_ids=[copy.title_id], by=by, now=now)
    return posting, next((row for row in given if row.copy_id == copy.pk), holder)


@transaction.atomic
def undo_take_back(*, posting_id: int, by: Actor, now: datetime) -> Posting:
    """The book was not taken back after all; who was given it meanwhile waits again, in the old place.

    Refuses with `already_promised` when it is in a bag, with `copy_not_here` when it is not where a return has put it,
    with `not_in_this_state` what was undone already, and with `loans_kept_elsewhere` when the other system knows of the
    return and only it knows who had the book: there it can be lent again.
    """
    found = _posting(posting_id)
    copy = holder = None
    if found.copy is not None:
        Title.objects.select_for_update(no_key=True).get(pk=found.copy.title_id)
        holder = Reservation.objects.select_for_update(no_key=True).filter(copy=found.copy, state__in=HOLDING).first()
        copy = Copy.objects.select_for_update(no_key=True).get(pk=found.copy.pk)
    posting = _locked(posting_id)
    undone = Posting.objects.filter(undoes=posting).exists()
    if posting.kind != Posting.Kind.CHECK_IN or posting.state == PostingState.CANCELLED or undone:
        raise MoveRefused(noun=Posting.noun(), state=posting.state, asked=PostingState.CANCELLED)
    if copy is not None:
        if copy.state not in {CopyState.SHELF, CopyState.TO_SHELVE}:
            raise (
                AlreadyPromised(field="barcode", barcode=copy.barcode, reservation=holder.pk)
                if (holder is not None and copy.state == CopyState.BAG)
                else _not_here(copy)
            )
        allocation.call_off(copy_id=copy.pk, by=by, now=now)
        if holder is not None and holder.state == ReservationState.ALLOCATED:
            holder.move(ReservationState.WAITING, at=now, by=by, copy=None)
        copy.move(CopyState.LOAN, at=now, by=by, rests_until=None)
    packed.unsay(posting, by=by, now=now)
    return posting


# What becomes of a posting


@transaction.atomic
def done(*, posting_id: int, by: Actor, now: datetime) -> Posting:
    """The other system has been told, also of what it had not taken before. Telling it twice is `not_in_this_state`."""
    posting = _locked(posting_id)
    if posting.state == PostingState.REFUSED:
        posting.move(PostingState.PENDING, at=now, by=by, reason="", note="")
    posting.move(PostingState.DONE, at=now, by=by)
    return posting


@transaction.atomic
def refuse(*, posting_id: int, reason: str, by: Actor, now: datetime, note: str = "") -> Posting:
    """The other system did not take it: why, and so where it has to be solved. Refuses with `invalid` another reason,
    and "something else" without a note.
    """
    tidy = " ".join(note.split())
    if reason not in Posting.Why.values:
        raise BadInput(field="reason", known=list(Posting.Why.values))
    if len(tidy) > LONGEST_NOTE or not tidy.isprintable() or (reason == Posting.Why.OTHER and not tidy):
        raise BadInput(field="note")
    posting = _locked(posting_id)
    posting.move(PostingState.REFUSED, at=now, by=by, reason=reason, note=tidy, export=None, exported_at=None)
    return posting


@transaction.atomic
def again(*, posting_id: int, by: Actor, now: datetime) -> Posting:
    """What stood in the way is solved: it is to be told again, and goes into the next file."""
    posting = _locked(posting_id)
    posting.move(PostingState.PENDING, at=now, by=by, reason="", note="")
    return posting


@transaction.atomic
def export(*, library_id: int, by: Actor, now: datetime) -> uuid.UUID | None:
    """Put everything that is to be told and in no file yet into one file; gives its name, None if there is nothing.

    What is in a file stays pending until somebody says that the file was loaded (`done_export`).
    """
    rows = Posting.objects.select_for_update(no_key=True).filter(
        library=library_id, state=PostingState.PENDING, export__isnull=True
    )
    keys = list(rows.order_by("pk").values_list("pk", flat=True))
    if not keys:
        return None
    name = uuid.uuid4()
    Posting.objects.filter(pk__in=keys).update(export=name, exported_at=now)
    return name


@transaction.atomic
def done_export(*, export: uuid.UUID, library_id: int, by: Actor, now: datetime) -> int:
    """The file was loaded there: all of it that is still pending is told. Gives how many."""
    rows = Posting.objects.filter(library=library_id, export=export, state=PostingState.PENDING)
    return len(Posting.move_many(rows, PostingState.DONE, at=now, by=by))


@transaction.atomic
def drop_export(*, export: uuid.UUID, library_id: int, by: Actor, now: datetime) -> int:
    """The file was not loaded there: all of it goes into the next one. Gives how many."""
    rows = Posting.objects.filter(library=library_id, export=export, state=PostingState.PENDING)
    return rows.update(export=None, exported_at=None)


def lender(barcode: str) -> Library | None:
    """The library beside another system out of whose window this copy went, if it has not come back."""
    gone = Posting.objects.filter(
        barcode="".join(barcode[:80].split()), kind=Posting.Kind.CHECK_OUT, undone_by=None, copy__state=CopyState.LOAN
    )
    last = gone.exclude(state=PostingState.CANCELLED).select_related("library").order_by("-happened_at", "-pk").first()
    return last.library if last is not None else None


def out_of(reservation_ids: Collection[int]) -> dict[int, int]:
    """The postings by which these reservations were handed over and whose books have not come back, by reservation."""
    return _still_out(reservation_ids)


def _still_out(reservation_ids: Collection[int | None]) -> dict[int, int]:
    gone = Posting.objects.filter(
        reservation__in=reservation_ids, kind=Posting.Kind.CHECK_OUT, undone_by=None, copy__state=CopyState.LOAN
    ).exclude(state=PostingState.CANCELLED)
    return {row.reservation_id: row.pk for row in gone.order_by("pk") if row.reservation_id is not None}


def _post(kind: str, library: Library, copy: Copy, *, by: Actor, now: datetime, **more: Any) -> Posting:
    return Posting.begin(
        at=now, by=by, library=library, kind=kind, barcode=copy.barcode, copy=copy, happened_at=now, **more
    )


def _take_back_unknown(barcode: str, library: Library, *, refused: UnknownBarcode, by: Actor, now: datetime) -> Posting:
    """A book that only the other system knows. A card or an order's slip that was scanned here by mistake is none."""
    if not UNKNOWN.fullmatch(barcode) or Patron.objects.filter(card_number=barcode.upper()).exists():
        raise refused
    last = Posting.objects.filter(barcode=barcode, library=library).exclude(state=PostingState.CANCELLED)
    _refuse_twice(last.order_by("-happened_at", "-pk").first(), library, now=now)
    return Posting.begin(at=now, by=by, library=library, kind=Posting.Kind.CHECK_IN, barcode=barcode, happened_at=now)


def _borrower(copy: Copy) -> int | None:
    """Who had the book, if it went out of one of our windows."""
    last = Posting.objects.filter(copy=copy).exclude(state=PostingState.CANCELLED).order_by("-happened_at", "-pk")
    found = last.first()
    return found.patron_id if found is not None and found.kind == Posting.Kind.CHECK_OUT else None


def _refuse_twice(last: Posting | None, library: Library, *, now: datetime) -> None:
    came_back = last is not None and last.kind == Posting.Kind.CHECK_IN and last.undoes_id is None
    if last is not None and came_back and now - last.happened_at < AGAIN:
        raise _came_back(last.barcode, last, library, now=now)


def _came_back(barcode: str, last: Posting | None, here: Library, *, now: datetime) -> NotOnLoan:
    if last is None:
        return NotOnLoan(field="barcode", barcode=barcode, returned_at=None, by=None, library=None, at="", where="")
    move = Journal.objects.filter(noun=Posting.noun(), row=last.pk, was="").first()
    return NotOnLoan(
        field="barcode",
        barcode=barcode,
        returned_at=last.happened_at.isoformat(timespec="seconds"),
        by=move.principal if move else None,
        library=last.library.code,
        at=f"{last.happened_at.astimezone(ZoneInfo(here.zone)):%H:%M}",
        where=str(last.library),
    )


def _not_here(copy: Copy) -> CopyNotHere:
    where = str(CopyState(copy.state).label)
    return CopyNotHere(field="barcode", barcode=copy.barcode, state=copy.state, where=where)


def _posting(posting_id: int) -> Posting:
    found = Posting.objects.select_related("copy", "library").filter(pk=posting_id).first()
    if found is None:
        raise NotFound
    return found


def _locked(posting_id: int) -> Posting:
    rows = Posting.objects.select_for_update(no_key=True, of=("self",)).select_related("copy__title", "library")
    found = rows.filter(pk=posting_id).first()
    if found is None:
        raise NotFound
    return found
