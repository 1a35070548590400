"""Books that travel: asked for, sent, received, called off, not found, lost; and who gets what when."""

from __future__ import annotations

import pytest

from config import invariants
from core.moves import MoveRefused
from lending import allocation, copies, loans, queries, reservations, transfers, wishes
from lending.errors import NoCopies, NothingToSend, UnknownBarcode
from lending.models import Copy, Programme, Reservation, Transfer
from pickup import orders, returns
from pickup.models import Order
from tests import rows
from tests.pickup import steps

pytestmark = pytest.mark.django_db
DESK = steps.DESK


@pytest.fixture
def programme():
    return rows.programme(transfer_days=1)


@pytest.fixture
def here(programme):
    """The place where people collect."""
    return rows.point(rows.library(programme=programme, name_ko="성동"))


@pytest.fixture
def there(programme):
    """A library that only supplies books."""
    return rows.library(programme=programme, name_ko="용답")


def asked(here, copy, **more):
    return rows.reserve(rows.patron(here.library), copy.title, at=here, **more)[0]


def journey(copy):
    return Transfer.objects.get(copy=copy)


def scan(copy, library):
    return transfers.scan(barcode=copy.barcode, library_id=library.pk, by=DESK, now=rows.NOW)


def test_a_book_that_stands_elsewhere_is_asked_for_sent_received_and_bagged(here, there):
    copy = rows.copy(at=there)
    reader = rows.patron(here.library)
    requested = orders.request(
        patron_id=reader.pk, point_id=here.pk, items=[reservations.Item(copy.title_id)], by=DESK, now=rows.NOW
    )
    (row,) = requested.reservations
    assert (requested.order, row.state, row.copy_id) == (None, "allocated", copy.pk)
    assert (journey(copy).from_library, journey(copy).to_library) == (there, here.library)
    assert journey(copy).expected_on == rows.day("2026-11-25")
    assert orders.assemble(now=rows.NOW) == []  # not before it is here
    assert scan(copy, there).transfer.state == "sent"
    copy.refresh_from_db()
    assert copy.state == "transit"
    assert orders.assemble(now=rows.NOW) == []
    came = scan(copy, here.library)
    assert (came.transfer.state, came.reservation) == ("received", row)
    copy.refresh_from_db()
    assert (copy.state, copy.at_library, copy.library) == ("to_shelve", here.library, there)
    (order,) = orders.assemble(now=rows.NOW)
    assert order.patron_id == reader.pk
    assert steps.ready(Order.objects.get(pk=order.pk)).state == "ready"


def test_a_copy_of_the_own_library_is_preferred(here, there):
    title = rows.title()
    far, near = rows.copy(title, there), rows.copy(title, here.library)
    assert asked(here, far).copy_id == near.pk
    assert not Transfer.objects.exists()
    assert asked(here, far).copy_id == far.pk


def test_whoever_waits_longest_gets_it_also_where_it_has_to_travel(here, there, programme):
    other = rows.point(there)
    copy = rows.copy(at=here.library)
    first = asked(here, copy)
    second, third = asked(other, copy), asked(here, copy)
    wishes.cancel(reservation_id=first.pk, by=DESK, now=rows.NOW)
    second.refresh_from_db()
    third.refresh_from_db()
    assert (second.state, third.state) == ("allocated", "waiting")
    assert journey(copy).to_library == there


def test_where_books_do_not_travel_it_waits(here, there, programme):
    Programme.objects.filter(pk=programme.pk).update(transfer_days=None)
    row = asked(here, rows.copy(at=there))
    assert (row.state, queries.whys_waiting([row])[row.pk]) == ("waiting", "elsewhere")
    assert allocation.allocate_due(now=rows.NOW) == 0
    Programme.objects.filter(pk=programme.pk).update(transfer_days=2)
    assert allocation.allocate_due(now=rows.NOW) == 1
    assert Transfer.objects.get().expected_on == rows.day("2026-11-26")


def test_books_of_another_programme_stay_where_they_are(here):
    copy = rows.copy(at=rows.library(programme=rows.programme(transfer_days=1)))
    with pytest.raises(NoCopies):
        asked(here, copy)


def test_who_changes_their_mind_before_it_leaves_calls_it_off(here, there):
    copy = rows.copy(at=there)
    row = asked(here, copy)
    wishes.cancel(reservation_id=row.pk, by=DESK, now=rows.NOW)
    assert journey(copy).state == "cancelled"
    with pytest.raises(NothingToSend):
        scan(copy, there)
    copy.refresh_from_db()
    assert copy.state == "shelf"


def test_on_its_way_it_goes_on_and_whoever_waits_there_gets_it(here, there):
    copy = rows.copy(at=there)
    row = asked(here, copy)
    scan(copy, there)
    wishes.cancel(reservation_id=row.pk, by=DESK, now=rows.NOW)
    later = asked(here, copy)
    assert later.state == "waiting"
    assert scan(copy, here.library).reservation == later
    assert Transfer.objects.count() == 1


def test_on_its_way_and_nobody_waits_it_goes_onto_the_return_cart(here, there):
    copy = rows.copy(at=there)
    row = asked(here, copy)
    scan(copy, there)
    wishes.cancel(reservation_id=row.pk, by=DESK, now=rows.NOW)
    assert scan(copy, here.library).reservation is None
    copy.refresh_from_db()
    assert (copy.state, copy.at_library) == ("to_shelve", here.library)


def test_not_on_the_shelf_there_the_next_copy_is_asked_for(here, there, programme):
    title = rows.title()
    copy = rows.copy(title, there)
    row = asked(here, copy)
    third = rows.library(programme=programme)
    other = rows.copy(title, third)
    given_up = transfers.not_found(transfer_id=journey(copy).pk, by=DESK, now=rows.NOW)
    copy.refresh_from_db()
    row.refresh_from_db()
    assert (given_up.state, copy.state) == ("cancelled", "missing")
    assert (row.state, row.copy_id, journey(other).from_library) == ("allocated", other.pk, third)


def test_lost_on_the_way_the_reader_waits_again_in_the_old_place(here, there):
    copy = rows.copy(at=there)
    row, behind = asked(here, copy), asked(here, copy)
    with pytest.raises(MoveRefused):
        transfers.lost(transfer_id=journey(copy).pk, by=DESK, now=rows.NOW)
    scan(copy, there)
    with pytest.raises(MoveRefused):
        transfers.not_found(transfer_id=journey(copy).pk, by=DESK, now=rows.NOW)
    transfers.lost(transfer_id=journey(copy).pk, by=DESK, now=rows.NOW)
    for one in (copy, row, behind):
        one.refresh_from_db()
    assert (copy.state, row.state) == ("lost", "waiting")
    assert queries.positions([row, behind]) == {row.pk: 1, behind.pk: 2}
    copies.found(barcode=copy.barcode, library_id=here.library_id, by=DESK, now=rows.NOW)
    row.refresh_from_db()
    assert (row.state, row.copy_id) == ("allocated", copy.pk)
    assert Transfer.objects.filter(state__in=["requested", "sent"]).count() == 0


def test_in_the_wrong_library_it_starts_anew_from_there(here, there, programme):
    wrong = rows.library(programme=programme)
    copy = rows.copy(at=there)
    row = asked(here, copy)
    scan(copy, there)
    anew = scan(copy, wrong)
    copy.refresh_from_db()
    assert (copy.state, copy.at_library, anew.reservation) == ("to_shelve", wrong, row)
    assert [(one.state, one.from_library) for one in Transfer.objects.order_by("pk")] == [
        ("lost", there),
        ("requested", wrong),
    ]
    assert scan(copy, wrong).transfer.state == "sent"
    assert scan(copy, here.library).reservation == row


def test_the_returns_desk_receives_too(here, there):
    copy = rows.copy(at=there)
    row = asked(here, copy)
    scan(copy, there)
    assert returns.check_in(barcode=copy.barcode, library_id=here.library_id, by=DESK, now=rows.NOW).loan is None
    assert (journey(copy).state, orders.assemble(now=rows.NOW)[0].patron_id) == ("received", row.patron_id)


@pytest.mark.lawless("I3", "I14", why="breaks it to see that it is found")
def test_no_law_is_broken_on_the_way_and_the_law_has_teeth(here, there):
    copy = rows.copy(at=there)
    row = asked(here, copy)
    assert not [breach for breach in invariants.breaches() if breach.law.number == "I14"]
    scan(copy, there)
    assert not [breach for breach in invariants.breaches() if breach.law.number == "I14"]
    Copy.objects.filter(pk=copy.pk).update(state="shelf")
    (breach,) = [breach for breach in invariants.breaches() if breach.law.number == "I14"]
    assert breach.rows[0][1] == copy.pk
    Transfer.objects.all().update(state="received")
    (breach,) = [breach for breach in invariants.breaches() if breach.law.number == "I14"]
    assert breach.rows[0][2] == row.pk


def test_the_same_scan_twice_changes_nothing_more(here, there):
    copy = rows.copy(at=there)
    asked(here, copy)
    assert {scan(copy, there).transfer.state for _ in range(3)} == {"sent"}
    assert {scan(copy, here.library).transfer.state for _ in range(3)} == {"received"}
    with pytest.raises(NothingToSend) as refused:
        scan(copy, there)
    assert refused.value.facts["where"]


def test_a_copy_nobody_knows_and_one_nobody_waits_for(here, there):
    with pytest.raises(UnknownBarcode):
        transfers.scan(barcode="EM-none", library_id=there.pk, by=DESK, now=rows.NOW)
    with pytest.raises(NothingToSend):
        scan(rows.copy(at=there), there)


def test_a_return_elsewhere_travels_to_who_waits_and_undoing_it_calls_the_journey_off(here, there, programme):
    lender = rows.point(there)
    copy = rows.copy(at=there)
    loan = loans.check_out(copy_id=copy.pk, patron_id=rows.patron(there).pk, library_id=there.pk, by=DESK, now=rows.NOW)
    row = asked(here, copy)
    back = loans.take_back(barcode=copy.barcode, library_id=lender.library_id, by=DESK, now=rows.NOW)
    assert back.next_reservation == row
    assert journey(copy).to_library == here.library
    loans.undo_return(loan_id=loan.pk, by=DESK, now=rows.NOW)
    row.refresh_from_db()
    assert (row.state, journey(copy).state) == ("waiting", "cancelled")


def test_lent_at_the_desk_where_it_stands_it_does_not_travel(here, there):
    copy = rows.copy(at=there)
    row = asked(here, copy)
    loans.check_out(copy_id=copy.pk, patron_id=row.patron_id, library_id=there.pk, by=DESK, now=rows.NOW)
    row.refresh_from_db()
    assert (row.state, journey(copy).state) == ("fulfilled", "cancelled")


def test_a_volume_travels_for_who_wants_that_volume(here, there):
    title = rows.title()
    rows.copy(title, there, volume="1")
    second = rows.copy(title, there, volume="2")
    (row,) = rows.reserve(rows.patron(here.library), reservations.Item(title.pk, "2"), at=here)
    assert row.copy_id == second.pk


def test_a_library_for_training_neither_sends_nor_gets(here, programme):
    """Its books are its own: it follows a programme of its own."""
    training = rows.library(programme=rows.programme(transfer_days=1), training=True)
    rows.copy(rows.title(), training)
    copy = rows.copy(at=here.library)
    assert asked(here, copy).state == "allocated"
    assert Reservation.objects.filter(copy__library=training).count() == 0
    assert Copy.objects.filter(library=training, state="shelf").count() == 1


# Another library's book that nobody waits for


def came_back(copy, at):
    """A reader brings a book of one library back at another one."""
    reader = rows.patron(at)
    loans.check_out(copy_id=copy.pk, patron_id=reader.pk, library_id=copy.at_library_id, by=DESK, now=rows.NOW)
    return returns.check_in(barcode=copy.barcode, library_id=at.pk, by=DESK, now=rows.NOW)


@pytest.fixture
def homing(programme):
    programme.foreign_books = Programme.Foreign.HOME
    programme.save()


def test_another_librarys_book_stays_where_it_came_back_unless_the_rules_send_it_home(here, there):
    copy = rows.copy(at=there)
    back = came_back(copy, here.library)
    assert (back.copy.at_library, Transfer.objects.count()) == (here.library, 0)
    assert allocation.send_home_due(now=rows.NOW) == 0


def test_it_goes_home_where_the_rules_say_so(here, there, homing):
    copy = rows.copy(at=there)
    came_back(copy, here.library)
    assert (journey(copy).from_library, journey(copy).to_library) == (here.library, there)
    scan(copy, here.library)
    scan(copy, there)
    copy.refresh_from_db()
    assert (copy.state, copy.at_library, journey(copy).state) == ("to_shelve", there, "received")
    assert allocation.send_home_due(now=rows.NOW) == 0
    assert not invariants.breaches()


def test_who_asks_for_it_here_meanwhile_gets_it_and_the_journey_is_called_off(here, there, homing):
    copy = rows.copy(at=there)
    came_back(copy, here.library)
    row = asked(here, copy)
    assert (row.state, row.copy, journey(copy).state) == ("allocated", copy, "cancelled")
    wishes.cancel(reservation_id=row.pk, by=DESK, now=rows.NOW)
    assert allocation.send_home_due(now=rows.NOW) == 1
    assert Transfer.objects.filter(copy=copy, state="requested", to_library=there).count() == 1


def test_somebody_waiting_here_keeps_it_here(here, there, homing):
    copy = rows.copy(at=there)
    reader = rows.patron(here.library)
    loans.check_out(copy_id=copy.pk, patron_id=reader.pk, library_id=there.pk, by=DESK, now=rows.NOW)
    row = asked(here, copy)
    returns.check_in(barcode=copy.barcode, library_id=here.library_id, by=DESK, now=rows.NOW)
    row.refresh_from_db()
    assert (row.state, Transfer.objects.count()) == ("allocated", 0)


def test_an_undone_return_calls_the_journey_home_off(here, there, homing):
    copy = rows.copy(at=there)
    back = came_back(copy, here.library)
    returns.undo(loan_id=back.loan.pk, by=DESK, now=rows.NOW)
    copy.refresh_from_db()
    assert (copy.state, journey(copy).state) == ("loan", "cancelled")


def test_lent_again_on_the_spot_it_does_not_go_home(here, there, homing):
    copy = rows.copy(at=there)
    came_back(copy, here.library)
    reader = rows.patron(here.library)
    loans.check_out(copy_id=copy.pk, patron_id=reader.pk, library_id=here.library_id, by=DESK, now=rows.NOW)
    assert journey(copy).state == "cancelled"


def test_a_book_of_another_programme_is_left_alone(here, homing):
    copy = rows.copy(at=rows.library())
    came_back(copy, here.library)
    assert Transfer.objects.count() == 0
