"""Places become fewer than visits: who has a time keeps it, until staff move who came last, and that person is told."""

from __future__ import annotations

from datetime import date
from typing import Any

import psycopg
import pytest

from config import sample
from tests.journeys.people import Program, Telephone
from tests.journeys.test_main_way import book_with_one_copy_at, out_of_the_way, pack, patron, phone, point_of

pytestmark = [pytest.mark.journey, pytest.mark.timeout(240)]

FIRST, SECOND = "2020-0009", "2020-0031"  # the second one's answers arrive
WEDNESDAY = 2


@pytest.fixture
def town(product):
    """The running sample library, at an hour that is never quiet."""
    with psycopg.connect(product.environment["DATABASE_URL"]) as connection:
        connection.execute("UPDATE notifications_sender SET quiet_from = '00:00', quiet_until = '00:00'")
    return product


def state_of(anybody: Program, point: int, slot: int) -> dict[str, Any]:
    rows = anybody.get("slots", pickup_point=point, page_size=100)["results"]
    return next((row for row in rows if row["id"] == slot), {"open": False})


def test_who_came_last_gets_the_next_time_and_a_text(town):
    boss = Program(town.base_url).sign_in(username="manager", password=sample.PASSWORD)
    first, second = patron(town, FIRST), patron(town, SECOND)
    lane = point_of(boss, "seongdong-lane")
    late = {"weekday": WEDNESDAY, "opens": "20:00", "closes": "20:30", "slot_minutes": 15, "capacity": 2}
    window = boss.post(f"pickup-points/{lane}/windows", late)["window"]["id"]
    try:
        slots = boss.get("slots", pickup_point=lane, page_size=100)["results"]
        evening = [row for row in slots if row["starts_at"][11:16] in {"20:00", "20:15"}]
        assert {date.fromisoformat(row["starts_at"][:10]).weekday() for row in evening} == {WEDNESDAY}
        wanted, following = evening[-2:]

        orders = []
        for person, word in ((first, "한국"), (second, "문화")):
            out_of_the_way(person)
            title = book_with_one_copy_at(person, "seongdong", word)
            body = {"pickup_point": lane, "items": [{"title": title}], "slot": wanted["id"]}
            orders.append(person.post("orders", body, status=201)["order"])
            pack(boss, orders[-1])
        kept, moved = orders

        fewer = {"capacity": 1}
        seen = boss.post(f"pickup-points/{lane}/windows/{window}", {**fewer, "preview": True})["effect"]
        assert [visit["orders"] for visit in seen["visits"]] == [[moved["id"]]]
        assert boss.post(f"pickup-points/{lane}/windows/{window}", fewer)["kept"] == 1
        for person, order in ((first, kept), (second, moved)):
            assert person.get(f"orders/{order['id']}")["appointment"]["slot"] == wanted["id"]
        assert state_of(boss, lane, wanted["id"])["free"] == 0

        assert boss.post(f"pickup-points/{lane}/move-standing")["moved"] == 1
        assert first.get(f"orders/{kept['id']}")["appointment"]["slot"] == wanted["id"]
        assert second.get(f"orders/{moved['id']}")["appointment"]["slot"] == following["id"]
        telephone: Telephone = phone(town, SECOND)
        assert "20:15" in telephone.text_with("hours change", moved["shown"])
        full = state_of(boss, lane, wanted["id"])
        assert (full["capacity"], full["free"]) == (1, 0)
    finally:
        for person in (first, second):
            out_of_the_way(person)
        boss.post(f"pickup-points/{lane}/windows/{window}/remove")
