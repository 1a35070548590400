"""What is changed about a reservation while it is in no bag: called off, paused, wanted until a day, wanted elsewhere.

Locks in the order of the house: household, patron, title, reservation, copy.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import DateField, DateTimeField, ExpressionWrapper, F, Func, Q, QuerySet

from core import nudge, sweeps
from core.actor import RULE
from core.moves import MoveRefused
from core.refusal import BadInput
from lending import allocation, queries, quota, reservations, strikes, telling
from lending.errors import InAnOrder
from lending.models import Library, Patron, Reservation
from lending.states import IN_LINE, ReservationState, StrikeKind
from lending.texts import NOT_NEEDED

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from core.actor import Actor

FREE = (ReservationState.WAITING, ReservationState.SUSPENDED, ReservationState.ALLOCATED)
"""The states in which lending alone decides: no bag holds the book."""


@transaction.atomic
def cancel(*, reservation_id: int, by: Actor, now: datetime) -> Reservation:
    """End a reservation that is not in a bag; its copy goes to the next in line.

    Refuses with `in_an_order` one that is in a bag, and with `not_in_this_state` one that has ended.
    """
    reservation = _lock(reservation_id)
    _let_go(reservation, ReservationState.CANCELLED, by=by, now=now)
    if by.kind == "patron":
        strikes.note(
            patron_id=reservation.patron_id,
            library_id=reservation.pickup_point.library_id,
            kind=StrikeKind.CANCELLED,
            now=now,
        )
    return reservation


@transaction.atomic
def give_up(*, reservation_ids: Collection[int], by: Actor, now: datetime) -> None:
    """End reservations whose books are on their way to a bag that nobody wants any more; those in a bag are left.

    What is held against their patron is the bag, and pickup says it.
    """
    for pk in sorted(reservation_ids):
        reservation = allocation.lock(pk)
        if reservation.state in FREE:
            _let_go(reservation, ReservationState.CANCELLED, by=by, now=now)


@transaction.atomic
def suspend(*, reservation_id: int, until: date, by: Actor, now: datetime) -> Reservation:
    """Pause a waiting reservation until a local day, on which it waits again; it keeps its place.

    One that is paused already gets the new day. Refuses with `in_an_order`, with `not_in_this_state` (a copy is set
    aside, or it has ended), and with `invalid` a day that is not after today or more than a year ahead.
    """
    reservation = _lock(reservation_id)
    today = _today(reservation, now)
    if not today < until <= today + reservations.FURTHEST:
        raise BadInput(field="until")
    if reservation.state == ReservationState.SUSPENDED:
        reservation.suspended_until = until
        reservation.save(update_fields=["suspended_until"])
    else:
        reservation.move(ReservationState.SUSPENDED, at=now, by=by, suspended_until=until)
    return reservation


@transaction.atomic
def resume(*, reservation_id: int, by: Actor, now: datetime) -> Reservation:
    """Let a paused reservation wait again, in its old place. Refuses with `in_an_order` and `not_in_this_state`."""
    reservation = _lock(reservation_id)
    if reservation.state != ReservationState.SUSPENDED:
        raise MoveRefused(noun=Reservation.noun(), state=reservation.state, asked=ReservationState.WAITING)
    reservation.move(ReservationState.WAITING, at=now, by=by, suspended_until=None)
    allocation.hand_out([reservation.title_id], by=by, now=now)
    return queries.reservations().get(pk=reservation.pk)


@transaction.atomic
def need_until(*, reservation_id: int, until: date | None, by: Actor, now: datetime) -> Reservation:
    """Say until which local day, itself included, the book is of use; None: as long as it takes.

    Refuses with `in_an_order`, with `not_in_this_state` one that has ended, and with `invalid` a day that is over or
    more than a year ahead.
    """
    reservation = _lock(reservation_id)
    if reservation.state not in FREE:
        raise MoveRefused(noun=Reservation.noun(), state=reservation.state, asked=ReservationState.EXPIRED)
    reservations.refuse_day(until, today=_today(reservation, now), field="until")
    reservation.needed_until = until
    reservation.save(update_fields=["needed_until"])
    return reservation


@transaction.atomic
def collect_at(*, reservation_id: int, point_id: int, by: Actor, now: datetime) -> Reservation:
    """Collect at another pickup point; the place in line is kept.

    At the same library a copy that is set aside stays so. At another one it is let go, and what is free there, or can
    travel there, is given in line's order. Where the other library belongs to another programme, its rules and its
    quota have to allow the book. Refuses with `in_an_order`, `not_in_this_state`, `unknown_pickup_point`,
    `pickup_point_closed`, and with what `reservations.place` refuses.
    """
    found = Reservation.objects.only("patron_id").get(pk=reservation_id)
    point = reservations.open_point(point_id)
    if found.patron_id is None:  # an ended one that was erased
        raise MoveRefused(noun=Reservation.noun(), state=found.state, asked=ReservationState.WAITING)
    patron = reservations.lock_borrower(patron_id=found.patron_id, point_id=point_id)
    reservation = _lock(reservation_id)
    if reservation.state not in FREE:
        raise MoveRefused(noun=Reservation.noun(), state=reservation.state, asked=ReservationState.WAITING)
    if reservation.pickup_point_id == point.pk:
        return reservation
    library, elsewhere = point.library, point.library_id != reservation.pickup_point.library_id
    other_rules = library.programme_id != reservation.programme_id
    if elsewhere:
        _refuse_there(reservation, patron, library, other_rules=other_rules, now=now)
    if elsewhere and reservation.state == ReservationState.ALLOCATED:
        allocation.call_off(copy_id=reservation.copy_id, by=by, now=now)
        reservation.move(ReservationState.WAITING, at=now, by=by, copy=None)
    reservation.pickup_point, reservation.programme = point, library.programme
    reservation.save(update_fields=["pickup_point", "programme"])
    allocation.hand_out([reservation.title_id], by=by, now=now)
    moved = queries.reservations().get(pk=reservation.pk)
    if other_rules and moved.state in IN_LINE:
        quota.refuse_long_queue({0: moved}, library, today=queries.today(library, now))
    if moved.state == ReservationState.ALLOCATED:
        nudge.ring("reservation allocated", [moved.pk])
    return moved


def resume_due(*, now: datetime) -> int:
    """Let those wait again whose pause is over, each in a transaction of its own; gives back how many."""
    due = to_resume(now=now).values_list("pk", flat=True)
    return sum(sweeps.each("pauses that are over", due, lambda pk: _resume(pk, now=now)))


def expire_due(*, now: datetime) -> int:
    """End those that are of no use any more by their patron's own word, and tell them; gives back how many.

    What ends at the same time for one patron is one text, which waits for the morning.
    """
    of_patron: dict[int, list[int]] = {}
    for pk, patron_id in to_expire(now=now).order_by("pk").values_list("pk", "patron_id"):
        of_patron.setdefault(patron_id or 0, []).append(pk)
    return sum(sweeps.each("not needed any more", of_patron, lambda pk: _expire(of_patron[pk], now=now)))


def _resume(reservation_id: int, *, now: datetime) -> int:
    reservation = _lock(reservation_id)
    until = reservation.suspended_until
    if reservation.state != ReservationState.SUSPENDED or until is None or until > _today(reservation, now):
        return 0
    reservation.move(ReservationState.WAITING, at=now, by=RULE, suspended_until=None)
    allocation.hand_out([reservation.title_id], by=RULE, now=now)
    return 1


def _expire(reservation_ids: list[int], *, now: datetime) -> int:
    """End those of one patron whose last day is over, and say how many they were."""
    titles = Reservation.objects.filter(pk__in=reservation_ids).values_list("title_id", flat=True)
    allocation.lock_titles(titles)
    ended = []
    for pk in reservation_ids:
        reservation = allocation.lock(pk)
        until = reservation.needed_until
        if reservation.state in FREE and until is not None and until < _today(reservation, now):
            _let_go(reservation, ReservationState.EXPIRED, by=RULE, now=now)
            ended.append(reservation)
    patron = Patron.objects.select_related("home").filter(reservations__in=ended).first()
    if patron is not None and not patron.home.training:
        key = f"not-needed:{patron.pk}:{ended[-1].pk}"
        telling.tell(patron, NOT_NEEDED, {}, {"count": len(ended)}, kind="notice", key=key, now=now)
    return len(ended)


def _let_go(reservation: Reservation, to: ReservationState, *, by: Actor, now: datetime) -> None:
    """End it without its copy, which the next in line gets."""
    allocation.call_off(copy_id=reservation.copy_id, by=by, now=now)
    reservation.move(to, at=now, by=by, copy=None, suspended_until=None)
    allocation.hand_out([reservation.title_id], by=by, now=now)


def _refuse_there(
    reservation: Reservation, patron: Patron, library: Library, *, other_rules: bool, now: datetime
) -> None:
    """Refuse what the rules of the other library do not allow."""
    today = queries.today(library, now)
    wish = reservations.Item(reservation.title_id, reservation.volume)
    reservations.check_items([wish], library.programme, library.rules)
    if other_rules:
        quota.refuse_person(patron, library, today=today)
        quota.refuse_again([(wish.title_id, wish.volume)], patron, library, today=today)
        quota.refuse_full_day(library, today=today)
        quota.refuse_beyond(asked=1, patron=patron, library=library, today=today)


def _lock(reservation_id: int) -> Reservation:
    reservation = allocation.lock(reservation_id)
    if reservation.state == ReservationState.BAGGED:
        raise InAnOrder(reservation=reservation.pk)
    return reservation


def _today(reservation: Reservation, now: datetime) -> date:
    return queries.today(reservation.pickup_point.library, now)


def to_resume(*, now: datetime) -> QuerySet[Reservation]:
    """Paused reservations whose day has come, each with the moment at which it came (`since`)."""
    return _of_today("suspended_until", [ReservationState.SUSPENDED], days=0, now=now)


def to_expire(*, now: datetime) -> QuerySet[Reservation]:
    """Reservations whose last day is over, each with the moment at which it ended (`since`)."""
    return _of_today("needed_until", FREE, days=1, now=now)


def _of_today(column: str, states: Collection[str], *, days: int, now: datetime) -> QuerySet[Reservation]:
    """Reservations in these states for which the day so many `days` after the column's has come where they are kept."""
    zones = set(Library.objects.order_by().values_list("zone", flat=True).distinct())
    come = Q(pk__in=[])
    for zone in zones:
        latest = now.astimezone(ZoneInfo(zone)).date() - timedelta(days=days)
        come |= Q(**{"pickup_point__library__zone": zone, f"{column}__lte": latest})
    began = Func(
        ExpressionWrapper(F(column) + days, output_field=DateField()),
        F("pickup_point__library__zone"),
        template="(%(expressions)s)",
        arg_joiner="::timestamp AT TIME ZONE ",
        output_field=DateTimeField(),
    )
    return Reservation.objects.filter(come, state__in=states).annotate(since=began).order_by("placed_at", "pk")
