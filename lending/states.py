"""The tables of moves of this room; every pair that is not here is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from core.moves import Moves


class ReservationState(TextChoices):
    WAITING = "waiting", _("waiting for a copy")
    SUSPENDED = "suspended", _("paused")
    ALLOCATED = "allocated", _("a copy is set aside")
    BAGGED = "bagged", _("in the bag")
    FULFILLED = "fulfilled", _("collected")
    CANCELLED = "cancelled", _("cancelled")
    EXPIRED = "expired", _("not collected in time")


class StrikeKind(TextChoices):
    """What is held against a patron for a while."""

    CANCELLED = "cancelled", _("cancelled")
    MISSED = "missed", _("did not come at the agreed time")
    UNCOLLECTED = "uncollected", _("did not collect")


class TransferState(TextChoices):
    REQUESTED = "requested", _("to be sent")
    SENT = "sent", _("on its way")
    RECEIVED = "received", _("has come")
    CANCELLED = "cancelled", _("called off")
    LOST = "lost", _("lost on the way")


class LoanState(TextChoices):
    OUT = "out", _("on loan")
    RETURNED = "returned", _("returned")
    VOIDED = "voided", _("undone")
    LOST = "lost", _("lost by its reader")


class CopyState(TextChoices):
    SHELF = "shelf", _("on the shelf")
    TRANSIT = "transit", _("on its way between libraries")
    BAG = "bag", _("in a bag")
    LOAN = "loan", _("on loan")
    TO_SHELVE = "to_shelve", _("on the return cart")
    MISSING = "missing", _("not on the shelf")
    DAMAGED = "damaged", _("damaged")
    LOST = "lost", _("lost")
    WITHDRAWN = "withdrawn", _("withdrawn")


class PostingState(TextChoices):
    PENDING = "pending", _("still to be told")
    DONE = "done", _("told")
    REFUSED = "refused", _("not taken there")
    CANCELLED = "cancelled", _("not needed any more")


R, L, C, P = ReservationState, LoanState, CopyState, PostingState

RESERVATION_MOVES: Moves = {
    R.WAITING: {R.ALLOCATED, R.SUSPENDED, R.CANCELLED, R.EXPIRED},
    R.SUSPENDED: {R.WAITING, R.CANCELLED, R.EXPIRED},
    R.ALLOCATED: {R.BAGGED, R.WAITING, R.FULFILLED, R.CANCELLED, R.EXPIRED},
    R.BAGGED: {R.FULFILLED, R.ALLOCATED, R.WAITING, R.CANCELLED, R.EXPIRED},
    R.FULFILLED: {R.BAGGED},
    R.CANCELLED: set(),
    R.EXPIRED: set(),
}
LOAN_MOVES: Moves = {
    L.OUT: {L.RETURNED, L.VOIDED, L.LOST},
    L.RETURNED: {L.OUT},
    L.VOIDED: set(),
    L.LOST: {L.RETURNED},
}
COPY_MOVES: Moves = {
    C.SHELF: {C.BAG, C.LOAN, C.TRANSIT, C.TO_SHELVE, C.MISSING, C.DAMAGED, C.WITHDRAWN},
    C.TRANSIT: {C.TO_SHELVE, C.SHELF, C.BAG, C.LOST},
    C.BAG: {C.LOAN, C.TO_SHELVE, C.MISSING, C.DAMAGED},
    C.LOAN: {C.TO_SHELVE, C.BAG, C.LOST, C.DAMAGED},
    C.TO_SHELVE: {C.SHELF, C.BAG, C.LOAN, C.TRANSIT, C.MISSING, C.DAMAGED, C.WITHDRAWN},
    C.MISSING: {C.SHELF, C.TO_SHELVE, C.BAG, C.LOST},
    C.DAMAGED: {C.TO_SHELVE, C.WITHDRAWN},
    C.LOST: {C.TO_SHELVE, C.WITHDRAWN},
    C.WITHDRAWN: set(),
}
POSTING_MOVES: Moves = {
    P.PENDING: {P.DONE, P.REFUSED, P.CANCELLED},
    P.REFUSED: {P.PENDING},
    P.DONE: set(),
    P.CANCELLED: set(),
}

T = TransferState

TRANSFER_MOVES: Moves = {
    T.REQUESTED: {T.SENT, T.CANCELLED},
    T.SENT: {T.RECEIVED, T.LOST},
    T.RECEIVED: set(),
    T.CANCELLED: set(),
    T.LOST: set(),
}
OPEN_TRANSFER = (T.REQUESTED, T.SENT)

OPEN = (R.WAITING, R.SUSPENDED, R.ALLOCATED, R.BAGGED)  # a reservation that still wants its book
IN_LINE = (R.WAITING, R.SUSPENDED)  # a reservation that takes a place in line, also while its reader pauses it
HOLDING = (R.ALLOCATED, R.BAGGED)  # a reservation that has a copy to itself
UNTOLD = (P.PENDING, P.REFUSED)  # what another system of record does not know yet
ON_HAND = (C.SHELF, C.TO_SHELVE)  # where a free copy can be fetched from
