"""PostgreSQL works while Python goes on: the two take turns otherwise, and each leaves a processor idle."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, connections

from core.compiled import ask


@contextmanager
def meanwhile(act: Callable[[], object]) -> Iterator[None]:
    """Let PostgreSQL do what an act asks of it, by `ask` and for no answer, while the body goes on and asks nothing.

    The laws that are kept for the commit are looked at as well, for all that was written so far. What they and the act
    run into is raised when the body is done.
    """
    database = connections[DEFAULT_DB_ALIAS]
    database.ensure_connection()
    bare = database.connection
    with database.wrap_database_errors, bare.pipeline():
        act()
        ask("SET CONSTRAINTS ALL IMMEDIATE", ())
        ask("SET CONSTRAINTS ALL DEFERRED", ())
        while bare.pgconn.flush():  # the driver sends what fits, and the rest when it is asked the next time
            select.select([], [bare.pgconn.socket], [])
        yield
