"""Who gets which slot: the cheapest plan for all, never more parties than places, and what the past tells."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pickup import scheduling
from pickup.scheduling import FreeSlot, Party, Past, assign

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


def at(hours: float) -> datetime:
    return T + timedelta(hours=hours)


wished = st.lists(st.tuples(st.integers(0, 24), st.integers(0, 3)), max_size=2).map(
    lambda found: tuple((at(first), at(first + more)) for first, more in found)
)


def some_parties(most: int):
    return st.lists(
        st.builds(
            Party,
            key=st.uuids().map(str),
            not_before=st.integers(0, 20).map(at),
            waiting_since=st.integers(0, 500).map(lambda m: T - timedelta(minutes=m)),
            accessible=st.booleans(),
            not_slots=st.frozensets(st.integers(0, 3), max_size=1),
            keep_until=st.none() | st.integers(4, 30).map(at),
            wished=wished,
        ),
        max_size=most,
        unique_by=lambda p: p.key,
    )


parties = some_parties(30)
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
    assert all(scheduling.suits(by_key[key], by_id[slot_id]) for key, slot_id in plan.items())


@given(parties, rooms)
def test_nobody_is_left_out_while_a_place_that_fits_is_free(people, slots):
    plan = assign(people, slots)
    booked = Counter(plan.values())
    left = [p for p in people if p.key not in plan and not p.accessible]
    for p in left:
        assert not [s for s in slots if scheduling.suits(p, s) and booked[s.id] < s.places]


def total(plan: dict[str, int], people: list[Party], slots: list[FreeSlot], unserved: float) -> float:
    """What a plan costs, counted by hand; infinite where it breaks a rule."""
    by_id = {s.id: s for s in slots}
    others: Counter[int] = Counter()
    wide: Counter[int] = Counter()
    cost = 0.0
    for p in people:
        if p.key not in plan:
            cost += unserved * (3 if p.accessible else 1)
            continue
        s = by_id[plan[p.key]]
        if not scheduling.suits(p, s):
            return float("inf")
        cost += scheduling.cost(p, s.starts_at)
        (wide if p.accessible else others)[s.id] += 1
    for s in slots:
        if others[s.id] + wide[s.id] > s.places or wide[s.id] > s.accessible_places:
            return float("inf")
        cost += 5 * max(0, others[s.id] - (s.places - s.accessible_places))
    return cost


few_rooms = st.lists(st.tuples(st.integers(0, 24), st.integers(0, 2), st.integers(0, 2)), max_size=4).map(
    lambda found: [FreeSlot(i, at(h), places, min(places, wide)) for i, (h, places, wide) in enumerate(found)]
)


@given(some_parties(4), few_rooms, st.sampled_from([60.0, scheduling.UNSERVED, scheduling.AT_ANY_COST]))
def test_no_other_plan_is_cheaper(people, slots, unserved):
    plans = itertools.product([None, *(s.id for s in slots)], repeat=len(people))
    cheapest = min(
        total({p.key: s for p, s in zip(people, plan, strict=True) if s is not None}, people, slots, unserved)
        for plan in plans
    )
    assert total(assign(people, slots, unserved=unserved), people, slots, unserved) == pytest.approx(cheapest, abs=0.1)


# What people wish


def test_who_wishes_an_evening_gets_it_though_the_morning_is_free():
    evening = ((at(9), at(11)),)
    slots = [slot(1, hours=1), slot(2, hours=10)]
    assert assign([Party("a", T, T, wished=evening), party("b")], slots) == {"a": 2, "b": 1}


def test_a_place_that_is_days_off_is_given_rather_than_none():
    wish = ((at(1), at(1)),)
    people = [Party(key, T, T + timedelta(minutes=n), wished=wish) for n, key in enumerate("ab")]
    assert assign(people, [slot(1, hours=1), slot(2, hours=120)]) == {"a": 1, "b": 2}


def test_of_two_who_wish_the_same_who_has_waited_longer_comes_first():
    wish = ((at(4), at(4)),)
    late, early = Party("late", T, at(-1), wished=wish), Party("early", T, at(-9), wished=wish, keep_until=at(9))
    assert assign([late, early], [slot(1, hours=4), slot(2, hours=5)]) == {"early": 1, "late": 2}


def test_nobody_is_sent_when_nothing_is_left_to_collect():
    wish = ((at(9), at(11)),)
    assert assign([Party("a", T, T, keep_until=at(9), wished=wish)], [slot(1, hours=1), slot(2, hours=10)]) == {"a": 1}
    assert assign([Party("a", T, T, keep_until=at(9), wished=wish)], [slot(2, hours=10)]) == {}


def test_weekdays_and_hours_are_local_and_end_before_the_last_minute():
    seoul = ZoneInfo("Asia/Seoul")
    days = [date(2026, 11, 24), date(2026, 11, 25)]
    [(first, last)] = scheduling.wishes([1], time(17), time(19), days, seoul)
    assert first.astimezone(UTC) == datetime(2026, 11, 24, 8, tzinfo=UTC)
    assert scheduling.distance([(first, last)], datetime(2026, 11, 24, 9, 45, tzinfo=UTC)) == 0
    assert scheduling.distance([(first, last)], datetime(2026, 11, 24, 10, tzinfo=UTC)) > 0


@pytest.mark.parametrize(
    ("wish", "given", "left", "why"),
    [
        ((), 1, [5], "soonest"),
        (((4, 6),), 5, [4], "wished"),
        (((4, 4),), 6, [], "nearest"),
        (((4, 4),), 6, [1, 9], "nearest"),
        (((4, 4),), 6, [5], "near"),
    ],
)
def test_why_it_is_this_slot(wish, given, left, why):
    who = Party("a", T, T, wished=tuple((at(first), at(last)) for first, last in wish))
    assert scheduling.why(who, slot(1, hours=given), [slot(n, hours=n) for n in left]) == why


# Needs


def test_a_place_for_those_who_leave_the_car_is_given_to_others_only_where_it_helps():
    plain, wide = slot(1, hours=1), slot(2, hours=1, accessible=1)
    assert assign([party("a")], [wide, plain]) == {"a": 1}
    assert assign([party("a")], [wide]) == {"a": 2}


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 300)), min_size=1, max_size=8),
    st.integers(1, 3),
    st.integers(0, 7),
)
def test_a_need_never_costs_more_than_one_slot_of_delay(others, places, needy):
    """Wherever each slot has a place for those who leave the car, and no more of them come than one a slot."""
    slots = [FreeSlot(n, at(n / 4), places, 1) for n in range(40)]
    people = [
        Party(f"{n}", T, T - timedelta(minutes=since), wished=((at(hour / 4), at(hour / 4)),))
        for n, (hour, since) in enumerate(others)
    ]
    who = people[needy % len(people)]
    without = assign(people, slots)[who.key]
    needs = Party(who.key, T, who.waiting_since, accessible=True, wished=who.wished)
    with_need = assign([needs if p is who else p for p in people], slots)[who.key]
    wish = (who.wished[0][0] - T) / timedelta(minutes=15)
    assert abs(with_need - wish) <= abs(without - wish) + 1


# What the past tells


NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)  # a Monday
WEEK = [date(2026, 11, 23) + timedelta(days=n) for n in range(7)]


def expected(past, *, weeks=8.0, now=NOON):
    return scheduling.expect(past, weeks=weeks, now=now, days=WEEK, zone=ZoneInfo("UTC"))


def test_a_thin_past_tells_nothing():
    assert expected([Past(1, 600, 3, accessible=False, count=scheduling.ENOUGH - 1)]) == []
    assert assign([party("a")], [slot(1, hours=1)], expected([])) == {"a": 1}


def test_so_many_are_expected_as_came_in_a_usual_week_and_a_few_more():
    past = [Past(1, 600, 3, accessible=False, count=80), Past(2, 600, 3, accessible=True, count=4)]
    assert [(one.at, one.accessible, one.count) for one in expected(past)] == [
        (datetime(2026, 11, 24, 10, tzinfo=UTC), False, 12),
        (datetime(2026, 11, 25, 10, tzinfo=UTC), True, 1),
    ]


def test_whose_bag_used_to_be_ready_by_now_is_not_expected_any_more():
    past = [Past(0, 14 * 60, 1, accessible=False, count=80), Past(0, 14 * 60, 5, accessible=False, count=80)]
    [one] = expected(past)
    assert one.count == 12
    assert expected(past, now=NOON + timedelta(hours=1)) == []


def test_halves_are_carried_on():
    past = [Past(day, 600, 3, accessible=False, count=12) for day in range(1, 7)]
    assert sum(one.count for one in expected(past)) == 11  # 1.8 on each of six days


def test_a_place_is_kept_for_whom_the_past_announces():
    """One place in the rush: who wishes no time in particular gets another one, a little later."""
    rush = datetime(2026, 11, 24, 17, 30, tzinfo=UTC)
    slots = [FreeSlot(1, rush, 1, 0), FreeSlot(2, rush + timedelta(minutes=15), 1, 0)]
    nobody_in_particular = Party("a", NOON, NOON)
    past = [Past(1, 17 * 60 + 30, 3, accessible=False, count=80)]
    assert assign([nobody_in_particular], slots) == {"a": 1}
    assert assign([nobody_in_particular], slots, expected(past, weeks=80.0)) == {"a": 2}
    assert set(assign([nobody_in_particular], slots[:1], expected(past))) == {"a"}


@given(parties, rooms, st.integers(0, 400))
def test_who_is_only_expected_takes_no_place_from_whoever_is_here(people, slots, many):
    coming = expected([Past(1, 600, 3, accessible=False, count=many), Past(2, 600, 3, accessible=True, count=many)])

    def served(plan: dict[str, int]) -> float:
        """So many have a time, three for an accessible place; which of equals they are may change."""
        return sum(scheduling.WEIGHT if one.accessible else 1 for one in people if one.key in plan)

    assert served(assign(people, slots, coming)) == served(assign(people, slots))


# When within the slot


@pytest.mark.parametrize(
    ("minutes", "capacity", "marks"),
    [(15, 6, [0, 5, 10, 0, 5, 10]), (60, 4, [0, 15, 30, 45]), (15, 2, [0, 5]), (5, 3, [0, 0, 0]), (30, 1, [0])],
)
def test_the_parties_of_a_slot_are_spread_over_it(minutes, capacity, marks):
    told = [
        scheduling.arrival(T, T + timedelta(minutes=minutes), place=place, capacity=capacity)
        for place in range(1, capacity + 1)
    ]
    assert [(one - T) / timedelta(minutes=1) for one in told] == marks
