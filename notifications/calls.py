"""The call list: people whom staff phone, since no text reaches them."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import F

from core.actor import RULE, Actor
from notifications import wording
from notifications.errors import UnknownCall
from notifications.models import Call, Message, Sender
from notifications.states import OPEN_CALL, CallState

LATER = timedelta(minutes=30)
"""When a call that nobody answered is tried again, unless staff say otherwise."""


@transaction.atomic
def add(
    *,
    sender: Sender,
    number: str,
    language: str,
    say: str,
    about: str,
    dedup_key: str,
    now: datetime,
    due_at: datetime,
    not_after: datetime,
    by: Actor,
) -> Call:
    """Put somebody on the call list; under the same dedup key once, whoever asks."""
    listed = Call.objects.filter(dedup_key=dedup_key).first()
    if listed is not None:
        return listed
    try:
        with transaction.atomic():
            return Call.begin(
                at=now,
                by=by,
                sender=sender,
                number=number,
                language=language,
                say=wording.without_link(say),
                about=about,
                dedup_key=dedup_key,
                created_at=now,
                due_at=due_at,
                not_after=not_after,
            )
    except IntegrityError as error:
        if "notifications_call_listed_once" not in str(error):
            raise
        return Call.objects.get(dedup_key=dedup_key)


def instead_of(message: Message, *, now: datetime, by: Actor = RULE) -> Call | None:
    """The call that takes the place of a text which did not arrive; None when the person may not be called, or the
    text was an answer or a code (nobody phones those), or what it says is over (`call_until`).
    """
    until = message.call_until or message.not_after
    if not message.may_call or message.kind in {"answer", "code"} or until <= now:
        return None
    return add(
        sender=message.sender,
        number=message.to,
        language=message.language,
        say=message.body,
        about=message.about,
        dedup_key=message.dedup_key,
        now=now,
        due_at=now,
        not_after=until,
        by=by,
    )


@transaction.atomic
def reached(*, call_id: int, by: Actor, now: datetime) -> Call:
    """The person was told. Refuses `unknown_call`, `not_in_this_state`, `moved_meanwhile` as all four verbs do."""
    call = _locked(call_id)
    call.move(CallState.REACHED, at=now, by=by, tries=call.tries + 1)
    return call


@transaction.atomic
def unreached(*, call_id: int, by: Actor, now: datetime) -> Call:
    """Nobody answered."""
    call = _locked(call_id)
    call.move(CallState.UNREACHED, at=now, by=by, tries=call.tries + 1)
    return call


@transaction.atomic
def again(*, call_id: int, by: Actor, now: datetime, due_at: datetime | None = None) -> Call:
    """Try a call that nobody answered again, at `due_at` or in half an hour."""
    call = _locked(call_id)
    call.move(CallState.DUE, at=now, by=by, due_at=due_at or now + LATER)
    return call


@transaction.atomic
def dropped(*, call_id: int, by: Actor, now: datetime) -> Call:
    """The call is not needed any more."""
    call = _locked(call_id)
    call.move(CallState.DROPPED, at=now, by=by)
    return call


@transaction.atomic
def drop_late(*, now: datetime) -> int:
    """Drop calls that are of no use any more: what they say is over."""
    late = list(Call.objects.filter(state__in=OPEN_CALL, not_after__lt=now).order_by("pk")[:500])
    return len(Call.move_many(late, CallState.DROPPED, at=now, by=RULE)) if late else 0


def _locked(call_id: int) -> Call:
    call = Call.objects.select_for_update(of=("self",)).select_related("sender").filter(pk=call_id).first()
    if call is None:
        raise UnknownCall(call=call_id)
    return call


def of_sender(call_id: int) -> str:
    """The key of the sender on whose list a call is, for permission checks; `unknown_call` when there is none."""
    key = Call.objects.filter(pk=call_id).annotate(key=F("sender__key")).values_list("key", flat=True).first()
    if key is None:
        raise UnknownCall(call=call_id)
    return str(key)
