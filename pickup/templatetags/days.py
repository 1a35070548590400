"""Days and times as the pages say them, in the reader's language and the library's zone.

Relative words are for pages alone, which are read when they are made: a text may wait for the morning.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django import template
from django.utils.dates import WEEKDAYS
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from pickup import windows, wordings
from pickup.models import Slot

register = template.Library()

_DAY = timedelta(days=1)
_JOINED = "\N{WORD JOINER}–\N{WORD JOINER}"


@register.filter
def full_day(day: date) -> str:
    """A day with its weekday: `11월 26일(목)`, `Thu 26 November`."""
    if (get_language() or "ko").startswith("ko"):
        return f"{day.month}월 {day.day}일({wordings.WEEKDAYS['ko'][day.weekday()]})"
    return f"{wordings.WEEKDAYS['en'][day.weekday()]} {day.day} {day:%B}"


@register.filter
def near_day(day: date, today: date) -> str:
    """A day as people near it call it: `오늘`, `내일`, else with its weekday."""
    if day == today:
        return _("today")
    return _("tomorrow") if day == today + _DAY else full_day(day)


@register.simple_tag
def opens(moment: datetime, zone: str, today: date) -> str:
    """When a place opens again, as people near it say it: `오늘 11:00에 엽니다.`, `Opens tomorrow.`"""
    day, hour = day_in(moment, zone), clock(moment, zone)
    if wordings.is_whole_day(moment, ZoneInfo(zone)):
        return _("Opens tomorrow.") if day == today + _DAY else _("Opens on %(day)s.") % {"day": full_day(day)}
    if day == today:
        return _("Opens today at %(hour)s.") % {"hour": hour}
    if day == today + _DAY:
        return _("Opens tomorrow at %(hour)s.") % {"hour": hour}
    return _("Opens on %(day)s at %(hour)s.") % {"day": full_day(day), "hour": hour}


@register.filter
def closes(moment: datetime, zone: str) -> str:
    """When a place closes: a local time of day, midnight as 24:00."""
    return windows.until(moment.astimezone(ZoneInfo(zone)).time())


@register.simple_tag
def open_until(moment: datetime | None, zone: str, today: date) -> str:
    """Until when a place is open today: `17:00까지 엽니다.`; empty where nobody can say, or another day."""
    if moment is None or day_in(moment - timedelta(microseconds=1), zone) != today:
        return ""
    return _("Open until %(hour)s.") % {"hour": closes(moment, zone)}


@register.filter
def weekday(day: date) -> str:
    """The short name of the weekday: `목`, `Thu`."""
    language = "ko" if (get_language() or "ko").startswith("ko") else "en"
    return wordings.WEEKDAYS[language][day.weekday()]


@register.filter
def weekday_name(day: int) -> str:
    """The name of a weekday by its number, Monday is 0."""
    return str(WEEKDAYS[day])


@register.filter
def day_of_strip(day: date, today: date) -> str:
    """A day where room is scarce: `오늘`, `내일`, `목`; `Today`, `Tomorrow`, `Thu`."""
    return near_day(day, today).capitalize() if day - today <= _DAY else weekday(day)


@register.filter
def short_day(day: date) -> str:
    """A day without its weekday where room is scarce: `11/26`, `26 Nov`."""
    return f"{day.month}/{day.day}" if (get_language() or "ko").startswith("ko") else f"{day.day} {day:%b}"


@register.filter
def hours(slot: Slot) -> str:
    """From when to when a slot lasts, never broken in two: `16:00–16:15`."""
    zone = ZoneInfo(slot.point.library.zone)
    return f"{slot.starts_at.astimezone(zone):%H:%M}{_JOINED}{slot.ends_at.astimezone(zone):%H:%M}"


@register.filter
def when(slot: Slot, today: date) -> str:
    """A slot with its day: `오늘 16:00–16:15`, `Thu 26 November 11:00–11:15`."""
    return f"{near_day(slot_day(slot), today)} {hours(slot)}"


@register.filter
def slot_day(slot: Slot) -> date:
    """The local day of a slot."""
    return slot.starts_at.astimezone(ZoneInfo(slot.point.library.zone)).date()


@register.filter
def clock(moment: datetime, zone: str) -> str:
    """A local time of day: `16:05`."""
    return f"{moment.astimezone(ZoneInfo(zone)):%H:%M}"


@register.filter
def day_in(moment: datetime, zone: str) -> date:
    """The local day of a moment."""
    return moment.astimezone(ZoneInfo(zone)).date()
