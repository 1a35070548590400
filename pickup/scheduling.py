"""Who gets which slot. Pure: parties and free places in, an assignment out.

The earliest slot that fits, for those who are ready longest. Everything that schedules goes through `assign`, so a
better plan replaces this one function.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Party:
    """Who is to be served: an opaque key, the earliest start that suits, whether an accessible place is needed."""

    key: str
    not_before: datetime
    waiting_since: datetime
    accessible: bool = False
    not_slots: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class FreeSlot:
    """A slot with room for `places` more parties, `accessible_places` of them for people who leave the car."""

    id: int
    starts_at: datetime
    places: int
    accessible_places: int


def assign(parties: Sequence[Party], slots: Sequence[FreeSlot]) -> dict[str, int]:
    """A slot id for each party's key; who fits nowhere is left out.

    A place counts for one party. Those who leave the car come first, since few slots have a place for them; among
    equals, who has waited longest.
    """
    ordered = sorted(slots, key=lambda slot: (slot.starts_at, slot.id))
    plain = {slot.id: slot.places for slot in ordered}
    accessible = {slot.id: min(slot.accessible_places, slot.places) for slot in ordered}
    given: dict[str, int] = {}
    for party in sorted(parties, key=lambda party: (not party.accessible, party.waiting_since, party.key)):
        for slot in ordered:
            if slot.starts_at < party.not_before or slot.id in party.not_slots or plain[slot.id] < 1:
                continue
            if party.accessible:
                if accessible[slot.id] < 1:
                    continue
                accessible[slot.id] -= 1
            plain[slot.id] -= 1
            given[party.key] = slot.id
            break
    return given
