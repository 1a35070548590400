"""A library's own words in place of the registered sentences: for each sender, sentence and language.

Words are checked when they are written, so that nothing can fail when a text is due: every place can be filled, what
the sentence has to say is said, and the whole can be sent. What it may say is decided by the room that registers it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.conf import settings
from django.db import transaction

from core.actor import Actor
from core.among import Among
from notifications import encoding, wording
from notifications.encoding import KoreanText
from notifications.errors import (
    TextEmpty,
    TextPlaceMissing,
    TextPlaceUnknown,
    TextTooLong,
    UnknownSender,
    UnknownText,
)
from notifications.models import OwnWords, Sender

LANGUAGES: Final = ("ko", "en")
LONGEST: Final = 500
"""Characters of own words, places unfilled."""
SENT: Final = 1600
"""Characters of a text, at most (Twilio, error 21617)."""
_BRACES = re.compile(r"\{[^{}]*\}?|\}")

Own = Mapping[tuple[int, str, str], str]
"""Own words by sender, sentence and language."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A text as its reader gets it, and what it takes. `lost` are characters that a Korean carrier does not carry."""

    body: str
    characters: int
    gsm: bool
    parts: int
    korean_bytes: int
    korean: KoreanText
    lost: tuple[str, ...]
    price: Decimal | None
    currency: str


@dataclass(frozen=True, slots=True)
class Listed:
    """One sentence in one language: what came with the service, what is said in its place, and who wrote that."""

    key: str
    kind: str
    language: str
    plain: str
    own: str
    at: datetime | None = None
    principal: str = ""

    @property
    def said(self) -> str:
        """What is said."""
        return self.own or self.plain


def own(senders: Collection[int], keys: Collection[str]) -> Own:
    """The own words of some senders (ids) for some sentences; one query."""
    rows = OwnWords.objects.filter(Among("sender_id", senders, "bigint"), Among("key", keys, "varchar"))
    return {(row.sender_id, row.key, row.language): row.body for row in rows}


def render(*, sender: Sender, key: str, language: str, values: Mapping[str, object]) -> str:
    """The sentence as this sender says it; see wording.render."""
    said = own([sender.pk], [key]).get((sender.pk, key, wording.tongue(language)), "")
    return wording.render(key=key, language=language, values=values, own=said)


def listed(sender: Sender) -> list[Listed]:
    """Every sentence in both languages, by kind."""
    written = {(row.key, row.language): row for row in OwnWords.objects.filter(sender=sender)}
    every = wording.keys()
    found = [_listed(key, language, written.get((key, language))) for key in every for language in LANGUAGES]
    return sorted(found, key=lambda one: one.kind)


def one(sender: Sender, key: str, language: str) -> Listed:
    """One sentence in one language. Refuses with `unknown_text`."""
    _known(key, language)
    return _listed(key, language, OwnWords.objects.filter(sender=sender, key=key, language=language).first())


def measure(*, sender: Sender, key: str, language: str, body: str, values: Mapping[str, str] | None = None) -> Measured:
    """What these words become with every place at its longest, and what sending one takes.

    `values` are better examples than those of the rooms, such as the longest name of a library. Refuses words that
    could not be sent, as `change` does.
    """
    body = check(key=key, language=language, body=body, values=values)
    filled = _filled(key, language, body, values)
    parts = encoding.segments(filled)
    return Measured(
        body=filled,
        characters=encoding.ucs2_length(filled),
        gsm=encoding.is_gsm7(filled),
        parts=parts,
        korean_bytes=encoding.euckr_bytes(filled),
        korean=encoding.sms_or_lms(filled),
        lost=encoding.carried_in_korea(filled),
        price=None if sender.part_price is None else sender.part_price * parts,
        currency=sender.currency,
    )


def check(*, key: str, language: str, body: str, values: Mapping[str, str] | None = None) -> str:
    """The words as they are kept, blanks around them dropped.

    Refuses with `unknown_text`, `text_empty`, `text_too_long`, `text_place_unknown` (also for a brace that opens or
    closes nothing) and `text_place_missing`.
    """
    _known(key, language)
    body = body.replace("\r\n", "\n").strip()
    if not body:
        raise TextEmpty(field="body")
    if len(body) > LONGEST:
        raise TextTooLong(field="body", length=len(body), most=LONGEST)
    sentence = wording.sentence(key)
    may, must = sentence.may(), sentence.must(language)
    shown = {name: f"{{{name}}}" for name in sorted(may)}
    unknown = [found for found in dict.fromkeys(_BRACES.findall(body)) if found not in shown.values()]
    if unknown:
        raise TextPlaceUnknown(
            field="body",
            places=[found.strip("{}") for found in unknown],
            allowed=sorted(may),
            unknown=", ".join(unknown),
            known=", ".join(shown.values()),
        )
    missing = sorted(must - wording.places_of(body))
    if missing:
        raise TextPlaceMissing(field="body", places=missing, missing=", ".join(f"{{{name}}}" for name in missing))
    length = len(_filled(key, language, body, values))
    if length > SENT:
        raise TextTooLong(field="body", length=length, most=SENT)
    return body


@transaction.atomic
def change(*, sender_key: str, key: str, language: str, body: str, by: Actor, now: datetime) -> Listed:
    """Say a sentence in these words from now on; what waits already keeps the words it was written in.

    The words that came with the service are no own words: they are taken back. Refuses as `check` does, and with
    `unknown_sender`.
    """
    sender = _locked(sender_key)
    body = check(key=key, language=language, body=body)
    if body == wording.sentence(key).in_language(language):
        return take_back(sender_key=sender_key, key=key, language=language)
    row, _made = OwnWords.objects.update_or_create(
        sender=sender, key=key, language=language, defaults={"body": body, "at": now, "principal": by.principal}
    )
    return _listed(key, language, row)


@transaction.atomic
def take_back(*, sender_key: str, key: str, language: str) -> Listed:
    """Say a sentence in the words that came with the service. Refuses with `unknown_text` and `unknown_sender`."""
    sender = _locked(sender_key)
    _known(key, language)
    OwnWords.objects.filter(sender=sender, key=key, language=language).delete()
    return _listed(key, language, None)


def _listed(key: str, language: str, row: OwnWords | None) -> Listed:
    sentence = wording.sentence(key)
    plain = sentence.in_language(language)
    if row is None:
        return Listed(key, sentence.kind, language, plain, "")
    return Listed(key, sentence.kind, language, plain, row.body, row.at, row.principal)


def _known(key: str, language: str) -> None:
    known = wording.keys()
    if key not in known or language not in LANGUAGES:
        raise UnknownText


def _locked(sender_key: str) -> Sender:
    sender = Sender.objects.select_for_update(no_key=True).filter(key=sender_key).first()
    if sender is None:
        raise UnknownSender(sender=sender_key)
    return sender


def _filled(key: str, language: str, body: str, values: Mapping[str, str] | None) -> str:
    told = {**wording.examples(key, language), **(values or {})}
    link = settings.PUBLIC_BASE_URL + told.pop(wording.LINK, "")
    named = {name: value for name, value in told.items() if name in wording.sentence(key).places}
    return wording.with_link(wording.render(key=key, language=language, values=named, own=body), link)
