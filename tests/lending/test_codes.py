"""One-time codes: asked for alike by everybody, sent to the number on file, good for one sign-in."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from core.actor import RULE
from core.refusal import Refusal, TooMany
from lending import accounts, codes, guesses
from lending.codes import NoTexts, WrongCode
from lending.models import Contact, OneTimeCode, Patron
from lending.patrons import BadNumber
from notifications.models import Call, Message
from notifications.states import MessageState
from tests import rows

pytestmark = pytest.mark.django_db

NOW = rows.NOW
MINUTE = timedelta(minutes=1)
HERE = "192.0.2.1"


def ask(card: str, now=NOW) -> None:
    codes.ask(card_number=card, address=HERE, now=now)
    codes.send_due(now=now)


def texted() -> str:
    """The code of the newest text."""
    found = re.search(r"\b[0-9]{6}\b", Message.objects.latest("pk").body)
    assert found
    return found[0]


def sign_in(card: str, code: str, now=NOW):
    return codes.sign_in(card_number=card, code=code, address=HERE, now=now)


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(Refusal) as caught:
        act()
    return caught.value.code


def test_a_code_is_texted_to_the_number_on_file_and_signs_in_once() -> None:
    patron = rows.patron(number="+821000004711")
    ask(patron.card_number)
    text = Message.objects.get()
    assert (text.to, text.kind, text.may_call, text.about) == ("+821000004711", "code", False, f"code:{_newest().pk}")
    assert text.not_after == NOW + codes.LASTS
    account = sign_in(patron.card_number, texted())
    assert account.username == patron.card_number
    assert not account.has_usable_password()
    assert Patron.objects.get(pk=patron.pk).account == account
    assert refused(lambda: sign_in(patron.card_number, texted())) == "wrong_code"


def _newest() -> OneTimeCode:
    return OneTimeCode.objects.latest("pk")


def test_a_code_is_kept_as_a_digest() -> None:
    ask(rows.patron().card_number)
    assert texted() not in _newest().digest


@pytest.mark.parametrize("card", ["99999999", "no card", "\x00", "x" * 10_000])
def test_asking_says_the_same_for_a_card_that_nobody_has(card: str) -> None:
    ask(card)
    row = _newest()
    assert (row.patron, row.digest, row.made_at) == (None, "", NOW)
    assert not Message.objects.exists()
    assert refused(lambda: sign_in(card, "")) == "wrong_code"
    assert refused(lambda: sign_in(card, "000000")) == "wrong_code"


def test_who_has_no_number_for_texts_gets_no_code_and_no_call() -> None:
    landline = rows.patron(number=rows.landline())
    silent = rows.patron(number="")
    rows.contact(silent, may_text=False)
    rows.contact(silent, own=False, name="손자")
    for patron in (landline, silent):
        ask(patron.card_number)
    assert not Message.objects.exists()
    assert not Call.objects.exists()


def test_a_code_of_ten_minutes() -> None:
    patron = rows.patron()
    ask(patron.card_number)
    assert refused(lambda: sign_in(patron.card_number, texted(), NOW + codes.LASTS)) == "wrong_code"
    assert sign_in(patron.card_number, texted(), NOW + codes.LASTS - timedelta(seconds=1))


def test_the_fifth_try_of_a_code_is_the_last() -> None:
    patron = rows.patron()
    ask(patron.card_number)
    right = texted()
    wrong = f"{(int(right) + 1) % 1_000_000:06d}"
    for _ in range(codes.TRIES):
        assert refused(lambda: sign_in(patron.card_number, wrong)) == "wrong_code"
    assert refused(lambda: sign_in(patron.card_number, right)) == "wrong_code"


def test_asking_again_makes_no_code_worthless() -> None:
    patron = rows.patron()
    ask(patron.card_number)
    first = texted()
    ask(patron.card_number, NOW + MINUTE)
    second = texted()
    assert sign_in(patron.card_number, f" {second[:3]} {second[3:]} ", NOW + MINUTE)
    assert sign_in(patron.card_number, first, NOW + MINUTE)


@pytest.mark.parametrize("known", [True, False])
def test_few_codes_are_sent_for_one_card(known: bool) -> None:
    card = rows.patron().card_number if known else "99999999"
    for _ in range(codes.IN_A_WHILE):
        ask(card)
    with pytest.raises(TooMany):
        ask(card)
    sent = 0
    for quarter in range(1, 90):
        try:
            ask(card, NOW + quarter * accounts.WINDOW)
            sent += 1
        except TooMany:
            continue
    assert sent <= 2 * codes.PER_DAY


def test_a_code_that_would_come_too_late_is_not_sent() -> None:
    patron = rows.patron()
    codes.ask(card_number=patron.card_number, address=HERE, now=NOW)
    assert codes.send_due(now=NOW + codes.MAKE_WITHIN + MINUTE) == 1
    assert codes.send_due(now=NOW + codes.MAKE_WITHIN + MINUTE) == 0
    assert not Message.objects.exists()


def test_a_closed_account_gets_in_by_no_code() -> None:
    patron = rows.patron(pin=rows.PIN)
    type(patron.account).objects.update(is_active=False)
    ask(patron.card_number)
    assert refused(lambda: sign_in(patron.card_number, texted())) == "wrong_code"


def test_a_code_ends_the_wait_after_wrong_pins() -> None:
    patron = rows.patron(pin=rows.PIN)
    for _ in range(guesses.FREE):
        refused(lambda: accounts.sign_in_patron(card_number=patron.card_number, pin="000000", address=HERE, now=NOW))
    ask(patron.card_number)
    assert sign_in(patron.card_number, texted()) == patron.account
    assert accounts.sign_in_patron(card_number=patron.card_number, pin=rows.PIN, address=HERE, now=NOW)


def test_the_desk_gives_a_code_without_a_text() -> None:
    patron = rows.patron(number="")
    given = codes.give(patron_id=patron.pk, by=RULE, now=NOW)
    assert not Message.objects.exists()
    assert sign_in(patron.card_number, given)


def test_a_new_number_is_confirmed_by_a_code_texted_to_it() -> None:
    patron = rows.patron()
    number = codes.ask_for_number(patron_id=patron.pk, number="010-0000-4712", by=RULE, now=NOW)
    codes.send_due(now=NOW)
    assert number == Message.objects.get().to == "+821000004712"
    assert refused(lambda: sign_in(patron.card_number, texted())) == "wrong_code"  # it opens nothing
    code = texted()
    other = rows.patron()
    with pytest.raises(WrongCode):
        codes.confirm_number(patron_id=other.pk, code=code, by=RULE, now=NOW)
    assert codes.confirm_number(patron_id=patron.pk, code=code, by=RULE, now=NOW) == number


def test_a_number_that_takes_no_texts_cannot_be_confirmed() -> None:
    patron = rows.patron()
    with pytest.raises(NoTexts):
        codes.ask_for_number(patron_id=patron.pk, number="02-100-4712", by=RULE, now=NOW)
    with pytest.raises(BadNumber):
        codes.ask_for_number(patron_id=patron.pk, number="12", by=RULE, now=NOW)


def test_in_a_rehearsal_codes_stay_in_the_house() -> None:
    patron = rows.patron(rows.library(training=True))
    ask(patron.card_number)
    assert Message.objects.get().dedup_key.startswith("practice:")


def test_one_bad_library_holds_up_no_other_code() -> None:
    lost = rows.patron(rows.library(sender="nobody"))
    fine = rows.patron()
    codes.ask(card_number=lost.card_number, address=HERE, now=NOW)
    ask(fine.card_number)
    assert Message.objects.get().to == Contact.objects.get(patron=fine).number
    assert Message.objects.get().state == MessageState.QUEUED


def test_old_codes_are_forgotten() -> None:
    ask(rows.patron().card_number)
    assert codes.forget(before=NOW + codes.LASTS) == 0
    assert codes.forget(before=NOW + codes.LASTS + MINUTE) == 1


def test_the_text_fits_one_short_one_in_korean() -> None:
    patron = rows.patron()
    ask(patron.card_number)
    body = Message.objects.get().body
    assert len(body) <= 70
    assert len(body.encode("cp949")) <= 90
