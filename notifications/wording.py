"""The sentences of texts, in Korean and English. Every room registers its own in its texts.py.

A sentence has places such as `{count}`. `{link}` is a place of every sentence and stays in the body: the address is
put in when the message is claimed (see delivery.py), so that a body at rest holds no key.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

LINK: Final = "link"
_PLACE = re.compile(r"\{(\w*)\}")
_BRACES = str.maketrans("{}", "()")


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence in both languages and the places that it may use."""

    places: frozenset[str]
    ko: str
    en: str

    def in_language(self, language: str) -> str:
        """Korean for `ko` and its regions, else English."""
        return self.ko if language.lower().startswith("ko") else self.en


_sentences: dict[str, Sentence] = {}


def register(*, key: str, places: Collection[str], ko: str, en: str) -> None:
    """Make a sentence known under `key`; a KeyError when it uses a place that it does not name.

    The same sentence may be registered twice (a module is imported again), another one under the same key may not.
    """
    sentence = Sentence(frozenset(places), ko, en)
    for text in (ko, en):
        unknown = set(_PLACE.findall(text)) - sentence.places - {LINK}
        if unknown:
            raise KeyError(f"{key}: {', '.join(sorted(unknown))}")
    if _sentences.setdefault(key, sentence) != sentence:
        raise KeyError(f"{key} is taken by another sentence")


def sentence(key: str) -> Sentence:
    """The sentence under `key`; KeyError when nobody registered it."""
    return _sentences[key]


def keys() -> list[str]:
    """Every key that is registered, for tests and the page on which texts are read."""
    return sorted(_sentences)


def render(*, key: str, language: str, values: Mapping[str, object]) -> str:
    """The sentence with its places filled, `{link}` excepted; KeyError for an unknown key, place or missing value.

    Braces inside a value become brackets: a library's name can never open a place.
    """
    chosen = sentence(key)
    unknown = set(values) - chosen.places
    if unknown:
        raise KeyError(f"{key}: {', '.join(sorted(unknown))}")

    def fill(place: re.Match[str]) -> str:
        name = place[1]
        return place[0] if name == LINK else str(values[name]).translate(_BRACES)

    return _PLACE.sub(fill, chosen.in_language(language))


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
