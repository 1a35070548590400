"""The cards to try beside the sign-in forms: in the sandbox with the sample, and nowhere else."""

from __future__ import annotations

import pytest
from django.test import Client

from config import sample
from core import clock
from lending import accounts
from tests import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def sampled() -> None:
    """A patron and a librarian of the sample, and its sender."""
    first, sender = sample.PEOPLE[0], sample.SENDERS[0]
    at = rows.library(sender=rows.sender(key=sender["key"], number=sender["number"]).key)
    rows.patron(at, card_number=first.card, name=first.name, pin=sample.PIN)
    librarian = rows.staff(at)
    librarian.username = sample.STAFF[0][0]
    librarian.set_password(sample.PASSWORD)
    librarian.save()


def test_one_tap_signs_in(client: Client, sampled):
    page = client.get("/sign-in/").content.decode()
    assert f'value="{sample.PEOPLE[0].card}"' in page
    assert sample.PEOPLE[1].card not in page  # is not there
    form = {"card_number": sample.PEOPLE[0].card, "pin": sample.PIN, "next": "/my/"}
    assert client.post("/sign-in/", form).headers["Location"] == "/my/"


def test_staff_see_their_own(client: Client, sampled):
    page = client.get("/staff/sign-in/").content.decode()
    assert 'value="librarian"' in page
    assert sample.PEOPLE[0].card not in page
    assert client.post("/staff/sign-in/", {"username": "librarian", "password": sample.PASSWORD}).status_code == 302


@pytest.mark.parametrize("path", ["/sign-in/", "/staff/sign-in/"])
def test_in_production_nothing_is_given_away(client: Client, sampled, settings, path):
    settings.SANDBOX = False
    page = client.get(path).content.decode()
    assert sample.PIN not in page.replace("2020-", "")
    assert sample.PASSWORD not in page
    assert "try-as" not in page


def test_a_database_that_is_no_sample_lists_nobody(client: Client):
    home = rows.library()
    rows.patron(home, card_number=sample.PEOPLE[0].card, name="somebody else", pin=sample.PIN)
    accounts.sign_in_patron(card_number=sample.PEOPLE[0].card, pin=sample.PIN, address="::1", now=clock.now())
    assert "try-as" not in client.get("/sign-in/").content.decode()
