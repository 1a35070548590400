"""`make test` and its sisters: every check in turn, each with its time, and a clear end."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from config.embedded import browser
from config.embedded.host import ROOT, Stop
from tests import servers

if TYPE_CHECKING:
    from collections.abc import Callable

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


class Checks:
    """Runs one check after the other and remembers which failed."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self.began = time.monotonic()

    def run(self, title: str, *command: str, **environment: str) -> None:
        """Run a program; its words are shown."""
        self.call(
            title,
            lambda: subprocess.run(command, cwd=ROOT, check=False, env={**os.environ, **environment}).returncode == 0,
        )

    def call(self, title: str, check: Callable[[], bool]) -> None:
        """Run a function that says whether all is well."""
        print(f"── {title}", flush=True)
        began = time.monotonic()
        if not check():
            self.failed.append(title)
            print(f"   failed: {title}", flush=True)
        print(f"   {time.monotonic() - began:.1f} s", flush=True)

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


def templates_are_formatted() -> bool:
    """Whether djangofmt would leave every template alone; names those it would not."""
    wrong = [path.relative_to(ROOT) for path in templates() if formatted(path) != path.read_text(encoding="utf-8")]
    for path in wrong:
        print(f"   {path}: make format")
    return not wrong


def read_the_text(checks: Checks) -> None:
    """What needs no database: format, lint, contracts."""
    checks.run("format", "ruff", "format", "--check", "--quiet", "--output-format", "concise", ".")
    checks.run("lint", "ruff", "check", "--quiet", "--output-format", "concise", ".")
    checks.call("templates", templates_are_formatted)
    checks.run("contracts", "lint-imports", "--no-logo")


def check_the_types(checks: Checks) -> None:
    """mypy, whose Django plugin reads the settings."""
    checks.run("types", "mypy")


def ask_django(checks: Checks) -> None:
    """What Django itself finds."""
    checks.run("translations", PYTHON, "manage.py", "compile_catalogues", "-v", "0")
    checks.run("migrations", PYTHON, "manage.py", "makemigrations", "--check", "--dry-run")
    deploy = ["check", "--deploy", "--fail-level", "WARNING"]
    checks.run("deployment", PYTHON, "manage.py", *deploy, **LIKE_PRODUCTION)


def run_tests(checks: Checks, chosen: str, arguments: list[str], **environment: str) -> None:
    """The tests that a marker expression chooses, in two processes; a file stays in one."""
    marked = ["-m", chosen] if chosen else []
    checks.run(
        "tests", PYTHON, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", *marked, *arguments, **environment
    )


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
        checks.run("python", "ruff", "format", ".")
        checks.run("lint", "ruff", "check", "--fix", "--quiet", ".")
        for path in templates():
            path.write_text(formatted(path), encoding="utf-8")
        return checks.end()
    if action == "test-debian":
        have_debians_servers()
    for name, value in servers.SETTINGS.items():
        os.environ.setdefault(name, value)
    if action in {"check", "test"}:
        read_the_text(checks)
    if action != "check":
        have_a_browser()
    started = servers.start()
    try:
        if action in {"check", "test"}:
            check_the_types(checks)
        ask_django(checks)
        chosen = {"check": UNIT, "test": "not long", "test-debian": "not long", "test-long": ""}[action]
        run_tests(checks, chosen, arguments, LONG="1" if action == "test-long" else "")
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
