"""Whatever people do in whatever order: nobody waits beside a free copy, no copy is promised twice, no limit is passed,
all laws hold.

Three libraries of a programme, one of them beside another system; the limits, and whether books travel, are other ones
in each life. What a limit allows is counted by hand beside the house (see by_hand.py).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from core.actor import RULE
from lending import (
    allocation,
    allowances,
    circulation,
    consents,
    copies,
    day_lists,
    loans,
    missing,
    postings,
    queries,
    reservations,
    surge,
    transfers,
    wishes,
)
from lending.circulation import Lent
from lending.models import Copy, Library, Loan, Patron, Posting, Reservation, Transfer
from lending.reservations import Item
from lending.states import HOLDING, OPEN_TRANSFER, CopyState, LoanState, ReservationState
from tests import rows
from tests.lending import by_hand
from tests.lives import Life, any_of, code_of, live

pytestmark = pytest.mark.django_db

PEOPLE, STOCK, PLACES = st.integers(0, 4), st.integers(0, 6), st.integers(0, 2)
BOOKS = [(0, ""), (1, ""), (2, "1"), (2, "2")]
"""What can be asked for: two titles, and a set of two volumes."""
COUNTED = {
    "volumes_per": st.sampled_from(["patron", "household"]),
    "week": st.sampled_from(["calendar", "rolling"]),
}
MOST = {
    "volumes": st.integers(2, 6),
    "volumes_per_order": st.integers(1, 3),
    "orders_per_week": st.integers(1, 4),
    "reserved_at_once": st.integers(2, 6),
    "at_once": st.integers(2, 6),
    "orders_weekday": st.integers(4, 8),
    "waiting_most": st.integers(1, 3),
    "waiting_per_copy": st.integers(1, 2),
    "rest_hours": st.just(24),
    "with_loans": st.booleans(),
}


@st.composite
def limits(draw: st.DrawFn) -> dict[str, Any]:
    """The limits of a programme: one to three of those that it may have."""
    chosen = draw(st.lists(st.sampled_from(sorted(MOST)), min_size=1, max_size=3, unique=True))
    return {name: draw({**COUNTED, **MOST}[name]) for name in [*COUNTED, *chosen]}


WHAT = st.lists(st.sampled_from(BOOKS), min_size=1, max_size=3, unique=True)
WISHES = st.tuples(PEOPLE, WHAT, PLACES)
BEFORE = {"already_reserved", "no_copies", "which_volume"}
"""What is refused before anything is counted."""


class LendingLife(Life):
    """Seven copies of four things in three libraries, five patrons, two of them a household."""

    WITHOUT = frozenset({"I5", "I7", "I10", "I12"})  # nobody sends texts here, and nothing is old enough to be erased

    @initialize(
        travels=st.booleans(),
        goes_home=st.booleans(),
        usual=limits(),
        closed=limits(),
        first=st.lists(WISHES, min_size=3, max_size=8),
    )
    def open_the_doors(
        self,
        travels: bool,
        goes_home: bool,
        usual: dict[str, Any],
        closed: dict[str, Any],
        first: list[tuple[int, list[tuple[int, str]], int]],
    ) -> None:
        self.travels = travels
        moves = {"transfer_days": 1 if travels else None, "foreign_books": "home" if goes_home else "stays"}
        self.programme = rows.programme(**{"volumes": None, **moves, **usual})
        while_closed = rows.programme(**{"volumes": None, **moves, **closed})
        here = rows.library(programme=self.programme, surge_programme=while_closed)
        there = rows.library(programme=self.programme)
        self.beside = rows.library(programme=self.programme, circulation="beside")
        self.points = [rows.point(library, rules=None) for library in (here, there, self.beside)]
        family = rows.household()
        self.people = [rows.patron(here, number="", household=family) for _ in range(2)]
        self.people += [rows.patron(here, number="") for _ in range(3)]
        self.titles = [rows.title() for _ in range(3)]
        stand = [(0, here), (1, here), (2, here), (3, here), (0, there), (1, self.beside), (2, self.beside)]
        self.stock = [rows.copy(self.titles[BOOKS[b][0]], at, volume=BOOKS[b][1]) for b, at in stand]
        self.classes = [
            allowances.put(
                programme_id=which.pk,
                key="more",
                values={"name_ko": "더", "name_en": "More", "volumes": 7, "at_once": 7, "loan_days": 28},
                by=RULE,
                now=rows.NOW,
            )
            for which in (self.programme, while_closed)
        ]
        self.told_gone: set[int] = set()  # copies of which another system is told, or tells, that they are lent
        for who, what, where in first:
            self.asked(who, what, where)

    def begun(self) -> bool:
        return hasattr(self, "told_gone")

    def now(self) -> Any:
        self.clock += timedelta(minutes=1)
        return self.clock

    def today(self) -> Any:
        return queries.today(self.points[0].library, self.clock)

    def mine(self, *states: str) -> list[Reservation]:
        return list(Reservation.objects.filter(state__in=states).select_related("pickup_point").order_by("pk"))

    def one(self, n: int, *states: str) -> Reservation | None:
        return any_of(self.mine(*states), n)

    def gone_or_back(self, copy_id: int | None) -> None:
        """Note whether a copy is on loan now without a loan of ours."""
        gone = Copy.objects.filter(pk=copy_id or 0, state=CopyState.LOAN).exclude(loans__state=LoanState.OUT).exists()
        (self.told_gone.add if gone else self.told_gone.discard)(copy_id or 0)

    # Readers

    @rule(who=PEOPLE, what=WHAT, where=PLACES)
    def ask(self, who: int, what: list[tuple[int, str]], where: int) -> None:
        self.asked(who, what, where)

    def asked(self, who: int, what: list[tuple[int, str]], where: int) -> None:
        patron, point = Patron.objects.get(pk=self.people[who].pk), self.points[where]
        library = queries.library_with_rules(point.library_id)
        items = [Item(self.titles[title].pk, volume) for title, volume in what]
        place = partial(
            reservations.place, patron_id=patron.pk, items=items, point_id=point.pk, by=RULE, now=self.now()
        )
        expected = by_hand.refusal(who=patron, volumes=len(items), library=library, today=self.today())
        said = code_of(place)
        if said in BEFORE:
            return
        assert expected == ("" if said == "queue_full" else said)
        for item in items if said == "" else ():
            self.is_within_the_line(patron, item, library)

    def is_within_the_line(self, patron: Patron, item: Item, library: Library) -> None:
        """Who waits since a moment ago does so in a line that is no longer than the rules allow."""
        waits = Reservation.objects.filter(patron=patron, title=item.title_id, volume=item.volume, state="waiting")
        most = by_hand.most_in_line(title_id=item.title_id, volume=item.volume, library=library)
        if waits.exists() and most is not None:
            assert by_hand.in_line(title_id=item.title_id, volume=item.volume, library=library) <= most

    @rule(n=PEOPLE, verb=st.sampled_from(["cancel", "suspend", "resume", "elsewhere", "until"]), where=PLACES)
    def change_their_mind(self, n: int, verb: str, where: int) -> None:
        states = {"suspend": ["waiting"], "resume": ["suspended"]}
        found = self.one(n, *states.get(verb, wishes.FREE))
        if found is None:
            return
        about: dict[str, Any] = {"reservation_id": found.pk, "by": RULE, "now": self.now()}
        if verb == "elsewhere":
            said = code_of(partial(wishes.collect_at, point_id=self.points[where].pk, **about))
            assert said in {"", "no_copies", "which_volume"}  # its last copy may have been withdrawn since
        elif verb == "until":
            wishes.need_until(until=self.today(), **about)
            assert wishes.expire_due(now=self.clock + timedelta(days=2)) == 1
        elif verb == "suspend":
            wishes.suspend(until=(self.clock + timedelta(days=3)).date(), **about)
        else:
            getattr(wishes, verb)(**about)

    @rule(who=PEOPLE, other=PEOPLE)
    def move_in_or_out(self, who: int, other: int) -> None:
        patron_id, now = self.people[who].pk, self.now()
        if who == other:
            assert code_of(partial(consents.live_apart, patron_id=patron_id, by=RULE, now=now)) in {"", "no_household"}
        else:
            consents.live_with(patron_id=patron_id, other_id=self.people[other].pk, by=RULE, now=now)

    # Bags, as librarians have them

    @rule(most=st.integers(1, 4), pack=st.booleans(), lend=st.booleans())
    def fill_bags(self, most: int, pack: bool, lend: bool) -> None:
        """What is set aside where it is collected goes into bags, and lies in them; or is lent already."""
        for found in [row for row in self.mine("allocated") if queries.can_be_bagged(row)][:most]:
            assert reservations.bag(reservation_ids=[found.pk], by=RULE, now=self.now())
            if pack:
                self.put_in(found.pk, lend=lend)

    def put_in(self, reservation_id: int, *, lend: bool) -> None:
        found = Reservation.objects.select_related("pickup_point").get(pk=reservation_id)
        put_in: Callable[[], object] = partial(copies.to_bag, copy_id=found.copy_id or 0, by=RULE, now=self.now())
        if lend:
            put_in = partial(circulation.pack, **self.given_to(found))
        assert code_of(put_in) in {"", "copy_on_loan", "not_in_this_state"}  # it lies in the bag already
        self.gone_or_back(found.copy_id)

    def given_to(self, found: Reservation) -> dict[str, Any]:
        return {
            "copy_id": found.copy_id,
            "patron_id": found.patron_id,
            "library_id": found.pickup_point.library_id,
            "reservation_id": found.pk,
            "by": RULE,
            "now": self.now(),
        }

    @rule(
        n=PEOPLE,
        verb=st.sampled_from(["pack", "lend", "cancelled", "expired", "unbag", "copy_missing", "copy_damaged"]),
    )
    def change_a_bag(self, n: int, verb: str) -> None:
        found = self.one(n, "bagged")
        if found is None or found.copy_id is None:
            return
        act: dict[str, Any] = {"by": RULE, "now": self.now()}
        if verb in {"pack", "lend"}:
            self.put_in(found.pk, lend=verb == "lend")
        elif verb == "unbag":
            reservations.unbag(reservation_ids=[found.pk], **act)
        elif verb in {"copy_missing", "copy_damaged"}:
            getattr(reservations, verb)(reservation_id=found.pk, **act)
        else:
            assert reservations.end_bagged(reservation_ids=[found.pk], to=ReservationState(verb), **act)
            copies.to_return_cart(copy_ids=[found.copy_id], **act)
            allocation.allocate(title_ids=[found.title_id], **act)
        self.gone_or_back(found.copy_id)

    @rule(n=PEOPLE)
    def hand_over(self, n: int) -> None:
        found = self.one(n, "bagged", "allocated")
        if found and found.copy_id:
            beside = found.pickup_point.library_id == self.beside.pk
            said = code_of(partial(circulation.check_out, **self.given_to(found)))
            assert said in ({"", "copy_not_here"} if self.travels or beside else {""})
            self.gone_or_back(found.copy_id)

    # What is lent and comes back

    @rule(n=STOCK, where=PLACES, damaged=st.booleans())
    def bring_back(self, n: int, where: int, damaged: bool) -> None:
        """A book that is out; where none is, any."""
        out_now = Copy.objects.filter(state=CopyState.LOAN).order_by("pk")
        copy = any_of(list(out_now), n) or self.stock[n]
        library_id = self.points[where].library_id
        out = Loan.objects.filter(copy=copy, state=LoanState.OUT).first()
        home = out is not None and not queries.in_bags().contains(out)
        take_back = partial(
            circulation.take_back,
            barcode=copy.barcode,
            library_id=library_id,
            damaged=damaged,
            by=RULE,
            now=self.now(),
        )
        said = code_of(take_back)
        assert said == "" if home else said in {"", "not_on_loan", "in_an_order", "copy_not_here"}
        self.gone_or_back(copy.pk)

    @rule(n=STOCK, who=PEOPLE, verb=st.sampled_from(["lend", "renew", "undo_hand_over", "undo_return", "lost"]))
    def at_the_desk(self, n: int, who: int, verb: str) -> None:
        getattr(self, verb)(n, who)

    def lend(self, n: int, who: int) -> None:
        copy = Copy.objects.get(pk=self.stock[n].pk)
        lend = partial(
            loans.check_out,
            copy_id=copy.pk,
            patron_id=self.people[who].pk,
            library_id=copy.at_library_id,
            by=RULE,
            now=self.now(),
        )
        refused = {"copy_on_loan", "copy_not_here", "already_promised", "in_an_order", "loans_kept_elsewhere"}
        assert code_of(lend) in {"", *refused}

    def renew(self, n: int, _who: int) -> None:
        loan = Loan.objects.filter(copy=self.stock[n], state=LoanState.OUT).first()
        if loan:
            renew = partial(loans.renew, loan_id=loan.pk, by=RULE, now=self.now())
            assert code_of(renew) in {"", "not_renewable"}

    def undo_hand_over(self, n: int, _who: int) -> None:
        loan = Loan.objects.filter(copy=self.stock[n], state=LoanState.OUT).order_by("-pk").first()
        told = Posting.objects.filter(copy=self.stock[n], kind="check_out", undoes=None).order_by("-pk").first()
        lent = Lent(loan=loan) if loan and not queries.in_bags().contains(loan) else Lent(posting=told)
        if lent.loan or lent.posting:
            undo = partial(circulation.undo_check_out, lent=lent, by=RULE, now=self.now())
            assert code_of(undo) in {"", "already_reserved", *(["not_in_this_state"] if lent.posting else [])}
            allocation.allocate(by=RULE, now=self.now())  # the doorbell of what was lent at the desk
            self.gone_or_back(self.stock[n].pk)

    def undo_return(self, n: int, _who: int) -> None:
        loan = Loan.objects.filter(copy=self.stock[n], state=LoanState.RETURNED).order_by("-pk").first()
        if loan:
            undo = partial(loans.undo_return, loan_id=loan.pk, by=RULE, now=self.now())
            assert code_of(undo) in {"", "already_promised", "copy_on_loan", "copy_not_here", "not_in_this_state"}
            self.gone_or_back(self.stock[n].pk)

    def lost(self, n: int, _who: int) -> None:
        loan = Loan.objects.filter(copy=self.stock[n], state=LoanState.OUT).first()
        if loan:
            assert code_of(partial(loans.lost, loan_id=loan.pk, by=RULE, now=self.now())) in {"", "in_an_order"}

    # Books that travel, are damaged, lost and found

    @rule(n=STOCK, verb=st.sampled_from(["scan", "scan", "not_found", "lost"]), where=st.none() | PLACES)
    def on_the_way(self, n: int, verb: str, where: int | None) -> None:
        """A journey is begun or ended by a scan, at its next place or somewhere; or comes to nothing."""
        journey = any_of(
            list(Transfer.objects.filter(state__in=OPEN_TRANSFER).select_related("copy").order_by("pk")), n
        )
        copy = journey.copy if journey else self.stock[n]
        if verb == "scan":
            library_id = self.points[where or 0].library_id
            if journey and where is None:
                library_id = journey.from_library_id if journey.state == "requested" else journey.to_library_id
            scan = partial(transfers.scan, barcode=copy.barcode, library_id=library_id, by=RULE, now=self.now())
            assert code_of(scan) in {"", "nothing_to_send"}
        elif journey:
            give_up = partial(getattr(transfers, verb), transfer_id=journey.pk, by=RULE, now=self.now())
            assert code_of(give_up) in {"", "not_in_this_state"}

    @rule(n=STOCK, verb=st.sampled_from(["damaged", "damaged", "withdraw", "find", "find", "give_up"]), where=PLACES)
    def set_aside_or_find(self, n: int, verb: str, where: int) -> None:
        away = any_of(list(Copy.objects.filter(state__in=["missing", "damaged", "lost"]).order_by("pk")), n)
        if verb == "find" and away:
            copies.found(barcode=away.barcode, library_id=self.points[where].library_id, by=RULE, now=self.now())
        elif verb == "give_up" and away and away.state == CopyState.MISSING:
            for _ in range(2):
                self.clock += timedelta(days=1)
                missing.looked(copy_id=away.pk, by=RULE, now=self.now())
            assert missing.give_up(copy_id=away.pk, by=RULE, now=self.now()).state == CopyState.LOST
        elif verb in {"damaged", "withdraw"}:
            take_out = partial(getattr(copies, verb), copy_id=self.stock[n].pk, by=RULE, now=self.now())
            assert code_of(take_out) in {"", "copy_on_loan", "in_an_order", "not_in_this_state"}
            self.gone_or_back(self.stock[n].pk)

    # Another system

    @rule(n=STOCK)
    def it_is_lent_there(self, n: int) -> None:
        """The other system says that a copy of its library is lent out there."""
        copy = self.stock[n]
        entry = day_lists.Entry(1, "", "", "", copy.barcode, "", "", "", "")
        marked = day_lists.mark_lent(entries=[entry], library=self.beside, by=RULE, now=self.now())
        assert marked.unknown == int(copy.library_id != self.beside.pk)
        self.gone_or_back(copy.pk)

    @rule(n=PEOPLE, verb=st.sampled_from(["done", "refuse", "again", "undo", "export", "done_export", "drop_export"]))
    def settle(self, n: int, verb: str) -> None:
        found = any_of(list(Posting.objects.order_by("-pk")[:5]), n)
        if found is None:
            return
        act: dict[str, Any] = {"by": RULE, "now": self.now()}
        if verb == "export":
            postings.export(library_id=self.beside.pk, **act)
        elif verb in {"done_export", "drop_export"}:
            if found.export is not None:
                getattr(postings, verb)(export=found.export, library_id=self.beside.pk, **act)
        elif verb == "undo":
            said = code_of(partial(postings.undo_take_back, posting_id=found.pk, **act))
            refused = {"already_promised", "copy_not_here", "not_in_this_state", "loans_kept_elsewhere"}
            assert said in {"", *refused}
            self.gone_or_back(found.copy_id)
        else:
            more = {"reason": "card"} if verb == "refuse" else {}
            settle = partial(getattr(postings, verb), posting_id=found.pk, **more, **act)
            assert code_of(settle) in {"", "not_in_this_state"}

    # Managers, and the clock

    @rule(
        who=PEOPLE, which=st.integers(0, 1), days=st.sampled_from([None, 0, 9]), give=st.booleans(), turn=st.booleans()
    )
    def turn_the_switch_or_give_a_class(self, who: int, which: int, days: int | None, give: bool, turn: bool) -> None:
        if turn:
            surge.switch(library_id=self.points[0].library_id, on=give, by=RULE, now=self.now())
            return
        about = {"patron_id": self.people[who].pk, "allowance_id": self.classes[which % 2].pk}
        if not give:
            assert code_of(partial(allowances.withdraw, **about)) in {"", "not_found"}
            return
        until = None if days is None else self.today() + timedelta(days=days)
        allowances.grant(**about, until=until, today=self.today(), by=RULE, now=self.now())

    @rule(days=st.sampled_from([1, 2, 7]))
    def days_go_by(self, days: int) -> None:
        self.clock += timedelta(days=days)
        copies.rested(now=self.clock)
        wishes.resume_due(now=self.clock)
        allocation.allocate(by=RULE, now=self.clock)
        allocation.send_home_due(now=self.clock)

    # What must hold, beside the laws

    @invariant()
    def nobody_waits_beside_a_free_copy(self) -> None:
        if not self.begun():
            return
        free = {(copy.title_id, copy.volume, copy.at_library_id) for copy in queries.free_copies()}
        waiting = {(row.title_id, row.volume, row.pickup_point.library_id) for row in self.mine("waiting")}
        assert not free & waiting
        if self.travels:
            assert not {book[:2] for book in free} & {book[:2] for book in waiting}
        assert allocation.allocate(title_ids=[title.pk for title in self.titles], by=RULE, now=self.clock) == []

    @invariant()
    def no_copy_is_in_two_hands(self) -> None:
        if not self.begun():
            return
        held = [row.copy_id for row in self.mine(*HOLDING)]
        assert len(held) == len(set(held))
        lent = set(queries.at_home().values_list("copy_id", flat=True))
        assert not lent & set(held)
        out = set(Copy.objects.filter(state=CopyState.LOAN).values_list("pk", flat=True))
        assert lent <= out
        assert out - lent == self.told_gone


LIVES = [
    pytest.param(4, marks=pytest.mark.timeout(300)),
    pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(1800)]),
]


@pytest.mark.parametrize("lives", LIVES)
def test_whatever_people_do_lending_stays_sound(lives: int) -> None:
    live(LendingLife, lives=lives, steps=40)
