"""Texts of days gone by: taken and brought at once, in this process, with nothing posted and nobody asked.

The sample library begins with a past. When it is written no web server runs yet that could carry its texts, and what
was due a week ago would be late for ever; so the carrier takes them here, at the moment at which they were due.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from notifications import claims, delivery, inbound, receipts
from notifications.sandbox import carrier
from notifications.sandbox.models import Posting
from notifications.transports import Report


@transaction.atomic
def deliver(*, now: datetime) -> int:
    """Bring to the phones what was due at the moment `now`; gives back how many texts came."""
    brought = 0
    while batch := claims.take(now=now):
        for claimed in batch.claimed:
            sent = claimed.outgoing
            text = carrier.take(
                sent_to=sent.to, sent_from=sent.sender, body=sent.body, status_callback="", now=now, at_once=True
            )
            delivery.record(claimed, Report(text.sid, text.status), now=now)
            receipts.record(provider_id=text.sid, message_id=claimed.message_id, status=text.status, now=now)
            brought += 1
    return brought


@transaction.atomic
def answer(*, sent_from: str, sent_to: str, body: str, now: datetime) -> None:
    """A phone answered at the moment `now`: stored as our webhook would have, to be understood by the next sweep."""
    text = carrier.bring(sent_from=sent_from, sent_to=sent_to, body=body, now=now)
    inbound.store(provider_id=text.sid, from_number=sent_from, to_number=sent_to, body=body, media=0, now=now)
    Posting.objects.filter(text=text).update(done_at=now)
