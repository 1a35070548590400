"""What is read of this room, as querysets where more may be asked of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from django.db.models import Count, Exists, F, IntegerField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from lending.calendar import Calendar
from lending.models import ClosedDay, Copy, Library, Loan, Patron, PickupPoint, Reservation, Title
from lending.states import HOLDING, ON_HAND, CopyState, LoanState, ReservationState

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date, datetime

Why = Literal["lent", "elsewhere", "no_copy"]
GONE = (CopyState.LOST, CopyState.WITHDRAWN)
NOWHERE = (*GONE, CopyState.MISSING, CopyState.DAMAGED)


def libraries() -> QuerySet[Library]:
    """All libraries in the order in which they are shown."""
    return Library.objects.select_related("programme")


def points() -> QuerySet[PickupPoint]:
    """The pickup points that take orders, with their library."""
    return PickupPoint.objects.filter(open=True).select_related("library")


def zone_of(library: Library) -> ZoneInfo:
    """The zone in which the library's days and times are told."""
    return ZoneInfo(library.zone)


def today(library: Library, now: datetime) -> date:
    """The library's local day at the moment `now`."""
    return now.astimezone(zone_of(library)).date()


def calendar_of(library: Library) -> Calendar:
    """The library's open and closed days: its week and its single closed days. Public holidays are not known yet."""
    days = ClosedDay.objects.filter(library=library).values_list("day", flat=True)
    return Calendar(weekly_closed=frozenset(library.weekly_closed), closed_dates=frozenset(days))


def free_copies() -> QuerySet[Copy]:
    """Copies that can be fetched and are promised to nobody."""
    taken = Reservation.objects.filter(copy=OuterRef("pk"), state__in=HOLDING)
    lent = Loan.objects.filter(copy=OuterRef("pk"), state=LoanState.OUT)
    return Copy.objects.filter(~Exists(taken), ~Exists(lent), state__in=ON_HAND)


def lendable_copies() -> QuerySet[Copy]:
    """Copies that are there, or that come back: neither lost nor withdrawn."""
    return Copy.objects.exclude(state__in=GONE)


def titles_with_availability(
    titles: QuerySet[Title] | None = None, *, library_ids: Collection[int] | None = None
) -> QuerySet[Title]:
    """Titles with three counts: `copies` that exist, `free` ones among them, and people `waiting`.

    `library_ids` narrows the copies to those that stand in these libraries.
    """
    copies, free = lendable_copies(), free_copies()
    if library_ids is not None:
        copies, free = copies.filter(at_library__in=library_ids), free.filter(at_library__in=library_ids)
    waiting = Reservation.objects.filter(state=ReservationState.WAITING)
    found = Title.objects.all() if titles is None else titles
    return found.annotate(
        copies_count=_count_of_title(copies), free_count=_count_of_title(free), waiting_count=_count_of_title(waiting)
    )


def copies_of(title_id: int) -> QuerySet[Copy]:
    """The copies of a title that exist, with their libraries, each saying whether it is `free`."""
    free = free_copies().filter(pk=OuterRef("pk"))
    return (
        lendable_copies()
        .filter(title_id=title_id)
        .select_related("library", "at_library")
        .annotate(free=Exists(free))
        .order_by("volume", "at_library__position", "shelf_key", "pk")
    )


def reservations() -> QuerySet[Reservation]:
    """All reservations with what their lines show, newest first."""
    return Reservation.objects.select_related("title", "copy", "pickup_point__library", "collector").order_by(
        "-placed_at", "-pk"
    )


def reservations_of(patron_id: int) -> QuerySet[Reservation]:
    """A patron's reservations, newest first."""
    return reservations().filter(patron_id=patron_id)


def loans() -> QuerySet[Loan]:
    """All loans with what their lines show: what is due first comes first."""
    return Loan.objects.select_related("copy__title", "library", "programme").order_by("due_on", "pk")


def loans_of(patron_id: int) -> QuerySet[Loan]:
    """A patron's loans, those that were undone left out."""
    return loans().filter(patron_id=patron_id).exclude(state=LoanState.VOIDED)


def patrons_of(library_ids: Collection[int]) -> QuerySet[Patron]:
    """The patrons whom the staff of these libraries serve: all of the programmes that these libraries share."""
    programmes = Library.objects.filter(pk__in=library_ids).values("programme_id")
    return Patron.objects.filter(home__programme_id__in=programmes).select_related("home", "household")


def position(reservation: Reservation) -> int:
    """How many wait for the same title and volume up to this reservation: 1 is next. 0 if it does not wait."""
    if reservation.state != ReservationState.WAITING:
        return 0
    earlier = Q(placed_at__lt=reservation.placed_at) | Q(placed_at=reservation.placed_at, pk__lt=reservation.pk)
    return (
        Reservation.objects.filter(
            earlier,
            title_id=reservation.title_id,
            volume=reservation.volume,
            programme_id=reservation.programme_id,
            state=ReservationState.WAITING,
        ).count()
        + 1
    )


def why_waiting(reservation: Reservation) -> Why:
    """Why a waiting reservation has no copy yet.

    `lent`: each copy at the pickup point's library is lent or promised, one comes back. `elsewhere`: none stands
    there, but another library of the programme has one. `no_copy`: none that could come at all.
    """
    copies = (
        Copy.objects.exclude(state__in=NOWHERE)
        .filter(
            title_id=reservation.title_id,
            volume=reservation.volume,
            library__programme_id=reservation.programme_id,
        )
        .aggregate(
            here=Count("pk", filter=Q(at_library_id=reservation.pickup_point.library_id)),
            elsewhere=Count("pk", filter=~Q(at_library_id=reservation.pickup_point.library_id)),
        )
    )
    if copies["here"]:
        return "lent"
    return "elsewhere" if copies["elsewhere"] else "no_copy"


def _count_of_title(rows: QuerySet[Copy] | QuerySet[Reservation]) -> Coalesce:
    counted = (
        rows.filter(title_id=OuterRef("pk")).order_by().values(of=F("title_id")).annotate(n=Count("pk")).values("n")
    )
    return Coalesce(Subquery(counted, output_field=IntegerField()), Value(0))


def allocated(*, reservation_ids: Collection[int] | None = None) -> QuerySet[Reservation]:
    """Reservations with a copy that no bag has taken up yet, all or some, oldest first."""
    rows = Reservation.objects.filter(state=ReservationState.ALLOCATED, patron__isnull=False)
    if reservation_ids is not None:
        rows = rows.filter(pk__in=reservation_ids)
    return rows.select_related("patron", "collector").order_by("placed_at", "pk")
