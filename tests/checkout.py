"""A copy of this checkout in which `make run` can be tried without touching the one that somebody works in."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from config.embedded.binaries import outside
from config.embedded.host import ME, ROOT, Identity, free_port
from config.embedded.product import answers

LEFT_OUT = shutil.ignore_patterns(".venv", "var", ".git", "__pycache__", ".*_cache", ".hypothesis")
OF_THE_CALLER = ("DATABASE_URL", "REDIS_URL", "VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
START_WITHIN = 150.0  # seconds; an empty folder on a busy machine


def copy(to: Path) -> Path:
    """Copy the checkout, with the very same `.venv`."""
    shutil.copytree(ROOT, to, ignore=LEFT_OUT, symlinks=True)
    open_way(to)
    (to / ".venv").symlink_to(ROOT / ".venv")
    return to


def open_way(folder: Path) -> None:
    """Let everybody pass through the temporary folders above one; the servers may run as somebody else."""
    within = Path(tempfile.gettempdir())
    for parent in folder.parents:
        if within in parent.parents:
            parent.chmod(0o755)


def forget(checkout: Path) -> None:
    """Remove what a checkout keeps elsewhere: data below /var/tmp, and its bytecode."""
    shutil.rmtree(outside(checkout / "var"), ignore_errors=True)
    if kept := os.environ.get("PYTHONPYCACHEPREFIX"):
        shutil.rmtree(Path(kept) / checkout.relative_to("/"), ignore_errors=True)


def environment(**changes: str) -> dict[str, str]:
    """The environment of somebody who has just opened a terminal."""
    from tests.servers import SETTINGS

    hidden = {*OF_THE_CALLER, *SETTINGS}
    return {name: value for name, value in os.environ.items() if name not in hidden} | changes


def alive(process: psutil.Process) -> bool:
    """Whether a process still does something; it may end while it is asked."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@dataclass
class Service:
    """`make run` in a checkout, started as from a terminal of its own."""

    checkout: Path
    port: int = field(default_factory=free_port)
    changes: dict[str, str] = field(default_factory=dict)
    identity: Identity = ME
    python: str = sys.executable
    make: subprocess.Popen[bytes] | None = None
    seen: list[psutil.Process] = field(default_factory=list)

    @property
    def log(self) -> Path:
        return self.checkout / f"make-{self.port}.log"

    @property
    def runs(self) -> bool:
        return self.make is not None and self.make.poll() is None

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def start(self) -> None:
        """Begin; returns at once."""
        command = ["make", "--no-print-directory", f"PYTHON={self.python}", "run"]
        with self.log.open("ab") as log:
            self.make = subprocess.Popen(
                command,
                cwd=self.checkout,
                env=environment(PORT=str(self.port), **self.changes),
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self.identity.options(),
            )

    def wait_for_page(self) -> float:
        """Wait for the first page; the seconds it took from now."""
        began = time.monotonic()
        while not answers(self.port):
            assert self.make is not None
            assert self.make.poll() is None, self.said
            assert time.monotonic() - began < START_WITHIN, self.said
            time.sleep(0.02)
        return time.monotonic() - began

    def wait_for_words(self, words: str, within: float = START_WITHIN) -> None:
        """Wait until the terminal shows some words."""
        end = time.monotonic() + within
        while words not in self.said:
            assert time.monotonic() < end, self.said
            time.sleep(0.05)

    def processes(self) -> list[psutil.Process]:
        """Everything that `make run` started and that still runs."""
        assert self.make is not None
        try:
            head = psutil.Process(self.make.pid)
            self.seen = [head, *head.children(recursive=True)]
        except psutil.NoSuchProcess:
            pass
        return [one for one in self.seen if alive(one)]

    def find(self, *words: str) -> psutil.Process | None:
        """The first process whose command line has these words."""
        for one in self.processes():
            with contextlib.suppress(psutil.Error):
                if set(words) <= set(one.cmdline()):
                    return one
        return None

    def end(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Ask it to end as a terminal does (a signal to the group) and wait; the seconds it took."""
        assert self.make is not None
        self.processes()
        began = time.monotonic()
        if self.make.poll() is None:
            os.killpg(self.make.pid, number)
        self.make.wait(60)
        return time.monotonic() - began
