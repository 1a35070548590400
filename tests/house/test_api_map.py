"""Every address of API v1, taken from the URL map: who may, what is needed, and that the schema tells it."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern

from config import data_api
from lending import urls as lending_urls
from lending.edge import PublicEdge
from pickup import urls as pickup_urls
from tests import api, rows

ADDRESSES = [
    pattern for pattern in [*lending_urls.api, *pickup_urls.api, *data_api.api] if isinstance(pattern, URLPattern)
]
METHODS = ("get", "post", "delete", "put", "patch")


def edge_of(pattern: Any) -> Any:
    return pattern.callback.view_class


def address(pattern: URLPattern) -> str:
    """An address of the pattern; its row does not exist."""
    route = str(pattern.pattern)
    for name in pattern.pattern.converters:
        route = route.replace(f"<int:{name}>", "999999999").replace(f"<slug:{name}>", "nowhere")
        route = route.replace(f"<uuid:{name}>", "00000000-0000-4000-8000-000000000000")
    return f"/api/v1/{route}"


def edges() -> list[Any]:
    return [
        pytest.param(pattern, method, id=f"{method} {pattern.pattern}")
        for pattern in ADDRESSES
        for method in METHODS
        if hasattr(edge_of(pattern), method)
    ]


def is_public(pattern: URLPattern) -> bool:
    return issubclass(edge_of(pattern), PublicEdge)


@pytest.mark.django_db
@pytest.mark.parametrize(("pattern", "method"), edges())
def test_nobody_gets_in_unless_it_is_for_everybody(pattern, method) -> None:
    answer = getattr(Client(), method)(
        address(pattern), **({} if method == "get" else {"data": "{}", "content_type": "application/json"})
    )
    if is_public(pattern):
        assert answer.status_code in {200, 400, 404}
    else:
        assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["patron", "librarian", "device", "manager"])
def test_a_row_that_does_not_exist_is_a_404_or_a_403_for_everybody(role) -> None:
    library = rows.library()
    who = {
        "patron": lambda: api.patron()[1],
        "librarian": lambda: api.librarian(library),
        "manager": lambda: api.librarian(library, role="manager"),
        "device": lambda: api.device(library),
    }[role]()
    for pattern in ADDRESSES:
        if not pattern.pattern.converters:
            continue
        for method in METHODS:
            if not hasattr(edge_of(pattern), method):
                continue
            sent = {} if method == "get" else {"data": "{}", "content_type": "application/json"}
            answer = getattr(who.client, method)(address(pattern), headers={"Idempotency-Key": "k"}, **sent)
            assert answer.status_code in {400, 403, 404}, (method, pattern, answer.content)
            assert answer.json()["code"] != "internal_error"


@pytest.mark.django_db
@pytest.mark.parametrize(("pattern", "method"), [param for param in edges() if param.values[1] == "post"])
def test_every_post_but_tokens_needs_an_idempotency_key(pattern, method) -> None:
    _who, mine = api.patron()
    said = mine.post(address(pattern).removeprefix("/api/v1/"), {}, 400, key=None)
    if pattern.name == "api-tokens":
        assert said["code"] == "invalid"
    else:
        assert said["code"] == "idempotency_key_required"


def test_the_schema_tells_every_address_without_a_warning() -> None:
    written = io.StringIO()
    call_command("spectacular", "--fail-on-warn", "--validate", stdout=written)
    schema = yaml.safe_load(written.getvalue())
    told = {(method, path) for path, methods in schema["paths"].items() for method in methods}
    for param in edges():
        pattern, method = param.values
        path = "/api/v1/" + re.sub("<[a-z]+:", "{", str(pattern.pattern)).replace(">", "}")
        assert (method, path) in told
        operation = schema["paths"][path][method]
        assert "4XX" in operation["responses"]
        keyed = any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", []))
        assert keyed == (method == "post" and pattern.name != "api-tokens")


@pytest.mark.django_db
def test_the_schema_and_its_page_are_served() -> None:
    assert Client().get("/api/schema/").status_code == 200
    page = Client().get("/api/docs/")
    assert page.status_code == 200
    assert "<script>" not in page.content.decode()
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
