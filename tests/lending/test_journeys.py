"""The day for which a travelling book is promised: the hour it is asked for, and the open days of both libraries."""

from __future__ import annotations

from datetime import date, time, timedelta

import pytest

from lending import journeys, loans, programmes, queries
from lending.models import ProgrammeChange, SpecialDay, Transfer
from pickup import forecast
from tests import rows

pytestmark = pytest.mark.django_db

TUESDAY = date(2026, 11, 24)  # rows.NOW is its ten o'clock
MONDAY = 0


@pytest.fixture
def programme():
    return rows.programme(transfer_days=1, transfer_cutoff=time(15))


@pytest.fixture
def here(programme):
    """The place where people collect."""
    return rows.point(rows.library(programme=programme, name_ko="성동"), rules={"promise": "at_order"})


@pytest.fixture
def there(programme):
    """A library that only supplies books."""
    return rows.library(programme=programme, name_ko="용답")


def at(hour: int, minute: int = 0, *, days: int = 0):
    return rows.NOW + timedelta(days=days, hours=hour - 10, minutes=minute)


def close(library, *days: date) -> None:
    for day in days:
        SpecialDay.objects.create(library=library, day=day)


def asked_for(here, there, now) -> date:
    """Ask for a book that stands elsewhere; what was hoped for before is what is expected then."""
    copy = rows.copy(at=there)
    wish = (copy.title_id, "")
    hope = forecast.at_points(wishes=[wish], points=[here], now=now)[wish][0]
    rows.reserve(rows.patron(here.library), copy.title, at=here, now=now)
    expected = Transfer.objects.get(copy=copy).expected_on
    assert (hope.kind, hope.day) == ("travels", expected)
    return expected


@pytest.mark.parametrize(
    ("hour", "minute", "days"),
    [(9, 0, 1), (14, 59, 1), (15, 0, 2), (23, 0, 2)],
    ids=["morning", "just", "late", "night"],
)
def test_what_is_asked_for_before_the_cutoff_leaves_the_same_day(here, there, hour, minute, days):
    assert asked_for(here, there, at(hour, minute)) == TUESDAY + timedelta(days=days)


def test_without_a_cutoff_it_leaves_on_the_day_at_any_hour(here, there, programme):
    programme.transfer_cutoff = None
    programme.save()
    assert asked_for(here, there, at(23)) == TUESDAY + timedelta(days=1)


def test_nobody_sends_on_a_day_on_which_the_sending_library_is_closed(here, there):
    close(there, TUESDAY, TUESDAY + timedelta(days=1))
    assert asked_for(here, there, at(9)) == TUESDAY + timedelta(days=3)  # leaves on Thursday, is there on Friday
    assert asked_for(here, there, at(23)) == TUESDAY + timedelta(days=3)  # a closed day has no cut-off


def test_nothing_comes_on_a_day_on_which_the_receiving_library_is_closed(here, there):
    close(here.library, TUESDAY + timedelta(days=1))
    assert asked_for(here, there, at(9)) == TUESDAY + timedelta(days=2)
    assert asked_for(here, there, at(16)) == TUESDAY + timedelta(days=2)  # it travels while they are closed


def test_public_holidays_and_weekly_closed_days_of_both_count(here, there):
    there.holidays = "KR"
    there.save()
    here.library.weekly_closed = [MONDAY]
    here.library.save()
    christmas = (date(2026, 12, 25) - TUESDAY).days  # a Friday
    assert asked_for(here, there, at(9, days=christmas)) == date(2026, 12, 27)  # leaves on Saturday
    assert asked_for(here, there, at(16, days=christmas + 1)) == date(2026, 12, 29)  # on Sunday, and Monday is closed


def test_the_cutoff_is_an_hour_of_the_sending_library(here, there):
    there.zone = "Asia/Bangkok"  # two hours behind Seoul
    there.save()
    assert asked_for(here, there, at(16)) == TUESDAY + timedelta(days=1)


def test_of_two_libraries_the_one_whose_book_is_there_first_sends_it(here, there, programme):
    later = there
    sooner = rows.library(programme=programme, name_ko="금호")
    close(later, TUESDAY)
    title = rows.title()
    rows.copy(title, later)
    near = rows.copy(title, sooner)
    wish = (title.pk, "")
    assert forecast.at_points(wishes=[wish], points=[here], now=rows.NOW)[wish][0].day == TUESDAY + timedelta(days=1)
    (row,) = rows.reserve(rows.patron(here.library), title, at=here)
    assert row.copy_id == near.pk
    assert Transfer.objects.get().expected_on == TUESDAY + timedelta(days=1)


def test_a_lent_book_of_another_library_comes_back_there_first(here, there):
    copy = rows.copy(at=there)
    lent = rows.patron(there)
    loan = loans.check_out(copy_id=copy.pk, patron_id=lent.pk, library_id=there.pk, by=rows.RULE, now=rows.NOW)
    wish = (copy.title_id, "")
    hope = forecast.at_points(wishes=[wish], points=[here], now=rows.NOW)[wish][0]
    # It may come back after the cut-off: it leaves a day later, and is there on the day after that.
    assert (hope.kind, hope.day) == ("line", loan.due_on + timedelta(days=2))


def test_the_cutoff_is_a_rule_with_a_history(programme):
    programmes.change(programme_id=programme.pk, values={"transfer_cutoff": time(11, 30)}, by=rows.RULE, now=rows.NOW)
    programmes.change(programme_id=programme.pk, values={"transfer_cutoff": "11:30"}, by=rows.RULE, now=rows.NOW)
    programmes.change(programme_id=programme.pk, values={"transfer_cutoff": None}, by=rows.RULE, now=rows.NOW)
    told = [
        (one.was["transfer_cutoff"], one.became["transfer_cutoff"]) for one in ProgrammeChange.objects.order_by("pk")
    ]
    assert told == [("15:00", "11:30"), ("11:30", None)]
    with pytest.raises(programmes.NoSuchRule):
        programmes.change(programme_id=programme.pk, values={"transfer_cutoff": "noon"}, by=rows.RULE, now=rows.NOW)


def test_a_day_that_is_not_today_leaves_the_next_open_day_where_there_is_a_cutoff(here, there, programme):
    libraries = [queries.library_with_rules(pk) for pk in (there.pk, here.library_id)]
    calendars = queries.calendars_of(libraries)

    def back_on(day: date) -> date:
        return journeys.asked_on(day, sender=libraries[0], receiver=libraries[1], calendars=calendars)

    assert back_on(TUESDAY) == TUESDAY + timedelta(days=2)
    libraries[1].programme.transfer_cutoff = None
    assert back_on(TUESDAY) == TUESDAY + timedelta(days=1)
