"""What came of a rehearsal, told from the journals: who was served, and how long each car took.

The time of a car runs from the moment at which somebody turned to it until its bag was given: from its call, from the
first look at it (a scan or a tap in the line; the access log knows), or from the first book of it that was taken
back, but never from before the same person was done with the car before. That is what the people at the window can
change. How long it stood in line until then hangs on when the others came, and is told beside it. A car that nobody
was seen to turn to (served by a program) has no time and is left out of the mean.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import mean
from typing import TYPE_CHECKING, Literal

from core.models import Access, Journal
from lending import queries as lending_queries
from pickup import cast
from pickup.models import Order, Rehearsal, RehearsalCar, Visit
from pickup.states import CarState, VisitState

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

LOOK = "lane"
"""The purpose under which the access log keeps looks at the window."""

Where = Literal["due", "waiting", "called", "served", "sent_on", "left", "dropped"]
DONE = frozenset({"served", "sent_on"})
_HYPHEN = "\N{NON-BREAKING HYPHEN}"  # in a sentence a number is not broken at the end of a line


@dataclass(frozen=True, slots=True)
class Comer:
    """A car of a rehearsal as it stands now. Times are seconds, None for what is not over or not known.

    `waited` from its arrival until somebody turned to it, `taken` from then on. `says` is what is said at the window.
    """

    number: int
    kind: str
    label: str
    icon: str
    says: str
    do: StrOrPromise
    where: Where
    due_at: datetime
    visit_id: int | None
    shown: str
    waited: int | None
    taken: int | None

    @property
    def here(self) -> bool:
        """Whether it stands in line or at the window now."""
        return self.where in {"waiting", "called"}


@dataclass(frozen=True, slots=True)
class Figures:
    """A rehearsal in figures."""

    rehearsal: Rehearsal
    cars: list[Comer]

    @property
    def served(self) -> list[Comer]:
        """The cars that got what they came for, or were sent to where it is."""
        return [car for car in self.cars if car.where in DONE]

    @property
    def here(self) -> list[Comer]:
        """The cars that stand here now, in the order in which they came."""
        return [car for car in self.cars if car.here]

    @property
    def to_come(self) -> int:
        """How many cars are still on their way."""
        return sum(car.where == "due" for car in self.cars)

    @property
    def taken(self) -> int | None:
        """The mean time of a car at the window, in seconds."""
        return _mean([car.taken for car in self.served])

    @property
    def waited(self) -> int | None:
        """The mean time in line before that, in seconds."""
        return _mean([car.waited for car in self.served])


def of(rehearsal: Rehearsal) -> Figures:
    """The figures of a rehearsal at this moment; the same few queries whatever happened in it."""
    cars = list(rehearsal.cars.select_related("order", "visit", "patron").order_by("number"))
    moves = _moves(cars)
    turned = _turned_to(rehearsal, cars, moves)
    books = _brought(rehearsal, cars)
    ends = {pk: end for pk, of_visit in moves.items() if (end := _end(of_visit)) is not None}
    return Figures(rehearsal, [_comer(car, turned, ends, books.get(car.patron_id or 0, [])) for car in cars])


def newest(library_id: int) -> Rehearsal | None:
    """The rehearsal of a library that runs, or the last one that ended."""
    return Rehearsal.objects.filter(library=library_id).select_related("point__library").order_by("-pk").first()


def _comer(
    car: RehearsalCar,
    turned: dict[int, list[datetime]],
    ends: dict[int, Journal],
    books: Sequence[str],
) -> Comer:
    cue, visit = cast.OF_KIND[cast.Kind(car.kind)], car.visit
    order: Order | None = car.order
    waited = taken = None
    end = ends.get(visit.pk) if visit is not None else None
    if visit is not None and end is not None and visit.state in {VisitState.SERVED, VisitState.LEFT}:
        since = max((one.at for one in ends.values() if _before(one, end)), default=visit.arrived_at)
        moments = [at for at in turned.get(car.pk, []) if visit.arrived_at <= at < end.at]
        if moments:
            begun = min((at for at in moments if at > since), default=max(since, visit.arrived_at))
            waited, taken = _seconds(visit.arrived_at, begun), _seconds(begun, end.at)
    said = {
        "number": order.shown.replace("-", _HYPHEN) if order is not None else "",
        "card": car.patron.card_number if car.patron is not None else "",
        "plate": cast.plate(car.number),
        "barcodes": ", ".join(books),
    }
    return Comer(
        number=car.number,
        kind=car.kind,
        label=str(car.get_kind_display()),
        icon=cue.icon,
        says=str(cue.says) % said,
        do=cue.do,
        where=_where(car, visit),
        due_at=car.due_at,
        visit_id=car.visit_id,
        shown=order.shown if order is not None else "",
        waited=waited,
        taken=taken,
    )


def _where(car: RehearsalCar, visit: Visit | None) -> Where:
    if car.state != CarState.CAME or visit is None:
        return "due" if car.state == CarState.DUE else "dropped"
    if visit.state == VisitState.WAITING:
        return "waiting"
    if visit.state == VisitState.CALLED:
        return "called"
    if visit.state == VisitState.SERVED:
        return "served"
    return "sent_on" if car.kind == cast.Kind.ELSEWHERE else "left"


def _before(one: Journal, end: Journal) -> bool:
    return one.pk < end.pk and one.principal == end.principal


def _end(moves: Sequence[Journal]) -> Journal | None:
    ended = [move for move in moves if move.became in {VisitState.SERVED, VisitState.LEFT}]
    return ended[-1] if ended else None


def _moves(cars: Sequence[RehearsalCar]) -> dict[int, list[Journal]]:
    visits = [car.visit_id for car in cars if car.visit_id is not None]
    found: dict[int, list[Journal]] = {pk: [] for pk in visits}
    for move in Journal.objects.filter(noun=Visit.noun(), row__in=visits).order_by("pk"):
        found[move.row].append(move)
    return found


def _turned_to(
    rehearsal: Rehearsal, cars: Sequence[RehearsalCar], moves: dict[int, list[Journal]]
) -> dict[int, list[datetime]]:
    """The moments at which somebody turned to each car, by its id: calls, looks, books taken back."""
    of_patron = {car.patron_id: car.pk for car in cars if car.patron_id is not None}
    found: dict[int, list[datetime]] = defaultdict(list)
    for car in cars:
        calls = moves.get(car.visit_id or 0, [])
        found[car.pk] += [move.at for move in calls if move.became == VisitState.CALLED]
    seen = Access.objects.filter(
        about__in=[f"patron:{pk}" for pk in of_patron], purpose=LOOK, at__gte=rehearsal.started_at
    )
    for about, at in seen.values_list("about", "at"):
        found[of_patron[int(about.removeprefix("patron:"))]].append(at)
    back = lending_queries.loans().filter(patron__in=of_patron, state="returned", returned_at__gt=rehearsal.started_at)
    for loan in back:
        if loan.patron_id is not None and loan.returned_at is not None:
            found[of_patron[loan.patron_id]].append(loan.returned_at)
    return found


def _brought(rehearsal: Rehearsal, cars: Sequence[RehearsalCar]) -> dict[int, list[str]]:
    """The barcodes of the books that people had at home when the rehearsal began, by the patron's id."""
    whose = [car.patron_id for car in cars if car.kind == cast.Kind.RETURN]
    lent = lending_queries.loans().filter(patron__in=whose, lent_at=rehearsal.started_at)
    found: dict[int, list[str]] = defaultdict(list)
    for patron_id, barcode in lent.order_by("pk").values_list("patron_id", "copy__barcode"):
        found[patron_id].append(barcode)
    return found


def _seconds(since: datetime, until: datetime) -> int:
    return max(0, round((until - since).total_seconds()))


def _mean(seconds: Sequence[int | None]) -> int | None:
    known = [one for one in seconds if one is not None]
    return round(mean(known)) if known else None
