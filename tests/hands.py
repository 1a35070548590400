"""A `manage.py shell` beside a running product that is started once: `python -m tests.hands`.

Reads one JSON string of Python a line, and answers with what it printed, or how it failed. To start Django anew for
each piece takes longer than all that most of them do.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field

from config.embedded.host import ROOT


@dataclass
class Hands:
    """The process, begun by the first piece that is asked of it."""

    environment: Mapping[str, str]
    process: subprocess.Popen[str] | None = field(default=None)

    def run(self, code: str) -> str:
        """What the code printed; fails with its traceback."""
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.hands"],
                cwd=ROOT,
                env={**self.environment, "STATEMENT_TIMEOUT_MS": "0", "DATABASE_POOL": "0"},  # nothing stays open
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(code) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the hands have ended: their last words stand above"
        said, failed = json.loads(line)
        assert not failed, failed
        return str(said)

    def end(self) -> None:
        """They end with their input."""
        if self.process is not None:
            self.process.communicate(timeout=30)


def main() -> None:
    """Run each piece with names of its own, and keep no connection: servers come and go in these tests."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.db import connections

    for line in sys.stdin:
        said, failed = io.StringIO(), ""
        with contextlib.redirect_stdout(said):
            try:
                exec(json.loads(line), {"__name__": "hands"})
            except Exception:  # noqa: BLE001 - whoever asked is told
                failed = traceback.format_exc()
        connections.close_all()
        print(json.dumps([said.getvalue(), failed]), flush=True)


if __name__ == "__main__":
    main()
