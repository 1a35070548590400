"""The first command on a fresh machine: `.venv` from a lock, whatever is missing, cut short, moved or refused.

A small checkout stands in for ours: the real bootstrap, pip and uv, and a lock of two wheels that are made here. Its
path has spaces and Hangul, its locale is C, and there is no network anywhere.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import zipfile
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path

import pytest

from config.embedded import bootstrap, host, packages
from config.embedded.host import ROOT, Stop
from tests import checkout
from tests.product import until

NO_NETWORK = {
    "PIP_INDEX_URL": "http://127.0.0.1:9/simple/",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "PIP_RETRIES": "0",
    "UV_OFFLINE": "1",
}
# A program called uv: the real one, unless a file beside the checkout's Makefile tells it to fail or to take its time.
UV = f"""\
import os, pathlib, sys, time
here = pathlib.Path(sys.prefix).parent
if (here / "uv-refuses").exists():
    sys.exit("uv: refused")
if (here / "uv-sleeps").exists():
    (here / "uv-began").touch()
    time.sleep(4)
def main():
    os.execv({str(ROOT / ".venv" / "bin" / "uv")!r}, ["uv", *sys.argv[1:]])
"""
PEG = "import sys\ndef main(): print(sys.prefix)\n"


def wheel(folder: Path, name: str, version: str, source: str) -> str:
    """Make a wheel with one module and one program of the same name; its line in a lock."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
    }
    record = "".join(
        f"{file},sha256={urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip('=')},{len(text)}\n"
        for file, text in files.items()
    )
    with zipfile.ZipFile(path, "w") as made:
        for file, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            made.writestr(file, text)
    return f"{name}=={version} \\\n    --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@dataclass
class Small:
    """A checkout with everything that `make bootstrap` needs."""

    folder: Path
    wheels: Path

    def write_lock(self, *lines: str) -> None:
        for name in packages.LOCKS:
            (self.folder / "requirements" / f"{name}.txt").write_text("".join(sorted(lines)))

    def begin(self, *, python: str = sys.executable, **changes: str) -> subprocess.Popen[str]:
        """`python3 -m config.embedded.bootstrap bootstrap` in it."""
        base = packages.own_python() if python == sys.executable else python
        offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "UV_FIND_LINKS": str(self.wheels)}
        cache = {"UV_NO_INDEX": "1", "UV_CACHE_DIR": str(self.wheels / "cache"), "LC_ALL": "C", "PYTHON": base}
        return subprocess.Popen(
            [base, "-m", "config.embedded.bootstrap", "bootstrap"],
            cwd=self.folder,
            env=checkout.environment(**{**NO_NETWORK, **offline, **cache, **changes}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def set_up(self, **changes: str) -> tuple[int, str]:
        """Let it end; its status and words."""
        begun = self.begin(**changes)
        said, complained = begun.communicate(timeout=120)
        return begun.returncode, said + complained

    def says(self, program: str) -> str:
        """What an installed program says."""
        command = [str(self.folder / ".venv" / "bin" / program)]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd="/").stdout.strip()

    @property
    def programs(self) -> set[str]:
        return {path.name for path in (self.folder / ".venv" / "bin").iterdir()}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """The folder of wheels, and the lock's line for each."""
    folder = tmp_path_factory.mktemp("wheels")
    lines = {name: wheel(folder, name, "1.0", UV if name == "uv" else PEG) for name in ("uv", "peg", "old_peg")}
    return folder, lines


@pytest.fixture(scope="module")
def first(tmp_path_factory, wheels):
    """A small checkout that was set up once, and what it said."""
    folder, lines = wheels
    to = tmp_path_factory.mktemp("small") / "책 대출" / "드라이브 스루"
    shutil.copytree(ROOT / "config" / "embedded", to / "config" / "embedded", ignore=checkout.LEFT_OUT)
    shutil.copy(ROOT / "config" / "__init__.py", to / "config")
    (to / "requirements").mkdir()
    small = Small(to, folder)
    small.write_lock(lines["uv"], lines["old_peg"])
    return small, *small.set_up()


@pytest.fixture
def small(first, tmp_path):
    """A copy of it in another place."""
    made, status, said = first
    assert status == 0, said
    shutil.copytree(made.folder, tmp_path / "다른 곳", symlinks=True)
    return Small(tmp_path / "다른 곳", made.wheels)


class TestSettingUp:
    pytestmark = [pytest.mark.fault, pytest.mark.timeout(240)]

    def test_a_fresh_checkout_says_each_step_and_how_long_it_took(self, first):
        small, status, said = first
        assert status == 0, said
        assert said.splitlines()[0] == "1/2 Making .venv ..."
        assert said.splitlines()[2].startswith("2/2 Installing the packages")
        assert said.count("done in") == 2
        assert "uv does not work" not in said
        assert small.says("old_peg") == str(small.folder / ".venv")

    def test_the_second_time_nothing_is_done_and_no_network_is_needed(self, first):
        small, _, _ = first
        assert small.set_up(PIP_FIND_LINKS="/nowhere", UV_FIND_LINKS="/nowhere") == (0, "")

    def test_a_folder_that_was_moved_runs_its_own_programs_without_a_network(self, small):
        elsewhere = {"PIP_FIND_LINKS": "/nowhere", "UV_FIND_LINKS": "/nowhere"}
        assert small.says("old_peg") != str(small.folder / ".venv")
        assert small.set_up(**elsewhere) == (0, "")
        assert small.says("old_peg") == str(small.folder / ".venv")
        assert str(small.folder) in (small.folder / ".venv" / "bin" / "activate").read_text(encoding="utf-8")

    @pytest.mark.parametrize("refusing", [False, True], ids=["uv", "pip"])
    def test_after_a_change_of_the_lock_the_new_is_there_and_the_old_is_gone(self, small, wheels, refusing):
        small.write_lock(wheels[1]["uv"], wheels[1]["peg"])
        if refusing:
            (small.folder / "uv-refuses").touch()
        status, said = small.set_up()
        assert status == 0, said
        assert "Making .venv" not in said
        assert ("uv does not work here" in said) == refusing
        assert {"peg", "pip", "uv"} <= small.programs
        assert "old_peg" not in small.programs

    def test_a_lock_that_cannot_be_had_leaves_what_was_there(self, small, wheels):
        kept = (small.folder / "requirements" / "embedded.txt").read_text()
        small.set_up()
        small.write_lock(wheels[1]["uv"], wheels[1]["peg"].replace("sha256:", "sha256:0000")[:-5] + "\n")
        status, said = small.set_up()
        assert status == 1
        assert "could not be installed. var/log/bootstrap.log ends so:" in said
        assert "The network is needed this once" in said
        for name in packages.LOCKS:
            (small.folder / "requirements" / f"{name}.txt").write_text(kept)
        assert small.set_up(PIP_FIND_LINKS="/nowhere", UV_FIND_LINKS="/nowhere") == (0, "")

    @pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
    def test_whoever_is_ended_while_installing_is_repaired_by_the_next(self, small, wheels, number):
        small.set_up()
        small.write_lock(wheels[1]["uv"], wheels[1]["peg"])
        (small.folder / "uv-sleeps").touch()
        begun = small.begin()
        until((small.folder / "uv-began").exists, within=60, what="uv")
        begun.send_signal(number)
        begun.communicate(timeout=20)
        (small.folder / "uv-sleeps").unlink()
        status, said = small.set_up()
        assert status == 0, said
        assert ("waiting for it" in said) == (number == signal.SIGKILL), "its installer still ran"
        assert "1/2 Making .venv" in said
        assert small.says("peg") == str(small.folder / ".venv")
        assert json.loads((small.folder / ".venv" / "installed.json").read_text()).get("half") is None

    def test_two_at_the_same_moment_in_a_fresh_checkout_set_up_once(self, small):
        shutil.rmtree(small.folder / ".venv")
        both = [small.begin(), small.begin()]
        said = [one.communicate(timeout=120)[0] for one in both]
        assert [one.returncode for one in both] == [0, 0]
        assert sorted("Making .venv" in words for words in said) == [False, True]
        assert any("Another make is setting up; waiting for it" in words for words in said)

    @pytest.mark.long
    def test_whoever_is_killed_while_making_venv_is_repaired_by_the_next(self, small):
        shutil.rmtree(small.folder / ".venv")
        begun = small.begin()
        until((small.folder / ".venv" / "bin" / "python").exists, within=60, what="half a .venv")
        begun.kill()
        begun.communicate(timeout=20)
        status, said = small.set_up()
        assert status == 0, said
        assert small.says("old_peg") == str(small.folder / ".venv")

    def test_a_full_disk_is_said_in_a_sentence(self, small):
        log = small.folder / "var" / "log" / "bootstrap.log"
        log.unlink()
        log.symlink_to("/dev/full")
        (small.folder / ".venv" / "installed.json").unlink()
        status, said = small.set_up()
        assert status == 1
        assert "is full. Make room, then the same command goes on from here." in said
        assert "Traceback" not in said

    def test_a_folder_of_somebody_else_is_said_in_a_sentence(self, small):
        shutil.rmtree(small.folder / "var")
        small.folder.chmod(0o555)
        checkout.open_way(small.folder)
        base = packages.own_python()
        if os.geteuid() == 0:  # to root nothing is forbidden
            nobody = host.server_identity()
            if not nobody.can(base, "-c", ""):
                base = "/usr/bin/python3"
            options = nobody.options()
        else:
            options = {}
        refused = subprocess.run(
            [base, "-m", "config.embedded.bootstrap", "run"],
            check=False, cwd=small.folder, env=checkout.environment(), capture_output=True, text=True, **options,
        )  # fmt: skip
        small.folder.chmod(0o755)
        assert refused.returncode == 1
        assert "belongs to somebody else. Run make as its owner" in refused.stderr
        assert "Traceback" not in refused.stderr

    def test_without_ensurepip_it_says_what_to_type(self, small, tmp_path):
        hidden = tmp_path / "hidden"
        hidden.mkdir()
        (hidden / "sitecustomize.py").write_text(
            "import importlib.machinery as m\n"
            "found = m.PathFinder.find_spec\n"
            "m.PathFinder.find_spec = lambda name, *rest: None if name == 'ensurepip' else found(name, *rest)\n"
        )
        shutil.rmtree(small.folder / ".venv")
        status, said = small.set_up(PYTHONPATH=str(hidden), PATH=str(hidden))
        assert status == 1
        assert f"apt install python3.{sys.version_info[1]}-venv" in said
        assert "Traceback" not in said


# -- its parts ------------------------------------------------------------------------------------------------------


def test_as_root_on_debian_the_missing_package_is_installed(tmp_path, monkeypatch):
    typed = tmp_path / "typed"
    program = tmp_path / "apt-get"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> "{typed}"\ncase "$*" in *update*) touch "{typed}.updated"; exit 0;; esac\n'
        f'[ -e "{typed}.updated" ] || exit 100\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(sys, "_base_executable", "/usr/bin/python3")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    packages.need_ensurepip()
    package = f"python3.{sys.version_info[1]}-venv"
    assert typed.read_text().splitlines() == [f"-qq install -y {package}", "-qq update -y", f"-qq install -y {package}"]


def test_a_python_without_ensurepip_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Stop, match=r"apt install python3\.\d+-venv"):
        packages.need_ensurepip()


OURS = f"python3.{sys.version_info[1]}"


@pytest.fixture
def slow(tmp_path, monkeypatch):
    """Our Python, as if it had been compiled in a hurry; nobody has named one, and PATH leads to this folder alone."""
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: "'--prefix=/opt/python'")
    monkeypatch.setattr(sys, "base_prefix", "/opt/python")
    monkeypatch.delenv("PYTHON", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def a_python(folder: Path, says: str) -> str:
    """A program of our Python's name that answers with these numbers, whatever it is asked."""
    program = folder / OURS
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)
    return str(program)


def test_venv_is_made_of_a_python_that_was_built_to_be_fast(slow):
    fast = a_python(slow, f"3 {sys.version_info[1]} 1")
    assert packages.base_python() == fast


@pytest.mark.parametrize("says", [f"3 {sys.version_info[1]} 0", "3 9 1", "", "none of yours"])
def test_of_another_that_is_as_slow_or_does_not_start_nothing_is_made(slow, says):
    a_python(slow, says)
    assert packages.base_python() == packages.own_python()


def test_whoever_names_a_python_gets_it(slow, monkeypatch):
    a_python(slow, f"3 {sys.version_info[1]} 1")
    monkeypatch.setenv("PYTHON", "/opt/python/bin/python3")
    assert packages.base_python() == packages.own_python()


@pytest.mark.parametrize(
    ("prefix", "configured"), [("/opt/python", "'--enable-optimizations' '--with-lto'"), ("/usr", "")]
)
def test_a_python_that_was_built_to_be_fast_looks_for_no_other(slow, monkeypatch, prefix, configured):
    a_python(slow, f"3 {sys.version_info[1]} 1")
    monkeypatch.setattr(sys, "base_prefix", prefix)
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: configured)
    assert packages.base_python() == packages.own_python()


def test_a_python_says_how_it_was_built_and_one_of_a_venv_is_not_built_upon():
    version = list(sys.version_info[:2])
    assert packages.answer_of(Path(packages.own_python()), packages.FIT) == [*version, int(packages.built_fast())]
    assert packages.answer_of(ROOT / ".venv" / "bin" / "python", packages.FIT) == [*version, 0]


def test_a_python_that_is_too_old_is_told_which_to_take(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 4, "final", 0))
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(Stop, match=r"Python 3\.11 to 3\.14 is needed"):
        bootstrap.fit_python()


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A `.venv` that is made up and whole."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "lib" / f"python3.{sys.version_info[1]}" / "site-packages" / "pip").mkdir(parents=True)
    monkeypatch.setattr(packages, "VENV", tmp_path)
    monkeypatch.setattr(packages, "STAMP", tmp_path / "installed.json")
    return tmp_path


@pytest.mark.parametrize(
    ("held", "usable"),
    [
        ({}, True),  # somebody's own
        ({"embedded": "of another lock"}, True),
        ({"python": list(sys.version_info[:2])}, True),
        ({"python": [3, 10]}, False),  # the machine's Python was renewed: its packages lie elsewhere
        ({"half": True}, False),
    ],
)
def test_what_venv_says_of_itself_decides_whether_it_is_made_anew(elsewhere, held, usable):
    assert packages.usable(held) == usable


def test_a_venv_whose_python_is_gone_is_made_anew(elsewhere):
    (elsewhere / "bin" / "python").unlink()
    (elsewhere / "bin" / "python").symlink_to(elsewhere / "removed")
    assert not packages.usable({})


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_a_broken_stamp_says_nothing(elsewhere, text):
    packages.STAMP.write_text(text)
    assert packages.stamp() == {}


def test_too_little_room_is_said_before_anything_begins(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: shutil._ntuple_diskusage(10**9, 10**9 - 2**25, 2**25))
    with pytest.raises(Stop, match=r"about 400 MiB are needed on the disk of .*, and 32 MiB are free"):
        host.need_room(400, tmp_path)
