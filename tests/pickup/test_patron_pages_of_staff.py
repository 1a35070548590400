"""Librarians look after people: found, enrolled, kept right; whom they looked at is noted."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client

from core import clock
from core.models import Access
from lending import accounts, guesses
from lending.models import Consent, Contact, Patron, PickupPoint
from notifications.models import Message
from pickup.models import PointRules
from tests import rows
from tests.pickup import steps

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(client: Client) -> SimpleNamespace:
    library = rows.library()
    point, librarian = rows.point(library), rows.staff(library)
    client.force_login(librarian)
    return SimpleNamespace(library=library, at=f"?point={point.pk}", librarian=librarian)


def act(client: Client, desk, who: Patron, name: str, /, **fields):
    return client.post(f"/staff/patrons/{who.pk}/{name}/{desk.at}", {"key": f"k{rows.serial()}", **fields})


def looks() -> set[tuple[str, str]]:
    return set(Access.objects.values_list("about", "purpose"))


def test_somebody_is_found_masked_and_shown_whole_and_both_are_noted(client: Client, desk) -> None:
    who = rows.patron(desk.library, name="홍길동", needs=["boot"])
    found = client.post(f"/staff/patrons/{desk.at}", {"caller": "홍길동"})
    assert "홍*동" in found.content.decode()
    assert "홍길동</span>" not in found.content.decode()
    page = client.get(f"/staff/patrons/{who.pk}/{desk.at}")
    assert "홍길동" in page.content.decode()
    assert looks() == {(f"patron:{who.pk}", "patrons")}
    kept = Access.objects.order_by("pk").last()
    assert (kept.keep_until - kept.at).days == 730  # needs were seen


@pytest.mark.parametrize("screen", ["run-sheet", "catch-up"])
def test_whose_bags_are_on_a_sheet_is_noted(client: Client, desk, screen: str) -> None:
    point = PickupPoint.objects.get(library=desk.library)
    PointRules.objects.filter(point=point).update(by_appointment=False)
    who = rows.patron(desk.library)
    now = clock.now()
    steps.ready(steps.asked(who, point, now=now), now=now)
    assert client.get(f"/staff/{screen}/{desk.at}").status_code == 200
    assert looks() == {(f"patron:{who.pk}", screen)}


def test_nobody_is_found_with_a_sentence(client: Client, desk) -> None:
    assert client.post(f"/staff/patrons/{desk.at}", {"caller": "nobody at all"}).status_code == 404


def test_patrons_of_other_programmes_are_unknown(client: Client, desk) -> None:
    stranger = rows.patron()
    assert client.get(f"/staff/patrons/{stranger.pk}/{desk.at}").status_code == 404
    assert act(client, desk, stranger, "lift").status_code == 404
    assert act(client, desk, stranger, "code").status_code == 404
    assert looks() == set()


def test_patrons_see_none_of_it(client: Client, desk) -> None:
    who = rows.patron(desk.library, pin=rows.PIN)
    assert who.account
    client.force_login(who.account)
    assert client.get(f"/staff/patrons/{who.pk}/{desk.at}").status_code == 403


def enrolment(**fields: str) -> dict[str, str]:
    return {
        "key": f"k{rows.serial()}",
        "card_number": "7700-0001",
        "name": "새 회원",
        "number": "010-0000-0901",
        "language": "ko",
        "agrees": "on",
        "abroad": "on",
        **fields,
    }


def test_a_new_patron_comes_with_a_number_and_consents(client: Client, desk) -> None:
    assert b"checked" not in client.get(f"/staff/patrons/new/{desk.at}").content  # nobody agrees before they are asked
    form = enrolment()
    answer = client.post(f"/staff/patrons/new/{desk.at}", form)
    who = Patron.objects.get(card_number="7700-0001")
    assert answer.headers["Location"] == f"/staff/patrons/{who.pk}/{desk.at}&library={desk.library.pk}"
    assert (who.home, who.account) == (desk.library, None)
    assert {(one.what, one.given, one.by) for one in Consent.objects.filter(patron=who)} == {
        ("privacy", True, f"staff:{desk.librarian.pk}"),
        ("abroad", True, f"staff:{desk.librarian.pk}"),
    }
    again = client.post(f"/staff/patrons/new/{desk.at}", form)  # a double tap
    assert again.headers["Location"] == answer.headers["Location"]
    taken = client.post(f"/staff/patrons/new/{desk.at}", enrolment())
    assert (taken.status_code, list(taken.context["form"].errors)) == (409, ["card_number"])


def test_who_wants_no_carrier_abroad_is_called(client: Client, desk) -> None:
    form = enrolment()
    del form["abroad"]
    client.post(f"/staff/patrons/new/{desk.at}", form)
    assert not Contact.objects.get(patron__card_number="7700-0001").may_text


def test_without_agreement_nobody_is_enrolled(client: Client, desk) -> None:
    form = enrolment()
    del form["agrees"]
    assert client.post(f"/staff/patrons/new/{desk.at}", form).status_code == 400
    child = client.post(f"/staff/patrons/new/{desk.at}", enrolment(child_until="2999-01-01"))
    assert (child.status_code, list(child.context["form"].errors)) == (400, ["guardian"])
    assert not Patron.objects.filter(card_number="7700-0001").exists()
    client.post(f"/staff/patrons/new/{desk.at}", enrolment(child_until="2999-01-01", guardian="보호자"))
    assert Consent.objects.filter(guardian="보호자").count() == 2


def test_the_desk_hands_out_a_code_once(client: Client, desk) -> None:
    who = rows.patron(desk.library, number="")
    page = act(client, desk, who, "code")
    code = re.search(r"<span>([0-9]{3} [0-9]{3})</span>", page.content.decode())
    assert code
    assert not Message.objects.exists()
    assert client.get(f"/staff/patrons/{who.pk}/code/{desk.at}").status_code == 405
    patron = Client()
    patron.post("/sign-in/code/", {"card_number": who.card_number})  # a newer one that nobody gets
    assert patron.post("/sign-in/code/enter/", {"code": code[1]}).status_code == 302


def test_a_wait_is_lifted(client: Client, desk) -> None:
    who = rows.patron(desk.library, pin=rows.PIN)
    for _ in range(guesses.FREE):
        Client().post("/sign-in/", {"card_number": who.card_number, "pin": "000000"})
    assert f"/staff/patrons/{who.pk}/lift/" in client.get(f"/staff/patrons/{who.pk}/{desk.at}").content.decode()
    act(client, desk, who, "lift")
    answer = Client().post("/sign-in/", {"card_number": who.card_number, "pin": rows.PIN})
    assert answer.status_code == 302
    assert accounts.lift_wait(card_number=who.card_number) is False


def test_everything_is_kept_right(client: Client, desk) -> None:
    who, other = rows.patron(desk.library), rows.patron(desk.library)
    changes: dict[str, dict[str, Any]] = {
        "correct": {"name": "김 하늘", "child_until": "2030-01-01", "blocked_until": "", "accessible_place": "on"},
        "language": {"language": "en"},
        "needs": {"needs": ["carry"], "needs_note": ""},
        "number": {"number": "010-0000-0902"},
        "household": {"card_number": other.card_number},
        "consent": {"what": "history", "given": "yes", "guardian": "보호자"},
    }
    for name, fields in changes.items():
        answer = act(client, desk, who, name, **fields)
        assert answer.status_code == 303, name
    who.refresh_from_db()
    assert (who.name, who.language, who.needs, who.accessible_place) == ("김 하늘", "en", ["carry"], True)
    assert (str(who.child_until), who.keeps_history) == ("2030-01-01", True)
    assert who.household == Patron.objects.get(pk=other.pk).household
    assert Contact.objects.filter(patron=who, number="+821000000902").exists()
    contact = Contact.objects.get(patron=who, number="+821000000902")
    assert act(client, desk, who, "forget-number", contact=contact.pk).status_code == 303
    assert act(client, desk, who, "apart").status_code == 303
    assert client.get(f"/staff/patrons/{who.pk}/{desk.at}").status_code == 200


@pytest.mark.parametrize(
    ("name", "fields", "status"),
    [
        ("correct", {"name": ""}, 400),
        ("language", {"language": "xx"}, 400),
        ("needs", {"needs": ["a chat"]}, 400),
        ("number", {"number": "1"}, 400),
        ("forget-number", {"contact": "x"}, 404),
        ("household", {"card_number": "0000"}, 404),
        ("apart", {}, 409),
        ("consent", {"what": "cookies", "given": "yes"}, 400),
        ("fly", {}, 404),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_sentence(client: Client, desk, name, fields, status) -> None:
    who = rows.patron(desk.library)
    assert act(client, desk, who, name, **fields).status_code == status


def test_a_library_without_a_pickup_place_looks_after_its_patrons(client: Client) -> None:
    lane = rows.point()
    branch = rows.library(programme=lane.library.programme)
    librarian = rows.staff(branch)
    client.force_login(librarian)
    who = rows.patron(lane.library, name="홍길동")
    led = client.get("/staff/patrons/")
    assert (led.status_code, led.headers["location"]) == (302, f"/staff/patrons/?library={branch.pk}")
    at = f"?library={branch.pk}"
    assert "홍*동" in client.post(f"/staff/patrons/{at}", {"caller": "홍길동"}).content.decode()
    page = client.get(f"/staff/patrons/{who.pk}/{at}")
    assert page.status_code == 200
    assert f"/staff/phone-orders/{who.pk}/" not in page.content.decode()  # an order needs a place
    saved = client.post(f"/staff/patrons/{who.pk}/language/{at}", {"key": "k", "language": "en"})
    assert saved.headers["location"] == f"/staff/patrons/{who.pk}/{at}"
    assert Patron.objects.get(pk=who.pk).language == "en"
    code = client.post(f"/staff/patrons/{who.pk}/code/{at}")
    assert re.search(r"\d{3} \d{3}", code.content.decode())
    told = {"card_number": "21009999", "name": "새 회원", "number": "010-0000-0001", "language": "ko", "agrees": "on"}
    made = client.post(f"/staff/patrons/new/{at}", {"key": "n", **told})
    assert made.status_code == 303, made.content.decode()
    assert Patron.objects.get(card_number="21009999").home == branch
    assert (f"patron:{who.pk}", "patrons") in looks()


def test_what_a_patron_waits_for_is_changed_without_a_pickup_place_of_ones_own(client: Client) -> None:
    lane = rows.point()
    branch = rows.library(programme=lane.library.programme)
    client.force_login(rows.staff(branch))
    who, copy = rows.patron(lane.library), rows.copy(at=lane.library)
    rows.reserve(rows.patron(lane.library), copy.title, at=lane)
    (row,) = rows.reserve(who, copy.title, at=lane)
    at = f"?library={branch.pk}"
    assert client.get(f"/staff/reservations/{row.pk}/{at}").status_code == 200
    assert client.post(f"/staff/reservations/{row.pk}/cancel/{at}", {"key": "c"}).status_code == 303
    row.refresh_from_db()
    assert row.state == "cancelled"


def test_a_library_of_others_is_unknown_here_too(client: Client, desk) -> None:
    other = rows.library()
    assert client.get(f"/staff/patrons/?library={other.pk}").status_code == 404
    assert client.post("/staff/patrons/", {"caller": "x"}).status_code == 404
