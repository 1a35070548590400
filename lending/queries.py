"""What is read of this room, as querysets where more may be asked of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from django.db.models import Count, Exists, F, IntegerField, Min, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from lending import public_holidays
from lending.calendar import Calendar
from lending.models import (
    Copy,
    Library,
    Loan,
    Patron,
    PickupPoint,
    Posting,
    Programme,
    Reservation,
    SpecialDay,
    Title,
    Transfer,
)
from lending.states import (
    HOLDING,
    IN_LINE,
    ON_HAND,
    OPEN,
    OPEN_TRANSFER,
    UNTOLD,
    CopyState,
    LoanState,
    PostingState,
    ReservationState,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import date, datetime

Why = Literal["lent", "elsewhere", "no_copy"]
GONE = (CopyState.LOST, CopyState.WITHDRAWN)
PRACTICE = "practice"
"""The source of titles that were invented for rehearsals."""
DAY_LIST = "day-list"
"""The source of titles that only a day's list of another system has told of: no catalogue to choose from."""
NOWHERE = (*GONE, CopyState.MISSING, CopyState.DAMAGED)


# What only rehearses is left out of everything that is shown to people or counted, and that is decided here. `practice`
# asks for the other half, which the desk of a training library works with.


def libraries() -> QuerySet[Library]:
    """The libraries that serve people, in the order in which they are shown."""
    return Library.objects.filter(training=False).select_related("programme")


def surging() -> list[Library]:
    """The libraries whose building is closed while lending goes on, for whoever tells people so."""
    return list(libraries().filter(surge=True))


def library_of(code: str) -> Library | None:
    """The library of an address, also one that only rehearses."""
    return Library.objects.filter(code=code).select_related("programme").first()


def libraries_of_sender(key: str) -> list[Library]:
    """The libraries whose texts come from this sender, in their order."""
    return list(Library.objects.filter(sender=key))


def points(*, practice: bool = False) -> QuerySet[PickupPoint]:
    """The pickup points that take orders, with their library; those of rehearsals are nobody's to choose."""
    return PickupPoint.objects.filter(open=True, library__training=practice).select_related("library")


def points_with(title_ids: Collection[int], *, practice: bool = False) -> QuerySet[PickupPoint]:
    """The pickup points at which some of these titles can be had at all: their programme has a copy that is lent."""
    holding = lendable_copies().filter(title_id__in=title_ids).values("library__programme_id")
    return points(practice=practice).filter(library__programme__in=holding)


def points_of(library_id: int) -> QuerySet[PickupPoint]:
    """The pickup points of one library that take orders, be it for practice."""
    return PickupPoint.objects.filter(open=True, library=library_id)


def libraries_with_points(*, practice: bool = False) -> set[int]:
    """The ids of the libraries at which bags can be collected."""
    return set(points(practice=practice).values_list("library_id", flat=True))


def zone_of(library: Library) -> ZoneInfo:
    """The zone in which the library's days and times are told."""
    return ZoneInfo(library.zone)


def today(library: Library, now: datetime) -> date:
    """The library's local day at the moment `now`."""
    return now.astimezone(zone_of(library)).date()


def calendar_of(library: Library) -> Calendar:
    """The library's open and closed days: its week, its month, public holidays, and single days that differ."""
    return calendars_of([library])[library.pk]


def calendars_of(libraries: Collection[Library]) -> dict[int, Calendar]:
    """The calendars of some libraries by their id, in one query."""
    days: dict[tuple[int, bool], set[date]] = {}
    found = SpecialDay.objects.filter(library__in=libraries).values_list("library_id", "open", "day")
    for library_id, is_open, day in found:
        days.setdefault((library_id, is_open), set()).add(day)
    return {
        library.pk: Calendar(
            weekly_closed=frozenset(library.weekly_closed),
            nth_weekday_closed=frozenset(
                (int(nth), int(day)) for nth, day in (one.split("-") for one in library.nth_closed)
            ),
            closed_dates=frozenset(days.get((library.pk, False), ())),
            open_dates=frozenset(days.get((library.pk, True), ())),
            holidays=public_holidays.of(library.holidays),
        )
        for library in libraries
    }


def free_copies() -> QuerySet[Copy]:
    """Copies that can be fetched, do not rest after a return, and are promised to nobody."""
    taken = Reservation.objects.filter(copy=OuterRef("pk"), state__in=HOLDING)
    lent = Loan.objects.filter(copy=OuterRef("pk"), state=LoanState.OUT)
    return Copy.objects.filter(~Exists(taken), ~Exists(lent), state__in=ON_HAND, rests_until=None)


def far_from_home() -> QuerySet[Copy]:
    """Free copies at a library of the programme that is not their own, whose rules send them home; none asked for."""
    asked_for = Transfer.objects.filter(copy=OuterRef("pk"), state__in=OPEN_TRANSFER)
    wanted = Reservation.objects.filter(
        title=OuterRef("title"),
        volume=OuterRef("volume"),
        state=ReservationState.WAITING,
        pickup_point__library=OuterRef("at_library"),
    )
    return (
        free_copies()
        .filter(
            ~Exists(asked_for),
            ~Exists(wanted),
            at_library__programme__foreign_books=Programme.Foreign.HOME,
            at_library__programme__transfer_days__isnull=False,
            at_library__circulation=Library.Circulation.OWN,
            library__circulation=Library.Circulation.OWN,
            library__programme=F("at_library__programme"),
        )
        .exclude(library=F("at_library"))
    )


def lendable_copies() -> QuerySet[Copy]:
    """Copies that are there, or that come back: neither lost nor withdrawn."""
    return Copy.objects.exclude(state__in=GONE)


def titles(*, practice: bool = False) -> QuerySet[Title]:
    """The titles of the catalogue; for `practice` those that were invented for rehearsals."""
    return Title.objects.filter(source=PRACTICE) if practice else Title.objects.exclude(source__in=[PRACTICE, DAY_LIST])


def titles_with_availability(
    which: QuerySet[Title] | None = None, *, library_ids: Collection[int] | None = None
) -> QuerySet[Title]:
    """Titles with three counts: `copies` that exist, `free` ones among them, and people `waiting`.

    `library_ids` narrows the copies to those that stand in these libraries.
    """
    copies, free = (rows.filter(library__training=False) for rows in (lendable_copies(), free_copies()))
    if library_ids is not None:
        copies, free = copies.filter(at_library__in=library_ids), free.filter(at_library__in=library_ids)
    waiting = _in_line()
    found = titles() if which is None else which
    return found.annotate(
        copies_count=_count_of_title(copies), free_count=_count_of_title(free), waiting_count=_count_of_title(waiting)
    )


def copies_of(title_id: int) -> QuerySet[Copy]:
    """The copies of a title that exist, with their libraries, each saying whether it is `free`."""
    return copies_of_many([title_id])


def copies_of_many(title_ids: Collection[int], *, practice: bool = False) -> QuerySet[Copy]:
    """The copies of some titles that exist, with their libraries.

    Each says whether it is `free`, and on which day it is due (`due_on`, null while it is not lent here).
    """
    free = free_copies().filter(pk=OuterRef("pk"))
    lent = Loan.objects.filter(copy=OuterRef("pk"), state=LoanState.OUT).values("due_on")
    return (
        lendable_copies()
        .filter(title_id__in=title_ids, library__training=practice)
        .select_related("library", "at_library")
        .annotate(free=Exists(free), due_on=Subquery(lent[:1]))
        .order_by("volume", "at_library__position", "shelf_key", "pk")
    )


def waiting_for(title_ids: Collection[int], *, practice: bool = False) -> dict[int, int]:
    """How many people wait for each of these titles, by its id; titles that nobody waits for are left out."""
    waiting = _in_line(practice=practice).filter(title_id__in=title_ids)
    return dict(waiting.order_by().values_list("title_id").annotate(n=Count("pk")))


def _in_line(*, practice: bool = False) -> QuerySet[Reservation]:
    return Reservation.objects.filter(state=ReservationState.WAITING, pickup_point__library__training=practice)


def newest_on_shelf(limit: int) -> list[int]:
    """The ids of titles whose copies came last and stand on a shelf now, the newest first."""
    newest = (
        free_copies()
        .filter(library__training=False)
        .exclude(title__source=DAY_LIST)
        .order_by("-pk")
        .values_list("title_id", flat=True)
    )
    return list(dict.fromkeys(newest[: limit * 3]))[:limit]


def asked_for(patron_id: int, title_ids: Collection[int]) -> set[tuple[int, str]]:
    """What a patron has asked for already and not got yet among some titles: title and volume."""
    mine = Reservation.objects.filter(patron_id=patron_id, title_id__in=title_ids, state__in=OPEN)
    return set(mine.values_list("title_id", "volume"))


def set_aside_for(patron_id: int, title_id: int) -> set[int]:
    """The ids of the copies of a title that are set aside for a patron, in a bag already or not yet."""
    held = Reservation.objects.filter(patron_id=patron_id, title_id=title_id, state__in=HOLDING)
    return set(held.filter(copy__isnull=False).values_list("copy", flat=True))


def queues(title_ids: Collection[int]) -> list[tuple[int, str, int, int, int]]:
    """Who waits for some titles: title, volume, programme, library of the pickup point, and how many they are."""
    waiting = Reservation.objects.filter(title_id__in=title_ids, state=ReservationState.WAITING)
    keys = ("title_id", "volume", "programme_id", "pickup_point__library_id")
    return list(waiting.order_by().values_list(*keys).annotate(n=Count("pk")))


@dataclass(frozen=True, slots=True)
class Line:
    """How many people of a programme are in line for a title or a volume of it, and how many copies it has."""

    people: int
    copies: int


def lines(programme_id: int, title_ids: Collection[int] | None = None) -> dict[tuple[int, str], Line]:
    """The lines of a programme by title and volume, those who pause among them; all, or of some titles. Two queries."""
    queue = Reservation.objects.filter(programme=programme_id, state__in=IN_LINE).order_by()
    if title_ids is not None:
        queue = queue.filter(title__in=title_ids)
    held = Copy.objects.exclude(state__in=NOWHERE).filter(
        title__in=queue.values("title"), library__programme=programme_id
    )
    copies = Counter(held.values_list("title_id", "volume"))
    counted = queue.values_list("title_id", "volume").annotate(n=Count("pk"))
    return {(title_id, volume): Line(n, copies[title_id, volume]) for title_id, volume, n in counted}


def reservations() -> QuerySet[Reservation]:
    """All reservations with what their lines show, newest first."""
    return Reservation.objects.select_related(
        "title", "copy", "pickup_point__library__programme", "collector"
    ).order_by("-placed_at", "-pk")


def reservations_of(patron_id: int) -> QuerySet[Reservation]:
    """A patron's reservations, newest first."""
    return reservations().filter(patron_id=patron_id)


def not_needed_any_more(patron_id: int, *, since: datetime) -> QuerySet[Reservation]:
    """What a patron's own last day has ended after `since`, for the page that tells them so."""
    ended = reservations_of(patron_id).filter(state=ReservationState.EXPIRED, copy=None, moved_at__gt=since)
    return ended.filter(needed_until__isnull=False)


def loans() -> QuerySet[Loan]:
    """All loans with what their lines show: what is due first comes first."""
    shown = ("copy__title", "library", "programme", "reservation")
    return Loan.objects.select_related(*shown).order_by("due_on", "pk")


def loans_of(patron_id: int) -> QuerySet[Loan]:
    """A patron's loans, those that were undone left out."""
    return loans().filter(patron_id=patron_id).exclude(state=LoanState.VOIDED)


def in_bags() -> QuerySet[Loan]:
    """Loans that were made when a bag was packed, which nobody has collected yet."""
    return loans().filter(state=LoanState.OUT, packed_due_on__isnull=False, reservation__state=ReservationState.BAGGED)


def at_home() -> QuerySet[Loan]:
    """Loans whose books their borrowers have."""
    return loans().filter(state=LoanState.OUT).exclude(reservation__state=ReservationState.BAGGED)


def never_given() -> QuerySet[Loan]:
    """Loans that were made when a bag was packed, and ended because nobody collected it."""
    given_up = (ReservationState.CANCELLED, ReservationState.EXPIRED)
    return loans().filter(state=LoanState.RETURNED, packed_due_on__isnull=False, reservation__state__in=given_up)


def history_of(patron: Patron) -> QuerySet[Loan]:
    """The books that a patron had and brought back, the last one first; none unless they keep such a list."""
    if not patron.keeps_history:
        return loans().none()
    back = loans().filter(patron=patron, state=LoanState.RETURNED)
    return back.exclude(pk__in=never_given().order_by().values("pk")).order_by("-returned_at", "-pk")


def late_among(found: QuerySet[Loan], *, now: datetime) -> QuerySet[Loan]:
    """Those loans whose books should be back by now, each by the local day of its library."""
    late = Q(pk__in=[])
    for library in Library.objects.only("pk", "zone"):
        late |= Q(library=library.pk, due_on__lt=today(library, now))
    return found.filter(late, pk__in=at_home().order_by().values("pk"))


def overdue(library: Library, *, now: datetime) -> QuerySet[Loan]:
    """The loans of a library whose books should be back by now, with who has them; due first comes first."""
    late = at_home().filter(library=library, due_on__lt=today(library, now))
    return late.select_related("copy__title", "library", "patron__home")


def patrons_of(library_ids: Collection[int]) -> QuerySet[Patron]:
    """The patrons whom the staff of these libraries serve: all of the programmes that these libraries share."""
    programmes = Library.objects.filter(pk__in=library_ids).values("programme_id")
    return Patron.objects.filter(home__programme_id__in=programmes).select_related("home", "household")


def positions(reservations: Iterable[Reservation]) -> dict[int, int]:
    """How many wait for the same title and volume up to each reservation, by its id: 1 is next.

    Reservations that do not wait are left out. One query, however many are asked about.
    """
    return _earlier(reservations, or_itself=True)


def ahead_at_library(reservations: Iterable[Reservation]) -> dict[int, int]:
    """How many of those before each waiting reservation collect at the same library, by its id. One query."""
    return _earlier(reservations, pickup_point__library_id=OuterRef("pickup_point__library_id"))


def _earlier(reservations: Iterable[Reservation], *, or_itself: bool = False, **also: OuterRef) -> dict[int, int]:
    asked = [row.pk for row in reservations if row.state == ReservationState.WAITING]
    if not asked:
        return {}
    same_time = {"pk__lte" if or_itself else "pk__lt": OuterRef("pk")}
    queue = Reservation.objects.filter(
        Q(placed_at__lt=OuterRef("placed_at")) | Q(placed_at=OuterRef("placed_at"), **same_time),
        title_id=OuterRef("title_id"),
        volume=OuterRef("volume"),
        programme_id=OuterRef("programme_id"),
        state=ReservationState.WAITING,
        **also,
    )
    return dict(
        Reservation.objects.filter(pk__in=asked, state=ReservationState.WAITING)
        .annotate(place=_count(queue, by="title_id"))
        .values_list("pk", "place")
    )


def whys_waiting(reservations: Iterable[Reservation]) -> dict[int, Why]:
    """Why each of these waiting reservations has no copy yet, by its id. One query, however many are asked about.

    `lent`: each copy that could be had there is lent or promised, one comes back. `elsewhere`: none stands there, and
    none travels from where one is. `no_copy`: none that could come at all.
    """
    asked = [row.pk for row in reservations]
    if not asked:
        return {}
    copies = Copy.objects.exclude(state__in=NOWHERE).filter(
        title_id=OuterRef("title_id"), volume=OuterRef("volume"), library__programme_id=OuterRef("programme_id")
    )
    found = (
        Reservation.objects.filter(pk__in=asked)
        .annotate(
            here=Exists(copies.filter(at_library_id=OuterRef("pickup_point__library_id")))
            | Q(Exists(copies), programme__transfer_days__isnull=False),
            anywhere=Exists(copies),
        )
        .values_list("pk", "here", "anywhere")
    )
    return {pk: "lent" if here else "elsewhere" if anywhere else "no_copy" for pk, here, anywhere in found}


def _count_of_title(rows: QuerySet[Copy] | QuerySet[Reservation]) -> Coalesce:
    return _count(rows.filter(title_id=OuterRef("pk")), by="title_id")


def _count(rows: QuerySet[Copy] | QuerySet[Reservation], *, by: str) -> Coalesce:
    """How many rows a correlated query has; all of them share the column `by`."""
    counted = rows.order_by().values(of=F(by)).annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted, output_field=IntegerField()), Value(0))


def allocated(*, reservation_ids: Collection[int] | None = None) -> QuerySet[Reservation]:
    """Reservations whose copy is at their library and that no bag has taken up yet, all or some, oldest first."""
    rows = Reservation.objects.filter(
        state=ReservationState.ALLOCATED, patron__isnull=False, copy__at_library=F("pickup_point__library")
    ).exclude(copy__state=CopyState.TRANSIT)
    if reservation_ids is not None:
        rows = rows.filter(pk__in=reservation_ids)
    return rows.select_related("patron", "collector").order_by("placed_at", "pk")


def on_their_way(*, patron_ids: Collection[int], point_ids: Collection[int]) -> QuerySet[Reservation]:
    """Reservations of some patrons at some points whose copy is set aside and has to travel first, oldest first.

    Each says on which local day its copy is expected (`expected_on`), null once it has come.
    """
    journey = Transfer.objects.filter(copy=OuterRef("copy"), state__in=OPEN_TRANSFER).values("expected_on")
    away = ~Q(copy__at_library=F("pickup_point__library")) | Q(copy__state=CopyState.TRANSIT)
    rows = Reservation.objects.filter(
        away, patron__in=patron_ids, pickup_point__in=point_ids, state=ReservationState.ALLOCATED
    )
    return rows.annotate(expected_on=Subquery(journey[:1])).order_by("placed_at", "pk")


def can_be_bagged(reservation: Reservation) -> bool:
    """Whether a reservation has a copy that can be fetched for its bag, so that it need not travel first."""
    copy = reservation.copy
    return (
        reservation.state == ReservationState.ALLOCATED
        and reservation.patron_id is not None
        and copy is not None
        and copy.at_library_id == reservation.pickup_point.library_id
        and copy.state != CopyState.TRANSIT
    )


def transfers(**these: Any) -> QuerySet[Transfer]:
    """Journeys of copies with what their lines show, in shelf order."""
    found = Transfer.objects.filter(**these).select_related("copy__title", "from_library", "to_library")
    return found.order_by("copy__shelf_key", "pk")


def returned(library_id: int, *, since: datetime) -> QuerySet[Loan]:
    """The loans that ended at a library after `since` and whose copies are still there, the last one first."""
    back = Loan.objects.filter(state=LoanState.RETURNED, returned_at__gt=since, copy__at_library_id=library_id)
    back = back.exclude(pk__in=never_given().order_by().values("pk"))
    return back.select_related("copy__title", "library", "programme").order_by("-returned_at", "-pk")


def postings() -> QuerySet[Posting]:
    """What other systems have to be told, with what their lines show, newest first."""
    return Posting.objects.select_related("copy__title", "patron", "library", "undoes").order_by("-happened_at", "-pk")


def untold(library_id: int) -> QuerySet[Posting]:
    """What the other system of a library does not know yet, in the order in which it happened."""
    return postings().filter(library=library_id, state__in=UNTOLD).order_by("happened_at", "pk")


def untold_counts(library_ids: Collection[int]) -> Iterable[tuple[int, int, datetime]]:
    """How much of that each of these libraries has that has any, and since when."""
    rows = Posting.objects.filter(library__in=library_ids, state__in=UNTOLD).order_by().values_list("library_id")
    return rows.annotate(n=Count("pk"), since=Min("happened_at"))


def why_refused() -> list[tuple[str, str]]:
    """The reasons for which another system does not take something, each with where it is solved."""
    return [(str(value), str(label)) for value, label in Posting.Why.choices]


def taken_back(library_id: int) -> QuerySet[Posting]:
    """The books that came back at a library beside another system and stayed there, the last one first."""
    back = postings().filter(library=library_id, kind=Posting.Kind.CHECK_IN, undoes=None)
    return back.exclude(state=PostingState.CANCELLED).filter(undone_by=None)


def copy_at(copy_id: int, *, library_id: int) -> Copy | None:
    """A copy that stands at a library, with its title."""
    return Copy.objects.filter(pk=copy_id, at_library_id=library_id).select_related("title").first()


def copies(*, library_ids: Collection[int]) -> QuerySet[Copy]:
    """The copies that some libraries may act on: their own, and those that stand there."""
    mine = Q(library__in=library_ids) | Q(at_library__in=library_ids)
    return Copy.objects.filter(mine).select_related("title", "library", "at_library")


def set_aside(library_id: int) -> QuerySet[Copy]:
    """What cannot be lent at a library because it is damaged or lost, in shelf order."""
    aside = Copy.objects.filter(at_library=library_id, state__in=[CopyState.DAMAGED, CopyState.LOST])
    return aside.select_related("title").order_by("shelf_key", "pk")


def held_by_title(title_id: int) -> list[int]:
    """The ids of the reservations of a title whose copy can go into a bag now."""
    return list(allocated().filter(title=title_id).values_list("pk", flat=True))


def library_with_rules(library_id: int) -> Library:
    """A library by its id, with the programmes whose rules may hold."""
    return Library.objects.select_related("programme", "surge_programme").get(pk=library_id)


def copy(copy_id: int) -> Copy:
    """A copy by its id, as it is now."""
    return Copy.objects.select_related("at_library").get(pk=copy_id)


def holder_of(copy_id: int) -> Reservation | None:
    """The reservation for which a copy is set aside, if it is."""
    return Reservation.objects.filter(copy=copy_id, state__in=HOLDING).first()


def copy_within(copy_id: int, library_ids: Collection[int]) -> Copy | None:
    """A copy that stands, or should stand, at one of these libraries."""
    return Copy.objects.select_related("at_library").filter(pk=copy_id, at_library__in=library_ids).first()


def held_copies(copy_ids: Collection[int]) -> set[int]:
    """Those of some copies that are set aside for somebody."""
    held = Reservation.objects.filter(copy_id__in=copy_ids, state__in=HOLDING)
    return set(held.values_list("copy_id", flat=True))


def volumes_of(title_ids: Collection[int]) -> dict[int, list[str]]:
    """The volumes in which titles come, by the title's id; a title that comes in one piece is left out. One query."""
    asked = Copy.objects.filter(title_id__in=title_ids).exclude(volume="")
    found: dict[int, list[str]] = {}
    for title_id, volume in asked.order_by("volume").values_list("title_id", "volume").distinct():
        found.setdefault(title_id, []).append(volume)
    return found
