"""The list of returned books that a patron may keep, and how it is forgotten."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client

from config import erasure, export
from core.actor import RULE
from lending import consents, loans, queries
from lending.models import Library, Loan, Patron
from pickup import orders
from tests import api, rows
from tests.pickup import steps

pytestmark = pytest.mark.django_db

NOW = rows.NOW
OLD = timedelta(days=settings.RETENTION_DAYS + 1)


@pytest.fixture
def library() -> Library:
    return rows.library()


def brought_back(who: Patron, library: Library, *, now=NOW) -> Loan:
    copy = rows.copy(at=library)
    loan = loans.check_out(copy_id=copy.pk, patron_id=who.pk, library_id=library.pk, by=RULE, now=now)
    loans.take_back(barcode=copy.barcode, library_id=library.pk, by=RULE, now=now + timedelta(days=1))
    return loan


def keep(who: Patron, given: bool, *, now=NOW) -> None:
    consents.answer(patron_id=who.pk, what="history", given=given, by=rows.patron_actor(who), now=now)
    who.refresh_from_db()


def test_who_keeps_it_finds_every_book_and_who_does_not_none(client: Client, library: Library) -> None:
    who = rows.patron(library, pin=rows.PIN)
    loan = brought_back(who, library)
    client.force_login(rows.account_of(who))
    for language in ("ko", "en"):
        page = client.get("/my/history/", headers={"accept-language": language})
        assert (page.status_code, list(page.context["page"])) == (200, [])
        assert loan.copy.title.title not in page.content.decode()
    keep(who, True)
    page = client.get("/my/history/")
    assert list(page.context["page"]) == [loan]
    assert loan.copy.title.title in page.content.decode()
    assert "/my/history/" in client.get("/my/settings/data/").content.decode()


def test_a_long_list_is_cut_into_pages_and_asks_no_more_of_the_database(
    client: Client, library: Library, django_assert_num_queries
) -> None:
    who = rows.patron(library, pin=rows.PIN)
    keep(who, True)
    client.force_login(rows.account_of(who))
    for _ in range(25):
        brought_back(who, library)
    assert len(client.get("/my/history/").context["page"].object_list) == 20
    assert len(client.get("/my/history/?page=2").context["page"].object_list) == 5
    patron = Patron.objects.get(pk=who.pk)
    with django_assert_num_queries(1):
        assert len({loan.copy.title.title for loan in queries.history_of(patron)}) == 25


def test_what_is_kept_outlives_the_retention_and_what_is_not_does_not(library: Library) -> None:
    keeps, forgets = rows.patron(library), rows.patron(library)
    keep(keeps, True)
    for who in (keeps, forgets):
        brought_back(who, library)
    erasure.forget_due(now=NOW + OLD + timedelta(days=1))
    assert [loan.patron for loan in Loan.objects.order_by("pk")] == [keeps, None]


def test_switching_it_off_forgets_at_once_what_the_retention_kept_no_more(library: Library) -> None:
    who = rows.patron(library)
    keep(who, True)
    old = brought_back(who, library)
    now = NOW + OLD + timedelta(days=1)
    fresh = brought_back(who, library, now=now - timedelta(days=2))
    still = rows.copy(at=library)
    out = loans.check_out(copy_id=still.pk, patron_id=who.pk, library_id=library.pk, by=RULE, now=now)
    keep(who, False, now=now)
    assert not queries.history_of(who).exists()
    for loan in (old, fresh, out):
        loan.refresh_from_db()
    assert (old.patron, fresh.patron, out.patron) == (None, who, who)
    keep(who, True, now=now)
    assert list(queries.history_of(who)) == [fresh]


def test_a_bag_that_nobody_collected_was_never_had(library: Library) -> None:
    point = rows.point(library, rules={"by_appointment": False, "lend_at": "packing"})
    who = rows.patron(library)
    keep(who, True)
    order = steps.ready(steps.asked(who, point))
    orders.cancel(order_id=order.pk, by=steps.DESK, now=NOW)
    assert Loan.objects.get().state == "returned"
    assert not queries.history_of(who).exists()


def test_a_program_reads_and_switches_it(library: Library) -> None:
    who, mine = api.patron(home=library)
    loan = brought_back(who, library)
    assert mine.get("me/history")["results"] == []
    assert mine.post("me/history", {"keep": True}) == {"keep": True}
    assert [row["id"] for row in mine.get("me/history")["results"]] == [loan.pk]
    assert consents.standing(who.pk)["history"].given
    mine.post("me/history", {"keep": False})
    assert mine.get("me/history")["results"] == []
    assert api.librarian(library).get("me/history", 403)["code"] == "patron_only"


def test_a_child_lets_a_guardian_agree(library: Library) -> None:
    _who, mine = api.patron(home=library, child_until=rows.day("2036-01-01"))
    assert mine.post("me/history", {"keep": True}, 400)["code"] == "guardian_needed"


def test_it_can_be_taken_along(library: Library) -> None:
    who = rows.patron(library)
    keep(who, True)
    loan = brought_back(who, library)
    (told,) = export.of(who, now=NOW)["loans"]
    assert (told["title"], told["state"]) == (loan.copy.title.title, "returned")
