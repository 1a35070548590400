"""One code, many hands at the same moment; and many guesses at once. Each with its guard taken away."""

from __future__ import annotations

import pytest

from core.actor import RULE
from lending import accounts, codes, guesses
from lending.models import Guess, Patron
from tests import rows
from tests.races.guards import slowly, without_locks
from tests.races.together import Outcome, together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]

NOW = rows.NOW
MANY = 6


def use_at_once(patron: Patron) -> Outcome[object]:
    code = codes.give(patron_id=patron.pk, by=RULE, now=NOW)

    def sign_in(_: int) -> object:
        return codes.sign_in(card_number=patron.card_number, code=code, address="192.0.2.1", now=NOW)

    return together(MANY, sign_in, durable=False)


def test_a_code_opens_once_however_many_use_it_at_once():
    outcome = use_at_once(rows.patron(pin=rows.PIN))
    assert len(outcome.answers) == 1
    assert outcome.codes() == ["wrong_code"] * (MANY - 1)


@pytest.mark.control
def test_control_without_the_lock_a_code_opens_twice(monkeypatch):
    patron = rows.patron(pin=rows.PIN)
    without_locks(monkeypatch)
    slowly(monkeypatch, codes, "_digest")
    assert len(use_at_once(patron).answers) > 1


def test_guesses_at_once_are_counted_one_by_one():
    patron = rows.patron(pin=rows.PIN)

    def guess(_: int) -> object:
        return accounts.sign_in_patron(card_number=patron.card_number, pin="0000", address="192.0.2.1", now=NOW)

    outcome = together(20, guess, durable=False)
    assert outcome.codes() == ["too_many_attempts"] * (20 - guesses.FREE) + ["wrong_credentials"] * guesses.FREE


@pytest.mark.control
def test_control_counted_after_looking_all_guesses_get_through(monkeypatch):
    patron = rows.patron(pin=rows.PIN)

    def count(key, *, now):
        if Guess.objects.filter(key=key, failures__gte=guesses.FREE).exists():
            raise guesses.PleaseWait(retry_after=30, minutes=1)
        return 0

    monkeypatch.setattr(guesses, "count", count)
    slowly(monkeypatch, guesses, "count", before=False)

    def guess(_: int) -> object:
        return accounts.sign_in_patron(card_number=patron.card_number, pin="0000", address="192.0.2.1", now=NOW)

    assert together(20, guess, durable=False).codes() == ["wrong_credentials"] * 20
