"""The staff's part in a journey: send what is asked for, receive what comes, say what cannot be found.

Locks in the order of the house: title, reservation, copy, then the transfer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction

from core import nudge
from lending import allocation, copies
from lending.errors import NothingToSend
from lending.models import Copy, Library, Reservation, Transfer
from lending.states import HOLDING, OPEN_TRANSFER, CopyState, ReservationState, TransferState

if TYPE_CHECKING:
    from datetime import datetime

    from core.actor import Actor


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a scan at a library did: the journey, and for whom the copy is set aside now, if for anybody."""

    transfer: Transfer
    reservation: Reservation | None


@transaction.atomic
def scan(*, barcode: str, library_id: int, by: Actor, now: datetime) -> Scanned:
    """A copy is scanned at the transfers desk: what is asked for from here leaves, what was sent here has come.

    What was sent to another library and turns up here starts anew from here: its reader keeps the place in line. The
    same scan twice changes nothing more. Refuses with `unknown_barcode` and `nothing_to_send`.
    """
    copy = copies.by_barcode(barcode)
    allocation.lock_titles([copy.title_id])
    transfer = _open(copy)
    if transfer is not None and (transfer.state, transfer.from_library_id) == (TransferState.REQUESTED, library_id):
        return _send(transfer, by=by, now=now)
    if transfer is not None and (transfer.state, transfer.to_library_id) == (TransferState.SENT, library_id):
        return _receive(transfer, by=by, now=now)
    if transfer is not None and transfer.state == TransferState.SENT and transfer.from_library_id != library_id:
        return _strayed(transfer, library_id, by=by, now=now)
    rows = Transfer.objects.filter(copy=copy).select_related("to_library", "from_library", "copy")
    done = rows.order_by("-pk").first()
    if done is None or (done.state, library_id) not in {
        (TransferState.SENT, done.from_library_id),
        (TransferState.RECEIVED, done.to_library_id),
    }:
        raise NothingToSend(field="barcode", barcode=copy.barcode, where=str(copy.get_state_display()))
    return Scanned(done, _holder(copy))


@transaction.atomic
def not_found(*, transfer_id: int, by: Actor, now: datetime) -> Transfer:
    """The copy that shall travel is not on its shelf: who waits keeps the place and gets the next copy.

    Refuses with `not_in_this_state` what has left already.
    """
    transfer = Transfer.objects.select_related("copy").get(pk=transfer_id)
    allocation.lock_titles([transfer.copy.title_id])
    return _give_up(transfer, TransferState.CANCELLED, CopyState.MISSING, by=by, now=now)


@transaction.atomic
def lost(*, transfer_id: int, by: Actor, now: datetime) -> Transfer:
    """The copy has left and never come: it is lost. Refuses with `not_in_this_state` what has not left."""
    transfer = Transfer.objects.select_related("copy").get(pk=transfer_id)
    allocation.lock_titles([transfer.copy.title_id])
    return _give_up(transfer, TransferState.LOST, CopyState.LOST, by=by, now=now)


def _open(copy: Copy) -> Transfer | None:
    found = Transfer.objects.select_for_update(no_key=True, of=("self",)).filter(copy=copy, state__in=OPEN_TRANSFER)
    return found.select_related("copy", "to_library", "from_library").first()


def _holder(copy: Copy) -> Reservation | None:
    rows = Reservation.objects.filter(copy=copy, state__in=HOLDING)
    return rows.select_related("pickup_point__library", "title").first()


def _send(transfer: Transfer, *, by: Actor, now: datetime) -> Scanned:
    copy = Copy.objects.select_for_update(no_key=True).get(pk=transfer.copy_id)
    copy.move(CopyState.TRANSIT, at=now, by=by)
    transfer.move(TransferState.SENT, at=now, by=by)
    allocation.tell(transfer.from_library_id, now=now)
    return Scanned(transfer, _holder(copy))


def _receive(transfer: Transfer, *, by: Actor, now: datetime) -> Scanned:
    """It has come: into the bag of who waits for it here, else to the next in line, else onto the return cart."""
    copy = Copy.objects.select_for_update(no_key=True).get(pk=transfer.copy_id)
    copy.move(CopyState.TO_SHELVE, at=now, by=by, at_library=Library.objects.get(pk=transfer.to_library_id))
    transfer.move(TransferState.RECEIVED, at=now, by=by)
    holder = _holder(copy)
    if holder is None:
        allocation.allocate(title_ids=[copy.title_id], by=by, now=now)
        holder = _holder(copy)
    if holder is not None:
        nudge.ring("reservation allocated", [holder.pk])
    return Scanned(transfer, holder)


def _strayed(transfer: Transfer, library_id: int, *, by: Actor, now: datetime) -> Scanned:
    """It lies in the wrong library: this journey is over, and whoever waits longest gets the copy from here."""
    here = Library.objects.get(pk=library_id)
    over = _give_up(transfer, TransferState.LOST, CopyState.TO_SHELVE, by=by, now=now, at_library=here)
    return Scanned(_open(over.copy) or over, _holder(over.copy))


def _give_up(
    transfer: Transfer, to: TransferState, becomes: CopyState, *, by: Actor, now: datetime, **place: Library
) -> Transfer:
    """End a journey early: who waits for the copy keeps the place in line, and the copy `becomes` something else."""
    holder = Reservation.objects.select_for_update(no_key=True)
    waits = holder.filter(copy=transfer.copy_id, state=ReservationState.ALLOCATED).first()
    copy = Copy.objects.select_for_update(no_key=True).get(pk=transfer.copy_id)
    transfer = Transfer.objects.select_for_update(no_key=True, of=("self",)).select_related("copy").get(pk=transfer.pk)
    transfer.move(to, at=now, by=by)
    allocation.tell(transfer.from_library_id, now=now)
    if waits is not None:
        waits.move(ReservationState.WAITING, at=now, by=by, copy=None)
    copy.move(becomes, at=now, by=by, **place)
    allocation.allocate(title_ids=[copy.title_id], by=by, now=now)
    return transfer
