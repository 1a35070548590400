"""When and where patrons like to come. Offers and lists go by it; nobody is refused anything else because of it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, time

from django.db import transaction

from core.actor import Actor
from core.refusal import BadInput
from lending import queries as lending_queries
from pickup.errors import PointNotFound
from pickup.models import Preference


@transaction.atomic
def note(
    *,
    patron_id: int,
    weekdays: Collection[int],
    begins: time | None,
    ends: time | None,
    pickup_point: int | None = None,
    by: Actor,
    now: datetime,
) -> Preference | None:
    """Note the weekdays (Monday is 0), the local hours and the pickup point that suit a patron.

    No weekday at all forgets the hours, no point the point. A slot that starts within [begins, ends) suits. Refuses
    with `invalid` (weekdays, begins, ends) and with `unknown_pickup_point` a point that takes no orders.
    """
    if not set(weekdays) <= set(range(7)):
        raise BadInput(field="weekdays")
    if not weekdays:
        begins = ends = None
    elif begins is None:
        raise BadInput(field="begins")
    elif ends is None or ends <= begins:
        raise BadInput(field="ends")
    if pickup_point is not None and not lending_queries.points().filter(pk=pickup_point).exists():
        raise PointNotFound(field="pickup_point")
    if not weekdays and pickup_point is None:
        Preference.objects.filter(patron_id=patron_id).delete()
        return None
    told = {"weekdays": sorted(set(weekdays)), "begins": begins, "ends": ends, "point_id": pickup_point}
    return Preference.objects.update_or_create(patron_id=patron_id, defaults=told)[0]


def point_for(*, patron_id: int, title_ids: Collection[int]) -> int | None:
    """The point that a patron prefers, if some of these titles can be had there."""
    liked = Preference.objects.filter(patron_id=patron_id).values("point")
    found: int | None = lending_queries.points_with(title_ids).filter(pk__in=liked).values_list("pk", flat=True).first()
    return found
