"""A pytest plugin: the servers and settings of the tests, before pytest-django reads the settings.

The main process starts a throw-away PostgreSQL and Redis (Valkey), unless DATABASE_URL and REDIS_URL name others; the
processes of pytest-xdist inherit them. A socket that would leave this machine is refused.
"""

from __future__ import annotations

import atexit
import ipaddress
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from config.embedded.host import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config.embedded.servers import Servers

pytest_plugins = ["tests.product"]

SETTINGS = {
    "SECRET_KEY": "tests-" + "s" * 40,
    "LINK_KEY": "tests-" + "l" * 40,
    "PUBLIC_BASE_URL": "http://127.0.0.1:8000",
    "SANDBOX": "1",
    "LIVE_PREFIX": "tests",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "0123456789abcdef0123456789abcdef",
    "TWILIO_API_BASE_URL": "http://127.0.0.1:9",  # the discard port: a test that sends starts its own stand-in
}
REDIS_DATABASES = 16
MIGRATED, SAMPLE = "migrated", "sample"


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """Set the environment before pytest-django looks for it."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker:
        _part(int(worker.removeprefix("gw")))
    else:
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
        if not {"-h", "--help", "--version", "--co", "--collect-only"} & set(early_config.invocation_params.args):
            atexit.register(stop, start())  # runs also when a plugin after this one fails
    sys.addaudithook(_stay_here)
    return (yield)


def stop(servers: Servers) -> None:
    """End what this process started, and forget it."""
    servers.stop()
    servers.forget()


def start() -> Servers:
    """Start the servers that the environment does not name, and name them in the environment."""
    from config.embedded.host import server_identity
    from config.embedded.servers import Servers

    state = Path(tempfile.mkdtemp(prefix="lending-tests-"))
    state.chmod(0o711)
    servers = Servers(
        state,
        state / "log",
        durable=False,
        database_url=os.environ.get("DATABASE_URL", ""),
        redis_url=os.environ.get("REDIS_URL", ""),
    )
    if not (servers.database_url and servers.redis_url):
        servers.start(identity=server_identity())
    os.environ.update(DATABASE_URL=servers.database_url, REDIS_URL=servers.redis_url)
    return servers


def migrate(servers: Servers) -> tuple[bool, str]:
    """Migrate one database, of which each test process then takes a copy; whether that went well, and its words."""
    if servers.postgres is None:
        return True, "DATABASE_URL is named: each process migrates one of its own"
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--no-input", "-v", "0"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "DATABASE_URL": servers.postgres.create(MIGRATED)},
    )
    if done.returncode == 0:
        os.environ["TESTS_COPY"] = MIGRATED
    return done.returncode == 0, done.stdout + done.stderr


def seed(servers: Servers) -> tuple[bool, str]:
    """Fill one more database with the sample library, of which each running product takes a copy; as `migrate` says."""
    if servers.postgres is None:
        return True, ""
    address = servers.postgres.create(SAMPLE, template=MIGRATED)
    done = subprocess.run(
        [sys.executable, "manage.py", "seed_sample"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "DATABASE_URL": address},
    )
    if done.returncode == 0:
        os.environ["TESTS_SAMPLE"] = SAMPLE
    return done.returncode == 0, done.stdout + done.stderr


def shared_copy(base_url: str, *, sample: bool) -> str:
    """A database of one's own, migrated, with the sample library or without; "" where there is none to copy.

    The texts of the sample lead to this address.
    """
    import psycopg

    template = os.environ.get("TESTS_SAMPLE" if sample else "TESTS_COPY")
    if template is None:
        return ""
    parts = urlsplit(os.environ["DATABASE_URL"])
    name = f"product_{secrets.token_hex(6)}"
    with psycopg.connect(urlunsplit(parts._replace(path="/postgres")), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
    address = urlunsplit(parts._replace(path=f"/{name}"))
    with psycopg.connect(address) as connection:
        for table in ("sandbox_text", "notifications_message"):
            connection.execute(
                f"UPDATE {table} SET body = replace(body, %s, %s)".encode(), [SETTINGS["PUBLIC_BASE_URL"], base_url]
            )
    return address


def _part(number: int) -> None:
    """Each process of pytest-xdist has its own Redis database, and its own prefix: channels know no databases."""
    os.environ["LIVE_PREFIX"] = f"{os.environ['LIVE_PREFIX']}-{number}"
    parts = urlsplit(os.environ["REDIS_URL"])
    first = int(parts.path.strip("/") or 0)
    os.environ["REDIS_URL"] = urlunsplit(parts._replace(path=f"/{(first + 1 + number) % REDIS_DATABASES}"))


def _stay_here(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in {"socket.connect", "socket.sendto"}:
        return
    address = arguments[1]
    if not isinstance(address, tuple) or address[0] == "localhost":  # a Unix socket
        return
    try:
        here = ipaddress.ip_address(address[0]).is_loopback
    except ValueError:
        here = False
    if not here:
        raise RuntimeError(f"a test wanted to leave this machine: {address[0]}:{address[1]}")
