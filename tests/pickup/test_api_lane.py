"""The lane through API v1: arrive, call, hand over, undo."""

from __future__ import annotations

import pytest

from core import clock
from lending.models import Loan
from pickup.models import Visit
from tests import api, rows
from tests.pickup import steps

pytestmark = pytest.mark.django_db


@pytest.fixture
def point():
    made = rows.point()
    rows.lane(made)
    return made


@pytest.fixture
def desk(point):
    return api.librarian(point.library)


def with_bag(point, *, books: int = 1):
    """A patron whose bag is ready now."""
    who, mine = api.patron(home=point.library)
    now = clock.now()
    return who, mine, steps.ready(steps.asked(who, point, books=books, now=now), now=now)


def test_a_car_comes_is_called_gets_its_books_and_all_is_undone(point, desk) -> None:
    _who, mine, order = with_bag(point, books=2)
    visit = mine.post("visits", {"order": order.pk})
    assert (visit["state"], visit["purpose"], visit["ahead"]) == ("waiting", "collect", 0)
    assert visit["orders"] == [{"id": order.pk, "number": order.number, "state": "ready"}]
    assert mine.post("visits", {"order": order.pk})["id"] == visit["id"]
    assert desk.post(f"visits/{visit['id']}/hand-over", status=409)["code"] == "not_in_this_state"
    [called] = desk.post(f"pickup-points/{point.pk}/call-next")["visits"]
    assert (called["id"], called["state"]) == (visit["id"], "called")
    assert called["lane"] is not None
    handed = desk.post(f"visits/{visit['id']}/hand-over", key="tap")
    assert handed["visit"]["state"] == "served"
    assert [copy["reason"] for copy in handed["given"]] == ["", ""]
    assert all(copy["loan"] and copy["due_on"] for copy in handed["given"])
    assert desk.post(f"visits/{visit['id']}/hand-over", key="tap") == handed
    again = desk.post(f"visits/{visit['id']}/hand-over", status=409)
    assert again["code"] == "already_handed_over"
    assert again["facts"]["at"]
    assert Loan.objects.filter(state="out").count() == 2
    undone = desk.post(f"visits/{visit['id']}/undo")
    assert undone["state"] == "waiting"
    assert not Loan.objects.filter(state="out").exists()
    assert mine.get(f"orders/{order.pk}")["state"] == "ready"


def test_a_book_that_is_kept_back_says_why(point, desk) -> None:
    _who, mine, order = with_bag(point, books=2)
    keep, give = order.lines.select_related("copy").order_by("id")
    visit = mine.post("visits", {"order": order.pk})
    desk.post(f"pickup-points/{point.pk}/call-next")
    address = f"visits/{visit['id']}/hand-over"
    bag = {"number": order.shown, "not_given": [{"barcode": keep.copy.barcode, "reason": "not_wanted"}]}
    wrong = {"number": order.number, "not_given": [{"barcode": "nothing", "reason": "damaged"}]}
    assert desk.post(address, {"orders": [wrong]}, 409)["code"] == "not_in_this_order"
    assert desk.post(address, {"orders": [{"number": "0000"}]}, 404)["code"] == "unknown_order"
    given = {copy["barcode"]: copy for copy in desk.post(address, {"orders": [bag]})["given"]}
    assert (given[keep.copy.barcode]["reason"], given[keep.copy.barcode]["loan"]) == ("not_wanted", None)
    assert given[give.copy.barcode]["loan"] is not None


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"orders": [{"number": 4721}]}, "orders.0.number"),
        ({"orders": [{"number": "4721", "not_given": [{"barcode": "1"}]}]}, "orders.0.not_given.0.reason"),
        (
            {"orders": [{"number": "4721", "not_given": [{"barcode": "1", "reason": "eaten"}]}]},
            "orders.0.not_given.0.reason",
        ),
        (
            {"orders": [{"number": "4721", "not_given": [{"barcode": "1", "reason": "damaged"}] * 2}]},
            "orders.0.not_given",
        ),
        ({"orders": "all"}, "orders"),
        ({"order": 1}, "order"),
    ],
)
def test_a_hand_over_that_cannot_be_read_names_the_field(point, desk, sent, field) -> None:
    _who, mine, order = with_bag(point)
    visit = mine.post("visits", {"order": order.pk})
    assert desk.post(f"visits/{visit['id']}/hand-over", sent, 400)["field"] == field


def test_one_scan_does_it_all(point, desk) -> None:
    for scan in ("order_number", "card_number", "barcode"):
        who, _mine, order = with_bag(point)
        barcode = order.lines.get().copy.barcode
        sent = {scan: {"order_number": order.shown, "card_number": who.card_number, "barcode": barcode}[scan]}
        served = desk.post(f"pickup-points/{point.pk}/serve", sent)
        assert served["visit"]["state"] == "served"
        assert served["given"][0]["barcode"] == barcode
        assert desk.post(f"pickup-points/{point.pk}/serve", sent, 409)["code"] == "already_handed_over"
    for sent in ({}, {"order_number": "1", "barcode": "2"}):
        assert desk.post(f"pickup-points/{point.pk}/serve", sent, 400)["code"] == "invalid"
    assert desk.post(f"pickup-points/{point.pk}/serve", {"order_number": "0000"}, 404)["code"] == "unknown_order"


def test_nobody_waits_or_the_lane_is_busy_or_closed(point, desk) -> None:
    address = f"pickup-points/{point.pk}/call-next"
    assert desk.post(address, status=409)["code"] == "nobody_waiting"
    for _ in range(2):
        _who, mine, order = with_bag(point)
        mine.post("visits", {"order": order.pk})
    lane_id = point.lanes.get().pk
    [called] = desk.post(address, {"lane": lane_id})["visits"]
    busy = desk.post(address, {"lane": lane_id}, 409)
    assert (busy["code"], busy["facts"]["visit"]) == ("lane_busy", called["id"])
    assert desk.post(f"lanes/{lane_id}/close", status=409)["code"] == "lane_busy"
    again = desk.post(f"visits/{called['id']}/recall")
    assert (again["state"], called["recalled_at"]) == ("called", None)
    assert again["recalled_at"] is not None
    assert desk.post(f"visits/{called['id']}/skip")["state"] == "waiting"
    assert desk.post(f"visits/{called['id']}/recall", status=409)["code"] == "not_in_this_state"
    [other] = desk.post(address)["visits"]
    assert other["id"] != called["id"]
    assert desk.post(f"visits/{other['id']}/put-back")["state"] == "waiting"
    assert desk.post(f"lanes/{lane_id}/close")["open"] is False
    assert desk.post(address, {"lane": lane_id}, 409)["code"] == "lane_closed"
    assert desk.post(f"lanes/{lane_id}/open") == {
        "id": lane_id,
        "pickup_point": point.pk,
        "name": point.lanes.get().name,
        "open": True,
    }
    assert desk.post(address)["visits"][0]["id"] == other["id"]
    assert desk.post(address, {"count": 0}, 400)["field"] == "count"


def test_a_car_is_put_where_it_stands(point, desk) -> None:
    first, second, third = (desk.post("visits", {"pickup_point": point.pk, "plate": plate})["id"] for plate in "123")

    def line():
        return list(Visit.objects.order_by("queued_at").values_list("pk", flat=True))

    assert desk.post(f"visits/{third}/move", {"before": first})["id"] == third
    assert line() == [third, first, second]
    desk.post(f"visits/{first}/move", {"before": None})
    assert line() == [third, second, first]
    assert desk.post(f"visits/{first}/move", {"before": 10**9}, 409)["code"] == "queue_changed"
    assert desk.post(f"visits/{first}/move", {}, 400)["field"] == "before"
    stranger = api.librarian(rows.library())
    assert stranger.post(f"visits/{first}/move", {"before": None}, 404)["code"] == "unknown_visit"


def test_who_leaves_may_come_again(point, desk) -> None:
    _who, mine, order = with_bag(point)
    visit = mine.post("visits", {"order": order.pk})
    assert mine.post(f"visits/{visit['id']}/leave")["state"] == "left"
    again = mine.post("visits", {"order": order.pk})
    assert again["id"] != visit["id"]
    assert desk.post(f"visits/{again['id']}/leave")["state"] == "left"
    assert desk.post(f"visits/{again['id']}/undo")["state"] == "waiting"


def test_a_camera_says_who_is_here_and_touches_nothing_else(point, desk) -> None:
    who, _mine, order = with_bag(point)
    camera = api.device(point.library)
    visit = camera.post("visits", {"pickup_point": point.pk, "card_number": who.card_number})
    assert visit["orders"][0]["id"] == order.pk
    assert camera.get("orders")["results"] == []
    assert camera.get(f"orders/{order.pk}", 404)["code"] == "unknown_order"
    for address in (f"orders/{order.pk}/cancel", f"orders/{order.pk}/ready"):
        assert camera.post(address, {}, 404)["code"] == "unknown_order"
    assert camera.post(f"pickup-points/{point.pk}/call-next", {}, 403)["code"] == "forbidden"
    assert camera.post(f"pickup-points/{point.pk}/serve", {"order_number": order.number}, 403)["code"] == "forbidden"
    assert camera.post(f"visits/{visit['id']}/leave", {}, 404)["code"] == "unknown_visit"


def test_cards_of_another_programme_are_unknown_at_the_lane(point, desk) -> None:
    stranger = rows.patron()
    for address, sent in (
        ("visits", {"pickup_point": point.pk, "card_number": stranger.card_number}),
        (f"pickup-points/{point.pk}/serve", {"card_number": stranger.card_number}),
    ):
        assert desk.post(address, sent, 404)["code"] == "unknown_card"


def test_staff_and_cameras_say_who_is_here_by_card_number_or_plate(point, desk) -> None:
    who, _mine, order = with_bag(point)
    camera = api.device(point.library)
    seen = camera.post("visits", {"pickup_point": point.pk, "plate": "12가 3456"})
    assert (seen["plate"], seen["orders"]) == ("12가3456", [])
    by_card = desk.post("visits", {"pickup_point": point.pk, "card_number": who.card_number, "plate": "12가3456"})
    assert by_card["id"] == seen["id"]
    assert by_card["orders"][0]["id"] == order.pk
    by_number = desk.post("visits", {"pickup_point": point.pk, "order_number": order.shown})
    assert by_number["id"] == seen["id"]
    assert desk.post("visits", {"pickup_point": point.pk, "order_number": "0000"}, 404)["code"] == "unknown_order"
    assert desk.post("visits", {"pickup_point": point.pk, "card_number": "0000"}, 404)["code"] == "unknown_card"
    assert desk.post("visits", {"pickup_point": point.pk, "purpose": "return", "plate": "9"})["purpose"] == "return"


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({}, "pickup_point"),
        ({"order": 1, "card_number": "1"}, ""),
        ({"order": 1, "purpose": "chat"}, "purpose"),
        ({"order": 1, "plate": "x" * 21}, "plate"),
        ({"order": 1, "patron": 2}, "patron"),
    ],
)
def test_an_arrival_that_cannot_be_read_names_the_field(desk, sent, field) -> None:
    assert desk.post("visits", sent, 400)["field"] == field


def test_a_patron_comes_for_their_own_order_only(point) -> None:
    _who, _mine, order = with_bag(point)
    _other, stranger = api.patron(home=point.library)
    unknown = stranger.post("visits", {"order": 999_999_999}, 404)
    assert stranger.post("visits", {"order": order.pk}, 404) == unknown
    said = stranger.post("visits", {"pickup_point": point.pk, "order_number": order.number}, 400)
    assert said["field"] == "order_number"
    assert stranger.post("visits", {"pickup_point": point.pk}, 409)["code"] == "no_open_order"
    assert not Visit.objects.exists()


def test_who_comes_to_the_wrong_place_is_told_which_is_right_and_strangers_are_not(point, desk) -> None:
    branch = rows.point(rows.library(programme=point.library.programme))
    who, mine, order = with_bag(branch)
    _other, stranger = api.patron(home=point.library)
    at = {"pickup_point": point.pk}
    for sent in ({**at, "order": order.pk}, at):
        said = mine.post("visits", sent, 409)
        assert (said["code"], said["facts"]["pickup_point"]) == ("at_another_point", branch.pk)
        assert said["facts"]["library"] == branch.library.code
    for sent in ({"order_number": order.number}, {"card_number": who.card_number}):
        assert desk.post("visits", {**at, **sent}, 409)["facts"]["pickup_point"] == branch.pk
        assert desk.post(f"pickup-points/{point.pk}/serve", sent, 409)["code"] == "at_another_point"
    unknown = stranger.post("visits", {**at, "order": 999_999_999}, 404)
    assert stranger.post("visits", {**at, "order": order.pk}, 404) == unknown
    assert stranger.post("visits", at, 409)["code"] == "no_open_order"
    assert not Visit.objects.exists()
    assert mine.post("visits", {"pickup_point": branch.pk})["orders"][0]["id"] == order.pk
    assert mine.post("visits", {**at, "purpose": "return"})["purpose"] == "return"


def test_what_is_the_staffs_is_theirs_alone(point, desk) -> None:
    _who, mine, order = with_bag(point)
    visit = mine.post("visits", {"order": order.pk})
    lane_id = point.lanes.get().pk
    for address in (f"pickup-points/{point.pk}/call-next", f"lanes/{lane_id}/open"):
        assert mine.post(address, status=403)["code"] == "staff_only"
    assert mine.post(f"pickup-points/{point.pk}/serve", {"barcode": "1"}, 403)["code"] == "staff_only"
    for act in ("hand-over", "put-back", "recall", "skip", "undo"):
        assert mine.post(f"visits/{visit['id']}/{act}", status=403)["code"] == "forbidden"
    _other, stranger = api.patron(home=point.library)
    elsewhere = api.librarian(rows.library())
    for outsider in (stranger, elsewhere):
        unknown = outsider.post("visits/999999999/undo", status=404)
        for act in ("hand-over", "put-back", "recall", "skip", "undo", "leave"):
            assert outsider.post(f"visits/{visit['id']}/{act}", status=404) == unknown
    unknown = elsewhere.post("lanes/999999999/open", status=404)
    assert elsewhere.post(f"lanes/{lane_id}/open", status=404) == unknown
    unknown = elsewhere.post("pickup-points/999999999/call-next", status=404)
    assert elsewhere.post(f"pickup-points/{point.pk}/call-next", status=404) == unknown
    assert elsewhere.post("visits", {"order": order.pk}, 404)["code"] == "unknown_order"
    assert elsewhere.post("visits", {"pickup_point": point.pk, "plate": "1"}, 404)["code"] == "unknown_pickup_point"
    assert desk.post(f"pickup-points/{point.pk}/call-next")["visits"]


def test_an_undone_return_takes_the_book_from_the_next_bag(point, desk) -> None:
    _who, _mine, order = with_bag(point)
    _following, theirs = api.patron(home=point.library)
    served = desk.post(f"pickup-points/{point.pk}/serve", {"order_number": order.number})
    [given] = served["given"]
    title = given["title"]["id"]
    theirs.post("orders", {"pickup_point": point.pk, "items": [{"title": title}]}, 201)
    returned = desk.post("returns", {"barcode": given["barcode"]})
    assert returned["next"] is not None
    assert desk.post(f"loans/{given['loan']}/undo-return")["state"] == "out"
    assert theirs.get("reservations")["results"][0]["state"] == "waiting"
