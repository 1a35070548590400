"""Holdings from a CSV file in the form in which Korean public libraries publish theirs (정보나루, 장서 대출목록).

Thirteen columns in code page 949, quoted, with a comma at the end of every line, so that a fourteenth, empty column
appears. Characters that the code page lacks were lost when the file was written and stand as "?"; which of them were
question marks nobody can tell, so such columns are named and the row is kept.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import BinaryIO, Final

from lending.isbn import isbn13

COLUMNS: Final = (
    "번호", "도서명", "저자", "출판사", "발행년도", "ISBN", "세트 ISBN", "부가기호", "권", "주제분류번호", "도서권수",
    "대출건수", "등록일자",
)  # fmt: skip
_NEEDED = ("번호", "도서명")
MAX_JOINED: Final = 5
"""Lines that an open quote may run over; beyond that the quote is taken for a mistake of its line alone."""

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_TEXT = ("저자", "출판사", "도서명")


@dataclass(frozen=True, slots=True)
class Holding:
    """One row: a title, or a volume of it, and how many copies there are.

    `line`: the line of the file, from 1, the header being line 1. Texts are NFC with plain spaces, "" where empty.
    `isbn13`: None unless valid. `volume`: 권. `classification`: KDC class. `copies`: 도서권수, 1 where empty.
    `loans`: 대출건수. `doubtful`: the columns in which a "?" stands, perhaps for a lost character.
    """

    line: int
    number: str
    title: str
    author: str
    publisher: str
    year: int | None
    isbn13: str | None
    set_isbn13: str | None
    volume: str
    classification: str
    copies: int
    loans: int
    registered_on: date | None
    doubtful: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was left out: line, column ("" for the whole line), what stands there, and why.

    Reasons: `columns` (too few, too many, or the header lacks a needed one), `quotes` (unbalanced), `not_text` (bytes
    that are not of the encoding), `missing`, `not_a_number`, `not_a_date`, `not_an_isbn`.
    """

    line: int
    column: str
    value: str
    reason: str


class _Wrong(ValueError):
    def __init__(self, column: str, value: str, reason: str) -> None:
        super().__init__(reason)
        self.column, self.value, self.reason = column, value, reason


def read_holdings(source: bytes | BinaryIO, *, encoding: str = "cp949") -> Iterator[Holding | BadRow]:
    """Each row in order, read or reported. A byte order mark beats `encoding`; comma, semicolon and tab are found out.

    Columns are found by the header's names, in any order; blank lines are passed over. A file without the needed
    header gives one BadRow for line 1 and ends. Never refuses.
    """
    lines = _lines(io.BytesIO(source) if isinstance(source, bytes) else source, encoding)
    first = next(lines, (1, ""))[1]
    delimiter = max(",;\t", key=first.count)
    header = split(first, delimiter) or []
    places = {name.strip(): place for place, name in enumerate(header) if name.strip()}
    for name in _NEEDED:
        if name not in places:
            yield BadRow(1, name, first[:80], "columns")
            return
    for line, text in lines:
        row = split(text, delimiter)
        if row is None:
            yield BadRow(line, "", text[:80], "quotes")
        elif any(value.strip() for value in row):
            yield _row(line, row, places, len(header))


def _lines(stream: BinaryIO, encoding: str) -> Iterator[tuple[int, str]]:
    """The logical lines of a stream; see `logical_lines`."""
    head = stream.read(4)
    name = next((name for mark, name in _BOMS if head.startswith(mark)), encoding)
    # surrogateescape keeps the bytes that are no text, to be reported with their row
    errors = "replace" if name == "utf-16" else "surrogateescape"
    yield from logical_lines(
        io.TextIOWrapper(io.BufferedReader(_Again(head, stream)), encoding=name, errors=errors, newline="")
    )


def logical_lines(text: Iterable[str]) -> Iterator[tuple[int, str]]:
    """(number, text) of each line of a CSV file: an open quote joins the lines after it, unless it never closes."""
    waiting: list[str] = []
    number = 0
    for raw in text:
        waiting.append(raw)
        while waiting:
            size = next((n for n in range(1, len(waiting) + 1) if "".join(waiting[:n]).count('"') % 2 == 0), 0)
            if not size:
                if len(waiting) <= MAX_JOINED:
                    break
                size = 1
            yield number + 1, "".join(waiting[:size])
            number += size
            del waiting[:size]
    for rest in waiting:
        number += 1
        yield number, rest


class _Again(io.RawIOBase):
    """A stream of which the first bytes were looked at already."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head, self._stream = head, stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        found = self._head[: len(buffer)] or self._stream.read(len(buffer)) or b""
        self._head = self._head[len(buffer) :]
        buffer[: len(found)] = found
        return len(found)


def split(text: str, delimiter: str) -> list[str] | None:
    """The values of a line; None if its quotes do not balance or it holds what no CSV may."""
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return None


def _row(line: int, row: Sequence[str], places: dict[str, int], width: int) -> Holding | BadRow:
    if len(row) < width - 1 or any(value.strip() for value in row[width:]):
        return BadRow(line, "", f"{len(row)} columns, header has {width}", "columns")
    values = {name: row[place] if place < len(row) else "" for name, place in places.items()}
    for column, value in values.items():
        if any("\udc80" <= ch <= "\udcff" or ch == "\ufffd" for ch in value):
            return BadRow(line, column, value.encode("ascii", "replace").decode("ascii"), "not_text")
    tidy = {name: " ".join(unicodedata.normalize("NFC", value).split()) for name, value in values.items()}
    try:
        return _holding(line, tidy)
    except _Wrong as wrong:
        return BadRow(line, wrong.column, wrong.value, wrong.reason)


def _holding(line: int, row: dict[str, str]) -> Holding:
    for column in _NEEDED:
        if not row[column]:
            raise _Wrong(column, "", "missing")
    year = re.search(r"(?<![0-9])(1[4-9]|20)[0-9]{2}(?![0-9])", row.get("발행년도", ""))
    return Holding(
        line=line,
        number=row["번호"],
        title=row["도서명"],
        author=row.get("저자", ""),
        publisher=row.get("출판사", ""),
        year=int(year[0]) if year else None,
        isbn13=_isbn(row, "ISBN"),
        set_isbn13=_isbn(row, "세트 ISBN"),
        volume=row.get("권", ""),
        classification=row.get("주제분류번호", ""),
        copies=_count(row, "도서권수", 1),
        loans=_count(row, "대출건수", 0),
        registered_on=_day(row, "등록일자"),
        doubtful=tuple(column for column in _TEXT if "?" in row.get(column, "")),
    )


def _isbn(row: dict[str, str], column: str) -> str | None:
    text = row.get(column, "")
    found = isbn13(text)
    if text and not found:
        raise _Wrong(column, text, "not_an_isbn")
    return found


def _count(row: dict[str, str], column: str, default: int) -> int:
    text = row.get(column, "")
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise _Wrong(column, text, "not_a_number")
    return int(text)


def _day(row: dict[str, str], column: str) -> date | None:
    text = row.get(column, "")
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise _Wrong(column, text, "not_a_date") from error
