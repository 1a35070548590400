"""Whatever is sent, the answer is a clear 4xx (or 503), in the shape that the asker reads; never a 500."""

from __future__ import annotations

import json
import threading

import pytest
from django.db import OperationalError, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, RequestFactory

from config import refusals
from config.refusals import RefusalMiddleware
from core.once import once
from lending.models import Title
from tests import api, loop, rows

NAN = b'{"title": NaN, "pickup_point": 1}'


@pytest.fixture
def mine(db):
    return api.patron()[1]


@pytest.mark.parametrize(
    ("raw", "why", "field"),
    [
        (b"{", "not_json", ""),
        (b"", "", "title"),
        (b"\xff\xfe", "not_utf8", ""),
        (b'{"title": 1, "title": 2}', "duplicate_key", "title"),
        (NAN, "not_a_number", "title"),
        (b'{"title": Infinity}', "not_a_number", "title"),
        (b'{"title": 1e999}', "not_a_number", "title"),
        (b'{"volume": "a\\u0000b"}', "bad_character", "volume"),
        (b'{"volume": "\\ud800"}', "bad_character", "volume"),
        (b"[" * 10_000, "too_deep", ""),
        (b'{"a":' * 50 + b"1" + b"}" * 50, "too_deep", "a." * 31 + "a"),
        (b'{"title": ' + b"9" * 5000 + b"}", "not_json", ""),
        (b'{"title": 1} x', "not_json", ""),
        (b"{'title': 1}", "not_json", ""),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(mine, raw, why, field) -> None:
    said = mine.post("reservations", raw=raw, status=400)
    assert said["field"] == field
    if why:
        assert (said["code"], said["facts"]["why"]) == ("unreadable_json", why)


@pytest.mark.parametrize("raw", [b"[]", b"null", b'"text"', b"1", b"true", b"[1]"])
def test_json_that_is_no_object_is_refused(mine, raw) -> None:
    assert mine.post("reservations", raw=raw, status=400)["code"] == "invalid"


def test_five_megabytes_are_too_large(mine) -> None:
    said = mine.post("reservations", {"volume": "a" * 5_000_000}, 413)
    assert said["code"] == "too_large"


@pytest.mark.parametrize(
    "kind", ["text/xml", "application/x-www-form-urlencoded", "text/plain", "multipart/form-data", "x"]
)
def test_what_is_not_sent_as_json_is_not_read(mine, kind) -> None:
    answer = mine.client.post("/api/v1/reservations", b"<a/>", content_type=kind, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "reservations/1/cancel", 405),
        ("head", "reservations/1/cancel", 405),
        ("patch", "reservations", 405),
        ("put", "me", 405),
        ("delete", "orders", 405),
        ("get", "nothing-here", 404),
        ("post", "orders/1/steal", 404),
        ("get", "orders/-1", 404),
        ("get", "orders/%00", 404),
        ("get", "orders/../admin", 404),
    ],
)
def test_an_address_says_what_it_takes(mine, method, path, status) -> None:
    answer = getattr(mine.client, method)(f"/api/v1/{path}")
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    if status == 405:
        assert "POST" in answer.headers["Allow"] or "GET" in answer.headers["Allow"]


def test_only_json_is_given(mine) -> None:
    answer = mine.client.get("/api/v1/me", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")


def test_the_sentence_is_in_the_language_of_the_reader(mine) -> None:
    english = mine.client.get("/api/v1/orders/1", headers={"Accept-Language": "en"}).json()
    assert english["detail"].startswith("We could not find this order.")


@pytest.mark.django_db
def test_a_person_gets_a_page_with_a_way_on() -> None:
    answer = Client(headers={"Accept": "text/html"}).get("/nothing/", headers={"Accept-Language": "en"})
    assert answer.status_code == 404
    assert "text/html" in answer.headers["Content-Type"]
    assert "We could not find that." in answer.content.decode()
    assert 'href="/"' in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("referer", "back"),
    [
        ("http://testserver/my/?page=2", "/my/?page=2"),
        ("http://evil.example/my/", "/"),
        ("http://testserver//evil.example/", "/"),
        ("http://testserver/nothing/", "/"),
        ("javascript:alert(1)", "/"),
        ("http://[", "/"),
        ("", "/"),
    ],
)
def test_the_way_on_leads_nowhere_else(referer, back) -> None:
    answer = Client().get("/nothing/", headers={"Accept": "text/html", "Referer": referer})
    assert answer.context["back"] == back
    assert f'href="{back}"' in answer.content.decode()


@pytest.mark.django_db
def test_a_host_that_is_not_ours_gets_a_clear_answer(settings) -> None:
    settings.ALLOWED_HOSTS = ["pickup.example.org"]
    for accept in ("text/html", "application/json"):
        assert Client().get("/", headers={"Accept": accept, "Host": "evil.example"}).status_code == 400


@pytest.mark.django_db
def test_a_program_that_reads_a_page_gets_json() -> None:
    answer = Client().get("/nothing/", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def the_cause(state: str) -> OperationalError:
    """What Django raises when PostgreSQL answers with this SQLSTATE."""
    from psycopg import errors

    error = OperationalError("as PostgreSQL says it")
    error.__cause__ = errors.lookup(state)()
    return error


def through_the_middleware(view, *, path: str = "/api/v1/x"):
    request = RequestFactory().post(
        path, b"{}", content_type="application/json", headers={"Accept": "application/json"}
    )
    return RefusalMiddleware(lambda request: HttpResponse()).process_view(request, view, (), {})


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_a_request_that_postgresql_undid_is_run_again(state) -> None:
    runs: list[int] = []

    def view(request: HttpRequest) -> HttpResponse:
        runs.append(1)
        if len(runs) < 3:
            raise the_cause(state)
        return HttpResponse("done")

    assert through_the_middleware(view).content == b"done"
    assert len(runs) == 3


def test_after_three_runs_the_asker_is_told_to_come_back() -> None:
    runs: list[int] = []

    def view(request: HttpRequest) -> HttpResponse:
        runs.append(1)
        raise the_cause("40001")

    answer = through_the_middleware(view)
    assert (answer.status_code, len(runs)) == (503, 3)
    assert answer.headers["Retry-After"] == "2"


@pytest.mark.parametrize("state", ["55P03", "57014", "53300", "57P01", "08006"])
def test_a_database_that_cannot_now_is_a_503(state) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        raise the_cause(state)

    answer = through_the_middleware(view)
    assert (answer.status_code, json.loads(answer.content)["code"]) == (503, "unavailable")


def test_a_page_without_a_database_still_says_so() -> None:
    def view(request: HttpRequest) -> HttpResponse:
        raise the_cause("08006")

    request = RequestFactory().get("/", headers={"Accept": "text/html"})
    answer = RefusalMiddleware(lambda request: HttpResponse()).process_view(request, view, (), {})
    assert answer.status_code == 503
    assert b"<h1>" in answer.content


def test_what_nobody_expected_is_not_hidden() -> None:
    def view(request: HttpRequest) -> HttpResponse:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        through_the_middleware(view)
    answer = refusals.broken(RequestFactory().get("/api/v1/x"))
    assert (answer.status_code, json.loads(answer.content)["code"]) == (500, "internal_error")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("accept", "kind"), [("text/html", "text/html"), ("application/json", "application/problem+json")]
)
def test_a_database_that_goes_away_while_a_session_is_read_is_a_503(monkeypatch, accept, kind) -> None:
    """Even where it happens outside of any view."""

    def gone(*_args: object, **_kwargs: object) -> None:
        raise the_cause("57P01")

    monkeypatch.setattr("lending.accounts.actor_of", gone)
    visitor = Client(raise_request_exception=False)
    visitor.force_login(rows.staff(rows.library()))
    answer = visitor.get("/", headers={"Accept": accept})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert answer.headers["Content-Type"].startswith(kind)


@pytest.mark.django_db(transaction=True)
def test_a_row_that_is_held_too_long_is_a_503_and_nothing_is_lost() -> None:
    """A real lock, a real lock_timeout, through the API."""
    point = rows.point()
    who, mine = api.patron(home=point.library)
    copy = rows.copy(at=point.library)
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                Title.objects.select_for_update().get(pk=copy.title_id)
                held.set()
                let_go.wait(20)
        finally:
            connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(5)
    body = {"title": copy.title_id, "pickup_point": point.pk}
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = 200")
        said = mine.post("reservations", body, 503, key="patient")
    finally:
        let_go.set()
        holder.join()
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")
    assert said["code"] == "unavailable"
    assert mine.last.headers["Retry-After"] == "2"
    assert mine.post("reservations", body, 201, key="patient")["state"] == "allocated"
    assert who.reservations.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_real_deadlock_is_run_again_and_both_get_their_way() -> None:
    """Two requests lock two rows in opposite order; PostgreSQL undoes one, the middleware runs it again."""
    one, two = rows.title(), rows.title()
    both_hold = threading.Barrier(2)
    first_run = {"a": True, "b": True}
    answers: dict[str, int] = {}

    def ask(name: str, first: int, second: int) -> None:
        def view(request: HttpRequest) -> HttpResponse:
            with once(rows.RULE, request, key=name) as answer:
                Title.objects.select_for_update().get(pk=first)
                if first_run[name]:
                    first_run[name] = False
                    both_hold.wait(10)
                Title.objects.select_for_update().get(pk=second)
                return answer({"name": name})

        try:
            answers[name] = through_the_middleware(view, path=f"/api/v1/{name}").status_code
        finally:
            connection.close()

    threads = [
        threading.Thread(target=ask, args=("a", one.pk, two.pk)),
        threading.Thread(target=ask, args=("b", two.pk, one.pk)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {"a": 200, "b": 200}


@pytest.mark.django_db(transaction=True)
def test_under_asgi_the_answers_are_the_same() -> None:
    async def visit() -> None:
        visitor = AsyncClient(raise_request_exception=False)
        assert (await visitor.get("/api/v1/libraries")).status_code == 200
        assert (await visitor.get("/api/v1/titles/999999999")).json()["code"] == "unknown_title"
        assert (await visitor.get("/api/v1/me")).json()["code"] == "not_signed_in"
        refused = await visitor.post("/api/v1/tokens", NAN, content_type="application/json")
        assert (refused.status_code, refused.json()["code"]) == (400, "unreadable_json")
        assert (await visitor.get("/nothing/", headers={"Accept": "text/html"})).status_code == 404

    loop.run(visit())
