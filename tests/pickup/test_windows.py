"""Windows cut into slots, on ordinary days and on the nights when the clock changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.calendar import Calendar
from pickup.windows import SlotPlan, WindowRule, plan, slots_on

SEOUL, NEW_YORK, LORD_HOWE = ZoneInfo("Asia/Seoul"), ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe")
ALWAYS = Calendar().is_open
WEEKDAYS = Calendar(weekly_closed=frozenset({5, 6})).is_open
TUESDAY = date(2020, 3, 10)


def rule(opens="16:00", closes="17:00", minutes=60, **more) -> WindowRule:
    more.setdefault("weekday", 1)
    return WindowRule(
        opens=time.fromisoformat(opens),
        closes=time.fromisoformat(closes),
        slot_minutes=minutes,
        **{"capacity": 4, **more},
    )


def starts(slots: list[SlotPlan]) -> list[str]:
    return [f"{slot.local_start:%H:%M}" for slot in slots]


def test_seongdong_second_session_is_ordered_by_noon_of_the_day():
    second = rule(cutoff_time=time(12), session_ko="2회차", session_en="Session 2", accessible=1, id=7)
    (slot,) = slots_on(second, TUESDAY, SEOUL, ALWAYS)
    assert slot.starts_at == datetime(2020, 3, 10, 7, tzinfo=UTC)
    assert slot.ends_at == datetime(2020, 3, 10, 8, tzinfo=UTC)
    assert slot.orders_until == datetime(2020, 3, 10, 3, tzinfo=UTC)
    assert (slot.session_ko, slot.session_en, slot.capacity, slot.accessible, slot.window) == (
        "2회차",
        "Session 2",
        4,
        1,
        7,
    )


def test_ordered_by_five_for_the_next_day():
    (slot,) = slots_on(rule(cutoff_days=1, cutoff_time=time(17)), TUESDAY, SEOUL, ALWAYS)
    assert slot.orders_until.astimezone(SEOUL) == datetime(2020, 3, 9, 17, tzinfo=SEOUL)


def test_friday_counts_back_from_monday():
    monday = rule(weekday=0, cutoff_days=1, cutoff_time=time(17))
    (slot,) = slots_on(monday, date(2020, 3, 9), SEOUL, WEEKDAYS)
    assert slot.orders_until.astimezone(SEOUL) == datetime(2020, 3, 6, 17, tzinfo=SEOUL)


def test_orders_of_the_weekend_are_for_tuesday():
    (slot,) = slots_on(rule(cutoff_days=1, cutoff_time=time(17)), TUESDAY, SEOUL, WEEKDAYS)
    saturday, monday_evening = datetime(2020, 3, 7, 10, tzinfo=SEOUL), datetime(2020, 3, 9, 17, 1, tzinfo=SEOUL)
    assert saturday < slot.orders_until < monday_evening


def test_without_a_time_the_whole_day_counts():
    (slot,) = slots_on(rule(cutoff_days=1), TUESDAY, SEOUL, ALWAYS)
    assert slot.orders_until.astimezone(SEOUL) == datetime(2020, 3, 10, 0, tzinfo=SEOUL)


def test_time_to_pack_is_kept_when_the_cutoff_is_later():
    (slot,) = slots_on(rule(cutoff_time=time(16), lead_minutes=30), TUESDAY, SEOUL, ALWAYS)
    assert slot.orders_until.astimezone(SEOUL) == datetime(2020, 3, 10, 15, 30, tzinfo=SEOUL)
    (slot,) = slots_on(rule(), TUESDAY, SEOUL, ALWAYS)
    assert slot.orders_until == slot.starts_at


def test_a_library_that_was_closed_for_months_gives_a_past_cutoff():
    opening = Calendar(weekly_closed=frozenset(range(7)), open_dates=frozenset({TUESDAY})).is_open
    (slot,) = slots_on(rule(cutoff_days=1, cutoff_time=time(17)), TUESDAY, SEOUL, opening)
    assert slot.orders_until < slot.starts_at - timedelta(days=50)


def test_a_window_is_cut_into_quarters_and_the_rest_is_left_out():
    assert starts(slots_on(rule("10:00", "11:10", 15), TUESDAY, SEOUL, ALWAYS)) == ["10:00", "10:15", "10:30", "10:45"]
    assert starts(slots_on(rule("23:00", "00:00", 30), TUESDAY, SEOUL, ALWAYS)) == ["23:00", "23:30"]
    assert slots_on(rule("10:00", "10:10", 15), TUESDAY, SEOUL, ALWAYS) == []


def test_no_slots_on_other_days_and_closed_days():
    assert slots_on(rule(), date(2020, 3, 11), SEOUL, ALWAYS) == []
    assert slots_on(rule(), TUESDAY, SEOUL, lambda day: False) == []


def test_a_date_replaces_the_weekday():
    rules = [rule("10:00", "12:00", id=1), rule("14:00", "15:00", weekday=None, date=TUESDAY, id=2)]
    assert starts(plan(rules, TUESDAY, SEOUL, ALWAYS)) == ["14:00"]
    assert starts(plan(rules, TUESDAY + timedelta(days=7), SEOUL, ALWAYS)) == ["10:00", "11:00"]


def test_an_nth_weekday_replaces_the_week_once_a_month():
    rules = [rule("10:00", "12:00", id=1), rule("14:00", "15:00", nth=2, id=2)]
    tuesdays = [date(2020, 3, day) for day in (3, 10, 17, 24, 31)]
    assert [starts(plan(rules, day, SEOUL, ALWAYS))[0] for day in tuesdays] == [
        *("10:00", "14:00", "10:00", "10:00", "10:00")
    ]
    assert [day.day for day in tuesdays if rule(nth=5).holds_on(day)] == [31]
    assert not rule(nth=5).holds_on(date(2020, 2, 25))
    for wrong in ({"nth": 6}, {"nth": 0}, {"nth": 1, "weekday": None, "date": TUESDAY}):
        with pytest.raises(ValueError, match="month"):
            rule(**wrong)


def test_surge_changes_the_windows():
    rules = [
        rule("10:00", "11:00", regime="normal"),
        rule("11:00", "12:00", regime="surge"),
        rule("16:00", "17:00"),
        rule("20:00", "21:00", regime="normal", weekday=None, date=TUESDAY + timedelta(days=7)),
    ]
    assert starts(plan(rules, TUESDAY, SEOUL, ALWAYS)) == ["10:00", "16:00"]
    assert starts(plan(rules, TUESDAY, SEOUL, ALWAYS, surge=True)) == ["11:00", "16:00"]
    next_week = TUESDAY + timedelta(days=7)
    assert starts(plan(rules, next_week, SEOUL, ALWAYS)) == ["20:00"]
    assert starts(plan(rules, next_week, SEOUL, ALWAYS, surge=True)) == ["11:00", "16:00"]


def test_two_windows_never_start_a_slot_twice():
    rules = [rule("10:00", "12:00", id=9, capacity=9), rule("11:00", "12:00", id=3, capacity=3)]
    slots = plan(rules, TUESDAY, SEOUL, ALWAYS)
    assert [(slot.window, slot.capacity) for slot in slots] == [(9, 9), (3, 3)]


def night(zone: ZoneInfo, day: date, minutes: int, opens="00:00", closes="05:00") -> list[SlotPlan]:
    return slots_on(rule(opens, closes, minutes, weekday=None, date=day), day, zone, ALWAYS)


def test_spring_in_new_york_leaves_out_the_hour_that_does_not_exist():
    slots = night(NEW_YORK, date(2027, 3, 14), 30)
    assert starts(slots) == ["00:00", "00:30", "01:00", "01:30", "03:00", "03:30", "04:00", "04:30"]
    assert slots[4].starts_at == slots[3].ends_at == datetime(2027, 3, 14, 7, tzinfo=UTC)


def test_autumn_in_new_york_gives_each_time_once_and_the_first():
    slots = night(NEW_YORK, date(2026, 11, 1), 30)
    assert starts(slots) == [f"{h:02d}:{m:02d}" for h in range(5) for m in (0, 30)]
    by_start = dict(zip(starts(slots), slots, strict=True))
    assert by_start["01:30"].starts_at == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)  # EDT
    assert by_start["02:00"].starts_at == datetime(2026, 11, 1, 7, tzinfo=UTC)  # EST, an hour later
    assert by_start["01:30"].ends_at == datetime(2026, 11, 1, 6, tzinfo=UTC)


def test_lord_howe_moves_by_half_an_hour():
    spring = night(LORD_HOWE, date(2026, 10, 4), 60, opens="00:30")
    assert starts(spring) == ["00:30", "01:30", "02:30", "03:30"]
    assert spring[1].ends_at == spring[2].starts_at  # cut short: 01:30 to 02:30 is half an hour that night
    assert spring[1].ends_at - spring[1].starts_at == timedelta(minutes=30)
    assert starts(night(LORD_HOWE, date(2026, 10, 4), 30)) == [
        *("00:00", "00:30", "01:00", "01:30", "02:30", "03:00", "03:30", "04:00", "04:30")
    ]
    autumn = night(LORD_HOWE, date(2026, 4, 5), 30)
    assert len(autumn) == 10
    gap = {b.starts_at - a.ends_at for a, b in pairwise(autumn)}
    assert gap == {timedelta(0), timedelta(minutes=30)}


def test_a_window_inside_the_gap_has_no_slots():
    assert night(NEW_YORK, date(2027, 3, 14), 30, "02:00", "03:00") == []


@given(
    st.sampled_from([SEOUL, NEW_YORK, LORD_HOWE, ZoneInfo("Pacific/Apia"), ZoneInfo("America/St_Johns")]),
    st.dates(date(2011, 1, 1), date(2030, 12, 31)),
    st.integers(0, 23 * 60),
    st.integers(1, 600),
    st.integers(5, 120),
)
def test_slots_never_overlap_and_bear_their_own_times(zone, day, opens, length, minutes):
    closes = (opens + length) % 1440 if opens + length <= 1440 else 0
    slots = night(zone, day, minutes, str(time(opens // 60, opens % 60)), str(time(closes // 60, closes % 60)))
    for slot in slots:
        assert slot.starts_at < slot.ends_at <= slot.starts_at + timedelta(minutes=minutes)
        assert slot.local_start.astimezone(UTC) == slot.starts_at
        assert slot.starts_at.astimezone(zone).replace(tzinfo=None) == slot.local_start.replace(tzinfo=None)
        assert slot.local_start.date() == day
        assert slot.starts_at.utcoffset() == slot.orders_until.utcoffset() == timedelta(0)
    for one, two in pairwise(slots):
        assert one.ends_at <= two.starts_at
    assert len(set(starts(slots))) == len(slots)


@pytest.mark.parametrize(
    "wrong",
    [
        {"weekday": None},
        {"date": TUESDAY},
        {"weekday": 7},
        {"minutes": 0},
        {"accessible": 5},
        {"cutoff_days": -1},
        {"opens": "17:00"},
    ],
)
def test_a_window_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match=r"a window|weekdays|a slot|a cut-off"):
        rule(**wrong)
