"""Words of an address that nobody guesses, and that whoever has the key makes again, so that none is stored."""

from __future__ import annotations

import base64
import hashlib
import hmac

from django.conf import settings


def word_of(told: str, *, length: int) -> str:
    """The first `length` characters (five bits each, lower case) of an HMAC with LINK_KEY of what it stands for."""
    mac = hmac.new(settings.LINK_KEY.encode(), told.encode(), hashlib.sha256).digest()
    return base64.b32encode(mac)[:length].decode().lower()
