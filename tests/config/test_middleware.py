"""Programs who show a token go past what serves browsers; nobody else does."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils.module_loading import import_string

from config import middleware
from config.middleware import ForBrowsers
from lending.auth import BACKEND
from tests import api, rows

pytestmark = pytest.mark.django_db
BROWSERS = [name for name in settings.MIDDLEWARE if issubclass(import_string(name), ForBrowsers)]


def test_all_that_is_for_browsers_only_stands_around_every_view():
    assert {name.rpartition(".")[2] for name in BROWSERS} == {one.__name__ for one in ForBrowsers.__subclasses__()}


@pytest.mark.parametrize(
    ("path", "authorization", "passed_by"),
    [
        ("/api/v1/me", "Token abc", True),
        ("/api/v1/me", "token abc", True),
        ("/api/v1/me", "", False),
        ("/api/v1/me", "Basic abc", False),
        ("/my/", "Token abc", False),
        ("/static/api/v1/me", "Token abc", False),
    ],
)
def test_who_goes_past(path, authorization, passed_by):
    request = RequestFactory().get(path, headers={"Authorization": authorization} if authorization else None)
    middleware.Session(lambda request: HttpResponse())(request)
    assert hasattr(request, "session") is not passed_by


def test_a_cookie_beside_a_token_is_not_looked_at():
    (one, program), (other, _) = api.patron(), api.patron()
    program.client.force_login(rows.account_of(other), backend=BACKEND)
    assert program.get("me")["card_number"] == one.card_number
    assert not program.last.cookies
