"""What people would otherwise stumble over: who may not ask, what is still to come, who comes in the same car."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client

from core import clock
from core.actor import RULE
from lending import loans
from lending.models import Library, Patron, Strike
from lending.reservations import Item
from pickup import appointments, awaited, links, orders
from pickup.models import Order
from tests import api, rows
from tests.pickup import steps

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
    (block, "patron_blocked", 3, "This card is blocked until", "신청할 수 없습니다", "The card is blocked until"),
    (strike, "paused", 30, "times that were missed: 2", "신청할 수 없습니다", "No books can be asked for until"),
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
    title = rows.copy(at=place.library).title
    pages = ("/my/", "/ask/", "/my/settings/standing/", "/", f"/?q={title.title}", f"/titles/{title.pk}/")
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
    nothing_noted = text_of(browser(reader.account).get("/ask/"))
    assert "Your list is empty." in nothing_noted
    assert nothing_noted.count(english) == 1
    assert english not in text_of(browser().get("/"))


def test_what_was_refused_says_all_that_bars_its_reader(place, reader):
    client = browser(reader.account)
    post(client, "/ask/note/", title=rows.copy(at=place.library).title_id)
    for bar, *_ in BARS:
        bar(reader)
    refused = text_of(post(client, "/ask/", point=place.pk, who="me"))
    assert [refused.count(english) for _bar, _code, _days, english, *_ in BARS] == [1, 1, 1]


@pytest.mark.parametrize("bar", [one[0] for one in BARS])
def test_staff_who_order_for_a_caller_are_not_sent_to_the_library(place, reader, bar):
    bar(reader)
    title = rows.copy(at=place.library).title_id
    desk = browser(rows.staff(place.library))
    address = f"/staff/phone-orders/{reader.pk}/?point={place.pk}&place={place.pk}&item={title}:"
    refused = post(desk, address, who="me")
    assert refused.status_code == 409
    assert "Nothing was ordered: the reasons stand at the top of this page." in text_of(refused)
    assert "call the library" not in text_of(refused)


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
        assert "not collected" not in page


def test_staff_see_which_books_are_overdue(place, reader):
    lend(reader, days_over=0)
    desk, address = browser(rows.staff(place.library)), f"/staff/patrons/{reader.pk}/?point={place.pk}"
    assert "over</b>" not in text_of(desk.get(address))
    lend(reader, days_over=3)
    page = text_of(desk.get(address))
    assert page.count("3 days over</b>") == 1
    assert page.count("over</b>") == 1


# What is still to come


def lent_title(place):
    copy = rows.copy(at=place.library, of=rows.title(title=f"기다리는 책 {rows.serial()}"))
    loans.check_out(copy_id=copy.pk, patron_id=rows.patron().pk, library_id=place.library_id, by=RULE, now=clock.now())
    return copy.title


def asked(who: Patron, place, *titles) -> Order:
    made = orders.request(
        patron_id=who.pk,
        point_id=place.pk,
        items=[Item(title.pk) for title in titles],
        by=rows.patron_actor(who),
        now=clock.now(),
    ).order
    assert made is not None
    return made


def test_an_order_names_the_books_that_follow_and_where_to_call_them_off(place, reader):
    waits = lent_title(place)
    order = asked(reader, place, rows.copy(at=place.library).title, waits)
    (row,) = awaited.following([order])[order.pk]
    other = lent_title(place)
    rows.reserve(reader, other, at=place, now=clock.now())
    base, client = f"/my/orders/{order.pk}/", browser(reader.account)
    for packed in (False, True):
        if packed:
            steps.ready(order, now=clock.now())
        page = text_of(client.get(base))
        assert "Still to come" in page
        assert waits.title in page
        assert f'href="/my/reservations/{row.pk}/"' in page
        assert "1 book that is still to come stays on order." in page
        assert other.title not in page
    post(client, f"/my/reservations/{row.pk}/cancel/")
    page = text_of(client.get(base))
    assert "Still to come" not in page
    assert "stays on order" not in page


def test_whoever_gives_an_order_back_is_told_what_stays(place, reader):
    waits = lent_title(place)
    order = asked(reader, place, rows.copy(at=place.library).title, waits)
    page = text_of(post(browser(reader.account), f"/my/orders/{order.pk}/cancel/"))
    assert "1 book that was still to come stays on order" in page
    assert waits.title in page
    assert [row.title for row in awaited.following([order])[order.pk]] == [waits]
    alone = asked(reader, place, rows.copy(at=place.library).title)
    page = text_of(post(browser(reader.account), f"/my/orders/{alone.pk}/cancel/"))
    assert "You do not need to do anything else." in page
    assert "still to come" not in page


def test_behind_a_link_it_is_said_how_many_stay_and_not_which(place, reader):
    waits = lent_title(place)
    order = asked(reader, place, rows.copy(at=place.library).title, waits)
    base = f"/o/{links.token_for(order, now=clock.now())}/"
    page = text_of(browser().get(base))
    assert "1 book that is still to come stays on order." in page
    said = text_of(post(browser(), f"{base}cancel/"))
    assert "1 book that was still to come stays on order" in said
    for shown in (page, said):
        assert waits.title not in shown


def test_a_program_reads_what_stays_when_it_cancels(place, reader):
    mine = api.signed_in(reader.account)
    order = asked(reader, place, rows.copy(at=place.library).title, lent_title(place))
    rows.reserve(reader, lent_title(place), at=place, now=clock.now())
    (row,) = awaited.following([order])[order.pk]
    assert mine.get(f"orders/{order.pk}")["following"] == [row.pk]
    assert mine.post(f"orders/{order.pk}/cancel")["following"] == [row.pk]
    assert mine.get(f"reservations/{row.pk}")["state"] == "waiting"
    mine.post(f"reservations/{row.pk}/cancel")
    assert mine.get(f"orders/{order.pk}")["following"] == []


def test_books_on_their_way_to_a_bag_that_holds_none_are_named_and_do_not_stay(reader):
    programme = rows.programme(volumes=9, transfer_days=1)
    point = rows.point(rows.library(programme=programme), rules={"promise": "at_order"})
    for days in range(1, 9):
        rows.slot(point, clock.now() + timedelta(days=days))
    who = rows.patron(point.library, pin=rows.PIN)
    there = rows.library(programme=programme)
    travels, waits = rows.copy(at=there).title, lent_title(point)
    order = asked(who, point, travels, waits)
    client = browser(who.account)
    page = text_of(client.get(f"/my/orders/{order.pk}/"))
    assert travels.title in page
    assert waits.title in page
    assert [row.title for row in awaited.following([order])[order.pk]] == [waits]
    assert "1 book that was still to come stays" in text_of(post(client, f"/my/orders/{order.pk}/cancel/"))
    assert set(who.reservations.values_list("title", "state")) == {(travels.pk, "cancelled"), (waits.pk, "waiting")}


# Who comes in the same car


def family(place, count: int = 2, *, together: bool = True) -> list[Order]:
    """The orders of a household, all of them promised one time."""
    household = rows.household(together=True)
    people = [rows.patron(place.library, household=household, pin=rows.PIN) for _ in range(count)]
    bags = [steps.ready(steps.asked(one, place, now=clock.now()), now=clock.now()) for one in people]
    slot = rows.slot(place, clock.now() + timedelta(hours=30))
    for order in bags:
        appointments.promise(order_id=order.pk, slot_id=slot.pk, by=steps.DESK, now=clock.now())
    household.together = together
    household.save()
    found = [steps.again(order) for order in bags]
    assert len({order.appointment_id for order in found}) == 1
    return found


def test_a_household_reads_that_its_orders_come_in_one_car_at_one_time(place):
    first, second, third = family(place, 3)
    assert first.patron is not None
    client = browser(first.patron.account)
    for address in ("/my/", f"/my/orders/{first.pk}/", f"/my/orders/{first.pk}/time/"):
        page = text_of(client.get(address))
        told = re.sub(r"<[^>]+>", "", page)
        assert f"together with 2 other orders ({second.shown}, {third.shown})" in told, address
        for other in (second, third):
            assert other.patron is not None
            assert other.patron.name not in page
            assert other.lines.get().copy.title.title not in page
    assert "한 차로 같은 시간에" in text_of(browser(first.patron.account, "ko").get("/my/"))


def test_behind_a_link_the_other_orders_of_the_car_are_counted_and_not_named(place):
    first, second = family(place)
    page = text_of(browser().get(f"/o/{links.token_for(first, now=clock.now())}/"))
    assert "together with 1 other order" in page
    assert second.shown not in page


def test_whoever_does_not_agree_any_more_is_not_told_of(place):
    first, second = family(place, together=False)
    assert first.patron is not None
    client = browser(first.patron.account)
    for address in ("/my/", f"/my/orders/{first.pk}/"):
        page = text_of(client.get(address))
        assert "One car, one time" not in page
        assert second.shown not in page
    assert api.signed_in(first.patron.account).get(f"orders/{first.pk}")["together"] == []


def test_an_order_of_ones_own_shares_its_car_with_nobody(place, reader):
    order = steps.ready(steps.asked(reader, place, now=clock.now()), now=clock.now())
    slot = rows.slot(place, clock.now() + timedelta(hours=30))
    appointments.promise(order_id=order.pk, slot_id=slot.pk, by=steps.DESK, now=clock.now())
    assert "One car, one time" not in text_of(browser(reader.account).get("/my/"))


def test_a_program_reads_the_other_orders_of_the_car(place):
    first, second = family(place)
    assert first.patron is not None
    shared = [{"id": second.pk, "number": second.number, "state": "ready"}]
    assert api.signed_in(first.patron.account).get(f"orders/{first.pk}")["together"] == shared
    assert api.librarian(place.library).get(f"orders/{first.pk}")["together"] == shared
    orders.cancel(order_id=second.pk, by=steps.DESK, now=clock.now())
    assert api.signed_in(first.patron.account).get(f"orders/{first.pk}")["together"] == []
