"""Whatever readers, librarians and the clock do in whatever order, every law of the house holds after each step.

Beside the laws: nobody's bag is ready without their being told, no promise is without its bag, whoever is here keeps
theirs, and when everybody has gone home and days have gone by, nothing is left open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any, TypeVar

import pytest
from django.db import transaction
from django.db.models import F
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from core.actor import RULE
from core.models import Journal
from core.refusal import Refusal
from lending import allocation, copies, loans, reminders, wishes
from lending import queries as lending_queries
from lending.models import Contact, Copy, Loan, Patron, PickupPoint, Reservation
from lending.reservations import Item
from notifications import inbound
from notifications.models import Call, InboundMessage, Message, Sender
from pickup import (
    appointments,
    arrivals,
    closing,
    elsewhere,
    gathering,
    handovers,
    lane,
    lapses,
    offers,
    opening,
    orders,
    packing,
    queries,
    returns,
    slots,
)
from pickup import hours as pickup_hours
from pickup.models import Appointment, Lane, Order, OrderLine, Slot, Visit, Window
from pickup.states import HERE, OPEN_ORDER, PROMISED, OrderState
from tests import rows
from tests.lives import Life, live
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db

Row = TypeVar("Row")

N = st.integers(0, 11)
PEOPLE, POINTS, TITLES = st.integers(0, 6), st.integers(0, 3), st.integers(0, 6)
BOOKS = st.lists(TITLES, min_size=1, max_size=3, unique=True)
WISHES = st.tuples(PEOPLE, POINTS, BOOKS)
UNPACKED = "to_pick"
TAKEN_AWAY = ("lapsed", "missed", "cancelled", "changed")


class NothingToDo(Refusal):
    """There is no such row in this life yet."""


class PickupLife(Life):
    """A library with a lane, bays, a door and one where books are lent when packed; a household in one car, two who
    share a collector, and some singles.
    """

    WITHOUT = frozenset({"I5", "I7", "I10", "I12"})  # no worker sends texts, and nothing is old enough to be erased

    @initialize(promptly=st.booleans(), first=st.lists(WISHES, min_size=4, max_size=9))
    def open_the_doors(self, promptly: bool, first: list[tuple[int, int, list[int]]]) -> None:
        """`promptly`: doorbells ring after each step; else they come late, after every other one."""
        self.promptly, self.late = promptly, False
        self.here: list[tuple[int, int, int]] = []
        house = rows.library(programme=rows.programme(volumes=1000, volumes_per="patron"))
        self.number = Sender.objects.get(key=house.sender).number
        self.points = [
            rows.point(house, rules={"silence": "lapse", "keep_days": 2}),
            rows.point(house, layout="bays", rules={"promise": "at_order", "keep_days": 1}),
            rows.point(house, layout="door", rules={"by_appointment": False}),
            rows.point(house, layout="door", rules={"by_appointment": False, "lend_at": "packing", "keep_days": 0}),
        ]
        for point in self.points[:2]:
            for weekday in range(7):
                rows.window(point, weekday=weekday, opens=time(11), closes=time(15), slot_minutes=60, capacity=2)
        for _ in range(2):
            rows.lane(self.points[0])
        family = rows.household(together=True)
        self.people = [rows.patron(house, household=family) for _ in range(2)]
        self.people += [rows.patron(house) for _ in range(4)]
        self.people.append(rows.patron(house, number=rows.american()))
        grandson = rows.mobile()
        self.collectors = {
            who.pk: rows.contact(who, own=False, name="손자", number=grandson).pk for who in self.people[2:4]
        }
        self.titles = [rows.title() for _ in range(7)]
        for number, title in enumerate(self.titles):
            for _ in range(1 + number % 3):
                rows.copy(title, house)
        slots.make(now=self.clock)
        self.made_on = self.clock.date()
        for who, where, books in first:
            self.do(partial(self.asked, who, where, books))

    def begun(self) -> bool:
        return hasattr(self, "made_on")

    def do(self, act: Callable[[], object]) -> None:
        """A step some seconds later. What is refused changes nothing."""
        self.clock += timedelta(seconds=20)
        try:
            with transaction.atomic():
                act()
        except Refusal:
            pass
        self.ring()

    def ring(self) -> None:
        self.late = not self.late and not self.promptly
        if not self.late:
            allocation.allocate(by=DESK, now=self.clock)
            orders.assemble(now=self.clock)
            offers.offer_ready(now=self.clock)

    # Choosing

    def nth(self, found: Any, n: int) -> Any:
        """The nth of these rows, counted round; refuses where there is none."""
        choices = list(found)
        if not choices:
            raise NothingToDo
        return choices[n % len(choices)]

    def order(self, n: int, *states: str) -> Order:
        found: Order = self.nth(Order.objects.filter(state__in=states or OPEN_ORDER).order_by("pk"), n)
        return found

    def near_slot(self, point: PickupPoint, n: int) -> int:
        ahead = Slot.objects.filter(point=point, starts_at__gt=self.clock).order_by("starts_at")
        return int(self.nth(ahead[:12], n).pk)

    def by(self, patron: Patron | None, *, desk: bool) -> Any:
        return DESK if desk or patron is None else rows.patron_actor(patron)

    # Readers

    def asked(
        self,
        who: int,
        where: int,
        books: Sequence[int],
        *,
        slot: int | None = None,
        other: bool = True,
        desk: bool = False,
    ) -> None:
        patron, point = self.people[who], self.points[where]
        orders.request(
            patron_id=patron.pk,
            point_id=point.pk,
            items=[Item(self.titles[book].pk) for book in books],
            by=self.by(patron, desk=desk),
            now=self.clock,
            slot_id=self.near_slot(point, slot) if slot is not None and where < 2 else None,
            collector_id=self.collectors.get(patron.pk) if other else None,
        )

    @rule(who=PEOPLE, where=POINTS, books=BOOKS, slot=st.none() | N, other=st.booleans(), desk=st.booleans())
    def ask(self, who: int, where: int, books: list[int], slot: int | None, other: bool, desk: bool) -> None:
        self.do(lambda: self.asked(who, where, books, slot=slot, other=other, desk=desk))

    @rule(n=N, verb=st.sampled_from(["cancel", "resume", "suspend", "collect_at"]), where=POINTS)
    def change_their_mind(self, n: int, verb: str, where: int) -> None:
        def change() -> None:
            found = self.nth(
                Reservation.objects.filter(state__in=["waiting", "suspended", "allocated"]).order_by("pk"), n
            )
            more: dict[str, Any] = {"suspend": {"until": self.clock.date() + timedelta(days=2)}}.get(verb, {})
            if verb == "collect_at":
                more = {"point_id": self.points[where].pk}
            getattr(wishes, verb)(reservation_id=found.pk, **more, by=DESK, now=self.clock)

        self.do(change)

    @rule(n=N, verb=st.sampled_from(["cancel", "elsewhere", "whole", "not_whole"]), where=POINTS, desk=st.booleans())
    def change_a_bag(self, n: int, verb: str, where: int, desk: bool) -> None:
        def change() -> None:
            order = self.order(n)
            by = self.by(order.patron, desk=desk)
            if verb == "cancel":
                orders.cancel(order_id=order.pk, by=by, now=self.clock)
            elif verb == "elsewhere":
                elsewhere.collect_at(order_id=order.pk, point_id=self.points[where].pk, by=by, now=self.clock)
            else:
                gathering.choose(order_id=order.pk, whole=verb == "whole", by=by, now=self.clock)

        self.do(change)

    @rule(n=N, slot=N)
    def choose_a_time(self, n: int, slot: int) -> None:
        def choose() -> None:
            order = self.order(n)
            appointments.promise(order_id=order.pk, slot_id=self.near_slot(order.point, slot), by=DESK, now=self.clock)

        self.do(choose)

    @rule(n=N, slot=N, verb=st.sampled_from(["confirm", "change", "cancel"]))
    def answer(self, n: int, slot: int, verb: str) -> None:
        def say() -> None:
            promise: Appointment = self.nth(Appointment.objects.filter(state__in=PROMISED).order_by("pk"), n)
            more = {"slot_id": self.near_slot(promise.point, slot)} if verb == "change" else {}
            getattr(appointments, verb)(appointment_id=promise.pk, **more, by=DESK, now=self.clock)

        self.do(say)

    @rule(n=N, where=st.none() | POINTS, collects=st.booleans(), plate=st.sampled_from(["", "12가1", "12가2"]))
    def arrive(self, n: int, where: int | None, collects: bool, plate: str) -> None:
        """Whoever has a bag, at the place where it is; or anybody, anywhere."""

        def say() -> None:
            bag = self.order(n) if where is None else None
            who = bag.patron if bag is not None else self.people[n % len(self.people)]
            arrivals.arrive(
                point_id=bag.point_id if bag is not None else self.points[where or 0].pk,
                by=self.by(who, desk=False),
                now=self.clock,
                purpose="collect" if collects else "return",
                plate=plate,
            )

        self.do(say)

    @rule(n=N, body=st.sampled_from(["1", "2", "3", "4", "5", "6", "its number", "고맙습니다"]))
    def text(self, n: int, body: str) -> None:
        """Stored and applied outside any transaction, as the webhook does."""
        self.clock += timedelta(seconds=20)
        asked = Contact.objects.filter(patron__orders__state__in=OPEN_ORDER).distinct().order_by("pk")
        sender: Contact = self.nth(asked or Contact.objects.filter(patron__in=self.people).order_by("pk"), n)
        numbers = Order.objects.filter(state__in=OPEN_ORDER).order_by("pk").values_list("number", flat=True)
        inbound.store(
            provider_id=f"SM{self.clock.timestamp()}",
            from_number=sender.number,
            to_number=self.number,
            body=(numbers[n % len(numbers)] if numbers else "0000") if body == "its number" else body,
            media=0,
            now=self.clock,
        )
        assert inbound.apply(now=self.clock) == 1
        assert not InboundMessage.objects.filter(why="error").exists()
        self.ring()

    # Librarians

    @rule(most=st.integers(1, 4))
    def pack_bags(self, most: int) -> None:
        """The first bags, each whole and marked ready."""
        for bag in list(Order.objects.filter(state="picking").order_by("pk")[:most]):
            self.do(partial(self.packed, bag.pk))

    def packed(self, order_id: int) -> None:
        lines = OrderLine.objects.filter(order=order_id, state=UNPACKED).select_related("copy").order_by("pk")
        for line in lines:
            packing.pack(order_id=order_id, barcode=line.copy.barcode, by=DESK, now=self.clock)
        packing.mark_ready(order_id=order_id, by=DESK, now=self.clock)

    @rule(n=N, verb=st.sampled_from(["pack", "not_on_shelf", "damaged", "mark_ready"]))
    def fetch(self, n: int, verb: str) -> None:
        def fetch_one() -> None:
            if verb == "mark_ready":
                packing.mark_ready(order_id=self.order(n, "picking").pk, by=DESK, now=self.clock)
                return
            line: OrderLine = self.nth(
                OrderLine.objects.filter(state=UNPACKED).select_related("copy").order_by("pk"), n
            )
            if verb == "pack":
                packing.pack(order_id=line.order_id, barcode=line.copy.barcode, by=DESK, now=self.clock)
            elif verb == "damaged":
                packing.damaged(line_id=line.pk, by=DESK, now=self.clock)
            else:
                packing.not_on_shelf(line_id=line.pk, by=DESK, now=self.clock)

        self.do(fetch_one)

    @rule(n=N)
    def call(self, n: int) -> None:
        """At the place of somebody who waits."""

        def call_one() -> None:
            waits: Visit = self.nth(Visit.objects.filter(state="waiting").order_by("pk"), n)
            lane.call_next(point_id=waits.point_id, by=DESK, now=self.clock)

        self.do(call_one)

    @rule(n=N, kept=st.lists(st.sampled_from(["", "", *handovers.NOT_GIVEN]), max_size=4))
    def hand_over(self, n: int, kept: list[str]) -> None:
        """All bags; or, with `kept`, the first one, some of its books kept back."""

        def give() -> None:
            visit: Visit = self.nth(Visit.objects.filter(state="called").order_by("pk"), n)
            bag = Order.objects.filter(visit=visit, state="ready").order_by("pk").first() if kept else None
            asked = []
            if bag is not None:
                packed = bag.lines.filter(state="packed").select_related("copy").order_by("pk")
                reasons = zip((line.copy.barcode for line in packed), kept, strict=False)
                asked = [lane.HandOver(bag.number, {barcode: reason for barcode, reason in reasons if reason})]
            lane.hand_over(visit_id=visit.pk, by=DESK, now=self.clock, orders=asked)

        self.do(give)

    @rule(n=N, verb=st.sampled_from(["serve", "put_back", "skip", "recall", "leave", "undo"]))
    def at_the_window(self, n: int, verb: str) -> None:
        def act() -> None:
            if verb == "serve":
                order = self.order(n, "ready", "handed_over")
                lane.serve(point_id=order.point_id, order_number=order.number, by=DESK, now=self.clock)
                return
            visits = Visit.objects.filter(state__in=HERE).order_by("pk")
            if verb == "undo":
                visits = Visit.objects.exclude(state="waiting").order_by("-moved_at", "-pk")[:4]
            getattr(lane, verb)(visit_id=self.nth(visits, n).pk, by=DESK, now=self.clock)

        self.do(act)

    @rule(n=N, damaged=st.booleans())
    def take_back(self, n: int, damaged: bool) -> None:
        def scan() -> None:
            loan: Loan = self.nth(Loan.objects.filter(state="out").select_related("copy").order_by("pk"), n)
            returns.check_in(
                barcode=loan.copy.barcode,
                library_id=loan.library_id,
                damaged=damaged and n % 3 == 0,
                by=DESK,
                now=self.clock,
            )

        self.do(scan)

    @rule(n=N, verb=st.sampled_from(["undo_return", "renew", "lend", "unpack", "find", "lost", "scan", "set_aside"]))
    def at_the_desk(self, n: int, verb: str) -> None:
        act: dict[str, Any] = {"by": DESK}

        def do_it() -> None:
            act["now"] = self.clock
            stock = Copy.objects.select_related("library").order_by("pk")
            if verb == "undo_return":
                back = Loan.objects.filter(state="returned").order_by("-pk")[:4]
                returns.undo(loan_id=self.nth(back, n).pk, **act)
            elif verb in {"renew", "lost"}:
                out = Loan.objects.filter(state="out").order_by("pk")
                getattr(loans, verb)(loan_id=self.nth(out, n).pk, **act)
            elif verb == "lend":
                copy = self.nth(stock, n)
                loans.check_out(copy_id=copy.pk, patron_id=self.people[n % 7].pk, library_id=copy.at_library_id, **act)
            elif verb == "unpack":
                lines = OrderLine.objects.filter(state="to_unpack").select_related("copy").order_by("pk")
                packing.unpack(barcode=self.nth(lines, n).copy.barcode, **act)
            elif verb == "find":
                copy = self.nth(stock.filter(state__in=["missing", "damaged", "lost"]), n)
                copies.found(barcode=copy.barcode, library_id=copy.library_id, **act)
            elif verb == "scan":
                copy = self.nth(stock, n)
                returns.check_in(barcode=copy.barcode, library_id=copy.library_id, **act)
            else:
                returns.set_aside(copy_id=self.nth(stock, n).pk, **act)

        self.do(do_it)

    @rule(n=N, verb=st.sampled_from(["open_lane", "close_lane", "shut", "open_again"]))
    def at_the_door(self, n: int, verb: str) -> None:
        def turn() -> None:
            if verb.endswith("lane"):
                getattr(lane, verb)(lane_id=self.nth(Lane.objects.order_by("pk"), n).pk, by=DESK, now=self.clock)
            else:
                getattr(closing, verb)(point_id=self.nth(self.points, n).pk, by=DESK, now=self.clock)

        self.do(turn)

    # Managers

    @rule(n=N, capacity=st.integers(1, 3), closes=st.sampled_from([time(13), time(15)]), move=st.booleans())
    def change_times(self, n: int, capacity: int, closes: time, move: bool) -> None:
        def change() -> None:
            window: Window = self.nth(Window.objects.order_by("pk"), n)
            pickup_hours.set_window(
                point_id=window.point_id,
                window_id=window.pk,
                values={"capacity": capacity, "closes": closes},
                move=move,
                by=DESK,
                now=self.clock,
            )

        self.do(change)

    @rule(days=st.integers(0, 2), close=st.booleans())
    def close_or_open_a_day(self, days: int, close: bool) -> None:
        house = self.points[0].library
        day = lending_queries.today(house, self.clock) + timedelta(days=days)
        verb = partial(opening.close, reason="") if close else opening.forget
        self.do(lambda: verb(library_id=house.pk, day=day, by=DESK, now=self.clock))

    # The clock

    def sweep(self) -> None:
        now = self.clock
        allocation.allocate(by=DESK, now=now)
        orders.assemble(now=now)
        offers.offer_ready(now=now)
        lapses.answers_due(now=now)
        lapses.not_ready_in_time(now=now)
        lapses.misses_due(now=now)
        offers.offer_ready(now=now)  # for which a time that is over rings
        orders.expire_due(now=now)
        orders.release_numbers(now=now)
        lane.forget_stale(now=now)
        wishes.resume_due(now=now)
        reminders.remind_due(now=now)
        if now.date() > self.made_on:
            slots.make(now=now)
            self.made_on = now.date()

    @rule(minutes=st.sampled_from([1, 5, 12, 40]))
    def a_while(self, minutes: int) -> None:
        self.clock += timedelta(minutes=minutes)
        self.sweep()

    @rule(hours=st.sampled_from([2, 6, 16]))
    def hours_go_by(self, hours: int) -> None:
        for _ in range(hours // 2):
            self.clock += timedelta(hours=2)
            self.sweep()

    # What must hold, beside the laws

    @invariant()
    def whoever_has_a_ready_bag_is_told(self) -> None:
        """But those whose reader has seen why on the screen, and who stood at the window."""
        if not self.begun():
            return
        ready = Order.objects.filter(state=OrderState.READY, why="", ready_at__lt=self.clock - timedelta(minutes=1))
        not_undone = ready.filter(moved_at=F("ready_at"))
        for order in not_undone.exclude(visit__state__in=HERE).select_related("appointment"):
            if _changed_since(order.appointment, order.ready_at):
                continue
            about = [f"order:{order.pk}", f"appointment:{order.appointment_id}"]
            texts = Message.objects.filter(about__in=about).exclude(state="suppressed")
            calls = Call.objects.filter(about__in=about).exclude(state="dropped")
            assert texts.exists() or calls.exists(), f"nobody is told of order {order.pk}"

    @invariant()
    def no_promise_is_lost(self) -> None:
        """Every promise has an open bag, and no bag expires before the time that was promised for it."""
        if not self.begun():
            return
        live = Appointment.objects.filter(state__in=PROMISED)
        assert not live.exclude(orders__state__in=OPEN_ORDER).exists()
        promised = Order.objects.filter(state=OrderState.READY, appointment__state__in=PROMISED)
        assert not promised.filter(keep_until__lt=F("appointment__slot__starts_at")).exists()

    @invariant()
    def whoever_is_here_keeps_the_promise(self) -> None:
        """Nothing but what somebody does takes it away: neither silence, nor the clock, nor a late bag."""
        if not self.begun():
            return
        for order_id, visit_id, promise_id in self.here:
            still = Order.objects.filter(pk=order_id, visit=visit_id, visit__state__in=HERE, state__in=OPEN_ORDER)
            if still.exists() and Appointment.objects.get(pk=promise_id).state in TAKEN_AWAY:
                last = Journal.objects.filter(noun=Appointment.noun(), row=promise_id).latest("pk")
                assert last.principal != RULE.principal, f"promise {promise_id} of visit {visit_id} is {last.became}"
        tied = Order.objects.filter(state__in=OPEN_ORDER, visit__state__in=HERE, appointment__state__in=PROMISED)
        self.here = [(order.pk, order.visit_id or 0, order.appointment_id or 0) for order in tied]

    def in_the_end(self) -> None:
        """Everybody goes home, and days go by."""
        self.cancel_what_is_picked()
        for _ in range(10):
            self.clock += timedelta(hours=25)
            self.sweep()
        self.cancel_what_is_picked()
        for line in OrderLine.objects.filter(state="to_unpack").select_related("copy").order_by("pk"):
            packing.unpack(barcode=line.copy.barcode, by=DESK, now=self.clock)
        for _ in range(3):
            self.clock += timedelta(hours=12)
            orders.release_numbers(now=self.clock)
        self.every_law_holds()
        assert not Order.objects.filter(state="ready").exists()
        assert not Visit.objects.filter(state__in=HERE).exists()
        assert not Order.objects.filter(number_released_at__isnull=True).exclude(state__in=OPEN_ORDER).exists()
        assert not Copy.objects.filter(state="bag").exists()
        for order in queries.orders():
            assert order.state not in OPEN_ORDER or order.lines.filter(state__in=[UNPACKED, "packed"]).exists()

    def cancel_what_is_picked(self) -> None:
        for order in Order.objects.filter(state="picking").order_by("pk"):
            orders.cancel(order_id=order.pk, by=DESK, now=self.clock)


def _changed_since(promise: Appointment | None, ready_at: datetime | None) -> bool:
    """Whether its people changed or gave back the time themselves after the bag was ready, and so saw the new one."""
    if promise is None or ready_at is None:
        return False
    changed = promise.instead_of_id is not None and promise.offered_at >= ready_at
    return changed or (promise.state == "cancelled" and promise.moved_at >= ready_at)


LIVES = [
    pytest.param(2, 45, marks=pytest.mark.timeout(300)),
    pytest.param(40, 100, marks=[pytest.mark.long, pytest.mark.timeout(1800)]),
]


@pytest.mark.parametrize(("lives", "steps"), LIVES)
def test_whatever_people_do_the_laws_hold(lives: int, steps: int) -> None:
    live(PickupLife, lives=lives, steps=steps)


@pytest.mark.control
def test_a_life_notices_when_the_clock_takes_the_promise_of_somebody_who_is_here(monkeypatch) -> None:
    """The control of `whoever_is_here_keeps_the_promise`."""
    monkeypatch.setattr(lapses, "_are_here", lambda _orders: False)
    monkeypatch.setattr(queries, "to_come", lambda **narrow: Appointment.objects.filter(state__in=PROMISED, **narrow))
    life = PickupLife()
    try:
        life.open_the_doors(promptly=True, first=[(4, 1, [0])])
        life.arrive(0, None, True, "")
        life.whoever_is_here_keeps_the_promise()
        assert len(life.here) == 1
        life.clock = Appointment.objects.get().slot.starts_at
        life.sweep()
        with pytest.raises(AssertionError, match="is changed"):
            life.whoever_is_here_keeps_the_promise()
    finally:
        transaction.set_rollback(True)
        life._house.__exit__(None, None, None)
