"""PostgreSQL works while Python goes on: the two take turns otherwise, and each leaves a processor idle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, connections

from core.compiled import catch_up, soon


@contextmanager
def meanwhile(act: Callable[[], object]) -> Iterator[None]:
    """Let PostgreSQL do what an act wants done `soon`, while the body goes on and asks nothing.

    The laws that are kept for the commit are looked at as well, for all that was written so far. What they and the act
    run into is raised when the body is done.
    """
    act()
    soon("SET CONSTRAINTS ALL IMMEDIATE", ())
    soon("SET CONSTRAINTS ALL DEFERRED", ())
    database = connections[DEFAULT_DB_ALIAS]
    with database.wrap_database_errors:
        database.connection.dispatch()
    try:
        yield
    finally:
        catch_up()
