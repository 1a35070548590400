"""Copies that were not where they should be: looked for again on another day, then found, or given up as lost.

Who waited for such a copy is back in line already (see reservations.py), and gets the next one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.db.models import Prefetch

from core.moves import MoveRefused
from core.refusal import NotFound
from lending import copies, queries
from lending.errors import LookAgain, LookedToday
from lending.models import Copy, Library, ShelfLook
from lending.states import CopyState

if TYPE_CHECKING:
    from datetime import datetime

    from core.actor import Actor

LOOKS = 2
"""As often somebody has to look before a copy is given up: the first time most misplaced books are seen."""
APART = timedelta(days=1)
"""Between two looks: what a reader or a cart had is back on a shelf by the next day, not an hour later."""


@dataclass(frozen=True, slots=True)
class Sought:
    """A copy that is missing, when it was looked for since, what comes next (`look`, `give_up`) and from which day."""

    copy: Copy
    looks: list[ShelfLook]
    next: str
    due_on: date

    @property
    def number(self) -> int:
        """The how-manyeth look comes next."""
        return len(self.looks) + 1


def at(library: Library, *, now: datetime) -> list[Sought]:
    """What is missing at a library, in shelf order; two queries."""
    rows = Copy.objects.filter(at_library=library, state=CopyState.MISSING).select_related("title", "library")
    rows = rows.prefetch_related(Prefetch("looks", ShelfLook.objects.order_by("id")))
    return [_sought(copy, today=queries.today(library, now)) for copy in rows.order_by("shelf_key", "pk")]


def one(copy_id: int, *, now: datetime) -> Sought:
    """One missing copy. Refuses with `not_found`, and with `not_in_this_state` one that is not missing."""
    copy = Copy.objects.select_related("title", "at_library").filter(pk=copy_id).first()
    if copy is None:
        raise NotFound
    if copy.state != CopyState.MISSING:
        raise MoveRefused(noun=Copy.noun(), state=copy.state, asked=CopyState.LOST)
    return _sought(copy, today=queries.today(copy.at_library, now))


def _sought(copy: Copy, *, today: date) -> Sought:
    looks = [look for look in copy.looks.all() if look.at >= copy.moved_at]
    following = "look" if len(looks) < LOOKS else "give_up"
    due_on = looks[-1].on + APART if looks and following == "look" else today
    return Sought(copy, looks, following, due_on)


@transaction.atomic
def looked(*, copy_id: int, by: Actor, now: datetime) -> Sought:
    """Somebody looked for it and did not see it.

    Refuses with `not_found`, with `not_in_this_state` one that is not missing any more, and with `looked_today` a
    second look on the same day.
    """
    sought = _locked(copy_id, now=now)
    today = queries.today(sought.copy.at_library, now)
    try:
        with transaction.atomic():
            ShelfLook.objects.create(copy=sought.copy, on=today, at=now, principal=by.principal)
    except IntegrityError as error:
        if "lending_copy_looked_for_once_a_day" not in str(error):
            raise
        raise LookedToday(again_on=(today + APART).isoformat()) from error
    return one(copy_id, now=now)


@transaction.atomic
def give_up(*, copy_id: int, by: Actor, now: datetime) -> Copy:
    """It is lost. Refuses with `not_found`, `not_in_this_state`, and `look_again` before the second look."""
    sought = _locked(copy_id, now=now)
    if sought.next != "give_up":
        raise LookAgain(looks=len(sought.looks), needed=LOOKS, again_on=sought.due_on.isoformat())
    sought.copy.move(CopyState.LOST, at=now, by=by)
    return sought.copy


@transaction.atomic
def found(*, copy_id: int, by: Actor, now: datetime) -> Copy:
    """It was there after all: onto the return cart, and to whoever waits longest.

    Refuses with `not_found`, and with `not_in_this_state` one that is not missing any more.
    """
    return copies.found_again(copy_id=one(copy_id, now=now).copy.pk, by=by, now=now)


def _locked(copy_id: int, *, now: datetime) -> Sought:
    if not Copy.objects.select_for_update(no_key=True).filter(pk=copy_id).exists():
        raise NotFound
    return one(copy_id, now=now)
