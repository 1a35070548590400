"""Public holidays of a country or a part of it, from the maintained `holidays` package; pure and kept in memory.

The package follows each country's law: substitute days, election days and Korea's changes of 2026 among them.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Container
from dataclasses import dataclass, field
from datetime import date

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

REGION = re.compile(r"^[A-Z]{2}(-[A-Z0-9]{1,6})?$")


@dataclass(frozen=True, slots=True)
class _InTurn(Container[date]):
    """The days of the package, asked by one thread at a time: it fills in a year when that is first asked for."""

    days: Container[object]
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __contains__(self, day: object) -> bool:
        with self.lock:
            return day in self.days


@functools.cache
def of(region: str) -> Container[date]:
    """The public holidays of `KR`, or of a part of a country such as `US-NY`; none for "".

    Refuses a region that the package does not know with LookupError.
    """
    if not region:
        return frozenset()
    import holidays  # noqa: PLC0415  # a quarter of a second that only calendars pay

    if not REGION.match(region):
        raise LookupError(region)
    country, _dash, part = region.partition("-")
    try:
        return _InTurn(holidays.country_holidays(country, subdiv=part or None))
    except NotImplementedError:
        raise LookupError(region) from None


def known(region: str) -> None:
    """Refuse, as a form does, a region whose holidays are not known."""
    try:
        of(region)
    except LookupError:
        raise ValidationError(_("The public holidays of “%(region)s” are not known.") % {"region": region}) from None
