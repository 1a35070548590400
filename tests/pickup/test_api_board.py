"""What staff do on pages, done by programs: the board, closed for today, a month in numbers, the pull list."""

from __future__ import annotations

import pytest

from core import clock, live
from pickup.models import OrderLine, PointRules
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


def asked(point, *, books: int = 1):
    return steps.asked(rows.patron(point.library), point, books=books, now=clock.now())


def here(point, desk):
    """A car in line with a ready bag: the order and its visit."""
    order = steps.ready(asked(point), now=clock.now())
    return order, desk.post("visits", {"order_number": order.shown, "pickup_point": point.pk})


def test_the_board_tells_who_waits_who_is_called_and_who_has_gone(point, desk) -> None:
    (_first, one), (second, two), (_third, three) = here(point, desk), here(point, desk), here(point, desk)
    desk.post(f"visits/{one['id']}/leave")
    [called] = desk.post(f"pickup-points/{point.pk}/call-next")["visits"]
    board = desk.get(f"pickup-points/{point.pk}/board")
    assert [row["id"] for row in board["called"]] == [called["id"]] == [two["id"]]
    assert [row["id"] for row in board["waiting"]] == [three["id"]]
    assert [row["id"] for row in board["ended"]] == [one["id"]]
    assert board["called"][0]["orders"][0]["number"] == second.number
    assert [(lane["open"], lane["visit"]) for lane in board["lanes"]] == [(True, two["id"])]
    assert board["version"] == live.versions([f"point:{point.pk}"])[f"point:{point.pk}"]
    assert second.patron.name not in str(board)
    desk.post(f"visits/{three['id']}/leave")
    assert desk.get(f"pickup-points/{point.pk}/board")["version"] != board["version"]


def test_in_bays_the_board_tells_where_each_car_stands(desk, point) -> None:
    bays = rows.point(point.library, layout="bays")
    order = steps.ready(asked(bays), now=clock.now())
    desk.post("visits", {"order_number": order.shown, "pickup_point": bays.pk, "bay": "3"})
    board = desk.get(f"pickup-points/{bays.pk}/board")
    assert (board["layout"], board["waiting"][0]["bay"], board["lanes"]) == ("bays", "3", [])


def test_the_visits_of_a_point_are_listed_newest_first(point, desk) -> None:
    (_one, first), (_two, second) = here(point, desk), here(point, desk)
    other = rows.point(point.library)
    order = steps.ready(asked(other), now=clock.now())
    elsewhere = desk.post("visits", {"order_number": order.shown, "pickup_point": other.pk})
    desk.post(f"visits/{first['id']}/leave")
    ids = lambda **narrow: [row["id"] for row in desk.get("visits", **narrow)["results"]]  # noqa: E731
    assert ids() == [elsewhere["id"], second["id"], first["id"]]
    assert ids(pickup_point=point.pk) == [second["id"], first["id"]]
    assert ids(pickup_point=point.pk, state="left") == [first["id"]]
    page = desk.get("visits", page_size=1)
    assert (len(page["results"]), page["next"] is None) == (1, False)


def test_a_point_is_closed_for_today_and_opened_again(point, desk) -> None:
    said = desk.post(f"pickup-points/{point.pk}/shut")
    assert said["shut_until"] is not None
    assert desk.get(f"pickup-points/{point.pk}/board")["why_closed"] == "staff"
    assert desk.post(f"pickup-points/{point.pk}/open-again") == {"pickup_point": point.pk, "shut_until": None}
    assert PointRules.objects.get(point=point).shut_until is None


def test_a_month_in_numbers_is_what_the_open_file_tells(point, desk, client) -> None:
    _order, visit = here(point, desk)
    desk.post(f"pickup-points/{point.pk}/call-next")
    desk.post(f"visits/{visit['id']}/hand-over")
    path = f"libraries/{point.library.code}/statistics"
    told = desk.get(path)
    client.force_login(rows.staff(point.library))
    file = client.get(f"/staff/statistics/{told['month']}.csv?point={point.pk}").content.decode("utf-8-sig")
    lines = [line.split(",") for line in file.splitlines()[1:]]
    number = lambda text: float(text) if text else None  # noqa: E731
    assert [(row["pickup_point"], row["measure"], row["of"], row["value"]) for row in told["figures"]] == [
        (point_code, measure, of, number(value)) for _library, _month, point_code, measure, of, value in lines
    ]
    assert {(row["measure"], row["value"]) for row in told["figures"]} >= {("cars", 1), ("books", 1)}
    assert desk.get(path, month=told["month"]) == told
    assert desk.get(path, 404, month="1999-01")["field"] == "month"
    assert desk.get(path, 400, month="soon")["field"] == "month"


def test_the_pull_list_is_shared_and_what_is_not_there_is_said(point, desk) -> None:
    order = asked(point, books=3)
    path = f"libraries/{point.library.code}/pull-list"
    lines = desk.get(path)["lines"]
    assert {row["id"] for row in lines} == set(order.lines.values_list("pk", flat=True))
    assert {(row["number"], row["here"], row["fetcher"], row["in_bag"]) for row in lines} == {
        (order.number, False, None, "")
    }
    assert desk.post(f"{path}/take", {"count": 1}) == {"books": 1}
    assert desk.post(f"{path}/take", {"lines": [lines[2]["id"]]}) == {"books": 1}
    mine = [row["fetcher"] is not None for row in desk.get(path)["lines"]]
    assert mine == [True, False, True]
    assert api.librarian(point.library).post(f"{path}/take") == {"books": 1}
    assert desk.post(f"{path}/let-go") == {"books": 2}
    assert desk.post(f"lines/{lines[0]['id']}/not-on-shelf")["state"] == "missing"
    assert [row["id"] for row in desk.get(path)["lines"]] == [row["id"] for row in lines[1:]]


def test_books_leave_dead_bags(point, desk) -> None:
    order = steps.ready(asked(point, books=2), now=clock.now())
    path = f"libraries/{point.library.code}/unpack"
    barcode = order.lines.select_related("copy").first().copy.barcode
    assert desk.post(path, {"barcode": barcode}, 409)["code"] == "not_in_this_order"
    desk.post(f"orders/{order.pk}/cancel")
    assert {row["order"] for row in desk.get(path)["lines"]} == {order.pk}
    assert desk.post(path, {"barcode": barcode}, key="scan")["state"] == "unpacked"
    assert desk.post(path, {"barcode": barcode}, key="scan")["state"] == "unpacked"
    assert len(desk.get(path)["lines"]) == 1
    assert desk.post(path, {"barcode": "nothing"}, 404)["code"] == "unknown_barcode"


def test_all_of_it_is_for_those_who_work_there(point, desk) -> None:
    line = asked(point).lines.get()
    code, pk = point.library.code, point.pk
    reads = [f"pickup-points/{pk}/board", f"visits?pickup_point={pk}", f"libraries/{code}/statistics"]
    reads += [f"libraries/{code}/pull-list", f"libraries/{code}/unpack"]
    acts = [f"pickup-points/{pk}/shut", f"pickup-points/{pk}/open-again", f"libraries/{code}/pull-list/take"]
    acts += [f"libraries/{code}/pull-list/let-go", f"lines/{line.pk}/not-on-shelf"]
    _who, patron = api.patron(home=point.library)
    stranger = api.librarian(rows.library())
    for program, status in ((patron, 403), (stranger, 404)):
        for path in reads:
            program.get(path, status)
        for path in acts:
            program.post(path, status=status)
        program.post(f"libraries/{code}/unpack", {"barcode": line.copy.barcode}, status)
    assert OrderLine.objects.get(pk=line.pk).state == "to_pick"
    assert PointRules.objects.get(point=point).shut_until is None
    for path in reads:
        desk.get(path)
