"""Refuses to start on a database in which Korean cannot be searched, and tells of libraries that cannot serve."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 (Django's name)
from django.core.exceptions import ValidationError
from django.db import ProgrammingError, connections, transaction

from core import clock
from lending import queries
from lending.calendar import NeverOpen
from lending.models import Library, Programme


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


@register(Tags.database)
def libraries_can_serve(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Each library has a sender for its texts, a zone, and a day on which it is open.

    Runs with `migrate` and `check --database default`; silent while the tables are of another version.
    """
    if "default" not in (databases or ()):
        return []
    try:
        with transaction.atomic():
            found = list(Library.objects.order_by("pk"))
            return [message for library in found for message in _amiss(library)]
    except ProgrammingError:
        return []


@register(Tags.database)
def rules_can_be_kept(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """No programme counts what is forgotten by then: a shorter RETENTION_DAYS may have made it so.

    Runs with `migrate` and `check --database default`; silent while the tables are of another version.
    """
    if "default" not in (databases or ()):
        return []
    try:
        with transaction.atomic():
            return [message for programme in Programme.objects.order_by("pk") for message in _not_kept(programme)]
    except ProgrammingError:
        return []


def _not_kept(programme: Programme) -> Iterator[CheckMessage]:
    """What is wrong with the rules of one programme."""
    try:
        programme.clean()
    except ValidationError as error:
        told = "; ".join(f"{field}: {' '.join(said)}" for field, said in error.message_dict.items())
        hint = "Change the rule, or keep longer (RETENTION_DAYS)."
        yield Warning(f"The rules of {programme.key} cannot be kept: {told}", hint=hint, id="lending.W003")


def _amiss(library: Library) -> Iterator[CheckMessage]:
    """What is wrong with one library."""
    try:
        library.clean()
        queries.calendar_of(library).next_open(queries.today(library, clock.now()))
    except ValidationError as error:
        told = "; ".join(f"{field}: {' '.join(said)}" for field, said in error.message_dict.items())
        yield Warning(f"The library {library.code} cannot serve: {told}", hint="/admin/", id="lending.W001")
    except (NeverOpen, LookupError) as error:
        told = str(error) or type(error).__name__
        yield Warning(f"The library {library.code} cannot serve: {told}", hint="/admin/", id="lending.W002")
