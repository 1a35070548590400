"""A doorbell never stops the work: without a broker the sweep finds the rows."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest
from django.conf import settings

from core import nudge

RING = """
import time, django
django.setup()
from core import nudge
from django.db import transaction
from django.conf import settings
transaction.on_commit = lambda act: act()  # no database here: as if the commit had just been made
began = time.monotonic()
for _ in range(20):
    nudge.ring("order ready", [1, 2])
print(round(time.monotonic() - began, 2))
"""


def seconds_for_twenty(broker: str) -> float:
    """Ring twenty times in a process of its own that knows only this broker."""
    environment = {**os.environ, "REDIS_URL": broker, "DJANGO_SETTINGS_MODULE": "config.settings"}
    done = subprocess.run(
        [sys.executable, "-c", RING],
        env=environment,
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout.split()[-1])


def test_a_dead_broker_costs_nothing() -> None:
    assert seconds_for_twenty("redis://127.0.0.1:1/0") < 2


def test_a_broker_that_hangs_costs_two_seconds_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert seconds_for_twenty(f"redis://127.0.0.1:{silent.getsockname()[1]}/0") < 10  # and not forty


@pytest.mark.django_db
def test_a_doorbell_that_nobody_named_is_an_error_at_once() -> None:
    with pytest.raises(KeyError):
        nudge.ring("no such hand-off", [1])


@pytest.mark.django_db
def test_no_rows_no_ringing(django_capture_on_commit_callbacks) -> None:
    with django_capture_on_commit_callbacks() as rung:
        nudge.ring("order ready", [])
    assert rung == []
    with django_capture_on_commit_callbacks() as rung:
        nudge.ring("order ready", [3, 3, 1])
    assert len(rung) == 1
