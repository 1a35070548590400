"""Tomorrow's list of another system becomes bags: to be packed, or packed already.

The whole list is one transaction. People, their open bags and the titles are locked before anything is asked for, each
by its id, as the order of the house wants it of somebody who does many things at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.db import transaction

from core.actor import RULE, Actor
from core.refusal import Refusal
from lending import allocation, day_lists, reservations
from lending import queries as lending_queries
from lending.day_lists import DayList, Entry, Problem
from lending.reservations import Item
from pickup import appointments, orders, packing, point_queries, queries, slots
from pickup.states import LineState, OrderState

if TYPE_CHECKING:
    from lending.models import Copy, Library, Patron, PickupPoint

FURTHEST = timedelta(days=60)


@dataclass(slots=True)
class TakenOver:
    """What a list led to: bags, books in them, rows that were there already, people and books that are new here.

    `kept` is False when nothing of it was kept: it was only tried, or something is wrong with a row.
    """

    bags: int = 0
    books: int = 0
    same: int = 0
    new_people: int = 0
    new_books: int = 0
    ready: int = 0
    bad: list[Problem] = field(default_factory=list)
    kept: bool = True


@dataclass(frozen=True, slots=True)
class Days:
    """The local days of which a list may be taken over: `first` to `last`; `usual` is the next open one."""

    first: date
    last: date
    usual: date

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


def days(library: Library, *, now: datetime) -> Days:
    """The days of which a list of a library may be taken over now."""
    today = lending_queries.today(library, now)
    return Days(today, today + FURTHEST, lending_queries.calendar_of(library).open_days_after(today, 1))


class _NothingKept(Exception):
    pass


def take_over(
    *,
    listed: DayList,
    point: PickupPoint,
    day: date,
    by: Actor,
    now: datetime,
    packed: bool = False,
    skip_bad: bool = False,
    dry_run: bool = False,
) -> TakenOver:
    """Make bags of a day's list at a point; with `packed` they are packed and ready at once, and people are told.

    All or nothing, unless `skip_bad`: then the rows that cannot be taken are left out. A card's rows are one asking,
    under the rules of the programme, so they are refused together. The same list again adds nothing. `dry_run` does
    all of it and keeps nothing. Refuses with `not_beside` a library that keeps its own loans.
    """
    day_lists.refuse_unless_beside(point.library)
    result = TakenOver(bad=list(listed.bad))
    try:
        with transaction.atomic():
            _take_over(listed.entries, point, day, result, packed=packed, by=by, now=now)
            if dry_run or (result.bad and not skip_bad):
                raise _NothingKept
    except _NothingKept:
        result.kept = False
    result.bad.sort(key=lambda one: one.line)
    return result


def _take_over(
    entries: Sequence[Entry],
    point: PickupPoint,
    day: date,
    result: TakenOver,
    *,
    packed: bool,
    by: Actor,
    now: datetime,
) -> None:
    library = point.library
    day_lists.take_turns(library)
    before = day_lists.listed_before(entries, library=library, day=day)
    fresh = [one for one in entries if (one.card, one.barcode) not in before]
    result.same = len(entries) - len(fresh)
    people = _people(fresh, point, result, by=by, now=now)
    books = day_lists.known_books({one.barcode for one in fresh})
    of_card: dict[str, list[tuple[Entry, Copy]]] = {}
    for entry in fresh:
        if entry.card in people:
            copy = day_lists.copy_of(entry, library=library, by=by, now=now)
            if isinstance(copy, Problem):
                result.bad.append(copy)
                continue
            result.new_books += entry.barcode not in books
            of_card.setdefault(entry.card, []).append((entry, copy))
    allocation.lock_titles([copy.title_id for rows in of_card.values() for _entry, copy in rows])
    for card, listed in of_card.items():
        rows = listed
        while rows:  # what is wrong with one book of a card leaves the others
            try:
                with transaction.atomic():
                    _bag(people[card], rows, point, day, result, packed=packed, by=by, now=now)
                break
            except Refusal as refusal:
                wrong = _meant(refusal, rows)
                result.bad += [_refused(refusal, entry) for entry, _copy in wrong]
                rows = [row for row in rows if row not in wrong]


def _people(
    entries: Sequence[Entry], point: PickupPoint, result: TakenOver, *, by: Actor, now: datetime
) -> dict[str, Patron]:
    """Who the rows are for, by card: those who are known first, each locked with what is theirs, then the new ones."""
    known = day_lists.known_patrons({one.card for one in entries})
    for patron in sorted(known.values(), key=lambda one: one.pk):
        reservations.lock_borrower(patron_id=patron.pk, point_id=point.pk)
    for patron in sorted(known.values(), key=lambda one: one.pk):
        orders.lock_open_order(patron.pk, point.pk)
    people: dict[str, Patron] = {}
    wrong: set[str] = set()
    for entry in entries:
        if entry.card in people:
            continue
        try:
            found = day_lists.patron_of(entry, known.get(entry.card), library=point.library, by=by, now=now)
        except Refusal as refusal:
            found = _refused(refusal, entry)
        if isinstance(found, Problem):
            if entry.card not in wrong:
                result.bad.append(found)
            wrong.add(entry.card)
            continue
        result.new_people += entry.card not in known
        people[entry.card] = found
    return people


def _bag(
    patron: Patron,
    rows: Sequence[tuple[Entry, Copy]],
    point: PickupPoint,
    day: date,
    result: TakenOver,
    *,
    packed: bool,
    by: Actor,
    now: datetime,
) -> None:
    requested = orders.request(
        patron_id=patron.pk,
        point_id=point.pk,
        items=[Item(copy.title_id, copy.volume, copy.pk) for _entry, copy in rows],
        by=by,
        now=now,
        not_before=_begin(day, point, now),
    )
    placed = list(zip((copy for _entry, copy in rows), requested.reservations, strict=True))
    day_lists.remember(library=point.library, day=day, patron=patron, placed=placed)
    order = requested.order
    if order is None:
        return
    rules = point_queries.rules_of(point.pk)
    if rules.by_appointment and queries.live_appointment(order) is None:
        rooms = slots.free(
            point_id=point.pk,
            now=now,
            accessible=patron.accessible_place,
            after=_begin(day, point, now),
            limit=1,
            ready=order.state == OrderState.READY,
        )
        if rooms:
            appointments.promise(order_id=order.pk, slot_id=rooms[0].pk, by=RULE, now=now, chosen=False)
    if packed:
        for _entry, copy in rows:
            packing.pack(order_id=order.pk, barcode=copy.barcode, by=by, now=now)
        still = orders.locked(order.pk)
        if still.state == OrderState.PICKING and not still.lines.filter(state=LineState.TO_PICK).exists():
            packing.mark_ready(order_id=order.pk, by=by, now=now)
            result.ready += 1
    result.bags += 1
    result.books += len(rows)


def _begin(day: date, point: PickupPoint, now: datetime) -> datetime:
    return max(now, datetime.combine(day, time(), tzinfo=ZoneInfo(point.library.zone)))


def _meant(refusal: Refusal, rows: Sequence[tuple[Entry, Copy]]) -> Sequence[tuple[Entry, Copy]]:
    """The one row of a card that a refusal names, else all of them."""
    _items, _dot, index = refusal.field.partition(".")
    if index.isdigit() and int(index) < len(rows):
        return [rows[int(index)]]
    return rows


def _refused(refusal: Refusal, entry: Entry) -> Problem:
    told = entry.barcode if refusal.field.startswith(("items", "barcode")) else entry.card
    return Problem(entry.line, refusal.field.partition(".")[0], told, refusal.code, str(refusal))
