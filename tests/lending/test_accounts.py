"""Signing in, tokens, and what an actor may do where."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from core.actor import ANYONE, RULE, Actor
from core.models import Counter
from core.refusal import Forbidden, NotFound, TooMany
from lending import accounts, auth, devices, guesses, pins
from lending.accounts import UnusablePin
from lending.errors import CardTaken, WrongCredentials, WrongPassword
from lending.models import Account, Guess, Membership, Token
from tests import rows

pytestmark = pytest.mark.django_db

NOW = rows.NOW


def sign_in(card: str, pin: str, address: str = "192.0.2.1", **kwargs: Any) -> Account:
    return accounts.sign_in_patron(card_number=card, pin=pin, address=address, **{"now": NOW, **kwargs})


def refusals(attempts: int, act: Callable[[], object]) -> list[str]:
    codes = []
    for _ in range(attempts):
        with pytest.raises((WrongCredentials, TooMany)) as caught:
            act()
        codes.append(caught.value.code)
    return codes


def test_a_card_and_its_pin_sign_in() -> None:
    patron = rows.patron(pin=rows.PIN)
    assert sign_in(patron.card_number, rows.PIN) == patron.account
    assert sign_in(patron.card_number, rows.PIN).username == patron.card_number


@pytest.mark.parametrize("typed", [" {} ", "{}\n", "full-width"])
def test_a_card_may_be_typed_with_spaces_and_full_width_digits(typed: str) -> None:
    patron = rows.patron(pin=rows.PIN)
    card = patron.card_number
    wide = card.translate({ord("0") + n: chr(0xFF10 + n) for n in range(10)})
    assert sign_in(wide if typed == "full-width" else typed.format(card), "８０４２１７") == patron.account


@pytest.mark.parametrize(
    ("card", "pin"),
    [
        ("", ""),
        ("99999999", rows.PIN),
        ("\x00", rows.PIN),
        ("x" * 10_000, "y" * 10_000),
        ("' or 1=1", rows.PIN),
        ("가나다라", "1"),
    ],
)
def test_what_is_no_card_is_refused_like_a_wrong_pin(card: str, pin: str) -> None:
    with pytest.raises(WrongCredentials) as caught:
        sign_in(card, pin)
    assert (caught.value.code, caught.value.status) == ("wrong_credentials", 401)


def test_every_wrong_sign_in_gets_the_same_answer() -> None:
    patron, without_pin = rows.patron(pin=rows.PIN), rows.patron()
    gone = rows.patron(pin=rows.PIN)
    Account.objects.filter(patron=gone).update(is_active=False)
    answers = set()
    for card, pin in [
        (patron.card_number, "804218"),
        (without_pin.card_number, rows.PIN),
        (gone.card_number, rows.PIN),
        ("99999999", rows.PIN),
    ]:
        with pytest.raises(WrongCredentials) as caught:
            sign_in(card, pin)
        answers.add((str(caught.value), caught.value.status, str(caught.value.facts)))
    assert len(answers) == 1


def test_an_unknown_card_takes_as_long_as_a_wrong_pin(slow_hashes: None) -> None:
    patron = rows.patron(pin=rows.PIN)

    def fastest(card: str) -> float:
        took = []
        for n in range(5):
            began = time.perf_counter()
            refusals(1, partial(sign_in, card, f"000{n}"))
            took.append(time.perf_counter() - began)
        return min(took)

    known, unknown = fastest(patron.card_number), fastest("99999999")
    assert 0.5 < unknown / known < 2.0


def test_a_card_that_failed_waits_and_never_long() -> None:
    patron = rows.patron(pin=rows.PIN)
    codes = refusals(guesses.FREE + 1, lambda: sign_in(patron.card_number, "0000"))
    assert codes == ["wrong_credentials"] * guesses.FREE + ["too_many_attempts"]
    with pytest.raises(TooMany) as caught:
        sign_in(patron.card_number, rows.PIN, address="192.0.2.2")
    assert (caught.value.retry_after, caught.value.status) == (30, 429)
    assert sign_in(patron.card_number, rows.PIN, now=NOW + guesses.FIRST) == patron.account


def test_each_wait_is_twice_as_long_up_to_a_quarter_of_an_hour() -> None:
    patron, now, waits = rows.patron(pin=rows.PIN), NOW, []
    refusals(guesses.FREE, lambda: sign_in(patron.card_number, "0000"))
    for _ in range(8):
        with pytest.raises(TooMany) as caught:
            sign_in(patron.card_number, "0000", now=now)
        assert caught.value.retry_after
        waits.append(caught.value.retry_after)
        now += timedelta(seconds=caught.value.retry_after)
        assert refusals(1, partial(sign_in, patron.card_number, "0000", now=now)) == ["wrong_credentials"]
    assert waits == [30, 60, 120, 240, 480, 900, 900, 900]
    assert sign_in(patron.card_number, rows.PIN, now=now + guesses.LONGEST) == patron.account


def test_what_is_tried_within_a_wait_prolongs_nothing() -> None:
    patron = rows.patron(pin=rows.PIN)
    refusals(guesses.FREE + 40, lambda: sign_in(patron.card_number, "0000"))
    assert sign_in(patron.card_number, rows.PIN, now=NOW + guesses.FIRST) == patron.account


def test_a_stranger_who_guesses_keeps_nobody_from_their_own_device() -> None:
    patron = rows.patron(pin=rows.PIN)
    other = rows.patron(pin=rows.PIN)
    assert patron.account
    assert other.account
    mine, theirs = (devices.remember(account=who, agent="", now=NOW) for who in (patron.account, other.account))
    refusals(guesses.FREE + 1, lambda: sign_in(patron.card_number, "0000"))
    assert refusals(1, lambda: sign_in(patron.card_number, rows.PIN, device=theirs)) == ["too_many_attempts"]
    assert sign_in(patron.card_number, rows.PIN, device=mine) == patron.account


def test_staff_can_lift_a_wait() -> None:
    patron = rows.patron(pin=rows.PIN)
    refusals(guesses.FREE + 1, lambda: sign_in(patron.card_number, "0000"))
    assert accounts.wait_of(card_number=patron.card_number, now=NOW) == NOW + guesses.FIRST
    assert accounts.lift_wait(card_number=patron.card_number)
    assert accounts.wait_of(card_number=patron.card_number, now=NOW) is None
    assert sign_in(patron.card_number, rows.PIN) == patron.account


def test_an_unknown_card_waits_just_like_a_known_one() -> None:
    assert refusals(guesses.FREE + 1, lambda: sign_in("99999999", "0000"))[-1] == "too_many_attempts"


def test_a_sign_in_wipes_the_slate_and_so_does_a_day() -> None:
    patron = rows.patron(pin=rows.PIN)
    for _ in range(2):
        refusals(guesses.FREE - 1, lambda: sign_in(patron.card_number, "0000"))
        assert sign_in(patron.card_number, rows.PIN) == patron.account
    refusals(guesses.FREE - 1, lambda: sign_in(patron.card_number, "0000"))
    later = NOW + guesses.FORGOTTEN
    assert guesses.forget(now=later) == 1
    assert refusals(guesses.FREE, lambda: sign_in(patron.card_number, "0000", now=later))[-1] == "wrong_credentials"


def test_an_address_that_tries_many_cards_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "TRIES_PER_ADDRESS", 3)
    cards = iter(range(10_000, 20_000))
    codes = refusals(4, lambda: sign_in(str(next(cards)), "0000"))
    assert codes == ["wrong_credentials"] * 3 + ["too_many_attempts"]
    assert refusals(1, lambda: sign_in(str(next(cards)), "0000", address="192.0.2.9")) == ["wrong_credentials"]


def test_an_address_that_fails_often_is_stopped_before_its_next_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "FAILURES_PER_ADDRESS", 3)
    patron = rows.patron(pin=rows.PIN)
    cards = iter(range(10_000, 20_000))
    for _ in range(2):
        assert sign_in(patron.card_number, rows.PIN) == patron.account  # counts as no failure
    refusals(3, lambda: sign_in(str(next(cards)), "0000"))
    assert refusals(1, lambda: sign_in(patron.card_number, rows.PIN)) == ["too_many_attempts"]
    assert sign_in(patron.card_number, rows.PIN, address="192.0.2.9") == patron.account


def test_counters_name_nobody() -> None:
    patron = rows.patron(pin=rows.PIN)
    refusals(1, lambda: sign_in(patron.card_number, "0000"))
    keys = [*Counter.objects.values_list("key", flat=True), *Guess.objects.values_list("key", flat=True)]
    assert len(keys) == 3
    assert not any(patron.card_number in key or "192.0.2" in key for key in keys)


def test_staff_sign_in_by_name_and_a_patron_does_not() -> None:
    librarian = rows.staff(rows.library())
    patron = rows.patron(pin=rows.PIN)

    def sign_in_staff(name: str, password: str) -> Account:
        return accounts.sign_in_staff(username=name, password=password, address="192.0.2.1", now=NOW)

    assert sign_in_staff(librarian.username, "quiet please") == librarian
    for name, password in [
        (librarian.username, "loud please"),
        (patron.card_number, rows.PIN),
        ("nobody", "quiet please"),
        ("a\x00b", "x"),
    ]:
        assert refusals(1, partial(sign_in_staff, name, password)) == ["wrong_credentials"]
    with pytest.raises(WrongPassword):
        sign_in_staff("nobody", "quiet please")


@pytest.mark.parametrize(
    ("pin", "why"),
    [
        *((pin, "form") for pin in ("", "12345", "123456789", "12a456", "804 17", "٢٠٢٠x4", "804217\x00")),
        *((pin, "repeat") for pin in ("000000", "121212", "123123", "20202020", "110011", "38383838")),
        *((pin, "run") for pin in ("123456", "987654", "890123", "246802", "123321", "112233", "12344321")),
        *((pin, "date") for pin in ("860412", "990101", "199901", "19860412", "04121986", "19861988")),
        *((pin, "own") for pin in ("482915", "519284", "000739")),
        *((pin, "common") for pin in ("147258", "159357", "314159")),
    ],
)
def test_a_pin_that_is_guessed_soon_is_refused_with_the_reason(pin: str, why: str) -> None:
    patron = rows.patron(card_number="77-482915", number="+821000000739")
    with pytest.raises(UnusablePin) as caught:
        accounts.set_pin(patron_id=patron.pk, pin=pin, by=RULE, now=NOW)
    said = caught.value
    assert (said.code, said.field, said.status, said.facts) == ("unusable_pin", "pin", 400, {"why": why})
    assert "%" not in str(said)


def test_of_all_pins_of_six_digits_few_are_refused() -> None:
    refused = sum(pins.weakness(f"{number:06d}") is not None for number in range(0, 1_000_000, 7))
    assert 0.03 < refused * 7 / 1_000_000 < 0.06


def test_a_new_pin_by_the_old_one_counts_guesses() -> None:
    patron = rows.patron(pin=rows.PIN)
    change = partial(accounts.change_pin, patron_id=patron.pk, address="192.0.2.1", by=RULE, now=NOW)
    assert refusals(guesses.FREE + 1, lambda: change(old="0000", pin="951620"))[-2:] == [
        "wrong_credentials",
        "too_many_attempts",
    ]
    accounts.lift_wait(card_number=patron.card_number)
    assert change(old=rows.PIN, pin="951620") == patron.account
    assert sign_in(patron.card_number, "951620") == patron.account


def test_a_new_pin_ends_the_old_one_and_its_tokens() -> None:
    patron = rows.patron(pin=rows.PIN)
    assert patron.account
    issued = accounts.issue_token(account=patron.account, now=NOW)
    device = devices.remember(account=patron.account, agent="", now=NOW)
    accounts.set_pin(patron_id=patron.pk, pin="804219", by=RULE, now=NOW)
    assert accounts.token_of(issued.token, now=NOW) is None
    assert devices.of(device, now=NOW) is None
    assert refusals(1, lambda: sign_in(patron.card_number, rows.PIN)) == ["wrong_credentials"]
    assert sign_in(patron.card_number, "804219") == patron.account
    assert Account.objects.filter(username=patron.card_number).count() == 1


def test_a_card_number_that_somebody_signs_in_by_opens_no_foreign_account() -> None:
    patron = rows.patron()
    other = Account.objects.create_user(username=patron.card_number)
    with pytest.raises(CardTaken):
        accounts.set_pin(patron_id=patron.pk, pin=rows.PIN, by=RULE, now=NOW)
    assert not other.has_usable_password()


# Tokens


def asked_with(header: str) -> Request:
    return Request(RequestFactory().get("/", headers={"Authorization": header} if header else {}))


def test_only_the_digest_of_a_token_is_kept() -> None:
    issued = accounts.issue_token(account=rows.staff(rows.library()), now=NOW)
    token = Token.objects.get()
    assert issued.token not in token.digest
    assert accounts.token_of(issued.token, now=NOW) == token


def test_a_token_lives_half_a_day_for_staff_and_a_month_for_patrons() -> None:
    patron = rows.patron(pin=rows.PIN)
    assert patron.account
    for account, lasts in [(rows.staff(rows.library()), timedelta(hours=12)), (patron.account, timedelta(days=30))]:
        issued = accounts.issue_token(account=account, now=NOW)
        assert issued.expires_at == NOW + lasts
        assert accounts.token_of(issued.token, now=NOW + lasts - timedelta(seconds=1))
        assert accounts.token_of(issued.token, now=NOW + lasts) is None


def test_a_revoked_token_and_one_of_a_closed_account_are_worthless() -> None:
    librarian = rows.staff(rows.library())
    first, second = (accounts.issue_token(account=librarian, now=NOW).token for _ in range(2))
    found = accounts.token_of(first, now=NOW)
    assert found
    assert accounts.revoke_token(token_id=found.pk) is True
    assert accounts.revoke_token(token_id=found.pk) is False
    assert accounts.token_of(first, now=NOW) is None
    Account.objects.filter(pk=librarian.pk).update(is_active=False)
    assert accounts.token_of(second, now=NOW) is None


def test_expired_tokens_are_forgotten() -> None:
    librarian = rows.staff(rows.library())
    accounts.issue_token(account=librarian, now=NOW - timedelta(days=1))
    accounts.issue_token(account=librarian, now=NOW)
    assert accounts.forget_tokens(now=NOW) == 1


def test_a_token_in_the_header_names_the_actor(time_machine: Any) -> None:
    time_machine.move_to(NOW)
    patron = rows.patron(pin=rows.PIN)
    library = rows.library()
    librarian = rows.staff(library)
    assert patron.account
    camera = accounts.issue_device_token(name="plate camera", library_id=library.pk, by=RULE, now=NOW)
    device = accounts.token_of(camera.token, now=NOW)
    assert device
    for issued, actor in [
        (accounts.issue_token(account=patron.account, now=NOW), Actor("patron", patron.pk, "api")),
        (accounts.issue_token(account=librarian, now=NOW), Actor("staff", librarian.pk, "api")),
        (camera, Actor("device", device.pk, "api")),
    ]:
        request = asked_with(f"Token {issued.token}")
        found = auth.TokenAuthentication().authenticate(request)
        assert found
        user, _ = found
        assert user.is_authenticated
        assert str(user)
        assert Actor.of(request._request) == actor


@pytest.mark.parametrize("header", ["Token", "Token a b", "Token unknown", "token \u00e9", "Token " + "x" * 5000])
def test_an_unknown_token_is_refused(header: str) -> None:
    with pytest.raises(AuthenticationFailed) as caught:
        auth.TokenAuthentication().authenticate(asked_with(header))
    assert caught.value.get_codes() == "invalid_token"


@pytest.mark.parametrize("header", ["", "Bearer x", "Basic eDp5"])
def test_another_scheme_is_left_to_others(header: str) -> None:
    assert auth.TokenAuthentication().authenticate(asked_with(header)) is None


# Actors and libraries


def test_the_session_names_the_actor() -> None:
    patron, librarian = rows.patron(pin=rows.PIN), rows.staff(rows.library())
    loose = Account.objects.create_user(username="loose")
    for user, actor in [
        (AnonymousUser(), ANYONE),
        (loose, ANYONE),
        (librarian, Actor("staff", librarian.pk, "web")),
        (patron.account, Actor("patron", patron.pk, "web")),
    ]:
        request = RequestFactory().get("/")
        request.session = {}  # type: ignore[assignment]
        request.user = user  # type: ignore[assignment]
        auth.ActorMiddleware(lambda request: None).process_request(request)  # type: ignore[arg-type]
        assert Actor.of(request) == actor


def test_staff_work_where_they_are_members_and_by_their_role() -> None:
    here, there = rows.library(), rows.library()
    librarian = rows.staff_actor(rows.staff(here))
    manager = rows.staff_actor(rows.staff(here, Membership.Role.MANAGER))
    assert auth.staff_libraries(librarian) == {here.pk}
    auth.require_staff(librarian, here.pk)
    auth.require_staff(librarian, here.pk, "librarian")
    auth.require_staff(manager, here.pk, "manager")
    with pytest.raises(Forbidden):
        auth.require_staff(librarian, here.pk, "manager")
    for stranger in (librarian, manager):
        with pytest.raises(NotFound):
            auth.require_staff(stranger, there.pk)


def test_a_device_may_say_who_is_here_and_no_more() -> None:
    here, there = rows.library(), rows.library()
    issued = accounts.issue_device_token(name="plate camera", library_id=here.pk, by=RULE, now=NOW)
    token = accounts.token_of(issued.token, now=NOW)
    assert token
    camera = Actor("device", token.pk, "api")
    assert auth.require_any_staff(camera, auth.Scope.ARRIVE) == {here.pk}
    for scope in (auth.Scope.LANE, auth.Scope.DESK):
        assert auth.staff_libraries(camera, scope) == frozenset()
        with pytest.raises(Forbidden):
            auth.require_any_staff(camera, scope)
        with pytest.raises(Forbidden):
            auth.require_staff(camera, here.pk, scope=scope)
        with pytest.raises(NotFound):
            auth.require_staff(camera, there.pk, scope=scope)


def test_a_device_with_the_scope_of_the_desk_works_in_its_library_as_a_librarian() -> None:
    here, there = rows.library(), rows.library()
    issued = accounts.issue_device_token(name="locker", library_id=here.pk, by=RULE, now=NOW, scopes=[auth.Scope.DESK])
    token = accounts.token_of(issued.token, now=NOW)
    assert token
    device = Actor("device", token.pk, "api")
    assert auth.staff_libraries(device) == {here.pk}
    auth.require_staff(device, here.pk)
    with pytest.raises(Forbidden):
        auth.require_staff(device, here.pk, "manager")
    with pytest.raises(NotFound):
        auth.require_staff(device, there.pk)


@pytest.mark.parametrize("actor", [ANYONE, RULE, Actor("collector", 1), Actor("patron", 1), Actor("staff", None)])
def test_nobody_else_works_anywhere(actor: Actor) -> None:
    library = rows.library()
    assert auth.staff_libraries(actor) == frozenset()
    with pytest.raises(NotFound):
        auth.require_staff(actor, library.pk)
    with pytest.raises(Forbidden) as caught:
        auth.require_any_staff(actor)
    assert caught.value.code == "staff_only"


def test_only_a_patron_is_a_patron() -> None:
    assert auth.require_patron(Actor("patron", 7)) == 7
    for actor in (ANYONE, Actor("staff", 7), Actor("collector", 7), Actor("patron", None)):
        with pytest.raises(Forbidden) as caught:
            auth.require_patron(actor)
        assert (caught.value.code, caught.value.status) == ("patron_only", 403)
