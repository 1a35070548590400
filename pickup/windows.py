"""Windows cut into slots: when a pickup point hands over, and until when one may order for it. Pure, no rows.

Windows are written in the library's local time and cut into slots on that clock: a window 10:00-12:00 of 15 minutes has
slots at 10:00, 10:15 .. 11:45, and a rest shorter than a slot is left out. Slots come out in UTC.

Nights on which the clock changes:
- A slot whose local start does not exist (the gap in spring) is left out.
- A local start that comes twice (autumn) means the first time. The second has no slot, because "01:30" in a text could
  not tell them apart; so no two slots of a day bear the same time.
- A slot lasts `slot_minutes` real minutes, but never into the next slot nor beyond the window's end, which the gap can
  bring nearer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

LOOK_BACK: Final = 60
"""Days that are looked at for open ones when a cut-off is counted back."""

Date = date  # inside WindowRule `date` is a field
_MINUTES_A_DAY = 24 * 60


class Regime(StrEnum):
    """When a window holds. Surge: the building is closed, lending goes on."""

    NORMAL = "normal"
    SURGE = "surge"
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRule:
    """When a point hands over, on every such weekday (Monday is 0) or on one date; exactly one of the two is set.

    `nth`: only on the nth such weekday of each month, 1 to 5.

    `opens` and `closes` are local, and `closes` at 00:00 is the end of the day. `capacity` counts parties a slot,
    `accessible` the places among them for people who leave the car.
    Orders are taken until the earlier of two moments: `cutoff_time` (local) on the day that lies `cutoff_days` open
    days before (0: the same day; without a time: the end of that day, for 0 no such limit), and `lead_minutes` before
    the slot starts.
    Refuses with ValueError what cannot be cut into slots.
    """

    opens: time
    closes: time
    slot_minutes: int
    capacity: int
    weekday: int | None = None
    nth: int | None = None
    date: Date | None = None
    accessible: int = 0
    cutoff_days: int = 0
    cutoff_time: time | None = None
    lead_minutes: int = 0
    regime: str = Regime.BOTH
    session_ko: str = ""
    session_en: str = ""
    id: int | None = None

    def __post_init__(self) -> None:
        if (self.weekday is None) == (self.date is None):
            raise ValueError("a window holds on a weekday or on a date")
        if self.weekday is not None and not 0 <= self.weekday <= 6:
            raise ValueError("weekdays are 0 (Monday) to 6")
        if self.nth is not None and (self.weekday is None or not 1 <= self.nth <= 5):
            raise ValueError("a month has up to five of a weekday")
        if self.slot_minutes < 1 or self.capacity < 0 or not 0 <= self.accessible <= self.capacity:
            raise ValueError("a slot has minutes and places")
        if self.cutoff_days < 0 or self.lead_minutes < 0:
            raise ValueError("a cut-off lies before the slot")
        if minutes(self.opens, self.closes) <= 0:
            raise ValueError("a window closes after it opens")

    def holds_on(self, day: Date) -> bool:
        """Whether the rule speaks of that day."""
        if self.date is not None:
            return self.date == day
        return self.weekday == day.weekday() and self.nth in {None, (day.day - 1) // 7 + 1}

    @property
    def rank(self) -> int:
        """How special it is: of the rules that hold on a day only the most special speak."""
        return 2 if self.date is not None else int(self.nth is not None)

    def clashes(self, other: WindowRule) -> bool:
        """Whether both would hold at the same time of the same days, so that their slots lie across each other."""
        same_days = (self.date, self.weekday, self.nth) == (other.date, other.weekday, other.nth)
        together = Regime.BOTH in {self.regime, other.regime} or self.regime == other.regime
        mine, theirs = _span(self), _span(other)
        return same_days and together and mine[0] < theirs[1] and theirs[0] < mine[1]


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """A slot to be: `starts_at`, `ends_at` and `orders_until` are UTC, `local_start` bears the library's zone.

    Compare and store the former; `local_start` is for showing: in an hour that comes twice Python calls no time of
    another zone equal to it (PEP 495).
    """

    starts_at: datetime
    ends_at: datetime
    local_start: datetime
    orders_until: datetime
    capacity: int
    accessible: int
    session_ko: str
    session_en: str
    window: int | None


def slots_on(rule: WindowRule, day: date, zone: ZoneInfo, is_open: Callable[[date], bool]) -> list[SlotPlan]:
    """The slots of one rule on one local day, in time order; none when the rule is silent or the library closed.

    `is_open` is the library's calendar; a closed day wins over a dated window, so an extra Monday needs an open date.
    It also says which days count back to the cut-off: ordered by Friday 17:00 for Monday is `cutoff_days=1`.
    """
    if not rule.holds_on(day) or not is_open(day):
        return []
    first, end = _minute(rule.opens), _minute(rule.closes, end=True)
    starts = [
        local
        for minute in range(first, end - rule.slot_minutes + 1, rule.slot_minutes)
        if _exists(local := _local(day, minute, zone))
    ]
    if not starts:
        return []
    cutoff = _cutoff(rule, day, zone, is_open)
    bounds = [start.astimezone(UTC) for start in starts] + [_local(day, end, zone).astimezone(UTC)]
    length, lead = timedelta(minutes=rule.slot_minutes), timedelta(minutes=rule.lead_minutes)
    return [
        SlotPlan(
            starts_at=starts_at,
            ends_at=min(starts_at + length, following),
            local_start=local,
            orders_until=min(cutoff, starts_at - lead) if cutoff else starts_at - lead,
            capacity=rule.capacity,
            accessible=rule.accessible,
            session_ko=rule.session_ko,
            session_en=rule.session_en,
            window=rule.id,
        )
        for local, (starts_at, following) in zip(starts, pairwise(bounds), strict=True)
        if following > starts_at
    ]


def plan(
    rules: Iterable[WindowRule], day: date, zone: ZoneInfo, is_open: Callable[[date], bool], *, surge: bool = False
) -> list[SlotPlan]:
    """The slots of a point on one local day, by start, each start once.

    Rules of the other regime are dropped first (`surge`: the building is closed, lending goes on). If a rule for this
    very date remains, the weekday's rules are silent; so are they where one for the nth such weekday remains. Where two
    rules start a slot at the same moment, the one with the lower id stands.
    """
    regimes = {Regime.BOTH, Regime.SURGE if surge else Regime.NORMAL}
    holding = [rule for rule in rules if rule.regime in regimes and rule.holds_on(day)]
    rank = max((rule.rank for rule in holding), default=0)
    special = [rule for rule in holding if rule.rank == rank]
    slots: dict[datetime, SlotPlan] = {}
    for rule in sorted(special, key=lambda rule: rule.id or 0):
        for slot in slots_on(rule, day, zone, is_open):
            slots.setdefault(slot.starts_at, slot)
    return [slots[start] for start in sorted(slots)]


def minutes(opens: time, closes: time) -> int:
    """How long a window lasts, if the clock does not change meanwhile; not above 0 where it ends before it begins."""
    return _minute(closes, end=True) - _minute(opens)


def until(closes: time) -> str:
    """When a window ends, as people write it: midnight, the end of its day, is 24:00."""
    return f"{closes:%H:%M}" if closes != time() else "24:00"


def _span(rule: WindowRule) -> tuple[int, int]:
    return _minute(rule.opens), _minute(rule.closes, end=True)


def _minute(at: time, *, end: bool = False) -> int:
    minute = at.hour * 60 + at.minute
    return _MINUTES_A_DAY if end and not minute else minute


def _local(day: date, minute: int, zone: ZoneInfo) -> datetime:
    wall = datetime.combine(day, time()) + timedelta(minutes=minute)
    return wall.replace(tzinfo=zone)  # fold=0: of two equal times the first


def _exists(local: datetime) -> bool:
    back = local.astimezone(UTC).astimezone(local.tzinfo)
    return back.replace(tzinfo=None) == local.replace(tzinfo=None)


def _cutoff(rule: WindowRule, day: date, zone: ZoneInfo, is_open: Callable[[date], bool]) -> datetime | None:
    """The moment after which orders come too late, or None. With too few open days: the earliest day looked at."""
    if rule.cutoff_time is None and not rule.cutoff_days:
        return None
    left = rule.cutoff_days
    for _ in range(LOOK_BACK):
        if not left:
            break
        day -= timedelta(days=1)
        left -= is_open(day)
    minute = _MINUTES_A_DAY if rule.cutoff_time is None else _minute(rule.cutoff_time)
    return _local(day, minute, zone).astimezone(UTC)
