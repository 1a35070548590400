"""The running product to be hurt: two workers, two beats, and a carrier at the wire that reports by HTTP."""

from __future__ import annotations

import heapq
import itertools
import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import redis
import requests
from twilio.request_validator import RequestValidator

from config.embedded.host import ROOT
from tests.notifications import standin
from tests.notifications.standin import StandIn
from tests.product import Running, until

WORKERS = ("worker-1", "worker-2")
BEATS = ("beat-1", "beat-2")
# Leases short enough to wait for; what holds with them holds with longer ones, later.
SHORT = {
    "MESSAGE_LEASE_SECONDS": "3",
    "MESSAGE_HTTP_SECONDS": "1",
    "MESSAGE_DOUBT_SECONDS": "1",
    "MESSAGE_THREADS": "8",
}
SENT = {"accepted", "delivered"}
ENDED = SENT | {"failed", "suppressed", "expired"}
_serial, _towns = itertools.count(1), itertools.count(1)


@dataclass
class Reckoning:
    """What became of some texts: lost is what neither the carrier has nor staff are told to call."""

    texts: int
    lost: int
    twice: int
    called: int
    resent: int
    states: dict[str, int]

    def __str__(self) -> str:
        states = ", ".join(f"{count} {state}" for state, count in sorted(self.states.items()))
        return (
            f"{self.texts} texts ({states}): {self.lost} lost, {self.twice} sent twice,"
            f" {self.resent} sent after a look-up found nothing, {self.called} given to staff to call"
        )


@dataclass
class Feed:
    """Somebody who goes on working: tests/faults/feed.py in a process of its own."""

    process: subprocess.Popen[str]
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, **what: Any) -> dict[str, Any]:
        """Ask for one thing, and wait for its answer."""
        with self.lock:
            pipe, said = self.process.stdin, self.process.stdout
            assert pipe is not None
            assert said is not None
            pipe.write(json.dumps(what) + "\n")
            pipe.flush()
            return _answer(said)


def _answer(said: IO[str]) -> dict[str, Any]:
    line = said.readline()
    assert line, "the feed has ended: its last words stand above"
    answer: dict[str, Any] = json.loads(line)
    return answer


class Reports:
    """Tells our webhook what became of each text: so many copies of each report, in any order, some of them late."""

    def __init__(self, luck: random.Random, environment: dict[str, str], *, copies: int, late: float) -> None:
        self.luck, self.environment, self.copies, self.late = luck, environment, copies, late
        self.due: list[tuple[float, int, str, dict[str, str]]] = []
        self.changed = threading.Condition()
        self.open = True
        self.refused: Counter[int] = Counter()
        self.told = 0
        self.pool = ThreadPoolExecutor(4)
        self.ends = [self.pool.submit(self._work) for _ in range(4)]

    def about(self, message: dict[str, Any]) -> None:
        """The carrier has taken a text."""
        with self.changed:
            for status in ("sent", "delivered") * self.copies:
                fields = {
                    "MessageSid": message["sid"],
                    "AccountSid": self.environment["TWILIO_ACCOUNT_SID"],
                    "MessageStatus": status,
                    "To": message["to"],
                    "From": message["from"],
                }
                when = time.monotonic() + self.luck.uniform(0, self.late)
                heapq.heappush(self.due, (when, next(_serial), message["callback"], fields))
            self.changed.notify_all()

    def end(self) -> None:
        """Tell what is left, and stop."""
        with self.changed:
            self.open = False
            self.changed.notify_all()
        for one in self.ends:
            one.result()
        self.pool.shutdown()

    def _work(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            while (report := self._next()) is not None:
                address, fields = report
                status = post(session, self.environment, address, fields)
                with self.changed:
                    self.told += 1
                    if status != 204:
                        self.refused[status] += 1

    def _next(self) -> tuple[str, dict[str, str]] | None:
        with self.changed:
            while self.due or self.open:
                wait = self.due[0][0] - time.monotonic() if self.due else 1.0
                if wait <= 0:
                    return heapq.heappop(self.due)[2:]
                self.changed.wait(wait)
        return None


def post(session: requests.Session, environment: dict[str, str], address: str, fields: dict[str, str]) -> int:
    """One signed call of a webhook; the status of the answer, 0 where nobody answered."""
    signature = RequestValidator(environment["TWILIO_AUTH_TOKEN"]).compute_signature(address, fields)
    try:
        return session.post(address, data=fields, headers={"X-Twilio-Signature": signature}, timeout=10).status_code
    except requests.RequestException:
        return 0


@dataclass
class Town:
    """The product under test. Each test queues texts of its own, breaks something, mends it, and reckons."""

    home: Running
    crew: Running
    carrier: StandIn
    feed: Feed
    luck: random.Random
    first: int = 1

    @property
    def environment(self) -> dict[str, str]:
        return self.home.environment

    def queue(self, count: int, *, batch: int = 10, seconds: float = 0.0) -> dict[str, Any]:
        """Queue texts, and wait until they are: `ids`, the `slowest` transaction in seconds, how many came `again`."""
        first, self.first = self.first, self.first + count
        return self.feed.ask(do="queue", first=first, count=count, batch=batch, seconds=seconds)

    @contextmanager
    def queueing(self, count: int, *, batch: int = 10, seconds: float) -> Iterator[dict[str, Any]]:
        """Queue texts beside what happens meanwhile; filled with what `queue` says at the end."""
        said: dict[str, Any] = {}
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(self.queue, count, batch=batch, seconds=seconds)
            yield said
            said.update(asked.result())

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the product's database."""
        with psycopg.connect(self.environment["DATABASE_URL"], autocommit=True) as connection:
            return connection.execute(sql, values).fetchall()

    def states(self, ids: list[int]) -> dict[str, int]:
        """How many of these texts are in which state."""
        sql = "SELECT state, count(*) FROM notifications_message WHERE id = ANY(%s) GROUP BY state"
        return {str(state): int(count) for state, count in self.rows(sql, ids)}

    def settled(self, ids: list[int], *, within: float, states: set[str] = ENDED) -> float:
        """Wait until all of them have come to an end; after how many seconds."""
        began = time.monotonic()
        try:
            until(lambda: set(self.states(ids)) <= states, within=within, what="every text comes to an end")
        except AssertionError as error:
            said = "\n".join(f"{name}: {self.crew.said(name, 8)}" for name in WORKERS)
            raise AssertionError(f"{error}: {self.states(ids)}\n{said}") from None
        return time.monotonic() - began

    def recovery(self, *, within: float) -> float:
        """Seconds until a text that is queued now has been accepted."""
        began = time.monotonic()
        self.settled(self.queue(1)["ids"], within=within, states=SENT)
        return time.monotonic() - began

    def reckon(self, ids: list[int]) -> Reckoning:
        """Compare what we wrote down with what the carrier has."""
        asked = [parse_qs(urlsplit(one["callback"]).query)["m"][0] for one in list(self.carrier.taken)]
        taken = Counter(int(one) for one in asked)
        called = {
            int(key)
            for (key,) in self.rows(
                "SELECT m.id FROM notifications_message m JOIN notifications_call c USING (dedup_key)"
                " WHERE m.id = ANY(%s)",
                ids,
            )
        }
        [(resent,)] = self.rows("SELECT count(*) FROM notifications_message WHERE id = ANY(%s) AND resends > 0", ids)
        return Reckoning(
            texts=len(ids),
            lost=sum(one not in taken and one not in called for one in ids),
            twice=sum(max(0, taken[one] - 1) for one in ids),
            called=len(called),
            resent=int(resent),
            states=self.states(ids),
        )

    @contextmanager
    def reporting(self, *, copies: int = 1, late: float = 0.5) -> Iterator[Reports]:
        """The carrier reports what it takes meanwhile; at the end nothing is left to be told."""
        reports = Reports(self.luck, self.environment, copies=copies, late=late)
        self.carrier.after_taking = reports.about
        try:
            yield reports
        finally:
            self.carrier.after_taking = lambda _message: None
            reports.end()

    @contextmanager
    def every(self, seconds: float, act: Callable[[], object]) -> Iterator[list[object]]:
        """Do something again and again meanwhile, in a thread of its own; filled with what it gave back."""
        over, done = threading.Event(), list[object]()

        def go_on() -> None:
            while not over.wait(seconds):
                done.append(act())

        with ThreadPoolExecutor(1) as pool:
            going = pool.submit(go_on)
            try:
                yield done
            finally:
                over.set()
                going.result()

    def killing(self, *, every: float) -> AbstractContextManager[list[object]]:
        """`kill -9` a child of one of the workers again and again meanwhile."""
        return self.every(every, lambda: self.crew.kill_one_child(self.luck.choice(WORKERS)))

    def redis_said(self, *command: str) -> Any:
        """Tell Redis something."""
        with redis.Redis.from_url(self.environment["REDIS_URL"], socket_timeout=5) as server:
            return server.execute_command(*command)

    def end_connections(self) -> int:
        """Terminate every other connection to our own database on a server that others use too; how many there were."""
        sql = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return int(self.rows(sql)[0][0])

    def breaches(self) -> str:
        """What the laws of the house say, after a fault."""
        return self.home.manage("check_invariants")

    def says(self, capsys: Any, line: str) -> None:
        """Print a figure also where the test passes."""
        with capsys.disabled():
            print(f"\n  {line}", end="", flush=True)


@contextmanager
def hurt(product: Running, *, seed: int, **settings: str) -> Iterator[Town]:
    """Two workers and two beats that send to a carrier of ours, beside the product's own web, until the end."""
    luck = random.Random(seed)
    random.seed(seed)  # which child is killed
    with standin.serving() as carrier:
        crew = product.other(*WORKERS, *BEATS, TWILIO_API_BASE_URL=carrier.base_url, **{**SHORT, **settings})
        with crew as running, feeding(running) as feed:
            yield Town(product, running, carrier, feed, luck, first=1_000_000 * next(_towns) + 1)


@contextmanager
def feeding(running: Running) -> Iterator[Feed]:
    """The feed's process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.feed"],
        cwd=ROOT,
        env=running.product.everything(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        _answer(process.stdout)
        yield Feed(process)
    finally:
        process.kill()
        process.communicate()
