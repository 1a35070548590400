"""The control of P1: the same web service with the guard replaced by count-then-insert, as most systems do it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config.asgi import application
from pickup import slots
from pickup.models import Slot

if TYPE_CHECKING:
    from core.moves import Said

__all__ = ["application"]


def count_then_write(*, slot_id: int, accessible: bool) -> Said:
    """Look whether there is room, then write what was read plus one."""
    slot = Slot.objects.get(pk=slot_id)
    return (
        "UPDATE pickup_slot SET booked = %s, booked_accessible = %s WHERE id = %s AND %s RETURNING id",
        [slot.booked + 1, slot.booked_accessible + int(accessible), slot_id, slot.open and slot.booked < slot.capacity],
    )


slots.taking = count_then_write
