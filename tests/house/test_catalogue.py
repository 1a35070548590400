"""Every sentence that a person can see exists in Korean."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import polib
from babel.messages.extract import extract
from django.conf import settings
from django.utils.translation import template

ROOT = Path(settings.BASE_DIR)
ROOMS = ("config", "core", "lending", "notifications", "pickup")
KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}
PLACE = re.compile(r"%\(\w+\)[sd]")

Sentence = tuple[str, str, str]  # context, singular, plural


def sentences() -> Iterator[tuple[str, Sentence]]:
    """Every sentence to translate with the file that says it: Python files and templates of all rooms."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*")):
            if "migrations" in path.parts or path.suffix not in {".py", ".html", ".txt"}:
                continue
            text = path.read_text(encoding="utf-8")
            if path.suffix != ".py":
                if "templates" not in path.parts:
                    continue
                marked = template.templatize(text, origin=str(path))
                text = "\n".join(line.strip() for line in marked.splitlines())
            for _line, said, _comments, context in extract(
                "python", io.BytesIO(text.encode()), keywords=KEYWORDS, options={"encoding": "utf-8"}
            ):
                singular, plural = (said, "") if isinstance(said, str) else (str(said[0]), str(said[1]))
                if singular:
                    yield str(path.relative_to(ROOT)), (context or "", singular, plural)


def catalogue() -> dict[Sentence, polib.POEntry]:
    """The Korean catalogue by sentence; a sentence that stands in it twice is an error."""
    found: dict[Sentence, polib.POEntry] = {}
    entries = polib.pofile(str(ROOT / "config/locale/ko/LC_MESSAGES/django.po"), check_for_duplicates=True)
    for entry in entries:
        if not entry.obsolete:
            found[entry.msgctxt or "", entry.msgid, entry.msgid_plural or ""] = entry
    return found


def test_every_sentence_is_said_in_korean():
    known = {
        (context, singular)
        for (context, singular, _plural), entry in catalogue().items()
        if entry.translated() and not entry.fuzzy
    }
    missing = {f"{path}: {said[1]}" for path, said in sentences() if said[:2] not in known}
    assert not missing, "\n".join(sorted(missing))


def test_counted_sentences_are_counted_in_korean():
    counted = {said for _path, said in sentences() if said[2]}
    entries = catalogue()
    wrong = {said[1] for said in counted if said not in entries or not entries[said].msgstr_plural.get(0)}
    assert not wrong, "\n".join(sorted(wrong))


def test_no_sentence_is_translated_that_nobody_says():
    said = {sentence[:2] for _path, sentence in sentences()}
    left_over = {singular for context, singular, _plural in catalogue() if (context, singular) not in said and singular}
    assert not left_over, "\n".join(sorted(left_over))


def test_korean_sentences_fill_the_same_places():
    wrong = set()
    for (_context, singular, plural), entry in catalogue().items():
        texts = entry.msgstr_plural.values() if plural else [entry.msgstr]
        for text in texts:
            if set(PLACE.findall(text)) - set(PLACE.findall(singular)) - set(PLACE.findall(plural)):
                wrong.add(singular)
            if not plural and set(PLACE.findall(singular)) != set(PLACE.findall(text)):
                wrong.add(singular)
    assert not wrong, "\n".join(sorted(wrong))


def test_the_catalogue_is_in_the_order_of_its_sentences():
    """Two people who add sentences then seldom meet in one place of the file."""
    told = [singular for _context, singular, _plural in catalogue()]
    assert told == sorted(told, key=lambda sentence: (sentence.casefold(), sentence))
