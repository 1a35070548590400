"""This machine and checkout: folders, who runs the servers, and the sentence that stops a start."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
VAR = ROOT / "var"
LOOPBACK = "127.0.0.1"


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


def free_port(wanted: int = 0) -> int:
    """The wanted port when it is free on loopback, else one that is."""
    for port in (wanted, 0) if wanted else (0,):
        if (found := _bind(port)) is not None:
            return found
    raise Stop("no port is free on 127.0.0.1")


def next_free_port(first: int) -> int:
    """The first free port from `first` on."""
    for port in range(first, min(first + 200, 65536)):
        if _bind(port) is not None:
            return port
    raise Stop(f"no port from {first} to {first + 199} is free; name another: PORT=9000 make run")


def _bind(port: int) -> int | None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port of a moment ago is not taken
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return None
        return int(probe.getsockname()[1])


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
    beside.replace(path)
