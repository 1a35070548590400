"""`make run`: the whole service on this machine, watched until Ctrl-C."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from config.embedded import processes
from config.embedded.binaries import outside
from config.embedded.host import (
    LOOPBACK,
    VAR,
    Stop,
    need_room,
    next_free_port,
    server_identity,
    wanted_port,
    write_privately,
)
from config.embedded.product import (
    Product,
    answers,
    embedded_environment,
    fingerprint,
    read_environment,
    write_environment,
)
from config.embedded.servers import Servers
from config.embedded.steps import Steps, say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from config.embedded.processes import Program

LOGS = VAR / "log"
ENVIRONMENT = VAR / "run.env"
RECORD = VAR / "processes.json"
WHERE = VAR / "run.json"
PREPARED = "prepared"
LOOK = 2.0  # seconds between two looks at the processes; a child that ends wakes us at once
STEADY = 60.0  # seconds after which a process counts as well again
LONGEST_PAUSE = 30.0
LARGEST_LOG = 5_000_000
ROOM = 150  # MiB: an empty cluster with the sample library and its log, and some days


class Leave(BaseException):
    """Somebody asked us to end."""


class Signals:
    """Turns Ctrl-C, SIGTERM and SIGHUP into one `Leave`, never in the middle of starting a child."""

    def __init__(self) -> None:
        self.asked = False
        self.holds = 0
        self.reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if (
                number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN
            ):  # nohup outlives terminals
                signal.signal(number, self._ask)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only to wake the watch

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        if not self.asked:
            self.asked = True
            if not self.holds:
                raise Leave

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Let one step finish before leaving."""
        self.holds += 1
        try:
            yield
        finally:
            self.holds -= 1
        if self.asked and not self.holds:
            raise Leave

    def wait(self, seconds: float) -> None:
        """Sleep, but no longer than until the next signal."""
        if select.select([self.reader], [], [], seconds)[0]:
            os.read(self.reader, 4096)


def run() -> int:
    """Start everything, say where it is, and watch it. 0 also when it already runs."""
    VAR.mkdir(exist_ok=True)
    with (VAR / "run.lock").open("a") as lock:
        if address := _of_the_other(lock):
            say("It already runs.")
            _announce(address)
            return 0
        WHERE.unlink(missing_ok=True)
        runner = Runner()
        try:
            runner.start()
            runner.watch()
        except Leave:
            say("\nEnding ...")
        except Stop:
            if not runner.signals.asked:  # else it is our own ending that made a step fail
                raise
        finally:
            runner.stop()
    say("Ended. Everything is kept in var/; `make run` goes on from here.")
    return 0


def reset() -> int:
    """Forget the data of `make run`; `.venv` stays."""
    VAR.mkdir(exist_ok=True)
    with (VAR / "run.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Stop("the service is running. End it first (Ctrl-C where it runs), then: make reset") from None
        processes.end_left_overs(RECORD)
        for path in [*VAR.iterdir(), outside(VAR)]:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name not in {"run.lock", "bootstrap.lock"}:
                path.unlink(missing_ok=True)
    say("The data of `make run` is gone; the next `make run` begins with the sample library.")
    return 0


class Runner:
    """The servers and the product, as one thing that starts, is watched, and ends."""

    def __init__(self) -> None:
        self.signals = Signals()
        processes.unbroken = self.signals.hold
        named = {name: os.environ.get(name, "") for name in ("DATABASE_URL", "REDIS_URL")}
        self.servers = Servers(VAR, LOGS, database_url=named["DATABASE_URL"], redis_url=named["REDIS_URL"])
        self.product: Product | None = None
        self.claim = -1  # the file that keeps other services away from our port
        self.pauses: dict[str, float] = {}
        self.due: dict[str, float] = {}
        self.born: dict[str, float] = {}

    def start(self) -> None:
        """From nothing to the first page."""
        need_room(ROOM, VAR)
        _rotate_logs()
        if ended := processes.end_left_overs(RECORD):
            say(f"Ended what an earlier run left behind: {', '.join(ended)}.")
        wanted = wanted_port()
        port, self.claim = next_free_port(wanted)
        if port != wanted:
            say(f"Port {wanted} is taken; the service will answer on {port}.")
        steps = Steps(3, done=int(os.environ.pop("SETUP_STEPS", "0")))
        kept = read_environment(ENVIRONMENT)
        with steps.step("Starting PostgreSQL and Valkey"):
            ports = _port_of(kept, "DATABASE_URL"), _port_of(kept, "REDIS_URL")
            self.servers.start(identity=server_identity(), ports=ports)
            processes.record(RECORD, self.programs)
        environment = embedded_environment(
            port=port, database_url=self.servers.database_url, redis_url=self.servers.redis_url, kept=kept
        )
        write_environment(ENVIRONMENT, environment)
        self.product = Product(port, environment, LOGS, VAR)
        with steps.step("Preparing the database, the translations and the static files"):
            self._prepare(self.product)
        with steps.step("Waiting for the first page"):
            self._begin("web")
            self.product.wait_for_page()
        for name in ("worker", "beat"):
            self._begin(name)
        write_privately(WHERE, json.dumps({"address": self.product.address, "port": port, "pid": os.getpid()}))
        _announce(self.product.address)

    def _prepare(self, product: Product) -> None:
        """Migrate and the rest, unless the very same was done to the very same data before."""
        postgres = self.servers.postgres
        stamp = postgres.home / PREPARED if postgres else None
        mark = fingerprint(str(postgres.folder.stat().st_ino) if postgres else "", str(product.state))
        if stamp and stamp.exists() and stamp.read_text(encoding="ascii") == mark:
            return
        product.prepare(sample=postgres is not None)
        if stamp:
            write_privately(stamp, mark)

    def _begin(self, name: str) -> None:
        assert self.product is not None
        with self.signals.hold():
            self.product.start(name)
            self.born[name] = time.monotonic()
            processes.record(RECORD, self.programs)

    @property
    def programs(self) -> list[Program]:
        """Every process, servers first."""
        return [*self.servers.programs, *(self.product.programs.values() if self.product else ())]

    def watch(self) -> None:
        """Start again what ends, each time after a longer pause. Returns never; `Leave` ends it."""
        while True:
            now = time.monotonic()
            for program in self.programs:
                if program.runs:
                    continue
                if program.name not in self.due:
                    self._plan(program, now)
                elif now >= self.due[program.name]:
                    del self.due[program.name]
                    with self.signals.hold():
                        program.start()
                    self.born[program.name] = now
            processes.record(RECORD, self.programs)
            self.signals.wait(min([LOOK, *(max(0.05, due - now) for due in self.due.values())]))

    def _plan(self, program: Program, now: float) -> None:
        program.send_all(signal.SIGKILL)  # children that outlived it would hold its port
        lived = now - self.born.get(program.name, 0.0)
        pause = 1.0 if lived > STEADY else min(LONGEST_PAUSE, self.pauses.get(program.name, 0.5) * 2)
        self.pauses[program.name], self.due[program.name] = pause, now + pause
        say(f"{program.name} ended; it starts again in {pause:.0f} s. See {program.log.relative_to(VAR.parent)}")

    def stop(self) -> None:
        """End the product, then the servers; every process is gone afterwards."""
        if self.product is not None:
            self.product.stop()
        self.servers.stop()
        RECORD.unlink(missing_ok=True)
        WHERE.unlink(missing_ok=True)


def _of_the_other(lock: TextIO) -> str:
    """Where the service that holds the lock answers; "" once the lock is ours. Waits for one that is starting."""
    waiting = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            where = _where()
            if where and answers(where["port"], "/healthz"):
                return str(where["address"])
        else:
            return ""
        if not waiting:
            say("Another `make run` is starting in this folder; waiting for it ...")
            waiting = True
        time.sleep(0.2)


def _where() -> dict[str, Any]:
    try:
        return dict(json.loads(WHERE.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return {}


def _port_of(kept: dict[str, str], name: str) -> int:
    """The port of last time, so that an open `psql` finds the database again."""
    port = kept.get(name, "").rpartition(f"@{LOOPBACK}:")[2].partition("/")[0]
    return int(port) if port.isdigit() else 0


def _rotate_logs() -> None:
    LOGS.mkdir(parents=True, exist_ok=True)
    for log in LOGS.glob("*.log"):
        if log.stat().st_size > LARGEST_LOG:
            log.replace(log.with_suffix(".log.1"))


def _announce(address: str) -> None:
    say(
        f"\n  Patrons   {address}/\n  Staff     {address}/staff/\n  Phones    {address}/sandbox/phones/\n\n"
        f"  Logs: var/log/*.log   Ctrl-C ends everything   make reset starts over\n"
    )
