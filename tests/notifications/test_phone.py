"""Telephone numbers as people type them, and where a text may go."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from notifications import phone


@pytest.mark.parametrize(
    "typed",
    [
        "010-0000-4721",
        "01000004721",
        "010 0000 4721",
        "010.0000.4721",
        "(010) 0000-4721",
        "+82 10-0000-4721",
        "+82 010-0000-4721",
        "82-10-0000-4721",
        "０１０－００００－４７２１",
        "٠١٠٠٠٠٠٤٧٢١",
        " 010-0000-4721\u200b ",
    ],
)
def test_a_korean_mobile_is_one_number_however_it_is_typed(typed):
    assert phone.parse(typed, "KR") == "+821000004721"


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("", "phone_empty"),
        ("  \u200b ", "phone_empty"),
        ("010-0000-4721 010-0000-4721 01", "phone_unreadable"),
        ("0" * 31, "phone_too_long"),
        ("hello", "phone_unreadable"),
        ("1-800-FLOWERS", "phone_unreadable"),
        ("010-0000-4721;ext=3", "phone_unreadable"),
        ("112", "phone_unknown"),
        ("02-107", "phone_unknown"),
        ("+821012345678901", "phone_unknown"),
        ("+999 12345678", "phone_unreadable"),
        ("-", "phone_unreadable"),
    ],
)
def test_what_is_no_number_is_refused_with_a_code(typed, code):
    with pytest.raises(phone.NotANumber) as refused:
        phone.parse(typed, "KR")
    assert refused.value.code == code


def test_a_refusal_does_not_carry_the_number_into_logs():
    with pytest.raises(phone.NotANumber) as refused:
        phone.parse("02-107", "KR")
    assert "107" not in str(refused.value)
    assert refused.value.length == 6


@given(st.text(max_size=40))
def test_any_text_is_a_number_or_a_refusal(text):
    try:
        e164 = phone.parse(text, "KR")
    except phone.NotANumber:
        return
    assert phone.parse(e164, "US") == e164


@given(st.integers(0, 9999))
def test_invented_people_have_numbers_that_work(n):
    mobile = phone.parse(f"010-0000-{n:04d}", "KR")
    landline = phone.parse(f"02-100-{n:04d}", "KR")
    assert phone.can_text(mobile)
    assert not phone.can_text(landline)
    assert phone.is_invented(mobile)
    assert phone.is_invented(landline)


@given(st.integers(0, 99))
def test_invented_americans_have_numbers_that_work(n):
    e164 = phone.parse(f"(212) 555-01{n:02d}", "US")
    assert phone.can_text(e164)
    assert phone.is_invented(e164)
    assert phone.country(e164) == "US"


@pytest.mark.parametrize(
    ("e164", "texted"),
    [
        ("+821012345678", True),
        ("+82101234567", False),  # 010 and seven digits were never given out, and parse as a mobile
        ("+82111234567", False),  # 011 ended in 2021 and still parses as a mobile
        ("+8215881234", False),  # 1588-1234: a valid number of a company
        ("+82212345678", False),
        ("+827012345678", False),
        ("+825051234567", False),
        ("+8202107", False),
        ("+14165550123", True),
        ("+18005550199", False),
        ("+19005550199", False),
        ("+819012345678", True),
        ("+81312345678", False),
        ("+84901234567", True),
    ],
)
def test_a_text_goes_only_where_texts_arrive(e164, texted):
    assert phone.can_text(e164) is texted


@pytest.mark.parametrize(
    ("e164", "country"),
    [
        ("+821000004721", "KR"),
        ("+14165550123", "CA"),
        ("+12125550123", "US"),
        ("+819012345678", "JP"),
        ("+80012345678", ""),
    ],
)
def test_a_number_belongs_to_a_country(e164, country):
    assert phone.country(e164) == country


def test_a_number_is_shown_as_people_at_home_write_it():
    assert phone.display("+821000004721", "KR") == "010-0000-4721"
    assert phone.display("+821000004721", "US") == "+82 10-0000-4721"
    assert phone.display("+12125550123", "US") == "(212) 555-0123"
    assert phone.display("+12125550123", "CA") == "(212) 555-0123"


def test_shared_screens_show_four_digits_at_most():
    assert phone.last_four("+821000004721") == "4721"
    assert phone.masked("+821000004721") == "+********4721"
    assert phone.masked("4721") == "****"
    assert phone.masked("") == "****"


@pytest.mark.parametrize("caller", ["02-107", "+822107", "+8202107", "02107", "０２-107"])
def test_the_relay_for_deaf_callers_is_known_in_every_form(caller):
    assert phone.is_relay(caller, ["02-107"])


def test_nobody_else_is_a_relay():
    assert not phone.is_relay("010-0000-2107", ["02-107"])
    assert not phone.is_relay("anonymous", ["02-107"])
    assert not phone.is_relay("", ["02-107", ""])


@pytest.mark.parametrize(
    ("region", "kind"),
    [
        ("KR", PhoneNumberType.UAN),  # 1588-xxxx and its like
        ("KR", PhoneNumberType.PREMIUM_RATE),  # 060
        ("KR", PhoneNumberType.TOLL_FREE),  # 080
        ("US", PhoneNumberType.PREMIUM_RATE),  # 900
        ("US", PhoneNumberType.TOLL_FREE),
        ("JP", PhoneNumberType.PREMIUM_RATE),
        ("DE", PhoneNumberType.SHARED_COST),
    ],
)
def test_the_number_of_a_service_is_nobodys_own(region, kind):
    example = phonenumbers.example_number_for_type(region, kind)
    assert example is not None
    assert phone.is_service(phonenumbers.format_number(example, PhoneNumberFormat.E164))


@given(st.sampled_from("568"), st.integers(0, 9), st.integers(0, 99_999))
def test_no_korean_switchboard_is_a_person(second, third, rest):
    assert phone.is_service(f"+821{second}{third}{rest:05d}")


@given(st.integers(201, 999), st.integers(0, 9999))
def test_what_the_caller_pays_for_in_america_is_no_person(area, rest):
    assert phone.is_service(f"+1{area}976{rest:04d}")


@pytest.mark.parametrize(
    "number", ["+821000004721", "+8221004721", "+12125550147", "+827000000000", "+82505000000", "+82505000000000"]
)
def test_the_number_of_a_person_is_none_of_a_service(number):
    """A mobile, a landline, an American, one over the internet, one for life."""
    assert not phone.is_service(number)
