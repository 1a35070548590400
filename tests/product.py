"""The running product for journeys, faults and the browser: real processes on private servers, nothing eager.

`product` is the whole service with the sample library, one for each test process; tests part by using people, titles
and telephones of their own. A test that breaks something mends it again, or starts a product for itself with `running`.
"""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import signal
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import psutil
import pytest

from config.embedded.host import LOOPBACK, free_port, server_identity
from config.embedded.product import Product, embedded_environment
from config.embedded.servers import Postgres, Redis, Servers
from tests.hands import Hands
from tests.servers import SETTINGS, shared_copy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from config.embedded.processes import Program

Found = TypeVar("Found")


@dataclass
class Running:
    """The product with handles to hurt it. Whatever was stopped is started again by its own verb, on the same port."""

    product: Product
    servers: Servers

    def __post_init__(self) -> None:
        """Nothing is begun before it is asked for."""
        self.hands = Hands(self.product.everything())

    @property
    def base_url(self) -> str:
        return self.product.address

    @property
    def environment(self) -> dict[str, str]:
        """The settings of its processes; `DATABASE_URL` and `REDIS_URL` among them."""
        return self.product.environment

    def manage(self, *arguments: str) -> str:
        """Run `manage.py` beside it; what it said. Fails with its last words."""
        return self.product.manage(*arguments)

    def shell(self, code: str) -> str:
        """Run some Python beside it, as `manage.py shell -c` does; what it printed."""
        return self.hands.run(code)

    def sweep(self) -> str:
        """Do everything that is due straight from PostgreSQL, as `manage.py sweep` does."""
        return self.shell("from django.core.management import call_command; call_command('sweep')")

    def program(self, name: str) -> Program:
        """The process `web`, `worker` or `beat`, or one more of them by its own name."""
        return self.product.programs[name]

    def kill(self, name: str) -> None:
        """`kill -9` a process and its children, as a power cut would."""
        self.program(name).send_all(signal.SIGKILL)
        self.program(name).end(0)

    def kill_one_child(self, name: str) -> int:
        """`kill -9` one of a worker's children, the worker itself stays; its process id, 0 where there is none."""
        children = psutil.Process(self.program(name).pid).children()
        if not children:
            return 0
        child = random.choice(children)
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
        return int(child.pid)

    def stop(self, *names: str) -> None:
        """End processes politely."""
        for name in names:
            self.program(name).end()

    def start(self, *names: str) -> None:
        """Start processes that do not run; returns once the web answers."""
        for name in names:
            if not self.program(name).runs:
                self.program(name).start()
        if "web" in names:
            self.product.wait_for_page("/healthz")

    @contextmanager
    def other(self, *names: str, **settings: str) -> Iterator[Running]:
        """Other processes on the same servers, such as `worker-2`, with other settings; the own ones rest meanwhile.

        The web goes on. Gives handles to the others; they are ended, and the own ones started again, at the end.
        """
        rest = [name for name in ("worker", "beat") if self.program(name).runs]
        self.stop(*rest)
        product = replace(self.product, environment={**self.environment, **settings}, programs={})
        others = Running(product, self.servers)
        try:
            for name in names:
                product.start(name)
            yield others
        finally:
            others.hands.end()
            product.stop()
            self.start(*rest)

    @property
    def redis(self) -> Redis:
        assert self.servers.redis is not None
        return self.servers.redis

    @property
    def postgres(self) -> Postgres:
        assert self.servers.postgres is not None
        return self.servers.postgres

    def stop_redis(self) -> None:
        """Kill Redis and forget everything that it held."""
        self.redis.stop(crash=True)

    def start_redis(self) -> None:
        """Start it again, empty, on the same port."""
        self.redis.start()

    def crash_postgres(self) -> None:
        """Stop PostgreSQL without a checkpoint and start it again: it has to recover."""
        self.postgres.stop(crash=True)
        self.postgres.start()

    def said(self, name: str, lines: int = 40) -> str:
        """The last lines of a process's log."""
        return self.program(name).said(lines)


@contextmanager
def running(
    *,
    sample: bool = True,
    shared: bool = False,
    durable: bool = False,
    programs: tuple[str, ...] = ("web", "worker", "beat"),
) -> Iterator[Running]:
    """A product of one's own: private PostgreSQL and Redis, its own ports; everything is gone afterwards.

    `shared` takes a copy in the tests' own PostgreSQL, if there is one, of the sample library that was seeded for all,
    or of what was only migrated.
    """
    port = free_port()
    copy = shared_copy(f"http://{LOOPBACK}:{port}", sample=sample) if shared else ""
    state = Path(tempfile.mkdtemp(prefix="lending-product-"))
    state.chmod(0o711)
    servers = Servers(state, state / "log", durable=durable, database_url=copy)
    product = made = None
    try:
        servers.start(identity=server_identity())
        settings = embedded_environment(
            port=port, database_url=servers.database_url, redis_url=servers.redis_url, kept=SETTINGS if copy else {}
        )
        settings["LIVE_PREFIX"] = f"product-{secrets.token_hex(4)}"
        product = Product(int(settings["PUBLIC_BASE_URL"].rpartition(":")[2]), settings, state / "log", state)
        if not copy:
            product.manage("migrate", "--no-input", "-v", "0")
        product.manage("compile_catalogues", "-v", "0")
        if sample and not copy:
            product.manage("seed_sample")
        for name in ("web", "worker", "beat"):
            program = product.program(name)
            if name in programs:
                program.start()
        if "web" in programs:
            product.wait_for_page("/healthz")
        made = Running(product, servers)
        yield made
    finally:
        if made is not None:
            made.hands.end()
        if product is not None:
            product.stop()
        servers.stop()
        if "KEEP_LOGS" in os.environ:
            print(f"logs: {state / 'log'}")
        else:
            servers.forget()


@pytest.fixture(scope="session")
def product() -> Iterator[Running]:
    """The whole service with the sample library, started once for this test process."""
    with running(shared=True) as made:
        _resting.product = made
        yield made
        _resting.product = None


@dataclass
class _Resting:
    """The product of this test process, and how many tests in a row have not asked for it."""

    product: Running | None = None
    unasked: int = 0


_resting = _Resting()
PATIENCE = 20
"""After so many tests without the product its processes rest: they sweep and look about as long as they run."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let the product rest while nobody asks for it, and wake it for the next test that does."""
    if _resting.product is None:
        return
    if "product" in getattr(item, "fixturenames", ()):
        if _resting.unasked >= PATIENCE:
            _resting.product.start("worker", "beat", "web")
        _resting.unasked = 0
        return
    _resting.unasked += 1
    if _resting.unasked == PATIENCE:
        _resting.product.stop("beat", "worker", "web")


def until(condition: Callable[[], Found], *, within: float = 20.0, every: float = 0.05, what: str = "") -> Found:
    """Ask again and again until a condition holds; gives its first true answer."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        if answer := condition():
            return answer
        time.sleep(every)
    raise AssertionError(f"not within {within:.0f} s: {what or condition}")
