"""P6: ten thousand ready orders at one place: from due until all are promised a time, committed, their texts queued."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from bench.rows import Ratio
from config.embedded.host import ROOT
from tests.product import running

ORDERS, ROUNDS = 10_000, 3
name = f"{ORDERS:,} ready orders: due, planned, promised, texts queued, committed"


def run() -> list[Ratio]:
    """All in one process, as a worker does it, on a database of its own."""
    with running(sample=False, programs=()) as town:
        environment = {**os.environ, **town.environment, "STATEMENT_TIMEOUT_MS": "30000"}
        done = subprocess.run(
            [sys.executable, "-m", "bench.due", str(ORDERS), str(ROUNDS)],
            cwd=ROOT,
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    took = {way: tuple(seconds) for way, seconds in json.loads(done.stdout.splitlines()[-1]).items()}
    return [
        Ratio("all of it", "s", took["ours"], "a plain flow and one INSERT", took["plain"], must=3, better="less"),
        Ratio("all of it", "s", took["ours"], "our own flow and one INSERT", took["own"]),
    ]
