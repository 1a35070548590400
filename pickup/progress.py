"""How far an order is, and the one thing that whoever collects it can do now. Reads, and decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from core.actor import RULE, Actor
from lending import contacts
from notifications import outbox
from pickup import awaited, parties, point_queries, queries, texts, waits
from pickup.models import Appointment, Order, OrderLine, PointRules, Visit
from pickup.states import HERE, IN_BAG, OPEN_ORDER, AppointmentState, LineState, OrderState, VisitState

if TYPE_CHECKING:
    from lending.models import Contact
    from pickup.waits import Waiting

Todo = Literal["drive_up", "wait", "confirm", "choose", "come", "come_later", "packing", "done", "over"]
Told = Literal["text", "mail", "call", "nobody"]

STEPS = (OrderState.PICKING, OrderState.READY, OrderState.HANDED_OVER)
SOON = timedelta(hours=1)
"""How long before the promised time "I am here" becomes the thing to do."""


@dataclass(slots=True)
class Progress:
    """One order as those who collect it see it.

    `todo` is the one thing to do now. `drive_up`: called to the window. `wait`: here, not called yet. `confirm`: say
    whether the offered time suits. `choose`: choose a time. `come`: the bag is ready and it is time, or no time is
    needed. `come_later`: ready, at the promised time. `packing`: nothing, the library packs. `done`: handed over.
    `over`: cancelled or expired.
    `to_come` books that were asked for together with these are still waited for. While the bag holds none,
    `on_their_way` are the days on which its books are expected from other libraries.
    `sought` are its books of which no copy could be had: each keeps its place in line.
    `closed_on` is the closed day for which the time before this one fell away.
    `together` are the other orders of the same car and time that whoever looks may know of.
    `told` is how the library tells whoever collects. Once `expect` was asked, `load` is known, whether the place is
    `shut` to whoever came, whether the time `stands` although it is closed for today, and the `minutes` left to wait.
    """

    order: Order
    lines: list[OrderLine]
    rules: PointRules
    appointment: Appointment | None
    visit: Visit | None
    ahead: int
    told: Told
    today: date
    todo: Todo
    minutes: int | None = None
    load: Waiting | None = None
    shut: bool = False
    stands: bool = False
    to_come: int = 0
    on_their_way: Sequence[date] = ()
    together: Sequence[Order] = ()
    closed_on: date | None = None
    sought: int = 0

    @property
    def whole(self) -> bool:
        """Whether the bag waits until all of its books are together."""
        return bool(self.to_come) and self.order.whole_until is not None

    @property
    def count(self) -> int:
        """How many books are, will be or were in the bag."""
        return len(self.lines) or len(self.on_their_way)

    @property
    def comes_on(self) -> date | None:
        """The day on which all books of a bag that holds none yet are expected."""
        return max(self.on_their_way, default=None)

    @property
    def zone(self) -> str:
        return self.order.library.zone

    @property
    def is_open(self) -> bool:
        return self.order.state in OPEN_ORDER

    @property
    def steps_done(self) -> int:
        """How many of the steps of the timeline are done; 0 for an order that ended otherwise."""
        return STEPS.index(OrderState(self.order.state)) + 1 if self.order.state in STEPS else 0

    @property
    def missed(self) -> bool:
        """Whether the last promised time passed without anybody coming."""
        last = self.order.appointment
        return self.appointment is None and last is not None and last.state == AppointmentState.MISSED

    @property
    def lapsed(self) -> bool:
        """Whether the last time is not held any more, and nobody missed it."""
        last = self.order.appointment
        return self.appointment is None and last is not None and last.state == AppointmentState.LAPSED

    @property
    def waits_on(self) -> bool:
        """Whether the bag was closed because no book was there for it, and the wait for one goes on."""
        return waits_on(self.order)

    @property
    def kept_to(self) -> datetime | None:
        """The last moment of the keep day."""
        return self.order.keep_until and self.order.keep_until - timedelta(minutes=1)

    @property
    def may_choose(self) -> bool:
        """Whether another time, or a first one, can be chosen."""
        return self.is_open and self.visit is None and may_choose(self.order, self.rules)

    @property
    def must_answer(self) -> bool:
        """Whether silence gives the offered time away: only where an answer to what was told can come."""
        asked = self.todo == "confirm" and self.rules.silence == PointRules.Silence.LAPSE
        return asked and self.order.state == OrderState.READY and texts.asks_for_answer([self.order])

    @property
    def may_come(self) -> bool:
        """Whether "I am here" can be said: also early, and before the bag is packed on the day itself."""
        if not self.is_open or self.visit is not None:
            return False
        if self.order.state == OrderState.READY:
            return True
        return self.appointment is not None and _day(self.appointment.slot.starts_at, self.zone) == self.today

    def expect(self, load: Waiting, *, now: datetime) -> None:
        """Note the load of the point, whether it is closed to whoever came or their time stands, and how many minutes
        are left to wait until called; none while it is packed.
        """
        self.load = load
        self.shut = self.visit is not None and waits.came_at_night(self.visit, load, now=now)
        self.stands = waits.time_stands(self.order, load, now=now)
        if self.todo == "wait" and self.order.state == OrderState.READY:
            self.minutes = load.minutes(self.ahead)


def waits_on(order: Order) -> bool:
    """Whether a bag was closed because no book was there for it, and the wait for one goes on."""
    return order.state == OrderState.CANCELLED and order.why in {"nothing_found", "return_undone"}


def may_choose(order: Order, rules: PointRules) -> bool:
    """Whether another time, or a first one, can be chosen for an open order while nobody is here."""
    promised = queries.live_appointment(order) is not None or rules.promise == PointRules.Promise.AT_ORDER
    return rules.by_appointment and (promised or order.state == OrderState.READY)


def of(orders: Iterable[Order], *, now: datetime, by: Actor) -> list[Progress]:
    """The progress of orders read with `queries.orders`, as `by` may see it.

    The number of queries does not grow with theirs, but for those that share a car.
    """
    rows = list(orders)
    rules = point_queries.rules_of_many(list({order.point_id for order in rows}))
    contacts = queries.collectors_of(rows)
    texted = outbox.texted({(row.library.sender, contacts[row.pk].number) for row in rows if row.pk in contacts})
    here = {order.pk: order.visit for order in rows if order.visit is not None and order.visit.state in HERE}
    ahead = queries.cars_ahead(here.values())
    to_come, coming = awaited.more_to_come(rows), awaited.coming(rows)
    sharing, again = parties.sharing(rows, by=by), awaited.back_in_line(rows)
    promised = [queries.live_appointment(order) for order in rows]
    before = queries.times_before(one for one in promised if one is not None and one.why == Appointment.Why.CLOSED)
    found = []
    for order, appointment in zip(rows, promised, strict=True):
        if appointment is not None:
            appointment.slot.point = order.point  # the same row, with its library: no page asks for it again
        visit = here.get(order.pk)
        contact = contacts.get(order.pk)
        found.append(
            Progress(
                order=order,
                lines=_lines(order),
                rules=rules[order.point_id],
                appointment=appointment,
                visit=visit,
                ahead=ahead[visit.pk] if visit is not None else 0,
                told=_told(contact, texted=contact is not None and (order.library.sender, contact.number) in texted),
                today=_day(now, order.library.zone),
                todo=_todo(order, appointment, visit, rules[order.point_id], now=now),
                to_come=to_come.get(order.pk, 0),
                on_their_way=coming.get(order.pk, ()),
                together=sharing.get(order.pk, ()),
                sought=len(again.get(order.pk, ())),
                closed_on=_day(before[appointment.pk], order.library.zone)
                if appointment is not None and appointment.pk in before
                else None,
            )
        )
    return found


def expected(rows: Sequence[Progress], *, now: datetime) -> Sequence[Progress]:
    """The same, once each of them knows the load of its point; as many queries as for one."""
    loads = waits.of_points({seen.order.point_id for seen in rows}, now=now) if rows else {}
    for seen in rows:
        seen.expect(loads[seen.order.point_id], now=now)
    return rows


def of_one(order: Order, *, now: datetime, by: Actor = RULE) -> Progress:
    """The progress of one order."""
    return of([order], now=now, by=by)[0]


def _told(contact: Contact | None, *, texted: bool) -> Told:
    """How somebody is told."""
    if contact is None:
        return "nobody"
    open_doors = contacts.doors(contact)
    if open_doors.may_text and texted:
        return "text"
    if outbox.takes_mails(open_doors.mail):
        return "mail"
    return "call" if open_doors.may_call else "nobody"


def _lines(order: Order) -> list[OrderLine]:
    """What is, will be or was in the bag; of one that was cancelled or expired, what it was about."""
    lines = list(order.lines.all())
    if order.state in {OrderState.CANCELLED, OrderState.EXPIRED}:
        return lines
    return [line for line in lines if line.state in {*IN_BAG, LineState.GIVEN}]


def _todo(
    order: Order, appointment: Appointment | None, visit: Visit | None, rules: PointRules, *, now: datetime
) -> Todo:
    if order.state not in OPEN_ORDER:
        return "done" if order.state == OrderState.HANDED_OVER else "over"
    if visit is not None:
        return "drive_up" if visit.state == VisitState.CALLED else "wait"
    if appointment is not None and appointment.state == AppointmentState.OFFERED:
        return "confirm"
    if order.state == OrderState.PICKING:
        return "packing"
    if appointment is not None:
        return "come" if appointment.slot.starts_at - SOON <= now else "come_later"
    return "choose" if rules.by_appointment else "come"


def _day(moment: datetime, zone: str) -> date:
    return moment.astimezone(ZoneInfo(zone)).date()
