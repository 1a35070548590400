"""This machine and checkout: folders, who runs the servers, and the sentence that stops a start."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pwd
import random
import secrets
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
VAR = ROOT / "var"
LOOPBACK = "127.0.0.1"
PORT = 8000


class Stop(Exception):
    """What a person has to do before this can go on; shown as it is."""


@dataclass(frozen=True)
class Identity:
    """The user that a program runs as; without a number, whoever started us."""

    uid: int | None = None
    gid: int | None = None

    def options(self) -> dict[str, Any]:
        """What `subprocess.Popen` needs to become this user."""
        return {} if self.uid is None else {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Give one of our own files or folders to this user."""
        if self.uid is not None:
            os.chown(path, self.uid, -1 if self.gid is None else self.gid)

    def can(self, *command: str) -> bool:
        """Whether this user may run a command to a good end."""
        try:
            done = subprocess.run(
                command, cwd="/", check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self.options()
            )
        except (OSError, ValueError):
            return False
        return done.returncode == 0


ME = Identity()


def server_identity() -> Identity:
    """PostgreSQL refuses to run as root: there, `nobody` runs the servers. No user is ever added."""
    if os.geteuid() != 0:
        return ME
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise Stop("PostgreSQL refuses to run as root, and there is no `nobody`. Run make as another user.") from None
    identity = Identity(nobody.pw_uid, nobody.pw_gid)
    if not identity.can("/bin/sh", "-c", ":"):
        raise Stop(
            "PostgreSQL refuses to run as root, and this container forbids to become `nobody`."
            " Run make as another user, or set DATABASE_URL and REDIS_URL."
        )
    return identity


# -- what the machine does not let us do ----------------------------------------------------------------------------


def need_room(mebibytes: int, folder: Path) -> None:
    """Refuse to begin what the disk has no room for."""
    free = shutil.disk_usage(folder).free // 2**20
    if free < mebibytes:
        raise Stop(
            f"about {mebibytes} MiB are needed on the disk of {folder}, and {free} MiB are free. Make room first."
        )


def refused(error: OSError) -> str:
    """What to do when the machine does not let us write; "" for an error that says something else."""
    there = error.filename or VAR
    full = "Make room, then the same command goes on from here."
    sentences = {
        errno.EACCES: f"{there} belongs to somebody else. Run make as its owner, or in a copy of your own.",
        errno.EPERM: f"{there} belongs to somebody else. Run make as its owner, or in a copy of your own.",
        errno.EROFS: f"{there} is on a disk that can only be read. Copy the folder to where you may write.",
        errno.ENOSPC: f"the disk of {there} is full. {full}",
        errno.EDQUOT: f"your share of the disk of {there} is full. {full}",
    }
    return sentences.get(error.errno or 0, "")


# -- ports ----------------------------------------------------------------------------------------------------------


def wanted_port() -> int:
    """The port that PORT names, 8000 when it names none."""
    said = os.environ.get("PORT", "") or str(PORT)
    if not said.isascii() or not said.isdigit() or not 1 <= int(said) <= 65535:
        raise Stop(f"PORT must be a number from 1 to 65535, not {said!r}. For example: make run PORT=9000")
    return int(said)


def free_port(wanted: int = 0) -> int:
    """The wanted port when it is free on loopback, else one that is.

    Never one that the system lends to outgoing connections (Linux: from 32768 on, others later): any client could
    have it before our server binds it, and the server would not start.
    """
    anywhere = random.sample(range(18_000, 32_768), 100)  # two that ask at the same moment hardly get the same
    for port in (wanted, *anywhere) if wanted else anywhere:
        if _bind(port):
            return port
    raise Stop("no port is free on 127.0.0.1")


def next_free_port(first: int) -> tuple[int, int]:
    """The first free port from `first` on, and an open file that keeps our other services away from it.

    Granian shares its port with every process of the same user that asks for it (SO_REUSEPORT): two services that
    start at the same moment would both get it, and each would answer half of the requests.
    """
    for port in range(first, min(first + 200, 65536)):
        kept = _claim(port)
        if kept is not None and _bind(port):
            return port, kept
        if kept is not None:
            os.close(kept)
    if first < 1024 and os.geteuid() != 0:
        raise Stop(f"only root may answer on port {first}; name another: make run PORT={PORT}")
    raise Stop(f"no port from {first} to {first + 199} is free; name another: make run PORT=9000")


def _claim(port: int) -> int | None:
    """Lock a port against our other services; None when one of them has it."""
    path = Path(tempfile.gettempdir()) / f"drive-through-lending-{os.getuid()}-{port}.lock"
    kept = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(kept, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(kept)
        return None
    return kept


def _bind(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port of a moment ago is not taken
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


# -- secrets --------------------------------------------------------------------------------------------------------


def kept_secret(path: Path, length: int = 32) -> str:
    """A random secret that stays the same from run to run, in a file that its owner alone may read."""
    with contextlib.suppress(FileNotFoundError):
        if kept := path.read_text(encoding="ascii").strip():
            return kept
    made = secrets.token_urlsafe(length)
    write_privately(path, made + "\n")
    return made


def write_privately(path: Path, text: str) -> None:
    """Replace a file in one step; mode 0600 from its first byte."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())  # else a power cut may leave an empty file, and with it a lost password
    beside.replace(path)
