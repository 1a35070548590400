"""A request that is repeated has one effect and the same answer (`Idempotency-Key`)."""

from __future__ import annotations

import functools
import hashlib
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import IntegrityError, transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.http.request import RawPostDataException
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from core import clock
from core.compiled import ask, catch_up, soon
from core.refusal import Refusal

if TYPE_CHECKING:
    import hmac
    from collections.abc import Iterator

    from django.http import HttpRequest

    from core.actor import Actor
    from core.moves import Said

LONGEST_KEY = 255
SEE_OTHER = 303
SPELL = DjangoJSONEncoder(ensure_ascii=False).encode


class KeyRequired(Refusal):
    code = "idempotency_key_required"
    status = 400
    sentence = _("Please send an Idempotency-Key header of 1 to 255 characters with this request.")


class KeyReused(Refusal):
    code = "idempotency_mismatch"
    status = 422
    sentence = _("This Idempotency-Key was used for another request. Please send a new one.")


class InFlight(Refusal):
    code = "in_flight"
    sentence = _("The same request is being worked on. Please ask again in a second.")


class Replay(Exception):
    """The request was answered before; carries the stored answer. Raised by `once`, rendered at the edge."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status)
        self.status = status
        self.body = body

    def response(self) -> HttpResponse:
        """The answer as it was given the first time."""
        return _redirect(self.body["location"]) if self.status == SEE_OTHER else _json(self.status, SPELL(self.body))


class Told(Exception):
    """What becomes of a request by its key; raised within its use case, which takes it for no refusal of its own."""

    def __init__(self, outcome: Refusal | Replay) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class Once:
    """Turns what a use case gave into the response, and remembers it for the key row."""

    def __init__(self) -> None:
        self.status = 200
        self.body = "null"  # JSON

    def __call__(self, body: Any, *, status: int = 200) -> HttpResponse:
        """Answer with JSON."""
        self.status, self.body = status, SPELL(body)
        return _json(status, self.body)

    def redirect(self, to: str) -> HttpResponse:
        """Answer with a page to go to."""
        self.status, self.body = SEE_OTHER, SPELL({"location": to})
        return _redirect(to)


def _json(status: int, text: str) -> HttpResponse:
    return HttpResponse(text, status=status, content_type="application/json")


def _redirect(to: str) -> HttpResponse:
    response = HttpResponseRedirect(to)
    response.status_code = SEE_OTHER
    return response


def require_key(request: HttpRequest) -> str:
    """The request's `Idempotency-Key`; refuses with `idempotency_key_required` one that has none.

    For an edge that has to do something before its one transaction; `once` asks by itself.
    """
    return _usable(request.META.get("HTTP_IDEMPOTENCY_KEY", ""))


def _usable(key: str) -> str:
    if not 1 <= len(key) <= LONGEST_KEY or "\x00" in key:
        raise KeyRequired(field="Idempotency-Key")
    return key


@contextmanager
def once(by: Actor, request: HttpRequest, *, key: str | None = None) -> Iterator[Once]:
    """Open the one transaction of an edge around its one use case.

    `key` is the request's `Idempotency-Key` unless given. Raises `Replay` for a request answered before, and
    refuses a missing key (400), a key used for another request (422) and one still in flight (409). A refusal
    inside the block rolls back and is not stored, so it may be tried again with the same key. What becomes of a request
    by its key is raised by the first statement of the block.
    """
    key = require_key(request) if key is None else _usable(key)
    fingerprint = _fingerprint(request)
    question = _question(by.key, key)
    outcomes: list[Refusal | Replay | None] = []

    def judge(rows: list[tuple[Any, ...]]) -> None:
        outcomes.append(_outcome(rows, fingerprint))
        obey()

    def obey() -> None:
        if outcomes[0] is not None:
            raise Told(outcomes[0])

    try:
        with transaction.atomic(durable=True):
            soon(*question, judge)
            answer = Once()
            yield answer
            if not outcomes:
                catch_up()  # nothing was asked
            obey()  # somebody may have swallowed it
            _keep(by.key, key, fingerprint, answer)
    except Told as told:
        error: Exception = told.outcome
    except (IntegrityError, Refusal) as refused:
        error = refused
    else:
        return
    # An answer that was given just before the key was ours, or while we waited for the rows of another, is one too.
    outcome = None if isinstance(error, Replay) else _outcome(ask(*question), fingerprint)
    raise error if outcome is None or isinstance(outcome, InFlight) else outcome


def _fingerprint(request: HttpRequest) -> str:
    """What a request said, as a digest that without our secret tells nothing: a PIN may be in it."""
    digest = _seal(settings.SECRET_KEY).copy()
    digest.update(b"\0".join([(request.method or "").encode(), request.get_full_path().encode(), *_body(request)]))
    return digest.hexdigest()


@functools.cache
def _seal(secret: str) -> hmac.HMAC:
    return salted_hmac("core.once", b"", secret=secret, algorithm="sha256")


def _body(request: HttpRequest) -> Iterator[bytes]:
    """What was sent; of a form in parts, whose stream is read by then, its fields and its files."""
    try:
        yield request.body
    except RawPostDataException:
        yield request.POST.urlencode().encode()
        for name, files in sorted(request.FILES.lists()):
            for file in files:
                yield f"{name}\0{file.name}".encode()
                yield hashlib.sha256(b"".join(file.chunks())).digest()
                file.seek(0)


def _keep(principal: str, key: str, fingerprint: str, answer: Once) -> None:
    soon(
        "INSERT INTO core_answer (principal, key, fingerprint, status, body, at) VALUES (%s, %s, %s, %s, %s, %s)",
        [principal, key, fingerprint, answer.status, answer.body, clock.now()],
    )


def _question(principal: str, key: str) -> Said:
    """Take the key for the rest of the transaction, and look for its answer."""
    number = int.from_bytes(hashlib.sha256(f"{principal}\0{key}".encode()).digest()[:8], signed=True)
    words = """
        SELECT pg_try_advisory_xact_lock(%s), stored.fingerprint, stored.status, stored.body
        FROM (VALUES (%s, %s)) AS asked (principal, key)
        LEFT JOIN core_answer stored ON stored.principal = asked.principal AND stored.key = asked.key
    """
    return words, [number, principal, key]


def _outcome(rows: list[tuple[Any, ...]], fingerprint: str) -> Refusal | Replay | None:
    """What becomes of a request by its key; None where the key is new and ours."""
    [(ours, said, status, body)] = rows
    if said is None:
        return None if ours else InFlight(retry_after=1)
    if said != fingerprint:
        return KeyReused(field="Idempotency-Key")
    return Replay(status, json.loads(body))
