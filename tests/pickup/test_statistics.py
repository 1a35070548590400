"""The numbers of a month: told from moments, without anybody's name, and as they were."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime, timedelta
from io import StringIO

import pytest
from django.test import Client

from core import clock
from core.actor import Actor
from pickup import arrivals, lane, lapses, statistics
from pickup.models import Appointment, Slot, Visit
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db

NOVEMBER = date(2026, 11, 1)
MOMENTS = ("arrived_at", "queued_at", "called_at", "ended_at")


def at(hour, minute=0, day=24):
    """A moment of November 2026 in Seoul; the 24th is a Tuesday."""
    return datetime(2026, 11, day, hour, minute, tzinfo=rows.SEOUL).astimezone(UTC)


@pytest.fixture
def point():
    """A lane with one slot of four places from 16:00, while patrons choose their time when ordering."""
    made = rows.point(rules={"promise": "at_order"})
    rows.lane(made)
    rows.window(made)
    rows.slot(made, at(16), capacity=4)
    return made


def comes(point, arrived, *, waits=0, takes=0, channel="web"):
    """Somebody with a time from 16:00 arrives, is called after so many minutes and served after so many more."""
    patron = rows.patron(point.library)
    slot = Slot.objects.get(point=point)
    order = steps.ready(steps.asked(patron, point, now=at(9), slot_id=slot.pk), now=at(10))
    visit = arrivals.arrive(point_id=point.pk, order_id=order.pk, by=rows.patron_actor(patron, channel), now=arrived)
    called = arrived + timedelta(minutes=waits)
    lane.call_next(point_id=point.pk, lane_id=point.lanes.get().pk, by=DESK, now=called)
    lane.hand_over(visit_id=visit.pk, by=DESK, now=called + timedelta(minutes=takes))
    return visit


def of(point, now=None):
    [figures] = statistics.of_month(point.library, NOVEMBER, now=now or at(23, day=30))
    return figures


def test_waits_times_and_doors(point):
    comes(point, at(16), waits=4, takes=2)
    comes(point, at(16, 8), waits=2, takes=1, channel="sign")
    told = of(point)
    assert (told.cars, told.bags, told.books, told.left) == (2, 2, 2, 0)
    assert (told.waited.count, told.waited.middle, told.waited.most) == (2, 180, 240)
    assert (told.taken.middle, told.taken.most) == (90, 120)
    assert told.doors == {"web": 1, "sign": 1}


def test_waits_and_times_at_the_window_by_the_local_hour(point):
    for arrived, waits, takes in ((at(16), 4, 2), (at(16, 8), 2, 1), (at(17, 5), 9, 3)):
        comes(point, arrived, waits=waits, takes=takes)
    told = of(point)
    assert (told.waited_at, told.taken_at) == ({16: 180, 17: 540}, {16: 90, 17: 180})
    assert ("waited_seconds_by_hour", "17", 540) in told.rows()
    desk = Client(headers={"accept-language": "en"})
    desk.force_login(rows.staff(point.library))
    page = " ".join(desk.get(f"/staff/statistics/?point={point.pk}&month=2026-11").content.decode().split())
    assert "<h3>Wait until called, by the hour</h3>" in page
    assert "<td>9 min</td>" in page


def test_a_car_noted_called_and_served_by_one_tap_tells_no_wait(point):
    comes(point, at(16))
    told = of(point)
    assert (told.cars, told.waited, told.taken) == (1, None, None)


def test_early_on_time_late_and_not_at_all(point):
    for arrived in (at(15, 40), at(16, 5), at(17, 30)):
        comes(point, arrived, waits=1)
    patron = rows.patron(point.library)
    steps.ready(steps.asked(patron, point, now=at(9), slot_id=Slot.objects.get().pk), now=at(10))
    lapses.misses_due(now=at(23))
    told = of(point)
    assert Appointment.objects.filter(state="missed").exists()
    assert (told.early, told.on_time, told.late, told.punctual) == (1, 1, 1, 33)
    assert (told.kept, told.missed, told.no_shows) == (3, 1, 25)


def test_the_wait_that_was_told_is_kept_and_measured(point):
    first = comes(point, at(16), waits=5)
    Visit.objects.filter(pk=first.pk).update(expected_seconds=240)
    second = comes(point, at(16, 10), waits=5)
    Visit.objects.filter(pk=second.pk).update(expected_seconds=0)
    told = of(point).told
    assert (told.count, told.off, told.near) == (2, 180, 1)


def test_who_comes_while_another_waits_is_told_a_wait_and_who_comes_while_it_is_closed_is_not(point):
    for hour in (16, 16, 22):
        patron = rows.patron(point.library)
        order = steps.ready(steps.asked(patron, point, now=at(9), slot_id=Slot.objects.get().pk), now=at(10))
        arrivals.arrive(point_id=point.pk, order_id=order.pk, by=rows.patron_actor(patron), now=at(hour, 1))
    told = list(Visit.objects.order_by("pk").values_list("expected_seconds", flat=True))
    assert told[0] == 0
    assert told[1] is not None
    assert told[1] > 0
    assert told[2] is None


def test_places_are_counted_by_the_hour_of_the_library(point):
    comes(point, at(16), waits=1)
    [hour] = of(point).hours
    assert (hour.hour, hour.booked, hour.capacity, hour.share) == (16, 1, 4, 25)


def test_another_month_another_library_and_what_lies_ahead_are_left_out(point):
    comes(point, at(16), waits=1)
    other = rows.point()
    assert of(other).cars == 0
    [october] = statistics.of_month(point.library, date(2026, 10, 1), now=at(23))
    assert october.cars == 0
    assert of(point, now=at(15)).hours == []
    assert statistics.months(point.library, now=at(9, day=24) + timedelta(days=40)) == [
        date(2027, 1, 1),
        date(2026, 12, 1),
        NOVEMBER,
    ]


def test_the_open_file_names_nobody_and_the_page_shows_the_month(point):
    now = clock.now()
    patron = rows.patron(point.library, name="홍길동")
    order = steps.ready(steps.asked(patron, point, now=now), now=now)
    visit = arrivals.arrive(point_id=point.pk, order_id=order.pk, by=Actor("patron", patron.pk), now=now)
    lane.call_next(point_id=point.pk, lane_id=point.lanes.get().pk, by=DESK, now=now)
    lane.hand_over(visit_id=visit.pk, by=DESK, now=now)
    desk = Client(headers={"accept-language": "en"})
    desk.force_login(rows.staff(point.library))
    page = desk.get(f"/staff/statistics/?point={point.pk}").content.decode()
    assert "Visits served" in page
    assert "their own pages" in page
    local = now.astimezone(rows.SEOUL)
    answer = desk.get(f"/staff/statistics/{local:%Y-%m}.csv?point={point.pk}")
    text = answer.content.decode("utf-8-sig")
    found = {(row["measure"], row["of"]): row["value"] for row in csv.DictReader(StringIO(text))}
    assert found["cars", ""] == "1"
    assert found["cars_by_door", "web"] == "1"
    assert patron.name not in text + page
    assert patron.card_number not in text + page
    assert desk.get(f"/staff/statistics/1999-01.csv?point={point.pk}").status_code == 404
    assert Client().get(f"/staff/statistics/{local:%Y-%m}.csv?point={point.pk}").status_code == 302
    assert not Appointment.objects.exists()


def test_the_last_twelve_months_stand_beside_each_other_and_say_what_each_month_says(point):
    for arrived in (at(16), at(16, 8), at(16, 20)):
        comes(point, arrived, waits=4)
    Slot.objects.filter(point=point).update(starts_at=at(16), ends_at=at(16, 15))
    steps.ready(steps.asked(rows.patron(point.library), point, now=at(9), slot_id=Slot.objects.get().pk), now=at(10))
    lapses.misses_due(now=at(23))
    moved = Visit.objects.first()
    Visit.objects.filter(pk=moved.pk).update(**{name: getattr(moved, name) - timedelta(days=31) for name in MOMENTS})
    other = rows.point(point.library)
    now = at(23) + timedelta(days=40)
    year = dict(statistics.of_year(point.library, now=now))
    assert [one.first for one in year[point]] == [date(2027, 1, 1), date(2026, 12, 1), NOVEMBER, date(2026, 10, 1)]
    assert [(one.cars, one.bags, one.books, one.waited) for one in year[point]] == [
        (0, 0, 0, None), (0, 0, 0, None), (2, 3, 3, 240), (1, 0, 0, 240)
    ]  # fmt: skip
    assert (year[point][2].kept, year[point][2].missed, year[point][2].no_shows) == (3, 1, 25)
    assert not any(one.cars or one.bags or one.kept for one in year[other])
    for told in year[point]:
        [month] = [one for one in statistics.of_month(point.library, told.first, now=now) if one.point == point]
        assert set(told.rows()) <= set(month.rows())


def test_a_year_and_more_is_cut_and_costs_as_much_as_a_month(point, django_assert_num_queries):
    visit = comes(point, at(16), waits=1)
    Visit.objects.filter(pk=visit.pk).update(arrived_at=visit.arrived_at - timedelta(days=800))
    with django_assert_num_queries(6):
        [(_point, year)] = statistics.of_year(point.library, now=at(23))
    assert [year[0].first, year[-1].first, len(year)] == [NOVEMBER, date(2025, 12, 1), 12]
    assert (year[0].cars, year[0].bags) == (0, 1)


def test_the_year_is_an_open_file_too(point):
    now = clock.now()
    visit = comes(point, at(16), waits=1)
    Visit.objects.filter(pk=visit.pk).update(arrived_at=now - timedelta(days=40), called_at=now - timedelta(days=39))
    desk = Client(headers={"accept-language": "en"})
    desk.force_login(rows.staff(point.library))
    text = desk.get(f"/staff/statistics/year.csv?point={point.pk}").content.decode("utf-8-sig")
    told = {(row["month"], row["measure"]): row["value"] for row in csv.DictReader(StringIO(text))}
    first = (now - timedelta(days=40)).astimezone(rows.SEOUL)
    assert told[f"{first:%Y-%m}", "cars"] == "1"
    assert told[f"{first:%Y-%m}", "waited_seconds"] == "86400"
    page = desk.get(f"/staff/statistics/?point={point.pk}&month={first:%Y-%m}").content.decode()
    assert "The last twelve months" in page
    assert Client().get(f"/staff/statistics/year.csv?point={point.pk}").status_code == 302
