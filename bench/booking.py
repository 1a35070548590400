"""What P2 and P3 share: a production web service, people with orders, and PostgreSQL's own bench beside it."""

from __future__ import annotations

import json
import random
import re
import selectors
import socket
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import psycopg

from bench.p1 import clean, crowd
from config.embedded.host import free_port
from config.embedded.servers import USER
from tests.product import Running, running

SECONDS = 5  # of PostgreSQL's own bench, each time
# Of a round: to sweep up before it makes PostgreSQL plan anew, as it does once in a while, not each second.
UNCOUNTED = 0.2
# As deploy/systemd/lending-web.service has it.
WEB = ["--interface", "wsgi", "--workers", "2", "--blocking-threads", "3"]
WEB_IS = "production web (2 processes of 3 threads, fsync on)"
WEB_ENVIRONMENT = {"DATABASE_POOL": "0"}
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@dataclass
class Town:
    """The service with people who all have an order, each wanting one of the slots."""

    running: Running
    port: int
    people: list[dict[str, Any]]

    def book(self, clients: int, *, slot: int = 0) -> float:
        """Everybody takes a place, of the slot they want or of this one; bookings a second. All must get theirs.

        The first are not counted: see UNCOUNTED.
        """
        clean(self.running)
        uncounted = round(len(self.people) * UNCOUNTED)
        asked = [_asked(one, slot or one["slot"]) for one in random.sample(self.people, len(self.people))]
        answers: Counter[int] = Counter()
        began = time.monotonic()
        with selectors.DefaultSelector() as lines:
            for _ in range(clients):
                line = socket.create_connection(("127.0.0.1", self.port), timeout=60)
                lines.register(line, selectors.EVENT_READ)
                line.sendall(asked.pop())
            while lines.get_map():
                for key, _events in lines.select(60):
                    line = cast("socket.socket", key.fileobj)
                    answers[_status(line)] += 1
                    if answers.total() == uncounted:
                        began = time.monotonic()
                    if asked:
                        line.sendall(asked.pop())
                    else:
                        lines.unregister(line)
                        line.close()
            took = time.monotonic() - began
        if set(answers) != {200}:
            raise AssertionError(f"answers were {dict(answers)}")
        return (len(self.people) - uncounted) / took

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
        ready = Town(made, port, people)
        ready.book(clients=16)  # not counted: each process loads and plans what it needs with its first bookings
        yield ready


def _asked(one: dict[str, Any], slot: int) -> bytes:
    """The request that takes a place. By hand, and before the time runs: the client takes of what it measures."""
    body = json.dumps({"slot": slot})
    return (
        f"POST /api/v1/orders/{one['order']}/appointment HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Token {one['token']}\r\nIdempotency-Key: {uuid.uuid4()}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _status(line: socket.socket) -> int:
    """The status of the answer that has begun to come, read to its end."""
    answer = b""
    while not (head := answer.partition(b"\r\n\r\n"))[1]:
        answer += _more(line)
    length = int(LENGTH.search(head[0])[1])  # type: ignore[index]  # our server sends it
    while len(answer) < len(head[0]) + 4 + length:
        answer += _more(line)
    return int(answer.split(b" ", 2)[1])


def _more(line: socket.socket) -> bytes:
    got = line.recv(65536)
    if not got:
        raise ConnectionError("the service closed the connection")
    return got
