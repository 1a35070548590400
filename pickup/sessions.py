"""Sessions: the stretch of the day that a slot belongs to, as people at the desk speak of it: the books for eleven."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.utils.translation import get_language

if TYPE_CHECKING:
    from pickup.models import Slot


SOON = timedelta(hours=1)
"""A session that begins within this time makes late what is not ready for it."""


@dataclass(frozen=True, slots=True)
class Session:
    """A window on one day. Times are UTC; `key` is its local beginning and the same at every point of a library."""

    key: str
    starts_at: datetime
    ends_at: datetime
    zone: str
    name_ko: str = ""
    name_en: str = ""

    @property
    def name(self) -> str:
        """What the library calls it, such as 1회차; "" when it has no name."""
        return self.name_ko if (get_language() or "ko").startswith("ko") else self.name_en or self.name_ko


def of(slot: Slot, zone: str) -> Session:
    """The session of a slot: the window that it was cut from, or the slot itself when that window is gone.

    Wants the slot's window read with it (`select_related`).
    """
    here = ZoneInfo(zone)
    begins, ends = slot.starts_at.astimezone(here), slot.ends_at.astimezone(here)
    window, day = slot.window, begins.date()
    if window is not None:
        closes = datetime.combine(day if window.closes != time() else day + timedelta(days=1), window.closes)
        if datetime.combine(day, window.opens) <= begins.replace(tzinfo=None) < closes:
            begins = datetime.combine(day, window.opens, tzinfo=here)
            ends = closes.replace(tzinfo=here)
    return Session(
        key=f"{begins:%Y-%m-%dT%H:%M}",
        starts_at=begins.astimezone(UTC),
        ends_at=max(ends, begins).astimezone(UTC),
        zone=zone,
        name_ko=slot.session_ko,
        name_en=slot.session_en,
    )


def in_order(found: Iterable[Session]) -> list[Session]:
    """Each session once, the soonest first; two points whose sessions begin together share one."""
    by_key: dict[str, Session] = {}
    for session in found:
        by_key.setdefault(session.key, session)
    return sorted(by_key.values(), key=lambda session: (session.starts_at, session.key))
