"""What this room says, in Korean and English, and to whom.

A text names no title, author or patron. What it asks for, an answer or a tap on an address, is asked only where that
can arrive (notifications/doors.py); elsewhere it says the number to call, and the code page takes the order number.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import structlog

from core.actor import RULE, Actor
from lending import contacts
from notifications import doors, outbox, wording
from notifications import queries as notification_queries
from notifications.states import KEPT_BACK, CallState
from pickup import queries
from pickup.models import Appointment, Order, Question
from pickup.states import HERE, PROMISED, AppointmentState, OrderState

if TYPE_CHECKING:
    from lending.models import Contact

log = structlog.get_logger()

UNDO = timedelta(minutes=10)
"""How long a hand-over may be undone; its receipt waits that long."""

WEEKDAYS = {"ko": "월화수목금토일", "en": ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]}
TAILS = {
    "": ("", ""),
    ".reply": (" 답장 1=예 2=변경 3=취소", " Reply 1=yes 2=other time 3=cancel"),
    ".link": (" {link}", " {link}"),
    ".reply_link": (" 답장 1=예 2=변경 3=취소 {link}", " Reply 1=yes 2=other time 3=cancel {link}"),
}
# Where an answer arrives a question does too; without the number to call the Korean text stays a short one.
_SHORTER = {
    "offer": "[{library}] 책 {count}권 준비. {when} 수령, 번호 {number}.",
    "moved": "[{library}] 준비가 늦어 {when}로 변경, 번호 {number}.",
    "closing": "[{library}] 휴관으로 {when}로 변경, 번호 {number}.",
    "hours": "[{library}] 운영 변경, {when}로 변경, 번호 {number}.",
}

_ASKING = {
    "offer": (
        "[{library}] 책 {count}권 준비. {when} 수령, 번호 {number}. 문의 {phone}",
        "[{library}] {count} ready. Pick up {when}, order {number}. Tel {phone}",
    ),
    "moved": (
        "[{library}] 준비가 늦어 {when}로 옮겼습니다. 번호 {number}. 문의 {phone}",
        "[{library}] Sorry, we need longer. New time {when}, order {number}. Tel {phone}",
    ),
    "closing": (
        "[{library}] 휴관으로 {when}로 옮겼습니다. 번호 {number}. 문의 {phone}",
        "[{library}] We are closed that day. New time {when}, order {number}. Tel {phone}",
    ),
    "hours": (
        "[{library}] 운영 변경, {when}로 옮깁니다. 번호 {number}. 문의 {phone}",
        "[{library}] Our pickup hours change. New time {when}, order {number}. Tel {phone}",
    ),
}
_SAYING = {
    "hours_kept": (
        "[{library}] 운영 변경, 시간 취소. {until}까지 보관, 번호 {number}. 문의 {phone}",
        "[{library}] Our hours change, your time falls away. Kept until {until}, order {number}. Tel {phone}",
    ),
    "hours_packing": (
        "[{library}] 운영 변경, 시간 취소. 새 시간을 알립니다. 번호 {number}. 문의 {phone}",
        "[{library}] Our hours change, your time falls away. We tell you a new one. Order {number}. Tel {phone}",
    ),
    "closing_kept": (
        "[{library}] 휴관으로 시간 취소. {until}까지 보관, 번호 {number}. 문의 {phone}",
        "[{library}] Your time falls away, we are closed. Kept until {until}, order {number}. Tel {phone}",
    ),
    "closing_packing": (
        "[{library}] 휴관으로 시간 취소. 새 시간을 곧 알립니다. 번호 {number}. 문의 {phone}",
        "[{library}] Your time falls away, we are closed. We tell you a new one. Order {number}. Tel {phone}",
    ),
    "fixed": (
        "[{library}] 수령 시간 {when} 확정. 번호 {number}. 문의 {phone}",
        "[{library}] Your time is fixed: {when}, order {number}. We tell you when it is ready. Tel {phone}",
    ),
    "ready": (
        "[{library}] 책 {count}권 준비. 예약 {when}, 번호 {number}. 문의 {phone}",
        "[{library}] {count} ready for {when}, order {number}. Tel {phone}",
    ),
    "ready_until": (
        "[{library}] 책 {count}권 준비. {until}까지 수령, 번호 {number}. 문의 {phone}",
        "[{library}] {count} ready. Pick up by {until}, order {number}. Tel {phone}",
    ),
    "next": (
        "[{library}] 책 {count}권 준비. 곧 차례입니다. 번호 {number}",
        "[{library}] {count} ready, you are next. Order {number}",
    ),
    "missed": (
        "[{library}] 오늘 못 오셨습니다. {until}까지 보관, 번호 {number}. 문의 {phone}",
        "[{library}] We missed you. Kept until {until}, order {number}. Tel {phone}",
    ),
    "kept": (
        "[{library}] 책을 {until}까지 보관합니다. 번호 {number}. 문의 {phone}",
        "[{library}] Your bag is kept until {until}, order {number}. Tel {phone}",
    ),
    "cancelled": (
        "[{library}] 신청 {number} 취소되었습니다. 문의 {phone}",
        "[{library}] Order {number} is cancelled. Tel {phone}",
    ),
    "cancelled_rest": (
        "[{library}] 신청 {number} 취소. 나머지 {count}권은 계속 예약 중. 문의 {phone}",
        "[{library}] Order {number} is cancelled. Still on order: {count}. Tel {phone}",
    ),
    "not_found": (
        "[{library}] 책을 서가에서 못 찾아 다시 찾고 있습니다. 번호 {number}. 문의 {phone}",
        "[{library}] A book is not on its shelf; we keep looking. Order {number}. Tel {phone}",
    ),
    "elsewhere": (
        "[{library}] 수령 장소 변경. 새 번호 {number}, 준비되면 알려 드립니다. 문의 {phone}",
        "[{library}] Your pickup place is changed. New order {number}; we tell you when it is ready. Tel {phone}",
    ),
    "elsewhere_waits": (
        "[{library}] 수령 장소 변경. 책이 오면 알려 드립니다. 문의 {phone}",
        "[{library}] Your pickup place is changed. We tell you when the books are there. Tel {phone}",
    ),
    "late": (
        "[{library}] 준비가 늦어집니다. 준비되면 알려 드립니다. 번호 {number}. 문의 {phone}",
        "[{library}] Sorry, we need longer. We tell you when it is ready. Order {number}. Tel {phone}",
    ),
    "expired": (
        "[{library}] 보관 기간이 지나 신청 {number} 종료되었습니다. 문의 {phone}",
        "[{library}] Order {number} was not collected in time and is closed. Tel {phone}",
    ),
    "receipt": (
        "[{library}] 책 {count}권 대출. 반납일 {due}. 고맙습니다.",
        "[{library}] {count} lent, due {due}. Thank you.",
    ),
    "given": (
        "[{library}] 책 {count}권을 드렸습니다. 고맙습니다.",
        "[{library}] {count} handed over. Thank you.",
    ),
}
PLACES = frozenset({"library", "count", "when", "until", "number", "phone", "due"})

for _name, (_ko, _en) in _ASKING.items():
    for _variant, (_tail_ko, _tail_en) in TAILS.items():
        _plain = _SHORTER[_name] if "reply" in _variant else _ko
        wording.register(key=f"{_name}{_variant}", places=PLACES, ko=_plain + _tail_ko, en=_en + _tail_en)
for _name, (_ko, _en) in _SAYING.items():
    wording.register(key=_name, places=PLACES, ko=_ko, en=_en)

_ANSWERING = {
    "answer_confirmed": (
        "[{library}] {when} 확인했습니다. 번호 {number}. 문의 {phone}",
        "[{library}] Confirmed: {when}, order {number}. Tel {phone}",
    ),
    "answer_packing": (
        "[{library}] 신청 {number} 준비 중입니다. 준비되면 알려 드립니다. 문의 {phone}",
        "[{library}] Order {number} is being packed. We will tell you when it is ready. Tel {phone}",
    ),
    "answer_until": (
        "[{library}] 신청 {number} 준비되었습니다. {until}까지 찾아가 주세요.",
        "[{library}] Order {number} is ready. Please collect it by {until}.",
    ),
    "answer_any_time": (
        "[{library}] 시간 예약 없이 오시면 됩니다. 번호 {number}. 문의 {phone}",
        "[{library}] You need no time here, come whenever it is open. Order {number}. Tel {phone}",
    ),
    "answer_times": (
        "[{library}] 시간 {options}. 숫자로 답해 주세요.",
        "[{library}] Other times: {options}. Reply with the digit. Your old time stays until then.",
    ),
    "answer_gone": (
        "[{library}] 찼습니다. {options} 숫자로 답해 주세요.",
        "[{library}] That time has just gone. Other times: {options}. Reply with the digit.",
    ),
    "answer_no_times": (
        "[{library}] 지금은 다른 시간이 없습니다. 번호 {number}. 문의 {phone}",
        "[{library}] There is no other time at the moment. Order {number}. Tel {phone}",
    ),
    "answer_changed": (
        "[{library}] 시간을 바꾸었습니다. {when}, 번호 {number}. 문의 {phone}",
        "[{library}] Changed: {when}, order {number}. Tel {phone}",
    ),
    "answer_which": (
        "[{library}] 어느 신청입니까? {options}. 숫자로 답해 주세요.",
        "[{library}] Which order? {options}. Reply with the digit.",
    ),
    "answer_here": (
        "[{library}] {number} 도착 접수되었습니다. 앞에 {ahead}대 있습니다.",
        "[{library}] {number}: checked in, {ahead} ahead of you.",
    ),
    "answer_next": (
        "[{library}] {number} 도착 접수되었습니다. 다음 차례입니다.",
        "[{library}] {number}: checked in, you are next.",
    ),
    "answer_here_packing": (
        "[{library}] {number} 도착 접수되었습니다. 책을 담고 있으니 기다려 주세요.",
        "[{library}] {number}: checked in. Your bag is being packed, please wait a moment.",
    ),
    "answer_closed": (
        "[{library}] 지금은 닫혀 있습니다. {when}에 엽니다. 문의 {phone}",
        "[{library}] We are closed now and open {when}. Tel {phone}",
    ),
    "answer_collected": (
        "[{library}] 신청 {number} {at}에 이미 수령하셨습니다. 문의 {phone}",
        "[{library}] Order {number} was already collected at {at}. Tel {phone}",
    ),
    "answer_nothing": (
        "[{library}] 지금 받으실 책이 없습니다. 문의 {phone}",
        "[{library}] There is nothing to collect at the moment. Tel {phone}",
    ),
    "answer_help": (
        "[{library}] 1=예 2=다른 시간 3=취소 4=도착. 직원이 곧 확인합니다. 문의 {phone}",
        "[{library}] 1=yes 2=other time 3=not needed 4=I am here. A librarian will read your text. Tel {phone}",
    ),
    "answer_sorry": (
        "[{library}] 처리하지 못했습니다. 직원이 확인합니다. 문의 {phone}",
        "[{library}] That did not work. A librarian will look into it. Tel {phone}",
    ),
}
ANSWER_PLACES = PLACES | {"options", "ahead", "at"}

for _name, (_ko, _en) in _ANSWERING.items():
    wording.register(key=_name, places=ANSWER_PLACES, ko=_ko, en=_en, kind="answer")

_LONGEST = {
    "when": ("11/25(수) 16:00", "Wed 25 Nov 16:00"),
    "until": ("11/28(토)", "Sat 28 Nov"),
    "number": ("47-21+2", "47-21+2"),
    "options": ("5=11/25 16:00 6=11/26 16:15 7=11/27 16:30", "5=25 Nov 16:00 6=26 Nov 16:15 7=27 Nov 16:30"),
    "ahead": ("12", "12"),
    "at": ("14:02", "14:02"),
    wording.LINK: ("/o/4f9c2b7d1e8a6053/", "/o/4f9c2b7d1e8a6053/"),
}
for _place, (_ko, _en) in _LONGEST.items():
    wording.example(_place, ko=_ko, en=_en)
wording.example("options", ko="5=47-21 6=47-22", en="5=47-21 6=47-22", key="answer_which")


@functools.lru_cache(maxsize=1024)  # thousands of texts name the same few hundred moments
def moment(at: datetime, zone: ZoneInfo, language: str) -> str:
    """A moment as texts write it: `11/25(수) 16:00`, `Wed 25 Nov 16:00`. Never "today": a text may wait for morning."""
    local = at.astimezone(zone)
    return f"{day(at, zone, language)} {local:%H:%M}"


def is_whole_day(opens: datetime, zone: ZoneInfo) -> bool:
    """Whether a place that opens at this moment has no hours of its own: it opens at midnight, and its day is said."""
    return opens.astimezone(zone).time() == time.min


def opening(at: datetime, zone: ZoneInfo, language: str) -> str:
    """The moment at which a place opens, or only its day; see `is_whole_day`."""
    return day(at, zone, language) if is_whole_day(at, zone) else moment(at, zone, language)


def day(at: datetime, zone: ZoneInfo, language: str) -> str:
    """The local day of a moment: `11/25(수)`, `Wed 25 Nov`."""
    local = at.astimezone(zone)
    if language.startswith("ko"):
        return f"{local.month}/{local.day}({WEEKDAYS['ko'][local.weekday()]})"
    return f"{WEEKDAYS['en'][local.weekday()]} {local.day} {local:%b}"


@functools.lru_cache(maxsize=1024)
def last_day(until: datetime, zone: ZoneInfo, language: str) -> str:
    """The last local day before a moment: what is kept until midnight is kept until the day that ends there."""
    return day(until - timedelta(microseconds=1), zone, language)


def short_day(at: datetime, zone: ZoneInfo, language: str) -> str:
    """The local day where room is scarce: `11/25`, `25 Nov`."""
    local = at.astimezone(zone)
    return f"{local.month}/{local.day}" if language.startswith("ko") else f"{local.day} {local:%b}"


def asks_for_answer(order: Order) -> bool:
    """Whether an answer to a text about this order could arrive; where it cannot, silence is consent."""
    contact = queries.collector_of(order)
    if contact is None or not contacts.doors(contact).may_text:
        return False
    return doors.Door.REPLY in notification_queries.open_for(order.library.sender, contact.number)


def offer(
    appointment: Appointment,
    orders: Sequence[Order],
    *,
    now: datetime,
    template: str = "offer",
    until: datetime | None = None,
) -> None:
    """Tell a party its time and, where it can answer, ask; one text counts all their books.

    A still unsent text about the same promise is replaced. What has not left by `until`, or by the end of the slot,
    is told by telephone.
    """
    offer_all([(appointment, orders)], now=now, template=template, until=until)


def offer_all(
    promises: Sequence[tuple[Appointment, Sequence[Order]]],
    *,
    now: datetime,
    template: str = "offer",
    until: datetime | None = None,
) -> None:
    """`offer` for many parties of one library; the number of queries does not grow with theirs."""
    if promises:
        known = known_of([orders for _appointment, orders in promises], template=template)
        send_offers(offers(promises, known, now=now, template=template, until=until), now=now)


class Known(NamedTuple):
    """What is asked before texts are written: who is told of an order and by which doors, what lies in its bag."""

    told: Mapping[int, Contact]
    books: Mapping[int, int]
    doors: Mapping[str, frozenset[doors.Door]]
    post: outbox.Known


class Offers(NamedTuple):
    """Offers that are written and not sent yet."""

    promises: Sequence[tuple[Appointment, Sequence[Order]]]
    written: _Written
    asked: Sequence[tuple[str, Sequence[Order]]]


def known_of(of_parties: Sequence[Sequence[Order]], *, template: str = "offer") -> Known:
    """What `offers` has to know of some parties of one library."""
    told = queries.collectors_of(orders[0] for orders in of_parties)
    numbers = {contact.number for contact in told.values()}
    sender = of_parties[0][0].library.sender
    return Known(
        told,
        queries.books_of([order.pk for orders in of_parties for order in orders]),
        notification_queries.open_for_many(sender, numbers),
        outbox.known_of({sender}, numbers, {f"{template}{tail}" for tail in TAILS}),
    )


def offers(
    promises: Sequence[tuple[Appointment, Sequence[Order]]],
    known: Known,
    *,
    now: datetime,
    template: str = "offer",
    until: datetime | None = None,
) -> Offers:
    """Write offers to parties of one library; asks nothing, so that PostgreSQL may be busy meanwhile."""
    letters, asked = [], []
    for appointment, orders in promises:
        contact = known.told.get(orders[0].pk)
        texted = contact is not None and contacts.doors(contact).may_text
        open_doors = frozenset() if contact is None or not texted else known.doors[contact.number]
        tail = [name for door, name in ((doors.Door.REPLY, "reply"), (doors.Door.LINK, "link")) if door in open_doors]
        letters.append(
            _Letter(
                f"{template}.{'_'.join(tail)}" if tail else template,
                orders,
                about=f"appointment:{appointment.pk}",
                dedup_key=f"{template}:appointment:{appointment.pk}:{_these(orders, now)}",
                at=appointment.arrives,
                not_after=min(appointment.slot.ends_at, until or appointment.slot.ends_at),
            )
        )
        if contact is not None and "reply" in tail:
            asked.append((contact.number, orders))
    return Offers(promises, _all_written(letters, known.told, known.books, known.post, now=now), asked)


def send_offers(some: Offers, *, now: datetime, fresh: bool = False) -> None:
    """Queue what was written, and ask where an answer arrives. Of `fresh` promises nothing can have been said yet."""
    _untimed([order for _appointment, orders in some.promises for order in orders], now=now)
    _send_all(some.written, now=now, fresh=fresh)
    if some.asked:
        about = [order.pk for _number, orders in some.asked for order in orders]
        earlier = Question.objects.filter(order__in=about, closed_at__isnull=True)
        earlier.filter(number__in={number for number, _orders in some.asked}).update(closed_at=now)
        Question.objects.bulk_create(
            Question(number=number, kind=Question.Kind.OFFER, order=orders[0], asked_at=now)
            for number, orders in some.asked
        )


def ready(orders: Sequence[Order], *, now: datetime) -> None:
    """Tell that bags are packed: at the promised time, or at any time until the keep day."""
    if not orders:
        return
    appointment = orders[0].appointment
    if appointment is not None and appointment.state in PROMISED:
        _untimed(orders, now=now)
        _say(
            "ready",
            orders,
            about=f"appointment:{appointment.pk}",
            dedup_key=f"ready:appointment:{appointment.pk}:{_these(orders, now)}",
            at=appointment.arrives,
            now=now,
            not_after=appointment.slot.ends_at,
        )
    else:
        for order in orders:
            about_order("ready_until", order, now=now, not_after=order.keep_until)


def fixed(appointment: Appointment, orders: Sequence[Order], *, kind: str, now: datetime) -> None:
    """Tell which time is fixed for bags that are still packed."""
    _say(
        "fixed",
        orders,
        about=f"appointment:{appointment.pk}",
        dedup_key=f"fixed:appointment:{appointment.pk}:{_these(orders, now)}",
        at=appointment.arrives,
        kind=kind,
        now=now,
        not_after=appointment.slot.ends_at,
    )


def _untimed(orders: Sequence[Order], *, now: datetime) -> None:
    """Keep back what says "at any time" of bags that are promised a time now."""
    about = {f"order:{order.pk}" for order in orders}
    outbox.suppress(about=about, templates={"ready_until"}, why="replaced", now=now, by=RULE)


def again(appointment: Appointment, orders: Sequence[Order], *, now: datetime) -> None:
    """Say anew to those who keep a promise what was kept back, since it also spoke of others."""
    for order in orders:
        order.appointment = appointment
    if appointment.state == AppointmentState.OFFERED:
        offer(appointment, orders, now=now)
    else:
        ready(orders, now=now)


def no_time(order: Order, *, now: datetime) -> None:
    """Tell that a bag is packed for which no time is free before its keep day; an offer may still follow."""
    about_order("ready_until", order, now=now, not_after=order.keep_until)


def not_told_until(orders: Sequence[Order]) -> list[Order]:
    """Those bags of which it was not said yet until when they are kept; what was kept back was not said."""
    about = {f"order:{order.pk}" for order in orders}
    texts = notification_queries.messages_about(about).filter(template="ready_until").exclude(state__in=KEPT_BACK)
    calls = notification_queries.calls_about(about).exclude(state=CallState.DROPPED)
    told: dict[str, datetime] = {}
    for thing, at in [*texts.values_list("about", "created_at"), *calls.values_list("about", "created_at")]:
        told[thing] = max(at, told.get(thing, at))
    return [
        order
        for order in orders
        if (last := told.get(f"order:{order.pk}")) is None or last < (order.ready_at or order.opened_at)
    ]


def cancelled(stay: int) -> str:
    """The sentence of a bag that is called off, of which so many books stay on order."""
    return "cancelled_rest" if stay else "cancelled"


def was_reached(order: Order) -> bool:
    """Whether somebody was told of this bag or its time: a text was accepted, or a call answered."""
    about = {f"order:{order.pk}"} | ({f"appointment:{order.appointment_id}"} if order.appointment_id else set())
    return notification_queries.reached(about)


def about_order(
    template: str,
    order: Order,
    *,
    now: datetime,
    kind: str = "notice",
    not_before: datetime | None = None,
    not_after: datetime | None = None,
    due: str = "",
    count: int | None = None,
    by_phone: bool = False,
    by_mail: bool = False,
) -> None:
    """Tell one thing about one order, once per moment it was said at.

    `by_phone`: by a call of the staff; `by_mail`: by mail, if the collector has an address.
    """
    _say(
        template,
        [order],
        about=f"order:{order.pk}",
        dedup_key=f"{template}:order:{order.pk}:{int(now.timestamp())}",
        now=now,
        kind=kind,
        not_before=not_before,
        not_after=not_after,
        due=due,
        count=count,
        by_phone=by_phone,
        by_mail=by_mail,
    )


def hush(*, orders: Sequence[Order], why: str, now: datetime, by: Actor = RULE) -> int:
    """Keep back what was not sent yet about these orders and their promises; gives back how much that was."""
    about = {f"order:{order.pk}" for order in orders}
    about |= {f"appointment:{order.appointment_id}" for order in orders if order.appointment_id}
    return outbox.suppress(about=about, why=why, now=now, by=by)


def hush_own(order: Order, *, why: str, now: datetime, by: Actor = RULE) -> None:
    """Keep back what was not sent yet about a bag alone; what speaks of others as well stays."""
    outbox.suppress(about={f"order:{order.pk}"}, why=why, now=now, by=by)


def hush_one(order: Order, *, why: str, now: datetime, by: Actor = RULE) -> None:
    """Keep back what was not sent yet about a bag that is gone; what it told the others of its party is said anew."""
    hush_own(order, why=why, now=now, by=by)
    promise = order.appointment
    if promise is not None and outbox.suppress(about={f"appointment:{promise.pk}"}, why=why, now=now, by=by):
        others = queries.orders(appointment=promise, state=OrderState.READY).exclude(visit__state__in=HERE)
        still = list(others.exclude(pk=order.pk).order_by("id"))
        if still and still[0].appointment is not None:
            again(still[0].appointment, still, now=now)


def _these(orders: Sequence[Order], now: datetime) -> str:
    """Part of a dedup key: these bags, told at this moment. What was kept back may have to be said again."""
    named = ",".join(str(order.pk) for order in orders)
    return f"{hashlib.blake2s(named.encode(), digest_size=8).hexdigest()}:{int(now.timestamp())}"


@dataclass(slots=True)  # thousands are written at once, and a frozen one takes four times as long
class _Letter:
    """One sentence to whoever collects these orders, and until when it is of use."""

    template: str
    orders: Sequence[Order]
    _: KW_ONLY
    about: str
    dedup_key: str
    at: datetime | None = None
    kind: str = "notice"
    not_before: datetime | None = None
    not_after: datetime | None = None
    due: str = ""
    count: int | None = None
    by_phone: bool = False
    by_mail: bool = False


class _Written(NamedTuple):
    """Letters with what will be queued of each, or with the word for why nothing is."""

    letters: Sequence[_Letter]
    drafts: Sequence[outbox.Draft | str]


def _say(template: str, orders: Sequence[Order], *, now: datetime, **more: Any) -> None:
    letter = _Letter(template, orders, **more)
    told = queries.collectors_of(orders[:1])
    books = queries.books_of([order.pk for order in orders]) if letter.count is None else {}
    post = outbox.known_of({orders[0].library.sender}, {contact.number for contact in told.values()}, {template})
    _send_all(_all_written([letter], told, books, post, now=now), now=now)


def _all_written(
    letters: Sequence[_Letter],
    told: Mapping[int, Contact],
    books: Mapping[int, int],
    post: outbox.Known,
    *,
    now: datetime,
) -> _Written:
    """Letters of one library to those who are told; asks nothing."""
    library = letters[0].orders[0].library
    has_sender = library.sender in post.houses
    if not has_sender:  # the library's settings are wrong; its books are handed over all the same
        log.error("text.no_sender", library=library.code, sender=library.sender)
    drafts: list[outbox.Draft | str] = []
    for letter in letters:
        contact = told.get(letter.orders[0].pk)
        if contact is None:
            drafts.append("nobody_to_tell")
        else:
            text = _written(letter, contact, books, now=now)
            drafts.append(outbox.draft(text, post, now=now) if has_sender else "no_sender")
    return _Written(letters, drafts)


def _send_all(written: _Written, *, now: datetime, fresh: bool = False) -> None:
    """Queue letters; a handful of queries, however many."""
    promises = {letter.about for letter in written.letters if letter.about.startswith("appointment:")}
    if promises and not fresh:
        outbox.suppress(about=promises, why="replaced", now=now, by=RULE)
    drafts = [draft for draft in written.drafts if not isinstance(draft, str)]
    said = iter(outbox.put(drafts, now=now, fresh=fresh))
    for letter, draft in zip(*written, strict=True):
        if isinstance(draft, str):
            _note_why(letter.orders, draft, letter.kind)
        elif next(said) is None:
            _note_why(letter.orders, "nobody_to_tell", letter.kind)


def _written(letter: _Letter, contact: Contact, books: Mapping[int, int], *, now: datetime) -> outbox.Text:
    head, language = letter.orders[0], contact.language
    library = head.library
    zone = ZoneInfo(library.zone)
    count = sum(books.get(order.pk, 0) for order in letter.orders) if letter.count is None else letter.count
    values = {
        "library": library.name_in(language),
        "count": counted(count, language),
        "when": moment(letter.at, zone, language) if letter.at else "",
        "until": last_day(head.keep_until, zone, language) if head.keep_until else "",
        "number": head.shown if len(letter.orders) == 1 else f"{head.shown}+{len(letter.orders) - 1}",
        "phone": library.phone,
        "due": letter.due,
    }
    way = contacts.doors(contact, by_mail=letter.by_mail)
    return outbox.Text(
        sender=library.sender,
        to=contact.number,
        language=language,
        kind=letter.kind,
        template=letter.template,
        values=values,
        about=letter.about,
        dedup_key=letter.dedup_key,
        not_before=letter.not_before,
        not_after=letter.not_after if letter.not_after is None or letter.not_after > now else None,
        call_until=max((order.keep_until for order in letter.orders if order.keep_until), default=None),
        may_text=way.may_text and not letter.by_phone,
        mail="" if letter.by_phone else way.mail,
        may_call=way.may_call,
        practice=library.training,
    )


def _note_why(orders: Sequence[Order], why: str, kind: str) -> None:
    """Note why nobody heard of a bag. Answers and receipts do not count: they are never called."""
    if kind not in {"answer", "code"}:
        Order.objects.filter(pk__in=[order.pk for order in orders]).update(why=why)


def counted(count: int, language: str) -> str:
    """A number of books as texts say it, which in Korean name what they count."""
    if language.startswith("ko"):
        return str(count)
    return "1 book" if count == 1 else f"{count} books"
