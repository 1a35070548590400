"""The doorbell of this room."""

from __future__ import annotations

import pytest

from core.actor import RULE
from core.models import Journal
from lending import tasks
from lending.models import Library
from lending.states import CopyState, ReservationState
from tests import rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("told", [True, False])
def test_a_copy_that_came_free_is_given_by_the_bell_or_by_the_sweep(told: bool) -> None:
    library: Library = rows.library()
    title = rows.title()
    copy = rows.copy(title, library)
    copy.move(CopyState.MISSING, at=rows.NOW, by=RULE)
    (made,) = rows.reserve(rows.patron(library), title, at=rows.point(library))
    copy.move(CopyState.SHELF, at=rows.NOW, by=RULE)
    tasks.allocate(**({"ids": [title.pk, 10**9]} if told else {}), of_a_later_version=True)
    made.refresh_from_db()
    assert (made.state, made.copy) == (ReservationState.ALLOCATED, copy)
    tasks.allocate()  # ringing twice is harmless
    journal = Journal.objects.filter(noun="lending.reservation", row=made.pk, became="allocated")
    assert [row.principal for row in journal] == ["rule"]
