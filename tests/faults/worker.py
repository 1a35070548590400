"""Worker processes to be killed: `python -m tests.faults.worker ours|naive`.

Forks one worker after the other, each of which sends until nothing is open, and says each one's process id on a line of
its own; a worker that was killed is followed by the next.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import django
from django.db import transaction

from core import clock
from core.actor import RULE

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from notifications import claims, delivery, transports  # noqa: E402 - rows come after the set-up
from notifications.models import Message  # noqa: E402
from notifications.states import MessageState  # noqa: E402

OPEN = [MessageState.QUEUED, MessageState.SENDING, MessageState.IN_DOUBT]


def ours() -> None:
    """Claim and commit, send, record; doubts are looked into."""
    delivery.deliver()
    delivery.resolve_doubts()


def naive() -> None:
    """Send inside the transaction that writes down the result, one text at a time: the mildest form of the mistake."""
    with transaction.atomic():
        rows = Message.objects.select_for_update(skip_locked=True, of=("self",)).select_related("sender")
        row = rows.filter(state=MessageState.QUEUED).order_by("pk").first()
        if row is None:
            return
        now = clock.database_now()
        row.move(MessageState.SENDING, at=now, by=RULE, lease_until=now)
        claimed = claims.Claimed(row.pk, 0, transports.Outgoing(row.pk, row.sender.number, row.to, row.body, 600))
        report = transports.text().send(claimed.outgoing)
        row.move(MessageState.ACCEPTED, at=now, by=RULE, provider_id=report.provider_id, accepted_at=now)


def work(way: Callable[[], None]) -> None:
    """Send until nothing is open."""
    while Message.objects.filter(state__in=OPEN).exists():
        way()
        time.sleep(0.05 if way is ours else 0)


if __name__ == "__main__":
    way = {"ours": ours, "naive": naive}[sys.argv[1]]
    transports.text()  # the client's many modules are read once, not by every worker
    while True:
        worker = os.fork()
        if not worker:
            work(way)
            os._exit(0)
        print(worker, flush=True)
        if os.waitpid(worker, 0)[1] == 0:
            break
