"""Pickup points, times, orders and appointments through API v1."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core import clock
from core.models import Access
from lending.models import Patron, Reservation
from pickup import appointments, packing
from pickup.models import Order, Slot
from tests import api, rows
from tests.pickup import steps

pytestmark = pytest.mark.django_db


@pytest.fixture
def point():
    return rows.point(rules={"promise": "at_order"})


@pytest.fixture
def slot(point):
    return rows.slot(point, clock.now().replace(microsecond=0) + timedelta(hours=3))


def body(point, *titles, **more):
    return {"pickup_point": point.pk, "items": [{"title": title.pk} for title in titles], **more}


def book(point):
    return rows.copy(at=point.library).title


def test_everybody_may_see_the_points_their_times_and_how_long_it_takes(point, slot) -> None:
    [shown] = [row for row in api.anyone().get("pickup-points")["results"] if row["id"] == point.pk]
    assert (shown["library"], shown["layout"], shown["promise"]) == (point.library.code, "file", "at_order")
    [time] = api.anyone().get("slots", pickup_point=point.pk)["results"]
    assert (time["id"], time["capacity"], time["free"]) == (slot.pk, 3, 3)
    assert time["starts_at"].endswith("+09:00")
    now = api.anyone().get(f"libraries/{point.library.code}/now")
    assert now["points"][0]["pickup_point"] == point.pk
    assert (now["points"][0]["waiting"], now["points"][0]["called"]) == (0, 0)
    api.anyone().get("libraries/nowhere/now", 404)


def test_times_are_asked_for_by_moments_with_their_offset(point, slot) -> None:
    first = slot.starts_at.isoformat()
    after = (slot.starts_at + timedelta(minutes=1)).isoformat()
    ask = api.anyone().get
    assert len(ask("slots", pickup_point=point.pk, **{"from": first, "to": after})["results"]) == 1
    assert ask("slots", pickup_point=point.pk, **{"from": after})["results"] == []
    assert ask("slots", 404, pickup_point=999_999_999)["code"] == "unknown_pickup_point"


@pytest.mark.parametrize(
    "moment",
    [
        "2026-11-24T16:00:00",
        "2026-11-01T01:30",
        "2027-03-14T02:30",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-11-24T16:00:00+25:00",
        "2026-11-24 16:00:00 09:00",
        "2026-02-30T16:00:00Z",
        "2026-11-24",
        "now",
        "1732400000",
        "٢٠٢٦-11-24T16:00:00Z",
        "",
    ],
)
def test_a_moment_that_could_be_two_or_none_is_refused(point, moment) -> None:
    said = api.anyone().get("slots", 400, pickup_point=point.pk, **{"from": moment})
    assert (said["code"], said["field"]) == ("ambiguous_or_invalid_time", "from")


def test_a_patron_asks_with_a_time_and_follows_the_order(point, slot) -> None:
    _who, mine = api.patron(home=point.library)
    made = mine.post("orders", body(point, book(point), book(point), slot=slot.pk), 201)
    order = made["order"]
    assert (order["state"], order["books"], made["why"]) == ("picking", 2, "")
    assert order["number"].isdigit()
    assert order["shown"] == f"{order['number'][:2]}-{order['number'][2:]}"
    assert order["appointment"]["slot"] == slot.pk
    assert order["appointment"]["state"] == "confirmed"
    assert order["appointment"]["starts_at"].endswith("+09:00")
    assert [line["barcode"] for line in order["lines"]] == [None, None]
    assert order["patron"] is None
    assert order["collector"]["number"] is None
    assert Slot.objects.get(pk=slot.pk).booked == 1
    assert mine.get(f"orders/{order['id']}") == order
    assert [row["id"] for row in mine.get("orders")["results"]] == [order["id"]]
    assert mine.get("orders", state="ready")["results"] == []


def test_what_is_lent_out_opens_no_order_and_says_why(point, slot) -> None:
    title = book(point)
    rows.reserve(rows.patron(point.library), title, at=point)
    _who, mine = api.patron(home=point.library)
    made = mine.post("orders", body(point, title, slot=slot.pk), 201)
    assert (made["order"], made["why"]) == (None, "waiting")
    assert made["reservations"][0]["state"] == "waiting"
    assert Slot.objects.get(pk=slot.pk).booked == 0


def test_asking_twice_with_one_key_is_one_order(point, slot) -> None:
    _who, mine = api.patron(home=point.library)
    asked = body(point, book(point), slot=slot.pk)
    first = mine.post("orders", asked, 201, key="tap")
    for _ in range(3):
        assert mine.post("orders", asked, 201, key="tap") == first
    assert (Order.objects.count(), Slot.objects.get(pk=slot.pk).booked) == (1, 1)
    assert mine.post("orders", {**asked, "slot": None}, 422, key="tap")["code"] == "idempotency_mismatch"
    for key in (None, "k" * 256):
        assert mine.post("orders", asked, 400, key=key)["code"] == "idempotency_key_required"


def test_the_sixth_volume_of_a_household_is_refused_with_the_count(point) -> None:
    home = rows.household()
    _one, first = api.patron(home=point.library, household=home)
    _two, second = api.patron(home=point.library, household=home)
    first.post("orders", body(point, *(book(point) for _ in range(4))), 201)
    said = second.post("orders", body(point, book(point), book(point)), 409)
    assert said["code"] == "quota_exceeded"
    assert (said["facts"]["allowed"], said["facts"]["taken"], said["facts"]["asked"]) == (5, 4, 2)
    second.post("orders", body(point, book(point)), 201)


def test_a_title_asked_for_twice_is_refused_and_nothing_is_kept(point) -> None:
    _who, mine = api.patron(home=point.library)
    title = book(point)
    said = mine.post("orders", body(point, title, title), 409)
    assert said["code"] == "already_reserved"
    assert said["field"].startswith("items.")
    assert not Reservation.objects.exists()


@pytest.mark.lawless("I1", why="a slot is filled by hand")
def test_a_full_slot_names_the_next_free_ones(point, slot) -> None:
    later = [rows.slot(point, slot.starts_at + timedelta(hours=hours)) for hours in range(1, 5)]
    Slot.objects.filter(pk=slot.pk).update(booked=3)
    _who, mine = api.patron(home=point.library)
    said = mine.post("orders", body(point, book(point), slot=slot.pk), 409)
    assert (said["code"], said["facts"]["why"], said["field"]) == ("slot_unavailable", "full", "slot")
    assert [row["id"] for row in said["facts"]["next"]] == [row.pk for row in later[:3]]
    assert not Reservation.objects.exists()


@pytest.mark.parametrize(
    ("columns", "why"),
    [({"open": False}, "closed"), ({"starts_at": rows.NOW - timedelta(days=2)}, "past")],
)
def test_a_slot_that_is_over_or_closed(point, slot, columns, why) -> None:
    Slot.objects.filter(pk=slot.pk).update(**columns)
    _who, mine = api.patron(home=point.library)
    assert mine.post("orders", body(point, book(point), slot=slot.pk), 409)["facts"]["why"] == why
    elsewhere = rows.slot(rows.point(), slot.starts_at)
    said = mine.post("orders", body(point, book(point), slot=elsewhere.pk), 409)
    assert said["facts"]["why"] == "other_point"
    assert mine.post("orders", body(point, book(point), slot=999_999_999), 404)["code"] == "unknown_slot"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"items": []}, "items"),
        ({"items": None}, "items"),
        ({"items": {}}, "items"),
        ({"items": [1]}, "items.0"),
        ({"items": [{"title": "1"}]}, "items.0.title"),
        ({"items": [{"title": 1, "quantity": 2}]}, "items.0.quantity"),
        ({"items": [{"title": 1, "volume": 2}]}, "items.0.volume"),
        ({"items": [{"title": 1, "volume": "x" * 21}]}, "items.0.volume"),
        ({"items": [{"title": 1}] * 51}, "items"),
        ({"slot": "1"}, "slot"),
        ({"slot": True}, "slot"),
        ({"pickup_point": None}, "pickup_point"),
        ({"collector": {"name": "손자"}}, "collector.number"),
        ({"collector": "손자"}, "collector"),
        ({"state": "ready"}, "state"),
        ({"patron_id": 1}, "patron_id"),
    ],
)
def test_an_asking_that_cannot_be_read_names_the_field(point, wrong, field) -> None:
    _who, mine = api.patron(home=point.library)
    said = mine.post("orders", {**body(point, book(point)), **wrong}, 400)
    assert said["code"] in {"invalid", "unknown_field"}
    assert said["field"] == field
    assert not Order.objects.exists()


def test_somebody_else_may_be_named_to_collect(point) -> None:
    _who, mine = api.patron(home=point.library)
    named = {"name": "손자", "number": "010-0000-7777", "language": "en"}
    made = mine.post("orders", body(point, book(point), collector=named), 201)["order"]
    assert made["collector"] == {"name": "손자", "number": None, "language": "en"}
    desk = api.librarian(point.library)
    assert desk.get(f"orders/{made['id']}")["collector"]["number"] == "+821000007777"


@pytest.mark.parametrize("number", ["010", "٠١٠-0000-0000x", "+82 10 0000 0000 0000 0000 0000", "abc"])
def test_a_number_that_cannot_be_one_is_refused_with_the_reason(point, number) -> None:
    _who, mine = api.patron(home=point.library)
    named = {"name": "손자", "number": number}
    said = mine.post("orders", body(point, book(point), collector=named), 400)
    assert said["code"] == "bad_phone_number"
    assert said["facts"]["why"]


@pytest.mark.parametrize(("language", "words"), [("ko", "개인 번호가 아니라"), ("en", "the number of a service")])
def test_a_premium_number_collects_nothing(point, language, words) -> None:
    _who, mine = api.patron(home=point.library)
    sent = body(point, book(point), collector={"name": "손자", "number": "+1 900 555 0100"})
    answer = mine.client.post(
        "/api/v1/orders", sent, "application/json", headers={"Accept-Language": language, "Idempotency-Key": language}
    )
    said = answer.json()
    assert (answer.status_code, said["code"], said["field"]) == (400, "service_number", "number")
    assert words in said["detail"]
    assert not Order.objects.exists()


def test_staff_ask_on_the_phone_pack_and_make_ready(point, slot) -> None:
    who = rows.patron(point.library)
    desk = api.librarian(point.library)
    asked = body(point, book(point), slot=slot.pk)
    assert desk.post("orders", asked, 400)["field"] == "card_number"
    order = desk.post("orders", {**asked, "card_number": who.card_number}, 201)["order"]
    assert order["patron"] == {"id": who.pk, "card_number": who.card_number, "name": who.name}
    assert Access.objects.filter(about=f"patron:{who.pk}").exists()
    [line] = order["lines"]
    other = rows.copy(at=point.library)
    address = f"orders/{order['id']}"
    assert desk.post(f"{address}/ready", status=409)["facts"]["barcodes"] == line["barcode"]
    assert desk.post(f"{address}/pack", {"barcode": "unknown"}, 404)["code"] == "unknown_barcode"
    said = desk.post(f"{address}/pack", {"barcode": other.barcode}, 409)
    assert (said["code"], said["facts"]["belongs_to"]) == ("not_in_this_order", None)
    packed = desk.post(f"{address}/pack", {"barcode": line["barcode"]})
    assert packed["lines"][0]["state"] == "packed"
    assert desk.post(f"{address}/pack", {"barcode": line["barcode"]}, 409)["code"] == "already_packed"
    ready = desk.post(f"{address}/ready")
    assert (ready["state"], ready["appointment"]["state"]) == ("ready", "confirmed")
    assert ready["keep_until"].endswith("+09:00")
    assert desk.post(f"{address}/ready", status=409)["code"] == "not_in_this_state"
    assert desk.get("orders", state="ready", pickup_point=point.pk)["results"][0]["id"] == order["id"]


def test_staff_see_with_which_bags_one_goes_and_everybody_which_book_is_back_in_line() -> None:
    point, household = rows.point(), rows.household(together=True)
    who, mine = api.patron(home=point.library, household=household)
    order = steps.asked(who, point, books=2, now=clock.now())
    others = [
        steps.asked(rows.patron(point.library, household=household), point, now=clock.now()).number for _ in range(2)
    ]
    desk = api.librarian(point.library)
    assert desk.get(f"orders/{order.pk}")["goes_with"] == sorted(others)
    assert mine.get(f"orders/{order.pk}")["goes_with"] is None
    lost = order.lines.first()
    packing.not_on_shelf(line_id=lost.pk, by=steps.DESK, now=clock.now())
    for client in (desk, mine):
        row = client.get(f"orders/{order.pk}")
        said = {line["id"]: (line["state"], line["back_in_line"]) for line in row["lines"]}
        assert said[lost.pk] == ("missing", True)
        assert row["following"] == [lost.reservation_id]
        assert sum(line["back_in_line"] for line in row["lines"]) == 1


def test_a_patron_neither_packs_nor_sees_anothers_order(point) -> None:
    who, mine = api.patron(home=point.library)
    order = steps.asked(who, point)
    assert mine.post(f"orders/{order.pk}/pack", {"barcode": "1"}, 403)["code"] == "forbidden"
    assert mine.post(f"orders/{order.pk}/ready", status=403)["code"] == "forbidden"
    _other, stranger = api.patron(home=point.library)
    elsewhere = api.librarian(rows.library())
    for outsider in (stranger, elsewhere):
        unknown = outsider.get("orders/999999999", 404)
        assert outsider.get(f"orders/{order.pk}", 404) == unknown
        assert outsider.get("orders")["results"] == []
        for act, sent in (("pack", {"barcode": "1"}), ("ready", {}), ("cancel", {}), ("appointment", {"slot": 1})):
            assert outsider.post(f"orders/{order.pk}/{act}", sent, 404) == unknown


def test_an_order_is_cancelled_once_and_its_place_is_free_again(point, slot) -> None:
    _who, mine = api.patron(home=point.library)
    order = mine.post("orders", body(point, book(point), slot=slot.pk), 201)["order"]
    cancelled = mine.post(f"orders/{order['id']}/cancel")
    assert (cancelled["state"], cancelled["appointment"]["state"]) == ("cancelled", "cancelled")
    assert Slot.objects.get(pk=slot.pk).booked == 0
    assert mine.post(f"orders/{order['id']}/cancel", status=409)["code"] == "not_in_this_state"


def test_a_time_is_chosen_changed_confirmed_and_given_back(point, slot) -> None:
    other = rows.slot(point, slot.starts_at + timedelta(hours=1))
    who, mine = api.patron(home=point.library)
    order = steps.ready(steps.asked(who, point))
    chosen = mine.post(f"orders/{order.pk}/appointment", {"slot": slot.pk})
    assert (chosen["state"], chosen["slot"]) == ("confirmed", slot.pk)
    assert mine.post(f"appointments/{chosen['id']}/confirm")["state"] == "confirmed"
    changed = mine.post(f"appointments/{chosen['id']}/change", {"slot": other.pk})
    assert (changed["state"], changed["slot"]) == ("confirmed", other.pk)
    assert changed["id"] != chosen["id"]
    assert list(Slot.objects.order_by("starts_at").values_list("booked", flat=True)) == [0, 1]
    assert mine.post(f"appointments/{changed['id']}/change", {"slot": None}, 400)["field"] == "slot"
    assert mine.post(f"appointments/{changed['id']}/cancel")["state"] == "cancelled"
    assert mine.post(f"appointments/{changed['id']}/confirm", status=409)["code"] == "no_appointment"
    assert mine.get(f"orders/{order.pk}")["state"] == "ready"
    _other, stranger = api.patron(home=point.library)
    unknown = stranger.post("appointments/999999999/confirm", status=404)
    for act, sent in (("confirm", {}), ("cancel", {}), ("change", {"slot": slot.pk})):
        assert stranger.post(f"appointments/{changed['id']}/{act}", sent, 404) == unknown


def test_a_point_that_promises_no_times_says_so() -> None:
    door = rows.point(layout="door", rules={"by_appointment": False})
    who, mine = api.patron(home=door.library)
    order = steps.asked(who, door)
    slot = rows.slot(door, clock.now() + timedelta(hours=1))
    assert mine.post(f"orders/{order.pk}/appointment", {"slot": slot.pk}, 400)["code"] == "no_times_here"


def test_a_place_that_does_not_exist_is_refused_alike_at_every_door(point):
    who, mine = api.patron(home=point.library)
    title = rows.copy(at=point.library).title
    body = {"pickup_point": 999_999, "items": [{"title": title.pk}]}
    one = {"pickup_point": 999_999, "title": title.pk}
    staff = api.librarian(point.library)
    told = [
        mine.post("orders", body, 404),
        staff.post("orders", {**body, "card_number": who.card_number}, 404),
        mine.post("reservations", one, 404),
        staff.post("reservations", {**one, "card_number": who.card_number}, 404),
        mine.get("slots", 404, pickup_point=999_999),
        staff.post("visits", {"pickup_point": 999_999, "plate": "12가3456"}, 404),
    ]
    assert {(said["code"], said["field"]) for said in told[:5]} == {("unknown_pickup_point", "pickup_point")}
    assert told[5]["code"] == "unknown_pickup_point"


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2101-01-01T00:00:00Z"])
def test_times_that_no_calendar_knows_are_refused(point, moment):
    for name in ("from", "to"):
        told = api.anyone().get("slots", 400, pickup_point=point.pk, **{name: moment})
        assert (told["code"], told["field"]) == ("ambiguous_or_invalid_time", name)


def test_who_gives_a_common_time_back_is_told_of_their_own(point, slot) -> None:
    who, mine = api.patron(home=point.library)
    other = rows.patron(point.library)
    together = rows.household(together=True)
    Patron.objects.filter(pk__in=[who.pk, other.pk]).update(household=together)
    own, theirs = (steps.asked(Patron.objects.get(pk=one.pk), point) for one in (who, other))
    for order in (own, theirs):
        appointments.promise(order_id=order.pk, slot_id=slot.pk, by=steps.DESK, now=clock.now())
    promise = Order.objects.get(pk=own.pk).appointment
    assert promise is not None
    assert Order.objects.get(pk=theirs.pk).appointment == promise
    Patron.objects.filter(pk=other.pk).update(household=None)
    answer = mine.post(f"appointments/{promise.pk}/cancel")
    assert answer["state"] == "cancelled"
    assert mine.get(f"orders/{own.pk}")["appointment"]["state"] == "cancelled"
    promise.refresh_from_db()
    assert promise.state == "confirmed"


def test_a_ready_bag_is_noted_at_another_place_of_the_shelf(point) -> None:
    point.rules.bag_places = ["A1", "A2"]
    point.rules.save()
    order = steps.ready(steps.asked(rows.patron(point.library), point))
    desk = api.librarian(point.library)
    desk.post(f"orders/{order.pk}/place", {"place": "A2"})
    assert steps.again(order).place == "A2"
    assert desk.post(f"orders/{order.pk}/place", {"place": "B9"}, 400)["code"] == "unknown_place"
    assert api.signed_in(rows.staff(rows.library())).post(f"orders/{order.pk}/place", {"place": "A1"}, 404)
