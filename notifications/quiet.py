"""Quiet hours: when a text may go, in the local time of its sender. Pure."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

WAITS: Final = frozenset({"notice", "reminder"})
"""The kinds that wait for the morning. An answer or a code goes at once: the person acted a moment ago."""


def opens_at(now: datetime, zone: ZoneInfo, *, start: time, end: time) -> datetime:
    """`now` when it is not quiet, else the moment (in UTC like `now`) at which the quiet ends.

    Quiet is [start, end) on the local clock, across midnight where start is later than end; equal means never. The end
    is a time on the wall: in a night when the clock changes the quiet is an hour longer or shorter, and an end that the
    clock skips is the moment it skips to.
    """
    local = now.astimezone(zone)
    at = local.time()
    if start == end or not (start <= at < end if start < end else at >= start or at < end):
        return now
    day = local.date() + timedelta(days=1 if start > end and at >= start else 0)
    return max(datetime.combine(day, end, tzinfo=zone).astimezone(now.tzinfo), now)
