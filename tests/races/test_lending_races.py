"""Two people at the same moment, in the lending room; each race also with its guard taken away, when it must break."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Collection
from datetime import timedelta

import pytest

from core.actor import RULE
from core.models import Journal
from core.refusal import Refusal
from lending import allocation, loans, quota
from lending.loans import Returned
from lending.models import Copy, Library, Loan, PickupPoint, Reservation, Title
from lending.reservations import Item
from lending.states import CopyState, LoanState, ReservationState
from tests import rows
from tests.races.guards import PAUSE, law_dropped, slowly, without_locks, without_swap
from tests.races.together import Outcome, together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]

NOW = rows.NOW
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def library() -> Library:
    return rows.library()


@pytest.fixture
def point(library: Library) -> PickupPoint:
    return rows.point(library)


# The last copy of a title


def ask_for_the_last_copy(library: Library, point: PickupPoint, n: int) -> tuple[Copy, Outcome[list[Reservation]]]:
    title = rows.title()
    copy = rows.copy(title, library)
    people = [rows.patron(library) for _ in range(n)]
    return copy, together(n, lambda index: rows.reserve(people[index], title, at=point))


def promised(copy: Copy) -> int:
    return Reservation.objects.filter(copy=copy, state=ReservationState.ALLOCATED).count()


def test_the_last_copy_is_promised_to_one_of_many(
    library: Library, point: PickupPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowly(monkeypatch, Reservation, "move")
    copy, outcome = ask_for_the_last_copy(library, point, 6)
    assert outcome.refused == []
    assert promised(copy) == 1
    assert Reservation.objects.filter(state=ReservationState.WAITING).count() == 5


def test_without_locks_the_law_still_promises_the_last_copy_once(
    library: Library, point: PickupPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowly(monkeypatch, Reservation, "move")
    without_locks(monkeypatch)
    copy, outcome = ask_for_the_last_copy(library, point, 6)
    assert outcome.refused == []
    assert promised(copy) == 1
    assert Reservation.objects.filter(state=ReservationState.WAITING).count() == 5


@pytest.mark.control
def test_without_lock_and_law_the_last_copy_is_promised_several_times(
    library: Library, point: PickupPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowly(monkeypatch, Reservation, "move")
    without_locks(monkeypatch)
    with law_dropped(Reservation, "lending_copy_set_aside_once"):
        copy, _ = ask_for_the_last_copy(library, point, 6)
        assert promised(copy) > 1


# The household's quota


def ask_as_a_family(library: Library, point: PickupPoint) -> Outcome[list[Reservation]]:
    """Four cards of one household ask for three volumes each, of five that are allowed."""
    home = rows.household()
    family = [rows.patron(library, household=home) for _ in range(4)]
    piles = []
    for _ in family:
        titles = [rows.title() for _ in range(3)]
        for title in titles:
            rows.copy(title, library)
        piles.append(titles)
    return together(4, lambda index: rows.reserve(family[index], *piles[index], at=point))


def test_a_household_never_gets_more_than_its_quota(
    library: Library, point: PickupPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowly(monkeypatch, quota, "refuse_beyond", before=False)
    outcome = ask_as_a_family(library, point)
    assert len(outcome.answers) == 1
    assert outcome.codes() == ["quota_exceeded"] * 3
    assert Reservation.objects.count() == 3


@pytest.mark.control
def test_without_the_lock_a_household_gets_more_than_its_quota(
    library: Library, point: PickupPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowly(monkeypatch, quota, "refuse_beyond", before=False)
    without_locks(monkeypatch)
    ask_as_a_family(library, point)
    assert Reservation.objects.count() > 5


# The same book asked for in two tabs


def ask_in_two_tabs(library: Library, point: PickupPoint) -> Outcome[list[Reservation]]:
    title = rows.title()
    for _ in range(2):
        rows.copy(title, library)
    patron = rows.patron(library)
    return together(2, lambda index: rows.reserve(patron, title, at=point))


@pytest.mark.parametrize("locked", [True, False])
def test_a_title_asked_for_in_two_tabs_is_reserved_once(
    locked: bool, library: Library, point: PickupPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowly(monkeypatch, quota, "refuse_beyond", before=False)
    if not locked:
        without_locks(monkeypatch)  # then the law alone holds
    outcome = ask_in_two_tabs(library, point)
    assert (len(outcome.answers), outcome.codes()) == (1, ["already_reserved"])


@pytest.mark.control
def test_without_lock_and_law_a_title_is_reserved_twice(
    library: Library, point: PickupPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowly(monkeypatch, quota, "refuse_beyond", before=False)
    without_locks(monkeypatch)
    with law_dropped(Reservation, "lending_title_reserved_once_per_patron"):
        assert len(ask_in_two_tabs(library, point).answers) == 2


# Two librarians take back the same book


def return_twice(library: Library) -> tuple[Loan, Outcome[Returned]]:
    copy = rows.copy(rows.title(), library)
    loan = loans.check_out(copy_id=copy.pk, patron_id=rows.patron(library).pk, library_id=library.pk, by=RULE, now=NOW)
    desks = [rows.staff_actor(rows.staff(library)) for _ in range(2)]
    outcome = together(
        2, lambda index: loans.take_back(barcode=copy.barcode, library_id=library.pk, by=desks[index], now=LATER)
    )
    return loan, outcome


def returns_of(loan: Loan) -> int:
    return Journal.objects.filter(noun="lending.loan", row=loan.pk, became=LoanState.RETURNED).count()


def test_a_book_is_taken_back_once_and_the_other_is_told_by_whom(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowly(monkeypatch, Loan, "move")
    loan, outcome = return_twice(library)
    assert (len(outcome.answers), outcome.codes(), returns_of(loan)) == (1, ["not_on_loan"], 1)
    (refusal,) = outcome.refused
    assert isinstance(refusal, Refusal)
    assert refusal.facts["by"].startswith("staff:")
    assert refusal.facts["returned_at"] == LATER.isoformat(timespec="seconds")


def test_without_locks_the_swap_still_takes_a_book_back_once(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    slowly(monkeypatch, Loan, "move")
    without_locks(monkeypatch)
    loan, outcome = return_twice(library)
    assert (len(outcome.answers), outcome.codes(), returns_of(loan)) == (1, ["moved_meanwhile"], 1)


@pytest.mark.control
def test_without_lock_and_swap_a_book_is_taken_back_twice(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    without_swap(monkeypatch)
    slowly(monkeypatch, Loan, "move")
    without_locks(monkeypatch)
    loan, outcome = return_twice(library)
    assert (len(outcome.answers), returns_of(loan)) == (2, 2)


# Two desks lend the same book


def lend_twice(library: Library) -> Outcome[Loan]:
    copy = rows.copy(rows.title(), library)
    people = [rows.patron(library) for _ in range(2)]
    return together(
        2,
        lambda index: loans.check_out(
            copy_id=copy.pk, patron_id=people[index].pk, library_id=library.pk, by=RULE, now=NOW
        ),
    )


@pytest.mark.parametrize("locked", [True, False])
def test_a_book_is_lent_once(locked: bool, library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    slowly(monkeypatch, loans, "due_on")
    if not locked:
        without_locks(monkeypatch)  # then the law alone holds
    outcome = lend_twice(library)
    assert (len(outcome.answers), outcome.codes()) == (1, ["copy_on_loan"])


@pytest.mark.control
def test_without_lock_law_and_swap_a_book_is_lent_twice(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    slowly(monkeypatch, loans, "due_on")
    without_locks(monkeypatch)
    without_swap(monkeypatch)
    with law_dropped(Loan, "lending_copy_lent_once"):
        assert len(lend_twice(library).answers) == 2


# A book comes back while somebody asks for it


def return_while_somebody_asks(library: Library, point: PickupPoint) -> tuple[Copy, Outcome[object]]:
    title = rows.title()
    copy = rows.copy(title, library)
    loans.check_out(copy_id=copy.pk, patron_id=rows.patron(library).pk, library_id=library.pk, by=RULE, now=NOW)
    patron = rows.patron(library)
    acts: list[Callable[[], object]] = [
        lambda: loans.take_back(barcode=copy.barcode, library_id=library.pk, by=RULE, now=LATER),
        lambda: rows.reserve(patron, title, at=point, now=LATER),
    ]
    return copy, together(2, lambda index: acts[index]())


def test_a_book_that_comes_back_while_somebody_asks_is_set_aside(
    library: Library, point: PickupPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowly(monkeypatch, allocation, "_hand_out_title", before=False)
    copy, outcome = return_while_somebody_asks(library, point)
    assert outcome.refused == []
    assert promised(copy) == 1


@pytest.mark.control
def test_without_locks_they_miss_each_other_and_the_sweep_brings_them_together(
    library: Library, point: PickupPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowly(monkeypatch, allocation, "_hand_out_title", before=False)
    with monkeypatch.context() as unguarded:
        without_locks(unguarded)
        copy, _ = return_while_somebody_asks(library, point)
    assert promised(copy) == 0
    assert [row.copy for row in allocation.allocate(by=RULE, now=LATER)] == [copy]


# Many at once


def ask_in_other_orders(library: Library, point: PickupPoint) -> tuple[list[Copy], Outcome[list[Reservation]]]:
    """Six people ask for the same three books, each in another order; two copies of each are there."""
    titles = [rows.title() for _ in range(3)]
    stock = [rows.copy(title, library) for title in titles for _ in range(2)]
    people = [rows.patron(library) for _ in range(6)]
    orders = list(itertools.permutations(titles))
    return stock, together(6, lambda index: rows.reserve(people[index], *orders[index], at=point))


def test_people_who_ask_for_the_same_books_in_other_orders_never_block_each_other(
    library: Library, point: PickupPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowly(monkeypatch, allocation, "lock_titles")
    stock, outcome = ask_in_other_orders(library, point)
    assert outcome.refused == []
    held = Reservation.objects.filter(state=ReservationState.ALLOCATED)
    assert {row.copy_id for row in held} == {copy.pk for copy in stock}
    assert held.count() == len(stock)
    assert Reservation.objects.filter(state=ReservationState.WAITING).count() == 12


def lock_as_asked(title_ids: Collection[int]) -> list[int]:
    """Lock titles one after the other, in the order in which this runner asked for them."""
    index = int(threading.current_thread().name.removeprefix("runner-"))
    order = list(itertools.permutations(sorted(title_ids)))[index]
    for title_id in order:
        Title.objects.select_for_update(no_key=True).get(pk=title_id)
        time.sleep(PAUSE)
    return sorted(title_ids)


def test_with_titles_locked_as_they_are_asked_for_people_block_each_other(
    library: Library, point: PickupPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allocation, "lock_titles", lock_as_asked)
    _, outcome = ask_in_other_orders(library, point)
    assert "OperationalError" in outcome.codes()


def give_in_three_sweeps(library: Library, point: PickupPoint) -> Outcome[list[Reservation]]:
    """Three sweeps find five copies, for each of which two people wait."""
    titles = [rows.title() for _ in range(5)]
    for title in titles:
        copy = rows.copy(title, library)
        copy.move(CopyState.MISSING, at=NOW, by=RULE)
        for _ in range(2):
            rows.reserve(rows.patron(library), Item(title.pk), at=point)
        copy.move(CopyState.SHELF, at=NOW, by=RULE)
    return together(3, lambda index: allocation.allocate(by=RULE, now=LATER))


def test_several_sweeps_at_once_give_each_copy_once(
    library: Library, point: PickupPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowly(monkeypatch, allocation, "hand_out")
    outcome = give_in_three_sweeps(library, point)
    assert outcome.refused == []
    assert sum(len(given) for given in outcome.answers) == 5
    assert Reservation.objects.filter(state=ReservationState.ALLOCATED).count() == 5


@pytest.mark.control
def test_without_locks_and_swap_several_sweeps_give_a_copy_several_times(
    library: Library, point: PickupPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them mean the same reader, so that the law on copies has nothing to say."""
    without_swap(monkeypatch)
    slowly(monkeypatch, Reservation, "move")
    without_locks(monkeypatch)
    outcome = give_in_three_sweeps(library, point)
    assert sum(len(given) for given in outcome.answers) > 5
