"""P3: everybody wants the same slot; and four times as many clients."""

from __future__ import annotations

import psycopg

from bench import booking
from bench.rows import Ratio

PEOPLE, CLIENTS, MORE, ROUNDS = 600, 16, 64, 5
name = f"one hot slot, {CLIENTS} and {MORE} clients; {booking.WEB_IS}"


def run() -> list[Ratio]:
    """Ours, PostgreSQL's own bench on one row, and ours with more clients, in turn."""
    ours: list[float] = []
    bare: list[float] = []
    more: list[float] = []
    with booking.town(1, PEOPLE, PEOPLE) as town:
        with psycopg.connect(town.running.environment["DATABASE_URL"]) as connection:
            [(slot,)] = connection.execute("SELECT id FROM pickup_slot").fetchall()
        for _ in range(ROUNDS):
            ours.append(town.book(CLIENTS, slot=slot))
            bare.append(town.bare(CLIENTS, slots=1))
            more.append(town.book(MORE, slot=slot))
    return [
        Ratio("bookings", "/s", tuple(ours), "pgbench on one row", tuple(bare), must=0.4),
        Ratio(f"with {MORE} clients", "/s", tuple(more), f"with {CLIENTS}", tuple(ours), must=0.9),
    ]
