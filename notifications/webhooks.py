"""What Twilio tells us: texts that came in, and what became of ours. Signed, or it does nothing.

The signature covers the public address with its query and every parameter; behind a proxy only PUBLIC_BASE_URL knows
that address. The old token counts beside the new one while it is being rotated.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Final

import structlog
from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from twilio.request_validator import SIGNATURE_HEADER, SIGNATURE_SETTINGS_HEADER, RequestValidator
from twilio.request_validator import get_signature_algorithm as algorithm_of

from core import clock, counters
from notifications import inbound, receipts

log = structlog.get_logger()

LARGEST: Final = 64 * 1024
MOST_FIELDS: Final = 200
LARGEST_ID: Final = 2**63 - 1
EMPTY_TWIML: Final = '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'

View = Callable[[HttpRequest], HttpResponse]


def from_twilio(view: View) -> Callable[[HttpRequest], HttpResponseBase]:
    """Let only signed POSTs of our own account through: 403 for all else, 413 for what is too large to be one."""

    @csrf_exempt
    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            return refused(request, "method")
        try:
            if len(request.body) > LARGEST or sum(len(values) for _, values in request.POST.lists()) > MOST_FIELDS:
                return HttpResponse(status=413)
        except (RequestDataTooBig, TooManyFieldsSent):
            return HttpResponse(status=413)
        if not _signed(request):
            return refused(request, "signature")
        if not constant_time_compare(request.POST.get("AccountSid", ""), settings.TWILIO_ACCOUNT_SID):
            return refused(request, "account")
        return view(request)

    return guarded


@from_twilio
def messages(request: HttpRequest) -> HttpResponse:
    """A text came in: store it and say nothing; what we have to say leaves through the outbox.

    400 without MessageSid, From or To.
    """
    sid, sent_from, sent_to = (field_of(request, name) for name in ("MessageSid", "From", "To"))
    if not sid or sent_from is None or sent_to is None or len(sid) > 64 or max(len(sent_from), len(sent_to)) > 40:
        return HttpResponse(status=400)
    media = request.POST.get("NumMedia", "0")
    inbound.store(
        provider_id=sid,
        from_number=sent_from,
        to_number=sent_to,
        body=request.POST.get("Body", "").replace("\x00", ""),
        media=min(int(media), 100) if media.isascii() and media.isdigit() and len(media) < 6 else 0,
        opt_out_type=(field_of(request, "OptOutType") or "")[:10].upper(),
        now=clock.now(),
    )
    return HttpResponse(EMPTY_TWIML, content_type="text/xml; charset=utf-8")


@from_twilio
def status(request: HttpRequest) -> HttpResponse:
    """What became of one of our texts; `?m=` is our id. 204, also for a status we do not know; 400 without a sid."""
    sid = field_of(request, "MessageSid")
    if not sid or len(sid) > 64:
        return HttpResponse(status=400)
    ours = request.GET.get("m", "")
    known = ours.isascii() and ours.isdigit() and len(ours) < 20 and int(ours) <= LARGEST_ID
    receipts.record(
        provider_id=sid,
        message_id=int(ours) if known else None,
        status=field_of(request, "MessageStatus") or "",
        error_code=field_of(request, "ErrorCode") or "",
        to=field_of(request, "To") or "",
        now=clock.now(),
    )
    return HttpResponse(status=204)


def field_of(request: HttpRequest, name: str) -> str | None:
    """A field that was posted, without spaces around it; None when it is missing or holds a NUL."""
    value = request.POST.get(name)
    return None if value is None or "\x00" in value else value.strip()


def _signed(request: HttpRequest) -> bool:
    address = settings.PUBLIC_BASE_URL + request.get_full_path()
    signature = request.headers.get(SIGNATURE_HEADER, "")
    algorithm = algorithm_of(request.headers.get(SIGNATURE_SETTINGS_HEADER, ""))
    tokens = [token for token in (settings.TWILIO_AUTH_TOKEN, settings.TWILIO_AUTH_TOKEN_OLD) if token]
    return any(RequestValidator(token).validate(address, request.POST, signature, algorithm) for token in tokens)


def refused(request: HttpRequest, why: str) -> HttpResponse:
    """403 without a word, counted: a burst of these is somebody at the door, or a token that was rotated."""
    count = counters.hit(f"hook refused: {why}", limit=LARGEST_ID, per=timedelta(hours=1), now=clock.now())
    log.warning("hook.refused", why=why, path=request.path, this_hour=count)
    return HttpResponse(status=403)
