"""What is not on its shelf is looked for twice, on two days; then it is lost, or found and given to the next."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.actor import Actor
from core.moves import MoveRefused
from core.refusal import NotFound
from lending import missing, reservations
from lending.errors import LookAgain, LookedToday
from lending.models import Copy, ShelfLook
from tests import api, rows

pytestmark = pytest.mark.django_db

DESK = Actor("staff", 4, "desk")
NOW, DAY = rows.NOW, timedelta(days=1)


@pytest.fixture
def point():
    return rows.point()


def gone(point, **columns):
    """A copy that was not on its shelf when somebody went to fetch it; and who waits for it."""
    copy = rows.copy(at=point.library, **columns)
    (row,) = rows.reserve(rows.patron(point.library), copy.title, at=point)
    reservations.bag(reservation_ids=[row.pk], by=DESK, now=NOW)
    reservations.copy_missing(reservation_id=row.pk, by=DESK, now=NOW)
    return copy, row


def state(row):
    row.refresh_from_db()
    return row.state


def test_missing_books_are_listed_in_shelf_order(point):
    far, _ = gone(point, call_number="813.7 황2ㄴ")
    near, _ = gone(point, call_number="813.7 한31ㅅ")
    rows.copy(at=point.library)
    found = missing.at(point.library, now=NOW)
    assert [(one.copy, one.next, one.number) for one in found] == [(near, "look", 1), (far, "look", 1)]


def test_the_second_look_is_on_another_day_and_then_it_may_be_given_up(point):
    copy, row = gone(point)
    with pytest.raises(LookAgain):
        missing.give_up(copy_id=copy.pk, by=DESK, now=NOW)
    first = missing.looked(copy_id=copy.pk, by=DESK, now=NOW)
    assert (first.next, first.due_on) == ("look", NOW.date() + DAY)
    with pytest.raises(LookedToday):
        missing.looked(copy_id=copy.pk, by=DESK, now=NOW + timedelta(hours=3))
    with pytest.raises(LookAgain) as refused:
        missing.give_up(copy_id=copy.pk, by=DESK, now=NOW)
    assert refused.value.facts["looks"] == 1
    second = missing.looked(copy_id=copy.pk, by=DESK, now=NOW + DAY)
    assert second.next == "give_up"
    missing.give_up(copy_id=copy.pk, by=DESK, now=NOW + DAY)
    assert (state(copy), state(row)) == ("lost", "waiting")
    assert [(look.on, look.principal) for look in ShelfLook.objects.all()] == [
        (NOW.date(), "staff:4"),
        (NOW.date() + DAY, "staff:4"),
    ]


def test_a_book_that_is_found_goes_to_whoever_waits_longest(point):
    copy, row = gone(point)
    (later,) = rows.reserve(rows.patron(point.library), copy.title, at=point, now=NOW + timedelta(hours=1))
    missing.looked(copy_id=copy.pk, by=DESK, now=NOW)
    missing.found(copy_id=copy.pk, by=DESK, now=NOW)
    assert (state(copy), state(row), state(later)) == ("to_shelve", "allocated", "waiting")
    with pytest.raises(MoveRefused):
        missing.looked(copy_id=copy.pk, by=DESK, now=NOW + DAY)


def test_looks_of_an_earlier_time_do_not_count(point):
    copy, row = gone(point)
    for days in range(2):
        missing.looked(copy_id=copy.pk, by=DESK, now=NOW + days * DAY)
    missing.found(copy_id=copy.pk, by=DESK, now=NOW + DAY)
    reservations.bag(reservation_ids=[row.pk], by=DESK, now=NOW + 2 * DAY)
    reservations.copy_missing(reservation_id=row.pk, by=DESK, now=NOW + 2 * DAY)
    (again,) = missing.at(point.library, now=NOW + 2 * DAY)
    assert (again.next, again.number) == ("look", 1)


def test_a_copy_that_is_not_there_at_all(point):
    for verb in (missing.looked, missing.found, missing.give_up):
        with pytest.raises(NotFound):
            verb(copy_id=10**9, by=DESK, now=NOW)
        with pytest.raises(MoveRefused):
            verb(copy_id=rows.copy(at=point.library).pk, by=DESK, now=NOW)


def test_programs_of_the_staff_read_the_list_and_say_what_came_of_looking(point):
    staff = api.librarian(point.library)
    copy, _row = gone(point)
    other, _ = gone(point)
    listed = staff.get("search-list")
    assert listed["library"] == point.library.code
    assert {one["id"] for one in listed["results"]} == {copy.pk, other.pk}
    assert staff.post(f"search-list/{copy.pk}/looked")["state"] == "missing"
    assert staff.post(f"search-list/{copy.pk}/looked", status=409)["code"] == "looked_today"
    assert staff.post(f"search-list/{copy.pk}/lost", status=409)["code"] == "look_again"
    assert staff.post(f"search-list/{other.pk}/found")["state"] == "to_shelve"
    assert api.librarian(rows.library()).post(f"search-list/{copy.pk}/looked", status=404)["code"] == "not_found"
    assert api.patron(home=point.library)[1].get("search-list", status=403)["code"] == "staff_only"
    assert Copy.objects.get(pk=copy.pk).state == "missing"
