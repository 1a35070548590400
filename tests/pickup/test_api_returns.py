"""What a program scans at the returns desk is taken as the page takes it: loans, dead bags, books found or sent."""

from __future__ import annotations

import pytest

from core import clock
from lending import copies, loans, transfers
from lending.models import Copy, Transfer
from pickup import orders
from tests import api, rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db


@pytest.fixture
def place():
    return rows.point(rows.library(programme=rows.programme(transfer_days=1)), rules={"by_appointment": False})


@pytest.fixture
def desk(place):
    return api.librarian(place.library)


def back(desk, copy, **more):
    return desk.post("returns", {"barcode": copy.barcode, **more})


def test_a_loan_ends_and_the_next_reader_is_named(place, desk):
    copy, now = rows.copy(at=place.library), clock.now()
    lent = rows.patron(place.library)
    loans.check_out(copy_id=copy.pk, patron_id=lent.pk, library_id=place.library_id, by=DESK, now=now)
    (waits,) = rows.reserve(rows.patron(place.library), copy.title, at=place, now=now)
    said = back(desk, copy)
    assert (said["loan"]["state"], said["next"]["reservation"]) == ("returned", waits.pk)
    assert (said["copy"]["state"], said["copy"]["at_library"]) == ("to_shelve", place.library.code)
    assert desk.post("returns", {"barcode": copy.barcode}, 409)["code"] == "not_on_loan"


def test_a_book_of_a_bag_that_nobody_collects_is_unpacked(place, desk):
    now = clock.now()
    order = steps.ready(steps.asked(rows.patron(place.library), place, now=now), now=now)
    orders.cancel(order_id=order.pk, by=DESK, now=now)
    said = back(desk, order.lines.get().copy)
    assert (said["loan"], said["posting"], said["copy"]["state"]) == (None, None, "to_shelve")
    assert order.lines.get().state == "unpacked"


def test_a_missing_book_is_found(place, desk):
    copy = rows.copy(at=place.library)
    copy.move("missing", at=rows.NOW, by=DESK)
    (waits,) = rows.reserve(rows.patron(place.library), copy.title, at=place)
    said = back(desk, copy)
    assert (said["loan"], said["copy"]["state"], said["next"]["reservation"]) == (None, "to_shelve", waits.pk)


def test_a_book_of_another_library_that_was_sent_here_has_come(place, desk):
    branch = rows.library(programme=place.library.programme)
    copy = rows.copy(at=branch)
    (waits,) = rows.reserve(rows.patron(place.library), copy.title, at=place)
    transfers.scan(barcode=copy.barcode, library_id=branch.pk, by=DESK, now=rows.NOW)
    said = back(desk, copy)
    assert (said["copy"]["at_library"], said["next"]["reservation"]) == (place.library.code, waits.pk)
    assert Transfer.objects.get().state == "received"


def test_a_damaged_book_is_set_aside_also_one_that_was_not_lent(place, desk):
    copy = rows.copy(at=place.library)
    assert back(desk, copy, damaged=True)["copy"]["state"] == "damaged"
    copies.found(barcode=copy.barcode, library_id=place.library_id, by=DESK, now=rows.NOW)
    assert Copy.objects.get(pk=copy.pk).state == "to_shelve"


def test_strangers_and_nonsense_are_refused(place, desk):
    copy = rows.copy(at=place.library)
    assert api.patron()[1].post("returns", {"barcode": copy.barcode}, 403)["code"] == "staff_only"
    assert desk.post("returns", {"barcode": "nothing"}, 404)["code"] == "unknown_barcode"
    assert desk.post("returns", {"barcode": copy.barcode}, 409)["code"] == "not_on_loan"
    assert desk.post("returns", {"barcode": copy.barcode, "library": "nowhere"}, 404)["field"] == "library"


def test_a_journey_that_comes_to_nothing_is_told_by_the_side_that_knows(place, desk):
    branch = rows.library(programme=place.library.programme)
    other = api.librarian(branch)
    first, second = rows.copy(at=branch), rows.copy(at=branch)
    for copy in (first, second):
        rows.reserve(rows.patron(place.library), copy.title, at=place)
    one, two = Transfer.objects.order_by("pk")
    assert desk.post(f"transfers/{one.pk}/not-found", status=404)["code"] == "not_found"
    assert other.post(f"transfers/{one.pk}/not-found")["state"] == "cancelled"
    assert Copy.objects.get(pk=first.pk).state == "missing"
    assert desk.post(f"transfers/{two.pk}/lost", status=409)["code"] == "not_in_this_state"
    other.post("transfers", {"barcode": second.barcode})
    assert other.post(f"transfers/{two.pk}/lost", status=404)["code"] == "not_found"
    assert desk.post(f"transfers/{two.pk}/lost")["state"] == "lost"
    assert Copy.objects.get(pk=second.pk).state == "lost"
    assert api.patron()[1].post(f"transfers/{two.pk}/lost", status=403)["code"] == "staff_only"
