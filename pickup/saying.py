"""The sender of a library's texts: what its words are measured with, and who else speaks through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lending import queries as lending_queries
from notifications import encoding, words
from notifications import queries as notified
from notifications.errors import UnknownSender

if TYPE_CHECKING:
    from lending.models import Library
    from notifications.models import Sender


@dataclass(frozen=True, slots=True)
class House:
    """A sender and the libraries whose texts come from it."""

    sender: Sender
    libraries: list[Library]

    def longest(self, language: str) -> dict[str, str]:
        """The longest of the libraries' names and telephone numbers: words that fit with these fit with all."""
        names = [library.name_in(language) for library in self.libraries]
        phones = [library.phone for library in self.libraries]
        if not names:
            return {}
        return {"library": max(names, key=encoding.euckr_bytes), "phone": max(phones, key=len)}

    def measure(self, key: str, language: str, body: str) -> words.Measured:
        """What these words take at their longest; see words.measure."""
        return words.measure(sender=self.sender, key=key, language=language, body=body, values=self.longest(language))


def house_of(library: Library) -> House:
    """Who speaks for a library. Refuses with `unknown_sender` where its settings name nobody."""
    sender = notified.sender(library.sender)
    if sender is None:
        raise UnknownSender(sender=library.sender)
    return House(sender, lending_queries.libraries_of_sender(sender.key))
