"""When somebody could have a title, said for each pickup point: an honest estimate, as a fact that one sentence tells.

On the shelf there: the earliest time that can still be ordered. On the shelf of another library: the day on which it
can have travelled. Lent out: the place in line, and the day on which the books before it are due.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Literal

from lending import availability, journeys
from lending import queries as lending_queries
from lending.calendar import Calendar, NeverOpen
from lending.states import CopyState, ReservationState
from pickup import point_queries, slots
from pickup.models import PointRules, Slot

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    from lending.models import Copy, Library, PickupPoint, Reservation

Wish = tuple[int, str]
"""A title's id and its volume, "" for none."""

Kind = Literal["time", "offer", "no_time", "any_time", "travels", "line", "elsewhere", "none"]
ON_SHELF = frozenset({"time", "offer", "no_time", "any_time"})


@dataclass(frozen=True, slots=True)
class Hope:
    """What somebody who asks now may hope for at one point.

    `time`: on the shelf, `slot` is the earliest to be chosen. `offer`: on the shelf, a time is offered when the bag is
    ready, `slot` is the earliest that can be met. `no_time`: on the shelf, no time is free. `any_time`: on the shelf,
    no time is needed, `day` is the next open one. `travels`: on the shelf at `libraries`, comes here by `day`. `line`:
    lent, or set aside (`word` says which); `number` is the place in line and `day` when the turn comes, null if nothing
    due tells. `elsewhere`: only at `libraries`, from which nothing travels. `none`: no copy that could come.
    """

    point: PickupPoint
    kind: Kind
    today: date
    slot: Slot | None = None
    day: date | None = None
    number: int = 0
    libraries: tuple[Library, ...] = ()
    word: StrOrPromise = ""

    @property
    def here(self) -> bool:
        """Whether a copy can be fetched for this point now."""
        return self.kind in ON_SHELF


def at_points(
    *, wishes: Collection[Wish], points: Sequence[PickupPoint], now: datetime, accessible: bool = False
) -> dict[Wish, list[Hope]]:
    """For each wish what may be hoped for at each of the points, in their order.

    The number of queries depends neither on the wishes nor on the points.
    """
    titles = {title_id for title_id, _volume in wishes}
    copies = _copies(titles, practice=any(point.library.training for point in points))
    queue: dict[tuple[int, str, int], dict[int, int]] = {}
    for title_id, volume, programme_id, library_id, count in lending_queries.queues(titles):
        queue.setdefault((title_id, volume, programme_id), {})[library_id] = count
    calendars = _calendars([point.library for point in points], copies)
    rules = point_queries.rules_of_many([point.pk for point in points])
    soonest = slots.earliest(point_ids=[point.pk for point in points], now=now, accessible=accessible)
    return {
        wish: [
            _hope(
                point,
                [copy for copy in of_wish if copy.library.programme_id == point.library.programme_id],
                queue.get((*wish, point.library.programme_id), {}),
                calendars=calendars,
                rules=rules[point.pk],
                slot=soonest.get(point.pk),
                now=now,
            )
            for point in points
        ]
        for wish in wishes
        for of_wish in [copies.get(wish, [])]
    }


def not_before(hopes: Collection[Hope], *, whole: bool = False) -> datetime | None:
    """The first moment for which books asked for together at one point can be promised a time.

    That of the day on which all that travels is there; None where none travels, or where one of them is there now and
    the bag does not wait for the others (`whole`).
    """
    travel = [hope for hope in hopes if hope.kind == "travels"]
    days = [hope.day for hope in travel if hope.day is not None]
    if not days or (not whole and any(hope.here for hope in hopes)):
        return None
    return datetime.combine(max(days), time(), tzinfo=lending_queries.zone_of(travel[0].point.library))


def promises_nothing(hopes: Collection[Hope]) -> bool:
    """Whether no time can be promised for what is asked for: nothing of it is there or travels, all of it waits."""
    return not_before(hopes) is None and not any(hope.here for hope in hopes)


def turns(reservations: Collection[Reservation], *, now: datetime) -> dict[int, date]:
    """The day on which the turn of each of these waiting reservations comes, by its id; unknown days are left out.

    Four queries, however many are asked about.
    """
    asked = [row for row in reservations if row.state == ReservationState.WAITING]
    ahead, places = lending_queries.ahead_at_library(asked), lending_queries.positions(asked)
    copies = _copies({row.title_id for row in asked}) if asked else {}
    calendars = _calendars([row.pickup_point.library for row in asked], copies)
    found = {}
    for row in asked:
        library = row.pickup_point.library
        travels = library.programme.transfer_days is not None
        reached = [
            copy
            for copy in copies.get((row.title_id, row.volume), ())
            if copy.library.programme_id == library.programme_id and (travels or copy.at_library_id == library.pk)
        ]
        before = places[row.pk] - 1 if travels else ahead[row.pk]
        today = lending_queries.today(library, now)
        day = _turn(library, reached, ahead=before, calendars=calendars, today=today)
        if day is not None:
            found[row.pk] = day
    return found


def _copies(title_ids: Collection[int], *, practice: bool = False) -> dict[Wish, list[Copy]]:
    """The copies of these titles that can be had or come back, by title and volume; one query."""
    found: dict[Wish, list[Copy]] = {}
    for copy in lending_queries.copies_of_many(title_ids, practice=practice):
        if copy.state not in lending_queries.NOWHERE:
            found.setdefault((copy.title_id, copy.volume), []).append(copy)
    return found


def _calendars(receivers: Iterable[Library], copies: dict[Wish, list[Copy]]) -> dict[int, Calendar]:
    """The calendars of these libraries and of those from which copies would come; one query."""
    libraries = {copy.at_library_id: copy.at_library for of_wish in copies.values() for copy in of_wish}
    libraries |= {library.pk: library for library in receivers}
    return lending_queries.calendars_of(libraries.values())


def _hope(
    point: PickupPoint,
    copies: list[Copy],
    waiting: dict[int, int],
    *,
    calendars: dict[int, Calendar],
    rules: PointRules,
    slot: Slot | None,
    now: datetime,
) -> Hope:
    today = lending_queries.today(point.library, now)
    here = [copy for copy in copies if copy.at_library_id == point.library_id]
    if any(copy.free for copy in here):  # type: ignore[attr-defined]  # annotated
        return _on_shelf(point, calendar=calendars[point.library_id], rules=rules, slot=slot, today=today)
    travel = point.library.programme.transfer_days
    free = [copy for copy in copies if copy.free]  # type: ignore[attr-defined]  # annotated
    if free and travel is not None:
        senders = _where(free)
        comes = journeys.soonest(senders=senders, receiver=point.library, calendars=calendars, now=now)
        return Hope(point, "travels", today, day=comes, libraries=senders)
    if here or (copies and travel is not None):
        ahead = waiting.get(point.library_id, 0) if travel is None else sum(waiting.values())
        reached = here if travel is None else copies
        turn = _turn(point.library, reached, ahead=ahead, calendars=calendars, today=today)
        word = availability.WORDS["kept" if availability.are_kept(reached) else "out"]
        return Hope(point, "line", today, day=turn, number=sum(waiting.values()) + 1, word=word)
    if copies:
        return Hope(point, "elsewhere", today, libraries=_where(copies))
    return Hope(point, "none", today)


def _where(copies: Iterable[Copy]) -> tuple[Library, ...]:
    libraries = {copy.at_library_id: copy.at_library for copy in copies}
    return tuple(sorted(libraries.values(), key=lambda library: (library.position, library.pk)))


def _turn(
    library: Library, copies: Iterable[Copy], *, ahead: int, calendars: dict[int, Calendar], today: date
) -> date | None:
    """The open day on which whoever has `ahead` people before them gets one of these copies, if one is known.

    A copy of another library has to travel here first.
    """
    programme, calendar = library.programme, calendars[library.pk]

    def lent_until(day: date) -> date:
        return calendar.due_date(
            day,
            programme.loan_days,
            first_day_counts=programme.first_day_counts,
            skip_closed=programme.open_days_only,
        )

    try:
        back = _days_back(library, copies, calendars=calendars, today=today, lent_until=lent_until)
        turn = day_of_turn(back, ahead=ahead, lent_until=lent_until)
        return calendar.next_open(turn) if turn else None
    except NeverOpen:
        return None


def _on_shelf(point: PickupPoint, *, calendar: Calendar, rules: PointRules, slot: Slot | None, today: date) -> Hope:
    if not rules.by_appointment:
        try:
            return Hope(point, "any_time", today, day=calendar.next_open(today))
        except NeverOpen:
            return Hope(point, "no_time", today)
    if slot is None:
        return Hope(point, "no_time", today)
    return Hope(point, "time" if rules.promise == PointRules.Promise.AT_ORDER else "offer", today, slot=slot)


def _days_back(
    library: Library,
    copies: Iterable[Copy],
    *,
    calendars: dict[int, Calendar],
    today: date,
    lent_until: Callable[[date], date],
) -> list[date]:
    """When a library can have these copies: due loans, what is set aside and lent next, and the end of a rest."""
    days = []
    for copy in copies:
        due: date | None = copy.due_on  # type: ignore[attr-defined]  # annotated
        if due is not None:
            day = due if due >= today else None  # an overdue book tells nothing
        elif copy.rests_until is not None:
            day = max(today, lending_queries.today(copy.at_library, copy.rests_until))
        else:
            day = lent_until(today) if copy.state not in {CopyState.LOAN, CopyState.TRANSIT} else None
        if day is not None and copy.at_library_id != library.pk:
            day = journeys.asked_on(day, sender=copy.at_library, receiver=library, calendars=calendars)
        if day is not None:
            days.append(day)
    return days


def day_of_turn(back: Iterable[date], *, ahead: int, lent_until: Callable[[date], date]) -> date | None:
    """The day on which whoever has `ahead` people before them gets a copy; None when no day is known.

    `back` are the days on which copies come back. Each goes to the next in line at once and is kept as long as it may
    be: until `lent_until` of that day.
    """
    days = list(back)
    heapq.heapify(days)
    if not days:
        return None
    for _before in range(ahead):
        heapq.heapreplace(days, lent_until(days[0]))
    return days[0]
