"""Make `.venv` from a hash lock and hand over to it: `python3 config/embedded/bootstrap.py ACTION [ARGUMENT ..]`.

Needs the standard library alone. The lock's pins are installed by uv where uv works, else by pip; neither is told
where packages come from, so that a private mirror in the user's own configuration is honoured and never written down.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
STAMP = VENV / "installed.json"
LOG = ROOT / "var" / "log" / "bootstrap.log"
OLDEST = (3, 11)
NEWEST = (3, 14)  # the locks resolve to wheels up to here
LOCKS = ["base", "embedded", "dev"]  # each contains the one before it (tests/house/test_locks.py)
OF_ACTION = {"run": "embedded", "reset": "embedded", "lock": "embedded", "bootstrap": "embedded"}  # others need `dev`
MODULE = {"bench": "bench", "shots": "bench.shots"}  # which module does an action


class Stop(Exception):
    """What a person has to do before this can go on."""


def main(arguments: list[str]) -> None:
    """Bring `.venv` to the lock that the action needs, then become that Python."""
    if not arguments:
        raise Stop("say what to do: make run, make test, make check")
    fit_python()
    wanted = "dev" if arguments == ["bootstrap", "dev"] else OF_ACTION.get(arguments[0], "dev")
    try:
        LOG.parent.mkdir(parents=True, exist_ok=True)
        with (ROOT / "var" / "bootstrap.lock").open("w") as lock:
            wait_for(lock)
            if not fits(wanted):
                install(wanted)
    except PermissionError as error:
        raise Stop(f"{error.filename} belongs to somebody else. Run make as its owner, or in your own copy.") from None
    if arguments[0] == "bootstrap":
        return
    python = str(venv_python())
    os.chdir(ROOT)
    os.environ["PATH"] = os.pathsep.join([str(VENV / "bin"), os.environ.get("PATH", os.defpath)])
    os.environ.pop("PYTHONHOME", None)
    sys.stdout.flush()
    module = MODULE.get(arguments[0], "config.embedded" if arguments[0] in OF_ACTION else "tests")
    os.execv(python, [python, "-m", module, *arguments])  # noqa: S606


def fit_python() -> None:
    """Go on with a Python that the locks know; look for one on PATH when this one does not fit."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found and works(Path(found)):
            os.execv(found, [found, *sys.argv])  # noqa: S606
    raise Stop(
        f"Python {OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]} is needed, this is {sys.version.split()[0]}."
        " Install one of them, or name it: make PYTHON=/path/to/python3.12 run"
    )


def wait_for(lock: TextIO) -> None:
    """Let two commands that start at once set up one after the other."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Another make is setting up; waiting for it ...", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)


def lock_file(name: str) -> Path:
    return ROOT / "requirements" / f"{name}.txt"


def digest(name: str) -> str:
    return hashlib.sha256(lock_file(name).read_bytes()).hexdigest()


def venv_python() -> Path:
    return VENV / "bin" / "python"


def fits(wanted: str) -> bool:
    """Whether `.venv` holds this lock already and its Python still starts."""
    try:
        installed = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(installed.get(wanted) == digest(wanted)) and works(venv_python())


def works(python: Path) -> bool:
    try:
        return subprocess.run([str(python), "-c", ""], check=False, stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def install(wanted: str) -> None:
    """Make `.venv` where there is none that works, install the lock, then write the stamp."""
    if not works(venv_python()) or not (VENV / "bin" / "pip").exists():
        if VENV.exists():
            shutil.rmtree(VENV)
        need_ensurepip()
        say("Making .venv ...")
        venv.EnvBuilder(with_pip=True, symlinks=True).create(VENV)
    STAMP.unlink(missing_ok=True)
    say(f"Installing requirements/{wanted}.txt (once; hashes are checked) ...")
    if not (by_uv(wanted) or by_pip(wanted)):
        raise Stop(
            f"the packages of requirements/{wanted}.txt could not be installed. {LOG.relative_to(ROOT)} ends so:\n"
            + "\n".join(LOG.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        )
    held = LOCKS[: LOCKS.index(wanted) + 1]
    STAMP.write_text(json.dumps({name: digest(name) for name in held}, indent=1) + "\n", encoding="utf-8")


def by_uv(wanted: str) -> bool:
    """Install by the uv that the lock pins. False where uv does not work here: it reads no pip configuration."""
    lock = lock_file("embedded").read_text(encoding="utf-8")
    pinned = re.search(r"^uv==[^\n]*\n(?:[ \t]+[^\n]*\n)*", lock, re.MULTILINE)
    if pinned is None:
        return False
    only_uv = VENV / "uv.txt"
    only_uv.write_text(pinned.group(0), encoding="utf-8")
    if not run(*pip_install(), "--no-deps", "-r", only_uv):
        return False
    homeless = [] if os.access(Path("~").expanduser(), os.W_OK) or "UV_CACHE_DIR" in os.environ else ["--no-cache"]
    return run(
        VENV / "bin" / "uv", "pip", "install", *homeless, "--python", venv_python(), "--require-hashes", "--no-build",
        "-r", lock_file(wanted),
    )  # fmt: skip


def by_pip(wanted: str) -> bool:
    """Install by plain pip."""
    say("uv does not work here; pip takes a minute longer ...")
    return run(*pip_install(), "-r", lock_file(wanted))


def pip_install() -> list[object]:
    return [venv_python(), "-m", "pip", "install", "--require-hashes", "--only-binary", ":all:"]


def run(*command: object) -> bool:
    """Run an installer with its words in the log; whether it succeeded."""
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "UV_SYSTEM_CERTS": "1"}
    with LOG.open("a", encoding="utf-8") as log:
        log.write(f"$ {Path(str(command[0])).name} {' '.join(str(part) for part in command[1:])}\n")
        log.flush()
        try:
            done = subprocess.run([str(part) for part in command], check=False, stdout=log, stderr=log, env=environment)
        except OSError as error:
            log.write(f"{error}\n")
            return False
    return done.returncode == 0


def need_ensurepip() -> None:
    """Debian parts `ensurepip` from Python: install it as root, else say how."""
    if importlib.util.find_spec("ensurepip") is not None:
        return
    package = f"python3.{sys.version_info[1]}-venv"
    if os.geteuid() == 0 and shutil.which("apt-get") and sys.executable.startswith("/usr/bin/"):
        say(f"Installing Debian's {package} ...")
        quietly = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for attempt in (["install"], ["update"], ["install"]):
            names = [package] if attempt == ["install"] else []
            done = subprocess.run(["apt-get", "-qq", *attempt, "-y", *names], check=False, env=quietly)
            if attempt == ["install"] and done.returncode == 0:
                importlib.invalidate_caches()
                return
    raise Stop(
        f"this Python ({sys.executable}) comes without ensurepip, so it cannot make a virtual environment."
        f" On Debian or Ubuntu: apt install {package}"
    )


def say(sentence: str) -> None:
    print(sentence, flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        try:
            main(sys.argv[1:])
        except Stop as stop:
            sys.exit(f"Cannot go on: {stop}")
        sys.exit(0)
    sys.exit(130)
