"""What this room says, in Korean and English, and to whom.

A text names no title, author or patron. What it asks for, an answer or a tap on an address, is asked only where that
can arrive (notifications/doors.py); elsewhere it says the number to call, and the code page takes the order number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from core.actor import RULE, Actor
from notifications import doors, outbox, wording
from notifications import queries as notification_queries
from pickup import queries
from pickup.models import Appointment, Order, Question, Slot
from pickup.states import HERE, PROMISED, OrderState

UNDO = timedelta(minutes=10)
"""How long a hand-over may be undone; its receipt waits that long."""

WEEKDAYS = {"ko": "월화수목금토일", "en": ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]}
TAILS = {
    "": ("", ""),
    ".reply": (" 답장 1=예 2=다른 시간 3=취소", " Reply 1=yes 2=other time 3=cancel"),
    ".link": (" {link}", " {link}"),
    ".reply_link": (" 답장 1=예 2=다른 시간 3=취소 {link}", " Reply 1=yes 2=other time 3=cancel {link}"),
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
}
_SAYING = {
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
    "not_found": (
        "[{library}] 책을 서가에서 못 찾아 다시 찾고 있습니다. 번호 {number}. 문의 {phone}",
        "[{library}] A book is not on its shelf; we keep looking. Order {number}. Tel {phone}",
    ),
    "late": (
        "[{library}] 준비가 늦어지고 있습니다. 준비되면 알려 드립니다. 번호 {number}. 문의 {phone}",
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
}
PLACES = frozenset({"library", "count", "when", "until", "number", "phone", "due"})

for _name, (_ko, _en) in _ASKING.items():
    for _variant, (_tail_ko, _tail_en) in TAILS.items():
        wording.register(key=f"{_name}{_variant}", places=PLACES, ko=_ko + _tail_ko, en=_en + _tail_en)
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
    wording.register(key=_name, places=ANSWER_PLACES, ko=_ko, en=_en)


def moment(at: datetime, zone: ZoneInfo, language: str) -> str:
    """A moment as texts write it: `11/25(수) 16:00`, `Wed 25 Nov 16:00`. Never "today": a text may wait for morning."""
    local = at.astimezone(zone)
    return f"{day(at, zone, language)} {local:%H:%M}"


def day(at: datetime, zone: ZoneInfo, language: str) -> str:
    """The local day of a moment: `11/25(수)`, `Wed 25 Nov`."""
    local = at.astimezone(zone)
    if language.startswith("ko"):
        return f"{local.month}/{local.day}({WEEKDAYS['ko'][local.weekday()]})"
    return f"{WEEKDAYS['en'][local.weekday()]} {local.day} {local:%b}"


def last_day(until: datetime, zone: ZoneInfo, language: str) -> str:
    """The last local day before a moment: what is kept until midnight is kept until the day that ends there."""
    return day(until - timedelta(microseconds=1), zone, language)


def short_day(at: datetime, zone: ZoneInfo, language: str) -> str:
    """The local day where room is scarce: `11/25`, `25 Nov`."""
    local = at.astimezone(zone)
    return f"{local.month}/{local.day}" if language.startswith("ko") else f"{local.day} {local:%b}"


def stretch(slot: Slot, zone: ZoneInfo, language: str) -> str:
    """A slot as texts write it: `11/25(수) 16:00-16:15`."""
    return f"{moment(slot.starts_at, zone, language)}-{slot.ends_at.astimezone(zone):%H:%M}"


def asks_for_answer(order: Order) -> bool:
    """Whether an answer to a text about this order could arrive; where it cannot, silence is consent."""
    contact = queries.collector_of(order)
    if contact is None or not contact.may_text:
        return False
    return doors.Door.REPLY in notification_queries.open_for(order.library.sender, contact.number)


def offer(appointment: Appointment, orders: Sequence[Order], *, now: datetime, template: str = "offer") -> None:
    """Tell a party its time and, where it can answer, ask; one text counts all their books.

    A still unsent text about the same promise is replaced.
    """
    head = orders[0]
    contact = queries.collector_of(head)
    variant = ""
    if contact is not None:
        open_doors = notification_queries.open_for(head.library.sender, contact.number)
        tail = [name for door, name in ((doors.Door.REPLY, "reply"), (doors.Door.LINK, "link")) if door in open_doors]
        variant = "." + "_".join(tail) if tail else ""
    untimed = {f"order:{order.pk}" for order in orders}
    outbox.suppress(about=untimed, templates={"ready_until"}, why="replaced", now=now, by=RULE)
    _say(
        f"{template}{variant}",
        orders,
        about=f"appointment:{appointment.pk}",
        dedup_key=f"{template}:appointment:{appointment.pk}:{_these(orders, now)}",
        slot=appointment.slot,
        now=now,
        not_after=appointment.slot.ends_at,
    )
    if contact is not None and "reply" in variant:
        Question.objects.filter(number=contact.number, order__in=orders, closed_at__isnull=True).update(closed_at=now)
        Question.objects.create(number=contact.number, kind=Question.Kind.OFFER, order=head, asked_at=now)


def ready(orders: Sequence[Order], *, now: datetime) -> None:
    """Tell that bags are packed: at the promised time, or at any time until the keep day."""
    if not orders:
        return
    appointment = orders[0].appointment
    if appointment is not None and appointment.state in PROMISED:
        _say(
            "ready",
            orders,
            about=f"appointment:{appointment.pk}",
            dedup_key=f"ready:appointment:{appointment.pk}:{_these(orders, now)}",
            slot=appointment.slot,
            now=now,
            not_after=appointment.slot.ends_at,
        )
    else:
        for order in orders:
            about_order("ready_until", order, now=now, not_after=order.keep_until)


def no_time(orders: Sequence[Order], *, now: datetime) -> None:
    """Tell once that bags are packed for which no time is free before their keep day; an offer may still follow."""
    for order in orders:
        about_order("ready_until", order, now=now, not_after=order.keep_until, of=order.ready_at)


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
    of: datetime | None = None,
) -> None:
    """Tell one thing about one order, once per moment it was said at, or that it is `of`."""
    _say(
        template,
        [order],
        about=f"order:{order.pk}",
        dedup_key=f"{template}:order:{order.pk}:{int((of or now).timestamp())}",
        now=now,
        kind=kind,
        not_before=not_before,
        not_after=not_after,
        due=due,
        count=count,
    )


def hush(*, orders: Sequence[Order], why: str, now: datetime, by: Actor = RULE) -> int:
    """Keep back what was not sent yet about these orders and their promises; gives back how much that was."""
    about = {f"order:{order.pk}" for order in orders}
    about |= {f"appointment:{order.appointment_id}" for order in orders if order.appointment_id}
    return outbox.suppress(about=about, why=why, now=now, by=by)


def hush_one(order: Order, *, why: str, now: datetime, by: Actor = RULE) -> None:
    """Keep back what was not sent yet about a bag that is gone; what it told the others of its party is said anew."""
    outbox.suppress(about={f"order:{order.pk}"}, why=why, now=now, by=by)
    promise = order.appointment_id
    if promise is not None and outbox.suppress(about={f"appointment:{promise}"}, why=why, now=now, by=by):
        others = queries.orders(appointment_id=promise, state=OrderState.READY).exclude(visit__state__in=HERE)
        ready(list(others.exclude(pk=order.pk).order_by("id")), now=now)


def _these(orders: Sequence[Order], now: datetime) -> str:
    """Part of a dedup key: these bags, told at this moment. What was kept back may have to be said again."""
    named = ",".join(str(order.pk) for order in orders)
    return f"{hashlib.blake2s(named.encode(), digest_size=8).hexdigest()}:{int(now.timestamp())}"


def _say(
    template: str,
    orders: Sequence[Order],
    *,
    about: str,
    dedup_key: str,
    now: datetime,
    slot: Slot | None = None,
    kind: str = "notice",
    not_before: datetime | None = None,
    not_after: datetime | None = None,
    due: str = "",
    count: int | None = None,
) -> None:
    head = orders[0]
    contact = queries.collector_of(head)
    if contact is None:
        Order.objects.filter(pk__in=[order.pk for order in orders]).update(why="nobody_to_tell")
        return
    zone, language = ZoneInfo(head.library.zone), contact.language
    number = head.shown if len(orders) == 1 else f"{head.shown}+{len(orders) - 1}"
    values = {
        "library": head.library.name_in(language),
        "count": _books(queries.count_books([order.pk for order in orders]) if count is None else count, language),
        "when": stretch(slot, zone, language) if slot else "",
        "until": last_day(head.keep_until, zone, language) if head.keep_until else "",
        "number": number,
        "phone": head.library.phone,
        "due": due,
    }
    if about.startswith("appointment:"):
        outbox.suppress(about={about}, why="replaced", now=now, by=RULE)
    said = outbox.enqueue(
        sender=head.library.sender,
        to=contact.number,
        language=language,
        kind=kind,
        template=template,
        values=values,
        about=about,
        dedup_key=dedup_key,
        now=now,
        not_before=not_before,
        not_after=not_after if not_after is None or not_after > now else None,
        may_text=contact.may_text,
        may_call=contact.may_call,
    )
    if said is None:
        Order.objects.filter(pk__in=[order.pk for order in orders]).update(why="nobody_to_tell")


def _books(count: int, language: str) -> str:
    if language.startswith("ko"):
        return str(count)
    return "1 book" if count == 1 else f"{count} books"
