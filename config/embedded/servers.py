"""A real PostgreSQL and a real Redis-compatible server (Valkey), on loopback and behind random passwords."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from config.embedded.binaries import Binaries, outside, settle
from config.embedded.host import LOOPBACK, Identity, Stop, free_port, kept_secret, write_privately
from config.embedded.processes import Program

if TYPE_CHECKING:
    from collections.abc import Callable

USER = "lending"
DATABASE = "lending"
START_WITHIN = 30.0  # seconds; recovery after a crash is part of it
TRIES = 8
# Another program may take a free port before the server does; children of a killed PostgreSQL take a moment to leave.
AGAIN = r"[Aa]ddress already in use|could not create any TCP/IP sockets|pre-existing shared memory block"
PLAIN = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


@dataclass
class Postgres:
    """One cluster in one folder of its own. `durable=False` is for tests: quick, and lost with the power."""

    binaries: Binaries
    home: Path
    identity: Identity
    log: Path
    durable: bool = True
    port: int = 0
    program: Program | None = None
    password: str = field(default="", repr=False)

    @property
    def folder(self) -> Path:
        return self.home / "postgres"

    def url(self, database: str = DATABASE) -> str:
        """The address of one database, password included."""
        return f"postgres://{USER}:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def start(self) -> None:
        """Make the cluster where there is none, end a left-over server of it, and start it."""
        self.password = kept_secret(self.home / "postgres.secret")
        if not (self.folder / "PG_VERSION").exists():
            self._make()
        self._refuse_other_version()
        self._end_left_over()
        for _ in range(TRIES):
            self.port = free_port(self.port)
            if self._try():
                self._make_database()
                return
        assert self.program is not None
        raise Stop(f"PostgreSQL does not start. The last lines of {self.log}:\n{self.program.said()}")

    def stop(self, *, crash: bool = False) -> None:
        """End the server; `crash` leaves recovery to the next start."""
        if self.program is not None:
            self.program.ending = signal.SIGQUIT if crash else signal.SIGINT
            self.program.end(5)

    def create(self, database: str, *, template: str = "template1") -> str:
        """Make one more database and give its address."""
        import psycopg  # 20 MiB that a start with everything in place does without

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"'.encode())
        return self.url(database)

    def _make(self) -> None:
        """`initdb`: UTF-8 with a locale that knows Hangul; in the locale C every Korean trigram would be lost."""
        for half in self.home.glob("postgres.half-*"):  # of a start that was killed
            shutil.rmtree(half, ignore_errors=True)
        half = self.folder.with_name(f"postgres.half-{os.getpid()}")
        half.mkdir(mode=0o700)
        self.identity.own(half)
        version = _major(self.binaries.postgres)
        locale = ["--locale-provider=builtin", "--locale=C.UTF-8"] if version >= 17 else ["--locale=C.UTF-8"]
        secret = half.with_suffix(".pwfile")
        write_privately(secret, self.password + "\n")
        self.identity.own(secret)
        try:
            done = subprocess.run(
                [
                    str(self.binaries.postgres / "initdb"), "-D", str(half), "-U", USER, "-E", "UTF8", *locale,
                    "--auth=scram-sha-256", f"--pwfile={secret}", *([] if self.durable else ["--no-sync"]),
                ],
                cwd="/", env=PLAIN, check=False, capture_output=True, text=True, start_new_session=True,
                **self.identity.options(),
            )  # fmt: skip
        finally:
            secret.unlink()
        if done.returncode:
            shutil.rmtree(half, ignore_errors=True)
            raise Stop(f"PostgreSQL could not make its folder {self.folder}:\n{(done.stderr or done.stdout).strip()}")
        if self.folder.exists():
            shutil.rmtree(self.folder)  # without PG_VERSION it is no cluster
        half.rename(self.folder)

    def _refuse_other_version(self) -> None:
        made_by = int((self.folder / "PG_VERSION").read_text(encoding="ascii").split(".")[0])
        runs = _major(self.binaries.postgres)
        if made_by != runs:
            raise Stop(
                f"the data in {self.folder} was made by PostgreSQL {made_by}, but {self.binaries.postgres} is {runs}."
                " Start it with its own version (PG_BIN), or begin with an empty library: make reset"
            )

    def _end_left_over(self) -> None:
        """End a postmaster of our own folder that outlived its runner; drop a pid file that names another program."""
        pid_file = self.folder / "postmaster.pid"
        try:
            pid = int(pid_file.read_text(encoding="utf-8").split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        try:
            left = psutil.Process(pid)
            ours = str(self.folder) in left.cmdline()
            if ours:
                left.send_signal(signal.SIGINT)
                psutil.wait_procs([left], timeout=5)
                if left.is_running():
                    left.send_signal(signal.SIGQUIT)
                    psutil.wait_procs([left], timeout=5)
        except psutil.Error:
            ours = False
        if not ours:
            pid_file.unlink(missing_ok=True)

    def _try(self) -> bool:
        quick = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}
        settings = {
            "port": str(self.port),
            "listen_addresses": LOOPBACK,
            "unix_socket_directories": "",
            "max_connections": "60",
            "shared_buffers": "64MB",
            "jit": "off",  # short statements only; loading a compiler costs more than it saves
            "max_logical_replication_workers": "0",
            **({"io_method": "sync"} if _major(self.binaries.postgres) >= 18 else {}),  # three processes less
            **({} if self.durable else quick),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self.program = Program(
            name="postgres",
            command=[str(self.binaries.postgres / "postgres"), "-D", str(self.folder), *options],
            log=self.log,
            environment=PLAIN,
            identity=self.identity,
            folder=Path("/"),
            ending=signal.SIGINT,  # fast: sessions are cut, what was committed stays
        )
        return _up(self.program, self._ready, port=self.port)

    def _ready(self) -> bool:
        """As pg_ctl knows it: the eighth line of the pid file, written by this very postmaster."""
        assert self.program is not None
        with contextlib.suppress(FileNotFoundError):
            lines = (self.folder / "postmaster.pid").read_text(encoding="utf-8").split("\n")
            return len(lines) > 7 and lines[0] == str(self.program.pid) and lines[7].strip() == "ready"
        return False

    def _make_database(self) -> None:
        made = self.folder.with_name("postgres.made")
        if made.exists() and made.stat().st_mtime >= (self.folder / "PG_VERSION").stat().st_mtime:
            return
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
        if found is None:
            self.create(DATABASE)
        made.touch()


@dataclass
class Redis:
    """One Redis-compatible server. `durable=False` keeps nothing on disk."""

    binaries: Binaries
    home: Path
    identity: Identity
    log: Path
    durable: bool = True
    port: int = 0
    program: Program | None = None
    password: str = field(default="", repr=False)

    @property
    def folder(self) -> Path:
        return self.home / "valkey"

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"

    def start(self) -> None:
        """Start it with its settings on standard input, so that no command line shows the password."""
        self.password = kept_secret(self.home / "valkey.secret")
        if not self.folder.exists():
            self.folder.mkdir(mode=0o700)
            self.identity.own(self.folder)
        for _ in range(TRIES):
            self.port = free_port(self.port)
            settings = [
                f"port {self.port}",
                f"bind {LOOPBACK}",
                f"requirepass {self.password}",
                f"dir {_quoted(self.folder)}",
                'save ""',
                f"appendonly {'yes' if self.durable else 'no'}",
                "maxmemory-policy noeviction",  # an evicted queue would be lost work
            ]
            self.program = Program(
                name="valkey",
                command=[str(self.binaries.redis), "-"],
                log=self.log,
                environment=PLAIN,
                identity=self.identity,
                folder=Path("/"),
                words="\n".join(settings) + "\n",
            )
            if _up(self.program, self._answers, port=self.port):
                return
        assert self.program is not None
        raise Stop(f"{self.binaries.redis} does not start. The last lines of {self.log}:\n{self.program.said()}")

    def stop(self, *, crash: bool = False) -> None:
        """End the server; `crash` kills it."""
        if self.program is not None:
            if crash:
                self.program.send_all(signal.SIGKILL)
            self.program.end(5)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, self.port), timeout=1) as connection:
            connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\r\n") < 2 and (more := connection.recv(200)):
                answer += more
            return answer == b"+OK\r\n+PONG\r\n"
        return False


def _quoted(path: Path) -> str:
    """A path as Redis reads it in its settings: it may have spaces, quotes and Hangul."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _major(folder: Path) -> int:
    """The major version of the PostgreSQL in a folder of programs."""
    said = subprocess.run([str(folder / "initdb"), "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"(\d+)", said)
    assert found is not None, said
    return int(found.group(1))


def _up(program: Program, ready: Callable[[], bool], *, port: int) -> bool:
    """Start a server and wait until it is ready. False where it may be tried again: see AGAIN."""
    program.start()
    until = time.monotonic() + START_WITHIN
    while time.monotonic() < until:
        if ready():
            return True
        if not program.runs:
            if re.search(AGAIN, program.said()):
                time.sleep(0.3)
                return False
            raise Stop(f"{program.name} ended at once (port {port}). {program.log} ends so:\n{program.said()}")
        time.sleep(0.01)
    program.end()
    raise Stop(f"{program.name} was not ready within {START_WITHIN:.0f} s. {program.log} ends so:\n{program.said()}")


@dataclass
class Servers:
    """The servers that nobody has named: PostgreSQL unless DATABASE_URL, Redis unless REDIS_URL is set."""

    state: Path
    log: Path
    durable: bool = True
    database_url: str = ""
    redis_url: str = ""
    postgres: Postgres | None = None
    redis: Redis | None = None

    def start(self, *, identity: Identity, ports: tuple[int, int] = (0, 0)) -> None:
        """Start what is missing; afterwards both addresses are known. `ports` are asked for, not insisted on."""
        if self.database_url and self.redis_url:
            return
        home, binaries = settle(self.state, identity)
        if not self.database_url:
            for name in [name for name in os.environ if name.startswith("PG") and name != "PG_BIN"]:
                del os.environ[name]  # PGSSLMODE and its like speak of another server
            self.postgres = Postgres(binaries, home, identity, self.log / "postgres.log", self.durable, ports[0])
            self.postgres.start()
            self.database_url = self.postgres.url()
        if not self.redis_url:
            self.redis = Redis(binaries, home, identity, self.log / "valkey.log", self.durable, ports[1])
            self.redis.start()
            self.redis_url = self.redis.url

    @property
    def programs(self) -> list[Program]:
        """The processes that were started."""
        started = [self.postgres.program if self.postgres else None, self.redis.program if self.redis else None]
        return [program for program in started if program is not None]

    def stop(self) -> None:
        """End what was started."""
        if self.redis is not None:
            self.redis.stop()
        if self.postgres is not None:
            self.postgres.stop()

    def forget(self) -> None:
        """Remove the data of servers that have ended, wherever it lies."""
        for folder in (self.state, outside(self.state)):
            shutil.rmtree(folder, ignore_errors=True)
