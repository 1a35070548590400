"""Programmes that exist, walked from the order to its end with dates: what is promised, told, kept, lost and freed."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest
from django.db import transaction

from core.actor import Actor
from lending import allocation, errors, transfers
from lending.models import Copy, Loan, SpecialDay, Strike
from lending.reservations import Item
from notifications.models import Message
from pickup import appointments, arrivals, lane, lapses, offers, orders, packing, returns, slots
from pickup.errors import SlotUnavailable
from pickup.models import Slot, Visit
from tests import rows
from tests.config.test_programmes import ask, at, days, earliest, follow
from tests.pickup import steps

pytestmark = pytest.mark.django_db
CAMERA = Actor("device", 7, "api")
NEW_YORK = "America/New_York"


def templates() -> list[str]:
    """What was to be said, in its order; no carrier runs here, so what is out of date by then is kept back."""
    return list(Message.objects.order_by("pk").values_list("template", flat=True))


def slot_at(point, moment: datetime) -> Slot:
    return Slot.objects.get(point=point, starts_at=moment)


def uncollected(point, *, ordered: datetime, slot: Slot, ready: datetime):
    """An order that is packed in time and that nobody collects; its midnight, and somebody who waits for the book."""
    reader = rows.patron(point.library)
    title = rows.copy(at=point.library).title
    order = ask(reader, point, title, now=ordered, slot=slot).order
    following = rows.reserve(rows.patron(point.library), title, at=point, now=ordered)[0]
    order = steps.ready(order, now=ready)
    midnight = at(slot.starts_at.astimezone(rows.SEOUL).date() + timedelta(days=1), 0)
    assert order.keep_until == midnight
    assert lapses.misses_due(now=slot.ends_at + timedelta(minutes=29)) == 0
    assert lapses.misses_due(now=slot.ends_at + timedelta(minutes=30)) == 1
    assert orders.expire_due(now=midnight - timedelta(minutes=1)) == 0
    assert orders.expire_due(now=midnight) == 1
    return steps.again(order), following, midnight


def is_over(order, following, midnight) -> None:
    """The order ended by itself, and its book is for whoever is next."""
    line = order.lines.get()
    assert (order.state, line.state, line.reservation.state) == ("expired", "to_unpack", "expired")
    packing.unpack(barcode=line.copy.barcode, by=steps.DESK, now=midnight + timedelta(hours=9))
    allocation.allocate(title_ids=[line.copy.title_id], by=rows.RULE, now=midnight + timedelta(hours=9))
    following.refresh_from_db()
    assert (following.state, following.copy_id) == ("allocated", line.copy_id)
    assert not Loan.objects.exists()


# Seongdong: a copy of another branch is there the next open day, and its session is fixed while ordering


@pytest.fixture
def branch():
    """A drive lane, and a branch that only supplies books."""
    point = follow("seongdong-2020")
    return point, rows.library(programme=point.library.programme, weekly_closed=[0], name_ko="성수")


@pytest.mark.parametrize(
    ("ordered", "session"),
    [
        (at(days(1), 9), at(days(2), 11)),
        (at(days(1), 16, 59), at(days(2), 11)),
        (at(days(1), 17, 1), at(days(3), 11)),  # the courier has left: it comes on Thursday
        (at(days(5), 10), at(days(6), 11)),  # Saturday for Sunday
        (at(days(6), 10), at(days(8), 11)),  # Sunday for Tuesday, for Monday is closed
        (at(days(7), 10), at(days(9), 11)),  # nobody sends on Monday: leaves on Tuesday
    ],
    ids=["morning", "just in time", "too late", "saturday", "sunday", "monday"],
)
def test_seongdong_a_copy_of_another_branch_is_promised_for_the_next_open_day(branch, ordered, session):
    point, other = branch
    slots.make(now=ordered)
    order = ask(rows.patron(point.library), point, rows.copy(at=other).title, now=ordered).order
    assert order is not None
    assert order.appointment.slot.starts_at == session
    assert order.appointment.slot.session_ko == "1회차"


def test_seongdong_the_session_of_a_branch_copy_is_chosen_while_ordering(branch):
    point, other = branch
    ordered = at(days(1), 10)
    slots.make(now=ordered)
    copy = rows.copy(at=other)
    reader = rows.patron(point.library)
    with pytest.raises(SlotUnavailable) as refused:  # the same afternoon is for what stands here
        ask(reader, point, copy.title, now=ordered, slot=slot_at(point, at(days(1), 16)))
    assert refused.value.facts["why"] == "travels"
    assert refused.value.facts["next"][0]["starts_at"] == "2026-11-25T11:00:00+09:00"
    chosen = slot_at(point, at(days(2), 16))
    order = ask(reader, point, copy.title, now=ordered, slot=chosen).order
    assert (order.appointment.slot, order.appointment.state) == (chosen, "confirmed")
    transfers.scan(barcode=copy.barcode, library_id=other.pk, by=steps.DESK, now=at(days(1), 17))
    transfers.scan(barcode=copy.barcode, library_id=point.library_id, by=steps.DESK, now=at(days(2), 10))
    orders.assemble(now=at(days(2), 10))
    steps.ready(order, now=at(days(2), 11))
    assert templates() == ["ready"]
    visit = lane.serve(point_id=point.pk, order_number=order.number, by=steps.DESK, now=at(days(2), 16, 5)).visit
    assert (visit.state, Loan.objects.get().copy_id) == ("served", copy.pk)


def test_seongdong_a_branch_that_is_closed_tomorrow_sends_today(branch):
    point, other = branch
    SpecialDay.objects.create(library=other, day=days(2))
    slots.make(now=at(days(1)))
    order = ask(rows.patron(point.library), point, rows.copy(at=other).title, now=at(days(1), 10)).order
    assert order.appointment.slot.starts_at == at(days(2), 11)
    late = ask(rows.patron(point.library), point, rows.copy(at=other).title, now=at(days(1), 18)).order
    assert late.appointment.slot.starts_at == at(days(4), 11)  # leaves on Thursday


# Gangseo: a text when the time is fixed, and what is not collected is over


def test_gangseo_a_text_when_the_time_is_fixed():
    point = follow("gangseo-2020")
    ordered = at(days(1), 16, 30)
    assert earliest(point, ordered) == (days(2), 10)
    slot = slot_at(point, at(days(2), 10))
    reader = rows.patron(point.library)
    order = ask(reader, point, now=ordered, slot=slot).order
    said = Message.objects.get()
    assert (said.template, said.kind, said.about) == ("fixed", "answer", f"appointment:{order.appointment_id}")
    assert f"수령 시간 11/25(수) 10:00 확정. 번호 {order.shown}" in said.body
    appointments.confirm(appointment_id=order.appointment_id, by=rows.patron_actor(reader), now=ordered)
    assert templates() == ["fixed"]  # said once
    later = slot_at(point, at(days(2), 15))
    appointments.change(
        appointment_id=order.appointment_id, slot_id=later.pk, by=rows.patron_actor(reader), now=ordered
    )
    assert templates()[-1] == "fixed"
    assert "11/25(수) 15:00" in Message.objects.latest("pk").body


def test_gangseo_a_time_that_nobody_chose_is_told_when_silence_has_fixed_it():
    point = follow("gangseo-2020")
    ordered = at(days(1), 10)
    slots.make(now=ordered)
    order = ask(rows.patron(point.library), point, now=ordered).order
    assert (order.appointment.state, templates()) == ("offered", [])
    assert lapses.answers_due(now=order.appointment.answer_by) == 1
    assert templates() == ["fixed"]
    assert Message.objects.get().kind == "notice"  # it may wait for the morning


def test_other_places_say_nothing_before_the_bag_is_ready():
    point = follow("jeju-2020")
    slots.make(now=at(days(1)))
    ask(rows.patron(point.library), point, now=at(days(1)), slot=slot_at(point, at(days(2), 10)))
    assert templates() == []


def test_gangseo_what_is_not_collected_is_over():
    point = follow("gangseo-2020")
    slots.make(now=at(days(1), 16))
    slot = slot_at(point, at(days(2), 10))
    ended = uncollected(point, ordered=at(days(1), 16), slot=slot, ready=at(days(2), 9))
    is_over(*ended)
    assert templates()[:4] == ["fixed", "ready", "missed", "expired"]


# Jeju: Wednesdays and Saturdays, and what is not collected is over


@pytest.mark.parametrize(("ordered", "day"), [(1, 2), (2, 5), (5, 9)], ids=["tuesday", "wednesday", "saturday"])
def test_jeju_orders_that_nobody_collects_end_by_themselves(ordered, day):
    point = follow("jeju-2020")
    slots.make(now=at(days(ordered)))
    slot = slots.earliest(point_ids=[point.pk], now=at(days(ordered)))[point.pk]
    assert slot.starts_at == at(days(day))
    ended = uncollected(point, ordered=at(days(ordered)), slot=slot, ready=at(days(day), 9))
    assert ended[2] == at(days(day + 1), 0)
    is_over(*ended)
    assert templates()[:3] == ["ready", "missed", "expired"]
    assert not Strike.objects.exists()


# Yongsan: first come, first served


def test_yongsan_fifty_orders_on_a_weekday_thirty_on_a_saturday():
    point = follow("yongsan")
    for day, most in ((days(4), 50), (days(5), 30)):
        for _ in range(most):
            rows.reserve(rows.patron(point.library), rows.copy(at=point.library).title, at=point, now=at(day))
        with pytest.raises(errors.DayFull) as full:
            rows.reserve(rows.patron(point.library), rows.copy(at=point.library).title, at=point, now=at(day, 23))
        assert (full.value.facts["allowed"], full.value.facts["taken"]) == (most, most)
        assert full.value.facts["again_on"] == (day + timedelta(days=1)).isoformat()


def test_yongsan_no_time_is_needed_and_the_text_says_until_when():
    point = follow("yongsan")
    assert slots.make(now=at(days(1))) == 0
    order = ask(rows.patron(point.library), point, now=at(days(1))).order
    assert order.appointment is None
    order = steps.ready(order, now=at(days(1), 15))
    assert offers.offer_ready(now=at(days(1), 15)) == 0
    assert templates() == ["ready_until"]
    assert "11/27(금)까지" in Message.objects.get().body  # three open days
    visit = lane.serve(point_id=point.pk, order_number=order.number, by=steps.DESK, now=at(days(3), 18)).visit
    assert (visit.state, Loan.objects.get().state) == ("served", "out")


# A US county: ten minutes late and the slot is lost, another one may be booked, three days on the hold shelf


def test_a_us_county_ten_minutes_late_the_slot_is_lost_and_another_may_be_booked():
    point = follow("us-county", zone=NEW_YORK, region="US")
    now = at(days(0), 9, zone=NEW_YORK)
    slots.make(now=now)
    reader = rows.patron(point.library, number=rows.american())
    order = steps.ready(ask(reader, point, now=now).order, now=now)
    assert offers.offer_ready(now=now) == 1
    order = steps.again(order)
    assert order.appointment_id is not None
    slot = order.appointment.slot
    assert slot.starts_at == at(days(0), 10, zone=NEW_YORK)
    assert order.appointment.miss_after == slot.ends_at + timedelta(minutes=10)
    appointments.confirm(appointment_id=order.appointment_id, by=rows.patron_actor(reader), now=now)
    assert lapses.misses_due(now=slot.ends_at + timedelta(minutes=9)) == 0
    missed_at = slot.ends_at + timedelta(minutes=10)
    assert lapses.misses_due(now=missed_at) == 1
    order = steps.again(order)
    assert (order.state, order.appointment.state) == ("ready", "missed")
    assert offers.offer_ready(now=missed_at) == 1
    again = steps.again(order).appointment
    assert (again.state, again.offer, again.slot.starts_at > missed_at) == ("offered", 2, True)  # of three
    with pytest.raises(SlotUnavailable) as past, transaction.atomic():
        appointments.promise(order_id=order.pk, slot_id=slot.pk, by=rows.patron_actor(reader), now=missed_at)
    assert past.value.facts["why"] == "past"
    other = slot_at(point, at(days(0), 14, zone=NEW_YORK))
    appointments.promise(order_id=order.pk, slot_id=other.pk, by=rows.patron_actor(reader), now=missed_at)
    order = steps.again(order)
    assert (order.appointment.slot, order.appointment.state) == (other, "confirmed")
    visit = lane.serve(point_id=point.pk, order_number=order.number, by=steps.DESK, now=other.starts_at).visit
    assert (visit.state, steps.again(order).appointment.state) == ("served", "kept")


def test_a_us_county_keeps_a_bag_for_three_open_days():
    point = follow("us-county", zone=NEW_YORK, region="US")
    wednesday = at(days(2), 9, zone=NEW_YORK)
    slots.make(now=wednesday)
    order = steps.ready(ask(rows.patron(point.library), point, now=wednesday).order, now=wednesday)
    # Thursday is Thanksgiving, and on Sunday it is closed: Friday, Saturday, Monday.
    assert order.keep_until == at(days(8), 0, zone=NEW_YORK)
    assert orders.expire_due(now=order.keep_until) == 1


def test_a_us_county_room_for_five_in_the_evening_is_five_cars():
    point = follow("us-county", zone=NEW_YORK, region="US")
    now = at(days(0), 9, zone=NEW_YORK)
    slots.make(now=now)
    evening = slot_at(point, at(days(0), 17, zone=NEW_YORK))
    morning = slot_at(point, at(days(0), 10, zone=NEW_YORK))
    for slot, room in ((evening, 5), (morning, 1)):
        for _ in range(room):
            order = steps.ready(ask(rows.patron(point.library), point, now=now).order, now=now)
            appointments.promise(order_id=order.pk, slot_id=slot.pk, by=steps.DESK, now=now)
        order = steps.ready(ask(rows.patron(point.library), point, now=now).order, now=now)
        with pytest.raises(SlotUnavailable) as full, transaction.atomic():
            appointments.promise(order_id=order.pk, slot_id=slot.pk, by=steps.DESK, now=now)
        assert full.value.facts["why"] == "full"


# Cheongju: unmanned, day and night


def test_cheongju_at_three_at_night_the_camera_knows_the_plate_and_the_machine_gives_and_takes():
    point = follow("cheongju-2023", layout="locker")
    reader = rows.patron(point.library)
    copy = rows.copy(at=point.library)
    asked = orders.request(
        patron_id=reader.pk,
        point_id=point.pk,
        items=[Item(copy.title_id)],
        plate="12가 3456",
        by=rows.patron_actor(reader),
        now=at(days(0), 14),
    )
    assert asked.order is not None
    order = steps.ready(asked.order, now=at(days(0), 18))
    assert (order.plate, order.appointment, templates()) == ("12가3456", None, ["ready_until"])
    night = at(days(1), 3)
    unknown = arrivals.arrive(point_id=point.pk, plate="99다9999", by=CAMERA, now=night)
    assert unknown.orders.count() == 0
    visit = arrivals.arrive(point_id=point.pk, plate="12가3456", by=CAMERA, now=night)
    assert [bag.pk for bag in visit.orders.all()] == [order.pk]
    assert [car.pk for car in lane.call_next(point_id=point.pk, by=CAMERA, now=night)] == [visit.pk]
    lane.hand_over(visit_id=visit.pk, by=CAMERA, now=night + timedelta(seconds=10))
    loan = Loan.objects.get()
    assert (loan.copy_id, loan.patron_id, loan.due_on) == (copy.pk, reader.pk, days(15))
    assert Visit.objects.get(pk=visit.pk).state == "served"
    back = returns.check_in(barcode=copy.barcode, library_id=point.library_id, by=CAMERA, now=at(days(9), 2))
    assert (back.loan.state, Copy.objects.get(pk=copy.pk).state) == ("returned", "to_shelve")


# The hours of each file hold on its own days alone


@pytest.mark.parametrize(
    ("name", "weekdays", "opens"),
    [
        ("seongdong-2020", {1, 2, 3, 4, 5, 6}, time(11)),
        ("gangseo-2020", {1, 2, 3, 4}, time(10)),
        ("namyangju-2020", {0, 1, 2, 3, 4}, time(10)),
        ("jeju-2020", {2, 5}, time(10)),
        ("geochang", {1, 2, 3, 4, 5}, time(14)),
        ("us-county", {0, 1, 2, 3, 4, 5}, time(10)),
    ],
)
def test_times_are_made_on_the_days_of_the_programme_alone(name, weekdays, opens):
    point = follow(name)
    slots.make(now=at(date(2026, 12, 1), 8))
    local = [slot.starts_at.astimezone(rows.SEOUL) for slot in Slot.objects.filter(point=point)]
    assert {moment.weekday() for moment in local} == weekdays
    assert min(moment.time() for moment in local) == opens
