"""The main job from asking to the next reader's text, with every process real and nothing eager."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest

from config import sample
from tests.journeys.people import Program, Telephone
from tests.product import until

pytestmark = [pytest.mark.journey, pytest.mark.timeout(240)]

GRACE, NEXT = "2020-0004", "2020-0005"  # she answers from +1; he waits for the same book
EMILY = "2020-0030"  # she answers from +1 too
DRIVE_ON = """
from core import clock
from core.actor import RULE
from pickup import lane
from pickup.models import Visit

for visit in Visit.objects.filter(point__code="geumho-lane", state__in=["waiting", "called"]):
    lane.leave(visit_id=visit.pk, by=RULE, now=clock.now())
"""  # the cars of the sample make room


@pytest.fixture
def town(product):
    """The running sample library, at an hour that is never quiet, with nobody in the lane."""
    with psycopg.connect(product.environment["DATABASE_URL"]) as connection:
        connection.execute("UPDATE notifications_sender SET quiet_from = '00:00', quiet_until = '00:00'")
    product.shell(DRIVE_ON)
    return product


def phone(town, card: str) -> Telephone:
    number = next(person.number for person in sample.PEOPLE if person.card == card)
    return Telephone(town.base_url, town.environment, number, sample.SENDERS[0]["number"])


def patron(town, card: str) -> Program:
    return Program(town.base_url).sign_in(card_number=card, pin=sample.PIN)


def librarian(town) -> Program:
    return Program(town.base_url).sign_in(username="librarian", password=sample.PASSWORD)


def point_of(anybody: Program, code: str) -> int:
    points = {row["code"]: int(row["id"]) for row in anybody.get("pickup-points")["results"]}
    return points[code]


def book_with_one_copy_at(anybody: Program, library: str, word: str) -> int:
    """A title found by searching, whose only copy stands free at the library and has no volumes beside it."""
    for row in anybody.get("titles", q=word, page_size=100)["results"]:
        holdings = anybody.get(f"titles/{row['id']}")["copies"]
        if [(copy["library"]["code"], copy["free"]) for copy in holdings] == [(library, True)]:
            return int(row["id"])
    raise AssertionError(f"no title for {word!r} with one free copy at {library}")


def pack(staff: Program, order: dict[str, Any]) -> None:
    for line in staff.get(f"orders/{order['id']}")["lines"]:
        if line["state"] == "to_pick":
            staff.post(f"orders/{order['id']}/pack", {"barcode": line["barcode"]})
    staff.post(f"orders/{order['id']}/ready")


def states_of_texts(town, order_id: int) -> set[str]:
    """The states of what was said about an order's promise."""
    with psycopg.connect(town.environment["DATABASE_URL"]) as connection:
        rows = connection.execute(
            "SELECT m.state FROM notifications_message m JOIN pickup_order o"
            " ON m.about = 'appointment:' || o.appointment_id WHERE o.id = %s",
            [order_id],
        )
        return {str(state) for (state,) in rows}


def out_of_the_way(person: Program) -> None:
    """The sample's own order is cancelled, so that what follows is the only one."""
    for row in person.get("orders")["results"]:
        if row["state"] in {"picking", "ready"}:
            person.post(f"orders/{row['id']}/cancel")


def test_one_order_goes_all_the_way_and_the_next_reader_is_told(town):
    staff, grace, following = librarian(town), patron(town, GRACE), patron(town, NEXT)
    lane = point_of(grace, "geumho-lane")
    title = book_with_one_copy_at(grace, "geumho", "한국")
    out_of_the_way(grace)
    out_of_the_way(following)
    key = f"grace-{uuid.uuid4()}"  # of this run: a second one asks for another book

    asked = grace.post("orders", {"pickup_point": lane, "items": [{"title": title}]}, key=key, status=201)
    order = asked["order"]
    assert order["state"] == "picking"
    again = grace.post("orders", {"pickup_point": lane, "items": [{"title": title}]}, key=key, status=201)
    assert again["order"]["id"] == order["id"]
    waits = following.post("orders", {"pickup_point": lane, "items": [{"title": title}]}, status=201)
    assert (waits["reservations"][0]["state"], waits["reservations"][0]["why_waiting"]) == ("waiting", "lent")

    pack(staff, order)
    telephone = phone(town, GRACE)
    offer = telephone.text_with("ready", order["shown"])
    assert "1=yes" in offer
    assert grace.get(f"titles/{title}")["title"] not in offer
    until(lambda: states_of_texts(town, order["id"]) == {"delivered"}, what="the carrier's reports arrive, signed")
    said = f"SM{uuid.uuid4().hex}"  # of this run alone, as the key is: what was heard before is not heard again
    for _ in range(3):
        assert telephone.answer("1", sid=said).status_code == 200
    until(lambda: grace.get(f"orders/{order['id']}")["appointment"]["state"] == "confirmed", what="the yes is applied")
    assert telephone.text_with("Confirmed", order["shown"])

    visit = grace.post("visits", {"order": order["id"]})
    assert visit["state"] == "waiting"
    called = staff.post(f"pickup-points/{lane}/call-next")
    assert called["visits"][0]["id"] == visit["id"]
    handed = staff.post(f"visits/{visit['id']}/hand-over")
    [copy] = handed["given"]
    assert copy["loan"] is not None
    assert staff.post(f"visits/{visit['id']}/hand-over", status=409)["code"] == "already_handed_over"
    [loan] = [row for row in grace.get("loans")["results"] if row["state"] == "out"]

    returned = staff.post("returns", {"barcode": loan["barcode"], "library": "geumho"})
    assert returned["loan"]["state"] == "returned"
    twice = staff.post("returns", {"barcode": loan["barcode"], "library": "geumho"}, status=409)
    assert twice["code"] in {"not_on_loan", "belongs_in_bag"}  # the next bag may have been begun by now

    def bagged() -> list[dict[str, Any]]:
        return list(following.get("orders", state="picking")["results"])

    [bag] = until(bagged, what="the worker puts the returned book into the next reader's bag")
    pack(staff, bag)
    assert phone(town, NEXT).text_with("준비")


def test_with_redis_switched_off_the_sweep_does_it_all(town):
    staff, emily, following = librarian(town), patron(town, EMILY), patron(town, "2020-0012")
    lane = point_of(emily, "geumho-lane")
    town.stop_redis()
    try:
        all_the_way_without_redis(town, staff, emily, following, lane)
    finally:
        town.start_redis()


def all_the_way_without_redis(town, staff: Program, emily: Program, following: Program, lane: int) -> None:
    for person in (emily, following):
        out_of_the_way(person)
    title = book_with_one_copy_at(emily, "geumho", "문화")
    order = emily.post("orders", {"pickup_point": lane, "items": [{"title": title}]}, status=201)["order"]
    waits = following.post("orders", {"pickup_point": lane, "items": [{"title": title}]}, status=201)
    assert waits["order"] is None

    pack(staff, order)
    town.sweep()
    telephone = phone(town, EMILY)
    assert telephone.text_with("ready", order["shown"], within=5)
    assert emily.get(f"orders/{order['id']}")["appointment"]["state"] == "offered"
    assert telephone.answer("1").status_code == 200
    town.sweep()
    assert emily.get(f"orders/{order['id']}")["appointment"]["state"] == "confirmed"
    assert telephone.text_with("Confirmed", order["shown"], within=5)

    served = staff.post(f"pickup-points/{lane}/serve", {"order_number": order["number"]})
    assert served["given"][0]["loan"] is not None
    [loan] = [row for row in emily.get("loans")["results"] if row["title"]["id"] == title]
    staff.post("returns", {"barcode": loan["barcode"], "library": "geumho"})
    town.sweep()
    [bag] = following.get("orders", state="picking")["results"]
    pack(staff, bag)
    town.sweep()
    assert phone(town, "2020-0012").text_with("준비", bag["shown"], within=5)
