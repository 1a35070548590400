"""Somebody is here: arriving, being called, being served, leaving, and taking it back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.actor import Actor
from core.models import Happening, Journal
from core.moves import MoveRefused
from core.refusal import BadInput
from lending import loans
from lending.errors import UnknownBarcode, UnknownCard
from lending.models import Copy, Loan, Reservation
from pickup import appointments, arrivals, board, errors, lane, orders, packing, parties, scans, waits
from pickup.models import Order, PointRules, Visit
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db
CAMERA = Actor("device", 7, "api")


@pytest.fixture
def point():
    return rows.point()


@pytest.fixture
def one_lane(point):
    return rows.lane(point)


@pytest.fixture
def reader(point):
    return rows.patron(point.library)


def ready(point, **columns):
    """An order of a new patron, packed and ready."""
    return steps.ready(steps.asked(rows.patron(point.library, **columns), point))


def here(order, now, **more):
    return arrivals.arrive(point_id=order.point_id, order_id=order.pk, by=DESK, now=now, **more)


def called(order, now):
    """The visit of an order, called."""
    here(order, now)
    (visit,) = lane.call_next(point_id=order.point_id, by=DESK, now=now)
    return visit


# Arriving


def test_a_driver_who_says_so_twice_is_here_once(point, reader, now):
    order = steps.ready(steps.asked(reader, point))
    by = rows.patron_actor(reader)
    first = arrivals.arrive(point_id=point.pk, by=by, now=now)
    second = arrivals.arrive(point_id=point.pk, by=by, now=now + timedelta(minutes=3), bay="3번")
    assert (first.pk, second.pk, second.bay, second.arrived_at) == (second.pk, first.pk, "3번", now)
    assert steps.again(order).visit_id == first.pk
    assert Journal.objects.filter(noun="pickup.visit", row=first.pk).count() == 1


def test_arriving_early_is_fine_and_the_bag_may_still_be_open(point, reader, now):
    order = steps.asked(reader, point)
    visit = arrivals.arrive(point_id=point.pk, order_id=order.pk, by=rows.patron_actor(reader, "link"), now=now)
    assert (visit.state, visit.door, steps.again(order).visit_id) == ("waiting", "link", visit.pk)


def test_the_board_is_told(point, now):
    order = ready(point)
    before = Happening.objects.filter(topic=f"point:{point.pk}").count()
    here(order, now)
    assert Happening.objects.filter(topic=f"point:{point.pk}").count() == before + 1


def test_a_household_that_agreed_comes_in_one_car(point, now):
    family = rows.household(together=True)
    bags = [ready(point, household=family) for _ in range(3)]
    visit = here(bags[1], now)
    assert {steps.again(bag).visit_id for bag in bags} == {visit.pk}
    assert arrivals.arrive(point_id=point.pk, by=rows.patron_actor(bags[2].patron), now=now).pk == visit.pk


def test_a_household_that_did_not_agree_comes_apart(point, now):
    family = rows.household()
    bags = [ready(point, household=family) for _ in range(2)]
    assert here(bags[0], now).pk != here(bags[1], now).pk


def test_a_grandson_collects_for_two_grandparents_with_one_word(point, now):
    phone = rows.mobile()
    bags = []
    for _ in range(2):
        who = rows.patron(point.library)
        grandson = rows.contact(who, number=phone, own=False, name="손자")
        bags.append(steps.ready(steps.asked(who, point, collector_id=grandson.pk)))
    visit = arrivals.arrive(point_id=point.pk, by=Actor("collector", bags[0].pk, "text"), now=now)
    assert {steps.again(bag).visit_id for bag in bags} == {visit.pk}


def test_a_patron_without_an_order_is_refused_and_staff_may_note_them(point, reader, now):
    with pytest.raises(errors.NoOpenOrder):
        arrivals.arrive(point_id=point.pk, by=rows.patron_actor(reader), now=now)
    visit = arrivals.arrive(point_id=point.pk, patron_id=reader.pk, by=DESK, now=now)
    assert visit.patron_id == reader.pk


def test_who_brings_books_back_needs_no_order(point, reader, now):
    visit = arrivals.arrive(point_id=point.pk, by=rows.patron_actor(reader), now=now, purpose="return")
    assert visit.purpose == "return"


def test_a_bag_that_was_given_already_says_when(point, reader, now):
    order = steps.handed_over(steps.ready(steps.asked(reader, point)), now=now)
    for order_id in (order.pk, None):
        with pytest.raises(errors.AlreadyHandedOver) as refusal:
            arrivals.arrive(
                point_id=point.pk, order_id=order_id, by=rows.patron_actor(reader), now=now + timedelta(minutes=20)
            )
        assert refusal.value.facts["at"] == "10:00"


def test_a_strangers_order_is_unknown(point, reader, now):
    theirs = ready(point)
    for by in (rows.patron_actor(reader), Actor("collector", theirs.pk + 1, "link"), Actor("anyone")):
        with pytest.raises(errors.OrderNotFound):
            arrivals.arrive(point_id=point.pk, order_id=theirs.pk, by=by, now=now)
    assert Visit.objects.count() == 0


def test_an_order_of_another_place_is_unknown_here(point, now):
    elsewhere = rows.point(point.library)
    order = ready(elsewhere)
    with pytest.raises(errors.OrderNotFound):
        arrivals.arrive(point_id=point.pk, order_id=order.pk, by=DESK, now=now)


def test_the_camera_sees_the_car_before_its_driver_speaks(point, reader, now):
    order = steps.ready(steps.asked(reader, point))
    seen = arrivals.arrive(point_id=point.pk, plate="12가 3456", by=CAMERA, now=now)
    said = arrivals.arrive(point_id=point.pk, plate="１２가3456", by=rows.patron_actor(reader), now=now)
    assert (said.pk, said.patron_id, said.plate) == (seen.pk, reader.pk, "12가3456")
    assert steps.again(order).visit_id == seen.pk


def test_the_camera_knows_the_bag_by_the_plate_that_was_said_with_the_order(point, one_lane, reader, now):
    order = steps.ready(steps.asked(reader, point, plate="12가 3456"))
    visit = arrivals.arrive(point_id=point.pk, plate="１２가3456", by=CAMERA, now=now)
    assert (visit.patron_id, steps.again(order).visit_id) == (reader.pk, visit.pk)
    assert [called.pk for called in lane.call_next(point_id=point.pk, by=DESK, now=now)] == [visit.pk]


@pytest.mark.parametrize("purpose", ["return", "ask"])
def test_what_a_car_that_the_camera_saw_has_come_for_is_noted_when_somebody_says_it(point, one_lane, now, purpose):
    seen = arrivals.arrive(point_id=point.pk, plate="12가3456", by=CAMERA, now=now)
    with pytest.raises(errors.NobodyWaiting):
        lane.call_next(point_id=point.pk, by=DESK, now=now)
    said = arrivals.arrive(point_id=point.pk, plate="12가3456", purpose=purpose, by=DESK, now=now)
    assert (said.pk, said.purpose) == (seen.pk, purpose)
    assert [called.pk for called in lane.call_next(point_id=point.pk, by=DESK, now=now)] == [seen.pk]


def test_who_collects_and_returns_at_once_still_collects(point, one_lane, reader, now):
    steps.ready(steps.asked(reader, point, plate="12가3456"))
    arrivals.arrive(point_id=point.pk, plate="12가3456", by=CAMERA, now=now)
    said = arrivals.arrive(point_id=point.pk, patron_id=reader.pk, purpose="return", by=DESK, now=now)
    assert said.purpose == "collect"


def test_a_plate_that_two_strangers_said_is_nobodys(point, now):
    for _ in range(2):
        steps.ready(steps.asked(rows.patron(point.library), point, plate="12가3456"))
    visit = arrivals.arrive(point_id=point.pk, plate="12가3456", by=CAMERA, now=now)
    assert (visit.patron_id, visit.orders.count()) == (None, 0)


def test_at_night_the_camera_sees_cars_that_park_and_staff_still_note_one(point, reader, now):
    rows.window(point)  # from 16:00 to 17:00
    steps.ready(steps.asked(reader, point, plate="12가3456"))
    night = now.replace(hour=14)  # 23:00 in Seoul
    for sent in ({"plate": "12가3456"}, {"patron_id": reader.pk}):
        with pytest.raises(errors.ClosedNow) as refused:
            arrivals.arrive(point_id=point.pk, by=CAMERA, now=night, **sent)
        assert refused.value.facts["next_open"] is not None
    assert not Visit.objects.exists()
    soon = now.replace(hour=6, minute=20)  # 15:20, when people already stand in line
    seen = arrivals.arrive(point_id=point.pk, plate="12가3456", by=CAMERA, now=soon)
    assert arrivals.arrive(point_id=point.pk, plate="12가3456", by=DESK, now=night).pk == seen.pk


def test_a_plate_is_here_once(point, now):
    first = arrivals.arrive(point_id=point.pk, plate="12가3456", by=CAMERA, now=now)
    assert arrivals.arrive(point_id=point.pk, plate="12가3456", by=CAMERA, now=now).pk == first.pk


def test_typing_a_strangers_plate_does_not_get_one_into_their_car(point, now):
    theirs, mine = ready(point), ready(point)
    first = here(theirs, now, plate="12가3456")
    second = arrivals.arrive(point_id=point.pk, plate="12가3456", by=rows.patron_actor(mine.patron), now=now)
    assert second.pk != first.pk
    assert (second.plate, steps.again(mine).visit_id) == ("", second.pk)


@pytest.mark.parametrize("wrong", [{"purpose": "steal"}, {"plate": "x" * 21}, {"bay": "a\x00b"}, {"plate": ""}])
def test_what_cannot_be_read_is_refused_with_its_field(point, now, wrong):
    with pytest.raises(BadInput) as refusal:
        arrivals.arrive(point_id=point.pk, by=DESK, now=now, **wrong)
    assert refusal.value.field in {"purpose", "plate", "bay", "order"}


def test_an_unknown_place_is_refused(now):
    with pytest.raises(errors.PointNotFound):
        arrivals.arrive(point_id=10**9, by=DESK, now=now, plate="1")


# Calling


def test_who_came_first_is_called_first_and_who_has_nothing_ready_waits(point, one_lane, now):
    packing = steps.asked(rows.patron(point.library), point)
    first, second = ready(point), ready(point)
    here(packing, now)
    here(second, now + timedelta(minutes=2))
    mine = here(first, now + timedelta(minutes=1))
    (visit,) = lane.call_next(point_id=point.pk, lane_id=one_lane.pk, by=DESK, now=now + timedelta(minutes=5))
    assert (visit.pk, visit.state, visit.lane_id, visit.called_by) == (mine.pk, "called", one_lane.pk, "staff:1")


def test_who_returns_or_asks_needs_no_bag_to_be_called(point, one_lane, reader, now):
    visit = arrivals.arrive(point_id=point.pk, by=rows.patron_actor(reader), now=now, purpose="ask")
    assert lane.call_next(point_id=point.pk, by=DESK, now=now) == [visit]


def test_nobody_to_call_says_how_many_wait_for_their_bag(point, one_lane, now):
    here(steps.asked(rows.patron(point.library), point), now)
    with pytest.raises(errors.NobodyWaiting) as refusal:
        lane.call_next(point_id=point.pk, by=DESK, now=now)
    assert refusal.value.facts == {"waiting": 1}


def test_a_closed_or_busy_lane_is_refused_and_names_its_visit(point, one_lane, now):
    shut = rows.lane(point, open=False)
    first = called(ready(point), now)
    here(ready(point), now)
    with pytest.raises(errors.LaneClosed):
        lane.call_next(point_id=point.pk, lane_id=shut.pk, by=DESK, now=now)
    for asked in (one_lane.pk, None):
        with pytest.raises(errors.LaneBusy) as refusal:
            lane.call_next(point_id=point.pk, lane_id=asked, by=DESK, now=now)
        assert refusal.value.facts == {"visit": first.pk}


def test_a_lane_of_another_place_is_unknown(point, one_lane, now):
    with pytest.raises(errors.LaneNotFound):
        lane.call_next(point_id=point.pk, lane_id=rows.lane(rows.point()).pk, by=DESK, now=now)


def test_without_naming_a_lane_the_first_free_one_is_used(point, now):
    lanes = [rows.lane(point, name=name) for name in "AB"]
    for order in (ready(point), ready(point)):
        here(order, now)
    used = [lane.call_next(point_id=point.pk, by=DESK, now=now)[0].lane_id for _ in lanes]
    assert used == [each.pk for each in lanes]


def test_with_no_open_lane_nobody_is_called_in_single_file(point, now):
    here(ready(point), now)
    with pytest.raises(errors.LaneClosed):
        lane.call_next(point_id=point.pk, by=DESK, now=now)


def test_in_bays_a_librarian_walks_with_several_bags(now):
    bays = rows.point(layout="bays")
    for place in ("1", "2", "3"):
        here(ready(bays), now, bay=place)
    visits = lane.call_next(point_id=bays.pk, by=DESK, now=now, count=2)
    assert [(visit.bay, visit.state, visit.lane_id) for visit in visits] == [
        ("1", "called", None),
        ("2", "called", None),
    ]


@pytest.mark.parametrize("count", [0, -1, 2, 11])
def test_in_single_file_one_car_is_called_at_a_time(point, one_lane, now, count):
    with pytest.raises(BadInput):
        lane.call_next(point_id=point.pk, by=DESK, now=now, count=count)


# Handing over


def test_every_ready_bag_of_the_car_is_handed_over_and_lent(point, one_lane, now):
    family = rows.household(together=True)
    bags = [ready(point, household=family) for _ in range(2)]
    visit = called(bags[0], now)
    done = lane.hand_over(visit_id=visit.pk, by=DESK, now=now + timedelta(minutes=1))
    assert done.visit.state == "served"
    assert len(done.given) == Loan.objects.filter(state="out").count() == 2
    assert {steps.again(bag).state for bag in bags} == {"handed_over"}


def test_a_book_that_is_kept_back_has_its_reason(point, one_lane, reader, now):
    order = steps.ready(steps.asked(reader, point, books=2))
    kept = order.lines.first().copy.barcode
    visit = called(order, now)
    done = lane.hand_over(
        visit_id=visit.pk, by=DESK, now=now, orders=[lane.HandOver(order.shown, {kept: "not_wanted"})]
    )
    assert {given.copy.barcode: given.reason for given in done.given}[kept] == "not_wanted"
    assert Loan.objects.filter(state="out").count() == 1


def test_a_visit_is_served_when_its_last_ready_bag_is_gone(point, one_lane, now):
    family = rows.household(together=True)
    first, second = (ready(point, household=family) for _ in range(2))
    visit = called(first, now)
    done = lane.hand_over(visit_id=visit.pk, by=DESK, now=now, orders=[lane.HandOver(first.number)])
    assert done.visit.state == "called"
    done = lane.hand_over(visit_id=visit.pk, by=DESK, now=now, orders=[lane.HandOver(second.number)])
    assert done.visit.state == "served"


def test_handing_over_twice_says_when_it_was_done(point, one_lane, now):
    visit = called(ready(point), now)
    lane.hand_over(visit_id=visit.pk, by=DESK, now=now + timedelta(minutes=4))
    with pytest.raises(errors.AlreadyHandedOver) as refusal:
        lane.hand_over(visit_id=visit.pk, by=DESK, now=now + timedelta(minutes=5))
    assert refusal.value.facts["at"] == "10:04"
    assert Loan.objects.count() == 1


def test_only_a_called_visit_is_served(point, now):
    visit = here(ready(point), now)
    with pytest.raises(MoveRefused):
        lane.hand_over(visit_id=visit.pk, by=DESK, now=now)
    with pytest.raises(errors.VisitNotFound):
        lane.hand_over(visit_id=10**9, by=DESK, now=now)


def test_a_bag_of_somebody_else_and_a_book_of_another_bag_are_refused_and_nothing_is_lent(point, one_lane, now):
    mine, theirs = ready(point), ready(point)
    visit = called(mine, now)
    with pytest.raises(errors.OrderNotFound):
        lane.hand_over(visit_id=visit.pk, by=DESK, now=now, orders=[lane.HandOver(theirs.number)])
    barcode = theirs.lines.get().copy.barcode
    with pytest.raises(errors.NotInOrder):
        lane.hand_over(
            visit_id=visit.pk, by=DESK, now=now, orders=[lane.HandOver(mine.number, {barcode: "not_wanted"})]
        )
    assert Loan.objects.count() == 0


def test_a_bag_that_is_cancelled_at_the_window_frees_its_lane(point, one_lane, now):
    PointRules.objects.update_or_create(point=point, defaults={"auto_call": True})
    order, behind = ready(point), ready(point)
    visit = here(order, now)
    assert (visit.state, here(behind, now).state) == ("called", "waiting")
    orders.cancel(order_id=order.pk, by=DESK, now=now)
    visit.refresh_from_db()
    assert (visit.state, visit.ended_at) == ("left", now)
    assert steps.again(behind).visit.state == "called"
    with pytest.raises(MoveRefused):
        lane.hand_over(visit_id=visit.pk, by=DESK, now=now)


def test_who_gives_the_only_bag_back_while_waiting_is_in_nobodys_way(point, one_lane, now):
    order, behind = ready(point), ready(point)
    visit, last = here(order, now), here(behind, now + timedelta(minutes=1))
    orders.cancel(order_id=order.pk, by=Actor("collector", order.pk, "text"), now=now)
    visit.refresh_from_db()
    assert (visit.state, waits.ahead_of(last)) == ("left", 0)
    with pytest.raises(errors.NoOpenOrder):
        lane.undo(visit_id=visit.pk, by=DESK, now=now)


def test_a_car_stays_while_a_bag_is_left_and_is_served_by_what_it_was_given(point, one_lane, now):
    family = rows.household(together=True)
    first, second, third = (ready(point, household=family) for _ in range(3))
    visit = called(first, now)
    orders.cancel(order_id=first.pk, by=DESK, now=now)
    lane.hand_over(visit_id=visit.pk, by=DESK, now=now, orders=[lane.HandOver(second.number)])
    visit.refresh_from_db()
    assert visit.state == "called"
    orders.cancel(order_id=third.pk, by=DESK, now=now)
    visit.refresh_from_db()
    assert visit.state == "served"


def one_of_two_given(point, now):
    """A car that was given one bag of two and stands at the window: the visit, the bag that went and the other."""
    family = rows.household(together=True)
    first, second = (ready(point, household=family) for _ in range(2))
    visit = called(first, now)
    lane.hand_over(visit_id=visit.pk, by=DESK, now=now, orders=[lane.HandOver(first.number)])
    return visit, first, second


def test_who_drives_away_with_one_bag_of_two_was_served_and_it_can_be_undone(point, one_lane, now):
    visit, first, second = one_of_two_given(point, now)
    gone = lane.leave(visit_id=visit.pk, by=DESK, now=now + timedelta(minutes=1))
    assert (gone.state, scans.given(point_id=point.pk, visit_id=visit.pk, now=now).count) == ("served", 1)
    lane.undo(visit_id=visit.pk, by=DESK, now=now + timedelta(minutes=2))
    assert [steps.again(bag).state for bag in (first, second)] == ["ready", "ready"]


@pytest.mark.parametrize("aside", [lane.put_back, lane.skip])
def test_who_waits_again_after_one_bag_of_two_was_served_however_the_visit_ends(point, one_lane, now, aside):
    visit, *_bags = one_of_two_given(point, now)
    aside(visit_id=visit.pk, by=DESK, now=now + timedelta(minutes=1))
    assert lane.leave(visit_id=visit.pk, by=DESK, now=now + timedelta(minutes=2)).state == "served"
    lane.undo(visit_id=visit.pk, by=DESK, now=now + timedelta(minutes=3))
    assert lane.leave(visit_id=visit.pk, by=DESK, now=now + timedelta(minutes=4)).state == "left"


def test_where_the_bag_went_out_too_long_ago_only_the_leaving_is_undone(point, one_lane, now):
    visit, first, second = one_of_two_given(point, now)
    lane.leave(visit_id=visit.pk, by=DESK, now=now + timedelta(minutes=12))
    later = now + timedelta(minutes=13)
    assert scans.given(point_id=point.pk, visit_id=visit.pk, now=later) is None
    assert board.snapshot(point_id=point.pk, now=later).ended[0].undoable
    undone = lane.undo(visit_id=visit.pk, by=DESK, now=later)
    assert (undone.state, undone.first) == ("waiting", False)
    assert [steps.again(bag).state for bag in (first, second)] == ["handed_over", "ready"]
    lane.leave(visit_id=visit.pk, by=DESK, now=later)
    orders.cancel(order_id=second.pk, by=DESK, now=later)
    assert not board.snapshot(point_id=point.pk, now=later).ended[0].undoable
    with pytest.raises(errors.UndoTooLate):
        lane.undo(visit_id=visit.pk, by=DESK, now=later)


def test_of_two_bags_given_at_different_times_only_the_newer_one_is_shown_and_taken_back(point, one_lane, now):
    visit, first, second = one_of_two_given(point, now)
    lane.hand_over(visit_id=visit.pk, by=DESK, now=now + timedelta(minutes=8))
    later = now + timedelta(minutes=12)
    shown = scans.given(point_id=point.pk, visit_id=visit.pk, now=later)
    assert [bag.shown for bag in shown.bags] == [second.shown]
    lane.undo(visit_id=visit.pk, by=DESK, now=later)
    assert [steps.again(bag).state for bag in (first, second)] == ["handed_over", "ready"]


@pytest.mark.parametrize("aside", [lane.put_back, lane.skip])
def test_the_bag_given_first_can_be_taken_back_while_the_car_waits_for_the_other(point, one_lane, now, aside):
    visit, first, _second = one_of_two_given(point, now)
    aside(visit_id=visit.pk, by=DESK, now=now + timedelta(minutes=1))
    assert scans.given(point_id=point.pk, visit_id=visit.pk, now=now + timedelta(minutes=2)).count == 1
    back = lane.undo(visit_id=visit.pk, by=DESK, now=now + timedelta(minutes=2))
    assert (back.state, back.first, steps.again(first).state) == ("waiting", True, "ready")
    with pytest.raises(MoveRefused):
        lane.undo(visit_id=visit.pk, by=DESK, now=now + timedelta(minutes=3))


def test_a_visit_that_nobody_ended_was_served_if_it_was_given_a_bag_and_tells_no_service_time(point, one_lane, now):
    visit, *_bags = one_of_two_given(point, now)
    forgotten = here(ready(point), now)
    assert lane.forget_stale(now=now + timedelta(hours=5)) == 2
    ends = {pk: (state, called_at) for pk, state, called_at in Visit.objects.values_list("pk", "state", "called_at")}
    assert ends == {visit.pk: ("served", None), forgotten.pk: ("left", None)}


def test_who_was_called_or_put_back_lately_or_has_a_time_to_come_is_not_forgotten(one_lane, now):
    timed = rows.point(rules={"promise": "at_order"})
    slot = rows.slot(timed, now + timedelta(hours=5))
    waits_for = here(steps.ready(steps.asked(rows.patron(timed.library), timed, slot_id=slot.pk)), now)
    put_back = called(ready(one_lane.point), now)
    lane.put_back(visit_id=put_back.pk, by=DESK, now=now + timedelta(hours=4))
    assert lane.forget_stale(now=now + timedelta(hours=5)) == 0
    over = waits_for.orders.get().appointment.miss_after
    assert lane.forget_stale(now=over + timedelta(hours=4)) == 2


def test_a_bag_that_another_window_handed_over_meanwhile_stays_with_its_own_car(point, one_lane, now, monkeypatch):
    """Who was seen open before the lock, and is handed over once the lock is there."""
    gone = ready(point)
    car = lane.serve(point_id=point.pk, order_number=gone.number, by=DESK, now=now).visit
    visit = arrivals.arrive(point_id=point.pk, by=DESK, now=now, purpose="return", plate="12가3456")
    monkeypatch.setattr(parties, "bags_of_family", lambda **_: [gone])
    lane.call_next(point_id=point.pk, by=DESK, now=now)
    lane.hand_over(visit_id=visit.pk, by=DESK, now=now)
    assert steps.again(gone).visit_id == car.pk


def test_a_car_whose_only_book_is_not_found_waits_no_longer(point, one_lane, reader, now):
    order = steps.asked(reader, point)
    visit = here(order, now)
    packing.not_on_shelf(line_id=order.lines.get().pk, by=DESK, now=now)
    visit.refresh_from_db()
    assert (visit.state, steps.again(order).state) == ("left", "cancelled")
    later = steps.asked(reader, point)
    assert steps.again(later).visit_id is None


def test_who_also_returns_something_stays_when_the_bag_is_cancelled(point, one_lane, reader, now):
    visit = arrivals.arrive(point_id=point.pk, by=rows.patron_actor(reader), now=now, purpose="return")
    order = steps.ready(steps.asked(reader, point))
    assert steps.again(order).visit_id == visit.pk
    orders.cancel(order_id=order.pk, by=DESK, now=now)
    visit.refresh_from_db()
    assert visit.state == "waiting"


def test_a_bag_of_the_family_that_became_ready_while_they_stood_there_is_given_too(point, one_lane, now):
    family = rows.household(together=True)
    visit = called(ready(point, household=family), now)
    late = ready(point, household=family)
    lane.hand_over(visit_id=visit.pk, by=DESK, now=now)
    assert (steps.again(late).state, steps.again(late).visit_id) == ("handed_over", visit.pk)


def test_the_promise_is_kept_when_the_bag_is_handed_over(point, one_lane, now):
    order = ready(point)
    promise = appointments.promise(order_id=order.pk, slot_id=rows.slot(point).pk, by=DESK, now=now)
    visit = called(order, now)
    lane.hand_over(visit_id=visit.pk, by=DESK, now=now)
    promise.refresh_from_db()
    assert promise.state == "kept"


def test_who_asked_something_is_served_without_a_bag(point, one_lane, reader, now):
    arrivals.arrive(point_id=point.pk, by=rows.patron_actor(reader), now=now, purpose="ask")
    (visit,) = lane.call_next(point_id=point.pk, by=DESK, now=now)
    assert lane.hand_over(visit_id=visit.pk, by=DESK, now=now).visit.state == "served"


# One scan


@pytest.mark.parametrize("scan", ["order_number", "card_number", "barcode"])
def test_one_scan_arrives_calls_and_hands_over(point, one_lane, reader, now, scan):
    order = steps.ready(steps.asked(reader, point, books=2))
    what = {
        "order_number": order.shown,
        "card_number": reader.card_number,
        "barcode": order.lines.first().copy.barcode,
    }
    done = lane.serve(point_id=point.pk, by=DESK, now=now, **{scan: what[scan]})
    assert (done.visit.state, done.visit.lane_id, len(done.given)) == ("served", one_lane.pk, 2)
    was = Journal.objects.filter(noun="pickup.visit", row=done.visit.pk).order_by("id").values_list("became", flat=True)
    assert list(was) == ["waiting", "called", "served"]


def test_a_second_scan_of_the_same_slip_says_when_it_was_handed_over(point, reader, now):
    order = steps.ready(steps.asked(reader, point))
    lane.serve(point_id=point.pk, order_number=order.number, by=DESK, now=now)
    for again in ({"order_number": order.number}, {"card_number": reader.card_number}):
        with pytest.raises(errors.AlreadyHandedOver) as refusal:
            lane.serve(point_id=point.pk, by=DESK, now=now + timedelta(minutes=1), **again)
        assert refusal.value.facts["at"] == "10:00"
    assert Visit.objects.count() == 1


def test_with_every_lane_busy_a_scan_still_serves(point, one_lane, now):
    called(ready(point), now)
    done = lane.serve(point_id=point.pk, order_number=ready(point).number, by=DESK, now=now)
    assert (done.visit.state, done.visit.lane_id) == ("served", None)


def test_a_scan_of_a_bag_still_being_packed_leaves_no_visit(point, reader, now):
    order = steps.asked(reader, point)
    with pytest.raises(errors.NothingReady):
        lane.serve(point_id=point.pk, order_number=order.number, by=DESK, now=now)
    assert Visit.objects.count() == 0


def test_a_scan_at_the_wrong_place_says_where_the_bag_waits(point, now):
    other = rows.point(point.library, name_ko="정문", name_en="Front door")
    order = ready(other)
    with pytest.raises(errors.AtAnotherPoint) as refusal:
        lane.serve(point_id=point.pk, order_number=order.number, by=DESK, now=now)
    assert refusal.value.facts["pickup_point"] == other.pk


def test_a_scan_at_the_wrong_library_says_at_which_the_bag_waits(point, now):
    branch = rows.point(rows.library(programme=point.library.programme))
    order = ready(branch)
    barcode = order.lines.get().copy.barcode
    for scan in ({"order_number": order.number}, {"card_number": order.patron.card_number}, {"barcode": barcode}):
        with pytest.raises(errors.AtAnotherPoint) as refusal:
            lane.serve(point_id=point.pk, **scan, by=DESK, now=now)
        assert refusal.value.facts == {
            "point": f"{branch.library}, {branch}",
            "pickup_point": branch.pk,
            "library": branch.library.code,
        }
    given = lane.serve(point_id=branch.pk, order_number=order.number, by=DESK, now=now)
    assert given.visit.state == "served"
    for scan in ({"order_number": order.number}, {"card_number": order.patron.card_number}, {"barcode": barcode}):
        with pytest.raises((errors.OrderNotFound, errors.NoOpenOrder)):  # it waits nowhere any more
            lane.serve(point_id=point.pk, **scan, by=DESK, now=now)


def test_a_number_that_two_other_libraries_hold_names_neither(point, now):
    for _ in range(2):
        branch = rows.point(rows.library(programme=point.library.programme))
        Order.objects.filter(pk=ready(branch).pk).update(number="0471")
    with pytest.raises(errors.OrderNotFound):
        lane.serve(point_id=point.pk, order_number="0471", by=DESK, now=now)
    Order.objects.filter(pk=ready(point).pk).update(number="0471")
    assert lane.serve(point_id=point.pk, order_number="0471", by=DESK, now=now).visit.state == "served"


def test_libraries_of_another_programme_are_not_told_of(point, now):
    order = ready(rows.point())
    with pytest.raises(errors.OrderNotFound):
        lane.serve(point_id=point.pk, order_number=order.number, by=DESK, now=now)
    with pytest.raises(errors.NoOpenOrder):
        lane.serve(point_id=point.pk, barcode=order.lines.get().copy.barcode, by=DESK, now=now)


def test_scans_that_mean_nothing_are_refused(point, reader, now):
    wrong = [
        ({"order_number": "0000"}, errors.OrderNotFound),
        ({"order_number": "☃"}, errors.OrderNotFound),
        ({"card_number": "9999"}, UnknownCard),
        ({"card_number": reader.card_number}, errors.NoOpenOrder),
        ({"barcode": "nothing"}, UnknownBarcode),
        ({"barcode": rows.copy(at=point.library).barcode}, errors.NoOpenOrder),
        ({}, BadInput),
        ({"order_number": "1", "barcode": "2"}, BadInput),
    ]
    for scan, refusal in wrong:
        with pytest.raises(refusal):
            lane.serve(point_id=point.pk, by=DESK, now=now, **scan)


# Back, away, undone


def test_who_was_called_and_is_not_there_keeps_the_old_place(point, one_lane, now):
    first, second = ready(point), ready(point)
    visit = called(first, now)
    here(second, now + timedelta(minutes=1))
    lane.put_back(visit_id=visit.pk, by=DESK, now=now + timedelta(minutes=2))
    (again,) = lane.call_next(point_id=point.pk, by=DESK, now=now + timedelta(minutes=3))
    assert (again.pk, again.arrived_at) == (visit.pk, now)


def test_who_was_served_or_left_is_not_put_back_into_the_line(point, one_lane, now):
    served, left = called(ready(point), now), here(ready(point), now)
    lane.hand_over(visit_id=served.pk, by=DESK, now=now)
    lane.leave(visit_id=left.pk, by=DESK, now=now)
    for visit in (served, left):
        with pytest.raises(MoveRefused):
            lane.put_back(visit_id=visit.pk, by=DESK, now=now)


def test_who_drives_away_may_come_again(point, now):
    order = ready(point)
    visit = here(order, now)
    lane.leave(visit_id=visit.pk, by=rows.patron_actor(order.patron), now=now)
    again = here(order, now + timedelta(hours=1))
    assert again.pk != visit.pk
    assert (steps.again(order).state, steps.again(order).visit_id) == ("ready", again.pk)


def test_a_stranger_cannot_send_somebody_away(point, reader, now):
    visit = here(ready(point), now)
    for by in (rows.patron_actor(reader), Actor("collector", 10**9, "link")):
        with pytest.raises(errors.VisitNotFound):
            lane.leave(visit_id=visit.pk, by=by, now=now)


def test_who_is_called_already_cannot_take_back_that_they_are_here(point, one_lane, now):
    order = ready(point)
    visit = called(order, now)
    for by in (rows.patron_actor(order.patron), Actor("collector", order.pk, "link")):
        with pytest.raises(errors.CalledAlready):
            lane.leave(visit_id=visit.pk, by=by, now=now)
    assert lane.leave(visit_id=visit.pk, by=DESK, now=now).state == "left"


def test_an_undone_hand_over_puts_the_car_first_in_line_and_the_books_in_the_bag(point, one_lane, reader, now):
    order = steps.ready(steps.asked(reader, point, books=2))
    promise = appointments.promise(order_id=order.pk, slot_id=rows.slot(point).pk, by=DESK, now=now)
    others = ready(point)
    visit = called(order, now + timedelta(minutes=1))
    here(others, now)
    lane.hand_over(visit_id=visit.pk, by=DESK, now=now + timedelta(minutes=2))
    lane.undo(visit_id=visit.pk, by=DESK, now=now + timedelta(minutes=11))
    order = steps.again(order)
    promise.refresh_from_db()
    assert (order.state, order.visit_id, promise.state) == ("ready", visit.pk, "confirmed")
    assert set(Loan.objects.values_list("state", flat=True)) == {"voided"}
    assert set(Copy.objects.filter(lines__order=order).values_list("state", flat=True)) == {"bag"}
    assert set(Reservation.objects.filter(patron=reader).values_list("state", flat=True)) == {"bagged"}
    (first,) = lane.call_next(point_id=point.pk, by=DESK, now=now + timedelta(minutes=12))
    assert first.pk == visit.pk
    assert lane.hand_over(visit_id=visit.pk, by=DESK, now=now + timedelta(minutes=13)).visit.state == "served"


def test_after_ten_minutes_a_hand_over_stays(point, one_lane, now):
    visit = called(ready(point), now)
    lane.hand_over(visit_id=visit.pk, by=DESK, now=now)
    with pytest.raises(errors.UndoTooLate):
        lane.undo(visit_id=visit.pk, by=DESK, now=now + timedelta(minutes=10, seconds=1))


def test_a_newer_order_forbids_the_undo(point, one_lane, reader, now):
    visit = called(steps.ready(steps.asked(reader, point)), now)
    lane.hand_over(visit_id=visit.pk, by=DESK, now=now)
    steps.asked(reader, point)
    with pytest.raises(errors.NewerOrder):
        lane.undo(visit_id=visit.pk, by=DESK, now=now + timedelta(minutes=1))
    assert Loan.objects.filter(state="out").count() == 1


def test_being_here_again_forbids_the_undo(point, one_lane, reader, now):
    visit = called(steps.ready(steps.asked(reader, point)), now)
    lane.hand_over(visit_id=visit.pk, by=DESK, now=now)
    arrivals.arrive(point_id=point.pk, by=rows.patron_actor(reader), now=now, purpose="return")
    with pytest.raises(errors.NewerOrder):
        lane.undo(visit_id=visit.pk, by=DESK, now=now + timedelta(minutes=1))


def test_who_was_noted_as_gone_by_mistake_gets_the_old_place_back(point, one_lane, now):
    first, second = ready(point), ready(point)
    visit = here(first, now)
    here(second, now + timedelta(minutes=1))
    lane.leave(visit_id=visit.pk, by=DESK, now=now + timedelta(minutes=2))
    undone = lane.undo(visit_id=visit.pk, by=DESK, now=now + timedelta(minutes=3))
    assert (undone.state, undone.first, undone.ended_at) == ("waiting", False, None)
    assert lane.call_next(point_id=point.pk, by=DESK, now=now + timedelta(minutes=4)) == [visit]


def test_the_wrong_bag_given_first_is_taken_back_while_the_car_still_stands_there(point, one_lane, now):
    family = rows.household(together=True)
    first, second = (ready(point, household=family) for _ in range(2))
    visit = called(first, now)
    lane.hand_over(visit_id=visit.pk, by=DESK, now=now, orders=[lane.HandOver(first.number)])
    lane.undo(visit_id=visit.pk, by=DESK, now=now + timedelta(minutes=1))
    assert {steps.again(first).state, steps.again(second).state} == {"ready"}
    assert Visit.objects.get().state == "waiting"


@pytest.mark.parametrize("empty", ["kept back", "come back"])
def test_a_bag_of_which_nothing_is_out_does_not_keep_the_others_from_being_taken_back(point, one_lane, now, empty):
    family = rows.household(together=True)
    first, second = (ready(point, household=family) for _ in range(2))
    barcode = first.lines.get().copy.barcode
    visit = called(first, now)
    not_given = {barcode: "damaged"} if empty == "kept back" else {}
    both = [lane.HandOver(first.number, not_given), lane.HandOver(second.number)]
    lane.hand_over(visit_id=visit.pk, by=DESK, now=now, orders=both)
    if empty == "come back":
        loans.take_back(barcode=barcode, library_id=point.library_id, by=DESK, now=now)
    lane.undo(visit_id=visit.pk, by=DESK, now=now)
    assert [steps.again(bag).state for bag in (first, second)] == ["handed_over", "ready"]
    lane.call_next(point_id=point.pk, by=DESK, now=now)
    assert lane.hand_over(visit_id=visit.pk, by=DESK, now=now).visit.state == "served"


def test_an_undo_is_refused_where_nothing_of_any_bag_is_out(point, one_lane, now):
    order = ready(point)
    barcode = order.lines.get().copy.barcode
    visit = called(order, now)
    lane.hand_over(visit_id=visit.pk, by=DESK, now=now, orders=[lane.HandOver(order.number, {barcode: "damaged"})])
    with pytest.raises(errors.NothingInBag):
        lane.undo(visit_id=visit.pk, by=DESK, now=now)


def test_there_is_nothing_to_undo_for_somebody_who_waits(point, one_lane, now):
    visit = here(ready(point), now)
    with pytest.raises(MoveRefused):
        lane.undo(visit_id=visit.pk, by=DESK, now=now)
    called_visit = lane.call_next(point_id=point.pk, by=DESK, now=now)[0]
    with pytest.raises(MoveRefused):
        lane.undo(visit_id=called_visit.pk, by=DESK, now=now)


def test_a_lane_is_not_closed_on_somebody(point, one_lane, now):
    visit = called(ready(point), now)
    with pytest.raises(errors.LaneBusy):
        lane.close_lane(lane_id=one_lane.pk, by=DESK, now=now)
    lane.hand_over(visit_id=visit.pk, by=DESK, now=now)
    assert lane.close_lane(lane_id=one_lane.pk, by=DESK, now=now).open is False
    assert lane.open_lane(lane_id=one_lane.pk, by=DESK, now=now).open is True


def test_forgotten_visits_end_and_the_bag_stays_ready(point, now):
    old, fresh = ready(point), ready(point)
    here(old, now - timedelta(hours=5))
    here(fresh, now - timedelta(hours=3))
    assert lane.forget_stale(now=now) == 1
    assert lane.forget_stale(now=now) == 0
    assert (steps.again(old).visit.state, steps.again(fresh).visit.state) == ("left", "waiting")
    assert set(Order.objects.values_list("state", flat=True)) == {"ready"}
