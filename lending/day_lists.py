"""The list of a day from the system that keeps the loans: its columns, its rows, and whom and what they name here.

A column map is a TOML file: `[columns]` gives each of ours the headings under which it may stand, the first that is
found counts. Those in config/day_lists/ are of KOLAS III and Koha.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_lazy as _

from core.moves import MoveRefused
from lending import accounts, allocation, catalogue, copies, grams, patrons, queries
from lending.errors import CopyOnLoan, NotBeside, UnreadableTable
from lending.models import Copy, Library, ListedCopy, Loan, Patron, Reservation, Transfer
from lending.sheets import Sheet, plain
from lending.states import HOLDING, ON_HAND, OPEN_TRANSFER, CopyState, LoanState
from notifications import phone

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import date, datetime

    from django.db.models import QuerySet

    from core.actor import Actor

NEEDED: Final = ("card", "barcode")
PATRON_FIELDS: Final = ("born", "blocked_until")  # of a list of patrons alone; see patron_lists.py
FIELDS: Final = ("card", "name", "phone", "barcode", "call_number", "title", "volume", "author")
KEPT: Final = {"call_number": 80, "volume": 20}
ABOVE: Final = 15  # rows that may stand above the headings
ROUNDED: Final = re.compile(r"[0-9]+([.,][0-9]+)?E\+?[0-9]+|[0-9]+[.,][0-9]+|inf|nan", re.IGNORECASE)

REASONS = {
    "missing": _("It is empty."),
    "rounded": _("A spreadsheet has rounded this number. Please format the column as text and save the list again."),
    "not_a_card": _("This cannot be a card number."),
    "not_a_barcode": _("This cannot be a barcode."),
    "not_a_phone": _("This is no telephone number that we can keep."),
    "twice": _("The same book stands in the list twice."),
    "another_name": _("This card belongs to somebody with another name here. Please check the card number."),
    "another_programme": _("This card belongs to libraries that are not served together with this one."),
    "another_library": _("This book belongs to libraries that are not served together with this one."),
    "not_a_day": _("This is no day. Please write it as 2015-03-02."),
    "twice_card": _("The same card stands in the list twice."),
    "not_to_fetch": _("This book lies in a bag, or was withdrawn."),
    "quotes": _("The quotation marks of this line do not fit together."),
    "columns": _("This line has too many columns."),
    "not_text": _("Letters of this line cannot be read. Please choose another encoding."),
    "too_long": _("A cell of this line is too long."),
}


class BadMap(Exception):
    """A column map that cannot be used: where, and why."""


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Under which headings each of our columns may stand; `a + b` joins two."""

    key: str
    name_ko: str
    name_en: str
    columns: dict[str, list[str]]
    patrons: dict[str, list[str]] = field(default_factory=dict)

    def name_in(self, language: str) -> str:
        """What it is called, in the reader's language."""
        return self.name_ko if language.startswith("ko") else self.name_en


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a row: its line, the column, what stands there, a code, and a sentence."""

    line: int
    column: str
    value: str
    reason: str
    said: str = ""

    @property
    def sentence(self) -> str:
        """In the reader's language."""
        return self.said or str(REASONS.get(self.reason, self.reason))


@dataclass(frozen=True, slots=True)
class Entry:
    """One row: this card wants this book. `number` is E.164, "" for none."""

    line: int
    card: str
    name: str
    number: str
    barcode: str
    call_number: str
    title: str
    volume: str
    author: str


@dataclass(slots=True)
class DayList:
    """What a file says: the rows that can be used, the others, and how it was read."""

    sheet: Sheet
    map: ColumnMap
    found: dict[str, str]
    unknown: list[str]
    entries: list[Entry] = field(default_factory=list)
    bad: list[Problem] = field(default_factory=list)


def saved_maps() -> dict[str, ColumnMap]:
    """The column maps that come with the service, by their key."""
    return {path.stem: read_map(path) for path in sorted(Path(settings.DAY_LISTS).glob("*.toml"))}


def maps_named(name: str) -> list[ColumnMap]:
    """The saved map of this name, or that of a file; all saved ones where none is named. Refuses with BadMap."""
    saved = saved_maps()
    if not name:
        return list(saved.values())
    return [saved[name]] if name in saved else [read_map(Path(name))]


def read_map(path: Path) -> ColumnMap:
    """The column map in a file. Refuses what cannot be read, and columns that are none of ours, with BadMap."""
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, tomllib.TOMLDecodeError) as error:
        raise BadMap(f"{path.name}: {error}") from error
    columns, of_patrons = told.get("columns"), told.get("patrons", {})
    if not isinstance(columns, dict) or not set(columns) <= set(FIELDS) or not set(NEEDED) <= set(columns):
        raise BadMap(f"{path.name}: [columns] needs {', '.join(NEEDED)}, and may have {', '.join(FIELDS)}")
    if not isinstance(of_patrons, dict) or not set(of_patrons) <= set(PATRON_FIELDS):
        raise BadMap(f"{path.name}: [patrons] may have {', '.join(PATRON_FIELDS)}")
    lists = [*columns.values(), *of_patrons.values()]
    if not all(isinstance(names, list) and all(isinstance(one, str) for one in names) for names in lists):
        raise BadMap(f"{path.name}: each column has a list of headings")
    name = str(told.get("name_en") or path.stem)
    return ColumnMap(path.stem, str(told.get("name_ko") or name), name, columns, of_patrons)


def read(sheet: Sheet, maps: Iterable[ColumnMap], *, region: str, lent: bool = False) -> DayList:
    """The rows of a list, by the map that knows most of its headings. Telephone numbers are read as in `region`.

    `lent`: only barcodes are needed (a list of what is lent out there). Refuses with `unreadable_table` (`no_heading`)
    a table without the headings that are needed.
    """
    needed = ("barcode",) if lent else NEEDED
    best: tuple[int, int, ColumnMap, dict[str, list[int]]] | None = None
    for chosen in maps:
        for at, (_line, cells) in enumerate(sheet.rows[:ABOVE]):
            places = places_of(cells, chosen.columns)
            if set(needed) <= set(places) and (best is None or len(places) > best[0]):
                best = (len(places), at, chosen, places)
    if best is None:
        raise UnreadableTable(why="no_heading")
    _count, at, chosen, places = best
    header = sheet.rows[at][1]
    used = {place for several in places.values() for place in several}
    listed = DayList(
        sheet=sheet,
        map=chosen,
        found={name: " + ".join(header[place] for place in several) for name, several in places.items()},
        unknown=[heading for place, heading in enumerate(header) if heading and place not in used],
        bad=[Problem(row.line, row.column, row.value, row.reason) for row in sheet.bad],
    )
    seen: set[str] = set()
    names: dict[str, str] = {}
    for line, cells in sheet.rows[at + 1 :]:
        entry = _entry(line, row_of(cells, places), listed, region=region, lent=lent)
        if isinstance(entry, Problem):
            listed.bad.append(entry)
        elif entry.barcode in seen:
            listed.bad.append(_problem(listed, line, "barcode", entry.barcode, "twice"))
        elif not lent and differs(names.setdefault(entry.card, entry.name), entry.name):
            listed.bad.append(_problem(listed, line, "name", entry.name, "another_name"))
        else:
            seen.add(entry.barcode)
            listed.entries.append(entry)
    return listed


def places_of(cells: list[str], columns: Mapping[str, list[str]]) -> dict[str, list[int]]:
    """Where each of our columns stands under these headings."""
    known = {plain(cell): place for place, cell in reversed(list(enumerate(cells))) if plain(cell)}
    places: dict[str, list[int]] = {}
    for name, headings in columns.items():
        for heading in headings:
            parts = [plain(part) for part in heading.split("+")]
            if all(part in known for part in parts):
                places[name] = [known[part] for part in parts]
                break
    return places


def row_of(cells: list[str], places: Mapping[str, list[int]]) -> dict[str, str]:
    """What stands in our columns of a row, which may be shorter than its headings."""
    return {
        name: " ".join(cells[place] for place in several if place < len(cells) and cells[place])
        for name, several in places.items()
    }


def _problem(listed: DayList, line: int, name: str, value: str, reason: str) -> Problem:
    return Problem(line, listed.found.get(name, name), value[:60], reason)


def _entry(line: int, row: dict[str, str], listed: DayList, *, region: str, lent: bool) -> Entry | Problem:
    for name in ("barcode",) if lent else NEEDED:
        if not row[name]:
            return _problem(listed, line, name, "", "missing")
        if ROUNDED.fullmatch(row[name]):
            return _problem(listed, line, name, row[name], "rounded")
    barcode = "".join(row["barcode"].split())
    if not 1 <= len(barcode) <= copies.LONGEST_BARCODE or barcode.startswith(("=", "#")):
        return _problem(listed, line, "barcode", row["barcode"], "not_a_barcode")
    if lent:
        return Entry(line, "", "", "", barcode, "", "", "", "")
    card = accounts.read_card(row["card"])
    if not card:
        return _problem(listed, line, "card", row["card"], "not_a_card")
    name = row.get("name", "")
    if len(name) > patrons.LONGEST_NAME:
        return _problem(listed, line, "name", name, "too_long")
    number = number_of(row.get("phone", ""), region)
    if number is None:
        return _problem(listed, line, "phone", row["phone"], "not_a_phone")
    texts = {key: row.get(key, "")[:longest] for key, longest in KEPT.items()}
    return Entry(
        line,
        card,
        name,
        number,
        barcode,
        texts["call_number"],
        row.get("title", ""),
        texts["volume"],
        row.get("author", ""),
    )


def number_of(typed: str, region: str) -> str | None:
    """The first number of a cell that may hold several; "" for an empty cell, None for no number of a person."""
    first = re.split(r"[/,;]", typed)[0].strip()
    if not first:
        return ""
    try:
        number = phone.parse(first, region)
    except phone.NotANumber:
        if region != "KR" or not re.fullmatch(r"10[0-9]{8}", first):
            return None
        number = f"+82{first}"  # a spreadsheet has taken the zero away
    return None if phone.is_service(number) else number


def differs(name: str, other: str) -> bool:
    """Whether two names, both given, are not the same but for spaces and case."""
    return bool(name and other and grams.compact(name) != grams.compact(other))


# What it names, recorded here


def refuse_unless_beside(library: Library) -> None:
    """Refuse with `not_beside` a library that keeps its own loans."""
    if library.circulation != Library.Circulation.BESIDE:
        raise NotBeside(library=library.code)


def known_patrons(cards: Collection[str]) -> dict[str, Patron]:
    """The patrons of these cards who are known here already, by card number."""
    return {row.card_number: row for row in Patron.objects.select_related("home").filter(card_number__in=cards)}


def take_turns(library: Library) -> None:
    """Lock the lists of a library until the end of the transaction: of one list that two people load, the second finds
    all of it there already.
    """
    Library.objects.select_for_update(no_key=True).get(pk=library.pk)


def known_books(barcodes: Collection[str]) -> set[str]:
    """Those barcodes that the catalogue has."""
    return set(Copy.objects.filter(barcode__in=barcodes).values_list("barcode", flat=True))


@transaction.atomic
def patron_of(entry: Entry, known: Patron | None, *, library: Library, by: Actor, now: datetime) -> Patron | Problem:
    """Who a row is for: whoever has the card, else somebody new without a PIN; reached under the number of the list."""
    if known is None:
        if not entry.name:
            return Problem(entry.line, "name", "", "missing")
        return patrons.enrol(
            card_number=entry.card, name=entry.name, home_id=library.pk, number=entry.number, by=by, now=now
        )
    if known.home.programme_id != library.programme_id:
        return Problem(entry.line, "card", entry.card, "another_programme")
    if differs(known.name, entry.name):
        return Problem(entry.line, "name", entry.name, "another_name")
    if entry.number:
        patrons.reached_at(patron_id=known.pk, number=entry.number)
    return known


@transaction.atomic
def copy_of(entry: Entry, *, library: Library, by: Actor, now: datetime) -> Copy | Problem:
    """Which book a row is about; recorded from the row if the catalogue does not have it. That it can be fetched here
    is what the other system says, whatever was guessed before.
    """
    copy = Copy.objects.select_related("title", "library").filter(barcode=entry.barcode).first()
    if copy is None:
        if not entry.title:
            return Problem(entry.line, "title", "", "missing")
        title = catalogue.put_title(
            source=queries.DAY_LIST, control_number=entry.barcode, title=entry.title, author=entry.author
        )
        return catalogue.add_copy(
            title_id=title.pk,
            library_id=library.pk,
            barcode=entry.barcode,
            volume=entry.volume,
            call_number=entry.call_number,
            by=by,
            now=now,
        )
    if copy.library.programme_id != library.programme_id:
        return Problem(entry.line, "barcode", entry.barcode, "another_library")
    try:
        return copies.to_fetch(copy_id=copy.pk, library_id=library.pk, by=by, now=now)
    except (MoveRefused, CopyOnLoan):
        return Problem(entry.line, "barcode", entry.barcode, "not_to_fetch")


def listed_before(entries: Collection[Entry], *, library: Library, day: date) -> set[tuple[str, str]]:
    """Those rows, as card and barcode, that a list of this day has brought already."""
    rows = ListedCopy.objects.filter(library=library, day=day, copy__barcode__in=[one.barcode for one in entries])
    return set(rows.filter(patron__isnull=False).values_list("patron__card_number", "copy__barcode"))


def remember(*, library: Library, day: date, patron: Patron, placed: Iterable[tuple[Copy, Reservation]]) -> None:
    """Note that these rows are taken over, so that the same list again adds nothing."""
    ListedCopy.objects.bulk_create(
        ListedCopy(library=library, day=day, patron=patron, copy=copy, reservation=reservation)
        for copy, reservation in placed
    )


@dataclass(frozen=True, slots=True)
class Marked:
    """What a list of what is lent out there means here: how many copies are marked, how many our catalogue does not
    have, and which are set aside for somebody here, so that both systems cannot be right.
    """

    marked: int
    unknown: int
    held: list[Copy]


def look_at_lent(*, entries: Collection[Entry], library: Library) -> Marked:
    """What `mark_lent` would do now; nothing is changed. Refuses as it does."""
    refuse_unless_beside(library)
    found, free, held = _lent_there(entries, library)
    return Marked(free.count(), len(entries) - found.count(), list(held.select_related("title").order_by("shelf_key")))


@transaction.atomic
def mark_lent(*, entries: Collection[Entry], library: Library, by: Actor, now: datetime) -> Marked:
    """Copies of the library that are lent out there: on loan, as we guess, from now on.

    What is set aside for somebody here, or is to travel, is left: whoever looks for it says whether it is there. What
    lies in a bag or is marked already is left too. Refuses with `not_beside` a library that keeps its own loans.
    """
    refuse_unless_beside(library)
    found, _free, held = _lent_there(entries, library)
    allocation.lock_titles(found.values_list("title_id", flat=True))
    kept = list(held.select_related("title").order_by("shelf_key"))
    marked = Copy.move_many(_lent_there(entries, library)[1], CopyState.LOAN, at=now, by=by, rests_until=None)
    return Marked(len(marked), len(entries) - found.count(), kept)


def _lent_there(entries: Collection[Entry], library: Library) -> tuple[QuerySet[Copy], QuerySet[Copy], QuerySet[Copy]]:
    """The copies of a list that we know: all, those that can be marked, and those that somebody here is to get."""
    found = Copy.objects.filter(library=library, barcode__in=[one.barcode for one in entries])
    taken = Reservation.objects.filter(copy=OuterRef("pk"), state__in=HOLDING)
    travels = Transfer.objects.filter(copy=OuterRef("pk"), state__in=OPEN_TRANSFER)
    lent = Loan.objects.filter(copy=OuterRef("pk"), state=LoanState.OUT)
    here = found.filter(~Exists(lent), state__in=ON_HAND)
    return found, here.filter(~Exists(taken), ~Exists(travels)), here.filter(Exists(taken) | Exists(travels))
