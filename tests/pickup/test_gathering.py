"""A bag of which a book is still to come goes as it is, or waits until all are together, as its people choose."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client

from core import clock
from lending import allocation, loans
from lending.reservations import Item
from pickup import gathering, links, orders, packing
from pickup.errors import NothingToWaitFor, WaitsForAll
from tests import api, rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db


@pytest.fixture
def place():
    """A lane."""
    return rows.point(rows.library(programme=rows.programme(volumes=9)))


def lent_out(place):
    """A title whose only copy somebody has at home."""
    copy = rows.copy(at=place.library)
    reader = rows.patron(place.library)
    loans.check_out(copy_id=copy.pk, patron_id=reader.pk, library_id=place.library_id, by=DESK, now=clock.now())
    return copy.title


def asked(place, patron, *, here=1, lent=1, whole=False):
    """An order of some books that are here and some that others have."""
    titles = [rows.copy(at=place.library).title for _ in range(here)]
    titles += [lent_out(place) for _ in range(lent)]
    made = orders.request(
        patron_id=patron.pk,
        point_id=place.pk,
        items=[Item(title.pk) for title in titles],
        whole=whole,
        by=rows.patron_actor(patron),
        now=clock.now(),
    ).order
    assert made is not None
    return made


def ready(order, now=None):
    return packing.mark_ready(order_id=order.pk, by=DESK, now=now or clock.now())


def test_who_takes_what_is_there_waits_for_nothing(place):
    order = steps.packed(asked(place, rows.patron(place.library)), now=clock.now())
    assert ready(order).state == "ready"


def test_who_waits_for_all_gets_them_together_a_week_later_at_most(place):
    order = steps.packed(asked(place, rows.patron(place.library), lent=2, whole=True), now=clock.now())
    with pytest.raises(WaitsForAll) as refused:
        ready(order)
    assert refused.value.facts["count"] == 2
    assert order.whole_until is not None
    assert timedelta(days=7) < order.whole_until - clock.now() <= timedelta(days=8)
    assert ready(order, now=order.whole_until).state == "ready"


def test_the_last_book_ends_the_waiting(place):
    order = asked(place, rows.patron(place.library), whole=True)
    steps.packed(order, now=clock.now())
    waiting = order.patron.reservations.get(state="waiting")
    rows.copy(waiting.title, at=place.library)
    allocation.allocate_due(title_ids=[waiting.title_id], now=clock.now())
    orders.assemble(now=clock.now())
    steps.packed(steps.again(order), now=clock.now())
    assert ready(order).state == "ready"


def test_it_can_be_changed_until_the_bag_is_packed_and_only_while_something_is_to_come(place):
    patron = rows.patron(place.library)
    alone = asked(place, patron, lent=0)
    with pytest.raises(NothingToWaitFor):
        gathering.choose(order_id=alone.pk, whole=True, by=DESK, now=clock.now())
    order = asked(place, rows.patron(place.library))
    assert gathering.choose(order_id=order.pk, whole=True, by=DESK, now=clock.now()).whole_until
    assert gathering.choose(order_id=order.pk, whole=False, by=DESK, now=clock.now()).whole_until is None
    ready(steps.packed(order, now=clock.now()))
    with pytest.raises(NothingToWaitFor):
        gathering.choose(order_id=order.pk, whole=True, by=DESK, now=clock.now())


def test_whoever_collects_says_so_on_the_page_and_staff_see_it_and_go_ahead(place):
    order = asked(place, rows.patron(place.library))
    address = f"/o/{links.token_for(order, now=clock.now())}/"
    phone, desk = Client(headers={"accept-language": "en"}), Client(headers={"accept-language": "en"})
    desk.force_login(rows.staff(place.library))
    assert "1 book is still to come. The bag does not wait for it." in phone.get(address).content.decode()
    phone.post(f"{address}whole/", {"key": uuid4().hex})
    assert "The bag waits for it" in phone.get(address).content.decode()
    steps.packed(order, now=clock.now())
    packing = f"/staff/packing/?point={place.pk}"
    assert "waits for 1 book more" in desk.get(packing).content.decode()
    after_scan = desk.get(f"{packing}&packed={order.pk}").content.decode()
    assert "1 of 2 in the bag" in after_scan
    assert after_scan.count("waits for 1 book more") == 2  # beside the scan and on the card
    again = desk.post(f"/staff/orders/{order.pk}/ready/?point={place.pk}", {"key": uuid4().hex})
    assert again.status_code == 409
    desk.post(f"/staff/orders/{order.pk}/go-ahead/?point={place.pk}", {"key": uuid4().hex})
    page = desk.get(packing).content.decode()
    assert f"/staff/orders/{order.pk}/ready/" in page
    assert "waits for 1 book more" not in page


def test_programs_choose_too(place):
    _who, mine = api.patron(home=place.library)
    titles = [rows.copy(at=place.library).title, lent_out(place)]
    told = mine.post(
        "orders", {"pickup_point": place.pk, "items": [{"title": one.pk} for one in titles], "whole": True}, 201
    )["order"]
    assert told["whole_until"] is not None
    assert mine.post(f"orders/{told['id']}/wait-for-all", {"whole": False})["whole_until"] is None
    _other, stranger = api.patron(home=place.library)
    assert stranger.post(f"orders/{told['id']}/wait-for-all", {"whole": True}, 404)["code"] == "unknown_order"
    assert mine.post(f"orders/{told['id']}/wait-for-all", {}, 400)["field"] == "whole"
