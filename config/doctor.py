"""What has to be right outside the code before texts and calls work: asked, never guessed."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import requests
from django.conf import settings
from django.core.mail import get_connection
from django.urls import reverse

from config import health
from notifications import doors, phone, transports
from notifications.errors import CarrierError
from notifications.models import Gateway, Sender
from notifications.transports.twilio import OwnNumber, Twilio

PATIENCE: Final = 5.0  # seconds for the public address to answer


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `wrong` says what is wrong, "" when nothing is; `then` what to do about it."""

    about: str
    told: str = ""
    wrong: str = ""
    then: str = ""


def look() -> Iterator[Finding]:
    """Look at everything; a check that needs what another one found wrong is left out."""
    database = health.database()
    yield _found("PostgreSQL", database, "ok", "look at DATABASE_URL, at the server, or run manage.py migrate")
    yield _found("Redis", health.broker(), "ok", "look at REDIS_URL and at the server; meanwhile everything is late")
    yield public_address()
    made = list(_transports())
    yield from made
    if database != "ok":
        return
    senders = list(Sender.objects.order_by("pk"))
    yield from countries(senders)
    if settings.TRANSPORTS.get("text") == f"{Twilio.__module__}.{Twilio.__name__}" and not made[0].wrong:
        yield from twilio([sender for sender in senders if sender.gateway == Gateway.TWILIO])


def public_address() -> Finding:
    """Whether people and carriers reach us where we say we are."""
    about, address = "public address", f"{settings.PUBLIC_BASE_URL}{reverse('healthz')}"
    with requests.Session() as asking:
        asking.trust_env = False  # the way that others go, not the one of this machine's proxy
        try:
            answer = asking.get(address, timeout=PATIENCE, allow_redirects=False)
            lives = answer.status_code == requests.codes.ok and answer.json() == {"status": "ok"}
        except requests.RequestException as error:
            return Finding(about, "", f"{address}: {type(error).__name__}", "look at DNS, certificate, proxy and web")
    if lives:
        return Finding(about, address)
    return Finding(about, "", f"{address} answered {answer.status_code}", "another service answers there")


def countries(senders: list[Sender]) -> Iterator[Finding]:
    """Whether somebody has looked up what arrives where we text."""
    for sender in senders:
        asked = {sender.region, *sender.countries}
        missing = sorted(country for country in asked if not doors.looked_up(country))
        yield Finding(
            f"countries of {sender.key}",
            ", ".join(sorted(asked)),
            f"no row for {', '.join(missing)}" if missing else "",
            "look up what arrives there and add a row to notifications/doors.py" if missing else "",
        )


def twilio(senders: list[Sender]) -> Iterator[Finding]:
    """Whether the account lives, has our numbers, and calls us when somebody texts or rings them."""
    carrier = Twilio()
    try:
        account = carrier.account()
    except CarrierError as error:
        told = str(error) or type(error).__name__
        yield Finding("account", "", f"refused: {told}", "look at TWILIO_ACCOUNT_SID and its token or API key")
        return
    name = settings.TWILIO_ACCOUNT_SID
    if account.status != "active":
        yield Finding("account", "", f"{name} is {account.status}", "ask Twilio why")
        return
    yield Finding("account", f"{name} is active ({account.kind})")
    for sender in senders:
        yield from _number(carrier, sender)


def _number(carrier: Twilio, sender: Sender) -> Iterator[Finding]:
    about = f"number of {sender.key}"
    try:
        found = carrier.own_number(sender.number)
    except CarrierError as error:
        yield Finding(about, "", f"not told: {error}", "try again; look at the rights of the API key")
        return
    if found is None:
        then = "an invented number: set a real one" if phone.is_invented(sender.number) else "buy it, or set another"
        yield Finding(about, "", f"{sender.number} does not belong to the account", f"{then} at /staff/sender/")
        return
    if not found.texts:
        yield Finding(about, "", f"{sender.number} cannot send texts", "take a number with SMS")
    else:
        yield Finding(about, sender.number)
    yield from _hooks(found, sender)
    yield from _registered(carrier, sender, found)


def _registered(carrier: Twilio, sender: Sender, found: OwnNumber) -> Iterator[Finding]:
    """Whether carriers let texts of this number through: where it has to be registered, and Twilio tells how it stands.

    United States: a 10DLC campaign, or a toll-free number's verification, which counts in Canada too. In Korea a number
    is registered with the carrier that sends from it, and no interface of Twilio's says whether it is.
    """
    about = f"registration of {sender.key}"
    try:
        home = phone.country(sender.number)
        if home == "KR":
            yield Finding(about, "a Korean sender number (발신번호 사전등록) cannot be looked up: ask Twilio")
        elif home in {"US", "CA"} and phone.is_toll_free(sender.number):
            yield _stands(about, "toll-free verification", carrier.toll_free_states(found.sid), "TWILIO_APPROVED")
        elif home in {"US", "CA"} and (not sender.countries or "US" in sender.countries):
            campaigns = carrier.campaigns(found.sid)
            if campaigns is None:
                then = "add it to one that has a campaign, in Twilio's console under Messaging, Services"
                yield Finding(about, "", f"{sender.number} is in no messaging service", then)
            else:
                yield _stands(about, "10DLC campaign", campaigns, "VERIFIED")
    except CarrierError as error:
        told = str(error) or type(error).__name__  # a page that is refused comes without its code
        yield Finding(about, "", f"not told: {told}", "try again; look at the rights of the API key")


def _stands(about: str, what: str, states: list[str], good: str) -> Finding:
    if good in states:
        return Finding(about, f"{what} {good}")
    if not states:
        return Finding(
            about, "", f"no {what}: texts to the United States are stopped", "submit one in Twilio's console"
        )
    return Finding(about, "", f"{what} {', '.join(states)}", "wait for it, or look at its reasons in Twilio's console")


def _hooks(found: OwnNumber, sender: Sender) -> Iterator[Finding]:
    wanted = [("texts", "twilio-messages", found.messages_to, found.messages_by)]
    if found.calls:
        wanted.append(("calls", "twilio-calls", found.calls_to, found.calls_by))
    for what, name, to, by in wanted:
        about, ours = f"{what} to {sender.key}", f"{settings.PUBLIC_BASE_URL}{reverse(name)}"
        then = f"set it to POST {ours} in Twilio's console"
        if to != ours:
            yield Finding(about, "", f"Twilio calls {to or 'nobody'}", then)
        elif by.upper() != "POST":
            yield Finding(about, "", f"Twilio calls by {by or 'no method'}", then)
        else:
            yield Finding(about, ours)


def _transports() -> Iterator[Finding]:
    yield _text_transport()
    if not settings.TRANSPORTS.get("mail"):
        return
    server = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    try:
        transports.mail()
        connection = get_connection()
        connection.open()
        connection.close()
    except (ImportError, smtplib.SMTPException, OSError) as error:
        yield Finding("mails", "", f"{server}: {type(error).__name__}", "look at MAIL_URL and at the server")
        return
    yield Finding("mails", f"{server}, from {settings.DEFAULT_FROM_EMAIL}")


def _text_transport() -> Finding:
    path = settings.TRANSPORTS["text"]
    if path == f"{Twilio.__module__}.{Twilio.__name__}":
        missing = [] if settings.TWILIO_ACCOUNT_SID else ["TWILIO_ACCOUNT_SID"]
        if not (settings.TWILIO_AUTH_TOKEN or (settings.TWILIO_API_KEY and settings.TWILIO_API_SECRET)):
            missing.append("TWILIO_AUTH_TOKEN")
        if missing:
            return Finding("texts", "", f"{' and '.join(missing)} missing", "see .env.example")
    try:
        transports.text()
    except (ImportError, TypeError) as error:
        return Finding("texts", "", f"{path}: {error}", "name a class of a transport in TEXT_TRANSPORT")
    return Finding("texts", path)


def _found(about: str, told: str, good: str, then: str) -> Finding:
    return Finding(about, told) if told == good else Finding(about, "", told, then)
