"""What went out of the window while nothing could be noted, noted afterwards with the time at which it happened."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from core.actor import Actor
from core.refusal import BadInput
from pickup import appointments, lane, queries
from pickup.errors import OrderNotFound
from pickup.states import HERE, VisitState


@transaction.atomic
def hand_over(*, order_id: int, at: datetime, by: Actor, now: datetime) -> lane.HandedOver:
    """This bag, and no other of its car, was handed over at the moment `at`.

    Who came in time has kept the promise, also if it was noted as missed meanwhile. The loans begin on that day. A
    moment before the bag was ready or its car was here means that moment. A car of which other bags are still here is
    not kept at the window for them. Refuses a moment that has not come yet (`invalid`, field `at`), and as `lane.serve`
    does: a bag that was noted already says so (`already_handed_over`).
    """
    if at > now:
        raise BadInput(field="at")
    order = queries.orders(pk=order_id).first()
    if order is None:
        raise OrderNotFound(order=order_id)
    earliest = [order.ready_at]
    if order.visit is not None and order.visit.state in HERE:
        earliest += [order.visit.arrived_at, order.visit.called_at]
    moment = max([at, *(one for one in earliest if one is not None)])
    handed = lane.serve(
        point_id=order.point_id,
        order_number=order.number,
        orders=[lane.HandOver(order.number)],
        by=by,
        now=moment,
    )
    appointments.kept_after_all(order=queries.orders(pk=order.pk).get(), at=at, by=by, now=now)
    if handed.visit.state == VisitState.CALLED:
        lane.leave(visit_id=handed.visit.pk, by=by, now=moment)
    return handed
