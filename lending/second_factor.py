"""The second factor of staff: codes of an authenticator (TOTP, RFC 6238), and recovery codes for when it is lost."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlencode

from django.db import transaction
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _
from django_otp.oath import TOTP

from core.actor import Actor
from core.refusal import Refusal
from lending import accounts, guesses
from lending.models import Account, RecoveryCode, SecondFactor

STEP = 30  # seconds for which a code is shown
DRIFT = 1  # steps that a clock may be wrong by, either way
RECOVERY = 8  # codes that are given out at once
ISSUER = "Drive-through lending"


class WrongSecondFactor(Refusal):
    """The password was right, this was not."""

    code = "wrong_second_factor"
    status = 401
    sentence = _("This code does not fit. Please type the one that is shown now, or a recovery code.")


class SecondFactorNeeded(Refusal):
    """A program signs in for somebody with a second factor; send `code` along."""

    code = "second_factor_needed"
    status = 401
    sentence = _("This account needs a code of its authenticator as well.")


@dataclass(frozen=True, slots=True)
class Begun:
    """What the authenticator has to know, as text and as an address for its camera."""

    secret: str
    address: str


def has(account_id: int) -> bool:
    """Whether this account signs in with a second factor."""
    return SecondFactor.objects.filter(account=account_id, confirmed_at__isnull=False).exists()


@transaction.atomic
def begin(*, account: Account, now: datetime) -> Begun:
    """A secret to confirm with a first code; the same one until then."""
    Account.objects.select_for_update(no_key=True).get(pk=account.pk)
    row, _made = SecondFactor.objects.get_or_create(
        account=account, confirmed_at=None, defaults={"secret": secrets.token_hex(20), "made_at": now}
    )
    plain = base64.b32encode(bytes.fromhex(row.secret)).decode()
    label = quote(f"{ISSUER}:{account.get_username()}")
    return Begun(plain, f"otpauth://totp/{label}?{urlencode({'secret': plain, 'issuer': ISSUER})}")


def confirm(*, account_id: int, code: str, by: Actor, now: datetime) -> list[str]:
    """Switch it on with a first code; gives back the recovery codes, once. Refuses with `wrong_second_factor`."""
    with transaction.atomic():
        row = SecondFactor.objects.select_for_update().filter(account=account_id, confirmed_at=None).first()
        if row is None or not _fits(row, code, now):
            raise WrongSecondFactor(field="code")
        row.confirmed_at = now
        row.save(update_fields=["confirmed_at", "last_step"])
        RecoveryCode.objects.filter(account=account_id).delete()
        given = [f"{secrets.token_hex(2)}-{secrets.token_hex(2)}" for _number in range(RECOVERY)]
        RecoveryCode.objects.bulk_create(
            RecoveryCode(account_id=account_id, digest=_digest(account_id, one)) for one in given
        )
    return given


def check(*, account_id: int, code: str, now: datetime) -> None:
    """Let a code of the authenticator pass once, or a recovery code once.

    Refuses with `wrong_second_factor`, and with `too_many_attempts` who failed too often. Call it outside a
    transaction.
    """
    key = accounts.digest(f"second factor {account_id}")
    guesses.count(key, now=now)
    with transaction.atomic():
        row = SecondFactor.objects.select_for_update().filter(account=account_id, confirmed_at__isnull=False).first()
        if row is None:
            raise WrongSecondFactor(field="code")
        if _fits(row, code, now):
            row.save(update_fields=["last_step"])
        elif not RecoveryCode.objects.filter(account=account_id, digest=_digest(account_id, code), used_at=None).update(
            used_at=now
        ):
            raise WrongSecondFactor(field="code")
    guesses.wipe([key])


@transaction.atomic
def remove(*, account_id: int, by: Actor, now: datetime) -> bool:
    """Switch it off, such as for somebody who lost their telephone; says whether it was on."""
    RecoveryCode.objects.filter(account=account_id).delete()
    return bool(SecondFactor.objects.filter(account=account_id).delete()[0])


def _fits(row: SecondFactor, code: str, now: datetime) -> bool:
    """Whether it is the code of this moment, and of a later step than the last one that was used."""
    typed = "".join(code[:40].split())
    if not (typed.isascii() and typed.isdigit() and len(typed) == 6):
        return False
    totp = TOTP(bytes.fromhex(row.secret), step=STEP, digits=6)
    totp.time = now.timestamp()
    if not totp.verify(int(typed), tolerance=DRIFT, min_t=row.last_step + 1):
        return False
    row.last_step = totp.t()
    return True


def _digest(account_id: int, code: str) -> str:
    plain = "".join(code[:40].split()).lower()
    return salted_hmac("lending.recovery", f"{account_id}:{plain}", algorithm="sha256").hexdigest()
