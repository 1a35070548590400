"""Closed days and the days that lending counts."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import holidays
import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from lending import public_holidays, queries
from lending.calendar import Calendar, NeverOpen, rolling, week_of
from lending.models import SpecialDay
from tests import rows

MONDAYS = Calendar(weekly_closed=frozenset({0}))
DAYS = st.dates(date(2020, 1, 1), date(2035, 12, 31))


def test_closed_every_monday():
    assert not MONDAYS.is_open(date(2020, 3, 9))
    assert MONDAYS.is_open(date(2020, 3, 10))
    assert MONDAYS.next_open(date(2020, 3, 9)) == date(2020, 3, 10)
    assert MONDAYS.next_open(date(2020, 3, 10)) == date(2020, 3, 10)


def test_closed_on_the_first_and_third_tuesday():
    library = Calendar(nth_weekday_closed=frozenset({(1, 1), (3, 1)}))
    closed = [day for day in range(1, 32) if not library.is_open(date(2026, 12, day))]
    assert closed == [1, 15]


def test_public_holidays_with_one_exception():
    library = Calendar(holidays=holidays.country_holidays("KR"), open_dates=frozenset({date(2026, 5, 5)}))
    assert not library.is_open(date(2026, 3, 1))
    assert not library.is_open(date(2026, 3, 2))  # in its place, the 1st being a Sunday
    assert library.is_open(date(2026, 5, 5))


def test_one_closed_day_beats_everything():
    day = date(2026, 11, 25)
    assert not Calendar(closed_dates=frozenset({day}), open_dates=frozenset({day})).is_open(day)


def test_open_days_are_counted_around_closed_ones():
    weekdays = Calendar(weekly_closed=frozenset({5, 6}))
    friday, monday = date(2026, 11, 27), date(2026, 11, 30)
    assert weekdays.open_days_before(monday, 1) == friday
    assert weekdays.open_days_after(friday, 1) == monday
    assert weekdays.open_days_before(date(2026, 11, 29), 0) == date(2026, 11, 29)


@pytest.mark.parametrize(
    ("first_day_counts", "skip_closed", "due"),
    [(True, False, date(2026, 11, 15)), (False, False, date(2026, 11, 17)), (True, True, date(2026, 11, 18))],
)
def test_fifteen_days_are_counted_as_the_library_counts(first_day_counts, skip_closed, due):
    # lent on a Sunday; fifteen days from the next one end on Monday the 16th, which is closed
    assert MONDAYS.due_date(date(2026, 11, 1), 15, first_day_counts=first_day_counts, skip_closed=skip_closed) == due


def test_a_due_date_may_stay_on_a_closed_day():
    due = MONDAYS.due_date(date(2026, 11, 1), 15, first_day_counts=False, due_when_open=False)
    assert due == date(2026, 11, 16)


def test_impossible_questions_are_refused():
    shut = Calendar(weekly_closed=frozenset(range(7)))
    with pytest.raises(NeverOpen):
        shut.next_open(date(2026, 1, 1))
    with pytest.raises(NeverOpen):
        shut.open_days_before(date(2026, 1, 1), 1)
    with pytest.raises(ValueError, match="at least one day"):
        MONDAYS.due_date(date(2026, 1, 1), 0, first_day_counts=True)
    with pytest.raises(ValueError, match="from 0"):
        MONDAYS.open_days_after(date(2026, 1, 1), -1)
    with pytest.raises(ValueError, match="at least one day"):
        rolling(date(2026, 1, 1), 0)


@given(DAYS, st.integers(1, 40), st.booleans(), st.booleans())
def test_a_book_is_due_on_an_open_day_and_not_before_its_time(lent_on, days, first, skip):
    due = MONDAYS.due_date(lent_on, days, first_day_counts=first, skip_closed=skip)
    assert MONDAYS.is_open(due)
    assert due >= lent_on + timedelta(days=days - first)


@given(DAYS, st.integers(0, 30))
def test_counting_back_undoes_counting_on(day, n):
    start = MONDAYS.next_open(day)
    assert MONDAYS.open_days_before(MONDAYS.open_days_after(start, n), n) == start


@given(DAYS)
def test_weeks_begin_on_monday_or_roll(day):
    week = week_of(day)
    assert week.first.weekday() == 0
    assert (week.last - week.first).days == (rolling(day).last - rolling(day).first).days == 6
    assert day in week
    assert day in rolling(day)
    assert rolling(day).last == day
    assert week.last + timedelta(days=1) not in week


@pytest.mark.parametrize(
    ("region", "closed", "open_"),
    [  # days by law and gazette: Korea's Constitution Day is a holiday again from 2026; Tuesdays beside them are none
        ("KR", ["2026-03-02", "2026-07-17", "2026-09-25", "2027-01-01"], ["2025-07-17", "2026-03-03"]),
        ("JP", ["2026-05-06", "2026-09-22"], ["2026-09-24"]),
        ("TW", ["2026-02-17", "2026-10-10"], ["2026-02-24"]),
        ("HK", ["2026-04-07", "2026-12-26"], ["2026-12-28"]),
        ("US-NY", ["2026-11-26", "2026-02-12"], ["2026-11-27"]),
    ],
)
def test_a_library_is_closed_on_the_holidays_of_its_country(db, region, closed, open_):
    opening = queries.calendar_of(rows.library(holidays=region)).is_open
    assert [day for day in closed if opening(date.fromisoformat(day))] == []
    assert [day for day in open_ if not opening(date.fromisoformat(day))] == []


def test_the_rows_of_a_library_make_its_calendar(db):
    library = rows.library(weekly_closed=[0], nth_closed=["1-1", "3-1"], holidays="KR")
    for day, is_open in (("2026-11-28", False), ("2026-12-25", True)):
        SpecialDay.objects.create(library=library, day=rows.day(day), open=is_open)
    opening = queries.calendar_of(library).is_open
    shut = ["2026-11-30", "2026-12-01", "2026-12-15", "2026-11-28", "2027-01-01"]
    assert [opening(rows.day(day)) for day in shut] == [False] * 5
    assert [opening(rows.day(day)) for day in ("2026-12-08", "2026-12-25", "2026-11-29")] == [True] * 3


def test_threads_ask_for_holidays_in_turn(monkeypatch):
    """The package notes a year before it has filled it in: whoever asks meanwhile would be told of no holiday."""
    filled: set[object] = set()
    asked: set[object] = set()

    class Lazy:
        def __contains__(self, day):
            if day not in asked:
                asked.add(day)
                time.sleep(0.1)
                filled.add(day)
            return day in filled

    monkeypatch.setattr(holidays, "country_holidays", lambda *_args, **_more: Lazy())
    of_country = public_holidays.of.__wrapped__("KR")
    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(lambda _n: date(2026, 1, 1) in of_country, range(3))) == [True] * 3


@pytest.mark.parametrize("region", ["XX", "KR-NOWHERE", "kr", "seoul", "KR;DROP"])
def test_a_region_without_known_holidays_is_refused(region):
    with pytest.raises(ValidationError):
        public_holidays.known(region)
