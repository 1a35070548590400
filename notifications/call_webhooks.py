"""Telephone systems that ask what to say: Twilio's, and a library's own. Both sign, or nothing happens."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any, Final
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from twilio.twiml.voice_response import VoiceResponse

from core import clock
from notifications import voice
from notifications.voice import Heard
from notifications.webhooks import LARGEST, field_of, from_twilio, refused

PATIENCE: Final = 8
"""Seconds in which the next key is waited for."""
AGE: Final = 300
"""Seconds after which a signed request of a telephone system is too old to be one."""
LONGEST_STEP: Final = 120
SPEAKS: Final = {
    "ko": {"language": "ko-KR", "voice": "Polly.Seoyeon"},
    "en": {"language": "en-US", "voice": "Polly.Joanna"},
}
SIGNATURE, TIMESTAMP = "X-Call-Signature", "X-Call-Timestamp"


@from_twilio
def twilio(request: HttpRequest) -> HttpResponse:
    """A call came in at Twilio, or keys were pressed in one: TwiML. 400 without CallSid and To, 404 for a number that
    is none of ours.
    """
    sid, to_number = field_of(request, "CallSid"), field_of(request, "To")
    if not sid or len(sid) > 64 or not to_number:
        return HttpResponse(status=400)
    heard = voice.talk(
        call_id=sid,
        from_number=(field_of(request, "From") or "")[:40],
        to_number=to_number[:40],
        step=request.GET.get("step", "")[:LONGEST_STEP],
        keys=_keys(field_of(request, "Digits")),
        now=clock.now(),
    )
    if heard is None:
        return HttpResponse(status=404)
    return HttpResponse(_twiml(heard), content_type="text/xml; charset=utf-8")


@csrf_exempt
def own(request: HttpRequest) -> HttpResponse:
    """A library's own telephone system, in JSON.

    It posts `{"call", "from", "to", "step", "keys"}` (texts; `step` and `keys` empty at first, `from` empty when
    withheld) with `X-Call-Timestamp` (seconds since 1970) and `X-Call-Signature`: HMAC-SHA256 in hexadecimal digits of
    timestamp, a dot and the body, with CALLS_SECRET. The answer is `{"say": [{"language", "text"}], "step", "keys",
    "dial"}`: speak; if `keys` is not 0 wait for so many digits and post them with `step`; if `dial` is not empty pass
    the call on to it; else end it. 403 unsigned, 400 unreadable, 404 for a number that is none of ours.
    """
    if request.method != "POST":
        return refused(request, "method")
    if len(request.body) > LARGEST:
        return HttpResponse(status=413)
    if not _signed(request):
        return refused(request, "signature")
    asked = _read(request.body)
    if asked is None:
        return HttpResponse(status=400)
    heard = voice.talk(
        call_id=asked["call"],
        from_number=asked["from"],
        to_number=asked["to"],
        step=asked["step"],
        keys=_keys(asked["keys"]),
        now=clock.now(),
    )
    if heard is None:
        return HttpResponse(status=404)
    spoken = [{"language": said.language, "text": said.text} for said in heard.said]
    return JsonResponse({"say": spoken, "step": heard.step, "keys": heard.keys, "dial": heard.dial})


def _twiml(heard: Heard) -> str:
    answer = VoiceResponse()
    speaker: Any = answer
    if heard.keys:
        address = f"{reverse('twilio-calls')}?{urlencode({'step': heard.step})}"
        speaker = answer.gather(
            num_digits=heard.keys, timeout=PATIENCE, action=address, method="POST", action_on_empty_result=True
        )
    for said in heard.said:
        speaker.say(said.text, **SPEAKS.get(said.language, SPEAKS["en"]))
    if heard.dial:
        answer.dial(heard.dial)
    elif not heard.keys:
        answer.hangup()
    return str(answer)


def _keys(pressed: str | None) -> str:
    """The digits that were pressed, without the hash key that ends them."""
    return "".join(key for key in pressed or "" if key.isascii() and key.isdigit())[:20]


def _signed(request: HttpRequest) -> bool:
    secret, sent_at = settings.CALLS_SECRET, request.headers.get(TIMESTAMP, "")
    if not secret or not (sent_at.isascii() and sent_at.isdigit() and len(sent_at) < 12):
        return False
    if abs(time.time() - int(sent_at)) > AGE:
        return False
    wanted = hmac.new(secret.encode(), sent_at.encode() + b"." + request.body, hashlib.sha256).hexdigest()
    return constant_time_compare(wanted, request.headers.get(SIGNATURE, ""))


def _read(body: bytes) -> dict[str, str] | None:
    """The five texts of a request; None when it is not of that form."""
    try:
        found = json.loads(body)
    except ValueError:
        return None
    longest = {"call": 64, "from": 40, "to": 40, "step": LONGEST_STEP, "keys": 20}
    if not isinstance(found, dict):
        return None
    texts = {name: found.get(name, "") for name in longest}
    if any(not isinstance(text, str) or "\x00" in text or len(text) > longest[name] for name, text in texts.items()):
        return None
    return texts if texts["call"] and texts["to"] else None
