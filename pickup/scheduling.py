"""Who gets which slot. Pure: parties and free places in, an assignment out.

`assign` gives the plan whose cost is least, found as a flow: parties on one side, places on the other. `expect` tells
from the past, in numbers without people, who will still ask, so that a place is kept for those who need just that one;
they take part in the plan and are left out of the answer. docs/adr/0021 has the figures of what else was tried.

Costs are minutes (see `cost`); a minute of somebody who leaves the car weighs three.
"""

from __future__ import annotations

from bisect import bisect, bisect_left, bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from operator import attrgetter
from typing import Any, Literal
from zoneinfo import ZoneInfo

Stretch = tuple[datetime, datetime]
"""The first and the last start that somebody wishes."""
Why = Literal["wished", "nearest", "near", "soonest"]

TOLERANCE = timedelta(minutes=30)
"""How far from a wish is near: every minute beyond counts three times."""
SHELF = 0.02
"""A minute on the pickup shelf."""
WEIGHT = 3
"""Of those who leave the car."""
SPARE = 5.0
"""What it costs to give an accessible place to somebody who needs none."""
UNSERVED = 2000.0
"""So many minutes off somebody is better sent another day; of those who are only expected."""
AT_ANY_COST = 1_000_000.0
"""Whoever is really here gets a place if there is one."""
MARGIN = 1.2
"""So much more is expected than came in a usual week: an empty place costs less than somebody sent another day."""
ENOUGH = 50
"""So many parties of the past tell something about the next ones; fewer are chance."""
MARK = timedelta(minutes=5)
"""Arrival times are told in steps of this."""

_CHUNK = 500  # groups whose costs are worked out at once
_HOURS_BEFORE = (2, 6, 18)  # those whose bags are ready long before can be sent earlier as well
_SCALE = 1000  # a flow is counted in whole numbers: thousandths of a minute
_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_start = attrgetter("starts_at")


@dataclass(frozen=True, slots=True)
class Party:
    """Who is to be served: an opaque key, the earliest start that suits, whether an accessible place is needed.

    `wished` are the times asked for, none for any time; from `keep_until` on nothing is left to collect.
    """

    key: str
    not_before: datetime
    waiting_since: datetime
    accessible: bool = False
    not_slots: frozenset[int] = frozenset()
    keep_until: datetime | None = None
    wished: tuple[Stretch, ...] = ()
    tolerance: timedelta = TOLERANCE


@dataclass(frozen=True, slots=True)
class FreeSlot:
    """A slot with room for `places` more parties, `accessible_places` of them for people who leave the car."""

    id: int
    starts_at: datetime
    places: int
    accessible_places: int


@dataclass(frozen=True, slots=True)
class Past:
    """How many parties wanted one time of the week, and how many hours before it their bag was ready."""

    weekday: int
    minute: int
    hours_before: int
    accessible: bool
    count: int


@dataclass(frozen=True, slots=True)
class Expected:
    """So many parties that will probably ask for a moment, from `not_before` on."""

    at: datetime
    not_before: datetime
    accessible: bool
    count: int


def cost(party: Party, starts_at: datetime) -> float:
    """What it costs, in minutes, to serve a party in a slot that starts then; an accessible place is needed or not."""
    off = distance(party.wished, starts_at)
    beyond = max(0.0, off - party.tolerance / _MINUTE)
    shelf = (starts_at - party.waiting_since) / _MINUTE
    return (WEIGHT if party.accessible else 1) * (off + 2 * beyond + SHELF * shelf)


def distance(wished: Sequence[Stretch], starts_at: datetime) -> float:
    """The minutes between a start and the nearest of the times wished; 0 where none is."""
    nearest = moment(wished, starts_at)
    return 0.0 if nearest is None else abs(nearest - starts_at) / _MINUTE


def moment(wished: Sequence[Stretch], starts_at: datetime) -> datetime | None:
    """The moment wished that is nearest to a start; None where nothing was wished."""
    near = [first if starts_at < first else min(starts_at, last) for first, last in wished]
    return min(near, key=lambda at: abs(at - starts_at)) if len(near) > 1 else near[0] if near else None


def suits(party: Party, slot: FreeSlot) -> bool:
    """Whether a party may be sent there at all, room left aside."""
    in_time = party.keep_until is None or slot.starts_at < party.keep_until
    return in_time and slot.starts_at >= party.not_before and slot.id not in party.not_slots


def assign(
    parties: Sequence[Party],
    slots: Sequence[FreeSlot],
    expected: Sequence[Expected] = (),
    *,
    unserved: float = AT_ANY_COST,
) -> dict[str, int]:
    """A slot id for each party's key at the least cost in all; who fits nowhere is left out.

    A place counts for one party. Those who leave the car get accessible places only; others get one where it helps.
    Among equals who has waited longest comes first. `expected` parties keep others from places that they need more.
    With `unserved` somebody is left out rather than served at a greater cost (times three for an accessible place).
    """
    ordered = sorted((slot for slot in slots if slot.places > 0), key=lambda slot: (slot.starts_at, slot.id))
    if not parties or not ordered:
        return {}
    if len(parties) == 1 and not expected:
        return _alone(parties[0], ordered, unserved)
    groups = _alike(parties)
    heads = [members[0] for members in groups]
    phantoms = [
        Party("", one.not_before, one.not_before, one.accessible, wished=((one.at, one.at),)) for one in expected
    ]
    sizes = [*map(len, groups), *(one.count for one in expected)]
    found: list[tuple[int, FreeSlot, int]] = []
    for limit in sorted({min(unserved, UNSERVED), unserved}):  # most pairs of party and place lie beyond the first
        limits = [limit] * len(groups) + [UNSERVED] * len(phantoms)
        found = _flow([*heads, *phantoms], sizes, limits, ordered)
        if sum(count for group, _slot, count in found if group < len(groups)) == len(parties):
            break  # whoever went beyond it would cost more than to be left out, and nobody is left out
    given: dict[str, int] = {}
    for group, slot, count in found:
        if group < len(groups):
            members = groups[group]
            for member in members[:count]:
                given[member.key] = slot.id
            del members[:count]
    return _in_turn(parties, given, ordered)


def why(party: Party, slot: FreeSlot, left: Sequence[FreeSlot]) -> Why:
    """Why a party got this slot, in one word; `left` are slots that still have room after the plan, in time order.

    `wished`: a time that it wished. `nearest`: none with room for it is nearer. `near`: nearer ones are kept for those
    who will need them. `soonest`: it wished no time.
    """
    if not party.wished:
        return "soonest"
    off = distance(party.wished, slot.starts_at) * _MINUTE
    if not off:
        return "wished"
    for first, last in party.wished:
        begin = bisect_right(left, first - off, key=_start)
        nearer = left[begin : bisect_left(left, last + off, key=_start)]
        if any((other.accessible_places if party.accessible else 1) > 0 and suits(party, other) for other in nearer):
            return "near"
    return "nearest"


def wishes(weekdays: Collection[int], begins: time, ends: time, days: Iterable[date], zone: ZoneInfo) -> list[Stretch]:
    """The stretches of some local days that suit somebody, in UTC as slots are, since moments of one zone are compared
    in a tenth of the time; Monday is 0. A slot that starts at `ends` is too late.
    """
    return [
        (
            datetime.combine(day, begins, zone).astimezone(UTC),
            (datetime.combine(day, ends, zone) - _MINUTE).astimezone(UTC),
        )
        for day in days
        if day.weekday() in weekdays
    ]


def expect(
    past: Iterable[Past], *, weeks: float, now: datetime, days: Iterable[date], zone: ZoneInfo
) -> list[Expected]:
    """Who will still ask for a time of some local days, going by what was in so many weeks of the past.

    A party that used to be ready `hours_before` is only expected while that is still ahead. Nothing is expected from
    less than `ENOUGH` parties. Halves are carried on to the next time, so that their sum is right.
    """
    told = list(past)
    if weeks <= 0 or sum(one.count for one in told) < ENOUGH:
        return []
    of_weekday: dict[int, dict[tuple[bool, int], list[Past]]] = {}
    for one in told:
        of_weekday.setdefault(one.weekday, {}).setdefault((one.accessible, one.minute), []).append(one)
    found: list[Expected] = []
    carried: dict[tuple[bool, int], float] = {}
    for day in sorted(days):
        for (accessible, minute), hours in sorted(of_weekday.get(day.weekday(), {}).items()):
            at = datetime.combine(day, time(minute // 60, minute % 60), zone)
            left = (at - now) / _HOUR
            alike: dict[int, list[Past]] = {}
            for one in hours:
                if one.hours_before + 0.5 < left:
                    alike.setdefault(bisect(_HOURS_BEFORE, one.hours_before), []).append(one)
            for kind, coming in alike.items():
                many = sum(one.count for one in coming)
                total = carried.get((accessible, kind), 0.5) + MARGIN * many / weeks
                carried[accessible, kind] = total % 1
                if count := int(total):
                    before = sum(one.count * (one.hours_before + 0.5) for one in coming) / many
                    found.append(Expected(at, max(now, at - before * _HOUR), accessible, count))
    return found


def arrival(starts_at: datetime, ends_at: datetime, *, place: int, capacity: int) -> datetime:
    """When the party that takes the `place`-th of so many places of a slot (from 1) is asked to come.

    The places are spread over the slot in steps of five minutes, those of the early ones as well: the second of four
    in a quarter of an hour comes at the second mark, the fourth at the first again.
    """
    steps = max(1, int((ends_at - starts_at) / MARK))
    marks = max(1, min(steps, capacity))
    return starts_at + MARK * ((place - 1) % marks * steps // marks)


def _alone(party: Party, slots: Sequence[FreeSlot], unserved: float) -> dict[str, int]:
    """What the flow would give to one party, which needs no solver."""
    found = []
    for place, slot in enumerate(slots):
        wide = min(slot.accessible_places, slot.places)
        if suits(party, slot) and (wide or not party.accessible):
            spare = 0.0 if party.accessible or slot.places > wide else SPARE
            found.append((cost(party, slot.starts_at) + spare, place))
    best, place = min(found, default=(AT_ANY_COST * WEIGHT, 0))
    return {party.key: slots[place].id} if best <= unserved * (WEIGHT if party.accessible else 1) and found else {}


def _alike(parties: Iterable[Party]) -> list[list[Party]]:
    """Parties that only differ in how long they wait: one node of the flow. Longest waiting first."""
    groups: dict[tuple[object, ...], list[Party]] = {}
    for party in sorted(parties, key=lambda party: (party.waiting_since, party.key)):
        same = (party.not_before, party.accessible, party.not_slots, party.keep_until, party.wished, party.tolerance)
        groups.setdefault(same, []).append(party)
    return list(groups.values())


def _flow(
    heads: Sequence[Party], sizes: Sequence[int], limits: Sequence[float], slots: Sequence[FreeSlot]
) -> list[tuple[int, FreeSlot, int]]:
    """How many of each group go to which slot, at the least cost; groups and slots in order."""
    # Tens of MiB, and only workers plan: a web process never gets here.
    import numpy as np  # noqa: PLC0415
    from ortools.graph.python import min_cost_flow  # noqa: PLC0415

    flow: Any = min_cost_flow.SimpleMinCostFlow()
    wide = np.array([min(slot.accessible_places, slot.places) for slot in slots])
    plain = np.array([slot.places for slot in slots]) - wide
    first, second, sink = len(heads), len(heads) + len(slots), len(heads) + 2 * len(slots)
    rooms, to_sink = np.arange(len(slots)), np.full(len(slots), sink)
    needs = np.array([party.accessible for party in heads])
    weights = np.where(needs, WEIGHT, 1)
    supply = np.array(sizes, dtype=np.int64)
    tails, places, prices = [], [], []
    for begin in range(0, len(heads), _CHUNK):
        some = heads[begin : begin + _CHUNK]
        costs = _costs(np, some, slots)
        limit = (np.array(limits[begin : begin + _CHUNK]) * weights[begin : begin + _CHUNK])[:, None]
        good = (costs <= limit) & ((wide > 0) | ~needs[begin : begin + _CHUNK, None])
        group, place = np.nonzero(good)
        tails.append(group + begin)
        places.append(place)
        prices.append(np.rint(costs[group, place] * _SCALE).astype(np.int64))
    tail, place, price = np.concatenate(tails), np.concatenate(places), np.concatenate(prices)
    head = place + np.where(needs[tail], second, first)
    arcs = flow.add_arcs_with_capacity_and_unit_cost(tail, head, supply[tail], price)
    for out, into, room, each in (
        (rooms + first, to_sink, plain, 0.0),
        (rooms + first, rooms + second, wide, SPARE),
        (rooms + second, to_sink, wide, 0.0),
    ):
        flow.add_arcs_with_capacity_and_unit_cost(out, into, room, np.full(len(slots), int(each * _SCALE)))
    groups, none = np.arange(len(heads)), np.rint(np.array(limits) * weights * _SCALE).astype(np.int64)
    flow.add_arcs_with_capacity_and_unit_cost(groups, np.full(len(heads), sink), supply, none)
    flow.set_nodes_supplies(np.append(groups, sink), np.append(supply, -supply.sum()))
    if (status := flow.solve()) != flow.OPTIMAL:
        raise RuntimeError(f"no plan: {status}")
    moved = flow.flows(arcs)
    used = np.flatnonzero(moved)
    return [
        (int(group), slots[int(at)], int(count))
        for group, at, count in sorted(zip(tail[used], place[used], moved[used], strict=True))
    ]


def _costs(np: Any, parties: Sequence[Party], slots: Sequence[FreeSlot]) -> Any:
    """`cost` of each party in each slot, infinite where it does not suit."""
    zero = slots[0].starts_at

    def column(moments: Iterable[datetime]) -> Any:
        return np.array([[(moment - zero) / _MINUTE] for moment in moments])

    starts = np.array([(slot.starts_at - zero) / _MINUTE for slot in slots])
    most = max(1, *(len(party.wished) for party in parties))
    firsts, lasts = np.full((len(parties), most), np.inf), np.full((len(parties), most), np.inf)
    for row, party in enumerate(parties):
        for number, (first, last) in enumerate(party.wished):
            firsts[row, number], lasts[row, number] = (first - zero) / _MINUTE, (last - zero) / _MINUTE
        if not party.wished:
            firsts[row] = -np.inf  # any time
    off = np.maximum(np.maximum(firsts[:, :, None] - starts, starts - lasts[:, :, None]), 0.0).min(axis=1)
    beyond = np.maximum(0.0, off - np.array([[party.tolerance / _MINUTE] for party in parties]))
    shelf = starts - column(party.waiting_since for party in parties)
    costs = np.array([[WEIGHT if party.accessible else 1] for party in parties]) * (off + 2 * beyond + SHELF * shelf)
    costs[starts < column(party.not_before for party in parties)] = np.inf
    forever = slots[-1].starts_at + timedelta(days=1)
    costs[starts >= column(party.keep_until or forever for party in parties)] = np.inf
    for row, party in enumerate(parties):
        if party.not_slots:
            costs[row, [place for place, slot in enumerate(slots) if slot.id in party.not_slots]] = np.inf
    return costs


def _in_turn(parties: Iterable[Party], given: dict[str, int], slots: Sequence[FreeSlot]) -> dict[str, int]:
    """The same places, and the same cost, with who has waited longest first among those who wish the same."""
    by_id = {slot.id: slot for slot in slots}
    order = {slot.id: place for place, slot in enumerate(slots)}
    wishing: dict[tuple[object, ...], list[Party]] = {}
    for party in parties:
        if party.key in given:
            wishing.setdefault((party.wished, party.accessible, party.tolerance), []).append(party)
    turned = dict(given)
    for equals in wishing.values():
        queue = sorted(equals, key=lambda party: (party.waiting_since, party.key))
        places = sorted((given[party.key] for party in queue), key=order.__getitem__)
        if all(suits(party, by_id[place]) for party, place in zip(queue, places, strict=True)):
            turned.update(zip((party.key for party in queue), places, strict=True))
    return turned
