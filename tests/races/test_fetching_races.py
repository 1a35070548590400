"""Librarians who take their share of the pull list at the same moment."""

from __future__ import annotations

import pytest

from core.actor import Actor
from pickup import fetching, queries
from tests import rows
from tests.pickup import steps
from tests.races.guards import slowly, without_locks
from tests.races.together import together

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]
LIBRARIANS, EACH = 4, 3


@pytest.fixture
def shared(now):
    """A pull list with a share for each librarian, and the librarians."""
    point = rows.point(rows.library(programme=rows.programme(volumes=LIBRARIANS * EACH)))
    steps.asked(rows.patron(point.library), point, books=LIBRARIANS * EACH, now=now)
    return point.library, [Actor("staff", rows.staff(point.library).pk, "desk") for _ in range(LIBRARIANS)]


def everybody_takes(shared, now):
    library, people = shared
    told = together(
        LIBRARIANS, lambda n: fetching.take(library_id=library.pk, by=people[n], now=now, count=EACH)
    ).answers
    return told, [queries.to_fetch(library.pk).filter(fetcher=one.id).count() for one in people]


def test_each_gets_books_of_their_own(shared, now):
    told, held = everybody_takes(shared, now)
    assert sorted(told) == sorted(held) == [EACH] * LIBRARIANS


@pytest.mark.control
def test_without_locks_several_walk_for_the_same_book(shared, now, monkeypatch):
    without_locks(monkeypatch)
    slowly(monkeypatch, fetching, "_tell", before=False)
    told, held = everybody_takes(shared, now)
    assert sum(told) > sum(held)
