"""A bag that is wanted at another place: what goes with it, whom it touches, and the librarian's page for a caller."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client

from core import clock
from core.models import Access, Journal
from lending import loans
from lending.models import Loan, Posting, Reservation
from lending.reservations import Item
from notifications.models import Message
from pickup import arrivals, elsewhere, offers, orders, packing
from pickup.errors import HereAlready, NoOpenOrder
from pickup.models import Appointment, Order
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db

NOW = rows.NOW
BY_TIME = {"promise": "at_order"}


@pytest.fixture
def lane():
    return rows.point(rules=BY_TIME)


def other(lane, **columns):
    return rows.point(lane.library, **{"layout": "door", "rules": {"by_appointment": False}, **columns})


def move(order, there, now=NOW):
    return elsewhere.collect_at(order_id=order.pk, point_id=there.pk, by=DESK, now=now)


def line_states(order):
    return sorted(order.lines.values_list("state", flat=True))


# One household, one car, one time


@pytest.fixture
def family(lane):
    """Three bags of one household that come at one time, all ready and told in one text."""
    slot = rows.slot(lane)
    household = rows.household(together=True)
    people = [rows.patron(lane.library, household=household) for _ in range(3)]
    return [steps.ready(steps.asked(who, lane, slot_id=slot.pk)) for who in people]


def test_who_leaves_the_family_leaves_the_others_their_time(lane, family):
    promise, slot = family[0].appointment, family[0].appointment.slot
    moved = move(family[1], other(lane)).order
    slot.refresh_from_db()
    assert (slot.booked, Appointment.objects.get().state) == (1, "confirmed")
    assert [steps.again(bag).appointment for bag in (family[0], family[2])] == [promise, promise]
    assert (moved.appointment, moved.patron, steps.again(family[1]).state) == (None, family[1].patron, "cancelled")


def test_the_others_are_told_anew_what_they_collect(lane, family):
    told = Message.objects.filter(about=f"appointment:{family[0].appointment_id}")
    assert "책 3권" in told.exclude(state="suppressed").get().body
    move(family[1], other(lane), now=NOW + timedelta(minutes=1))
    assert "책 2권" in told.exclude(state="suppressed").get().body


def test_the_last_of_the_family_gives_the_time_back(lane, family):
    door = other(lane)
    for bag in family:
        move(bag, door)
    slot = Appointment.objects.get().slot
    assert (slot.booked, Appointment.objects.get().state) == (0, "cancelled")
    assert Order.objects.filter(point=door, state="picking").count() == 3


def test_a_family_that_follows_each_other_gets_one_time_there(lane, family):
    there = rows.point(lane.library, rules=BY_TIME)
    rows.slot(there, capacity=1)
    later = rows.slot(there, NOW + timedelta(hours=9))
    moved = [move(bag, there).order for bag in family]
    assert len({bag.appointment_id for bag in moved}) == 1  # one place for one car, though there was room for one alone
    later.refresh_from_db()
    assert (moved[0].appointment.slot.booked, later.booked) == (1, 0)


# What goes along


def test_who_collects_and_in_which_car_goes_along(lane):
    who = rows.patron(lane.library)
    helper = rows.contact(who, own=False, name="손자")
    slot = rows.slot(lane)
    order = steps.asked(who, lane, slot_id=slot.pk, collector_id=helper.pk, plate="12가3456")
    moved = move(order, other(lane)).order
    assert (moved.collector, moved.plate) == (helper, "12가3456")
    slot.refresh_from_db()
    assert slot.booked == 0


def test_a_bag_that_waits_for_all_of_its_books_still_does(lane):
    who = rows.patron(lane.library)
    here, lent = (rows.copy(at=lane.library) for _ in range(2))
    other_one = rows.patron(lane.library)
    loans.check_out(copy_id=lent.pk, patron_id=other_one.pk, library_id=lane.library_id, by=DESK, now=NOW)
    asked = orders.request(
        patron_id=who.pk,
        point_id=lane.pk,
        items=[Item(here.title_id), Item(lent.title_id)],
        by=DESK,
        now=NOW,
        whole=True,
    )
    assert asked.order.whole_until is not None
    moved = move(asked.order, other(lane)).order
    assert moved.whole_until == asked.order.whole_until


def test_a_bag_that_is_there_already_takes_the_books_in(lane):
    who, door = rows.patron(lane.library), other(lane)
    there = steps.ready(steps.asked(who, door))
    bag = steps.packed(steps.asked(who, lane))
    moved = move(bag, door).order
    assert (moved, moved.state, line_states(moved)) == (there, "ready", ["packed", "to_pick"])
    assert list(moved.lines.order_by("pk").values_list("late", flat=True)) == [False, True]


# Lent when packed


@pytest.mark.parametrize("back", [False, True])
def test_what_was_lent_when_packed_is_not_lent_while_it_is_moved(lane, back):
    """Out at the place that lends when packed, voided when it leaves there, and out once more where it is packed."""
    at_packing = {"by_appointment": False, "lend_at": "packing"}
    here = rows.point(lane.library, rules=at_packing)
    there = rows.point(lane.library, rules=at_packing if back else {"by_appointment": False})
    bag = steps.ready(steps.asked(rows.patron(lane.library), here))
    assert list(Loan.objects.values_list("state", flat=True)) == ["out"]
    moved = move(bag, there).order
    assert list(Loan.objects.values_list("state", flat=True)) == ["voided"]
    assert (line_states(steps.again(bag)), line_states(moved)) == (["to_unpack"], ["to_pick"])
    steps.packed(moved)
    assert sorted(Loan.objects.values_list("state", flat=True)) == (["out", "voided"] if back else ["voided"])
    packing.mark_ready(order_id=moved.pk, by=DESK, now=NOW)
    steps.handed_over(moved)
    assert Loan.objects.get(state="out").copy.state == "loan"


def test_the_other_system_is_told_that_nothing_was_lent():
    library = rows.library(circulation="beside")
    here = rows.point(library, rules={"by_appointment": False, "lend_at": "packing"})
    bag = steps.packed(steps.asked(rows.patron(library), here))
    assert Posting.objects.get().state == "pending"
    move(bag, rows.point(library, rules={"by_appointment": False}))
    assert Posting.objects.get().state == "cancelled"


def test_to_another_library_the_reader_waits_and_nothing_is_lent(lane):
    here = rows.point(lane.library, rules={"by_appointment": False, "lend_at": "packing"})
    far = rows.point(rows.library(programme=lane.library.programme))
    bag = steps.ready(steps.asked(rows.patron(lane.library), here))
    moved = move(bag, far)
    assert (moved.order, moved.why, Loan.objects.get().state) == (None, "waiting", "voided")
    assert Reservation.objects.get().state == "waiting"


# Refused


def test_whose_car_is_here_or_whose_bag_is_gone_moves_nothing(lane):
    order = steps.ready(steps.asked(rows.patron(lane.library), lane, slot_id=rows.slot(lane).pk))
    arrivals.arrive(point_id=lane.pk, order_id=order.pk, by=DESK, now=NOW)
    with pytest.raises(HereAlready):
        move(order, other(lane))
    steps.handed_over(order)
    with pytest.raises(NoOpenOrder):
        move(order, other(lane))
    assert Order.objects.count() == 1


def test_a_bag_that_has_left_gets_no_offer(lane):
    point = rows.point(lane.library)
    rows.slot(point)
    bag = steps.ready(steps.asked(rows.patron(lane.library), point))
    move(bag, other(lane))
    offers.offer_ready(now=NOW)
    assert not Appointment.objects.exists()


# The page


@pytest.fixture
def desk(lane):
    browser = Client(headers={"accept-language": "en"})
    browser.force_login(rows.staff(lane.library))
    return browser


def page(order, desk_at, act="elsewhere"):
    return f"/staff/orders/{order.pk}/{act}/?point={desk_at.pk}"


@pytest.fixture
def called(lane):
    """The bag of somebody who calls now."""
    now = clock.now()
    return steps.asked(rows.patron(lane.library), lane, slot_id=rows.slot(lane, now + timedelta(hours=6)).pk, now=now)


def test_a_caller_is_told_the_new_number(lane, desk, called):
    door = other(lane, name_en="North door")
    for seen_at in (f"/staff/patrons/{called.patron_id}/", f"/staff/phone-orders/{called.patron_id}/"):
        assert page(called, lane) in desk.get(f"{seen_at}?point={lane.pk}").content.decode()
    assert page(called, lane) in desk.get(f"/staff/lane/bag/{called.pk}/?point={lane.pk}").content.decode()
    form = desk.get(page(called, lane))
    assert called.shown in form.content.decode()
    assert door.pk in dict(form.context["form"].fields["point"].choices)
    assert lane.pk not in dict(form.context["form"].fields["point"].choices)
    sent = {"point": door.pk, "key": uuid4().hex}
    said, again = (desk.post(page(called, lane), sent, follow=True) for _tapped in range(2))
    for one in (said, again):
        assert one.redirect_chain[0][0] == f"/staff/patrons/{called.patron_id}/?point={lane.pk}"
    new = Order.objects.get(point=door)
    assert f"Now at North door, with the number {new.shown}." in said.content.decode()
    moves = Journal.objects.filter(noun="pickup.order", row=called.pk, became="cancelled")
    assert [(one.principal, one.channel) for one in moves] == [(f"staff:{desk.session['_auth_user_id']}", "phone")]
    assert Access.objects.filter(purpose="collect-elsewhere").exists()
    assert "This order is over" in desk.get(page(called, lane)).content.decode()


def test_with_no_copy_there_the_caller_waits(lane, desk, called):
    far = rows.point(rows.library(programme=lane.library.programme))
    said = desk.post(page(called, lane), {"point": far.pk, "key": uuid4().hex}, follow=True)
    assert "the place in line is kept" in said.content.decode()
    assert called.lines.get().reservation.state == "waiting"


def test_the_page_says_why_not(lane, desk, called):
    assert desk.post(page(called, lane), {"point": "x", "key": uuid4().hex}).status_code == 400
    assert desk.post(page(called, lane), {"point": lane.pk, "key": uuid4().hex}).status_code == 400
    assert steps.again(called).state == "picking"
    door = other(lane)
    arrivals.arrive(point_id=lane.pk, order_id=called.pk, by=DESK, now=clock.now())
    assert "Its car is here" in desk.get(page(called, lane)).content.decode()
    refused = desk.post(page(called, lane), {"point": door.pk, "key": uuid4().hex})
    assert (refused.status_code, steps.again(called).state) == (409, "picking")


def test_a_bag_of_another_library_is_nobodys(desk, lane):
    stranger = rows.point()
    order = steps.asked(rows.patron(stranger.library), stranger)
    assert desk.get(page(order, lane)).status_code == 404
    assert desk.post(page(order, lane), {"point": lane.pk, "key": uuid4().hex}).status_code == 404
    assert steps.again(order).state == "picking"
