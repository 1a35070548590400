"""The sentences of texts, in Korean and English. Every room registers its own in its texts.py.

A sentence has places such as `{count}`. `{link}` is a place of every sentence and stays in the body: the address is
put in when the message is claimed (see delivery.py), so that a body at rest holds no key. A library may say a
sentence in words of its own (words.py); which places those may and must have follows from the sentence itself.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

LINK: Final = "link"
ALWAYS: Final = frozenset({"library", "phone"})
"""Places that are filled in whatever is said, where a sentence names them."""
COURTESY: Final = frozenset({"phone", "count"})
"""Places that a library may leave out of its own words; what else a sentence says has to be said."""
_PLACE = re.compile(r"\{(\w*)\}")


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence in both languages, the places that it may use, and what kind of message it is sent as."""

    places: frozenset[str]
    ko: str
    en: str
    kind: str

    def in_language(self, language: str) -> str:
        """Korean for `ko` and its regions, else English."""
        return self.ko if tongue(language) == "ko" else self.en

    def must(self, language: str) -> frozenset[str]:
        """The places that own words in its place need: what the sentence says, courtesies left aside."""
        return places_of(self.in_language(language)) - COURTESY

    def may(self) -> frozenset[str]:
        """The places that own words in its place may have: those that are filled when it is said."""
        return places_of(self.ko) | places_of(self.en) | (ALWAYS & self.places)


_sentences: dict[str, Sentence] = {}
_examples: dict[tuple[str, str], tuple[str, str]] = {}


def register(*, key: str, places: Collection[str], ko: str, en: str, kind: str = "notice") -> None:
    """Make a sentence known under `key`; a KeyError when it uses a place that it does not name.

    The same sentence may be registered twice (a module is imported again), another one under the same key may not.
    """
    sentence = Sentence(frozenset(places), ko, en, kind)
    for text in (ko, en):
        unknown = set(_PLACE.findall(text)) - sentence.places - {LINK}
        if unknown:
            raise KeyError(f"{key}: {', '.join(sorted(unknown))}")
    if _sentences.setdefault(key, sentence) != sentence:
        raise KeyError(f"{key} is taken by another sentence")


def example(place: str, *, ko: str, en: str, key: str = "") -> None:
    """What may stand in a place at its longest, to measure words by; in one sentence alone if `key` names it."""
    _examples[key, place] = (ko, en)


def examples(key: str, language: str) -> dict[str, str]:
    """An example for each place of a sentence that has one, and for the address."""
    known = {place: found for (of, place), found in _examples.items() if not of}
    known |= {place: found for (of, place), found in _examples.items() if of == key}
    places = _sentences[key].places | {LINK}
    return {place: ko if tongue(language) == "ko" else en for place, (ko, en) in known.items() if place in places}


def tongue(language: str) -> str:
    """Which of the two languages of sentences a reader gets: `ko` for Korean and its regions, else `en`."""
    return "ko" if language.lower().startswith("ko") else "en"


def places_of(text: str) -> frozenset[str]:
    """The places in a sentence."""
    return frozenset(_PLACE.findall(text))


def sentence(key: str) -> Sentence:
    """The sentence under `key`; KeyError when nobody registered it."""
    return _sentences[key]


def keys() -> list[str]:
    """Every key in the order in which the rooms register them."""
    return list(_sentences)


def render(*, key: str, language: str, values: Mapping[str, object], own: str = "") -> str:
    """The sentence with its places filled, `{link}` excepted; KeyError for an unknown key, place or missing value.

    `own` are the words of a library in its place. Braces inside a value become brackets: a library's name can never
    open a place.
    """
    chosen = sentence(key)
    unknown = set(values) - chosen.places
    if unknown:
        raise KeyError(f"{key}: {', '.join(sorted(unknown))}")

    said = list(_in_turn(own or chosen.in_language(language)))
    said[1::2] = [f"{{{LINK}}}" if name == LINK else _in_brackets(str(values[name])) for name in said[1::2]]
    return "".join(said)


@functools.lru_cache(maxsize=256)  # the same few sentences are said thousands of times
def _in_turn(text: str) -> tuple[str, ...]:
    """Words and places of a sentence in turn."""
    return tuple(_PLACE.split(text))


def _in_brackets(value: str) -> str:
    return value.replace("{", "(").replace("}", ")")


def with_link(body: str, address: str) -> str:
    """The body as it leaves: the address where `{link}` stands."""
    return body.replace("{link}", address)


def asks_link(body: str) -> bool:
    """Whether the body has a place for an address."""
    return "{link}" in body


def without_link(body: str) -> str:
    """The body as a person says it over the phone."""
    return " ".join(body.replace("{link}", " ").split())


def pattern(body: str) -> re.Pattern[str]:
    """Recognises this body at the carrier, whatever address stood for `{link}` when it left."""
    return re.compile(r"\S+".join(re.escape(part) for part in body.split("{link}")))
