"""P7: what the schedule costs beside the cheapest there is, made at once and made as the bags become ready."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence

from bench import schedules
from bench.rows import Ratio
from pickup import scheduling
from pickup.scheduling import FreeSlot, Party

ROUNDS = 3
BATCH, BATCH_PLACES, BATCH_ACCESSIBLE = 10_000, 55, 11
PLACES, ACCESSIBLE = 5, 1
LOADS = (0.7, 0.9)
name = (
    f"cost of the schedule; {BATCH:,} parties at once, and {schedules.DAYS} days of {schedules.PER_DAY} slots"
    f" of {PLACES} as bags become ready, with {schedules.WEEKS} weeks of past"
)

Way = Callable[[Sequence[Party], Sequence[FreeSlot]], dict[str, int]]


def run() -> list[Ratio]:
    """Each round is another week; the ways of one round share it."""
    seed = os.environ.get("SEED", "2020")
    rows = _batch(random.Random(f"{seed} batch"))
    for load in LOADS:
        rows += _online(load, seed)
    return rows


def _batch(luck: random.Random) -> list[Ratio]:
    slots = schedules.week(BATCH_PLACES, BATCH_ACCESSIBLE)
    ways: dict[str, Way] = {
        "optimum": schedules.optimum,
        "flow": lambda parties, rooms: scheduling.assign(parties, rooms, unserved=scheduling.UNSERVED),
        "greedy with swaps": schedules.swapped,
        "nearest": lambda parties, rooms: schedules.one_by_one(parties, rooms, schedules.nearest),
    }
    costs = _rounds(ways, BATCH, slots, luck)
    return [
        Ratio("at once: flow (chosen)", "min", costs["flow"], "optimum", costs["optimum"], must=1.001, better="less"),
        Ratio("at once: greedy with swaps", "min", costs["greedy with swaps"], "optimum", costs["optimum"]),
        Ratio("at once: first come, nearest", "min", costs["nearest"], "optimum", costs["optimum"]),
    ]


def _online(load: float, seed: str) -> list[Ratio]:
    slots, luck = schedules.week(PLACES, ACCESSIBLE), random.Random(f"{seed} {load}")
    count = round(load * PLACES * len(slots))
    past = schedules.past_of(count, luck)
    foresight, sampled = schedules.Foresight(past), schedules.Sampled(past, random.Random(f"{seed} {load} drawn"))
    ways: dict[str, Way] = {
        "optimum": schedules.optimum,
        "nearest": lambda parties, rooms: schedules.one_by_one(parties, rooms, schedules.nearest),
        "cheapest": lambda parties, rooms: schedules.one_by_one(parties, rooms, schedules.cheapest),
        "greedy": lambda parties, rooms: schedules.one_by_one(parties, rooms, schedules.greedy),
        "foresight": lambda parties, rooms: schedules.one_by_one(parties, rooms, foresight),
        "sampled": lambda parties, rooms: schedules.one_by_one(parties, rooms, sampled),
    }
    costs = _rounds(ways, count, slots, luck)
    best, near, mine = costs["optimum"], costs["nearest"], costs["foresight"]
    at = f"load {load}"
    return [
        Ratio(f"{at}: flow with foresight (chosen)", "min", mine, "optimum", best, must=3.0, better="less"),
        Ratio(f"{at}: flow with foresight (chosen)", "min", mine, "first come, nearest", near),
        Ratio(f"{at}: flow with a week drawn from the past", "min", costs["sampled"], "optimum", best),
        Ratio(f"{at}: greedy with swaps", "min", costs["greedy"], "optimum", best),
        Ratio(f"{at}: flow, no past", "min", costs["cheapest"], "optimum", best),
        Ratio(f"{at}: first come, nearest", "min", near, "optimum", best),
    ]


def _rounds(
    ways: dict[str, Way], count: int, slots: Sequence[FreeSlot], luck: random.Random
) -> dict[str, tuple[float, ...]]:
    costs: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        parties = schedules.crowd(count, luck)
        for way, plan in ways.items():
            costs[way].append(schedules.price(plan(parties, slots), parties, slots))
    return {way: tuple(each) for way, each in costs.items()}
