"""Call numbers (청구기호): room, class, author mark, volume, copy; read from text, written to text, put in shelf order.

A Korean spine label reads 별치기호 (room: 아동, R), KDC class, author mark (저자기호: letters of the author, a number,
letters of the title), volume, copy: "아동 813.6 황12ㅅ v.2 c.3". The class is a decimal, and so are the digits of the
author mark: 황12 stands before 황2. Rooms stand in the library's own order.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

KEY_LENGTH: Final = 200
"""Longest shelf key in characters; what is cut off only orders copies that share 200 characters."""

_CLASS = r"[0-9]{3}(?:\.[0-9]+)?"
_LABEL = re.compile(rf"(?P<room>\D*?)[\s-]*(?P<class>{_CLASS})(?P<rest>|[\s=-].*)")
_MARK = re.compile(r"(?P<letters>[^\W\d_]+)(?P<digits>[0-9]*)(?P<work>[^\W\d_]*)")
# Right after the class "c1" is an author mark and "c.1" a copy; further on both are a copy. Likewise "v".
_COPY = re.compile(r"(?:[\s-]*=|^c\.\s*|[\s-]+c\.?\s*)([0-9]{1,4})$")
_VOLUME = re.compile(r"(?:^v\.\s*|[\s-]+v\.\s*|[\s-]+v(?=[0-9]))(\S+)$")
_BARE_VOLUME = re.compile(r"[\s-]+(?:제\s*)?([0-9][0-9-]*|[상중하])권?$")
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
_CHO = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
# Numbers for the second syllable, in the manner of the author tables that Korean libraries use: alike syllables get
# near numbers, so that a shelf of one family name stays in order of the alphabet.
_CHO_NUMBER = ("1", "1", "19", "2", "2", "29", "3", "4", "4", "5", "5", "6", "7", "7", "8", "87", "88", "89", "9")
_VOWEL_NUMBER = (2, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 7, 7, 8)
# Library of Congress letters to a KDC class of the same subject. Coarse: for sample copies of records without a KDC.
_ROUGH_KDC = {
    "A": "030", "B": "100", "BF": "180", "BJ": "190", "BL": "210", "BQ": "220", "BR": "230", "BS": "233", "BT": "231",
    "BV": "235", "BX": "238", "C": "900", "CT": "990", "D": "920", "DS": "910", "E": "940", "F": "940", "G": "980",
    "GN": "380", "GR": "388", "GV": "690", "H": "300", "HA": "310", "HV": "338", "J": "340", "K": "360", "L": "370",
    "M": "670", "N": "600", "NA": "610", "P": "800", "PL": "810", "PN": "802", "PR": "840", "PS": "843", "PT": "850",
    "PQ": "860", "Q": "400", "QA": "410", "QB": "440", "QC": "420", "QD": "430", "QH": "470", "QL": "490", "R": "510",
    "S": "520", "T": "500", "TR": "660", "TX": "590", "U": "390", "V": "390", "Z": "020",
}  # fmt: skip


class NotACallNumber(ValueError):
    """The text, or a part of it, is not of the form above (code `not_a_call_number`)."""

    code: Final = "not_a_call_number"


@dataclass(frozen=True, slots=True)
class CallNumber:
    """The parts of a call number; everything but `class_number` may be missing ("" or None).

    `room` holds no digits, `class_number` is three digits and decimals ("813.6"), `author_mark` letters, digits and
    letters ("황12ㅅ"), `volume` any word without spaces ("2", "1-2", "상"), `copy` counts from 1. Refuses other forms
    with NotACallNumber.
    """

    class_number: str
    author_mark: str = ""
    room: str = ""
    volume: str = ""
    copy: int | None = None

    def __post_init__(self) -> None:
        if not (
            re.fullmatch(_CLASS, self.class_number)
            and (not self.author_mark or _MARK.fullmatch(self.author_mark))
            and re.fullmatch(r"(?:[^\W\d](?:[^\d=]*[^\d\s=-])?)?", self.room)
            and re.fullmatch(r"(?:[^\W_]|[^\W_][^\s=]*[^\s=-])?", self.volume)
            and (self.copy is None or 1 <= self.copy <= 9999)
        ):
            raise NotACallNumber(self)

    def __str__(self) -> str:
        volume = f"v.{self.volume}" if self.volume else ""
        copy = f"c.{self.copy}" if self.copy else ""
        return " ".join(filter(None, (self.room, self.class_number, self.author_mark, volume, copy)))


def parse(text: str) -> CallNumber:
    """Read a call number as labels and systems write it; parts are parted by spaces, line ends or hyphens.

    Understood: "아동 813.6 황12ㅅ v.2 c.3", "아동813.6-황12ㅅ-2=3", "813.7 한31ㅊ 하권". Refuses with NotACallNumber.
    """
    label = " ".join(_tidy(text).split())
    found = _LABEL.fullmatch(label)
    if not found:
        raise NotACallNumber(text)
    rest, copy, volume = found["rest"].strip(), None, ""
    if last := _COPY.search(rest):
        copy, rest = int(last[1]), rest[: last.start()]
    if last := _VOLUME.search(rest) or _BARE_VOLUME.search(rest):
        volume, rest = last[1].removesuffix("권"), rest[: last.start()]
    return CallNumber(found["class"], rest.strip(" -"), found["room"].strip(" -"), volume, copy)


def compose(
    class_number: str, author_mark: str = "", *, room: str = "", volume: str = "", copy: int | None = None
) -> str:
    """The text of a call number; `parse` reads it back. Refuses with NotACallNumber."""
    return str(CallNumber(_tidy(class_number), _tidy(author_mark), _tidy(room), _tidy(volume), copy))


def shelf_key(text: str, rooms: Sequence[str] = ()) -> str:
    """A string that sorts by bytes (collation "C") as the books stand, at most KEY_LENGTH characters. Never refuses.

    `rooms` is the order in which somebody walks; "" stands for the open shelf and comes first unless it is named. Rooms
    that are not named come after, by name; what is no call number comes last, by its text.
    """
    try:
        number = parse(text)
    except NotACallNumber:
        return ("~" + _numbered(" ".join(_tidy(text).split())))[:KEY_LENGTH]
    order = [_tidy(room) for room in rooms]
    if "" not in order:
        order.insert(0, "")
    known = number.room in order
    room = f"{order.index(number.room):03d}" if known else f"999 {number.room}"
    mark = _MARK.fullmatch(number.author_mark)
    author = f"{mark['letters']} {mark['digits']} {mark['work']}" if mark else ""
    # "!" is less than any digit or letter, so the shorter of two parts comes first.
    parts = (room, number.class_number, author, _numbered(number.volume), f"{number.copy or 1:04d}")
    return "!".join(part.replace(" ", "!") for part in parts)[:KEY_LENGTH]


def author_mark(author: str, title: str) -> str:
    """A simple author mark for sample copies: "황순원", "소나기" gives 황56ㅅ.

    First syllable of the author, a number from the consonant and vowel of the second, first consonant of the title.
    Names in other letters: first letter, two digits from the second, first letter of the title. It keeps order and
    looks like the real thing, but is no published table; a library that shelves by one imports its own marks. "" if the
    author has no letter.
    """
    name, work = _letters(author), _letters(title)
    if not name:
        return ""
    second = name[1] if len(name) > 1 else ""
    if _is_syllable(second):
        index = ord(second) - 0xAC00
        digits = f"{_CHO_NUMBER[index // 588]}{_VOWEL_NUMBER[index // 28 % 21]}"
    else:
        digits = f"{11 + ord(second) % 32 * 3}" if second else "1"
    first = work[:1]
    return name[0].upper() + digits + (_CHO[(ord(first) - 0xAC00) // 588] if _is_syllable(first) else first.lower())


def rough_kdc(lcc: str) -> str:
    """A KDC class of about the same subject as a Library of Congress class ("PL992" gives 810), "" if unknown.

    For sample copies only: the sample records bear no KDC.
    """
    letters = re.match(r"[A-Z]*", lcc.strip().upper())
    found = letters[0] if letters else ""
    return _ROUGH_KDC.get(found[:2]) or _ROUGH_KDC.get(found[:1], "")


def _tidy(text: str) -> str:
    """NFC and ASCII forms of full-width signs; compatibility jamo such as ㅅ stay what they are."""
    return unicodedata.normalize("NFC", text).translate(_FULL_WIDTH).strip()


def _numbered(text: str) -> str:
    return re.sub(r"[0-9]+", lambda run: run[0].lstrip("0").zfill(6), text)


def _letters(text: str) -> str:
    plain = unicodedata.normalize("NFD", text.strip("[]() "))
    return "".join(ch for ch in unicodedata.normalize("NFC", re.sub("[\u0300-\u036f]", "", plain)) if ch.isalpha())


def _is_syllable(ch: str) -> bool:
    return len(ch) == 1 and "가" <= ch <= "힣"
