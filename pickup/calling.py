"""Who is called next, to which lane; and, where the point's rules say so, by the service itself."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q

from core import live, sweeps
from core.actor import RULE, Actor
from pickup import point_queries, queries, waits
from pickup.errors import LaneBusy
from pickup.models import Lane, Order, PointRules, Visit
from pickup.states import OrderState, VisitState

if TYPE_CHECKING:
    from django.db.models import QuerySet

FILE = "file"
"""The layout in which cars drive up to lanes, one to each."""

PAUSE = timedelta(minutes=1)
"""So long nobody is called by the service who was called and was not there."""


@transaction.atomic
def call_where_free(*, point_id: int, now: datetime) -> list[Visit]:
    """Call a car to each free open lane of a single file whose rules say that the service calls (`auto_call`).

    Whoever was passed over or put back a minute ago is left out, and who came while it was closed for the night and
    still is. Any number of workers may ask at once: each takes
    lanes and cars that no other has in hand. Gives back the visits that were called.
    """
    rules = point_queries.rules_of(point_id)
    if not rules.auto_call or rules.point.layout != FILE:
        return []
    called: list[Visit] = []
    too_early: set[int] = set()
    while (lane := free_lane(point_id)) is not None:
        found = next_up(point_id, 1, passed_by=now - PAUSE, without=too_early)
        if not found:
            break
        if waits.came_at_night(found[0], waits.now_at(point_id=point_id, now=now), now=now):
            too_early.add(found[0].pk)
            continue
        call(found[0], lane, by=RULE, now=now)
        called += found
    if called:
        live.publish([f"point:{point_id}"], now=now)
    return called


def call_due(*, now: datetime) -> int:
    """`call_where_free` at every point at which somebody waits; gives back how many were called."""
    calling = PointRules.objects.filter(auto_call=True, point__layout=FILE)
    waited = calling.filter(Exists(Visit.objects.filter(point=OuterRef("point"), state=VisitState.WAITING)))
    keys = waited.order_by("point_id").values_list("point_id", flat=True)
    return sum(sweeps.each("cars to call", keys, lambda pk: len(call_where_free(point_id=pk, now=now))))


def in_turn(point_id: int) -> QuerySet[Visit]:
    """The visits that wait and can be served, whose turn it is first: something is ready, or no bag is needed."""
    waiting = Visit.objects.filter(point_id=point_id, state=VisitState.WAITING)
    ready = Exists(Order.objects.filter(visit=OuterRef("pk"), state=OrderState.READY))
    return waiting.filter(~Q(purpose=Visit.Purpose.COLLECT) | ready).order_by(*queries.IN_TURN)


def next_up(
    point_id: int, count: int, *, passed_by: datetime | None = None, without: Collection[int] = ()
) -> list[Visit]:
    """The next visits that can be served and that nobody else is calling at this moment, locked.

    With `passed_by` those are left out that were passed over later than that; those `without` too.
    """
    visits = in_turn(point_id).exclude(pk__in=without)
    if passed_by is not None:
        visits = visits.filter(Q(passed_at=None) | Q(passed_at__lte=passed_by))
    return list(visits.select_for_update(skip_locked=True, no_key=True)[:count])


def call(visit: Visit, lane: Lane | None, *, by: Actor, now: datetime) -> None:
    """Call a visit that is locked; refuses with `lane_busy` where the lane has just been taken."""
    called_at = max(now, visit.arrived_at)
    try:
        with transaction.atomic():
            visit.move(VisitState.CALLED, at=now, by=by, lane=lane, called_at=called_at, called_by=by.principal)
    except IntegrityError as error:
        if "pickup_one_called_per_lane" not in str(error):
            raise
        raise LaneBusy(visit=None) from error


def free_lane(point_id: int) -> Lane | None:
    """An open lane in which nobody is served and that nobody else is calling to at this moment."""
    for pk in Lane.objects.filter(point_id=point_id, open=True).order_by("name", "pk").values_list("pk", flat=True):
        lane = Lane.objects.select_for_update(skip_locked=True, no_key=True).filter(pk=pk, open=True).first()
        if lane is not None and served_in(lane) is None:
            return lane
    return None


def served_in(lane: Lane) -> Visit | None:
    """The visit that is called to a lane."""
    return Visit.objects.filter(lane=lane, state=VisitState.CALLED).first()
