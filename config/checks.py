"""Refuses to start on a database in which Korean cannot be searched or sorted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections


@register(Tags.database)
def locale_knows_hangul(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """In the locale C, PostgreSQL takes Hangul for no letters: searches would find nothing, without an error.

    Runs with `migrate` and `check --database default`.
    """
    found: list[CheckMessage] = []
    for alias in databases or ():
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT datctype FROM pg_database WHERE datname = current_database()")
            found += refused(*cursor.fetchone())
    return found


def refused(locale: str) -> list[CheckMessage]:
    """What is wrong with a database of this character type, and the way to make a good one."""
    if locale not in {"C", "POSIX"}:
        return []
    hint = "Make it anew: CREATE DATABASE .. TEMPLATE template0 LC_CTYPE 'C.UTF-8' LC_COLLATE 'C.UTF-8'"
    return [
        Error(f"The database has the locale {locale}: Korean cannot be searched in it.", hint=hint, id="lending.E001")
    ]
