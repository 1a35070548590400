"""Managers say texts in their own words and set the sender, on pages and by programs."""

from __future__ import annotations

from datetime import time, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from core import clock
from lending.models import PickupPoint
from notifications import budget, senders
from notifications.models import OwnWords, Sender
from notifications.states import MessageState
from tests import api, rows
from tests.notifications.conftest import enqueue, queue

pytestmark = pytest.mark.django_db
OWN = "[{library}] {when}에 오세요. 번호 {number}"


@pytest.fixture
def point() -> PickupPoint:
    return rows.point()


@pytest.fixture
def sender(point: PickupPoint) -> Sender:
    return Sender.objects.get(key=point.library.sender)


@pytest.fixture
def boss(point: PickupPoint) -> Client:
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(rows.staff(point.library, role="manager"))
    return client


def post(boss: Client, path: str, point: PickupPoint, **sent: Any) -> Any:
    return boss.post(f"{path}?point={point.pk}", {"key": uuid4().hex, **sent})


# What texts say


def test_the_list_shows_every_text_and_marks_what_is_the_librarys_own(point, boss, sender):
    page = boss.get(f"/staff/texts/?point={point.pk}").content.decode()
    assert "All texts have the words that came with the service." in page
    assert "[{library}] {count} ready for {when}, order {number}. Tel {phone}" in page
    assert "your own words" not in page
    OwnWords.objects.create(sender=sender, key="ready", language="ko", body=OWN, at=clock.now(), principal="staff:1")
    page = boss.get(f"/staff/texts/?point={point.pk}").content.decode()
    assert "1 text has words of your own." in page
    assert OWN in page


def test_words_are_looked_at_kept_and_taken_back(point, boss, sender):
    path = "/staff/texts/ready/ko/"
    looked = post(boss, path, point, step="look", body=OWN)
    assert looked.status_code == 200
    assert f"[{point.library.name_ko}] 11/25(수) 16:00에 오세요. 번호 47-21+2" in looked.content.decode()
    assert not OwnWords.objects.exists()
    assert post(boss, path, point, step="save", body=OWN).status_code == 303
    assert OwnWords.objects.get().body == OWN
    assert "Back to the words that came with the service" in boss.get(f"{path}?point={point.pk}").content.decode()
    assert post(boss, path, point, step="plain", body="").status_code == 303
    assert not OwnWords.objects.exists()


@pytest.mark.parametrize("step", ["look", "save"])
def test_a_place_that_is_missing_is_told_beside_what_was_typed(point, boss, step):
    answer = post(boss, "/staff/texts/ready/ko/", point, step=step, body="곧 오세요 <b>")
    page = answer.content.decode()
    assert answer.status_code == 400
    assert "This has to be in the text: {library}, {number}, {when}." in page
    assert "곧 오세요 &lt;b&gt;</textarea" in page
    assert not OwnWords.objects.exists()


def test_while_somebody_types_a_refusal_is_an_answer(point, boss):
    answer = boss.post(f"/staff/texts/ready/ko/?point={point.pk}", {"body": "{"}, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert "This cannot be filled in: {." in answer.content.decode()


def test_the_longest_name_among_the_libraries_of_a_sender_measures(point, boss, sender):
    long = "아주아주아주 긴 이름의 도서관"
    rows.library(name_ko=long, sender=sender.key, programme=point.library.programme)
    page = boss.get(f"/staff/texts/ready/ko/?point={point.pk}").content.decode()
    assert f"[{long}]" in page
    assert "The same for" in page


def test_the_price_and_what_korea_does_not_carry_are_shown(point, boss, sender):
    Sender.objects.filter(pk=sender.pk).update(part_price=Decimal("9.9"), currency="KRW")
    page = post(boss, "/staff/texts/ready/ko/", point, step="look", body=OWN + " 📚").content.decode()
    assert "9.9" in page
    assert "KRW" in page
    assert "a question mark arrives in their place" in page


@pytest.mark.parametrize("path", ["/staff/texts/nothing/ko/", "/staff/texts/ready/vi/"])
def test_a_text_that_is_none_is_not_found(point, boss, path):
    assert boss.get(f"{path}?point={point.pk}").status_code == 404
    assert post(boss, path, point, step="save", body=OWN).status_code == 404


@pytest.mark.parametrize("path", ["/staff/texts/", "/staff/texts/ready/ko/", "/staff/sender/"])
def test_these_pages_are_for_managers(point, path):
    client = Client()
    client.force_login(rows.staff(point.library))
    assert client.get(f"{path}?point={point.pk}").status_code == 403
    assert post(client, path, point, step="save", body=OWN).status_code in {403, 405}
    assert not OwnWords.objects.exists()


def test_programs_read_measure_and_change_texts(point, sender):
    boss = api.librarian(point.library, role="manager")
    path = f"libraries/{point.library.code}/texts"
    told = {(row["key"], row["language"]): row for row in boss.get(path)["texts"]}
    assert told["ready", "ko"] == {
        "key": "ready", "kind": "notice", "language": "ko", "own": "",
        "plain": "[{library}] 책 {count}권 준비. 예약 {when}, 번호 {number}. 문의 {phone}",
    }  # fmt: skip
    measured = boss.get(f"{path}/preview", key="ready", language="ko", body=OWN)
    assert (measured["parts"], measured["korean"], measured["lost"], measured["price"]) == (1, "sms", [], None)
    said = {"key": "ready", "language": "ko", "body": OWN}
    assert boss.post(path, said)["own"] == OWN
    assert OwnWords.objects.get().principal.startswith("staff:")
    assert boss.post(path, {**said, "body": None})["own"] == ""
    assert not OwnWords.objects.exists()
    for body, code in [("{library}", "text_place_missing"), (OWN + "{titel}", "text_place_unknown")]:
        assert boss.post(path, {**said, "body": body}, 400)["code"] == code
        assert boss.get(f"{path}/preview", 400, key="ready", language="ko", body=body)["code"] == code
    assert boss.post(path, {**said, "key": "nothing"}, 404)["code"] == "unknown_text"
    assert api.librarian(point.library).post(path, said, 403)["code"] == "forbidden"
    assert api.librarian(point.library).get(path, 403)["code"] == "forbidden"


# The sender

GOOD: dict[str, Any] = {
    "name_ko": "성동", "name_en": "Seongdong", "number": "010-0000-4242", "phone": "02-100-2020", "desk": "02-100-2021",
    "quiet_from": "22:00", "quiet_until": "07:30", "daily_budget": "300", "part_price": "9.9", "currency": "krw",
    "countries": ["KR", "US"],
}  # fmt: skip


def test_the_sender_is_changed_and_shown_as_people_write_it(point, boss, sender):
    assert post(boss, "/staff/sender/", point, **GOOD).status_code == 303
    sender.refresh_from_db()
    assert (sender.number, sender.desk, sender.quiet_until) == ("+821000004242", "+8221002021", time(7, 30))
    assert (sender.part_price, sender.currency, sender.countries) == (Decimal("9.9"), "KRW", ["KR", "US"])
    page = boss.get(f"/staff/sender/?point={point.pk}").content.decode()
    assert 'value="010-0000-4242"' in page
    assert 'value="07:30"' in page


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("number", "112", "This is not a telephone number."),
        ("desk", "010-0000-4242", "Callers would come back to the same number."),
        ("currency", "1 €", "Please name the currency by its three letters"),
        ("currency", "", "This field is required."),
        ("daily_budget", "-1", "greater than or equal to 0"),
        ("part_price", "-1", "greater than or equal to 0"),
        ("quiet_from", "25:00", "Enter a valid time."),
        ("countries", ["DE"], "DE is not one of the available choices."),
        ("name_ko", "", "This field is required."),
    ],
)
def test_a_value_that_cannot_be_is_told_beside_its_field(point, boss, sender, name, value, told):
    answer = post(boss, "/staff/sender/", point, **{**GOOD, name: value})
    assert answer.status_code == 400
    assert told in answer.content.decode()
    before = (sender.number, sender.currency)
    sender.refresh_from_db()
    assert (sender.number, sender.currency) == before


def test_two_senders_never_share_a_number(point, boss):
    rows.sender(number="+821000004242")
    answer = post(boss, "/staff/sender/", point, **GOOD)
    assert answer.status_code == 409
    assert "Another sender has this number." in answer.content.decode()


def test_the_day_so_far_is_counted(point, boss, sender):
    now = clock.now()
    Sender.objects.filter(pk=sender.pk).update(part_price=Decimal(8), quiet_from=time(0), quiet_until=time(0))
    sender.refresh_from_db()
    budget.spend(sender=sender, segments=7, now=now)
    old = queue(sender, now=now - timedelta(minutes=9))
    queue(sender, now=now - timedelta(minutes=3))
    queue(sender, now=now, not_before=now + timedelta(hours=1))
    failed = queue(sender, now=now)
    failed.move(MessageState.SENDING, at=now, by=rows.RULE, lease_until=now)
    failed.move(MessageState.FAILED, at=now, by=rows.RULE, lease_until=None)
    queue(rows.sender(), now=now)
    use = senders.use(sender, now=now)
    assert (use.parts, use.price, use.waiting, use.oldest) == (7, Decimal(56), 2, old.not_before)
    assert (use.later, use.failed) == (1, 1)
    page = boss.get(f"/staff/sender/?point={point.pk}").content.decode()
    assert "of 2000, 1993 left" in " ".join(page.split())
    Sender.objects.filter(pk=sender.pk).update(daily_budget=7)
    assert "The parts of the day are used up" in boss.get(f"/staff/sender/?point={point.pk}").content.decode()


def test_numbers_of_other_countries_are_called(sender):
    Sender.objects.filter(pk=sender.pk).update(countries=["KR"])
    assert enqueue(sender, to=rows.american())._meta.model_name == "call"
    assert queue(sender).state == MessageState.QUEUED
    Sender.objects.filter(pk=sender.pk).update(countries=[])
    assert queue(sender, to=rows.american()).state == MessageState.QUEUED


def test_programs_read_and_set_the_sender(point, sender):
    boss = api.librarian(point.library, role="manager")
    path = f"libraries/{point.library.code}/sender"
    told = boss.get(path)
    assert (told["number"], told["parts_today"], told["waiting"], told["countries"]) == (sender.number, 0, 0, [])
    told = boss.post(path, {"daily_budget": 5, "part_price": "0.0083", "countries": ["KR"]})
    assert (told["daily_budget"], told["part_price"], told["number"]) == (5, "0.0083", sender.number)
    assert boss.post(path, {"countries": ["DE"]}, 400)["code"] == "country_not_looked_up"
    assert boss.post(path, {"number": "call me"}, 400)["code"] == "sender_number_unreadable"
    assert boss.post(path, {"zone": "Mars"}, 400)["code"] == "unknown_field"
    assert api.librarian(point.library).post(path, {"daily_budget": 5}, 403)["code"] == "forbidden"
