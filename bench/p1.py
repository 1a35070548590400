"""P1: thirty-two clients want the places of a hundred slots at once; nothing is oversold, nobody is refused wrongly."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import requests

from bench.rows import Ratio
from config.embedded.host import ROOT, free_port
from tests.product import Running, running

SLOTS, PLACES, FOR_EACH = 100, 5, 7
name = f"{SLOTS} slots of {PLACES} through the API, 32 clients, {FOR_EACH} people after each slot"
ROUNDS, CLIENTS = 3, 32
LAWS = {
    "pickup_slot_never_oversold": "booked >= 0 AND booked <= capacity",
    "pickup_accessible_places_never_oversold": "booked_accessible >= 0 AND booked_accessible <= accessible",
}


@dataclass(frozen=True)
class Round:
    """What one rush led to. A false refusal is a place left empty while somebody who wanted it was sent away."""

    oversold: int
    false_refusals: int
    other_errors: int
    a_second: float


def run() -> list[Ratio]:
    """Guarded and naive rounds in turn, on the same database; the naive ones without the law."""
    with running(sample=False, programs=("web",)) as town:
        people = crowd(town, SLOTS, PLACES, FOR_EACH)
        naive = _naive_web(town)
        guarded: list[Round] = []
        without: list[Round] = []
        for _ in range(ROUNDS):
            guarded.append(_rush(town, town.base_url, people))
            _laws(town, kept=False)
            without.append(_rush(town, naive, people))
            clean(town)
            _laws(town, kept=True)
    return [
        Ratio("oversold places", "", _each(guarded, "oversold"), "limit", must=0, better="less"),
        Ratio("false refusals", "", _each(guarded, "false_refusals"), "limit", must=0, better="less"),
        Ratio("other errors", "", _each(guarded, "other_errors"), "limit", must=0, better="less"),
        Ratio("oversold, count then insert (control)", "", _each(without, "oversold"), "limit", must=1, better="more"),
        Ratio("requests", "/s", _each(guarded, "a_second"), "count then insert", _each(without, "a_second")),
    ]


def _each(rounds: list[Round], figure: str) -> tuple[float, ...]:
    return tuple(float(getattr(one, figure)) for one in rounds)


def crowd(town: Running, slots: int, places: int, for_each: int) -> list[dict[str, Any]]:
    """Slots, and for each so many people with an order who want it; see bench/crowd.py."""
    environment = {**os.environ, **town.environment, "STATEMENT_TIMEOUT_MS": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "bench.crowd", *map(str, (slots, places, for_each))],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    people: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return people


def _naive_web(town: Running) -> str:
    """A second web process on the same database, with the guard taken away; its address."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    environment = {**town.environment, "PUBLIC_BASE_URL": address}
    product = replace(town.product, port=port, environment=environment, programs={})
    web = product.program("web")
    web.command = [*web.command[:-1], "bench.naive:application"]
    web.log = web.log.with_name("naive.log")
    web.start()
    product.wait_for_page("/healthz")
    town.product.programs["naive"] = web  # ends with the others
    return address


def _rush(town: Running, address: str, people: list[dict[str, Any]]) -> Round:
    clean(town)
    crowd = random.sample(people, len(people))
    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as clients:
        answers = Counter(clients.map(lambda one: _ask(address, one), crowd))
    took = time.monotonic() - began
    with psycopg.connect(town.environment["DATABASE_URL"]) as connection:
        held = connection.execute(
            "SELECT s.capacity, count(a.id) FROM pickup_slot s LEFT JOIN pickup_appointment a"
            " ON a.slot_id = s.id AND a.state IN ('offered', 'confirmed', 'kept', 'missed') GROUP BY s.id"
        ).fetchall()
    return Round(
        oversold=sum(max(0, count - capacity) for capacity, count in held),
        false_refusals=sum(max(0, capacity - count) for capacity, count in held),
        other_errors=len(people) - answers["taken"] - answers["slot_unavailable"],
        a_second=len(people) / took,
    )


def _ask(address: str, one: dict[str, Any]) -> str:
    answer = requests.post(
        f"{address}/api/v1/orders/{one['order']}/appointment",
        json={"slot": one["slot"]},
        headers={"Authorization": f"Token {one['token']}", "Idempotency-Key": str(uuid.uuid4())},
        timeout=60,
    )
    return "taken" if answer.ok else str(answer.json().get("code"))


def clean(town: Running) -> None:
    """Everybody has an order, and nobody a time; what that leaves behind is swept up before anybody books."""
    with psycopg.connect(town.environment["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("UPDATE pickup_order SET appointment_id = NULL")
        connection.execute("DELETE FROM pickup_appointment")
        connection.execute("UPDATE pickup_slot SET booked = 0, booked_accessible = 0")
        connection.execute("VACUUM (ANALYZE, TRUNCATE FALSE) pickup_order, pickup_appointment, pickup_slot")


def _laws(town: Running, *, kept: bool) -> None:
    with psycopg.connect(town.environment["DATABASE_URL"]) as connection:
        for law, condition in LAWS.items():
            change = f"ADD CONSTRAINT {law} CHECK ({condition})" if kept else f"DROP CONSTRAINT {law}"
            connection.execute(f"ALTER TABLE pickup_slot {change}")
