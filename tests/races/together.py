"""Run things at the same moment: real threads, real connections, one barrier."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from django.db import connection, transaction

T = TypeVar("T")
PATIENCE = 30.0  # seconds until a race counts as stuck


@dataclass
class Outcome(Generic[T]):
    """What came of a race: the answers, and the exceptions, each in the order of the runners."""

    answers: list[T] = field(default_factory=list)
    refused: list[Exception] = field(default_factory=list)

    def codes(self) -> list[str]:
        """The codes of the refusals, or the names of other exceptions, sorted."""
        return sorted(str(getattr(error, "code", type(error).__name__)) for error in self.refused)


def together(n: int, run: Callable[[int], T], *, durable: bool = True) -> Outcome[T]:
    """Call `run(0)` to `run(n - 1)` at the same moment, each in a thread with its own connection.

    Each call is one transaction, as an edge would open it, unless `durable=False`. The connections are open before
    the barrier falls, so that nobody has a head start, and closed afterwards. Needs a test that really commits
    (`@pytest.mark.django_db(transaction=True)`).
    """
    barrier = threading.Barrier(n)
    answers: dict[int, T] = {}
    refused: dict[int, Exception] = {}

    def runner(index: int) -> None:
        try:
            connection.ensure_connection()
            barrier.wait(PATIENCE)
            if durable:
                with transaction.atomic(durable=True):
                    answers[index] = run(index)
            else:
                answers[index] = run(index)
        except Exception as error:  # noqa: BLE001 - every failure is an outcome of the race
            answers.pop(index, None)
            refused[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=runner, args=(i,), name=f"runner-{i}", daemon=True) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    stuck = [thread.name for thread in threads if thread.is_alive()]
    if stuck:
        raise AssertionError(f"still running after {PATIENCE} s: {', '.join(stuck)}")
    return Outcome(
        [answers[index] for index in sorted(answers)],
        [refused[index] for index in sorted(refused)],
    )
