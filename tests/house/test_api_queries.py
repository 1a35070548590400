"""Lists of API v1 ask the database as often for a long page as for a short one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from pickup import arrivals
from tests import api, rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db


def queries_of(program: api.Api, path: str) -> int:
    """How many queries one page takes."""
    with CaptureQueriesContext(connection) as asked:
        program.get(path, page_size=100)
    return len(asked)


def a_reader(point, hours, now):
    """Somebody who is here for a ready bag, and waits for another book that somebody else has."""
    who = rows.patron(point.library)
    slot = rows.slot(point, now + timedelta(hours=hours))
    order = steps.ready(steps.asked(who, point, slot_id=slot.pk))
    arrivals.arrive(point_id=point.pk, order_id=order.pk, by=DESK, now=now)
    wanted = rows.copy(at=point.library).title
    rows.reserve(rows.patron(point.library), wanted, at=point)
    rows.reserve(who, wanted, at=point)


@pytest.mark.parametrize("path", ["orders", "reservations", "visits"])
def test_a_long_page_takes_no_more_queries_than_a_short_one(path, now):
    point = rows.point(layout="bays", rules={"promise": "at_order"})
    staff = api.librarian(point.library)
    for hours in (1, 2):
        a_reader(point, hours, now)
    short = queries_of(staff, path)
    for hours in range(3, 9):
        a_reader(point, hours, now)
    assert queries_of(staff, path) == short
    assert len(staff.get(path, page_size=100)["results"]) >= 8
