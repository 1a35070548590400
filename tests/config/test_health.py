"""What operators see."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from config import celery, health
from core import clock
from core.actor import RULE
from core.models import Heartbeat
from lending import wishes
from lending.models import Copy, Reservation
from pickup import appointments, arrivals, rehearsals
from pickup.models import Appointment, Order
from tests import rows
from tests.pickup import steps

pytestmark = pytest.mark.django_db


def test_alive_asks_nobody(django_assert_num_queries) -> None:
    with django_assert_num_queries(0):
        assert Client().get("/healthz").json() == {"status": "ok"}


def test_ready_needs_the_database_and_only_tells_of_the_broker(settings) -> None:
    assert Client().get("/readyz").json() == {"status": "ok", "database": "ok", "broker": "ok"}
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["broker"]) == (200, "ConnectionError")


def test_every_hand_off_has_its_gauge() -> None:
    text = Client().get("/metrics").content.decode()
    for name in celery.HANDOFFS:
        assert f'lending_oldest_waiting_seconds{{handoff="{name.replace(" ", "_")}"}} 0.0' in text


def test_the_age_of_the_oldest_waiting_row_is_told() -> None:
    point = rows.point()
    [row] = rows.reserve(rows.patron(point.library), rows.copy(at=point.library).title, at=point)
    assert row.state == "allocated"
    Reservation.objects.filter(pk=row.pk).update(moved_at=clock.now() - timedelta(minutes=2))
    Heartbeat.objects.create(sweep="pickup.tasks.assemble", at=clock.now() - timedelta(minutes=5))
    seconds, count = health.waiting(clock.now())["reservation_allocated"]
    assert (119 < seconds < 125, count) == (True, 1)
    text = Client().get("/metrics").content.decode()
    assert 'lending_waiting_rows{handoff="reservation_allocated"} 1.0' in text
    [beat] = [line for line in text.splitlines() if line.startswith("lending_sweep_age_seconds{")]
    assert 299 < float(beat.split()[-1]) < 305


def test_a_free_copy_that_somebody_waits_for_counts_until_it_is_given() -> None:
    point = rows.point()
    copy = rows.copy(at=point.library)
    rows.reserve(rows.patron(point.library), copy.title, at=point)
    waiting = rows.patron(point.library)
    rows.reserve(waiting, copy.title, at=point)
    assert health.waiting(clock.now())["copy_came_free"] == (0.0, 0)
    rows.copy(copy.title, point.library)
    assert health.waiting(clock.now())["copy_came_free"][1] == 1


@pytest.mark.lawless("I3", why="a wish is paused without a move")
def test_days_that_have_come_count_until_the_sweep_has_been_there() -> None:
    point = rows.point()
    wanted = rows.copy(at=point.library).title
    rows.reserve(rows.patron(point.library), wanted, at=point)
    (row,) = rows.reserve(rows.patron(point.library), wanted, at=point)
    today = clock.now().astimezone(rows.SEOUL).date()
    paused = {"state": "suspended", "suspended_until": today, "needed_until": today}
    Reservation.objects.filter(pk=row.pk).update(**paused)
    found = health.waiting(clock.now())
    assert (found["reservation_to_resume"][1], found["reservation_to_expire"][1]) == (1, 0)
    assert 0 < found["reservation_to_resume"][0] <= 24 * 3600
    wishes.resume_due(now=clock.now())
    Reservation.objects.filter(pk=row.pk).update(needed_until=today - timedelta(days=1))
    assert health.waiting(clock.now())["reservation_to_resume"] == (0.0, 0)
    assert health.waiting(clock.now())["reservation_to_expire"][1] == 1


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_operators_only_look(path) -> None:
    assert Client().post(path).status_code == 405


def test_a_whole_sweep_leaves_a_heartbeat_and_a_nudge_does_not() -> None:
    celery.app.loader.import_default_modules()
    assemble = celery.app.tasks["pickup.tasks.assemble"]
    assemble.apply(kwargs={"ids": [1]})
    assert not Heartbeat.objects.exists()
    assemble.apply()
    assert Heartbeat.objects.get().sweep == "pickup.tasks.assemble"
    assert clock.now() - Heartbeat.objects.get().at < timedelta(minutes=1)


def test_what_a_rehearsal_leaves_behind_counts_nowhere() -> None:
    window = rows.point(rows.library(training=True, programme=rows.programme(volumes=100)), rules={})
    rehearsals.start(point_id=window.pk, minutes=10, by=rows.RULE, now=clock.now() - timedelta(hours=1))
    waiting = {name: count for name, (_seconds, count) in health.waiting(clock.now()).items() if count}
    assert waiting == {"rehearsal_started": 11}
    rehearsals.arrive_due(now=clock.now())
    text = Client().get("/metrics").content.decode()
    assert 'lending_waiting_rows{handoff="rehearsal_started"} 0.0' in text
    for noun in health.NOUNS:
        assert f'lending_rows{{noun="{noun}"' not in text
    steps.ready(steps.asked(rows.patron(), rows.point(rules={"by_appointment": False})))
    text = Client().get("/metrics").content.decode()
    assert 'lending_rows{noun="pickup_order",state="ready"} 1.0' in text


def test_what_no_sweep_would_take_does_not_count() -> None:
    """A book that travels or rests, a copy of another volume, somebody who is here: nobody is called at night."""
    programme = rows.programme(transfer_days=1)
    here, there = rows.library(programme=programme), rows.library(programme=programme)
    point = rows.point(here)
    rows.reserve(rows.patron(here), rows.copy(at=there).title, at=point)
    resting = rows.copy(at=here)
    rows.reserve(rows.patron(here), resting.title, at=point)
    rows.reserve(rows.patron(here), resting.title, at=point)
    second = rows.copy(resting.title, here)
    Copy.objects.filter(pk=second.pk).update(rests_until=rows.NOW + timedelta(days=1))
    rows.copy(resting.title, here, volume="2")
    told = health.waiting(clock.now())
    assert told["copy_came_free"][1] == 0
    assert told["reservation_allocated"][1] == 1  # the one whose book is here


def test_who_is_here_is_neither_missed_nor_expired() -> None:
    now = clock.now()
    point = rows.point()
    slot = rows.slot(point, now + timedelta(hours=1))
    order = steps.asked(rows.patron(point.library), point, now=now)
    appointments.promise(order_id=order.pk, slot_id=slot.pk, by=RULE, now=now)
    untimed = steps.asked(rows.patron(point.library), point, now=now)
    for bag in (order, untimed):
        steps.ready(bag, now=now)
    over = now - timedelta(minutes=1)
    Appointment.objects.update(miss_after=over)
    Order.objects.update(keep_until=over)
    told = health.waiting(clock.now())
    assert (told["appointment_to_miss"][1], told["order_to_expire"][1]) == (1, 1)
    for bag in (order, untimed):
        arrivals.arrive(order_id=bag.pk, point_id=point.pk, by=RULE, now=now)
    told = health.waiting(clock.now())
    assert (told["appointment_to_miss"][1], told["order_to_expire"][1]) == (0, 0)
