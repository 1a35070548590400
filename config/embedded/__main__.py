"""What the Makefile's words do, once `.venv` is there: `python -m config.embedded ACTION`."""

from __future__ import annotations

import sys

from config.embedded.host import Stop, refused


def main(action: str) -> int:
    """Do one action; its exit status."""
    from config.embedded import locks, run

    return {"run": run.run, "reset": run.reset, "lock": locks.write}[action]()


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a path that a terminal cannot show
    try:
        sys.exit(main(sys.argv[1]))
    except Stop as stop:
        sys.exit(f"Cannot go on: {stop}")
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        if sentence := refused(error):
            sys.exit(f"Cannot go on: {sentence}")
        raise
