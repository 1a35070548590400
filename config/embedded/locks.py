"""`make lock`: write the exact pins and hashes of requirements/*.in, without a word about where packages come from."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from config.embedded.host import ROOT, Stop

NAMES = ("base", "embedded", "dev")
ADDRESS = re.compile(r"://|--(?:extra-)?index-url|--find-links|--trusted-host")


def write() -> int:
    """Resolve each list for every platform; pins that still fit stay as they are."""
    uv = Path(sys.executable).with_name("uv")
    smaller: Path | None = None
    for name in NAMES:
        lock = ROOT / "requirements" / f"{name}.txt"
        print(f"requirements/{name}.txt ...", flush=True)
        command = [
            str(uv), "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes",
            "--no-header", "--no-annotate", "--output-file", str(lock), str(lock.with_suffix(".in")),
            *(["--constraint", str(smaller)] if smaller else []),  # each lock contains the one before it
        ]  # fmt: skip
        smaller = lock
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            raise Stop(f"requirements/{name}.in could not be resolved; uv says above why")
        if found := addresses(lock.read_text(encoding="utf-8")):
            raise Stop(f"{lock.relative_to(ROOT)} names where packages come from: {found[0]}")
    return 0


def addresses(lock: str) -> list[str]:
    """The lines of a lock that name a registry."""
    return [line for line in lock.splitlines() if ADDRESS.search(line)]
