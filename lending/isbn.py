"""ISBNs as people and records write them."""

from __future__ import annotations

import re

from stdnum import isbn


def isbn13(text: str) -> str | None:
    """The first ISBN in a text such as "8976330714 (set)" as 13 digits, ISBN-10 converted; None unless valid."""
    number = re.match(r"\s*([0-9][0-9Xx -]{8,16})", text)
    if not number:
        return None
    try:
        return str(isbn.to_isbn13(isbn.validate(number[1])))
    except isbn.ValidationError:
        return None
