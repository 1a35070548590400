"""The address that stands for an order, and the code page."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.refusal import TooMany
from pickup import appointments, arrivals, errors, links, orders
from pickup.models import Link, Order
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db


@pytest.fixture
def point():
    return rows.point()


@pytest.fixture
def order(point):
    return steps.ready(steps.asked(rows.patron(point.library, number="+821000004721"), point))


def by_code(order, now, **other):
    asked = {
        "library_code": order.library.code,
        "number": order.number,
        "last_four": "4721",
        "address": "203.0.113.7",
        **other,
    }
    return links.by_code(now=now, **asked)


def test_an_order_has_one_address_and_only_its_digest_is_kept(order, now):
    token = links.token_for(order, now=now)
    assert len(token) == 16
    assert token.isalnum()
    assert links.token_for(order, now=now) == token
    assert links.order_of(token).pk == links.order_of(token.upper()).pk == order.pk
    assert token not in str(Link.objects.values_list("digest", flat=True).get())


def test_two_orders_have_addresses_that_tell_nothing_of_each_other(order, point, now):
    other = steps.asked(rows.patron(point.library), point)
    assert links.token_for(order, now=now) != links.token_for(other, now=now)


def test_the_key_makes_the_address(order, now, settings):
    token = links.token_for(order, now=now)
    settings.LINK_KEY = "z" * 40
    assert links.token_for(order, now=now) != token


@pytest.mark.parametrize("token", ["", "a" * 16, "../../etc/passwd", "\x00", "☃" * 16])
def test_an_address_that_nobody_made_is_over(order, now, token):
    links.token_for(order, now=now)
    with pytest.raises(errors.LinkOver):
        links.order_of(token)


def test_a_new_address_ends_the_old_one(order, now):
    old = links.token_for(order, now=now)
    new = links.renew(order, now=now)
    assert links.order_of(new).pk == order.pk
    assert links.token_for(order, now=now) == new
    with pytest.raises(errors.LinkOver):
        links.order_of(old)


def test_the_address_still_answers_after_the_hand_over_and_dies_with_the_number(order, now):
    token = links.token_for(order, now=now)
    steps.handed_over(order, now=now)
    assert links.order_of(token).state == "handed_over"
    assert orders.release_numbers(now=now + timedelta(days=2)) == 1
    with pytest.raises(errors.LinkOver):
        links.order_of(token)
    assert links.for_about(f"order:{order.pk}", now=now) is None


def test_texts_about_an_order_a_promise_and_a_visit_get_the_orders_address(order, point, now, settings):
    address = f"{settings.PUBLIC_BASE_URL}/o/{links.token_for(order, now=now)}/"
    promise = appointments.promise(order_id=order.pk, slot_id=rows.slot(point).pk, by=DESK, now=now)
    visit = arrivals.arrive(point_id=point.pk, order_id=order.pk, by=DESK, now=now)
    for about in (f"order:{order.pk}", f"appointment:{promise.pk}", f"visit:{visit.pk}"):
        assert links.for_about(about, now=now) == address


@pytest.mark.parametrize("about", ["", "order:", "order:x", "order:-1", "order:²", "reservation:1", "order:999999999"])
def test_a_text_about_anything_else_has_no_address(about, now):
    assert links.for_about(about, now=now) is None


def test_number_and_last_four_digits_open_the_order(order, now):
    assert by_code(order, now).pk == order.pk
    assert by_code(order, now, number=f"{order.shown} ", last_four="４７２１").pk == order.pk


def test_the_collectors_telephone_opens_it_too(point, now):
    who = rows.patron(point.library)
    grandson = rows.contact(who, own=False, name="손자")
    order = steps.asked(who, point, collector_id=grandson.pk)
    assert by_code(order, now, last_four=grandson.number[-4:]).pk == order.pk


def test_when_somebody_else_collects_the_address_of_who_did_is_dead(point, now):
    who = rows.patron(point.library)
    grandson, daughter = (rows.contact(who, own=False, name=name, language="en") for name in ("손자", "딸"))
    order = steps.asked(who, point, collector_id=grandson.pk)
    sent_before = links.token_for(order, now=now)
    order = steps.asked(who, point, collector_id=daughter.pk)
    assert (order.collector_id, order.language) == (daughter.pk, "en")
    with pytest.raises(errors.LinkOver):
        links.order_of(sent_before)
    assert links.order_of(links.token_for(order, now=now)).pk == order.pk


@pytest.mark.parametrize(
    "wrong",
    [
        {"last_four": "0000"},
        {"last_four": ""},
        {"last_four": "04721"},
        {"number": "0001"},
        {"number": "x" * 5000},
        {"library_code": "nowhere"},
        {"library_code": "\x00"[:0]},
    ],
)
def test_whatever_does_not_fit_is_refused_alike(order, now, wrong):
    with pytest.raises(errors.OrderNotFound) as refusal:
        by_code(order, now, **wrong)
    assert refusal.value.facts == {}


def test_a_number_that_is_free_again_opens_nothing(order, now):
    steps.handed_over(order, now=now)
    assert by_code(order, now).state == "handed_over"
    orders.release_numbers(now=now + timedelta(days=2))
    with pytest.raises(errors.OrderNotFound):
        by_code(order, now)


def test_guessing_from_one_address_is_stopped_even_for_the_right_answer(order, now):
    for guess in range(links.TRIES_OF_ADDRESS):
        with pytest.raises(errors.OrderNotFound):
            by_code(order, now, number=f"{guess:04}")
    with pytest.raises(TooMany) as refusal:
        by_code(order, now)
    assert refusal.value.retry_after in range(1, 601)
    assert by_code(order, now, address="203.0.113.8").pk == order.pk


def test_guessing_the_telephone_of_a_number_on_the_display_is_stopped_from_many_addresses(order, now):
    for guess in range(links.TRIES_OF_NUMBER):
        with pytest.raises(errors.OrderNotFound):
            by_code(order, now, last_four=f"{guess:04}", address=f"203.0.113.{guess}")
    with pytest.raises(TooMany):
        by_code(order, now, address="203.0.113.200")
    assert by_code(order, now + timedelta(hours=3)).pk == order.pk
    assert Order.objects.get(pk=order.pk).state == "ready"
