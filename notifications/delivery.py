"""Texts leave the house: claim and commit, HTTP outside any transaction, record in a second one.

The carrier has no idempotency key. What was sent and not recorded is in doubt, and a doubt is resolved by evidence: a
callback that carries our id, else the carrier's own list, after a pause. Only what is truly absent is sent again, once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction

from core import clock
from core.actor import CARRIER, RULE
from notifications import breaker, calls, claims, consent, receipts, transports, wording
from notifications.claims import Batch, Claimed
from notifications.errors import Busy, CarrierError, InDoubt, NotBegun, NotSent, OptedOut, Stopped, Unreachable
from notifications.models import Message
from notifications.states import MessageState
from notifications.transports import Report

log = structlog.get_logger()

SPAN: Final = 12.0
"""Seconds after which `deliver` takes no further batch: other sweeps wait for the process."""
GATHER: Final = 0.05
"""Seconds that a sending's result waits for others: one transaction for ten costs little more than for one."""
LOOKED_UP: Final = 100
LONGEST_WAIT: Final = 300.0
MARGIN: Final = timedelta(seconds=5)
"""Our clock and the carrier's, which counts in whole seconds, may differ by so much."""

Outcome = Report | CarrierError


def deliver(*, ids: Collection[int] | None = None, now: datetime | None = None) -> int:
    """Send what is due until nothing is left or `SPAN` has passed; gives back how many rows it dealt with.

    `ids` narrows it to these rows (a doorbell). `now` is the database's clock unless given. Must not be called inside
    a transaction: RuntimeError.
    """
    began = time.monotonic()

    def take(free: int) -> Batch:
        room = breaker.room(free) if time.monotonic() - began < SPAN else 0
        return claims.claim(now=now or clock.database_now(), ids=ids, limit=room) if room else Batch([], 0)

    return _pump(take, now=now)


def send(claimed: Sequence[Claimed], *, now: datetime | None = None) -> int:
    """Send texts that are claimed already; see `deliver`."""
    batches = [Batch(list(claimed), 0)]
    return _pump(lambda _free: batches.pop() if batches else Batch([], 0), now=now)


def _pump(take: Callable[[int], Batch], *, now: datetime | None) -> int:
    """Keep the threads busy: take as many rows as they send at once and as many to follow, record what comes back.

    While rows are claimed and recorded the threads take those that follow; a worker that dies leaves no more in doubt
    than two for each thread. Threads do HTTP alone, never a query. A text whose turn comes so late that its lease might
    end during the HTTP goes back to the queue unsent.
    """
    transports.text(), transports.mail()  # made before there are threads
    threads = settings.MESSAGE_THREADS
    window = settings.MESSAGE_LEASE_SECONDS - 1.5 * settings.MESSAGE_HTTP_SECONDS
    moved, more = 0, True
    pending: dict[Future[Outcome], Claimed] = {}
    with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="text") as pool:
        while more or pending:
            ahead = sum(not future.done() for future in pending)
            if more and ahead <= threads * 3 // 2:
                latest = time.monotonic() + window
                batch = take(2 * threads - ahead)
                more = bool(batch)
                moved += batch.settled + len(batch.claimed)
                pending |= {pool.submit(_send_one, one, latest): one for one in batch.claimed}
            if pending:
                done, others = wait(pending, return_when=FIRST_COMPLETED)
                done |= wait(others, timeout=GATHER).done  # they share a transaction
                record_all([(pending.pop(future), future.result()) for future in done], now=now)
    return moved


def record_all(results: Sequence[tuple[Claimed, Outcome]], *, now: datetime | None = None) -> None:
    """Write down what came of some claims: those that were plainly sent at once, every other by itself."""
    moment = now or clock.database_now()
    written: set[int] = set()
    if sent := {one.message_id: (one, told) for one, told in results if isinstance(told, Report)}:
        try:
            written = _sent_plainly(sent, now=moment)
        except IntegrityError as error:
            if "notifications_provider_id_on_one_message" not in str(error):
                raise  # else each by itself: see _sent
    if others := [result for result in results if result[0].message_id not in written]:
        with transaction.atomic():
            for one, outcome in sorted(others, key=lambda result: result[0].message_id):
                record(one, outcome, now=moment)


@transaction.atomic
def _sent_plainly(sent: Mapping[int, tuple[Claimed, Report]], *, now: datetime) -> set[int]:
    """Accept those texts that are still ours and that nobody has told us anything about yet; which they were."""
    rows = Message.objects.select_for_update(of=("self",)).filter(pk__in=sent, state=MessageState.SENDING)
    ours = [row for row in rows.order_by("pk") if row.attempts == sent[row.pk][0].attempt]
    heard = receipts.heard_of({row.pk: sent[row.pk][1].provider_id for row in ours})
    plain = [row for row in ours if row.pk not in heard]
    receipts.accept_all({row: sent[row.pk][1].provider_id for row in plain}, now=now)
    return {row.pk for row in plain}


@transaction.atomic
def record(claimed: Claimed, outcome: Outcome, *, now: datetime) -> None:
    """Write down what came of a claim, if the row is still ours; else the answer is kept as evidence."""
    message = Message.objects.select_for_update(of=("self",)).select_related("sender").get(pk=claimed.message_id)
    ours = message.state == MessageState.SENDING and message.attempts == claimed.attempt
    if isinstance(outcome, Report):
        if ours:
            _sent(message, outcome, now=now)
        else:
            # Our lease was over and a sweep took the row: this answer is the evidence it looks for.
            receipts.record(
                provider_id=outcome.provider_id, message_id=message.pk, status=outcome.status or "queued", now=now
            )
    elif ours:
        _not_sent(message, outcome, now=now)


def sweep_leases(*, now: datetime | None = None) -> int:
    """Texts whose worker did not come back in time are in doubt; gives back how many."""
    now = now or clock.database_now()
    with transaction.atomic():
        lost = list(
            Message.objects.filter(state=MessageState.SENDING, lease_until__lte=now)
            .select_for_update(skip_locked=True)
            .order_by("pk")[:1000]
        )
        pause = now + timedelta(seconds=settings.MESSAGE_DOUBT_SECONDS)
        return len(Message.move_many(lost, MessageState.IN_DOUBT, at=now, by=RULE, lease_until=pause)) if lost else 0


def resolve_doubts(*, now: datetime | None = None) -> int:
    """Find out about texts in doubt; gives back how many are settled.

    A callback with our id settles it; else, after a pause, the carrier's list does: found by number and body, or truly
    absent. Absent texts go back to the queue once, and fail the second time.
    """
    sweep_leases(now=now)
    began, settled = time.monotonic(), 0
    for message in _take_doubts(now=now or clock.database_now()):
        if time.monotonic() - began > SPAN:
            break  # the rest are asked for when their lease is over
        with transaction.atomic():
            doubted = _locked_doubt(message.pk)
            if doubted is not None and receipts.settle(doubted, now=now or clock.database_now()):
                settled += 1
                continue
        since = message.created_at - MARGIN
        try:
            to = message.mail or message.to
            found: Sequence[Report] | None = transports.carrier_of(to).sent_to(to, since=since)
        except CarrierError as error:
            log.warning("message.look_up_failed", message=message.pk, code=error.code)
            found = None
        settled += _judge(message.pk, found, now=now or clock.database_now())
    return settled


def fetch_missing(*, now: datetime | None = None) -> int:
    """Ask the carrier about texts that it took long ago and never reported on; gives back how many moved.

    Asked after half an hour, then at longer and longer intervals for a day; some carriers never confirm.
    """
    moved = 0
    for message in _take_unreported(now=now or clock.database_now()):
        try:
            report = transports.carrier_of(message.mail or message.to).fetch(message.provider_id)
        except CarrierError as error:
            log.warning("message.fetch_failed", message=message.pk, code=error.code)
            continue
        if report is not None:
            moved += receipts.record(
                provider_id=message.provider_id,
                message_id=message.pk,
                status=report.status,
                error_code=report.error_code,
                now=now or clock.database_now(),
            )
    return moved


def _send_one(claimed: Claimed, latest: float) -> Outcome:
    by_mail = transports.is_mail(claimed.outgoing.to)  # the breaker knows of the carrier of texts alone
    if time.monotonic() > latest or not (by_mail or breaker.closed()):
        return NotBegun()
    try:
        report = transports.carrier_of(claimed.outgoing.to).send(claimed.outgoing)
    except CarrierError as error:
        if not by_mail:
            breaker.note(error)
        return error
    except Exception as error:  # whatever else went wrong: nobody knows how far it came
        log.exception("message.transport_broke", message=claimed.message_id, error=type(error).__name__)
        return InDoubt("", type(error).__name__)
    if not by_mail:
        breaker.note(None)
    return report


def _sent(message: Message, report: Report, *, now: datetime) -> None:
    try:
        with transaction.atomic():
            receipts.accept(message, provider_id=report.provider_id, at=now, now=now)
    except IntegrityError as error:
        if "notifications_provider_id_on_one_message" not in str(error):
            raise
        # A look-up took this id for a like text. Which of the two was sent is what the evidence has to tell.
        message.refresh_from_db()
        _doubt(message, code="", now=now)
        return
    receipts.settle(message, now=now)


def _not_sent(message: Message, error: CarrierError, *, now: datetime) -> None:
    match error:
        case InDoubt():
            _doubt(message, code=error.code, now=now)
        case OptedOut():
            consent.opt_out(number=message.to, source="carrier", now=now)
            message.move(
                MessageState.SUPPRESSED, at=now, by=CARRIER, why="opted_out", error_code=error.code, lease_until=None
            )
            calls.instead_of(message, now=now)
        case Unreachable():
            receipts.give_up(message, code=error.code, why="unreachable", now=now, by=CARRIER)
        case NotBegun():
            _back(message, pause=0.0, code="", attempts=message.attempts - 1, now=now)
        case Busy():
            pause = min(2.0**message.attempts, LONGEST_WAIT) if error.retry_after is None else error.retry_after
            _back(message, pause=max(pause, 1.0), code=error.code, attempts=message.attempts, now=now)
        case Stopped():
            log.error("carrier.stopped", code=error.code, message="no text goes until somebody has looked")
            _back(message, pause=breaker.STOPPED_SECONDS, code=error.code, attempts=message.attempts - 1, now=now)
        case NotSent():
            log.error("message.refused", code=error.code, sender=message.sender.key, template=message.template)
            receipts.give_up(message, code=error.code, why="refused", now=now, by=CARRIER)
        case _:
            _doubt(message, code=error.code, now=now)


def _back(message: Message, *, pause: float, code: str, attempts: int, now: datetime) -> None:
    message.move(
        MessageState.QUEUED,
        at=now,
        by=RULE,
        not_before=now + timedelta(seconds=min(pause, LONGEST_WAIT)),
        lease_until=None,
        error_code=code[:20],
        attempts=max(attempts, 0),
    )


def _doubt(message: Message, *, code: str, now: datetime) -> None:
    pause = now + timedelta(seconds=settings.MESSAGE_DOUBT_SECONDS)
    message.move(MessageState.IN_DOUBT, at=now, by=RULE, lease_until=pause, error_code=code[:20])


def _take_doubts(*, now: datetime) -> list[Message]:
    """Doubts whose pause is over, ours for the length of a lease, so that two workers do not ask for the same."""
    with transaction.atomic(durable=True):
        rows = list(
            Message.objects.filter(state=MessageState.IN_DOUBT, lease_until__lte=now)
            .select_for_update(skip_locked=True)
            .order_by("lease_until", "pk")[:LOOKED_UP]
        )
        lease = now + timedelta(seconds=settings.MESSAGE_LEASE_SECONDS)
        Message.objects.filter(pk__in=[row.pk for row in rows]).update(lease_until=lease)
    return rows


def _locked_doubt(key: int) -> Message | None:
    return (
        Message.objects.select_for_update(of=("self",))
        .select_related("sender")
        .filter(pk=key, state=MessageState.IN_DOUBT)
        .first()
    )


@transaction.atomic
def _judge(key: int, found: Sequence[Report] | None, *, now: datetime) -> bool:
    """Settle a doubt by what the carrier's list shows; `found` is None when it could not be asked."""
    message = _locked_doubt(key)
    if message is None:
        return False
    if receipts.settle(message, now=now):  # a callback came while we asked
        return True
    if found is None:
        if message.not_after > now:
            return False  # asked again when the lease is over
        receipts.give_up(message, code="", why="carrier_silent", now=now)
        return True
    wanted = wording.pattern(message.body)
    known = set(
        Message.objects.filter(provider_id__in=[report.provider_id for report in found]).values_list(
            "provider_id", flat=True
        )
    )
    match = [report for report in found if report.provider_id not in known and wanted.fullmatch(report.body)]
    if match:
        oldest = match[-1]
        receipts.accept(message, provider_id=oldest.provider_id, at=oldest.created_at or now, now=now)
        if not receipts.settle(message, now=now):
            receipts.move_on(
                message, provider_id=oldest.provider_id, status=oldest.status, error_code=oldest.error_code, now=now
            )
    elif message.resends == 0 and message.not_after > now:
        message.move(MessageState.QUEUED, at=now, by=RULE, resends=1, not_before=now, lease_until=None)
    else:
        receipts.give_up(message, code=message.error_code, why="lost", now=now)
    return True


def _take_unreported(*, now: datetime) -> list[Message]:
    with transaction.atomic(durable=True):
        rows = list(
            Message.objects.filter(state=MessageState.ACCEPTED, lease_until__lte=now)
            .select_for_update(skip_locked=True)
            .order_by("lease_until", "pk")[:LOOKED_UP]
        )
        for row in rows:
            age = now - (row.accepted_at or now)
            again = now + max(age, receipts.POLLED_AFTER) if age < timedelta(days=1) else None
            Message.objects.filter(pk=row.pk, state=MessageState.ACCEPTED).update(lease_until=again)
    return rows
