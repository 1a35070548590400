"""Closed for today by somebody at the window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core import clock, live
from core.actor import Actor
from pickup import appointments, arrivals, calling, check_ins, closing, errors, lapses, links, progress, waits
from pickup.models import PointRules
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db


def at(hour, minute=0, day=24):
    """A moment of November 2026 in Seoul; the 24th is a Tuesday."""
    return datetime(2026, 11, day, hour, minute, tzinfo=rows.SEOUL).astimezone(UTC)


def load(point, now):
    return waits.now_at(point_id=point.pk, now=now)


def test_who_closes_for_today_closes_until_midnight_and_says_that_it_was_the_staff():
    point = rows.point()
    assert closing.shut(point_id=point.pk, by=DESK, now=at(15)) == at(0, day=25)
    now = load(point, at(16))
    assert (now.closed, now.why_closed, now.expected_minutes, now.next_open) == (True, "staff", None, at(0, day=25))
    assert load(point, at(0, 1, day=25)).why_closed == ""


def test_the_next_opening_is_the_first_one_after_today():
    point = rows.point()
    rows.window(point)
    rows.window(point, date=rows.day("2026-11-26"))
    closing.shut(point_id=point.pk, by=DESK, now=at(16, 10))
    assert (load(point, at(16, 20)).why_closed, load(point, at(16, 20)).next_open) == ("staff", at(16, day=26))
    assert load(point, at(9, day=25)).why_closed == "hours"


def test_it_can_be_opened_again_and_both_can_be_said_twice():
    point = rows.point()
    for _ in range(2):
        closing.shut(point_id=point.pk, by=DESK, now=at(15))
    assert load(point, at(15)).closed
    for _ in range(2):
        closing.open_again(point_id=point.pk, by=DESK, now=at(15, 5))
    assert (load(point, at(15, 5)).closed, load(point, at(15, 5)).why_closed) == (False, "")


def test_a_place_without_rules_of_its_own_can_be_closed_too():
    point = rows.point(rules=None)
    closing.shut(point_id=point.pk, by=DESK, now=at(15))
    assert load(point, at(15)).why_closed == "staff"
    point.refresh_from_db()
    assert point.rules.by_appointment is False


def test_everybody_who_watches_hears_of_it():
    point = rows.point()
    topic = f"point:{point.pk}"
    seen = [live.versions([topic])[topic]]
    for verb in (closing.shut, closing.open_again):
        verb(point_id=point.pk, by=DESK, now=at(15))
        seen.append(live.versions([topic])[topic])
    assert len(set(seen)) == 3


def test_who_is_here_reads_when_it_opens_and_not_how_long_it_takes(client):
    now, point = clock.now(), rows.point()
    rows.lane(point)
    for name in ("first", "second"):
        order = steps.ready(steps.asked(rows.patron(point.library, name=name), point, now=now), now=now)
        arrivals.arrive(point_id=point.pk, order_id=order.pk, by=DESK, now=now)
    address = f"/o/{links.token_for(order, now=now)}/"
    assert "분 기다리시면" in client.get(address).content.decode()
    closing.shut(point_id=point.pk, by=DESK, now=now)
    page = client.get(address).content.decode()
    assert "지금은 닫혀 있습니다" in page
    assert "분 기다리시면" not in page
    assert "앞에 1대" in page


@pytest.mark.parametrize("verb", [closing.shut, closing.open_again])
def test_an_unknown_place_is_refused(verb, now):
    with pytest.raises(errors.PointNotFound):
        verb(point_id=10**9, by=DESK, now=now + timedelta(minutes=1))


# Promises outlast who closes for today


@pytest.fixture
def evening():
    """A place open on Tuesdays from 16:00 to 17:00, and somebody with a fixed time there at 16:30."""
    point = rows.point(rules={"grace_minutes": 10})
    rows.window(point)
    reader = rows.patron(point.library, number=rows.mobile())
    order = steps.ready(steps.asked(reader, point), now=at(15))
    slot = rows.slot(point, at(16, 30), minutes=30)
    appointments.promise(order_id=order.pk, slot_id=slot.pk, by=DESK, now=at(15))
    return order


def checked_in(order, now):
    return check_ins.check_in(steps.again(order), by=Actor("collector", order.pk, "text"), now=now)


@pytest.mark.parametrize("when", [at(16, 5), at(16, 25), at(16, 35)])
def test_who_has_a_time_today_is_served_by_text_and_call_although_it_is_closed_for_today(evening, when):
    closing.shut(point_id=evening.point_id, by=DESK, now=at(16))
    assert checked_in(evening, when).packed
    assert lapses.misses_due(now=at(17, 30)) == 0


def test_who_has_no_time_today_hears_that_it_is_closed_for_today(evening):
    other = steps.ready(steps.asked(rows.patron(evening.library), evening.point), now=at(15))
    closing.shut(point_id=evening.point_id, by=DESK, now=at(16))
    assert isinstance(checked_in(other, at(16, 5)), datetime)


def test_the_pages_say_that_a_time_of_today_stands_and_not_that_it_is_closed(evening, client, monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: at(16, 25))
    other = steps.ready(steps.asked(rows.patron(evening.library), evening.point), now=at(15))
    closing.shut(point_id=evening.point_id, by=DESK, now=at(16))
    stands, closed = "예약하신 시간은 그대로입니다", "지금은 닫혀 있습니다"
    for order in (evening, other):
        page = client.get(f"/o/{links.token_for(order, now=at(16))}/").content.decode()
        assert [stands in page, closed in page] == [order == evening, order == other]
    display = client.get(f"/now/{evening.library.code}/lanes/").content.decode()
    assert "이미 오신 분과 시간을 예약하신 분은 계속 응대합니다." in display


def test_before_it_opens_the_page_of_a_time_that_is_near_says_when(evening):
    seen = progress.of_one(steps.again(evening), now=at(15, 30))
    assert not progress.expected([seen], now=at(15, 30))[0].stands


def test_in_the_grace_after_the_last_hour_they_are_here_by_every_door_and_called(evening):
    PointRules.objects.update(auto_call=True)
    late = at(17, 5)
    assert load(evening.point, late).why_closed == "hours"
    visit = arrivals.arrive(point_id=evening.point_id, order_id=evening.pk, by=Actor("device", 1, "api"), now=late)
    assert not waits.came_at_night(visit, load(evening.point, at(17, 20)), now=at(17, 20))
    rows.lane(evening.point, name="1")
    assert calling.call_due(now=at(17, 20)) == 1
    assert checked_in(evening, at(17, 25)).called


def test_after_the_grace_it_is_closed_to_them_too(evening):
    assert isinstance(checked_in(evening, at(17, 15)), datetime)
    with pytest.raises(errors.ClosedNow):
        arrivals.arrive(point_id=evening.point_id, order_id=evening.pk, by=Actor("device", 1, "api"), now=at(17, 15))


def test_who_stands_in_the_line_since_before_may_say_so_again(evening):
    other = steps.ready(steps.asked(rows.patron(evening.library), evening.point), now=at(15))
    first = checked_in(other, at(16, 55))
    assert checked_in(other, at(17, 20)).visit_id == first.visit_id
