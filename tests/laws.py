"""The laws of the house after every test that touches the database.

Those that speak of the present moment are left out: most tests live on another day. All others are one prepared
statement, planned once for a connection, so that looking costs next to nothing where there is little to look at.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from django.db import connection

from config import invariants

_NAME = "laws_of_the_house"
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
        told = []
        for law in found:
            cursor.execute(f"SELECT * FROM ({law.sql}) AS breach LIMIT 3")
            told.append((law.number, f"{law.number}: {law.sentence} {cursor.fetchall()}"))
    return told
