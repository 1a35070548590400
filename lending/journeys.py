"""When a book that travels can be there: by the hour at which it is asked for, and the open days of both libraries."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import TYPE_CHECKING

from lending import queries

if TYPE_CHECKING:
    from datetime import datetime

    from lending.calendar import Calendar
    from lending.models import Library

Calendars = Mapping[int, "Calendar"]
"""The calendars of libraries, by the library's id."""


def asked_now(*, sender: Library, receiver: Library, calendars: Calendars, now: datetime) -> date:
    """The day on which a book that is asked for at this moment is at the receiving library.

    It leaves today where the sending library is open and the programme's cut-off, an hour of the sending library, has
    not come; else on the next day on which that library is open. From then on open days of the receiving library count.
    Refuses with `library_never_open`.
    """
    until = receiver.programme.transfer_cutoff
    in_time = until is None or now.astimezone(queries.zone_of(sender)).time() < until
    return _arrives(sender, receiver, queries.today(sender, now), in_time=in_time, calendars=calendars)


def asked_on(day: date, *, sender: Library, receiver: Library, calendars: Calendars) -> date:
    """As `asked_now` for a book that comes back to the sending library in the course of a day.

    With a cut-off nobody can say that it comes back before it, so it leaves on the next open day.
    """
    in_time = receiver.programme.transfer_cutoff is None
    return _arrives(sender, receiver, day, in_time=in_time, calendars=calendars)


def soonest(*, senders: Collection[Library], receiver: Library, calendars: Calendars, now: datetime) -> date:
    """The first of the days on which a book asked for now at each of these libraries is there."""
    return min(asked_now(sender=one, receiver=receiver, calendars=calendars, now=now) for one in senders)


def _arrives(sender: Library, receiver: Library, day: date, *, in_time: bool, calendars: Calendars) -> date:
    calendar = calendars[sender.pk]
    leaves = calendar.next_open(day) if in_time else calendar.open_days_after(day, 1)
    return calendars[receiver.pk].open_days_after(leaves, receiver.programme.transfer_days or 1)
