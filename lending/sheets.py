"""Tables as other programs save them: CSV, TSV or XLSX, in whatever encoding; what they are is found out and told.

Nothing of a file is trusted: its size, what it unpacks to, its quotes, its letters. What cannot be read of a row is
reported with its line, the rest is kept.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import io
import math
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final
from xml.etree.ElementTree import ParseError

from lending.errors import UnreadableTable
from lending.holdings import BadRow, logical_lines, split

LARGEST: Final = 5 * 1024 * 1024
UNPACKED: Final = 50 * 1024 * 1024
MOST_ROWS: Final = 2000
MOST_COLUMNS: Final = 100
LONGEST: Final = 2000
ENCODINGS: Final = ("utf-8", "utf-8-sig", "cp949", "utf-16", "utf-16-le", "utf-16-be")
_BOMS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: `rows` are (line, cells) of the lines that say anything; `form` is csv, tsv or xlsx; `encoding` of text,
    "" for a workbook.
    """

    form: str
    encoding: str
    rows: list[tuple[int, list[str]]]
    bad: list[BadRow] = field(default_factory=list)


def decoded(text: str, *, field: str) -> bytes:
    """A file that travelled as Base64. Refuses with `unreadable_table` (field `field`) what is none."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnreadableTable(field=field, why="no_table") from error


def read(content: bytes, *, encoding: str = "", most_rows: int = MOST_ROWS, largest: int = LARGEST) -> Sheet:
    """The table in a file. `encoding` beats what is found out, for text that was found out wrongly.

    Cells are NFC with plain spaces. Rows that cannot be read are in `bad` (`quotes`, `not_text`, `too_long`). Refuses
    with `unreadable_table`: too large, empty, an unknown encoding, or no table at all. The limits are for what people
    send to a page; whoever reads a file of their own may raise them.
    """
    if len(content) > largest:
        raise UnreadableTable(why="too_large", most=largest // 1024 // 1024)
    if content.startswith(b"PK\x03\x04"):
        return _xlsx(content, most_rows)
    if not content.strip():
        raise UnreadableTable(why="empty")
    if content.startswith((b"\xd0\xcf\x11\xe0", b"%PDF", b"<!DOCTYPE", b"<html")):
        raise UnreadableTable(why="no_table")
    name, text = _text(content, encoding)
    return _csv(text, name, most_rows)


def _text(content: bytes, encoding: str) -> tuple[str, str]:
    if encoding:
        if encoding not in ENCODINGS:
            raise UnreadableTable(why="encoding")
        return encoding, content.decode(encoding, errors="replace")
    marked = next((name for mark, name in _BOMS if content.startswith(mark)), "")
    if marked:
        return marked, content.decode(marked, errors="replace")
    start = content[:2000]
    if start.count(0) > len(start) // 4:  # UTF-16 without a mark: every other byte of plain letters is zero
        name = "utf-16-le" if start[1::2].count(0) >= start[::2].count(0) else "utf-16-be"
        return name, content.decode(name, errors="replace")
    tried = [(name, content.decode(name, errors="replace")) for name in ("utf-8", "cp949")]
    return min(tried, key=lambda one: one[1].count("\ufffd"))


def _csv(text: str, encoding: str, most_rows: int) -> Sheet:
    lines = logical_lines(io.StringIO(text, newline=""))
    rows: list[tuple[int, list[str]]] = []
    bad: list[BadRow] = []
    delimiter = ""
    for line, raw in lines:
        if not raw.strip(" ,;\t\r\n"):
            continue
        if len(rows) > most_rows:
            raise UnreadableTable(why="too_many_rows", most=most_rows)
        delimiter = delimiter or max(",;\t", key=raw.count)
        cells = split(raw, delimiter)
        if cells is None or len(cells) > MOST_COLUMNS:
            bad.append(BadRow(line, "", raw[:80].strip(), "quotes" if cells is None else "columns"))
        else:
            _keep(line, cells, rows, bad)
        if "\t" not in delimiter and len(rows) == 1 and len(rows[0][1]) == 1:
            delimiter = ""  # a line above the headings; the delimiter shows later
    return Sheet("tsv" if delimiter == "\t" else "csv", encoding, rows, bad)


def _xlsx(content: bytes, most_rows: int) -> Sheet:
    """The first sheet of a workbook. Zip bombs and documents with own entities are refused before they are unpacked."""
    # It loads numpy where that is installed, which a process that only serves pages does not need.
    from openpyxl import load_workbook  # noqa: PLC0415
    from openpyxl.utils.exceptions import InvalidFileException  # noqa: PLC0415

    try:
        _refuse_bomb(content)
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
        try:
            rows: list[tuple[int, list[str]]] = []
            bad: list[BadRow] = []
            for line, cells in _cells(book, most_rows):
                if len(rows) > most_rows:
                    raise UnreadableTable(why="too_many_rows", most=most_rows)
                if any(cells):
                    _keep(line, cells, rows, bad)
        finally:
            book.close()
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, TypeError, ParseError, EOFError) as error:
        raise UnreadableTable(why="no_table") from error
    except (OSError, RuntimeError, NotImplementedError, zipfile.LargeZipFile) as error:  # encrypted, unknown packing
        raise UnreadableTable(why="no_table") from error
    if not rows:
        raise UnreadableTable(why="empty")
    return Sheet("xlsx", "", rows, bad)


def _refuse_bomb(content: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        if sum(part.file_size for part in packed.infolist()) > UNPACKED or len(packed.infolist()) > 2000:
            raise UnreadableTable(why="too_large", most=UNPACKED // 1024 // 1024)
        for part in packed.infolist():
            if part.filename.endswith((".xml", ".rels")):
                with packed.open(part) as opened:
                    if b"<!DOCTYPE" in opened.read(2000).replace(b"\x00", b"").upper():
                        raise UnreadableTable(why="no_table")


def _cells(book: Any, most_rows: int) -> Iterator[tuple[int, list[str]]]:
    if not book.worksheets:
        return
    sheet = book.worksheets[0]
    sheet.reset_dimensions()  # what the file says of its size may be wrong
    for line, cells in enumerate(sheet.iter_rows(values_only=True, max_col=MOST_COLUMNS), start=1):
        if line > most_rows * 10:
            raise UnreadableTable(why="too_many_rows", most=most_rows)
        yield line, [_shown(cell) for cell in cells]


def _shown(cell: Any) -> str:
    """A cell as people read it; a number without a point where it is whole."""
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ", timespec="minutes")
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, float) and math.isfinite(cell) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return str(cell)


def _keep(line: int, cells: list[str], rows: list[tuple[int, list[str]]], bad: list[BadRow]) -> None:
    for cell in cells:
        if len(cell) > LONGEST:
            bad.append(BadRow(line, "", cell[:60], "too_long"))
            return
        if "\ufffd" in cell:
            bad.append(BadRow(line, "", cell[:60], "not_text"))
            return
    tidy = [_tidy(cell) for cell in cells]
    while tidy and not tidy[-1]:
        tidy.pop()
    if tidy:
        rows.append((line, tidy))


def _tidy(cell: str) -> str:
    """A cell in NFC with plain spaces; a number that was kept from Excel as ="0012" or '0012 is only the number."""
    text = " ".join("".join(ch if ch.isprintable() else " " for ch in unicodedata.normalize("NFC", cell)).split())
    if text.startswith('="') and text.endswith('"') and text.count('"') == 2:
        return text[2:-1]
    return text.removeprefix("'")


def plain(text: str) -> str:
    """A heading for comparison: no spaces, dots, underlines or case."""
    return "".join(ch for ch in unicodedata.normalize("NFKC", text).casefold() if ch.isalnum())
