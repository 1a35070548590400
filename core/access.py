"""The log of who looked at whose record."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from core.models import Access

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from core.actor import Actor

KEPT = timedelta(days=365)
KEPT_FOR_NEEDS = timedelta(days=2 * 365)  # records that hold needs or allowances


def saw(about: Iterable[str], *, purpose: str, by: Actor, now: datetime, needs: bool = False) -> None:
    """Note that `by` saw the records `about` (such as `patron:12`) for a purpose, usually the screen's name."""
    keep_until = now + (KEPT_FOR_NEEDS if needs else KEPT)
    Access.objects.bulk_create(
        Access(principal=by.principal, about=name, purpose=purpose, at=now, keep_until=keep_until)
        for name in sorted(set(about))
    )


def forget(*, now: datetime) -> int:
    """Drop rows whose time is over."""
    return Access.objects.filter(keep_until__lt=now).delete()[0]
