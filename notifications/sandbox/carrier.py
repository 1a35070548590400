"""What the carrier does: takes a text or refuses it with Twilio's error, tells us what became of it, brings replies."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final
from urllib.parse import urlsplit
from xml.etree import ElementTree

import requests
import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.urls import reverse
from twilio.request_validator import SIGNATURE_HEADER, RequestValidator

from notifications import doors, encoding, keywords, phone, queries
from notifications.keywords import Meaning
from notifications.models import Sender
from notifications.sandbox import magic
from notifications.sandbox.models import Mood, Posting, Stopped, Text

log = structlog.get_logger()

LONGEST: Final = 1600
STEPS: Final = (("sent", timedelta(milliseconds=300)), ("delivered", timedelta(seconds=1)))
PATIENCE: Final = timedelta(seconds=10)  # for one answer of our webhooks; also the lease of a posting
TRIES: Final = 12
LATE: Final = timedelta(minutes=1)
AGAIN: Final = (timedelta(seconds=2), timedelta(seconds=4))  # "sent" comes after "delivered" then
AT_ONCE: Final = 8
# The answers of Twilio's default opt-out handling, which it sends by itself and in English.
STOPPED: Final = (
    "You have successfully been unsubscribed. You will not receive any more messages from this number."
    " Reply START to resubscribe."
)
STARTED: Final = (
    "You have successfully been re-subscribed to messages from this number."
    " Reply HELP for help. Reply STOP to unsubscribe."
)
HELPED: Final = "Reply STOP to unsubscribe. Msg&Data Rates May Apply."


class Refused(Exception):
    """An error of Twilio's: HTTP status, its number, its sentence."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def hook(name: str) -> str:
    """The address that is called when somebody texts or rings one of our numbers."""
    return settings.PUBLIC_BASE_URL + reverse(name)


@transaction.atomic
def take(
    *, sent_to: str, sent_from: str, body: str, status_callback: str, now: datetime, at_once: bool = False
) -> Text:
    """Take a text for sending, or refuse it as Twilio does. `at_once`: it is there already, and nothing is posted."""
    if sent_from in magic.FROM or sent_to in magic.TO:
        raise Refused(400, *(magic.FROM.get(sent_from) or magic.TO[sent_to]))
    if not Sender.objects.filter(number=sent_from).exists():
        raise Refused(400, 21606, f"The 'From' phone number provided ({sent_from}) cannot send messages.")
    try:
        if phone.parse(sent_to, "US") != sent_to:
            raise phone.NotANumber("phone_unreadable")
    except phone.NotANumber:
        raise Refused(400, 21211, f"Invalid 'To' Phone Number: {sent_to}") from None
    if not phone.can_text(sent_to):
        raise Refused(400, 21614, f"'To' number is not a valid mobile number: {sent_to}")
    if not body:
        raise Refused(400, 21602, "Message body is required.")
    if len(body) > LONGEST:
        raise Refused(400, 21617, "The concatenated message body exceeds the 1600 character limit.")
    if status_callback and _origin(status_callback) != _origin(settings.PUBLIC_BASE_URL):
        raise Refused(400, 21609, f"The 'StatusCallback' URL {status_callback} is not a valid URL.")
    if Stopped.objects.filter(phone=sent_to, sender=sent_from).exists():
        raise Refused(400, 21610, "Attempt to send to unsubscribed recipient")
    text = Text.objects.create(
        sid=_sid(),
        direction=Text.Direction.OUTBOUND,
        sent_from=sent_from,
        sent_to=sent_to,
        body=body,
        segments=encoding.segments(body),
        status="delivered" if at_once else "queued",
        status_callback=status_callback,
        created_at=now,
        sent_at=now if at_once else None,
        updated_at=now,
    )
    for status, after, told in () if at_once else _steps(Mood.now()):
        Posting.objects.create(
            text=text,
            address=status_callback if told else "",
            status="" if told is Told.AGAIN else status,
            due_at=now + after,
            fields={
                "MessageSid": text.sid,
                "SmsSid": text.sid,
                "AccountSid": settings.TWILIO_ACCOUNT_SID,
                "MessageStatus": status,
                "SmsStatus": status,
                "From": sent_from,
                "To": sent_to,
                "ApiVersion": "2010-04-01",
            },
        )
    return text


class Told(Enum):
    """Whether a step of a text is reported to us."""

    NO = 0
    ONCE = 1
    AGAIN = 2  # the text has taken this step before

    def __bool__(self) -> bool:
        return self is not Told.NO


def _steps(mood: Mood) -> Iterator[tuple[str, timedelta, Told]]:
    """What becomes of a text, when after it was taken, and whether we hear of it."""
    heard_at_once = mood.reports in {Mood.Reports.USUAL, Mood.Reports.REPEATED}
    for status, after in STEPS:
        yield status, after, Told.ONCE if heard_at_once else Told.NO
        if mood.reports == Mood.Reports.LATE:
            yield status, after + LATE, Told.AGAIN
        for again in AGAIN if mood.reports == Mood.Reports.REPEATED else ():
            yield status, after + again, Told.AGAIN


@transaction.atomic
def bring(*, sent_from: str, sent_to: str, body: str, now: datetime) -> Text:
    """A phone texts one of our numbers; STOP and its kind are obeyed and answered by the carrier itself."""
    text = Text.objects.create(
        sid=_sid(),
        direction=Text.Direction.INBOUND,
        sent_from=sent_from,
        sent_to=sent_to,
        body=body,
        segments=max(encoding.segments(body), 1),
        status="received",
        created_at=now,
        sent_at=now,
        updated_at=now,
    )
    kind, answer = _opt_out(body)
    if kind == "STOP":
        Stopped.objects.get_or_create(phone=sent_from, sender=sent_to, defaults={"since": now})
    elif kind == "START":
        Stopped.objects.filter(phone=sent_from, sender=sent_to).delete()
    if answer:
        Text.objects.create(
            sid=_sid(),
            direction=Text.Direction.OUTBOUND_REPLY,
            sent_from=sent_to,
            sent_to=sent_from,
            body=answer,
            segments=encoding.segments(answer),
            status="delivered",
            created_at=now,
            sent_at=now,
            updated_at=now,
        )
    fields = {
        "MessageSid": text.sid,
        "SmsSid": text.sid,
        "SmsMessageSid": text.sid,
        "AccountSid": settings.TWILIO_ACCOUNT_SID,
        "From": sent_from,
        "To": sent_to,
        "Body": body,
        "NumMedia": "0",
        "NumSegments": str(text.segments),
        "SmsStatus": "received",
        "ApiVersion": "2010-04-01",
        **({"OptOutType": kind} if kind else {}),
    }
    address = hook("twilio-messages")
    Posting.objects.create(text=text, address=address, fields=fields, due_at=now)
    return text


def reply_shut(*, number: str, sender: Sender) -> str:
    """Why a phone cannot answer this sender, from the country table; "" when it can."""
    if doors.Door.REPLY in queries.open_for(sender.key, number):
        return ""
    return str(doors.cell(phone.country(number), doors.Door.REPLY).source)


def post_due(*, now: datetime, limit: int = 50) -> int:
    """Tell our webhooks what is due, signed, over HTTP outside any transaction; gives back how many were answered.

    What is not answered with 2xx is tried again after 1, 2, 4, .. seconds, twelve times in all.
    """
    with transaction.atomic(durable=True):
        due = list(
            Posting.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("text")
            .filter(done_at__isnull=True, due_at__lte=now)
            .order_by("due_at", "pk")[:limit]
        )
        Posting.objects.filter(pk__in=[row.pk for row in due]).update(due_at=now + 2 * PATIENCE, tries=F("tries") + 1)
        for row in due:
            if row.status:
                sent = {"sent_at": now} if row.status == "sent" else {}
                Text.objects.filter(pk=row.text_id).update(status=row.status, updated_at=now, **sent)
    if not due:
        return 0
    of_phone: dict[str, list[Posting]] = {}
    for row in due:
        inbound = row.text.direction == Text.Direction.INBOUND
        of_phone.setdefault(row.text.sent_from if inbound else row.text.sent_to, []).append(row)
    with requests.Session() as session, ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        session.trust_env = False
        # One after the other for each phone: who says STOP and then START means START.
        told = pool.map(lambda rows: [(row, _post(session, row)) for row in rows], of_phone.values())
        answers = [one for group in told for one in group]
    done = 0
    for row, answer in answers:
        if (answer is not None and 200 <= answer < 300) or row.tries + 1 >= TRIES:
            done += Posting.objects.filter(pk=row.pk).update(done_at=now, answer=answer)
        else:
            wait = timedelta(seconds=min(2**row.tries, 60))
            Posting.objects.filter(pk=row.pk).update(due_at=now + wait, answer=answer)
    return done


def _post(session: requests.Session, row: Posting) -> int | None:
    if not row.address:
        return 204
    answer = _ask(session, row.address, row.fields)
    return None if answer is None else answer.status_code


def _ask(session: requests.Session, address: str, fields: Mapping[str, str]) -> requests.Response | None:
    """Post to one of our webhooks, signed; None when it could not be reached."""
    signature = RequestValidator(settings.TWILIO_AUTH_TOKEN).compute_signature(address, fields)
    try:
        answer = session.post(
            address,
            data=fields,
            headers={SIGNATURE_HEADER: signature, "User-Agent": "sandbox"},
            timeout=PATIENCE.total_seconds(),
            allow_redirects=False,
        )
    except requests.RequestException as error:
        log.warning("sandbox.not_answered", address=address, error=type(error).__name__)
        return None
    if answer.status_code >= 300:
        log.warning("sandbox.answered", address=address, status=answer.status_code)
    return answer


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a caller hears: sentences with their language, how many keys are waited for and where they go, who rings
    next ("" for nobody).
    """

    said: list[tuple[str, str]]
    keys: int
    address: str
    dial: str


def ring(*, sent_from: str, sent_to: str, sid: str = "", path: str = "", keys: str = "") -> tuple[str, Spoken | None]:
    """A phone calls one of our numbers, or presses keys in a call (`sid`, `path` and `keys` of the last answer).

    Our webhook is asked over HTTP, signed, as Twilio asks it. Gives back the call's id and what is heard, None when
    nothing sensible was answered.
    """
    sid = sid or f"CA{secrets.token_hex(16)}"
    address = settings.PUBLIC_BASE_URL + path if path else hook("twilio-calls")
    fields = {
        "CallSid": sid,
        "AccountSid": settings.TWILIO_ACCOUNT_SID,
        "From": sent_from,
        "To": sent_to,
        "Direction": "inbound",
        "CallStatus": "in-progress" if path else "ringing",
        "ApiVersion": "2010-04-01",
        **({"Digits": keys} if path else {}),
    }
    with requests.Session() as session:
        session.trust_env = False
        answer = _ask(session, address, fields)
    if answer is None or answer.status_code != 200:
        return sid, None
    return sid, _heard(answer.text)


def _heard(twiml: str) -> Spoken:
    """What our TwiML makes a phone say and do."""
    answer = ElementTree.fromstring(twiml)  # noqa: S314 - our own words
    said = [(str(one.get("language", ""))[:2], one.text or "") for one in answer.iter("Say")]
    gather, dial = answer.find("Gather"), answer.find("Dial")
    keys, address = (int(gather.get("numDigits", 0)), gather.get("action", "")) if gather is not None else (0, "")
    return Spoken(said, keys, address, (dial.text or "") if dial is not None else "")


def _opt_out(body: str) -> tuple[str, str]:
    """What Twilio's default handling makes of a text, and its answer; it reads single words in English alone."""
    if not body.strip().isascii():
        return "", ""
    match keywords.parse(body).meaning:
        case Meaning.OPT_OUT:
            return "STOP", STOPPED
        case Meaning.OPT_IN:
            return "START", STARTED
        case Meaning.HELP:
            return "HELP", HELPED
        case _:
            return "", ""


def _origin(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    return parts.scheme, parts.netloc


def _sid() -> str:
    return f"SM{secrets.token_hex(16)}"
