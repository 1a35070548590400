"""The edges of the pages: who may, what acts, what is said beside the field, what a second press does."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from core import clock
from core.actor import RULE
from core.models import Access
from lending.models import Loan, Reservation
from lending.reservations import Item
from pickup import links, orders, packing
from pickup.models import Order, Visit
from tests import rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def place():
    """A library with a drive lane where a time is chosen while ordering."""
    point = rows.point(rules={"promise": "at_order"})
    rows.lane(point)
    soon = clock.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=6)
    rows.slot(point, soon)
    rows.slot(point, soon + timedelta(hours=1))
    return point


@pytest.fixture
def reader(place):
    """A patron who is signed in, with the browser."""
    patron = rows.patron(place.library, pin=rows.PIN)
    client = Client(headers={"accept-language": "en"})
    client.post("/sign-in/", {"card_number": patron.card_number, "pin": rows.PIN})
    return patron, client


@pytest.fixture
def desk(place):
    """The browser of a librarian of the place."""
    account = rows.staff(place.library)
    client = Client(headers={"accept-language": "en"})
    client.force_login(account)
    return client


def ordered(patron, place, books=2) -> Order:
    """An order as the verb makes it."""
    items = [Item(rows.copy(at=place.library).title_id) for _ in range(books)]
    by = rows.patron_actor(patron)
    made = orders.request(patron_id=patron.pk, point_id=place.pk, items=items, by=by, now=clock.now()).order
    assert made is not None
    return made


def packed(order: Order) -> Order:
    """The same order, ready."""
    for line in order.lines.select_related("copy"):
        packing.pack(order_id=order.pk, barcode=line.copy.barcode, by=RULE, now=clock.now())
    packing.mark_ready(order_id=order.pk, by=RULE, now=clock.now())
    order.refresh_from_db()
    return order


def key() -> dict[str, str]:
    return {"key": uuid4().hex}


def test_a_noted_book_becomes_an_order_at_the_chosen_time(place, reader):
    patron, client = reader
    copy = rows.copy(at=place.library)
    client.post("/ask/note/", {"title": copy.title_id, "next": "/ask/"})
    slot = place.slots.order_by("-starts_at").first()
    answer = client.post("/ask/", {**key(), "point": place.pk, "slot": slot.pk, "who": "me"})
    order = Order.objects.get(patron=patron)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/my/orders/{order.pk}/"
    assert order.appointment.slot == slot
    assert client.session["basket"] == []


def test_pressing_twice_orders_once(place, reader):
    patron, client = reader
    client.post("/ask/note/", {"title": rows.copy(at=place.library).title_id})
    form = {**key(), "point": place.pk, "who": "me"}
    first, second = client.post("/ask/", form), client.post("/ask/", form)
    assert first.headers["location"] == second.headers["location"]
    assert Reservation.objects.filter(patron=patron).count() == 1


def test_a_form_without_its_key_changes_nothing(place, reader):
    patron, client = reader
    client.post("/ask/note/", {"title": rows.copy(at=place.library).title_id})
    answer = client.post("/ask/", {"point": place.pk, "who": "me"})
    assert answer.status_code == 400
    assert not Reservation.objects.filter(patron=patron).exists()


@pytest.mark.lawless("I1", why="a slot is filled by hand")
def test_a_full_time_is_said_beside_the_times_with_others_to_choose(place, reader):
    _patron, client = reader
    client.post("/ask/note/", {"title": rows.copy(at=place.library).title_id})
    full = place.slots.order_by("starts_at").first()
    type(full).objects.filter(pk=full.pk).update(booked=full.capacity)
    answer = client.post("/ask/", {**key(), "point": place.pk, "slot": full.pk, "who": "me"})
    assert answer.status_code == 409
    assert answer.context["form"].errors["slot"] == ["This time cannot be booked any more. Please choose another one."]
    assert [room.slot.pk for day in answer.context["days"] for room in day.rooms] == [
        place.slots.order_by("-starts_at").first().pk
    ]


def test_somebody_else_may_be_named_to_collect(place, reader):
    patron, client = reader
    client.post("/ask/note/", {"title": rows.copy(at=place.library).title_id})
    somebody = {"who": "other", "name": "손자", "number": "010-0000-7777", "language": "en"}
    client.post("/ask/", {**key(), "point": place.pk, **somebody})
    order = Order.objects.get(patron=patron)
    assert (order.collector.name, order.collector.number, order.collector.language) == ("손자", "+821000007777", "en")


def test_a_number_that_nobody_can_have_is_said_beside_the_field(place, reader):
    patron, client = reader
    client.post("/ask/note/", {"title": rows.copy(at=place.library).title_id})
    answer = client.post("/ask/", {**key(), "point": place.pk, "who": "other", "name": "손자", "number": "119"})
    assert answer.status_code == 400
    assert "number" in answer.context["form"].errors
    assert not Order.objects.filter(patron=patron).exists()


def test_looking_never_acts(place, reader):
    patron, client = reader
    order = packed(ordered(patron, place))
    token = links.token_for(order, now=clock.now())
    for base in (f"/my/orders/{order.pk}/", f"/o/{token}/"):
        for act in ("confirm", "cancel", "here"):
            assert client.get(f"{base}{act}/").status_code == 405
    assert not Visit.objects.exists()


@pytest.mark.parametrize("method", ["get", "post"])
def test_an_act_that_nobody_knows_is_not_found(place, reader, method):
    patron, client = reader
    order = packed(ordered(patron, place))
    token = links.token_for(order, now=clock.now())
    for base in (f"/my/orders/{order.pk}/", f"/o/{token}/"):
        assert getattr(client, method)(f"{base}zzz/", key()).status_code == 404


def test_somebody_elses_order_is_unknown(place, reader):
    _patron, client = reader
    order = ordered(rows.patron(place.library), place)
    assert client.get(f"/my/orders/{order.pk}/").status_code == 404
    assert client.post(f"/my/orders/{order.pk}/cancel/", key()).status_code == 404


def test_the_code_page_opens_the_order_and_tells_no_title(place):
    order = packed(ordered(rows.patron(place.library, number="+821000009876"), place))
    client = Client(headers={"accept-language": "en"})
    wrong = client.post(f"/code/{place.library.code}/", {"number": order.number, "last_four": "0000"})
    assert wrong.status_code == 404
    right = client.post(f"/code/{place.library.code}/", {"number": order.shown, "last_four": "９８７６"}, follow=True)
    page = right.content.decode()
    assert order.shown in page
    assert "2 books" in page
    assert "소년이 온다" not in page
    assert order.patron.name not in page


def test_i_am_here_on_the_link_page_stands_on_the_board(place, desk):
    order = packed(ordered(rows.patron(place.library), place))
    base = reverse("link", args=[links.token_for(order, now=clock.now())])
    Client().post(f"{base}here/", key())
    visit = Visit.objects.get(point=place)
    assert visit.door == "link"
    assert order.shown in desk.get(f"/staff/lane/?point={place.pk}").content.decode()


def test_a_window_hands_over_and_keeps_one_book_back(place, desk):
    order = packed(ordered(rows.patron(place.library), place))
    at = f"?point={place.pk}"
    desk.post(f"/staff/orders/{order.pk}/arrive/{at}", key())
    desk.post(f"/staff/lane/call/{at}", {**key(), "lane": place.lanes.get().pk})
    visit = Visit.objects.get(point=place)
    barcode = order.lines.first().copy.barcode
    kept = {f"keep-{order.number}-{barcode}": "damaged"}
    answer = desk.post(f"/staff/visits/{visit.pk}/hand-over/{at}", {**key(), "bag": order.number, **kept}, follow=True)
    given = answer.context["shown"]
    assert (given.kind, given.count) == ("given", 1)
    assert [(book.barcode, book.reason) for book in given.kept] == [(barcode, "damaged")]
    assert "1 book stays here" in answer.content.decode()
    order.refresh_from_db()
    assert order.state == "handed_over"
    desk.post(f"/staff/visits/{visit.pk}/undo/{at}", key())
    order.refresh_from_db()
    assert order.state == "ready"


def test_one_scan_and_one_tap(place, desk):
    order = packed(ordered(rows.patron(place.library), place))
    barcode = order.lines.first().copy.barcode
    at = f"?point={place.pk}"
    for scanned in (order.number, order.shown, barcode, order.patron.card_number):
        shown = desk.get(f"/staff/lane/{at}&number={scanned}").context["shown"]
        assert [bag.number for bag in shown.ready] == [order.number]
    desk.post(f"/staff/lane/serve/{at}", {**key(), "order_number": order.number})
    order.refresh_from_db()
    assert order.state == "handed_over"


def test_a_book_of_another_bag_is_named_beside_the_scan_field(place, desk):
    patron = rows.patron(place.library)
    order = packed(ordered(patron, place))
    barcode = order.lines.first().copy.barcode
    answer = desk.post(f"/staff/packing/?point={place.pk}", {**key(), "barcode": barcode})
    assert answer.status_code == 409
    assert answer.context["form"].errors["barcode"] == [f"The book {barcode} is already in this bag."]
    stray = rows.copy(at=place.library).barcode
    assert desk.post(f"/staff/packing/?point={place.pk}", {**key(), "barcode": stray}).status_code == 409


def test_a_return_says_who_is_next_and_can_be_undone(place, desk):
    order = packed(ordered(rows.patron(place.library), place, books=1))
    desk.post(f"/staff/lane/serve/?point={place.pk}", {**key(), "order_number": order.number})
    copy = order.lines.get().copy
    rows.reserve(rows.patron(place.library), copy.title, at=place, now=clock.now())
    page = desk.post(f"/staff/returns/?point={place.pk}", {**key(), "barcode": copy.barcode}, follow=True)
    last = page.context["last"]
    assert (last.held, last.line.state) == (True, "to_pick")
    desk.post(f"/staff/loans/{last.return_id}/undo-return/?point={place.pk}", key())
    assert Loan.objects.get(pk=last.return_id).state == "out"


def test_staff_of_another_library_see_nothing_of_it(place):
    stranger = Client()
    stranger.force_login(rows.staff(rows.library()))
    for page in (
        "",
        "lane/",
        "pull-list/",
        "packing/",
        "slips/",
        "shelf/",
        "unpack/",
        "returns/",
        "phone-orders/",
        "inbox/",
    ):
        assert stranger.get(f"/staff/{page}?point={place.pk}").status_code == 404


def test_readers_do_not_come_behind_the_window(place, reader):
    _patron, client = reader
    assert client.get("/staff/").status_code == 403
    assert client.get(f"/staff/lane/?point={place.pk}").status_code == 403


def test_who_is_not_signed_in_comes_back_to_where_they_wanted_to_go(place):
    client = Client()
    assert client.get("/my/").headers["location"] == "/sign-in/?next=/my/"
    assert client.get("/staff/lane/?point=1").headers["location"].startswith("/staff/sign-in/?next=/staff/lane/")
    patron = rows.patron(place.library, pin=rows.PIN)
    card = {"card_number": patron.card_number, "pin": rows.PIN}
    assert client.post("/sign-in/", {**card, "next": "https://evil.example/"}).headers["location"] == "/my/"


def test_an_order_on_the_phone_bears_the_channel_and_is_logged(place, desk):
    patron, copy = rows.patron(place.library), rows.copy(at=place.library)
    address = f"/staff/phone-orders/{patron.pk}/?point={place.pk}&item={copy.title_id}:"
    assert desk.get(address).status_code == 200
    assert Access.objects.filter(about=f"patron:{patron.pk}", purpose="phone-orders").exists()
    desk.post(address, {**key(), "who": "me"})
    assert Reservation.objects.get(patron=patron).channel == "phone"


def test_a_form_in_parts_is_read_like_any_other(place, desk):
    order = packed(ordered(rows.patron(place.library), place))
    form = {**key(), "order_number": order.number}
    answers = [desk.post(f"/staff/lane/serve/?point={place.pk}", form, format="multipart") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]


def test_an_impossible_move_is_told_in_the_readers_words(place, reader):
    patron, client = reader
    order = ordered(patron, place)
    client.post(f"/my/orders/{order.pk}/cancel/", key())
    again = client.post(f"/my/orders/{order.pk}/cancel/", key())
    assert again.status_code == 409
    assert "it is already “cancelled”" in again.content.decode()
