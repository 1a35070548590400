"""Who wants no texts. A number's word counts at once, and for everything that we send."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from django.db import IntegrityError, transaction

from core.among import Among
from notifications.models import OptOut

Source = Literal["inbound", "carrier", "staff", "patron"]


def opted_out(numbers: Iterable[str]) -> set[str]:
    """Those of the numbers that want no texts."""
    return set(
        OptOut.objects.filter(Among("number", set(numbers), "varchar"), until__isnull=True).values_list(
            "number", flat=True
        )
    )


@transaction.atomic
def opt_out(*, number: str, source: Source, now: datetime) -> bool:
    """From `now` on nothing is sent to the number; False when that was so before."""
    try:
        with transaction.atomic():
            OptOut.objects.create(number=number, since=now, source=source)
    except IntegrityError as error:
        if "notifications_opted_out_once" not in str(error):
            raise
        return False
    return True


@transaction.atomic
def opt_in(*, number: str, now: datetime) -> bool:
    """The number takes texts again; False when it did before."""
    return bool(OptOut.objects.filter(number=number, until__isnull=True).update(until=now))
