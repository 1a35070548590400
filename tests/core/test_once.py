"""A repeated request has one effect and the same answer."""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import suppress

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.http import HttpRequest
from django.test import RequestFactory

from core import once as core_once
from core.actor import Actor
from core.models import Answer, Counter
from core.once import InFlight, KeyRequired, KeyReused, Replay, once
from core.refusal import Refusal
from tests.house.conftest import NOW

pytestmark = pytest.mark.django_db(transaction=True)
PATRON = Actor("patron", 1, "api")


def asked(body: object = None, *, key: str | None = "k1", path: str = "/api/v1/orders") -> HttpRequest:
    headers = {} if key is None else {"Idempotency-Key": key}
    return RequestFactory().post(path, json.dumps(body), content_type="application/json", headers=headers)


def act(request: HttpRequest, *, by: Actor = PATRON, effect: str = "effect") -> object:
    """A use case that leaves a row behind, so that effects can be counted."""
    with once(by, request) as answer:
        Counter.objects.create(key=f"{effect} {Counter.objects.count()}", since=NOW, count=1)
        return answer({"made": effect}, status=201)


def test_a_repeated_request_gets_the_first_answer_and_has_no_second_effect() -> None:
    act(asked({"title": 1}))
    for _ in range(3):
        with pytest.raises(Replay) as replay:
            act(asked({"title": 1}))
        assert (replay.value.status, replay.value.body) == (201, {"made": "effect"})
        assert json.loads(replay.value.response().content) == {"made": "effect"}
    assert Counter.objects.count() == 1


def test_the_same_key_with_another_body_is_refused() -> None:
    act(asked({"title": 1}))
    with pytest.raises(KeyReused) as refused:
        act(asked({"title": 2}))
    assert (refused.value.status, refused.value.code) == (422, "idempotency_mismatch")
    with pytest.raises(KeyReused):
        act(asked({"title": 1}, path="/api/v1/returns"))
    assert Counter.objects.count() == 1


@pytest.mark.parametrize("key", [None, "", "k" * 256, "a\x00b"])
def test_a_request_without_a_usable_key_is_refused(key: str | None) -> None:
    with pytest.raises(KeyRequired) as refused:
        act(asked(key=key))
    assert refused.value.status == 400
    assert not Counter.objects.exists()


def test_another_person_may_use_the_same_key() -> None:
    act(asked())
    act(asked(), by=Actor("patron", 2, "api"))
    act(asked(), by=Actor("staff", 1, "api"))
    assert Counter.objects.count() == 3


def test_a_refusal_is_undone_and_not_remembered() -> None:
    def stumble() -> None:
        with once(PATRON, asked()):
            Counter.objects.create(key="half done", since=NOW, count=1)
            raise Refusal

    with pytest.raises(Refusal):
        stumble()
    assert not Counter.objects.exists()
    assert not Answer.objects.exists()
    act(asked())
    assert Counter.objects.count() == 1


def test_a_redirect_is_given_again_too() -> None:
    with once(PATRON, asked()) as answer:
        assert answer.redirect("/my/").status_code == 303
    with pytest.raises(Replay) as replay, once(PATRON, asked()):
        pass
    assert replay.value.response().headers["Location"] == "/my/"


def test_a_form_may_bring_its_key_in_a_field() -> None:
    with once(PATRON, asked(key=None), key="hidden") as answer:
        answer({"ok": True})
    assert Answer.objects.get().key == "hidden"


@pytest.mark.parametrize("refused", [True, False])
def test_what_was_answered_just_before_the_key_was_taken_is_given_again(monkeypatch, refused: bool) -> None:
    """The look and the taking are one statement, which sees what was there when it began."""
    act(asked())
    look = core_once._outcome
    monkeypatch.setattr(core_once, "_outcome", lambda *_about: None)  # sees nothing yet

    def again() -> None:
        with once(PATRON, asked()) as answer:
            Counter.objects.count()  # the key is taken with the first statement
            monkeypatch.setattr(core_once, "_outcome", look)
            if refused:
                raise Refusal
            answer({"made": "twice"})

    with pytest.raises(Replay) as replay:
        again()
    assert replay.value.body == {"made": "effect"}


@pytest.mark.parametrize("asks", [True, False])
def test_a_key_that_somebody_holds_stops_also_who_asks_nothing_or_does_not_listen(asks: bool) -> None:
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", core_once._question(PATRON.key, "k1")[1][:1])

    def again() -> None:
        with once(PATRON, asked()) as answer:
            if asks:
                with suppress(Exception):
                    Counter.objects.count()
            answer({"made": "twice"})

    try:
        with pytest.raises(InFlight):
            again()
    finally:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock_all()")
        other.close()
    assert not Answer.objects.exists()


def test_while_the_first_is_at_work_the_second_is_told_to_ask_again() -> None:
    at_work, may_go_on = threading.Event(), threading.Event()

    def first() -> None:
        try:
            with once(PATRON, asked()) as answer:
                Counter.objects.count()  # the key is taken with the first statement
                at_work.set()
                may_go_on.wait(10)
                answer({"ok": True})
        finally:
            connection.close()

    thread = threading.Thread(target=first)
    thread.start()
    try:
        assert at_work.wait(10)
        with pytest.raises(InFlight) as refused:
            act(asked())
        assert (refused.value.status, refused.value.retry_after) == (409, 1)
    finally:
        may_go_on.set()
        thread.join()
    with pytest.raises(Replay) as replay:
        act(asked())
    assert replay.value.body == {"ok": True}


def test_ten_at_once_have_one_effect() -> None:
    outcomes: list[str] = []
    start = threading.Barrier(10)

    def ask() -> None:
        try:
            start.wait(10)
            act(asked())
            outcomes.append("acted")
        except (InFlight, Replay) as told:
            outcomes.append(type(told).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("acted") == 1
    assert len(outcomes) == 10
    assert Counter.objects.count() == 1


def test_another_address_or_another_file_is_another_request() -> None:
    act(asked({"title": 1}, path="/api/v1/orders?for=a"))
    with pytest.raises(KeyReused):
        act(asked({"title": 1}, path="/api/v1/orders?for=b"))

    def sent(content: bytes) -> HttpRequest:
        request = RequestFactory().post(
            "/lists", {"day": "1", "file": SimpleUploadedFile("list.csv", content)}, headers={"Idempotency-Key": "k2"}
        )
        assert request.FILES["file"].read() == content  # the stream is read before the edge asks
        request.FILES["file"].seek(0)
        return request

    act(sent(b"one"))
    with pytest.raises(Replay):
        act(sent(b"one"))
    with pytest.raises(KeyReused):
        act(sent(b"two"))


def test_what_was_said_cannot_be_guessed_from_its_digest(settings) -> None:
    """A PIN has a million values: whoever reads the table must not be able to try them."""
    act(asked({"pin": "804217"}))
    kept = Answer.objects.get()
    said = b"\0".join([b"POST", b"/api/v1/orders", json.dumps({"pin": "804217"}).encode()])
    assert kept.fingerprint != hashlib.sha256(said).hexdigest()
    settings.SECRET_KEY = "another" * 8
    with pytest.raises(KeyReused):
        act(asked({"pin": "804217"}))
