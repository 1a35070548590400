"""`make run` where it is started by whom: by somebody without any rights, and by root in a folder closed to others."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from config.embedded.binaries import outside, settle
from config.embedded.host import ME, ROOT, Identity, server_identity
from tests import checkout
from tests.checkout import Service

AS_ROOT = os.geteuid() == 0
VERSION = f"python{sys.version_info[0]}.{sys.version_info[1]}"
KEPT = os.environ.get("PYTHONPYCACHEPREFIX", "")  # where `make test` keeps bytecode in containers that want none
LAST_WEEKS = "sample_days.live(now=now, deliver=past.deliver, answer=past.answer)"  # slow, and alike in all places
NOT_OF_PYTHON = shutil.ignore_patterns("site-packages", "test", "config-*", "*.a")


@dataclass
class Place:
    """A checkout with a `.venv` of its own, so that nothing is needed of ours; the packages are the same files on disk.

    `identity` owns and may run all of it: where our Python lies in a folder that is closed to them, it lies beside.
    """

    folder: Path
    identity: Identity

    @property
    def venv(self) -> Path:
        return self.folder / ".venv"

    def make(self) -> None:
        shutil.copytree(ROOT, self.folder, ignore=checkout.LEFT_OUT, symlinks=True)
        sample = self.folder / "config" / "management" / "commands" / "seed_sample.py"
        text = sample.read_text(encoding="utf-8")
        assert LAST_WEEKS in text
        sample.write_text(text.replace(LAST_WEEKS, "pass"), encoding="utf-8")
        base = self.python()
        made = {**os.environ, "LD_LIBRARY_PATH": str(self.libraries)}
        subprocess.run([base, "-m", "venv", "--without-pip", self.venv], check=True, env=made)
        site = Path("lib", VERSION, "site-packages")
        shutil.rmtree(self.venv / site)
        link(ROOT / ".venv" / site, self.venv / site)
        held = json.loads((ROOT / ".venv" / "installed.json").read_text(encoding="utf-8"))
        (self.venv / "installed.json").write_text(json.dumps({**held, "place": str(self.venv)}), encoding="utf-8")
        for of, to in ((ROOT, self.folder), (Path(sys.base_prefix), base.parents[1])):
            if KEPT and (Path(KEPT) / of.relative_to("/")).is_dir():
                link(Path(KEPT) / of.relative_to("/"), self.venv / "bytecode" / to.relative_to("/"))
        for path in [self.folder, *self.folder.rglob("*")] if self.identity != ME else []:
            if path.is_symlink() or path.is_dir() or path.stat().st_nlink == 1:
                os.chown(path, self.identity.uid or 0, self.identity.gid or 0, follow_symlinks=False)

    def python(self) -> Path:
        """The Python of our `.venv`; left out, with the reason, where they cannot run it wherever it lies."""
        base = Path(sys.base_prefix) / "bin" / VERSION
        if not self.runs(base):
            beside = self.libraries.parent
            link(Path(sys.base_prefix) / "lib" / VERSION, self.libraries / VERSION, NOT_OF_PYTHON)
            for shared in Path(sys.base_prefix, "lib").glob("libpython*.so*"):
                shutil.copy2(shared, self.libraries)
            (beside / "bin").mkdir()
            base = Path(shutil.copy2(base, beside / "bin"))
        if not self.runs(base):
            pytest.skip(f"{sys.base_prefix} is closed to an ordinary user, and a copy of that Python does not start")
        return base

    @property
    def libraries(self) -> Path:
        return self.folder / "var" / "python" / "lib"

    def runs(self, python: Path) -> bool:
        """Whether they can run this Python, and it is ours to the last digit: it has the packages of no other."""
        asked = f"import ssl, sys, venv; sys.exit(sys.version_info != {tuple(sys.version_info)})"
        return self.identity.can("/usr/bin/env", f"LD_LIBRARY_PATH={self.libraries}", str(python), "-c", asked)

    def service(self, **changes: str) -> Service:
        """`make run` there, up to its first page."""
        own = {"PYTHONPYCACHEPREFIX": str(self.venv / "bytecode"), "LD_LIBRARY_PATH": str(self.libraries), **changes}
        made = Service(self.folder, identity=self.identity, python=str(self.venv / "bin" / "python"), changes=own)
        made.start()
        made.wait_for_page()
        return made


def link(source: Path, to: Path, ignore: Any = None) -> None:
    """The same files once more, as links; as copies where `to` is on another disk."""

    def one(file: str, other: str) -> None:
        try:
            os.link(file, other, follow_symlinks=False)
        except OSError:
            shutil.copy2(file, other, follow_symlinks=False)

    shutil.copytree(source, to, symlinks=True, copy_function=one, ignore=ignore)


@pytest.fixture
def room(tmp_path):
    """A folder that everybody may enter; what a checkout in it leaves elsewhere is removed."""
    checkout.open_way(tmp_path / "here")
    yield tmp_path
    for made in tmp_path.rglob("installed.json"):
        checkout.forget(made.parents[1])


def owners(service: Service) -> dict[str, set[int]]:
    """Who runs what: PostgreSQL, and everything else, by numbers of users."""
    found: dict[str, set[int]] = {"postgres": set(), "others": set()}
    for process in service.processes():
        kind = "postgres" if Path(process.exe()).name == "postgres" else "others"
        found[kind].add(process.uids().effective)
    return found


class TestPlaces:
    pytestmark = [pytest.mark.fault, pytest.mark.long, pytest.mark.timeout(200)]

    def test_somebody_without_any_rights_starts_it(self, room):
        """Root lends the test an ordinary user; anybody else is one, as in every other test of `make run`."""
        somebody = server_identity()
        home = room / "home"
        home.mkdir()
        somebody.own(home)
        place = Place(room / "checkout", somebody)
        place.make()
        service = place.service(HOME=str(home))
        uid = os.geteuid() if somebody == ME else somebody.uid
        assert uid != 0
        assert owners(service) == {"postgres": {uid}, "others": {uid}}
        assert (place.folder / "var" / "postgres" / "PG_VERSION").exists(), "the data lies in the checkout itself"
        assert not outside(place.folder / "var").exists()
        service.end()
        assert service.processes() == []

    @pytest.mark.skipif(
        not AS_ROOT,
        reason="only root's servers run as somebody else, who cannot enter a closed folder: start the tests as root"
        " for it. As anybody else a closed folder of one's own is a folder like all others (see the two tests below).",
    )
    def test_root_starts_it_below_a_folder_that_is_closed_to_everybody_else(self, room):
        closed = room / "closed"
        closed.mkdir()
        place = Place(closed / "checkout", ME)
        place.make()
        closed.chmod(0o700)
        assert not server_identity().can("/bin/ls", str(place.folder)), "the servers' user cannot look into it"
        service = place.service()
        assert owners(service)["postgres"] == {pwd.getpwnam("nobody").pw_uid}
        assert not (place.folder / "var" / "postgres").exists()
        assert (outside(place.folder / "var") / "postgres" / "PG_VERSION").exists()
        service.end()
        assert service.processes() == []
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700, "no folder of the user's was opened"


def test_only_roots_servers_run_as_somebody_else(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert server_identity() == ME


def test_in_a_closed_folder_of_ones_own_everything_stays_inside(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    assert settle(closed, ME)[0] == closed
