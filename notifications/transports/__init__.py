"""Ways by which texts leave the house, chosen in settings.TRANSPORTS as Django chooses EMAIL_BACKEND."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.module_loading import import_string


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One text as it leaves: numbers in E.164, `seconds` for which it is of use, `message_id` ours."""

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
    """A carrier. Every method may be called from several threads and raises notifications.errors.CarrierError."""

    def send(self, text: Outgoing) -> Report:
        """Hand the text over; gives back the carrier's id. `NotSent` and its kinds: surely not; `InDoubt`: unknown."""

    def sent_to(self, number: str, *, since: datetime) -> Sequence[Report]:
        """What the carrier took from us for this number since then, newest first: the evidence when we are in doubt."""

    def fetch(self, provider_id: str) -> Report | None:
        """What became of one text; None when the carrier does not know it."""

    def received(self, number: str, *, since: datetime) -> Sequence[Received]:
        """What people sent to our number since then, newest first."""


def stay_here() -> bool:
    """Whether texts go to the phones of the sandbox: it is on, and its host stands in for the carrier's."""
    ours, theirs = urlsplit(settings.PUBLIC_BASE_URL), urlsplit(settings.TWILIO_API_BASE_URL)
    return bool(settings.SANDBOX) and (ours.scheme, ours.netloc) == (theirs.scheme, theirs.netloc)


def text() -> Transport:
    """The transport for texts; one for the whole process, made before any thread starts."""
    return _made(settings.TRANSPORTS["text"])


@functools.cache
def _made(path: str) -> Transport:
    return cast("Transport", import_string(path)())
