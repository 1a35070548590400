"""When people like to come: told on the settings, through a program, or to a librarian on the phone."""

from __future__ import annotations

import re
from datetime import time

import pytest
from django.test import Client
from django.urls import reverse

from config import erasure, export
from core.actor import RULE
from core.refusal import BadInput
from pickup import preferences, queries
from pickup.errors import PointNotFound
from pickup.models import Preference
from tests import api, rows
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db


def told(patron) -> tuple[list[int], time | None, time | None] | None:
    found = Preference.objects.filter(patron=patron).first()
    return None if found is None else (found.weekdays, found.begins, found.ends)


@pytest.fixture
def reader(client):
    who = rows.patron(pin=rows.PIN)
    client.force_login(who.account)
    return who


def test_patrons_say_when_they_like_to_come_and_take_it_back(client, reader, django_assert_max_num_queries):
    address = reverse("settings-times")
    answer = client.post(address, {"weekdays": ["1", "3"], "begins": "17:00", "ends": "19:30"})
    assert answer.status_code == 302
    assert told(reader) == ([1, 3], time(17), time(19, 30))
    with django_assert_max_num_queries(12):
        page = client.get(address).content.decode()
    assert 'value="17:00"' in page
    assert client.post(address, {"begins": "17:00", "ends": "19:30"}).status_code == 302
    assert told(reader) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"weekdays": ["1"]},
        {"weekdays": ["1"], "begins": "17:00"},
        {"weekdays": ["1"], "begins": "19:00", "ends": "17:00"},
        {"weekdays": ["7"], "begins": "17:00", "ends": "19:00"},
        {"weekdays": ["1"], "begins": "soon", "ends": "19:00"},
    ],
)
def test_what_cannot_be_is_shown_beside_its_field(client, reader, wrong):
    assert client.post(reverse("settings-times"), wrong).status_code == 400
    assert told(reader) is None


def test_nobody_says_it_without_signing_in():
    assert Client().get(reverse("settings-times")).status_code == 302


def test_a_program_says_it_for_its_patron_alone():
    who, mine = api.patron()
    assert mine.get("preference") == {"weekdays": [], "begins": None, "ends": None, "pickup_point": None}
    said = {"weekdays": [5, 0, 5], "begins": "09:00", "ends": "12:00"}
    assert mine.post("preference", said) == {
        "weekdays": [0, 5], "begins": "09:00:00", "ends": "12:00:00", "pickup_point": None,
    }  # fmt: skip
    assert told(who) == ([0, 5], time(9), time(12))
    for wrong in ({"weekdays": [1]}, {**said, "ends": "09:00"}, {**said, "weekdays": [7]}, {}):
        assert mine.post("preference", wrong, 400)["code"] == "invalid"
    assert mine.post("preference", {"weekdays": []})["weekdays"] == []
    assert told(who) is None


def test_librarians_note_it_for_a_caller():
    library = rows.library()
    who = rows.patron(library)
    desk = api.librarian(library)
    said = {"weekdays": [2], "begins": "10:00", "ends": "11:00", "card_number": who.card_number}
    assert desk.post("preference", said)["weekdays"] == [2]
    assert desk.get("preference", card_number=who.card_number)["weekdays"] == [2]
    stranger = rows.patron()
    desk.post("preference", {**said, "card_number": stranger.card_number}, 404)
    assert told(stranger) is None


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"weekdays": [7]}, "weekdays"),
        ({"begins": None}, "begins"),
        ({"ends": None}, "ends"),
        ({"ends": time(9)}, "ends"),
    ],
)
def test_the_verb_refuses_what_cannot_be(wrong, field):
    who = rows.patron()
    with pytest.raises(BadInput) as caught:
        preferences.note(
            patron_id=who.pk, **{"weekdays": [1], "begins": time(9), "ends": time(10), **wrong}, by=DESK, now=rows.NOW
        )
    assert caught.value.field == field


def test_it_is_taken_along_and_forgotten_with_the_person():
    who = rows.patron()
    preferences.note(patron_id=who.pk, weekdays=[1], begins=time(9), ends=time(10), by=DESK, now=rows.NOW)
    [row] = export.of(who, now=rows.NOW)["likes_to_come"]
    assert row["weekdays"] == [1]
    erasure.everything_of(patron_id=who.pk, by=RULE, now=rows.NOW)
    assert not Preference.objects.exists()


# The place


def test_a_preferred_place_is_kept_without_any_times_and_offers_do_not_count_it(client, reader):
    point = rows.point(reader.home)
    assert client.post(reverse("settings-times"), {"pickup_point": str(point.pk)}).status_code == 302
    liked = Preference.objects.get(patron=reader)
    assert (liked.weekdays, liked.begins, liked.point_id) == ([], None, point.pk)
    assert queries.likes_of([reader.pk]) == {}
    page = client.get(reverse("settings-times")).content.decode()
    assert re.search(rf'<option value="{point.pk}"\s+selected', page)
    assert client.post(reverse("settings-times"), {}).status_code == 302
    assert told(reader) is None


def test_a_place_that_takes_no_orders_cannot_be_preferred(client, reader):
    shut = rows.point(reader.home, open=False)
    assert client.post(reverse("settings-times"), {"pickup_point": str(shut.pk)}).status_code == 400
    with pytest.raises(PointNotFound):
        preferences.note(
            patron_id=reader.pk, weekdays=[], begins=None, ends=None, pickup_point=shut.pk, by=DESK, now=rows.NOW
        )


def test_the_preferred_place_is_chosen_already_on_the_list_of_books(client, reader):
    rows.point(reader.home)
    second = rows.point(reader.home)
    title = rows.title()
    rows.copy(title, reader.home)
    client.post(reverse("note"), {"title": title.pk})
    chosen = lambda: client.get(reverse("ask")).context["point"]  # noqa: E731
    assert chosen() != second
    client.post(reverse("settings-times"), {"pickup_point": str(second.pk)})
    assert chosen() == second
    other = rows.point(rows.library(programme=rows.programme()))  # where the book cannot be had
    client.post(reverse("settings-times"), {"pickup_point": str(other.pk)})
    assert chosen().library == reader.home


def test_an_order_without_a_named_place_goes_to_the_preferred_one_of_a_programme_that_has_the_book():
    who, mine = api.patron()
    point, title = rows.point(who.home), rows.title()
    rows.copy(title, who.home)
    asked = {"items": [{"title": title.pk}]}
    assert mine.post("orders", asked, 400)["field"] == "pickup_point"
    other = rows.point(rows.library(programme=rows.programme()))
    mine.post("preference", {"weekdays": [], "pickup_point": other.pk})
    assert mine.post("orders", asked, 400)["field"] == "pickup_point"
    assert mine.post("preference", {"weekdays": [], "pickup_point": point.pk})["pickup_point"] == point.pk
    assert mine.post("orders", asked, 201)["order"]["pickup_point"] == point.pk
    assert mine.post("preference", {"weekdays": [], "pickup_point": 10**9}, 404)["field"] == "pickup_point"
