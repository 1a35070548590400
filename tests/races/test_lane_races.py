"""Two librarians, or two drivers, at the same moment; and what happens when a guard is taken away."""

from __future__ import annotations

import random

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from config import invariants
from core.models import Journal
from core.moves import Moving
from core.refusal import Refusal
from lending.models import Copy, Loan
from pickup import arrivals, calling, handovers, lane, orders
from pickup.models import Lane, Order, PointRules, Visit
from pickup.states import VisitState
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK
from tests.races.guards import law_dropped, slowly, without_locks, without_swap
from tests.races.together import together

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]
LIBRARIANS = 6


def breathe() -> None:
    """Long enough for everybody else to read what we have read."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.1)")


def write_whatever_it_was(self, to, *, at, by, **columns):
    """A move as every naive system makes it: set the state, save."""
    type(self).objects.filter(pk=self.pk).update(state=to, moved_at=at, **columns)
    was, self.state = self.state, to
    for name, value in columns.items():
        setattr(self, name, value)
    Journal.objects.create(
        noun=self.noun(), row=self.pk, was=was, became=to, at=at, principal=by.principal, channel=by.channel
    )


def times_it_became(noun, state):
    """How often each row of a noun came into a state."""
    found = Journal.objects.filter(noun=noun, became=state).values_list("row", flat=True)
    return sorted(list(found).count(row) for row in set(found))


# Calling


@pytest.fixture
def bays(now):
    """Numbered bays with as many cars as librarians."""
    point = rows.point(layout="bays")
    for _ in range(LIBRARIANS):
        order = steps.ready(steps.asked(rows.patron(point.library), point))
        arrivals.arrive(point_id=point.pk, order_id=order.pk, by=DESK, now=now)
    return point


def everybody_calls(point, now):
    return together(LIBRARIANS, lambda n: lane.call_next(point_id=point.pk, by=DESK, now=now)[0].pk)


def look_without_lock(point_id, count):
    """The next car as a naive query finds it."""
    found = list(Visit.objects.filter(point_id=point_id, state=VisitState.WAITING).order_by("arrived_at", "pk")[:count])
    breathe()
    return found


def test_librarians_who_call_at_once_get_different_cars_and_none_goes_away_empty(bays, now):
    outcome = everybody_calls(bays, now)
    assert outcome.refused == []
    assert len(set(outcome.answers)) == LIBRARIANS
    assert times_it_became("pickup.visit", "called") == [1] * LIBRARIANS


def test_without_the_lock_the_compare_and_swap_still_lets_only_one_have_the_car(bays, now, monkeypatch):
    monkeypatch.setattr(calling, "next_up", look_without_lock)
    outcome = everybody_calls(bays, now)
    assert len(outcome.answers) == 1
    assert outcome.codes() == ["moved_meanwhile"] * (LIBRARIANS - 1)


@pytest.mark.lawless("I3", why="does without two guards")
@pytest.mark.control
def test_without_both_guards_two_librarians_call_the_same_car(bays, now, monkeypatch):
    """The control: the two tests above would notice."""
    monkeypatch.setattr(calling, "next_up", look_without_lock)
    monkeypatch.setattr(Moving, "move", write_whatever_it_was)
    outcome = everybody_calls(bays, now)
    assert len(outcome.answers) > len(set(outcome.answers))
    assert max(times_it_became("pickup.visit", "called")) > 1


@pytest.fixture
def one_lane(now):
    """A single file of cars before one lane."""
    point = rows.point()
    for _ in range(LIBRARIANS):
        order = steps.ready(steps.asked(rows.patron(point.library), point))
        arrivals.arrive(point_id=point.pk, order_id=order.pk, by=DESK, now=now)
    return rows.lane(point)


def everybody_calls_to(one, now):
    return together(LIBRARIANS, lambda n: lane.call_next(point_id=one.point_id, lane_id=one.pk, by=DESK, now=now)[0].pk)


def test_one_lane_gets_one_car(one_lane, now):
    outcome = everybody_calls_to(one_lane, now)
    assert len(outcome.answers) == 1
    assert outcome.codes() == ["lane_busy"] * (LIBRARIANS - 1)


def any_lane(point_id, lane_id):
    """A lane as it is found without a lock and without looking whether it is free."""
    found = Lane.objects.get(pk=lane_id)
    breathe()
    return found


def test_without_the_lock_on_the_lane_the_law_still_keeps_it_to_one(one_lane, now, monkeypatch):
    monkeypatch.setattr(lane, "_lane_to_use", any_lane)
    outcome = everybody_calls_to(one_lane, now)
    assert len(outcome.answers) == 1
    assert outcome.codes() == ["lane_busy"] * (LIBRARIANS - 1)


@pytest.mark.lawless("I3", why="does without a lock and a law")
@pytest.mark.control
def test_without_lock_and_law_several_cars_stand_in_one_lane(one_lane, now, monkeypatch):
    """The control."""
    monkeypatch.setattr(lane, "_lane_to_use", any_lane)
    with without_law(Visit, "pickup_one_called_per_lane"):
        everybody_calls_to(one_lane, now)
        assert Visit.objects.filter(lane=one_lane, state="called").count() > 1
        Visit.objects.all().update(state="left")


def everybody_calls_to_a_free_lane(now):
    """What came of it, by the lanes that cars were called to, and how many lanes there are."""
    point = rows.point()
    lanes = {rows.lane(point).pk for _ in range(3)}
    for _ in range(LIBRARIANS):
        order = steps.ready(steps.asked(rows.patron(point.library), point))
        arrivals.arrive(point_id=point.pk, order_id=order.pk, by=DESK, now=now)
    calls = together(LIBRARIANS, lambda n: lane.call_next(point_id=point.pk, by=DESK, now=now)[0].lane_id)
    return calls, len(lanes)


def test_librarians_who_name_no_lane_use_every_free_one(now):
    outcome, lanes = everybody_calls_to_a_free_lane(now)
    assert len(outcome.answers) == len(set(outcome.answers)) <= lanes
    assert set(outcome.codes()) == {"lane_busy"}


def first_lane_that_looks_free(point_id, _lane_id):
    """A free lane as it is found without a lock."""
    busy = Visit.objects.filter(state=VisitState.CALLED, lane__isnull=False).values("lane")
    found = Lane.objects.filter(point_id=point_id, open=True).exclude(pk__in=busy).order_by("name", "pk").first()
    breathe()
    return found


def test_without_the_lock_on_free_lanes_the_law_still_keeps_each_to_one(now, monkeypatch):
    monkeypatch.setattr(lane, "_lane_to_use", first_lane_that_looks_free)
    outcome, _lanes = everybody_calls_to_a_free_lane(now)
    assert len(outcome.answers) == len(set(outcome.answers)) < LIBRARIANS
    assert set(outcome.codes()) == {"lane_busy"}


@pytest.mark.control
def test_without_lock_and_law_a_free_lane_is_used_by_several(now, monkeypatch):
    """The control."""
    monkeypatch.setattr(lane, "_lane_to_use", first_lane_that_looks_free)
    with law_dropped(Visit, "pickup_one_called_per_lane"):
        outcome, _lanes = everybody_calls_to_a_free_lane(now)
        assert len(outcome.answers) > len(set(outcome.answers))


def the_service_calls_from_everywhere(now):
    """What several workers called when all looked at once, and how many lanes there were."""
    point = rows.point()
    lanes = {rows.lane(point).pk for _ in range(3)}
    for _ in range(LIBRARIANS):
        order = steps.ready(steps.asked(rows.patron(point.library), point))
        arrivals.arrive(point_id=point.pk, order_id=order.pk, by=DESK, now=now)
    PointRules.objects.update(auto_call=True)

    def look(_n):
        return [(visit.pk, visit.lane_id) for visit in calling.call_where_free(point_id=point.pk, now=now)]

    outcome = together(LIBRARIANS, look)
    return outcome, [call for answer in outcome.answers for call in answer], lanes


def test_workers_that_call_by_themselves_at_once_call_one_car_to_each_lane(now):
    outcome, calls, lanes = the_service_calls_from_everywhere(now)
    assert outcome.refused == []
    assert {lane_id for _visit, lane_id in calls} == lanes
    assert len({visit for visit, _lane in calls}) == len(calls) == len(lanes)


@pytest.mark.control
def test_without_locks_workers_that_call_by_themselves_get_into_each_others_way(now, monkeypatch):
    """The control."""

    def look_without(point_id, count, **_):
        return look_without_lock(point_id, count)

    monkeypatch.setattr(calling, "free_lane", lambda point_id: first_lane_that_looks_free(point_id, None))
    monkeypatch.setattr(calling, "next_up", look_without)
    outcome, _calls, _lanes = the_service_calls_from_everywhere(now)
    assert outcome.refused


class without_law:  # noqa: N801 - reads as a sentence
    """Takes a constraint away for a while."""

    def __init__(self, model, name):
        self.model = model
        self.law = next(each for each in model._meta.constraints if each.name == name)

    def __enter__(self):
        with connection.schema_editor() as editor:
            editor.remove_constraint(self.model, self.law)

    def __exit__(self, *_):
        with connection.schema_editor() as editor:
            editor.add_constraint(self.model, self.law)


# Handing over


@pytest.fixture
def called(now):
    """A called visit with a bag of three books."""
    point = rows.point()
    rows.lane(point)
    order = steps.ready(steps.asked(rows.patron(point.library), point, books=3))
    arrivals.arrive(point_id=point.pk, order_id=order.pk, by=DESK, now=now)
    return lane.call_next(point_id=point.pk, by=DESK, now=now)[0]


def everybody_hands_over(visit, now):
    return together(LIBRARIANS, lambda n: lane.hand_over(visit_id=visit.pk, by=DESK, now=now).visit.pk)


def test_a_bag_is_handed_over_once_and_everybody_else_hears_when(called, now):
    outcome = everybody_hands_over(called, now)
    assert len(outcome.answers) == 1
    assert outcome.codes() == ["already_handed_over"] * (LIBRARIANS - 1)
    assert all(error.facts["at"] == "10:00" for error in outcome.refused)
    assert Loan.objects.count() == Loan.objects.filter(state="out").count() == 3
    assert times_it_became("pickup.order", "handed_over") == [1]


def visit_without_lock(visit_id):
    return Visit.objects.select_related("point__library", "lane").get(pk=visit_id)


def orders_without_lock(which):
    found = list(
        Order.objects.select_related(
            "library", "point__library", "patron", "collector", "appointment__slot", "visit"
        ).filter(which)
    )
    breathe()
    return found


def test_without_the_locks_the_compare_and_swap_still_keeps_it_to_one(called, now, monkeypatch):
    monkeypatch.setattr(lane, "_locked", visit_without_lock)
    monkeypatch.setattr(lane, "_lock", orders_without_lock)
    outcome = everybody_hands_over(called, now)
    assert len(outcome.answers) == 1
    assert Loan.objects.filter(state="out").count() == 3
    assert times_it_became("pickup.order", "handed_over") == [1]


@pytest.mark.lawless("I2", "I3", why="does without locks and compare-and-swap")
@pytest.mark.control
def test_without_locks_and_compare_and_swap_a_bag_is_handed_over_several_times(called, now, monkeypatch):
    """The control."""
    monkeypatch.setattr(lane, "_locked", visit_without_lock)
    monkeypatch.setattr(lane, "_lock", orders_without_lock)
    monkeypatch.setattr(Moving, "move", write_whatever_it_was)
    outcome = everybody_hands_over(called, now)
    assert len(outcome.answers) > 1
    assert max(times_it_became("pickup.order", "handed_over")) > 1


def one_slip_everywhere(now):
    point = rows.point(layout="door")
    order = steps.ready(steps.asked(rows.patron(point.library), point, books=2))
    return together(
        LIBRARIANS, lambda n: lane.serve(point_id=point.pk, order_number=order.number, by=DESK, now=now).visit.pk
    )


def test_one_slip_scanned_at_two_windows_is_served_once(now):
    outcome = one_slip_everywhere(now)
    assert len(outcome.answers) == 1
    assert set(outcome.codes()) == {"already_handed_over"}
    assert (Visit.objects.count(), Loan.objects.count()) == (1, 2)
    assert set(Copy.objects.values_list("state", flat=True)) == {"loan"}


@pytest.mark.control
def test_without_locks_swap_and_law_one_slip_is_served_at_several_windows(now, monkeypatch):
    """The control. The tie of a bag to its car goes too: it writes into the order, and whoever writes has locked."""
    monkeypatch.setattr(arrivals, "_tie", lambda bags, visit: True)
    slowly(monkeypatch, handovers, "give")
    without_locks(monkeypatch)
    without_swap(monkeypatch)
    with law_dropped(Visit, "pickup_patron_here_once"):
        outcome = one_slip_everywhere(now)
        assert len(outcome.answers) > 1
        assert times_it_became("pickup.order", "handed_over") == [len(outcome.answers)]


def undo_at_two_windows(called, now):
    lane.hand_over(visit_id=called.pk, by=DESK, now=now)
    return together(2, lambda n: lane.undo(visit_id=called.pk, by=DESK, now=now).pk)


def test_an_undo_at_two_windows_is_done_once(called, now, monkeypatch):
    slowly(monkeypatch, handovers, "take_again")
    outcome = undo_at_two_windows(called, now)
    assert len(outcome.answers) == 1
    assert outcome.codes() == ["not_in_this_state"]
    assert times_it_became("lending.loan", "voided") == [1, 1, 1]
    assert times_it_became("pickup.visit", "waiting") == [2]


def test_without_the_locks_the_compare_and_swap_still_undoes_once(called, now, monkeypatch):
    slowly(monkeypatch, handovers, "take_again")
    without_locks(monkeypatch)
    outcome = undo_at_two_windows(called, now)
    assert (len(outcome.answers), outcome.codes()) == (1, ["moved_meanwhile"])
    assert times_it_became("pickup.visit", "waiting") == [2]


@pytest.mark.control
def test_without_locks_and_compare_and_swap_a_hand_over_is_undone_twice(called, now, monkeypatch):
    """The control."""
    slowly(monkeypatch, handovers, "take_again")
    without_locks(monkeypatch)
    without_swap(monkeypatch)
    outcome = undo_at_two_windows(called, now)
    assert len(outcome.answers) == 2
    assert times_it_became("pickup.visit", "waiting") == [3]


def undo_against_expiry(now, monkeypatch):
    """Who left without the bag is put back into the line in the moment in which its keep day ends."""
    point = rows.point(rules={"by_appointment": False})
    order = steps.ready(steps.asked(rows.patron(point.library), point))
    over = order.keep_until or now
    visit = arrivals.arrive(point_id=point.pk, order_id=order.pk, by=DESK, now=over)
    lane.leave(visit_id=visit.pk, by=DESK, now=over)
    slowly(monkeypatch, orders, "_close")
    slowly(monkeypatch, lane, "_let_the_next_come")
    steps_of = [lambda: lane.undo(visit_id=visit.pk, by=DESK, now=over), lambda: orders.expire_due(now=over)]
    together(2, lambda n: steps_of[n]())
    visit.refresh_from_db()
    return visit.state, steps.again(order).state


def test_an_undo_and_the_end_of_the_keep_day_go_one_after_the_other(now, monkeypatch):
    assert undo_against_expiry(now, monkeypatch) in {("waiting", "ready"), ("left", "expired")}


@pytest.mark.control
def test_without_locks_a_car_waits_for_a_bag_that_went_back(now, monkeypatch):
    """The control."""
    without_locks(monkeypatch)
    assert undo_against_expiry(now, monkeypatch) == ("waiting", "expired")


def test_something_is_undone_while_it_is_handed_over_again(called, now, monkeypatch):
    """An undo against a new hand-over of the same visit: one after the other, and the journal knows which."""
    assert undo_against_hand_over(called, now, monkeypatch) == []


@pytest.mark.control
def test_without_locks_and_compare_and_swap_an_undo_and_a_hand_over_cross(called, now, monkeypatch):
    """The control."""
    without_locks(monkeypatch)
    without_swap(monkeypatch)
    assert undo_against_hand_over(called, now, monkeypatch)


def undo_against_hand_over(called, now, monkeypatch):
    """One bag of two was given; its undo meets the hand-over of the rest. The laws that are broken afterwards."""
    one = Order.objects.get(visit=called)
    another = steps.ready(steps.asked(rows.patron(called.point.library), called.point))
    Order.objects.filter(pk=another.pk).update(visit=called)
    lane.hand_over(visit_id=called.pk, by=DESK, now=now, orders=[lane.HandOver(one.number)])
    slowly(monkeypatch, handovers, "take_again")
    slowly(monkeypatch, handovers, "give")

    def undo_or_hand_over(n):
        if n == 0:
            lane.undo(visit_id=called.pk, by=DESK, now=now)
        else:
            lane.hand_over(visit_id=called.pk, by=DESK, now=now)

    together(2, undo_or_hand_over)
    return broken()


def broken():
    """The sentences of the laws on bags and journals that are broken now."""
    return sorted({found.law.sentence for found in invariants.breaches() if found.law.number in {"I2", "I3"}})


# Arriving


DOORS = ("web", "text", "link", "code", "desk", "call")


def everybody_says_i_am_here(point, reader, now):
    return together(
        len(DOORS),
        lambda n: (
            arrivals.arrive(
                point_id=point.pk, by=rows.patron_actor(reader, DOORS[n]), now=now, purpose=Visit.Purpose.RETURN
            ).pk
        ),
    )


def test_a_driver_who_comes_by_six_doors_at_once_is_here_once(now):
    point = rows.point()
    outcome = everybody_says_i_am_here(point, rows.patron(point.library), now)
    assert outcome.refused == []
    assert len(set(outcome.answers)) == Visit.objects.count() == 1


@pytest.mark.lawless("I3", why="does without a law")
@pytest.mark.control
def test_without_the_law_a_driver_would_be_here_several_times(now, monkeypatch):
    """The control."""
    point = rows.point()
    slowly(monkeypatch, arrivals, "_live_visit", before=False)
    with without_law(Visit, "pickup_patron_here_once"):
        everybody_says_i_am_here(point, rows.patron(point.library), now)
        assert Visit.objects.count() > 1
        Visit.objects.all().update(state="left")


def family(point):
    """Three ready orders of a household that comes in one car."""
    household = rows.household(together=True)
    return [steps.ready(steps.asked(rows.patron(point.library, household=household), point)) for _ in range(3)]


def everybody_in_the_car_says_so(bags, now):
    return together(
        len(bags),
        lambda n: arrivals.arrive(point_id=bags[n].point_id, by=rows.patron_actor(bags[n].patron), now=now).pk,
    )


def test_a_family_that_says_so_three_times_at_once_is_one_car(now):
    bags = family(rows.point())
    outcome = everybody_in_the_car_says_so(bags, now)
    assert outcome.refused == []
    assert len(set(outcome.answers)) == Visit.objects.count() == 1
    assert {steps.again(bag).visit_id for bag in bags} == set(outcome.answers)


def tie_without_lock(bags, visit):
    breathe()
    Order.objects.filter(pk__in=[order.pk for order in bags]).update(visit=visit)
    return True


@pytest.mark.control
def test_without_the_lock_on_their_orders_a_family_would_be_three_cars(now, monkeypatch):
    """The control."""
    monkeypatch.setattr(arrivals, "_tie", tie_without_lock)
    everybody_in_the_car_says_so(family(rows.point()), now)
    assert Visit.objects.count() > 1


# All of it at once


def a_busy_hour():
    """What came of it, and everything that is wrong afterwards."""
    point = rows.point()
    for _ in range(3):
        rows.lane(point)
    bags = [steps.ready(steps.asked(rows.patron(point.library), point)) for _ in range(12)]
    seeds = random.Random(20200310)
    plans = [[seeds.random() for _ in range(40)] for _ in range(LIBRARIANS)]

    def shift(n):
        for step, chance in enumerate(plans[n]):
            bag = bags[(step * 7 + n * 5) % len(bags)]
            try:
                act(chance, bag)
            except Refusal:
                continue

    def act(chance, bag):
        at = timezone.now()
        if chance < 0.3:
            arrivals.arrive(point_id=point.pk, order_id=bag.pk, by=DESK, now=at)
        elif chance < 0.4:
            lane.serve(point_id=point.pk, order_number=bag.number, by=DESK, now=at)
        elif chance < 0.7:
            visit = lane.call_next(point_id=point.pk, by=DESK, now=at)[0]
            lane.hand_over(visit_id=visit.pk, by=DESK, now=timezone.now())
        elif chance < 0.8:
            lane.put_back(visit_id=steps.again(bag).visit_id or 0, by=DESK, now=at)
        elif chance < 0.9:
            lane.undo(visit_id=steps.again(bag).visit_id or 0, by=DESK, now=at)
        else:
            lane.leave(visit_id=steps.again(bag).visit_id or 0, by=DESK, now=at)

    outcome = together(LIBRARIANS, shift, durable=False)
    given = Order.objects.filter(state="handed_over").count()
    lanes_used = list(Visit.objects.filter(state="called", lane__isnull=False).values_list("lane", flat=True))
    wrong = broken()
    wrong += ["nothing was given"] * (not given)
    wrong += ["loans are not what was given"] * (Loan.objects.filter(state="out").count() != given)
    wrong += ["one loan was made twice"] * (times_it_became("lending.loan", "out")[-1] > 1)
    wrong += ["two cars in one lane"] * (len(lanes_used) != len(set(lanes_used)))
    return outcome, wrong


def test_a_busy_hour_ends_without_a_deadlock_and_every_bag_is_given_once():
    outcome, wrong = a_busy_hour()
    assert not [error for error in outcome.refused if isinstance(error, OperationalError)]
    assert outcome.refused == []
    assert wrong == []


@pytest.mark.control
def test_without_locks_and_compare_and_swap_a_busy_hour_goes_wrong(monkeypatch):
    """The control."""
    without_locks(monkeypatch)
    without_swap(monkeypatch)
    outcome, wrong = a_busy_hour()
    assert outcome.refused or wrong
    assert any("journal" in sentence for sentence in wrong)
