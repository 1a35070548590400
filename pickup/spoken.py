"""What is said on the telephone, as people say it: numbers, days, how it stands with a car."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from pickup import wordings
from pickup.check_ins import CheckedIn
from pickup.models import Order

COUNTED: Final = ("", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉", "열")


def stands(order: Order, here: CheckedIn, language: str) -> Iterator[str]:
    """How it stands with a car, sentence by sentence: where it stands or is to come, who is before it, how long."""
    yield _("Order %(number)s, you are checked in.") % {"number": spelled(order)}
    if here.bay:
        yield _("We come to parking place %(bay)s; please stay in the car.") % {"bay": here.bay}
    if here.called:
        if here.bay is None:
            yield _("It is your turn now.")
        if here.lane:
            yield _("Please come to lane %(lane)s.") % {"lane": here.lane}
        return
    if not here.packed:
        yield _("Your books are being packed. Please wait a moment.")
        return
    if here.ahead:
        counted = COUNTED[here.ahead] if language == "ko" and here.ahead < len(COUNTED) else str(here.ahead)
        if order.point.by_car:
            before = ngettext("%(count)s car is ahead of you.", "%(count)s cars are ahead of you.", here.ahead)
        else:
            before = ngettext("%(count)s person is ahead of you.", "%(count)s people are ahead of you.", here.ahead)
        yield before % {"count": counted}
    else:
        yield _("You are next.")
    if here.minutes:
        wait = ngettext("About %(n)s minute to wait.", "About %(n)s minutes to wait.", here.minutes)
        yield wait % {"n": here.minutes}


def cancelled(stay: int) -> str:
    """That an order is called off, and how many books of it stay on order."""
    if not stay:
        return _("The order is cancelled. Thank you.")
    return ngettext(
        "The order is cancelled. %(n)s book that was still to come stays on order. Thank you.",
        "The order is cancelled. %(n)s books that were still to come stay on order. Thank you.",
        stay,
    ) % {"n": stay}


def spelled(order: Order) -> str:
    """An order number as it is spoken, digit by digit."""
    return " ".join(order.number)


def day(at: datetime, zone: ZoneInfo, language: str) -> str:
    return day_of(at.astimezone(zone).date(), language)


def day_of(local: date, language: str) -> str:
    if language == "ko":
        return f"{local.month}월 {local.day}일 {wordings.WEEKDAYS['ko'][local.weekday()]}요일"
    return f"{local:%A} {local.day} {local:%B}"


def when(at: datetime, zone: ZoneInfo, language: str) -> str:
    local = at.astimezone(zone)
    if language == "en":
        return f"{day(at, zone, language)}, {local:%H:%M}"
    minutes = f" {local.minute}분" if local.minute else ""
    return f"{day(at, zone, language)} {local.hour}시{minutes}"
