"""Whatever readers, librarians and the clock do in whatever order, every law of the house holds.

A walk is a seed: the same seed does the same things, and a walk that breaks a law names its seed and its last steps.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import nullcontext
from datetime import time, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F

from config import invariants
from core.refusal import Refusal
from lending import allocation, copies, loans, reminders, wishes
from lending import queries as lending_queries
from lending.models import Contact, Copy, Loan, Patron, PickupPoint, Reservation
from lending.reservations import Item
from notifications import inbound
from notifications.models import Call, InboundMessage, Message, Sender
from pickup import appointments, arrivals, handovers, lane, offers, opening, orders, queries, returns, slots
from pickup import hours as pickup_hours
from pickup.models import Appointment, Order, OrderLine, Slot, Visit, Window
from pickup.states import HERE, OPEN_ORDER, PROMISED, OrderState
from tests import rows
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db

NOT_HERE = {"I5", "I7", "I10", "I12"}  # no worker sends texts here, and nothing is old enough to be erased


class Walk:
    """A library with a lane, bays, a door and one where books are lent when packed; a household in one car, two who
    share a collector, and some singles.
    """

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.clock = rows.NOW
        self.trace: list[str] = []
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

    # Choosing

    def one(self, found: Any) -> Any:
        """Any of these rows, or of this sequence; refuses when there is none."""
        choices = list(found)
        if not choices:
            raise Refusal
        return self.dice.choice(choices)

    def order(self, *states: str) -> Order:
        found: Order = self.one(Order.objects.filter(state__in=states or OPEN_ORDER).order_by("pk"))
        return found

    def somebody(self, patron: Patron) -> Any:
        return self.one([rows.patron_actor(patron), DESK])

    def near_slot(self, point: PickupPoint) -> int:
        return int(self.one(Slot.objects.filter(point=point, starts_at__gt=self.clock).order_by("starts_at")[:12]).pk)

    # Readers

    def ask(self) -> None:
        who, where = self.one(self.people), self.one(self.points)
        titles = self.dice.sample(self.titles, self.dice.randint(1, 3))
        slot_id = self.near_slot(where) if where in self.points[:2] and self.dice.random() < 0.3 else None
        orders.request(
            patron_id=who.pk,
            point_id=where.pk,
            items=[Item(title.pk) for title in titles],
            by=self.somebody(who),
            now=self.clock,
            slot_id=slot_id,
            collector_id=self.collectors.get(who.pk) if self.dice.random() < 0.7 else None,
        )

    def change_mind(self) -> None:
        found = self.one(Reservation.objects.filter(state__in=["waiting", "suspended", "allocated"]).order_by("pk"))
        until, point_id = self.clock.date() + timedelta(days=2), self.one(self.points).pk
        verb = self.one(
            [
                wishes.cancel,
                wishes.resume,
                partial(wishes.suspend, until=until),
                partial(wishes.collect_at, point_id=point_id),
            ]
        )
        verb(reservation_id=found.pk, by=DESK, now=self.clock)

    def cancel(self) -> None:
        order = self.order()
        assert order.patron is not None
        orders.cancel(order_id=order.pk, by=self.somebody(order.patron), now=self.clock)

    def choose_time(self) -> None:
        order = self.order()
        appointments.promise(order_id=order.pk, slot_id=self.near_slot(order.point), by=DESK, now=self.clock)

    def answer(self) -> None:
        promise = self.one(Appointment.objects.filter(state__in=PROMISED).order_by("pk"))
        verb = self.one([appointments.confirm, appointments.confirm, appointments.cancel])
        verb(appointment_id=promise.pk, by=DESK, now=self.clock)

    def change_time(self) -> None:
        promise = self.one(Appointment.objects.order_by("-pk")[:8])
        slot_id = self.near_slot(promise.point)
        appointments.change(appointment_id=promise.pk, slot_id=slot_id, by=DESK, now=self.clock)

    def arrive(self) -> None:
        point, who = self.one(self.points), self.one(self.people)
        purpose = self.one(["collect", "collect", "collect", "return"])
        plate = self.one(["", "", f"12가{who.pk}", "12가1"])
        arrivals.arrive(point_id=point.pk, by=rows.patron_actor(who), now=self.clock, purpose=purpose, plate=plate)

    def text(self) -> None:
        contact = self.one(Contact.objects.filter(patron__in=self.people).order_by("pk"))
        body = self.one(["1", "2", "3", "4", "4", "5", "6", self.order().number, "고맙습니다"])
        inbound.store(
            provider_id=f"SM{self.clock.timestamp()}",
            from_number=contact.number,
            to_number=self.number,
            body=body,
            media=0,
            now=self.clock,
        )
        assert inbound.apply(now=self.clock) == 1
        assert not InboundMessage.objects.filter(why="error").exists()

    # Librarians

    def pack(self) -> None:
        line = self.one(OrderLine.objects.filter(state="to_pick").select_related("copy").order_by("pk"))
        orders.pack(order_id=line.order_id, barcode=line.copy.barcode, by=DESK, now=self.clock)

    def pack_all(self) -> None:
        order = self.order("picking")
        for line in order.lines.filter(state="to_pick").select_related("copy").order_by("pk"):
            orders.pack(order_id=order.pk, barcode=line.copy.barcode, by=DESK, now=self.clock)
        orders.mark_ready(order_id=order.pk, by=DESK, now=self.clock)

    def not_on_shelf(self) -> None:
        line = self.one(OrderLine.objects.filter(state="to_pick").order_by("pk"))
        orders.not_on_shelf(line_id=line.pk, by=DESK, now=self.clock)

    def mark_ready(self) -> None:
        orders.mark_ready(order_id=self.order("picking").pk, by=DESK, now=self.clock)

    def call(self) -> None:
        lane.call_next(point_id=self.one(self.points).pk, by=DESK, now=self.clock)

    def hand_over(self) -> None:
        visit = self.one(Visit.objects.filter(state="called").order_by("pk"))
        lane.hand_over(visit_id=visit.pk, by=DESK, now=self.clock, orders=self._asked(visit))

    def _asked(self, visit: Visit) -> list[lane.HandOver]:
        bags = list(Order.objects.filter(visit=visit, state="ready").order_by("pk"))
        if not bags or self.dice.random() < 0.5:
            return []
        chosen = []
        for bag in self.dice.sample(bags, self.dice.randint(1, len(bags))):
            packed = bag.lines.filter(state="packed").select_related("copy").order_by("pk")
            kept = {line.copy.barcode: self.one(handovers.NOT_GIVEN) for line in packed if self.dice.random() < 0.3}
            chosen.append(lane.HandOver(bag.number, kept))
        return chosen

    def serve(self) -> None:
        order = self.order("ready", "handed_over")
        lane.serve(point_id=order.point_id, order_number=order.number, by=DESK, now=self.clock)

    def put_back_or_leave(self) -> None:
        visit = self.one(Visit.objects.filter(state__in=HERE).order_by("pk"))
        self.one([lane.put_back, lane.leave])(visit_id=visit.pk, by=DESK, now=self.clock)

    def undo(self) -> None:
        visit = self.one(Visit.objects.exclude(state="waiting").order_by("-moved_at", "-pk")[:4])
        lane.undo(visit_id=visit.pk, by=DESK, now=self.clock)

    def take_back(self) -> None:
        loan = self.one(Loan.objects.filter(state="out").select_related("copy").order_by("pk"))
        loans.take_back(barcode=loan.copy.barcode, library_id=loan.library_id, by=DESK, now=self.clock)

    def undo_return(self) -> None:
        loan = self.one(Loan.objects.filter(state="returned").order_by("-pk")[:4])
        returns.undo(loan_id=loan.pk, by=DESK, now=self.clock)

    def renew(self) -> None:
        loan = self.one(Loan.objects.filter(state="out").order_by("pk"))
        loans.renew(loan_id=loan.pk, by=DESK, now=self.clock)

    def lend_at_desk(self) -> None:
        copy, who = self.one(Copy.objects.order_by("pk")), self.one(self.people)
        loans.check_out(copy_id=copy.pk, patron_id=who.pk, library_id=copy.at_library_id, by=DESK, now=self.clock)

    def unpack(self) -> None:
        line = self.one(OrderLine.objects.filter(state="to_unpack").select_related("copy").order_by("pk"))
        orders.unpack(barcode=line.copy.barcode, by=DESK, now=self.clock)

    def find(self) -> None:
        copy = self.one(Copy.objects.filter(state__in=["missing", "damaged"]).order_by("pk"))
        copies.found(barcode=copy.barcode, library_id=copy.library_id, by=DESK, now=self.clock)

    # Managers

    def change_times(self) -> None:
        window = self.one(Window.objects.order_by("pk"))
        values = {"capacity": self.dice.randint(1, 3), "closes": self.one([time(13), time(15)])}
        pickup_hours.set_window(
            point_id=window.point_id,
            window_id=window.pk,
            values=values,
            move=self.dice.random() < 0.5,
            by=DESK,
            now=self.clock,
        )

    def close_or_open_day(self) -> None:
        house = self.points[0].library
        day = lending_queries.today(house, self.clock) + timedelta(days=self.dice.randint(0, 2))
        about: dict[str, Any] = {"library_id": house.pk, "day": day, "by": DESK, "now": self.clock}
        self.one([partial(opening.close, reason=""), opening.forget])(**about)

    # The clock

    def sweep(self) -> None:
        now = self.clock
        allocation.allocate(by=DESK, now=now)
        orders.assemble(now=now)
        offers.offer_ready(now=now)
        appointments.answers_due(now=now)
        appointments.not_ready_in_time(now=now)
        appointments.misses_due(now=now)
        orders.expire_due(now=now)
        orders.release_numbers(now=now)
        lane.forget_stale(now=now)
        reminders.remind_due(now=now)
        if now.date() > self.made_on:
            slots.make(now=now)
            self.made_on = now.date()

    def a_while(self) -> None:
        self.clock += timedelta(minutes=self.dice.choice([1, 1, 5, 12, 40]))
        self.sweep()

    def hours(self) -> None:
        for _ in range(self.dice.choice([2, 5, 16])):
            self.clock += timedelta(hours=1)
            self.sweep()

    VERBS: tuple[tuple[Callable[[Walk], None], int], ...] = (
        (ask, 12), (change_mind, 2), (cancel, 2), (choose_time, 3), (answer, 4), (text, 10), (change_time, 4),
        (arrive, 10), (pack, 4), (pack_all, 14), (not_on_shelf, 2), (mark_ready, 3), (call, 10), (hand_over, 12),
        (serve, 2), (put_back_or_leave, 3), (undo, 4), (take_back, 8), (undo_return, 3), (lend_at_desk, 2), (unpack, 4),
        (renew, 1), (find, 2), (sweep, 6), (a_while, 14), (hours, 3), (change_times, 2), (close_or_open_day, 1),
    )  # fmt: skip

    def step(self) -> None:
        self.clock += timedelta(seconds=20)
        verb = self.dice.choices([verb for verb, _ in self.VERBS], [weight for _, weight in self.VERBS])[0]
        said = "done"
        try:
            with nullcontext() if verb is Walk.text else transaction.atomic():  # a text opens its own
                verb(self)
        except Refusal as refusal:
            said = refusal.code or "nothing to do"
        if len(self.trace) % 2:  # the doorbells, which come late at times
            allocation.allocate(by=DESK, now=self.clock)
            orders.assemble(now=self.clock)
            offers.offer_ready(now=self.clock)
        self.trace.append(f"{self.clock:%d %H:%M:%S} {verb.__name__}: {said}")

    # What must hold

    def broken(self) -> list[str]:
        """What is wrong now; the laws read the walk's clock."""
        found = []
        with connection.cursor() as cursor:
            for law in invariants.laws():
                if law.number in NOT_HERE:
                    continue
                cursor.execute(law.sql.replace("now()", f"timestamptz '{self.clock.isoformat()}'"))
                found += [f"{law.number} {law.sentence} {row}" for row in cursor.fetchall()[:3]]
        return found + self.untold() + self.lost_promises()

    def untold(self) -> list[str]:
        """Ready bags of which nobody was or will be told, but those whose reader has seen why on the screen."""
        found = []
        ready = Order.objects.filter(state=OrderState.READY, why="", ready_at__lt=self.clock - timedelta(minutes=1))
        not_undone = ready.filter(moved_at=F("ready_at"))  # else whoever stood at the window knows
        for order in not_undone.exclude(visit__state__in=HERE).select_related("appointment"):
            promise = order.appointment
            if promise is not None and order.ready_at is not None:
                changed = promise.instead_of_id is not None and promise.offered_at >= order.ready_at
                if changed or (promise.state == "cancelled" and promise.moved_at >= order.ready_at):
                    continue
            about = [f"order:{order.pk}", f"appointment:{order.appointment_id}"]
            texts = Message.objects.filter(about__in=about).exclude(state="suppressed")
            if not texts.exists() and not Call.objects.filter(about__in=about).exclude(state="dropped").exists():
                found.append(f"nobody is told of order {order.pk}")
        return found

    def lost_promises(self) -> list[str]:
        """Promises without an open bag, and bags that expire before the time that was promised for them."""
        live = Appointment.objects.filter(state__in=PROMISED)
        empty = live.exclude(orders__state__in=OPEN_ORDER).values_list("pk", flat=True)
        promised = Order.objects.filter(state=OrderState.READY, appointment__state__in=PROMISED)
        early = promised.filter(keep_until__lt=F("appointment__slot__starts_at")).values_list("pk", flat=True)
        return [f"promise {pk} has no bag" for pk in empty] + [f"order {pk} expires before its time" for pk in early]

    def settle(self) -> None:
        """Everybody goes home, and weeks go by."""
        for order in Order.objects.filter(state="picking").order_by("pk"):
            orders.cancel(order_id=order.pk, by=DESK, now=self.clock)
        for _ in range(25):
            self.clock += timedelta(hours=25)
            self.sweep()
        for order in Order.objects.filter(state="picking").order_by("pk"):
            orders.cancel(order_id=order.pk, by=DESK, now=self.clock)
        for line in OrderLine.objects.filter(state="to_unpack").select_related("copy").order_by("pk"):
            orders.unpack(barcode=line.copy.barcode, by=DESK, now=self.clock)
        for _ in range(3):
            self.clock += timedelta(hours=12)
            orders.release_numbers(now=self.clock)


def walk(seed: int, steps: int, often: int = 5) -> None:
    one = Walk(seed)
    for number in range(steps):
        one.step()
        wrong = one.broken() if number % often == 0 else []
        assert not wrong, "\n".join([f"seed {seed}", *one.trace[-12:], *wrong])
    one.settle()
    wrong = one.broken()
    assert not wrong, "\n".join([f"seed {seed}", "weeks later", *wrong])
    assert not Order.objects.filter(state="ready").exists()
    assert not Visit.objects.filter(state__in=HERE).exists()
    assert not Order.objects.filter(number_released_at__isnull=True).exclude(state__in=OPEN_ORDER).exists()
    assert not Copy.objects.filter(state="bag").exists()
    for order in queries.orders():
        assert order.state not in OPEN_ORDER or order.lines.filter(state__in=["to_pick", "packed"]).exists()


@pytest.mark.parametrize("seed", range(6))
def test_whatever_people_do_the_laws_hold(seed: int) -> None:
    walk(seed, steps=120)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(100, 116))
def test_whatever_people_do_for_weeks_the_laws_hold(seed: int) -> None:
    walk(seed, steps=600)
