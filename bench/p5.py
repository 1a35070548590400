"""P5: texts from outbox rows to a carrier of 100 ms, and how long a ready bag waits for its text."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import requests

from bench.rows import Ratio
from config.embedded.host import ROOT
from tests.faults.town import BEATS, WORKERS, Feed, feeding
from tests.product import Running, running, until

TEXTS = int(os.environ.get("P5_TEXTS", "10000"))
LATENCY, IN_FLIGHT, ROUNDS, BAGS = 0.1, 100, 3, 100
CHILDREN = 2 * len(WORKERS)
KILLED_AT = 0.5  # of the texts
MOST = 0.99  # of the texts; what the killed process had in its hands waits for its lease, and is told apart
name = (
    f"{TEXTS:,} texts from outbox rows to a carrier of {1000 * LATENCY:.0f} ms, {IN_FLIGHT} in flight, a worker killed"
)


@dataclass(frozen=True)
class Round:
    """What one rush led to; `last` is the seconds until the last text was settled."""

    a_second: float
    ceiling: float
    lost: int
    twice: int
    last: float


def run() -> list[Ratio]:
    """Two workers of two processes; half way one of the four is killed."""
    threads = str(IN_FLIGHT // CHILDREN)
    with (
        running(sample=False, programs=()) as town,
        carrier() as port,
        town.other(*WORKERS, *BEATS, TWILIO_API_BASE_URL=f"http://127.0.0.1:{port}", MESSAGE_THREADS=threads) as crew,
        feeding(crew) as feed,
    ):
        feed.ask(do="queue", first=1, count=1, batch=1, seconds=0)
        until(lambda: _left(town) == 0, within=60, what="the workers are awake")
        rounds = [_rush(town, crew, feed, port, first=TEXTS * turn + 2) for turn in range(ROUNDS)]
        up = _waits(town, feed)
        town.stop_redis()
        with sweeping(crew):
            feed.ask(do="queue", first=TEXTS * ROUNDS + 2, count=1, batch=1, seconds=0)
            until(lambda: _left(town) == 0, within=60, what="the sweeps have begun")
            down = _waits(town, feed)
    return [
        Ratio(
            f"texts, until {100 * MOST:.0f} of 100 have left", "/s", _each(rounds, "a_second"),
            "the carrier, asked by a bare client", _each(rounds, "ceiling"), must=0.75,
        ),
        Ratio("texts lost", "", _each(rounds, "lost"), "limit", must=0, better="less"),
        Ratio("texts sent twice", "", _each(rounds, "twice"), "limit", must=0, better="less"),
        Ratio("until the last is settled, the killed one's too", "s", _each(rounds, "last"), "limit", better="less"),
        Ratio("ready -> accepted, median", "s", (_at(up, 0.5),), "limit", better="less"),
        Ratio("ready -> accepted, 99 of 100", "s", (_at(up, 0.99),), "limit", must=3, better="less"),
        Ratio("the same without Redis, median", "s", (_at(down, 0.5),), "limit", better="less"),
        Ratio("the same without Redis, 99 of 100", "s", (_at(down, 0.99),), "limit", must=15, better="less"),
    ]  # fmt: skip


def _each(rounds: list[Round], figure: str) -> tuple[float, ...]:
    return tuple(float(getattr(one, figure)) for one in rounds)


def _at(sorted_waits: list[float], share: float) -> float:
    return sorted_waits[min(int(share * len(sorted_waits)), len(sorted_waits) - 1)]


def _rush(town: Running, crew: Running, feed: Feed, port: int, *, first: int) -> Round:
    """Queue all texts for one moment, ring every process, kill one half way, and wait until all are settled."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.carrier", "ask", str(port), str(TEXTS), str(IN_FLIGHT)],
        cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    made = feed.ask(do="queue", first=first, count=TEXTS, batch=1000, seconds=0, wait=True)
    ours, before = set(map(str, made["ids"])), _asked(port, "count")["texts"]
    began = time.time()
    feed.ask(do="release", ids=made["ids"], times=CHILDREN)
    half = before + KILLED_AT * TEXTS
    until(lambda: _asked(port, "count")["texts"] >= half, within=300, every=0.2, what="half of the texts have left")
    crew.kill_one_child(WORKERS[0])
    until(lambda: _left(town) == 0, within=300, every=1.0, what="every text is settled")
    last = time.time() - began
    times = {key: moments for key, moments in _asked(port, "told").items() if key in ours}
    left = sorted(moments[0] for moments in times.values())
    return Round(
        a_second=MOST * len(left) / (_at(left, MOST) - left[0] + LATENCY),
        ceiling=float(done.stdout),
        lost=len(ours) - len(times),
        twice=sum(len(moments) - 1 for moments in times.values()),
        last=last,
    )


def _waits(town: Running, feed: Feed) -> list[float]:
    """Seconds from the moment a bag was ready until the carrier had its text, for so many bags, sorted."""
    made = feed.ask(do="readers", count=BAGS)
    orders = [one["order"] for one in made["readers"]]
    sql = (
        "SELECT extract(epoch FROM min(m.accepted_at) - o.ready_at) FROM pickup_order o JOIN notifications_message m"
        " ON m.about = 'appointment:' || o.appointment_id WHERE o.id = ANY(%s) AND m.accepted_at IS NOT NULL"
        " GROUP BY o.id, o.ready_at"
    )

    def waits() -> list[float]:
        with psycopg.connect(town.environment["DATABASE_URL"]) as connection:
            found = [float(seconds) for (seconds,) in connection.execute(sql, [orders])]
        return sorted(found) if len(found) == BAGS else []

    return until(waits, within=120, what="every bag's text is accepted")


def _left(town: Running) -> int:
    sql = "SELECT count(*) FROM notifications_message WHERE state IN ('queued', 'sending', 'in_doubt')"
    with psycopg.connect(town.environment["DATABASE_URL"]) as connection:
        return int(connection.execute(sql).fetchall()[0][0])


def _asked(port: int, what: str) -> dict[str, Any]:
    told: dict[str, Any] = requests.get(f"http://127.0.0.1:{port}/{what}", timeout=20).json()
    return told


@contextmanager
def carrier() -> Iterator[int]:
    """The stand-in in a process of its own; its port."""
    command = [sys.executable, "-m", "bench.carrier", "serve", str(LATENCY)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()


@contextmanager
def sweeping(crew: Running) -> Iterator[None]:
    """What an operator starts while Redis is away (docs/runbook.md)."""
    command = [sys.executable, "manage.py", "sweep", "--every", "5"]
    environment = crew.product.everything()
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
