"""Enrolling patrons, and naming who comes for their books."""

from __future__ import annotations

from typing import Any

import pytest

from core.actor import RULE
from core.refusal import BadInput
from lending import patrons
from lending.errors import CardTaken, UnknownCard
from lending.models import Contact, Patron
from lending.patrons import BadNumber
from tests import rows

pytestmark = pytest.mark.django_db


def enrol(**columns: Any) -> Patron:
    plain = {
        "card_number": f"EN{rows.serial():06d}",
        "name": "홍길동",
        "number": "010-0000-4721",
        "by": RULE,
        "now": rows.NOW,
    }
    return patrons.enrol(**{**plain, "home_id": columns.pop("home_id", None) or rows.library().pk, **columns})


def name_collector(patron: Patron, **columns: Any) -> Contact:
    plain = {"name": "손자", "number": "010-0000-0001", "language": "ko", "may_text": True, "by": RULE, "now": rows.NOW}
    return patrons.collector_for(patron_id=patron.pk, **{**plain, **columns})


def test_a_patron_is_found_by_card_as_it_was_scanned() -> None:
    patron = enrol(card_number="ab12-34")
    assert patron.card_number == "AB12-34"
    assert patrons.by_card(" ab12-34\r") == patron


@pytest.mark.parametrize("card", ["", "0000", "x" * 500, "\x00\x00\x00\x00", "가나다라"])
def test_an_unknown_card_is_refused(card: str) -> None:
    with pytest.raises(UnknownCard) as caught:
        patrons.by_card(card)
    assert (caught.value.code, caught.value.status) == ("unknown_card", 404)


def test_enrolling_gives_a_number_a_household_and_an_account() -> None:
    first = enrol(household_key="H1", pin="2020", language="en")
    second = enrol(household_key="H1")
    contact = patrons.main_contact(first.pk)
    assert contact
    assert (contact.number, contact.language, contact.may_text) == ("+821000004721", "en", True)
    assert first.household == second.household
    assert first.account
    assert not second.account


def test_a_landline_is_kept_for_calls() -> None:
    contact = patrons.main_contact(enrol(number="02-100-0001").pk)
    assert contact
    assert (contact.number, contact.may_text, contact.may_call) == ("+8221000001", False, True)


def test_a_patron_may_have_no_number_at_all() -> None:
    assert patrons.main_contact(enrol(number="").pk) is None


def test_numbers_are_read_as_at_the_home_library() -> None:
    american = rows.library(region="US", zone="America/New_York")
    contact = patrons.main_contact(enrol(number="(212) 555-0147", home_id=american.pk).pk)
    assert contact
    assert contact.number == "+12125550147"


@pytest.mark.parametrize("number", ["112", "02-107", "abc", "1" * 31, "010-00"])
def test_what_is_no_number_is_refused_with_its_reason(number: str) -> None:
    with pytest.raises(BadNumber) as caught:
        enrol(number=number)
    assert (caught.value.code, caught.value.field) == ("bad_phone_number", "number")
    assert caught.value.facts["why"].startswith("phone_")
    assert not Patron.objects.exists()


def test_a_card_belongs_to_one_patron() -> None:
    first = enrol()
    with pytest.raises(CardTaken) as caught:
        enrol(card_number=first.card_number)
    assert caught.value.code == "card_taken"


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        ({"card_number": "1"}, "card_number"),
        ({"name": " "}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"home_id": 10**9}, "home"),
        ({"language": "tlh"}, "language"),
    ],
)
def test_what_cannot_be_read_is_named(columns: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput) as caught:
        enrol(**columns)
    assert caught.value.field == field


def test_a_named_collector_is_kept_once_and_brought_up_to_date() -> None:
    patron = enrol()
    first = name_collector(patron)
    again = name_collector(patron, may_text=False, language="en")
    assert first == again
    again.refresh_from_db()
    assert (again.own, again.may_text, again.language, again.name) == (False, False, "en", "손자")
    assert name_collector(patron, name="이웃") != first
    main = patrons.main_contact(patron.pk)
    assert main
    assert main.own


def test_a_collector_needs_a_name_and_a_number() -> None:
    patron = enrol()
    for columns in ({"name": ""}, {"number": "0"}, {"language": ""}):
        with pytest.raises(BadInput):
            name_collector(patron, **columns)
    with pytest.raises(UnknownCard):
        patrons.collector_for(
            patron_id=10**9, name="a", number="010-0000-0001", language="ko", may_text=True, by=RULE, now=rows.NOW
        )


def test_a_collector_with_a_landline_is_never_texted() -> None:
    assert name_collector(enrol(), number="02-100-0001").may_text is False


def test_a_party_is_who_shares_a_collector_or_a_household_by_consent() -> None:
    apart, together = rows.household(), rows.household(together=True)
    alone, left, right = rows.patron(household=apart), rows.patron(household=together), rows.patron(household=together)
    assert patrons.party_key(left, None) == patrons.party_key(right, patrons.main_contact(right.pk))
    assert patrons.party_key(alone, None) != patrons.party_key(rows.patron(household=apart), None)
    grandson, same = name_collector(alone), name_collector(left)
    assert patrons.party_key(alone, grandson) == patrons.party_key(left, same)
    assert patrons.party_key(left, same) != patrons.party_key(right, None)
