"""Whose turn comes when; calling once more, passing over, and a service that calls by itself."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from core import clock
from core.models import Happening, Journal
from core.moves import MoveRefused
from notifications.models import Call, Message
from pickup import (
    appointments,
    arrivals,
    calling,
    errors,
    lane,
    lapses,
    offers,
    order_of_service,
    packing,
    queries,
    waits,
)
from pickup.models import PointRules, Visit
from pickup.tasks import deadlines
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def point():
    made = rows.point()
    rows.lane(made)
    return made


def at(hour, minute=0):
    """A moment of Tuesday, 24 November 2026, in Seoul."""
    return datetime(2026, 11, 24, hour, minute, tzinfo=rows.SEOUL).astimezone(UTC)


def slot_at(point, hour, minute=0, **columns):
    begins = at(hour, minute)
    return point.slots.filter(starts_at=begins).first() or rows.slot(point, begins, **columns)


def bag(point, *promised, who=None, **columns):
    """A ready bag, promised for a time if one is given."""
    order = steps.ready(steps.asked(who or rows.patron(point.library, **columns), point))
    if promised:
        appointments.promise(order_id=order.pk, slot_id=slot_at(point, *promised).pk, by=DESK, now=rows.NOW)
    return steps.again(order)


def here(order, when, **more):
    return arrivals.arrive(point_id=order.point_id, order_id=order.pk, by=DESK, now=when, **more)


def next_car(point, when):
    (visit,) = lane.call_next(point_id=point.pk, by=DESK, now=when)
    return visit.pk


# The order of service


def test_who_is_early_does_not_go_before_who_is_on_time(point):
    early = here(bag(point, 18), at(15, 50))
    on_time = here(bag(point, 16), at(15, 55))
    assert (early.queued_at, early.arrived_at) == (at(17, 50), at(15, 50))
    assert queries.cars_ahead([early, on_time]) == {early.pk: 1, on_time.pk: 0}
    assert (waits.ahead_of(early), waits.ahead_of(on_time)) == (1, 0)
    assert next_car(point, at(15, 56)) == on_time.pk


def test_who_is_early_is_served_where_nobody_on_time_waits(point):
    early = here(bag(point, 18), at(15, 50))
    assert next_car(point, at(15, 56)) == early.pk


def test_ten_minutes_before_the_time_is_on_time_and_until_the_grace_is_over(point):
    for minutes, later in ((-11, 1), (-10, 0), (0, 0), (44, 0), (46, 10)):  # slots of 15 minutes, 30 of grace
        arrived = at(16) + minutes * MINUTE
        assert here(bag(point, 16, number=None), arrived).queued_at == arrived + later * MINUTE
        point.slots.update(capacity=30, capacity_wanted=30)


def test_who_is_late_lets_those_on_time_go_first_and_does_not_starve(point):
    late = here(bag(point, 13), at(16))
    soon, later = (here(bag(point, 16), at(16, minute)) for minute in (9, 11))
    assert [next_car_and_gone(point, at(16, 12)) for _ in range(3)] == [soon.pk, late.pk, later.pk]


def next_car_and_gone(point, when):
    called = next_car(point, when)
    lane.leave(visit_id=called, by=DESK, now=when)
    return called


def test_who_has_no_time_or_no_bag_lets_those_on_time_go_first(point):
    walk_up = here(bag(point), at(16))
    asks = arrivals.arrive(point_id=point.pk, purpose="ask", plate="12가3456", by=DESK, now=at(16, 1))
    on_time = here(bag(point, 16), at(16, 5))
    assert [next_car_and_gone(point, at(16, 6)) for _ in range(3)] == [on_time.pk, walk_up.pk, asks.pk]


def test_where_no_times_are_promised_it_is_who_came_first(point):
    early, on_time = bag(point, 18), bag(point, 16)
    walk_up = bag(point)
    PointRules.objects.update(by_appointment=False)
    order = [here(order, at(15, 50 + n)).pk for n, order in enumerate((walk_up, early, on_time))]
    assert [next_car_and_gone(point, at(16)) for _ in range(3)] == order


def test_a_car_of_several_times_counts_by_the_one_that_is_on_time(point):
    family = rows.household(together=True)
    early, mine = (bag(point, *when, household=family) for when in ((18,), (16,)))
    assert early.appointment_id != mine.appointment_id
    assert here(early, at(16)).queued_at == at(16)


def test_a_time_that_we_moved_makes_nobody_early_or_late(point):
    ours, theirs, _later = bag(point, 16), bag(point, 16), slot_at(point, 17)
    point.slots.filter(starts_at=at(16)).update(open=False)
    lapses.move_away(appointment_id=ours.appointment_id, kept_until=at(23), by=DESK, now=at(12))
    ours = steps.again(ours)
    assert (ours.appointment.slot.starts_at, ours.appointment.why) == (at(17), "closed")
    on_time = here(theirs, at(16, 1))
    by_the_old_time = here(ours, at(16))
    assert by_the_old_time.queued_at == at(16) < on_time.queued_at
    lane.leave(visit_id=by_the_old_time.pk, by=DESK, now=at(16, 2))
    assert here(ours, at(20)).queued_at == at(20)  # and what they chose by themselves is late by then:
    assert here(bag(point, 17), at(20)).queued_at == at(20, 10)


def test_a_time_that_we_moved_makes_nobody_late_either_once_it_has_lapsed(point):
    PointRules.objects.update(offers=1)
    ours, _later = bag(point, 16), slot_at(point, 17)
    point.slots.filter(starts_at=at(16)).update(open=False)
    lapses.move_away(appointment_id=ours.appointment_id, kept_until=at(23), by=DESK, now=at(12))
    lapses.answers_due(now=at(17))
    assert lapses.misses_due(now=at(18)) == 1
    assert steps.again(ours).appointment.state == "lapsed"
    assert here(ours, at(20)).queued_at == at(20)


def test_who_missed_a_time_and_is_offered_another_stands_no_further_back_than_without_it(point):
    order, _later = bag(point, 13), slot_at(point, 18)
    assert (lapses.misses_due(now=at(14)), offers.offer_ready(now=at(14))) == (1, 1)
    order = steps.again(order)
    assert (order.appointment.slot.starts_at, order.appointment.state) == (at(18), "offered")
    assert here(order, at(14, 5)).queued_at == at(14, 15)


def test_a_bag_that_was_late_makes_nobody_late(point):
    slow = steps.asked(rows.patron(point.library), point)
    quick = steps.asked(rows.patron(point.library), point)
    for order in (slow, quick):
        appointments.promise(order_id=order.pk, slot_id=slot_at(point, 13).pk, by=DESK, now=rows.NOW)
    steps.ready(quick, now=at(12, 50))
    steps.ready(slow, now=at(13, 5))
    assert here(slow, at(16)).queued_at == at(16)
    assert here(quick, at(16)).queued_at == at(16, 10)


def test_in_a_window_by_arrival_whoever_has_a_time_in_it_is_on_time(point):
    window = rows.window(point, opens=time(18), closes=time(20))
    evening = [bag(point, 19, 30), bag(point, 18)]
    point.slots.update(window=window)
    assert [here(order, at(17, 51 + n)).queued_at for n, order in enumerate(evening)] == [at(19, 20), at(17, 52)]
    Visit.move_many(Visit.objects.all(), "left", at=at(18), by=DESK, ended_at=at(18))
    window.by_arrival = True
    window.save()
    assert [here(order, at(17, 51 + n)).queued_at for n, order in enumerate(evening)] == [at(17, 51), at(17, 52)]
    assert here(bag(point, 18), at(20, 31)).queued_at == at(20, 41)  # the window and its grace are over
    assert here(bag(point), at(18)).queued_at == at(18, 10)


def test_a_bag_that_is_known_later_brings_its_car_forward_and_never_back(point):
    order, plate = bag(point, 16), "12가3456"
    visit = arrivals.arrive(point_id=point.pk, plate=plate, by=DESK, now=at(15, 55))
    assert visit.queued_at == at(16, 5)
    assert here(order, at(16, 2), plate=plate).pk == visit.pk
    assert Visit.objects.get().queued_at == at(15, 55)
    Visit.objects.update(queued_at=at(16, 30))  # moved by hand
    assert here(order, at(16, 3)).queued_at == at(16, 30)

    walk_up = arrivals.arrive(point_id=point.pk, plate="34나5678", by=DESK, now=at(15, 55))
    assert here(bag(point, 18), at(16), plate="34나5678") == walk_up
    assert Visit.objects.get(pk=walk_up.pk).queued_at == at(16, 5)


# Once more


def called(order, when):
    visit = here(order, when)
    assert next_car(order.point, when) == visit.pk
    return Visit.objects.get(pk=visit.pk)


def recalled(visit, when):
    lane.recall(visit_id=visit.pk, by=DESK, now=when)
    return Visit.objects.get(pk=visit.pk)


def test_a_recall_is_noted_shown_and_texted_once(point):
    visit = called(bag(point, 16), at(16))
    before = Happening.objects.filter(topic=f"point:{point.pk}").count()
    for seconds in (60, 61, 89):
        again = recalled(visit, at(16) + timedelta(seconds=seconds))
    assert (again.state, again.recalled_at, again.recalls) == ("called", at(16, 1), 1)
    assert Happening.objects.filter(topic=f"point:{point.pk}").count() == before + 1
    text = Message.objects.get(template="recalled")
    assert (text.kind, text.not_after) == ("answer", at(16, 11))
    assert recalled(visit, at(16, 2)).recalls == 2
    assert Message.objects.filter(template="recalled").count() == 2


def test_nobody_is_rung_for_a_recall_and_a_car_without_a_bag_is_only_shown(point):
    landline = rows.patron(point.library, number=rows.landline())
    visit = called(bag(point, 16, who=landline), at(16))
    calls = Call.objects.count()
    assert recalled(visit, at(16, 1)).recalls == 1
    lane.leave(visit_id=visit.pk, by=DESK, now=at(16, 1))
    arrivals.arrive(point_id=point.pk, purpose="ask", plate="12가3456", by=DESK, now=at(16, 2))
    assert recalled(Visit.objects.get(pk=next_car(point, at(16, 3))), at(16, 4)).recalls == 1
    assert not Message.objects.filter(template="recalled").exists()
    assert Call.objects.count() == calls


def test_nobody_to_whom_the_bag_is_brought_is_asked_to_come():
    bays = rows.point(layout="bays")
    visit = here(bag(bays), at(16))
    lane.call_next(point_id=bays.pk, by=DESK, now=at(16, 1))
    assert recalled(visit, at(16, 3)).recalls == 1
    assert not Message.objects.filter(template="recalled").exists()


def test_only_who_is_called_is_called_again_and_the_next_call_begins_anew(point):
    visit = here(bag(point, 16), at(16))
    with pytest.raises(MoveRefused):
        recalled(visit, at(16))
    next_car(point, at(16))
    recalled(visit, at(16, 1))
    lane.put_back(visit_id=visit.pk, by=DESK, now=at(16, 2))
    next_car(point, at(16, 3))
    assert Visit.objects.get().recalls == 0
    with pytest.raises(errors.VisitNotFound):
        lane.recall(visit_id=10**9, by=DESK, now=at(16))


# Passed over


def skipped(visit_id, when):
    lane.skip(visit_id=visit_id, by=DESK, now=when)
    return Visit.objects.get(pk=visit_id)


def test_who_is_not_there_waits_behind_the_next_one(point):
    first, second, third = (here(bag(point, 16), at(16, minute)) for minute in range(3))
    assert next_car(point, at(16, 3)) == first.pk
    passed = skipped(first.pk, at(16, 4))
    assert (passed.state, passed.called_at, passed.lane, passed.arrived_at) == ("waiting", None, None, at(16))
    assert [next_car_and_gone(point, at(16, 5)) for _ in range(3)] == [second.pk, first.pk, third.pk]


def test_put_back_keeps_the_place_that_skip_gives_up(point):
    """The control."""
    first, _second = (here(bag(point, 16), at(16, minute)) for minute in range(2))
    assert next_car(point, at(16, 3)) == first.pk
    lane.put_back(visit_id=first.pk, by=DESK, now=at(16, 4))
    assert next_car(point, at(16, 5)) == first.pk


def test_who_is_passed_over_and_alone_is_called_again(point):
    visit = called(bag(point, 16), at(16))
    here(steps.asked(rows.patron(point.library), point), at(16))  # whose bag is still being packed
    assert skipped(visit.pk, at(16, 1)).queued_at == at(16, 1)
    assert next_car(point, at(16, 1)) == visit.pk


def test_an_undone_hand_over_that_is_not_there_is_passed_over_like_any_other(point):
    visit, other = called(bag(point, 16), at(16)), here(bag(point, 16), at(16, 1))
    lane.hand_over(visit_id=visit.pk, by=DESK, now=at(16, 2))
    lane.undo(visit_id=visit.pk, by=DESK, now=at(16, 3))
    assert skipped(visit.pk, at(16, 4)).first is False
    assert next_car(point, at(16, 5)) == other.pk


def test_who_waits_is_passed_over_where_they_stand_and_who_has_gone_is_not(point):
    first, second = (here(bag(point, 16), at(16, minute)) for minute in range(2))
    assert skipped(first.pk, at(16, 3)).state == "waiting"
    assert next_car(point, at(16, 4)) == second.pk
    lane.leave(visit_id=first.pk, by=DESK, now=at(16, 5))
    with pytest.raises(MoveRefused):
        skipped(first.pk, at(16, 6))


def test_who_waits_further_back_lets_the_next_one_go_first(point):
    first, second, third = (here(bag(point, 16), at(16, minute)) for minute in range(3))
    skipped(second.pk, at(16, 4))
    assert [next_car_and_gone(point, at(16, 5)) for _ in range(3)] == [first.pk, third.pk, second.pk]


# Called by the service itself


@pytest.fixture
def calls_itself(point):
    PointRules.objects.update(auto_call=True, by_appointment=False)
    return point


def state(visit):
    return Visit.objects.get(pk=visit.pk).state


def test_a_free_lane_calls_who_arrives_and_the_next_one_after_each_hand_over(calls_itself):
    first, second = (here(bag(calls_itself), at(16, minute)) for minute in range(2))
    assert (first.state, state(second)) == ("called", "waiting")
    assert Visit.objects.get(pk=first.pk).called_by == Journal.objects.get(became="called").principal == "rule"
    lane.hand_over(visit_id=first.pk, by=DESK, now=at(16, 5))
    assert state(second) == "called"


def test_without_the_rule_or_a_file_or_an_open_lane_nobody_is_called(calls_itself):
    """The control."""
    PointRules.objects.update(auto_call=False)
    assert here(bag(calls_itself), at(16)).state == "waiting"
    bays = rows.point(layout="bays", rules={"auto_call": True})
    assert here(bag(bays), at(16)).state == "waiting"
    shut = rows.point(rules={"auto_call": True})
    lane_shut = rows.lane(shut, open=False)
    visit = here(bag(shut), at(16))
    assert visit.state == "waiting"
    lane.open_lane(lane_id=lane_shut.pk, by=DESK, now=at(16, 1))
    assert state(visit) == "called"


def test_who_is_here_is_called_when_the_bag_is_ready(calls_itself):
    order = steps.packed(steps.asked(rows.patron(calls_itself.library), calls_itself))
    visit = here(order, at(16))
    assert visit.state == "waiting"
    packing.mark_ready(order_id=order.pk, by=DESK, now=at(16, 1))
    assert state(visit) == "called"


def test_whoever_is_scanned_gets_the_free_lane_and_the_next_one_after_them(calls_itself):
    waits_here = here(bag(calls_itself), at(16))
    lane.put_back(visit_id=waits_here.pk, by=DESK, now=at(16))
    scanned = bag(calls_itself)
    served = lane.serve(point_id=calls_itself.pk, order_number=scanned.number, by=DESK, now=at(16, 2)).visit
    assert (served.state, served.lane_id) == ("served", calls_itself.lanes.get().pk)
    assert state(waits_here) == "called"


@pytest.mark.parametrize("verb", [lane.skip, lane.put_back])
def test_who_is_not_there_is_not_called_again_at_once(calls_itself, verb):
    first, second = (here(bag(calls_itself), at(16, minute)) for minute in range(2))
    verb(visit_id=first.pk, by=DESK, now=at(16, 3))
    assert (state(first), state(second)) == ("waiting", "called")
    verb(visit_id=second.pk, by=DESK, now=at(16, 3) + timedelta(seconds=10))
    assert (state(first), state(second)) == ("waiting", "waiting")  # and no loop: both are not there
    assert calling.call_due(now=at(16, 3) + timedelta(seconds=59)) == 0
    assert calling.call_due(now=at(16, 4)) == 1
    assert (state(first), state(second)) == ("called", "waiting")


def test_nobody_is_called_who_came_while_it_is_closed_for_the_night(calls_itself):
    rows.window(calls_itself)  # on Tuesdays from 16:00 to 17:00
    only = calls_itself.lanes.get()
    lane.close_lane(lane_id=only.pk, by=DESK, now=at(16, 50))
    in_time, at_night = here(bag(calls_itself), at(16, 55)), here(bag(calls_itself), at(22))
    lane.open_lane(lane_id=only.pk, by=DESK, now=at(22, 1))
    assert (state(in_time), state(at_night)) == ("called", "waiting")
    lane.hand_over(visit_id=in_time.pk, by=DESK, now=at(22, 5))
    assert state(at_night) == "waiting"
    assert next_car(calls_itself, at(22, 6)) == at_night.pk  # people may


def test_the_sweep_calls_where_nothing_else_did(calls_itself, monkeypatch):
    order = bag(calls_itself)
    monkeypatch.setattr(calling, "call_where_free", lambda **_: [])
    visit = here(order, clock.now())
    monkeypatch.undo()
    assert state(visit) == "waiting"
    deadlines()
    assert state(visit) == "called"


def test_the_turn_holds_where_the_service_calls(point):
    PointRules.objects.update(auto_call=True)
    open_lane = point.lanes.get()
    lane.close_lane(lane_id=open_lane.pk, by=DESK, now=at(15))
    early, on_time = here(bag(point, 18), at(15, 50)), here(bag(point, 16), at(15, 55))
    lane.open_lane(lane_id=open_lane.pk, by=DESK, now=at(15, 56))
    assert (state(early), state(on_time)) == ("waiting", "called")


def test_the_moments_of_the_order_are_those_that_the_decision_names():
    assert order_of_service.EARLY == order_of_service.YIELDING == 10 * MINUTE
    assert calling.PAUSE == MINUTE
