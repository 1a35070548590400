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
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from core import counters
from core.actor import ANYONE, Actor
from core.models import Counter
from core.refusal import BadInput
from lending.errors import CardTaken, WrongCredentials
from lending.models import Account, Membership, Patron, Token

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.actor import Channel

WINDOW = timedelta(minutes=15)
TRIES_PER_NAME = 10  # of one card or one name in a window; a successful sign-in wipes the slate
TRIES_PER_ADDRESS = 300  # a library's public terminals share one address
STAFF_TOKEN = timedelta(hours=12)
PATRON_TOKEN = timedelta(days=30)
DEVICE_TOKEN = timedelta(days=365)
LONGEST_SECRET = 128

_CARD = re.compile(r"[0-9A-Z-]{4,20}")
_PIN = re.compile(r"[0-9]{4,8}")


class UnusablePin(BadInput):
    code = "unusable_pin"
    sentence = _("A PIN has 4 to 8 digits.")


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
    if account.is_superuser or Membership.objects.filter(account=account).exists():
        return Actor("staff", account.pk, channel)
    patron_id = Patron.objects.filter(account=account).values_list("pk", flat=True).first()
    return Actor("patron", patron_id, channel) if patron_id else ANYONE


def sign_in_patron(*, card_number: str, pin: str, address: str, now: datetime) -> Account:
    """The account of the patron with this card and PIN.

    Refuses with `wrong_credentials`, after the same time, an unknown card, a card without a PIN and a wrong PIN;
    with `too_many_attempts` a card or an address that tried too often. Call it outside a transaction: what was
    refused is counted too.
    """
    card = read_card(card_number)
    tries = _count(f"card {card or card_number}", address, now=now)
    holder = Q(pk__in=Patron.objects.filter(card_number=card).values("account_id")) if card else Q(pk__in=[])
    return _let_in(holder, pin, tries)


def sign_in_staff(*, username: str, password: str, address: str, now: datetime) -> Account:
    """The account of somebody who works in a library, by name and password; refuses as `sign_in_patron` does."""
    name = unicodedata.normalize("NFKC", username[:150]).strip().replace("\x00", "")
    tries = _count(f"name {name}", address, now=now)
    works = Exists(Membership.objects.filter(account=OuterRef("pk"))) | Q(is_superuser=True)
    return _let_in(Q(username=name) & Q(works), password, tries)


def set_pin(*, patron_id: int, pin: str, by: Actor, now: datetime) -> Account:
    """Give a patron a PIN of 4 to 8 digits, and an account (named by the card number) if there was none.

    Every token that was given out under the old PIN is dead, and so are the sessions. Refuses with `unusable_pin`, and
    with `card_taken` when somebody else signs in by that name.
    """
    plain = unicodedata.normalize("NFKC", pin[:LONGEST_SECRET]).strip()
    if not _PIN.fullmatch(plain):
        raise UnusablePin(field="pin")
    with transaction.atomic():
        patron = Patron.objects.select_for_update(no_key=True).get(pk=patron_id)
        account = patron.account
        if account is None:
            account = _new_account(patron)
            patron.account = account
            patron.save(update_fields=["account"])
        account.set_password(plain)
        account.save(update_fields=["password"])
        account.tokens.all().delete()
    return account


def issue_token(*, account: Account, now: datetime) -> Issued:
    """A token for an account: 12 hours for staff, 30 days for a patron."""
    lasts = STAFF_TOKEN if actor_of(account, channel="api").is_staff else PATRON_TOKEN
    issued = Issued(secrets.token_urlsafe(32), now + lasts)
    Token.objects.create(digest=_digest(issued.token), account=account, created_at=now, expires_at=issued.expires_at)
    return issued


def issue_device_token(
    *, name: str, library_id: int, by: Actor, now: datetime, scopes: Iterable[str] = (), lasts: timedelta = DEVICE_TOKEN
) -> Issued:
    """A token for a device of a library, such as its plate camera; a year unless told otherwise."""
    issued = Issued(secrets.token_urlsafe(32), now + lasts)
    Token.objects.create(
        digest=_digest(issued.token),
        device=name,
        library_id=library_id,
        scopes=sorted(set(scopes)),
        created_at=now,
        expires_at=issued.expires_at,
    )
    return issued


def token_of(text: str, *, now: datetime) -> Token | None:
    """The living token that was given out as `text`, with its account; None if unknown, expired or switched off."""
    found = Token.objects.select_related("account").filter(digest=_digest(text), expires_at__gt=now).first()
    return None if found is None or (found.account is not None and not found.account.is_active) else found


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


def _count(name: str, address: str, *, now: datetime) -> str:
    """Count one try of a name and of an address; the counter's key of the name, which tells nobody the name."""
    key = f"sign-in {_digest(name)[:40]}"
    counters.hit(f"sign-in from {_digest(address)[:40]}", limit=TRIES_PER_ADDRESS, per=WINDOW, now=now)
    counters.hit(key, limit=TRIES_PER_NAME, per=WINDOW, now=now)
    return key


def _let_in(whose: Q, secret: str, tries: str) -> Account:
    account = Account.objects.filter(whose, is_active=True).first()
    known = account.password if account else UNUSABLE_PASSWORD_PREFIX  # an unusable one costs the same time
    if not check_password(unicodedata.normalize("NFKC", secret[:LONGEST_SECRET]), known) or account is None:
        raise WrongCredentials
    Counter.objects.filter(key=tries).delete()
    return account


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
