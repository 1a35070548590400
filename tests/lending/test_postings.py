"""Beside another system: what it still has to be told, what becomes of that, and what we guess meanwhile."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core.actor import RULE, Actor
from core.moves import MoveRefused
from core.refusal import BadInput
from lending import circulation, copies, loans, postings, reservations, transfers
from lending.errors import CopyNotHere, InAnOrder, KeptElsewhere, NotOnLoan, UnknownBarcode
from lending.models import Copy, Library, Loan, Patron, PickupPoint, Posting, Reservation, Transfer
from lending.states import CopyState, PostingState
from tests import api, rows

pytestmark = pytest.mark.django_db

NOW = rows.NOW
MINUTE = timedelta(minutes=1)
LATER = NOW + timedelta(hours=5)
DESK = Actor("staff", 1, "desk")


@pytest.fixture
def library() -> Library:
    return rows.library(circulation="beside")


@pytest.fixture
def point(library: Library) -> PickupPoint:
    return rows.point(library)


@pytest.fixture
def reader(library: Library) -> Patron:
    return rows.patron(library)


def packed(reader: Patron, point: PickupPoint, copy: Copy | None = None) -> Reservation:
    """A reservation of a copy that lies in a bag."""
    book = copy or rows.copy(at=point.library)
    [row] = rows.reserve(reader, book.title, at=point)
    reservations.bag(reservation_ids=[row.pk], by=DESK, now=NOW)
    copies.to_bag(copy_id=book.pk, by=DESK, now=NOW)
    row.refresh_from_db()
    return row


def give(row: Reservation, *, now: Any = NOW) -> Posting:
    assert row.copy_id is not None
    assert row.patron_id is not None
    lent = circulation.check_out(
        copy_id=row.copy_id,
        patron_id=row.patron_id,
        library_id=row.pickup_point.library_id,
        reservation_id=row.pk,
        by=DESK,
        now=now,
    )
    assert lent.loan is None
    assert lent.due_on is None
    assert lent.posting is not None
    return lent.posting


def back(barcode: str, library: Library, *, now: Any = LATER) -> circulation.Returned:
    return circulation.take_back(barcode=barcode, library_id=library.pk, by=DESK, now=now)


def test_a_hand_over_makes_no_loan_but_a_posting_with_card_and_barcode(reader, point):
    row = packed(reader, point)
    posting = give(row)
    row.refresh_from_db()
    told = (posting.kind, posting.state, posting.barcode, posting.patron, posting.happened_at)
    assert told == ("check_out", "pending", row.copy.barcode, reader, NOW)
    assert (row.state, row.copy.state, Loan.objects.count()) == ("fulfilled", "loan", 0)


def test_a_return_ends_it_and_the_posting_knows_whose_book_it_was(reader, point, library):
    row = packed(reader, point)
    give(row)
    returned = back(row.copy.barcode, library)
    assert returned.loan is None
    assert (returned.posting.kind, returned.posting.patron, returned.copy.state) == ("check_in", reader, "to_shelve")


@pytest.mark.parametrize("guess", ["shelf", "to_shelve", "loan", "missing", "lost", "damaged", "transit"])
@pytest.mark.lawless("I3", why="a copy is put there without a move")
def test_a_book_that_comes_back_is_taken_whatever_we_thought_of_it(guess, library):
    copy = rows.copy(at=library)
    Copy.objects.filter(pk=copy.pk).update(state=guess)
    returned = back(copy.barcode, library)
    copy.refresh_from_db()
    assert (copy.state, returned.posting.patron) == ("to_shelve", None)


def test_a_withdrawn_book_is_not_taken(library):
    copy = rows.copy(at=library)
    copy.move(CopyState.WITHDRAWN, at=NOW, by=RULE)
    with pytest.raises(CopyNotHere):
        back(copy.barcode, library)


def test_a_book_in_a_bag_is_not_taken_back(reader, point, library):
    row = packed(reader, point)
    with pytest.raises(InAnOrder):
        back(row.copy.barcode, library)
    reservations.end_bagged(reservation_ids=[row.pk], to="cancelled", by=DESK, now=NOW)  # type: ignore[arg-type]
    with pytest.raises(NotOnLoan):
        back(row.copy.barcode, library)


def test_a_second_scan_of_the_same_book_says_when_it_came_back(library):
    copy = rows.copy(at=library)
    back(copy.barcode, library)
    with pytest.raises(NotOnLoan) as refused:
        back(copy.barcode, library, now=LATER + MINUTE)
    assert (refused.value.facts["at"], refused.value.facts["by"]) == ("15:00", "staff:1")
    assert (
        back(copy.barcode, library, now=LATER + timedelta(hours=1)).posting.state == "pending"
    )  # lent there meanwhile


def test_a_book_that_only_the_other_system_knows_is_taken_back_by_its_barcode(library, reader):
    returned = back("KOLAS0000017", library)
    assert (returned.copy, returned.posting.barcode, returned.posting.kind) == (None, "KOLAS0000017", "check_in")
    with pytest.raises(NotOnLoan):
        back("KOLAS0000017", library, now=LATER + MINUTE)
    for mistake in ("47-21", "4721", reader.card_number, "", "가" * 31):
        with pytest.raises(UnknownBarcode):
            back(mistake, library)
    postings.undo_take_back(posting_id=returned.posting.pk, by=DESK, now=LATER)
    assert Posting.objects.get().state == "cancelled"


@pytest.fixture
def branches() -> list[PickupPoint]:
    """Two libraries beside the same system, between which books travel."""
    programme = rows.programme(volumes=100, transfer_days=1)
    return [rows.point(rows.library(programme=programme, circulation="beside")) for _ in range(2)]


def test_undoing_a_return_calls_off_the_journey_that_it_led_to(branches):
    here, there = branches
    copy = rows.copy(at=here.library)
    give(packed(rows.patron(here.library), here, copy))
    (waits,) = rows.reserve(rows.patron(there.library), copy.title, at=there)
    posting = back(copy.barcode, here.library).posting
    assert Transfer.objects.get().state == "requested"
    postings.undo_take_back(posting_id=posting.pk, by=DESK, now=LATER)
    waits.refresh_from_db()
    copy.refresh_from_db()
    assert (waits.state, Transfer.objects.get().state, copy.state) == ("waiting", "cancelled", "loan")


def test_a_book_on_its_way_has_come_and_was_not_lent(branches):
    here, there = branches
    copy = rows.copy(at=here.library)
    rows.reserve(rows.patron(there.library), copy.title, at=there)
    transfers.scan(barcode=copy.barcode, library_id=here.library_id, by=DESK, now=NOW)
    with pytest.raises(NotOnLoan):
        back(copy.barcode, there.library)
    assert not Posting.objects.exists()


def test_a_book_that_turns_up_at_another_library_goes_from_there_to_who_was_to_get_it(branches):
    here, there = branches
    copy = rows.copy(at=here.library)
    (waits,) = rows.reserve(rows.patron(here.library), copy.title, at=here)
    back(copy.barcode, there.library)
    journey = Transfer.objects.get()
    waits.refresh_from_db()
    assert (waits.copy, journey.from_library, journey.to_library) == (copy, there.library, here.library)
    again = rows.copy(at=here.library)
    (other,) = rows.reserve(rows.patron(here.library), again.title, at=here)
    reservations.bag(reservation_ids=[other.pk], by=DESK, now=NOW)
    with pytest.raises(InAnOrder):  # only its bag lets it go
        back(again.barcode, there.library)


def test_a_book_that_comes_back_at_a_library_that_keeps_its_own_loans_is_told_where_it_was_lent(reader, point, library):
    row = packed(reader, point)
    give(row)
    own = rows.library(programme=library.programme)
    returned = back(row.copy.barcode, own)
    copy = Copy.objects.get(barcode=row.copy.barcode)
    assert (returned.posting.library, returned.undo_id, copy.at_library, copy.state) == (library, 0, own, "to_shelve")
    with pytest.raises(NotOnLoan):
        back(row.copy.barcode, own)


def test_who_waits_gets_the_book_and_waits_again_when_the_return_is_undone(reader, point, library):
    row = packed(reader, point)
    give(row)
    [waits] = rows.reserve(rows.patron(library), row.title, at=point)
    returned = back(row.copy.barcode, library)
    assert returned.next_reservation == waits
    postings.undo_take_back(posting_id=returned.posting.pk, by=DESK, now=LATER)
    waits.refresh_from_db()
    assert (waits.state, Copy.objects.get(barcode=row.copy.barcode).state) == ("waiting", "loan")
    with pytest.raises(MoveRefused):
        postings.undo_take_back(posting_id=returned.posting.pk, by=DESK, now=LATER)


def test_undoing_what_was_not_told_yet_tells_nothing(reader, point):
    row = packed(reader, point)
    posting = give(row)
    circulation.undo_check_out(lent=circulation.still_out([row.pk])[row.pk], by=DESK, now=NOW)
    row.refresh_from_db()
    assert (row.state, row.copy.state) == ("bagged", "bag")
    assert [one.state for one in Posting.objects.all()] == ["cancelled"]
    assert circulation.still_out([row.pk]) == {}
    with pytest.raises(MoveRefused):
        postings.undo_check_out(posting_id=posting.pk, by=DESK, now=NOW)
    assert give(row, now=NOW + MINUTE).state == "pending"


@pytest.mark.parametrize("told", ["done", "exported"])
def test_undoing_what_was_told_or_may_have_been_tells_the_contrary(told, reader, point, library):
    row = packed(reader, point)
    posting = give(row)
    if told == "done":
        postings.done(posting_id=posting.pk, by=DESK, now=NOW)
    else:
        postings.export(library_id=library.pk, by=DESK, now=NOW)
    circulation.undo_check_out(lent=circulation.still_out([row.pk])[row.pk], by=DESK, now=NOW + MINUTE)
    counter = Posting.objects.get(undoes=posting)
    assert (counter.kind, counter.state, counter.barcode, counter.patron) == (
        "check_in",
        "pending",
        posting.barcode,
        reader,
    )
    with pytest.raises(MoveRefused):
        postings.undo_check_out(posting_id=posting.pk, by=DESK, now=NOW)
    give(row, now=NOW + 2 * MINUTE)
    assert set(circulation.still_out([row.pk])) == {row.pk}


def test_undoing_what_was_refused_tells_nothing(reader, point):
    row = packed(reader, point)
    posting = give(row)
    postings.refuse(posting_id=posting.pk, reason="card", by=DESK, now=NOW)
    circulation.undo_check_out(lent=circulation.still_out([row.pk])[row.pk], by=DESK, now=NOW)
    posting.refresh_from_db()
    assert (posting.state, posting.reason) == ("cancelled", "")


def test_a_return_that_was_told_can_be_undone_only_if_we_know_who_had_the_book(reader, point, library):
    row = packed(reader, point)
    give(row)
    known, unknown = back(row.copy.barcode, library), back(rows.copy(at=library).barcode, library)
    for returned in (known, unknown):
        postings.done(posting_id=returned.posting.pk, by=DESK, now=LATER)
    postings.undo_take_back(posting_id=known.posting.pk, by=DESK, now=LATER)
    counter = Posting.objects.get(undoes=known.posting)
    assert (counter.kind, counter.patron) == ("check_out", reader)
    with pytest.raises(KeptElsewhere):
        postings.undo_take_back(posting_id=unknown.posting.pk, by=DESK, now=LATER)


@pytest.mark.lawless("I3", why="a copy is put there without a move")
def test_what_is_on_loan_as_we_guess_may_be_packed(reader, point, library):
    copy = rows.copy(at=library)
    row = rows.reserve(reader, copy.title, at=point)[0]
    reservations.bag(reservation_ids=[row.pk], by=DESK, now=NOW)
    Copy.objects.filter(pk=copy.pk).update(state="loan")
    assert copies.to_bag(copy_id=copy.pk, by=DESK, now=NOW).state == "bag"


def test_a_refused_posting_says_why_and_is_told_again_once_that_is_solved(reader, point):
    posting = give(packed(reader, point))
    for reason, note in (("weather", ""), ("other", ""), ("other", "x" * 201), ("", "")):
        with pytest.raises(BadInput):
            postings.refuse(posting_id=posting.pk, reason=reason, note=note, by=DESK, now=NOW)
    refused = postings.refuse(posting_id=posting.pk, reason="other", note="  카드   분실 ", by=DESK, now=NOW)
    assert (refused.state, refused.reason, refused.note) == ("refused", "other", "카드 분실")
    assert postings.again(posting_id=posting.pk, by=DESK, now=NOW).state == "pending"
    postings.refuse(posting_id=posting.pk, reason="lent", by=DESK, now=NOW)
    done = postings.done(posting_id=posting.pk, by=DESK, now=NOW)  # somebody solved it and told it there
    assert (done.state, done.reason) == ("done", "")
    with pytest.raises(MoveRefused):
        postings.done(posting_id=posting.pk, by=DESK, now=NOW)


def test_a_file_takes_what_is_in_no_file_yet_and_is_told_at_one_stroke(reader, point, library):
    first, second = give(packed(reader, point)), give(packed(reader, point))
    postings.refuse(posting_id=second.pk, reason="card", by=DESK, now=NOW)
    elsewhere = back(rows.copy(at=library).barcode, rows.library(circulation="beside"))
    export = postings.export(library_id=library.pk, by=DESK, now=NOW)
    assert export is not None
    assert postings.export(library_id=library.pk, by=DESK, now=NOW) is None
    assert postings.done_export(export=export, library_id=library.pk, by=DESK, now=NOW) == 1
    states = [Posting.objects.get(pk=one.pk).state for one in (first, second, elsewhere.posting)]
    assert states == [PostingState.DONE, PostingState.REFUSED, PostingState.PENDING]


def test_a_file_that_was_not_loaded_goes_into_the_next_one(reader, point, library):
    give(packed(reader, point))
    first = postings.export(library_id=library.pk, by=DESK, now=NOW)
    assert first is not None
    assert postings.drop_export(export=first, library_id=library.pk, by=DESK, now=NOW) == 1
    assert postings.done_export(export=first, library_id=library.pk, by=DESK, now=NOW) == 0
    assert postings.export(library_id=library.pk, by=DESK, now=NOW) not in {None, first}


def test_a_loan_from_before_ends_as_a_loan_and_is_renewed_where_loans_are_kept(reader):
    library = rows.library()
    copy = rows.copy(at=library)
    loan = loans.check_out(copy_id=copy.pk, patron_id=reader.pk, library_id=library.pk, by=DESK, now=NOW)
    Library.objects.filter(pk=library.pk).update(circulation="beside")
    with pytest.raises(KeptElsewhere):
        loans.renew(loan_id=loan.pk, by=DESK, now=NOW)
    returned = back(copy.barcode, library)
    assert (returned.loan, returned.posting, Loan.objects.get().state) == (loan, None, "returned")
    assert returned.undo_id == 0


def test_programs_read_what_is_to_be_told_and_say_what_became_of_it(reader, point, library):
    posting = give(packed(reader, point))
    staff = api.librarian(library)
    [row] = staff.get("postings", state="pending")["results"]
    assert (row["id"], row["card_number"], row["kind"]) == (posting.pk, reader.card_number, "check_out")
    assert staff.get("postings", kind="check_in")["results"] == []
    refused = staff.post(f"postings/{posting.pk}/refuse", {"reason": "card", "note": "정지"})
    assert (refused["state"], refused["reason"], refused["note"]) == ("refused", "card", "정지")
    assert staff.post(f"postings/{posting.pk}/refuse", {"reason": "x"}, 400)["code"] == "invalid"
    assert staff.post(f"postings/{posting.pk}/again")["state"] == "pending"
    assert staff.post(f"postings/{posting.pk}/done")["state"] == "done"
    assert staff.post(f"postings/{posting.pk}/done", status=409)["code"] == "not_in_this_state"
    _who, patron = api.patron()
    assert patron.get("postings", 403)["code"] == "staff_only"
    other = api.librarian(rows.library())
    assert other.get("postings")["results"] == []
    assert other.post(f"postings/{posting.pk}/done", status=404)["code"] == "not_found"


def test_a_program_takes_a_book_back_beside_another_system(library):
    copy = rows.copy(at=library)
    staff = api.librarian(library)
    said = staff.post("returns", {"barcode": copy.barcode})
    assert (said["loan"], said["posting"]["barcode"], said["next"]) == (None, copy.barcode, None)
    assert staff.post("returns", {"barcode": "KOLAS00017"})["posting"]["title"] is None
    undone = staff.post(f"postings/{said['posting']['id']}/undo-return")
    assert undone["state"] == "cancelled"
