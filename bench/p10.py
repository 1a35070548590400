"""P10: how long `make run` takes to its first page, everything installed, and the memory of the whole stack."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from bench.rows import Ratio
from config.embedded.host import ROOT
from tests import checkout
from tests.checkout import Service
from tests.servers import SETTINGS

name = "from `make run` to the first page, and the memory of the whole stack"
ROUNDS = 3
SETTLED = 10.0  # seconds until the worker has its children


def run() -> list[Ratio]:
    """Measured on a copy of the checkout with the same `.venv`, so that a running service is left alone."""
    seconds: list[float] = []
    first: list[float] = []
    shared: list[float] = []
    resident: list[float] = []
    bare: list[float] = []
    with tempfile.TemporaryDirectory(prefix="lending-p10-") as folder:
        copied = checkout.copy(Path(folder) / "checkout")
        for turn in range(ROUNDS + 1):
            took, memory = _once(copied)
            bare.append(_bare())
            if turn == 0:
                first.append(took)  # makes the database and loads the sample library
                continue
            seconds.append(took)
            shared.append(memory[0])
            resident.append(memory[1])
        checkout.forget(copied)
    return [
        Ratio("first page, data there", "s", tuple(seconds), "limit", must=6.0, better="less"),
        Ratio("first page, empty folder", "s", tuple(first), "limit", must=None, better="less"),
        Ratio(
            "first page over Django's own start", "s", tuple(seconds), "django.setup()", tuple(bare[1:]), better="less"
        ),
        Ratio("memory, shared pages counted once", "MiB", tuple(shared), "limit", must=600.0, better="less"),
        Ratio("memory, sum of resident sets", "MiB", tuple(resident), "limit", must=None, better="less"),
    ]


def _once(copied: Path) -> tuple[float, tuple[float, float]]:
    service = Service(copied)
    began = time.monotonic()
    service.start()
    try:
        service.wait_for_page()
        took = time.monotonic() - began
        service.wait_for_words("Phones")
        time.sleep(SETTLED)
        return took, _memory(service.processes())
    finally:
        service.end()


def _memory(processes: list[psutil.Process]) -> tuple[float, float]:
    """MiB of processes: shared pages counted once, and the sum of resident sets."""
    shared = resident = 0
    for one in processes:
        with contextlib.suppress(psutil.NoSuchProcess):  # PostgreSQL's helpers come and go
            full = one.memory_full_info()
            shared += getattr(full, "pss", full.rss)
            resident += full.rss
    return shared / 2**20, resident / 2**20


def _bare() -> float:
    """The cost nobody can go below: one process that sets Django up and ends."""
    named = {"DATABASE_URL": "postgres://a:b@127.0.0.1:1/c", "REDIS_URL": "redis://127.0.0.1:1/0"}
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-c", "import django; django.setup()"],
        cwd=ROOT,
        env={**os.environ, **SETTINGS, **named, "DJANGO_SETTINGS_MODULE": "config.settings"},
        check=True,
    )
    return time.monotonic() - began
