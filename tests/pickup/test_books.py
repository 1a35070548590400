"""Books that leave lending: damaged at the desk or the shelf, lost by a reader, withdrawn, found again."""

from __future__ import annotations

import pytest
from django.urls import reverse

from core.moves import MoveRefused
from lending import allocation, copies, loans
from lending import queries as lending_queries
from lending.errors import CopyOnLoan, InAnOrder
from lending.models import Copy, Loan, Reservation, Title
from pickup import orders, queries, returns
from tests import api, rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db


@pytest.fixture
def lane():
    return rows.point()


@pytest.fixture
def desk(client, lane):
    client.force_login(rows.staff(lane.library))
    return client


def lent(lane):
    """A book that its reader has at home: the copy, its loan."""
    order = steps.handed_over(steps.ready(steps.asked(rows.patron(lane.library), lane)))
    copy = order.lines.get().copy
    return copy, Loan.objects.get(copy=copy)


def state(row):
    row.refresh_from_db()
    return row.state


def press(client, lane, copy, what):
    address = reverse("book-act", args=[copy.pk, what]) + f"?point={lane.pk}"
    return client.post(address, {"key": f"k{rows.serial()}"}, follow=True)


def test_a_book_that_comes_back_damaged_is_given_to_nobody(lane, now):
    copy, loan = lent(lane)
    [waits] = rows.reserve(rows.patron(lane.library), copy.title, at=lane, now=now)
    back = returns.check_in(barcode=copy.barcode, library_id=lane.library_id, damaged=True, by=DESK, now=now)
    assert (back.copy.state, state(loan), state(waits)) == ("damaged", "returned", "waiting")
    found = copies.found_again(copy_id=copy.pk, by=DESK, now=now)
    assert (found.state, state(waits), waits.copy) == ("to_shelve", "allocated", copy)


def test_damage_seen_after_the_scan_takes_the_book_out_of_the_next_bag(lane, now):
    copy, _loan = lent(lane)
    reader = rows.patron(lane.library)
    rows.reserve(reader, copy.title, at=lane, now=now)
    returns.check_in(barcode=copy.barcode, library_id=lane.library_id, by=DESK, now=now)
    orders.assemble(
        reservation_ids=list(Reservation.objects.filter(patron=reader).values_list("pk", flat=True)), now=now
    )
    line = queries.line_to_fetch(copy.pk)
    assert line is not None
    returns.set_aside(copy_id=copy.pk, by=DESK, now=now)
    line.refresh_from_db()
    assert (state(copy), line.state, line.reason, state(line.order)) == ("damaged", "missing", "damaged", "cancelled")
    assert state(line.reservation) == "waiting"


def test_who_was_to_get_a_damaged_book_gets_another_copy_at_once(lane, now):
    title = rows.title()
    first, second = rows.copy(title, lane.library), rows.copy(title, lane.library)
    [waits] = rows.reserve(rows.patron(lane.library), title, at=lane, now=now)
    assert waits.copy == first
    copies.damaged(copy_id=first.pk, by=DESK, now=now)
    assert (state(first), state(waits), waits.copy) == ("damaged", "allocated", second)


def test_what_is_lent_or_packed_is_not_taken_out_of_reach(lane, now):
    copy, _loan = lent(lane)
    for verb in (returns.set_aside, returns.withdraw):
        with pytest.raises(CopyOnLoan):
            verb(copy_id=copy.pk, by=DESK, now=now)
    packed = steps.packed(steps.asked(rows.patron(lane.library), lane)).lines.get().copy
    with pytest.raises(InAnOrder):
        returns.withdraw(copy_id=packed.pk, by=DESK, now=now)
    assert (state(copy), state(packed)) == ("loan", "bag")


def test_a_withdrawn_book_is_found_by_nobody_and_stays_withdrawn(lane, now):
    copy = rows.copy(at=lane.library)
    returns.withdraw(copy_id=copy.pk, by=DESK, now=now)
    assert state(copy) == "withdrawn"
    assert not lending_queries.copies_of(copy.title_id).exists()
    with pytest.raises(MoveRefused):
        copies.found_again(copy_id=copy.pk, by=DESK, now=now)


def test_a_lost_book_ends_its_loan_and_those_in_line_wait_on(lane, now):
    copy, loan = lent(lane)
    [waits] = rows.reserve(rows.patron(lane.library), copy.title, at=lane, now=now)
    loans.lost(loan_id=loan.pk, by=DESK, now=now)
    assert (state(copy), state(loan), state(waits)) == ("lost", "lost", "waiting")
    with pytest.raises(MoveRefused):
        loans.lost(loan_id=loan.pk, by=DESK, now=now)
    rows.copy(Title.objects.get(pk=copy.title_id), lane.library)
    allocation.allocate(title_ids=[copy.title_id], by=DESK, now=now)
    assert state(waits) == "allocated"


def test_a_lost_book_that_comes_back_after_all_is_returned(lane, now):
    copy, loan = lent(lane)
    loans.lost(loan_id=loan.pk, by=DESK, now=now)
    back = returns.check_in(barcode=copy.barcode, library_id=lane.library_id, by=DESK, now=now)
    assert (back.loan, state(loan), state(copy)) == (loan, "returned", "to_shelve")
    assert loan.returned_at is not None


def test_a_book_in_its_bag_is_not_lost_by_its_reader(lane, now):
    order = steps.packed(steps.asked(rows.patron(lane.library), lane))
    copy = order.lines.get().copy
    loan = Loan.begin(
        copy=copy, patron=order.patron, library=lane.library, programme=lane.library.programme,
        reservation=order.lines.get().reservation, lent_at=now, due_on=now.date(), packed_due_on=now.date(),
        at=now, by=DESK,
    )  # fmt: skip
    with pytest.raises(InAnOrder):
        loans.lost(loan_id=loan.pk, by=DESK, now=now)


def test_the_page_of_books_leads_from_damaged_to_withdrawn(desk, lane):
    copy = rows.copy(at=lane.library)
    shown = desk.post(reverse("books") + f"?point={lane.pk}", {"barcode": copy.barcode})
    assert (shown.context["copy"], shown.context["acts"]) == (copy, ["damaged", "withdraw"])
    shown = press(desk, lane, copy, "damaged")
    assert (shown.context["acts"], list(shown.context["aside"])) == (["found", "withdraw"], [copy])
    shown = press(desk, lane, copy, "found")
    assert (state(copy), list(shown.context["aside"])) == ("to_shelve", [])
    press(desk, lane, copy, "withdraw")
    assert state(copy) == "withdrawn"
    assert press(desk, lane, copy, "found").status_code == 409
    assert press(desk, lane, copy, "burnt").status_code == 404
    assert desk.post(reverse("books") + f"?point={lane.pk}", {"barcode": "nothing"}).status_code == 404


def test_the_returns_desk_sets_a_damaged_book_aside(desk, lane):
    copy, _loan = lent(lane)
    shown = desk.post(reverse("returns") + f"?point={lane.pk}", {"barcode": copy.barcode, "key": "k"}, follow=True)
    assert reverse("book-act", args=[copy.pk, "damaged"]) in shown.content.decode()
    press(desk, lane, copy, "damaged")
    assert state(copy) == "damaged"


def test_staff_note_on_the_readers_page_that_a_book_is_lost(desk, lane):
    copy, loan = lent(lane)
    page = reverse("patron", args=[loan.patron_id]) + f"?point={lane.pk}"
    assert copy.barcode in desk.get(page).content.decode()
    to = reverse("patron-act", args=[loan.patron_id, "lost"]) + f"?point={lane.pk}"
    shown = desk.post(to, {"loan": loan.pk, "key": "k"}, follow=True)
    assert (state(loan), copy.barcode in shown.content.decode()) == ("lost", False)
    assert desk.post(to, {"loan": loan.pk, "key": "k2"}).status_code == 404


def test_other_libraries_books_are_nobodys_business(client, lane):
    copy = rows.copy(at=rows.library())
    client.force_login(rows.staff(lane.library))
    assert press(client, lane, copy, "damaged").status_code == 404
    shown = client.post(reverse("books") + f"?point={lane.pk}", {"barcode": copy.barcode})
    assert (shown.status_code, shown.context["acts"]) == (200, [])
    assert state(copy) == "shelf"


def test_the_api_sets_aside_finds_and_withdraws(lane):
    staff, copy = api.librarian(lane.library), rows.copy(at=lane.library)
    assert staff.post(f"copies/{copy.pk}/damaged")["state"] == "damaged"
    listed = staff.get("copies", state="damaged")["results"]
    assert [one["barcode"] for one in listed] == [copy.barcode]
    assert staff.post(f"copies/{copy.pk}/found")["state"] == "to_shelve"
    assert staff.post(f"copies/{copy.pk}/withdraw")["state"] == "withdrawn"
    assert staff.post(f"copies/{copy.pk}/withdraw", status=409)["code"] == "not_in_this_state"
    assert api.librarian(rows.library()).post(f"copies/{copy.pk}/damaged", status=404)["code"] == "not_found"
    assert api.patron(home=lane.library)[1].post(f"copies/{copy.pk}/damaged", status=403)["code"] == "staff_only"


def test_the_api_takes_a_damaged_book_back_and_notes_a_lost_one(lane):
    (copy, loan), (_other, lost) = lent(lane), lent(lane)
    staff = api.librarian(lane.library)
    said = staff.post("returns", {"barcode": copy.barcode, "damaged": True})
    assert (said["loan"]["state"], said["next"], state(copy)) == ("returned", None, "damaged")
    assert staff.post(f"loans/{lost.pk}/lost")["state"] == "lost"
    reader = api.signed_in(rows.patron(lane.library, pin=rows.PIN).account)
    assert reader.post(f"loans/{loan.pk}/lost", status=404)["code"] == "not_found"
    assert Copy.objects.get(pk=lost.copy_id).state == "lost"


def test_a_library_without_a_pickup_point_takes_books_back(client, lane):
    """Any branch: the returns desk is of a library, and its undo too."""
    branch = rows.library(programme=lane.library.programme)
    copy, loan = lent(lane)
    client.force_login(rows.staff(branch))
    assert client.get(reverse("returns")).status_code == 302  # to a library of one's own
    address = reverse("returns") + f"?library={branch.pk}"
    shown = client.post(address, {"barcode": copy.barcode, "key": "k"}, follow=True)
    assert (shown.status_code, state(loan), state(copy), copy.at_library) == (200, "returned", "to_shelve", branch)
    assert [one.return_id for one in shown.context["scans"]] == [loan.pk]
    undo = reverse("undo-return", args=[loan.pk]) + f"?library={branch.pk}"
    assert client.post(undo, {"key": "u"}).status_code == 303
    assert state(loan) == "out"
    assert client.post(reverse("returns") + f"?library={lane.library_id}", {"barcode": "x"}).status_code == 404
    assert client.post(reverse("returns"), {"barcode": copy.barcode, "key": "k3"}).status_code == 404


def test_the_returns_desk_says_that_a_book_goes_home(client, lane):
    lane.library.programme.transfer_days, lane.library.programme.foreign_books = 1, "home"
    lane.library.programme.save()
    branch = rows.library(programme=lane.library.programme, name_en="Far Branch")
    copy, _loan = lent(lane)
    client.force_login(rows.staff(branch))
    address = reverse("returns") + f"?library={branch.pk}"
    shown = client.post(address, {"barcode": copy.barcode, "key": "k"}, follow=True).context["last"]
    assert (shown.goes_to, shown.held) == (lane.library, False)
