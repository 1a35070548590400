"""Where a bag stands on the pickup shelf: planned when its first book is packed, taken when it is ready, or moved."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, QuerySet

from core import live
from core.actor import Actor
from core.moves import MoveRefused
from pickup import parties, point_queries
from pickup.errors import NoSuchPlace, OrderNotFound, PlaceTaken
from pickup.models import Order, OrderLine
from pickup.states import IN_BAG, OPEN_ORDER, LineState, OrderState

DEAD = (OrderState.CANCELLED, OrderState.EXPIRED)


def take(*, order: Order) -> str:
    """Give a ready bag a place of its point's shelf: the one it had if that is free, else the first that is.

    Where a bag is still being packed, or one that nobody collects has not been unpacked yet, comes last. "" when the
    point names no places or all are taken; the bag is then found by its number. The caller has locked the order. Two
    bags that want one place meet at the law `pickup_place_holds_one_bag`, and the later one moves on.
    """
    named, (taken, spoken_for) = point_queries.rules_of(order.point_id).bag_places, _held(order.point_id, but=order.pk)
    ranked = [order.place, *(place for place in named if place not in spoken_for), *named]
    order.place = next((place for place in ranked if place in named and _put(order, place, taken)), "")
    return order.place


def plan(*, order: Order) -> str:
    """Foresee a place for a bag whose books are being packed, so that all of them are carried to one spot.

    The bags that go out with it and are to be packed get theirs too, next to each other and to those that have one, as
    near as places are free. Keeps one that was foreseen before. "" when none is free. The caller has locked the order.
    """
    if not order.place and order.state == OrderState.PICKING:
        beside = parties.beside([order]).get(order.pk, [])
        near = _near(order.point_id, beside, count=1 + len(_to_place(beside)))
        order.place = next(iter(near), "")
        Order.objects.filter(pk=order.pk).exclude(place=order.place).update(place=order.place)
        if near[1:]:  # those that somebody else has in hand are left to them: nobody waits for two bags at once
            theirs = _to_place(beside).select_for_update(no_key=True, skip_locked=True).order_by("number")
            for other, place in zip(theirs, near[1:], strict=False):
                Order.objects.filter(pk=other.pk).update(place=place)
    return order.place


def _to_place(beside: Iterable[Order]) -> QuerySet[Order]:
    """Those of some bags that are to be packed and have no place yet."""
    asked = Order.objects.filter(pk__in=[one.pk for one in beside], state=OrderState.PICKING, place="")
    return asked.filter(Exists(OrderLine.objects.filter(order=OuterRef("pk"), state__in=IN_BAG)))


def _near(point_id: int, beside: Iterable[Order], *, count: int) -> list[str]:
    """So many free places, nearest first to where the bags beside stand; else the first that lie next to each other."""
    named, left = point_queries.rules_of(point_id).bag_places, free(point_id)
    if not left or (count == 1 and not beside):
        return left[:count]
    rank = {place: position for position, place in enumerate(named)}
    stand = [rank[one.place] for one in beside if one.place in rank]
    if not stand:
        rows = (list(range(at, at + count)) for at in range(len(named) - count + 1))
        stand = next((row for row in rows if {named[at] for at in row} <= set(left)), [rank[left[0]]])
    return sorted(left, key=lambda place: (min(abs(rank[place] - at) for at in stand), rank[place]))[:count]


def free(point_id: int) -> list[str]:
    """The places of a point's shelf at which no bag stands and for which none is meant, in their order."""
    taken, spoken_for = _held(point_id)
    return [place for place in point_queries.rules_of(point_id).bag_places if place not in taken | spoken_for]


@transaction.atomic
def move(*, order_id: int, place: str, by: Actor, now: datetime) -> Order:
    """Put a ready bag onto another place of its point's shelf.

    Refuses with `unknown_order`, with `not_in_this_state` a bag that is not on the shelf, with `unknown_place` what
    the point does not name, and with `place_taken` where another bag stands.
    """
    order = Order.objects.select_for_update(no_key=True).filter(pk=order_id).first()
    if order is None:
        raise OrderNotFound(order=order_id)
    if order.state != OrderState.READY:
        raise MoveRefused(noun=Order.noun(), state=order.state, asked=OrderState.READY)
    if place not in point_queries.rules_of(order.point_id).bag_places:
        raise NoSuchPlace(field="place", place=place)
    if not _put(order, place, _held(order.point_id, but=order.pk)[0]):
        raise PlaceTaken(field="place", place=place)
    order.place = place
    live.publish([f"point:{order.point_id}"], now=now)
    return order


def _held(point_id: int, *, but: int = 0) -> tuple[set[str], set[str]]:
    """The places where ready bags stand, and those of bags being packed or to be unpacked; `but` is left out."""
    others = Order.objects.filter(point_id=point_id).exclude(place="").exclude(pk=but).values_list("state", "place")
    dead = others.filter(state__in=DEAD, lines__state=LineState.TO_UNPACK)  # by itself: found by its lines
    held = set(others.filter(state__in=OPEN_ORDER).union(dead))
    taken = {place for state, place in held if state == OrderState.READY}
    return taken, {place for _state, place in held} - taken


def _put(order: Order, place: str, taken: Iterable[str]) -> bool:
    if place in taken:
        return False
    try:
        with transaction.atomic():
            Order.objects.filter(pk=order.pk).update(place=place)
    except IntegrityError as error:
        if "pickup_place_holds_one_bag" not in str(error):
            raise
        return False
    return True
