"""Several people share a pull list: each takes a stretch of the shelves, nobody fetches what another one fetches."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from uuid import uuid4

import pytest
from django.test import Client

from core import clock
from core.actor import Actor
from core.refusal import Forbidden
from pickup import fetching, packing
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


def test_a_program_leaves_nobodys_books_to_others(place):
    one = librarian(place)
    take(place, one)
    for kind in ("device", "patron"):
        with pytest.raises(Forbidden):
            fetching.let_go(library_id=place.library_id, by=Actor(kind, one.id, "api"), now=clock.now())
    assert whose(place)[:2] == [one.id, one.id]


def test_what_is_packed_or_left_or_lies_too_long_is_nobodys(place):
    one, two = librarian(place), librarian(place)
    take(place, one, 4)
    line = OrderLine.objects.order_by("copy__shelf_key", "copy__barcode")[0]
    packing.pack(order_id=line.order_id, barcode=line.copy.barcode, by=DESK, now=clock.now())
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


def test_the_part_that_follows_brings_its_counts_and_stays_on_what_was_asked_for(place):
    desk = Client(headers={"accept-language": "en"})
    desk.force_login(rows.staff(place.library))
    address = f"/staff/pull-list/?point={place.pk}"
    desk.post(f"/staff/pull-list/take/?point={place.pk}", {"key": uuid4().hex})
    assert desk.get(f"{address}&mine=1").context["shown"] == 5
    desk.post(f"/staff/pull-list/let-go/?point={place.pk}", {"key": uuid4().hex})

    def part(more):
        return " ".join(desk.get(f"{address}{more}", headers={"x-part": "pull"}).content.decode().split())

    for over in ("&mine=1", "&for=2020-01-01T10:00"):
        assert ("0 books to fetch" in part(over), "Nothing to fetch" in part(over)) == (True, True), over
    assert "Show all" in part("&mine=1")
    to_packing = f'href="/staff/packing/?point={place.pk}"'
    assert (to_packing in part(""), to_packing in part("&mine=1")) == (True, False)
    assert 'id="count-pull-list" class="count" hx-swap-oob="true" >5<' in part("")
    assert "5 books to fetch" in part("")


@pytest.fixture
def branch(place):
    """A pickup point of another library, to which books travel."""
    place.library.programme.transfer_days = 1
    place.library.programme.save()
    return rows.point(rows.library(programme=place.library.programme, name_en="Far Branch"))


@pytest.fixture
def branch_of():
    """Makes another library wait for a book of a point's library."""

    def wanted_from(point):
        point.library.programme.transfer_days = 1
        point.library.programme.save()
        far = rows.point(rows.library(programme=point.library.programme))
        rows.reserve(rows.patron(far.library), rows.copy(at=point.library).title, at=far, now=clock.now())

    return wanted_from


def test_what_another_library_waits_for_stands_in_shelf_order_among_the_rest(place, branch):
    first = rows.copy(at=place.library, call_number="001 가1")
    [wanted] = rows.reserve(rows.patron(branch.library), first.title, at=branch, now=clock.now())
    desk = Client(headers={"accept-language": "en"})
    desk.force_login(rows.staff(place.library))
    address = f"/staff/pull-list/?point={place.pk}"
    page = desk.get(address)
    found = [row["copy"] for _room, room in page.context["rooms"] for row in room]
    assert (found[0], len(found), page.context["to_take"]) == (first, 6, 5)
    assert found == sorted(found, key=lambda one: (one.shelf_key, one.barcode))
    assert "To Far Branch" in page.content.decode()
    assert page.context["counts"]["fetch"] == 6
    version = page.context["version"]
    journey = first.transfers.get()
    gone = f"/staff/transfers/{journey.pk}/gone/?point={place.pk}"
    assert desk.post(gone, {"key": uuid4().hex, "value": ""}).headers["location"].startswith("/staff/pull-list/")
    page = desk.get(address)
    wanted.refresh_from_db()
    assert (page.context["shown"], wanted.state) == (5, "waiting")
    assert page.context["version"] != version


@pytest.fixture
def timed():
    """A lane with two times today; two books for the first one, three for the second, and whose they are."""
    now = clock.now()
    point = rows.point(rules={"promise": "at_order"})
    point.library.programme.volumes = None
    point.library.programme.save()
    times = [rows.slot(point, now + timedelta(hours=hours)) for hours in (3, 5)]
    bags = [
        steps.asked(rows.patron(point.library), point, books=books, now=now, slot_id=slot.pk)
        for slot, books in zip(times, (2, 3), strict=True)
    ]
    return point, bags


def test_who_misses_a_book_of_mine_stays_on_that_list(place):
    desk = Client()
    desk.force_login(rows.staff(place.library))
    desk.post(f"/staff/pull-list/take/?point={place.pk}", {"key": uuid4().hex})
    page = desk.get(f"/staff/pull-list/?point={place.pk}&mine=1").content.decode()
    (to, *_others) = re.findall(r'action="(/staff/lines/\d+/not-on-shelf/[^"]+)"', page)
    answer = desk.post(unescape(to), {"key": uuid4().hex})
    assert desk.get(answer["location"]).context["mine"] is True


def test_the_part_that_follows_brings_the_sessions_with_their_counts(timed):
    point, (soon, _later) = timed
    desk = Client()
    desk.force_login(rows.staff(point.library))

    def counts():
        part = desk.get(f"/staff/pull-list/?point={point.pk}", headers={"x-part": "pull"}).content.decode()
        return re.findall(r'<span class="count">(\d+)</span></a>', part)

    assert counts() == ["5", "2", "3"]
    packing.pack(order_id=soon.pk, barcode=soon.lines.all()[0].copy.barcode, by=DESK, now=clock.now())
    assert counts() == ["4", "1", "3"]


def test_who_chose_a_session_fetches_for_that_session(timed):
    point, (soon, later) = timed
    desk = Client(headers={"accept-language": "en"})
    account = rows.staff(point.library)
    desk.force_login(account)
    address = f"/staff/pull-list/?point={point.pk}"
    session = desk.get(address).context["choices"][1]["session"]
    page = desk.get(f"{address}&for={session.key}")
    assert (page.context["shown"], page.context["to_take"]) == (3, 3)
    assert f'name="value" value="{session.key}"' in page.content.decode()
    take_at = f"/staff/pull-list/take/?point={point.pk}"
    answer = desk.post(take_at, {"key": uuid4().hex, "value": session.key})
    assert "mine=1" in answer.headers["location"]
    mine = desk.get(answer.headers["location"])
    assert (mine.context["shown"], mine.context["wanted"]) == (3, session.key)
    assert set(OrderLine.objects.filter(fetcher=account).values_list("order", flat=True)) == {later.pk}
    again = desk.post(take_at, {"key": uuid4().hex, "value": session.key}, follow=True)
    assert "Nothing is left here" in again.content.decode()
    desk.post(take_at, {"key": uuid4().hex, "value": "2020-01-01T10:00"})
    assert not OrderLine.objects.filter(order=soon).exclude(fetcher=None).exists()
    desk.post(take_at, {"key": uuid4().hex})
    assert OrderLine.objects.filter(order=soon, fetcher=account).count() == 2


def test_books_for_other_libraries_are_counted_as_such(timed, branch_of):
    point, _bags = timed
    branch_of(point)
    desk = Client(headers={"accept-language": "en"})
    desk.force_login(rows.staff(point.library))
    address = f"/staff/pull-list/?point={point.pk}"
    page = desk.get(address)
    assert (page.context["untimed"], page.context["travels"], page.context["total"]) == (0, 1, 6)
    assert "for other libraries" in page.content.decode()
    only = desk.get(f"{address}&for=travels")
    assert (only.context["shown"], only.context["to_take"]) == (1, 0)
    assert desk.get(f"{address}&for=none").context["shown"] == 0


def test_scanned_at_packing_it_leaves_for_the_other_library(place, branch):
    copy = rows.copy(at=place.library)
    rows.reserve(rows.patron(branch.library), copy.title, at=branch, now=clock.now())
    desk = Client(headers={"accept-language": "en"})
    desk.force_login(rows.staff(place.library))
    sent = desk.post(f"/staff/packing/?point={place.pk}", {"barcode": copy.barcode, "key": uuid4().hex}, follow=True)
    copy.refresh_from_db()
    assert (sent.status_code, copy.state, copy.transfers.get().state) == (200, "transit", "sent")
    assert "Into the box for this library" in sent.content.decode()
