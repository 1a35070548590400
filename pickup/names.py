"""Names and numbers as they are shown, and as they are read."""

from __future__ import annotations

import unicodedata


def masked(name: str) -> str:
    """A name with its middle hidden (홍*동, 김*, G**** L**): enough to tell two people apart, no more."""
    words = name.split()
    if len(words) == 1 and not name.isascii():
        word = words[0]
        return word[0] + "*" * max(1, len(word) - 2) + (word[-1] if len(word) > 2 else "")
    return " ".join(word[0] + "*" * (len(word) - 1) if len(word) > 1 else "*" for word in words)


def digits(number: str) -> str:
    """An order number as somebody wrote or scanned it (47-21, full-width, with spaces) as its four digits."""
    return "".join(ch for ch in unicodedata.normalize("NFKC", number) if ch in "0123456789")


def whole_number(text: str) -> int:
    """The id that an address, a hidden field or a step of a call names; 0 when it names none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
