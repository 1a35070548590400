"""Guessing at its full price: a thousand PINs against one card, one PIN against a thousand cards, and what time tells.

The figures are printed (`pytest -s`); the limits are those of a day in the life of a card.
"""

from __future__ import annotations

import statistics
import time
from datetime import timedelta

import pytest

from core.refusal import TooMany
from lending import accounts, codes
from lending.errors import WrongCredentials
from tests import rows

pytestmark = [pytest.mark.django_db, pytest.mark.long]

NOW = rows.NOW


def guess(card: str, pin: str, address: str, now) -> float:
    """Seconds until the next try is worth while: 0 when the guess was looked at."""
    try:
        accounts.sign_in_patron(card_number=card, pin=pin, address=address, now=now)
    except WrongCredentials:
        return 0.0
    except TooMany as refusal:
        return float(refusal.retry_after or 1)
    raise AssertionError("guessed")


def test_a_thousand_pins_against_one_card_take_days_from_however_many_addresses():
    card = rows.patron(pin=rows.PIN).card_number
    now, in_first_day = NOW, 0
    for number in range(1000):
        while wait := guess(card, f"{number:06d}", f"192.0.2.{number % 250}", now):
            now += timedelta(seconds=wait)
        in_first_day += now - NOW < timedelta(days=1)
    took = now - NOW
    print(f"\n1,000 PINs against one card: {took.total_seconds() / 86_400:.1f} days; {in_first_day} on the first day")
    assert took > timedelta(days=9)
    assert in_first_day < 110


def test_one_pin_against_a_thousand_cards_takes_hours_from_one_address():
    at = rows.library()
    cards = [rows.patron(at).card_number for _ in range(1000)]
    now = NOW
    for card in cards:
        while wait := guess(card, "804217", "192.0.2.1", now):
            now += timedelta(seconds=wait)
    print(f"\none PIN against 1,000 cards: {(now - NOW).total_seconds() / 60:.0f} min from one address")
    assert now - NOW >= timedelta(hours=3, minutes=45)


def test_time_does_not_tell_a_known_card_from_an_unknown_one(slow_hashes):
    at = rows.library()
    known = [rows.patron(at, pin=rows.PIN).card_number for _ in range(25)]
    unknown = [f"99{number:08d}" for number in range(25)]

    def medians(ask) -> tuple[float, float]:
        took: dict[str, list[float]] = {"known": [], "unknown": []}
        for pair in zip(known, unknown, strict=True):
            for which, card in zip(took, pair, strict=True):
                began = time.perf_counter()
                ask(card)
                took[which].append(time.perf_counter() - began)
        return statistics.median(took["known"]) * 1000, statistics.median(took["unknown"]) * 1000

    def by_pin(card: str) -> None:
        guess(card, "000000", "192.0.2.1", NOW)

    def by_code(card: str) -> None:
        codes.ask(card_number=card, address="192.0.2.1", now=NOW)

    for what, ask in {"wrong PIN": by_pin, "asking for a code": by_code}.items():
        ask("88888888")  # connections and caches are warm
        here, nowhere = medians(ask)
        print(f"\n{what}: known card {here:.2f} ms, unknown card {nowhere:.2f} ms (medians of 25)")
        assert 0.6 < here / nowhere < 1.6
