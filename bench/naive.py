"""The control of P1: the same web service with the guard replaced by count-then-insert, as most systems do it."""

from __future__ import annotations

from config.asgi import application
from pickup import slots
from pickup.models import Slot

__all__ = ["application"]


def count_then_write(*, slot_id: int, accessible: bool) -> int:
    """Look whether there is room, then write what was read plus one."""
    slot = Slot.objects.get(pk=slot_id)
    if not slot.open or slot.booked >= slot.capacity:
        return 0
    slot.booked += 1
    slot.booked_accessible += int(accessible)
    slot.save(update_fields=["booked", "booked_accessible"])
    return slot.booked


slots.take = count_then_write
