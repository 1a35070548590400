"""Tablets that colleagues share: locked in one tap or by themselves, taken over with a staff PIN."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, check_password, make_password
from django.db.models import QuerySet

from core.actor import Actor
from core.refusal import NotFound
from lending import accounts, guesses, pins
from lending.errors import WrongStaffPin
from lending.models import Account, Membership, Tablet

LASTS = timedelta(days=90)


def make(*, library_id: int, name: str, by: Actor, now: datetime) -> str:
    """Let a tablet be shared in a library; gives back the key that it keeps. Refuses strangers (`not_found`)."""
    if not Membership.objects.filter(account=by.id or 0, library=library_id).exists():
        raise NotFound
    key = secrets.token_urlsafe(32)
    Tablet.objects.create(
        library_id=library_id,
        digest=accounts.digest(key),
        name=name[:60],
        made_at=now,
        made_by=by.principal,
        expires_at=now + LASTS,
    )
    return key


def of(key: str, *, now: datetime) -> Tablet | None:
    """The tablet that keeps `key`; None if it is unknown or its time is over."""
    if not key or len(key) > 100:
        return None
    rows = Tablet.objects.select_related("library")
    return rows.filter(digest=accounts.digest(key), expires_at__gt=now).first()


def colleagues(tablet: Tablet) -> QuerySet[Account]:
    """Who may take the tablet over: members of its library who have a staff PIN."""
    here = Account.objects.filter(memberships__library=tablet.library_id, is_active=True)
    return here.exclude(staff_pin="").order_by("first_name", "username")


def set_pin(*, account: Account, pin: str, by: Actor, now: datetime) -> None:
    """A staff PIN by the rules of all PINs. Refuses with `unusable_pin`."""
    plain = pins.read(pin)
    why = pins.weakness(plain, [account.get_username()])
    if why is not None:
        raise accounts.UnusablePin(field="pin", why=why)
    Account.objects.filter(pk=account.pk).update(staff_pin=make_password(plain))


def take_over(*, tablet: Tablet, account_id: int, pin: str, now: datetime) -> Account:
    """The colleague with this PIN. Refuses with `wrong_credentials`, and with `too_many_attempts` who has to wait.

    Call it outside a transaction: what was refused is counted.
    """
    key = accounts.digest(f"tablet {tablet.pk} {account_id}")
    guesses.count(key, now=now)
    account = colleagues(tablet).filter(pk=account_id).first()
    known = account.staff_pin if account else UNUSABLE_PASSWORD_PREFIX
    if not check_password(pins.read(pin), known) or account is None:
        raise WrongStaffPin(field="pin")
    guesses.wipe([key])
    return account


def forget_expired(*, now: datetime) -> int:
    """Drop those whose time is over."""
    return Tablet.objects.filter(expires_at__lte=now).delete()[0]
