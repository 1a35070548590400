"""What becomes of a text after the carrier took it. Reports come late, twice, shuffled, or before our own commit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final

import structlog
from django.db import connection, transaction
from django.db.models import Q

from core import nudge, sweeps
from core.actor import CARRIER, RULE, Actor
from notifications import calls, carrier_codes, outbox
from notifications.carrier_codes import Verdict
from notifications.models import Message, Receipt
from notifications.states import MessageState

log = structlog.get_logger()

POLLED_AFTER: Final = timedelta(minutes=30)
"""Without a report for so long, the carrier is asked."""


class Rank(IntEnum):
    """How far a text has come; a report never takes it back."""

    TAKEN = 1
    SENT = 2
    ENDED = 3


RANKS: Final = {
    "accepted": Rank.TAKEN,
    "scheduled": Rank.TAKEN,
    "queued": Rank.TAKEN,
    "sending": Rank.TAKEN,
    "sent": Rank.SENT,
    "partially_delivered": Rank.SENT,
    "delivered": Rank.ENDED,
    "read": Rank.ENDED,
    "undelivered": Rank.ENDED,
    "failed": Rank.ENDED,
    "canceled": Rank.ENDED,
}
ARRIVED: Final = frozenset({"delivered", "read"})
# Where no report changes anything any more.
_OVER: Final = frozenset(
    {MessageState.DELIVERED, MessageState.FAILED, MessageState.SUPPRESSED, MessageState.EXPIRED, MessageState.QUEUED}
)


@transaction.atomic
def record(
    *,
    provider_id: str,
    status: str,
    now: datetime,
    error_code: str = "",
    message_id: int | None = None,
    to: str = "",
) -> bool:
    """Take in one report; whether it moved a text forward.

    `message_id` is our own id from the callback's address: it finds the text while we do not know the carrier's id
    yet. A report that comes before that is kept as a Receipt and applied by whoever records the sending. Unknown
    statuses are ignored, repetitions and older reports change nothing.
    """
    if status not in RANKS:
        log.info("receipt.unknown_status", provider_id=provider_id, status=status)
        return False
    message = _find(provider_id, message_id, to)
    if message is None and message_id is not None and Message.objects.filter(pk=message_id, to=to).exists():
        # The text has another id by now: it was sent twice, as only a lost answer and a lost look-up can bring about.
        log.warning("message.sent_twice", message=message_id, provider_id=provider_id)
    if message is None or message.state in {MessageState.SENDING, MessageState.QUEUED}:
        keep(provider_id=provider_id, message_id=message_id, status=status, error_code=error_code, now=now)
        return False
    return move_on(message, provider_id=provider_id, status=status, error_code=error_code, now=now)


def keep(*, provider_id: str, message_id: int | None, status: str, error_code: str, now: datetime) -> None:
    """Remember a report about a text that is not ours yet."""
    Receipt.objects.create(
        provider_id=provider_id, message_id=message_id, status=status, error_code=error_code[:20], at=now
    )


def kept_for(message: Message) -> Receipt | None:
    """The furthest report that came early about this text: by the carrier's id, or while unknown by our own."""
    early = (
        Receipt.objects.filter(provider_id=message.provider_id)
        if message.provider_id
        else (
            Receipt.objects.filter(message_id=message.pk).exclude(
                provider_id__in=Message.objects.filter(to=message.to).exclude(provider_id="").values("provider_id")
            )
        )
    )
    return max(early, key=lambda receipt: (RANKS.get(receipt.status, 0), -receipt.pk), default=None)


def move_on(message: Message, *, provider_id: str, status: str, error_code: str, now: datetime) -> bool:
    """Move a locked text forward to what `status` says; False when it is there or further already."""
    if message.state in _OVER or message.provider_id not in {"", provider_id}:
        return False
    rank = RANKS.get(status, Rank.TAKEN)
    if message.state == MessageState.IN_DOUBT and rank < Rank.ENDED:
        accept(message, provider_id=provider_id, at=now, now=now)
        return True
    if rank < Rank.ENDED:
        return False
    if message.state == MessageState.IN_DOUBT and status not in ARRIVED:
        accept(message, provider_id=provider_id, at=now, now=now)
    if status in ARRIVED:
        came = {"accepted_at": now} if message.accepted_at is None else {}
        message.move(
            MessageState.DELIVERED, at=now, by=CARRIER, provider_id=provider_id, lease_until=None, error_code="", **came
        )
        return True
    give_up(message, code=error_code, why=status, now=now, by=CARRIER)
    return True


def accept(message: Message, *, provider_id: str, at: datetime, now: datetime) -> None:
    """The carrier has the text since `at`; without a report within half an hour it is asked."""
    message.move(
        MessageState.ACCEPTED,
        at=now,
        by=CARRIER,
        provider_id=provider_id,
        accepted_at=at,
        lease_until=now + POLLED_AFTER,
        error_code="",
    )


def heard_of(sent: Mapping[int, str]) -> set[int]:
    """Those of some texts, by our id with the carrier's, about which a report has come already."""
    ours = {provider_id: key for key, provider_id in sent.items()}
    early = Receipt.objects.filter(Q(message_id__in=sent) | Q(provider_id__in=ours))
    found = set(early.values_list("message_id", "provider_id"))
    return {key for key, _ in found if key is not None and key in sent} | {
        ours[named] for _, named in found if named in ours
    }


def accept_all(sent: Mapping[Message, str], *, now: datetime) -> None:
    """`accept` for locked texts that are being sent, with the carrier's id of each; three statements for all."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE notifications_message AS m SET provider_id = of.provider_id"
            " FROM unnest(%s::bigint[], %s::text[]) AS of (id, provider_id) WHERE m.id = of.id",
            [[message.pk for message in sent], list(sent.values())],
        )
    Message.move_many(
        sent,
        MessageState.ACCEPTED,
        at=now,
        by=CARRIER,
        accepted_at=now,
        lease_until=now + POLLED_AFTER,
        error_code="",
    )


def give_up(message: Message, *, code: str, why: str, now: datetime, by: Actor = RULE) -> None:
    """Move a text to FAILED and do what follows: say it again where that helps, else staff call, and wake somebody
    where the reason is ours.
    """
    message.move(MessageState.FAILED, at=now, by=by, error_code=code[:20], why=why[:40], lease_until=None)
    meant = carrier_codes.verdict(code)
    if meant in {Verdict.OURS, Verdict.STOPPED}:
        log.error("message.refused_class", code=code, sender=message.sender.key, template=message.template)
    if meant is Verdict.AGAIN:
        following = outbox.say_again(message, now=now, by=by)
        if following is not None:
            nudge.ring("message queued", [following.pk])
            return
    calls.instead_of(message, now=now, by=by)


def apply_early(*, now: datetime) -> int:
    """Apply kept reports whose text has been recorded meanwhile; a sweep beside the recorder's own look."""
    waiting = Message.objects.filter(
        state=MessageState.ACCEPTED,
        provider_id__in=Receipt.objects.filter(
            status__in=[status for status, rank in RANKS.items() if rank == Rank.ENDED]
        ).values("provider_id"),
    )
    keys = waiting.order_by("pk").values_list("pk", flat=True)
    return sum(sweeps.each("early reports", keys, lambda pk: _apply_early(pk, now=now)))


def _apply_early(message_id: int, *, now: datetime) -> int:
    rows = Message.objects.select_related("sender").select_for_update(skip_locked=True, of=("self",))
    message = rows.filter(pk=message_id, state=MessageState.ACCEPTED).first()
    return int(message is not None and settle(message, now=now))


def settle(message: Message, *, now: datetime) -> bool:
    """Apply to a locked text what came early about it."""
    early = kept_for(message)
    return early is not None and move_on(
        message, provider_id=early.provider_id, status=early.status, error_code=early.error_code, now=now
    )


def _find(provider_id: str, message_id: int | None, to: str) -> Message | None:
    """Lock the text of a report: by our id first, so that we wait for whoever records its sending."""
    rows = Message.objects.select_for_update(of=("self",)).select_related("sender")
    if message_id is not None:
        ours = rows.filter(pk=message_id).first()
        if ours is not None and to in {"", ours.to}:
            named = rows.filter(provider_id=provider_id).first()
            return named or (ours if not ours.provider_id else None)
    return rows.filter(provider_id=provider_id).first()
