"""How the pages behind the window say times: short, in the library's zone, with the day only where it is another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.timesince import timesince
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from pickup import wordings
from pickup.sessions import Session

register = template.Library()

MINUTE = 60
_NUMBER = re.compile(r"(?:\+\d{1,3} |0)\d{1,3}-\d{3,4}-\d{4}")  # as notifications/phone.py shows them


@register.filter
def unbroken(said: str) -> SafeString:
    """A sentence whose telephone numbers stay in one line."""
    return mark_safe(_NUMBER.sub(r'<span class="nowrap">\g<0></span>', conditional_escape(said)))  # noqa: S308 - escaped


@register.filter
def session_when(session: Session, now: datetime) -> str:
    """When a session begins: `11:00`, on another day `11/26(목) 11:00`, `Thu 26 Nov 11:00`."""
    return at_desk(session.starts_at, f"{session.zone} {now.isoformat()}")


@register.filter
def at_desk(moment: datetime, seen: str) -> str:
    """A moment as seen from a desk, `seen` is the desk's zone and time: `11:00`, `11/26(목) 11:00`."""
    name, _space, now = seen.partition(" ")
    zone = ZoneInfo(name)
    local = moment.astimezone(zone)
    if local.date() == datetime.fromisoformat(now).astimezone(zone).date():
        return f"{local:%H:%M}"
    return wordings.moment(moment, zone, get_language() or "ko")


@register.filter
def last_day(until: datetime, zone: str) -> str:
    """The last local day before a moment: `11/28(토)`, `Sat 28 Nov`."""
    return wordings.last_day(until, ZoneInfo(zone), get_language() or "ko")


@register.filter
def age(since: datetime, now: datetime) -> str:
    """How long ago something was, in its largest unit: `2시간`, `2 hours`."""
    return timesince(since, now, depth=1)


@register.filter
def of(found: Mapping[int, Any], key: int) -> Any:
    """What a mapping holds under an id, None when nothing."""
    return found.get(key)


@register.filter
def seconds(count: int) -> str:
    """A short time where room is scarce: `48초`, `1분 14초`, `2분`; `48 s`, `1 min 14 s`, `2 min`."""
    minutes, rest = divmod(count, 60)
    if not minutes:
        return _("%(n)s s") % {"n": count}
    if not rest:
        return _("%(n)s min") % {"n": minutes}
    return _("%(minutes)s min %(seconds)s s") % {"minutes": minutes, "seconds": rest}


@register.filter
def plain(amount: Decimal) -> str:
    """An amount without needless noughts: `0.0083`, `20`."""
    return f"{amount:f}".rstrip("0").rstrip(".") if "." in f"{amount:f}" else f"{amount:f}"


@register.filter
def spoken(count: int) -> str:
    """A short time in a sentence: `48초`, `48 seconds`."""
    return ngettext("%(n)s second", "%(n)s seconds", count) % {"n": count} if count < MINUTE else seconds(count)


@register.filter
def called(principal: str, names: dict[str, str]) -> str:
    """Who acted, by name; what the history keeps of them where they have none any more."""
    return names.get(principal, principal)
