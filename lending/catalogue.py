"""Titles and copies come in: one by one, or a file of thousands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.search import SearchVectorField
from django.db import IntegrityError, transaction
from django.db.models import Func, TextField, Value

from core.refusal import BadInput
from lending import call_numbers, grams
from lending.errors import BarcodeTaken, UnknownTitle
from lending.models import Copy, Library, Material, Title

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from core.actor import Actor
    from lending.marc import ParsedRecord

LANGUAGES_WITHOUT_ONE: Final = ("zxx", "mul", "|||")
KEPT: Final = {
    "title": 1000,
    "title_romanised": 1000,
    "author": 500,
    "publisher": 300,
    "year": None,
    "isbn": 13,
    "language": 3,
    "classification": 30,
    "material": 10,
    "searchable": None,
}
"""What is kept of a title beside its key, and how many characters of it."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of records: how many are new, changed, or as they were."""

    new: int = 0
    changed: int = 0
    same: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.new + other.new, self.changed + other.changed, self.same + other.same)


@transaction.atomic
def put_title(
    *,
    source: str,
    control_number: str,
    title: str,
    title_romanised: str = "",
    author: str = "",
    author_romanised: str = "",
    publisher: str = "",
    year: int | None = None,
    isbn: str = "",
    language: str = "",
    classification: str = "",
    material: str = Material.BOOK,
) -> Title:
    """Record a title, or bring the record of this source and control number up to date. Too long texts are cut."""
    columns = row(
        source=source,
        control_number=control_number,
        title=title,
        title_romanised=title_romanised,
        author=author,
        author_romanised=author_romanised,
        publisher=publisher,
        year=year,
        isbn=isbn,
        language=language,
        classification=classification,
        material=material,
    )
    put_titles([columns])
    return Title.objects.get(source=columns["source"], control_number=columns["control_number"])


@transaction.atomic
def put_titles(rows: Sequence[dict[str, Any]], *, dry_run: bool = False) -> Tally:
    """Record many titles of rows made by `row` or `row_of`; a few statements however many there are.

    A row whose title is recorded just so changes nothing. Where two rows have one key, the last one counts.
    `dry_run` only counts.
    """
    wanted = {(row["source"], row["control_number"]): row for row in rows}
    sources = {source for source, _ in wanted}
    numbers = {number for _, number in wanted}
    known = {
        (title.source, title.control_number): title
        for title in Title.objects.filter(source__in=sources, control_number__in=numbers).defer("grams")
    }
    new = [row for key, row in wanted.items() if key not in known]
    changed = [
        (known[key], row)
        for key, row in wanted.items()
        if key in known and any(getattr(known[key], name) != row[name] for name in KEPT)
    ]
    tally = Tally(len(new), len(changed), len(rows) - len(new) - len(changed))
    if dry_run:
        return tally
    Title.objects.bulk_create([Title(**row, grams=_vector(row["searchable"])) for row in new], batch_size=500)
    for title, row in changed:
        for name in KEPT:
            setattr(title, name, row[name])
        title.grams = _vector(row["searchable"])
        title.save(update_fields=[*KEPT, "grams"])
    return tally


def row(
    *,
    source: str,
    control_number: str,
    title: str,
    title_romanised: str = "",
    author: str = "",
    author_romanised: str = "",
    publisher: str = "",
    year: int | None = None,
    isbn: str = "",
    language: str = "",
    classification: str = "",
    material: str = Material.BOOK,
) -> dict[str, Any]:
    """The columns of a title: texts cut to what is kept, and what is searched in. The author's romanised name is only
    searched in.
    """
    columns: dict[str, Any] = {
        "title": title,
        "title_romanised": title_romanised,
        "author": author,
        "publisher": publisher,
        "year": year,
        "isbn": isbn,
        "language": language,
        "classification": classification,
        "material": material,
        "searchable": grams.searchable(title, title_romanised, author, author_romanised, isbn),
    }
    for name, longest in KEPT.items():
        if isinstance(columns[name], str):
            columns[name] = columns[name].replace("\x00", "")[:longest]
    number = " ".join(control_number.replace("\x00", "").split())
    return {**columns, "source": source.strip()[:20], "control_number": number[:40]}


def row_of(record: ParsedRecord, *, source: str) -> dict[str, Any] | None:
    """What is kept of a MARC record; None if it has no control number, by which alone it is known again."""
    if not record.control_number:
        return None
    return row(
        source=source,
        control_number=record.control_number,
        title=record.title,
        title_romanised=record.title_romanised,
        author=", ".join(record.authors),
        author_romanised=" ".join(record.authors_romanised),
        publisher=record.publisher,
        year=record.year,
        isbn=record.isbn13 or "",
        language=record.language if record.language not in LANGUAGES_WITHOUT_ONE else "",
        classification=record.classification,
        material=record.material,
    )


@transaction.atomic
def add_copy(
    *,
    title_id: int,
    library_id: int,
    barcode: str,
    by: Actor,
    now: datetime,
    volume: str = "",
    call_number: str = "",
) -> Copy:
    """A new copy on the shelf of its library. Refuses with `unknown_title` and `barcode_taken`."""
    library = Library.objects.filter(pk=library_id).first()
    if library is None:
        raise BadInput(field="library")
    if not Title.objects.filter(pk=title_id).exists():
        raise UnknownTitle(field="title", title=title_id)
    try:
        with transaction.atomic():
            return Copy.begin(
                **copy_row(title_id, library, barcode=barcode, volume=volume, call_number=call_number), at=now, by=by
            )
    except IntegrityError as error:
        if "barcode" not in str(error):
            raise
        raise BarcodeTaken(field="barcode", barcode=barcode) from error


@transaction.atomic
def add_copies(rows: Iterable[dict[str, Any]], *, by: Actor, now: datetime) -> list[Copy]:
    """Many new copies of rows made by `copy_row`; those whose barcode exists already are left out."""
    wanted = {row["barcode"]: row for row in rows}
    known = set(Copy.objects.filter(barcode__in=wanted).values_list("barcode", flat=True))
    return Copy.begin_many([row for barcode, row in wanted.items() if barcode not in known], at=now, by=by)


def copy_row(
    title_id: int, library: Library, *, barcode: str, volume: str = "", call_number: str = ""
) -> dict[str, Any]:
    """The columns of a new copy, sorted by its call number in the order of the library's rooms."""
    return {
        "title_id": title_id,
        "library": library,
        "at_library": library,
        "barcode": barcode,
        "volume": volume,
        "call_number": call_number,
        "shelf_key": call_numbers.shelf_key(call_number, library.rooms),
    }


def _vector(searchable: str) -> Func:
    terms = Value(grams.grams(searchable), output_field=ArrayField(TextField()))
    return Func(terms, function="array_to_tsvector", output_field=SearchVectorField())
