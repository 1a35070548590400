"""A rehearsal: twelve invented cars at the real window of a training library, and a figure at the end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core import access, clock
from core.models import Journal
from core.refusal import BadInput
from lending import allocation, loans, search
from lending import queries as lending_queries
from lending.errors import NotForTraining
from lending.models import Copy, Loan, Patron, Reservation
from lending.states import CopyState, LoanState, ReservationState
from notifications import phone
from notifications.models import Call, Message
from pickup import board, cast, figures, lane, orders, packing, parties, queue, rehearsals, tasks
from pickup.models import Order, OrderLine, Rehearsal, RehearsalCar, Visit
from pickup.states import HERE, OPEN_ORDER
from tests import rows

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
Kind = RehearsalCar.Kind
COUNTS = ("copies_count", "free_count", "waiting_count")


@pytest.fixture
def training():
    """A training library with rules of its own."""
    return rows.library(training=True, programme=rows.programme(volumes=100, volumes_per="patron"))


@pytest.fixture
def window(training):
    places = [f"A{number}" for number in range(1, 30)]
    point = rows.point(training, rules={"by_appointment": False, "bag_places": places})
    rows.lane(point, name="1", open=False)
    return point


@pytest.fixture
def door(training):
    return rows.point(training, layout="door", rules={"by_appointment": False})


@pytest.fixture
def desk(training):
    return rows.staff_actor(rows.staff(training), "desk")


@pytest.fixture
def rehearsal(window, door, desk, now):
    return rehearsals.start(point_id=window.pk, minutes=10, by=desk, now=now)


def car(rehearsal: Rehearsal, kind: Kind) -> Any:
    return rehearsal.cars.select_related("order", "visit", "patron").get(kind=kind)


def everybody_comes(rehearsal, now):
    rehearsal.cars.update(due_at=now)
    assert rehearsals.arrive_due(now=now) == rehearsal.cars.count()


def looked(at, desk, now):
    """The window showed this car to somebody."""
    access.saw([f"patron:{at.patron_id}"], purpose=figures.LOOK, by=desk, now=now)


def serve(at, desk, now):
    """What a librarian does for a car of this kind."""
    if at.kind == Kind.EARLY:
        for line in at.order.lines.select_related("copy"):
            packing.pack(order_id=at.order_id, barcode=line.copy.barcode, by=desk, now=now)
        packing.mark_ready(order_id=at.order_id, by=desk, now=now)
    if at.kind == Kind.RETURN:
        queue.attend(visit_id=at.visit_id, by=desk, now=now)
    elif at.kind == Kind.ELSEWHERE:
        lane.leave(visit_id=at.visit_id, by=desk, now=now)
    else:
        lane.serve(point_id=at.visit.point_id, order_number=at.order.number, by=desk, now=now)


# Starting


def test_twelve_cars_are_due_and_each_is_what_it_says(rehearsal, window, door, now):
    cars = list(rehearsal.cars.order_by("number"))
    assert [one.kind for one in cars] == [cue.kind for cue in cast.CAST]
    assert len(cars) == 12
    assert cars[0].due_at == now
    assert max(one.due_at for one in cars) < now + 10 * MINUTE
    assert {one.state for one in cars} == {"due"}
    assert window.lanes.filter(open=True).exists()
    states = {one.kind: one.order.state for one in cars if one.order}
    assert states.pop(Kind.EARLY) == "picking"
    assert set(states.values()) == {"ready"}
    assert car(rehearsal, Kind.ELSEWHERE).order.point == door
    missing = car(rehearsal, Kind.MISSING).order
    assert sorted(missing.lines.values_list("state", flat=True)) == ["missing", "packed"]
    assert parties.party_of(car(rehearsal, Kind.FAMILY).order).count() == 3
    assert car(rehearsal, Kind.GRANDSON).order.collector.number == "+821000000906"
    assert car(rehearsal, Kind.ENGLISH).order.language == "en"
    assert car(rehearsal, Kind.BOOT).patron.needs == ["boot"]
    assert car(rehearsal, Kind.WRITING).patron.needs == ["board"]
    returning = car(rehearsal, Kind.RETURN)
    assert returning.order is None
    assert Loan.objects.filter(patron=returning.patron, state=LoanState.OUT).count() == 2
    assert Message.objects.exists()
    assert not Message.objects.exclude(dedup_key__startswith="practice:").exists()
    assert not Call.objects.exists()


def test_without_another_place_nobody_comes_to_the_wrong_one(window, desk, now):
    begun = rehearsals.start(point_id=window.pk, minutes=60, by=desk, now=now)
    assert Kind.ELSEWHERE not in begun.cars.values_list("kind", flat=True)
    assert begun.cars.count() == 11


def test_the_people_of_a_rehearsal_are_invented():
    numbers = {number for cue in cast.CAST for number in [*(part.number for part, _ in cue.people), cue.collector[1]]}
    assert all(phone.is_invented(number) for number in numbers - {""})


# Refusals


def test_a_library_that_serves_people_is_refused_and_nothing_is_touched(now):
    serving = rows.point()
    with pytest.raises(NotForTraining) as caught:
        rehearsals.start(point_id=serving.pk, minutes=10, by=rows.RULE, now=now)
    assert (caught.value.code, caught.value.status) == ("not_a_training_library", 409)
    assert not Rehearsal.objects.exists()
    assert not Patron.objects.exists()


def test_another_pace_is_refused(window, desk, now):
    with pytest.raises(BadInput) as caught:
        rehearsals.start(point_id=window.pk, minutes=7, by=desk, now=now)
    assert caught.value.field == "minutes"


# Cars come


def test_cars_come_when_they_are_due_each_by_its_own_door(rehearsal, window, now):
    assert rehearsals.arrive_due(now=now) == 1
    first = car(rehearsal, Kind.EARLY)
    assert first.state == "came"
    [shown] = board.snapshot(point_id=window.pk, now=now).waiting
    assert (shown.visit_id, shown.can_be_called) == (first.visit_id, False)
    assert rehearsals.arrive_due(now=now + MINUTE) == 1
    assert Visit.objects.filter(state__in=HERE).count() == 2
    assert rehearsals.arrive_due(now=now + HOUR) == 10
    doors = {one.kind: one.visit.door for one in rehearsal.cars.select_related("visit") if one.visit}
    assert doors == {cue.kind: cue.door for cue in cast.CAST}
    assert car(rehearsal, Kind.FAMILY).visit.orders.count() == 3
    assert car(rehearsal, Kind.RETURN).visit.purpose == "return"
    assert car(rehearsal, Kind.PLATE).visit.plate
    assert Visit.objects.filter(state__in=HERE).count() == 12


def test_after_the_worker_died_late_cars_come_together_and_once(rehearsal, now, monkeypatch):
    late = now + 3 * HOUR
    monkeypatch.setattr(clock, "database_now", lambda: late)
    tasks.rehearse()
    assert set(rehearsal.cars.values_list("visit__arrived_at", flat=True)) == {late}
    tasks.rehearse()
    tasks.rehearse(ids=[rehearsal.pk])
    assert Visit.objects.count() == 12


def test_a_bag_that_was_given_before_its_car_came_counts_and_one_given_up_keeps_it_away(rehearsal, window, desk, now):
    boot = car(rehearsal, Kind.BOOT)
    lane.serve(point_id=window.pk, order_number=boot.order.number, by=desk, now=now)
    orders.cancel(order_id=car(rehearsal, Kind.PLAIN).order_id, by=desk, now=now)
    assert rehearsals.arrive_due(now=now + HOUR) == 11
    assert car(rehearsal, Kind.PLAIN).state == "dropped"
    assert car(rehearsal, Kind.BOOT).visit.state == "served"
    assert [one.kind for one in figures.of(rehearsal).served] == [Kind.BOOT]


# The end


def test_when_all_have_gone_it_ends_with_a_figure(rehearsal, desk, now):
    everybody_comes(rehearsal, now)
    at = now
    for one in rehearsal.cars.select_related("visit", "order").order_by("number"):
        assert rehearsals.finish_due(now=at) == 0
        looked(one, desk, at + 2 * SECOND)
        at += 50 * SECOND
        serve(one, desk, at)
    assert rehearsals.finish_due(now=at) == 1
    rehearsal.refresh_from_db()
    assert (rehearsal.state, rehearsal.ended_at) == ("ended", at)
    told = figures.of(rehearsal)
    assert (len(told.served), told.taken, told.to_come) == (12, 48, 0)
    assert [one.waited for one in told.cars][:3] == [2, 52, 102]
    assert {one.where for one in told.cars} == {"served", "sent_on"}


def test_what_tells_how_long_a_car_took(rehearsal, window, training, desk, now):
    everybody_comes(rehearsal, now)
    plain, family = car(rehearsal, Kind.PLAIN), car(rehearsal, Kind.FAMILY)
    looked(family, desk, now + SECOND)  # a look ahead, before the car before it was done
    [called] = lane.call_next(point_id=window.pk, by=desk, now=now + 5 * SECOND)
    assert called.pk == plain.visit_id
    looked(plain, desk, now + 6 * SECOND)
    lane.hand_over(visit_id=called.pk, by=desk, now=now + 25 * SECOND)
    lane.serve(point_id=window.pk, order_number=family.order.number, by=desk, now=now + 55 * SECOND)
    told = {one.kind: one for one in figures.of(rehearsal).cars}
    assert (told[Kind.PLAIN].waited, told[Kind.PLAIN].taken) == (5, 20)
    assert (told[Kind.FAMILY].waited, told[Kind.FAMILY].taken) == (25, 30)

    returning = car(rehearsal, Kind.RETURN)
    barcodes = list(Loan.objects.filter(patron=returning.patron).values_list("copy__barcode", flat=True))
    assert all(barcode in told[Kind.RETURN].says for barcode in barcodes)
    for barcode in barcodes:
        loans.take_back(barcode=barcode, library_id=training.pk, by=desk, now=now + 70 * SECOND)
    queue.attend(visit_id=returning.visit_id, by=desk, now=now + 90 * SECOND)
    boot = car(rehearsal, Kind.BOOT)  # by a program: nobody was seen to turn to it
    lane.serve(point_id=window.pk, order_number=boot.order.number, by=desk, now=now + 99 * SECOND)
    told = {one.kind: one for one in figures.of(rehearsal).cars}
    assert (told[Kind.RETURN].taken, told[Kind.BOOT].where, told[Kind.BOOT].taken) == (20, "served", None)
    assert figures.of(rehearsal).taken == round((20 + 30 + 20) / 3)

    lane.undo(visit_id=family.visit_id, by=desk, now=now + 100 * SECOND)
    assert Kind.FAMILY not in {one.kind for one in figures.of(rehearsal).served}


def test_stopped_early_only_who_was_served_counts(rehearsal, window, desk, now):
    rehearsals.arrive_due(now=now + 5 * MINUTE)
    assert 1 < rehearsal.cars.filter(state="came").count() < 12
    number = car(rehearsal, Kind.PLAIN).order.number
    lane.serve(point_id=window.pk, order_number=number, by=desk, now=now + 5 * MINUTE)
    rehearsals.stop(rehearsal_id=rehearsal.pk, by=desk, now=now + 6 * MINUTE)
    rehearsals.stop(rehearsal_id=rehearsal.pk, by=desk, now=now + 7 * MINUTE)
    told = figures.of(rehearsal)
    assert [one.kind for one in told.served] == [Kind.PLAIN]
    assert {one.where for one in told.cars} == {"served", "dropped"}
    assert rehearsals.arrive_due(now=now + HOUR) == 0
    library = rehearsal.library
    assert not Visit.objects.filter(point__library=library, state__in=HERE).exists()
    assert not Order.objects.filter(library=library, state__in=OPEN_ORDER).exists()
    assert not OrderLine.objects.filter(order__library=library, state__in=["to_unpack", "withheld", "packed"]).exists()
    assert not Loan.objects.filter(library=library, state=LoanState.OUT).exists()
    assert not Reservation.objects.filter(pickup_point__library=library, state=ReservationState.WAITING).exists()
    assert set(Copy.objects.filter(library=library).values_list("state", flat=True)) == {CopyState.SHELF}


def test_started_again_the_old_one_ends_its_cars_leave_and_no_row_is_lost(rehearsal, window, desk, now):
    everybody_comes(rehearsal, now)
    lane.serve(point_id=window.pk, order_number=car(rehearsal, Kind.PLAIN).order.number, by=desk, now=now + SECOND)
    before = [table.objects.count() for table in (Patron, Copy, Visit)]
    again = rehearsals.start(point_id=window.pk, minutes=60, by=desk, now=now + 2 * SECOND)
    rehearsal.refresh_from_db()
    assert (rehearsal.state, again.state) == ("ended", "running")
    assert [table.objects.count() for table in (Patron, Copy, Visit)] == before
    assert RehearsalCar.objects.count() == 24
    assert not Visit.objects.filter(state__in=HERE).exists()
    assert Order.objects.filter(state__in=OPEN_ORDER).count() == 13
    assert Journal.objects.filter(noun=Visit.noun(), became="left").count() == 11
    assert len(figures.of(rehearsal).served) == 1
    assert rehearsals.arrive_due(now=now + 2 * HOUR) == 12


# What people see of it: nothing


def test_rehearsals_are_left_out_of_what_is_shown_to_people(rehearsal, training, now):
    invented = Copy.objects.filter(library=training)[0].title
    assert not lending_queries.titles_with_availability().filter(pk=invented.pk).exists()
    assert invented not in search.find("연습")
    assert invented in search.find("연습", practice=True)
    serving = rows.point()
    title = rows.copy(at=serving.library).title  # and one that a training library has too
    rows.copy(title, at=training)
    point = training.pickup_points.order_by("pk")[0]
    waiting = [rows.reserve(rows.patron(training), title, at=point) for _ in range(2)][1][0]
    assert waiting.state == ReservationState.WAITING
    counted = lending_queries.titles_with_availability().filter(pk=title.pk)
    assert counted.values_list(*COUNTS).get() == (1, 1, 0)
    assert lending_queries.waiting_for([title.pk]) == {}
    assert {one.library for one in lending_queries.copies_of_many([title.pk])} == {serving.library}
    assert training not in lending_queries.libraries()
    assert lending_queries.library_of(training.code) == training
    mine = rows.reserve(rows.patron(serving.library), title, at=serving)
    assert mine[0].copy is not None
    assert mine[0].copy.library == serving.library
    assert allocation.allocate_due(now=now) == 0
