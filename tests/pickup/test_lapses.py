"""What becomes of a promise by itself, and who is never missed: those who are here, and those whom we kept waiting."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F

from core.models import Journal
from lending.models import Patron, Strike
from notifications.models import Message
from pickup import appointments, arrivals, lane, lapses, offers, orders
from pickup.models import Appointment, Order, Slot, Visit
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db

BEGINS = rows.NOW + timedelta(hours=6)
SECONDS = timedelta(seconds=20)


@pytest.fixture
def by_time():
    """A point that promises while ordering, with a time at four, one an hour later and one on the next day."""
    strict = rows.programme(strikes=3, strikes_for=["missed", "uncollected"], strike_days=30, pause_days=10)
    point = rows.point(rows.library(programme=strict), rules={"promise": "at_order"})
    for hours in (6, 7, 30):
        rows.slot(point, rows.NOW + timedelta(hours=hours))
    return point


@pytest.fixture
def asking():
    """A point where no answer gives the place back, with two times."""
    point = rows.point(rules={"silence": "lapse", "answer_minutes": 60})
    for hours in (6, 9):
        rows.slot(point, rows.NOW + timedelta(hours=hours))
    return point


def first_slot(point) -> Slot:
    return Slot.objects.filter(point=point).earliest("starts_at")


def promised(order: Order) -> Appointment:
    appointment = steps.again(order).appointment
    assert appointment is not None
    return appointment


def chosen(point, **columns) -> Order:
    return steps.asked(rows.patron(point.library, **columns), point, slot_id=first_slot(point).pk)


def come(order: Order, *, now) -> Visit:
    assert order.patron is not None
    return arrivals.arrive(point_id=order.point_id, by=rows.patron_actor(order.patron), now=now)


def templates() -> list[str]:
    return list(Message.objects.exclude(state="suppressed").order_by("pk").values_list("template", flat=True))


# Whoever is here keeps the promise


def test_who_is_here_keeps_the_time_although_the_bag_is_late(by_time):
    order = chosen(by_time)
    visit = come(order, now=BEGINS - timedelta(minutes=10))
    assert lapses.not_ready_in_time(now=BEGINS) == 0
    assert (promised(order).slot, promised(order).state) == (first_slot(by_time), "confirmed")
    assert templates() == []
    lane.leave(visit_id=visit.pk, by=DESK, now=BEGINS + SECONDS)
    assert lapses.not_ready_in_time(now=BEGINS + SECONDS) == 1
    assert templates() == ["moved"]


def test_who_came_between_the_look_and_the_lock_keeps_the_time(by_time):
    order = chosen(by_time)
    come(order, now=BEGINS)
    assert lapses._move_on(promised(order).pk, now=BEGINS) == 0
    assert lapses.move_away(appointment_id=promised(order).pk, kept_until=BEGINS, by=DESK, now=BEGINS) is None
    assert promised(order).state == "confirmed"


def test_coming_is_a_yes(asking, now):
    order = steps.ready(steps.asked(rows.patron(asking.library, number=rows.american()), asking))
    offers.offer_ready(now=now)
    come(order, now=now + timedelta(minutes=30))
    assert promised(order).state == "confirmed"
    assert lapses.answers_due(now=now + timedelta(hours=2)) == 0
    lane.serve(point_id=asking.pk, order_number=order.number, by=DESK, now=now + timedelta(hours=2))
    assert promised(order).state == "kept"
    said = Journal.objects.filter(noun="pickup.appointment", became="confirmed")
    assert list(said.values_list("principal", flat=True)) == ["patron"]


def test_an_offer_made_to_somebody_who_is_here_does_not_lapse(asking, now):
    """Their bag was put into the car by other hands than those of an arrival."""
    order = steps.ready(steps.asked(rows.patron(asking.library, number=rows.american()), asking))
    visit = come(steps.again(order), now=now)
    Order.objects.update(visit=None)
    offers.offer_ready(now=now)
    Order.objects.update(visit=visit)
    assert lapses.answers_due(now=now + timedelta(hours=1)) == 1
    assert promised(order).state == "confirmed"


# Whose bag was not ready is not missed


def test_a_bag_that_is_ready_after_its_time_began_is_moved_and_nobody_missed(by_time):
    order = steps.ready(chosen(by_time), now=BEGINS + SECONDS)
    assert promised(order).state == "confirmed"
    assert lapses.not_ready_in_time(now=BEGINS + 2 * SECONDS) == 1
    assert (promised(order).slot.starts_at, promised(order).state) == (rows.NOW + timedelta(hours=7), "offered")
    assert templates() == ["moved"]


@pytest.mark.lawless("I3", why="texts are delivered by hand")
def test_after_an_outage_it_is_moved_too_and_never_missed(by_time):
    order = steps.ready(chosen(by_time), now=BEGINS + SECONDS)
    Message.objects.update(state="delivered")
    late = promised(order).miss_after + timedelta(hours=3)
    assert lapses.misses_due(now=late) == 0
    assert lapses._miss(promised(order).pk, now=late) == 0
    assert lapses.not_ready_in_time(now=late) == 1
    assert promised(order).slot.starts_at == rows.NOW + timedelta(hours=30)
    assert not Strike.objects.exists()


def test_where_no_time_is_free_a_bag_that_was_late_is_kept_and_its_reader_is_told(by_time):
    order = steps.ready(chosen(by_time), now=BEGINS + SECONDS)
    Slot.objects.filter(starts_at__gt=BEGINS).update(open=False)
    assert lapses.not_ready_in_time(now=BEGINS + 2 * SECONDS) == 1
    assert steps.again(order).appointment is None
    assert templates() == ["ready_until"]


def test_a_bag_ordered_in_time_is_moved_to_the_next_time_although_one_cannot_order_for_it_any_more():
    point = rows.point(rules={"promise": "at_order", "lead_minutes": 10})
    for minutes in (0, 5, 15):
        rows.slot(point, BEGINS + timedelta(minutes=minutes), orders_until=rows.NOW + timedelta(hours=2))
    rows.slot(point, BEGINS + timedelta(days=1))
    order = chosen(point)
    assert lapses.not_ready_in_time(now=BEGINS) == 1
    assert promised(order).slot.starts_at == BEGINS + timedelta(minutes=15)  # in five minutes it cannot be packed


def test_who_needs_room_since_the_promise_is_moved_to_a_time_with_room(by_time):
    order = chosen(by_time)
    Slot.objects.filter(point=by_time, starts_at=rows.NOW + timedelta(hours=30)).update(accessible=1)
    Patron.objects.filter(orders=order).update(accessible_place=True)
    assert lapses.not_ready_in_time(now=BEGINS) == 1
    new = promised(order)
    assert (new.accessible, new.slot.starts_at) == (True, rows.NOW + timedelta(hours=30))
    assert (new.slot.booked, new.slot.booked_accessible, first_slot(by_time).booked) == (1, 1, 0)


@pytest.mark.lawless("I3", why="texts are delivered by hand")
def test_of_a_family_only_those_whose_bag_was_ready_have_missed_it_and_the_others_get_another_time(by_time, now):
    by_time.rules.offers = 1
    by_time.rules.save()
    household = rows.household(together=True)
    early, late = [chosen(by_time, household=household) for _ in range(2)]
    assert promised(early) == promised(late)
    steps.ready(early)
    steps.ready(late, now=BEGINS + SECONDS)
    Message.objects.update(state="delivered")
    assert lapses.misses_due(now=promised(early).miss_after) == 1
    assert promised(early).state == "missed"
    assert list(Strike.objects.values_list("patron", flat=True)) == [early.patron_id]
    about = dict(Message.objects.filter(template__in=["missed", "kept"]).values_list("about", "template"))
    assert about == {f"order:{early.pk}": "missed"}
    assert offers.offer_ready(now=now + timedelta(hours=7)) == 1
    assert (promised(late).state, promised(early).state) == ("offered", "missed")


@pytest.mark.lawless("I3", why="texts are delivered by hand")
def test_of_a_family_whose_bag_is_still_packed_when_the_others_miss_it_gets_a_time_once_it_is_ready(by_time):
    by_time.rules.offers = 1
    by_time.rules.save()
    household = rows.household(together=True)
    early, late = [chosen(by_time, household=household) for _ in range(2)]
    steps.ready(early)
    Message.objects.update(state="delivered")
    over = promised(early).miss_after
    assert lapses.misses_due(now=over) == 1
    assert Message.objects.filter(about=f"order:{late.pk}", template="late").count() == 1
    steps.ready(late, now=over + timedelta(hours=1))
    assert offers.offer_ready(now=over + timedelta(hours=1)) == 1
    assert promised(late).state == "offered"


def test_a_bag_does_not_expire_while_its_time_is_not_settled(by_time):
    """Somebody of its party is here, or the sweep that settles it was held up."""
    order = steps.ready(chosen(by_time))
    over = promised(order).miss_after
    Order.objects.filter(pk=order.pk).update(keep_until=over)
    assert orders.expire_due(now=over) == 0
    assert lapses.misses_due(now=over) == 1
    kept_until = steps.again(order).keep_until
    assert kept_until is not None
    assert (orders.expire_due(now=over), orders.expire_due(now=kept_until)) == (0, 1)


@pytest.mark.lawless("I3", why="texts are delivered by hand")
def test_a_miss_ends_no_bag_that_was_kept_for_this_time_alone(by_time):
    by_time.rules.keep_days = 0
    by_time.rules.save()
    late = rows.slot(by_time, rows.NOW + timedelta(days=5))
    rows.slot(by_time, rows.NOW + timedelta(days=5, hours=3))
    order = steps.ready(steps.asked(rows.patron(by_time.library), by_time, slot_id=late.pk))
    Message.objects.update(state="delivered")
    over = promised(order).miss_after
    Order.objects.filter(pk=order.pk).update(keep_until=over)
    assert (lapses.misses_due(now=over), orders.expire_due(now=over)) == (1, 0)
    assert (steps.again(order).state, Strike.objects.count()) == ("ready", 1)
    assert offers.offer_ready(now=over) == 1


@pytest.mark.lawless("I3", why="texts are delivered by hand")
@pytest.mark.parametrize(("moved", "allowed"), [(True, 1), (False, 2)])
def test_where_bags_are_kept_for_no_day_another_time_is_offered_however_far_off(moved, allowed):
    point = rows.point(rules={"promise": "at_order", "keep_days": 0, "offers": allowed})
    for hours in (6, 7, 78) if moved else (6, 78):
        rows.slot(point, rows.NOW + timedelta(hours=hours))
    order = moved_by_us(point) if moved else steps.ready(chosen(point))
    Message.objects.update(state="delivered")
    over = promised(order).miss_after
    assert (lapses.misses_due(now=over), offers.offer_ready(now=over)) == (1, 1)
    assert promised(order).slot.starts_at == rows.NOW + timedelta(hours=78)
    assert orders.expire_due(now=promised(order).slot.starts_at) == 0


@pytest.mark.lawless("I3", why="texts are delivered by hand")
@pytest.mark.lawless("I1", why="slots are filled by hand")
@pytest.mark.parametrize(("booked", "strikes"), [(True, 0), (False, 1)])
def test_no_strike_for_a_bag_that_goes_back_before_a_time_could_be_offered(by_time, booked, strikes):
    order = moved_by_us(by_time)
    lapses.misses_due(now=promised(order).miss_after)
    if booked:
        Slot.objects.filter(point=by_time).update(booked=F("capacity"))
    else:
        by_time.rules.by_appointment = False
        by_time.rules.save()
    over = steps.again(order).keep_until or rows.NOW
    assert offers.offer_ready(now=over - timedelta(hours=1)) == 0
    Message.objects.update(state="delivered")
    assert orders.expire_due(now=over) == 1
    assert Strike.objects.count() == strikes


# Whom we moved, and who never said yes to it, is not missed


def moved_by_us(by_time) -> Order:
    """A ready bag whose time we moved; silence or the rule confirmed the new one, and it has passed."""
    order = chosen(by_time)
    assert lapses.not_ready_in_time(now=BEGINS) == 1
    steps.ready(order, now=BEGINS + SECONDS)
    assert promised(order).state == "confirmed"
    Message.objects.update(state="delivered")
    return steps.again(order)


@pytest.mark.lawless("I3", why="texts are delivered by hand")
def test_who_was_moved_and_never_said_yes_is_not_missed_but_offered_another_time(by_time):
    order = moved_by_us(by_time)
    over = promised(order).miss_after
    assert lapses.misses_due(now=over) == 1
    assert promised(order).state == "lapsed"
    assert not Strike.objects.exists()
    assert Slot.objects.filter(booked__gt=0).count() == 0
    assert offers.offer_ready(now=over) == 1
    assert (promised(order).slot.starts_at, promised(order).offer) == (rows.NOW + timedelta(hours=30), 2)
    assert templates()[-1] == "offer"


@pytest.mark.lawless("I3", why="texts are delivered by hand")
def test_the_time_that_we_gave_counts_as_none_of_the_offers(by_time):
    by_time.rules.offers = 1
    by_time.rules.save()
    order = moved_by_us(by_time)
    over = promised(order).miss_after
    assert lapses.misses_due(now=over) == 1
    assert offers.offer_ready(now=over) == 1
    again = promised(order)
    lapses.answers_due(now=again.answer_by)
    assert lapses.misses_due(now=again.miss_after) == 1
    assert (promised(order).state, templates()[-1]) == ("missed", "missed")
    assert offers.offer_ready(now=again.miss_after) == 0


@pytest.mark.lawless("I3", why="texts are delivered by hand")
@pytest.mark.parametrize(("allowed", "then"), [(2, "offer"), (1, "kept")])
def test_who_came_and_left_without_the_bag_is_not_missed(by_time, allowed, then):
    by_time.rules.offers = allowed
    by_time.rules.save()
    order = steps.ready(chosen(by_time))
    Message.objects.update(state="delivered")
    lane.leave(visit_id=come(order, now=BEGINS).pk, by=DESK, now=BEGINS + SECONDS)
    over = promised(order).miss_after
    assert lapses.misses_due(now=over) == 1
    assert (promised(order).state, Strike.objects.count()) == ("lapsed", 0)
    assert offers.offer_ready(now=over) == allowed - 1
    assert templates()[-1] == then


@pytest.mark.lawless("I3", why="texts are delivered by hand")
@pytest.mark.parametrize(("hours", "until", "state"), [(2, 0.2, "lapsed"), (5, -0.5, "lapsed"), (5, -4.5, "missed")])
def test_who_waited_for_hours_and_gave_up_at_the_time_is_not_missed(by_time, hours, until, state):
    order = steps.ready(chosen(by_time))
    Message.objects.update(state="delivered")
    visit = come(order, now=BEGINS - timedelta(hours=hours))
    lane.leave(visit_id=visit.pk, by=DESK, now=BEGINS + timedelta(hours=until))
    assert lapses.misses_due(now=promised(order).miss_after) == 1
    assert promised(order).state == state


@pytest.mark.lawless("I3", why="texts are delivered by hand")
def test_who_came_for_nothing_in_the_morning_and_not_at_the_time_is_missed(by_time):
    order = steps.ready(chosen(by_time))
    Message.objects.update(state="delivered")
    lane.leave(visit_id=come(order, now=rows.NOW).pk, by=DESK, now=rows.NOW + SECONDS)
    assert lapses.misses_due(now=promised(order).miss_after) == 1
    assert promised(order).state == "missed"


@pytest.mark.lawless("I3", why="texts are delivered by hand")
def test_the_bag_is_kept_for_another_day_at_least(by_time):
    by_time.rules.keep_days = 0
    by_time.rules.save()
    order = moved_by_us(by_time)
    over = promised(order).miss_after
    Order.objects.filter(pk=order.pk).update(keep_until=over)
    assert lapses.misses_due(now=over) == 1
    assert orders.expire_due(now=over) == 0
    assert steps.again(order).keep_until == rows.NOW.astimezone(rows.SEOUL).replace(hour=0) + timedelta(days=2)


@pytest.mark.lawless("I3", why="texts are delivered by hand")
@pytest.mark.parametrize("how", ["before the rule", "another time"])
def test_who_said_yes_to_the_new_time_is_missed_like_anybody_else(by_time, how):
    order = chosen(by_time)
    assert order.patron is not None
    assert lapses.not_ready_in_time(now=BEGINS) == 1
    if how == "before the rule":
        appointments.confirm(appointment_id=promised(order).pk, by=rows.patron_actor(order.patron), now=BEGINS)
    else:
        later = Slot.objects.latest("starts_at")
        appointments.change(appointment_id=promised(order).pk, slot_id=later.pk, by=DESK, now=BEGINS)
    steps.ready(order, now=BEGINS + SECONDS)
    Message.objects.update(state="delivered")
    assert lapses.misses_due(now=promised(order).miss_after) == 1
    assert (promised(order).state, Strike.objects.count()) == ("missed", 1)


@pytest.mark.lawless("I3", why="texts are delivered by hand")
def test_a_hand_over_that_was_undone_agrees_to_nothing(by_time):
    order = moved_by_us(by_time)
    visit = lane.serve(point_id=by_time.pk, order_number=order.number, by=DESK, now=BEGINS + timedelta(hours=1)).visit
    assert promised(order).state == "kept"
    lane.undo(visit_id=visit.pk, by=DESK, now=BEGINS + timedelta(hours=1))
    lane.leave(visit_id=visit.pk, by=DESK, now=BEGINS + timedelta(hours=1))
    assert promised(order).state == "confirmed"
    assert lapses.misses_due(now=promised(order).miss_after) == 1
    assert promised(order).state == "lapsed"
