"""How long it takes, as pages and programs say it, and how far off that was."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import uuid4

import pytest
from django.test import Client

from core import clock
from core.actor import Actor
from pickup import appointments, arrivals, lane, links, statistics, waits
from pickup.models import Visit
from tests import api, rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db(transaction=True)

SAID = {
    "ko": {
        "wait": "지금 오시면 약 3분 기다리시면 됩니다.",
        "none": "지금은 기다리지 않으셔도 됩니다.",
        "until": "17:00까지 엽니다.",
        "late": "지금 출발하시면 늦습니다. 17:00에 마감합니다.",
        "served": "이미 오신 분과 시간을 예약하신 분은 계속 응대합니다.",
        "newcomers": "새로 오시는 분 마감",
        "opens": "에 엽니다.",
        "no lane": "아직 열린 차로가 없어 대기 시간을 알 수 없습니다.",
        "left": "약 3분 기다리시면 됩니다.",
        "closed": "닫혀 있습니다",
        "board": "지금 기다리시는 분들만으로 17:00까지 시간이 찹니다.",
    },
    "en": {
        "wait": "Whoever comes now waits about 3 min.",
        "none": "No wait right now.",
        "until": "Open until 17:00.",
        "late": "Who sets out now comes too late: it closes at 17:00.",
        "served": "Whoever is here already or has a time is still served.",
        "newcomers": "losed for newcomers",
        "opens": "Opens on",
        "no lane": "No lane is open yet, so nobody can say how long it takes.",
        "left": "About 3 minutes to wait.",
        "closed": "Closed",
        "board": "those who wait take until 17:00.",
    },
}


def at(hour, minute=0, day=24):
    """A moment of November 2026 in Seoul; the 24th is a Tuesday."""
    return datetime(2026, 11, day, hour, minute, tzinfo=rows.SEOUL).astimezone(UTC)


@pytest.fixture
def point(monkeypatch):
    """A lane that is open on Tuesdays from 16:00 to 17:00, where nobody needs a time; it is 16:30."""
    monkeypatch.setattr(clock, "now", lambda: at(16, 30))
    made = rows.point(rules={"by_appointment": False})
    rows.window(made)
    rows.lane(made)
    return made


def bag(point, **more):
    return steps.ready(steps.asked(rows.patron(point.library), point, now=at(10), **more), now=at(11))


def comes(point, when, *, by=DESK, **more):
    order = bag(point, **more)
    return arrivals.arrive(point_id=point.pk, order_id=order.pk, by=by, now=when), order


def read(address, language):
    return Client(headers={"accept-language": language}).get(address).content.decode()


def pages(point):
    return f"/now/{point.library.code}/", f"/now/{point.library.code}/lanes/"


@pytest.mark.parametrize("language", ["ko", "en"])
def test_the_pages_say_how_long_it_takes_and_until_when(point, language):
    said = SAID[language]
    now, lanes = pages(point)
    assert said["none"] in read(lanes, language)
    assert said["until"] in read(now, language)
    for _ in range(2):
        comes(point, at(16, 29))
    assert said["wait"] in read(lanes, language)
    assert said["until"] in read(lanes, language)
    point.lanes.update(open=False)
    assert said["no lane"] in read(now, language)
    assert said["wait"] not in read(lanes, language)


@pytest.mark.parametrize("language", ["ko", "en"])
def test_the_pages_say_that_it_is_too_late_to_set_out(point, monkeypatch, language):
    said = SAID[language]
    for _ in range(12):
        comes(point, at(16, 50))
    monkeypatch.setattr(clock, "now", lambda: at(16, 58))
    now, lanes = pages(point)
    for words in ("late", "served", "newcomers", "opens"):
        assert said[words] in read(now, language)
    for words in ("served", "newcomers"):
        assert said[words] in read(lanes, language)
    desk = Client(headers={"accept-language": language})
    desk.force_login(rows.staff(point.library))
    assert said["board"] in desk.get(f"/staff/lane/?point={point.pk}").content.decode()


@pytest.mark.parametrize("language", ["ko", "en"])
def test_on_the_page_of_an_order_it_is_too_late_only_for_who_has_no_time_and_is_not_here(point, monkeypatch, language):
    said, mine = SAID[language], bag(point)
    address = f"/o/{links.token_for(mine, now=at(11))}/"
    assert said["none"] in read(address, language)
    for _ in range(12):
        comes(point, at(16, 50))
    monkeypatch.setattr(clock, "now", lambda: at(16, 58))
    assert said["late"] in read(address, language)
    arrivals.arrive(point_id=point.pk, order_id=mine.pk, by=Actor("collector", mine.pk, "link"), now=at(16, 58))
    here = read(address, language)
    assert ("약 18분" if language == "ko" else "About 18 minutes") in here
    assert said["late"] not in here
    assert said["closed"] not in here
    lane.leave(visit_id=Visit.objects.latest("pk").pk, by=DESK, now=at(16, 58))
    slot = rows.slot(point, at(16, 45))
    point.rules.by_appointment = True
    point.rules.save()
    appointments.promise(order_id=mine.pk, slot_id=slot.pk, by=DESK, now=at(16, 20))
    promised = read(address, language)
    assert waits.now_at(point_id=point.pk, now=at(16, 58)).why_closed == "queue"
    for words in ("late", "closed", "newcomers"):
        assert said[words] not in promised


@pytest.mark.parametrize("language", ["ko", "en"])
def test_who_brings_books_back_reads_how_long_it_takes_too(point, language):
    for _ in range(2):
        comes(point, at(16, 29))
    patron = rows.patron(point.library, pin=rows.PIN)
    client = Client(headers={"accept-language": language})
    client.post("/sign-in/", {"card_number": patron.card_number, "pin": rows.PIN})
    client.post(f"/here/{point.code}/", {"key": uuid4().hex, "purpose": "return"})
    assert Visit.objects.latest("pk").expected_seconds == 180
    assert SAID[language]["left"] in client.get(f"/here/{point.code}/").content.decode()


def test_programs_read_how_long_it_takes(point, monkeypatch):
    who, mine = api.patron(home=point.library)
    order = steps.ready(steps.asked(who, point, now=at(10)), now=at(11))
    for _ in range(2):
        comes(point, at(16, 29))
    visit = mine.post("visits", {"order": order.pk})
    assert (visit["ahead"], visit["expected_minutes"]) == (2, 3)
    assert mine.get(f"orders/{order.pk}")["visit"]["expected_minutes"] == 3
    [load] = mine.get(f"libraries/{point.library.code}/now")["points"]
    assert (load["expected_minutes"], load["why_closed"]) == (5, "")
    assert datetime.fromisoformat(load["open_until"]) == at(17)
    monkeypatch.setattr(clock, "now", lambda: at(16, 56))
    [load] = mine.get(f"libraries/{point.library.code}/now")["points"]
    assert (load["closed"], load["why_closed"]) == (True, "queue")
    lane.call_next(point_id=point.pk, by=DESK, now=at(16, 56))
    desk = api.librarian(point.library)
    unpacked = steps.asked(rows.patron(point.library), point, now=at(16, 50))
    assert desk.post("visits", {"order": unpacked.pk})["expected_minutes"] is None
    monkeypatch.setattr(clock, "now", lambda: at(18, 30))
    assert mine.get(f"orders/{order.pk}")["visit"]["expected_minutes"] is None  # closed: nobody can say


@pytest.mark.parametrize(
    ("kind", "channel", "told"),
    [
        ("collector", "text", True),
        ("collector", "call", True),
        ("collector", "link", True),
        ("collector", "sign", True),
        ("staff", "desk", False),
        ("staff", "phone", False),
        ("device", "api", False),
        ("rule", "rule", False),
    ],
)
def test_only_a_wait_that_somebody_was_told_is_kept(point, kind, channel, told):
    order = bag(point)
    by = Actor(kind, order.pk if kind == "collector" else 1, channel)
    visit = arrivals.arrive(point_id=point.pk, order_id=order.pk, by=by, now=at(16, 30))
    assert visit.expected_seconds == (0 if told else None)
    lane.call_next(point_id=point.pk, by=DESK, now=at(16, 31))
    lane.hand_over(visit_id=visit.pk, by=DESK, now=at(16, 32))
    [month] = statistics.of_month(point.library, date(2026, 11, 1), now=at(18))
    assert month.told == (statistics.Told(count=1, off=60, near=1) if told else None)


def test_who_comes_before_the_bag_is_packed_is_told_no_wait(point):
    order = steps.asked(rows.patron(point.library), point, now=at(10))
    by = Actor("collector", order.pk, "link")
    visit = arrivals.arrive(point_id=point.pk, order_id=order.pk, by=by, now=at(16, 30))
    load = waits.now_at(point_id=point.pk, now=at(16, 30))
    assert (visit.expected_seconds, waits.minutes_of(visit, load)) == (None, None)
    steps.ready(order, now=at(16, 31))
    assert waits.minutes_of(visit, load) == load.minutes(0) is not None
