"""What lies on the returns desk, wherever it comes from."""

from __future__ import annotations

import pytest

from lending.errors import CopyNotHere, NotOnLoan
from lending.models import Copy
from lending.reservations import Item
from pickup import orders, packing, returns
from pickup.errors import BelongsInBag
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db


@pytest.fixture
def lane():
    return rows.point()


def check_in(copy, lane, now):
    return returns.check_in(barcode=copy.barcode, library_id=lane.library_id, by=DESK, now=now)


def test_a_loan_ends(lane, now):
    order = steps.handed_over(steps.ready(steps.asked(rows.patron(lane.library), lane)))
    copy = order.lines.get().copy
    back = check_in(copy, lane, now)
    assert (back.copy.pk, back.copy.state, back.loan.state) == (copy.pk, "to_shelve", "returned")


def test_a_book_of_a_bag_that_nobody_collects_is_unpacked(lane, now):
    order = steps.packed(steps.asked(rows.patron(lane.library), lane))
    orders.cancel(order_id=order.pk, by=DESK, now=now)
    line = order.lines.select_related("copy").get()
    back = check_in(line.copy, lane, now)
    line.refresh_from_db()
    back.copy.refresh_from_db()
    assert (back.loan, line.state, back.copy.state) == (None, "unpacked", "to_shelve")


def test_a_book_sought_in_vain_that_lies_in_a_dead_bag_is_found_when_it_is_unpacked(lane, now):
    order = steps.packed(steps.asked(rows.patron(lane.library), lane))
    orders.cancel(order_id=order.pk, by=DESK, now=now)
    copy = Copy.objects.get(pk=order.lines.get().copy_id)
    copy.move("missing", at=now, by=DESK)
    packing.unpack(barcode=copy.barcode, by=DESK, now=now)
    copy.refresh_from_db()
    assert copy.state == "to_shelve"


def test_a_book_that_was_missing_is_found_and_goes_to_who_waits(lane, now):
    copy = rows.copy(at=lane.library)
    reader = rows.patron(lane.library)
    by = rows.patron_actor(reader)
    asked = orders.request(patron_id=reader.pk, point_id=lane.pk, items=[Item(copy.title_id)], by=by, now=now)
    packing.not_on_shelf(line_id=asked.order.lines.get().pk, by=DESK, now=now)
    back = check_in(copy, lane, now)
    [waits] = asked.reservations
    waits.refresh_from_db()
    assert (back.loan, waits.state, waits.copy) == (None, "allocated", copy)


def test_what_is_none_of_these_is_refused_with_who_and_when(lane, now):
    with pytest.raises(NotOnLoan):
        check_in(rows.copy(at=lane.library), lane, now)


@pytest.mark.parametrize("packed", [False, True])
def test_a_book_of_somebodys_bag_is_not_sent_to_the_shelf(lane, now, packed):
    lane.rules.bag_places = ["A1"]
    lane.rules.save()
    order = steps.asked(rows.patron(lane.library), lane)
    if packed:
        order = steps.ready(order)
    with pytest.raises(BelongsInBag) as refused:
        check_in(order.lines.get().copy, lane, now)
    assert (refused.value.facts["number"], refused.value.facts["place"]) == (order.shown, steps.again(order).place)


def test_a_damaged_book_is_not_found_again_by_a_scan(lane, now):
    copy = rows.copy(at=lane.library)
    returns.set_aside(copy_id=copy.pk, by=DESK, now=now)
    with pytest.raises(CopyNotHere):
        check_in(copy, lane, now)
    copy.refresh_from_db()
    assert copy.state == "damaged"
