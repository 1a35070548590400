"""What a library decides about its texts: the sender's names, numbers, quiet hours, budget, price and countries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import structlog
from django.db import transaction
from django.db.models import Count, Min, Q

from core.actor import Actor
from notifications import budget, doors, phone
from notifications.errors import (
    CountryNotLookedUp,
    CurrencyUnknown,
    SenderNumberTaken,
    SenderNumberUnreadable,
    SenderRingsItself,
    UnknownSender,
)
from notifications.models import Message, Sender
from notifications.states import MessageState

log = structlog.get_logger()

SET: Final = (
    "name_ko",
    "name_en",
    "number",
    "phone",
    "desk",
    "quiet_from",
    "quiet_until",
    "daily_budget",
    "per_person",
    "part_price",
    "currency",
    "countries",
)
"""What a manager sets; zone, region and gateway belong to whoever installs the service."""
COUNTRIES: Final = tuple(sorted(doors.TABLE))
"""Countries of which somebody has looked up what arrives there."""


@dataclass(frozen=True, slots=True)
class Use:
    """The local day of a sender so far: parts sent, their price, and what waits to be sent.

    `oldest` is since when the text waits that was due first, None when none is due; `later` are texts whose time has
    not come.
    """

    parts: int
    price: Decimal | None
    waiting: int
    oldest: datetime | None
    later: int
    failed: int


@transaction.atomic
def change(*, key: str, values: Mapping[str, Any], by: Actor, now: datetime) -> Sender:
    """Set some of `SET`; numbers as people write them, of the sender's region unless they name another.

    Refuses with `unknown_sender`, `sender_number_unreadable`, `sender_number_taken`, `sender_rings_itself` (the desk
    is the number itself), `country_not_looked_up` and `currency_unknown`; KeyError for what is not set here.
    """
    sender = Sender.objects.select_for_update().filter(key=key).first()
    if sender is None:
        raise UnknownSender(sender=key)
    unknown = sorted(set(values) - set(SET))
    if unknown:
        raise KeyError(", ".join(unknown))
    told = dict(values)
    for name in ("number", "desk"):
        if told.get(name):
            told[name] = _number(name, told[name], sender.region)
    if "currency" in told:
        told["currency"] = told["currency"].upper()
        if not (len(told["currency"]) == 3 and told["currency"].isascii() and told["currency"].isalpha()):
            raise CurrencyUnknown(field="currency")
    if set(told.get("countries", ())) - set(COUNTRIES):
        raise CountryNotLookedUp(field="countries", countries=list(COUNTRIES))
    was = {name: getattr(sender, name) for name in told}
    for name, value in told.items():
        setattr(sender, name, value)
    if sender.desk and sender.desk == sender.number:
        raise SenderRingsItself(field="desk")
    if Sender.objects.filter(number=sender.number).exclude(pk=sender.pk).exists():
        raise SenderNumberTaken(field="number")
    changed = sorted(name for name, value in told.items() if was[name] != value)
    if changed:
        sender.save(update_fields=changed)
        log.info("sender.changed", sender=sender.key, by=by.principal, what=changed, at=now.isoformat())
    return sender


def use(sender: Sender, *, now: datetime) -> Use:
    """What was sent today and what waits, at this moment."""
    since, parts = budget.spent(sender=sender, now=now)
    queued = Q(state=MessageState.QUEUED)
    told = Message.objects.filter(sender=sender).aggregate(
        waiting=Count("pk", filter=queued & Q(not_before__lte=now)),
        oldest=Min("not_before", filter=queued & Q(not_before__lte=now)),
        later=Count("pk", filter=queued & Q(not_before__gt=now)),
        failed=Count("pk", filter=Q(state=MessageState.FAILED, moved_at__gte=since)),
    )
    return Use(parts, None if sender.part_price is None else sender.part_price * parts, **told)


def _number(name: str, typed: str, region: str) -> str:
    try:
        return phone.parse(typed, region)
    except phone.NotANumber as error:
        raise SenderNumberUnreadable(field=name, why=error.code) from error
