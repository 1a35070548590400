"""The days on which it does not go as planned, each told from the asking to what people read and what the rows say.

Beside these: closing tomorrow with forty booked is told in test_closed_tomorrow.py, fewer places than visits in
test_fewer_places.py. The laws of the house are looked at after each story (tests/laws.py).
"""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client

from core.models import Journal
from lending.models import Copy, Loan, Reservation, Strike, Transfer
from notifications.models import InboundMessage
from pickup import links
from pickup.models import Appointment, OrderLine, Question, Slot, Visit
from tests import api, rows
from tests.journeys.town import Town

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def town(settings, monkeypatch):
    return Town(settings, monkeypatch)


def test_a_second_book_a_day_later_joins_the_bag_and_a_third_goes_into_the_next(town):
    mina = town.reader()
    order = town.ready(mina, town.book())
    mina.api.post(f"orders/{order['id']}/appointment", {"slot": town.slot("2026-11-25 16:00")})
    [told] = mina.texts()
    assert "책 1권 준비" in told
    assert f"번호 {order['shown']}" in told

    town.at("2026-11-25 11:00")
    second, third = town.book(), town.book()
    joined = mina.asks(second.title_id, third.title_id)["order"]
    assert (joined["id"], joined["state"], joined["number"]) == (order["id"], "ready", order["number"])
    assert [line["late"] for line in joined["lines"]] == [False, True, True]
    town.desk.post(f"orders/{order['id']}/pack", {"barcode": second.barcode})

    town.at("2026-11-25 16:02")
    assert mina.order(order)["appointment"]["state"] == "confirmed"
    mina.api.post("visits", {"order": order["id"]})
    [visit] = town.call_next()
    given = town.desk.post(f"visits/{visit['id']}/hand-over")["given"]
    assert len(given) == 2
    assert Loan.objects.filter(patron=mina.patron, state="out").count() == 2
    assert mina.order(order)["appointment"]["state"] == "kept"
    assert mina.api.get("orders", state="picking")["results"] == []  # ten minutes may it be undone

    town.at("2026-11-25 16:13")
    [following] = mina.api.get("orders", state="picking")["results"]
    assert following["id"] != order["id"]
    assert [line["title"]["id"] for line in following["lines"]] == [third.title_id]
    assert mina.texts() == [f"[성동도서관] 책 2권 대출. 반납일 {given[0]['due_on']}. 고맙습니다."]


def test_a_packed_bag_with_a_time_is_wanted_at_another_place(town):
    locker = town.place(promise="at_order")
    other_town = rows.point(rows.library(programme=town.library.programme, sender=town.sender.key))
    mina = town.reader()
    book, unpacked = town.book(), town.book()
    order = town.ready(mina, book)
    mina.asks(unpacked.title_id)  # late, and still on its shelf
    mina.texts()
    left = town.row(order).appointment
    assert "Collect elsewhere" in mina.page(f"/my/orders/{order['id']}/")

    moved = mina.api.post(f"orders/{order['id']}/pickup-point", {"pickup_point": locker.pk}, key="elsewhere")
    again = mina.api.post(f"orders/{order['id']}/pickup-point", {"pickup_point": locker.pk}, key="elsewhere")
    new = moved["order"]
    assert again["order"]["id"] == new["id"] != order["id"]
    assert (new["pickup_point"], new["state"], new["books"]) == (locker.pk, "picking", 2)
    assert new["appointment"]["pickup_point"] == locker.pk  # there the time is promised while ordering
    assert (mina.order(order)["state"], mina.order(order)["why"]) == ("cancelled", "elsewhere")
    assert Appointment.objects.get(pk=left.pk).state == "cancelled"
    assert Slot.objects.get(pk=left.slot_id).booked == 0
    assert not Strike.objects.exists()
    town.sweep()
    [told] = mina.texts()
    assert f"수령 장소 변경. 새 번호 {new['shown']}" in told
    assert f"bag {order['shown']}" in town.page("/staff/pull-list/")  # that is where the packed one lies

    town.packs(new)
    assert OrderLine.objects.get(order=order["id"], copy=book).state == "unpacked"
    assert set(OrderLine.objects.filter(order=new["id"]).values_list("state", flat=True)) == {"packed"}
    assert "책 2권 준비. 예약" in mina.texts()[0]

    # Back by the page; whoever only holds the telephone may not.
    form = {"point": town.point.pk, "key": "back-1"}
    linked = links.token_for(town.row(new), now=town.now)
    assert Client().post(f"/o/{linked}/point/", form).status_code == 404
    answer = mina.browser.post(f"/my/orders/{new['id']}/point/", form)
    [back] = mina.api.get("orders", state="picking")["results"]
    assert (answer.status_code, answer.headers["location"]) == (303, f"/my/orders/{back['id']}/")
    assert (back["pickup_point"], back["books"]) == (town.point.pk, 2)
    town.sweep()
    assert f"새 번호 {back['shown']}" in mina.texts()[-1]

    # To another library its books would have to travel: they lie in the bag here, so she waits in line.
    far = mina.api.post(f"orders/{back['id']}/pickup-point", {"pickup_point": other_town.pk})
    assert (far["order"], far["why"], [row["state"] for row in far["reservations"]]) == (
        None,
        "waiting",
        ["waiting"] * 2,
    )
    town.sweep()
    assert "수령 장소 변경. 책이 오면" in mina.texts()[0]
    refused = mina.api.post(f"orders/{back['id']}/pickup-point", {"pickup_point": locker.pk}, 409)
    assert refused["code"] == "no_open_order"


def test_a_family_of_three_cards_and_a_copy_that_is_damaged_at_the_window(town):
    house = rows.household(together=True)
    mother, son, daughter = (town.reader(household=house) for _ in range(3))
    torn = town.book()
    spare = town.book(title=torn.title_id)
    bags = [who.asks(book.title_id)["order"] for who, book in ((mother, town.book()), (son, town.book()))]
    bags.append(daughter.asks(torn.title_id)["order"])
    for bag in bags:
        for line in town.desk.get(f"orders/{bag['id']}")["lines"]:
            town.desk.post(f"orders/{bag['id']}/pack", {"barcode": line["barcode"]})
        town.desk.post(f"orders/{bag['id']}/ready")
    town.sweep()
    [told] = [text for who in (mother, son, daughter) for text in who.texts()]
    assert "책 3권 준비" in told
    assert len({town.row(bag).appointment_id for bag in bags}) == 1
    assert Slot.objects.get(booked__gt=0).booked == 1  # one car, one place

    town.at("2026-11-24 10:25")
    visit = son.api.post("visits", {"order": bags[1]["id"]})
    assert town.call_next()[0]["id"] == visit["id"]
    packed = Copy.objects.get(state="bag", title_id=torn.title_id)
    kept_back = {"number": bags[2]["number"], "not_given": [{"barcode": packed.barcode, "reason": "damaged"}]}
    numbers = [{"number": bag["number"]} for bag in bags[:2]]
    done = town.desk.post(f"visits/{visit['id']}/hand-over", {"orders": [*numbers, kept_back]})
    assert sorted(copy["reason"] for copy in done["given"]) == ["", "", "damaged"]
    assert done["visit"]["state"] == "served"
    assert Loan.objects.filter(state="out", patron__in=[mother.patron, son.patron]).count() == 2
    assert Copy.objects.get(pk=packed.pk).state == "damaged"
    assert Appointment.objects.get().state == "kept"

    town.at("2026-11-24 10:40")  # the other copy, in the next bag of the daughter alone
    [again] = daughter.api.get("orders", state="picking")["results"]
    [line] = OrderLine.objects.filter(order=again["id"])
    assert {line.copy_id, packed.pk} == {torn.pk, spare.pk}
    assert [who.texts() != [] for who in (mother, son, daughter)] == [True, True, False]
    town.packs(again)
    assert "책 1권 준비" in daughter.texts()[0]


def test_somebody_drives_up_without_a_time(town):
    jun, nobody = town.reader(), town.reader()
    order = town.ready(jun, town.book(), plate="")
    jun.api.post(f"orders/{order['id']}/appointment", {"slot": town.slot("2026-11-25 16:00")})
    promised = town.row(order).appointment
    booked = promised.slot.booked
    town.at("2026-11-24 14:00")
    serve = f"pickup-points/{town.point.pk}/serve"
    assert town.desk.post(serve, {"card_number": nobody.patron.card_number}, 409)["code"] == "no_open_order"
    assert not Visit.objects.exists()
    served = town.desk.post(serve, {"card_number": jun.patron.card_number})
    assert (served["visit"]["state"], len(served["given"])) == ("served", 1)
    kept = Appointment.objects.get(pk=promised.pk)
    assert (kept.state, Slot.objects.get(pk=kept.slot_id).booked) == ("kept", booked)

    # A car of which only the plate is known waits all the same, and is asked.
    town.browser.post(
        f"/staff/lane/walk-up/?point={town.point.pk}", {"purpose": "ask", "plate": "12가3456", "key": "walk-up-1"}
    )
    assert "12가3456" in town.page("/staff/lane/")
    town.at("2026-11-25 16:46")  # his slot and its grace are over
    assert Appointment.objects.get(pk=promised.pk).state == "kept"
    assert not Strike.objects.exists()


def test_somebody_is_early_and_their_bag_jumps_the_pull_list(town):
    others = [town.reader().asks(town.book().title_id)["order"] for _ in range(3)]
    early = town.reader()
    order = early.asks(town.book().title_id)["order"]
    wanted = [OrderLine.objects.get(order=one["id"]).copy.barcode for one in (*others, order)]
    assert places_on(town.page("/staff/pull-list/"), wanted) == wanted

    early.writes("4")
    assert "책을 담고 있으니 기다려 주세요" in early.texts()[0]
    page = town.page("/staff/pull-list/")
    assert places_on(page, wanted) == [wanted[-1], *wanted[:-1]]
    assert "They wait in the car" in page
    nobody = town.desk.post(f"pickup-points/{town.point.pk}/call-next", status=409)
    assert (nobody["code"], nobody["facts"]) == ("nobody_waiting", {"waiting": 1})  # nothing to give yet
    town.browser.post(f"/staff/pull-list/take/?point={town.point.pk}", {"key": "take-1"})
    assert OrderLine.objects.get(order=order["id"]).fetcher_id is not None

    town.now += timedelta(minutes=6)
    town.packs(order)
    assert [text for text in early.texts() if "곧 차례입니다" in text]
    assert town.row(order).appointment_id is None  # who is here is offered no time
    [visit] = town.call_next()
    assert town.desk.post(f"visits/{visit['id']}/hand-over")["visit"]["state"] == "served"
    assert "They wait in the car" not in town.page("/staff/pull-list/")


def places_on(page: str, barcodes: list[str]) -> list[str]:
    """These barcodes in the order in which a page shows them."""
    assert all(barcode in page for barcode in barcodes)
    return sorted(barcodes, key=page.index)


def test_nobody_answers_and_silence_is_a_yes(settings, monkeypatch):
    town = Town(settings, monkeypatch, rules={"answer_minutes": 60, "lead_minutes": 180})
    hana = town.reader()
    order = town.ready(hana, town.book())
    [asked] = hana.texts()
    assert "1=예" in asked
    offered = town.row(order).appointment
    assert (offered.state, offered.slot.booked) == ("offered", 1)
    town.at("2026-11-24 10:59")
    assert hana.order(order)["appointment"]["state"] == "offered"
    town.at("2026-11-24 11:01")
    assert hana.order(order)["appointment"]["state"] == "confirmed"
    assert (hana.texts(), Slot.objects.get(pk=offered.slot_id).booked) == ([], 1)
    assert Journal.objects.get(noun="pickup.appointment", row=offered.pk, became="confirmed").principal == "rule"


def test_nobody_answers_where_an_answer_is_wanted(settings, monkeypatch):
    town = Town(settings, monkeypatch, rules={"silence": "lapse", "answer_minutes": 60, "lead_minutes": 180})
    hana = town.reader()
    order = town.ready(hana, town.book())
    [asked] = hana.texts()
    first = town.row(order).appointment
    town.at("2026-11-24 11:01")
    second = town.row(order).appointment
    assert second.pk != first.pk
    assert Appointment.objects.get(pk=first.pk).state == "lapsed"
    assert (second.state, second.offer) == ("offered", 2)
    [again] = hana.texts()
    assert "1=예" in again
    assert again != asked
    town.at("2026-11-24 12:02")  # no third offer: the bag is kept, and she is told until when
    assert [row.state for row in Appointment.objects.order_by("pk")] == ["lapsed", "lapsed"]
    [kept] = hana.texts()
    assert "까지 보관" in kept
    assert not Slot.objects.filter(booked__gt=0).exists()
    hana.writes("1")
    assert "까지 찾아가 주세요" in hana.texts()[0]
    chosen = hana.api.post(f"orders/{order['id']}/appointment", {"slot": town.slot("2026-11-25 10:00")})
    assert chosen["state"] == "confirmed"


def test_nobody_comes_twice_and_the_next_in_line_gets_the_book(town):
    dori, next_one = town.reader(), town.reader()
    copy = town.book()
    order = town.ready(dori, copy)
    assert next_one.asks(copy.title_id)["order"] is None
    dori.writes("1")
    dori.texts()
    town.at("2026-11-24 19:20")
    assert Appointment.objects.filter(state="missed").count() == 1
    assert dori.order(order)["appointment"]["state"] == "offered"
    [again] = dori.texts()
    assert "책 1권 준비. 11/25" in again

    dori.api.post(f"orders/{order['id']}/appointment", {"slot": town.slot("2026-11-26 18:30")})
    town.at("2026-11-26 19:16")
    states = Appointment.objects.filter(orders=order["id"]).values_list("state", flat=True)
    assert list(states) == ["missed"]
    assert Appointment.objects.filter(state="missed").count() == 2
    assert Strike.objects.filter(patron=dori.patron, kind="missed").count() == 2
    assert "시간에 못 오셨습니다. 11/26(목)까지 보관" in dori.texts()[-1]

    town.at("2026-11-27 08:30")
    assert dori.order(order)["state"] == "expired"
    assert "보관 기간이 지나" in dori.texts()[-1]
    assert Strike.objects.filter(patron=dori.patron, kind="uncollected").count() == 1
    assert Reservation.objects.get(patron=dori.patron).state == "expired"

    assert next_one.texts() == []
    assert copy.barcode in town.page("/staff/unpack/")
    unpacking = {"barcode": copy.barcode, "key": "unpack-1"}
    assert town.browser.post(f"/staff/unpack/?point={town.point.pk}", unpacking).status_code == 303
    assert OrderLine.objects.get(order=order["id"]).state == "unpacked"
    town.sweep()
    [bag] = next_one.api.get("orders", state="picking")["results"]
    assert copy.barcode in town.page("/staff/pull-list/")
    town.packs(bag)
    assert "책 1권 준비" in next_one.texts()[0]
    refused = dori.api.post("orders", {"pickup_point": town.point.pk, "items": [{"title": town.book().title_id}]}, 409)
    assert refused["code"] == "paused"  # three strikes


def test_a_copy_comes_from_another_branch(town):
    branch = rows.library(programme=town.library.programme, sender=town.sender.key)
    there = api.librarian(branch)
    copy = town.book(at=branch)
    sora = town.reader()
    asked = sora.asks(copy.title_id)
    assert (asked["order"], asked["reservations"][0]["state"]) == (None, "allocated")
    town.sweep()
    assert sora.api.get("orders")["results"] == []  # not before it is here
    assert there.post("transfers", {"barcode": copy.barcode})["state"] == "sent"
    assert Transfer.objects.get(copy=copy).state == "sent"
    assert f"comes from {branch.name_en}" in re.sub(r"<[^>]*>", "", sora.page("/my/"))

    town.at("2026-11-25 10:00")
    assert town.desk.post("transfers", {"barcode": copy.barcode})["state"] == "received"
    town.sweep()
    [order] = sora.api.get("orders", state="picking")["results"]
    town.packs(order)
    assert "책 1권 준비" in sora.texts()[-1]
    town.at("2026-11-25 10:25")
    served = town.desk.post(f"pickup-points/{town.point.pk}/serve", {"order_number": order["number"]})
    assert served["given"][0]["loan"] is not None
    returned = town.desk.post("returns", {"barcode": copy.barcode})
    assert returned["loan"]["state"] == "returned"
    assert Copy.objects.get(pk=copy.pk).at_library_id == town.library.pk


def test_two_and_then_one_in_the_same_minute(settings, monkeypatch):
    town = Town(settings, monkeypatch, rules={"lead_minutes": 120})
    yuna = town.reader()
    order = town.ready(yuna, town.book())
    offered = town.row(order).appointment
    yuna.texts()
    yuna.writes("2", swept=False)
    yuna.writes("1")
    understood = InboundMessage.objects.order_by("pk").values_list("body", "state")
    assert list(understood) == [("2", "applied"), ("1", "applied")]
    times, confirmed = yuna.texts()
    assert "5=" in times
    assert "확인했습니다" in confirmed
    kept = town.row(order).appointment
    assert (kept.pk, kept.state, kept.slot.booked) == (offered.pk, "confirmed", 1)
    assert not Question.objects.filter(closed_at__isnull=True).exists()
    assert Appointment.objects.count() == 1

    # And the other way about: the times that were named are still hers to take, at the price of one place.
    yuna.writes("2")
    yuna.writes("5")
    moved = town.row(order).appointment
    assert (moved.pk != offered.pk, moved.state, moved.slot.booked) == (True, "confirmed", 1)
    assert Slot.objects.get(pk=offered.slot_id).booked == 0
    assert "시간을 바꾸었습니다" in yuna.texts()[-1]


def test_a_return_that_is_packed_for_the_next_reader_stays_returned(town):
    first, following = town.reader(), town.reader()
    copy = town.book()
    order = town.ready(first, copy)
    town.at("2026-11-24 10:25")
    [given] = town.desk.post(f"pickup-points/{town.point.pk}/serve", {"order_number": order["number"]})["given"]
    assert following.asks(copy.title_id)["order"] is None

    town.at("2026-11-25 10:00")
    town.desk.post("returns", {"barcode": copy.barcode})
    town.sweep()
    [bag] = following.api.get("orders", state="picking")["results"]
    undone = town.desk.post(f"loans/{given['loan']}/undo-return")  # nobody has fetched it yet
    assert undone["state"] == "out"
    town.sweep()
    assert following.order(bag)["state"] == "cancelled"
    assert following.texts() == []
    assert Reservation.objects.get(patron=following.patron).state == "waiting"

    town.desk.post("returns", {"barcode": copy.barcode})
    town.sweep()
    [bag] = following.api.get("orders", state="picking")["results"]
    town.packs(bag)
    assert "책 1권 준비" in following.texts()[0]
    refused = town.desk.post(f"loans/{given['loan']}/undo-return", status=409)
    assert refused["code"] == "already_promised"
    loan = Loan.objects.get(pk=given["loan"])
    assert (loan.state, Reservation.objects.get(patron=following.patron).state) == ("returned", "bagged")
    assert following.order(bag)["state"] == "ready"


def test_a_camera_sees_plates_by_day_and_sleeps_at_night(town):
    camera = api.device(town.library)
    lee = town.reader()
    order = lee.asks(town.book().title_id, plate="34나 5678")["order"]
    town.packs(order)
    lee.api.post(f"orders/{order['id']}/appointment", {"slot": town.slot("2026-11-25 11:00")})
    seen = {"pickup_point": town.point.pk, "plate": "34나5678"}

    town.at("2026-11-24 23:00")  # he lives next door and parks there
    night = camera.post("visits", seen, 409)
    assert (night["code"], night["facts"]["next_open"]) == ("closed_now", "2026-11-25T01:00:00+00:00")
    assert not Visit.objects.exists()

    town.at("2026-11-25 10:56")
    visit = camera.post("visits", seen)
    assert visit["orders"] == [{"id": order["id"], "number": order["number"], "state": "ready"}]
    assert camera.post("visits", seen)["id"] == visit["id"]  # at every frame
    unknown = camera.post("visits", {**seen, "plate": "99다9999"})
    assert (unknown["orders"], unknown["id"] != visit["id"]) == ([], True)
    assert lee.order(order)["visit"]["state"] == "waiting"
    assert "34나5678" in town.page("/staff/lane/")
    [called] = town.call_next()
    assert called["id"] == visit["id"]
    assert town.desk.post(f"visits/{visit['id']}/hand-over")["visit"]["state"] == "served"
    assert camera.post("visits", seen)["orders"] == []  # a car that passes once more takes nothing
    assert Loan.objects.filter(patron=lee.patron, state="out").count() == 1
