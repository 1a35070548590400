"""What only workers need is not loaded where pages are served: the solver takes tens of MiB."""

from __future__ import annotations

import subprocess
import sys

import pytest

from config.embedded.host import ROOT

HEAVY = ("ortools", "numpy", "pandas")


def loaded_by(code: str) -> set[str]:
    printing = f"{code}\nimport sys\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", printing], cwd=ROOT, check=True, capture_output=True, text=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("serves", ["config.wsgi", "config.asgi"])
def test_a_web_process_loads_no_solver(serves):
    assert loaded_by(f"import {serves}, config.urls, pickup.tasks") == set()


def test_a_plan_for_many_loads_it():
    """The control."""
    plan = (
        "from datetime import datetime\nfrom pickup.scheduling import FreeSlot, Party, assign\n"
        "at = datetime(2026, 11, 24)\nassign([Party('a', at, at), Party('b', at, at)], [FreeSlot(1, at, 2, 0)])"
    )
    assert {"ortools", "numpy"} <= loaded_by(plan)
