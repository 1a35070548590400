"""What people send us: stored raw at once, understood in a second transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

import structlog
from django.conf import settings
from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils.module_loading import import_string

from core import nudge
from core.actor import CARRIER, Actor
from core.models import Heartbeat
from core.moves import MoveRefused
from core.sweeps import TimeIsUp
from notifications import consent, keywords, outbox, phone, queries, transports, words
from notifications.errors import CarrierError, UnknownInbound
from notifications.keywords import Meaning
from notifications.models import InboundMessage, Kind, Message, Sender
from notifications.states import KEPT_BACK, InboundState, MessageState

log = structlog.get_logger()

TRIES = 5
"""How often a text that cannot be understood for an error is tried before staff get it."""
BATCH = 200
LATELY = timedelta(hours=1)
MOST_ANSWERS = 12
"""So many answers an hour are for a person with several bags; what asks for more is a machine."""
LOOK = "inbound look"
OVERLAP = timedelta(minutes=10)
FARTHEST = timedelta(days=7)
_TURNS = 41_022  # the advisory lock of a number whose text is being understood; its hash is the second half
# What carriers send in place of a number that is withheld: words, and the digits of "anonymous" on a keypad.
WITHHELD = frozenset({"", "anonymous", "unknown", "unavailable", "private", "restricted", "+266696687", "266696687"})


@dataclass(frozen=True, slots=True)
class Inbound:
    """What somebody sent, as the room that understands it gets it (settings.INBOUND_ANSWER)."""

    id: int
    provider_id: str
    sender_key: str
    from_number: str
    body: str
    media: int
    received_at: datetime
    meaning: keywords.Answer


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence to answer with: a key of notifications/wording.py and its values."""

    template: str
    values: Mapping[str, object] = field(default_factory=dict)
    language: str = "ko"
    practice: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What was made of an inbound text. Not `applied`: it goes to the staff inbox, `why` says for what reason."""

    applied: bool
    why: str
    about: str = ""
    text: Text | None = None


Hook = Callable[..., Reply]


@transaction.atomic
def store(
    *,
    provider_id: str,
    from_number: str,
    to_number: str,
    body: str,
    media: int,
    now: datetime,
    opt_out_type: str = "",
    received_at: datetime | None = None,
) -> InboundMessage:
    """Keep what came in, raw, once per provider id; an opt-out or opt-in counts from this transaction on.

    The worker is rung for a new row; a sweep finds it anyway.
    """
    known = InboundMessage.objects.filter(provider_id=provider_id).first()
    if known is not None:
        return known
    try:
        with transaction.atomic():
            row = InboundMessage.begin(
                at=now,
                by=CARRIER,
                sender=queries.sender_of(to_number),
                provider_id=provider_id,
                from_number=from_number,
                to_number=to_number,
                body=body,
                media=media,
                opt_out_type=opt_out_type,
                received_at=received_at or now,
            )
    except IntegrityError as error:
        if "notifications_inbound_stored_once" not in str(error):
            raise
        return InboundMessage.objects.get(provider_id=provider_id)
    _hear_consent(row, now=now)
    nudge.ring("inbound stored", [row.pk])
    return row


def apply(*, now: datetime, ids: Collection[int] | None = None) -> int:
    """Understand what is stored, oldest first, each row in its own transaction; gives back how many were moved on.

    Those of one number take turns, in the order in which they came: who is rung for one of them understands all that
    are waiting. A row that fails is tried again by the next sweep, five times in all, then it goes to the staff inbox
    (`error`).
    """
    waiting = InboundMessage.objects.filter(state=InboundState.STORED).order_by("pk")
    if ids is not None:
        numbers = InboundMessage.objects.filter(pk__in=ids).values("from_number")
        waiting = waiting.filter(from_number__in=numbers)
    return sum(_apply_one(key, now=now) for key in list(waiting.values_list("pk", flat=True)[:BATCH]))


def fetch_missed(*, now: datetime) -> int:
    """Ask the carrier for texts to our numbers that no webhook brought; gives back how many were new.

    Looks back ten minutes, and after a silence of our own as far as the last look, at most a week.
    """
    look = Heartbeat.objects.filter(sweep=LOOK).first()
    since = max(min(look.at if look else now, now) - OVERLAP, now - FARTHEST)
    carrier = transports.text()
    new, whole = 0, True
    for number in Sender.objects.values_list("number", flat=True).distinct():
        try:
            found = carrier.received(number, since=since)
        except CarrierError as error:
            log.warning("inbound.look_failed", code=error.code)
            whole = False
            continue
        known = set(
            InboundMessage.objects.filter(provider_id__in=[one.provider_id for one in found]).values_list(
                "provider_id", flat=True
            )
        )
        for one in reversed(found):  # oldest first: START after STOP must not end as STOP
            if one.provider_id in known:
                continue
            store(
                provider_id=one.provider_id,
                from_number=one.from_number[:40],
                to_number=one.to_number[:40],
                body=one.body.replace("\x00", ""),
                media=one.media,
                received_at=one.received_at,
                now=now,
            )
            new += 1
    if whole:
        Heartbeat.objects.update_or_create(sweep=LOOK, defaults={"at": now, "moved": new})
    if new:
        log.warning("inbound.missed", count=new)
    return new


@transaction.atomic
def settle(*, inbound_id: int, by: Actor, now: datetime, why: str = "") -> InboundMessage:
    """Staff have dealt with a text of the inbox. Refuses `unknown_inbound`, `not_in_this_state`."""
    row = InboundMessage.objects.select_for_update(of=("self",)).select_related("sender").filter(pk=inbound_id).first()
    if row is None:
        raise UnknownInbound(inbound=inbound_id)
    if row.state != InboundState.PARKED:  # what is only stored has yet to be understood
        raise MoveRefused(noun=InboundMessage.noun(), state=row.state, asked=str(InboundState.APPLIED))
    row.move(InboundState.APPLIED, at=now, by=by, **({"why": why[:40]} if why else {}))
    return row


def is_withheld(number: str) -> bool:
    """Whether a caller's number was kept back, or is no telephone number at all."""
    return number.strip().lower() in WITHHELD or not number.startswith("+")


def _hear_consent(row: InboundMessage, *, now: datetime) -> None:
    said = keywords.parse(row.body)
    number = row.from_number
    if _nobodys(number):
        return
    if said.meaning is Meaning.OPT_OUT or row.opt_out_type == "STOP":
        consent.opt_out(number=number, source="inbound", now=now)
    elif said.meaning is Meaning.OPT_IN or said.also_opt_in or row.opt_out_type == "START":
        consent.opt_in(number=number, now=now)


def _apply_one(key: int, *, now: datetime) -> int:
    try:
        with transaction.atomic(durable=True):
            if not _is_its_turn(key):
                return 0
            row = (
                InboundMessage.objects.select_for_update(skip_locked=True, of=("self",))
                .select_related("sender")
                .filter(pk=key, state=InboundState.STORED)
                .first()
            )
            if row is None:
                return 0
            reply = _understand(row, now=now)
            row.move(
                InboundState.APPLIED if reply.applied else InboundState.PARKED,
                at=now,
                by=CARRIER,
                why=reply.why[:40],
                about=reply.about[:40],
            )
            if reply.text is not None and row.sender is not None:
                _answer(row, row.sender, reply.text, about=reply.about, now=now)
    except OperationalError as error:  # a lock or the connection, not the text: the next sweep tries again
        log.warning("inbound.put_off", inbound=key, error=type(error).__name__)
        return 0
    except TimeIsUp:
        raise
    except Exception as error:  # one text that cannot be understood must not hold up the others
        log.exception("inbound.failed", inbound=key, error=type(error).__name__)
        return _count_failure(key, now=now)
    return 1


def _is_its_turn(key: int) -> bool:
    """Wait until nobody else deals with a text of the same number; whether no earlier one of it is left then.

    "2" and then "1" is not what "1" and then "2" is.
    """
    row = InboundMessage.objects.filter(pk=key).only("from_number").get()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_TURNS, row.from_number])
    earlier = InboundMessage.objects.filter(state=InboundState.STORED, from_number=row.from_number, pk__lt=key)
    return not earlier.exists()


def _understand(row: InboundMessage, *, now: datetime) -> Reply:
    """What the row means: consent and help here, everything else is the hook's to say."""
    said = keywords.parse(row.body)
    if row.sender is None:
        return Reply(applied=False, why="not_our_number")
    if phone.is_relay(row.from_number, settings.RELAY_NUMBERS):
        return Reply(applied=False, why="relay")
    if _nobodys(row.from_number):
        return Reply(applied=False, why="withheld")
    if said.meaning is Meaning.OPT_OUT or row.opt_out_type == "STOP":
        return Reply(applied=True, why="opt_out")  # the carrier has answered; whoever opted out gets nothing from us
    if said.meaning is Meaning.OPT_IN or row.opt_out_type == "START":
        return Reply(applied=True, why="opt_in")
    if said.meaning is Meaning.HELP or row.opt_out_type == "HELP":
        return Reply(applied=True, why="help")
    answer = cast("Hook", import_string(settings.INBOUND_ANSWER))
    return answer(
        inbound=Inbound(
            id=row.pk,
            provider_id=row.provider_id,
            sender_key=row.sender.key,
            from_number=row.from_number,
            body=row.body,
            media=row.media,
            received_at=row.received_at,
            meaning=said,
        ),
        now=now,
    )


def _answer(row: InboundMessage, sender: Sender, text: Text, *, about: str, now: datetime) -> None:
    """Answer, unless that would only be heard again: what a text asked for is done all the same."""
    if _heard_already(row, sender, text, now=now):
        log.info("inbound.not_answered_again", inbound=row.pk, template=text.template)
        return
    outbox.enqueue(
        sender=sender.key,
        to=row.from_number,
        language=text.language,
        kind=Kind.ANSWER,
        template=text.template,
        values=text.values,
        about=about,
        dedup_key=row.answer_key,
        now=now,
        may_call=False,
        practice=text.practice,
        by=CARRIER,
    )


def _heard_already(row: InboundMessage, sender: Sender, text: Text, *, now: datetime) -> bool:
    """Whether the last answer to this number within the hour was the very same, or there were many in that hour.

    A machine that answers our answers would else never come to an end, at our cost.
    """
    lately = Message.objects.filter(sender=sender, to=row.from_number, kind=Kind.ANSWER, created_at__gt=now - LATELY)
    heard = lately.exclude(state__in=[*KEPT_BACK, MessageState.FAILED]).order_by("-pk")
    said = list(heard.values_list("template", "body")[:MOST_ANSWERS])
    body = words.render(sender=sender, key=text.template, language=text.language, values=text.values)
    return len(said) == MOST_ANSWERS or said[:1] == [(text.template, body)]


@transaction.atomic
def _count_failure(key: int, *, now: datetime) -> int:
    row = InboundMessage.objects.select_for_update().filter(pk=key, state=InboundState.STORED).first()
    if row is None:
        return 0
    if row.attempts + 1 < TRIES:
        InboundMessage.objects.filter(pk=key).update(attempts=row.attempts + 1)
        return 0
    row.move(InboundState.PARKED, at=now, by=CARRIER, why="error", attempts=row.attempts + 1)
    return 1


def _nobodys(number: str) -> bool:
    """Nobody's own number: withheld, or one through which many people call; never matched, never opted out."""
    return is_withheld(number) or phone.is_relay(number, settings.RELAY_NUMBERS)
