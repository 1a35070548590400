"""Search: what is stored of a title, and what a query asks of it. Pure; the index is PostgreSQL's (GIN on a tsvector).

Korean is typed with spaces, without, or with spaces elsewhere ("소년이온다", "한국의 미래", and records that write
"한국　의　미래"), and mostly one or two syllables at a time. So:

- `searchable` is the text in which is searched: folded, spaces between Hangul or Han dropped. A title is found when
  each word of the query is a substring of it: that is the meaning, `matches` is its definition.
- `grams` of that text go into the index: all runs of one and two characters, and of three where no character is wide
  (Latin, digits, consonants), because two Latin letters select little.
- `query_grams` are those that a match must contain. They let through a little more than they should; the query
  rechecks each of `words` with LIKE on `searchable` (no word holds %, _ or a backslash).
- First consonants (초성) are part of `searchable`: "ㅅㄴㅇ" finds 소년이 온다 on the same road.

Folding: NFKC, case, Latin, Greek and Cyrillic accents, apostrophes of romanisation, hyphens within numbers (ISBN).
"""

from __future__ import annotations

import re
import unicodedata

_JOINERS = frozenset("'’‘`´ʹʺʻʼʽʾʿ\u00ad\u200b\u200c\u200d\u2060\ufeff")
_SIGNS = frozenset("+#")  # C++ and C# are not C
_CHO = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_TO_COMPATIBILITY = {0x1100 + index: letter for index, letter in enumerate(_CHO)}
_WIDE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
_IS_WIDE = re.compile(f"[{_WIDE}]")
_GAP_AT_WIDE = re.compile(rf"(?<=[{_WIDE}]) | (?=[{_WIDE}])")
_HYPHEN_IN_NUMBER = re.compile(r"(?<=[0-9])[-‐‑‒–](?=[0-9x])", re.IGNORECASE)
_ACCENTED = re.compile("(?<=[\u0041-\u052f\u1e00-\u1fff])[\u0300-\u036f]+")


def normalise(text: str) -> str:
    """The text folded for comparing, words parted by one space: "Hanʼguk ŭi  Mirae!" gives "hanguk ui mirae"."""
    folded = unicodedata.normalize("NFKC", text).translate(_TO_COMPATIBILITY).casefold()
    bare = unicodedata.normalize("NFC", _ACCENTED.sub("", unicodedata.normalize("NFD", folded)))
    bare = _HYPHEN_IN_NUMBER.sub("", bare)
    kept = [ch if ch in _SIGNS or unicodedata.category(ch)[0] in "LNM" else " " for ch in bare if ch not in _JOINERS]
    return " ".join("".join(kept).split())


def compact(text: str) -> str:
    """As normalise, without the spaces beside Hangul, Han and kana: "한국 의　미래" gives "한국의미래"."""
    return _GAP_AT_WIDE.sub("", normalise(text))


def initials(text: str) -> str:
    """The first consonants (초성) of the Hangul syllables, all else dropped: "소년이 온다" gives "ㅅㄴㅇㅇㄷ"."""
    return "".join(_CHO[(ord(ch) - 0xAC00) // 588] for ch in unicodedata.normalize("NFC", text) if "가" <= ch <= "힣")


def searchable(*fields: str) -> str:
    """The text to store and search in: each field compact, then the first consonants of the first (title)."""
    parts = [compact(field) for field in fields]
    if fields:
        parts.append(initials(compact(fields[0])))
    return " ".join(filter(None, parts))


def words(query: str) -> list[str]:
    """The words of a query, each folded and once, each of which must be found; empty when there is nothing to ask."""
    return list(dict.fromkeys(normalise(query).split()))


def grams(text: str) -> list[str]:
    """The index terms of a `searchable` text, sorted, each once: runs of 1 and 2 characters, of 3 if none is wide."""
    found: set[str] = set()
    for run in text.split():
        for size in (1, 2, 3):
            pieces = (run[at : at + size] for at in range(len(run) - size + 1))
            found.update(piece for piece in pieces if size < 3 or not _IS_WIDE.search(piece))
    return sorted(found)


def query_grams(query: str) -> list[str]:
    """The terms that a match must contain, all of them, sorted; empty when the query is."""
    found: set[str] = set()
    for word in words(query):
        if len(word) == 1:
            found.add(word)
        triples = [not _IS_WIDE.search(word[at : at + 3]) for at in range(len(word) - 2)]
        found.update(word[at : at + 3] for at, triple in enumerate(triples) if triple)
        for at in range(len(word) - 1):
            if not any(triples[max(at - 1, 0) : at + 1]):  # neither triple around this pair is a term
                found.add(word[at : at + 2])
    return sorted(found)


def matches(text: str, query: str) -> bool:
    """Whether a `searchable` text answers the query: every word is somewhere in it. The recheck, in Python."""
    asked = words(query)
    return bool(asked) and all(word in text for word in asked)
