"""Beside another system through API v1: its lists become bags, what is lent there is marked, files are settled."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest

from core import clock
from lending.models import Copy, Posting
from pickup import lane
from pickup.models import Order
from tests import api, rows
from tests.pickup import steps
from tests.pickup.test_day_lists import line, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def place():
    return rows.point(rows.library(circulation="beside"), rules={"by_appointment": False})


@pytest.fixture
def desk(place):
    return api.librarian(place.library)


def file_of(*lines: list[str]) -> str:
    return base64.b64encode(text(*lines)).decode()


def test_a_days_list_becomes_bags_once(place, desk):
    body = {"pickup_point": place.pk, "content": file_of(line(1, 1), line(1, 2), line(2, 3))}
    tried = desk.post("day-lists", {**body, "dry_run": True})
    assert (tried["kept"], tried["bags"], tried["books"], tried["map"]) == (False, 2, 3, "kolas")
    assert not Order.objects.exists()
    kept = desk.post("day-lists", {**body, "packed": True})
    assert (kept["kept"], kept["bags"], kept["ready"], kept["new_people"], kept["bad"]) == (True, 2, 2, 2, [])
    assert desk.post("day-lists", body)["same"] == 3
    assert set(Order.objects.values_list("state", flat=True)) == {"ready"}


def test_a_row_that_cannot_be_taken_keeps_the_list_out_unless_it_is_left_out(place, desk):
    body = {"pickup_point": place.pk, "content": file_of(line(1, 1), line(2, 2, phone="x"))}
    refused = desk.post("day-lists", body)
    assert (refused["kept"], [one["reason"] for one in refused["bad"]]) == (False, ["not_a_phone"])
    assert desk.post("day-lists", {**body, "skip_bad": True})["bags"] == 1


def test_what_cannot_be_read_or_is_not_theirs_is_refused(place, desk):
    body = {"pickup_point": place.pk, "content": file_of(line(1, 1))}
    assert desk.post("day-lists", {**body, "content": "%%%"}, 400)["code"] == "unreadable_table"
    assert desk.post("day-lists", {**body, "map": "moon"}, 400)["field"] == "map"
    assert desk.post("day-lists", {**body, "day": "2001-01-01"}, 400)["field"] == "day"
    assert desk.post("day-lists", {**body, "pickup_point": rows.point().pk}, 404)["code"] == "unknown_pickup_point"
    own = rows.point(rules={"by_appointment": False})
    said = api.librarian(own.library).post("day-lists", {**body, "pickup_point": own.pk}, 409)
    assert said["code"] == "not_beside"
    assert api.librarian(own.library).post("lent-lists", {"content": file_of(line(1, 1))}, 409)["code"] == "not_beside"
    assert api.patron()[1].post("day-lists", body, 403)["code"] == "staff_only"
    assert not Order.objects.exists()


def test_what_is_lent_out_there_is_marked_and_what_is_set_aside_is_told(place, desk):
    free, held = rows.copy(at=place.library), rows.copy(at=place.library)
    rows.reserve(rows.patron(place.library), held.title, at=place)
    content = base64.b64encode(f"등록번호\n{free.barcode}\n{held.barcode}\nXX00000001\n".encode()).decode()
    tried = desk.post("lent-lists", {"content": content, "dry_run": True})
    assert (tried["kept"], tried["marked"], Copy.objects.get(pk=free.pk).state) == (False, 1, "shelf")
    told = desk.post("lent-lists", {"content": content})
    assert (told["marked"], told["unknown"], told["held"]) == (1, 1, [held.barcode])
    assert (Copy.objects.get(pk=free.pk).state, Copy.objects.get(pk=held.pk).state) == ("loan", "shelf")
    assert api.patron()[1].post("lent-lists", {"content": content}, 403)["code"] == "staff_only"


def test_a_file_is_made_read_and_settled(place, desk):
    now = clock.now()
    order = steps.ready(steps.asked(rows.patron(place.library), place, books=2, now=now), now=now)
    lane.serve(point_id=place.pk, order_number=order.number, by=steps.DESK, now=now + timedelta(seconds=1))
    name = desk.post("posting-files", {})["file"]
    assert desk.post("posting-files", {})["file"] is None
    table = desk.client.get(f"/api/v1/posting-files/{name}").content.decode("utf-8-sig")
    assert len(table.splitlines()) == 3
    assert order.lines.order_by("pk").first().copy.barcode in table
    assert len(desk.get("postings", export=name)["results"]) == 2
    assert desk.post(f"posting-files/{name}/drop")["lines"] == 2
    again = desk.post("posting-files", {})["file"]
    assert desk.post(f"posting-files/{again}/done")["lines"] == 2
    assert set(Posting.objects.values_list("state", flat=True)) == {"done"}
    stranger = api.librarian(rows.library())
    assert stranger.get(f"posting-files/{again}", status=404)["code"] == "not_found"
    assert stranger.post(f"posting-files/{again}/done", status=404)["code"] == "not_found"
    assert stranger.post("posting-files", {"library": place.library.code}, 404)["field"] == "library"
    assert api.patron()[1].post("posting-files", {}, 403)["code"] == "staff_only"
