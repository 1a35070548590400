"""What was scanned or typed at the window: whose car it is, which book came back, or why there is nothing to give.

One field takes everything that people have at hand: the slip on the bag or the number they were texted, a card, the
last four digits of a telephone or a plate, a book. Reads only; nothing is changed by a scan.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Q

from core.actor import RULE
from core.refusal import BadInput
from lending import circulation, copies, patrons, postings
from lending import queries as lending_queries
from lending.errors import UnknownBarcode, UnknownCard
from lending.states import HOLDING, ON_HAND, CopyState, LoanState
from pickup import arrivals, board, handovers, parties, plates, queries, texts, waits
from pickup.findings import (
    Away,
    Back,
    Choice,
    Elsewhere,
    Found,
    Given,
    GivenBag,
    Kept,
    NoBag,
    OnLoan,
    Over,
    Party,
    Stray,
    ToUnpack,
    Unknown,
)
from pickup.models import Order, OrderLine, Visit
from pickup.names import digits, whole_number
from pickup.states import HERE, IN_BAG, OPEN_ORDER, LineState, OrderState, VisitState

if TYPE_CHECKING:
    from lending.models import Copy, Patron, PickupPoint

MOST_CARS = 6
"""More cars than this behind the same four digits do not fit a list that one chooses from at a glance."""

LATELY = timedelta(hours=12)
COPY = "c"  # before the copy of a return that is not undone at the window
NOT_LENT = (CopyState.BAG, CopyState.TRANSIT, CopyState.WITHDRAWN)  # nor taken back, whoever keeps the loans
ASIDE = (CopyState.DAMAGED, CopyState.WITHDRAWN)


def read(*, point: PickupPoint, typed: str, now: datetime) -> Found:
    """What a scan at this point means. A printed number (47-21) is an order number and nothing else; four bare digits
    may be one, or the end of a telephone number or plate: then several cars can be meant.
    """
    text = " ".join(unicodedata.normalize("NFKC", typed[:80]).split())
    number = digits(text) if len(digits(text)) == 4 and len(text) <= 6 else ""
    four = text if text == number else ""
    named = _by_number(point, number) if number else None
    found = [named] if named is not None and _open_at(point, named) else []
    if number:
        found += _by_tail(point, four, but=named) if four else []
    elif not found:
        book = _book(point, text, now=now)
        if book is not None:
            return book
        found = _by_card(point, text) or _by_plate(point, text)
    here = [order for order in found if order.point_id == point.pk]
    cars = _cars(point, here, four or text, now=now)
    if cars:
        return cars[0] if len(cars) == 1 else Choice(cars)
    return _nothing_to_give(point, text, named, found, now=now)


def party(order: Order, *, now: datetime, matched: str = "") -> Party:
    """The bags that go out with one order, and its car if that is here: those that `lane.serve` would give."""
    of_car = parties.bags_of_car(point_id=order.point_id, patron_id=order.patron_id, order=order)
    bags = {one.pk: one for one in arrivals.in_this_car(of_car, order, RULE)}
    visit = _car_of(order, list(bags))
    if visit is not None:
        bags |= {one.pk: one for one in queries.orders(visit=visit, state__in=OPEN_ORDER)}
    return _party(order.pk, _with_families(order.point_id, bags, visit), visit, matched=matched, now=now)


def party_of_visit(visit: Visit, *, now: datetime) -> Party:
    """The car of a visit with its open bags; none for people who came to return or to ask."""
    bags = {one.pk: one for one in queries.orders(visit=visit, state__in=OPEN_ORDER)}
    found = sorted(_with_families(visit.point_id, bags, visit), key=lambda one: one.number)
    return _party(found[0].pk if found else 0, found, visit, now=now)


def _car_of(order: Order, bags: Sequence[int]) -> Visit | None:
    """The car that is here of these bags: the patron's own if there are several, as `arrive` would have it."""
    here = Visit.objects.filter(point_id=order.point_id, state__in=HERE).select_related("lane")
    cars = list(here.filter(Q(orders__in=bags) | Q(patron_id=order.patron_id)).distinct().order_by("pk"))
    own = [visit for visit in cars if visit.patron_id is not None and visit.patron_id == order.patron_id]
    return next(iter(own or cars), None)


def _with_families(point_id: int, bags: dict[int, Order], visit: Visit | None) -> list[Order]:
    """These bags with those of the families; without any whose own car is another one that is here."""
    people = {one.patron_id for one in bags.values()} | {visit.patron_id if visit is not None else None}
    patrons_here = [pk for pk in people if pk is not None]
    family = parties.bags_of_family(point_id=point_id, patron_ids=patrons_here) if patrons_here else []
    mine = visit.pk if visit is not None else None
    return [
        one
        for one in {**{one.pk: one for one in family}, **bags}.values()
        if one.visit is None or one.visit.state not in HERE or one.visit_id == mine
    ]


def given(*, point_id: int, visit_id: int, now: datetime) -> Given | None:
    """What a visit was given in the last minutes; None when it was given nothing, or when that was undone."""
    visit = Visit.objects.filter(pk=visit_id, point_id=point_id).first()
    if visit is None:
        return None
    orders = list(queries.given_to(visit))
    if not orders and visit.state != VisitState.SERVED:
        return None
    lately = handovers.lately(orders, now=now)
    at = visit.ended_at or max((order.handed_over_at for order in lately if order.handed_over_at), default=None)
    if at is None or now - at > texts.UNDO or (orders and not lately):
        return None
    return Given(visit.pk, at, [_given_bag(order) for order in lately])


def name_of_return(back: circulation.Returned) -> str:
    """By what the page carries along a book that was taken back; empty for one that only another system knows."""
    if back.undo_id:
        return str(back.undo_id)
    return f"{COPY}{back.copy.pk}" if back.copy is not None else ""


def returned(*, point: PickupPoint, names: Sequence[str]) -> list[Back]:
    """Books that were taken back at this library, in the order of their `names` (see `name_of_return`), each with who
    waits for it now.
    """
    return_ids = [pk for name in names if (pk := whole_number(name))]
    bare = [whole_number(name.removeprefix(COPY)) for name in names if name.startswith(COPY)]
    stand_here = lending_queries.copies(library_ids=[point.library_id]).filter(at_library_id=point.library_id)
    found = {f"{COPY}{copy.pk}": copy for copy in stand_here.filter(pk__in=bare)}
    if circulation.is_beside(point.library):
        told = lending_queries.taken_back(point.library_id).filter(pk__in=return_ids)
        found |= {str(row.pk): row.copy for row in told if row.copy is not None}
    else:
        rows = lending_queries.loans().filter(
            pk__in=return_ids, state=LoanState.RETURNED, copy__at_library_id=point.library_id
        )
        found |= {str(loan.pk): loan.copy for loan in rows}
    held = [copy.pk for copy in found.values()]
    lines = OrderLine.objects.filter(copy__in=held, state=LineState.TO_PICK).select_related("order")
    bags = {line.copy_id: line.order.shown for line in lines}
    following = lending_queries.reservations().filter(copy__in=held, state__in=HOLDING)
    points = {row.copy_id: str(row.pickup_point) for row in following}
    return [
        Back(
            name,
            whole_number(name),
            copy.barcode,
            copy.title.title,
            bag=bags.get(copy.pk, ""),
            point=points.get(copy.pk, ""),
        )
        for name in names
        if (copy := found.get(name)) is not None
    ]


def _by_number(point: PickupPoint, number: str) -> Order | None:
    held = queries.orders(library_id=point.library_id, number=number, number_released_at__isnull=True)
    return held.first()


def _open_at(point: PickupPoint, order: Order) -> bool:
    return order.point_id == point.pk and order.state in OPEN_ORDER


def _by_tail(point: PickupPoint, four: str, *, but: Order | None) -> list[Order]:
    """Open orders of the library whose collector's telephone or car ends in these digits."""
    told = _told_at(four) | Q(plate__endswith=four) | Q(visit__plate__endswith=four, visit__state__in=HERE)
    found = queries.orders(library_id=point.library_id, state__in=OPEN_ORDER).filter(told).distinct()
    return list(found.exclude(pk=but.pk if but is not None else 0).order_by("pk")[: MOST_CARS * 2])


def _told_at(tail: str) -> Q:
    """Orders whose collector, or whose patron if nobody else was named, has a number that ends so."""
    own = Q(patron__contacts__own=True, patron__contacts__number__endswith=tail)
    return Q(collector__number__endswith=tail) | own


def _by_card(point: PickupPoint, text: str) -> list[Order]:
    patron = _patron(point, text)
    if patron is None:
        return []
    bags = parties.bags_of_family(point_id=point.pk, patron_ids=[patron.pk])
    bags.sort(key=lambda bag: bag.patron_id != patron.pk)  # their own before the family's
    return bags[:1] or list(queries.waiting_elsewhere(point, patron_id=patron.pk)[:MOST_CARS])


def _patron(point: PickupPoint, text: str) -> Patron | None:
    """The patron with this card, if it is one of the library's programme."""
    try:
        patron = patrons.by_card(text)
    except UnknownCard:
        return None
    return lending_queries.patrons_of([point.library_id]).filter(pk=patron.pk).first()


def _by_plate(point: PickupPoint, text: str) -> list[Order]:
    plate = _plate(text)
    if not plate:
        return []
    here = Q(plate=plate) | Q(visit__plate=plate, visit__state__in=HERE)
    return list(queries.orders(library_id=point.library_id, state__in=OPEN_ORDER).filter(here).order_by("pk"))


def _plate(text: str) -> str:
    try:
        return plates.plate(text)
    except BadInput:
        return ""


def _book(point: PickupPoint, text: str, *, now: datetime) -> Found | None:
    """What a scanned book says: the bag it lies in, that it came back, or where it is thought to be."""
    try:
        copy = copies.by_barcode(text)
    except UnknownBarcode:
        return None
    line = OrderLine.objects.filter(copy=copy, state__in=IN_BAG, order__library_id=point.library_id).first()
    if line is not None:
        order = queries.orders(pk=line.order_id).get()
        if _open_at(point, order):
            return party(order, now=now)
        return _elsewhere(point, [order], now=now) if order.state in OPEN_ORDER else _over(order)
    away = queries.waiting_elsewhere(point, lines__copy=copy, lines__state=LineState.PACKED).first()
    if away is not None:
        return _elsewhere(point, [away], now=now)
    state = LoanState.LOST if copy.state == CopyState.LOST else LoanState.OUT
    loan = lending_queries.loans().filter(copy=copy, state=state).order_by("-pk").first()
    if loan is not None:
        return OnLoan(copy.barcode, copy.title.title, loan.due_on, _just_given(copy, since=now - texts.UNDO))
    dead = queries.to_unpack(point.library_id).filter(copy=copy).first()
    if dead is not None:
        return ToUnpack(copy.barcode, copy.title.title, dead.order.shown)
    kept_there = circulation.is_beside(point.library) and copy.state not in NOT_LENT
    if kept_there or postings.lender(copy.barcode) is not None:
        return OnLoan(copy.barcode, copy.title.title, None, _just_given(copy, since=now - texts.UNDO))
    return _stray(copy)


def _just_given(copy: Copy, *, since: datetime) -> str:
    """The number of the bag in which a copy went out of a window after `since`."""
    given = OrderLine.objects.filter(
        copy=copy, state=LineState.GIVEN, order__state=OrderState.HANDED_OVER, order__handed_over_at__gt=since
    )
    return next((one.order.shown for one in given.select_related("order").order_by("-pk")), "")


def _stray(copy: Copy) -> Stray:
    goes = "cart" if copy.state in ON_HAND else "aside" if copy.state in ASIDE else "returns"
    return Stray(copy.pk, copy.barcode, copy.title.title, copy.get_state_display(), goes)


def _cars(point: PickupPoint, orders: Iterable[Order], typed: str, *, now: datetime) -> list[Party]:
    """The cars of some open orders, each once, and the cars without a bag whose plate is meant."""
    cars: list[Party] = []
    seen: set[int] = set()
    for order in orders:
        if order.pk not in seen and len(cars) < MOST_CARS:
            car = party(order, now=now, matched=_why(order, typed))
            seen |= {bag.order_id for bag in car.bags}
            cars.append(car)
    known = {car.car.visit_id for car in cars if car.car is not None}
    plate = _plate(typed)
    if plate and len(plate) >= 4:
        bare = Visit.objects.filter(point=point, state__in=HERE, plate__endswith=plate).exclude(pk__in=known)
        without = bare.exclude(orders__state__in=OPEN_ORDER).select_related("lane").order_by("queued_at")
        cars += [_party(0, [], visit, matched="plate", now=now) for visit in without[: MOST_CARS - len(cars)]]
    return cars


def _why(order: Order, typed: str) -> str:
    """By what an order was found: its number, a telephone or a plate."""
    if order.number == digits(typed):
        return "number"
    known = [order.plate, order.visit.plate if order.visit is not None else ""]
    return "plate" if any(plate and plate.endswith(_plate(typed)) for plate in known) else "phone"


def _party(order_id: int, orders: list[Order], visit: Visit | None, *, now: datetime, matched: str = "") -> Party:
    orders.sort(key=lambda one: (one.pk != order_id, one.number))
    car = board.car_of(visit, orders, now=now) if visit is not None else None
    return Party(order_id, [board.bag_of(order) for order in orders], car, matched)


def _nothing_to_give(point: PickupPoint, text: str, named: Order | None, found: list[Order], *, now: datetime) -> Found:
    """Why there is no bag to hand over here."""
    away = [order for order in [*found, named] if order is not None and order.state in OPEN_ORDER]
    if away:
        return _elsewhere(point, away, now=now)
    if named is not None:
        return _over(named)
    lately: dict[str, Any] = {"state": OrderState.HANDED_OVER, "handed_over_at__gt": now - LATELY}
    recent = queries.orders(point_id=point.pk, **lately).order_by("-handed_over_at")
    if len(text) == 4 and text.isdigit():
        last = recent.filter(_told_at(text) | Q(plate__endswith=text)).first()
        if last is not None:
            return _over(last)
    patron = _patron(point, text)
    if patron is None:
        number = digits(text) if len(text) <= 6 else ""
        away = list(queries.waiting_elsewhere(point, number=number)[:MOST_CARS]) if len(number) == 4 else []
        return _elsewhere(point, away, now=now) if away else Unknown(text)
    last = recent.filter(patron_id=patron.pk).first()
    return _over(last) if last is not None else NoBag(patron.name)


def _elsewhere(point: PickupPoint, orders: Iterable[Order], *, now: datetime) -> Elsewhere:
    away = list({order.pk: order for order in orders}.values())
    loads = waits.at_points([order.point for order in away], now=now)
    return Elsewhere(
        [Away(order, order.library_id == point.library_id, load) for order, load in zip(away, loads, strict=True)]
    )


def _over(order: Order) -> Over:
    return Over(order, order.handed_over_at, order.visit_id)


def _given_bag(order: Order) -> GivenBag:
    lines = list(order.lines.all())
    kept = (LineState.WITHHELD, LineState.TO_UNPACK, LineState.UNPACKED)
    return GivenBag(
        shown=order.shown,
        count=sum(1 for line in lines if line.state == LineState.GIVEN),
        kept=[
            Kept(line.copy.barcode, line.copy.title.title, line.reason)
            for line in lines
            if line.state in kept and line.reason
        ],
        follows=sum(1 for line in lines if line.state == LineState.DROPPED and not line.reason),
    )
