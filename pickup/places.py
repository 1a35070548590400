"""Where a bag stands on the pickup shelf: planned when its first book is packed, taken when it is ready, or moved."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import IntegrityError, transaction

from core import live
from core.actor import Actor
from core.moves import MoveRefused
from pickup import queries
from pickup.errors import NoSuchPlace, OrderNotFound, PlaceTaken
from pickup.models import Order
from pickup.states import OPEN_ORDER, LineState, OrderState

DEAD = (OrderState.CANCELLED, OrderState.EXPIRED)


def take(*, order: Order) -> str:
    """Give a ready bag a place of its point's shelf: the one it had if that is free, else the first that is.

    Where a bag is still being packed, or one that nobody collects has not been unpacked yet, comes last. "" when the
    point names no places or all are taken; the bag is then found by its number. The caller has locked the order. Two
    bags that want one place meet at the law `pickup_place_holds_one_bag`, and the later one moves on.
    """
    named, (taken, spoken_for) = queries.rules_of(order.point_id).bag_places, _held(order.point_id, but=order.pk)
    ranked = [order.place, *(place for place in named if place not in spoken_for), *named]
    order.place = next((place for place in ranked if place in named and _put(order, place, taken)), "")
    return order.place


def plan(*, order: Order) -> str:
    """Foresee a place for a bag whose books are being packed, so that all of them are carried to one spot.

    Keeps one that was foreseen before. "" when none is free. The caller has locked the order.
    """
    if not order.place and order.state == OrderState.PICKING:
        order.place = next(iter(free(order.point_id)), "")
        Order.objects.filter(pk=order.pk).exclude(place=order.place).update(place=order.place)
    return order.place


def free(point_id: int) -> list[str]:
    """The places of a point's shelf at which no bag stands and for which none is meant, in their order."""
    taken, spoken_for = _held(point_id)
    return [place for place in queries.rules_of(point_id).bag_places if place not in taken | spoken_for]


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
    if place not in queries.rules_of(order.point_id).bag_places:
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
