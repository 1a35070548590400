"""The page of rehearsals, the banner of a training library, and the desk that is not told of either."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core import clock
from core.models import Access
from lending.models import Membership
from pickup import rehearsals
from pickup.models import Rehearsal, RehearsalCar
from tests import rows

pytestmark = pytest.mark.django_db(transaction=True)

Kind = RehearsalCar.Kind
BANNER = {"ko": "문자가 실제로 나가지 않습니다", "en": "no real texts leave"}


@pytest.fixture
def window():
    training = rows.library(training=True, programme=rows.programme(volumes=100, volumes_per="patron"))
    point = rows.point(training, rules={"by_appointment": False})
    rows.lane(point, name="1")
    rows.point(training, layout="door", rules={"by_appointment": False})
    return point


@pytest.fixture
def librarian(window):
    return rows.staff(window.library)


@pytest.fixture
def desk(librarian):
    return browser(librarian)


def browser(account, language="en") -> Client:
    client = Client(headers={"accept-language": language})
    client.force_login(account)
    return client


def sent(desk, point, what, **fields):
    return desk.post(f"/staff/rehearsal/{what}/?point={point.pk}", {"key": uuid4().hex, **fields})


def test_it_starts_goes_on_and_ends_on_one_page(window, librarian, desk):
    first = desk.get(f"/staff/rehearsal/?point={window.pk}")
    assert first.content.decode().count('<li class="card cue">') == 12
    form = {"key": uuid4().hex, "minutes": "10"}
    answers = [desk.post(f"/staff/rehearsal/start/?point={window.pk}", form) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    [rehearsal] = Rehearsal.objects.all()
    assert rehearsals.arrive_due(now=clock.now()) == 1
    for language, served in (("ko", "12대 가운데 0대 응대"), ("en", "0 of 12 cars served")):
        page = browser(librarian, language).get(f"/staff/rehearsal/?point={window.pk}").content.decode()
        assert served in page
        assert BANNER[language] in page
        assert rehearsal.cars.get(kind=Kind.EARLY).order.shown in page
    fragment = desk.get(f"/staff/rehearsal/?point={window.pk}", headers={"X-Part": "rehearsal"}).content.decode()
    assert "data-version" in fragment
    assert "<html" not in fragment
    assert 'id="count-lane" class="count" hx-swap-oob="true" >1<' in " ".join(fragment.split())

    costs = []
    for minutes in (1, 60):
        rehearsals.arrive_due(now=clock.now() + timedelta(minutes=minutes))
        with CaptureQueriesContext(connection) as queries:
            desk.get(f"/staff/rehearsal/?point={window.pk}")
        costs.append(len(queries))
    assert costs[0] == costs[1]

    wrong = rehearsal.cars.get(kind=Kind.ELSEWHERE)
    before = Access.objects.count()
    desk.get(f"/staff/lane/?point={window.pk}&number={wrong.order.shown}")
    assert Access.objects.filter(about=f"patron:{wrong.patron_id}").count() == 1
    desk.get(f"/staff/lane/?point={window.pk}&visit={rehearsal.cars.get(kind=Kind.RETURN).visit_id}")
    assert Access.objects.count() == before + 2

    assert sent(desk, window, "stop").status_code == 303
    assert sent(desk, window, "stop").status_code == 303
    page = desk.get(f"/staff/rehearsal/?point={window.pk}").content.decode()
    assert "0 cars" in page
    assert "not served before the end" in page


def test_a_real_library_has_no_rehearsals_and_no_banner(window, librarian, desk):
    serving = rows.point()
    Membership.objects.create(account=librarian, library=serving.library)
    refused = sent(desk, serving, "start", minutes="10")
    assert (refused.status_code, b"not for training" in refused.content) == (409, True)
    assert not Rehearsal.objects.exists()
    led = desk.get(f"/staff/rehearsal/?point={serving.pk}")
    assert (led.status_code, led["Location"]) == (302, f"/staff/rehearsal/?point={window.pk}")
    assert BANNER["en"] not in desk.get(f"/staff/lane/?point={serving.pk}").content.decode()
    assert BANNER["en"] in desk.get(f"/staff/lane/?point={window.pk}").content.decode()


def test_only_the_librarys_own_staff_may_start_one(window):
    stranger = browser(rows.staff(rows.library()))
    assert sent(stranger, window, "start", minutes="10").status_code == 404
    page = stranger.get("/staff/rehearsal/")
    assert "None of your libraries is for training" in page.content.decode()
    reader = browser(rows.patron(window.library, pin=rows.PIN).account)
    assert sent(reader, window, "start", minutes="10").status_code == 403
    nobody = Client()
    assert "sign-in" in nobody.get("/staff/rehearsal/")["Location"]
    assert not Rehearsal.objects.exists()


def test_today_counts_real_places_and_leads_to_the_rehearsal(window, librarian, desk, now):
    serving = rows.point()
    Membership.objects.create(account=librarian, library=serving.library)
    rehearsals.start(point_id=window.pk, minutes=10, by=rows.staff_actor(librarian, "desk"), now=clock.now())
    rehearsals.arrive_due(now=clock.now())
    page = desk.get("/staff/")
    assert [one.library for one in page.context["today"].libraries] == [serving.library]
    assert page.context["today"].following is None
    assert f"/staff/rehearsal/?point={window.pk}" in page.content.decode()
    practising = desk.get(f"/staff/?point={window.pk}")
    assert [one.library for one in practising.context["today"].libraries] == [window.library]
    assert practising.context["today"].following is not None


def test_programs_and_public_pages_are_told_of_no_training_library(window):
    serving = rows.point()
    anyone = Client()
    codes = [row["code"] for row in anyone.get("/api/v1/libraries").json()["results"]]
    assert codes == [serving.library.code]
    points = [row["id"] for row in anyone.get("/api/v1/pickup-points").json()["results"]]
    assert points == [serving.pk]
    assert anyone.get(f"/api/v1/libraries/{window.library.code}/now").status_code == 404
    assert str(window).encode() not in anyone.get("/now/").content
    lanes = f"/now/{window.library.code}/lanes/"  # its display, for whoever has the address
    assert anyone.get(lanes).status_code == 200
