"""Whole files come in: records in batches, bad ones set apart, the same file twice without a change."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Generic, TypeVar

from django.db import transaction

from lending import call_numbers, catalogue, grams, search
from lending.catalogue import Tally
from lending.holdings import BadRow, Holding, read_holdings
from lending.marc import BadRecord, ParsedRecord, read_titles
from lending.models import Copy, Library, Title

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from core.actor import Actor

T = TypeVar("T")
B = TypeVar("B", BadRecord, BadRow)

NEW_TITLES: Final = "holdings"  # the source of titles that no record was found for
BATCH: Final = 500
MOST_COPIES: Final = 999  # of one row; more is a mistake of its column


@dataclass
class Loaded(Generic[B]):
    """What a file brought: how many records were read, what became of them, and what was left out, and why."""

    read: int = 0
    titles: Tally = field(default_factory=Tally)
    copies: Tally = field(default_factory=Tally)
    bad: list[B] = field(default_factory=list)
    doubtful: int = 0  # rows in which a "?" may stand for a lost character


def load_marc(
    stream: BinaryIO,
    *,
    source: str,
    encoding: str | None = None,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda read: None,
) -> Loaded[BadRecord]:
    """Record the titles of a MARC file; each batch is its own transaction, so a broken-off load goes on where it was.

    `source` names where the file comes from: with the control number (001) it is the key of a title. `encoding` as in
    `marc.read_titles`. A record that cannot be read, or has no control number, is left out and reported.
    """
    loaded: Loaded[BadRecord] = Loaded()
    for batch in _batches(read_titles(stream, encoding=encoding)):
        rows: list[dict[str, Any]] = []
        for record in batch:
            loaded.read += 1
            row = catalogue.row_of(record, source=source) if isinstance(record, ParsedRecord) else None
            if row is not None:
                rows.append(row)
            elif isinstance(record, BadRecord):
                loaded.bad.append(record)
            else:
                loaded.bad.append(BadRecord(record.offset, "no_control_number", record.title[:60]))
        loaded.titles += catalogue.put_titles(rows, dry_run=dry_run)
        progress(loaded.read)
    return loaded


def load_holdings(
    stream: BinaryIO,
    *,
    library: Library,
    prefix: str,
    by: Actor,
    now: datetime,
    encoding: str = "cp949",
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda read: None,
) -> Loaded[BadRow]:
    """Add the copies that a holdings file (정보나루, 장서 대출목록) lists for a library.

    A row belongs to the title with its ISBN, else to the one that reads the same and is of the same year; else the
    title is recorded from the row (source `holdings`). Such files name no barcodes: a copy's is `prefix` and the row's
    number, "-2" and so on behind it for further copies of the row, so the same file twice adds nothing.
    """
    loaded: Loaded[BadRow] = Loaded()
    for batch in _batches(read_holdings(stream, encoding=encoding)):
        loaded.read += len(batch)
        loaded.bad += [row for row in batch if isinstance(row, BadRow)]
        with transaction.atomic():
            _load_batch(
                _in_reach(batch, loaded), loaded, library=library, prefix=prefix, by=by, now=now, dry_run=dry_run
            )
        progress(loaded.read)
    return loaded


def _in_reach(batch: Iterable[Holding | BadRow], loaded: Loaded[BadRow]) -> list[Holding]:
    """The rows with a believable number of copies."""
    kept = []
    for row in batch:
        if isinstance(row, BadRow):
            continue
        if row.copies > MOST_COPIES:
            loaded.bad.append(BadRow(row.line, "도서권수", str(row.copies), "too_many"))
            continue
        loaded.doubtful += bool(row.doubtful)
        kept.append(row)
    return kept


def _load_batch(
    holdings: list[Holding],
    loaded: Loaded[BadRow],
    *,
    library: Library,
    prefix: str,
    by: Actor,
    now: datetime,
    dry_run: bool,
) -> None:
    found = {holding.line: title for holding in holdings if (title := _title_of(holding)) is not None}
    new = {holding.line: _new_title(holding) for holding in holdings if holding.line not in found}
    loaded.titles += catalogue.put_titles(list(new.values()), dry_run=dry_run)
    loaded.titles += Tally(same=len(found))
    by_number = {
        title.control_number: title
        for title in Title.objects.filter(
            source=NEW_TITLES, control_number__in=[row["control_number"] for row in new.values()]
        )
    }
    rows = []
    for holding in holdings:
        title = found.get(holding.line) or by_number.get(_control_number(holding))
        for n in range(1, holding.copies + 1):
            barcode = f"{prefix}{holding.number}{'' if n == 1 else f'-{n}'}"
            if len(barcode) > 30:
                loaded.bad.append(BadRow(holding.line, "번호", holding.number[:40], "too_long"))
                break
            rows.append(
                catalogue.copy_row(
                    title.pk if title else 0,
                    library,
                    barcode=barcode,
                    volume=holding.volume[:20],
                    call_number=_call_number(holding),
                )
            )
    known = Copy.objects.filter(barcode__in=[row["barcode"] for row in rows]).count()
    if not dry_run:
        catalogue.add_copies(rows, by=by, now=now)
    loaded.copies += Tally(new=len(rows) - known, same=known)


def _title_of(holding: Holding) -> Title | None:
    """The title that a row speaks of; None unless there is one, and only one."""
    if holding.isbn13:
        title = Title.objects.filter(isbn=holding.isbn13).order_by("pk").first()
        if title is not None:
            return title
    wanted = grams.compact(holding.title)
    if not wanted:
        return None
    alike = [
        title
        for title in search.find(holding.title).exclude(source=NEW_TITLES)[:50]
        if grams.compact(title.title) == wanted and (not title.year or not holding.year or title.year == holding.year)
    ]
    return alike[0] if len(alike) == 1 else None


def _new_title(holding: Holding) -> dict[str, Any]:
    return catalogue.row(
        source=NEW_TITLES,
        control_number=_control_number(holding),
        title=holding.title,
        author=holding.author,
        publisher=holding.publisher,
        year=holding.year,
        isbn=holding.isbn13 or "",
        classification=holding.classification,
    )


def _control_number(holding: Holding) -> str:
    """Volumes of a set share one title, under the ISBN of the set."""
    return holding.set_isbn13 or holding.isbn13 or f"{grams.compact(holding.title)[:34]} {holding.year or ''}".strip()


def _call_number(holding: Holding) -> str:
    if not holding.classification:
        return ""
    try:
        return call_numbers.compose(
            holding.classification,
            call_numbers.author_mark(holding.author, holding.title),
            volume=holding.volume,
        )
    except call_numbers.NotACallNumber:
        return holding.classification


def _batches(records: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(records)
    while batch := list(itertools.islice(rest, BATCH)):
        yield batch
