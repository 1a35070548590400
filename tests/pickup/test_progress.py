"""The one thing that whoever collects an order can do now."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from core import clock
from lending.models import Contact
from notifications.models import Message
from pickup import appointments, arrivals, elsewhere, lane, lapses, links, offers, orders, packing, progress, waits
from pickup.states import AppointmentState
from tests import rows
from tests.pickup import steps

pytestmark = pytest.mark.django_db

SLOT = rows.NOW + timedelta(hours=6)


@pytest.fixture
def drive():
    """A drive lane where the time is chosen while ordering, with two times."""
    point = rows.point(rules={"promise": "at_order"})
    rows.slot(point, SLOT)
    rows.slot(point, SLOT + timedelta(hours=24))
    rows.lane(point)
    return point


def seen(order, *, now=rows.NOW) -> progress.Progress:
    return progress.of_one(steps.again(order), now=now)


def chosen(point, **more):
    """An order whose time somebody has chosen."""
    return steps.asked(rows.patron(point.library), point, slot_id=point.slots.first().pk, **more)


def test_while_it_is_packed_there_is_nothing_to_do(drive):
    found = seen(chosen(drive))
    assert (found.todo, found.told, found.steps_done, found.may_choose) == ("packing", "text", 1, True)


def test_a_time_that_the_rule_chose_is_to_be_confirmed(drive):
    order = steps.asked(rows.patron(drive.library), drive)
    assert seen(order).todo == "confirm"
    assert order.appointment is not None
    appointments.confirm(appointment_id=order.appointment.pk, by=steps.DESK, now=rows.NOW)
    assert seen(order).todo == "packing"


def test_ready_for_later_and_ready_for_now(drive):
    order = steps.ready(chosen(drive))
    assert seen(order).todo == "come_later"
    assert seen(order, now=SLOT - timedelta(minutes=59)).todo == "come"


def test_a_time_that_was_missed_is_to_be_chosen_anew(drive):
    order = steps.ready(chosen(drive))
    lapses.misses_due(now=SLOT + timedelta(hours=2))
    found = seen(order, now=SLOT + timedelta(hours=2))
    assert order.appointment.__class__.objects.get().state == AppointmentState.MISSED
    assert (found.todo, found.missed) == ("choose", True)


def test_a_door_without_times_is_open_as_soon_as_the_bag_is_ready():
    door = rows.point(layout="door", rules={"by_appointment": False})
    found = seen(steps.ready(steps.asked(rows.patron(door.library), door)))
    assert (found.todo, found.may_choose) == ("come", False)


def test_where_times_are_offered_nobody_chooses_before_the_bag_is_ready():
    point = rows.point(rules={"promise": "when_ready"})
    order = steps.asked(rows.patron(point.library), point)
    assert not seen(order).may_choose
    assert seen(steps.ready(order)).todo == "choose"


def test_who_is_here_sees_the_cars_before_them_and_about_how_long(drive):
    first, second = (steps.ready(chosen(drive)) for _ in range(2))
    for order in (first, second):
        arrivals.arrive(point_id=drive.pk, order_id=order.pk, by=steps.DESK, now=rows.NOW)
    found = seen(second)
    assert (found.todo, found.ahead, found.may_come) == ("wait", 1, False)
    found.expect(waits.now_at(point_id=drive.pk, now=rows.NOW), now=rows.NOW)
    assert found.minutes == 2  # a car takes 90 seconds
    lane.call_next(point_id=drive.pk, by=steps.DESK, now=rows.NOW)
    assert seen(first).todo == "drive_up"
    assert (seen(second).todo, seen(second).ahead) == ("wait", 0)


def test_the_end_of_an_order_is_said(drive):
    assert seen(steps.handed_over(steps.ready(chosen(drive)))).todo == "done"
    gone = chosen(drive)
    orders.cancel(order_id=gone.pk, by=steps.DESK, now=rows.NOW)
    found = seen(gone)
    assert (found.todo, found.count, found.steps_done) == ("over", 1, 0)


def test_who_waits_on_is_not_told_to_ask_again(drive):
    order = steps.asked(rows.patron(drive.library), drive, now=clock.now())
    address = f"/o/{links.token_for(order, now=clock.now())}/"
    packing.not_on_shelf(line_id=order.lines.get().pk, by=steps.DESK, now=clock.now())
    page = Client(headers={"accept-language": "en"}).get(address).content.decode()
    assert "You keep your place in line" in page
    assert "You can request the books again" not in page


def test_books_that_are_collected_elsewhere_are_not_called_cancelled(drive):
    order = steps.asked(rows.patron(drive.library), drive, now=clock.now())
    address = f"/o/{links.token_for(order, now=clock.now())}/"
    door = rows.point(drive.library, rules={"by_appointment": False})
    elsewhere.collect_at(order_id=order.pk, point_id=door.pk, by=steps.DESK, now=clock.now())
    page = Client(headers={"accept-language": "en"}).get(address).content.decode()
    assert "You collect these books at another place." in page
    assert "cancelled" not in page


def test_whose_time_was_given_away_reads_so():
    point = rows.point(rules={"silence": "lapse", "offers": 1})
    rows.slot(point, SLOT)
    order = steps.ready(steps.asked(rows.patron(point.library, number=rows.american()), point))
    assert offers.offer_ready(now=rows.NOW) == 1
    order = steps.again(order)
    assert order.appointment is not None
    over = order.appointment.answer_by + timedelta(minutes=1)
    lapses.answers_due(now=over)
    found = seen(order, now=over)
    assert (found.todo, found.missed, found.lapsed) == ("choose", False, True)
    assert Message.objects.latest("id").template == "kept"


def test_who_has_a_landline_is_called_and_who_has_no_number_looks_here(drive):
    order = chosen(drive)
    Contact.objects.filter(patron=order.patron).update(may_text=False)
    assert seen(order).told == "call"
    Contact.objects.filter(patron=order.patron).delete()
    assert seen(order).told == "nobody"


def test_early_is_fine_on_the_day_itself(drive):
    order = chosen(drive)
    assert seen(order).may_come
    assert not seen(order, now=rows.NOW - timedelta(days=1)).may_come


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "1 book could not be found and keeps its place in line"),
        ("ko", "1권은 구하지 못해 예약 순서를 유지합니다"),
    ],
)
def test_the_page_behind_a_link_says_that_a_book_is_back_in_line(drive, language, words):
    order = steps.asked(rows.patron(drive.library), drive, books=2, now=clock.now())
    client = Client(headers={"accept-language": language})
    address = f"/o/{links.token_for(order, now=clock.now())}/"
    assert words not in client.get(address).content.decode()
    packing.not_on_shelf(line_id=order.lines.first().pk, by=steps.DESK, now=clock.now())
    assert words in client.get(address).content.decode()
