"""In which library a title can be had, in a word."""

from __future__ import annotations

import pytest

from lending import availability, loans
from lending.models import Copy
from tests import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def libraries():
    """Two libraries of one programme with a pickup place each, in the order in which they are shown."""
    programme = rows.programme()
    found = [rows.library(programme=programme, position=place) for place in (1, 2)]
    for library in found:
        rows.point(library)
    return found


def of(title) -> availability.Availability:
    return availability.of_titles([title.pk])[title.pk]


def test_a_title_that_is_in_names_the_libraries_where_it_stands(libraries):
    title = rows.title()
    for library in reversed(libraries):
        rows.copy(title, library)
    assert (of(title).kind, of(title).free_at) == ("in", libraries)


def test_a_title_that_stands_where_no_bag_is_handed_over_is_not_in(libraries):
    branch = rows.library(programme=libraries[0].programme)
    title = rows.copy(at=branch).title
    assert (of(title).kind, of(title).free_at) == ("away", [branch])
    rows.point(branch, open=False)
    assert of(title).kind == "away"


def test_a_title_that_cannot_be_had_names_who_holds_it_and_how_many_wait(libraries):
    point, title = rows.point(libraries[0]), rows.title()
    rows.copy(title, libraries[0])
    for _ in range(3):
        rows.reserve(rows.patron(libraries[0]), title, at=point)
    found = of(title)
    assert (found.kind, found.free_at, found.held_at, found.waiting) == ("kept", [], [libraries[0]], 2)
    lent = rows.copy(title, libraries[1])
    loans.check_out(
        copy_id=lent.pk,
        patron_id=rows.patron(libraries[1]).pk,
        library_id=libraries[1].pk,
        by=rows.RULE,
        now=rows.NOW,
    )
    assert (of(title).kind, of(title).held_at) == ("out", libraries)


@pytest.mark.lawless("I3", why="a copy is put there without a move")
def test_a_title_whose_copies_are_gone_is_nowhere(libraries):
    title = rows.title()
    Copy.objects.filter(pk=rows.copy(title, libraries[0]).pk).update(state="missing")
    assert of(title).kind == "none"
    assert of(rows.title()).kind == "none"


def test_volumes_are_in_the_order_of_the_shelf(libraries):
    title = rows.title()
    for volume in ("10", "2", "1"):
        rows.copy(title, libraries[0], volume=volume)
    assert of(title).volumes == ["1", "2", "10"]
    assert of(title).choose


def test_what_belongs_to_a_rehearsal_is_not_shown(libraries):
    training = rows.library(programme=libraries[0].programme, training=True)
    title = rows.copy(at=training).title
    assert of(title).kind == "none"
