"""What the Makefile's words do, once `.venv` is there: `python -m config.embedded ACTION`."""

from __future__ import annotations

import sys

from config.embedded.host import Stop


def main(action: str, arguments: list[str]) -> int:
    """Do one action; its exit status."""
    if action in {"run", "reset"}:
        from config.embedded import run

        return run.run() if action == "run" else run.reset()
    from config.embedded import chores

    return chores.do(action, arguments)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1], sys.argv[2:]))
    except Stop as stop:
        sys.exit(f"Cannot go on: {stop}")
    except KeyboardInterrupt:
        sys.exit(130)
