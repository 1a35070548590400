"""Tomorrow is closed, and forty people have a time: one click, and each has another one and is told."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from lending.models import Membership, Strike
from notifications.models import Call
from pickup.models import Appointment, Slot
from tests import rows
from tests.api import signed_in
from tests.journeys.town import Reader, Town

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]

BOOKED = 40
CLOSED, FOLLOWING = rows.day("2026-11-25"), rows.day("2026-11-26")


@pytest.fixture
def town(settings, monkeypatch):
    return Town(settings, monkeypatch, rules={"promise": "at_order"})


def with_a_landline(town: Town) -> Reader:
    number = rows.landline()
    who = rows.patron(town.library, pin=rows.PIN, number=number)
    return Reader(town, who, signed_in(rows.account_of(who)), number)


def all_booked(town: Town) -> list[tuple[Reader, dict[str, Any]]]:
    """Forty readers, each with a time of tomorrow; no text reaches the telephone of the last one."""
    begins = datetime(2026, 11, 25, 10, tzinfo=rows.SEOUL)
    times = [town.slot(f"{begins + timedelta(minutes=30 * (n // 3)):%Y-%m-%d %H:%M}") for n in range(BOOKED)]
    readers = [town.reader() for _ in range(BOOKED - 1)] + [with_a_landline(town)]
    return [(who, who.asks(town.book().title_id, slot=slot)["order"]) for who, slot in zip(readers, times, strict=True)]


def test_forty_who_have_a_time_tomorrow_have_another_one_and_are_told(town):
    booked = all_booked(town)
    for _who, order in booked[:2]:
        town.packs(order)
    for who, _order in booked:
        who.texts()

    manager = Client(headers={"accept-language": "en"})
    manager.force_login(rows.staff(town.library, Membership.Role.MANAGER))
    page = f"/staff/days/?point={town.point.pk}"
    shown = manager.get(f"{page}&day={CLOSED}").content.decode()
    assert f"{BOOKED} visits are promised on this day." in shown
    assert all(order["shown"] in shown for _who, order in booked)
    sent = {"key": "close", "step": "close", "day": CLOSED, "reason": "눈"}
    assert f"{BOOKED} visits have a new time." in manager.post(page, sent, follow=True).content.decode()
    town.sweep()

    assert not Slot.objects.filter(open=True, starts_at__date=CLOSED).exists()
    for who, order in booked:
        new = who.order(order)["appointment"]
        begins = datetime.fromisoformat(new["arrive_at"]).astimezone(rows.SEOUL)
        assert (new["state"], begins.date() >= FOLLOWING) == ("offered", True)
        if who is not booked[-1][0]:
            [told] = who.texts()
            assert "휴관, 새 시간" in told
            assert f"{begins:%H:%M}" in told
            assert f"번호 {order['shown']}" in told
    *_others, (last, order) = booked
    assert last.texts() == []
    [call] = Call.objects.filter(state="due")
    assert (call.number, call.about) == (last.number, f"appointment:{town.row(order).appointment_id}")
    assert order["shown"] in town.page("/staff/inbox/")
    for slot in Slot.objects.filter(booked__gt=0):
        assert slot.booked == Appointment.objects.filter(slot=slot, state="offered").count() <= slot.capacity

    first, order = booked[0]  # packed, silent, and not there at the new time: nothing is held against anybody
    over = town.row(order).appointment.miss_after
    assert town.row(order).appointment.why == "closed"
    town.at(f"{over.astimezone(rows.SEOUL) + timedelta(minutes=1):%Y-%m-%d %H:%M}")
    assert (town.row(order).state, town.row(order).appointment.state) == ("ready", "offered")
    assert Appointment.objects.filter(orders=order["id"], offer=2).exists()
    assert "책 1권 준비" in first.texts()[-1]
    assert not Strike.objects.exists()
