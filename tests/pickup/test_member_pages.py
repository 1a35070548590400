"""Managers: who works here as what, and who looked at whose records."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.test import Client

from core import access
from lending import members, reviews
from lending.members import LastManager
from lending.models import AccessReview, Account, Library, Membership
from tests import rows

pytestmark = pytest.mark.django_db

NOW = rows.NOW


@pytest.fixture
def desk(client: Client, time_machine) -> SimpleNamespace:
    time_machine.move_to(NOW)
    library = rows.library()
    point = rows.point(library)
    boss, librarian = rows.staff(library, "manager"), rows.staff(library, first_name="김사서")
    client.force_login(boss)
    return SimpleNamespace(library=library, at=f"?point={point.pk}", boss=boss, librarian=librarian)


def role_of(account: Account, library: Library) -> str:
    return Membership.objects.get(account=account, library=library).role


def post(client: Client, desk, path: str, **fields):
    return client.post(f"/staff/settings/{path}{desk.at}", {"key": f"k{rows.serial()}", **fields})


def test_managers_alone_see_these_pages(client: Client, desk) -> None:
    for path in ("roles/", "looks/"):
        assert client.get(f"/staff/settings/{path}{desk.at}").status_code == 200
    client.force_login(desk.librarian)
    for path in ("roles/", "looks/"):
        assert client.get(f"/staff/settings/{path}{desk.at}").status_code == 403
    assert post(client, desk, f"roles/{desk.boss.pk}/librarian/").status_code == 403
    assert post(client, desk, "looks/review/", month="2026-10").status_code == 403


def test_roles_are_given_and_taken_and_one_manager_stays(client: Client, desk) -> None:
    assert post(client, desk, f"roles/{desk.boss.pk}/librarian/").status_code == 409
    assert post(client, desk, f"roles/{desk.boss.pk}/leave/").status_code == 409
    post(client, desk, f"roles/{desk.librarian.pk}/manager/")
    assert role_of(desk.librarian, desk.library) == "manager"
    post(client, desk, f"roles/{desk.boss.pk}/leave/")
    assert not Membership.objects.filter(account=desk.boss).exists()
    assert client.get(f"/staff/settings/roles/{desk.at}").status_code == 302  # works nowhere any more
    with pytest.raises(LastManager):
        members.take(library_id=desk.library.pk, account_id=desk.librarian.pk)


def test_somebody_new_gets_an_account_and_a_colleague_a_role(client: Client, desk) -> None:
    other = rows.staff(rows.library())
    assert post(client, desk, "roles/", username=other.username, role="librarian").status_code == 303
    assert role_of(other, desk.library) == "librarian"
    unknown = post(client, desk, "roles/", username="new", role="librarian")
    assert (unknown.status_code, list(unknown.context["form"].errors)) == (404, ["password"])
    weak = post(client, desk, "roles/", username="new", role="librarian", password="password12")
    assert (weak.status_code, list(weak.context["form"].errors)) in [(400, ["password"]), (303, [])]
    strong = {"username": "new-2", "name": "새 사서", "role": "manager", "password": "kept in a drawer"}
    assert post(client, desk, "roles/", **strong).status_code == 303
    assert post(client, desk, "roles/", **strong).status_code == 409
    assert role_of(Account.objects.get(username="new-2"), desk.library) == "manager"


def test_a_patron_is_never_made_staff(client: Client, desk) -> None:
    who = rows.patron(desk.library, pin=rows.PIN)
    assert post(client, desk, "roles/", username=who.card_number, role="manager").status_code == 404
    assert not Membership.objects.filter(account=who.account).exists()


@pytest.mark.parametrize("act", ["king", "lost", "leave"])
def test_nobody_of_another_library_is_touched(client: Client, desk, act: str) -> None:
    other = rows.staff(rows.library())
    assert post(client, desk, f"roles/{other.pk}/{act}/").status_code == 404


def looked(account: Account, count: int, *, days: int = 30, purpose: str = "lane") -> None:
    at = NOW - timedelta(days=days)
    access.saw([f"patron:{n}" for n in range(count)], purpose=purpose, by=rows.staff_actor(account), now=at)


def test_who_looked_at_far_more_than_usual_stands_first(client: Client, desk) -> None:
    quiet, usual = rows.staff(desk.library), rows.staff(desk.library)
    looked(quiet, 10)
    looked(usual, 25)
    looked(desk.librarian, 90)
    looked(desk.librarian, 3, purpose="patrons")
    looked(rows.staff(rows.library()), 500)  # another library
    looked(desk.boss, 400, days=0)  # another month
    month = reviews.month_of((NOW - timedelta(days=30)).date())
    seen = reviews.of(desk.library, month)
    assert [(one.records, one.looks, one.stands_out) for one in seen] == [
        (90, 93, True),
        (25, 25, False),
        (10, 10, False),
    ]
    assert seen[0].name == "김사서"
    assert seen[0].screens == [("창구", 90), ("회원 정보", 3)]
    page = client.get(f"/staff/settings/looks/{desk.at}", headers={"Accept-Language": "en"}).content.decode()
    assert "김사서" in page
    assert "far more than usual" in page


def test_a_month_that_is_over_is_reviewed_once(client: Client, desk) -> None:
    assert post(client, desk, "looks/review/", month="2026-10", note="물어봄").status_code == 303
    row = AccessReview.objects.get()
    assert (str(row.month), row.by, row.note) == ("2026-10-01", f"staff:{desk.boss.pk}", "물어봄")
    assert post(client, desk, "looks/review/", month="2026-10").status_code == 409
    assert "물어봄" in client.get(f"/staff/settings/looks/{desk.at}&month=2026-10").content.decode()


@pytest.mark.parametrize("month", ["2026-11", "2027-01", "2026-13", "x", "", "0-0", "99999-1"])
def test_a_month_that_is_not_over_or_none_is_refused(client: Client, desk, month: str) -> None:
    assert post(client, desk, "looks/review/", month=month).status_code == 400


def test_every_screen_that_notes_a_look_has_a_name() -> None:
    """The purposes as the pages write them: in the call that notes a look, or in a constant that it is given."""
    noted = re.compile(r'(?:purpose=|^SCREEN = |^LOOK = )"([^"]+)"', re.MULTILINE)
    folder = Path(reviews.__file__).parent.parent
    modules = [path for room in ("lending", "pickup", "config") for path in (folder / room).glob("*.py")]
    purposes = {
        purpose
        for path in modules
        for text in [path.read_text(encoding="utf-8")]
        if "saw(" in text or "note_look(" in text or "LOOK = " in text
        for purpose in noted.findall(text)
    }
    nameless = {one for one in purposes if reviews.screen_name(one) == one}
    assert nameless == set()
    assert set(reviews.SCREENS) <= purposes  # and none is left over
