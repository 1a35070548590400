"""Where a copy is: on the shelf, in a bag, on the return cart, missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from core import nudge
from core.moves import MoveRefused
from lending import allocation
from lending.errors import CopyOnLoan, InAnOrder, UnknownBarcode
from lending.models import Copy, Loan, Reservation, Title
from lending.states import HOLDING, ON_HAND, CopyState, LoanState, ReservationState

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from core.actor import Actor

LONGEST_BARCODE = 30
AWAY = (CopyState.MISSING, CopyState.LOST, CopyState.DAMAGED, CopyState.LOAN)


def by_barcode(barcode: str) -> Copy:
    """The copy with this barcode, with its title and libraries. Refuses with `unknown_barcode`."""
    scanned = "".join(barcode[:80].split())
    found = None
    if 1 <= len(scanned) <= LONGEST_BARCODE and scanned.isprintable():
        found = Copy.objects.select_related("title", "library", "at_library").filter(barcode=scanned).first()
    if found is None:
        shown = "".join(ch for ch in scanned[:LONGEST_BARCODE] if ch.isprintable())
        raise UnknownBarcode(field="barcode", barcode=shown)
    return found


@transaction.atomic
def to_bag(*, copy_id: int, by: Actor, now: datetime) -> Copy:
    """The copy was found and lies in a bag now, also if it was thought missing.

    A copy only guessed to be on loan may be packed, since a library whose loans are kept elsewhere does not know.
    Refuses with `copy_on_loan` one that is really lent, and with `not_in_this_state`.
    """
    copy = Copy.objects.select_for_update(no_key=True).get(pk=copy_id)
    loan = Loan.objects.filter(copy=copy, state=LoanState.OUT).first()
    if loan is not None:
        raise CopyOnLoan(field="barcode", barcode=copy.barcode, due_on=loan.due_on.isoformat())
    copy.move(CopyState.BAG, at=now, by=by)
    return copy


@transaction.atomic
def to_fetch(*, copy_id: int, library_id: int, by: Actor, now: datetime) -> Copy:
    """Another system says that the copy can be fetched at a library, whatever was guessed before.

    Refuses with `copy_on_loan` one that is lent by ourselves, and with `not_in_this_state` what lies in a bag or was
    withdrawn.
    """
    copy = Copy.objects.select_for_update(no_key=True).get(pk=copy_id)
    loan = Loan.objects.filter(copy=copy, state=LoanState.OUT).first()
    if loan is not None:
        raise CopyOnLoan(field="barcode", barcode=copy.barcode, due_on=loan.due_on.isoformat())
    if copy.state in ON_HAND:
        if copy.at_library_id != library_id or copy.rests_until is not None:
            copy.at_library_id, copy.rests_until = library_id, None
            copy.save(update_fields=["at_library", "rests_until"])
        return copy
    copy.move(CopyState.TO_SHELVE, at=now, by=by, at_library_id=library_id, rests_until=None)
    return copy


@transaction.atomic
def to_return_cart(*, copy_ids: Collection[int], by: Actor, now: datetime) -> list[Copy]:
    """Copies taken out of a bag: they wait for shelving and are free for the next; those not in a bag are left."""
    rows = Copy.objects.filter(pk__in=copy_ids, state=CopyState.BAG)
    moved = Copy.move_many(rows, CopyState.TO_SHELVE, at=now, by=by)
    nudge.ring("copy came free", (copy.title_id for copy in moved))
    return moved


@transaction.atomic
def shelve(*, copy_ids: Collection[int], by: Actor, now: datetime) -> list[Copy]:
    """Copies put from the return cart onto the shelf; those that are elsewhere by now are left."""
    rows = Copy.objects.filter(pk__in=copy_ids, state=CopyState.TO_SHELVE)
    return Copy.move_many(rows, CopyState.SHELF, at=now, by=by)


def rested(*, now: datetime) -> int:
    """End the rest of copies whose time is over, so that the next in line may have them; gives back how many."""
    over = Copy.objects.filter(rests_until__lte=now)
    title_ids = set(over.values_list("title_id", flat=True))
    count = over.update(rests_until=None)
    nudge.ring("copy came free", title_ids)
    return count


@transaction.atomic
def found(*, barcode: str, library_id: int, by: Actor, now: datetime) -> Copy:
    """A copy that was missing, lost or damaged has turned up at a library; who waits for it gets it.

    Refuses with `unknown_barcode`, with `copy_on_loan` one that has to be taken back instead, and with
    `not_in_this_state` one that was not away.
    """
    copy = by_barcode(barcode)
    Title.objects.select_for_update(no_key=True).get(pk=copy.title_id)
    copy = Copy.objects.select_for_update(no_key=True).get(pk=copy.pk)
    loan = Loan.objects.filter(copy=copy, state=LoanState.OUT).first()
    if loan is not None:
        raise CopyOnLoan(field="barcode", barcode=copy.barcode, due_on=loan.due_on.isoformat())
    if copy.state not in AWAY:
        raise MoveRefused(noun=Copy.noun(), state=copy.state, asked=CopyState.TO_SHELVE)
    copy.move(CopyState.TO_SHELVE, at=now, by=by, at_library_id=library_id)
    allocation.allocate(title_ids=[copy.title_id], by=by, now=now)
    return copy


def found_again(*, copy_id: int, by: Actor, now: datetime) -> Copy:
    """`found`, where the copy was last."""
    copy = Copy.objects.get(pk=copy_id)
    return found(barcode=copy.barcode, library_id=copy.at_library_id, by=by, now=now)


@transaction.atomic
def damaged(*, copy_id: int, by: Actor, now: datetime) -> Copy:
    """A copy at hand cannot be lent as it is: it is set aside, and who was to get it keeps the place in line.

    Refuses with `copy_on_loan` one that has to be taken back first, with `in_an_order` what lies in a bag (only pickup
    takes it out of there), and with `not_in_this_state` what is not at hand.
    """
    return _take_out(copy_id, CopyState.DAMAGED, by=by, now=now)


@transaction.atomic
def withdraw(*, copy_id: int, by: Actor, now: datetime) -> Copy:
    """A copy leaves the collection for good: nobody finds or gets it any more. Refuses as `damaged` does."""
    return _take_out(copy_id, CopyState.WITHDRAWN, by=by, now=now)


def _take_out(copy_id: int, to: CopyState, *, by: Actor, now: datetime) -> Copy:
    """Also calls off a journey that has not begun; who waits for the title gets another copy, if one is free."""
    title_id = Copy.objects.values_list("title_id", flat=True).get(pk=copy_id)
    Title.objects.select_for_update(no_key=True).get(pk=title_id)
    holder = Reservation.objects.select_for_update(no_key=True).filter(copy_id=copy_id, state__in=HOLDING).first()
    copy = Copy.objects.select_for_update(no_key=True).get(pk=copy_id)
    loan = Loan.objects.filter(copy=copy, state=LoanState.OUT).first()
    if loan is not None:
        raise CopyOnLoan(field="barcode", barcode=copy.barcode, due_on=loan.due_on.isoformat())
    if holder is not None and holder.state == ReservationState.BAGGED:
        raise InAnOrder(field="barcode", reservation=holder.pk)
    copy.move(to, at=now, by=by, rests_until=None)
    allocation.call_off(copy_id=copy.pk, by=by, now=now)
    if holder is not None:
        holder.move(ReservationState.WAITING, at=now, by=by, copy=None)
        allocation.allocate(title_ids=[title_id], by=by, now=now)
    return copy
