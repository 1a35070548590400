"""Texts by Twilio: the official client, with an HTTP client that goes to one host only.

Facts
- twilio 9.13 keeps the last answer of a client on the client itself and gives *that* back, so that two threads may get
  each other's answer. `OneHost.request` keeps nothing but the Retry-After of its own thread.
- `TwilioRestException` carries no headers, hence `Retry-After` is read where the answer comes in.
- Twilio has no idempotency key on message create: a lost answer is looked up, never sent again blindly.
"""

from __future__ import annotations

import functools
import logging
import os
import ssl
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode, urlsplit, urlunsplit

import certifi
import twilio.rest.api  # noqa: F401  # what a client loads at its first text: workers fork after this
import urllib3
from django.conf import settings
from twilio.base.exceptions import TwilioException
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from notifications import carrier_codes, phone
from notifications.carrier_codes import Verdict
from notifications.errors import Busy, CarrierError, InDoubt, NoConnection, NotSent, OptedOut, Stopped, Unreachable
from notifications.transports import Outgoing, Received, Report

HOME: Final = "api.twilio.com"
HOMES: Final = frozenset({HOME, "messaging.twilio.com"})
"""Twilio's own; the second knows which numbers are registered."""
CONNECT_SECONDS: Final = 3.0
VALIDITY: Final = range(1, 36_001)  # Twilio, message resource, ValidityPeriod: 1 to 36,000 seconds
LOOKED_AT: Final = 100  # texts to one number that are looked through for one in doubt
FETCHED: Final = 500
SERVICES: Final = 100  # messaging services that are looked through for a number
SURELY_NOT_SENT: Final = frozenset({"30001"})  # queue overflow: as an answer to a sending it was not even taken


class OneHost(HttpClient):  # type: ignore[misc] # twilio's module is typed in parts
    """An HTTP client for Twilio's own that talks to Twilio's two hosts, or to `base_url` in their place alone.

    It knows no proxies and no .netrc, follows no redirect, asks once, and has a connection for every thread.
    """

    def __init__(self, *, base_url: str, connections: int, timeout: float) -> None:
        super().__init__(logging.getLogger("twilio.http_client"), False, timeout)
        self.base = urlsplit(base_url) if base_url else None
        trusted = ssl.create_default_context(cafile=certifi.where())
        self.pipe = urllib3.PoolManager(num_pools=2, maxsize=connections, ssl_context=trusted)
        self.of_thread = threading.local()

    def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """Send one request to the one host; refuses every other with ValueError."""
        asked = urlsplit(url)
        if asked.scheme != "https" or asked.netloc not in HOMES:
            raise ValueError(f"not a request for {HOME}: {asked.scheme}://{asked.netloc}")
        if self.base is not None:
            asked = asked._replace(scheme=self.base.scheme, netloc=self.base.netloc)
        self.of_thread.retry_after = None
        signed = urllib3.make_headers(basic_auth=":".join(auth)) if auth else {}
        query = "&".join(filter(None, [asked.query, urlencode(params or {}, doseq=True)]))
        answer = self.pipe.request(
            method,
            urlunsplit(asked._replace(query=query)),
            body=urlencode(data, doseq=True) if data else None,
            headers={**(headers or {}), **signed},
            timeout=urllib3.Timeout(
                connect=min(CONNECT_SECONDS, self.timeout or CONNECT_SECONDS), read=timeout or self.timeout
            ),
            redirect=False,
            retries=False,
        )
        self.of_thread.retry_after = _seconds(answer.headers.get("Retry-After", ""))
        return Response(answer.status, answer.data.decode(), answer.headers)

    def retry_after(self) -> float | None:
        """How long the last answer to this thread asked to wait, in seconds."""
        found: float | None = getattr(self.of_thread, "retry_after", None)
        return found


@dataclass(frozen=True, slots=True)
class Account:
    """Our account at Twilio; `status` is active, suspended or closed, `kind` Trial or Full."""

    status: str
    kind: str


@dataclass(frozen=True, slots=True)
class OwnNumber:
    """A number of the account, what it can do, and which addresses Twilio calls when somebody texts or rings."""

    number: str
    sid: str
    texts: bool
    messages_to: str
    messages_by: str
    calls: bool
    calls_to: str
    calls_by: str


class Twilio:
    """The transport of settings.TWILIO_*; an API key is preferred, the auth token is for webhook signatures."""

    def __init__(self) -> None:
        self.client  # noqa: B018 - made now, before threads

    @property
    def client(self) -> Client:
        """The process-wide client for the settings as they are."""
        key = (settings.TWILIO_API_KEY, settings.TWILIO_API_SECRET)
        user, password = key if all(key) else (settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN)
        return _client(
            settings.TWILIO_ACCOUNT_SID,
            user,
            password,
            settings.TWILIO_API_BASE_URL,
            settings.MESSAGE_THREADS,
            settings.MESSAGE_HTTP_SECONDS,
        )

    def send(self, text: Outgoing) -> Report:
        """Create the message at Twilio; see Transport.send. Invented numbers never leave for the real Twilio."""
        if not settings.TWILIO_API_BASE_URL and phone.is_invented(text.to):
            raise Unreachable("invented")
        made = self._ask(
            lambda client: client.messages.create(
                to=text.to,
                from_=text.sender,
                body=text.body,
                status_callback=f"{settings.PUBLIC_BASE_URL}/hooks/twilio/status?m={text.message_id}",
                validity_period=min(max(text.seconds, VALIDITY.start), VALIDITY.stop - 1),
            )
        )
        if not made.sid:
            raise InDoubt("", "an answer without a sid")
        return _report(made)

    def sent_to(self, number: str, *, since: datetime) -> Sequence[Report]:
        """See Transport.sent_to.

        Asked without a date: a text that Twilio still holds has no DateSent yet and would be missed by that filter.
        """
        found = self._ask(lambda client: client.messages.list(to=number, limit=LOOKED_AT, page_size=LOOKED_AT))
        reports = [_report(one) for one in found if str(one.direction).startswith("outbound")]
        return [one for one in reports if one.created_at is None or one.created_at >= since]

    def fetch(self, provider_id: str) -> Report | None:
        """See Transport.fetch."""
        try:
            return _report(self._ask(lambda client: client.messages(provider_id).fetch()))
        except CarrierError as error:
            if error.code in {"20404", "404"}:
                return None
            raise

    def received(self, number: str, *, since: datetime) -> Sequence[Received]:
        """See Transport.received. The filter counts in whole days of GMT, so the day before is asked for too."""
        found = self._ask(
            lambda client: client.messages.list(
                to=number, date_sent_after=since - timedelta(days=1), limit=FETCHED, page_size=FETCHED
            )
        )
        return [
            Received(
                provider_id=one.sid,
                from_number=one.from_ or "",
                to_number=one.to or number,
                body=one.body or "",
                media=int(one.num_media or 0),
                received_at=one.date_sent or one.date_created,
            )
            for one in found
            if one.direction == "inbound" and (one.date_sent or one.date_created) >= since
        ]

    def account(self) -> Account:
        """Our account; CarrierError when it is refused or Twilio cannot be reached."""
        found = self._ask(lambda client: client.api.accounts(settings.TWILIO_ACCOUNT_SID).fetch())
        return Account(str(found.status or ""), str(found.type or ""))

    def own_number(self, number: str) -> OwnNumber | None:
        """A number of ours as the account has it, None when it has none such."""
        found = self._ask(lambda client: client.incoming_phone_numbers.list(phone_number=number, limit=20))
        for one in found:
            if one.phone_number == number:
                can = one.capabilities or {}
                return OwnNumber(
                    number,
                    sid=one.sid or "",
                    texts=bool(can.get("sms")),
                    messages_to=one.sms_url or "",
                    messages_by=one.sms_method or "",
                    calls=bool(can.get("voice")),
                    calls_to=one.voice_url or "",
                    calls_by=one.voice_method or "",
                )
        return None

    def toll_free_states(self, number_sid: str) -> list[str]:
        """How each verification of a toll-free number stands, such as IN_REVIEW; `TWILIO_APPROVED` opens it.

        https://www.twilio.com/docs/messaging/api/tollfree-verification-resource (read 2026-11)
        """
        found = self._ask(
            lambda client: client.messaging.v1.tollfree_verifications.list(
                tollfree_phone_number_sid=number_sid, limit=20
            )
        )
        return [str(one.status or "") for one in found]

    def campaigns(self, number_sid: str) -> list[str] | None:
        """How each campaign (10DLC) of the messaging service stands that a number is in, such as FAILED; `VERIFIED`
        opens it. None where the number is in no service.

        https://www.twilio.com/docs/messaging/api/usapptoperson-resource (read 2026-11)
        """
        for service in self._ask(lambda client: client.messaging.v1.services.list(limit=SERVICES)):
            sid = service.sid
            numbers = self._ask(
                lambda client, sid=sid: client.messaging.v1.services(sid).phone_numbers.list(limit=FETCHED)
            )
            if any(one.sid == number_sid for one in numbers):
                found = self._ask(
                    lambda client, sid=sid: client.messaging.v1.services(sid).us_app_to_person.list(limit=20)
                )
                return [str(one.campaign_status or "") for one in found]
        return None

    def _ask(self, request: Any) -> Any:
        """Make one request, and say in our own words what went wrong and whether anything may have been sent."""
        client = self.client
        try:
            return request(client)
        except (NewConnectionError, ConnectTimeoutError) as error:
            raise NoConnection from error
        except HTTPError as error:
            raise InDoubt("", type(error).__name__) from error
        except TwilioException as error:
            status, code = getattr(error, "status", None), str(getattr(error, "code", None) or "")
            raise verdict(status, code, retry_after=client.http_client.retry_after()) from error
        except (ValueError, TypeError, KeyError) as error:  # an answer that is not what it says it is
            raise InDoubt("", type(error).__name__) from error


def verdict(status: int | None, code: str, *, retry_after: float | None = None) -> CarrierError:
    """What an error of Twilio means for one text, by its error code first, else by the HTTP status."""
    meant = carrier_codes.verdict(code)
    match meant:
        case Verdict.BAD_NUMBER:
            return Unreachable(code)
        case Verdict.OPTED_OUT:
            return OptedOut(code)
        case Verdict.STOPPED:
            return Stopped(code)
    if meant is Verdict.BUSY or code in SURELY_NOT_SENT or status == HTTPStatus.TOO_MANY_REQUESTS:
        return Busy(code or "429", retry_after=retry_after)
    if status == HTTPStatus.UNAUTHORIZED or (status is not None and 300 <= status < 400):
        return Stopped(code or str(status))
    if status is None or status >= 500 or status == HTTPStatus.REQUEST_TIMEOUT or status < 300:
        return InDoubt(code or str(status or ""))
    return NotSent(code or str(status))


@functools.lru_cache(maxsize=4)
def _client(account: str, user: str, password: str, base_url: str, threads: int, timeout: float) -> Client:
    http = OneHost(base_url=base_url, connections=threads, timeout=timeout)
    silent = {"TWILIO_EDGE": ""}  # nothing comes from the environment behind our back, such as TWILIO_REGION
    client = Client(user, password, account, http_client=http, environment=silent)
    client.messages  # noqa: B018 - the lazy parts are made before threads ask for them
    return client


os.register_at_fork(after_in_child=_client.cache_clear)  # sockets are not shared with a parent


def _report(one: Any) -> Report:
    return Report(
        provider_id=one.sid,
        status=str(one.status or ""),
        error_code=str(one.error_code or ""),
        body=one.body or "",
        created_at=one.date_created,
    )


def _seconds(header: str) -> float | None:
    """Retry-After as seconds from now: a number, or a date (RFC 9110 section 10.2.3)."""
    if header.strip().isdigit():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except (TypeError, ValueError):
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds()) if moment.tzinfo else None
