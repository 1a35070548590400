"""A reader changes a reservation at the moment in which the house does something with it."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest

from core.actor import RULE
from lending import allocation, loans, queries, reservations, wishes
from lending.models import Reservation
from lending.states import ReservationState
from pickup import orders
from pickup.models import Order, OrderLine
from tests import rows
from tests.races.guards import PAUSE, slowly, without_locks
from tests.races.together import together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]

NOW = rows.NOW
TODAY = NOW.date()


# Another pickup point, while the bag is filled


def move_while_the_bag_is_filled(monkeypatch):
    """The bag has looked at the reservation, and takes it a moment later; its reader moves to the other library."""
    programme = rows.programme()
    here, there = (rows.point(rows.library(programme=programme)) for _ in range(2))
    title = rows.title()
    rows.copy(title, here.library)
    rows.copy(title, there.library)
    (row,) = rows.reserve(rows.patron(here.library), title, at=here)
    looked = threading.Event()
    bag = reservations.bag

    def slow_bag(**said):
        looked.set()
        time.sleep(PAUSE * 3)
        return bag(**said)

    monkeypatch.setattr(reservations, "bag", slow_bag)

    def act(index):
        if index == 0:
            return orders.assemble(reservation_ids=[row.pk], now=NOW)
        looked.wait(10)
        return wishes.collect_at(reservation_id=row.pk, point_id=there.pk, by=RULE, now=NOW)

    outcome = together(2, act, durable=False)
    assert outcome.refused == []
    return row, here, there


def test_a_book_never_goes_into_the_bag_of_the_place_that_its_reader_has_left(monkeypatch):
    row, _here, there = move_while_the_bag_is_filled(monkeypatch)
    row.refresh_from_db()
    assert (row.state, row.pickup_point, row.copy.at_library) == ("allocated", there, there.library)
    assert not Order.objects.exists()  # and no empty bag is left behind
    monkeypatch.undo()
    orders.assemble(now=NOW)
    assert OrderLine.objects.get().order.point == there


@pytest.mark.control
def test_without_reading_it_again_the_book_lies_in_the_wrong_bag(monkeypatch):
    def trusting(*, reservation_ids, by, now, point_id=None):
        found = queries.reservations().filter(pk__in=reservation_ids, state=ReservationState.ALLOCATED)
        return Reservation.move_many(found, ReservationState.BAGGED, at=now, by=by)

    monkeypatch.setattr(reservations, "bag", trusting)
    row, here, there = move_while_the_bag_is_filled(monkeypatch)
    line = OrderLine.objects.get()
    assert (line.order.point, line.reservation.pickup_point) == (here, there)
    assert line.order.point_id != row.pickup_point_id or line.reservation.pickup_point_id != here.pk


# Wait again, while a copy comes back


def wait_again_while_a_copy_comes_back(monkeypatch):
    point = rows.point()
    copy = rows.copy(at=point.library)
    other = rows.patron(point.library)
    loans.check_out(copy_id=copy.pk, patron_id=other.pk, library_id=point.library_id, by=RULE, now=NOW)
    (row,) = rows.reserve(rows.patron(point.library), copy.title, at=point)
    wishes.suspend(reservation_id=row.pk, until=TODAY + timedelta(days=3), by=RULE, now=NOW)
    slowly(monkeypatch, allocation, "_hand_out_title", before=False)

    def act(index):
        if index == 0:
            return wishes.resume(reservation_id=row.pk, by=RULE, now=NOW)
        return loans.take_back(barcode=copy.barcode, library_id=point.library_id, by=RULE, now=NOW)

    outcome = together(2, act)
    assert outcome.refused == []
    row.refresh_from_db()
    return row


def test_whoever_waits_again_gets_the_copy_that_comes_back_at_that_moment(monkeypatch):
    assert wait_again_while_a_copy_comes_back(monkeypatch).state == "allocated"


@pytest.mark.control
def test_without_locks_they_wait_beside_a_free_copy_until_the_sweep(monkeypatch):
    without_locks(monkeypatch)
    row = wait_again_while_a_copy_comes_back(monkeypatch)
    assert row.state == "waiting"
    monkeypatch.undo()
    assert allocation.allocate_due(now=NOW) == 1


# Two sweeps, and a reader beside them


def test_a_pause_that_is_over_ends_once(monkeypatch):
    point = rows.point()
    copy = rows.copy(at=point.library)
    loans.check_out(
        copy_id=copy.pk, patron_id=rows.patron(point.library).pk, library_id=point.library_id, by=RULE, now=NOW
    )
    (row,) = rows.reserve(rows.patron(point.library), copy.title, at=point)
    wishes.suspend(reservation_id=row.pk, until=TODAY + timedelta(days=1), by=RULE, now=NOW)
    slowly(monkeypatch, allocation, "lock")
    later = NOW + timedelta(days=2)
    outcome = together(3, lambda _index: wishes.resume_due(now=later), durable=False)
    assert (sorted(outcome.answers), outcome.refused) == ([0, 0, 1], [])
