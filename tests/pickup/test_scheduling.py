"""Who gets which slot: the earliest that fits, and never more parties than places."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pickup.scheduling import FreeSlot, Party, assign

T = datetime(2026, 11, 24, 1, tzinfo=UTC)


def slot(number: int, *, hours: int, places: int = 1, accessible: int = 0) -> FreeSlot:
    return FreeSlot(number, T + timedelta(hours=hours), places, accessible)


def party(key: str, *, since: int = 0, hours: int = 0, accessible: bool = False, no: frozenset[int] = frozenset()):
    return Party(key, T + timedelta(hours=hours), T + timedelta(minutes=since), accessible, no)


def test_who_waits_longest_gets_the_earliest_slot():
    slots = [slot(1, hours=3), slot(2, hours=1)]
    assert assign([party("late", since=5), party("early", since=1)], slots) == {"early": 2, "late": 1}


def test_nobody_is_sent_before_they_can_come():
    assert assign([party("a", hours=2)], [slot(1, hours=1), slot(2, hours=2)]) == {"a": 2}


def test_who_leaves_the_car_gets_an_accessible_place_or_nothing():
    slots = [slot(1, hours=1, places=3), slot(2, hours=2, places=2, accessible=1)]
    assert assign([party("a", accessible=True), party("b", accessible=True)], slots) == {"a": 2}


def test_a_slot_that_lapsed_before_is_not_offered_again():
    assert assign([party("a", no=frozenset({1}))], [slot(1, hours=1), slot(2, hours=2)]) == {"a": 2}


def test_without_a_free_place_nobody_is_promised_anything():
    assert assign([party("a")], []) == {}
    assert assign([party("a")], [slot(1, hours=1, places=0)]) == {}


parties = st.lists(
    st.builds(
        Party,
        key=st.uuids().map(str),
        not_before=st.integers(0, 20).map(lambda h: T + timedelta(hours=h)),
        waiting_since=st.integers(0, 500).map(lambda m: T - timedelta(minutes=m)),
        accessible=st.booleans(),
    ),
    max_size=30,
    unique_by=lambda p: p.key,
)
rooms = st.lists(st.tuples(st.integers(0, 24), st.integers(0, 4), st.integers(0, 4)), max_size=12).map(
    lambda rows: [
        FreeSlot(i, T + timedelta(hours=h), places, min(places, wide)) for i, (h, places, wide) in enumerate(rows)
    ]
)


@given(parties, rooms)
def test_no_plan_oversells_or_sends_anybody_too_early(people, slots):
    plan = assign(people, slots)
    by_key, by_id = {p.key: p for p in people}, {s.id: s for s in slots}
    booked = Counter(plan.values())
    wide = Counter(slot_id for key, slot_id in plan.items() if by_key[key].accessible)
    assert all(booked[s.id] <= s.places and wide[s.id] <= s.accessible_places for s in slots)
    assert all(by_id[slot_id].starts_at >= by_key[key].not_before for key, slot_id in plan.items())


@given(parties, rooms)
def test_nobody_is_left_out_while_a_place_that_fits_is_free(people, slots):
    plan = assign(people, slots)
    booked = Counter(plan.values())
    left = [p for p in people if p.key not in plan and not p.accessible]
    for p in left:
        assert not [s for s in slots if s.starts_at >= p.not_before and booked[s.id] < s.places]
