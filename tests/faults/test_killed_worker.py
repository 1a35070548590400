"""A worker is killed between the carrier's accept and our commit, again and again, while it sends 200 texts."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection

from core import clock
from notifications.models import Call, Message
from notifications.states import MessageState
from tests import rows
from tests.notifications import standin
from tests.notifications.conftest import queue

pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]

TEXTS = 200
KILLED_EVERY = 25
PATIENCE = 50.0
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Outcome:
    """What 200 texts and a row of kills came to."""

    kills: int
    taken: int
    called: int
    lost: int
    duplicates: int
    resends: int
    states: dict[str, int]
    seconds: float


def send_and_be_killed(way: str) -> Outcome:
    """Send 200 texts in a worker process; each time the carrier has taken 25 more it kills the worker, then a new
    worker goes on, until nothing is open.
    """
    now = clock.database_now()
    sender = rows.sender(quiet_from=time(0), quiet_until=time(0))
    texts = [queue(sender, now=now, to=f"+8210{number:08d}") for number in range(TEXTS)]
    worker: list[int] = []
    kills: list[int] = []
    began = monotonic()
    with standin.serving() as carrier:

        def kill_now_and_then(_message: dict[str, Any]) -> None:
            with carrier.lock:
                if len(carrier.taken) < KILLED_EVERY * (len(kills) + 1) or len(kills) >= TEXTS // KILLED_EVERY:
                    return
                kills.append(worker[-1])
            with contextlib.suppress(ProcessLookupError):
                os.kill(kills[-1], signal.SIGKILL)

        carrier.after_taking = kill_now_and_then
        environment = {**os.environ, **surroundings(carrier.base_url)}
        nursery = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.worker", way], cwd=ROOT, env=environment, stdout=subprocess.PIPE
        )
        alarm = threading.Timer(PATIENCE, nursery.kill)
        alarm.start()
        try:
            assert nursery.stdout is not None
            worker.extend(map(int, nursery.stdout))
            assert nursery.wait() == 0, "it did not come to an end in time"
        finally:
            alarm.cancel()
            nursery.kill()
            nursery.wait()
        times = Counter(one["to"] for one in carrier.taken)
    called = set(Call.objects.values_list("number", flat=True))
    found = Counter(Message.objects.values_list("state", flat=True))
    return Outcome(
        kills=len(kills),
        taken=sum(times.values()),
        called=len(called),
        lost=sum(text.to not in times and text.to not in called for text in texts),
        duplicates=sum(count - 1 for count in times.values()),
        resends=Message.objects.filter(resends__gt=0).count(),
        states=dict(found),
        seconds=monotonic() - began,
    )


def surroundings(carrier: str) -> dict[str, str]:
    """The worker's environment: this test's database, this test's carrier, and leases short enough to wait for."""
    database = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    return {
        "DATABASE_URL": database.geturl(),
        "TWILIO_API_BASE_URL": carrier,
        "MESSAGE_LEASE_SECONDS": "2",
        "MESSAGE_HTTP_SECONDS": "1",
        "MESSAGE_DOUBT_SECONDS": "1",
        "MESSAGE_THREADS": "4",
    }


def test_no_text_is_lost_and_the_naive_design_sends_more_twice(capsys: pytest.CaptureFixture[str]):
    ours = send_and_be_killed("ours")
    Message.objects.all().delete()
    Call.objects.all().delete()
    naive = send_and_be_killed("naive")
    with capsys.disabled():
        print()
        for name, outcome in (("claim, send, record", ours), ("all in one transaction", naive)):
            print(
                f"  {name}: {TEXTS} texts, {outcome.kills} kills, {outcome.lost} lost, {outcome.duplicates} sent twice"
                f" ({1000 * outcome.duplicates / TEXTS:.0f} per 1000), {outcome.resends} sent after a look-up found"
                f" nothing, {outcome.called} given to staff to call, {outcome.seconds:.1f} s"
            )
    assert ours.kills >= 6
    assert ours.lost == 0
    assert ours.states.keys() <= {MessageState.ACCEPTED, MessageState.FAILED}
    assert ours.called <= TEXTS // 20  # hit by two kills before they had left: staff call, nobody is forgotten
    assert naive.kills >= 6
    assert naive.duplicates > ours.duplicates
    assert ours.duplicates == 0
