"""Which door opens where: what a person in a country can do with our text or call, and we with theirs.

Every cell of the table says why and as of when it was believed; carriers change their rules without telling us. No text
asks for what its reader's country does not open: `open` is asked before a sentence such as "answer 1" or a link is
added. Country codes are ISO 3166 ("KR"), see phone.country.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class Door(StrEnum):
    """A way between us and a person."""

    REPLY = "reply"  # they answer our text
    LINK = "link"  # our text carries an address
    CODE_PAGE = "code_page"  # they type order number and last four digits at /code/
    CALL_IN = "call_in"  # they ring us, one sentence answers
    CALL_OUT = "call_out"  # our machine rings them


@dataclass(frozen=True, slots=True)
class Open:
    """The door is open. `needs` is what the library must have first."""

    source: StrOrPromise
    as_of: date
    needs: str = ""


@dataclass(frozen=True, slots=True)
class Closed:
    """The door is shut, and what may still go that way.

    `by_staff`: a person may do it, a machine may not. `with_gateway`: a domestic gateway with replies (MO) opens it.
    `by_choice`: it would arrive, but is off unless the library switches it on.
    """

    source: StrOrPromise
    as_of: date
    by_staff: bool = False
    with_gateway: bool = False
    by_choice: bool = False


Cell = Open | Closed

_GUIDE = "Twilio country guideline for SMS"
_TEN_DLC = "Twilio, A2P 10DLC and toll-free verification"
_OWN = "own web page, no carrier involved"
_CALL = "an ordinary call to the library's own number"
_READ: Final = date(2026, 11, 1)  # state of knowledge, not of a contract: ask the carrier

TABLE: Final[Mapping[str, Mapping[Door, Cell]]] = MappingProxyType(
    {
        "KR": {
            Door.REPLY: Closed(
                _("Twilio's guideline for SMS: two-way texts are not supported in South Korea."),
                _READ,
                with_gateway=True,
            ),
            Door.LINK: Closed(
                "the government tells citizens that texts of public bodies carry no links",
                date(2025, 1, 1),
                by_choice=True,
            ),
            Door.CODE_PAGE: Open(_OWN, _READ),
            Door.CALL_IN: Open(_CALL, _READ, needs="a Korean number"),
            Door.CALL_OUT: Closed("carriers announce calls from abroad as 국제전화", _READ, by_staff=True),
        },
        "JP": {
            Door.REPLY: Closed(_("Twilio's guideline for SMS: two-way texts are not supported in Japan."), _READ),
            Door.LINK: Open(f"{_GUIDE}, Japan", _READ),
            Door.CODE_PAGE: Open(_OWN, _READ),
            Door.CALL_IN: Open(_CALL, _READ),
            Door.CALL_OUT: Closed("a person who speaks the language calls", _READ, by_staff=True),
        },
        **{
            country: {
                Door.REPLY: Open(_TEN_DLC, _READ, needs="10DLC or toll-free registration"),
                Door.LINK: Open(_TEN_DLC, _READ, needs="the domain named in the registration"),
                Door.CODE_PAGE: Open(_OWN, _READ),
                Door.CALL_IN: Open(_CALL, _READ),
                Door.CALL_OUT: Open("Twilio voice, calls within +1", _READ),
            }
            for country in ("US", "CA")
        },
    }
)

# Somewhere else: nothing that only some carriers let through. A web page and a call to us need no carrier's leave.
_ELSEWHERE = _("Nobody has looked this country up yet: only what needs no carrier's leave is used.")
DEFAULT: Final[Mapping[Door, Cell]] = MappingProxyType(
    {
        Door.REPLY: Closed(_ELSEWHERE, _READ),
        Door.LINK: Closed(_ELSEWHERE, _READ, by_choice=True),
        Door.CODE_PAGE: Open(_OWN, _READ),
        Door.CALL_IN: Open(_ELSEWHERE, _READ),
        Door.CALL_OUT: Closed(_ELSEWHERE, _READ, by_staff=True),
    }
)


def cell(country: str, door: Door) -> Cell:
    """What the table says of a door in a country, with reason and date; the cautious default where it is silent."""
    return TABLE.get(country.upper(), DEFAULT)[door]


def open(country: str, door: Door, *, domestic_gateway: bool = False, links: bool = False) -> bool:  # noqa: A001
    """Whether the door may be used by our machine: may a text ask for it, may the worker do it.

    `country` is an ISO 3166 code; "" and unknown ones get the cautious default. `domestic_gateway`: the library's
    texts go through a gateway of that country which carries replies (MO). `links`: the library has switched links on.
    """
    found = cell(country, door)
    if isinstance(found, Open):
        return True
    return (found.with_gateway and domestic_gateway) or (found.by_choice and links)


def looked_up(country: str) -> bool:
    """Whether somebody has looked up what arrives in this country; elsewhere a text may cost more and reach nobody."""
    return country.upper() in TABLE


def by_staff(country: str, door: Door) -> bool:
    """Whether a person must go where the machine may not: such patrons are on the call list."""
    found = cell(country, door)
    return isinstance(found, Closed) and found.by_staff
