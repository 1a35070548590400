"""Patrons from the system that knows them: card, name, telephone, and what lending needs beside. No PIN, no consent.

Read as the list of a day is (day_lists.py), by the same column maps and their `[patrons]`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Final

from django.db import transaction

from core.refusal import Refusal
from lending import accounts, patrons, queries
from lending.day_lists import ABOVE, ROUNDED, ColumnMap, Problem, differs, number_of, places_of, row_of
from lending.errors import UnreadableTable
from lending.models import Patron

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from core.actor import Actor
    from lending.models import Library
    from lending.sheets import Sheet

MOST_ROWS: Final = 300_000
LARGEST: Final = 60 * 1024 * 1024
COLUMNS: Final = ("card", "name", "phone")
CHILDHOOD: Final = 14  # years; until then a guardian agrees
_DAY: Final = re.compile(r"([0-9]{4})[-./ ]*([0-9]{1,2})[-./ ]*([0-9]{1,2})(?:[ T.].*)?")


@dataclass(frozen=True, slots=True)
class Entry:
    """One patron. `number` is E.164, "" for none; a None of the others: the list does not say."""

    line: int
    card: str
    name: str
    number: str
    born: date | None
    blocked_until: date | None


@dataclass(slots=True)
class PatronList:
    """What a file says: the rows that can be used, the others, and by which headings it was read."""

    map: ColumnMap
    found: dict[str, str]
    entries: list[Entry] = field(default_factory=list)
    bad: list[Problem] = field(default_factory=list)


@dataclass(slots=True)
class Taken:
    """What became of the rows: new patrons, changed ones, those that were so already, and rows that were refused."""

    new: int = 0
    changed: int = 0
    same: int = 0
    bad: list[Problem] = field(default_factory=list)


def read(sheet: Sheet, maps: Iterable[ColumnMap], *, region: str) -> PatronList:
    """The rows of a list of patrons, by the map that knows most of its headings.

    Refuses with `unreadable_table` (`no_heading`) a table without card and name.
    """
    best: tuple[int, int, ColumnMap, dict[str, list[int]]] | None = None
    for chosen in maps:
        columns = {name: chosen.columns[name] for name in COLUMNS if name in chosen.columns} | chosen.patrons
        for at, (_line, cells) in enumerate(sheet.rows[:ABOVE]):
            places = places_of(cells, columns)
            if {"card", "name"} <= set(places) and (best is None or len(places) > best[0]):
                best = (len(places), at, chosen, places)
    if best is None:
        raise UnreadableTable(why="no_heading")
    _count, at, chosen, places = best
    found = {name: " + ".join(sheet.rows[at][1][place] for place in several) for name, several in places.items()}
    listed = PatronList(chosen, found, bad=[Problem(row.line, row.column, row.value, row.reason) for row in sheet.bad])
    seen: set[str] = set()
    for line, cells in sheet.rows[at + 1 :]:
        try:
            entry = _entry(line, row_of(cells, places), region)
        except _Bad as bad:
            listed.bad.append(Problem(line, found.get(bad.column, bad.column), bad.value[:60], bad.reason))
            continue
        if entry.card in seen:
            listed.bad.append(Problem(line, found["card"], entry.card, "twice_card"))
            continue
        seen.add(entry.card)
        listed.entries.append(entry)
    return listed


class _Bad(Exception):
    def __init__(self, column: str, value: str, reason: str) -> None:
        super().__init__(reason)
        self.column, self.value, self.reason = column, value, reason


def _entry(line: int, row: dict[str, str], region: str) -> Entry:
    for name in ("card", "name"):
        if not row[name]:
            raise _Bad(name, "", "missing")
    if ROUNDED.fullmatch(row["card"]):
        raise _Bad("card", row["card"], "rounded")
    card = accounts.read_card(row["card"])
    if not card:
        raise _Bad("card", row["card"], "not_a_card")
    if len(row["name"]) > patrons.LONGEST_NAME:
        raise _Bad("name", row["name"], "too_long")
    number = number_of(row.get("phone", ""), region)
    if number is None:
        raise _Bad("phone", row["phone"], "not_a_phone")
    return Entry(line, card, row["name"], number, _day(row, "born"), _day(row, "blocked_until"))


def _day(row: dict[str, str], name: str) -> date | None:
    """A day as Korean and English systems write it, with or without a time behind it; None for an empty cell."""
    typed = row.get(name, "")
    if not typed:
        return None
    parts = _DAY.fullmatch(typed)
    if parts is None:
        raise _Bad(name, typed, "not_a_day")
    year, month, day = (int(part) for part in parts.groups())
    try:
        return date(year, month, day)
    except ValueError as error:
        raise _Bad(name, typed, "not_a_day") from error


def take(listed: PatronList, *, library: Library, dry_run: bool, by: Actor, now: datetime) -> Taken:
    """Record the patrons of a list at their library; each row is its own transaction, so a broken-off load goes on.

    Who has the card already is brought up to date, never doubled: name, number, and the days that the list has. What
    patrons agree to is asked by people: nothing is texted to a new number before. `dry_run` does and undoes all of it.
    """
    taken = Taken(bad=list(listed.bad))
    today = queries.today(library, now)
    for entry in listed.entries:
        try:
            with transaction.atomic():
                done = _take_one(entry, library=library, today=today, by=by, now=now)
                transaction.set_rollback(dry_run)
        except Refusal as refusal:
            column = refusal.field or "card"
            taken.bad.append(
                Problem(entry.line, listed.found.get(column, column), entry.card, refusal.code, str(refusal))
            )
            continue
        if isinstance(done, Problem):
            taken.bad.append(done)
        else:
            setattr(taken, done, getattr(taken, done) + 1)
    return taken


def _take_one(entry: Entry, *, library: Library, today: date, by: Actor, now: datetime) -> str | Problem:
    known = Patron.objects.select_for_update(no_key=True, of=("self",)).select_related("home")
    patron = known.filter(card_number=entry.card).first()
    made = patron is None
    if patron is None:
        patron = patrons.enrol(
            card_number=entry.card,
            name=entry.name,
            home_id=library.pk,
            number=entry.number,
            may_text=False,
            by=by,
            now=now,
        )
    elif patron.home.programme_id != library.programme_id:
        return Problem(entry.line, "card", entry.card, "another_programme")
    was = _told(patron)
    main = patrons.main_contact(patron.pk)
    if not made and entry.number and (main is None or main.number != entry.number):
        reached = patrons.reached_at(patron_id=patron.pk, number=entry.number)
        if main is None or not main.may_text:  # a new number is no new leave to text
            type(reached).objects.filter(pk=reached.pk).update(may_text=False)
    child_until = _turns(entry.born) if entry.born is not None else patron.child_until
    patrons.correct(
        patron_id=patron.pk,
        name=entry.name if differs(patron.name, entry.name) else patron.name,
        accessible_place=patron.accessible_place,
        child_until=child_until if child_until is not None and child_until > today else None,
        blocked_until=entry.blocked_until if entry.blocked_until is not None else patron.blocked_until,
        by=by,
        now=now,
    )
    patron.refresh_from_db()
    return "new" if made else "changed" if _told(patron) != was else "same"


def _told(patron: Patron) -> tuple[object, ...]:
    main = patrons.main_contact(patron.pk)
    return patron.name, patron.child_until, patron.blocked_until, main.number if main is not None else ""


def _turns(born: date) -> date:
    """The day of turning 14; who was born on 29 February turns on 1 March."""
    try:
        return born.replace(year=born.year + CHILDHOOD)
    except ValueError:
        return date(born.year + CHILDHOOD, 3, 1)
