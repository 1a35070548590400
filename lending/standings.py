"""How a patron stands with a programme, in words for whoever shows it: each limit, its count, and when again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from lending import queries, quota
from lending.strikes import Held, held

if TYPE_CHECKING:
    from datetime import date, datetime

    from core.refusal import Refusal
    from lending.models import Library, Patron
    from lending.rules import Counted


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit: its name for programs, its words for people, how much of it is used and when there is room again."""

    name: str
    label: str
    counted: Counted
    full: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """Everything that counts for or against a patron at a library today; days and classes, never a title."""

    library: Library
    today: date
    limits: list[Limit]
    strikes: Counted | None
    against: list[Held]
    bars: list[Refusal]
    paused: quota.Pausing | None
    blocked_until: date | None
    per_order: int | None
    overdue_pause: int


def of(patron: Patron, library: Library, *, now: datetime) -> Shown:
    """The standing of a patron with the programme of a library, by the rules that hold today."""
    today = queries.today(library, now)
    standing = quota.standing(patron=patron, library=library, today=today)
    words = {
        "volumes": _("volumes this week"),
        "orders": _("orders this week"),
        "reserved": _("books on order at once"),
        "at_once": _("books on order and at home at once"),
    }
    limits = [
        Limit(name, label, counted, full=not counted.left)
        for name, label in words.items()
        if (counted := getattr(standing, name)) is not None
    ]
    return Shown(
        library=library,
        today=today,
        limits=limits,
        strikes=standing.strikes,
        against=held(patron_id=patron.pk, library=library, today=today),
        bars=list(quota.bars(patron, library, today=today)),
        paused=standing.paused,
        blocked_until=standing.blocked_until,
        per_order=standing.per_order,
        overdue_pause=library.rules.overdue_pause,
    )
