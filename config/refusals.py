"""Refusals and failures become answers here, and only here: problem+json (RFC 9457) for programs, a page for people."""

from __future__ import annotations

import dataclasses
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from asgiref.sync import iscoroutinefunction
from django.core import exceptions as django_errors
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.request import UnreadablePostError
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions as api_errors

from core.driver.wire import OUTDATED
from core.once import Replay
from core.refusal import BadInput, Forbidden, NotFound, Refusal, TooMany

log = structlog.get_logger()

API = "/api/"
TRIES = 3  # of the whole request, when PostgreSQL asks for it: a deadlock or a serialization failure undid all of it
PATIENCE = 2.0  # seconds for all tries together
TRY_AGAIN = frozenset({"40001", "40P01", *OUTDATED})
LEFT_IDLE = "25P03"  # PostgreSQL closed a transaction that stood still


class Unavailable(Refusal):
    """The database does not answer, or a row is held too long; nothing was changed."""

    code = "unavailable"
    status = 503
    sentence = _("The service is very busy right now. Nothing was changed; please try again in a few seconds.")


class AgainstALaw(Refusal):
    """A law of the database refused the write and no use case had put it into words; `law` is its name."""

    code = "conflict"
    sentence = _("This does not fit what was saved meanwhile. Please look again.")


class TooLarge(BadInput):
    code = "too_large"
    status = 413
    sentence = _("What was sent is too large.")


class NotSignedIn(Refusal):
    code = "not_signed_in"
    status = 401
    sentence = _("Please sign in first.")


class MethodNotAllowed(Refusal):
    code = "method_not_allowed"
    status = 405
    sentence = _("This address does not take that method; the Allow header names those it takes.")


class NotAcceptable(Refusal):
    code = "not_acceptable"
    status = 406
    sentence = _("The answer can only be sent as JSON.")


class UnsupportedMediaType(Refusal):
    code = "unsupported_media_type"
    status = 415
    sentence = _("Please send JSON with the header Content-Type: application/json.")


class FormOutdated(Forbidden):
    code = "form_outdated"
    sentence = _("This page was open for too long. Please go back, reload it and try again.")


class Broken(Refusal):
    code = "internal_error"
    status = 500
    sentence = _("Something went wrong on our side. It has been noted; please try again later.")


@dataclass(frozen=True, slots=True)
class Problem:
    """An answer that is not the one asked for."""

    status: int
    code: str
    detail: str
    field: str = ""
    retry_after: int | None = None
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def problem_of(error: BaseException) -> Problem | None:
    """What to say about an error; None for one that nobody expected."""
    refusal = error if isinstance(error, Refusal) else _refusal_of(error)
    if refusal is not None:
        return _said(refusal)
    if isinstance(error, api_errors.ValidationError):
        return _problem_of_fields(error)
    if isinstance(error, api_errors.APIException):
        return Problem(error.status_code, "refused", str(error.detail))
    return None


# What to say about errors of Django and of the API's framework, the more special ones first.
SAID: tuple[tuple[tuple[type[BaseException], ...], type[Refusal], str], ...] = (
    (
        (django_errors.RequestDataTooBig, django_errors.TooManyFieldsSent, django_errors.TooManyFilesSent),
        TooLarge,
        "",
    ),
    ((django_errors.SuspiciousOperation, django_errors.BadRequest, UnreadablePostError), BadInput, ""),
    ((Http404, api_errors.NotFound), NotFound, ""),
    ((api_errors.AuthenticationFailed, api_errors.NotAuthenticated), NotSignedIn, ""),
    ((django_errors.PermissionDenied, api_errors.PermissionDenied), Forbidden, ""),
    ((api_errors.MethodNotAllowed,), MethodNotAllowed, ""),
    ((api_errors.UnsupportedMediaType,), UnsupportedMediaType, "Content-Type"),
    ((api_errors.NotAcceptable,), NotAcceptable, "Accept"),
    ((api_errors.Throttled,), TooMany, ""),
)


def _refusal_of(error: BaseException) -> Refusal | None:
    if isinstance(error, DatabaseError | InterfaceError):
        return _refusal_of_database(error)
    if isinstance(error, api_errors.PermissionDenied) and str(error.detail).startswith("CSRF"):
        return FormOutdated()
    return next((refusal(field=place) for kinds, refusal, place in SAID if isinstance(error, kinds)), None)


def _refusal_of_database(error: BaseException) -> Refusal | None:
    match error:
        case IntegrityError():
            law = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) or ""
            log.warning("law.broken_at_the_edge", law=law)
            return AgainstALaw(law=law)
        case DataError():
            return BadInput()
        case OperationalError() | InterfaceError():
            return Unavailable(retry_after=2)
        case _ if _sqlstate(error) == LEFT_IDLE:
            return Unavailable(retry_after=2)
        case _:
            return None


def _sqlstate(error: BaseException) -> str:
    return getattr(error.__cause__, "sqlstate", None) or ""


def _problem_of_fields(error: api_errors.ValidationError) -> Problem:
    found = list(_fields(error.detail, ""))
    first = found[0] if found else {"field": "", "code": "invalid", "detail": str(BadInput())}
    own = {"unknown_field", "ambiguous_or_invalid_time"}
    code = next((entry["code"] for entry in found if entry["code"] in own), "invalid")
    return Problem(400, code, first["detail"], field=first["field"], facts={"errors": found})


def _fields(detail: Any, path: str) -> Iterator[dict[str, str]]:
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _fields(inner, path if name == "non_field_errors" else f"{path}.{name}".lstrip("."))
    elif isinstance(detail, Sequence) and not isinstance(detail, str):
        nested = any(isinstance(inner, Mapping | list) for inner in detail)
        for index, inner in enumerate(detail):
            yield from _fields(inner, f"{path}.{index}".lstrip(".") if nested else path)
    elif detail:
        yield {"field": path, "code": getattr(detail, "code", "invalid"), "detail": str(detail)}


def problem_response(problem: Problem) -> HttpResponse:
    """The answer to a program."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "field": problem.field,
        "facts": problem.facts,
    }
    response: HttpResponse = JsonResponse(
        body,
        status=problem.status,
        encoder=DjangoJSONEncoder,
        json_dumps_params={"ensure_ascii": False},
        content_type="application/problem+json",
    )
    return _with_headers(response, problem)


def problem_page(request: HttpRequest, problem: Problem) -> HttpResponse:
    """The answer to a person: a sentence and a way on. Bare where the page itself would need what is missing."""
    fragment = request.headers.get("HX-Request") == "true"
    bare = fragment or problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    response = render(
        request,
        "refusal.html",
        {"problem": problem, "parent": "refusal_bare.html" if bare else "base.html", "back": _way_back(request)},
        status=problem.status,
    )
    return _with_headers(response, problem)


def _with_headers(response: HttpResponse, problem: Problem) -> HttpResponse:
    response.headers["Cache-Control"] = "no-store"
    if problem.retry_after is not None:
        response.headers["Retry-After"] = str(problem.retry_after)
    return response


def _way_back(request: HttpRequest) -> str:
    """The page of this site that the person came from, else the start."""
    came_from = request.headers.get("Referer", "")
    try:
        start = f"{request.scheme}://{request.get_host()}/"
    except django_errors.DisallowedHost:
        return "/"
    path = "/" + came_from.removeprefix(start)
    again = request.method == "GET" and path == request.get_full_path()
    return path if came_from.startswith(start) and not path.startswith("//") and not again else "/"


def respond(request: HttpRequest, problem: Problem) -> HttpResponse:
    """The answer in the shape that the asker reads."""
    for_program = request.path.startswith(API) or (
        request.get_preferred_type(["text/html", "application/json", "application/problem+json"])
        not in {"text/html", None}
    )
    return problem_response(problem) if for_program else problem_page(request, problem)


def handle(error: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """Answer for the API (`EXCEPTION_HANDLER`). What may be tried again goes on to the middleware."""
    if isinstance(error, Replay):
        return error.response()
    if _sqlstate(error) in TRY_AGAIN:
        return None
    problem = problem_of(error)
    if problem is None:
        return None
    response = problem_response(problem)
    if getattr(error, "auth_header", None):
        response.headers["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]
    return response


class RefusalMiddleware(MiddlewareMixin):
    """Runs the view, again if PostgreSQL undid the whole of it, and answers what it refused.

    A request that is run again has had no effect: its one use case is one transaction.
    """

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> HttpResponseBase | None:
        """Call a synchronous view; live streams are left to the handler."""
        if iscoroutinefunction(view):
            return None
        until = time.monotonic() + PATIENCE
        attempt = 0
        while True:
            attempt += 1
            try:
                if request.path.startswith(API):
                    len(request.body)  # Django keeps it from now on, for the fingerprint of `once` and a second try
                response: HttpResponseBase = view(request, *args, **kwargs)
            except Exception as error:
                if _sqlstate(error) in TRY_AGAIN and attempt < TRIES and time.monotonic() < until:
                    log.info("request.tried_again", path=request.path, attempt=attempt)
                    time.sleep(random.uniform(0.01, 0.1) * attempt)
                    continue
                answer = self.process_exception(request, error)
                if answer is None:
                    raise
                return answer
            return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer what a view, or the rendering of its page, refused."""
        if isinstance(error, Replay):
            return error.response()
        problem = problem_of(error)
        if problem is None:
            return None
        if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.warning("request.unavailable", path=request.path, error=str(error.__cause__ or error)[:200])
        return respond(request, problem)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's answer 400."""
    return respond(request, problem_of(exception) or _said(BadInput()))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's answer 403."""
    return respond(request, _said(Forbidden()))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's answer 404: no such address."""
    return respond(request, _said(NotFound()))


def broken(request: HttpRequest) -> HttpResponse:
    """Django's answer 500; 503 where only the database was away while somebody's session was read."""
    error = sys.exc_info()[1]
    return respond(request, (problem_of(error) if error else None) or _said(Broken()))


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's answer to a form without its token (`CSRF_FAILURE_VIEW`)."""
    return respond(request, _said(FormOutdated()))


def _said(refusal: Refusal) -> Problem:
    return Problem(refusal.status, refusal.code, str(refusal), refusal.field, refusal.retry_after, refusal.facts)
