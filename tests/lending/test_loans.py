"""Lending, taking back, renewing, and undoing what was a mistake."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import translation

from core.actor import RULE
from core.models import Journal
from core.moves import MoveRefused
from core.refusal import BadInput
from lending import copies, loans, quota, reservations, wishes
from lending.errors import (
    AlreadyPromised,
    AlreadyReserved,
    CopyNotHere,
    CopyOnLoan,
    InAnOrder,
    KeptElsewhere,
    NotOnLoan,
    NotRenewable,
    UnknownBarcode,
)
from lending.models import Copy, Library, Loan, Patron, Pause, PickupPoint, Reservation, SpecialDay, Title
from lending.states import CopyState, LoanState, ReservationState
from tests import rows

pytestmark = pytest.mark.django_db

NOW = rows.NOW
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def library() -> Library:
    return rows.library()


@pytest.fixture
def point(library: Library) -> PickupPoint:
    return rows.point(library)


@pytest.fixture
def patron(library: Library) -> Patron:
    return rows.patron(library)


@pytest.fixture
def title() -> Title:
    return rows.title()


@pytest.fixture
def copy(title: Title, library: Library) -> Copy:
    return rows.copy(title, library)


def lend(copy: Copy, patron: Patron, library: Library, **kwargs: Any) -> Loan:
    plain = {"by": RULE, "now": NOW}
    return loans.check_out(copy_id=copy.pk, patron_id=patron.pk, library_id=library.pk, **{**plain, **kwargs})


def give_back(copy: Copy, library: Library, **kwargs: Any) -> loans.Returned:
    plain = {"by": RULE, "now": LATER}
    return loans.take_back(barcode=copy.barcode, library_id=library.pk, **{**plain, **kwargs})


def fresh(row: Copy) -> Copy:
    return Copy.objects.get(pk=row.pk)


def in_a_bag(patron: Patron, title: Title, point: PickupPoint) -> Reservation:
    (made,) = rows.reserve(patron, title, at=point)
    (bagged,) = reservations.bag(reservation_ids=[made.pk], by=RULE, now=NOW)
    assert bagged.copy
    copies.to_bag(copy_id=bagged.copy.pk, by=RULE, now=NOW)
    return bagged


# Lending


def test_a_copy_out_of_the_bag_fulfils_its_reservation(
    copy: Copy, patron: Patron, library: Library, title: Title, point: PickupPoint
) -> None:
    bagged = in_a_bag(patron, title, point)
    loan = lend(copy, patron, library, reservation_id=bagged.pk)
    bagged.refresh_from_db()
    assert (loan.state, loan.reservation, loan.due_on) == (LoanState.OUT, bagged, rows.day("2026-12-08"))
    assert (bagged.state, fresh(copy).state) == (ReservationState.FULFILLED, CopyState.LOAN)


def test_a_desk_lends_what_lies_set_aside_for_the_patron(
    copy: Copy, patron: Patron, library: Library, title: Title, point: PickupPoint
) -> None:
    (made,) = rows.reserve(patron, title, at=point)
    assert lend(copy, patron, library).reservation == made
    made.refresh_from_db()
    assert made.state == ReservationState.FULFILLED


def test_a_desk_does_not_lend_what_is_promised_to_somebody_else(
    copy: Copy, patron: Patron, library: Library, title: Title, point: PickupPoint
) -> None:
    (made,) = rows.reserve(patron, title, at=point)
    with pytest.raises(AlreadyPromised) as caught:
        lend(copy, rows.patron(library), library)
    assert caught.value.facts == {"barcode": copy.barcode, "reservation": made.pk}


def test_a_desk_does_not_empty_the_patrons_bag(
    copy: Copy, patron: Patron, library: Library, title: Title, point: PickupPoint
) -> None:
    bagged = in_a_bag(patron, title, point)
    with pytest.raises(InAnOrder) as caught:
        lend(copy, patron, library)
    assert caught.value.facts == {"reservation": bagged.pk}


def test_a_reservation_that_no_longer_holds_the_copy_is_not_fulfilled(
    copy: Copy, patron: Patron, library: Library, title: Title, point: PickupPoint
) -> None:
    (made,) = rows.reserve(patron, title, at=point)
    wishes.cancel(reservation_id=made.pk, by=RULE, now=NOW)
    with pytest.raises(MoveRefused):
        lend(copy, patron, library, reservation_id=made.pk)
    assert not Loan.objects.exists()


def test_a_lent_copy_is_not_lent_again(copy: Copy, patron: Patron, library: Library) -> None:
    lend(copy, patron, library)
    with pytest.raises(CopyOnLoan) as caught:
        lend(copy, rows.patron(library), library)
    assert (caught.value.code, caught.value.facts["due_on"]) == ("copy_on_loan", "2026-12-08")


def test_a_missing_copy_is_not_lent_before_it_is_found(copy: Copy, patron: Patron, library: Library) -> None:
    copy.move(CopyState.MISSING, at=NOW, by=RULE)
    with pytest.raises(CopyNotHere) as caught:
        lend(copy, patron, library)
    assert caught.value.code == "copy_not_here"
    assert "%(" not in str(caught.value)
    copies.found(barcode=copy.barcode, library_id=library.pk, by=RULE, now=NOW)
    assert lend(copy, patron, library).state == LoanState.OUT


def test_a_library_whose_loans_are_kept_elsewhere_says_so(patron: Patron) -> None:
    beside = rows.library(circulation="beside")
    copy = rows.copy(rows.title(), beside)
    for act in (lambda: lend(copy, patron, beside), lambda: give_back(copy, beside)):
        with pytest.raises(KeptElsewhere) as caught:
            act()
        assert (caught.value.code, caught.value.facts) == ("loans_kept_elsewhere", {"library": beside.code})


def test_an_unknown_library_is_bad_input(copy: Copy, patron: Patron) -> None:
    with pytest.raises(BadInput):
        loans.check_out(copy_id=copy.pk, patron_id=patron.pk, library_id=10**9, by=RULE, now=NOW)


@pytest.mark.parametrize(
    ("rules", "closed", "due"),
    [
        ({"loan_days": 14}, [], "2026-12-08"),
        ({"loan_days": 15, "first_day_counts": True}, [], "2026-12-08"),
        ({"loan_days": 14}, ["2026-12-08"], "2026-12-09"),
        ({"loan_days": 6}, [], "2026-12-01"),  # Monday the 30th is closed
    ],
)
def test_the_due_date_follows_the_programme_and_the_calendar(
    rules: dict[str, object], closed: list[str], due: str
) -> None:
    library = rows.library(programme=rows.programme(**rules), weekly_closed=[0])
    for one in closed:
        SpecialDay.objects.create(library=library, day=one)
    assert lend(rows.copy(rows.title(), library), rows.patron(library), library).due_on == rows.day(due)


def test_the_day_of_lending_is_the_librarys_own() -> None:
    new_york = rows.library(zone="America/New_York", programme=rows.programme(loan_days=1))
    loan = lend(rows.copy(rows.title(), new_york), rows.patron(new_york), new_york)  # 20:00 on Monday there
    assert loan.due_on == rows.day("2026-11-24")


# Taking back


def test_a_returned_copy_lies_on_the_cart_of_the_library_where_it_was_returned(
    copy: Copy, patron: Patron, library: Library
) -> None:
    sister = rows.library(programme=library.programme)
    loan = lend(copy, patron, library)
    returned = give_back(copy, sister)
    assert (returned.loan, returned.loan.state, returned.loan.returned_at) == (loan, LoanState.RETURNED, LATER)
    there = fresh(copy)
    assert (there.state, there.at_library, there.library) == (CopyState.TO_SHELVE, sister, library)
    assert returned.next_reservation is None


def test_a_return_goes_to_the_next_in_line_where_it_was_returned(
    copy: Copy, patron: Patron, library: Library, title: Title, point: PickupPoint
) -> None:
    sister = rows.library(programme=library.programme)
    lend(copy, patron, library)
    (here,) = rows.reserve(rows.patron(library), title, at=point)
    (there,) = rows.reserve(rows.patron(library), title, at=rows.point(sister))
    assert give_back(copy, sister).next_reservation == there
    here.refresh_from_db()
    assert here.state == ReservationState.WAITING


def test_a_second_return_says_when_where_and_by_whom_the_first_was(
    copy: Copy, patron: Patron, library: Library
) -> None:
    lend(copy, patron, library)
    sister = rows.library(programme=library.programme)
    librarian = rows.staff_actor(rows.staff(sister))
    give_back(copy, sister, by=librarian)
    with pytest.raises(NotOnLoan) as caught:
        give_back(copy, library, now=LATER + timedelta(minutes=5))
    local = LATER.astimezone(rows.SEOUL)
    assert caught.value.facts == {
        "barcode": copy.barcode,
        "returned_at": LATER.isoformat(timespec="seconds"),
        "by": librarian.principal,
        "library": sister.code,
        "at": f"{local:%H:%M}",
        "where": sister.name_ko,
    }
    with translation.override("ko"):
        assert f"이미 반납되었습니다({sister.name_ko}, {local:%H:%M})" in str(caught.value)
    with translation.override("en"):
        assert f"was returned already: {sister.name_ko}, {local:%H:%M}." in str(caught.value)


@pytest.mark.parametrize(("zone", "at"), [("Asia/Seoul", "2026-11-24 11:00"), ("America/New_York", "2026-11-23 21:00")])
def test_what_came_back_on_another_day_is_told_with_the_day(copy: Copy, patron: Patron, zone: str, at: str) -> None:
    here = rows.library(zone=zone)
    lend(copy, patron, here)
    give_back(copy, here, now=rows.NOW + timedelta(hours=1))
    with pytest.raises(NotOnLoan) as caught:
        give_back(copy, here, now=rows.NOW + timedelta(days=1))
    assert caught.value.facts["at"] == at


def test_a_copy_that_was_never_lent_is_not_taken_back(copy: Copy, library: Library) -> None:
    with pytest.raises(NotOnLoan) as caught:
        give_back(copy, library)
    assert (caught.value.facts["returned_at"], caught.value.facts["where"]) == (None, "")
    with translation.override("en"):
        assert str(caught.value) == f"The copy {copy.barcode} is not on loan. It can go back to the shelf."


@pytest.mark.parametrize("barcode", ["", "EM404", "x" * 500, "EM\x000001", "\u202e1", "'; --"])
def test_an_unknown_barcode_is_refused(barcode: str, library: Library) -> None:
    with pytest.raises(UnknownBarcode) as caught:
        loans.take_back(barcode=barcode, library_id=library.pk, by=RULE, now=NOW)
    assert (caught.value.code, caught.value.status, caught.value.field) == ("unknown_barcode", 404, "barcode")
    assert "\x00" not in caught.value.facts["barcode"]


def test_a_barcode_may_be_scanned_with_spaces(copy: Copy) -> None:
    assert copies.by_barcode(f" {copy.barcode[:4]} {copy.barcode[4:]}\r\n") == copy


def test_a_clock_that_runs_behind_does_not_lose_a_return(copy: Copy, patron: Patron, library: Library) -> None:
    loan = lend(copy, patron, library)
    assert give_back(copy, library, now=NOW - timedelta(minutes=1)).loan.returned_at == loan.lent_at


# Undoing


def test_an_undone_return_sends_the_next_in_line_back_to_their_place(
    copy: Copy, patron: Patron, library: Library, title: Title, point: PickupPoint
) -> None:
    loan = lend(copy, patron, library)
    (waiting,) = rows.reserve(rows.patron(library), title, at=point)
    assert give_back(copy, library).next_reservation == waiting
    again = loans.undo_return(loan_id=loan.pk, by=RULE, now=LATER)
    waiting.refresh_from_db()
    assert (again.state, again.returned_at, fresh(copy).state) == (LoanState.OUT, None, CopyState.LOAN)
    assert (waiting.state, waiting.copy) == (ReservationState.WAITING, None)
    with pytest.raises(MoveRefused):
        loans.undo_return(loan_id=loan.pk, by=RULE, now=LATER)


@pytest.mark.parametrize(
    ("lent_by", "surge_by", "back_at", "pauses"),
    [(0, None, 5, []), (5, None, 0, [15]), (2, None, 5, [6]), (2, 4, 5, [12])],
)
def test_a_late_book_is_counted_by_the_rules_of_who_lent_it_wherever_it_comes_back(
    lent_by: int, surge_by: int | None, back_at: int, pauses: list[int]
) -> None:
    lender = rows.library(programme=rows.programme(overdue_pause=lent_by))
    other = rows.library(programme=rows.programme(overdue_pause=back_at), zone="America/New_York")
    reader = rows.patron(lender)
    copy = rows.copy(rows.title(), lender)
    loan = lend(copy, reader, lender)
    if surge_by is not None:
        surge = rows.programme(overdue_pause=surge_by)
        Library.objects.filter(pk=lender.pk).update(surge_programme=surge, surge=True)
    give_back(copy, other, now=NOW + timedelta(days=17))  # 10:00 on the 11th where it was lent, the 10th where it is
    made = Pause.objects.filter(patron=reader)
    assert [(one.programme, one.since, (one.until - one.since).days) for one in made] == [
        (lender.programme, rows.day("2026-12-11"), length) for length in pauses
    ]
    loans.undo_return(loan_id=loan.pk, by=RULE, now=NOW + timedelta(days=17))
    assert not Pause.objects.filter(patron=reader, lifted_at=None).exists()


def test_a_loan_keeps_its_terms_when_its_library_moves_to_another_programme() -> None:
    library = rows.library(programme=rows.programme(overdue_pause=2))
    reader, copy = rows.patron(library), rows.copy(rows.title(), library)
    lent_by = lend(copy, reader, library).programme
    Library.objects.filter(pk=library.pk).update(programme=rows.programme(overdue_pause=0))
    give_back(copy, library, now=NOW + timedelta(days=17))
    (pause,) = Pause.objects.filter(patron=reader)
    assert (pause.programme, pause.until) == (lent_by, rows.day("2026-12-17"))


def test_an_undone_return_lifts_the_pause_for_its_being_late_and_no_other() -> None:
    library = rows.library(programme=rows.programme(overdue_pause=2))
    reader, late, later = rows.patron(library), timedelta(days=17), timedelta(days=18)
    lent = [lend(rows.copy(rows.title(), library), reader, library) for _ in range(3)]
    for loan, when in zip(lent, (late, late, later), strict=True):  # due on 8 December: 3, 3 and 4 days late
        give_back(loan.copy, library, now=NOW + when)
    loans.undo_return(loan_id=lent[0].pk, by=RULE, now=NOW + later)
    pauses = list(Pause.objects.filter(patron=reader, lifted_at=None).order_by("pk"))
    assert [(one.days_overdue, one.until) for one in pauses] == [
        (3, rows.day("2026-12-17")),
        (4, rows.day("2026-12-20")),
    ]
    loans.undo_return(loan_id=lent[2].pk, by=RULE, now=NOW + later)
    lifted = Pause.objects.get(patron=reader, days_overdue=4)
    assert (lifted.lifted_at, lifted.lifted_by, lifted.lifted_why) == (NOW + later, RULE.principal, "ours")
    assert quota.standing(patron=reader, library=library, today=rows.day("2026-12-12")).paused == quota.Pausing(
        "overdue", 3, rows.day("2026-12-17")
    )


def test_a_return_is_not_undone_when_the_next_has_it_in_a_bag(
    copy: Copy, patron: Patron, library: Library, title: Title, point: PickupPoint
) -> None:
    loan = lend(copy, patron, library)
    (waiting,) = rows.reserve(rows.patron(library), title, at=point)
    give_back(copy, library)
    reservations.bag(reservation_ids=[waiting.pk], by=RULE, now=LATER)
    with pytest.raises(AlreadyPromised) as caught:
        loans.undo_return(loan_id=loan.pk, by=RULE, now=LATER)
    assert caught.value.code == "already_promised"


def test_a_return_is_not_undone_when_the_copy_was_lent_again(copy: Copy, patron: Patron, library: Library) -> None:
    loan = lend(copy, patron, library)
    give_back(copy, library)
    lend(copy, rows.patron(library), library, now=LATER)
    with pytest.raises(CopyOnLoan):
        loans.undo_return(loan_id=loan.pk, by=RULE, now=LATER)


def test_a_return_is_not_undone_when_the_copy_is_missing_by_now(copy: Copy, patron: Patron, library: Library) -> None:
    loan = lend(copy, patron, library)
    give_back(copy, library)
    fresh(copy).move(CopyState.MISSING, at=LATER, by=RULE)
    with pytest.raises(CopyNotHere):
        loans.undo_return(loan_id=loan.pk, by=RULE, now=LATER)


def test_an_undone_hand_over_puts_the_book_back_into_its_bag(
    copy: Copy, patron: Patron, library: Library, title: Title, point: PickupPoint
) -> None:
    bagged = in_a_bag(patron, title, point)
    loan = lend(copy, patron, library, reservation_id=bagged.pk)
    undone = loans.undo_check_out(loan_id=loan.pk, by=RULE, now=LATER)
    bagged.refresh_from_db()
    assert (undone.state, bagged.state, fresh(copy).state) == (
        LoanState.VOIDED,
        ReservationState.BAGGED,
        CopyState.BAG,
    )
    assert lend(copy, patron, library, reservation_id=bagged.pk, now=LATER).pk != loan.pk
    with pytest.raises(MoveRefused):
        loans.undo_check_out(loan_id=loan.pk, by=RULE, now=LATER)


def test_an_undone_desk_loan_is_set_aside_again(
    copy: Copy, patron: Patron, library: Library, title: Title, point: PickupPoint
) -> None:
    (made,) = rows.reserve(patron, title, at=point)
    loans.undo_check_out(loan_id=lend(copy, patron, library).pk, by=RULE, now=LATER)
    made.refresh_from_db()
    assert (made.state, made.copy, fresh(copy).state) == (ReservationState.ALLOCATED, copy, CopyState.TO_SHELVE)


def test_an_undone_loan_without_reservation_lies_on_the_cart(copy: Copy, patron: Patron, library: Library) -> None:
    loans.undo_check_out(loan_id=lend(copy, patron, library).pk, by=RULE, now=LATER)
    assert fresh(copy).state == CopyState.TO_SHELVE


def test_a_hand_over_is_not_undone_once_the_patron_asks_for_the_title_again(
    copy: Copy, patron: Patron, library: Library, title: Title, point: PickupPoint
) -> None:
    bagged = in_a_bag(patron, title, point)
    loan = lend(copy, patron, library, reservation_id=bagged.pk)
    rows.reserve(patron, title, at=point, now=LATER)
    with pytest.raises(AlreadyReserved):
        loans.undo_check_out(loan_id=loan.pk, by=RULE, now=LATER)
    loan.refresh_from_db()
    assert loan.state == LoanState.OUT


# Renewing


def test_a_renewal_counts_from_the_due_date(copy: Copy, patron: Patron, library: Library) -> None:
    loan = lend(copy, patron, library)
    renewed = loans.renew(loan_id=loan.pk, by=RULE, now=LATER)
    assert (renewed.due_on, renewed.renewals) == (rows.day("2026-12-22"), 1)
    with pytest.raises(NotRenewable) as caught:
        loans.renew(loan_id=loan.pk, by=RULE, now=LATER)
    assert (caught.value.code, caught.value.facts) == (
        "not_renewable",
        {"why": "used_up", "count": 1, "due_on": "2026-12-22"},
    )


def test_while_the_building_is_closed_its_rules_say_how_often_a_loan_is_renewed() -> None:
    library = rows.library(
        programme=rows.programme(renewals=0), surge_programme=rows.programme(renewals=3, loan_days=7), surge=True
    )
    loan = lend(rows.copy(rows.title(), library), rows.patron(library), library)
    for times, due in enumerate(("2026-12-08", "2026-12-15", "2026-12-22"), start=1):
        renewed = loans.renew(loan_id=loan.pk, by=RULE, now=LATER)
        assert (renewed.renewals, renewed.due_on) == (times, rows.day(due))
    with pytest.raises(NotRenewable) as caught:
        loans.renew(loan_id=loan.pk, by=RULE, now=LATER)
    assert caught.value.facts == {"why": "used_up", "count": 3, "due_on": "2026-12-22"}
    Library.objects.filter(pk=library.pk).update(surge=False)
    other = lend(rows.copy(rows.title(), library), rows.patron(library), library)
    with pytest.raises(NotRenewable):
        loans.renew(loan_id=other.pk, by=RULE, now=LATER)


def test_what_somebody_waits_for_is_not_renewed(
    copy: Copy, patron: Patron, library: Library, title: Title, point: PickupPoint
) -> None:
    loan = lend(copy, patron, library)
    (waiting,) = rows.reserve(rows.patron(library), title, at=point)
    with pytest.raises(NotRenewable) as caught:
        loans.renew(loan_id=loan.pk, by=RULE, now=LATER)
    assert caught.value.facts == {"why": "wanted", "count": 1, "due_on": "2026-12-08"}
    with translation.override("ko"):
        assert str(caught.value) == "이 책을 기다리는 분이 있습니다(1명). 2026년 12월 8일까지 반납해 주세요."
    wishes.cancel(reservation_id=waiting.pk, by=RULE, now=LATER)
    assert loans.renew(loan_id=loan.pk, by=RULE, now=LATER).renewals == 1


def test_an_overdue_loan_is_not_renewed_and_one_due_today_is(copy: Copy, patron: Patron, library: Library) -> None:
    loan = lend(copy, patron, library)
    with pytest.raises(NotRenewable) as caught:
        loans.renew(loan_id=loan.pk, by=RULE, now=NOW + timedelta(days=15))
    assert caught.value.facts == {"why": "overdue", "count": 1, "due_on": "2026-12-08"}
    assert loans.renew(loan_id=loan.pk, by=RULE, now=NOW + timedelta(days=14)).renewals == 1


def test_a_returned_loan_is_not_renewed(copy: Copy, patron: Patron, library: Library) -> None:
    loan = lend(copy, patron, library)
    give_back(copy, library)
    with pytest.raises(MoveRefused):
        loans.renew(loan_id=loan.pk, by=RULE, now=LATER)


# Where a copy is


def test_a_copy_found_again_goes_to_who_waits_for_it(
    copy: Copy, patron: Patron, library: Library, title: Title, point: PickupPoint
) -> None:
    (made,) = rows.reserve(patron, title, at=point)
    reservations.bag(reservation_ids=[made.pk], by=RULE, now=NOW)
    reservations.copy_missing(reservation_id=made.pk, by=RULE, now=NOW)
    found = copies.found(barcode=copy.barcode, library_id=library.pk, by=RULE, now=LATER)
    made.refresh_from_db()
    assert (found.state, made.state, made.copy) == (CopyState.TO_SHELVE, ReservationState.ALLOCATED, copy)


def test_a_lent_copy_is_taken_back_not_found(copy: Copy, patron: Patron, library: Library) -> None:
    lend(copy, patron, library)
    with pytest.raises(CopyOnLoan):
        copies.found(barcode=copy.barcode, library_id=library.pk, by=RULE, now=LATER)
    with pytest.raises(CopyOnLoan):
        copies.to_bag(copy_id=copy.pk, by=RULE, now=LATER)


def test_what_was_never_away_is_not_found(copy: Copy, library: Library) -> None:
    with pytest.raises(MoveRefused):
        copies.found(barcode=copy.barcode, library_id=library.pk, by=RULE, now=LATER)


def test_a_missing_copy_can_be_packed_when_it_turns_up(copy: Copy) -> None:
    copy.move(CopyState.MISSING, at=NOW, by=RULE)
    assert copies.to_bag(copy_id=copy.pk, by=RULE, now=NOW).state == CopyState.BAG
    with pytest.raises(MoveRefused):
        copies.to_bag(copy_id=copy.pk, by=RULE, now=NOW)


def test_shelving_and_unpacking_leave_alone_what_is_elsewhere(copy: Copy, library: Library) -> None:
    other = rows.copy(rows.title(), library)
    copies.to_bag(copy_id=copy.pk, by=RULE, now=NOW)
    assert copies.to_return_cart(copy_ids=[copy.pk, other.pk], by=RULE, now=NOW) == [copy]
    assert copies.shelve(copy_ids=[copy.pk, other.pk], by=RULE, now=NOW) == [copy]
    journal = Journal.objects.filter(noun="lending.copy", row=copy.pk).order_by("id")
    assert [row.became for row in journal] == ["shelf", "bag", "to_shelve", "shelf"]
