"""Say something to somebody: a row in the caller's transaction. Nothing leaves the house here."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Q

from core import nudge
from core.actor import RULE, Actor
from core.among import Among
from notifications import calls, consent, encoding, phone, queries, quiet, transports, wording, words
from notifications.errors import TextNotRepeated, UnknownMessage, UnknownSender
from notifications.models import Call, Kind, Message, Sender
from notifications.states import OPEN_CALL, CallState, MessageState

log = structlog.get_logger()

OF_USE = timedelta(hours=24)
"""How long a text is of use when the caller does not say."""
GENERATIONS = 3
"""How often one thing is said in all when the carrier fails to bring it."""
_ON_ITS_WAY = (MessageState.SENDING, MessageState.IN_DOUBT, MessageState.ACCEPTED)


class Text(NamedTuple):
    """One text to be queued; see `enqueue`."""

    sender: str
    to: str
    language: str
    kind: Kind | str
    template: str
    values: Mapping[str, object]
    about: str
    dedup_key: str
    not_before: datetime | None = None
    not_after: datetime | None = None
    call_until: datetime | None = None
    generation: int = 1
    may_text: bool = True
    may_call: bool = True
    mail: str = ""
    practice: bool = False

    @property
    def key(self) -> str:
        """The dedup key of the row."""
        return f"{Message.PRACTICE}{self.dedup_key}" if self.practice else self.dedup_key


def enqueue(*, now: datetime, by: Actor = RULE, **text: Any) -> Message | Call | None:
    """Queue one text, with the columns of `Text`, within this transaction; after the commit a worker sends it.

    `to` is E.164, `about` an opaque tie (`order:42`), `values` fill the sentence `template`. The same `dedup_key` and
    `generation` again give back what is there. A number that takes no texts (landline, opted out, `may_text` off)
    becomes a mail where `mail` gives an address and mails are set up, else a call with the same sentence when
    `may_call`, else None; an answer or a code is never called, and a mail that cannot be delivered is. Notices and
    reminders wait out the sender's quiet hours; where that would be too late (`not_after`, 24 hours by default), or
    where the text has not left by then, staff call instead, until `call_until` (`not_after` unless given). What is said
    for `practice`, in a rehearsal, reaches the phones of the sandbox alone: where there are none it is suppressed here,
    or when it is claimed, and nobody is called. KeyError for an unknown template or place. Refuses an unknown sender
    (`unknown_sender`).
    """
    return enqueue_all([Text(**text)], now=now, by=by)[0]


def enqueue_all(texts: Sequence[Text], *, now: datetime, by: Actor = RULE) -> list[Message | Call | None]:
    """`enqueue` for many texts, in their order; calls left aside, no more statements for many than for one."""
    known = known_of({text.sender for text in texts}, {text.to for text in texts}, {text.template for text in texts})
    return put([draft(text, known, now=now) for text in texts], now=now, by=by)


class Known(NamedTuple):
    """What is asked before texts are written: senders by their keys, numbers that take texts, own words."""

    houses: Mapping[str, Sender]
    able: Collection[str]
    own: words.Own


class Draft(NamedTuple):
    """A text as it will be queued, or called where it is not `texted`."""

    text: Text
    columns: dict[str, Any]
    texted: bool


def known_of(senders: Collection[str], numbers: Collection[str], templates: Collection[str]) -> Known:
    """What `draft` has to know of texts from these senders to these numbers."""
    houses = {row.key: row for row in Sender.objects.filter(key__in=senders)}
    own = words.own([house.pk for house in houses.values()], templates) if templates else {}
    return Known(houses, taking_texts(numbers), own)


def draft(text: Text, known: Known, *, now: datetime) -> Draft:
    """Write a text; asks nothing. Refuses an unknown sender (`unknown_sender`)."""
    house = known.houses.get(text.sender)
    if house is None:
        raise UnknownSender(sender=text.sender)
    columns = _columns(text, house, known.own, now=now)
    if _hidden(text):
        return Draft(text, columns, True)
    too_late = columns["not_before"] >= columns["not_after"]
    if too_late and columns["may_call"]:
        return Draft(text, columns, False)
    texted = text.may_text and texts(known, text.sender, text.to)
    if not texted and _by_mail(text):
        return Draft(text, {**columns, "mail": text.mail, "segments": 0}, True)
    return Draft(text, columns, texted)


@transaction.atomic
def put(
    drafts: Sequence[Draft], *, now: datetime, by: Actor = RULE, fresh: bool = False
) -> list[Message | Call | None]:
    """Queue what was written, in its order; of what is `fresh` nothing can have been said yet."""
    named = [(one.text.key, one.text.generation) for one in drafts]
    keys = set() if fresh else {key for key, _generation in named}
    there = Message.objects.filter(Among("dedup_key", keys, "varchar")) if keys else ()
    said: dict[tuple[str, int], Message | Call | None] = {(row.dedup_key, row.generation): row for row in there}
    calls_there = Call.objects.filter(Among("dedup_key", keys, "varchar")) if keys else ()
    listed = {row.dedup_key: row for row in calls_there}
    new: dict[tuple[str, int], Draft] = {}
    for this, one in zip(named, drafts, strict=True):
        if this in said or this in new:
            continue
        if this[0] in listed:
            said[this] = listed[this[0]]
        elif one.texted:
            new[this] = one
        else:
            said[this] = _call_instead(one.text, one.columns, now=now, by=by)
    made = _insert([one.columns for one in new.values()], now=now, by=by)
    said.update(zip(new, made, strict=True))
    practised = [message for one, message in zip(new.values(), made, strict=True) if _hidden(one.text)]
    if practised:
        Message.move_many(practised, MessageState.SUPPRESSED, at=now, by=by, why="practice")
    nudge.ring("message queued", [message.pk for message in made if message.state == MessageState.QUEUED])
    return [said[this] for this in named]


def _hidden(text: Text) -> bool:
    """Whether a text of a rehearsal would leave for real phones, and stays here."""
    return text.practice and not transports.stay_here()


def _columns(text: Text, house: Sender, own: words.Own, *, now: datetime) -> dict[str, Any]:
    """The row of a text."""
    kind = Kind(text.kind)
    said = own.get((house.pk, text.template, wording.tongue(text.language)), "")
    body = wording.render(key=text.template, language=text.language, values=text.values, own=said)
    wanted = max(now, text.not_before or now)
    return {
        "sender": house,
        "to": text.to,
        "mail": "",
        "language": text.language,
        "kind": kind,
        "template": text.template,
        "body": body,
        "about": text.about,
        "dedup_key": text.key,
        "generation": text.generation,
        "created_at": now,
        "not_before": may_go(house, kind, wanted),
        "not_after": max(text.not_after or wanted + OF_USE, now + timedelta(seconds=1)),
        "call_until": text.call_until,
        "may_call": text.may_call and kind not in {Kind.ANSWER, Kind.CODE},
        "segments": encoding.segments(body),
    }


def texts(known: Known, sender: str, number: str) -> bool:
    """Whether what this sender says to a number goes there as a text; False for a sender that is not known."""
    house = known.houses.get(sender)
    return house is not None and number in known.able and _goes_to(house, number)


def texted(to: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those pairs of a sender and a number between which what is said goes as a text."""
    known = known_of({sender for sender, _number in to}, {number for _sender, number in to}, ())
    return {pair for pair in to if texts(known, *pair)}


def _goes_to(house: Sender, number: str) -> bool:
    """Whether this sender texts numbers of that country."""
    return not house.countries or queries.country_of(number) in house.countries


def _by_mail(text: Text) -> bool:
    """Whether this may go by mail. What proves whose a number is does not, and a rehearsal reaches no mailbox."""
    return text.kind != Kind.CODE and not text.practice and takes_mails(text.mail)


def _call_instead(text: Text, columns: Mapping[str, Any], *, now: datetime, by: Actor) -> Call | None:
    if not columns["may_call"]:
        log.info("outbox.nobody_to_reach", about=text.about, template=text.template)
        return None
    until: datetime = columns["not_after"]
    return calls.add(
        sender=columns["sender"],
        number=text.to,
        language=text.language,
        say=columns["body"],
        about=text.about,
        dedup_key=text.key,
        now=now,
        due_at=max(now, text.not_before or now),
        not_after=max(until, text.call_until or until),
        by=by,
    )


def _insert(rows: Sequence[dict[str, Any]], *, now: datetime, by: Actor) -> list[Message]:
    """The rows, written at once; where somebody else says one of them at this moment, each by itself."""
    try:
        with transaction.atomic():
            return Message.begin_many(rows, at=now, by=by)
    except IntegrityError as error:
        if "notifications_message_said_once" not in str(error):
            raise
    if len(rows) == 1:
        return [Message.objects.get(dedup_key=rows[0]["dedup_key"], generation=rows[0]["generation"])]
    return [message for row in rows for message in _insert([row], now=now, by=by)]


def takes_texts(number: str) -> bool:
    """Whether a text may be sent to this number: one that can be texted, and whose owner has not opted out."""
    return number in taking_texts({number})


def rests(sender: str, *, now: datetime) -> bool:
    """Whether what is no answer waits for the morning at this sender."""
    house = queries.sender(sender)
    return house is not None and may_go(house, "notice", now) > now


def takes_mails(address: str) -> bool:
    """Whether a mail may be sent there: there is an address, and mails are set up."""
    return bool(address) and transports.mail() is not None


def taking_texts(numbers: Collection[str]) -> set[str]:
    """Those of the numbers that `takes_texts`."""
    return {number for number in numbers if _can_text(number)} - consent.opted_out(numbers)


def _can_text(number: str) -> bool:
    try:
        return phone.can_text(number)
    except phone.NotANumber:
        return False


def may_go(sender: Sender, kind: str, at: datetime) -> datetime:
    """The earliest moment from `at` on at which this sender may send a message of this kind."""
    if kind not in quiet.WAITS:
        return at
    return quiet.opens_at(at, ZoneInfo(sender.zone), start=sender.quiet_from, end=sender.quiet_until)


@transaction.atomic
def suppress(
    *,
    about: Collection[str],
    why: str,
    now: datetime,
    by: Actor,
    templates: Collection[str] | None = None,
    replaced_by: Message | None = None,
) -> int:
    """Keep back what was not sent yet about these things, and drop the calls that are due; gives back how many.

    `templates` narrows it to some sentences, and to the calls that say them. `replaced_by` names the text that says it
    better; it is never kept back itself. What is being sent at this moment goes; where it turns out that it did not, or
    did not arrive, it is of no use any more and is neither sent again nor called.
    """
    among = Among("about", about, "varchar")
    texts = Message.objects.filter(among)
    due = Call.objects.filter(among, state__in=OPEN_CALL).order_by("pk")
    if templates is not None:
        of_these = [Q(dedup_key__startswith=f"{template}:") for template in templates]  # as every key begins
        texts, due = texts.filter(template__in=templates), due.filter(reduce(or_, of_these, Q(pk=None)))
    if replaced_by is not None:
        texts = texts.exclude(pk=replaced_by.pk)
    waiting = texts.filter(state=MessageState.QUEUED).order_by("pk")
    kept = Message.move_many(
        list(waiting), MessageState.SUPPRESSED, at=now, by=by, why=why[:40], replaced_by=replaced_by
    )
    # Looked for after the move, which waits for a worker that is just taking one of them.
    gone = texts.filter(state__in=_ON_ITS_WAY, not_after__gt=now).select_for_update(no_key=True).order_by("pk")
    # One that fails yet is not said again. A law wants the moment after `created_at`.
    texts.filter(pk__in=list(gone.values_list("pk", flat=True))).update(
        not_after=now + timedelta(microseconds=1), call_until=None
    )
    return len(kept) + len(Call.move_many(list(due), CallState.DROPPED, at=now, by=by))


@transaction.atomic
def repeat(*, message_id: int, now: datetime, by: Actor) -> Message:
    """Somebody at work sends a text once more, to whom it went before: a new row of the next generation, at once.

    Refuses `unknown_message`, and with `text_not_repeated` what says no more than is still so: `waiting` (it has not
    left yet), `over` (of no use any more), `replaced` (another text says it better), `opted_out`.
    """
    rows = Message.objects.select_for_update(of=("self",)).select_related("sender")
    message = rows.filter(pk=message_id).first()
    if message is None:
        raise UnknownMessage(message=message_id)
    latest = rows.filter(dedup_key=message.dedup_key).order_by("-generation").first() or message
    why = ""
    if latest.state in {MessageState.QUEUED, *_ON_ITS_WAY} - {MessageState.ACCEPTED}:
        why = "waiting"
    elif message.not_after <= now:
        why = "over"
    elif latest.state == MessageState.SUPPRESSED and latest.why != "opted_out":
        why = "replaced"
    elif not message.mail and not takes_texts(message.to):
        why = "opted_out"
    if why:
        raise TextNotRepeated(why=why)
    again = _next_generation(latest, not_before=now, now=now, by=by)
    nudge.ring("message queued", [again.pk])
    return again


def say_again(message: Message, *, now: datetime, by: Actor) -> Message | None:
    """A failed text once more, as a new row of the next generation, later each time; None when there is no more use.

    At most three generations, and none that would come after `not_after`.
    """
    later = may_go(message.sender, message.kind, now + timedelta(minutes=5) * 4 ** (message.generation - 1))
    if message.generation >= GENERATIONS or later >= message.not_after:
        return None
    next_one = Message.objects.filter(dedup_key=message.dedup_key, generation=message.generation + 1).first()
    if next_one is not None:
        return next_one
    return _next_generation(message, not_before=later, now=now, by=by)


def _next_generation(message: Message, *, not_before: datetime, now: datetime, by: Actor) -> Message:
    return Message.begin(
        at=now,
        by=by,
        sender=message.sender,
        to=message.to,
        mail=message.mail,
        language=message.language,
        kind=message.kind,
        template=message.template,
        body=message.body,
        about=message.about,
        dedup_key=message.dedup_key,
        generation=message.generation + 1,
        created_at=now,
        not_before=not_before,
        not_after=message.not_after,
        call_until=message.call_until,
        may_call=message.may_call,
        segments=message.segments,
    )
