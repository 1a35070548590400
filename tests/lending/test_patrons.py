"""Enrolling patrons, and naming who comes for their books."""

from __future__ import annotations

from typing import Any

import phonenumbers
import pytest
from django.utils import translation
from phonenumbers import PhoneNumberFormat, PhoneNumberType

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
    first = enrol(household_key="H1", pin=rows.PIN, language="en")
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


def example(region: str, kind: int) -> str:
    number = phonenumbers.example_number_for_type(region, kind)
    assert number is not None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


@pytest.mark.parametrize(
    ("region", "kind"),
    [
        ("KR", PhoneNumberType.UAN),
        ("KR", PhoneNumberType.PREMIUM_RATE),
        ("US", PhoneNumberType.PREMIUM_RATE),
        ("US", PhoneNumberType.TOLL_FREE),
    ],
)
def test_the_number_of_a_service_is_neither_a_collectors_nor_a_patrons(region: str, kind: int) -> None:
    patron = enrol()
    with pytest.raises(patrons.ServiceNumber) as caught:
        name_collector(patron, number=example(region, kind))
    assert (caught.value.code, caught.value.field, caught.value.status) == ("service_number", "number", 400)
    with translation.override("ko"):
        assert "휴대전화" in str(caught.value)
    with pytest.raises(patrons.ServiceNumber):
        enrol(number=example(region, kind))
    assert patron.contacts.count() == 1


@pytest.mark.parametrize(("region", "served"), [("US", True), ("CA", True), ("JP", True), ("DE", False), ("JM", False)])
def test_a_collectors_country_is_one_that_was_looked_up(region: str, served: bool) -> None:
    number = example(region, PhoneNumberType.MOBILE) if region != "US" else "+12125550147"
    patron = enrol()
    if served:
        assert name_collector(patron, number=number).number == number
        return
    with pytest.raises(patrons.CountryNotServed) as caught:
        name_collector(patron, number=number)
    assert (caught.value.code, caught.value.field) == ("country_not_served", "number")
    assert caught.value.facts["country"] == region
    assert caught.value.facts["countries"] == ["CA", "JP", "KR", "US"]


def test_the_librarys_own_country_is_served_wherever_it_is() -> None:
    at_home = enrol(home_id=rows.library(region="DE", zone="Europe/Berlin").pk, number="")
    assert name_collector(at_home, number=example("DE", PhoneNumberType.MOBILE)).number.startswith("+49")


def test_a_collector_with_a_landline_is_never_texted() -> None:
    assert name_collector(enrol(), number="02-100-0001").may_text is False


def found(typed: str, home: Any) -> list[str]:
    rows_found = patrons.find(typed, library_ids=[home.pk], region="KR")
    return sorted(patron.name for patron in rows_found)


def test_a_caller_is_found_by_card_number_or_name() -> None:
    home = rows.library()
    rows.patron(home, card_number="CALL-0001", name="홍길동", number="+821000004721")
    rows.patron(home, name="홍길순", number="+8221004721")
    rows.patron(home, name="Grace Lee", number="+12125550104")
    rows.patron(rows.library(), name="홍길동", number="+821000004721")
    assert found("call-0001", home) == ["홍길동"]
    assert found("010-0000-4721", home) == ["홍길동"]
    assert found("4721", home) == ["홍길동", "홍길순"]
    assert found("100-4721", home) == ["홍길순"]
    assert found("홍길", home) == ["홍길동", "홍길순"]
    assert found("lee grace", home) == ["Grace Lee"]
    assert found("+1 212-555-0104", home) == ["Grace Lee"]


def test_a_caller_is_found_by_the_number_of_who_collects() -> None:
    patron = rows.patron(name="김할머니", number="")
    rows.contact(patron, own=False, name="손자", number="+821000000088")
    assert found("0000-0088", patron.home) == ["김할머니"]


@pytest.mark.parametrize("typed", ["", " ", "1", "12", "-", "%", "_", "\x00", "\x00홍", "x" * 200, "💚"])
def test_too_little_finds_nobody(typed: str) -> None:
    patron = rows.patron(name="홍길동", number="+821000000012")
    assert found(typed, patron.home) == []


@pytest.mark.parametrize(
    ("name", "masked"),
    [("홍길동", "홍*동"), ("김훈", "김*"), ("Grace Lee", "G***e L*e"), ("남궁하늘", "남**늘"), ("", "")],
)
def test_a_list_of_people_shows_no_whole_name(name: str, masked: str) -> None:
    assert patrons.masked(name) == masked


def note(patron: Patron, *needs: str, note: str = "") -> Patron:
    return patrons.note_needs(patron_id=patron.pk, needs=needs, needs_note=note, by=RULE, now=rows.NOW)


def test_needs_are_noted_as_what_to_do() -> None:
    patron = rows.patron()
    note(patron, "time", "boot", note="  ring  twice ")
    patron.refresh_from_db()
    assert (patron.needs, patron.needs_note) == (["boot", "time"], "ring twice")
    for needs, words in (("deaf",), ""), ((), "x" * 201):
        with pytest.raises(BadInput):
            note(patron, *needs, note=words)
    with pytest.raises(UnknownCard):
        note(Patron(pk=0))
