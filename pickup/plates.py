"""What is typed on a number plate or a parking place, in one form. Pure, no rows."""

from __future__ import annotations

import unicodedata

from core.refusal import BadInput

LONGEST = 20
BETWEEN = " -.·/#?*_"  # also what a camera puts in the place of a letter that it cannot read


def written(text: str, *, field: str, longest: int) -> str:
    """What was typed on a plate or bay field: one form of each letter, upper case; letters, digits and what stands
    between them (`invalid`).
    """
    folded = " ".join(unicodedata.normalize("NFKC", text).upper().split())
    if len(folded) > longest or not all(unicodedata.category(ch)[0] in "LMN" or ch in BETWEEN for ch in folded):
        raise BadInput(field=field)
    return folded


def plate(text: str) -> str:
    """A plate as it is kept, without spaces; "" for none. Refuses with `invalid`, field `plate`."""
    return written(text, field="plate", longest=LONGEST).replace(" ", "")
