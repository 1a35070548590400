"""Programs that we start, end, and find again after a `kill -9`."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from config.embedded.host import ME, ROOT, Identity, write_privately

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Unbroken = Callable[[], contextlib.AbstractContextManager[None]]

PATIENCE = 3.5  # seconds from the polite signal to the last one; granian cuts its streams after three
SAME_START = 1.5  # seconds by which the start of one and the same process may read differently
unbroken: Unbroken = contextlib.nullcontext  # keeps signals out of a start


def tied(ending: signal.Signals) -> Callable[[], None] | None:
    """Let Linux send `ending` to the child when the process that started it is gone, however it went."""
    if sys.platform != "linux":
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def tie() -> None:
        prctl(1, int(ending), 0, 0, 0)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)

    return tie


@dataclass
class Program:
    """One child in a session of its own, with its words in a log file."""

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    identity: Identity = ME
    folder: Path = ROOT
    words: str = ""  # for its standard input
    ending: signal.Signals = signal.SIGTERM
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; its standard output and error are appended to the log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log, unbroken():
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=dict(self.environment),
                stdin=subprocess.PIPE if self.words else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=tied(self.ending),
                **self.identity.options(),
            )
        if self.words:
            assert self.process.stdin is not None
            with contextlib.suppress(BrokenPipeError), self.process.stdin as pipe:
                pipe.write(self.words.encode())

    @property
    def pid(self) -> int:
        assert self.process is not None, f"{self.name} was not started"
        return self.process.pid

    @property
    def runs(self) -> bool:
        """Whether it runs. Looking does not bury it: until `end` its number, and its group's, stay its own."""
        if self.process is None or self.process.returncode is not None:
            return False
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            return self.process.poll() is None
        with contextlib.suppress(ChildProcessError):
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        return False

    def ask_to_end(self) -> None:
        """Send the polite signal."""
        if self.runs:
            self.send(self.ending)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to this program alone."""
        if self._ours:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def send_all(self, number: signal.Signals) -> None:
        """Send a signal to this program and everything in its session's group."""
        if self._ours:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    @property
    def _ours(self) -> bool:
        """Whether the number is still this program's; a busy machine gives it to somebody else within minutes."""
        return self.process is not None and self.process.returncode is None

    def end(self, patience: float = PATIENCE) -> None:
        """End it politely, then surely; its own children too."""
        end_all([self], patience)

    def said(self, lines: int = 15) -> str:
        """The last lines of its log."""
        try:
            return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""


def end_all(programs: Iterable[Program], patience: float = PATIENCE) -> None:
    """End programs together: the polite signal to each, then SIGKILL to the groups of those that stay."""
    started = [program for program in programs if program.process is not None]
    for program in started:
        program.ask_to_end()
    until = time.monotonic() + patience
    while any(program.runs for program in started) and time.monotonic() < until:
        time.sleep(0.03)
    for program in started:
        program.send_all(signal.SIGKILL)
        assert program.process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            program.process.wait(2)


# -- what a killed runner left behind -------------------------------------------------------------------------------


def record(path: Path, programs: Iterable[Program]) -> None:
    """Write down every process of ours: its number, its start, and how to end it."""
    rows = []
    for program in programs:
        if not program.runs:
            continue
        with contextlib.suppress(psutil.Error):
            head = psutil.Process(program.pid)
            for process in (head, *head.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    how = int(program.ending) if process.pid == head.pid else 0
                    rows.append([process.pid, process.create_time(), how, program.name])
    text = json.dumps({"place": str(path), "processes": rows})
    with contextlib.suppress(FileNotFoundError):
        if path.read_text(encoding="utf-8") == text:
            return
    write_privately(path, text)


def end_left_overs(path: Path, patience: float = 6.0) -> list[str]:
    """End the recorded processes that still are what was recorded, and nothing else; gives their names.

    A record that came along with a copy of the folder is of the processes of the first folder: they are left alone.
    """
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return []
    rows = kept.get("processes") if isinstance(kept, dict) and kept.get("place") == str(path) else None
    found: list[tuple[psutil.Process, int, str]] = []
    for row in rows if isinstance(rows, list) else ():
        with contextlib.suppress(psutil.Error, ValueError, TypeError):
            pid, started, how, name = row
            process = psutil.Process(pid)
            if abs(process.create_time() - started) < SAME_START and process.status() != psutil.STATUS_ZOMBIE:
                found.append((process, how, name))
    headed = {name for _, how, name in found if how}
    for process, how, name in found:
        if how or name not in headed:  # a child whose own head is gone has nobody else to end it
            with contextlib.suppress(psutil.Error):
                process.send_signal(how or signal.SIGTERM)
    _, alive = psutil.wait_procs([process for process, _, _ in found], timeout=patience if found else 0)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=2)
    path.unlink(missing_ok=True)
    return sorted({name for _, _, name in found})
