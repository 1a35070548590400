"""`.venv` and the packages in it, from a hash lock. Needs the standard library alone.

The lock's pins are installed by uv where uv works, else by pip; neither is told where packages come from, so that a
private mirror in the user's own configuration is honoured and never written down.

`.venv/installed.json` is the truth about `.venv`: which locks it holds, for which Python, in which place. Whoever is
killed in the middle leaves it saying `half`, and the next start begins `.venv` anew.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from config.embedded.host import ROOT, Stop, need_room
from config.embedded.steps import Steps, say

VENV = ROOT / ".venv"
STAMP = VENV / "installed.json"
LOG = ROOT / "var" / "log" / "bootstrap.log"
OLDEST = (3, 11)
NEWEST = (3, 14)  # the locks resolve to wheels up to here
LOCKS = ["base", "embedded", "dev"]  # each contains the one before it (tests/house/test_locks.py)
# What another Python is asked: its version, and 1 if it was built fast and is of no virtual environment.
FIT = """\
import ensurepip, sys
from config.embedded import packages
print(*sys.version_info[:2], int(sys.prefix == sys.base_prefix and packages.built_fast()))
"""
ROOM = {"base": 300, "embedded": 400, "dev": 800}  # MiB that a new `.venv` and what is downloaded for it take


def lock_file(name: str) -> Path:
    return ROOT / "requirements" / f"{name}.txt"


def digest(name: str) -> str:
    return hashlib.sha256(lock_file(name).read_bytes()).hexdigest()


def venv_python() -> Path:
    return VENV / "bin" / "python"


def place() -> str:
    """Where `.venv` really is: its programs name this path in their first lines."""
    return str(VENV.resolve())


def stamp() -> dict[str, Any]:
    """What `.venv` says about itself; empty when it says nothing."""
    try:
        read = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


def write_stamp(held: dict[str, Any]) -> None:
    beside = STAMP.with_suffix(".new")
    beside.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")
    beside.replace(STAMP)


def version_of(python: Path) -> list[int] | None:
    """Major and minor version of a Python, None when it does not start."""
    return answer_of(python, "import sys; print(*sys.version_info[:2])")


def answer_of(python: Path, question: str) -> list[int] | None:
    """The numbers that a Python prints when it runs these lines, None when it cannot."""
    try:
        done = subprocess.run([str(python), "-c", question], check=False, capture_output=True, text=True, cwd=ROOT)
        return [int(part) for part in done.stdout.split()] if done.returncode == 0 else None
    except (OSError, ValueError):
        return None


def usable(held: dict[str, Any]) -> bool:
    """Whether `.venv` is whole and its Python is the one that its packages were made for."""
    version = version_of(venv_python())
    if held.get("half") or version is None or not OLDEST <= tuple(version) <= NEWEST:
        return False
    return held.get("python", version) == version and (site_packages(version) / "pip").is_dir()


def site_packages(version: list[int]) -> Path:
    return VENV / "lib" / f"python{version[0]}.{version[1]}" / "site-packages"


def set_up(wanted: str, *, following: int = 0) -> int:
    """Make `.venv` where there is none that works, and install the lock into it; the number of steps it took."""
    held = stamp()
    sound = usable(held)
    if sound and held.get("place", place()) != place():
        move_in(held)
        held = stamp()
    if sound and held.get(wanted) == digest(wanted) and "place" in held:
        return 0
    if "dev" in held:
        wanted = "dev"  # who has tested here will test again
    steps = Steps((1 if sound else 2) + following)
    if not sound:
        need_room(ROOM[wanted], ROOT)
        need_ensurepip()
        base = base_python()
        with steps.step("Making .venv"):
            if base != own_python():
                steps.note(f"It is made of {base}, which was built to be fast; make PYTHON={own_python()} takes yours.")
            make_venv(base)
        held = {"half": True}
    with steps.step("Installing the packages (once; hashes are checked)"):
        install(wanted, held, steps)
    return steps.done


def own_python() -> str:
    """This Python itself, also when it runs out of `.venv`: that may be the one which has just been removed."""
    return getattr(sys, "_base_executable", sys.executable)


def built_fast() -> bool:
    """Whether this Python was compiled by a profile of what it does all day; those of distributions are."""
    return sys.base_prefix == "/usr" or "--enable-optimizations" in str(sysconfig.get_config_var("CONFIG_ARGS"))


def base_python() -> str:
    """The Python that `.venv` is made of: the one that somebody named, else this one, or one of its version built to be
    fast (docs/adr/0030).
    """
    if "PYTHON" in os.environ or built_fast():
        return own_python()
    version = list(sys.version_info[:2])
    for folder in dict.fromkeys(os.get_exec_path()):
        found = Path(folder) / f"python{version[0]}.{version[1]}"
        if answer_of(found, FIT) == [*version, 1]:
            return str(found)
    return own_python()


def make_venv(base: str) -> None:
    """Begin anew: whatever is there is half of something, or of a Python that is gone."""
    if VENV.is_symlink():
        VENV.unlink()
    elif VENV.exists():
        shutil.rmtree(VENV)
    VENV.mkdir()
    write_stamp({"half": True})
    if not run(base, "-m", "venv", VENV):
        raise Stop(f"{base} could not make {VENV}. {end_of_log()}")


def move_in(held: dict[str, Any]) -> None:
    """Point the programs of a `.venv` that was moved or copied at the Python beside them. Needs no network."""
    first_lines = re.compile(
        rb"\A#!(?:/bin/sh\n'''exec' )?[\"']?" + re.escape(os.fsencode(held["place"])) + rb"/bin/python[\d.]*[\"']?"
        rb"(?: \"\$0\" \"\$@\"\n' ''')?\n"
    )
    ours = b"#!/bin/sh\n'''exec' \"" + os.fsencode(place()) + b'/bin/python" "$0" "$@"\n\' \'\'\'\n'
    write_stamp({**held, "half": True})
    for program in (VENV / "bin").iterdir():
        if program.is_file() and not program.is_symlink():
            before = program.read_bytes()
            after = first_lines.sub(lambda _: ours, before)
            if after != before:
                mode = program.stat().st_mode
                program.unlink()  # uv links files from its cache: another .venv may have this very one
                program.write_bytes(after)
                program.chmod(mode)
    run(venv_python(), "-m", "venv", "--without-pip", place())  # writes bin/activate anew
    write_stamp({**held, "place": place()})


# -- installing -----------------------------------------------------------------------------------------------------


def install(wanted: str, held: dict[str, Any], steps: Steps) -> None:
    """Install a lock over what `held` says is there; what a lock no longer names is removed if it came from us."""
    version = version_of(venv_python())
    assert version is not None
    site, ours = site_packages(version), bool(held)
    before = there(site)
    write_stamp({**held, "half": True})
    if not (by_uv(wanted, ours=ours) or by_pip(wanted, steps, ours=ours)):
        if before == there(site):
            write_stamp(held)  # untouched: what was there before still works
        raise Stop(
            f"the packages of requirements/{wanted}.txt could not be installed. {end_of_log()}\n\n"
            "The network is needed this once. A mirror is named as always: PIP_INDEX_URL, or in pip's configuration."
            " Then the same command goes on from here."
        )
    locks = LOCKS[: LOCKS.index(wanted) + 1]
    write_stamp({"python": version, "place": place(), **{name: digest(name) for name in locks}})


def there(site: Path) -> list[str]:
    """What is installed, uv left aside: it may have been renewed before it failed."""
    return sorted(path.name for path in site.glob("*.dist-info") if not path.name.startswith("uv-"))


def by_uv(wanted: str, *, ours: bool) -> bool:
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
    words = ["sync"] if ours else ["install", "-r"]
    return run(
        VENV / "bin" / "uv", "pip", *words, lock_file(wanted),
        "--python", venv_python(), "--require-hashes", "--no-build", *homeless,
    )  # fmt: skip


def by_pip(wanted: str, steps: Steps, *, ours: bool) -> bool:
    """Install by plain pip."""
    steps.note("uv does not work here; pip takes a minute longer.")
    if not run(*pip_install(), "-r", lock_file(wanted)):
        return False
    return not ours or drop_others(wanted)


def drop_others(wanted: str) -> bool:
    """Remove what the lock no longer names; a forgotten plugin of pytest would still be loaded."""
    listing = [str(venv_python()), "-m", "pip", "list", "--format=freeze"]
    listed = subprocess.run(listing, check=False, capture_output=True, text=True)
    found = {plain(line.partition("==")[0]) for line in listed.stdout.splitlines()}
    pins = re.findall(r"^([\w.-]+)==", lock_file(wanted).read_text(encoding="utf-8"), re.MULTILINE)
    named = {plain(name) for name in pins}
    others = sorted(found - named - {"pip", "setuptools", "wheel"})
    return listed.returncode == 0 and (not others or run(venv_python(), "-m", "pip", "uninstall", "--yes", *others))


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pip_install() -> list[object]:
    return [venv_python(), "-m", "pip", "install", "--require-hashes", "--only-binary", ":all:"]


def run(*command: object) -> bool:
    """Run an installer with its words in the log; whether it succeeded."""
    settings = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_USER": "0", "UV_SYSTEM_CERTS": "1"}
    words = [str(part) for part in command]
    with LOG.open("a", encoding="utf-8") as log:
        log.write(f"$ {Path(words[0]).name} {' '.join(words[1:])}\n")
        log.flush()
        try:
            done = subprocess.run(
                words, check=False, stdout=log, stderr=log, env={**os.environ, **settings}, close_fds=False
            )
        except OSError as error:
            log.write(f"{error}\n")
            return False
    return done.returncode == 0


def end_of_log() -> str:
    """The last words of the installers, and where the others are."""
    last = LOG.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
    return f"{LOG.relative_to(ROOT)} ends so:\n" + "\n".join(f"    {line}" for line in last)


def need_ensurepip() -> None:
    """Debian parts `ensurepip` from Python: install it as root, else say how."""
    if importlib.util.find_spec("ensurepip") is not None:
        return
    package = f"python3.{sys.version_info[1]}-venv"
    base = own_python()
    if os.geteuid() == 0 and shutil.which("apt-get") and base.startswith("/usr/bin/"):
        say(f"Installing Debian's {package} ...")
        quietly = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for attempt in (["install"], ["update"], ["install"]):
            names = [package] if attempt == ["install"] else []
            done = subprocess.run(["apt-get", "-qq", *attempt, "-y", *names], check=False, env=quietly)
            if attempt == ["install"] and done.returncode == 0:
                importlib.invalidate_caches()
                return
    raise Stop(
        f"this Python ({base}) comes without ensurepip, so it cannot make a virtual environment."
        f" On Debian or Ubuntu: apt install {package}"
    )
