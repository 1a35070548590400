"""The town of the sample library: its people, shelves and clock, and what may happen in it, by the service's own verbs.

A story is a generator that does something and yields the moment at which it goes on; `tell` lets the stories of many
people happen together, in the order of the clock.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, time, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from django.db.models import Count

from config import sample
from core.actor import Actor
from lending import loans, patrons, queries
from lending.calendar import Calendar
from lending.models import Account, Copy, Library, Patron, PickupPoint, Title
from lending.reservations import Item
from pickup import arrivals, lane, notes, offers, orders, packing, slots
from pickup.models import Order, Slot, Visit
from pickup.states import LineState

Story: TypeAlias = Iterator[datetime]
WEEK = timedelta(days=7)


class Town:
    """Everybody and everything of the sample. `clock` is the moment of whoever acts, `now` that of the last story."""

    def __init__(self, *, now: datetime, deliver: Callable[..., int]) -> None:
        self.now = self.clock = now
        self.deliver = deliver
        self.points = {point.code: point for point in PickupPoint.objects.select_related("library__programme")}
        self.people = {
            patron.card_number[-2:]: patron for patron in Patron.objects.filter(card_number__startswith="20")
        }
        library = self.points["seongdong-lane"].library
        self.zone = ZoneInfo(library.zone)
        self.calendar: Calendar = queries.calendar_of(library)
        self.today = now.astimezone(self.zone).date()
        self.desk = Actor("staff", Account.objects.get(username=sample.STAFF[0][0]).pk, "desk")
        self.shelves = {code: _titles_at(code) for code in ("seongdong", "geumho", "yongdap")}

    # The clock

    def tell(self, stories: Iterable[Story]) -> None:
        """Let everything happen in the order of the clock; what lies after `now` does not happen."""
        waiting: list[tuple[datetime, int, Story]] = []
        for number, story in enumerate(stories):
            _go_on(waiting, number, story)
        while waiting and waiting[0][0] <= self.now:
            self.clock, number, story = heapq.heappop(waiting)
            _go_on(waiting, number, story)
            self.deliver(now=self.clock)
        self.clock = self.now

    def ago(self, minutes: float) -> datetime:
        """That many minutes before now."""
        return self.now - timedelta(minutes=minutes)

    def day(self, n: int) -> date:
        """The n-th open day before today."""
        return self.calendar.open_days_before(self.today, n)

    def open_day(self, days: int) -> date:
        """The open day that lies so many days back, or the last one before it."""
        day = self.today - timedelta(days=days)
        return day if self.calendar.is_open(day) else self.calendar.open_days_before(day, 1)

    def at(self, day: date, hour: str) -> datetime:
        """A moment of a day on the town's clocks, such as 16:05."""
        return datetime.combine(day, time.fromisoformat(hour), tzinfo=self.zone)

    # Those who borrow

    def patron(self, who: str) -> Actor:
        return Actor("patron", self.people[who].pk, "web")

    def titles(self, point: str, count: int) -> list[int]:
        """Titles whose copy stands at the library of a point and that no story has named yet."""
        shelf = self.shelves[self.points[point].library.code]
        return [shelf.pop() for _ in range(count)]

    def rare(self, point: str, count: int) -> list[int]:
        """Titles of which that copy is the only one, so that whoever else wants them has to wait."""
        shelf = self.shelves[self.points[point].library.code]
        alone = Title.objects.filter(pk__in=shelf).annotate(n=Count("copies")).filter(n=1)
        only = set(alone.values_list("pk", flat=True))
        found = [title_id for title_id in reversed(shelf) if title_id in only][:count]
        for title_id in found:
            shelf.remove(title_id)
        return found

    def ask(
        self, who: str, point: str, books: int | list[int], *, slot: Slot | None = None, phone: bool = False
    ) -> Order | None:
        """Ask for so many books, or for these titles, on the web or by telephone. None: all have to be waited for."""
        person = next(one for one in sample.PEOPLE if one.card.endswith(who))
        titles = self.titles(point, books) if isinstance(books, int) else books
        by = Actor("staff", self.desk.id, "phone") if phone else self.patron(who)
        collector = None
        if person.collector[0]:
            name, number = person.collector
            collector = patrons.collector_for(
                patron_id=self.people[who].pk,
                name=name,
                number=number,
                language=person.language,
                may_text=True,
                by=by,
                now=self.clock,
            )
        return orders.request(
            patron_id=self.people[who].pk,
            point_id=self.points[point].pk,
            items=[Item(title_id) for title_id in titles],
            slot_id=slot.pk if slot else None,
            collector_id=collector.pk if collector else None,
            by=by,
            now=self.clock,
        ).order

    def slot(self, point: str, starts_at: datetime) -> Slot:
        """The slot that begins then."""
        return Slot.objects.get(point=self.points[point], starts_at=starts_at)

    def coming(self, point: str, place: int = 0, *, accessible: bool = False, ready: bool = False) -> Slot:
        """A free slot that lies ahead of the last story: the first, or so many places later."""
        after = self.now + timedelta(minutes=30)
        found = slots.free(
            point_id=self.points[point].pk,
            now=self.clock,
            after=after,
            accessible=accessible,
            ready=ready,
            limit=place + 1,
        )
        return found[place]

    def arrive(self, order: Order, *, by: str = "desk", bay: str = "", plate: str = "") -> Visit:
        """Somebody has come for an order: the desk types it in, or the patron says so."""
        actor = self.desk if by == "desk" else self.patron(by)
        return arrivals.arrive(
            point_id=order.point_id, order_id=order.pk, bay=bay, plate=plate, by=actor, now=self.clock
        )

    def write(self, order: Order, text: str, *, by: str) -> None:
        """Leave a sentence for the library with an order."""
        notes.write(order_id=order.pk, text=text, by=Actor("patron", self.people[by].pk, "web"), now=self.clock)

    # Those behind the window

    def pack(self, order: Order, *, most: int = 99) -> None:
        """Put what is still to fetch into its bag, or only some of it."""
        lines = order.lines.filter(state=LineState.TO_PICK).select_related("copy").order_by("id")
        for line in lines[:most]:
            packing.pack(order_id=order.pk, barcode=line.copy.barcode, by=self.desk, now=self.clock)

    def ready(self, order: Order) -> None:
        """Pack, say so, and let a time be offered where times are offered."""
        self.pack(order)
        packing.mark_ready(order_id=order.pk, by=self.desk, now=self.clock)
        if order.appointment_id is None:
            offers.offer_ready(order_ids=[order.pk], now=self.clock)

    def call(self, point: str) -> Visit:
        """Call whoever is next."""
        return lane.call_next(point_id=self.points[point].pk, by=self.desk, now=self.clock)[0]

    def give(self, visit: Visit, *, kept_back: dict[str, dict[str, str]] | None = None) -> None:
        """Hand over what is ready, but for the books that are kept back."""
        bags = [lane.HandOver(number, not_given) for number, not_given in (kept_back or {}).items()]
        lane.hand_over(visit_id=visit.pk, orders=bags, by=self.desk, now=self.clock)

    def take_back(self, order: Order) -> None:
        """All books of an order come back to the library that lent them."""
        for barcode in order.lines.filter(state=LineState.GIVEN).values_list("copy__barcode", flat=True):
            loans.take_back(barcode=barcode, library_id=order.library_id, by=self.desk, now=self.clock)


def _go_on(waiting: list[tuple[datetime, int, Story]], number: int, story: Story) -> None:
    moment = next(story, None)
    if moment is not None:
        heapq.heappush(waiting, (moment, number, story))


def _titles_at(code: str) -> list[int]:
    """Korean titles with a copy at a library, always the same ones, the last to be taken first."""
    library = Library.objects.get(code=code)
    here = Copy.objects.filter(at_library=library, title__language="kor").order_by("-barcode")
    found = list(dict.fromkeys(here.values_list("title_id", flat=True)))
    if code == "yongdap":  # what stands there alone cannot be had elsewhere
        shared = Copy.objects.filter(title_id__in=found).exclude(at_library=library).values_list("title_id", flat=True)
        found = [title_id for title_id in found if title_id not in set(shared)]
    return found
