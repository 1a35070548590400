"""The tables of moves of this room; every pair that is not here is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from core.moves import Moves


class OrderState(TextChoices):
    PICKING = "picking", _("being packed")
    READY = "ready", _("ready")
    HANDED_OVER = "handed_over", _("handed over")
    CANCELLED = "cancelled", _("cancelled")
    EXPIRED = "expired", _("not collected in time")


class LineState(TextChoices):
    TO_PICK = "to_pick", _("to fetch")
    PACKED = "packed", _("packed")
    GIVEN = "given", _("given")
    MISSING = "missing", _("not on the shelf")
    DROPPED = "dropped", _("left for the next bag")
    WITHHELD = "withheld", _("kept back")
    TO_UNPACK = "to_unpack", _("to unpack")
    UNPACKED = "unpacked", _("unpacked")


class AppointmentState(TextChoices):
    OFFERED = "offered", _("offered")
    CONFIRMED = "confirmed", _("confirmed")
    KEPT = "kept", _("kept")
    MISSED = "missed", _("missed")
    LAPSED = "lapsed", _("lapsed")
    CANCELLED = "cancelled", _("cancelled")
    CHANGED = "changed", _("changed")


class VisitState(TextChoices):
    WAITING = "waiting", _("waiting")
    CALLED = "called", _("called")
    SERVED = "served", _("served")
    LEFT = "left", _("left")


class RehearsalState(TextChoices):
    RUNNING = "running", _("running")
    ENDED = "ended", _("ended")


class CarState(TextChoices):
    """Of a car of a rehearsal."""

    DUE = "due", _("not here yet")
    CAME = "came", _("came")
    DROPPED = "dropped", _("not served before the end")


B, L, A, V = OrderState, LineState, AppointmentState, VisitState

ORDER_MOVES: Moves = {
    B.PICKING: {B.READY, B.CANCELLED},
    B.READY: {B.HANDED_OVER, B.CANCELLED, B.EXPIRED},
    B.HANDED_OVER: {B.READY},
    B.CANCELLED: set(),
    B.EXPIRED: set(),
}
LINE_MOVES: Moves = {
    L.TO_PICK: {L.PACKED, L.MISSING, L.DROPPED},
    L.PACKED: {L.GIVEN, L.WITHHELD, L.TO_UNPACK},
    L.GIVEN: {L.PACKED},
    L.WITHHELD: {L.TO_UNPACK},
    L.TO_UNPACK: {L.UNPACKED},
    L.MISSING: set(),
    L.DROPPED: set(),
    L.UNPACKED: set(),
}
APPOINTMENT_MOVES: Moves = {
    A.OFFERED: {A.CONFIRMED, A.KEPT, A.LAPSED, A.CANCELLED, A.CHANGED},
    A.CONFIRMED: {A.KEPT, A.MISSED, A.LAPSED, A.CANCELLED, A.CHANGED},
    A.KEPT: {A.CONFIRMED},
    A.MISSED: {A.KEPT},
    A.LAPSED: set(),
    A.CANCELLED: set(),
    A.CHANGED: set(),
}
VISIT_MOVES: Moves = {
    V.WAITING: {V.CALLED, V.SERVED, V.LEFT},
    V.CALLED: {V.SERVED, V.WAITING, V.LEFT},
    V.SERVED: {V.WAITING},
    V.LEFT: {V.WAITING},
}
REHEARSAL_MOVES: Moves = {
    RehearsalState.RUNNING: {RehearsalState.ENDED},
    RehearsalState.ENDED: set(),
}
CAR_MOVES: Moves = {
    CarState.DUE: {CarState.CAME, CarState.DROPPED},
    CarState.CAME: {CarState.DROPPED},
    CarState.DROPPED: set(),
}

OPEN_ORDER = (B.PICKING, B.READY)
IN_BAG = (L.TO_PICK, L.PACKED)  # a line that is still meant for this bag
PROMISED = (A.OFFERED, A.CONFIRMED)  # a promise still ahead
COUNTED = (A.OFFERED, A.CONFIRMED, A.KEPT, A.MISSED)  # takes a place of its slot
HERE = (V.WAITING, V.CALLED)  # a live visit
