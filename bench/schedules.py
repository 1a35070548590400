"""A made-up library week for P6 and P7, what a schedule of it costs, and the ways to make one that lost (see ADR 0021).

5 days of 40 slots; 12 % leave the car; 35 % want 17:30 give or take an hour, the others any time; between a bag that is
ready and the time wished lie half an hour and about twelve hours more.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from ortools.graph.python import min_cost_flow

from pickup import scheduling
from pickup.scheduling import SPARE, UNSERVED, WEIGHT, Expected, FreeSlot, Party, Past

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
DAYS, PER_DAY, QUARTER = 5, 40, timedelta(minutes=15)
OPENS, CLOSES = timedelta(hours=10), timedelta(hours=20)
LEAD = timedelta(minutes=20)
MINUTE = timedelta(minutes=1)
WEEKS = 8
_SCALE = 1000


def week(places: int, accessible: int) -> list[FreeSlot]:
    """The slots of a week."""
    return [
        FreeSlot(day * PER_DAY + n, MONDAY + timedelta(days=day) + OPENS + n * QUARTER, places, accessible)
        for day in range(DAYS)
        for n in range(PER_DAY)
    ]


def crowd(count: int, luck: random.Random) -> list[Party]:
    """So many parties, in the order in which their bags are ready."""
    parties = []
    for number in range(count):
        day = MONDAY + timedelta(days=luck.randrange(DAYS))
        if luck.random() < 0.35:
            at = timedelta(hours=17, minutes=30 + luck.randint(-60, 60))
        else:
            at = OPENS + MINUTE * luck.randrange(int((CLOSES - OPENS) / MINUTE))
        wish = day + at
        ready = wish - timedelta(minutes=30 + int(luck.expovariate(1 / 720)))
        parties.append(
            Party(
                key=f"{number:05}",
                not_before=ready + LEAD,
                waiting_since=ready,
                accessible=luck.random() < 0.12,
                wished=((wish, wish),),
            )
        )
    return sorted(parties, key=lambda party: (party.waiting_since, party.key))


def price(plan: dict[str, int], parties: Sequence[Party], slots: Sequence[FreeSlot]) -> float:
    """What a plan costs in minutes; raises where it breaks a rule."""
    by_id = {slot.id: slot for slot in slots}
    total, others, wide = 0.0, Counter[int](), Counter[int]()
    for party in parties:
        slot = by_id.get(plan.get(party.key, -1))
        if slot is None:
            total += UNSERVED * (WEIGHT if party.accessible else 1)
            continue
        if not scheduling.suits(party, slot):
            raise AssertionError(f"{party} was sent to {slot}")
        total += scheduling.cost(party, slot.starts_at)
        (wide if party.accessible else others)[slot.id] += 1
    for slot in slots:
        if others[slot.id] + wide[slot.id] > slot.places or wide[slot.id] > slot.accessible_places:
            raise AssertionError(f"{slot} is oversold")
        total += SPARE * max(0, others[slot.id] - (slot.places - slot.accessible_places))
    return total


def optimum(parties: Sequence[Party], slots: Sequence[FreeSlot]) -> dict[str, int]:
    """The cheapest plan there is: a flow with a node for each party, and nothing clever."""
    flow = min_cost_flow.SimpleMinCostFlow()
    costs = _costs(parties, slots)
    wide = np.array([party.accessible for party in parties])
    first, second = len(parties), len(parties) + len(slots)
    sink = second + len(slots)
    who, where = np.nonzero(costs < UNSERVED * np.where(wide, WEIGHT, 1)[:, None])
    price = np.rint(costs[who, where] * _SCALE).astype(np.int64)
    arcs = flow.add_arcs_with_capacity_and_unit_cost(
        who, where + np.where(wide[who], second, first), np.ones(len(who), dtype=np.int64), price
    )
    for place, slot in enumerate(slots):
        plain = slot.places - slot.accessible_places
        flow.add_arc_with_capacity_and_unit_cost(first + place, sink, plain, 0)
        flow.add_arc_with_capacity_and_unit_cost(
            first + place, second + place, slot.accessible_places, int(SPARE * _SCALE)
        )
        flow.add_arc_with_capacity_and_unit_cost(second + place, sink, slot.accessible_places, 0)
    for number, party in enumerate(parties):
        flow.add_arc_with_capacity_and_unit_cost(
            number, sink, 1, int(UNSERVED * _SCALE) * (WEIGHT if party.accessible else 1)
        )
        flow.set_node_supply(number, 1)
    flow.set_node_supply(sink, -len(parties))
    if flow.solve() != flow.OPTIMAL:
        raise AssertionError("no optimum")
    used = np.flatnonzero(flow.flows(arcs))
    return {parties[int(who[arc])].key: slots[int(where[arc])].id for arc in used}


def _costs(parties: Sequence[Party], slots: Sequence[FreeSlot]) -> np.ndarray:
    """What each party costs in each slot; infinite where it may not be sent."""
    zero = slots[0].starts_at
    starts = np.array([(slot.starts_at - zero) / MINUTE for slot in slots])
    wished = np.array([[(party.wished[0][0] - zero) / MINUTE] for party in parties])
    ready = np.array([[(party.waiting_since - zero) / MINUTE] for party in parties])
    early = np.array([[(party.not_before - zero) / MINUTE] for party in parties])
    tolerance = np.array([[party.tolerance / MINUTE] for party in parties])
    weight = np.array([[WEIGHT if party.accessible else 1] for party in parties])
    off = np.abs(starts - wished)
    costs = weight * (off + 2 * np.maximum(0.0, off - tolerance) + scheduling.SHELF * (starts - ready))
    costs[starts < early] = np.inf
    return costs


def swapped(parties: Sequence[Party], slots: Sequence[FreeSlot]) -> dict[str, int]:
    """The cheapest free place for one after the other, then single moves and swaps of two while they save anything."""
    costs = _costs(parties, slots)
    rooms = {slot.id: slot for slot in slots}
    at: dict[int, int] = {}
    order = sorted(range(len(parties)), key=lambda n: (not parties[n].accessible, parties[n].waiting_since))
    place_of = {slot.id: place for place, slot in enumerate(slots)}
    for number in order:
        given = scheduling.assign([parties[number]], list(rooms.values()), unserved=UNSERVED)
        for slot_id in given.values():
            at[number] = place_of[slot_id]
            rooms[slot_id] = taken(rooms[slot_id], parties[number])
    for wide in (True, False):
        free = [rooms[slot.id].accessible_places if wide else rooms[slot.id].places for slot in slots]
        before = Counter(at.values())
        _swap(costs, at, [n for n in order if parties[n].accessible is wide and n in at], free)
        after = Counter(at.values())
        for place, slot in enumerate(slots):  # those who leave the car move first, and free or fill a place
            room = rooms[slot.id]
            rooms[slot.id] = replace(room, places=room.places + before[place] - after[place])
    return {parties[number].key: slots[place].id for number, place in at.items()}


def _swap(costs: np.ndarray, at: dict[int, int], who: list[int], free: list[int]) -> None:
    """Single moves into free places and swaps of two, the one that saves most first."""
    count, left = len(free), np.array(free)
    if not who:
        return
    members: list[list[int]] = [[n for n in who if at[n] == place] for place in range(count)]
    gain, best = np.full((count, count), -np.inf), np.full((count, count), -1)

    def look(place: int) -> None:
        if members[place]:
            rows = np.array(members[place])
            saved = costs[rows, place][:, None] - costs[rows]
            gain[place], best[place] = saved.max(axis=0), rows[saved.argmax(axis=0)]
        else:
            gain[place] = -np.inf

    for place in range(count):
        look(place)
    while True:
        both = gain + np.where(left > 0, np.maximum(gain.T, 0.0), gain.T)
        one, two = divmod(int(both.argmax()), count)
        if not both[one, two] > 1e-6:
            return
        here = int(best[one, two])
        members[one].remove(here)
        members[two].append(here)
        at[here] = two
        if gain[two, one] < 0 < left[two]:
            left[two] -= 1
            left[one] += 1
        else:
            there = int(best[two, one])
            members[two].remove(there)
            members[one].append(there)
            at[there] = one
        look(one)
        look(two)


def taken(slot: FreeSlot, party: Party) -> FreeSlot:
    """The slot with one party more."""
    wide = slot.accessible_places - int(party.accessible)
    return replace(slot, places=slot.places - 1, accessible_places=min(wide, slot.places - 1))


def one_by_one(
    parties: Sequence[Party], slots: Sequence[FreeSlot], choose: Callable[[Party, Sequence[FreeSlot]], int | None]
) -> dict[str, int]:
    """A place for each party when its bag is ready, for good; `choose(party, free)` gives a slot id or None."""
    rooms = {slot.id: slot for slot in slots}
    plan: dict[str, int] = {}
    for party in parties:
        free = [room for room in rooms.values() if room.places > 0 and room.starts_at >= party.not_before]
        slot_id = choose(party, free)
        if slot_id is not None:
            plan[party.key] = slot_id
            rooms[slot_id] = taken(rooms[slot_id], party)
    return plan


def nearest(party: Party, free: Sequence[FreeSlot]) -> int | None:
    """First come, nearest place: what everybody does."""
    wish = party.wished[0][0]
    some = [slot for slot in free if slot.accessible_places > 0 or not party.accessible]
    return min(some, key=lambda slot: (abs(slot.starts_at - wish), slot.starts_at)).id if some else None


def cheapest(party: Party, free: Sequence[FreeSlot]) -> int | None:
    """The cheapest place for this party, whoever comes after it."""
    return scheduling.assign([party], free, unserved=UNSERVED).get(party.key)


def greedy(party: Party, free: Sequence[FreeSlot]) -> int | None:
    """Greedy with swaps of one who comes alone: what is given is given, and there is nobody to swap with."""
    return swapped([party], free).get(party.key) if free else None


class Foresight:
    """The product's way: who is expected from the past takes part in the plan."""

    def __init__(self, past: Sequence[Past]) -> None:
        self.past = past

    def __call__(self, party: Party, free: Sequence[FreeSlot]) -> int | None:
        return scheduling.assign([party], free, self.expected(party.not_before), unserved=UNSERVED).get(party.key)

    def expected(self, now: datetime) -> list[Expected]:
        """Who is still to come this week."""
        days = [(MONDAY + timedelta(days=day)).date() for day in range(DAYS)]
        return scheduling.expect(self.past, weeks=WEEKS, now=now, days=days, zone=ZoneInfo("UTC"))


class Sampled(Foresight):
    """A week drawn from the past in place of the usual one, a new one for each party: how often a time is asked for is
    what it usually is, give or take chance (Poisson).
    """

    def __init__(self, past: Sequence[Past], luck: random.Random) -> None:
        super().__init__(past)
        self.chance = np.random.default_rng(luck.getrandbits(64))
        self.usual = np.array([one.count / WEEKS for one in past])

    def expected(self, now: datetime) -> list[Expected]:
        """Who is still to come of the week that was drawn."""
        counts = self.chance.poisson(self.usual)
        drawn = [replace(one, count=int(count)) for one, count in zip(self.past, counts, strict=True) if count]
        days = [(MONDAY + timedelta(days=day)).date() for day in range(DAYS)]
        # A week that is over tells how many there were, without a margin.
        return scheduling.expect(drawn, weeks=scheduling.MARGIN, now=now, days=days, zone=ZoneInfo("UTC"))


def past_of(count: int, luck: random.Random) -> list[Past]:
    """What eight weeks before asked for: as numbers, the way the database gives them."""
    seen: Counter[tuple[int, int, int, bool]] = Counter()
    for _week in range(WEEKS):
        for party in crowd(count, luck):
            wish = party.wished[0][0]
            before = int((wish - party.waiting_since) / timedelta(hours=1))
            seen[wish.weekday(), wish.hour * 60 + wish.minute // 15 * 15, before, party.accessible] += 1
    return [Past(*what, many) for what, many in sorted(seen.items())]
