"""Saying how far a start is: which step of how many, and how long it takes. Needs the standard library alone."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Steps:
    """Says which step of how many is being done and how long it takes; on a terminal the seconds run."""

    def __init__(self, count: int, done: int = 0) -> None:
        self.count, self.done = count + done, done
        self.line = ""  # what a terminal shows and the next word replaces

    @contextlib.contextmanager
    def step(self, words: str) -> Iterator[None]:
        """One step, from its beginning to its end."""
        self.done += 1
        head, began, ended = f"{self.done}/{self.count} {words} ...", time.monotonic(), threading.Event()
        live, outcome = sys.stdout.isatty(), "stopped after"

        def tick() -> None:
            while not ended.wait(1.0):
                self._show(f"{head} {time.monotonic() - began:.0f} s")

        ticker = threading.Thread(target=tick, daemon=True)
        if live:
            self._show(head)
            ticker.start()
        else:
            say(head)
        try:
            yield
            outcome = "done in"
        except Exception:
            outcome = "failed after"
            raise
        finally:
            ended.set()
            took = f"{outcome} {time.monotonic() - began:.1f} s"
            if live:
                ticker.join()
                self._show(f"{head} {took}")
                self.line = ""
            say("" if live else f"    {took}")

    def note(self, sentence: str) -> None:
        """Say something in the middle of a step."""
        shown, width = self.line, len(self.line)
        say(f"\r{sentence.ljust(width)}" if shown else sentence)
        if shown:
            self.line = ""
            self._show(shown)

    def _show(self, line: str) -> None:
        sys.stdout.write(f"\r{line.ljust(len(self.line))}")
        sys.stdout.flush()
        self.line = line


def say(sentence: str) -> None:
    """Say something to the person at the terminal."""
    print(sentence, flush=True)
