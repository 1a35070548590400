"""The page of the search list: look, look again on another day, then found or lost."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from core import clock
from core.actor import RULE
from lending import reservations
from lending.models import Copy, ShelfLook
from tests import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def point():
    return rows.point()


@pytest.fixture
def desk(client, point):
    client.force_login(rows.staff(point.library))
    return client


def gone(point):
    copy, now = rows.copy(at=point.library), clock.now() - timedelta(days=4)
    (row,) = rows.reserve(rows.patron(point.library), copy.title, at=point, now=now)
    reservations.bag(reservation_ids=[row.pk], by=RULE, now=now)
    reservations.copy_missing(reservation_id=row.pk, by=RULE, now=now)
    return copy


def press(client, copy, what):
    return client.post(reverse("search-list-act", args=[copy.pk, what]), {"key": f"k{rows.serial()}"}, follow=True)


def state(copy):
    return Copy.objects.get(pk=copy.pk).state


def test_the_list_leads_from_look_to_look_to_lost(desk, point):
    copy = gone(point)
    shown = desk.get(reverse("search-list"), follow=True)
    assert [one.copy for one in shown.context["due"]] == [copy]
    shown = press(desk, copy, "looked")
    assert (shown.context["due"], [one.copy for one in shown.context["later"]]) == ([], [copy])
    ShelfLook.objects.update(on=clock.now().date() - timedelta(days=3))
    press(desk, copy, "looked")
    shown = press(desk, copy, "lost")
    assert (state(copy), shown.context["due"]) == ("lost", [])


def test_the_list_names_who_looked(client, point):
    client.force_login(rows.staff(point.library, first_name="한지우"))
    shown = press(client, gone(point), "looked").content.decode()
    assert "한지우" in shown
    assert "staff:" not in shown


def test_found_at_last(desk, point):
    copy = gone(point)
    press(desk, copy, "found")
    assert state(copy) == "to_shelve"


def test_too_early_and_unknown_acts_are_refused(desk, point):
    copy = gone(point)
    assert press(desk, copy, "lost").status_code == 409
    assert press(desk, copy, "burnt").status_code == 404
    assert state(copy) == "missing"


def test_only_the_staff_of_the_library(client, point):
    copy = gone(point)
    client.force_login(rows.staff(rows.library()))
    assert press(client, copy, "found").status_code == 404
    assert client.get(reverse("search-list"), {"library": point.library_id}).status_code == 404
    reader = rows.patron(point.library, pin=rows.PIN)
    client.force_login(reader.account)
    assert client.get(reverse("search-list")).status_code == 403


def test_it_asks_as_often_for_many_books_as_for_few(desk, point):
    def count():
        with CaptureQueriesContext(connection) as asked:
            desk.get(reverse("search-list"), {"library": point.library_id})
        return len(asked)

    gone(point)
    few = count()
    for _ in range(3):
        gone(point)
    assert count() == few
