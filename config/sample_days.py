"""The days of the sample library, dated around now: three weeks of loans, the last open days, and this very hour.

No page is empty afterwards, on whatever weekday and at whatever hour it is told. Who they are stands in
config/sample.py, what can be done in config/sample_town.py.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import datetime, timedelta

from config import sample, sample_beside
from config.sample_town import WEEK, Story, Town
from core.actor import Actor
from lending import loans, reminders, transfers, wishes
from lending.models import Loan, Reservation
from notifications import calls
from notifications import queries as notification_queries
from pickup import appointments, arrivals, lane, lapses, notes, orders, packing, slots
from pickup.models import Order
from pickup.states import LineState
from pickup.texts import UNDO

DRIVE, DOOR, GEUMHO, BAYS = "seongdong-lane", "seongdong-door", "geumho-lane", "geumho-bays"
PAST = 24  # days


def live(*, now: datetime, deliver: Callable[..., int], answer: Callable[..., None]) -> None:
    """Let the sample's people ask, come and bring back from weeks ago until now.

    `deliver` brings the texts that are due at a moment, `answer` what a phone sends to us.
    """
    for weeks in range(PAST // 7 + 1, -1, -1):
        slots.make(now=now - weeks * WEEK)
    town = Town(now=now, deliver=deliver)
    wanted: dict[str, Order] = {}
    told = [*_weeks(town, wanted), *_last_days(town), *_now(town, wanted), *_answers(town, answer)]
    town.tell([*told, *sample_beside.stories(town)])
    orders.release_numbers(now=now)
    slots.drop_old(before=now - timedelta(hours=12))


# Weeks ago: what is at home with people now, due soon, over-due, renewed, or back again


def _weeks(town: Town, wanted: dict[str, Order]) -> list[Story]:
    return [
        _lent(town, "34", DRIVE, 2, days=18),
        _lent(town, "35", DRIVE, 1, days=17),
        _lent(town, "36", GEUMHO, 2, days=13, kept=wanted),
        _lent(town, "38", DRIVE, 1, days=12),
        _lent(town, "43", DRIVE, 1, days=12, back=1),
        _lent(town, "42", GEUMHO, 1, days=10, back=2),
        _lent(town, "01", DRIVE, 1, days=10),
        _lent(town, "45", GEUMHO, 1, days=9, renewed=2),
        _lent(town, "41", DRIVE, 1, days=6),
        _lent(town, "44", DRIVE, 1, days=5, kept=wanted),
    ]


def _lent(
    town: Town,
    who: str,
    point: str,
    books: int,
    *,
    days: int,
    back: int = 0,
    renewed: int = 0,
    kept: dict[str, Order] | None = None,
) -> Story:
    """Collected on an open day so long ago; brought back or renewed on one of the last open days."""
    day = town.open_day(days)
    yield town.at(town.calendar.open_days_before(day, 1), "10:05")
    slot = town.slot(point, town.at(day, "16:15")) if point == DRIVE else None
    order = _sure(town.ask(who, point, books if kept is None else town.rare(point, books), slot=slot))
    yield town.at(day, "13:40")
    town.ready(order)
    yield town.at(day, f"16:{15 + int(who) % 10:02}")
    lane.serve(point_id=order.point_id, order_number=order.number, by=town.desk, now=town.clock)
    yield town.clock + UNDO + timedelta(minutes=1)  # the receipt goes
    if kept is not None:
        kept[who] = order
    if renewed:
        yield town.at(town.day(renewed), "20:10")
        loan = Loan.objects.filter(patron=town.people[who], state="out").first()
        loans.renew(loan_id=loan.pk, by=town.patron(who), now=town.clock)  # type: ignore[union-attr]
    if back:
        yield town.at(town.day(back), "11:25")
        town.take_back(order)


def _sure(order: Order | None) -> Order:
    """The order of books that stand on the shelf."""
    if order is None:
        raise RuntimeError("the sample's shelves have not what the story needs")
    return order


# The last open days: served, missed, lapsed, over-kept, called by telephone


def _last_days(town: Town) -> list[Story]:
    return [
        _served(town, "46", DRIVE, 2, on=1, hour="16:02"),
        _served(town, "47", DRIVE, 1, on=1, hour="16:06"),
        _served(town, "48", GEUMHO, 1, on=1, hour="16:04"),
        _missed(town, "28", DRIVE, 1),
        _missed(town, "27", GEUMHO, 1),
        _missed(town, "30", BAYS, 1),  # it lapses there: she could have answered, and did not
        _too_late(town, "53", DOOR, 1),
        _too_late(town, "54", GEUMHO, 1),
        _telephoned(town, "19", GEUMHO, reached=False),
        _telephoned(town, "20", DOOR, reached=True),
        *(_sweeps(town, n) for n in range(7, -1, -1)),
    ]


def _served(town: Town, who: str, point: str, books: int, *, on: int, hour: str) -> Story:
    """Called and served on one of the last open days, as a car is."""
    yield town.at(town.day(on + 1), "09:30")
    slot = town.slot(point, town.at(town.day(on), "16:00")) if point == DRIVE else None
    order = _sure(town.ask(who, point, books, slot=slot))
    yield town.at(town.day(on), "13:20")
    town.ready(order)
    yield town.at(town.day(on), hour)
    visit = town.arrive(order, by=who)
    yield town.clock + timedelta(seconds=70)
    town.call(point)
    yield town.clock + timedelta(seconds=65)
    town.give(visit)
    yield town.clock + UNDO + timedelta(minutes=1)


def _missed(town: Town, who: str, point: str, books: int) -> Story:
    """A time on the last open day that nobody came for; the bag is kept."""
    yield town.at(town.day(2), "09:40")
    slot = town.slot(point, town.at(town.day(1), "16:00")) if point == DRIVE else None
    order = _sure(town.ask(who, point, books, slot=slot))
    yield town.at(town.day(1), "10:45")
    town.ready(order)


def _too_late(town: Town, who: str, point: str, books: int) -> Story:
    """Packed so long ago that its keep day is over: to be unpacked."""
    yield town.at(town.day(7), "10:00")
    order = _sure(town.ask(who, point, books))
    yield town.at(town.day(6), "14:00")
    town.ready(order)


def _telephoned(town: Town, who: str, point: str, *, reached: bool) -> Story:
    """A landline: whoever has no mobile is phoned, and answers or does not."""
    yield town.at(town.day(2), "09:50")
    order = _sure(town.ask(who, point, 1, phone=True))
    yield town.at(town.day(1), "10:20")
    town.ready(order)
    yield town.at(town.day(1), "10:40")
    about = {f"order:{order.pk}", f"appointment:{Order.objects.get(pk=order.pk).appointment_id}"}
    for call in notification_queries.calls_about(about):
        (calls.reached if reached else calls.unreached)(call_id=call.pk, by=town.desk, now=town.clock)


def _sweeps(town: Town, n: int) -> Story:
    """What the sweeps do on a day: offers that were not answered, times that were missed, bags kept too long,
    books that are due.
    """
    day = town.day(n) if n else town.today
    for hour in ("00:10", "12:50", "17:50"):
        yield town.at(day, hour)
        reminders.remind_due(now=town.clock)
        lapses.answers_due(now=town.clock)
        lapses.misses_due(now=town.clock)
        orders.expire_due(now=town.clock)


# This hour


def _now(town: Town, wanted: dict[str, Order]) -> list[Story]:
    at_the_desk = [
        _asked(town, "06", DRIVE, 2),
        _asked(town, "07", DRIVE, 3),
        _asked(town, "05", GEUMHO, 1),
        _asked(town, "33", DRIVE, 1, note="아이가 볼 그림책이에요. Please wrap it as a present if you can."),
        _asked(town, "42", GEUMHO, 2, phone=True),
        _asked(town, "32", GEUMHO, 3, packed=1),
        _asked(town, "13", DRIVE, 2, packed=2),
        _asked(town, "40", DRIVE, 2, packed=1),
        _not_found(town),
    ]
    on_the_shelf = [
        _waits_for_them(town, "03", DRIVE, 2, phone=True),  # she has a landline: the call list
        _waits_for_them(town, "04", GEUMHO, 2),  # a time is offered to her, and her answer arrives
        _waits_for_them(town, "10", GEUMHO, 1),
        _waits_for_them(town, "12", GEUMHO, 2),
        _waits_for_them(town, "09", DOOR, 2),  # on foot, no time needed
        _waits_for_them(town, "15", GEUMHO, 2),
        _waits_for_them(town, "16", GEUMHO, 1),
        _waits_for_them(town, "17", GEUMHO, 1, yes=True),
        _waits_for_them(town, "18", DRIVE, 1, place=3, note="손자가 흰색 트럭을 타고 갑니다."),
        _waits_for_them(town, "23", DRIVE, 1, place=4, note="휠체어라 넓은 자리가 필요합니다.", read=True),
        _waits_for_them(town, "31", DRIVE, 1, place=5, note="My husband comes in the red truck."),
        _waits_for_them(town, "35", DRIVE, 1, place=6, given_back=True),
        _waits_for_them(town, "50", DRIVE, 1, place=7, late=True),
        _waits_for_them(town, "60", BAYS, 1),
        _not_reached(town, "19", BAYS),
    ]
    at_the_window = [
        _gave_back(town, "14", GEUMHO, 2, ready=False),
        _gave_back(town, "51", GEUMHO, 2),
        _gave_back(town, "52", DRIVE, 1),
        _kept_one_back(town),
        _just_served(town, "11", DRIVE, came=14, called=13, given=11.6),
        _just_served(town, "26", DRIVE, came=12, called=11, given=9.5, undone=5),
        _just_served(town, "57", GEUMHO, came=32, called=31, given=30),
        _just_served(town, "49", DOOR, came=41, called=40, given=39),
        _here(town, "24", DRIVE, 2, came=10, called=8, plate="12가3456"),
        _here(town, "58", DRIVE, 1, came=9, left=4),
        _family(town),
        _here(town, "08", DRIVE, 2, came=6),
        _here(town, "21", DRIVE, 1, came=4, by="21"),
        _here(town, "55", DRIVE, 2, came=3, packed=False),
        _here(town, "22", GEUMHO, 2, came=5, called=3),
        _here(town, "39", GEUMHO, 1, came=2, by="39"),
        _here(town, "34", DOOR, 1, came=6, called=4),
        _here(town, "28", DOOR, 1, came=3, by="28"),
        _here(town, "29", BAYS, 2, came=6, called=4, bay="1"),
        _here(town, "25", BAYS, 1, came=3, bay="3"),
        _no_bag(town, "38", DRIVE, "return", came=2),
        _no_bag(town, "56", DRIVE, "ask", came=1),
    ]
    waiting = [
        *(_waits_in_line(town, who, DRIVE, wanted, "44") for who in ("41", "46", "47")),
        *(_waits_in_line(town, who, GEUMHO, wanted, "36") for who in ("48", "42", "39")),
        _came_back(town, wanted),
        _elsewhere(town),
        _on_its_way(town),
    ]
    return [*at_the_desk, *on_the_shelf, *at_the_window, *waiting]


def _asked(
    town: Town, who: str, point: str, books: int, *, packed: int = 0, phone: bool = False, note: str = ""
) -> Story:
    """Asked for this morning or just now; nothing, some or all of it is packed."""
    yield town.ago(150 - int(who))
    order = _sure(town.ask(who, point, books, phone=phone))
    if note:
        town.write(order, note, by=who)
    yield town.ago(20)
    town.pack(order, most=packed)


def _not_found(town: Town) -> Story:
    """One of two books is not on its shelf."""
    yield town.ago(170)
    order = _sure(town.ask("45", GEUMHO, 2))
    yield town.ago(25)
    line = order.lines.order_by("id").first()
    packing.not_on_shelf(line_id=line.pk, by=town.desk, now=town.clock)  # type: ignore[union-attr]


def _waits_for_them(
    town: Town,
    who: str,
    point: str,
    books: int,
    *,
    place: int = 1,
    phone: bool = False,
    note: str = "",
    read: bool = False,
    yes: bool = False,
    given_back: bool = False,
    late: bool = False,
) -> Story:
    """A bag on the pickup shelf: at a time that was chosen, that is offered, or at any time."""
    yield town.ago(300 - int(who))
    accessible = town.people[who].accessible_place
    slot = town.coming(point, place, accessible=accessible) if point == DRIVE else None
    order = _sure(town.ask(who, point, books, slot=slot, phone=phone))
    yield town.ago(16 - int(who) / 20)
    town.ready(order)
    order.refresh_from_db()
    if note:
        town.write(order, note, by=who)
    yield town.ago(7)
    if read:
        notes.settle(note_id=order.notes.get().pk, by=town.desk, now=town.clock)
    if yes and order.appointment_id is not None:
        by = Actor("collector", order.pk, "link")
        appointments.confirm(appointment_id=order.appointment_id, by=by, now=town.clock)
    if given_back and order.appointment_id is not None:
        appointments.cancel(appointment_id=order.appointment_id, by=town.patron(who), now=town.clock)
    if late:
        town.ask(who, point, 1)


def _not_reached(town: Town, who: str, point: str) -> Story:
    """Ready an hour ago; a landline, and nobody answers the telephone."""
    yield town.ago(130)
    order = _sure(town.ask(who, point, 1, phone=True))
    yield town.ago(65)
    town.ready(order)
    yield town.ago(40)
    about = {f"order:{order.pk}", f"appointment:{Order.objects.get(pk=order.pk).appointment_id}"}
    for call in notification_queries.calls_about(about):
        calls.unreached(call_id=call.pk, by=town.desk, now=town.clock)


def _gave_back(town: Town, who: str, point: str, books: int, *, ready: bool = True) -> Story:
    """Not wanted any more: given back by link, or said on the telephone. What was packed has to be unpacked."""
    yield town.ago(340)
    order = _sure(town.ask(who, point, books))
    yield town.ago(200)
    if ready:
        town.ready(order)
    yield town.ago(70)
    by = Actor("collector", order.pk, "link") if ready else town.desk
    orders.cancel(order_id=order.pk, by=by, now=town.clock)


def _kept_one_back(town: Town) -> Story:
    """Served an hour ago; one of three books was torn, one not wanted."""
    yield town.at(town.day(1), "09:35")
    order = _sure(town.ask("59", DRIVE, 3, slot=town.coming(DRIVE)))
    yield town.at(town.day(1), "15:00")
    town.ready(order)
    yield town.ago(58)
    visit = town.arrive(order)
    yield town.ago(57)
    town.call(DRIVE)
    yield town.ago(55)
    torn, unwanted = order.lines.order_by("id").values_list("copy__barcode", flat=True)[:2]
    town.give(visit, kept_back={order.number: {torn: "damaged", unwanted: "not_wanted"}})


def _just_served(
    town: Town, who: str, point: str, *, came: float, called: float, given: float, undone: float = 0
) -> Story:
    """Served minutes ago, so that it can still be undone; or it was."""
    order = yield from _packed_yesterday(town, who, point, 1)
    yield town.ago(came)
    visit = town.arrive(order)
    yield town.ago(called)
    town.call(point)
    yield town.ago(given)
    town.give(visit)
    if undone:
        yield town.ago(undone)
        lane.undo(visit_id=visit.pk, by=town.desk, now=town.clock)


def _packed_yesterday(town: Town, who: str, point: str, books: int) -> Generator[datetime, None, Order]:
    """A bag that stands ready since yesterday, for a time that lies ahead."""
    yield town.at(town.day(1), "09:45")
    slot = town.coming(point, accessible=town.people[who].accessible_place) if point == DRIVE else None
    order = _sure(town.ask(who, point, books, slot=slot))
    yield town.at(town.day(1), "18:05")
    town.ready(order)
    order.refresh_from_db()
    if slot is None and order.appointment_id is not None:
        ahead = town.coming(point, ready=True)
        appointments.change(appointment_id=order.appointment_id, slot_id=ahead.pk, by=town.patron(who), now=town.clock)
    return order


def _here(
    town: Town,
    who: str,
    point: str,
    books: int,
    *,
    came: float,
    called: float = 0,
    left: float = 0,
    by: str = "desk",
    bay: str = "",
    plate: str = "",
    packed: bool = True,
) -> Story:
    """At the window at this moment: in line, called, or gone again without the bag."""
    if packed:
        order = yield from _packed_yesterday(town, who, point, books)
    else:
        yield town.ago(40)
        order = _sure(town.ask(who, point, books))
    yield town.ago(came)
    visit = town.arrive(order, by=by, bay=bay, plate=plate)
    if called:
        yield town.ago(called)
        town.call(point)
    if left:
        yield town.ago(left)
        lane.leave(visit_id=visit.pk, by=town.desk, now=town.clock)


def _family(town: Town) -> Story:
    """Two cards, two bags, one car."""
    yield town.at(town.day(1), "09:50")
    slot = town.coming(DRIVE)
    bags = [_sure(town.ask(who, DRIVE, books, slot=slot)) for who, books in (("01", 2), ("02", 1))]
    yield town.at(town.day(1), "17:30")
    for bag in bags:
        town.ready(bag)
    yield town.ago(7)
    town.arrive(bags[0], by="01", plate="34나5678")


def _no_bag(town: Town, who: str, point: str, purpose: str, *, came: float) -> Story:
    """Somebody who only brings books back, or only asks."""
    yield town.ago(came)
    arrivals.arrive(
        point_id=town.points[point].pk,
        patron_id=town.people[who].pk,
        purpose=purpose,
        by=town.desk,
        now=town.clock,
    )


# Texts that only a person understands


def _answers(town: Town, answer: Callable[..., None]) -> list[Story]:
    return [
        _texted(town, answer, "+12125550131", "Can my husband collect it? He comes in the red truck.", 80),
        _texted(town, answer, "+12125550130", "My car broke down. Can I come on foot?", 35),
        _texted(town, answer, "+12125550177", "Hello, do you have picture books in English?", 11),
    ]


def _texted(town: Town, answer: Callable[..., None], number: str, body: str, minutes: float) -> Story:
    yield town.ago(minutes)
    answer(sent_from=number, sent_to=sample.SENDERS[0]["number"], body=body, now=town.clock)


# In line for a book


def _waits_in_line(town: Town, who: str, point: str, wanted: dict[str, Order], reader: str) -> Story:
    """Wants what somebody has at home."""
    yield town.at(town.day(2), f"19:{int(who):02}")
    line = wanted[reader].lines.filter(state=LineState.GIVEN).select_related("copy").order_by("id").first()
    town.ask(who, point, [line.copy.title_id])  # type: ignore[union-attr]
    if who == "39":
        yield town.at(town.day(1), "20:00")
        waiting = Reservation.objects.get(patron=town.people[who], state="waiting")
        until = town.today + timedelta(days=12)
        wishes.suspend(reservation_id=waiting.pk, until=until, by=town.patron(who), now=town.clock)


def _came_back(town: Town, wanted: dict[str, Order]) -> Story:
    """A book that three wait for has come back: it is on the return cart, and in the first one's bag to fetch."""
    yield town.ago(16)
    town.take_back(wanted["44"])
    orders.assemble(now=town.clock)


def _elsewhere(town: Town) -> Story:
    """Wants a book that stands in the branch that only supplies: it has to be sent."""
    yield town.ago(90)
    town.ask("37", DRIVE, [town.shelves["yongdap"].pop()])


def _on_its_way(town: Town) -> Story:
    """A book of that branch that was sent yesterday, and comes today."""
    yield town.at(town.day(2), "14:30")
    title_id = town.shelves["yongdap"].pop()
    town.ask("30", GEUMHO, [title_id])
    yield town.at(town.day(1), "15:10")
    copy = Reservation.objects.select_related("copy").get(patron=town.people["30"], title=title_id).copy
    if copy is not None:
        transfers.scan(barcode=copy.barcode, library_id=copy.at_library_id, by=town.desk, now=town.clock)
