"""What Django does around a view for browsers, and not for programs, who show a token with each request.

A program has no cookie, no form and no page: to find that out anew takes as long as a booking's rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from csp.middleware import CSPMiddleware
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.middleware.locale import LocaleMiddleware
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django_htmx.middleware import HtmxMiddleware
from whitenoise.middleware import WhiteNoiseMiddleware

from lending.auth import ActorMiddleware, TokenAuthentication

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

API = "/api/v1/"
TOKEN = TokenAuthentication.keyword.lower() + " "


class ForBrowsers:
    """Mixed into a middleware: requests of programs go straight on, past all of this kind that follow."""

    straight_on: Any

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)  # type: ignore[call-arg]  # the middleware it is mixed into
        follows = getattr(get_response, "__wrapped__", None)
        self.straight_on = follows.straight_on if isinstance(follows, ForBrowsers) else get_response

    def __call__(self, request: HttpRequest) -> Any:
        shown = request.META.get("HTTP_AUTHORIZATION", "")
        if shown[: len(TOKEN)].lower() == TOKEN and request.path_info.startswith(API):
            return self.straight_on(request)
        return super().__call__(request)  # type: ignore[misc]  # the middleware it is mixed into


class Language(LocaleMiddleware):
    """The reader's language by cookie and header: no address begins with one, so none is looked for there."""

    def process_request(self, request: HttpRequest) -> None:
        request.LANGUAGE_CODE = translation.get_language_from_request(request)
        translation.activate(request.LANGUAGE_CODE)

    def process_response(self, _request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        patch_vary_headers(response, ["Accept-Language"])
        response.headers.setdefault("Content-Language", translation.get_language())
        return response


class ContentSecurity(ForBrowsers, CSPMiddleware):
    pass


class StaticFiles(ForBrowsers, WhiteNoiseMiddleware):  # type: ignore[misc]  # it has no types
    pass


class Session(ForBrowsers, SessionMiddleware):
    pass


class SignedIn(ForBrowsers, AuthenticationMiddleware):
    pass


class Acting(ForBrowsers, ActorMiddleware):
    pass


class Messages(ForBrowsers, MessageMiddleware):
    pass


class Htmx(ForBrowsers, HtmxMiddleware):
    pass
