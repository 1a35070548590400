"""One call is enough: who rings with something due is checked in and told so; everybody else hears a short menu.

What is said names no title and nobody. Whoever keeps their number back, or rings through a relay, keys in the order
number and the last four digits of the telephone, as on the code page. A key pressed by mistake does no harm: books are
given back only when the same key is pressed again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from core.actor import Actor
from core.refusal import Refusal, TooMany
from notifications import queries as notification_queries
from notifications import voice
from notifications.keywords import Meaning
from notifications.voice import BOTH, Ringing, Said, Talk
from pickup import (
    appointments,
    arrivals,
    awaited,
    check_ins,
    known_by,
    lane,
    links,
    orders,
    point_queries,
    progress,
    queries,
    replies,
    spoken,
    wordings,
)
from pickup.errors import BooksTravel, OrderNotFound, SlotUnavailable
from pickup.models import Appointment, Order
from pickup.names import whole_number
from pickup.states import HERE, OPEN_ORDER, AppointmentState, OrderState

EARLY: Final = timedelta(minutes=30)
"""So long before the promised time a call means "I am here"; before that it may be a question from home."""
FIRST_CHOICE: Final = 5
PERSON: Final = "0"
NOT_HERE: Final = "9"
IN_BAY: Final = "5"
LONGEST_BAY: Final = 3  # digits; a place that is named by a letter is said to a person


def answer(*, ringing: Ringing, now: datetime) -> Talk:
    """What a call, or the keys pressed in it, means; called by notifications outside any transaction.

    Never raises for what somebody presses: what cannot be done goes to a person.
    """
    step, _dash, rest = ringing.step.partition("-")
    try:
        if step and step != "number" and ringing.keys == PERSON:
            return Talk((), person=True)
        match step:
            case "":
                return _begin(ringing, now=now)
            case "number":
                return _numbered(ringing, now=now)
            case "phone":
                return _proved(ringing, rest, now=now)
            case "menu" | "times" | "back" | "here" | "bay":
                return _pressed(ringing, step, rest.split("-"), now=now)
    except TooMany:
        return Talk((), person=True)
    except Refusal:
        return Talk(voice.in_each(_languages(ringing), lambda: _("I am sorry, that did not work.")), person=True)
    return Talk((), person=True)


def _begin(ringing: Ringing, *, now: datetime) -> Talk:
    mine = known_by.orders_of_number(ringing.from_number, ringing.sender_key) if ringing.from_number else []
    if not mine:
        known = bool(ringing.from_number) and known_by.is_known_number(ringing.from_number)
        return _nothing(ringing, now=now) if known else _ask_number(ringing)
    due = [order for order in mine if _is_due(order, now=now)]
    order = replies.meant(Meaning.HERE, [], due) if due else None
    if order is not None:
        return _arrive(order, ringing, now=now)
    asked = known_by.open_questions(ringing.from_number, ringing.sender_key)
    order = replies.meant(Meaning.CONFIRM, list(asked), due or mine)
    return _ask_number(ringing) if order is None else _menu(order, ringing, now=now)


def _numbered(ringing: Ringing, *, now: datetime) -> Talk:
    """The order number was keyed in: by somebody whose number we know it is enough."""
    if len(ringing.keys) != 4:
        return Talk((), person=True)
    if ringing.from_number:
        mine = known_by.orders_of_number(ringing.from_number, ringing.sender_key)
        named = next((order for order in mine if order.number == ringing.keys), None)
        if named is not None:
            return _arrive(named, ringing, now=now) if _is_due(named, now=now) else _menu(named, ringing, now=now)
    said = voice.in_each(
        _languages(ringing), lambda: _("Now key in the last four digits of the telephone number that the library has.")
    )
    return Talk(said, step=f"phone-{ringing.keys}", keys=4)


def _proved(ringing: Ringing, number: str, *, now: datetime) -> Talk:
    """The end of the telephone number was keyed in as well."""
    if not ringing.keys:
        return Talk((), person=True)
    codes = known_by.codes_of_sender(ringing.sender_key)
    try:
        order = links.by_keys(library_codes=codes, number=number, last_four=ringing.keys, now=now)
    except OrderNotFound:
        return _ask_number(ringing, lambda: _("We found no such order."))
    if order.state not in OPEN_ORDER:
        return _over(order, ringing, now=now)
    return _arrive(order, ringing, now=now) if _is_due(order, now=now) else _menu(order, ringing, now=now)


def _pressed(ringing: Ringing, step: str, rest: Sequence[str], *, now: datetime) -> Talk:
    """A key of the menu, of the list of times, or the second press that gives books back."""
    if not ringing.keys:  # nothing was pressed: what was said was what they wanted to know
        return Talk(_say(_languages(ringing)[0], lambda: _("Thank you for calling.")))
    order = queries.orders(pk=whole_number(rest[0])).first()
    if order is None or order.library.sender != ringing.sender_key:
        raise OrderNotFound
    if order.state not in OPEN_ORDER:
        return _over(order, ringing, now=now)
    by = Actor("collector", order.pk, "call")
    if step == "times":
        return _take_time(order, ringing, rest[1:], by=by, now=now)
    if step == "here":
        return _here_after_all(order, ringing, by=by, now=now)
    if step == "bay":
        return _arrive(order, ringing, bay=ringing.keys, now=now)
    if step == "back":
        if ringing.keys != "3":
            return _menu(order, ringing, now=now)
        stay = awaited.staying(order)
        orders.cancel(order_id=order.pk, by=by, now=now)
        return Talk(_say(_language(order, ringing), lambda: spoken.cancelled(stay)))
    match ringing.keys:
        case "1":
            return _confirm(order, ringing, by=by, now=now)
        case "2":
            return _offer_times(order, ringing, by=by, now=now)
        case "3":
            said = _say(_language(order, ringing), lambda: _("To give the books back, press 3 again. Else press 9."))
            return Talk(said, step=f"back-{order.pk}", keys=1)
        case "4":
            return _arrive(order, ringing, now=now)
    return _menu(order, ringing, now=now)


def _is_due(order: Order, *, now: datetime) -> bool:
    """Whether a call means "I am here": who is here already, or whose promised time is near."""
    if order.visit is not None and order.visit.state in HERE:
        return True
    promised = queries.live_appointment(order)
    return promised is not None and promised.slot.starts_at - EARLY <= now <= promised.miss_after


def _arrive(order: Order, ringing: Ringing, *, now: datetime, bay: str = "") -> Talk:
    language, zone = _language(order, ringing), ZoneInfo(order.library.zone)
    try:
        here = check_ins.check_in(order, bay=bay, by=Actor("collector", order.pk, "call"), now=now)
    except BooksTravel:
        return _menu(order, ringing, now=now)
    if isinstance(here, datetime):
        opens = (spoken.day if wordings.is_whole_day(here, zone) else spoken.when)(here, zone, language)
        return Talk(_say(language, lambda: _("We are closed now and open on %(when)s.") % {"when": opens}))

    def told() -> str:
        said = list(spoken.stands(order, here, language))
        if here.bay == "":
            said.append(_("To tell us the number of your parking place, press 5."))
        if not here.called:
            said.append(_("If you are not here after all, press 9. For a librarian, press 0."))
        return " ".join(said)

    if here.called and here.bay != "":
        return Talk(_say(language, told))
    return Talk(_say(language, told), step=f"here-{order.pk}", keys=1)


def _here_after_all(order: Order, ringing: Ringing, *, by: Actor, now: datetime) -> Talk:
    """A key after the arrival: the parking place is said, the arrival is taken back, or said again how it stands."""
    if ringing.keys == IN_BAY and check_ins.has_bays(order):
        said = _say(_language(order, ringing), lambda: _("Key in the number of your parking place, then the hash key."))
        return Talk(said, step=f"bay-{order.pk}", keys=LONGEST_BAY)
    if ringing.keys == NOT_HERE and order.visit is not None and order.visit.state in HERE:
        lane.leave(visit_id=order.visit.pk, by=by, now=now)
        return _menu(
            queries.orders(pk=order.pk).get(),
            ringing,
            now=now,
            before=lambda: _("You are not in the line any more."),
        )
    return _arrive(order, ringing, now=now)


def _menu(order: Order, ringing: Ringing, *, now: datetime, before: Callable[[], str] | None = None) -> Talk:
    """How it stands with an order, and what can be done with it."""
    language, zone = _language(order, ringing), ZoneInfo(order.library.zone)
    promised, rules = queries.live_appointment(order), point_queries.rules_of(order.point_id)
    comes_on = arrivals.comes_on([order], now=now)
    in_vain = comes_on is not None and arrivals.comes_in_vain(order, by=Actor("collector", order.pk, "call"), now=now)

    def stands() -> str:
        words = {"number": spoken.spelled(order)}
        if promised is not None:
            words["when"] = spoken.when(promised.arrives, zone, language)
            return _("Order %(number)s. Your time is %(when)s.") % words
        if order.state == OrderState.READY and order.keep_until is not None:
            last = order.keep_until - timedelta(microseconds=1)
            words["day"] = spoken.day(last, zone, language)
            return _("Order %(number)s is ready. Please collect it by %(day)s.") % words
        if comes_on is not None:
            return _("Order %(number)s.") % words
        return _("Order %(number)s is being packed.") % words

    def told() -> str:
        parts = [*([before()] if before else []), stands()]
        if comes_on is not None:
            day = spoken.day_of(comes_on, language)
            parts.append(_("The books come from another library and are expected by %(day)s.") % {"day": day})
        if promised is not None and promised.state == AppointmentState.OFFERED:
            parts.append(_("To confirm, press 1."))
        if promised is not None:
            parts.append(_("For another time, press 2."))
        elif progress.may_choose(order, rules):
            parts.append(_("To choose a time, press 2."))
        parts.append(_("If you do not need the books any more, press 3."))
        if not in_vain:
            parts.append(_("If you are here now, press 4."))
        parts.append(_("For a librarian, press 0."))
        return " ".join(parts)

    return Talk(_say(language, told), step=f"menu-{order.pk}", keys=1)


def _confirm(order: Order, ringing: Ringing, *, by: Actor, now: datetime) -> Talk:
    promised = queries.live_appointment(order)
    if promised is None:
        return _menu(order, ringing, now=now)
    if promised.state == AppointmentState.OFFERED:
        appointments.confirm(appointment_id=promised.pk, by=by, now=now)
    return _agreed(order, promised, ringing)


def _offer_times(order: Order, ringing: Ringing, *, by: Actor, now: datetime) -> Talk:
    language, zone = _language(order, ringing), ZoneInfo(order.library.zone)
    other, promised = replies.other_times(order, by=by, now=now), queries.live_appointment(order)
    if not other:
        return Talk(_say(language, lambda: _("There is no other time at the moment.")), person=True)

    def told() -> str:
        listed = [
            _("For %(when)s, press %(key)s.") % {"when": spoken.when(slot.starts_at, zone, language), "key": key}
            for key, slot in enumerate(other, FIRST_CHOICE)
        ]
        return " ".join([*listed, _("To keep your time, just hang up.")] if promised is not None else listed)

    ids = "-".join(str(slot.pk) for slot in other)
    return Talk(_say(language, told), step=f"times-{order.pk}-{ids}", keys=1)


def _take_time(order: Order, ringing: Ringing, ids: Sequence[str], *, by: Actor, now: datetime) -> Talk:
    choice = int(ringing.keys[0]) - FIRST_CHOICE
    if not 0 <= choice < len(ids):
        return _offer_times(order, ringing, by=by, now=now)
    try:
        made = replies.choose(order, whole_number(ids[choice]), by=by, now=now)
    except SlotUnavailable:
        return _offer_times(order, ringing, by=by, now=now)
    return _agreed(order, made, ringing)


def _agreed(order: Order, promised: Appointment, ringing: Ringing) -> Talk:
    language = _language(order, ringing)
    when = spoken.when(promised.arrives, ZoneInfo(order.library.zone), language)
    return Talk(_say(language, lambda: _("Thank you. We expect you on %(when)s.") % {"when": when}))


def _nothing(ringing: Ringing, *, now: datetime, last: Order | None = None) -> Talk:
    """Nothing to collect; when it was collected if that was today. Whoever wants a person gets one."""
    last = last or known_by.last_of_number(ringing.from_number, ringing.sender_key)
    at = replies.handed_over_today(last, now=now) if last is not None else None
    theirs = known_by.orders_elsewhere(ringing.from_number, ringing.sender_key) if ringing.from_number else []

    def told() -> str:
        found = _("There is nothing to collect at the moment.")
        if theirs:
            found = _("Your books wait at another library: %(point)s.") % {"point": theirs[0].point.with_library}
        elif at is not None:
            found = _("Your books were handed over today at %(at)s.") % {"at": f"{at:%H:%M}"}
        return " ".join([found, _("For a librarian, press 0.")])

    return Talk(voice.in_each(_languages(ringing), told), step="person", keys=1)


def _over(order: Order, ringing: Ringing, *, now: datetime) -> Talk:
    """Of an order that is not open any more: what became of it. Whoever wants a person gets one."""
    if order.state == OrderState.HANDED_OVER:
        return _nothing(ringing, now=now, last=order)

    def told() -> str:
        words = {"number": spoken.spelled(order)}
        if order.state == OrderState.EXPIRED:
            became = _("Order %(number)s was not collected in time; it is closed.") % words
        elif progress.waits_on(order):
            empty = _("There is no book for this bag yet.")
            became = " ".join([empty, _("You keep your place in line, and we tell you when a copy is there.")])
        elif order.why == "elsewhere":
            became = _("You collect these books at another place.")
        else:
            became = _("Order %(number)s is cancelled.") % words
        return " ".join([became, _("For a librarian, press 0.")])

    return Talk(_say(_language(order, ringing), told), step="person", keys=1)


def _ask_number(ringing: Ringing, before: Callable[[], str] | None = None) -> Talk:
    sender = notification_queries.sender(ringing.sender_key)

    def greeted() -> str:
        if sender is None:
            return ""
        return _("This is %(library)s.") % {"library": sender.name_in(get_language() or "ko")}

    def told() -> str:
        asked = _("Please key in the four digits of your order number. For a librarian, just wait.")
        return f"{(before or greeted)()} {asked}"

    return Talk(voice.in_each(_languages(ringing), told), step="number", keys=4)


def _say(language: str, told: Callable[[], str]) -> tuple[Said, ...]:
    return voice.in_each((language,), told)


def _language(order: Order, ringing: Ringing) -> str:
    return _spoken(replies.language_of(order, ringing.from_number))


def _languages(ringing: Ringing) -> tuple[str, ...]:
    """What to speak to somebody whose order is not known: their language, else both."""
    known = known_by.language_of_number(ringing.from_number) if ringing.from_number else ""
    return (_spoken(known),) if known else BOTH


def _spoken(language: str) -> str:
    return "ko" if language.lower().startswith("ko") else "en"
