"""Several people share a pull list: each takes a stretch of the shelves, nobody fetches what another one fetches."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client

from core import clock
from core.actor import Actor
from core.refusal import Forbidden
from pickup import fetching, orders
from pickup.models import OrderLine
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db


@pytest.fixture
def place():
    """A lane at which five books are to be fetched."""
    point = rows.point(rows.library(programme=rows.programme(volumes=9)))
    steps.asked(rows.patron(point.library), point, books=5, now=clock.now())
    return point


def librarian(place) -> Actor:
    return Actor("staff", rows.staff(place.library).pk, "desk")


def take(place, by, count=2, **more):
    return fetching.take(library_id=place.library_id, by=by, now=more.pop("now", clock.now()), count=count, **more)


def whose(place):
    """Who fetches each book, in shelf order."""
    lines = OrderLine.objects.order_by("copy__shelf_key", "copy__barcode")
    return list(lines.values_list("fetcher", flat=True))


def test_each_takes_the_next_books_in_shelf_order(place):
    one, two = librarian(place), librarian(place)
    assert [take(place, one), take(place, two), take(place, one, 9), take(place, two)] == [2, 2, 1, 0]
    assert whose(place) == [one.id, one.id, two.id, two.id, one.id]


def test_what_is_packed_or_left_or_lies_too_long_is_nobodys(place):
    one, two = librarian(place), librarian(place)
    take(place, one, 4)
    line = OrderLine.objects.order_by("copy__shelf_key", "copy__barcode")[0]
    orders.pack(order_id=line.order_id, barcode=line.copy.barcode, by=DESK, now=clock.now())
    assert fetching.let_go(library_id=place.library_id, by=one, now=clock.now()) == 3
    take(place, one, 1)
    assert take(place, two, 9) == 3
    later = clock.now() + fetching.LASTS + timedelta(seconds=1)
    assert take(place, one, 9, now=later) == 4


def test_only_named_lines_and_only_staff(place):
    named = OrderLine.objects.order_by("-pk").values_list("pk", flat=True)[:1]
    assert take(place, librarian(place), 9, line_ids=list(named)) == 1
    with pytest.raises(Forbidden):
        take(place, Actor("device", 7, "api"))


def test_the_page_shows_mine_and_whose_the_others_are(place):
    desk = Client(headers={"accept-language": "en"})
    account = rows.staff(place.library)
    desk.force_login(account)
    other = librarian(place)
    take(place, other, 2)
    address = f"/staff/pull-list/?point={place.pk}"
    answer = desk.post(f"/staff/pull-list/take/?point={place.pk}", {"key": uuid4().hex})
    assert answer.headers["location"].endswith("mine=1")
    page = desk.get(address)
    assert (page.context["in_hand"], page.context["shown"], page.context["to_take"]) == (3, 5, 0)
    assert desk.get(f"{address}&mine=1").context["shown"] == 3
    part = desk.get(address, headers={"x-part": "pull"}).content.decode()
    assert "<h1>" not in part
    assert part.count(">mine<") == 3
    desk.post(f"/staff/pull-list/let-go/?point={place.pk}", {"key": uuid4().hex})
    assert desk.get(address).context["to_take"] == 3
    assert desk.post(f"/staff/pull-list/burn/?point={place.pk}", {"key": uuid4().hex}).status_code == 404
