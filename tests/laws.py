"""The laws of the house after every test that touches the database.

Those that speak of the present moment are left out: most tests live on another day. All others are one prepared
statement, planned once for a connection, so that looking costs next to nothing where there is little to look at.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from django.db import connection

from config import invariants

_NAME = "laws_of_the_house"
_AT = "laws_at_a_moment"
_BELOW_PICKUP = {"core", "notifications", "lending"}

taken_away: list[str] = []
"""The guards that the running test does without (see tests/races/guards.py): what it breaks is its point."""


@cache
def timeless() -> list[invariants.Law]:
    """The laws that hold on any day."""
    return [law for law in invariants.laws() if "now()" not in law.sql]


@cache
def _whether_broken() -> str:
    each = (f"SELECT {number} WHERE EXISTS ({law.sql})" for number, law in enumerate(timeless()))
    return f"PREPARE {_NAME} AS {' UNION ALL '.join(each)}"


def broken(*, within: Path) -> list[tuple[str, str]]:
    """What breaks a law now: its number, and its sentence with some of the rows.

    The tests of a room below pickup, found by their path `within`, call its verbs where pickup would: nothing is said
    there of bags and slots.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_prepared_statements WHERE name = %s", [_NAME])
        if cursor.fetchone() is None:
            cursor.execute(_whether_broken())
        cursor.execute(f"EXECUTE {_NAME}")
        found = [timeless()[number] for (number,) in cursor.fetchall()]
        if within.parent.name in _BELOW_PICKUP:
            found = [law for law in found if "pickup_" not in law.sql]
        return [(law.number, _told(cursor, law.number, law.sentence, law.sql)) for law in found]


def broken_at(now: datetime, *, within: Path, without: Collection[str] = ()) -> list[str]:
    """What breaks a law at the moment `now` of a test that has a clock of its own; laws of these numbers left out."""
    moment = f"timestamptz '{now.isoformat()}'"
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_prepared_statements WHERE name = %s", [_AT])
        if cursor.fetchone() is None:
            each = (f"SELECT {n} WHERE EXISTS ({law.sql})" for n, law in enumerate(invariants.laws()))
            every = " UNION ALL ".join(each).replace("now()", "$1")
            cursor.execute(f"PREPARE {_AT} (timestamptz) AS {every}")
        cursor.execute(f"EXECUTE {_AT} ({moment})")
        numbers = {number for (number,) in cursor.fetchall()}
        if not numbers:
            return []
        found = [law for n, law in enumerate(invariants.laws()) if n in numbers and law.number not in without]
        if within.parent.name in _BELOW_PICKUP:
            found = [law for law in found if "pickup_" not in law.sql]
        return [_told(cursor, law.number, law.sentence, law.sql.replace("now()", moment)) for law in found]


def _told(cursor: Any, number: str, sentence: str, sql: str) -> str:
    cursor.execute(f"SELECT * FROM ({sql}) AS breach LIMIT 3")
    return f"{number}: {sentence} {cursor.fetchall()}"
