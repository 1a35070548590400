"""What a carrier's error numbers mean for one text, for its number, and for us. Twilio's; https://www.twilio.com/docs/api/errors

One table, asked when a text is refused at once and when a report comes later. Numbers that are not in it are taken for
a refusal of this one text: it is not sent again, and staff call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


class Verdict(StrEnum):
    """What follows from an error."""

    BUSY = "busy"  # surely not sent, too much at once: the same row goes later
    AGAIN = "again"  # it did not arrive and may later: said again as the next generation
    BAD_NUMBER = "bad_number"  # no text will ever reach this number: staff call
    OPTED_OUT = "opted_out"  # the person told the carrier to stop
    STOPPED = "stopped"  # our account: nothing goes until somebody has looked
    OURS = "ours"  # our registration or content: this text is lost, and somebody has to look before more of its kind


@dataclass(frozen=True, slots=True)
class Code:
    """One error number: what follows, and what to tell staff."""

    verdict: Verdict
    says: _StrPromise


_V = Verdict
TABLE: Final[Mapping[str, Code]] = MappingProxyType(
    {
        "20003": Code(_V.STOPPED, _("The carrier does not let us in: the account's keys are wrong.")),
        "20005": Code(_V.STOPPED, _("Our account at the carrier is not active.")),
        "20429": Code(_V.BUSY, _("The carrier takes no more at once.")),
        "21211": Code(_V.BAD_NUMBER, _("There is no such number.")),
        "21408": Code(_V.BAD_NUMBER, _("Our account may not send texts to this country.")),
        "21610": Code(_V.OPTED_OUT, _("They have asked for no more texts.")),
        "21611": Code(_V.BUSY, _("The carrier takes no more at once.")),
        "21612": Code(_V.BAD_NUMBER, _("The carrier has no way to this number.")),
        "21614": Code(_V.BAD_NUMBER, _("This number takes no texts.")),
        "30001": Code(_V.AGAIN, _("The carrier takes no more at once.")),
        "30002": Code(_V.STOPPED, _("Our account at the carrier is suspended.")),
        "30003": Code(_V.AGAIN, _("The phone is switched off or out of reach.")),
        "30004": Code(_V.OURS, _("The text was blocked on its way.")),
        "30005": Code(_V.BAD_NUMBER, _("Nobody has this number any more.")),
        "30006": Code(_V.BAD_NUMBER, _("This number takes no texts.")),
        "30007": Code(_V.OURS, _("A filter of the carrier kept the text back.")),
        "30008": Code(_V.AGAIN, _("The text did not arrive; the carrier does not know why.")),
        "30034": Code(_V.OURS, _("Our number is not registered for texts.")),
        "30036": Code(_V.AGAIN, _("It could not be delivered in the time it was of use.")),
        "30450": Code(_V.OURS, _("The carrier takes our texts for fraud.")),
    }
)


def verdict(code: str) -> Verdict | None:
    """What follows from an error number; None for one that is not in the table."""
    found = TABLE.get(code)
    return found.verdict if found is not None else None


def says(code: str) -> str:
    """The sentence for staff, "" for a number that is not in the table."""
    found = TABLE.get(code)
    return str(found.says) if found is not None else ""
