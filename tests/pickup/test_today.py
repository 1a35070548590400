"""The day at a glance: what waits at each hand-off, how old it is, what is late, what comes next."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import translation

from core.actor import Actor
from lending.models import Patron
from notifications import queries as notified
from notifications.models import Call, InboundMessage, Message
from pickup import appointments, arrivals, notes, offers, orders, point_queries, today
from pickup.handoffs import Kind
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture
def lane():
    return rows.point()


def glance(*points, now):
    return today.glance(list(point_queries.points(pk__in=[point.pk for point in points])), now=now)


def tasks(found, *, shared=False):
    [library] = found.libraries
    return {task.kind: task for task in (library.tasks if shared else library.points[0].tasks)}


def reader(point, **columns):
    return rows.patron(point.library, **columns)


def test_nothing_waits_at_a_place_where_nothing_happens(lane, now):
    found = glance(lane, now=now)
    assert (found.following, tasks(found), tasks(found, shared=True)) == (None, {}, {})


def test_each_order_waits_at_its_next_hand_off(lane, now):
    steps.asked(reader(lane), lane, books=2, now=now - 3 * HOUR)
    steps.packed(steps.asked(reader(lane), lane, now=now - 2 * HOUR), now=now - 2 * HOUR)
    steps.ready(steps.asked(reader(lane), lane, now=now - HOUR), now=now - HOUR)
    dead = steps.packed(steps.asked(reader(lane), lane, now=now), now=now)
    orders.cancel(order_id=dead.pk, by=DESK, now=now)
    found = tasks(glance(lane, now=now))
    counted = {kind: (task.count, task.oldest) for kind, task in found.items()}
    assert counted == {
        Kind.FETCH: (2, now - 3 * HOUR),
        Kind.PACK: (1, now - 3 * HOUR),
        Kind.MARK: (1, now - 2 * HOUR),
        Kind.NO_TIME: (1, now - HOUR),
        Kind.UNPACK: (1, now),
    }
    assert [kind for kind, task in found.items() if task.late] == [Kind.MARK]


@pytest.mark.parametrize(("until", "counted"), [("2026-11-23", False), ("2026-11-24", True), ("2026-12-24", True)])
def test_a_card_that_is_blocked_since_is_seen_before_anybody_comes_for_its_bag(lane, now, until, counted):
    """On the first page of the morning: packed or not, on the library's own day; what is over is not counted."""
    soon, later = rows.slot(lane, now + 2 * HOUR), rows.slot(lane, now + 5 * HOUR)
    fetched, packed, other = (steps.asked(reader(lane), lane) for _ in range(3))
    for order, slot in ((fetched, later), (packed, soon), (other, soon)):
        appointments.promise(order_id=order.pk, slot_id=slot.pk, by=DESK, now=now)
    for order in (packed, other):
        steps.ready(order)
    gone = steps.handed_over(steps.ready(steps.asked(reader(lane), lane)))
    Patron.objects.filter(orders__in=[fetched, packed, gone]).update(blocked_until=rows.day(until))
    found = glance(lane, now=now)
    if not counted:
        assert Kind.BLOCKED not in tasks(found)
        return
    blocked = tasks(found)[Kind.BLOCKED]
    assert (blocked.count, blocked.of_session, blocked.session.starts_at) == (2, 1, soon.starts_at)
    assert found.following == blocked
    assert blocked.page == f"/staff/packing/?point={lane.pk}"
    with translation.override("en"):
        assert (blocked.what, blocked.do) == ("bags of blocked cards", "Decide on 1 bag of a blocked card")
    with translation.override("ko"):
        assert blocked.what == "정지된 회원증의 꾸러미"


def test_a_place_without_appointments_misses_no_time(now):
    door = rows.point(rules={"by_appointment": False})
    steps.ready(steps.asked(reader(door), door))
    assert tasks(glance(door, now=now)) == {}


def test_what_a_session_wants_within_the_hour_is_late_and_comes_next(lane, now):
    soon, later = rows.slot(lane, now + HOUR / 2), rows.slot(lane, now + 5 * HOUR)
    for slot, books in ((later, 3), (soon, 2)):
        order = steps.asked(reader(lane), lane, books=books)
        appointments.promise(order_id=order.pk, slot_id=slot.pk, by=DESK, now=now)
    found = glance(lane, now=now)
    fetch = tasks(found)[Kind.FETCH]
    assert (fetch.count, fetch.of_session, fetch.late) == (5, 2, True)
    assert fetch.session.starts_at == soon.starts_at
    assert found.following == fetch
    with translation.override("en"):
        assert fetch.do == "Fetch 2 books"
    assert fetch.first_page == f"/staff/pull-list/?point={lane.pk}&for=2026-11-24T10%3A30"


def test_who_stands_at_the_window_comes_before_everything(lane, now):
    order = steps.asked(reader(lane), lane, now=now - 48 * HOUR)
    arrivals.arrive(point_id=lane.pk, order_id=order.pk, by=DESK, now=now - HOUR)
    found = glance(lane, now=now)
    assert (found.following.kind, found.following.late, found.following.count) == (Kind.HERE, True, 1)


def test_sessions_say_how_many_come_and_how_many_bags_are_ready(lane, now):
    window = rows.window(lane)
    slots = [rows.slot(lane, now + 6 * HOUR + k * HOUR / 4, window=window, session_en="Session 2") for k in range(4)]
    rows.slot(lane, now + 30 * HOUR)  # tomorrow
    bags = [steps.asked(reader(lane), lane) for _ in range(3)]
    for slot, order in zip(slots, bags, strict=False):
        appointments.promise(order_id=order.pk, slot_id=slot.pk, by=DESK, now=now)
    steps.handed_over(steps.ready(bags[0]))
    steps.ready(bags[1])
    [row] = glance(lane, now=now).libraries[0].points[0].sessions
    assert (row.expected, row.gone, row.bags, row.ready, row.late, row.over) == (3, 1, 3, 2, False, False)
    assert row.session.key == "2026-11-24T16:00"
    [soon] = glance(lane, now=now + 5 * HOUR + HOUR / 2).libraries[0].points[0].sessions
    assert soon.late


def test_notes_texts_and_calls_are_told_once_for_libraries_that_share_a_telephone(now):
    one = rows.point()
    other = rows.point(rows.library(sender=one.library.sender))
    order = steps.asked(reader(one), one)
    notes.write(order_id=order.pk, text="Ten minutes late", by=Actor("collector", order.pk, "link"), now=now - HOUR)
    sender = notified.sender(one.library.sender)
    InboundMessage.begin(
        at=now, by=DESK, sender=sender, provider_id="SM1", from_number=rows.mobile(), to_number=sender.number,
        body="?", received_at=now,
    ).move("parked", at=now, by=DESK)  # fmt: skip
    for minutes in (-5, 5):
        Call.begin(
            at=now, by=DESK, sender=sender, number=rows.landline(), language="ko", say="책", dedup_key=f"call{minutes}",
            created_at=now, due_at=now + timedelta(minutes=minutes), not_after=now + HOUR,
        )  # fmt: skip
    found = glance(one, other, now=now)
    shared = {library.library.pk: {task.kind: task.count for task in library.tasks} for library in found.libraries}
    assert shared == {
        one.library_id: {Kind.NOTES: 1, Kind.TEXTS: 1, Kind.CALLS: 1},
        other.library_id: {},
    }


def failed(order, sender, now, **columns):
    message = Message.begin(
        at=now, by=DESK, sender=sender, to=rows.mobile(), language="ko", kind="notice", template="ready",
        about=f"order:{order.pk}", created_at=now, not_before=now, not_after=now + HOUR,
        **{"dedup_key": f"ready:{order.pk}", **columns},
    )  # fmt: skip
    message.move("failed", at=now, by=DESK)
    return message


def test_a_bag_of_which_nobody_could_be_told_is_seen(lane, now):
    sender = notified.sender(lane.library.sender)
    silent = steps.ready(steps.asked(reader(lane, number=""), lane))
    unreached, again, called = (steps.ready(steps.asked(reader(lane), lane)) for _ in range(3))
    failed(unreached, sender, now)
    failed(again, sender, now)
    Message.begin(
        at=now, by=DESK, sender=sender, to=rows.mobile(), language="ko", kind="notice", template="ready",
        about=f"order:{again.pk}", created_at=now, not_before=now, not_after=now + HOUR, dedup_key=f"ready:{again.pk}",
        generation=2,
    )  # fmt: skip
    failed(called, sender, now)
    Call.begin(
        at=now, by=DESK, sender=sender, number=rows.mobile(), language="ko", say="책", dedup_key=f"ready:{called.pk}",
        created_at=now, due_at=now, not_after=now + HOUR,
    )  # fmt: skip
    offers.offer_ready(now=now, point_ids=[lane.pk])
    assert set(today.untold([lane.library_id])) == {silent, unreached}
    assert tasks(glance(lane, now=now), shared=True)[Kind.UNTOLD].count == 2


def test_the_number_of_queries_does_not_grow(lane, now, django_assert_num_queries, django_assert_max_num_queries):
    def busy():
        slot = rows.slot(lane, now + HOUR + timedelta(minutes=rows.serial() % 500))
        order = steps.asked(reader(lane), lane, books=2)
        appointments.promise(order_id=order.pk, slot_id=slot.pk, by=DESK, now=now)
        steps.ready(steps.asked(reader(lane), lane))
        arrivals.arrive(point_id=lane.pk, order_id=order.pk, by=DESK, now=now)

    busy()
    with django_assert_max_num_queries(12) as short:
        glance(lane, now=now)
    for _ in range(5):
        busy()
    with django_assert_num_queries(len(short.captured_queries)):
        glance(lane, now=now)
