"""The pages of the window: what a tap does, what is shown afterwards, and how few questions the database is asked."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core import clock
from core.models import Access
from lending.models import Loan
from pickup import arrivals, lane, orders, queries
from pickup.models import Order, PointRules, Visit
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def point():
    made = rows.point(rules={"by_appointment": False, "bag_places": [f"A{n}" for n in range(1, 40)]})
    rows.lane(made, name="1")
    return made


@pytest.fixture
def desk(point):
    client = Client(headers={"accept-language": "en"})
    client.force_login(rows.staff(point.library))
    return client


def ready(point, *, books=1, **columns):
    now = clock.now()
    return steps.ready(steps.asked(rows.patron(point.library, **columns), point, books=books, now=now), now=now)


def here(order, **more):
    return arrivals.arrive(point_id=order.point_id, order_id=order.pk, by=DESK, now=clock.now(), **more)


def post(desk: Client, point: Any, path: str, **fields: Any) -> Any:
    """Send a form of the window and follow it to what is shown."""
    return desk.post(f"/staff/{path}/?point={point.pk}", {"key": uuid4().hex, **fields}, follow=True)


def page(desk: Client, point: Any, part: str = "", **query: Any) -> Any:
    headers = {"X-Part": part} if part else {}
    return desk.get("/staff/lane/", {"point": point.pk, **query}, headers=headers)


def standing(point):
    return list(queries.cars_here(point.pk).values_list("pk", flat=True))


# One scan, one tap


def test_a_scan_shows_the_place_the_count_what_to_do_and_one_big_button(point, desk):
    order = ready(point, books=3, needs=["window", "board"], language="en", name="홍길동")
    text = page(desk, point, number=order.shown).content.decode()
    (big,) = re.findall(r"<button[^>]*data-big.*?</button>", text, re.DOTALL)
    assert "3 books" in big
    for said in ("A1", order.shown, "At the passenger&#x27;s window", "In writing", "English", "홍*동"):
        assert said in text
    assert "홍길동" not in text
    assert Access.objects.filter(about=f"patron:{order.patron_id}", purpose="lane").exists()


def test_one_tap_serves_every_bag_of_the_car_and_says_what_went_out(point, desk):
    family = rows.household(together=True)
    bags = [ready(point, household=family, books=2) for _ in range(2)]
    shown = post(desk, point, "lane/serve", order_number=bags[0].number).context["shown"]
    assert (shown.kind, shown.count, [bag.shown for bag in shown.bags]) == (
        "given",
        4,
        sorted(bag.shown for bag in bags),
    )
    assert Visit.objects.get(pk=shown.visit_id).state == "served"


def test_a_part_is_marked_so_that_a_script_knows_it_from_a_refusal(point, desk):
    order = ready(point)
    shown = page(desk, point, part="shown", number=order.number)
    assert (shown.status_code, shown["X-Part"], b"<html" in shown.content) == (200, "shown", False)
    unknown = page(desk, point, part="shown", number="0000")
    assert (unknown.status_code, unknown["X-Part"]) == (404, "shown")
    board = page(desk, point, part="board")
    assert b"data-version" in board.content
    assert b"id_number" not in board.content
    lane.serve(point_id=point.pk, order_number=order.number, by=DESK, now=clock.now())
    form = {"key": uuid4().hex, "order_number": order.number}
    again = desk.post(f"/staff/lane/serve/?point={point.pk}", form, headers={"X-Part": "shown"})
    assert (again.status_code, "X-Part" in again, b'data-code="already_handed_over"' in again.content) == (
        409,
        False,
        True,
    )


def test_with_the_board_come_all_counts_of_which_more_is_the_sum(point, desk):
    order = ready(point)
    orders.cancel(order_id=order.pk, by=DESK, now=clock.now())
    board = " ".join(page(desk, point, "board").content.decode().split())
    for name, waits in (("more", 1), ("unpack", 1)):
        assert f'id="count-{name}" class="count" hx-swap-oob="true" >{waits}<' in board
    assert ('id="count-inbox"' in board, 'id="count-postings"' in board) == (True, False)
    point.library.circulation = "beside"
    point.library.save()
    assert 'id="count-postings"' in page(desk, point, "board").content.decode()


def test_a_bag_that_went_out_too_long_ago_offers_no_undo_of_the_newer_one(point, desk, monkeypatch):
    family, now = rows.household(together=True), clock.now()
    first, second = (ready(point, household=family) for _ in range(2))
    called = here(first)
    lane.call_next(point_id=point.pk, by=DESK, now=now)
    lane.hand_over(visit_id=called.pk, by=DESK, now=now, orders=[lane.HandOver(first.number)])
    lane.hand_over(visit_id=called.pk, by=DESK, now=now + timedelta(minutes=8))
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(minutes=12))
    offers = [
        "Yes, undo" in desk.get(f"/staff/lane/bag/{bag.pk}/?point={point.pk}").content.decode()
        for bag in (first, second)
    ]
    assert offers == [False, True]


def test_pressing_twice_hands_over_once(point, desk):
    order = ready(point)
    form = {"key": uuid4().hex, "order_number": order.number}
    answers = [desk.post(f"/staff/lane/serve/?point={point.pk}", form) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert answers[0]["location"] == answers[1]["location"]
    assert Loan.objects.filter(patron=order.patron).count() == 1


def test_a_car_that_was_called_is_shown_at_once(point, desk):
    order = ready(point)
    here(order, plate="12가3456")
    shown = post(desk, point, "lane/call", lane=point.lanes.get().pk).context["shown"]
    assert (shown.kind, shown.car.lane, [bag.number for bag in shown.ready]) == ("party", "1", [order.number])


# Called and not there


def test_who_is_not_there_is_called_again_passed_over_or_put_back(point, desk):
    first, second = (here(ready(point)) for _ in range(2))
    text = post(desk, point, "lane/call").content.decode()
    for said in ("Call again", "Not there: the next one first", "Not there: back into the line"):
        assert said in text
    again = post(desk, point, f"visits/{first.pk}/recall").content.decode()
    assert "called again" in again
    assert "Call again" in again  # the page goes on showing the car
    text = page(desk, point, visit=second.pk).content.decode()  # who waits can only be passed over
    assert "Call again" not in text
    post(desk, point, f"visits/{first.pk}/skip")
    assert standing(point) == [second.pk, first.pk]
    post(desk, point, "lane/call")
    post(desk, point, f"visits/{second.pk}/put-back")
    assert standing(point) == [second.pk, first.pk]


def test_the_display_shows_first_and_anew_who_was_called_last(point, desk):
    rows.lane(point, name="2")
    first, second = (here(ready(point)) for _ in range(2))
    for _ in range(2):
        post(desk, point, "lane/call")
    display = f"/now/{point.library.code}/lanes/"
    shown = lambda: re.findall(r'id="call-([^"]+)"', desk.get(display).content.decode())  # noqa: E731
    assert shown() == [str(second.pk), str(first.pk)]
    post(desk, point, f"visits/{first.pk}/recall")
    assert shown() == [f"{first.pk}-1", str(second.pk)]


# What is different


def test_a_book_is_kept_back_before_the_car_is_even_noted(point, desk):
    order = ready(point, books=2)
    barcode = order.lines.first().copy.barcode
    text = desk.get(f"/staff/lane/bag/{order.pk}/?point={point.pk}").content.decode()
    assert f"keep-{order.number}-{barcode}" in text
    fields = {"order_number": order.number, "bag": order.number, f"keep-{order.number}-{barcode}": "not_wanted"}
    shown = post(desk, point, "lane/serve", **fields).context["shown"]
    assert (shown.count, [(book.barcode, book.reason) for book in shown.kept]) == (1, [(barcode, "not_wanted")])


def test_only_one_bag_of_a_car_goes_out_when_only_one_is_named(point, desk):
    family = rows.household(together=True)
    first, second = (ready(point, household=family) for _ in range(2))
    post(desk, point, "lane/serve", order_number=first.number, bag=first.number)
    assert [steps.again(order).state for order in (first, second)] == ["handed_over", "ready"]


@pytest.mark.parametrize("state", ["ready", "picking", "handed_over", "cancelled", "elsewhere"])
def test_there_is_a_page_for_whatever_is_different(point, desk, state):
    where = rows.point(point.library) if state == "elsewhere" else point
    order = ready(where) if state != "picking" else steps.asked(rows.patron(point.library), point, now=clock.now())
    if state == "handed_over":
        lane.serve(point_id=point.pk, order_number=order.number, by=DESK, now=clock.now())
    if state == "cancelled":
        desk.post(f"/staff/orders/{order.pk}/cancel/?point={point.pk}", {"key": uuid4().hex})
    answer = desk.get(f"/staff/lane/bag/{order.pk}/?point={point.pk}")
    assert answer.status_code == 200
    assert ("Yes, undo" in answer.content.decode()) == (state == "handed_over")
    assert ("Hand over the rest" in answer.content.decode()) == (state == "ready")


@pytest.mark.parametrize("state", ["handed_over", "cancelled"])
def test_a_bag_that_is_gone_from_another_place_does_not_wait_there(point, desk, state):
    there = rows.point(point.library, rules={"by_appointment": False})
    order = ready(there)
    if state == "handed_over":
        lane.serve(point_id=there.pk, order_number=order.number, by=DESK, now=clock.now())
    else:
        orders.cancel(order_id=order.pk, by=DESK, now=clock.now())
    text = desk.get(f"/staff/lane/bag/{order.pk}/?point={point.pk}").content.decode()
    assert [said in text for said in ("This bag waits at", "Handed over already", "This order was given back.")] == [
        False,
        state == "handed_over",
        state == "cancelled",
    ]
    assert "Undo" not in text


def test_a_book_to_unpack_leads_from_the_window_to_unpacking(point, desk):
    order = ready(point)
    barcode = order.lines.get().copy.barcode
    orders.cancel(order_id=order.pk, by=DESK, now=clock.now())
    text = desk.get(f"/staff/lane/?point={point.pk}&number={barcode}").content.decode()
    assert f"from bag {order.shown}" in " ".join(text.split())
    assert f'href="/staff/unpack/?point={point.pk}"' in text


def test_staff_of_another_library_do_not_reach_the_bag_or_the_car(point):
    stranger, elsewhere = Client(), rows.point()
    stranger.force_login(rows.staff(elsewhere.library))
    order = ready(point)
    visit = here(order)
    assert stranger.get(f"/staff/lane/bag/{order.pk}/?point={elsewhere.pk}").status_code == 404
    for path in (f"visits/{visit.pk}/move", f"visits/{visit.pk}/attend", f"visits/{visit.pk}/leave"):
        assert post(stranger, elsewhere, path).status_code == 404
    visit.refresh_from_db()
    assert visit.state == "waiting"


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "This bag waits at another library: {library}, {point}."),
        ("ko", "이 꾸러미는 다른 도서관에 있습니다: {library}, {point}."),
    ],
)
def test_the_window_says_at_which_library_a_bag_waits(point, language, words):
    branch = rows.point(rows.library(programme=point.library.programme), name_en="Bays", name_ko="주차면")
    order = ready(branch)
    desk = Client(headers={"accept-language": language})
    desk.force_login(rows.staff(point.library))
    for typed in (order.shown, order.patron.card_number, order.lines.get().copy.barcode):
        shown = page(desk, point, "shown", number=typed).content.decode()
        said = words.format(library=branch.library.name_in(language), point=branch.name_in(language))
        assert said in shown, typed
        assert f"point={branch.pk}" not in shown  # its window is not this desk's to open
    assert order.patron.name not in shown


def test_undo_shows_the_car_again_and_it_goes_first(point, desk):
    order = ready(point)
    visit_id = post(desk, point, "lane/serve", order_number=order.number).context["shown"].visit_id
    shown = post(desk, point, f"visits/{visit_id}/undo").context["shown"]
    assert (shown.kind, shown.car.first, [bag.number for bag in shown.ready]) == ("party", True, [order.number])


def test_with_no_bag_ticked_none_goes_out(point, desk):
    order = ready(point)
    assert 'name="chosen"' in desk.get(f"/staff/lane/bag/{order.pk}/?point={point.pk}").content.decode()
    refused = post(desk, point, "lane/serve", order_number=order.number, chosen="1")
    assert (refused.status_code, steps.again(order).state) == (400, "ready")


# Books that come back in the same breath


def test_a_car_that_only_returns_stays_in_hand_while_its_books_are_taken_back(point, desk):
    lent = ready(point)
    lane.serve(point_id=point.pk, order_number=lent.number, by=DESK, now=clock.now() - timedelta(hours=1))
    car = arrivals.arrive(point_id=point.pk, plate="12가3456", purpose="return", by=DESK, now=clock.now())
    name = page(desk, point, visit=car.pk).context["car_id"]
    barcode = lent.lines.get().copy.barcode
    scanned = page(desk, point, number=barcode, car=name)
    assert scanned.context["car_in_hand"].car.visit_id == car.pk
    back = post(desk, point, "lane/take-back", barcode=barcode, car=name)
    assert (back.context["shown"].car.visit_id, back.context["car_id"]) == (car.pk, name)
    assert f"/staff/visits/{car.pk}/attend/" in back.content.decode()


@pytest.mark.parametrize("number", ["0000", "nonsense"])
def test_beside_what_was_not_found_the_button_of_the_car_before_has_no_focus(point, desk, number):
    order = ready(point)
    text = page(desk, point, number=number, car=order.pk).content.decode()
    assert "data-big" in text
    assert not re.search(r"data-big\s+autofocus", text)
    assert re.search(r"data-big\s+autofocus", page(desk, point, number=order.shown).content.decode())


def test_a_scanned_book_is_taken_back_beside_the_car_that_is_served(point, desk):
    lent = ready(point, books=2)
    lane.serve(point_id=point.pk, order_number=lent.number, by=DESK, now=clock.now() - timedelta(hours=1))
    books = [line.copy for line in lent.lines.all()]
    rows.reserve(rows.patron(point.library), books[0].title, at=point, now=clock.now())
    order = ready(point)

    scanned = page(desk, point, number=books[0].barcode, car=order.pk)
    assert (scanned.context["shown"].kind, scanned.context["car_in_hand"].order_id) == ("on_loan", order.pk)
    assert "data-at-once" in scanned.content.decode()
    assert Loan.objects.filter(patron=lent.patron, state="out").count() == 2  # a scan alone changes nothing

    first = post(desk, point, "lane/take-back", barcode=books[0].barcode, car=order.pk)
    second = post(desk, point, "lane/take-back", barcode=books[1].barcode, car=order.pk, back=first.context["back_ids"])
    assert "2 books taken back" in second.content.decode()
    assert f"Next reservation: {point}" in second.content.decode()
    assert second.context["shown"].order_id == order.pk  # and the big button is still there
    handed = post(desk, point, "lane/serve", order_number=order.number, back=second.context["back_ids"])
    assert "2 books taken back" in handed.content.decode()


def test_a_return_is_undone_and_leaves_the_list(point, desk):
    lent = ready(point)
    lane.serve(point_id=point.pk, order_number=lent.number, by=DESK, now=clock.now() - timedelta(hours=1))
    barcode = lent.lines.get().copy.barcode
    back = post(desk, point, "lane/take-back", barcode=barcode)
    loan_id = int(back.context["back_ids"])
    undone = post(desk, point, f"lane/keep-on-loan/{loan_id}", back=back.context["back_ids"])
    assert undone.context["back"] == []
    assert Loan.objects.get(pk=loan_id).state == "out"
    assert post(desk, point, "lane/keep-on-loan/999999").status_code == 404


@pytest.mark.parametrize(
    ("state", "said", "leads_to"),
    [
        ("missing", "Please scan it at “Returns”.", "/staff/returns/?point={point}"),
        ("damaged", "it does not go onto the return cart", "/staff/books/?point={point}&copy={copy}"),
    ],
)
def test_a_book_that_is_not_at_hand_leads_to_where_it_is_seen_to(point, desk, state, said, leads_to):
    copy = rows.copy(at=point.library)
    copy.move(state, at=clock.now(), by=DESK)
    text = html.unescape(page(desk, point, "shown", number=copy.barcode).content.decode())
    address = leads_to.format(point=point.pk, copy=copy.pk)
    assert (said in text, "Onto the return cart" in text, f'href="{address}"' in text) == (True, False, True)
    assert desk.get(address).status_code == 200


def test_a_book_that_just_went_out_is_not_taken_back_by_itself(point, desk):
    order = ready(point)
    lane.serve(point_id=point.pk, order_number=order.number, by=DESK, now=clock.now())
    text = page(desk, point, number=order.lines.get().copy.barcode).content.decode()
    assert "data-at-once" not in text
    assert f"in bag {order.shown}" in text


# The line


def test_cars_are_moved_by_buttons_up_and_down(point, desk):
    visits = [here(ready(point)) for _ in range(3)]
    ids = [visit.pk for visit in visits]
    places = page(desk, point).context["board"].line
    assert [(place.up, place.down) for place in places] == [(None, ids[2]), (ids[0], 0), (ids[1], None)]
    post(desk, point, f"visits/{ids[2]}/move", before=ids[1])
    assert standing(point) == [ids[0], ids[2], ids[1]]
    post(desk, point, f"visits/{ids[0]}/move", before="")
    assert standing(point) == [ids[2], ids[1], ids[0]]


def test_only_a_single_file_is_put_in_order_by_hand(desk, point):
    bays = rows.point(point.library, layout="bays", rules={"by_appointment": False})
    for bay in "12":
        here(ready(bays), bay=bay)
    assert "/move/" not in page(desk, bays).content.decode()
    for _ in range(2):
        here(ready(point))
    assert "/move/" in page(desk, point).content.decode()


def test_somebody_without_a_number_is_noted_and_seen_to(point, desk):
    shown = post(desk, point, "lane/walk-up", purpose="return", plate="12가3456").context["shown"]
    assert (shown.car.purpose, shown.car.plate, shown.bags) == ("return", "12가3456", [])
    done = post(desk, point, f"visits/{shown.car.visit_id}/attend").context["shown"]
    assert (done.kind, done.bags) == ("given", [])
    assert post(desk, point, "lane/walk-up", purpose="nonsense").status_code == 400
    assert post(desk, point, "lane/walk-up", purpose="collect").status_code == 400


def test_the_next_six_bags_to_bring_are_those_of_the_line_in_its_order(point, desk):
    orders = [ready(point) for _ in range(8)]
    for order in reversed(orders):
        here(order)
    packing = steps.asked(rows.patron(point.library), point, now=clock.now())
    here(packing)
    told = page(desk, point).context["board"].to_bring
    assert [(bag.number, bag.place) for bag in told] == [(order.number, order.place) for order in orders[:1:-1]]


def test_one_button_closes_for_today_and_opens_again(point, desk):
    text = post(desk, point, "lane/today/shut").content.decode()
    assert "Closed for today" in text
    assert PointRules.objects.get(point=point).shut_until is not None
    assert "Closed for today" not in post(desk, point, "lane/today/open-again").content.decode()
    assert post(desk, point, "lane/today/nonsense").status_code == 404


# Few questions


def questions(ask):
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert ask().status_code in {200, 404}
    return len(asked)


def test_the_window_asks_the_database_the_same_questions_for_a_short_and_a_long_line(point, desk):
    found = ready(point, books=1)
    here(found)
    here(ready(point))
    asks = {
        "window": lambda: page(desk, point),
        "board": lambda: page(desk, point, part="board"),
        "scan": lambda: page(desk, point, part="shown", number=found.number),
        "now": lambda: desk.get("/now/"),
        "display": lambda: desk.get(f"/now/{point.library.code}/lanes/"),
        "run sheet": lambda: desk.get(f"/staff/run-sheet/?point={point.pk}"),
        "catch up": lambda: desk.get(f"/staff/catch-up/?point={point.pk}"),
    }
    asks["board"]()
    few = {name: questions(ask) for name, ask in asks.items()}
    now = clock.now()
    for n in range(9):
        here(ready(point, books=3))
        lane.serve(point_id=point.pk, order_number=ready(point).number, by=DESK, now=now)
        rows.window(rows.point(point.library), capacity=n + 1)
    lane.call_next(point_id=point.pk, by=DESK, now=clock.now())
    many = {name: questions(ask) for name, ask in asks.items()}
    assert many == few
    assert Order.objects.filter(point=point).count() > 18


def test_a_hand_over_is_answered_within_a_few_questions_whatever_the_line(point, desk):
    """The board of a busy day costs no more than that of a quiet one, nor does the page after a tap."""
    order = ready(point)
    handed = lane.serve(point_id=point.pk, order_number=order.number, by=DESK, now=clock.now())
    few = questions(lambda: page(desk, point, part="shown", given=handed.visit.pk))
    for _ in range(5):
        here(ready(point))
    assert questions(lambda: page(desk, point, part="shown", given=handed.visit.pk)) == few


def test_a_closed_place_says_that_who_is_here_is_served_only_where_somebody_is(desk, point):
    post(desk, point, "lane/today/shut")
    address, served = f"/now/{point.library.code}/", "Whoever is here already is still served."
    assert served not in desk.get(address).content.decode()
    arrivals.arrive(point_id=point.pk, purpose="return", by=DESK, now=clock.now())
    assert served in desk.get(address).content.decode()
