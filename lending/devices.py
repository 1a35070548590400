"""Devices that stay signed in: a key in the browser, its digest here, ninety days from the last visit."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from lending.models import RememberedDevice

if TYPE_CHECKING:
    from lending.models import Account

LASTS = timedelta(days=90)
SEEN_EVERY = timedelta(hours=12)  # a visit is written down no oftener
_BROWSERS = (
    ("Edg/", "Edge"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Whale", "Whale"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS = ("iPhone", "iPad", "Android", "Windows", "Mac OS X", "Linux")


def remember(*, account: Account, agent: str, now: datetime) -> str:
    """Remember a browser (`agent`: what it calls itself) of this account; gives back the key that it keeps."""
    key = secrets.token_urlsafe(32)
    RememberedDevice.objects.create(
        account=account, digest=digest(key), name=named(agent), made_at=now, seen_at=now, expires_at=now + LASTS
    )
    return key


def of(key: str, *, now: datetime) -> RememberedDevice | None:
    """The device that keeps `key`, with its account; None if it is unknown, forgotten, or its time is over."""
    if not key or len(key) > 100:
        return None
    rows = RememberedDevice.objects.select_related("account")
    return rows.filter(digest=digest(key), expires_at__gt=now, account__is_active=True).first()


def seen(device: RememberedDevice, *, now: datetime) -> None:
    """Count the ninety days from this visit on."""
    if now - device.seen_at >= SEEN_EVERY:
        RememberedDevice.objects.filter(pk=device.pk).update(seen_at=now, expires_at=now + LASTS)


def known(device_id: int, *, account_id: int) -> bool:
    """Whether the device is still remembered for this account."""
    return RememberedDevice.objects.filter(pk=device_id, account_id=account_id).exists()


def of_account(account_id: int) -> list[RememberedDevice]:
    """The devices that stay signed in, the one seen last first."""
    return list(RememberedDevice.objects.filter(account_id=account_id).order_by("-seen_at", "-pk"))


def forget(*, account_id: int, device_id: int | None = None) -> int:
    """Forget one device of an account, or all of them: they are signed out. Gives back how many."""
    rows = RememberedDevice.objects.filter(account_id=account_id)
    return (rows.filter(pk=device_id) if device_id is not None else rows).delete()[0]


def forget_expired(*, now: datetime) -> int:
    """Drop those whose time is over."""
    return RememberedDevice.objects.filter(expires_at__lte=now).delete()[0]


def named(agent: str) -> str:
    """What to call a browser in a list: "Chrome, Android"; its version tells nobody anything."""
    browser = next((name for mark, name in _BROWSERS if mark in agent), "")
    system = next((name for name in _SYSTEMS if re.search(name, agent)), "")
    return ", ".join(part for part in (browser, system.replace("Mac OS X", "Mac")) if part) or "?"


def digest(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
