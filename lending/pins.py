"""Which PINs are too easy to guess. Pure: digits in, a reason out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from datetime import date
from itertools import pairwise
from typing import Final, Literal

Why = Literal["form", "repeat", "run", "date", "own", "common"]

LEAST, MOST = 6, 8
# What people choose most: keys in a line or a figure on the pad, and numbers that everybody knows by heart.
_COMMON = (
    "147258 147369 147852 159357 159753 159951 258369 258456 321654 369258 456123 456852 654123 741852 753159 789456 "
    "789123 852456 963852 951753 112358 141421 142857 271828 314159 173205 100400 108108 119112 112119 486486 525600 "
    "14725836 14789632 15935728 31415926 27182818"
)
COMMON: Final = frozenset(_COMMON.split())
_FORM = re.compile(r"[0-9]{6,8}", re.ASCII)


def read(typed: str) -> str:
    """A PIN as it is checked: full-width digits folded, spaces around it off."""
    return unicodedata.normalize("NFKC", typed[:128]).strip()


def weakness(pin: str, known: Collection[str] = ()) -> Why | None:
    """Why this PIN is refused; None if it may be used. `known` are numbers of its owner: the card, the telephones.

    `form`: not 6 to 8 digits. `repeat`: two digits only, or one piece again and again. `run`: a ladder (345678,
    246802), up and down again, or each digit twice. `date`: a date, or two years. `own`: part of a number
    of theirs, forwards or backwards. `common`: chosen by very many.
    """
    if not _FORM.fullmatch(pin):
        return "form"
    if _repeats(pin):
        return "repeat"
    half = pin[: (len(pin) + 1) // 2]
    twice = pin[::2] == pin[1::2] and _is_run(pin[::2])
    there_and_back = _is_run(half) and pin[len(pin) // 2 :] in {half, half[::-1]}
    if _is_run(pin) or twice or there_and_back:
        return "run"
    if _is_date(pin):
        return "date"
    digits = ["".join(ch for ch in number if ch.isdigit()) for number in known]
    if any(pin in number or pin[::-1] in number for number in digits):
        return "own"
    return "common" if pin in COMMON else None


def _repeats(pin: str) -> bool:
    if len(set(pin)) <= 2:
        return True
    return any(pin == (pin[:size] * len(pin))[: len(pin)] for size in range(1, len(pin) // 2 + 1))


def _is_run(digits: str) -> bool:
    """Whether every digit is the same step away from the one before, 9 and 0 being neighbours."""
    steps = {(int(later) - int(earlier)) % 10 for earlier, later in pairwise(digits)}
    return len(digits) >= 3 and len(steps) == 1


def _is_date(pin: str) -> bool:
    """A birthday as it is written here (860412, 19860412, 04121986), or years (19861988)."""
    years = re.compile(r"(19|20)[0-9]{2}")
    if years.match(pin) and ((len(pin) == LEAST and "01" <= pin[4:] <= "12") or years.match(pin[4:])):
        return True
    spelled = [f"19{pin}", f"20{pin}"] if len(pin) == LEAST else [pin, pin[4:] + pin[:4]] if len(pin) == MOST else []
    return any(_is_day(text) for text in spelled)


def _is_day(text: str) -> bool:
    if not re.match(r"19|20", text):
        return False
    try:
        date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return False
    return True
