"""Who asks for which title, and what pickup does with a reservation from BAGGED on.

Locks are taken in the order of the house: household, patron, titles (ascending), reservations, copies. Who gets the
next free copy is decided in allocation.py; what is changed about a reservation before it is in a bag, in wishes.py.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from core import nudge
from core.moves import MoveRefused
from core.refusal import BadInput
from lending import allocation, availability, packed, queries, quota
from lending.errors import (
    AlreadyReserved,
    NoCopies,
    PointClosed,
    PointNotFound,
    UnknownCard,
    UnknownTitle,
    WhichVolume,
)
from lending.models import (
    Contact,
    Copy,
    Household,
    Library,
    Patron,
    PickupPoint,
    Programme,
    Reservation,
    Title,
)
from lending.states import OPEN, CopyState, ReservationState

if TYPE_CHECKING:
    from datetime import datetime

    from core.actor import Actor

MOST_ITEMS = 100  # of one request, before anything is looked up
BIGGEST_ID = 2**63 - 1
FURTHEST = timedelta(days=366)
"""How far ahead a day may lie: a slip of the finger in the year would let somebody wait for ever."""
RULES = ("library__programme", "library__surge_programme")


@dataclass(frozen=True, slots=True)
class Item:
    """What is asked for: a title, or one volume of it; `copy_id` where another system has chosen the very copy."""

    title_id: int
    volume: str = ""
    copy_id: int | None = None


@transaction.atomic
def place(
    *,
    patron_id: int,
    items: Sequence[Item],
    point_id: int,
    by: Actor,
    now: datetime,
    collector_id: int | None = None,
    needed_until: date | None = None,
) -> list[Reservation]:
    """One request of a patron: a reservation for each item, copies that are free set aside at once.

    All or nothing. `needed_until` is the last local day on which the books are of use, null for as long as it takes
    (`invalid` where it is over, or more than a year ahead). A title whose copies all bear a volume needs `Item.volume`.
    Refuses with `unknown_card`, `unknown_pickup_point`, `pickup_point_closed`, `unknown_title`, `no_copies`,
    `which_volume`, `already_reserved` (twice in the request, or open from before), `already_promised` (the copy that an
    item names is not free), and with whatever the rules of the programme refuse (see lending/quota.py); the field of a
    refused item is `items.<index>`.

    The quota counts volumes asked for in the programme's week. What was cancelled gives its place back, and so does
    what the library let expire without a copy; a book that was set aside and not collected counts as taken.
    """
    point = open_point(point_id)
    library, programme = point.library, point.library.programme
    today = queries.today(library, now)
    patron = _lock_borrower(patron_id, library)
    refuse_day(needed_until, today=today, field="needed_until")
    quota.refuse_person(patron, library, today=today)
    if collector_id is not None and not Contact.objects.filter(pk=collector_id, patron=patron).exists():
        raise BadInput(field="collector")
    check_items(items, programme, library.rules)
    _refuse_repeated(items, patron)
    quota.refuse_again([(item.title_id, item.volume) for item in items], patron, library, today=today)
    quota.refuse_full_day(library, today=today)
    quota.refuse_beyond(asked=len(items), patron=patron, library=library, today=today)

    title_ids = sorted({item.title_id for item in items})
    allocation.lock_titles(title_ids)
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
            "needed_until": needed_until,
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
    for index, (row, item) in enumerate(zip(made, items, strict=True)):
        if item.copy_id is not None:
            allocation.set_aside(row, item.copy_id, field=f"items.{index}", by=by, now=now)
    allocation.hand_out(title_ids, by=by, now=now)
    kept = queries.reservations().in_bulk([row.pk for row in made])
    placed = [kept[row.pk] for row in made]
    waiting = {index: row for index, row in enumerate(placed) if row.state == ReservationState.WAITING}
    quota.refuse_long_queue(waiting, library, today=today)
    return placed


# For pickup: from BAGGED on, only the order moves a reservation.


@transaction.atomic
def bag(
    *, reservation_ids: Collection[int], by: Actor, now: datetime, point_id: int | None = None
) -> list[Reservation]:
    """Reservations that are in a bag from now on; only those that still have their copy set aside come back.

    A bag belongs to a point: with `point_id` those are left whose patron has chosen another one meanwhile, or whose
    copy has to travel since. They are read again under their lock, for whoever asks has read them without one.
    """
    asked = Reservation.objects.filter(pk__in=reservation_ids, state=ReservationState.ALLOCATED)
    if point_id is not None:
        asked = asked.filter(pickup_point_id=point_id)
    locked = list(asked.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    rows = list(queries.reservations().filter(pk__in=locked))
    if point_id is not None:
        rows = [row for row in rows if queries.can_be_bagged(row)]
    return Reservation.move_many(rows, ReservationState.BAGGED, at=now, by=by)


@transaction.atomic
def unbag(*, reservation_ids: Collection[int], by: Actor, now: datetime) -> list[Reservation]:
    """Dropped from a bag, copy kept: the next bag takes them. Those that are in no bag are left."""
    rows = queries.reservations().filter(pk__in=reservation_ids, state=ReservationState.BAGGED)
    moved = Reservation.move_many(rows, ReservationState.ALLOCATED, at=now, by=by)
    packed.end(reservation_ids=[row.pk for row in moved], void=True, by=by, now=now)
    nudge.ring("reservation allocated", (row.pk for row in moved))
    return moved


@transaction.atomic
def wait_again(*, reservation_ids: Collection[int], by: Actor, now: datetime) -> list[Reservation]:
    """Back into the queue, in the old place and without a copy; those that are in no bag are left.

    The copy is not given to anybody here: the caller says what became of it.
    """
    rows = queries.reservations().filter(pk__in=reservation_ids, state=ReservationState.BAGGED)
    moved = Reservation.move_many(rows, ReservationState.WAITING, at=now, by=by, copy=None)
    packed.end(reservation_ids=[row.pk for row in moved], void=True, by=by, now=now)
    return moved


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

    The copy stays named on the row: the pull list shows where it is. It is free for the next from now on. What was
    lent when it was packed counts as returned.
    """
    if to not in {ReservationState.CANCELLED, ReservationState.EXPIRED}:
        raise ValueError(f"a bagged reservation ends cancelled or expired, not {to}")
    rows = queries.reservations().filter(pk__in=reservation_ids, state=ReservationState.BAGGED)
    moved = Reservation.move_many(rows, to, at=now, by=by)
    packed.end(reservation_ids=[row.pk for row in moved], void=False, by=by, now=now)
    nudge.ring("copy came free", (row.title_id for row in moved))
    return moved


def open_point(point_id: int) -> PickupPoint:
    """The pickup point, with its library and rules. Refuses with `unknown_pickup_point` and `pickup_point_closed`."""
    point = PickupPoint.objects.select_related(*RULES).filter(pk=point_id).first()
    if point is None:
        raise PointNotFound(field="pickup_point")
    if not point.open:
        raise PointClosed(field="pickup_point", point=point.pk)
    return point


def refuse_day(until: date | None, *, today: date, field: str) -> None:
    """Refuse with `invalid` a last day that is over, or more than a year ahead."""
    if until is not None and not today <= until <= today + FURTHEST:
        raise BadInput(field=field)


def lock_borrower(*, patron_id: int, point_id: int) -> Patron:
    """The patron, locked before anything else is; where the point's programme counts per household, that before.

    Refuses with `unknown_pickup_point` and `unknown_card`. `place` locks both itself: this is for whoever locks more in
    the same transaction.
    """
    point = PickupPoint.objects.select_related(*RULES).filter(pk=point_id).first()
    if point is None:
        raise PointNotFound(field="pickup_point")
    return _lock_borrower(patron_id, point.library)


def _lock_borrower(patron_id: int, library: Library) -> Patron:
    """The patron, locked; before, as the library's rules count: the programme by days, the household by volumes."""
    if quota.limits_days(library.rules):
        Programme.objects.select_for_update(no_key=True).get(pk=library.programme_id)
    household_id = Patron.objects.filter(pk=patron_id).values_list("household_id", flat=True).first()
    if household_id is not None and library.rules.volumes_per == Programme.Per.HOUSEHOLD:
        Household.objects.select_for_update(no_key=True).get(pk=household_id)
    patron = Patron.objects.select_for_update(no_key=True).filter(pk=patron_id).first()
    if patron is None:
        raise UnknownCard
    return patron


def check_items(items: Sequence[Item], programme: Programme, ruling: Programme) -> None:
    """Each item names a title that the programme's libraries hold and lend this way, and which of its volumes."""
    if not 1 <= len(items) <= MOST_ITEMS:
        raise BadInput(field="items")
    asked = {item.title_id for item in items if 0 < item.title_id <= BIGGEST_ID}
    known = Title.objects.only("pk", "material").in_bulk(asked)
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
        quota.refuse_title(known[item.title_id], item.volume, ruling, field=field)
        if item.volume not in held[item.title_id]:
            lent = filter(None, held[item.title_id] - set(ruling.volumes_excluded))
            volumes = sorted(lent, key=availability.volume_order)
            raise WhichVolume(field=field, title=item.title_id, volumes=volumes)


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


def _lose_copy(reservation_id: int, to: CopyState, *, by: Actor, now: datetime) -> Reservation:
    reservation = allocation.lock(reservation_id)
    if reservation.state != ReservationState.BAGGED or reservation.copy_id is None:
        raise MoveRefused(noun=Reservation.noun(), state=reservation.state, asked=ReservationState.WAITING)
    copy = Copy.objects.select_for_update(no_key=True).get(pk=reservation.copy_id)
    reservation.move(ReservationState.WAITING, at=now, by=by, copy=None)
    copy.move(to, at=now, by=by)
    packed.end(reservation_ids=[reservation.pk], void=True, by=by, now=now)
    allocation.hand_out([reservation.title_id], by=by, now=now)
    return queries.reservations().get(pk=reservation_id)
