"""What `make` calls first: bring `.venv` to the lock that an action needs, and hand over to its Python.

`python3 -m config.embedded.bootstrap ACTION [ARGUMENT ..]`, in the checkout. Needs the standard library alone, also of
everything it imports.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TextIO

from config.embedded import packages
from config.embedded.host import ROOT, VAR, Stop, refused, wanted_port
from config.embedded.steps import say

OF_ACTION = {"run": "embedded", "reset": "embedded", "lock": "embedded", "bootstrap": "embedded"}  # others need `dev`
MODULE = {"bench": "bench", "shots": "bench.shots"}  # which module does an action
FOLLOWING = {"run": 3}  # steps of an action itself


def main(arguments: list[str]) -> None:
    """Bring `.venv` to the lock that the action needs, then become that Python."""
    if not arguments:
        raise Stop("say what to do: make run, make test, make check")
    fit_python()
    action = arguments[0]
    if action == "run":
        wanted_port()  # a wrong one is refused before anything is set up
    wanted = "dev" if arguments == ["bootstrap", "dev"] else OF_ACTION.get(action, "dev")
    packages.LOG.parent.mkdir(parents=True, exist_ok=True)
    with (VAR / "bootstrap.lock").open("a") as lock:
        wait_for(lock)
        os.set_inheritable(lock.fileno(), True)  # held as long as an installer of ours lives, also if we are killed
        done = packages.set_up(wanted, following=FOLLOWING.get(action, 0))
    if action == "bootstrap":
        return
    become(action, arguments, done)


def become(action: str, arguments: list[str], done: int) -> None:
    """Go on as the Python of `.venv`."""
    programs = Path(packages.place()) / "bin"
    python = str(programs / "python")
    os.chdir(ROOT)
    os.environ["PATH"] = os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)])
    os.environ["SETUP_STEPS"] = str(done)
    os.environ.setdefault("PYTHONUTF8", "1")  # Hangul in the terminal and in logs, whatever the locale is called
    for elsewhere in ("PYTHONHOME", "PYTHONPATH"):  # packages of another project would hide those of the lock
        os.environ.pop(elsewhere, None)
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        # Set in many containers, to keep sources clean; but a start without any bytecode takes three times as long.
        os.environ["PYTHONPYCACHEPREFIX"] = str(programs.with_name("bytecode"))
    sys.stdout.flush()
    module = MODULE.get(action, "config.embedded" if action in OF_ACTION else "tests")
    os.execv(python, [python, "-m", module, *arguments])  # noqa: S606


def fit_python() -> None:
    """Go on with a Python that the locks know; look for one on PATH when this one does not fit."""
    oldest, newest = packages.OLDEST, packages.NEWEST
    if oldest <= sys.version_info[:2] <= newest:
        return
    for minor in range(newest[1], oldest[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found and packages.version_of(Path(found)) == [3, minor]:
            os.execv(found, [found, "-m", "config.embedded.bootstrap", *sys.argv[1:]])  # noqa: S606
    raise Stop(
        f"Python {oldest[0]}.{oldest[1]} to {newest[0]}.{newest[1]} is needed, this is {sys.version.split()[0]}."
        " Install one of them, or name it: make PYTHON=/path/to/python3.12 run"
    )


def wait_for(lock: TextIO) -> None:
    """Let two commands that start at once set up one after the other."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("Another make is setting up; waiting for it ...")
        fcntl.flock(lock, fcntl.LOCK_EX)


def end(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a path that this terminal cannot show
    signal.signal(signal.SIGTERM, end)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # `nohup make run` is meant to outlive its terminal
        signal.signal(signal.SIGHUP, end)
    try:
        main(sys.argv[1:])
    except Stop as stop:
        sys.exit(f"Cannot go on: {stop}")
    except KeyboardInterrupt:
        say("\nEnded; nothing is lost. The same command goes on from here.")
        sys.exit(130)
    except OSError as error:
        if sentence := refused(error):
            sys.exit(f"Cannot go on: {sentence}")
        raise
