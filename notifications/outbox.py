"""Say something to somebody: a row in the caller's transaction. Nothing leaves the house here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog
from django.db import IntegrityError, transaction

from core import nudge
from core.actor import RULE, Actor
from notifications import calls, consent, encoding, phone, quiet, wording
from notifications.models import Call, Kind, Message, Sender
from notifications.states import CallState, MessageState

log = structlog.get_logger()

OF_USE = timedelta(hours=24)
"""How long a text is of use when the caller does not say."""
GENERATIONS = 3
"""How often one thing is said in all when the carrier fails to bring it."""
_ON_ITS_WAY = (MessageState.SENDING, MessageState.IN_DOUBT, MessageState.ACCEPTED)


@transaction.atomic
def enqueue(
    *,
    sender: str,
    to: str,
    language: str,
    kind: Kind | str,
    template: str,
    values: Mapping[str, object],
    about: str,
    dedup_key: str,
    now: datetime,
    not_before: datetime | None = None,
    not_after: datetime | None = None,
    generation: int = 1,
    may_text: bool = True,
    may_call: bool = True,
    by: Actor = RULE,
) -> Message | Call | None:
    """Queue one text within this transaction; after the commit a worker sends it.

    `to` is E.164, `about` an opaque tie (`order:42`), `values` fill the sentence `template`. The same `dedup_key` and
    `generation` again give back what is there. A number that takes no texts (landline, opted out, `may_text` off)
    becomes a call with the same sentence when `may_call`, else None; an answer or a code is never called. Notices and
    reminders wait out the sender's quiet hours; where that would be too late (`not_after`, 24 hours by default) staff
    call instead. KeyError for an unknown template or place, Sender.DoesNotExist for an unknown sender.
    """
    kind = Kind(kind)
    known = Message.objects.filter(dedup_key=dedup_key, generation=generation).first()
    listed = known or Call.objects.filter(dedup_key=dedup_key).first()
    if listed is not None:
        return listed
    house = Sender.objects.get(key=sender)
    body = wording.render(key=template, language=language, values=values)
    wanted = max(now, not_before or now)
    until = max(not_after or wanted + OF_USE, now + timedelta(seconds=1))
    goes = may_go(house, kind, wanted)
    callable_ = may_call and kind not in {Kind.ANSWER, Kind.CODE}
    too_late = goes >= until
    if not may_text or not takes_texts(to) or (too_late and callable_):
        if not callable_:
            log.info("outbox.nobody_to_reach", about=about, template=template)
            return None
        return calls.add(
            sender=house,
            number=to,
            language=language,
            say=body,
            about=about,
            dedup_key=dedup_key,
            now=now,
            due_at=wanted,
            not_after=until,
            by=by,
        )
    try:
        with transaction.atomic():
            message = Message.begin(
                at=now,
                by=by,
                sender=house,
                to=to,
                language=language,
                kind=kind,
                template=template,
                body=body,
                about=about,
                dedup_key=dedup_key,
                generation=generation,
                created_at=now,
                not_before=goes,
                not_after=until,
                may_call=callable_,
                segments=encoding.segments(body),
            )
    except IntegrityError as error:
        if "notifications_message_said_once" not in str(error):
            raise
        return Message.objects.get(dedup_key=dedup_key, generation=generation)
    nudge.ring("message queued", [message.pk])
    return message


def takes_texts(number: str) -> bool:
    """Whether a text may be sent to this number: one that can be texted, and whose owner has not opted out."""
    try:
        able = phone.can_text(number)
    except phone.NotANumber:
        return False
    return able and not consent.opted_out([number])


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

    `templates` narrows it to some sentences and leaves calls alone. `replaced_by` names the text that says it better;
    it is never kept back itself. What is being sent at this moment goes; where it turns out that it did not, or did
    not arrive, it is of no use any more and is neither sent again nor called.
    """
    texts = Message.objects.filter(about__in=about)
    due = Call.objects.filter(about__in=about, state=CallState.DUE).order_by("pk")
    if templates is not None:
        texts, due = texts.filter(template__in=templates), due.none()
    if replaced_by is not None:
        texts = texts.exclude(pk=replaced_by.pk)
    waiting = texts.filter(state=MessageState.QUEUED).order_by("pk")
    kept = Message.move_many(
        list(waiting), MessageState.SUPPRESSED, at=now, by=by, why=why[:40], replaced_by=replaced_by
    )
    # Looked for after the move, which waits for a worker that is just taking one of them.
    gone = texts.filter(state__in=_ON_ITS_WAY, not_after__gt=now).select_for_update(no_key=True).order_by("pk")
    # One that fails yet is not said again. A law wants the moment after `created_at`.
    texts.filter(pk__in=list(gone.values_list("pk", flat=True))).update(not_after=now + timedelta(microseconds=1))
    return len(kept) + len(Call.move_many(list(due), CallState.DROPPED, at=now, by=by))


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
    return Message.begin(
        at=now,
        by=by,
        sender=message.sender,
        to=message.to,
        language=message.language,
        kind=message.kind,
        template=message.template,
        body=message.body,
        about=message.about,
        dedup_key=message.dedup_key,
        generation=message.generation + 1,
        created_at=now,
        not_before=later,
        not_after=message.not_after,
        may_call=message.may_call,
        segments=message.segments,
    )
