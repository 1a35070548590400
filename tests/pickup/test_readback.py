"""What is said on the telephone, in the caller's language."""

from __future__ import annotations

from datetime import time, timedelta

import pytest
from django.utils import translation

from core.actor import Actor
from lending.reservations import Item
from notifications.models import Sender
from pickup import orders, progress, queries, readback
from tests import rows
from tests.pickup import steps

PHONE = Actor("staff", 1, "phone")


def said(requested, language, now, *, own=True):
    order = requested.order and queries.orders(pk=requested.order.pk).get()
    contact = queries.collector_of(order) if order else None
    return readback.sentences(
        order=order,
        asked=requested.reservations,
        contact=contact,
        own=own,
        sender=requested.reservations[0].pickup_point.library.sender,
        language=language,
        now=now,
    )


def called(patron, point, now, **more):
    titles = [rows.copy(at=point.library).title for _ in range(more.pop("books", 3))]
    return orders.request(
        patron_id=patron.pk, point_id=point.pk, items=[Item(title.pk) for title in titles], by=PHONE, now=now, **more
    )


@pytest.mark.django_db
def test_the_number_the_time_the_place_the_books_and_who_is_told(now):
    point = rows.point(rules={"promise": "at_order"}, name_ko="성동구립도서관 차로", name_en="Seongdong drive lane")
    tomorrow = rows.slot(point, now + timedelta(days=1, hours=6))  # four in the afternoon, in Seoul
    patron = rows.patron(point.library, number="+821000004721")
    requested = called(patron, point, now, slot_id=tomorrow.pk)
    number = requested.order.shown
    assert said(requested, "ko", now) == [
        f"신청번호 {number}, 내일 오후 4시, 성동구립도서관 차로, 책 3권입니다.",
        "끝자리 4721 휴대전화로 문자가 갑니다.",
    ]
    assert said(requested, "en", now) == [
        f"Order number {number}, tomorrow at 4 pm, Seongdong drive lane, 3 books.",
        "The text goes to your phone that ends in 4721.",
    ]


@pytest.mark.django_db
def test_somebody_else_is_named_and_a_landline_is_called(now):
    point = rows.point(rules={"by_appointment": False})
    patron = rows.patron(point.library, number="")
    grandson = rows.contact(patron, own=False, name="손자", number="+821000000088")
    first = called(patron, point, now, books=1, collector_id=grandson.pk)
    assert said(first, "ko", now, own=False)[1:] == [
        "손자 님의 끝자리 0088 휴대전화로 문자가 갑니다.",
        "준비되었다는 연락을 받으시면 시간 예약 없이 여는 시간에 오시면 됩니다.",
    ]
    elder = rows.patron(point.library, number="+8221000033")
    assert "We call you on the phone that ends in 0033." in said(called(elder, point, now, books=1), "en", now)


@pytest.mark.django_db
def test_who_is_in_a_country_without_texts_is_called(now):
    point = rows.point()
    Sender.objects.filter(key=point.library.sender).update(countries=["US"])
    asked = called(rows.patron(point.library, number="+821000000031"), point, now, books=1)
    assert "We call you on the phone that ends in 0031." in said(asked, "en", now)
    seen = progress.of_one(queries.orders(pk=asked.order.pk).get(), now=now)
    assert seen.told == "call"


@pytest.mark.django_db
def test_a_book_that_is_out_is_told_apart_from_those_in_the_bag(now):
    point = rows.point()
    lent = rows.copy(at=point.library).title
    rows.reserve(rows.patron(point.library), lent, at=point)
    free = rows.copy(at=point.library).title
    patron = rows.patron(point.library)
    items = [Item(lent.pk), Item(free.pk)]
    both = orders.request(patron_id=patron.pk, point_id=point.pk, items=items, by=PHONE, now=now)
    assert said(both, "en", now)[1] == "1 book is out at the moment; you are told when it is here."
    other = rows.patron(point.library)
    none = orders.request(patron_id=other.pk, point_id=point.pk, items=[Item(lent.pk)], by=PHONE, now=now)
    assert said(none, "ko", now)[0] == "책 1권은 지금 바로 받으실 수 없어 예약했습니다. 들어오면 알려 드립니다."


@pytest.mark.django_db
def test_where_a_time_is_offered_later_that_is_said(now):
    point = rows.point()
    order = steps.asked(rows.patron(point.library), point)
    sender = point.library.sender
    told = readback.sentences(order=order, asked=[], contact=None, own=True, sender=sender, language="en", now=now)
    assert told[1:] == [
        "We have no telephone number, so please call us and ask.",
        "You are told a time when the bag is ready.",
    ]


@pytest.mark.parametrize(
    ("at", "korean", "english"),
    [
        (time(12), "낮 12시", "noon"),
        (time(9, 5), "오전 9시 05분", "9:05 am"),
        (time(16), "오후 4시", "4 pm"),
        (time(16, 15), "오후 4시 15분", "4:15 pm"),
        (time(0, 30), "오전 12시 30분", "12:30 am"),
    ],
)
def test_times_are_said_as_people_say_them(at, korean, english):
    with translation.override("ko"):
        assert readback.clock_time(at) == korean
    with translation.override("en"):
        assert readback.clock_time(at) == english


def test_days_near_by_have_names(now):
    with translation.override("en"):
        assert readback.moment(now + timedelta(hours=2), zone="Asia/Seoul", now=now) == "today at noon"
        assert readback.moment(now + timedelta(days=2), zone="Asia/Seoul", now=now).startswith("Thursday")
