"""A program that speaks to API v1 inside a test: signed in, a new key for each POST unless one is given."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.test import Client

from lending import accounts
from lending.models import Account
from tests import rows


class Api:
    """Somebody's token, and the client that carries it. `last` is the last response."""

    def __init__(self, token: str = "") -> None:
        self.client = Client(
            raise_request_exception=False, headers={"Authorization": f"Token {token}"} if token else None
        )
        self.last: Any = None

    def get(self, path: str, status: int = 200, **query: Any) -> Any:
        return self._said(self.client.get(f"/api/v1/{path}", query), status)

    def post(
        self, path: str, body: Any = None, status: int = 200, *, key: str | None = "", raw: bytes | None = None
    ) -> Any:
        headers = {} if key is None else {"Idempotency-Key": key or uuid.uuid4().hex}
        sent = raw if raw is not None else json.dumps({} if body is None else body).encode()
        answer = self.client.post(f"/api/v1/{path}", sent, content_type="application/json", headers=headers)
        return self._said(answer, status)

    def delete(self, path: str, status: int = 204) -> Any:
        return self._said(self.client.delete(f"/api/v1/{path}"), status)

    def _said(self, answer: Any, status: int) -> Any:
        self.last = answer
        assert answer.status_code == status, (answer.status_code, answer.content.decode())
        assert answer.headers["Cache-Control"] == "no-store"
        if status >= 400:
            assert answer.headers["Content-Type"] == "application/problem+json"
            said = json.loads(answer.content)
            assert set(said) == {"type", "title", "status", "detail", "code", "field", "facts"}
            assert said["status"] == status
            assert said["code"]
            assert said["detail"]
            return said
        return json.loads(answer.content) if answer.content else None


def anyone() -> Api:
    """Nobody in particular."""
    return Api()


def signed_in(account: Account | None) -> Api:
    """With a fresh token of this account."""
    assert account is not None
    from core import clock

    return Api(accounts.issue_token(account=account, now=clock.now()).token)


def patron(**columns: Any) -> tuple[Any, Api]:
    """A patron with a PIN, and their program."""
    who = rows.patron(pin=rows.PIN, **columns)
    return who, signed_in(who.account)


def librarian(of: Any, **columns: Any) -> Api:
    """The program of somebody who works in the library."""
    return signed_in(rows.staff(of, **columns))


def device(of: Any) -> Api:
    """A machine of the library, such as its plate camera."""
    from core import clock
    from core.actor import RULE

    return Api(accounts.issue_device_token(name="camera", library_id=of.pk, by=RULE, now=clock.now()).token)
