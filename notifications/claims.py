"""Who sends what: a worker takes rows under a lease and commits before anything leaves the house."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast

import structlog
from django.conf import settings
from django.db import OperationalError, transaction
from django.db.models import F
from django.utils.module_loading import import_string

from core.actor import RULE
from core.among import Among
from core.sweeps import TimeIsUp
from notifications import budget, calls, consent, encoding, outbox, receipts, transports, wording
from notifications.models import TURN, URGENT, Message
from notifications.states import MessageState
from notifications.transports import Outgoing

log = structlog.get_logger()

POISON: Final = 12
"""A text that was taken up so often and still is not sent goes to the call list; others flow."""

LinkOf = Callable[..., str | None]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row that is ours until the lease ends, and the text to send; `attempt` tells this claim from a later one."""

    message_id: int
    attempt: int
    outgoing: Outgoing


@dataclass(frozen=True, slots=True)
class Batch:
    """What one claim took: texts to send, and how many rows were settled without sending."""

    claimed: list[Claimed]
    settled: int

    def __bool__(self) -> bool:
        return bool(self.claimed or self.settled)


def claim(*, now: datetime, ids: Collection[int] | None = None, limit: int = 200) -> Batch:
    """Take texts that are due, answers and codes first, and commit; two workers never take the same.

    Checked again at this moment: use (`not_after`), consent, quiet hours, how often a number was told, budget. `{link}`
    gets its address here. Each row has its own savepoint: one that cannot be made ready waits longer each time and
    fails at last.
    """
    with transaction.atomic(durable=True):
        return take(now=now, ids=ids, limit=limit)


def take(*, now: datetime, ids: Collection[int] | None = None, limit: int = 200) -> Batch:
    """The same within the transaction of a caller whose texts do not leave the house; everybody else calls `claim`."""
    rows = _due(now=now, ids=ids, limit=limit)
    if not rows:
        return Batch([], 0)
    shut = consent.opted_out(row.to for row in rows)
    full = budget.too_often(rows, now=now)
    ready = _plain([row for row in rows if row.pk not in full], shut, now=now)
    simple = {row.pk for row, _ in ready}
    for row in rows:
        if row.pk in simple:
            continue
        opted_out = not row.mail and row.to in shut
        body = _body_or_settle(row, opted_out=opted_out, too_often=row.pk in full, now=now)
        if body is not None:
            ready.append((row, body))
    lease = now + timedelta(seconds=settings.MESSAGE_LEASE_SECONDS)
    of_tries: dict[int, list[Message]] = {}
    for row, _ in ready:
        of_tries.setdefault(row.attempts, []).append(row)
    for tries, alike in of_tries.items():
        Message.move_many(
            alike, MessageState.SENDING, at=now, by=RULE, lease_until=lease, attempts=tries + 1, paid=True
        )
    return Batch([_claimed(row, body, now=now) for row, body in ready], settled=len(rows) - len(ready))


def _due(*, now: datetime, ids: Collection[int] | None, limit: int) -> list[Message]:
    """Texts whose moment has come, answers and codes first; where that leaves room, those that wait in vain."""
    queued = Message.objects.filter(state=MessageState.QUEUED).select_related("sender")
    queued = queued.select_for_update(skip_locked=True, of=("self",)).order_by(*TURN)
    if ids is not None:
        queued = queued.filter(Among("pk", ids, "bigint"))
    rows = list(queued.filter(not_before__lte=now)[:limit])
    if len(rows) < limit:
        rows += queued.filter(not_before__gt=now, not_after__lte=now)[: limit - len(rows)]
    return rows


def _plain(rows: Sequence[Message], shut: Collection[str], *, now: datetime) -> list[tuple[Message, str]]:
    """Those rows that simply go, with their bodies: nothing speaks against them, and their senders' budgets do for all.

    The same as `_body_or_settle` would say of each, without a savepoint and a statement for each.
    """
    of_sender: dict[int, list[Message]] = {}
    for row in rows:
        if not (
            row.dedup_key.startswith(Message.PRACTICE)
            or row.attempts
            or row.resends
            or row.mail
            or row.to in shut
            or row.not_after <= now
            or outbox.may_go(row.sender, row.kind, now) > now
            or wording.asks_link(row.body)
        ):
            of_sender.setdefault(row.sender_id, []).append(row)
    ready: list[tuple[Message, str]] = []
    for group in of_sender.values():
        segments = sum(encoding.segments(row.body) for row in group if not row.paid)
        if budget.spend(sender=group[0].sender, segments=segments, now=now, whole=True):
            ready += [(row, row.body) for row in group]  # else it is spent row by row
    return ready


def _claimed(row: Message, body: str, *, now: datetime) -> Claimed:
    seconds = int((row.not_after - now).total_seconds())
    outgoing = Outgoing(row.pk, sender=row.sender.number, to=row.mail or row.to, body=body, seconds=seconds)
    return Claimed(row.pk, row.attempts, outgoing)


def _body_or_settle(row: Message, *, opted_out: bool, too_often: bool, now: datetime) -> str | None:
    """The body to send, or None after the row was settled or put off."""
    try:
        with transaction.atomic():
            if row.dedup_key.startswith(Message.PRACTICE) and not transports.stay_here():
                row.move(MessageState.SUPPRESSED, at=now, by=RULE, why="practice")
                return None
            if row.attempts >= POISON:
                receipts.give_up(row, code="", why="tried_too_often", now=now)
                return None
            if row.not_after <= now:
                row.move(MessageState.EXPIRED, at=now, by=RULE, why="too_late")
                calls.instead_of(row, now=now)
                return None
            if opted_out:
                row.move(MessageState.SUPPRESSED, at=now, by=RULE, why="opted_out")
                calls.instead_of(row, now=now)
                return None
            if row.resends and _arrived_after_all(row, now=now):
                return None
            goes = outbox.may_go(row.sender, row.kind, now)
            if goes > now:
                _put_off(row, until=goes, why="quiet", now=now)
                return None
            if too_often:
                log.warning("message.too_often", sender=row.sender.key, message=row.pk)
                _put_off(row, until=budget.renews_at(sender=row.sender, now=now), why="too_often", now=now)
                return None
            body = row.body
            if wording.asks_link(body):
                address = cast("LinkOf", import_string(settings.LINK_OF))(row.about, to=row.to, now=now)
                if address is None:
                    row.move(MessageState.SUPPRESSED, at=now, by=RULE, why="no_link")
                    return None
                body = wording.with_link(body, address)
            costs = not row.mail and not row.paid
            within = not costs or budget.spend(sender=row.sender, segments=encoding.segments(body), now=now)
            if not within and row.kind not in URGENT:
                log.error("message.budget_spent", sender=row.sender.key, budget=row.sender.daily_budget)
                _put_off(row, until=budget.renews_at(sender=row.sender, now=now), why="budget", now=now)
                return None
            return body
    except (OperationalError, TimeIsUp):
        raise  # the database's trouble or the task's, not the row's: the next sweep tries all of them again
    except Exception as error:  # one row that cannot be made ready must not hold up the others
        log.exception("message.not_ready", message=row.pk, error=type(error).__name__)
        wait = timedelta(seconds=min(2**row.attempts, 300))
        Message.objects.filter(pk=row.pk).update(attempts=F("attempts") + 1, not_before=now + wait)
        return None


def _put_off(row: Message, *, until: datetime, why: str, now: datetime) -> None:
    """Wait until then; when that is too late, staff call instead."""
    if until < row.not_after:
        Message.objects.filter(pk=row.pk).update(not_before=until)
        return
    row.move(MessageState.EXPIRED, at=now, by=RULE, why=why)
    calls.instead_of(row, now=now)


def _arrived_after_all(row: Message, *, now: datetime) -> bool:
    """Whether a report came for a text that was thought lost, just before it would be sent again."""
    early = receipts.kept_for(row)
    if early is None:
        return False
    receipts.accept(_sending(row, now=now), provider_id=early.provider_id, at=early.at, now=now)
    receipts.settle(row, now=now)
    return True


def _sending(row: Message, *, now: datetime) -> Message:
    """The table of moves leads from QUEUED through SENDING; the row passes it without being sent."""
    row.move(MessageState.SENDING, at=now, by=RULE, lease_until=now)
    return row
