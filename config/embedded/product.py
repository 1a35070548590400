"""The product as processes: its environment, its preparation, one web server, one worker, one beat."""

from __future__ import annotations

import hashlib
import http.client
import os
import secrets
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from config.embedded.host import LOOPBACK, ROOT, Stop, write_privately
from config.embedded.processes import Program, end_all, tied

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OF_OTHERS = ("CELERY_", "GRANIAN_")  # both read the environment: CELERY_BROKER_URL would win over REDIS_URL
WEB_WITHIN = 60.0  # seconds until the first page answers
SECRETS: dict[str, Callable[[], str]] = {  # what is made up once and then kept; how
    "SECRET_KEY": lambda: secrets.token_urlsafe(48),
    "LINK_KEY": lambda: secrets.token_urlsafe(48),
    "TWILIO_ACCOUNT_SID": lambda: f"AC{secrets.token_hex(16)}",
    "TWILIO_AUTH_TOKEN": lambda: secrets.token_hex(16),
}


def embedded_environment(*, port: int, database_url: str, redis_url: str, kept: Mapping[str, str]) -> dict[str, str]:
    """The settings of an installation that talks to the sandbox in place of Twilio. `kept`: what it had before."""
    here = f"http://{LOOPBACK}:{port}"
    return {
        **{name: kept.get(name) or make() for name, make in SECRETS.items()},
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "PUBLIC_BASE_URL": here,
        "ALLOWED_HOSTS": f"{LOOPBACK},localhost",
        "SANDBOX": "1",
        "TWILIO_API_BASE_URL": here,
        "LIVE_PREFIX": "lending",
    }


def read_environment(path: Path) -> dict[str, str]:
    """The lines NAME=value of an environment file; empty when there is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def write_environment(path: Path, environment: Mapping[str, str]) -> None:
    """Keep the environment for the next run and for `manage.py` beside the running service."""
    head = "# Written by `make run`, read by config/settings.py where the environment is silent. Keep it to yourself.\n"
    write_privately(path, head + "".join(f"{name}={value}\n" for name, value in environment.items()))


@dataclass
class Product:
    """The processes of one installation. `environment` holds the settings; `logs` one file a process."""

    port: int
    environment: dict[str, str]
    logs: Path
    state: Path
    programs: dict[str, Program] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def everything(self) -> dict[str, str]:
        """Our own environment without what other projects may have left in it, and the settings over it."""
        mine = {name: value for name, value in os.environ.items() if not name.startswith(OF_OTHERS)}
        direct = ",".join(
            filter(None, [os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), LOOPBACK, "localhost"])
        )
        fixed = {"DJANGO_SETTINGS_MODULE": "config.settings", "NO_PROXY": direct, "no_proxy": direct}
        # Granian is Rust: a backtrace of a hundred lines would bury the one sentence that says what is wrong.
        return {**mine, **fixed, **self.environment, "PYTHONUNBUFFERED": "1", "RUST_BACKTRACE": "0"}

    def prepare(self, *, sample: bool) -> str:
        """Migrate, compile, collect, and fill an empty database; what the command said."""
        return self.manage("prepare", *(["--sample"] if sample else []))

    def manage(self, *arguments: str) -> str:
        """Run `manage.py` to its end; what it said. Stops with its last words where it fails."""
        done = subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            cwd=ROOT,
            env=self.everything(),
            check=False,
            capture_output=True,
            text=True,
            start_new_session=True,  # a Ctrl-C is for us; we end the command
            preexec_fn=tied(signal.SIGTERM),
        )
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / "commands.log").open("a", encoding="utf-8") as log:
            log.write(f"$ manage.py {' '.join(arguments)}\n{done.stdout}{done.stderr}")
        if done.returncode:
            last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
            raise Stop(f"manage.py {' '.join(arguments)} failed:\n{last}")
        return done.stdout

    def program(self, name: str) -> Program:
        """The process of that name, not started yet: `web`, `worker` or `beat`, or one more of them, as `worker-2`."""
        celery = [sys.executable, "-m", "celery", "-A", "config.celery"]
        commands = {
            "web": [
                sys.executable, "-m", "granian", "--interface", "asgi", "--host", LOOPBACK, "--port", str(self.port),
                "--workers", "1", "--no-ws", "--respawn-failed-workers",
                "--workers-kill-timeout", "3",  # else an open live stream keeps the server for ever
                "config.asgi:application",
            ],
            "worker": [
                *celery, "worker", "--loglevel", "INFO", "--without-gossip", "--without-mingle", "--without-heartbeat",
                "-n", f"{name}@%h",
            ],
            "beat": [
                *celery, "--skip-checks",  # Django's would load every page of the service, which beat never needs
                "beat", "--loglevel", "INFO", "--pidfile=", "-s", str(self.state / f"{name}-schedule"),
            ],
        }  # fmt: skip
        made = Program(name, commands[name.partition("-")[0]], self.logs / f"{name}.log", self.everything())
        self.programs[name] = made
        return made

    def start(self, name: str) -> Program:
        """Start the process of that name."""
        made = self.program(name)
        made.start()
        return made

    def wait_for_page(self, path: str = "/", within: float = WEB_WITHIN) -> None:
        """Wait until the web process answers; stop with its last words when it ends or stays silent."""
        web, until = self.programs["web"], time.monotonic() + within
        while web.runs and time.monotonic() < until:
            if answers(self.port, path):
                return
            time.sleep(0.05)
        raise Stop(f"the web process does not answer. The last lines of {web.log}:\n{web.said()}")

    def stop(self) -> None:
        """End every process of the product, politely and then surely."""
        end_all(self.programs.values())


def answers(port: int, path: str = "/") -> int:
    """The status that a page answers with on loopback; 0 while nobody listens."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=20)
    try:
        connection.request("GET", path, headers={"Host": f"{LOOPBACK}:{port}"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def fingerprint(*parts: str) -> str:
    """Changes whenever something that `prepare` works on does: migrations, translations, static files, samples."""
    seen = hashlib.sha256("\n".join(parts).encode())
    patterns = (
        "*/migrations/*.py", "*/locale/*/LC_MESSAGES/*.po", "*/static/**/*", "lending/samples/*",
        "requirements/base.txt", "*/management/commands/*.py",
    )  # fmt: skip
    found = {path.relative_to(ROOT) for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()}
    for path in sorted(path for path in found if path.parts[0] != "var"):
        seen.update(f"{path}\0".encode())
        seen.update((ROOT / path).read_bytes())
    return seen.hexdigest()
