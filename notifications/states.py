"""The tables of moves of this room; every pair that is not here is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from core.moves import Moves


class MessageState(TextChoices):
    QUEUED = "queued", _("waiting to be sent")
    SENDING = "sending", _("being sent")
    ACCEPTED = "accepted", _("accepted by the carrier")
    DELIVERED = "delivered", _("delivered")
    FAILED = "failed", _("not delivered")
    SUPPRESSED = "suppressed", _("not sent")
    EXPIRED = "expired", _("out of date, not sent")
    IN_DOUBT = "in_doubt", _("being looked into")


class InboundState(TextChoices):
    STORED = "stored", _("received")
    APPLIED = "applied", _("answered")
    PARKED = "parked", _("for the staff")


class CallState(TextChoices):
    DUE = "due", _("to be called")
    REACHED = "reached", _("reached")
    UNREACHED = "unreached", _("no answer")
    DROPPED = "dropped", _("no longer needed")


M, N, C = MessageState, InboundState, CallState

MESSAGE_MOVES: Moves = {
    M.QUEUED: {M.SENDING, M.SUPPRESSED, M.EXPIRED, M.FAILED},
    M.SENDING: {M.ACCEPTED, M.DELIVERED, M.QUEUED, M.FAILED, M.SUPPRESSED, M.IN_DOUBT},
    M.ACCEPTED: {M.DELIVERED, M.FAILED},
    M.IN_DOUBT: {M.ACCEPTED, M.DELIVERED, M.QUEUED, M.FAILED},
    M.DELIVERED: set(),
    M.FAILED: set(),
    M.SUPPRESSED: set(),
    M.EXPIRED: set(),
}
INBOUND_MOVES: Moves = {N.STORED: {N.APPLIED, N.PARKED}, N.APPLIED: set(), N.PARKED: {N.APPLIED}}
CALL_MOVES: Moves = {
    C.DUE: {C.REACHED, C.UNREACHED, C.DROPPED},
    C.UNREACHED: {C.DUE, C.REACHED, C.DROPPED},
    C.REACHED: set(),
    C.DROPPED: set(),
}

OPEN_CALL = (C.DUE, C.UNREACHED)  # somebody still has to be told
KEPT_BACK = (M.SUPPRESSED, M.EXPIRED)  # a text that nobody was sent
