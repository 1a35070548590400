"""Telephone numbers: read once at the edge, kept as E.164, shown as people at home write them.

Numbers are read by libphonenumber (the `phonenumbers` package, its metadata for +82 and +1). Two of its questions must
not be confused: `is_possible_number` asks for the length only and says yes to 02-107 and 112; `is_valid_number` asks
for the number plan. What is accepted here is a valid number, or one of the invented ranges below.

Invented people. Sample data, the sandbox and tests may only use numbers that belong to nobody. Their ranges are
+82 10-0000-xxxx and +82 2-100-xxxx (exchanges that are not given out) and +1 aaa-555-01xx (kept for fiction by the
North American Numbering Plan, ATIS-0300115). Nothing obliges the metadata to call such a number valid (9.0.42 does, for
all three), so they are named here and accepted whatever a later release says.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, PhoneNumberType

E164 = r"^\+[1-9][0-9]{6,14}$"
"""The form in which a number is stored; a law of every table that holds one."""

NOBODY = "+9990000000"
"""Stands where a number was erased: of a form that every table takes, and of a country code that is given to nobody."""

MAX_TYPED = 30
"""The longest text that is looked at: the longest number is 15 digits, the rest are spaces and dashes."""

_TOLL_FREE_OR_PREMIUM = r"(?!8(?:00|33|44|55|66|77|88)|900)"
# The last are the carrier's own for testing: see notifications/sandbox/magic.py.
_INVENTED_MOBILE = re.compile(
    rf"\+82100000[0-9]{{4}}|\+1{_TOLL_FREE_OR_PREMIUM}[2-9][0-9]{{2}}55501[0-9]{{2}}|\+1500555000[0-9]"
)
_INVENTED_LANDLINE = re.compile(r"\+822100[0-9]{4}")
# Ministry of Science and ICT, number plan: mobiles are 010 + 8 digits. 011, 016 to 019 ended on 30 June 2021 and still
# parse as mobiles; 010 + 7 digits parses as one and was never given out.
_KOREAN_MOBILE = re.compile(r"\+8210[0-9]{8}")
# Nobody's own: premium rate (060, +1 900), shared cost, toll-free, switchboards (UAN), voice mail, pagers. 050 and
# +1 500 are somebody's own for life. The metadata calls +1 nxx-976, which the caller pays for as well, an ordinary one.
_OF_SERVICES = frozenset(
    {
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.TOLL_FREE,
        PhoneNumberType.UAN,
        PhoneNumberType.VOICEMAIL,
        PhoneNumberType.PAGER,
    }
)
_KOREAN_SWITCHBOARD = re.compile(r"\+821[568][0-9]{6}")
_AMERICAN_976 = re.compile(r"\+1[2-9][0-9]{2}976[0-9]{4}")
_KEPT = 4


class NotANumber(ValueError):
    """What was typed is not a telephone number that can be kept; `code` says why.

    Codes: `phone_empty`, `phone_too_long` (more than MAX_TYPED characters), `phone_unreadable` (not a number at all),
    `phone_has_extension` (a text cannot reach an extension), `phone_unknown` (no subscriber can have it: emergency and
    relay numbers, wrong length, unknown country).
    """

    def __init__(self, code: str, text: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.length = len(text)  # the text itself stays out of logs and tracebacks


def _parsed(e164: str) -> PhoneNumber:
    try:
        return phonenumbers.parse(e164, None)
    except NumberParseException as error:
        raise NotANumber("phone_unreadable", e164) from error


def parse(text: str, region: str) -> str:
    """The number that somebody typed, as E.164 ("+821000004721").

    `region` is the ISO 3166 code of the country in which a number without country code is read ("KR"). Full-width and
    Arabic digits, dashes, dots, spaces and brackets are understood, invisible characters dropped. The answer is what
    libphonenumber calls valid, or of an invented range (see the module). Refuses with NotANumber.
    """
    if len(text) > MAX_TYPED:
        raise NotANumber("phone_too_long", text)
    folded = "".join(ch for ch in unicodedata.normalize("NFKC", text) if unicodedata.category(ch) != "Cf").strip()
    if not folded:
        raise NotANumber("phone_empty", text)
    if any(ch.isalpha() for ch in folded):
        raise NotANumber("phone_unreadable", text)  # 1-800-FLOWERS would be read as digits
    try:
        number = phonenumbers.parse(folded, region)
    except NumberParseException as error:
        raise NotANumber("phone_unreadable", text) from error
    if number.extension:
        raise NotANumber("phone_has_extension", text)
    e164: str = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    if not (is_invented(e164) or phonenumbers.is_valid_number(number)):
        raise NotANumber("phone_unknown", text)
    return e164


def is_invented(e164: str) -> bool:
    """Whether the number is of a range that belongs to nobody; such a number never leaves the sandbox."""
    return bool(_INVENTED_MOBILE.fullmatch(e164) or _INVENTED_LANDLINE.fullmatch(e164))


def can_text(e164: str) -> bool:
    """Whether a text may be sent there.

    +82: only 010 and eight digits, so 1588-xxxx, 011, 02, 070 and relay numbers are no. Elsewhere what libphonenumber
    calls MOBILE or FIXED_LINE_OR_MOBILE; every +1 subscriber is the latter, so there the patron says whether the number
    takes texts and error 30006 corrects it. Toll-free and premium numbers are no. Refuses with NotANumber what is not
    E.164.
    """
    if _KOREAN_MOBILE.fullmatch(e164):
        return True
    number = _parsed(e164)
    if number.country_code == 82:
        return False
    if _INVENTED_MOBILE.fullmatch(e164):
        return True
    return phonenumbers.number_type(number) in {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}


def is_toll_free(e164: str) -> bool:
    """Whether whoever rings the number pays nothing. Refuses with NotANumber what is not E.164."""
    return phonenumbers.number_type(_parsed(e164)) == phonenumbers.PhoneNumberType.TOLL_FREE


def is_service(e164: str) -> bool:
    """Whether nobody can own the number as a person: premium rate, toll-free, switchboards such as 1588-xxxx.

    Whoever names one as theirs makes us call or text it at our cost. Refuses with NotANumber what is not E.164.
    """
    if is_invented(e164):
        return False
    if _KOREAN_SWITCHBOARD.fullmatch(e164) or _AMERICAN_976.fullmatch(e164):
        return True
    return phonenumbers.number_type(_parsed(e164)) in _OF_SERVICES


def country(e164: str) -> str:
    """ISO 3166 code of the country whose plan the number belongs to ("KR", "US"), "" where none does (+800 and such).

    Countries that share a code are told apart where the metadata can ("+1 416" is CA); else the main one is named.
    Refuses with NotANumber what is not E.164.
    """
    if _KOREAN_MOBILE.fullmatch(e164):
        return "KR"
    number = _parsed(e164)
    region = phonenumbers.region_code_for_number(number) or phonenumbers.region_code_for_country_code(
        number.country_code or 0
    )
    return "" if region in {None, "001", "ZZ"} else str(region)


def last_four(e164: str) -> str:
    """The last four digits, which the code page asks for beside the order number."""
    return e164[-_KEPT:]


def display(e164: str, region: str) -> str:
    """The number as people in `region` write it: "010-0000-4721" at home, "+82 10-0000-4721" from abroad.

    Refuses with NotANumber what is not E.164.
    """
    number = _parsed(e164)
    home = number.country_code == phonenumbers.country_code_for_region(region)
    return phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL if home else PhoneNumberFormat.INTERNATIONAL)


def shown(number: str, region: str) -> str:
    """As `display`; what is no number, such as a withheld one, as it is, and "" for one that is forgotten."""
    try:
        return "" if number == NOBODY else display(number, region)
    except NotANumber:
        return number


def masked(e164: str) -> str:
    """The number for logs and shared screens: the last four digits and stars, "+********4721". Never refuses."""
    hidden = max(len(e164) - 1 - _KEPT, 0)
    return "+" + "*" * hidden + e164[-_KEPT:] if hidden else "****"


def is_relay(text: str, relays: Iterable[str]) -> bool:
    """Whether a caller is a relay service through which many people call, such as 02-107 (relay for Deaf callers).

    Such a number parses as invalid, so it is compared as digits, without country code and leading zeros: "02-107",
    "+822107" and "+8202107" are one. `relays` comes from the settings. A relay is never matched to a patron.
    """
    line = _bare(text)
    return bool(line) and any(line == _bare(relay) for relay in relays)


def _bare(text: str) -> str:
    digits = re.sub(r"[^0-9+]", "", unicodedata.normalize("NFKC", text))
    return digits.removeprefix("+82").lstrip("+0")
