"""The second factor of staff, at both doors: the pages and the API."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django_otp.oath import TOTP

from core import clock
from core.actor import RULE
from core.refusal import TooMany
from lending import guesses, second_factor
from lending.models import Account, RecoveryCode, SecondFactor
from lending.second_factor import WrongSecondFactor
from tests import api, rows

pytestmark = pytest.mark.django_db

NOW = rows.NOW
STEP = timedelta(seconds=second_factor.STEP)


def shown(account: Account, now=NOW) -> str:
    """What the authenticator shows."""
    totp = TOTP(bytes.fromhex(SecondFactor.objects.get(account=account).secret))
    totp.time = now.timestamp()
    return f"{totp.token():06d}"


def switched_on(now=NOW, **columns) -> tuple[Account, list[str]]:
    account = rows.staff(rows.library(), **columns)
    second_factor.begin(account=account, now=now)
    return account, second_factor.confirm(account_id=account.pk, code=shown(account, now), by=RULE, now=now)


def check(account: Account, code: str, now=NOW + STEP) -> None:
    second_factor.check(account_id=account.pk, code=code, now=now)


def test_it_counts_once_a_first_code_was_typed() -> None:
    account = rows.staff(rows.library())
    first = second_factor.begin(account=account, now=NOW)
    assert second_factor.begin(account=account, now=NOW) == first
    assert first.address.startswith("otpauth://totp/")
    assert not second_factor.has(account.pk)
    with pytest.raises(WrongSecondFactor):
        second_factor.confirm(account_id=account.pk, code="000000", by=RULE, now=NOW)
    assert len(second_factor.confirm(account_id=account.pk, code=shown(account), by=RULE, now=NOW)) == 8
    assert second_factor.has(account.pk)


def test_a_code_works_once_and_for_half_a_minute_on_either_side() -> None:
    account, _given = switched_on()
    code = shown(account, NOW + STEP)
    check(account, f" {code[:3]} {code[3:]} ")
    with pytest.raises(WrongSecondFactor):
        check(account, code)
    later = NOW + 10 * STEP
    check(account, shown(account, later - STEP), later)
    check(account, shown(account, later + STEP), later)
    with pytest.raises(WrongSecondFactor):
        check(account, shown(account, later + 3 * STEP), later)


def test_a_recovery_code_works_once_and_is_kept_as_a_digest() -> None:
    account, given = switched_on()
    assert not RecoveryCode.objects.filter(digest__in=given).exists()
    check(account, given[0].upper())
    with pytest.raises(WrongSecondFactor):
        check(account, given[0])
    other, _others = switched_on()
    with pytest.raises(WrongSecondFactor):
        check(other, given[1])


def test_who_guesses_waits() -> None:
    account, _given = switched_on()
    for _ in range(guesses.FREE):
        with pytest.raises(WrongSecondFactor):
            check(account, "000000x")
    with pytest.raises(TooMany):
        check(account, shown(account, NOW + STEP))


def test_it_can_be_taken_away_from_who_lost_it() -> None:
    account, given = switched_on()
    assert second_factor.remove(account_id=account.pk, by=RULE, now=NOW)
    assert not second_factor.remove(account_id=account.pk, by=RULE, now=NOW)
    with pytest.raises(WrongSecondFactor):
        check(account, given[0])


def type_password(client: Client, account: Account, to: str = "/staff/"):
    form = {"username": account.username, "password": "quiet please", "next": to}
    return client.post("/staff/sign-in/", form)


def test_the_password_alone_opens_half_the_door(client: Client) -> None:
    account, _given = switched_on(clock.now() - 2 * STEP)
    assert type_password(client, account).headers["Location"] == "/staff/sign-in/code/?next=%2Fstaff%2F"
    assert client.get("/staff/").status_code == 302  # not signed in
    assert client.get("/staff/sign-in/second/").headers["Location"] == "/staff/sign-in/code/"
    wrong = client.post("/staff/sign-in/code/", {"code": "000000"})
    assert wrong.status_code == 401
    right = client.post("/staff/sign-in/code/", {"code": shown(account, clock.now()), "next": "/staff/lane/"})
    assert right.headers["Location"] == "/staff/lane/"
    assert client.get("/staff/").status_code in {200, 302}
    assert client.session["_auth_user_id"] == str(account.pk)


def test_half_a_door_closes_after_ten_minutes(client: Client, time_machine) -> None:
    time_machine.move_to(NOW)
    account, _given = switched_on(NOW - 2 * STEP)
    type_password(client, account)
    time_machine.shift(timedelta(minutes=11))
    assert client.get("/staff/sign-in/code/").headers["Location"] == "/staff/sign-in/"


def test_nobody_is_asked_without_a_password(client: Client) -> None:
    for path in ("/staff/sign-in/code/", "/staff/sign-in/second/"):
        assert client.get(path).headers["Location"] == "/staff/sign-in/"


def test_staff_switch_it_on_and_off_themselves(client: Client) -> None:
    account = rows.staff(rows.library())
    assert type_password(client, account).headers["Location"] == "/staff/"
    page = client.get("/staff/sign-in/second/").content.decode()
    assert "<svg" in page
    assert client.post("/staff/sign-in/second/", {"code": "000000"}).status_code == 401
    done = client.post("/staff/sign-in/second/", {"code": shown(account, clock.now())})
    assert len(re.findall(r"<code>[0-9a-f]{4}-[0-9a-f]{4}</code>", done.content.decode())) == 8
    assert client.post("/staff/sign-in/second/off/", {"code": "x"}).status_code == 401
    recovery = re.findall(r"[0-9a-f]{4}-[0-9a-f]{4}", done.content.decode())[0]
    assert client.post("/staff/sign-in/second/off/", {"code": recovery}).status_code == 302
    assert not second_factor.has(account.pk)


def test_where_it_is_wanted_nobody_comes_in_without(client: Client, settings) -> None:
    settings.STAFF_SECOND_FACTOR = True
    account = rows.staff(rows.library())
    assert type_password(client, account).headers["Location"].startswith("/staff/sign-in/second/")
    assert client.get("/staff/").headers["Location"].startswith("/staff/sign-in/")
    client.get("/staff/sign-in/second/")
    assert client.post("/staff/sign-in/second/", {"code": shown(account, clock.now())}).status_code == 200
    assert client.session["_auth_user_id"] == str(account.pk)
    assert client.post("/staff/sign-in/second/off/", {"code": "x"}).status_code == 403


def test_patrons_are_not_asked_for_it(client: Client, settings) -> None:
    settings.STAFF_SECOND_FACTOR = True
    who = rows.patron(pin=rows.PIN)
    answer = client.post("/sign-in/", {"card_number": who.card_number, "pin": rows.PIN})
    assert answer.headers["Location"] == "/my/"


def test_the_administration_has_the_same_door(client: Client) -> None:
    answer = client.get("/admin/login/?next=/admin/")
    assert answer.headers["Location"] == "/staff/sign-in/?next=/admin/"


def test_a_program_sends_the_code_along(settings) -> None:
    account, given = switched_on(clock.now() - 2 * STEP)
    form = {"username": account.username, "password": "quiet please"}
    assert api.anyone().post("tokens", form, 401, key=None)["code"] == "second_factor_needed"
    assert api.anyone().post("tokens", {**form, "code": "000000"}, 401, key=None)["code"] == "wrong_second_factor"
    assert api.anyone().post("tokens", {**form, "code": given[0]}, 201, key=None)["token"]
    settings.STAFF_SECOND_FACTOR = True
    plain = rows.staff(rows.library())
    form = {"username": plain.username, "password": "quiet please"}
    assert api.anyone().post("tokens", form, 401, key=None)["code"] == "second_factor_needed"
