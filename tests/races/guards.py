"""Take a guard away, to show that a race breaks without it: the negative control of the race that holds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, models
from django.db.models.query import QuerySet

from core import moves
from core.compiled import Compiled, planned
from core.moves import Moving
from tests import laws

PAUSE = 0.15  # seconds between looking and acting, so that everybody has looked before anybody acts


def slowly(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, before: bool = True) -> None:
    """Pause before (or after) a step, to widen the gap in which the others act."""
    step = getattr(owner, name)

    def paused(*args: Any, **kwargs: Any) -> Any:
        if before:
            time.sleep(PAUSE)
        answer = step(*args, **kwargs)
        if not before:
            time.sleep(PAUSE)
        return answer

    monkeypatch.setattr(owner, name, paused)


def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """No row is locked any more: SELECT FOR UPDATE only selects."""
    laws.taken_away.append("locks")
    monkeypatch.setattr(QuerySet, "select_for_update", lambda self, *args, **kwargs: self._chain())
    monkeypatch.setattr(Compiled, "plan", lambda self: planned(self._ask()))  # nothing compiled before or kept after


def without_swap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A move writes whatever state the row is in by now, instead of comparing first."""
    laws.taken_away.append("swap")

    def move(self: Moving, to: str, *, at: Any, by: Any, **columns: Any) -> None:
        was = self.state
        type(self)._default_manager.filter(pk=self.pk).update(state=to, moved_at=at, **columns)
        for column, value in {**columns, "state": to, "moved_at": at}.items():
            setattr(self, column, value)
        moves._Story(type(self), [(was, to)], at, by).write([self.pk])

    monkeypatch.setattr(Moving, "move", move)


def without_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deletion says how many rows it has seen, not how many of them it took away itself."""
    laws.taken_away.append("count")
    delete = QuerySet.delete

    def unsure(self: QuerySet[Any]) -> tuple[int, dict[str, int]]:
        seen = self.count()
        time.sleep(PAUSE)
        delete(self)
        return seen, {}

    monkeypatch.setattr(QuerySet, "delete", unsure)


@contextmanager
def law_dropped(model: type[models.Model], name: str) -> Iterator[None]:
    """Within the block the database does not know the law `name`; the rows that broke it go before it comes back.

    Only in tests that really commit.
    """
    laws.taken_away.append(name)
    (law,) = [constraint for constraint in model._meta.constraints if constraint.name == name]
    with connection.schema_editor() as editor:
        editor.remove_constraint(model, law)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {model._meta.db_table} CASCADE")
        with connection.schema_editor() as editor:
            editor.add_constraint(model, law)
