"""When patrons like to come. Offers go by it; nobody is refused another time because of it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, time

from django.db import transaction

from core.actor import Actor
from core.refusal import BadInput
from pickup.models import Preference


@transaction.atomic
def note(
    *, patron_id: int, weekdays: Collection[int], begins: time | None, ends: time | None, by: Actor, now: datetime
) -> Preference | None:
    """Note the weekdays (Monday is 0) and the local hours that suit a patron; no weekday at all forgets them.

    A slot that starts within [begins, ends) suits. Refuses with `invalid` (weekdays, begins, ends).
    """
    if not weekdays:
        Preference.objects.filter(patron_id=patron_id).delete()
        return None
    if not set(weekdays) <= set(range(7)):
        raise BadInput(field="weekdays")
    if begins is None:
        raise BadInput(field="begins")
    if ends is None or ends <= begins:
        raise BadInput(field="ends")
    told = {"weekdays": sorted(set(weekdays)), "begins": begins, "ends": ends}
    return Preference.objects.update_or_create(patron_id=patron_id, defaults=told)[0]
