"""How many volumes somebody may ask for in a week, and when there is room again."""

from __future__ import annotations

from datetime import date, timedelta

from django.db.models import Q

from lending import calendar
from lending.errors import QuotaExceeded
from lending.models import Patron, Programme, Reservation
from lending.states import ReservationState

WEEK = timedelta(days=7)


def taken_on(*, patron: Patron, programme: Programme, today: date) -> list[date]:
    """The days, oldest first, of the volumes that count in the week of `today`: one entry a volume.

    Counted per household or per patron, as the programme says, over all its libraries. What was cancelled does not
    count, nor what the library let expire without a copy; a book that was set aside and not collected does.
    """
    if programme.volumes_per == Programme.Per.HOUSEHOLD and patron.household_id is not None:
        whose = Q(patron__household_id=patron.household_id)
    else:
        whose = Q(patron=patron)
    given_back = Q(state=ReservationState.CANCELLED) | Q(state=ReservationState.EXPIRED, copy=None)
    return list(
        Reservation.objects.filter(whose, programme=programme, placed_on__range=_week(programme, today))
        .exclude(given_back)
        .order_by("placed_on")
        .values_list("placed_on", flat=True)
    )


def left(*, patron: Patron, programme: Programme, today: date) -> int:
    """How many volumes may still be asked for this week."""
    return max(0, programme.volumes - len(taken_on(patron=patron, programme=programme, today=today)))


def refuse_beyond(*, asked: int, patron: Patron, programme: Programme, today: date) -> None:
    """Refuse with `quota_exceeded` more volumes than are left; says when there is room again, if ever.

    Holds only while the caller has locked whoever the programme counts by: the household, else the patron.
    """
    days = taken_on(patron=patron, programme=programme, today=today)
    over = len(days) + asked - programme.volumes
    if over <= 0:
        return
    if asked > programme.volumes:
        again_on = None
    elif programme.week == Programme.Week.ROLLING:
        again_on = days[over - 1] + WEEK
    else:
        again_on = _week(programme, today).last + timedelta(days=1)
    raise QuotaExceeded(
        field="items",
        allowed=programme.volumes,
        taken=len(days),
        asked=asked,
        per=programme.volumes_per,
        again_on=again_on.isoformat() if again_on else None,
    )


def _week(programme: Programme, today: date) -> calendar.Week:
    return calendar.rolling(today) if programme.week == Programme.Week.ROLLING else calendar.week_of(today)
