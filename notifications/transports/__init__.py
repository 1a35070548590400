"""Ways by which texts leave the house, chosen in settings.TRANSPORTS as Django chooses EMAIL_BACKEND.

A new carrier, such as a Korean gateway, is one file with one class that does what `Transport` says, named in
TEXT_TRANSPORT; tests/notifications/test_transports.py is the contract that it has to pass.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.module_loading import import_string

from notifications.errors import NotSent


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One text as it leaves: numbers in E.164, `seconds` for which it is of use, `message_id` ours.

    For a mail `to` is its address.
    """

    message_id: int
    sender: str
    to: str
    body: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a carrier says of one of our texts; `status` in Twilio's words, `created_at` when the carrier took it."""

    provider_id: str
    status: str
    error_code: str = ""
    body: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """A text that somebody sent to one of our numbers."""

    provider_id: str
    from_number: str
    to_number: str
    body: str
    media: int
    received_at: datetime


class Transport(Protocol):
    """A carrier: made once in a process, without arguments, before any thread starts.

    Every method may be called from several threads at once, answers within settings.MESSAGE_HTTP_SECONDS or so, opens
    no transaction, never sends twice by itself, and raises nothing but notifications.errors.CarrierError. Which kind
    it raises decides what becomes of the text, so it must be sure of it: whatever a carrier may have taken is
    `InDoubt`, and only what it surely did not take is `NotSent` or one of its kinds (`Busy` goes again later,
    `Unreachable` never, `Stopped` holds everything back until a person has looked).
    """

    def send(self, text: Outgoing) -> Report:
        """Hand over the body as it is, once. The report has the carrier's id: 1 to 64 characters, another one for each
        message, the same where a resend is the carrier's own doing; and a status of notifications/receipts.py `RANKS`.
        """

    def sent_to(self, number: str, *, since: datetime) -> Sequence[Report]:
        """What the carrier took from us for this number since then, newest first, with bodies: the evidence when we
        are in doubt. A carrier that keeps no list gives nothing back; a text in doubt is then sent once more.
        """

    def fetch(self, provider_id: str) -> Report | None:
        """What became of one text; None when the carrier does not know it, or knows nothing of it any more."""

    def received(self, number: str, *, since: datetime) -> Sequence[Received]:
        """What people sent to our number since then, newest first; nothing where no answers come back."""


def stay_here() -> bool:
    """Whether texts go to the phones of the sandbox: it is on, and its host stands in for the carrier's."""
    ours, theirs = urlsplit(settings.PUBLIC_BASE_URL), urlsplit(settings.TWILIO_API_BASE_URL)
    return bool(settings.SANDBOX) and (ours.scheme, ours.netloc) == (theirs.scheme, theirs.netloc)


def text() -> Transport:
    """The transport for texts; one for the whole process, made before any thread starts."""
    return _made(settings.TRANSPORTS["text"])


def mail() -> Transport | None:
    """The transport for mails, None where none is set up."""
    path = settings.TRANSPORTS.get("mail", "")
    return _made(path) if path else None


def carrier_of(to: str) -> Transport:
    """Who carries to this number, or to this mail address. Where mails were switched off since: `NotSent`."""
    if not is_mail(to):
        return text()
    carrier = mail()
    if carrier is None:
        raise NotSent("", "mails are switched off")
    return carrier


def is_mail(to: str) -> bool:
    """Whether this is a mail address, not a number."""
    return "@" in to


@functools.cache
def _made(path: str) -> Transport:
    return cast("Transport", import_string(path)())
