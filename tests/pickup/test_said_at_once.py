"""What people would otherwise stumble over: who may not ask."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from core import clock
from core.actor import RULE
from lending import loans
from lending.models import Library, Patron, Strike
from tests import api, rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def place():
    """A lane of a programme that pauses people, by strikes and for overdue books."""
    pauses = {"strikes": 2, "strikes_for": ["missed"], "strike_days": 30, "pause_days": 30, "overdue_pause": 2}
    return rows.point(rows.library(programme=rows.programme(volumes=9, **pauses)))


@pytest.fixture
def reader(place):
    return rows.patron(place.library, pin=rows.PIN)


def today():
    return clock.now().astimezone(rows.SEOUL).date()


def browser(account=None, language: str = "en") -> Client:
    client = Client(headers={"accept-language": language})
    if account is not None:
        client.force_login(account)
    return client


def text_of(answer) -> str:
    return " ".join(answer.content.decode().split())


def post(client: Client, address: str, **fields):
    return client.post(address, {"key": f"k{rows.serial()}", **fields}, follow=True)


# Who may not ask


def block(who: Patron) -> None:
    Patron.objects.filter(pk=who.pk).update(blocked_until=today() + timedelta(days=3))


def strike(who: Patron) -> None:
    for _ in range(2):
        Strike.objects.create(patron=who, programme=who.home.programme, kind="missed", on=today())


def lend(who: Patron, *, days_over: int) -> None:
    lent_at = clock.now() - timedelta(days=14 + days_over)
    copy = rows.copy(at=who.home)
    loans.check_out(copy_id=copy.pk, patron_id=who.pk, library_id=who.home_id, by=RULE, now=lent_at)


def keep_too_long(who: Patron) -> None:
    lend(who, days_over=3)


BARS = [
    (block, "patron_blocked", 3, "This card is blocked until", "이용이 정지되었습니다", "The card is blocked until"),
    (strike, "paused", 30, "2 orders were cancelled or not", "신청할 수 없습니다", "No books can be asked for until"),
    (keep_too_long, "loans_overdue", None, "Please bring them back first", "먼저 반납해 주세요", "1 book is overdue"),
]


@pytest.mark.parametrize(("bar", "code", "days"), [one[:3] for one in BARS])
def test_a_program_reads_beforehand_the_refusal_that_it_would_get(place, reader, bar, code, days):
    mine, staff = api.signed_in(reader.account), api.librarian(place.library)
    assert mine.get("me")["barred"] == mine.get("me/standing")["barred"] == []
    bar(reader)
    (said,) = mine.get("me")["barred"]
    wanted = {"pickup_point": place.pk, "items": [{"title": rows.copy(at=place.library).title_id}]}
    refused = mine.post("orders", wanted, 409)
    assert (said["code"], said["detail"]) == (code, refused["detail"])
    assert refused["code"] == code
    assert said["until"] == (None if days is None else (today() + timedelta(days=days)).isoformat())
    assert mine.get("me/standing")["barred"] == [said]
    (theirs,) = staff.get(f"patrons/{reader.pk}/standing")["barred"]
    assert (theirs["code"], theirs["until"]) == (said["code"], said["until"])
    assert staff.get("me")["barred"] == []


@pytest.mark.parametrize(("bar", "english", "korean"), [(one[0], one[3], one[4]) for one in BARS])
def test_ones_own_page_says_at_once_why_and_until_when_no_book_can_be_asked_for(place, reader, bar, english, korean):
    client = browser(reader.account)
    post(client, "/ask/note/", title=rows.copy(at=place.library).title_id)
    pages = ("/my/", "/ask/", "/my/settings/standing/")
    for address in pages:
        assert english not in text_of(client.get(address))
    bar(reader)
    for address in pages:
        page = text_of(client.get(address))
        assert page.count(english) == 1, address
        assert f'href="tel:{place.library.phone}"' in page
        assert korean in text_of(browser(reader.account, "ko").get(address)) or address == "/ask/"
    refused = text_of(post(client, "/ask/", point=place.pk, who="me"))
    assert refused.count(english) == 1


def test_all_that_bars_somebody_is_said_and_the_first_of_it_refuses(reader):
    for bar in (block, strike, keep_too_long):
        bar(reader)
    said = api.signed_in(reader.account).get("me")["barred"]
    assert [one["code"] for one in said] == ["patron_blocked", "paused", "loans_overdue"]


def test_late_books_bar_nobody_where_the_rules_do_not_pause_for_them(place, reader):
    place.library.programme.overdue_pause = 0
    place.library.programme.save()
    keep_too_long(reader)
    assert api.signed_in(reader.account).get("me")["barred"] == []


def test_a_service_that_runs_on_other_days_bars_no_person(place, reader):
    place.library.programme.only_surge = True
    place.library.programme.save()
    assert not Library.objects.get(pk=place.library_id).surge
    assert api.signed_in(reader.account).get("me")["barred"] == []


def test_the_list_counts_nothing_where_there_is_no_limit(place, reader):
    client = browser(reader.account)
    post(client, "/ask/note/", title=rows.copy(at=place.library).title_id)
    assert "You can request 9 volumes this week." in text_of(client.get("/ask/"))
    place.library.programme.volumes = None
    place.library.programme.save()
    assert "You can request" not in text_of(client.get("/ask/"))


@pytest.mark.parametrize(("bar", "words"), [(one[0], one[5]) for one in BARS])
def test_staff_see_at_once_that_somebody_may_not_ask_and_not_why(place, reader, bar, words):
    desk = browser(rows.staff(place.library))
    pages = [f"/staff/{page}/{reader.pk}/?point={place.pk}" for page in ("patrons", "phone-orders")]
    for address in pages:
        assert words not in text_of(desk.get(address))
    bar(reader)
    for address in pages:
        page = text_of(desk.get(address))
        assert page.count(words) == 1, address
        assert "cancelled or not collected" not in page


def test_staff_see_which_books_are_overdue(place, reader):
    lend(reader, days_over=0)
    desk, address = browser(rows.staff(place.library)), f"/staff/patrons/{reader.pk}/?point={place.pk}"
    assert "over</b>" not in text_of(desk.get(address))
    lend(reader, days_over=3)
    page = text_of(desk.get(address))
    assert page.count("3 days over</b>") == 1
    assert page.count("over</b>") == 1
