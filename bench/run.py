"""Find the bars, measure the chosen ones, print both sides of every ratio. Times never fail a build."""

from __future__ import annotations

import importlib
import os
import pkgutil
import platform
import random
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

import bench
from config.embedded.host import Stop
from config.embedded.packages import built_fast

if TYPE_CHECKING:
    from types import ModuleType

    from bench.rows import Ratio

VERSIONS = ("django", "psycopg", "celery", "redis", "granian", "twilio", "ortools")


def bars() -> dict[str, ModuleType]:
    """Each module bench/p<number>.py by its short name; it has `name` and `run() -> list[Ratio]`."""
    found = sorted(module.name for module in pkgutil.iter_modules(bench.__path__) if module.name[1:].isdigit())
    return {name: importlib.import_module(f"bench.{name}") for name in sorted(found, key=lambda name: int(name[1:]))}


def machine() -> str:
    """What the figures were measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    model = ""
    if (cpu := Path("/proc/cpuinfo")).exists():
        lines = cpu.read_text(encoding="utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    load = os.getloadavg()[0]
    parts = [platform.system(), platform.machine(), model or platform.processor(), f"{os.cpu_count()} cores"]
    return ", ".join([*parts, f"{memory:.0f} GiB", f"load {load:.1f}"])


def versions() -> str:
    """What was measured."""
    python = f"Python {platform.python_version()}{'' if built_fast() else ', compiled without a profile'}"
    return ", ".join([python, *(f"{name} {metadata.version(name)}" for name in VERSIONS)])


def main(chosen: list[str]) -> int:
    """Measure the named bars, or all; 0 whatever the figures are."""
    known = bars()
    if unknown := set(chosen) - set(known):
        raise Stop(f"there is no bar {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    seed = int(os.environ.get("SEED", "2020"))
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(f"{machine()}\n{versions()}\nseed {seed} (SEED=.. changes it)\n", highlight=False)
    for name in chosen or known:
        random.seed(seed)
        console.print(_table(name.upper(), known[name].name, known[name].run()))
    return 0


def _table(number: str, title: str, rows: list[Ratio]) -> Table:
    table = Table(title=f"{number}: {title}", title_justify="left")
    for column in ("what", "ours", "against", "theirs", "ratio", "must", "rounds", ""):
        table.add_column(column, justify="right" if column in {"ours", "theirs", "ratio", "must", "rounds"} else "left")
    for row in rows:
        sign = "≥" if row.better == "more" else "≤"
        table.add_row(
            row.what,
            f"{row.mine:,.4g} {row.unit}",
            row.against,
            "" if row.other is None else f"{row.other:,.4g} {row.unit}",
            "" if row.ratio is None else f"{row.ratio:.3g}",
            "" if row.must is None else f"{sign} {row.must:g}",
            str(len(row.ours)),
            {None: "", True: "reached", False: "MISSED"}[row.holds],
        )
    return table
