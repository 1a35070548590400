"""Who wants which title, who gets the next free copy, and what pickup does with it from then on.

Locks are taken in the order of the house: household, patron, titles (ascending), reservations, copies. Whoever frees a
copy or makes somebody wait locks the title first, so the queue of a title moves one step at a time.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Subquery

from core import nudge
from core.moves import MoveRefused
from core.refusal import BadInput
from lending import queries, quota
from lending.errors import (
    AlreadyReserved,
    Blocked,
    InAnOrder,
    NoCopies,
    PointClosed,
    UnknownCard,
    UnknownTitle,
    WhichVolume,
)
from lending.models import Contact, Copy, Household, Patron, PickupPoint, Programme, Reservation, Title
from lending.states import OPEN, CopyState, ReservationState

if TYPE_CHECKING:
    from datetime import datetime

    from core.actor import Actor

MOST_ITEMS = 100  # of one request, before anything is looked up
BIGGEST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Item:
    """What is asked for: a title, or one volume of it."""

    title_id: int
    volume: str = ""


@transaction.atomic
def place(
    *,
    patron_id: int,
    items: Sequence[Item],
    point_id: int,
    by: Actor,
    now: datetime,
    collector_id: int | None = None,
) -> list[Reservation]:
    """One request of a patron: a reservation for each item, copies that are free set aside at once.

    All or nothing. A title whose copies all bear a volume needs `Item.volume`. Refuses with `unknown_card`,
    `not_found` (no such point), `pickup_point_closed`, `patron_blocked`, `unknown_title`, `no_copies`, `which_volume`,
    `already_reserved` (twice in the request, or open from before) and `quota_exceeded`; the field of a refused item is
    `items.<index>`.

    The quota counts volumes asked for in the programme's week. What was cancelled gives its place back, and so does
    what the library let expire without a copy; a book that was set aside and not collected counts as taken.
    """
    point = _open_point(point_id)
    programme = point.library.programme
    patron = _lock_patron(patron_id, programme)
    today = queries.today(point.library, now)
    if patron.blocked_until is not None and patron.blocked_until >= today:
        raise Blocked(until=patron.blocked_until.isoformat())
    if collector_id is not None and not Contact.objects.filter(pk=collector_id, patron=patron).exists():
        raise BadInput(field="collector")
    _check_items(items, programme)
    _refuse_repeated(items, patron)
    quota.refuse_beyond(asked=len(items), patron=patron, programme=programme, today=today)

    title_ids = sorted({item.title_id for item in items})
    _lock_titles(title_ids)
    request = uuid.uuid4()
    rows = [
        {
            "patron": patron,
            "title_id": item.title_id,
            "volume": item.volume,
            "pickup_point": point,
            "programme": programme,
            "request": request,
            "collector_id": collector_id,
            "placed_at": now,
            "placed_on": today,
            "channel": by.channel,
        }
        for item in items
    ]
    try:
        with transaction.atomic():
            made = Reservation.begin_many(rows, at=now, by=by)
    except IntegrityError as error:
        if "lending_title_reserved_once_per_patron" not in str(error):
            raise
        raise AlreadyReserved(field="items", title=None, volume="", reservation=None) from error
    _hand_out(title_ids, by=by, now=now)
    kept = queries.reservations().in_bulk([row.pk for row in made])
    return [kept[row.pk] for row in made]


@transaction.atomic
def allocate(
    *, title_ids: Collection[int] | None = None, by: Actor, now: datetime, limit: int = 500
) -> list[Reservation]:
    """Give free copies to those who have waited longest; gives back the reservations that got one.

    Only a copy that stands at the library of the reservation's pickup point is given, and only of the very volume that
    was asked for. Whose copy stands elsewhere waits on and keeps nobody behind them waiting. Without `title_ids` it
    looks for titles itself, at most `limit`, and leaves those that somebody else is working on.
    """
    if title_ids is None:
        wanted = _titles_to_give(limit)
        locked = Title.objects.select_for_update(no_key=True, skip_locked=True).filter(pk__in=wanted).order_by("pk")
        found = list(locked.values_list("pk", flat=True))
    else:
        found = _lock_titles(title_ids)
    return _hand_out(found, by=by, now=now)


@transaction.atomic
def cancel(*, reservation_id: int, by: Actor, now: datetime) -> Reservation:
    """End a reservation that is not in a bag; its copy goes to the next in line.

    Refuses with `in_an_order` one that is in a bag, and with `not_in_this_state` one that has ended.
    """
    reservation = _lock(reservation_id)
    if reservation.state == ReservationState.BAGGED:
        raise InAnOrder(reservation=reservation.pk)
    reservation.move(ReservationState.CANCELLED, at=now, by=by, copy=None)
    _hand_out([reservation.title_id], by=by, now=now)
    return reservation


@transaction.atomic
def suspend(*, reservation_id: int, by: Actor, now: datetime) -> Reservation:
    """Pause a waiting reservation; it keeps its place. Refuses with `in_an_order` and `not_in_this_state`."""
    reservation = _lock(reservation_id)
    if reservation.state == ReservationState.BAGGED:
        raise InAnOrder(reservation=reservation.pk)
    reservation.move(ReservationState.SUSPENDED, at=now, by=by)
    return reservation


@transaction.atomic
def resume(*, reservation_id: int, by: Actor, now: datetime) -> Reservation:
    """Let a paused reservation wait again, in its old place. Refuses with `not_in_this_state`."""
    reservation = _lock(reservation_id)
    _move_only(reservation, ReservationState.SUSPENDED, ReservationState.WAITING, by=by, now=now)
    _hand_out([reservation.title_id], by=by, now=now)
    return queries.reservations().get(pk=reservation.pk)


# For pickup: from BAGGED on, only the order moves a reservation.


@transaction.atomic
def bag(*, reservation_ids: Collection[int], by: Actor, now: datetime) -> list[Reservation]:
    """Reservations that are in a bag from now on; only those that still have their copy set aside come back."""
    rows = queries.reservations().filter(pk__in=reservation_ids, state=ReservationState.ALLOCATED)
    return Reservation.move_many(rows, ReservationState.BAGGED, at=now, by=by)


@transaction.atomic
def unbag(*, reservation_ids: Collection[int], by: Actor, now: datetime) -> list[Reservation]:
    """Dropped from a bag, copy kept: the next bag takes them. Those that are in no bag are left."""
    rows = queries.reservations().filter(pk__in=reservation_ids, state=ReservationState.BAGGED)
    moved = Reservation.move_many(rows, ReservationState.ALLOCATED, at=now, by=by)
    nudge.ring("reservation allocated", (row.pk for row in moved))
    return moved


@transaction.atomic
def wait_again(*, reservation_ids: Collection[int], by: Actor, now: datetime) -> list[Reservation]:
    """Back into the queue, in the old place and without a copy; those that are in no bag are left.

    The copy is not given to anybody here: the caller says what became of it.
    """
    rows = queries.reservations().filter(pk__in=reservation_ids, state=ReservationState.BAGGED)
    return Reservation.move_many(rows, ReservationState.WAITING, at=now, by=by, copy=None)


@transaction.atomic
def copy_missing(*, reservation_id: int, by: Actor, now: datetime) -> Reservation:
    """The copy of a bagged reservation is not on the shelf: the patron keeps the place and gets the next copy."""
    return _lose_copy(reservation_id, CopyState.MISSING, by=by, now=now)


@transaction.atomic
def copy_damaged(*, reservation_id: int, by: Actor, now: datetime) -> Reservation:
    """The copy of a bagged reservation cannot be lent: the patron keeps the place and gets the next copy."""
    return _lose_copy(reservation_id, CopyState.DAMAGED, by=by, now=now)


@transaction.atomic
def end_bagged(
    *, reservation_ids: Collection[int], to: ReservationState, by: Actor, now: datetime
) -> list[Reservation]:
    """End reservations whose bag is given up (`to` is CANCELLED or EXPIRED); those that are in no bag are left.

    The copy stays named on the row: the pull list shows where it is. It is free for the next from now on.
    """
    if to not in {ReservationState.CANCELLED, ReservationState.EXPIRED}:
        raise ValueError(f"a bagged reservation ends cancelled or expired, not {to}")
    rows = queries.reservations().filter(pk__in=reservation_ids, state=ReservationState.BAGGED)
    moved = Reservation.move_many(rows, to, at=now, by=by)
    nudge.ring("copy came free", (row.title_id for row in moved))
    return moved


def _open_point(point_id: int) -> PickupPoint:
    if not 0 < point_id <= BIGGEST_ID:
        raise BadInput(field="pickup_point")
    point = PickupPoint.objects.select_related("library__programme").filter(pk=point_id).first()
    if point is None:
        raise BadInput(field="pickup_point")
    if not point.open:
        raise PointClosed(field="pickup_point", point=point.pk)
    return point


def _lock_patron(patron_id: int, programme: Programme) -> Patron:
    """The patron, locked; where the programme counts per household, the household before."""
    household_id = Patron.objects.filter(pk=patron_id).values_list("household_id", flat=True).first()
    if household_id is not None and programme.volumes_per == Programme.Per.HOUSEHOLD:
        Household.objects.select_for_update(no_key=True).get(pk=household_id)
    patron = Patron.objects.select_for_update(no_key=True).filter(pk=patron_id).first()
    if patron is None:
        raise UnknownCard
    return patron


def _check_items(items: Sequence[Item], programme: Programme) -> None:
    """Each item names a title that the programme's libraries hold, and a volume where there are volumes."""
    if not 1 <= len(items) <= MOST_ITEMS:
        raise BadInput(field="items")
    asked = {item.title_id for item in items if 0 < item.title_id <= BIGGEST_ID}
    known = set(Title.objects.filter(pk__in=asked).values_list("pk", flat=True))
    held: dict[int, set[str]] = {}
    copies = queries.lendable_copies().filter(title_id__in=known, library__programme=programme)
    for title_id, volume in copies.values_list("title_id", "volume").distinct():
        held.setdefault(title_id, set()).add(volume)
    for index, item in enumerate(items):
        field = f"items.{index}"
        if item.title_id not in known:
            raise UnknownTitle(field=field, title=item.title_id)
        if item.title_id not in held:
            raise NoCopies(field=field, title=item.title_id)
        if item.volume not in held[item.title_id]:
            volumes = sorted(filter(None, held[item.title_id]), key=_volume_order)
            raise WhichVolume(field=field, title=item.title_id, volumes=volumes)


def _volume_order(volume: str) -> tuple[int, str]:
    digits = "".join(ch for ch in volume if ch.isascii() and ch.isdigit())
    return int(digits or 0), volume


def _refuse_repeated(items: Sequence[Item], patron: Patron) -> None:
    rows = Reservation.objects.filter(patron=patron, title_id__in={item.title_id for item in items}, state__in=OPEN)
    before = {Item(row.title_id, row.volume): row.pk for row in rows}
    seen: Counter[Item] = Counter()
    for index, item in enumerate(items):
        if item in before or seen[item]:
            raise AlreadyReserved(
                field=f"items.{index}", title=item.title_id, volume=item.volume, reservation=before.get(item)
            )
        seen[item] += 1


def _lock_titles(title_ids: Collection[int]) -> list[int]:
    rows = Title.objects.select_for_update(no_key=True).filter(pk__in=title_ids).order_by("pk")
    return list(rows.values_list("pk", flat=True))


def _lock(reservation_id: int) -> Reservation:
    """The reservation, locked, its title before it."""
    reservation = Reservation.objects.get(pk=reservation_id)
    _lock_titles([reservation.title_id])
    return queries.reservations().select_for_update(no_key=True, of=("self",)).get(pk=reservation_id)


def _move_only(reservation: Reservation, was: str, to: str, *, by: Actor, now: datetime) -> None:
    """Move along a pair of the table that only this verb may use from this state."""
    if reservation.state != was:
        raise MoveRefused(noun=Reservation.noun(), state=reservation.state, asked=to)
    reservation.move(to, at=now, by=by)


def _lose_copy(reservation_id: int, to: CopyState, *, by: Actor, now: datetime) -> Reservation:
    reservation = _lock(reservation_id)
    if reservation.state != ReservationState.BAGGED or reservation.copy_id is None:
        raise MoveRefused(noun=Reservation.noun(), state=reservation.state, asked=ReservationState.WAITING)
    copy = Copy.objects.select_for_update(no_key=True).get(pk=reservation.copy_id)
    reservation.move(ReservationState.WAITING, at=now, by=by, copy=None)
    copy.move(to, at=now, by=by)
    _hand_out([reservation.title_id], by=by, now=now)
    return queries.reservations().get(pk=reservation_id)


def _titles_to_give(limit: int) -> list[int]:
    """Titles that somebody waits for and that have a free copy where it is waited for, the longest wait first."""
    copy = queries.free_copies().filter(
        title_id=OuterRef("title_id"), volume=OuterRef("volume"), at_library_id=OuterRef("pickup_point__library_id")
    )
    waiting = Reservation.objects.filter(Exists(copy), state=ReservationState.WAITING).order_by("placed_at", "pk")
    return list(dict.fromkeys(waiting.values_list("title_id", flat=True)[:limit]))


def _hand_out(title_ids: Sequence[int], *, by: Actor, now: datetime) -> list[Reservation]:
    """Set free copies of titles aside for those who wait; the caller holds the titles' locks."""
    given: list[Reservation] = []
    for title_id in title_ids:
        given += _hand_out_title(title_id, by=by, now=now)
    nudge.ring("reservation allocated", (row.pk for row in given))
    return given


def _hand_out_title(title_id: int, *, by: Actor, now: datetime) -> list[Reservation]:
    # What somebody else holds is on its way elsewhere; whoever holds it, or the sweep, comes back to the title.
    free = list(
        Copy.objects.select_for_update(no_key=True, skip_locked=True)
        .filter(pk__in=Subquery(queries.free_copies().filter(title_id=title_id).values("pk")))
        .order_by("pk")
    )
    given: list[Reservation] = []
    if not free:
        return given
    waiting = (
        queries.reservations()
        .select_for_update(no_key=True, skip_locked=True, of=("self",))
        .filter(title_id=title_id, state=ReservationState.WAITING)
        .order_by("placed_at", "pk")
    )
    for reservation in waiting:
        place = (reservation.pickup_point.library_id, reservation.volume)
        copy = next((copy for copy in free if (copy.at_library_id, copy.volume) == place), None)
        if copy is None:
            continue
        try:
            with transaction.atomic():
                reservation.move(ReservationState.ALLOCATED, at=now, by=by, copy=copy)
        except IntegrityError as error:
            if "lending_copy_set_aside_once" not in str(error):
                raise
            free.remove(copy)  # promised a moment ago; this reservation waits for the sweep
            reservation.refresh_from_db()
            continue
        free.remove(copy)
        given.append(reservation)
        if not free:
            break
    return given
