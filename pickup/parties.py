"""Parties: which orders come in one car, and who may decide for whom. See docs/adr/0005-parties.md."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from django.db.models import Q, QuerySet

from core.actor import RULE, Actor
from core.among import Among
from core.models import Journal
from lending.models import Contact, Household, Patron
from pickup import queries
from pickup.models import Order, Visit
from pickup.states import OPEN_ORDER, PROMISED


def family_of(patron_id: int) -> frozenset[int]:
    """A patron with those of the household, if all of it agreed to be served together; ids of patrons."""
    agreed = Patron.objects.filter(household__together=True, household__patrons=patron_id)
    return frozenset({patron_id, *agreed.values_list("pk", flat=True)})


def party_of(order: Order, *, by: Actor = RULE) -> QuerySet[Order]:
    """The open orders at the same point that come in one car with this one, itself among them, as far as `by` may say.

    For everybody: a household whose members all agreed to be served together. For patrons that is all: anybody may
    type anybody's number as that of who collects. For the rule, the staff, and who holds the link or the code of an
    order: also the orders that name the same collector, by number and by name. For a collector who writes or calls from
    the number itself: every order that names it, by whatever name. Two patrons who merely share a telephone are not a
    party: a shared line is no consent. See docs/adr/0005-parties.md.
    """
    same = Q(pk=order.pk) | _beside(order, by)
    return queries.orders(point_id=order.point_id, state__in=OPEN_ORDER).filter(same).order_by("id")


def others_of_party(order: Order, *, by: Actor = RULE) -> Iterable[Order]:
    """`party_of` without the order itself; asks nothing where nobody can be beside it."""
    beside = _beside(order, by)
    if not beside:
        return ()
    open_ones = queries.orders(point_id=order.point_id, state__in=OPEN_ORDER).exclude(pk=order.pk)
    return open_ones.filter(beside).order_by("id")


def _beside(order: Order, by: Actor) -> Q:
    """What makes another order one of the same party; empty where nothing can."""
    alike, patron = Q(), order.patron
    if patron is not None and patron.household_id is not None:
        alike |= Q(patron__household_id=patron.household_id, patron__household__together=True)
    if by.kind not in {"patron", "anyone"} and order.collector is not None:
        alike |= _named_alike(order.collector, order.patron, proven=has_the_telephone(by))
    return alike


def has_the_telephone(by: Actor) -> bool:
    """Whether a collector acts from the very number; a link can be had with the last four digits of it."""
    return by.kind == "collector" and by.channel in {"text", "call"}


def _named_alike(collector: Contact, patron: Patron | None, *, proven: bool) -> Q:
    """The orders whose collector is the same person as this one; at least one of the two must have been named."""
    alike = Q(collector__number=collector.number)
    if not proven:
        name = collector.name or (patron.name if patron is not None else "")
        own_name = Q(collector__name="", collector__own=True, patron__name__iexact=name)
        alike &= Q(collector__name__iexact=name) | own_name
    return alike & Q(collector__own=False) if collector.own else alike


def beside(orders: Iterable[Order]) -> dict[int, list[Order]]:
    """The other open bags at the same point that go out with each of some open ones, by the order's id and by number.

    Those of one car, as `party_of` says for the rule, and those that were promised one time together. Bags beside which
    there is none are left out. Two queries however many, for orders read with their patrons, collectors and promises.
    """
    asked = [order for order in orders if order.state in OPEN_ORDER]
    houses = {_house(order) for order in asked} - {0}
    numbers = {order.collector.number for order in asked if order.collector is not None}
    promised = {order.appointment_id for order in asked if queries.live_appointment(order) is not None}
    if not (houses or numbers or promised):
        return {}
    same = Q(patron__household__in=houses, patron__household__together=True) | Q(collector__number__in=numbers)
    others = Order.objects.filter(
        same | Q(appointment__in=promised), point__in={order.point_id for order in asked}, state__in=OPEN_ORDER
    )
    known = list(others.select_related("patron", "collector").order_by("number"))
    cars, of_promise = _Cars(known), {pk: [one for one in known if one.appointment_id == pk] for pk in promised}
    found = {}
    for order in asked:
        theirs = {one.pk: one for one in cars.with_one(order)}
        theirs |= {one.pk: one for one in of_promise.get(order.appointment_id, ()) if one.point_id == order.point_id}
        theirs.pop(order.pk, None)
        if theirs:
            found[order.pk] = sorted(theirs.values(), key=lambda one: one.number)
    return found


def side_by_side(order_ids: Iterable[int], together: Mapping[int, Iterable[Order]]) -> dict[int, int]:
    """The rank of each of some bags when those that go out together (see `beside`) follow the first of them."""
    asked = list(order_ids)
    in_turn: dict[int, None] = {}
    for pk in asked:
        in_turn.setdefault(pk)
        in_turn.update(dict.fromkeys(one.pk for one in together.get(pk, ())))
    return {pk: rank for rank, pk in enumerate(in_turn)}


def by_car(orders: Iterable[Order]) -> dict[int, list[Order]]:
    """Orders grouped by who comes in one car, as `party_of` says for the rule, keyed by the first order's id.

    One query however many orders, when they are read with their patrons and collectors.
    """
    asked = list(orders)
    cars = _Cars(asked)
    left = {order.pk: order for order in asked}
    found: dict[int, list[Order]] = {}
    for head in asked:
        if head.pk in left:
            together = {other.pk for other in cars.with_one(head)} & left.keys() | {head.pk}
            found[head.pk] = [left.pop(pk) for pk in sorted(together)]
    return found


def promised_beside(parties: Mapping[int, Sequence[Order]], *, point_id: int, now: datetime) -> set[int]:
    """Which of some parties, by their keys, have another bag at the point with a time that has not begun. Two queries.

    What is only seen here has to be locked before it counts.
    """
    heads = [orders[0] for orders in parties.values()]
    houses = {_house(order) for order in heads} - {0}
    numbers = {order.collector.number for order in heads if order.collector is not None}
    promised = Order.objects.filter(
        Q(patron__household__in=houses, patron__household__together=True) | Q(collector__number__in=numbers),
        point_id=point_id,
        state__in=OPEN_ORDER,
        appointment__state__in=PROMISED,
        appointment__slot__starts_at__gt=now,
    )
    cars = _Cars(promised.select_related("patron", "collector"))
    return {
        key for key, orders in parties.items() if any(other.pk != orders[0].pk for other in cars.with_one(orders[0]))
    }


class _Cars:
    """Orders by what may bring them into one car: `party_of` for the rule, for many at once."""

    def __init__(self, orders: Iterable[Order]) -> None:
        self.of_house: dict[int, list[Order]] = {}
        self.of_number: dict[str, list[Order]] = {}
        known = list(orders)
        houses = {_house(order) for order in known} - {0}
        self.together = set(Household.objects.filter(pk__in=houses, together=True).values_list("pk", flat=True))
        for order in known:
            house = _house(order)
            if house in self.together:
                self.of_house.setdefault(house, []).append(order)
            if order.collector is not None:
                self.of_number.setdefault(order.collector.number, []).append(order)

    def with_one(self, head: Order) -> Iterable[Order]:
        """Those that come in the car of this order."""
        yield from (other for other in self.of_house.get(_house(head), ()) if other.point_id == head.point_id)
        if head.collector is not None:
            for other in self.of_number.get(head.collector.number, ()):
                if other.point_id == head.point_id and _are_named_alike(head, other):
                    yield other


def _house(order: Order) -> int:
    patron = order.patron
    return 0 if patron is None else patron.household_id or 0


def _are_named_alike(one: Order, other: Order) -> bool:
    """`_named_alike` for two orders whose collectors have one number."""
    if one.collector is None or other.collector is None or (one.collector.own and other.collector.own):
        return False
    name = (one.collector.name or (one.patron.name if one.patron is not None else "")).upper()
    if other.collector.name.upper() == name:
        return True
    own = other.collector.own and not other.collector.name
    return own and other.patron is not None and other.patron.name.upper() == name


def bags_of_car(*, point_id: int, patron_id: int | None, order: Order | None, by: Actor = RULE) -> list[Order]:
    """The open orders at a point that come in the car of this order, or of this patron, as far as `by` may say.

    See `party_of`. A patron without an open order still comes for those of a household that agreed to be served
    together.
    """
    if order is None and patron_id is not None:
        order = queries.open_orders(point_id).filter(patron_id=patron_id).first()
    if order is not None:
        return list(party_of(order, by=by))
    return [] if patron_id is None else bags_of_family(point_id=point_id, patron_ids=[patron_id])


def bags_of_family(*, point_id: int, patron_ids: Collection[int]) -> list[Order]:
    """The open orders at a point of patrons and of those of their households that agreed to be served together."""
    household = Q(patron__household__together=True, patron__household__patrons__in=patron_ids)
    found = queries.open_orders(point_id).filter(household | Q(patron_id__in=patron_ids)).order_by("id")
    return list(found.distinct())


def is_of_visit(visit: Visit, by: Actor) -> bool:
    """Whether a patron or a collector is one of those who came with a visit."""
    if by.id is None:
        return False
    if by.kind == "patron":
        return visit.patron_id == by.id or Order.objects.filter(visit=visit, patron_id=by.id).exists()
    return by.kind == "collector" and Order.objects.filter(visit=visit, pk=by.id).exists()


def begun_by_patrons(visit_ids: Collection[int]) -> set[int]:
    """Those of some visits that a patron began, not a collector, a device or the staff."""
    begun = Journal.objects.filter(noun=Visit.noun(), row__in=visit_ids, was="", principal="patron")
    return set(begun.values_list("row", flat=True))


def speaks_for(by: Actor, orders: Iterable[Order]) -> list[Order]:
    """Those of some open orders for which somebody may decide: patrons and collectors for their party, others all."""
    asked = list(orders)
    if by.kind not in {"patron", "collector"}:
        return asked
    own = [order for order in asked if by.id == (order.patron_id if by.kind == "patron" else order.pk)]
    theirs = {other.pk for order in own for other in party_of(order, by=by)}
    return [order for order in asked if order.pk in theirs]


def sharing(orders: Iterable[Order], *, by: Actor) -> dict[int, list[Order]]:
    """The other open orders that were promised the same time and come in the same car, by the order's id.

    As far as `by` may decide for them (see `speaks_for`); orders beside which there is none are left out.
    """
    asked = [order for order in orders if order.collector_id is not None or _house(order)]
    times = {order.appointment_id for order in asked if queries.live_appointment(order) is not None}
    if not times:
        return {}
    cars: dict[int | None, list[Order]] = {}
    promised = Order.objects.filter(Among("appointment_id", times, "bigint"), state__in=OPEN_ORDER)
    for order in promised.select_related("patron", "collector").order_by("id"):
        cars.setdefault(order.appointment_id, []).append(order)
    several = [order for car in cars.values() if len(car) > 1 for order in car]
    known = {order.pk for order in speaks_for(by, several)}
    found = {
        order.pk: [other for other in cars.get(order.appointment_id, ()) if other.pk in known - {order.pk}]
        for order in asked
        if order.pk in known
    }
    return {pk: others for pk, others in found.items() if others}
