"""Where a copy is: on the shelf, in a bag, on the return cart, missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from core import nudge
from core.moves import MoveRefused
from lending import reservations
from lending.errors import CopyOnLoan, UnknownBarcode
from lending.models import Copy, Loan, Title
from lending.states import CopyState, LoanState

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from core.actor import Actor

LONGEST_BARCODE = 30
AWAY = (CopyState.MISSING, CopyState.LOST, CopyState.DAMAGED, CopyState.TRANSIT, CopyState.LOAN)


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


@transaction.atomic
def found(*, barcode: str, library_id: int, by: Actor, now: datetime) -> Copy:
    """A copy that was missing, lost, damaged or on its way has turned up at a library; who waits for it gets it.

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
    reservations.allocate(title_ids=[copy.title_id], by=by, now=now)
    return copy
