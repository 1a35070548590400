"""A bag is wanted at another place in the moment in which it is packed, handed over, or somebody comes for it."""

from __future__ import annotations

import pytest

from core.refusal import Refusal
from lending.models import Loan
from pickup import arrivals, elsewhere, handovers, orders, packing
from pickup import places as shelf
from pickup.models import Order, OrderLine, Visit
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK
from tests.races.guards import slowly, without_locks, without_swap
from tests.races.together import together

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def places():
    """Two pickup places of one library, without times."""
    here = rows.point(layout="door", rules={"by_appointment": False})
    return here, rows.point(here.library, layout="door", rules={"by_appointment": False})


def both(bag, there, act, now, monkeypatch):
    """Somebody moves the bag, somebody else does `act`; both have looked before either acts."""
    slowly(monkeypatch, orders, "locked", before=False)

    def move_or_act(n):
        if n == 0:
            return elsewhere.collect_at(order_id=bag.pk, point_id=there.pk, by=DESK, now=now).order
        return act()

    return together(2, move_or_act)


def refusals(outcome):
    """What was refused in a sentence, by its code; anything else that went wrong fails the test."""
    assert all(isinstance(error, Refusal) for error in outcome.refused), outcome.refused
    return outcome.codes()


# Against the hand-over


def hand_over_or_move(places, now, monkeypatch):
    here, there = places
    bag = steps.ready(steps.asked(rows.patron(here.library), here, books=2))

    def give():
        handovers.give(order=orders.locked(bag.pk), not_given={}, by=DESK, now=now)

    outcome = both(bag, there, give, now, monkeypatch)
    return outcome, steps.again(bag), list(Order.objects.filter(point=there))


def test_a_bag_is_given_or_wanted_elsewhere_never_both(places, now, monkeypatch):
    outcome, bag, moved = hand_over_or_move(places, now, monkeypatch)
    assert refusals(outcome) in (["no_open_order"], ["nothing_ready"])
    given = bag.state == "handed_over"
    assert (len(moved), Loan.objects.filter(state="out").count()) == ((0, 2) if given else (1, 0))


@pytest.mark.control
def test_without_locks_only_laws_and_swap_are_left_and_nobody_hears_why(places, now, monkeypatch):
    """The control: whoever comes second is stopped by the database, in the midst of it and without a sentence."""
    without_locks(monkeypatch)
    outcome, bag, moved = hand_over_or_move(places, now, monkeypatch)
    assert len(outcome.refused) == 1
    assert outcome.codes() not in (["no_open_order"], ["nothing_ready"])
    assert (bag.state, len(moved)) in (("handed_over", 0), ("cancelled", 1))


# Against packing


def pack_or_move(places, now, monkeypatch):
    here, there = places
    bag = steps.asked(rows.patron(here.library), here)
    barcode = bag.lines.get().copy.barcode
    outcome = both(
        bag, there, lambda: packing.pack(order_id=bag.pk, barcode=barcode, by=DESK, now=now), now, monkeypatch
    )
    return outcome, OrderLine.objects.get(order=bag), OrderLine.objects.get(order__point=there)


def test_a_book_that_is_packed_while_its_bag_is_moved_is_known_to_lie_there(places, now, monkeypatch):
    outcome, old, new = pack_or_move(places, now, monkeypatch)
    packed = refusals(outcome) == []
    assert refusals(outcome) in ([], ["not_in_this_order"])
    assert (old.state, new.state) == ("to_unpack" if packed else "dropped", "to_pick")
    assert old.copy.state == ("bag" if packed else "shelf")


@pytest.mark.control
def test_without_locks_and_swap_a_book_lies_in_a_bag_that_is_gone(places, now, monkeypatch):
    """The control: packed, in a bag that nobody will look into."""
    slowly(monkeypatch, shelf, "plan")
    without_locks(monkeypatch)
    without_swap(monkeypatch)
    outcome, old, _new = pack_or_move(places, now, monkeypatch)
    assert outcome.refused == []
    assert (old.order.state, old.state, old.copy.state) != ("cancelled", "to_unpack", "bag")


# Against the arrival


def arrive_or_move(places, now, monkeypatch):
    here, there = places
    bag = steps.ready(steps.asked(rows.patron(here.library), here))
    slowly(monkeypatch, arrivals, "_tie", before=False)

    def arrive():
        return arrivals.arrive(point_id=here.pk, order_id=bag.pk, by=DESK, now=now).pk

    outcome = both(bag, there, arrive, now, monkeypatch)
    return outcome, steps.again(bag), Order.objects.filter(point=there).first()


def test_who_arrives_keeps_the_bag_or_hears_that_it_is_elsewhere(places, now, monkeypatch):
    outcome, bag, moved = arrive_or_move(places, now, monkeypatch)
    if moved is None:
        assert (refusals(outcome), bag.state, bag.visit.state) == (["here_already"], "ready", "waiting")
    else:
        assert (refusals(outcome), bag.state, Visit.objects.count()) == (["no_open_order"], "cancelled", 0)


@pytest.mark.control
def test_without_locks_a_car_waits_for_a_bag_that_has_left(places, now, monkeypatch):
    """The control."""
    without_locks(monkeypatch)
    outcome, bag, moved = arrive_or_move(places, now, monkeypatch)
    assert outcome.refused == []
    assert moved is not None
    assert (bag.state, bag.visit.state) == ("cancelled", "waiting")
