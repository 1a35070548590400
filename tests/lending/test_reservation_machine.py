"""Whatever people do in whatever order: nobody waits beside a free copy, no copy is promised twice, all laws hold.

Once where books stay in their library, once where they travel.
"""

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

from config import invariants
from core.actor import RULE
from core.models import Journal
from core.refusal import Refusal
from lending import allocation, copies, loans, missing, queries, reservations, transfers, wishes
from lending.models import Copy, Loan, Reservation, Transfer
from lending.reservations import Item
from lending.states import HOLDING, OPEN_TRANSFER, CopyState, LoanState, ReservationState
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

    @initialize(travels=st.booleans())
    def open_the_doors(self, travels: bool) -> None:
        self.travels = travels
        here = rows.library(programme=rows.programme(volumes=100, transfer_days=1 if travels else None))
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
            more = {"until": (self.clock + timedelta(days=3)).date()} if verb == "suspend" else {}
            getattr(wishes, verb)(reservation_id=found.pk, by=RULE, now=self.now(), **more)

    @rule(n=PEOPLE, where=BOOKS)
    def collect_elsewhere(self, n: int, where: int) -> None:
        found = self.one(n, "waiting", "suspended", "allocated")
        if found:
            point_id = self.points[where].pk
            wishes.collect_at(reservation_id=found.pk, point_id=point_id, by=RULE, now=self.now())

    @rule(n=PEOPLE)
    def need_it_no_longer(self, n: int) -> None:
        found = self.one(n, "waiting", "suspended", "allocated")
        if found:
            wishes.need_until(reservation_id=found.pk, until=self.clock.date(), by=RULE, now=self.now())
            assert wishes.expire_due(now=self.clock + timedelta(days=2)) == 1

    @rule(n=PEOPLE)
    def bag(self, n: int) -> None:
        found = self.one(n, "allocated")
        if found and queries.can_be_bagged(found):
            assert reservations.bag(reservation_ids=[found.pk], by=RULE, now=self.now())

    @rule(n=PEOPLE)
    def pack(self, n: int) -> None:
        """Where books are lent when they are packed."""
        found = self.one(n, "bagged")
        if found and found.patron_id and found.copy_id:
            put_in = partial(
                loans.pack,
                copy_id=found.copy_id,
                patron_id=found.patron_id,
                library_id=found.pickup_point.library_id,
                reservation_id=found.pk,
                by=RULE,
                now=self.now(),
            )
            assert code_of(put_in) in {"", "copy_not_here", "copy_on_loan"}  # it lies in the bag already

    @rule(n=PEOPLE, to=st.sampled_from([ReservationState.CANCELLED, ReservationState.EXPIRED]))
    def give_the_bag_up(self, n: int, to: ReservationState) -> None:
        found = self.one(n, "bagged")
        if found and found.copy_id:
            assert reservations.end_bagged(reservation_ids=[found.pk], to=to, by=RULE, now=self.now())
            copies.to_return_cart(copy_ids=[found.copy_id], by=RULE, now=self.now())
            allocation.allocate(title_ids=[found.title_id], by=RULE, now=self.now())

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
            check_out = partial(
                loans.check_out,
                copy_id=found.copy_id,
                patron_id=found.patron_id,
                library_id=found.pickup_point.library_id,
                by=RULE,
                now=self.now(),
                reservation_id=found.pk,
            )
            assert code_of(check_out) in ({"", "copy_not_here"} if self.travels else {""})

    @rule(n=STOCK)
    def undo_the_last_hand_over(self, n: int) -> None:
        loan = Loan.objects.filter(copy=self.stock[n], state=LoanState.OUT).order_by("-pk").first()
        if loan and not queries.in_bags().contains(loan):
            undo = partial(loans.undo_check_out, loan_id=loan.pk, by=RULE, now=self.now())
            assert code_of(undo) in {"", "already_reserved"}

    @rule(n=STOCK)
    def renew(self, n: int) -> None:
        loan = Loan.objects.filter(copy=self.stock[n], state=LoanState.OUT).first()
        if loan:
            assert code_of(partial(loans.renew, loan_id=loan.pk, by=RULE, now=self.now())) in {"", "not_renewable"}

    @rule(n=STOCK, where=BOOKS)
    def scan_at_the_transfers_desk(self, n: int, where: int) -> None:
        library_id = self.points[where].library_id
        scan = partial(transfers.scan, barcode=self.stock[n].barcode, library_id=library_id, by=RULE, now=self.now())
        assert code_of(scan) in {"", "nothing_to_send"}

    @rule(n=STOCK, verb=st.sampled_from(["not_found", "lost"]))
    def lose_on_the_way(self, n: int, verb: str) -> None:
        journeys = list(Transfer.objects.filter(copy__in=self.stock, state__in=OPEN_TRANSFER).order_by("pk"))
        if journeys:
            journey = journeys[n % len(journeys)]
            give_up = partial(getattr(transfers, verb), transfer_id=journey.pk, by=RULE, now=self.now())
            assert code_of(give_up) in {"", "not_in_this_state"}

    @rule(n=STOCK, where=BOOKS)
    def bring_back(self, n: int, where: int) -> None:
        copy = self.stock[n]
        out = Loan.objects.filter(copy=copy, state=LoanState.OUT).first()
        home = out is not None and not queries.in_bags().contains(out)
        library_id = self.points[where].library_id
        take_back = partial(loans.take_back, barcode=copy.barcode, library_id=library_id, by=RULE, now=self.now())
        assert code_of(take_back) in ({""} if home else {"not_on_loan", "in_an_order"})

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

    @rule(n=STOCK)
    def look_for_it_twice_and_give_up(self, n: int) -> None:
        gone = Copy.objects.filter(pk=self.stock[n].pk, state=CopyState.MISSING).first()
        if gone:
            for _ in range(2):
                self.clock += timedelta(days=1)
                missing.looked(copy_id=gone.pk, by=RULE, now=self.now())
            assert missing.give_up(copy_id=gone.pk, by=RULE, now=self.now()).state == CopyState.LOST

    @invariant()
    def every_law_holds(self) -> None:
        """Those of this room: there are no bags here, only reservations that would be in one."""
        if hasattr(self, "titles"):
            assert [breach for breach in invariants.breaches() if "pickup_" not in breach.law.sql] == []

    @invariant()
    def nobody_waits_beside_a_free_copy(self) -> None:
        if not hasattr(self, "titles"):
            return
        free = {(copy.title_id, copy.at_library_id) for copy in queries.free_copies().filter(title__in=self.titles)}
        waiting = {(row.title_id, row.pickup_point.library_id) for row in self.mine(ReservationState.WAITING)}
        assert not free & waiting
        if self.travels:
            assert not {title_id for title_id, _library in free} & {title_id for title_id, _library in waiting}
        assert allocation.allocate(title_ids=[title.pk for title in self.titles], by=RULE, now=self.clock) == []

    @invariant()
    def no_copy_is_in_two_hands(self) -> None:
        if not hasattr(self, "titles"):
            return
        held = [row.copy_id for row in self.mine(*HOLDING)]
        assert len(held) == len(set(held))
        home = queries.at_home().filter(copy__in=self.stock)
        lent = set(home.values_list("copy_id", flat=True))
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


LIVES = [
    pytest.param(12, marks=pytest.mark.timeout(300)),
    pytest.param(200, marks=[pytest.mark.long, pytest.mark.timeout(1500)]),
]


@pytest.mark.parametrize("lives", LIVES)
def test_whatever_people_do_lending_stays_sound(lives: int) -> None:
    run_state_machine_as_test(LendingMachine, settings=settings(max_examples=lives, stateful_step_count=25))
