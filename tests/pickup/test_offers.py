"""Times offered by the rule: near what people wish, spread over the slot, planned and written for many at once."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.models import Journal
from lending.models import SpecialDay
from notifications import encoding
from notifications.models import Message
from pickup import appointments, offers, orders, parties, point_queries, preferences, queries, scheduling, slots, texts
from pickup.models import Appointment, Order, PointRules, Slot
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db

ONE_PLACE = {"capacity": 1}


@pytest.fixture
def lane():
    return rows.point()


def likes(who, weekdays, begins, ends):
    preferences.note(patron_id=who.pk, weekdays=weekdays, begins=time(begins), ends=time(ends), by=DESK, now=rows.NOW)


def bag(lane, who=None) -> Order:
    return steps.ready(steps.asked(who or rows.patron(lane.library), lane))


def promised(order: Order) -> Appointment:
    appointment = steps.again(order).appointment
    assert appointment is not None
    return appointment


def test_who_likes_the_evening_is_offered_it_and_the_reason_is_kept(lane, now):
    rows.slot(lane, now + timedelta(hours=1))
    evening = rows.slot(lane, now + timedelta(hours=8))  # 18:00 on a Tuesday
    fan, other = rows.patron(lane.library), rows.patron(lane.library)
    likes(fan, [1, 3], 17, 19)
    bags = [bag(lane, fan), bag(lane, other)]
    assert offers.offer_ready(now=now) == 2
    assert (promised(bags[0]).slot_id, promised(bags[0]).why) == (evening.pk, "wished")
    assert promised(bags[1]).why == "soonest"


def test_a_wish_that_cannot_be_met_is_met_as_nearly_as_can_be(lane, now):
    rows.slot(lane, now + timedelta(hours=1))
    near = rows.slot(lane, now + timedelta(hours=6))
    fan = rows.patron(lane.library)
    likes(fan, [1], 17, 19)
    order = bag(lane, fan)
    offers.offer_ready(now=now)
    assert (promised(order).slot_id, promised(order).why) == (near.pk, "nearest")


def test_a_chosen_time_says_so(lane, now):
    slot = rows.slot(lane)
    order = bag(lane)
    appointment = appointments.promise(order_id=order.pk, slot_id=slot.pk, by=DESK, now=now)
    assert (appointment.why, appointment.arrives) == ("chosen", slot.starts_at)


def test_who_likes_a_day_on_which_nothing_is_free_is_offered_the_time_nearest_to_it(lane, now):
    rows.slot(lane, now + timedelta(hours=1))  # on Tuesday
    thursday = rows.slot(lane, now + timedelta(hours=48))
    fan = rows.patron(lane.library)
    likes(fan, [2], 12, 13)  # Wednesdays at noon, 26 hours from now
    order = bag(lane, fan)
    assert offers.offer_ready(now=now) == 1
    assert (promised(order).slot_id, promised(order).why) == (thursday.pk, "nearest")


def test_no_wish_goes_beyond_the_keep_day(lane, now):
    soon, late = rows.slot(lane, now + timedelta(hours=1)), rows.slot(lane, now + timedelta(days=9))
    fan = rows.patron(lane.library)
    likes(fan, [3], late.starts_at.astimezone(rows.SEOUL).hour, 23)  # the late slot is on a Thursday
    order = bag(lane, fan)
    offers.offer_ready(now=now)
    assert promised(order).slot_id == soon.pk


def test_the_cars_of_a_slot_are_asked_to_come_one_after_the_other(lane, now):
    slot = rows.slot(lane, capacity=6)
    bags = [bag(lane) for _ in range(5)]
    offers.offer_ready(now=now)
    told = sorted((promised(order).arrives - slot.starts_at) / timedelta(minutes=1) for order in bags)
    assert told == [0, 0, 5, 5, 10]
    chosen = appointments.promise(order_id=bag(lane).pk, slot_id=slot.pk, by=DESK, now=now)
    assert chosen.arrives == slot.starts_at + timedelta(minutes=10)


def test_the_text_says_when_to_come_and_fits(lane, now):
    library = lane.library
    library.name_ko = "성동구립도서관"
    library.save(update_fields=["name_ko"])
    slot = rows.slot(lane, capacity=3)
    bags = [bag(lane) for _ in range(3)]
    offers.offer_ready(now=now)
    bodies = [Message.objects.get(about=f"appointment:{promised(order).pk}").body for order in bags]
    marks = ["16:00", "16:05", "16:10"]
    assert slot.starts_at.astimezone(rows.SEOUL).strftime("%H:%M") == marks[0]
    assert sorted(mark for body in bodies for mark in marks if f"11/24(화) {mark} 수령" in body) == marks
    assert all(encoding.ucs2_length(body) <= 70 and encoding.euckr_bytes(body) <= 90 for body in bodies)


def test_a_promise_stays_as_it_was_told_when_others_come_and_go(lane, now):
    rows.slot(lane, capacity=6)
    first, second = bag(lane), bag(lane)
    offers.offer_ready(now=now)
    before = promised(second).arrives
    appointments.cancel(appointment_id=promised(first).pk, by=DESK, now=now)
    bag(lane)
    offers.offer_ready(now=now)
    assert promised(second).arrives == before


def many(lane, count):
    slot = rows.slot(lane, rows.NOW + timedelta(hours=2 + count), capacity=50)
    family = rows.household(together=True)
    for number in range(count):
        who = rows.patron(lane.library, household=family if number % 3 == 0 else None)
        likes(who, [1], 12, 20)
        bag(lane, who)
    return slot


@pytest.mark.lawless("I1", "I2", "I3", why="ends the first crowd by hand")
def test_a_crowd_takes_no_more_statements_than_a_few(now):
    lane = rows.point(rows.library(programme=rows.programme(volumes_per="patron")))
    counted = []
    for count in (6, 24):
        many(lane, count)
        with CaptureQueriesContext(connection) as seen:
            assert offers.offer_ready(now=now) == count - count // 3 + 1
        counted.append(len(seen))
        appointments_made = Appointment.objects.count()
        assert Journal.objects.filter(noun="pickup.appointment").count() == appointments_made
        Order.objects.filter(state="ready").update(appointment=None)
        Order.objects.all().update(state="cancelled")
    assert counted[0] == counted[1]


def test_one_party_that_cannot_be_told_holds_up_nobody(lane, now, monkeypatch):
    rows.slot(lane, capacity=50)
    bags = [bag(lane) for _ in range(9)]
    written = texts.offers

    def not_to_the_fourth(promises, *args, **kwargs):
        if any(orders[0] == bags[3] for _appointment, orders in promises):
            raise LookupError("nobody has thought of this")
        return written(promises, *args, **kwargs)

    monkeypatch.setattr(texts, "offers", not_to_the_fourth)
    assert offers.offer_ready(now=now) == 8
    assert [steps.again(one).appointment is None for one in bags] == [n == 3 for n in range(9)]
    assert Slot.objects.get().booked == 8


def test_texts_are_written_without_a_question_while_the_orders_get_their_promises(lane, now, monkeypatch):
    rows.slot(lane, capacity=50)
    bags = [bag(lane) for _ in range(3)]
    written, asked = texts.offers, []

    def watched(*args, **kwargs):
        with CaptureQueriesContext(connection) as queries:
            found = written(*args, **kwargs)
        asked.append(len(queries))
        return found

    monkeypatch.setattr(texts, "offers", watched)
    assert offers.offer_ready(now=now) == 3
    assert asked == [0]
    assert all(steps.again(one).appointment for one in bags)


def test_who_loses_a_place_to_a_person_is_planned_anew(lane, now, monkeypatch):
    wanted, other = rows.slot(lane, capacity=1), rows.slot(lane, now + timedelta(hours=9))
    order, quick = bag(lane), steps.asked(rows.patron(lane.library), lane)
    assign = scheduling.assign

    def while_somebody_chooses(*args, **kwargs):
        plan = assign(*args, **kwargs)
        if not steps.again(quick).appointment:
            appointments.promise(order_id=quick.pk, slot_id=wanted.pk, by=DESK, now=now)
        return plan

    monkeypatch.setattr(scheduling, "assign", while_somebody_chooses)
    monkeypatch.setattr(offers, "ROUNDS", 2)
    more = bag(lane)
    assert offers.offer_ready(now=now) == 2
    assert {promised(order).slot_id, promised(more).slot_id} == {other.pk}
    wanted.refresh_from_db()
    assert wanted.booked == 1


@pytest.mark.lawless("I1", why="slots are filled by hand")
def test_places_are_taken_all_or_none_and_say_which_they_are(lane):
    roomy, full = rows.slot(lane, capacity=5, booked=2), rows.slot(lane, rows.NOW + timedelta(hours=7), capacity=2)
    shut = rows.slot(lane, rows.NOW + timedelta(hours=8), open=False)
    asked = {slot.pk: slots.Wanted(3, 0) for slot in (full, shut, roomy)}
    assert slots.take_many(asked) == {roomy.pk: 3}
    assert sorted(Slot.objects.values_list("booked", flat=True)) == [0, 0, 5]
    wide = rows.slot(lane, rows.NOW + timedelta(hours=9), capacity=5, accessible=1)
    assert slots.take_many({wide.pk: slots.Wanted(2, 2)}) == {}
    assert slots.take_many({wide.pk: slots.Wanted(2, 1)}) == {wide.pk: 1}


# What the past tells


def remember(lane, start, count, **columns):
    slot = rows.slot(lane, start, capacity=count, booked=count)
    told = {"point": lane, "slot": slot, "answer_by": start, "miss_after": start, "why": "chosen", **columns}
    Appointment.begin_many(
        [{**told, "offered_at": start - timedelta(hours=3, minutes=10)} for _ in range(count)],
        at=rows.NOW - timedelta(days=30),
        by=DESK,
    )


@pytest.mark.lawless("I1", why="the past is promises without orders")
def test_the_past_is_read_as_numbers_of_what_people_chose(lane, now):
    start = now - timedelta(days=7)  # a Tuesday at ten
    remember(lane, start, 3)
    remember(lane, start + timedelta(minutes=15), 2, why="soonest")
    remember(rows.point(), start, 4)
    found = point_queries.past_demand(lane.pk, zone=rows.SEOUL, since=now - timedelta(weeks=8), until=now)
    assert found == [scheduling.Past(1, 600, 3, accessible=False, count=3)]


@pytest.mark.parametrize(("enough", "kept"), [(True, True), (False, False)])
@pytest.mark.lawless("I1", why="the past is promises without orders")
def test_a_place_is_kept_for_those_the_past_announces_unless_it_is_thin(lane, now, enough, kept):
    rush = datetime(2026, 11, 24, 16, tzinfo=rows.SEOUL).astimezone(UTC)
    for week in range(1, 9 if enough else 4):
        remember(lane, rush - timedelta(weeks=week), 10)
    scarce = rows.slot(lane, rush, capacity=1)
    later = rows.slot(lane, rush + timedelta(minutes=15), capacity=3)
    order = bag(lane)
    offers.offer_ready(now=now)
    assert promised(order).slot_id == (later.pk if kept else scarce.pk)


# Who comes in one car, asked for many at once


def test_parties_are_those_that_party_of_says(lane):
    together, apart = rows.household(together=True), rows.household(together=False)
    number = rows.mobile()
    people = [rows.patron(lane.library, household=house) for house in (together, together, apart, apart, None, None)]
    sent = []
    for name in ("손자", "손자", "다른 손자"):
        who = rows.patron(lane.library)
        sent.append((who, rows.contact(who, own=False, name=name, number=number)))
    grandson = rows.patron(lane.library, name="손자", number=number)
    bags = [bag(lane, who) for who in [*people, grandson]]
    bags += [steps.ready(steps.asked(who, lane, collector_id=contact.pk)) for who, contact in sent]
    read = list(queries.orders(pk__in=[one.pk for one in bags]).order_by("ready_at", "id"))
    left = {order.pk for order in read}
    for head, party in parties.by_car(read).items():
        by_query = set(parties.party_of(next(one for one in read if one.pk == head)).values_list("pk", flat=True))
        assert {order.pk for order in party} == by_query & left
        left -= by_query
    assert left == set()


def test_a_point_that_another_worker_plans_is_left_alone(lane, now, monkeypatch):
    rows.slot(lane)
    order = bag(lane)
    monkeypatch.setattr(offers, "_plans_alone", lambda _point_id: False)
    assert offers.offer_ready(now=now) == 0
    monkeypatch.undo()
    assert offers.offer_ready(now=now) == 1
    assert promised(order).state == "offered"


def test_rules_decide_the_lead(lane, now):
    PointRules.objects.filter(point=lane).update(lead_minutes=120)
    rows.slot(lane, now + timedelta(hours=1))
    good = rows.slot(lane, now + timedelta(hours=2))
    order = bag(lane)
    offers.offer_ready(now=now)
    assert promised(order).slot_id == good.pk


@pytest.mark.parametrize("day", [2, 5])
def test_where_bags_are_kept_for_no_day_one_without_a_time_is_kept_for_the_first_that_can_be_offered(now, day):
    """Jeju hands over on Wednesdays and Saturdays: what comes back on a Thursday is offered the Saturday."""
    point = rows.point(rules={"keep_days": 0})
    rows.slot(point, now + timedelta(days=day))
    packed = now + timedelta(days=day - 1, hours=6)
    order = steps.ready(steps.asked(rows.patron(point.library), point), now=packed)
    midnight = datetime.combine((now + timedelta(days=day + 1)).date(), time(), tzinfo=rows.SEOUL)
    assert order.keep_until == midnight
    assert offers.offer_ready(now=packed) == 1
    assert steps.again(order).appointment.slot.starts_at == now + timedelta(days=day)
    assert orders.expire_due(now=midnight - timedelta(days=1)) == 0


def test_where_bags_are_kept_for_no_day_who_finds_the_first_day_full_is_offered_the_next(now):
    point = rows.point(rules={"keep_days": 0})
    for days in (2, 4):
        rows.slot(point, now + timedelta(days=days), **ONE_PLACE)
    bags = [bag(point), bag(point)]
    assert offers.offer_ready(now=now) == 2
    assert [promised(one).slot.starts_at for one in bags] == [now + timedelta(days=2), now + timedelta(days=4)]
    orders.expire_due(now=now + timedelta(days=4))
    assert steps.again(bags[1]).state == "ready"


def test_a_bag_that_is_kept_for_no_day_is_kept_for_an_open_one(now):
    library = rows.library()
    SpecialDay.objects.create(library=library, day=rows.day("2026-11-24"))
    door = rows.point(library, layout="door", rules={"by_appointment": False, "keep_days": 0})
    order = steps.ready(steps.asked(rows.patron(library), door))
    assert order.keep_until == datetime(2026, 11, 26, tzinfo=rows.SEOUL)
