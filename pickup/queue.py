"""The line of cars: moved by hand where it stands differently outside, and people who need no bag are seen to.

Moves of one line wait for each other at an advisory lock, so that each sees what the one before it did; a call takes no
notice of it and is never kept waiting by a move.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction

from core import live
from core.actor import Actor
from core.moves import MoveRefused
from core.refusal import BadInput
from pickup import lane
from pickup.errors import BagReady, GoesFirst, QueueChanged, VisitNotFound
from pickup.models import Visit
from pickup.order_of_service import STEP
from pickup.states import VisitState

_SPACE = 0x71756575  # "queu": the first of the two numbers of the lock, the point is the second


@transaction.atomic
def move(*, visit_id: int, before_id: int | None, by: Actor, now: datetime) -> Visit:
    """Put a waiting car before another one of its line, or, with None, to the end.

    An undone hand-over (`first`) keeps its precedence: it is not moved (`goes_first`), and nobody comes before it.
    Refuses a car that does not wait any more (`not_in_this_state`), a neighbour that has gone (`queue_changed`) and
    itself as its neighbour (`invalid`).
    """
    found = Visit.objects.filter(pk=visit_id).first()
    if found is None:
        raise VisitNotFound(visit=visit_id)
    if visit_id == before_id:
        raise BadInput(field="before")
    _take_turns(found.point_id)
    line = list(Visit.objects.filter(point_id=found.point_id, state=VisitState.WAITING).order_by("queued_at", "pk"))
    visit = next((one for one in line if one.pk == visit_id), None)
    if visit is None:
        found.refresh_from_db(fields=["state"])
        raise MoveRefused(noun=Visit.noun(), state=found.state, asked=str(VisitState.WAITING))
    if visit.first:
        raise GoesFirst(visit=visit_id)
    if before_id is not None and before_id not in {one.pk for one in line}:
        raise QueueChanged(visit=before_id)
    others = [one for one in line if one.pk != visit_id and not one.first]
    place = next((place for place, one in enumerate(others) if one.pk == before_id), len(others))
    if before_id is not None and place == len(others):
        place = 0  # before one that goes first: as near to it as one can be
    moments = _moments(others[:place], visit, others[place:], now=now)
    list(Visit.objects.select_for_update(no_key=True).filter(pk__in=moments).order_by("pk").values_list("pk"))
    for pk, queued_at in moments.items():
        Visit.objects.filter(pk=pk).update(queued_at=queued_at)
    visit.queued_at = moments[visit.pk]
    live.publish([f"point:{visit.point_id}"], now=now)
    return visit


@transaction.atomic
def attend(*, visit_id: int, by: Actor, now: datetime) -> Visit:
    """Somebody who came without a bag, to return or to ask, is seen to: called and served in one go.

    Refuses as `lane.hand_over` does, with `nothing_ready` whoever comes to collect, and when a bag has become ready for
    them meanwhile, which nobody has on the screen (`bag_ready`).
    """
    visit = Visit.objects.select_for_update(no_key=True).filter(pk=visit_id).first()
    if visit is None:
        raise VisitNotFound(visit=visit_id)
    if visit.state == VisitState.WAITING:
        visit.move(VisitState.CALLED, at=now, by=by, called_at=max(now, visit.arrived_at), called_by=by.principal)
    handed = lane.hand_over(visit_id=visit_id, by=by, now=now)
    if handed.given:
        raise BagReady(visit=visit_id)
    return handed.visit


def _take_turns(point_id: int) -> None:
    """Wait until nobody else moves cars at this point; let go with the transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_SPACE, point_id % 2**31])


def _moments(before: Sequence[Visit], visit: Visit, after: Sequence[Visit], *, now: datetime) -> dict[int, datetime]:
    """The moments that put a car between its neighbours; those behind it move back where there is no room."""
    if not after:
        return {visit.pk: max(now, before[-1].queued_at + STEP) if before else visit.queued_at}
    if not before:
        return {visit.pk: after[0].queued_at - STEP}
    gap = after[0].queued_at - before[-1].queued_at
    reached = before[-1].queued_at + (gap / 2 if gap > 2 * timedelta.resolution else STEP)
    moments = {visit.pk: reached}
    for one in after:
        if one.queued_at > reached:
            break
        reached += STEP
        moments[one.pk] = reached
    return moments
