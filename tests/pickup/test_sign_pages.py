"""The sign at a pickup place: one tap for who is known, two numbers once for who is not, and what is printed."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client

from core import clock
from lending.models import Patron
from notifications import voice
from notifications.models import Sender
from pickup import appointments, barcodes, closing, elsewhere, orders
from pickup.models import Order, PointRules, Visit
from tests import rows
from tests.pickup import steps

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = "+821000004721"


@pytest.fixture
def place():
    """A drive lane of a library."""
    return rows.point()


@pytest.fixture
def patron(place):
    """A patron with a PIN and one number."""
    return rows.patron(place.library, pin=rows.PIN, number=NUMBER)


@pytest.fixture
def order(patron, place):
    """A ready bag of that patron."""
    now = clock.now()
    return steps.ready(steps.asked(patron, place, now=now), now=now)


def phone(patron=None) -> Client:
    client = Client(headers={"accept-language": "en"})
    if patron is not None:
        client.post("/sign-in/", {"card_number": patron.card_number, "pin": rows.PIN})
    return client


def key() -> dict[str, str]:
    return {"key": uuid4().hex}


def numbers(order: Order, **more: str) -> dict[str, str]:
    return {**key(), "number": order.shown, "last_four": "4721", **more}


def test_who_is_signed_in_is_here_with_one_tap(place, patron, order):
    client, address = phone(patron), f"/here/{place.code}/"
    assert client.get(address).context["mine"] == order
    assert not Visit.objects.exists()  # looking is not arriving
    again = key()
    for _ in range(2):
        assert client.post(address, again).headers["location"] == f"/my/orders/{order.pk}/"
    visit = Visit.objects.get()
    assert (visit.door, visit.patron, visit.orders.get()) == ("sign", patron, order)


def test_the_place_of_the_sign_is_where_the_car_stands(patron, place, order):
    place.layout = "bays"
    place.save()
    phone(patron).post(f"/here/{place.code}/?bay=A3", key())
    assert Visit.objects.get().bay == "A3"


def test_two_numbers_once_and_then_the_telephone_is_known(place, patron, order):
    client, address = phone(), f"/here/{place.code}/"
    assert client.get(address).context["mine"] is None
    assert client.post(address, numbers(order, remember="on")).headers["location"].startswith("/o/")
    assert Visit.objects.get().orders.get() == order
    Order.objects.update(visit=None)
    Visit.objects.all().delete()
    page = client.get(address)
    assert (page.context["mine"], page.context["remembered"]) == (order, True)
    assert patron.name not in page.content.decode()
    client.post(address, key())
    assert Visit.objects.get().orders.get() == order


def test_who_is_signed_in_and_collects_for_somebody_else_is_known_by_the_telephone(place):
    now = clock.now()
    mother, daughter = rows.patron(place.library), rows.patron(place.library, pin=rows.PIN)
    named = rows.contact(mother, number=NUMBER, own=False)
    order = steps.ready(steps.asked(mother, place, now=now, collector_id=named.pk), now=now)
    client, address = phone(daughter), f"/here/{place.code}/"
    page = client.get(address)
    assert (page.context["mine"], 'name="last_four"' in page.content.decode()) == (None, True)
    assert client.post(address, numbers(order, remember="on")).headers["location"].startswith("/o/")
    Order.objects.update(visit=None)
    Visit.objects.all().delete()
    assert client.get(address).context["mine"] == order
    assert client.post(address, key()).headers["location"].startswith("/o/")
    assert Visit.objects.get().orders.get() == order


def test_the_sign_says_to_whom_it_is_open_although_it_is_closed_for_today(place, patron, monkeypatch):
    noon = rows.NOW + timedelta(hours=2)  # in Seoul, so that midnight is far
    other = rows.patron(place.library, pin=rows.PIN)
    order, _theirs = (steps.ready(steps.asked(one, place)) for one in (patron, other))
    appointments.promise(order_id=order.pk, slot_id=rows.slot(place, noon).pk, by=steps.DESK, now=rows.NOW)
    closing.shut(point_id=place.pk, by=steps.DESK, now=noon)
    clients = {stands: phone(who) for stands, who in ((True, patron), (False, other))}
    monkeypatch.setattr(clock, "now", lambda: noon)
    for stands, client in clients.items():
        page = client.get(f"/here/{place.code}/").content.decode()
        assert ["Your time stands" in page, "Closed now" in page] == [stands, not stands]


def test_a_telephone_is_only_known_when_it_is_wanted_and_can_be_forgotten(place, order):
    client, address = phone(), f"/here/{place.code}/"
    client.post(address, numbers(order))
    assert client.get(address).context["remembered"] is False
    client.post(address, numbers(order, remember="on"))
    assert client.get(address).context["remembered"] is True
    client.post(address, {"forget": "1"})
    assert client.get(address).context["remembered"] is False


@pytest.mark.parametrize("kept", ["7", "7:abc", "x" * 300])
def test_a_telephone_that_makes_itself_known_is_nobody(place, order, kept, settings):
    client = phone()
    client.cookies[settings.COLLECTOR_COOKIE_NAME] = kept
    assert client.get(f"/here/{place.code}/").context["mine"] is None


def test_at_the_wrong_place_it_is_said_which_is_right(place, patron, order):
    other = rows.point(place.library)
    branch = rows.point(rows.library(programme=place.library.programme))
    for wrong in (other, branch):
        for client, sent in ((phone(patron), None), (phone(), numbers(order))):
            address = f"/here/{wrong.code}/"
            page = client.get(address) if sent is None else client.post(address, sent)
            assert page.context["elsewhere"] == [order], (wrong, sent)
            assert str(place) in page.content.decode()
    assert not Visit.objects.exists()


def test_the_number_of_a_bag_that_moved_here_checks_in_the_bag_that_is_here(place, order):
    here = rows.point(place.library)
    moved = elsewhere.collect_at(order_id=order.pk, point_id=here.pk, by=steps.DESK, now=clock.now()).order
    answer = phone().post(f"/here/{here.code}/", numbers(order))
    assert answer.headers["location"].startswith("/o/")
    assert Visit.objects.get().orders.get() == moved


@pytest.mark.parametrize("became", ["handed over", "cancelled"])
def test_a_bag_that_is_over_waits_at_no_other_place(place, order, became):
    now = clock.now()
    if became == "cancelled":
        orders.cancel(order_id=order.pk, by=steps.DESK, now=now)
    else:
        steps.handed_over(order, now=now)
    page = phone().post(f"/here/{rows.point(place.library).code}/", numbers(order))
    assert (page.status_code, page.context["elsewhere"]) == (409, [])
    assert ("already handed over" in page.content.decode()) is (became == "handed over")


def test_whose_books_travel_reads_when_they_are_expected_and_has_nothing_to_tap(place, patron):
    programme = place.library.programme
    programme.transfer_days = 1
    programme.save(update_fields=["transfer_days"])
    PointRules.objects.filter(point=place).update(promise="at_order")
    now = clock.now()
    rows.slot(place, now + timedelta(days=40))
    copy = rows.copy(at=rows.library(programme=programme))
    order = steps.asked_for([copy.title], patron, place, now=now)
    client, address = phone(patron), f"/here/{place.code}/"
    page = client.get(address).content.decode()
    assert ("The books come from another library" in page, order.shown in page) == (True, True)
    assert "I am here\n" not in page
    assert client.post(address, key()).status_code == 409
    assert not Visit.objects.exists()
    family = rows.household(together=True)
    other = rows.patron(place.library, household=family)
    Patron.objects.filter(pk=patron.pk).update(household=family)
    steps.asked(other, place, now=now)
    assert "The books come from another library" not in client.get(address).content.decode()
    assert client.post(address, key()).status_code == 303
    assert Visit.objects.get().orders.count() == 2


@pytest.mark.parametrize("wrong", [{"last_four": "9999"}, {"number": "00-00"}, {"number": "x"}, {"number": ""}])
def test_numbers_that_do_not_fit_note_nobody(place, order, wrong):
    page = phone().post(f"/here/{place.code}/", numbers(order, **wrong))
    assert page.status_code in {400, 404}
    assert page.context["form"].errors
    assert not Visit.objects.exists()


def test_who_has_nothing_to_collect_may_bring_back_or_ask(place, patron):
    client, address = phone(patron), f"/here/{place.code}/"
    assert client.post(address, key()).status_code == 404
    assert client.post(address, {**key(), "purpose": "collect"}).status_code == 404
    client.post(address, {**key(), "purpose": "return"})
    visit = Visit.objects.get()
    assert (visit.purpose, visit.patron, client.get(address).context["visit"]) == ("return", patron, visit)


def test_a_stranger_without_numbers_notes_nobody(place):
    assert phone().post(f"/here/{place.code}/", {**key(), "purpose": "return"}).status_code == 404
    assert not Visit.objects.exists()


def test_a_sign_of_nowhere_leads_to_all_places():
    assert phone().get("/here/nowhere/").headers["location"] == "/now/"


def test_signs_are_printed_from_the_settings(place, settings):
    desk = Client(headers={"accept-language": "en"})
    desk.force_login(rows.staff(place.library))
    one = desk.get(f"/staff/signs/?point={place.pk}").content.decode()
    assert f"{settings.PUBLIC_BASE_URL}/here/{place.code}/" in one
    for said in (
        '<p class="first" lang="ko">정차 후 찍어 주세요</p>',
        '<p class="second" lang="en">Stop the car, then scan</p>',
        '<b lang="ko">누르면 도착이 접수되고, 책을 가져다 드립니다.</b>',
        '<span lang="en">One tap tells us that you are here; we bring your books.</span>',
        '<span lang="ko">전화로도 됩니다</span> · <span lang="en">or call us</span>',
    ):
        assert said in " ".join(one.split()).replace("> ", ">").replace(" <", "<").replace("</span>·<", "</span> · <")
    many = desk.get(f"/staff/signs/?point={place.pk}&paper=a3&places=1-3+A1,A1")
    assert [sheet["bay"] for sheet in many.context["sheets"]] == ["1", "2", "3", "A1"]
    assert len({sheet["qr"] for sheet in many.context["sheets"]}) == 4
    assert desk.get(f"/staff/signs/?point={place.pk}&paper=a4&places=1-99").status_code == 400
    assert desk.get(f"/staff/signs/?point={place.pk}&paper=a5").status_code == 400


def test_each_of_several_lanes_gets_a_sign_with_its_name(place):
    desk = Client()
    desk.force_login(rows.staff(place.library))

    def named():
        page = " ".join(desk.get(f"/staff/signs/?point={place.pk}").content.decode().split())
        return re.findall(r'<span class="stand">([^<]*)</span>', page), page.count("· lane")

    rows.lane(place, name="1")
    assert named() == ([], 0)
    rows.lane(place, name="2")
    assert named() == (["1", "2"], 2)


def test_a_parking_place_with_any_name_arrives_with_its_sign(place, monkeypatch):
    drawn = barcodes.qr
    addresses: list[str] = []

    def noted(address: str) -> str:
        addresses.append(address)
        return drawn(address)

    monkeypatch.setattr(barcodes, "qr", noted)
    staff = Client()
    staff.force_login(rows.staff(place.library, role="manager"))
    staff.get(f"/staff/signs/?point={place.pk}&places=%231+%26&paper=a4")
    assert [address.partition("?")[2] for address in addresses] == ["bay=%231", "bay=%26"]


def test_a_sign_of_a_place_to_which_one_walks_does_not_speak_of_cars(place):
    place.layout = "door"
    place.save()
    desk = Client()
    desk.force_login(rows.staff(place.library))
    page = desk.get(f"/staff/signs/?point={place.pk}").content.decode()
    assert [said in page for said in ("도착하면 찍어 주세요", "Scan when you are here", "정차 후", "Stop the car")] == [
        True,
        True,
        False,
        False,
    ]


def test_the_number_on_a_sign_is_the_one_whose_calls_check_in(place):
    desk = Client()
    desk.force_login(rows.staff(place.library))

    def printed():
        page = desk.get(f"/staff/signs/?point={place.pk}").content.decode()
        return re.findall(r'<b class="nowrap">([^<]*)</b>', page)

    Sender.objects.filter(key=place.library.sender).update(number="+8221002099")
    assert printed() == ["02-100-2099"]

    def is_answered(number):
        return voice.talk(call_id="CA1", from_number=NUMBER, to_number=number, now=clock.now()) is not None

    assert is_answered("+8221002099")
    assert not is_answered("+8221006440")  # the library's own telephone, which people answer
    place.library.sender = "nobody"
    place.library.save()
    assert printed() == [place.library.phone]
