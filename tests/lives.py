"""Lives that hypothesis makes up: whatever people do in whatever order, with every law of the house after each step.

A life that breaks something is told again, as short as it can be, step by step.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, TypeVar

from django.db import transaction
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, run_state_machine_as_test

from core.refusal import Refusal
from tests import laws, rows

Row = TypeVar("Row")


def code_of(act: Callable[[], object]) -> str:
    """The code of the refusal that an act meets, "" if it meets none; what is refused has changed nothing."""
    try:
        with transaction.atomic():
            act()
    except Refusal as refusal:
        return refusal.code
    return ""


def any_of(found: Sequence[Row], n: int) -> Row | None:
    """The nth of these, counted round; None where there is none."""
    return found[n % len(found)] if found else None


class Life(RuleBasedStateMachine):
    """Begins on an empty house, at ten on a Tuesday morning by a clock of its own, and leaves nothing behind."""

    WITHOUT: ClassVar[frozenset[str]] = frozenset()
    """The numbers of laws that nothing can keep here."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = rows.NOW
        self._trouble = sys.exc_info()[1]
        self._house = transaction.atomic()
        self._house._from_testcase = True  # type: ignore[attr-defined]  # as TestCase does, for verbs that are durable
        self._house.__enter__()

    def begun(self) -> bool:
        """Whether the doors are open; hypothesis looks at the laws before that too."""
        raise NotImplementedError

    def in_the_end(self) -> None:
        """What is to be looked at when the life is over, if it was a sound one."""

    @invariant()
    def every_law_holds(self) -> None:
        """Those of this room, at the moment that it is in this life."""
        if self.begun():
            broken = laws.broken_at(self.clock, within=Path(inspect.getfile(type(self))), without=self.WITHOUT)
            assert not broken, "\n".join(broken)

    def teardown(self) -> None:
        try:
            if self.begun() and sys.exc_info()[1] is self._trouble:  # no step has failed
                self.in_the_end()
        finally:
            transaction.set_rollback(True)
            self._house.__exit__(None, None, None)


def live(life: type[Life], *, lives: int, steps: int) -> None:
    """So many lives of so many steps each; raises with the shortest one that breaks something."""
    run_state_machine_as_test(life, settings=settings(max_examples=lives, stateful_step_count=steps))
