"""Where a reservation stands: its place in line, why it waits, and when its turn may come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lending import queries as lending_queries
from lending.states import OPEN_TRANSFER
from pickup import forecast

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date, datetime

    from lending.models import Reservation, Transfer


@dataclass(frozen=True, slots=True)
class Turn:
    """A reservation: its place in line, why it waits, when its turn may come, its journey if it travels."""

    row: Reservation
    position: int
    why: str | None
    turn: date | None
    journey: Transfer | None


def of(rows: Collection[Reservation], *, now: datetime) -> list[Turn]:
    """What to tell of each of these; the number of queries does not grow with theirs."""
    positions, whys = lending_queries.positions(rows), lending_queries.whys_waiting(rows)
    turns = forecast.turns(rows, now=now)
    held = [row.copy_id for row in rows if row.copy_id is not None]
    journeys = {one.copy_id: one for one in lending_queries.transfers(copy__in=held, state__in=OPEN_TRANSFER)}
    return [
        Turn(row, positions.get(row.pk, 0), whys.get(row.pk), turns.get(row.pk), journeys.get(row.copy_id or 0))
        for row in rows
    ]
