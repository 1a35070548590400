"""P10: how long `make run` takes to its first page with everything installed, and what the whole stack needs in memory."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from bench.rows import Ratio
from config.embedded.binaries import outside
from config.embedded.host import ROOT, free_port
from config.embedded.product import answers

name = "from `make run` to the first page, and the memory of the whole stack"
ROUNDS = 3
SETTLED = 6.0  # seconds until the worker has its children
WITHIN = 120.0


def run() -> list[Ratio]:
    """Measured on a copy of the checkout with the same `.venv`, so that a running service is left alone."""
    seconds: list[float] = []
    first: list[float] = []
    shared: list[float] = []
    resident: list[float] = []
    bare: list[float] = []
    with tempfile.TemporaryDirectory(prefix="lending-p10-") as folder:
        checkout = _copy(Path(folder) / "checkout")
        for turn in range(ROUNDS + 1):
            took, memory = _once(checkout)
            bare.append(_bare())
            if turn == 0:
                first.append(took)  # makes the database and loads the sample library
                continue
            seconds.append(took)
            shared.append(memory[0])
            resident.append(memory[1])
        shutil.rmtree(outside(checkout / "var"), ignore_errors=True)
    return [
        Ratio("first page, data there", "s", tuple(seconds), "limit", must=6.0, better="less"),
        Ratio("first page, empty folder", "s", tuple(first), "limit", must=None, better="less"),
        Ratio(
            "first page over Django's own start", "s", tuple(seconds), "django.setup()", tuple(bare[1:]), better="less"
        ),
        Ratio("memory, shared pages counted once", "MiB", tuple(shared), "limit", must=600.0, better="less"),
        Ratio("memory, sum of resident sets", "MiB", tuple(resident), "limit", must=None, better="less"),
    ]


def _copy(to: Path) -> Path:
    leave = shutil.ignore_patterns(".venv", "var", ".git", "__pycache__", ".*_cache", ".hypothesis")
    shutil.copytree(ROOT, to, ignore=leave, symlinks=True)
    to.parent.chmod(0o755)
    (to / ".venv").symlink_to(ROOT / ".venv")
    return to


def _once(checkout: Path) -> tuple[float, tuple[float, float]]:
    port = free_port()
    hidden = ("DATABASE_URL", "REDIS_URL", "VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    environment = {name: value for name, value in os.environ.items() if name not in hidden} | {"PORT": str(port)}
    began = time.monotonic()
    command = ["make", "--no-print-directory", f"PYTHON={sys.executable}", "run"]
    with (checkout / "p10.log").open("a") as log:
        service = subprocess.Popen(command, cwd=checkout, env=environment, stdout=log, stderr=log)
    try:
        while not answers(port):
            if service.poll() is not None or time.monotonic() - began > WITHIN:
                raise RuntimeError((checkout / "p10.log").read_text(encoding="utf-8")[-2000:])
            time.sleep(0.02)
        took = time.monotonic() - began
        time.sleep(SETTLED)
        return took, _memory(service.pid)
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(20)


def _memory(pid: int) -> tuple[float, float]:
    """MiB of a process and all below it: shared pages counted once, and the sum of resident sets."""
    head = psutil.Process(pid)
    processes = [head, *head.children(recursive=True)]
    shared = sum(getattr(one.memory_full_info(), "pss", one.memory_info().rss) for one in processes)
    return shared / 2**20, sum(one.memory_info().rss for one in processes) / 2**20


def _bare() -> float:
    """The cost nobody can go below: one process that sets Django up and ends."""
    from tests.servers import SETTINGS

    named = {"DATABASE_URL": "postgres://a:b@127.0.0.1:1/c", "REDIS_URL": "redis://127.0.0.1:1/0"}
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-c", "import django; django.setup()"],
        cwd=ROOT,
        env={**os.environ, **SETTINGS, **named, "DJANGO_SETTINGS_MODULE": "config.settings"},
        check=True,
    )
    return time.monotonic() - began
