"""Twilio's message resource as HTTP: create, fetch, list, in Twilio's own shapes; the account, its numbers and how they
are registered to read.

After https://www.twilio.com/docs/messaging/api/message-resource, https://www.twilio.com/docs/iam/api/account and
https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from email.utils import format_datetime
from functools import wraps
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils.crypto import constant_time_compare
from django.utils.dateparse import parse_date, parse_datetime
from django.views.decorators.csrf import csrf_exempt

from core import clock
from notifications import phone
from notifications.models import Sender
from notifications.sandbox import carrier
from notifications.sandbox.carrier import Refused
from notifications.sandbox.models import Mood, Text

VERSION: Final = "/2010-04-01"
MOST: Final = 1000

View = Callable[..., JsonResponse]
Row = TypeVar("Row", bound=Model)


def for_account(view: View) -> Callable[..., HttpResponseBase]:
    """Basic authentication by auth token or API key, and errors in Twilio's shape."""

    @csrf_exempt
    @wraps(view)
    def guarded(request: HttpRequest, account: str = "", **kwargs: Any) -> HttpResponseBase:
        try:
            if account not in {"", settings.TWILIO_ACCOUNT_SID} or not _known(request):
                raise Refused(401, 20003, "Authenticate")
            return view(request, **kwargs)
        except Refused as refused:
            return JsonResponse(
                {
                    "code": refused.code,
                    "message": refused.message,
                    "more_info": f"https://www.twilio.com/docs/errors/{refused.code}",
                    "status": refused.status,
                },
                status=refused.status,
            )

    return guarded


@for_account
def messages(request: HttpRequest) -> JsonResponse:
    """POST creates a text, GET lists them newest first."""
    if request.method == "POST":
        text = carrier.take(
            sent_to=request.POST.get("To", ""),
            sent_from=request.POST.get("From", ""),
            body=request.POST.get("Body", "").replace("\x00", ""),
            status_callback=request.POST.get("StatusCallback", ""),
            now=clock.now(),
        )
        if Mood.now().answers_lost:
            raise Refused(500, 20500, "Internal server error")  # nobody can tell that it has the text
        return JsonResponse(_shape(text), status=201)
    if request.method == "GET":
        return _page(request, _narrowed(request), "messages", _shape)
    raise Refused(405, 20004, "Method not allowed")


@for_account
def message(request: HttpRequest, sid: str) -> JsonResponse:
    """One text."""
    text = Text.objects.filter(sid=sid).first()
    if text is None or request.method != "GET":
        raise Refused(404, 20404, f"The requested resource {request.path} was not found")
    return JsonResponse(_shape(text))


@for_account
def account(request: HttpRequest) -> JsonResponse:
    """The one account there is."""
    if request.method != "GET":
        raise Refused(405, 20004, "Method not allowed")
    uri = f"{VERSION}/Accounts/{settings.TWILIO_ACCOUNT_SID}"
    return JsonResponse(
        {
            "sid": settings.TWILIO_ACCOUNT_SID,
            "owner_account_sid": settings.TWILIO_ACCOUNT_SID,
            "friendly_name": "sandbox",
            "status": "active",
            "type": "Full",
            "uri": f"{uri}.json",
            "subresource_uris": {
                "messages": f"{uri}/Messages.json",
                "incoming_phone_numbers": f"{uri}/IncomingPhoneNumbers.json",
            },
        }
    )


@for_account
def numbers(request: HttpRequest) -> JsonResponse:
    """The numbers that texts can be sent from, with the addresses that carrier.py calls."""
    if request.method != "GET":
        raise Refused(405, 20004, "Method not allowed")
    rows = Sender.objects.order_by("id")
    if wanted := request.GET.get("PhoneNumber"):
        rows = rows.filter(number__contains=wanted)
    return _page(request, rows, "incoming_phone_numbers", _number_shape)


# Which numbers are registered, as messaging.twilio.com tells it: here every American number is.


@for_account
def services(request: HttpRequest) -> JsonResponse:
    """The one messaging service, with every American number that is not toll-free."""
    sid = _service()
    return _listed(request, "services", [{"account_sid": settings.TWILIO_ACCOUNT_SID, "sid": sid}])


@for_account
def service_numbers(request: HttpRequest, service: str) -> JsonResponse:
    """The numbers of the messaging service."""
    _in_service(request, service)
    rows = [sender for sender in Sender.objects.order_by("id") if _american(sender, toll_free=False)]
    shown = [{"sid": _number_sid(sender), "phone_number": sender.number, "service_sid": service} for sender in rows]
    return _listed(request, "phone_numbers", shown)


@for_account
def campaigns(request: HttpRequest, service: str) -> JsonResponse:
    """The campaign of the messaging service."""
    _in_service(request, service)
    shown = {"sid": f"QE{1:032x}", "messaging_service_sid": service, "campaign_status": "VERIFIED"}
    return _listed(request, "compliance", [shown])


@for_account
def verifications(request: HttpRequest) -> JsonResponse:
    """The verifications of toll-free numbers."""
    asked = request.GET.get("TollfreePhoneNumberSid", "")
    rows = [sender for sender in Sender.objects.order_by("id") if _american(sender, toll_free=True)]
    shown = [
        {"sid": f"HH{sender.pk:032x}", "tollfree_phone_number_sid": _number_sid(sender), "status": "TWILIO_APPROVED"}
        for sender in rows
        if asked in {"", _number_sid(sender)}
    ]
    return _listed(request, "verifications", shown)


def _listed(request: HttpRequest, name: str, rows: list[dict[str, Any]]) -> JsonResponse:
    """One page in the shape of Twilio's newer hosts."""
    if request.method != "GET":
        raise Refused(405, 20004, "Method not allowed")
    here = f"https://messaging.twilio.com{request.path}?PageSize=50&Page=0"
    meta = {
        "key": name,
        "page": 0,
        "page_size": 50,
        "url": here,
        "first_page_url": here,
        "previous_page_url": None,
        "next_page_url": None,
    }
    return JsonResponse({name: rows, "meta": meta})


def _in_service(request: HttpRequest, service: str) -> None:
    if service != _service():
        raise Refused(404, 20404, f"The requested resource {request.path} was not found")


def _service() -> str:
    return f"MG{1:032x}"


def _american(sender: Sender, *, toll_free: bool) -> bool:
    return phone.country(sender.number) in {"US", "CA"} and phone.is_toll_free(sender.number) == toll_free


def _number_sid(sender: Sender) -> str:
    return f"PN{sender.pk:032x}"


def _number_shape(sender: Sender) -> dict[str, Any]:
    sid = _number_sid(sender)
    return {
        "account_sid": settings.TWILIO_ACCOUNT_SID,
        "sid": sid,
        "phone_number": sender.number,
        "friendly_name": sender.key,
        "capabilities": {"voice": True, "sms": True, "mms": False, "fax": False},
        "sms_url": carrier.hook("twilio-messages"),
        "sms_method": "POST",
        "voice_url": carrier.hook("twilio-calls"),
        "voice_method": "POST",
        "uri": f"{VERSION}/Accounts/{settings.TWILIO_ACCOUNT_SID}/IncomingPhoneNumbers/{sid}.json",
    }


def _known(request: HttpRequest) -> bool:
    scheme, _, coded = request.headers.get("Authorization", "").partition(" ")
    try:
        user, _, password = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return False
    pairs = [
        (settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN),
        (settings.TWILIO_API_KEY, settings.TWILIO_API_SECRET),
    ]
    return scheme.lower() == "basic" and any(
        name and secret and constant_time_compare(user, name) and constant_time_compare(password, secret)
        for name, secret in pairs
    )


def _narrowed(request: HttpRequest) -> QuerySet[Text]:
    rows = Text.objects.order_by("-id")
    if to := request.GET.get("To"):
        rows = rows.filter(sent_to=to)
    if sender := request.GET.get("From"):
        rows = rows.filter(sent_from=sender)
    if day := request.GET.get("DateSent"):
        rows = rows.filter(sent_at__gte=_moment(day), sent_at__lt=_moment(day) + timedelta(days=1))
    if since := request.GET.get("DateSent>"):
        rows = rows.filter(sent_at__gte=_moment(since))
    if until := request.GET.get("DateSent<"):
        rows = rows.filter(sent_at__lt=_moment(until) + timedelta(days=1))
    return rows


def _moment(value: str) -> datetime:
    """The start of a GMT day; Twilio's filters look at the day alone."""
    try:
        day = parse_date(value[:10]) or getattr(parse_datetime(value), "date", lambda: None)()
    except ValueError:
        day = None
    if day is None:
        raise Refused(400, 20001, f"Invalid date {value}")
    return datetime.combine(day, time(), tzinfo=UTC)


def _page(request: HttpRequest, rows: QuerySet[Row], name: str, shape: Callable[[Row], dict[str, Any]]) -> JsonResponse:
    try:
        size = min(max(int(request.GET.get("PageSize", "50")), 1), MOST)
        page = min(max(int(request.GET.get("Page", "0")), 0), 10_000)
    except ValueError:
        raise Refused(400, 20001, "Invalid page") from None
    found = list(rows[page * size : (page + 1) * size + 1])
    shown = found[:size]
    filters = {name: value for name, value in request.GET.items() if name not in {"Page", "PageSize", "PageToken"}}

    def uri(number: int) -> str:
        return f"{request.path}?{urlencode({**filters, 'PageSize': size, 'Page': number})}"

    return JsonResponse(
        {
            name: [shape(row) for row in shown],
            "page": page,
            "page_size": size,
            "start": page * size,
            "end": page * size + max(len(shown) - 1, 0),
            "uri": uri(page),
            "first_page_uri": uri(0),
            "previous_page_uri": uri(page - 1) if page else None,
            "next_page_uri": uri(page + 1) if len(found) > size else None,
        }
    )


def _shape(text: Text) -> dict[str, Any]:
    uri = f"{VERSION}/Accounts/{settings.TWILIO_ACCOUNT_SID}/Messages/{text.sid}"
    return {
        "account_sid": settings.TWILIO_ACCOUNT_SID,
        "api_version": "2010-04-01",
        "body": text.body,
        "date_created": _written(text.created_at),
        "date_sent": _written(text.sent_at),
        "date_updated": _written(text.updated_at),
        "direction": text.direction,
        "error_code": None,
        "error_message": None,
        "from": text.sent_from,
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": str(text.segments),
        "price": None,
        "price_unit": "USD",
        "sid": text.sid,
        "status": text.status,
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": text.sent_to,
        "uri": f"{uri}.json",
    }


def _written(moment: datetime | None) -> str | None:
    return format_datetime(moment.astimezone(UTC)) if moment else None
