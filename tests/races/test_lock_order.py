"""Verbs that lock in one order never wait for each other in a circle; in another one they do, and one is lost."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models import Q

from core import live
from core.actor import RULE
from lending import allocation, loans, quota, reservations, wishes
from lending.reservations import Item
from lending.states import CopyState
from pickup import arrivals, bookings, elsewhere, handovers, lane, orders, packing, queries, returns, slots
from pickup.models import Order, Visit
from pickup.states import HERE, IN_BAG, LineState
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK
from tests.races.guards import slowly
from tests.races.together import together

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]
LONG = 0.6  # seconds: long enough for the other one to come as far as it can


def deadlocks(outcome):
    """How many were ended by PostgreSQL, since they waited for each other."""
    return outcome.codes().count("OperationalError")


def pausing(monkeypatch, owner, name, reached: threading.Event) -> None:
    """The first one that has done this step says so and waits, so that the other may come in between."""
    step = getattr(owner, name)

    def paused(*args, **kwargs):
        answer = step(*args, **kwargs)
        if not reached.is_set():
            reached.set()
            time.sleep(LONG)
        return answer

    monkeypatch.setattr(owner, name, paused)


# A return is undone while somebody asks for the same title and the same time


def undo_the_naive_way(*, loan_id, by, now):
    """The place of the slot is given back before the title is locked."""
    line = queries.line_to_fetch(queries.copy_of_loan(loan_id))
    order = orders.locked(line.order_id)
    line.move(LineState.DROPPED, at=now, by=by, reason="return_undone")
    reservations.wait_again(reservation_ids=[line.reservation_id], by=by, now=now)
    if not order.lines.filter(state__in=IN_BAG).exists():
        orders.close_empty(order=order, why="return_undone", by=by, now=now)
    live.publish([f"point:{order.point_id}"], now=now)
    return loans.undo_return(loan_id=loan_id, by=by, now=now)


def undo_while_somebody_asks(monkeypatch, now, undo):
    point = rows.point(rules={"promise": "at_order"})
    title, slot = rows.title(), rows.slot(point)
    back, spare = (rows.copy(title, point.library) for _ in range(2))
    spare.move(CopyState.MISSING, at=now, by=RULE)
    loan = loans.check_out(
        copy_id=back.pk, patron_id=rows.patron(point.library).pk, library_id=point.library_id, by=RULE, now=now
    )
    loans.take_back(barcode=back.barcode, library_id=point.library_id, by=RULE, now=now)
    reader = rows.patron(point.library)
    asked = orders.request(
        patron_id=reader.pk, point_id=point.pk, items=[Item(title.pk)], slot_id=slot.pk, by=DESK, now=now
    )
    assert asked.order is not None
    spare.move(CopyState.SHELF, at=now, by=RULE)
    other, asking = rows.patron(point.library), threading.Event()
    pausing(monkeypatch, reservations, "place", asking)

    def ask_or_undo(n):
        if n == 0:
            bag = orders.request(
                patron_id=other.pk, point_id=point.pk, items=[Item(title.pk)], slot_id=slot.pk, by=DESK, now=now
            )
            return bag.order is not None
        assert asking.wait(20)
        return undo(loan_id=loan.pk, by=DESK, now=now).state

    return together(2, ask_or_undo)


def test_a_return_is_undone_while_somebody_asks_for_the_title_and_the_time(now, monkeypatch):
    outcome = undo_while_somebody_asks(monkeypatch, now, returns.undo)
    assert (outcome.refused, outcome.answers) == ([], [True, "out"])


@pytest.mark.control
def test_with_the_slot_before_the_title_one_of_them_is_lost(now, monkeypatch):
    assert deadlocks(undo_while_somebody_asks(monkeypatch, now, undo_the_naive_way)) == 1


# The same patron asks twice, and meanwhile a bag is made for a book that came back


def ask_twice_while_a_bag_is_made(monkeypatch, now):
    point = rows.point()
    who = rows.patron(point.library)
    came_back = rows.copy(at=point.library)
    came_back.move(CopyState.MISSING, at=now, by=RULE)
    rows.reserve(who, came_back.title, at=point)
    came_back.move(CopyState.SHELF, at=now, by=RULE)
    assert allocation.allocate_due(now=now) == 1
    books = [rows.copy(at=point.library).title_id for _ in range(2)]
    inside = threading.Event()
    pausing(monkeypatch, quota, "refuse_beyond", inside)

    def ask(n):
        if n == 1:
            assert inside.wait(20)
            assert len(orders.assemble(now=now)) == 1
        with transaction.atomic(durable=True):
            return orders.request(patron_id=who.pk, point_id=point.pk, items=[Item(books[n])], by=DESK, now=now).order

    return together(2, ask, durable=False)


def test_who_asks_twice_while_a_bag_is_made_gets_both_into_it(now, monkeypatch):
    outcome = ask_twice_while_a_bag_is_made(monkeypatch, now)
    assert outcome.refused == []
    assert Order.objects.get().lines.count() == 3


@pytest.mark.control
def test_with_the_bag_before_the_patron_one_of_them_is_lost(now, monkeypatch):
    monkeypatch.setattr(reservations, "lock_borrower", lambda **_: None)
    assert deadlocks(ask_twice_while_a_bag_is_made(monkeypatch, now)) == 1


# A bag is handed over without a damaged volume while the patron cancels another one of the title


def hand_over_while_the_patron_cancels(monkeypatch, now):
    point = rows.point(layout="door")
    title = rows.title()
    volumes = [rows.copy(title, point.library, volume=volume) for volume in ("1", "2")]
    who = rows.patron(point.library)
    items = [Item(title.pk, copy.volume) for copy in volumes]
    asked = orders.request(patron_id=who.pk, point_id=point.pk, items=items, by=DESK, now=now)
    assert asked.order is not None
    bag = steps.ready(asked.order)
    given, damaged = bag.lines.select_related("copy").order_by("id")
    lent = threading.Event()
    pausing(monkeypatch, loans, "check_out", lent)

    def give_or_cancel(n):
        if n == 0:
            locked = orders.locked(bag.pk)
            handovers.give(order=locked, not_given={damaged.copy.barcode: "damaged"}, by=DESK, now=now)
            return steps.again(bag).state
        assert lent.wait(20)
        return wishes.cancel(reservation_id=given.reservation_id, by=rows.patron_actor(who), now=now)

    return together(2, give_or_cancel)


def test_a_volume_that_is_cancelled_while_another_is_kept_back_is_lent(now, monkeypatch):
    outcome = hand_over_while_the_patron_cancels(monkeypatch, now)
    assert (outcome.answers, outcome.codes()) == (["handed_over"], ["not_in_this_state"])


@pytest.mark.control
def test_with_a_reservation_before_the_title_one_of_them_is_lost(now, monkeypatch):
    monkeypatch.setattr(handovers, "lock_titles", lambda _bags: None)
    assert deadlocks(hand_over_while_the_patron_cancels(monkeypatch, now)) == 1


# One of a family asks for more and for another time while the other's bag becomes ready


def ask_while_the_familys_bag_becomes_ready(monkeypatch, now):
    point = rows.point(rules={"promise": "at_order"})
    slot, later = rows.slot(point), rows.slot(point, now + timedelta(hours=9))
    household = rows.household(together=True)
    first, second = (rows.patron(point.library, household=household) for _ in range(2))
    elder = steps.packed(steps.asked(first, point, slot_id=slot.pk))
    steps.asked(second, point, slot_id=slot.pk)
    book, asking = rows.copy(at=point.library).title_id, threading.Event()
    pausing(monkeypatch, orders, "bag", asking)
    slowly(monkeypatch, orders, "locked")

    def ask_or_mark(n):
        if n == 0:
            return orders.request(
                patron_id=second.pk, point_id=point.pk, items=[Item(book)], slot_id=later.pk, by=DESK, now=now
            ).order
        assert asking.wait(20)
        return packing.mark_ready(order_id=elder.pk, by=DESK, now=now)

    return together(2, ask_or_mark)


def test_a_family_that_asks_for_more_while_a_bag_becomes_ready_gets_both(now, monkeypatch):
    assert ask_while_the_familys_bag_becomes_ready(monkeypatch, now).refused == []


@pytest.mark.control
def test_with_the_younger_bag_before_the_elder_one_of_them_is_lost(now, monkeypatch):
    monkeypatch.setattr(orders, "lock_open_order", orders._open_order)
    assert deadlocks(ask_while_the_familys_bag_becomes_ready(monkeypatch, now)) == 1


# A leaving is undone while the same people say again that they are here


def undo_a_leaving_while_they_arrive_again(monkeypatch, now):
    """What came of it, and how many cars of theirs are here afterwards."""
    point = rows.point()
    who = rows.patron(point.library)
    bag = steps.ready(steps.asked(who, point))
    left = arrivals.arrive(point_id=point.pk, order_id=bag.pk, by=DESK, now=now)
    lane.leave(visit_id=left.pk, by=DESK, now=now)
    begun = threading.Event()
    pausing(monkeypatch, Visit, "begin", begun)

    def arrive_or_undo(n):
        if n == 0:
            return arrivals.arrive(point_id=point.pk, order_id=bag.pk, by=rows.patron_actor(who), now=now).pk
        assert begun.wait(20)
        return lane.undo(visit_id=left.pk, by=DESK, now=now).pk

    return together(2, arrive_or_undo), Visit.objects.filter(state__in=HERE).count()


def test_who_arrives_again_while_their_leaving_is_undone_is_here_once(now, monkeypatch):
    outcome, here = undo_a_leaving_while_they_arrive_again(monkeypatch, now)
    assert (outcome.codes(), here) == (["newer_order"], 1)


@pytest.mark.control
def test_with_the_bag_before_the_visit_of_its_people_one_of_them_is_lost(now, monkeypatch):
    waits_again = lane._wait_again

    def bags_first(visit, *, by, now):
        lane._lock(Q(visit=visit))
        waits_again(visit, by=by, now=now)

    monkeypatch.setattr(lane, "_wait_again", bags_first)
    outcome, _here = undo_a_leaving_while_they_arrive_again(monkeypatch, now)
    assert deadlocks(outcome) == 1


# Two change places: each leaves the time that the other one gets


def change_places(monkeypatch, now):
    here, there = (rows.point(rules={"promise": "at_order"}) for _ in range(2))
    there.library = here.library
    there.save()
    first, second = rows.slot(here), rows.slot(there)
    bags = [
        steps.asked(rows.patron(here.library), point, slot_id=slot.pk)
        for point, slot in ((here, first), (there, second))
    ]
    slowly(monkeypatch, bookings, "take", before=False)
    slowly(monkeypatch, slots, "give_back", before=False)
    outcome = together(
        2,
        lambda n: (
            elsewhere.collect_at(
                order_id=bags[n].pk, point_id=(there, here)[n].pk, by=DESK, now=now
            ).order.appointment.slot_id
        ),
    )
    return outcome, first, second


def test_two_who_change_places_get_each_others_time(now, monkeypatch):
    outcome, first, second = change_places(monkeypatch, now)
    assert (outcome.refused, outcome.answers) == ([], [second.pk, first.pk])
    for slot in (first, second):
        slot.refresh_from_db()
        assert slot.booked == 1


@pytest.mark.control
def test_with_the_time_given_back_before_the_other_is_taken_one_of_them_is_lost(now, monkeypatch):
    monkeypatch.setattr(
        orders,
        "close_moved",
        lambda *, order, by, now: orders.close_empty(order=order, why="elsewhere", by=by, now=now),
    )
    outcome, _first, _second = change_places(monkeypatch, now)
    assert deadlocks(outcome) == 1
