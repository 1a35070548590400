"""Bibliographic records from MARC files (ISO 2709: MARC 21 and KORMARC), one by one, the bad ones reported.

A file is cut at record terminators (0x1D), which no text encoding in use here contains, and not by the lengths that
records claim; so one bad record costs one record. Fields are those of MARC 21 (loc.gov/marc/bibliographic), which
KORMARC shares as far as they are read here, with 056 for the KDC class.

Titles: where a record stands romanised in 245 and in its own script in 880 (linked by $6, "880-01" and "245-01"), the
own script is the title. Words parted by U+3000, as the Library of Congress does with Hangul, get a plain space; end
punctuation of ISBD goes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from pymarc import Field, Record
from pymarc.exceptions import PymarcException

from lending.isbn import isbn13

MAX_RECORD: Final = 1_000_000
"""Bytes without a terminator after which what was read is given up; ISO 2709 allows 99,999 a record."""

_TERMINATOR = b"\x1d"
_BETWEEN = b"\r\n\t \x00\x1a"  # line ends and fillers that some systems put between records
_HEAD = re.compile(rb"([0-9]{5})[a-z ][ -~]{4}22([0-9]{5})")
_END = " /:;,=／：；，＝"
_INITIAL = re.compile(r"(?:^|[\s.-])[A-Z]\.$|\b(?:Jr|Sr|Dr|St|Inc|Ltd|Co)\.$|\.\.\.$")
MATERIALS: Final = {
    **dict.fromkeys("at", "book"),
    **dict.fromkeys("cd", "score"),
    **dict.fromkeys("ef", "map"),
    "g": "video",
    "i": "speech",
    "j": "music",
    "k": "image",
    "m": "software",
    **dict.fromkeys("op", "kit"),
    "r": "object",
}
"""What position 6 of a leader says; of language material, position 7 parts serials from books."""
_YEAR = re.compile(r"(?<![0-9])(1[4-9][0-9]{2}|20[0-9]{2})(?![0-9])")


@dataclass(frozen=True, slots=True)
class ParsedRecord:
    """What lending keeps of a record. Texts are NFC, "" where the record is silent.

    `offset`: byte at which the record begins. `title`: own script; `title_romanised`: 245 where the title came from
    880. `authors` from the headings (100 to 711, own script, each once), else the statement of responsibility, which is
    also kept whole. `year`: None unless the record names one; [199-?] does not. `isbn13`: the first that is valid.
    `language`: three letters of 008. `volumes`: how many physical volumes 300 promises, at least 1. `extent`: 300 $a.
    `classification` and `scheme`: KDC (056), else DDC (082), else LCC (050). `material`: a word of MATERIALS by the
    leader (positions 6 and 7).
    """

    offset: int
    control_number: str
    title: str
    title_romanised: str
    authors: tuple[str, ...]
    authors_romanised: tuple[str, ...]
    responsibility: str
    publisher: str
    year: int | None
    isbn13: str | None
    language: str
    volumes: int
    extent: str
    classification: str
    scheme: str
    material: str
    encoding: str


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that could not be read: the byte at which it begins, a code, and what was found.

    Reasons: `wrong_length` (the leader's length is not the record's: truncated or damaged), `bad_leader`,
    `bad_base_address`, `not_text` (not of its encoding), `unreadable` (directory or fields), `no_title` (245 missing),
    `no_terminator` (the file ends, or goes on for MAX_RECORD bytes, without one).
    """

    offset: int
    reason: str
    detail: str


def read_titles(source: bytes | BinaryIO, *, encoding: str | None = None) -> Iterator[ParsedRecord | BadRecord]:
    """Each record of a MARC file in order, read or reported; a file may be larger than the memory.

    `encoding`: "utf-8", "cp949" (legacy KORMARC) or another of Python's, "marc8", or None: UTF-8 where the leader says
    so, else by the bytes of each record (UTF-8, then EUC-KR and its extension, then MARC-8). Never refuses.
    """
    for offset, data in _chunks([source] if isinstance(source, bytes) else iter(lambda: source.read(65536), b"")):
        yield from _read_chunk(offset, data, encoding)


def _chunks(blocks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """(offset, bytes with their terminator) of each record; the last may lack its terminator."""
    offset, rest = 0, b""
    for block in blocks:
        *whole, rest = (rest + block).split(_TERMINATOR)
        for piece in whole:
            yield offset, piece + _TERMINATOR
            offset += len(piece) + 1
        if len(rest) > MAX_RECORD:
            yield offset, rest
            offset, rest = offset + len(rest), b""
    if rest:
        yield offset, rest


def _read_chunk(offset: int, data: bytes, encoding: str | None) -> Iterator[ParsedRecord | BadRecord]:
    bare = data.lstrip(_BETWEEN)
    offset += len(data) - len(bare)
    if not bare:
        return
    if not bare.endswith(_TERMINATOR):
        yield BadRecord(offset, "no_terminator", f"{len(bare)} bytes")
        return
    head = _HEAD.match(bare)
    if head and int(head[1]) == len(bare):
        yield _read_record(offset, bare, int(head[2]), encoding)
        return
    # A truncated record runs into the next one, which is whole: its length fits to the terminator.
    for later in _HEAD.finditer(bare, 1):
        if int(later[1]) == len(bare) - later.start():
            yield BadRecord(offset, "wrong_length", f"{later.start()} bytes, then another record")
            yield _read_record(offset + later.start(), bare[later.start() :], int(later[2]), encoding)
            return
    if head:
        yield BadRecord(offset, "wrong_length", f"{len(bare)} bytes, leader says {int(head[1])}")
    else:
        yield BadRecord(offset, "bad_leader", repr(bare[:24]))


def _read_record(offset: int, data: bytes, base: int, encoding: str | None) -> ParsedRecord | BadRecord:
    if not 24 < base < len(data) or data[base - 1 : base] != b"\x1e":
        return BadRecord(offset, "bad_base_address", f"{base} of {len(data)} bytes")
    name = encoding or _encoding_of(data)
    flag = b"a" if name == "utf-8" else b" "  # pymarc believes the leader before it believes us
    try:
        # iso8859-1 is pymarc's word for MARC-8
        record = Record(
            data[:9] + flag + data[10:],
            to_unicode=True,
            hide_utf8_warnings=True,
            file_encoding="iso8859-1" if name == "marc8" else name,
        )
    except UnicodeError as error:
        return BadRecord(offset, "not_text", f"not {name}: {error.__class__.__name__}")
    except (PymarcException, ValueError, LookupError, TypeError) as error:
        return BadRecord(offset, "unreadable", error.__class__.__name__)
    parsed = _Reading(record).parsed(offset, name)
    return parsed if parsed.title else BadRecord(offset, "no_title", parsed.control_number)


def _encoding_of(data: bytes) -> str:
    """The encoding of a record whose file was not named one.

    MARC-8 puts an accent (0xE0 to 0xFE) before an ASCII letter, a pair that code page 949 does not have; Korean in
    MARC-8 needs an escape. What remains doubtful is single letters such as the Danish o with stroke.
    """
    if data[9:10] == b"a":
        return "utf-8"
    if b"\x1b" in data:
        return "marc8"
    for name in ("utf-8", "euc_kr", "cp949"):
        try:
            data.decode(name)
        except UnicodeError:
            continue
        if name != "cp949" or re.search(rb"[\xb0-\xc8][\xa1-\xfe]", data):
            return "cp949" if name == "euc_kr" else name
    return "marc8"


class _Reading:
    """One record and what its fields say."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.linked: dict[str, Field] = {}  # "245-01" -> the field in its own script
        for field in record.get_fields("880"):
            self.linked.setdefault(field.get("6", "")[:6], field)

    def parsed(self, offset: int, encoding: str) -> ParsedRecord:
        plain = next(iter(self.record.get_fields("245")), None)
        own = self._own(plain) if plain else None
        romanised = _title(plain) if plain else ""
        title = (_title(own) if own else "") or romanised
        imprint = next(iter(self.record.get_fields("260", "264")), None)
        own_imprint = self._own(imprint) if imprint else None
        responsibility = _clean((own or plain or Field("245")).get("c", ""))
        pairs = [
            (_name(self._own(field) or field), _name(field))
            for field in self.record.get_fields("100", "110", "111", "700", "710", "711")
            if field.get("a") and not field.get("t")  # with $t it names a work, not who wrote this one
        ]
        scheme, classification = self._classification()
        extent = self._first("300", "a")
        return ParsedRecord(
            offset=offset,
            control_number=self._control("001").strip(),
            title=title,
            title_romanised=romanised if title != romanised else "",
            authors=tuple(dict.fromkeys(name for name, _ in pairs)) or ((responsibility,) if responsibility else ()),
            authors_romanised=tuple(dict.fromkeys(latin for name, latin in pairs if latin != name)),
            responsibility=responsibility,
            publisher=_clean((own_imprint or imprint or Field("260")).get("b", "")),
            year=_year(imprint.get("c", "") if imprint else "", self._control("008")),
            isbn13=self._isbn(),
            language=_language(self._control("008")),
            volumes=_volumes(extent),
            extent=" ".join(extent.rstrip(_END).split()),
            classification=classification,
            scheme=scheme,
            material=_material(str(self.record.leader)),
            encoding=encoding,
        )

    def _own(self, field: Field) -> Field | None:
        link = field.get("6", "")
        return self.linked.get(f"{field.tag}-{link[4:6]}") if link.startswith("880-") and link[4:6] != "00" else None

    def _control(self, tag: str) -> str:
        return next((field.data or "" for field in self.record.get_fields(tag)), "")

    def _first(self, tag: str, code: str) -> str:
        return next((value for field in self.record.get_fields(tag) for value in field.get_subfields(code)), "")

    def _isbn(self) -> str | None:
        for field in self.record.get_fields("020"):
            for text in field.get_subfields("a"):
                if found := isbn13(text):
                    return found
        return None

    def _classification(self) -> tuple[str, str]:
        for scheme, tag in (("kdc", "056"), ("ddc", "082"), ("lcc", "050")):
            if text := self._first(tag, "a").replace("/", "").strip():  # "/" marks where a DDC number may be cut
                return scheme, unicodedata.normalize("NFC", text)
        return "", ""


def _clean(text: str) -> str:
    """NFC, plain spaces, without ISBD punctuation at the end; a full stop stays after initials and three dots."""
    plain = " ".join(unicodedata.normalize("NFC", text).split())
    plain = plain.rstrip(_END)
    if plain.endswith(("．", "。")) or (plain.endswith(".") and not _INITIAL.search(plain)):
        plain = plain[:-1].rstrip(_END)
    return plain


def _title(field: Field) -> str:
    """Title proper, part number and name, then the rest after a colon: "서대문 형무소 근현대사. 일제 시대 편"."""
    proper = ". ".join(part for part in (_clean(s.value) for s in field.subfields if s.code in {"a", "n", "p"}) if part)
    rest = " ".join(filter(None, map(_clean, field.get_subfields("b"))))
    return f"{proper} : {rest}" if proper and rest else proper or rest


def _name(field: Field) -> str:
    return _clean(field.get("a", ""))


def _year(text: str, control: str) -> int | None:
    """The year of 260 $c: the one in brackets, which corrects or converts what is printed, else the first; else 008."""
    bracket = text[text.find("[") + 1 :] if "[" in text else ""
    for place in (bracket, text):
        if found := _YEAR.search(place):
            return int(found[1])
    if re.search(r"[0-9]{2,3}-", text):
        return None  # [199-?]: a decade is not a year
    fallback = _YEAR.fullmatch(control[7:11])
    return int(fallback[1]) if fallback else None


def _language(control: str) -> str:
    code = control[35:38].lower()
    return code if re.fullmatch(r"[a-z]{3}", code) and code != "und" else ""


def _volumes(extent: str) -> int:
    """Physical volumes: "3 v." are 3, "v. <1-3, 5>" are the 4 received so far, anything else is 1. At most 999."""
    if whole := re.match(r"\s*([0-9]{1,3})\s*(?:v\b|책|권|冊)", extent):
        return max(int(whole[1]), 1)
    if some := re.match(r"\s*v\.\s*<([^>]*)>", extent):
        spans = [(int(a), int(b or a)) for a, b in re.findall(r"([0-9]{1,3})(?:\s*-\s*([0-9]{1,3}))?", some[1])]
        return min(max(sum(max(last - first + 1, 1) for first, last in spans), 1), 999)
    return 1


def _material(leader: str) -> str:
    found = MATERIALS.get(leader[6:7], "book")
    return "serial" if found == "book" and leader[7:8] in {"b", "i", "s"} else found
