"""A shared tablet: locked in one tap or by itself, taken over with a staff PIN, and open to nobody else."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.test import Client

from lending import guesses
from lending.models import Account, Tablet
from tests import rows

pytestmark = pytest.mark.django_db

NOW = rows.NOW
PIN = "951620"


@pytest.fixture
def desk(client: Client, time_machine) -> SimpleNamespace:
    """A tablet that one librarian shared; another one has a PIN, too."""
    time_machine.move_to(NOW)
    library = rows.library()
    at = f"?point={rows.point(library).pk}"
    first, second = rows.staff(library, first_name="김사서"), rows.staff(library, first_name="이사서")
    for one in (second, first):
        client.force_login(one)
        assert client.post(f"/staff/tablet/pin/{at}", {"pin": PIN}).status_code == 302
    assert client.post(f"/staff/tablet/share/{at}").headers["Location"] == f"/staff/tablet/{at}"
    return SimpleNamespace(library=library, at=at, first=first, second=second)


def take_over(client: Client, who: Account, pin: str = PIN):
    return client.post("/staff/locked/", {"who": who.pk, "pin": pin, "next": "/staff/lane/"})


def test_it_is_locked_in_one_tap_and_taken_over_by_a_colleague(client: Client, desk) -> None:
    page = client.get(f"/staff/tablet/{desk.at}").content.decode()
    assert "/staff/tablet/lock/" in page
    assert client.post("/staff/tablet/lock/").headers["Location"] == "/staff/locked/"
    assert client.get(f"/staff/tablet/{desk.at}").headers["Location"].startswith("/staff/locked/?next=")
    locked = client.get("/staff/locked/").content.decode()
    assert "김사서" in locked
    assert "이사서" in locked
    assert take_over(client, desk.second, "000000").status_code == 401
    assert take_over(client, desk.second).headers["Location"] == "/staff/lane/"
    assert client.session["_auth_user_id"] == str(desk.second.pk)


def test_it_locks_itself_when_nobody_touches_it(client: Client, desk, time_machine) -> None:
    for minutes in (9, 9, 9):
        time_machine.shift(timedelta(minutes=minutes))
        assert client.get(f"/staff/tablet/{desk.at}").status_code == 200
    for _ in range(3):  # a board that renews itself keeps no tablet open
        time_machine.shift(timedelta(minutes=4))
        client.get(f"/staff/tablet/{desk.at}", headers={"HX-Request": "true"})
    assert client.get(f"/staff/tablet/{desk.at}").headers["Location"].startswith("/staff/locked/")


def test_a_computer_that_is_not_shared_stays_open(desk, time_machine) -> None:
    own = Client()
    own.force_login(desk.first)
    time_machine.shift(timedelta(hours=3))
    assert own.get(f"/staff/tablet/{desk.at}").status_code == 200


def test_the_pin_opens_no_other_device(desk) -> None:
    stranger = Client()
    assert stranger.get("/staff/locked/").headers["Location"] == "/staff/sign-in/"
    assert take_over(stranger, desk.first).headers["Location"] == "/staff/sign-in/"
    stranger.cookies["tablet"] = "made up"
    assert take_over(stranger, desk.first).headers["Location"] == "/staff/sign-in/"
    assert "_auth_user_id" not in stranger.session


def test_nobody_of_another_library_and_nobody_without_a_pin_takes_over(client: Client, desk) -> None:
    elsewhere, without = rows.staff(rows.library(), staff_pin="x"), rows.staff(desk.library)
    client.post("/staff/tablet/lock/")
    for one in (elsewhere, without):
        assert take_over(client, one).status_code == 401
    assert client.post("/staff/locked/", {"who": "x", "pin": PIN}).status_code == 400


def test_who_guesses_waits(client: Client, desk) -> None:
    client.post("/staff/tablet/lock/")
    answers = [take_over(client, desk.first, "000000").status_code for _ in range(guesses.FREE + 1)]
    assert answers == [401] * guesses.FREE + [429]
    assert take_over(client, desk.second).status_code == 302


def test_a_staff_pin_is_no_easy_one_and_kept_as_a_hash(client: Client, desk) -> None:
    assert client.post(f"/staff/tablet/pin/{desk.at}", {"pin": "123456"}).status_code == 400
    kept = Account.objects.get(pk=desk.first.pk).staff_pin
    assert kept.startswith("argon2")
    assert PIN not in kept


def test_a_shared_tablet_is_forgotten_after_ninety_days(client: Client, desk, time_machine) -> None:
    time_machine.shift(timedelta(days=91))
    assert client.get("/staff/locked/").headers["Location"] == "/staff/sign-in/"
    assert Tablet.objects.exists()
