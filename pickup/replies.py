"""What an answer to a text means, and doing it: 1 I come, 2 another time, 3 not needed, 4 I am here, 5 to 9 a choice.

Which order is meant: the one that the number was last asked about, else its only one, else we ask which by order
number. Names are never told: several people may share a telephone. Whatever cannot be done goes to the staff inbox.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest

from core import counters
from core.actor import Actor
from core.refusal import Refusal, TooMany
from notifications import keywords, outbox
from notifications import queries as notification_queries
from notifications.inbound import Inbound, Reply, Text
from notifications.keywords import Meaning
from pickup import (
    appointments,
    arrivals,
    awaited,
    check_ins,
    known_by,
    orders,
    parties,
    point_queries,
    queries,
    slots,
    texts,
    wordings,
)
from pickup.errors import BooksTravel, SlotUnavailable
from pickup.models import Appointment, Order, Question, Slot
from pickup.states import AppointmentState, OrderState

FIRST_CHOICE = 5
TIMES_OFFERED = 3  # that many fit into a short text
MOST_CHOICES = 5  # 5 to 9
_DO = (Meaning.CONFIRM, Meaning.CHANGE, Meaning.GIVE_BACK, Meaning.HERE)


def answer(*, inbound: Inbound, now: datetime) -> Reply:
    """Do what an inbound text asks for and say so; called by notifications inside the applying transaction.

    Not applied, for the staff inbox: texts that nobody understands (`not_understood`), from numbers we do not know
    (`unknown_number`), and what was refused (the refusal's code). Never raises for what somebody writes. Words that
    opt out or in never come here.
    """
    asked = known_by.open_questions(inbound.from_number, inbound.sender_key)
    mine = known_by.orders_of_number(inbound.from_number, inbound.sender_key)
    try:
        return _answer(inbound, list(asked), mine, now=now)
    except Refusal as refusal:
        about = f"order:{mine[0].pk}" if len(mine) == 1 else ""
        text = _text("answer_sorry", mine[0], inbound) if mine else None
        return Reply(applied=False, why=refusal.code, about=about, text=text)


def _answer(inbound: Inbound, asked: Sequence[Question], mine: Sequence[Order], *, now: datetime) -> Reply:
    theirs = {order.pk for order in mine}  # who collects no more has no say in an order's time either
    asked = [one for one in asked if one.kind != Question.Kind.TIMES or one.order_id in theirs]
    meaning, number = inbound.meaning.meaning, keywords.order_number(inbound.body)
    named = [order for order in mine if order.number == number]
    bay_alone = keywords.bay_alone(inbound.body)
    if bay_alone and (unplaced := check_ins.in_unknown_bay(mine)) is not None:
        return _arrive(inbound, unplaced, bay=bay_alone, now=now)
    if meaning is Meaning.CHOICE or named:
        chosen = _chosen(asked, inbound.meaning.choice, named)
        if chosen is not None:
            question, option = chosen
            if question.kind == Question.Kind.TIMES:
                return _take_time(inbound, question, option, now=now)
            order = next((order for order in mine if order.pk == option["order"]), None)
            if order is not None:
                _close([question], now=now)
                return _do(Meaning(option["do"]), inbound, order, bay=option.get("bay", ""), now=now)
        if named:
            return _tell(inbound, named[0], "order_number", now=now)
    bay = inbound.meaning.bay
    if bay and not any(map(check_ins.has_bays, mine)):
        return _for_staff(inbound, mine, now=now)
    if meaning in _DO and mine:
        order = meant(meaning, asked, mine)
        if order is None:
            return _ask_which(meaning, inbound, mine, now=now)
        return _do(meaning, inbound, order, bay=bay, now=now)
    if meaning in _DO and known_by.is_known_number(inbound.from_number):
        return _nothing_open(inbound, now=now)
    return _for_staff(inbound, mine, now=now)


def _chosen(asked: Sequence[Question], choice: int | None, named: Sequence[Order]) -> tuple[Question, Any] | None:
    """The question that a digit from 5 answers, or an order number by itself, and the option it picks."""
    for question in asked:
        if named and question.kind == Question.Kind.ORDERS:
            options = [option for option in question.options if option["order"] == named[0].pk]
            return (question, options[0]) if options else None
        if choice is not None and question.kind != Question.Kind.OFFER:
            index = choice - FIRST_CHOICE
            return (question, question.options[index]) if index < len(question.options) else None
    return None


def meant(meaning: Meaning, asked: Sequence[Question], mine: Sequence[Order]) -> Order | None:
    """The order that an answer is about, None when that cannot be known.

    To give books back is asked for one order at a time. Otherwise those of one promise, or of one car, are one.
    """
    if meaning is Meaning.GIVE_BACK:
        return mine[0] if len(mine) == 1 else None
    if meaning is not Meaning.HERE:
        about = next((question.order_id for question in asked if question.kind != Question.Kind.ORDERS), None)
        found = next((order for order in mine if order.pk == about), None)
        if found is not None:
            return found
    first = mine[0]
    theirs = parties.party_of(first, by=Actor("collector", first.pk, "text"))
    together = set(theirs.values_list("pk", flat=True))
    if first.appointment_id is not None and meaning is not Meaning.HERE:
        together |= {order.pk for order in mine if order.appointment_id == first.appointment_id}
    return first if all(order.pk in together for order in mine) else None


def _do(meaning: Meaning, inbound: Inbound, order: Order, *, bay: str, now: datetime) -> Reply:
    by = Actor("collector", order.pk, "text")
    if meaning is Meaning.CONFIRM:
        promised = queries.live_appointment(order)
        if promised is not None:
            if promised.state == AppointmentState.OFFERED:
                order.appointment = appointments.confirm(appointment_id=promised.pk, by=by, now=now)
            _close(known_by.questions_about(order, inbound.from_number), now=now)
        return _tell(inbound, order, "confirmed" if promised is not None else "nothing_to_confirm", now=now)
    if meaning is Meaning.CHANGE:
        held = queries.live_appointment(order) is not None
        return _offer_times(inbound, order, "answer_times" if held else "answer_first_times", now=now)
    if meaning is Meaning.GIVE_BACK:
        stay = awaited.staying(order)
        orders.cancel(order_id=order.pk, by=by, now=now)
        _close(known_by.questions_about(order, inbound.from_number), now=now)
        rest = wordings.counted(stay, language_of(order, inbound.from_number))
        return _reply("given_back", order, _text(texts.cancelled(stay), order, inbound, count=rest))
    return _arrive(inbound, order, bay=bay, now=now)


def _arrive(inbound: Inbound, order: Order, *, bay: str, now: datetime) -> Reply:
    asked_before = check_ins.in_unknown_bay([order]) is not None
    try:
        here = check_ins.check_in(order, bay=bay, by=Actor("collector", order.pk, "text"), now=now)
    except BooksTravel as refusal:
        return _travels(inbound, order, refusal.day)
    if isinstance(here, datetime):
        opens = wordings.opening(here, ZoneInfo(order.library.zone), language_of(order, inbound.from_number))
        return _reply("closed", order, _text("answer_closed", order, inbound, when=opens))
    example = "4" if asked_before else "12"  # a 4 alone says again "I am here", so who is in place 4 hears how
    told = {"ahead": here.ahead, "minutes": here.minutes, "lane": here.lane, "bay": here.bay or example}
    return Reply(True, "here", f"visit:{here.visit_id}", _text(_arrived(here), order, inbound, **told))


def _arrived(here: check_ins.CheckedIn) -> str:
    """The sentence that says how it stands with a car; one that stands in a place without a known number is asked."""
    if here.bay is not None:
        tail = "" if here.called else "_packing" if not here.packed else "_minutes" if here.minutes else ""
        return f"answer_bay{tail}" if here.bay else "answer_which_bay"
    if here.called:
        return "answer_called_to" if here.lane else "answer_called"
    if not here.packed:
        return "answer_here_packing"
    return f"answer_{'here' if here.ahead else 'next'}{'_minutes' if here.minutes else ''}"


def _offer_times(inbound: Inbound, order: Order, template: str, *, now: datetime) -> Reply:
    """Name a few other times; the old one stays until one of them is chosen."""
    if not point_queries.rules_of(order.point_id).by_appointment:
        return _tell(inbound, order, "no_times_here", now=now)
    other = other_times(order, by=Actor("collector", order.pk, "text"), now=now)
    if not other:
        return _reply("no_times", order, _text("answer_no_times", order, inbound))
    _ask(Question.Kind.TIMES, inbound, order, [slot.pk for slot in other], now=now)
    listed = _listed(other, ZoneInfo(order.library.zone), language_of(order, inbound.from_number))
    return _reply("times_offered", order, _text(template, order, inbound, options=listed))


def other_times(order: Order, *, by: Actor, now: datetime) -> list[Slot]:
    """A few other times that `by` can choose for an order, soonest first, all before the bag goes back unless bags are
    kept for no day; none where no time is promised.
    """
    rules = point_queries.rules_of(order.point_id)
    if not rules.by_appointment:
        return []
    promised, needed = queries.live_appointment(order), appointments.needed(order, by=by)
    soonest = now + timedelta(minutes=rules.lead_minutes) if needed.ready else None
    rooms = slots.free(
        point_id=order.point_id,
        now=now,
        accessible=needed.accessible,
        after=max(filter(None, (soonest, needed.after)), default=None),
        ready=needed.ready,
        limit=TIMES_OFFERED + 1,
    )
    kept_until = order.keep_until if rules.keep_days else None  # else the time itself says how long
    return [
        slot
        for slot in rooms
        if (kept_until is None or slot.starts_at < kept_until) and (promised is None or slot.pk != promised.slot_id)
    ][:TIMES_OFFERED]


def _take_time(inbound: Inbound, question: Question, slot_id: int, *, now: datetime) -> Reply:
    order = queries.orders(pk=question.order_id).get()
    by = Actor("collector", order.pk, "text")
    promised = queries.live_appointment(order)
    try:
        appointment = choose(order, slot_id, by=by, now=now)
    except SlotUnavailable:
        return _offer_times(inbound, order, "answer_gone", now=now)
    _close(known_by.questions_about(order, inbound.from_number), now=now)
    if promised is None and order.state == OrderState.READY and not outbox.rests(inbound.sender_key, now=now):
        return _reply("time_chosen", order, None)  # the promise of a ready bag says so itself, by day
    when = wordings.moment(appointment.arrives, ZoneInfo(order.library.zone), language_of(order, inbound.from_number))
    return _reply("time_chosen", order, _text("answer_changed", order, inbound, when=when))


@transaction.atomic  # those who ask for it go on when the time has gone
def choose(order: Order, slot_id: int, *, by: Actor, now: datetime) -> Appointment:
    """Take one of the times that were named; refuses with `slot_unavailable` one that has gone meanwhile."""
    promised = queries.live_appointment(order)
    if promised is None:
        return appointments.promise(order_id=order.pk, slot_id=slot_id, by=by, now=now)
    return appointments.change(appointment_id=promised.pk, slot_id=slot_id, by=by, now=now)


def _ask_which(meaning: Meaning, inbound: Inbound, mine: Sequence[Order], *, now: datetime) -> Reply:
    said = {"do": meaning.value, "bay": inbound.meaning.bay}
    options = [{"order": order.pk, **said} for order in mine[:MOST_CHOICES]]
    _ask(Question.Kind.ORDERS, inbound, mine[0], options, now=now)
    listed = " ".join(f"{choice}={order.shown}" for choice, order in enumerate(mine[:MOST_CHOICES], FIRST_CHOICE))
    return Reply(True, "asked_which", "", _text("answer_which", mine[0], inbound, options=listed))


def _nothing_open(inbound: Inbound, *, now: datetime) -> Reply:
    """The number is known and has nothing to collect: say so, and when it was collected if that was today.

    What waits at a library that has another number is said with its place.
    """
    away = next(iter(known_by.orders_elsewhere(inbound.from_number, inbound.sender_key)), None)
    if away is not None:
        place = away.point.name_in(language_of(away, inbound.from_number))
        return _reply("at_another_point", away, _text("answer_elsewhere", away, inbound, place=place))
    last = known_by.last_of_number(inbound.from_number, inbound.sender_key)
    if last is None:
        return Reply(True, "nothing_open", "", _text_of_sender("answer_nothing", inbound))
    at = handed_over_today(last, now=now)
    if at is not None:
        return _reply("already_handed_over", last, _text("answer_collected", last, inbound, at=f"{at:%H:%M}"))
    return _reply("nothing_open", last, _text("answer_nothing", last, inbound))


def handed_over_today(order: Order, *, now: datetime) -> datetime | None:
    """When a bag was handed over, in local time, if that was today."""
    zone = ZoneInfo(order.library.zone)
    at = order.handed_over_at.astimezone(zone) if order.handed_over_at else None
    return at if at is not None and at.date() == now.astimezone(zone).date() else None


def _for_staff(inbound: Inbound, mine: Sequence[Order], *, now: datetime) -> Reply:
    """A letter to the library; its writer gets one friendly line an hour."""
    known = bool(mine) or known_by.is_known_number(inbound.from_number)
    why = "not_understood" if known else "unknown_number"
    about = f"order:{mine[0].pk}" if len(mine) == 1 else ""
    try:
        counters.hit(f"help:{inbound.from_number}", limit=1, per=timedelta(hours=1), now=now)
    except TooMany:
        return Reply(False, why, about)
    text = _text("answer_help", mine[0], inbound) if mine else _text_of_sender("answer_help", inbound)
    return Reply(False, why, about, text)


def _tell(inbound: Inbound, order: Order, why: str, *, now: datetime) -> Reply:
    """How it stands with an order: its time, or until when it is kept, or that it travels or is being packed."""
    zone, language = ZoneInfo(order.library.zone), language_of(order, inbound.from_number)
    promised = queries.live_appointment(order)
    if promised is not None:
        when = wordings.moment(promised.arrives, zone, language)
        template = "answer_offered" if promised.state == AppointmentState.OFFERED else "answer_confirmed"
        return _reply(why, order, _text(template, order, inbound, when=when))
    if order.state == OrderState.READY and order.keep_until is not None:
        until = wordings.last_day(order.keep_until, zone, language)
        return _reply(why, order, _text("answer_until", order, inbound, until=until))
    day = arrivals.comes_on([order], now=now)
    if day is not None:
        return _travels(inbound, order, day)
    template = "answer_any_time" if why == "no_times_here" else "answer_packing"
    return _reply(why, order, _text(template, order, inbound))


def _travels(inbound: Inbound, order: Order, day: date) -> Reply:
    until = wordings.day_of(day, language_of(order, inbound.from_number))
    return _reply("books_travel", order, _text("answer_travels", order, inbound, until=until))


def _ask(kind: Question.Kind, inbound: Inbound, order: Order, options: list[Any], *, now: datetime) -> None:
    number = inbound.from_number
    earlier = known_by.open_questions(number, inbound.sender_key).filter(kind=kind)
    _close(earlier, now=now)
    Question.objects.create(number=number, kind=kind, order=order, options=options, asked_at=now)


def _close(questions: Sequence[Question] | Any, *, now: datetime) -> None:
    Question.objects.filter(pk__in=[question.pk for question in questions]).update(
        closed_at=Greatest(now, F("asked_at"))
    )


def _reply(why: str, order: Order, text: Text | None) -> Reply:
    return Reply(True, why, f"order:{order.pk}", text)


def _text(template: str, order: Order, inbound: Inbound, **values: object) -> Text:
    language = language_of(order, inbound.from_number)
    said = {
        "library": order.library.name_in(language),
        "number": order.shown,
        "phone": order.library.phone,
        **values,
    }
    return Text(template, said, language, practice=order.library.training)


def _text_of_sender(template: str, inbound: Inbound) -> Text | None:
    """A text to somebody of whom we know only the number: Korean for Korean ones."""
    sender = notification_queries.sender(inbound.sender_key)
    if sender is None:
        return None
    language = known_by.language_of_number(inbound.from_number) or (
        "ko" if inbound.from_number.startswith("+82") else "en"
    )
    return Text(template, {"library": sender.name_in(language), "phone": sender.phone}, language)


def language_of(order: Order, number: str) -> str:
    """The language of whoever wrote or rang, as the number's contact says, else that of the order."""
    collector = queries.collector_of(order)
    if collector is not None and collector.number == number:
        return str(collector.language)
    return known_by.language_of_number(number) or order.language


def _listed(rooms: Sequence[Slot], zone: ZoneInfo, language: str) -> str:
    """Choices as a text lists them; the day is said once for those of one day: `5=11/25 16:00 6=16:15`."""
    listed, said = [], ""
    for choice, slot in enumerate(rooms, FIRST_CHOICE):
        day = wordings.short_day(slot.starts_at, zone, language)
        time = f"{slot.starts_at.astimezone(zone):%H:%M}"
        listed.append(f"{choice}={time}" if day == said else f"{choice}={day} {time}")
        said = day
    return " ".join(listed)
