"""What this room says, and to whom; the words are in wordings.py.

A text names no title, author or patron. What it asks for, an answer or a tap on an address, is asked only where that
can arrive (notifications/doors.py); elsewhere it says the number to call, and the code page takes the order number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import structlog

from core.actor import RULE, Actor
from lending import contacts
from notifications import doors, outbox
from notifications import queries as notification_queries
from notifications.states import KEPT_BACK, CallState
from pickup import queries, wordings
from pickup.models import Appointment, Order, Question
from pickup.states import HERE, PROMISED, AppointmentState, OrderState

if TYPE_CHECKING:
    from lending.models import Contact

log = structlog.get_logger()

_WITHOUT_A_TIME = ("ready_until", "closing_kept", "closing_packing", "hours_kept", "hours_packing")
UNDO = timedelta(minutes=10)
"""How long a hand-over may be undone; its receipt waits that long."""
SETTLES = timedelta(minutes=10)
"""How long somebody looks for the books of a bag: what is not there is told once."""


def asks_for_answer(orders: Sequence[Order]) -> bool:
    """Whether an answer of a party to a text could arrive; where it cannot, silence is consent."""
    told = queries.collectors_of(orders)
    contact = told.get(_told_first(orders, told)[0].pk)
    if contact is None or not contacts.doors(contact).may_text:
        return False
    sender = orders[0].library.sender
    if not outbox.texted({(sender, contact.number)}):
        return False
    return doors.Door.REPLY in notification_queries.open_for(sender, contact.number)


def may_text(order: Order) -> bool:
    """Whether a text reaches whoever collects this order."""
    contact = queries.collector_of(order)
    return contact is not None and contacts.doors(contact).may_text


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


class Books(NamedTuple):
    """How many books lie in each bag, by the order's id, and how many could not be had and wait in line again."""

    inside: Mapping[int, int]
    sought: Mapping[int, int]


class Known(NamedTuple):
    """What is asked before texts are written: who is told of an order and by which doors, what lies in its bag."""

    told: Mapping[int, Contact]
    books: Books
    doors: Mapping[str, frozenset[doors.Door]]
    post: outbox.Known


class Offers(NamedTuple):
    """Offers that are written and not sent yet."""

    promises: Sequence[tuple[Appointment, Sequence[Order]]]
    written: _Written
    asked: Sequence[tuple[str, Sequence[Order]]]


def known_of(of_parties: Sequence[Sequence[Order]], *, template: str = "offer") -> Known:
    """What `offers` has to know of some parties of one library."""
    told = queries.collectors_of(order for orders in of_parties for order in orders)
    numbers = {contact.number for contact in told.values()}
    sender = of_parties[0][0].library.sender
    return Known(
        told,
        _books_of([order.pk for orders in of_parties for order in orders]),
        notification_queries.open_for_many(sender, numbers),
        outbox.known_of({sender}, numbers, _with_parts(f"{template}{tail}" for tail in wordings.TAILS)),
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
    for appointment, party in promises:
        orders = _told_first(party, known.told)
        contact = known.told.get(orders[0].pk)
        texted = (
            contact is not None
            and contacts.doors(contact).may_text
            and outbox.texts(known.post, orders[0].library.sender, contact.number)
        )
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
        _ready_at(appointment, [orders], now=now)
    else:
        for order in orders:
            about_order("ready_until", order, now=now, not_after=order.keep_until)


def _ready_at(appointment: Appointment, parties: Sequence[Sequence[Order]], *, now: datetime) -> None:
    """Tell each of these parties that its bags are packed and when they are expected."""
    _untimed([order for orders in parties for order in orders], now=now)
    letters = [
        _Letter(
            "ready",
            orders,
            about=f"appointment:{appointment.pk}",
            dedup_key=f"ready:appointment:{appointment.pk}:{_these(orders, now)}",
            at=appointment.arrives,
            not_after=appointment.slot.ends_at,
        )
        for orders in parties
    ]
    _say_all(letters, now=now)


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


def _told_first(orders: Sequence[Order], told: Mapping[int, Contact]) -> Sequence[Order]:
    """A party, of which the first is told for all: whose people have a way to be told comes before who has none."""
    if len(orders) == 1:
        return orders
    return sorted(orders, key=lambda order: (who := told.get(order.pk)) is None or not who.reachable)


def _untimed(orders: Sequence[Order], *, now: datetime) -> None:
    """Keep back what says "at any time" of bags that are promised a time now, or that they have none any more."""
    about = {f"order:{order.pk}" for order in orders}
    outbox.suppress(about=about, templates=_with_parts(_WITHOUT_A_TIME), why="replaced", now=now, by=RULE)


def again(appointment: Appointment, *parties: Sequence[Order], now: datetime) -> None:
    """Say anew to those who keep a promise what was kept back, since it also spoke of others; each party by itself."""
    for order in (order for orders in parties for order in orders):
        order.appointment = appointment
    if appointment.state == AppointmentState.OFFERED:
        offer_all([(appointment, orders) for orders in parties], now=now)
    elif appointment.state in PROMISED:
        _ready_at(appointment, parties, now=now)
    else:
        for orders in parties:
            ready(orders, now=now)


def unsaid(appointment: Appointment, *, now: datetime) -> int:
    """Keep back what was not sent yet about a promise, which is said anew; gives back how much that was."""
    return outbox.suppress(about={f"appointment:{appointment.pk}"}, why="replaced", now=now, by=RULE)


def no_time(order: Order, *, now: datetime) -> None:
    """Tell that a bag is packed for which no time is free before its keep day; an offer may still follow."""
    about_order("ready_until", order, now=now, not_after=order.keep_until)


def not_told_until(orders: Sequence[Order]) -> list[Order]:
    """Those bags of which it was not said until when they are kept, since they are ready and without a time.

    What was kept back was not said.
    """
    about = {f"order:{order.pk}" for order in orders}
    said = notification_queries.messages_about(about).filter(template__in=_with_parts(["ready_until"]))
    texts = said.exclude(state__in=KEPT_BACK)
    calls = notification_queries.calls_about(about).exclude(state=CallState.DROPPED)
    told: dict[str, datetime] = {}
    for thing, at in [*texts.values_list("about", "created_at"), *calls.values_list("about", "created_at")]:
        told[thing] = max(at, told.get(thing, at))
    return [
        order
        for order in orders
        if (last := told.get(f"order:{order.pk}")) is None or last < _without_a_time_since(order)
    ]


def _without_a_time_since(order: Order) -> datetime:
    ready_at = order.ready_at or order.opened_at
    return ready_at if order.appointment is None else max(ready_at, order.appointment.moved_at)


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


def back_in_line(order: Order, *, count: int, now: datetime) -> None:
    """Tell those who know already that their bag is packed that books of it could not be had: `count` by now.

    Waits a while, so that one text says it of all that somebody looks for in vain.
    """
    outbox.suppress(about={f"order:{order.pk}"}, templates={"back_in_line"}, why="replaced", now=now, by=RULE)
    _say(
        "back_in_line",
        [order],
        about=f"order:{order.pk}",
        dedup_key=f"back_in_line:order:{order.pk}:{count}:{int(now.timestamp())}",
        now=now,
        not_before=now + SETTLES,
        not_after=order.keep_until,
        count=count,
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


def _with_parts(templates: Iterable[str]) -> set[str]:
    """Sentences with those that say the same of bags of which a book could not be had."""
    return {key for template in templates for key in (template, wordings.partly(template))}


def _books_of(order_ids: Sequence[int]) -> Books:
    sought = {pk: len(lines) for pk, lines in queries.back_in_line(order_ids).items()}
    return Books(queries.books_of(order_ids), sought)


class _Written(NamedTuple):
    """Letters with what will be queued of each, or with the word for why nothing is."""

    letters: Sequence[_Letter]
    drafts: Sequence[outbox.Draft | str]


def _say(template: str, orders: Sequence[Order], *, now: datetime, **more: Any) -> None:
    _say_all([_Letter(template, orders, **more)], now=now)


def _say_all(letters: Sequence[_Letter], *, now: datetime) -> None:
    """Write and queue letters of one library."""
    told = queries.collectors_of(order for letter in letters for order in letter.orders)
    for letter in letters:
        letter.orders = _told_first(letter.orders, told)
    counted = [order.pk for letter in letters if letter.count is None for order in letter.orders]
    books = _books_of(counted) if counted else Books({}, {})
    senders = {order.library.sender for letter in letters for order in letter.orders}
    numbers = {contact.number for contact in told.values()}
    post = outbox.known_of(senders, numbers, _with_parts(letter.template for letter in letters))
    _send_all(_all_written(letters, told, books, post, now=now), now=now)


def _all_written(
    letters: Sequence[_Letter],
    told: Mapping[int, Contact],
    books: Books,
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
        elif untold := [order.pk for order in letter.orders if order.why == "nobody_to_tell"]:
            Order.objects.filter(pk__in=untold, why="nobody_to_tell").update(why="")


def _written(letter: _Letter, contact: Contact, books: Books, *, now: datetime) -> outbox.Text:
    head, language = letter.orders[0], contact.language
    library = head.library
    zone = ZoneInfo(library.zone)
    count = sum(books.inside.get(order.pk, 0) for order in letter.orders) if letter.count is None else letter.count
    sought = sum(books.sought.get(order.pk, 0) for order in letter.orders)
    values = {
        "library": library.name_in(language),
        "count": wordings.counted(count, language),
        "sought": wordings.counted(sought, language),
        "when": wordings.moment(letter.at, zone, language) if letter.at else "",
        "until": wordings.last_day(head.keep_until, zone, language) if head.keep_until else "",
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
        template=wordings.partly(letter.template) if sought else letter.template,
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
