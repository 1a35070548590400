"""What P2 and P3 share: a production web service, people with orders, and PostgreSQL's own bench beside it."""

from __future__ import annotations

import json
import random
import re
import socket
import subprocess
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg

from bench.p1 import clean, crowd
from config.embedded.host import free_port
from config.embedded.servers import USER
from tests.product import Running, running

SECONDS = 5  # of PostgreSQL's own bench, each time
# As deploy/systemd/lending-web.service has it.
WEB = ["--interface", "wsgi", "--workers", "2", "--blocking-threads", "2"]
WEB_ENVIRONMENT = {"DATABASE_POOL": "0"}


@dataclass
class Town:
    """The service with people who all have an order, each wanting one of the slots."""

    running: Running
    port: int
    people: list[dict[str, Any]]

    def book(self, clients: int, *, slot: int = 0) -> float:
        """Everybody takes a place, of the slot they want or of this one; bookings a second. All must get theirs."""
        clean(self.running)
        queue = random.sample(self.people, len(self.people))
        answers: Counter[int] = Counter()
        lock = threading.Lock()

        def client() -> None:
            connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
            told: Counter[int] = Counter()
            while True:
                with lock:
                    if not queue:
                        break
                    one = queue.pop()
                told[_book(connection, one, slot or one["slot"])] += 1
            with lock:
                answers.update(told)

        threads = [threading.Thread(target=client) for _ in range(clients)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - began
        if set(answers) != {200}:
            raise AssertionError(f"answers were {dict(answers)}")
        return len(self.people) / took

    def bare(self, clients: int, *, slots: int) -> float:
        """Transactions a second of PostgreSQL alone: count one into a slot, insert a row."""
        script = self.running.product.state / "bare.sql"
        script.write_text(
            f"\\set slot random(1, {slots})\n"
            "BEGIN;\n"
            "UPDATE bare_slot SET booked = booked + 1 WHERE id = :slot AND booked < capacity;\n"
            "INSERT INTO bare_booking (slot, at) VALUES (:slot, now());\n"
            "COMMIT;\n"
        )
        postgres = self.running.postgres
        pgbench = Path(postgres.binaries.postgres) / "pgbench"
        done = subprocess.run(
            [
                str(pgbench), "-n", "-h", "127.0.0.1", "-p", str(postgres.port), "-U", USER, "-c", str(clients),
                "-j", "2", "-T", str(SECONDS), "-f", str(script), "lending",
            ],
            check=True, capture_output=True, text=True, env={"PGPASSWORD": postgres.password},
        )  # fmt: skip
        found = re.search(r"tps = ([0-9.]+)", done.stdout)
        assert found is not None, done.stdout
        return float(found.group(1))


@contextmanager
def town(slots: int, places: int, for_each: int) -> Iterator[Town]:
    """With disks that are written to (fsync), as in production."""
    with running(sample=False, durable=True, programs=()) as made:
        people = crowd(made, slots, places, for_each)
        with psycopg.connect(made.environment["DATABASE_URL"]) as connection:
            connection.execute("CREATE TABLE bare_slot (id int PRIMARY KEY, booked int, capacity int)")
            connection.execute("INSERT INTO bare_slot SELECT n, 0, 1000000000 FROM generate_series(1, 1000) n")
            connection.execute("CREATE TABLE bare_booking (id bigserial PRIMARY KEY, slot int, at timestamptz)")
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        product = replace(
            made.product,
            port=port,
            environment={**made.environment, **WEB_ENVIRONMENT, "PUBLIC_BASE_URL": address},
            programs={},
        )
        web = product.program("web")
        granian = web.command[: web.command.index("granian") + 1]
        web.command = [*granian, *WEB, "--host", "127.0.0.1", "--port", str(port), "config.wsgi:application"]
        web.start()
        product.wait_for_page("/healthz")
        made.product.programs["web"] = web  # ends with the others
        yield Town(made, port, people)


def _book(connection: socket.socket, one: dict[str, Any], slot: int) -> int:
    """Take a place over a connection that stays open; the status. By hand: the client takes of what it measures."""
    body = json.dumps({"slot": slot})
    connection.sendall(
        f"POST /api/v1/orders/{one['order']}/appointment HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Token {one['token']}\r\nIdempotency-Key: {uuid.uuid4()}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    answer = b""
    while not (head := answer.partition(b"\r\n\r\n"))[1]:
        answer += _more(connection)
    length = int(re.search(rb"(?i)content-length: (\d+)", head[0])[1])  # type: ignore[index]  # our server sends it
    while len(answer) < len(head[0]) + 4 + length:
        answer += _more(connection)
    return int(answer.split(b" ", 2)[1])


def _more(connection: socket.socket) -> bytes:
    got = connection.recv(65536)
    if not got:
        raise ConnectionError("the service closed the connection")
    return got
