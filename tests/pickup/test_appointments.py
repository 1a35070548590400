"""The promise: chosen or offered, confirmed, changed, given back, missed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from notifications.models import Message
from pickup import appointments, errors, lapses, offers, orders, slots
from pickup import lane as lane_of_cars
from pickup.models import Appointment, Order, Question, Slot
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db


@pytest.fixture
def lane():
    return rows.point()


@pytest.fixture
def reader(lane):
    return rows.patron(lane.library)


def booked(slot: Slot) -> int:
    slot.refresh_from_db()
    return slot.booked


def said(about: str) -> list[tuple[str, str]]:
    return list(Message.objects.filter(about=about).order_by("id").values_list("template", "state"))


def offered(order: Order, *, now=rows.NOW) -> Appointment:
    assert offers.offer_ready(now=now) >= 1
    appointment = steps.again(order).appointment
    assert appointment is not None
    return appointment


def test_a_ready_bag_is_offered_the_earliest_slot_and_the_reader_is_told(lane, reader, now):
    late, early = rows.slot(lane, now + timedelta(hours=8)), rows.slot(lane, now + timedelta(hours=6))
    order = steps.ready(steps.asked(reader, lane))
    appointment = offered(order)
    assert (appointment.slot_id, appointment.state, booked(early), booked(late)) == (early.pk, "offered", 1, 0)
    assert said(f"appointment:{appointment.pk}") == [("offer", "queued")]


def test_nobody_is_offered_a_slot_sooner_than_the_lead_time(lane, reader, now):
    rows.slot(lane, now + timedelta(minutes=19))
    good = rows.slot(lane, now + timedelta(minutes=21))
    assert offered(steps.ready(steps.asked(reader, lane))).slot_id == good.pk


def test_without_a_free_slot_the_bag_waits_for_the_next_round(lane, reader, now):
    order = steps.ready(steps.asked(reader, lane))
    assert offers.offer_ready(now=now) == 0
    rows.slot(lane)
    assert offered(order).state == "offered"


def test_nothing_is_offered_twice(lane, reader, now):
    slot = rows.slot(lane)
    steps.ready(steps.asked(reader, lane))
    assert [offers.offer_ready(now=now) for _ in range(3)] == [1, 0, 0]
    assert booked(slot) == 1


def test_who_needs_an_accessible_place_is_offered_one_only(lane, now):
    plain = rows.slot(lane, now + timedelta(hours=6))
    wide = rows.slot(lane, now + timedelta(hours=7), accessible=1)
    reader = rows.patron(lane.library, accessible_place=True)
    appointment = offered(steps.ready(steps.asked(reader, lane)))
    wide.refresh_from_db()
    assert (appointment.slot_id, wide.booked, wide.booked_accessible, booked(plain)) == (wide.pk, 1, 1, 0)


def test_a_household_that_agreed_comes_in_one_car_and_takes_one_place(lane, now):
    slot = rows.slot(lane)
    family = rows.household(together=True)
    bags = [steps.ready(steps.asked(rows.patron(lane.library, household=family), lane)) for _ in range(3)]
    assert offers.offer_ready(now=now) == 1
    assert len({steps.again(bag).appointment_id for bag in bags}) == 1
    assert booked(slot) == 1
    [message] = Message.objects.all()
    assert "책 3권" in message.body
    assert "+2" in message.body


def test_a_household_that_did_not_agree_has_a_place_each(lane, now):
    slot = rows.slot(lane)
    family = rows.household(together=False)
    for _ in range(2):
        steps.ready(steps.asked(rows.patron(lane.library, household=family), lane))
    assert offers.offer_ready(now=now) == 2
    assert booked(slot) == 2


def test_a_bag_that_is_ready_later_joins_its_party_and_one_text_counts_all(lane, now):
    rows.slot(lane)
    family = rows.household(together=True)
    first = steps.ready(steps.asked(rows.patron(lane.library, household=family), lane))
    appointment = offered(first)
    second = steps.ready(steps.asked(rows.patron(lane.library, household=family), lane, books=2))
    assert offered(second).pk == appointment.pk
    assert said(f"appointment:{appointment.pk}") == [("offer", "suppressed"), ("offer", "queued")]
    assert "책 3권" in Message.objects.get(state="queued").body


@pytest.mark.parametrize("room", [1, 0])
def test_who_needs_room_and_joins_a_party_takes_an_accessible_place_or_has_a_time_of_their_own(lane, now, room):
    slot, wide = rows.slot(lane, accessible=room), rows.slot(lane, now + timedelta(hours=9), accessible=1)
    family = rows.household(together=True)
    first = steps.ready(steps.asked(rows.patron(lane.library, household=family), lane))
    appointment = offered(first)
    needs = rows.patron(lane.library, household=family, accessible_place=True)
    second = offered(steps.ready(steps.asked(needs, lane)))
    for one in (slot, wide):
        one.refresh_from_db()
    assert (second.slot_id, second.accessible) == (slot.pk if room else wide.pk, True)
    assert (second.pk == appointment.pk) == bool(room)
    assert (slot.booked_accessible, wide.booked_accessible) == (room, 1 - room)


@pytest.mark.parametrize("room", [1, 0])
def test_who_needs_room_and_chooses_the_time_of_their_party_has_room_or_hears_of_other_times(lane, now, room):
    slot = rows.slot(lane, accessible=room)
    family = rows.household(together=True)
    first = steps.asked(rows.patron(lane.library, household=family), lane)
    appointments.promise(order_id=first.pk, slot_id=slot.pk, by=DESK, now=now)
    second = steps.asked(rows.patron(lane.library, household=family, accessible_place=True), lane)
    if room:
        appointments.promise(order_id=second.pk, slot_id=slot.pk, by=DESK, now=now)
    else:
        with pytest.raises(errors.SlotUnavailable), transaction.atomic():
            appointments.promise(order_id=second.pk, slot_id=slot.pk, by=DESK, now=now)
    slot.refresh_from_db()
    assert (slot.booked, slot.booked_accessible) == (1, room)
    assert (steps.again(second).appointment_id is not None) == bool(room)


def test_one_grandson_named_by_two_patrons_comes_once(lane, now):
    slot = rows.slot(lane)
    number = rows.mobile()
    for _ in range(2):
        who = rows.patron(lane.library)
        grandson = rows.contact(who, own=False, name="손자", number=number)
        steps.ready(steps.asked(who, lane, collector_id=grandson.pk))
    assert offers.offer_ready(now=now) == 1
    assert booked(slot) == 1


@pytest.mark.parametrize(
    ("columns", "later", "why"),
    [
        ({"open": False}, timedelta(), "closed"),
        ({}, timedelta(hours=6, minutes=1), "past"),
        ({"orders_until": rows.NOW - timedelta(minutes=1)}, timedelta(), "cutoff"),
    ],
)
def test_who_joins_the_familys_time_comes_no_later_than_anybody_else(now, columns, later, why):
    point = rows.point(rules={"promise": "at_order"})
    household = rows.household(together=True)
    slot = rows.slot(point, capacity=1)
    first, second = (rows.patron(point.library, household=household) for _ in range(2))
    steps.asked(first, point, slot_id=slot.pk)
    Slot.objects.filter(pk=slot.pk).update(**columns)
    with pytest.raises(errors.SlotUnavailable) as caught:
        steps.asked(second, point, slot_id=slot.pk, now=now + later)
    assert caught.value.facts["why"] == why


def test_a_full_time_is_still_open_to_the_family_that_holds_a_place_of_it(now):
    point = rows.point(rules={"promise": "at_order"})
    household = rows.household(together=True)
    slot = rows.slot(point, capacity=1)
    for _ in range(2):
        steps.asked(rows.patron(point.library, household=household), point, slot_id=slot.pk)
    assert booked(slot) == 1


def test_saying_yes_twice_is_one_yes(lane, reader, now):
    rows.slot(lane)
    appointment = offered(steps.ready(steps.asked(reader, lane)))
    for _ in range(2):
        assert appointments.confirm(appointment_id=appointment.pk, by=DESK, now=now).state == "confirmed"


def test_nobody_takes_back_that_a_promise_was_kept(now):
    point = rows.point(rules={"promise": "at_order"})
    who = rows.patron(point.library)
    order = steps.handed_over(steps.ready(steps.asked(who, point, slot_id=rows.slot(point).pk)))
    kept = order.appointment
    for act in (appointments.confirm, appointments.cancel):
        with pytest.raises(errors.NoAppointment):
            act(appointment_id=kept.pk, by=rows.patron_actor(who), now=now)
    assert steps.again(order).appointment.state == "kept"


@pytest.mark.parametrize("ended", ["missed", "lapsed", "cancelled"])
@pytest.mark.lawless("I1", why="a state is set by hand")
def test_what_is_over_is_not_confirmed_any_more(lane, reader, now, ended):
    rows.slot(lane)
    appointment = offered(steps.ready(steps.asked(reader, lane)))
    if ended == "missed":
        appointment.move("confirmed", at=now, by=DESK)
    appointment.move(ended, at=now, by=DESK)
    with pytest.raises(errors.NoAppointment) as caught:
        appointments.confirm(appointment_id=appointment.pk, by=DESK, now=now)
    assert caught.value.facts["state"] == ended


def test_parties_that_cannot_be_missed_yet_do_not_hold_up_the_others(now):
    """A few cars that stand here, and promises that are packed late, come before them in the table."""
    point = rows.point(layout="bays", rules={"promise": "at_order"})
    slot = rows.slot(point, capacity=9)
    bags = [steps.asked(rows.patron(point.library), point, slot_id=slot.pk) for _ in range(5)]
    for bag in bags[1:]:
        steps.ready(bag)
    for bag in bags[1:3]:
        lane_of_cars.arrive(point_id=point.pk, order_id=bag.pk, by=DESK, now=now)
    assert lapses.misses_due(now=now + timedelta(hours=12)) == 2
    assert [steps.again(bag).appointment.state for bag in bags[3:]] == ["missed", "missed"]


def test_another_time_moves_the_place(lane, reader, now):
    old, new = rows.slot(lane), rows.slot(lane, now + timedelta(hours=8))
    appointment = offered(steps.ready(steps.asked(reader, lane)))
    changed = appointments.change(appointment_id=appointment.pk, slot_id=new.pk, by=DESK, now=now)
    appointment.refresh_from_db()
    assert (appointment.state, changed.state, changed.instead_of_id) == ("changed", "confirmed", appointment.pk)
    assert (booked(old), booked(new)) == (0, 1)


@pytest.mark.lawless("I1", why="a slot is filled by hand")
def test_a_full_slot_is_refused_with_three_that_are_free_and_the_old_place_is_kept(lane, reader, now):
    old = rows.slot(lane)
    full = rows.slot(lane, now + timedelta(hours=7), capacity=1, booked=1)
    others = [rows.slot(lane, now + timedelta(hours=8 + n)) for n in range(4)]
    appointment = offered(steps.ready(steps.asked(reader, lane)))
    with pytest.raises(errors.SlotUnavailable) as refused:
        appointments.change(appointment_id=appointment.pk, slot_id=full.pk, by=DESK, now=now)
    assert refused.value.facts["why"] == "full"
    assert [row["id"] for row in refused.value.facts["next"]] == [slot.pk for slot in others[:3]]
    assert booked(old) == 1


@pytest.mark.lawless("I1", why="slots are filled by hand")
def test_what_is_shown_instead_is_neither_the_own_time_nor_too_soon_to_come(lane, reader, now):
    full, soon = rows.slot(lane, capacity=1), rows.slot(lane, now + timedelta(minutes=10))
    own, later = (rows.slot(lane, now + timedelta(hours=hours)) for hours in (5, 9))
    for slot in (full, own):
        steps.taken(slot)
    order = steps.ready(steps.asked(reader, lane))
    appointment = appointments.promise(order_id=order.pk, slot_id=own.pk, by=DESK, now=now)
    with pytest.raises(errors.SlotUnavailable) as refused, transaction.atomic():
        appointments.change(appointment_id=appointment.pk, slot_id=full.pk, by=DESK, now=now)
    assert [slot["id"] for slot in refused.value.facts["next"]] == [later.pk]
    assert appointments.change(appointment_id=appointment.pk, slot_id=soon.pk, by=DESK, now=now).slot == soon


@pytest.mark.parametrize(
    ("columns", "why"),
    [({"open": False}, "closed"), ({"hours": -1}, "past"), ({"capacity": 1, "booked": 1}, "full"), ({}, "other_point")],
)
@pytest.mark.lawless("I1", why="a slot is filled by hand")
def test_a_slot_that_cannot_be_had_says_why(lane, reader, now, columns, why):
    order = steps.asked(reader, lane)
    at = rows.point() if why == "other_point" else lane
    hours = columns.pop("hours", 6)
    slot = rows.slot(at, now + timedelta(hours=hours), **columns)
    with pytest.raises(errors.SlotUnavailable) as refused, transaction.atomic():
        appointments.promise(order_id=order.pk, slot_id=slot.pk, by=DESK, now=now)
    assert refused.value.facts["why"] == why


def test_after_the_cut_off_a_session_takes_no_orders_but_ready_bags_may_still_move_there(lane, reader, now):
    slot = rows.slot(lane, orders_until=now - timedelta(minutes=1))
    order = steps.asked(reader, lane)
    with pytest.raises(errors.SlotUnavailable) as refused, transaction.atomic():
        appointments.promise(order_id=order.pk, slot_id=slot.pk, by=DESK, now=now)
    assert refused.value.facts["why"] == "cutoff"
    order = steps.ready(order)
    assert appointments.promise(order_id=order.pk, slot_id=slot.pk, by=DESK, now=now).state == "confirmed"


def test_a_time_chosen_while_ordering_is_kept_and_ready_confirms_it(now):
    lane = rows.point(rules={"promise": "at_order"})
    slot = rows.slot(lane)
    order = steps.asked(rows.patron(lane.library), lane, slot_id=slot.pk)
    assert (order.state, order.appointment.state, booked(slot)) == ("picking", "confirmed", 1)
    order = steps.ready(order)
    assert said(f"appointment:{order.appointment_id}") == [("ready", "queued")]


def test_who_chooses_no_time_while_ordering_gets_the_next_one_whose_cut_off_is_ahead(now):
    lane = rows.point(rules={"promise": "at_order"})
    rows.slot(lane, now + timedelta(hours=6), orders_until=now)
    good = rows.slot(lane, now + timedelta(hours=20), orders_until=now + timedelta(hours=7))
    order = steps.asked(rows.patron(lane.library), lane)
    assert (order.appointment.slot_id, order.appointment.state) == (good.pk, "offered")
    assert steps.again(steps.ready(order)).appointment.state == "confirmed"


@pytest.mark.lawless("I1", why="a slot is filled by hand")
def test_a_refused_time_refuses_the_whole_order(now):
    lane = rows.point(rules={"promise": "at_order"})
    slot = rows.slot(lane, capacity=1, booked=1)
    with pytest.raises(errors.SlotUnavailable):
        steps.asked(rows.patron(lane.library), lane, slot_id=slot.pk)


def test_with_nothing_on_the_shelf_no_place_is_taken(now):
    from lending.reservations import Item

    lane = rows.point(rules={"promise": "at_order"})
    slot, copy = rows.slot(lane), rows.copy(at=lane.library)
    items = [Item(copy.title_id)]
    orders.request(patron_id=rows.patron(lane.library).pk, point_id=lane.pk, items=items, by=DESK, now=now)
    before = booked(slot)
    asked = orders.request(
        patron_id=rows.patron(lane.library).pk, point_id=lane.pk, items=items, by=DESK, now=now, slot_id=slot.pk
    )
    assert (asked.order, asked.why, booked(slot)) == (None, "waiting", before)


def test_a_point_without_times_promises_a_keep_day_only(now):
    door = rows.point(layout="door", rules={"by_appointment": False})
    slot = rows.slot(door)
    reader = rows.patron(door.library)
    order = steps.asked(reader, door)
    with pytest.raises(errors.SlotNotChosenHere), transaction.atomic():
        appointments.promise(order_id=order.pk, slot_id=slot.pk, by=DESK, now=now)
    order = steps.ready(order)
    assert offers.offer_ready(now=now) == 0
    assert said(f"order:{order.pk}") == [("ready_until", "queued")]


def test_silence_is_consent_where_no_answer_can_arrive(now):
    lane = rows.point(rules={"silence": "lapse"})
    rows.slot(lane)
    appointment = offered(steps.ready(steps.asked(rows.patron(lane.library), lane)))
    assert lapses.answers_due(now=appointment.answer_by - timedelta(seconds=1)) == 0
    assert lapses.answers_due(now=appointment.answer_by) == 1
    appointment.refresh_from_db()
    assert appointment.state == "confirmed"


def test_where_answers_arrive_an_unanswered_offer_lapses_and_is_made_once_more(now):
    lane = rows.point(rules={"silence": "lapse", "answer_minutes": 60})
    first, second = rows.slot(lane), rows.slot(lane, now + timedelta(hours=9))
    reader = rows.patron(lane.library, language="en", number=rows.american())
    order = steps.ready(steps.asked(reader, lane))
    appointment = offered(order)
    assert said(f"appointment:{appointment.pk}") == [("offer.reply_link", "queued")]
    assert Question.objects.filter(order=order, closed_at=None).count() == 1
    assert lapses.answers_due(now=now + timedelta(minutes=60)) == 1
    assert booked(first) == 0
    again = offered(order, now=now + timedelta(minutes=61))
    assert (again.slot_id, again.offer) == (second.pk, 2)
    assert lapses.answers_due(now=now + timedelta(minutes=121)) == 1
    assert offers.offer_ready(now=now + timedelta(minutes=122)) == 0
    assert ("kept", "queued") in said(f"order:{order.pk}")


def test_who_does_not_come_is_missed_after_the_grace_period_and_offered_a_time_once_more(lane, reader, now):
    slot = rows.slot(lane)
    order = steps.ready(steps.asked(reader, lane))
    appointment = offered(order)
    appointments.confirm(appointment_id=appointment.pk, by=DESK, now=now)
    assert lapses.misses_due(now=slot.ends_at + timedelta(minutes=29)) == 0
    assert lapses.misses_due(now=slot.ends_at + timedelta(minutes=30)) == 1
    appointment.refresh_from_db()
    assert (appointment.state, steps.again(order).state, booked(slot)) == ("missed", "ready", 1)
    rows.slot(lane, now + timedelta(hours=30))
    again = offered(order, now=slot.ends_at + timedelta(minutes=30))
    assert (again.offer, said(f"order:{order.pk}")) == (2, [])
    appointments.confirm(appointment_id=again.pk, by=DESK, now=now)
    assert lapses.misses_due(now=again.miss_after) == 1
    assert offers.offer_ready(now=again.miss_after) == 0
    assert said(f"order:{order.pk}") == [("missed", "queued")]


def test_who_missed_a_time_and_finds_no_other_hears_until_when_the_bag_is_kept(lane, reader, now):
    """Also who heard it before a first time was free."""
    order = steps.ready(steps.asked(reader, lane))
    assert offers.offer_ready(now=now) == 0
    slot = rows.slot(lane)
    appointment = offered(order, now=now + timedelta(minutes=1))
    appointments.confirm(appointment_id=appointment.pk, by=DESK, now=now)
    over = slot.ends_at + timedelta(minutes=30)
    assert lapses.misses_due(now=over) == 1
    for later in (over, over + timedelta(minutes=1)):
        assert offers.offer_ready(now=later) == 0
    assert said(f"order:{order.pk}") == [("ready_until", "suppressed"), ("ready_until", "queued")]


def test_who_is_here_is_never_missed(lane, reader, now):
    from pickup import lane as lanes

    slot = rows.slot(lane)
    order = steps.ready(steps.asked(reader, lane))
    appointments.confirm(appointment_id=offered(order).pk, by=DESK, now=now)
    lanes.arrive(point_id=lane.pk, order_id=order.pk, by=DESK, now=slot.ends_at)
    assert lapses.misses_due(now=slot.ends_at + timedelta(hours=1)) == 0


def test_a_promise_whose_bag_is_not_packed_in_time_moves_and_the_reader_is_told(now):
    lane = rows.point(rules={"promise": "at_order"})
    slot, following = rows.slot(lane), rows.slot(lane, now + timedelta(hours=30))
    order = steps.asked(rows.patron(lane.library), lane, slot_id=slot.pk)
    assert lapses.not_ready_in_time(now=slot.starts_at) == 1
    moved = steps.again(order).appointment
    assert (moved.slot_id, moved.state, booked(slot), booked(following)) == (following.pk, "offered", 0, 1)
    assert said(f"appointment:{moved.pk}") == [("moved", "queued")]


def test_with_no_slot_left_a_late_bag_gives_its_place_back_and_is_offered_one_when_ready(now):
    lane = rows.point(rules={"promise": "at_order"})
    slot = rows.slot(lane)
    order = steps.asked(rows.patron(lane.library), lane, slot_id=slot.pk)
    assert lapses.not_ready_in_time(now=slot.starts_at) == 1
    assert (steps.again(order).appointment, booked(slot)) == (None, 0)
    order = steps.ready(order, now=slot.starts_at)
    rows.slot(lane, slot.starts_at + timedelta(days=1))
    assert offered(order, now=slot.starts_at).state == "offered"


def test_giving_the_time_back_keeps_the_bag_and_offers_nothing_more(lane, reader, now):
    slot = rows.slot(lane)
    order = steps.ready(steps.asked(reader, lane))
    appointments.cancel(appointment_id=offered(order).pk, by=rows.patron_actor(reader), now=now)
    assert (booked(slot), steps.again(order).state) == (0, "ready")
    assert offers.offer_ready(now=now) == 0


def test_the_last_cancelled_bag_of_a_party_gives_the_place_back(lane, now):
    slot = rows.slot(lane)
    family = rows.household(together=True)
    bags = [steps.ready(steps.asked(rows.patron(lane.library, household=family), lane)) for _ in range(2)]
    offers.offer_ready(now=now)
    orders.cancel(order_id=bags[0].pk, by=DESK, now=now)
    assert booked(slot) == 1
    orders.cancel(order_id=bags[1].pk, by=DESK, now=now)
    assert booked(slot) == 0


def test_slots_are_made_from_windows_once_and_only_on_open_days(now):
    library = rows.library(weekly_closed=[0, 2, 3, 4, 5, 6])
    lane = rows.point(library)
    rows.window(lane)
    made = slots.make(now=now, point_ids=[lane.pk])
    assert made == 12  # three Tuesdays within the horizon, four slots each
    assert slots.make(now=now, point_ids=[lane.pk]) == 0
    first = Slot.objects.filter(point=lane).order_by("starts_at").first()
    assert first.starts_at.astimezone(rows.SEOUL).isoformat() == "2026-11-24T16:00:00+09:00"
    assert first.orders_until == first.starts_at - timedelta(minutes=20)


def test_korean_ready_texts_fit_one_message_with_the_longest_sample_name(lane, reader, now):
    from notifications import encoding

    library = lane.library
    library.name_ko = "성동구립도서관"
    library.save(update_fields=["name_ko"])
    rows.slot(lane)
    offered(steps.ready(steps.asked(reader, lane)))
    body = Message.objects.get().body
    assert encoding.ucs2_length(body) <= 70, body
    assert encoding.euckr_bytes(body) <= 90, body
