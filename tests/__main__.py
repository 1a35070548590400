"""`make test` and its sisters: every check with its time, and a clear end."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from config.embedded import browser
from config.embedded.host import ROOT, Stop
from tests import servers

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.embedded.servers import Servers

PYTHON = sys.executable
DEBIAN = {"PG_BIN": "/usr/lib/postgresql/15/bin", "REDIS_SERVER": "/usr/bin/redis-server"}
LIKE_PRODUCTION = {
    "SECRET_KEY": secrets.token_urlsafe(50),
    "PUBLIC_BASE_URL": "https://pickup.example.org",
    "SANDBOX": "0",
    "DEBUG": "0",
    "ALLOWED_HOSTS": "pickup.example.org",
    "TWILIO_API_BASE_URL": "",
}
UNIT = "not browser and not journey and not race and not fault and not long"


@dataclass
class Check:
    """One thing that has to hold: a title, and what finds out, giving whether all is well and its words."""

    title: str
    find_out: Callable[[], tuple[bool, str]]
    words: str = ""
    well: bool = False
    took: float = 0.0

    def run(self) -> Check:
        began = time.monotonic()
        self.well, self.words = self.find_out()
        self.took = time.monotonic() - began
        return self


def command(title: str, *words: str, **environment: str) -> Check:
    """A check that is a program; it holds when the program ends with 0."""

    def find_out() -> tuple[bool, str]:
        done = subprocess.run(
            words, cwd=ROOT, check=False, capture_output=True, text=True, env={**os.environ, **environment}
        )
        return done.returncode == 0, done.stdout + done.stderr

    return Check(title, find_out)


class Checks:
    """Runs checks and remembers which failed."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self.began = time.monotonic()

    def together(self, checks: list[Check]) -> None:
        """Run checks side by side, as many as there are processors; each is shown when it ends."""
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for ended in as_completed([pool.submit(check.run) for check in checks]):
                check = ended.result()
                self._show(check.title, check.words, well=check.well, took=check.took)

    def alone(self, title: str, *words: str, **environment: str) -> None:
        """Run a program that is shown while it runs."""
        print(f"── {title}", flush=True)
        began = time.monotonic()
        done = subprocess.run(words, cwd=ROOT, check=False, env={**os.environ, **environment})
        self._end(title, well=done.returncode == 0, took=time.monotonic() - began)

    def _show(self, title: str, words: str, *, well: bool, took: float) -> None:
        print(f"── {title}", flush=True)
        if words.strip():
            print(words.rstrip(), flush=True)
        self._end(title, well=well, took=took)

    def _end(self, title: str, *, well: bool, took: float) -> None:
        if not well:
            self.failed.append(title)
            print(f"   failed: {title}", flush=True)
        print(f"   {took:.1f} s", flush=True)

    def end(self) -> int:
        """Say how it went; the exit status."""
        took = time.monotonic() - self.began
        if self.failed:
            print(f"\nNot well: {', '.join(self.failed)} ({took:.0f} s)")
            return 1
        print(f"\nAll is well ({took:.0f} s)")
        return 0


def templates() -> list[Path]:
    """Every template of ours."""
    return sorted(
        path for room in ("config", "pickup", "lending", "notifications") for path in (ROOT / room).rglob("*.html")
    )


def formatted(template: Path) -> str:
    """A template as djangofmt wants it."""
    command = ["djangofmt", "--quiet", "--stdin-filename", str(template)]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, input=template.read_text(encoding="utf-8")
    )
    if done.returncode:
        raise Stop(f"djangofmt cannot read {template.relative_to(ROOT)}:\n{done.stderr or done.stdout}")
    return done.stdout


def templates_are_formatted() -> tuple[bool, str]:
    """Whether djangofmt would leave every template alone; names those it would not."""
    try:
        wrong = [path.relative_to(ROOT) for path in templates() if formatted(path) != path.read_text(encoding="utf-8")]
    except Stop as stop:
        return False, str(stop)
    return not wrong, "\n".join(f"   {path}: make format" for path in wrong)


def of_the_text() -> list[Check]:
    """What needs no test: types, contracts, lint, format."""
    return [
        command("types", "mypy"),  # the longest first
        command("contracts", "lint-imports", "--no-logo"),
        Check("templates", templates_are_formatted),
        command("lint", "ruff", "check", "--quiet", "--output-format", "concise", "."),
        command("format", "ruff", "format", "--check", "--quiet", "--output-format", "concise", "."),
    ]


def of_django(database: Servers, *, sample: bool) -> list[Check]:
    """What Django itself finds, and a migrated database for the tests; with the sample library for browsers."""

    def made() -> tuple[bool, str]:
        well, words = servers.migrate(database)
        return servers.seed(database) if well and sample else (well, words)

    deploy = ["check", "--deploy", "--fail-level", "WARNING"]
    return [
        Check("database", made),
        command("migrations", PYTHON, "manage.py", "makemigrations", "--check", "--dry-run"),
        command("deployment", PYTHON, "manage.py", *deploy, **LIKE_PRODUCTION),
        command("translations", PYTHON, "manage.py", "compile_catalogues", "-v", "0"),
    ]


def run_tests(checks: Checks, chosen: str, arguments: list[str], **environment: str) -> None:
    """The tests that a marker expression chooses, in two processes; a file stays in one, the longest begin."""
    marked = ["-m", chosen] if chosen else []
    spread = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
    checks.alone("tests", PYTHON, "-m", "pytest", "-q", *spread, *marked, *arguments, **environment)


def have_debians_servers() -> None:
    """Name Debian's PostgreSQL 15 and Redis 7; as root they are installed where they are missing."""
    missing = [
        package
        for package, path in (("postgresql-15", DEBIAN["PG_BIN"]), ("redis-server", DEBIAN["REDIS_SERVER"]))
        if not Path(path).exists()
    ]
    if missing and not (os.geteuid() == 0 and shutil.which("apt-get") and browser.apt_install(*missing)):
        raise Stop(f"this needs Debian's {' and '.join(missing)}: apt install {' '.join(missing)}")
    os.environ.update(DEBIAN)
    for name in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(name, None)


def have_a_browser() -> None:
    """Find or install it once, before two processes look for it."""
    if found := browser.find():
        os.environ["CHROMIUM"] = found


def main(action: str, arguments: list[str]) -> int:
    """Do `test`, `check`, `test-long`, `test-debian` or `format`."""
    checks = Checks()
    if action == "format":
        checks.alone("python", "ruff", "format", ".")
        checks.alone("lint", "ruff", "check", "--fix", "--quiet", ".")
        for path in templates():
            path.write_text(formatted(path), encoding="utf-8")
        return checks.end()
    if action == "test-debian":
        have_debians_servers()
    for name, value in servers.SETTINGS.items():
        os.environ.setdefault(name, value)
    if action != "check":
        have_a_browser()
    started = servers.start()
    try:
        text = of_the_text() if action in {"check", "test"} else []
        checks.together([*of_django(started, sample=action != "check"), *text])
        chosen = {"check": UNIT, "test": "not long", "test-debian": "not long", "test-long": ""}[action]
        inner = "1" if action == "check" and not arguments else ""  # the rules alone: what needs no database
        run_tests(checks, chosen, arguments, INNER=inner)
    finally:
        servers.stop(started)
    return checks.end()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1], sys.argv[2:]))
    except Stop as stop:
        sys.exit(f"Cannot go on: {stop}")
    except KeyboardInterrupt:
        sys.exit(130)
