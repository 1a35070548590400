"""A bag becomes ready in the very moment in which its time is changed."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest

from notifications.models import Message
from pickup import appointments, orders
from pickup.models import Appointment
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK
from tests.races.together import together

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


def test_a_bag_that_is_ready_while_its_time_changes_is_told_the_new_time(now):
    """A row that is joined to a locked one is as old as the moment at which one began to wait for the lock."""
    point = rows.point(rules={"promise": "at_order"})
    old, new = rows.slot(point), rows.slot(point, now + timedelta(hours=9))
    order = steps.packed(steps.asked(rows.patron(point.library), point, slot_id=old.pk))

    promise = Appointment.objects.get(orders=order)
    changed = threading.Event()

    def change_slowly_or_mark_ready(n):
        if n == 0:
            appointments.change(appointment_id=promise.pk, slot_id=new.pk, by=DESK, now=now)
            changed.set()
            time.sleep(0.5)  # the other one waits for the order meanwhile
        else:
            assert changed.wait(20)
            orders.mark_ready(order_id=order.pk, by=DESK, now=now)

    outcome = together(2, change_slowly_or_mark_ready)

    assert outcome.refused == []
    promised = steps.again(order).appointment
    assert (promised.slot_id, promised.state, steps.again(order).state) == (new.pk, "confirmed", "ready")
    (said,) = Message.objects.filter(template="ready")
    assert "19:00-19:15" in said.body
