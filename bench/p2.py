"""P2: booking a slot through the whole stack, beside PostgreSQL doing the bare two statements."""

from __future__ import annotations

from bench import booking
from bench.rows import Ratio

SLOTS, PLACES, FOR_EACH, CLIENTS, ROUNDS = 500, 5, 2, 16, 7
name = f"{SLOTS} slots, {CLIENTS} clients, with sign-in, key, journal and text; {booking.WEB_IS}"


def run() -> list[Ratio]:
    """Ours and PostgreSQL's own bench in turn."""
    ours: list[float] = []
    bare: list[float] = []
    with booking.town(SLOTS, PLACES, FOR_EACH) as town:
        for _ in range(ROUNDS):
            ours.append(town.book(CLIENTS))
            bare.append(town.bare(CLIENTS, slots=SLOTS))
    return [Ratio("bookings", "/s", tuple(ours), "pgbench", tuple(bare), must=0.12)]
