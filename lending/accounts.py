"""Signing in: patrons by card number and PIN, staff by name and password, programs by token."""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, check_password
from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from core import counters
from core.actor import ANYONE, Actor
from core.compiled import Compiled, Given
from core.refusal import BadInput
from core.rows import all_but
from lending import devices, guesses, pins
from lending.errors import CardTaken, UnknownCard, WrongCredentials, WrongPassword, WrongPin
from lending.models import Account, Contact, Membership, Patron, Token

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.utils.functional import _StrPromise

    from core.actor import Channel

WINDOW = timedelta(minutes=15)
TRIES_PER_ADDRESS = 300  # a library's public terminals share one address
FAILURES_PER_ADDRESS = 60
STAFF_TOKEN = timedelta(hours=12)
PATRON_TOKEN = timedelta(days=30)
DEVICE_TOKEN = timedelta(days=365)
LONGEST_SECRET = 128

_CARD = re.compile(r"[0-9A-Z-]{4,20}")
WEAK: dict[pins.Why, _StrPromise] = {
    "form": _("A PIN has 6 to 8 digits."),
    "repeat": _("This PIN repeats itself and is guessed soon. Please choose another one."),
    "run": _("This PIN counts up or down and is guessed soon. Please choose another one."),
    "date": _("This PIN looks like a date or a year and is guessed soon. Please choose another one."),
    "own": _("This PIN is part of your card or telephone number. Please choose another one."),
    "common": _("Very many people choose this PIN. Please choose another one."),
}


class UnusablePin(BadInput):
    """Facts: why, one of form, repeat, run, date, own, common (see pins.py)."""

    code = "unusable_pin"
    sentence = WEAK["form"]

    def __init__(self, *, field: str = "", why: pins.Why = "form") -> None:
        super().__init__(field=field, why=why)

    def __str__(self) -> str:
        return str(WEAK[self.facts["why"]])


@dataclass(frozen=True, slots=True)
class Issued:
    """A token as it is given out, once; only its digest is kept."""

    token: str
    expires_at: datetime


def read_card(text: str) -> str:
    """A card number as it is stored: full-width digits folded, spaces out, upper case. "" if it cannot be one."""
    folded = "".join(unicodedata.normalize("NFKC", text[:80]).split()).upper()
    return folded if _CARD.fullmatch(folded) else ""


def actor_of(account: Account, *, channel: Channel) -> Actor:
    """The actor behind an account: staff if it works in a library, else its patron, else anyone."""
    works, patron_id = Account.objects.values_list(_works(OuterRef("pk")), "patron").get(pk=account.pk)
    return _actor(account, works, patron_id, channel)


def _works(account: OuterRef) -> Exists:
    return Exists(Membership.objects.filter(account=account))


def _actor(account: Account, works: bool, patron_id: int | None, channel: Channel) -> Actor:
    if account.is_superuser or works:
        return Actor("staff", account.pk, channel)
    return Actor("patron", patron_id, channel) if patron_id else ANYONE


def sign_in_patron(*, card_number: str, pin: str, address: str, now: datetime, device: str = "") -> Account:
    """The account of the patron with this card and PIN.

    Refuses with `wrong_credentials`, after the same time, an unknown card, a card without a PIN and a wrong PIN;
    with `too_many_attempts` a card that failed too often and has to wait, or an address that tried too often. On a
    `device` that this patron had remembered (its key), nobody else's guesses count. Call it outside a transaction: what
    was refused is counted too.
    """
    card, key = read_card(card_number), card_key(card_number)
    count_address(address, now=now)
    holder = Q(pk__in=Patron.objects.filter(card_number=card).values("account_id")) if card else Q(pk__in=[])
    own = devices.of(device, now=now) if device else None
    if own is not None and Patron.objects.filter(card_number=card, account_id=own.account_id).exists():
        key = digest(f"{key} {own.pk}")
    return _let_in(holder, pin, key, address, now=now)


def change_pin(*, patron_id: int, old: str, pin: str, address: str, by: Actor, now: datetime) -> Account:
    """A new PIN by the old one; guessing at the old one is counted as at the door.

    Refuses as `sign_in_patron` (field `old`) and `set_pin` do.
    """
    check_pin(patron_id=patron_id, pin=old, address=address, now=now)
    return set_pin(patron_id=patron_id, pin=pin, by=by, now=now)


def check_pin(*, patron_id: int, pin: str, address: str, now: datetime, field: str = "old") -> None:
    """Refuse what is not the patron's PIN as `sign_in_patron` does (beside `field`); a guess is counted as at the door.

    Call it outside a transaction.
    """
    card = Patron.objects.values_list("card_number", flat=True).get(pk=patron_id)
    try:
        sign_in_patron(card_number=card, pin=pin, address=address, now=now)
    except WrongCredentials as refusal:
        raise WrongPin(field=field) from refusal


def sign_in_staff(*, username: str, password: str, address: str, now: datetime) -> Account:
    """The account of somebody who works in a library, by name and password; refuses as `sign_in_patron` does."""
    name = unicodedata.normalize("NFKC", username[:150]).strip().replace("\x00", "")
    count_address(address, now=now)
    works = _works(OuterRef("pk")) | Q(is_superuser=True)
    try:
        return _let_in(Q(username=name) & Q(works), password, digest(f"name {name}"), address, now=now)
    except WrongCredentials as refusal:
        raise WrongPassword from refusal


def set_pin(*, patron_id: int, pin: str, by: Actor, now: datetime) -> Account:
    """Give a patron a PIN of 6 to 8 digits, and an account (named by the card number) if there was none.

    Every token and remembered device of the old PIN is forgotten, and the sessions are over. Refuses a PIN that is
    guessed soon (`unusable_pin`, and why), and with `card_taken` when somebody else signs in by that name.
    """
    plain = pins.read(pin)
    with transaction.atomic():
        account = account_of(patron_id=patron_id)
        card = Patron.objects.values_list("card_number", flat=True).get(pk=patron_id)
        numbers = Contact.objects.filter(patron_id=patron_id).values_list("number", flat=True)
        why = pins.weakness(plain, [card, *numbers])
        if why is not None:
            raise UnusablePin(field="pin", why=why)
        account.set_password(plain)
        account.save(update_fields=["password"])
        account.tokens.all().delete()
        devices.forget(account_id=account.pk)
    return account


@transaction.atomic
def account_of(*, patron_id: int) -> Account:
    """The account of a patron, made without a PIN if there was none. Refuses with `card_taken` and `unknown_card`."""
    patron = Patron.objects.select_for_update(no_key=True, of=("self",)).filter(pk=patron_id).first()
    if patron is None:
        raise UnknownCard
    if patron.account is None:
        patron.account = _new_account(patron)
        patron.save(update_fields=["account"])
    return patron.account


def lift_wait(*, card_number: str) -> bool:
    """Let a card be tried again at once; says whether it had to wait or had failures."""
    return bool(guesses.wipe([card_key(card_number)]))


def wait_of(*, card_number: str, now: datetime) -> datetime | None:
    """Until when this card has to wait after wrong tries; None if it need not."""
    return guesses.waits(card_key(card_number), now=now)


def issue_token(*, account: Account, now: datetime) -> Issued:
    """A token for an account: 12 hours for staff, 30 days for a patron."""
    lasts = STAFF_TOKEN if actor_of(account, channel="api").is_staff else PATRON_TOKEN
    issued = Issued(secrets.token_urlsafe(32), now + lasts)
    Token.objects.create(digest=digest(issued.token), account=account, created_at=now, expires_at=issued.expires_at)
    return issued


def issue_device_token(
    *,
    name: str,
    library_id: int,
    by: Actor,
    now: datetime,
    scopes: Iterable[str] = (Token.Scope.ARRIVE,),
    lasts: timedelta = DEVICE_TOKEN,
) -> Issued:
    """A token for a device of a library, such as its plate camera; a year unless told otherwise.

    It may say who is here; more scopes (`Token.Scope`) have to be named.
    """
    issued = Issued(secrets.token_urlsafe(32), now + lasts)
    Token.objects.create(
        digest=digest(issued.token),
        device=name,
        library_id=library_id,
        scopes=sorted(set(scopes)),
        created_at=now,
        expires_at=issued.expires_at,
    )
    return issued


def token_of(text: str, *, now: datetime) -> Token | None:
    """The living token that was given out as `text`, with its account; None if unknown, expired or switched off."""
    found = _TOKEN.first(digest=digest(text), now=now)
    return None if found is None or (found.account is not None and not found.account.is_active) else found


_TOKEN = Compiled(
    lambda: (
        Token.objects.filter(digest=Given("digest"), expires_at__gt=Given("now"))
        .select_related("account")
        .annotate(works=_works(OuterRef("account")), reader=F("account__patron"))
        .defer(*all_but(Token, "username", "is_active", "is_staff", "is_superuser", "language", link="account"))
    )
)


def actor_of_token(token: Token) -> Actor:
    """The actor who sends a token that `token_of` found: a device, or as `actor_of` says."""
    if token.account is None:
        return Actor("device", token.pk, "api")
    return _actor(token.account, token.works, token.reader, "api")  # type: ignore[attr-defined]  # annotated


def revoke_token(*, token_id: int) -> bool:
    """Make a token worthless; says whether there was one."""
    return bool(Token.objects.filter(pk=token_id).delete()[0])


def forget_tokens(*, now: datetime) -> int:
    """Drop the tokens whose time is over."""
    return Token.objects.filter(expires_at__lte=now).delete()[0]


def _new_account(patron: Patron) -> Account:
    try:
        with transaction.atomic():
            return Account.objects.create_user(username=patron.card_number, language=patron.language)
    except IntegrityError as error:
        raise CardTaken(field="card_number", card_number=patron.card_number) from error


def count_address(address: str, *, now: datetime) -> None:
    """Count one try from an address. Refuses with `too_many_attempts`, sooner where many tries failed."""
    counters.check(_failed(address), limit=FAILURES_PER_ADDRESS, per=WINDOW, now=now)
    counters.hit(f"sign-in from {digest(address)[:40]}", limit=TRIES_PER_ADDRESS, per=WINDOW, now=now)


def count_failure(address: str, *, now: datetime) -> None:
    """Count a try from this address that failed. Refuses with `too_many_attempts`."""
    counters.hit(_failed(address), limit=FAILURES_PER_ADDRESS, per=WINDOW, now=now)


def _failed(address: str) -> str:
    return f"failed from {digest(address)[:40]}"


def card_key(card_number: str) -> str:
    """What tries of a card are counted under, known or not; it tells nobody the card."""
    return digest(f"card {read_card(card_number) or card_number}")


def _let_in(whose: Q, secret: str, key: str, address: str, *, now: datetime) -> Account:
    guesses.count(key, now=now)
    account = Account.objects.filter(whose, is_active=True).first()
    known = account.password if account else UNUSABLE_PASSWORD_PREFIX  # an unusable one costs the same time
    if not check_password(unicodedata.normalize("NFKC", secret[:LONGEST_SECRET]), known) or account is None:
        count_failure(address, now=now)
        raise WrongCredentials
    guesses.wipe([key])
    return account


def digest(text: str) -> str:
    """What is kept of a secret, or counted under in place of a name."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
