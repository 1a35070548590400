"""`python -m bench bench [BAR ..]`."""

from __future__ import annotations

import sys

from bench import run
from config.embedded.host import Stop

if __name__ == "__main__":
    try:
        sys.exit(run.main(sys.argv[2:]))
    except Stop as stop:
        sys.exit(f"Cannot go on: {stop}")
