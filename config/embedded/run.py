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
from typing import TYPE_CHECKING

from config.embedded import processes
from config.embedded.binaries import outside
from config.embedded.host import LOOPBACK, VAR, Stop, next_free_port, server_identity, write_privately
from config.embedded.product import (
    Product,
    embedded_environment,
    fingerprint,
    read_environment,
    write_environment,
)
from config.embedded.servers import Servers

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


class Leave(BaseException):
    """Somebody asked us to end."""


class Signals:
    """Turns Ctrl-C, SIGTERM and SIGHUP into one `Leave`, never in the middle of starting a child."""

    def __init__(self) -> None:
        self.asked = self.held = False
        self.reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only to wake the watch

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        if not self.asked:
            self.asked = True
            if not self.held:
                raise Leave

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Let one step finish before leaving."""
        self.held = True
        try:
            yield
        finally:
            self.held = False
        if self.asked:
            raise Leave

    def wait(self, seconds: float) -> None:
        """Sleep, but no longer than until the next signal."""
        if select.select([self.reader], [], [], seconds)[0]:
            os.read(self.reader, 4096)


def run() -> int:
    """Start everything, say where it is, and watch it. 0 also when it already runs."""
    VAR.mkdir(exist_ok=True)
    with (VAR / "run.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return _already_runs()
        WHERE.unlink(missing_ok=True)
        runner = Runner()
        try:
            runner.start()
            runner.watch()
        except Leave:
            _say("\nEnding ...")
        finally:
            runner.stop()
    _say("Ended. Everything is kept in var/; `make run` goes on from here.")
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
    _say("The data of `make run` is gone; the next `make run` begins with the sample library.")
    return 0


class Runner:
    """The servers and the product, as one thing that starts, is watched, and ends."""

    def __init__(self) -> None:
        self.signals = Signals()
        named = {name: os.environ.get(name, "") for name in ("DATABASE_URL", "REDIS_URL")}
        self.servers = Servers(VAR, LOGS, database_url=named["DATABASE_URL"], redis_url=named["REDIS_URL"])
        self.product: Product | None = None
        self.pauses: dict[str, float] = {}
        self.due: dict[str, float] = {}
        self.born: dict[str, float] = {}

    def start(self) -> None:
        """From nothing to the first page."""
        _rotate_logs()
        if ended := processes.end_left_overs(RECORD):
            _say(f"Ended what an earlier run left behind: {', '.join(ended)}.")
        port = next_free_port(_wanted_port())
        kept = read_environment(ENVIRONMENT)
        with self.signals.hold():
            ports = _port_of(kept, "DATABASE_URL"), _port_of(kept, "REDIS_URL")
            self.servers.start(identity=server_identity(), ports=ports)
            processes.record(RECORD, self.programs)
        environment = embedded_environment(
            port=port, database_url=self.servers.database_url, redis_url=self.servers.redis_url, kept=kept
        )
        write_environment(ENVIRONMENT, environment)
        self.product = Product(port, environment, LOGS, VAR)
        self._prepare(self.product)
        self._begin("web")
        self.product.wait_for_page()
        for name in ("worker", "beat"):
            self._begin(name)
        write_privately(WHERE, json.dumps({"address": self.product.address, "pid": os.getpid()}))
        _announce(self.product.address)

    def _prepare(self, product: Product) -> None:
        """Migrate and the rest, unless the very same was done to the very same data before."""
        postgres = self.servers.postgres
        stamp = postgres.home / PREPARED if postgres else None
        mark = fingerprint(str(postgres.folder.stat().st_ino) if postgres else "", str(product.state))
        if stamp and stamp.exists() and stamp.read_text(encoding="ascii") == mark:
            return
        _say("Preparing the database, the translations and the static files (the first time about half a minute) ...")
        with self.signals.hold():
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
        _say(f"{program.name} ended; it starts again in {pause:.0f} s. See {program.log.relative_to(VAR.parent)}")

    def stop(self) -> None:
        """End the product, then the servers; every process is gone afterwards."""
        if self.product is not None:
            self.product.stop()
        self.servers.stop()
        RECORD.unlink(missing_ok=True)
        WHERE.unlink(missing_ok=True)


def _already_runs() -> int:
    for _ in range(100):
        try:
            where = json.loads(WHERE.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            time.sleep(0.3)
            continue
        _say("It already runs.")
        _announce(where["address"])
        return 0
    _say("Another `make run` is starting in this folder; its terminal says where it will answer.")
    return 0


def _wanted_port() -> int:
    said = os.environ.get("PORT", "8000")
    if not said.isascii() or not said.isdigit() or not 1 <= int(said) <= 65535:
        raise Stop(f"PORT must be a number from 1 to 65535, not {said!r}")
    return int(said)


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
    _say(
        f"\n  Patrons   {address}/\n  Staff     {address}/staff/\n  Phones    {address}/sandbox/phones/\n\n"
        f"  Logs: var/log/*.log   Ctrl-C ends everything   make reset starts over\n"
    )


def _say(sentence: str) -> None:
    print(sentence, flush=True)
