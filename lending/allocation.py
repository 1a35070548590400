"""Which reservation gets the next free copy, and what has to travel for it.

Whoever frees a copy or makes somebody wait locks the title first, so the queue of a title moves one step at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Greatest

from core import live, nudge, sweeps
from core.actor import RULE
from lending import journeys, queries
from lending.errors import AlreadyPromised
from lending.models import Copy, Library, Reservation, Title, Transfer
from lending.states import ReservationState, TransferState

if TYPE_CHECKING:
    from datetime import datetime

    from core.actor import Actor


@transaction.atomic
def allocate(
    *, title_ids: Collection[int] | None = None, by: Actor, now: datetime, limit: int = 500
) -> list[Reservation]:
    """Give free copies to those who have waited longest; gives back the reservations that got one.

    A copy that stands at the library of the reservation's pickup point is preferred; where books travel, one of another
    library of the programme is asked for (`Transfer`). Only the very volume that was asked for is given. Whose copy
    stands elsewhere and does not travel waits on and keeps nobody behind them waiting. Without `title_ids` it looks for
    titles itself, at most `limit`, and leaves those that somebody else is working on.
    """
    if title_ids is None:
        wanted = _titles_to_give(limit)
        locked = Title.objects.select_for_update(no_key=True, skip_locked=True).filter(pk__in=wanted).order_by("pk")
        found = list(locked.values_list("pk", flat=True))
    else:
        found = lock_titles(title_ids)
    return hand_out(found, by=by, now=now)


def allocate_due(*, title_ids: Collection[int] | None = None, now: datetime, limit: int = 500) -> int:
    """`allocate` as a sweep: each title in a transaction of its own; gives back how many got a copy."""
    wanted = _titles_to_give(limit) if title_ids is None else sorted(set(title_ids))
    given = sweeps.each("titles to give", wanted, lambda pk: allocate(title_ids=[pk], by=RULE, now=now))
    return sum(len(rows) for rows in given)


def lock_titles(title_ids: Collection[int]) -> list[int]:
    """Lock titles, by id; gives back those that exist. For whoever does several things in one transaction."""
    rows = Title.objects.select_for_update(no_key=True).filter(pk__in=title_ids).order_by("pk")
    return list(rows.values_list("pk", flat=True))


def lock(reservation_id: int) -> Reservation:
    """The reservation, locked, its title before it."""
    reservation = Reservation.objects.get(pk=reservation_id)
    lock_titles([reservation.title_id])
    return queries.reservations().select_for_update(no_key=True, of=("self",)).get(pk=reservation_id)


def to_give() -> QuerySet[Reservation]:
    """Those that wait and for which there is a free copy where they wait, or one that travels, the longest wait first.

    Each says since when (`since`): whichever came last, the copy or the reservation.
    """
    copy = queries.free_copies().filter(title_id=OuterRef("title_id"), volume=OuterRef("volume"))
    here = copy.filter(at_library_id=OuterRef("pickup_point__library_id"))
    away = copy.filter(at_library__programme_id=OuterRef("programme_id"))
    comes = Q(programme__transfer_days__isnull=False) & Exists(away)
    waiting = Reservation.objects.filter(Exists(here) | comes, state=ReservationState.WAITING)
    first = Coalesce(*(Subquery(some.order_by("moved_at").values("moved_at")[:1]) for some in (here, away)))
    return waiting.annotate(since=Greatest("moved_at", first)).order_by("placed_at", "pk")


def _titles_to_give(limit: int) -> list[int]:
    return list(dict.fromkeys(to_give().values_list("title_id", flat=True)[:limit]))


def set_aside(reservation: Reservation, copy_id: int, *, field: str, by: Actor, now: datetime) -> None:
    """Give a reservation the very copy that was chosen for it; the caller holds the title's lock."""
    free = queries.free_copies().filter(pk=copy_id, at_library=reservation.pickup_point.library_id)
    copy = Copy.objects.select_for_update(no_key=True).filter(pk__in=free.values("pk")).first()
    if copy is None:
        barcode = Copy.objects.filter(pk=copy_id).values_list("barcode", flat=True).first()
        raise AlreadyPromised(field=field, barcode=barcode, reservation=None)
    call_off(copy_id=copy.pk, by=by, now=now)  # it was to go home
    reservation.move(ReservationState.ALLOCATED, at=now, by=by, copy=copy)


def hand_out(title_ids: Sequence[int], *, by: Actor, now: datetime) -> list[Reservation]:
    """Set free copies of titles aside for those who wait; the caller holds the titles' locks."""
    given: list[Reservation] = []
    for title_id in title_ids:
        given += _hand_out_title(title_id, by=by, now=now)
    nudge.ring("reservation allocated", (row.pk for row in given))
    return given


def _hand_out_title(title_id: int, *, by: Actor, now: datetime) -> list[Reservation]:
    # What somebody else holds is on its way elsewhere; whoever holds it, or the sweep, comes back to the title.
    free = list(
        Copy.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
        .select_related("at_library")
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
        copy = _copy_for(reservation, free, now=now)
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
        call_off(copy_id=copy.pk, by=by, now=now)  # it was to go home
        if copy.at_library_id != reservation.pickup_point.library_id:
            _send(copy, to=reservation.pickup_point.library, by=by, now=now)
        free.remove(copy)
        given.append(reservation)
        if not free:
            break
    return given


def _copy_for(reservation: Reservation, free: Sequence[Copy], *, now: datetime) -> Copy | None:
    """The copy that a reservation gets of these: one at its own library, else the one that can be there first."""
    library = reservation.pickup_point.library
    of_volume = [copy for copy in free if copy.volume == reservation.volume]
    here = [copy for copy in of_volume if copy.at_library_id == library.pk]
    if here or library.programme.transfer_days is None:
        return next(iter(here), None)
    comes = [copy for copy in of_volume if copy.at_library.programme_id == reservation.programme_id]
    senders = {copy.at_library_id: copy.at_library for copy in comes}
    if len(senders) < 2:
        return next(iter(comes), None)
    calendars = queries.calendars_of([library, *senders.values()])
    days = {
        pk: journeys.asked_now(sender=sender, receiver=library, calendars=calendars, now=now)
        for pk, sender in senders.items()
    }
    return min(comes, key=lambda copy: (days[copy.at_library_id], copy.pk))


def _send(copy: Copy, *, to: Library, by: Actor, now: datetime) -> Transfer:
    calendars = queries.calendars_of([to, copy.at_library])
    tell(copy.at_library_id, now=now)
    return Transfer.begin(
        copy=copy,
        from_library_id=copy.at_library_id,
        to_library=to,
        requested_at=now,
        expected_on=journeys.asked_now(sender=copy.at_library, receiver=to, calendars=calendars, now=now),
        at=now,
        by=by,
    )


@transaction.atomic
def send_home(*, copy_id: int, by: Actor, now: datetime) -> Transfer | None:
    """Ask for another library's copy to go home, where the rules say so and nobody waits for it; else None.

    The caller has locked the copy's title, or does not mind waiting for it.
    """
    found = queries.far_from_home().filter(pk=copy_id).values_list("title_id", flat=True).first()
    if found is None:
        return None
    lock_titles([found])
    lonely = (
        Copy.objects.select_for_update(no_key=True, of=("self",))
        .filter(pk__in=queries.far_from_home().filter(pk=copy_id).values("pk"))
        .select_related("library__programme", "at_library")
        .first()
    )
    return _send(lonely, to=lonely.library, by=by, now=now) if lonely is not None else None


def send_home_due(*, now: datetime, limit: int = 500) -> int:
    """`send_home` as a sweep, for what nobody waits for any more; gives back how many books are to travel."""
    ids = list(queries.far_from_home().order_by("pk").values_list("pk", flat=True)[:limit])
    sent = sweeps.each("books to send home", ids, lambda pk: send_home(copy_id=pk, by=RULE, now=now))
    return sum(one is not None for one in sent)


def call_off(*, copy_id: int | None, by: Actor, now: datetime) -> None:
    """Nobody waits for this copy any more: a journey that has not begun is called off; one on its way goes on.

    The caller has locked the copy's title.
    """
    for transfer in Transfer.objects.select_for_update(no_key=True).filter(copy=copy_id, state=TransferState.REQUESTED):
        transfer.move(TransferState.CANCELLED, at=now, by=by)
        tell(transfer.from_library_id, now=now)


def tell(library_id: int, *, now: datetime) -> None:
    """Let the open pull lists of a library look again: what is to be sent from there has changed."""
    points = queries.points_of(library_id).values_list("pk", flat=True)
    live.publish([f"point:{pk}" for pk in points], now=now)
