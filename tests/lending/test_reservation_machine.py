"""Whatever people do in whatever order: nobody waits beside a free copy, and no copy is promised twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core.actor import RULE
from core.models import Journal
from core.refusal import Refusal
from lending import copies, loans, queries, reservations
from lending.models import Copy, Loan, Reservation
from lending.reservations import Item
from lending.states import HOLDING, CopyState, LoanState, ReservationState
from tests import rows

pytestmark = pytest.mark.django_db

PEOPLE, BOOKS, STOCK = st.integers(0, 4), st.integers(0, 1), st.integers(0, 4)


def code_of(act: Callable[[], object]) -> str:
    """The code of the refusal that an act meets, "" if it meets none."""
    try:
        act()
    except Refusal as refusal:
        return refusal.code
    return ""


class LendingMachine(RuleBasedStateMachine):
    """Two libraries of a programme, two titles of two and three copies, five patrons."""

    @initialize()
    def open_the_doors(self) -> None:
        here = rows.library(programme=rows.programme(volumes=100))
        there = rows.library(programme=here.programme)
        self.points = [rows.point(here, rules=None), rows.point(there, rules=None)]
        self.people = [rows.patron(here, number="") for _ in range(5)]
        self.titles = [rows.title(), rows.title()]
        self.stock = [rows.copy(self.titles[n % 2], here if n < 4 else there) for n in range(5)]
        self.clock = rows.NOW

    def now(self) -> Any:
        self.clock += timedelta(minutes=1)
        return self.clock

    def mine(self, *states: str) -> list[Reservation]:
        return list(Reservation.objects.filter(title__in=self.titles, state__in=states).order_by("pk"))

    def one(self, n: int, *states: str) -> Reservation | None:
        found = self.mine(*states)
        return found[n % len(found)] if found else None

    @rule(who=PEOPLE, what=BOOKS, where=BOOKS)
    def ask(self, who: int, what: int, where: int) -> None:
        place = partial(
            reservations.place,
            patron_id=self.people[who].pk,
            items=[Item(self.titles[what].pk)],
            point_id=self.points[where].pk,
            by=RULE,
            now=self.now(),
        )
        assert code_of(place) in {"", "already_reserved"}

    @rule(n=PEOPLE, verb=st.sampled_from(["cancel", "suspend", "resume"]))
    def change_their_mind(self, n: int, verb: str) -> None:
        states = {"cancel": ["waiting", "allocated"], "suspend": ["waiting"], "resume": ["suspended"]}
        found = self.one(n, *states[verb])
        if found:
            getattr(reservations, verb)(reservation_id=found.pk, by=RULE, now=self.now())

    @rule(n=PEOPLE)
    def bag(self, n: int) -> None:
        found = self.one(n, "allocated")
        if found:
            assert reservations.bag(reservation_ids=[found.pk], by=RULE, now=self.now())

    @rule(n=PEOPLE, verb=st.sampled_from(["unbag", "copy_missing", "copy_damaged"]))
    def lose_it_again(self, n: int, verb: str) -> None:
        found = self.one(n, "bagged")
        if found and verb == "unbag":
            reservations.unbag(reservation_ids=[found.pk], by=RULE, now=self.now())
        elif found:
            getattr(reservations, verb)(reservation_id=found.pk, by=RULE, now=self.now())

    @rule(n=PEOPLE)
    def hand_over(self, n: int) -> None:
        found = self.one(n, "bagged", "allocated")
        if found and found.patron_id and found.copy_id:
            loans.check_out(
                copy_id=found.copy_id,
                patron_id=found.patron_id,
                library_id=found.pickup_point.library_id,
                by=RULE,
                now=self.now(),
                reservation_id=found.pk,
            )

    @rule(n=STOCK, where=BOOKS)
    def bring_back(self, n: int, where: int) -> None:
        copy = self.stock[n]
        lent = Loan.objects.filter(copy=copy, state=LoanState.OUT).exists()
        library_id = self.points[where].library_id
        take_back = partial(loans.take_back, barcode=copy.barcode, library_id=library_id, by=RULE, now=self.now())
        assert code_of(take_back) in ({""} if lent else {"not_on_loan", "in_an_order"})

    @rule(n=STOCK)
    def undo_the_last_return(self, n: int) -> None:
        loan = Loan.objects.filter(copy=self.stock[n], state=LoanState.RETURNED).order_by("-pk").first()
        if loan:
            undo = partial(loans.undo_return, loan_id=loan.pk, by=RULE, now=self.now())
            assert code_of(undo) in {"", "already_promised", "copy_on_loan", "copy_not_here"}

    def away(self) -> list[Copy]:
        return list(Copy.objects.filter(title__in=self.titles, state__in=["missing", "damaged"]).order_by("pk"))

    @precondition(lambda self: self.away())
    @rule(n=STOCK, where=BOOKS)
    def find(self, n: int, where: int) -> None:
        away = self.away()
        copy = away[n % len(away)]
        copies.found(barcode=copy.barcode, library_id=self.points[where].library_id, by=RULE, now=self.now())

    @invariant()
    def nobody_waits_beside_a_free_copy(self) -> None:
        if not hasattr(self, "titles"):
            return
        free = {(copy.title_id, copy.at_library_id) for copy in queries.free_copies().filter(title__in=self.titles)}
        waiting = {(row.title_id, row.pickup_point.library_id) for row in self.mine(ReservationState.WAITING)}
        assert not free & waiting
        assert reservations.allocate(title_ids=[title.pk for title in self.titles], by=RULE, now=self.clock) == []

    @invariant()
    def no_copy_is_in_two_hands(self) -> None:
        if not hasattr(self, "titles"):
            return
        held = [row.copy_id for row in self.mine(*HOLDING)]
        assert len(held) == len(set(held))
        lent = set(Loan.objects.filter(copy__in=self.stock, state=LoanState.OUT).values_list("copy_id", flat=True))
        assert not lent & set(held)
        out = Copy.objects.filter(title__in=self.titles, state=CopyState.LOAN)
        assert lent == set(out.values_list("pk", flat=True))

    @invariant()
    def every_state_is_the_last_of_its_journal(self) -> None:
        if not hasattr(self, "titles"):
            return
        for model in (Reservation, Copy):
            for row in model._default_manager.filter(title__in=self.titles):
                journal = Journal.objects.filter(noun=model.noun(), row=row.pk).order_by("id")
                became = [move.became for move in journal]
                assert became[-1] == row.state
                assert [move.was for move in journal] == ["", *became[:-1]]


@pytest.mark.parametrize("lives", [12, pytest.param(200, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_whatever_people_do_lending_stays_sound(lives: int) -> None:
    run_state_machine_as_test(LendingMachine, settings=settings(max_examples=lives, stateful_step_count=25))
