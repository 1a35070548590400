"""Who fetches which book: several people share a pull list, each with a stretch of the shelves of their own."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q

from core import live
from core.actor import Actor
from core.refusal import Forbidden
from pickup import point_queries, queries
from pickup.models import OrderLine

if TYPE_CHECKING:
    from lending.models import Account

LASTS = timedelta(minutes=45)
"""So long a book is somebody's to fetch; then it is anybody's again, for people are called away."""
AT_ONCE = 10
"""Books that one person takes at a time: what a cart's shelf holds."""


@transaction.atomic
def take(
    *, library_id: int, by: Actor, now: datetime, count: int = AT_ONCE, line_ids: Collection[int] | None = None
) -> int:
    """Take the next books of the pull list that nobody fetches, among `line_ids` if given; gives back how many.

    Two who take at the same moment get different books.
    """
    if not by.is_staff or by.id is None:
        raise Forbidden
    # Of the row itself, so that it is asked again once a lock that was waited for is gone.
    free = queries.to_fetch(library_id).filter(Q(fetcher=None) | Q(fetcher_since__lte=now - LASTS))
    if line_ids is not None:
        free = free.filter(pk__in=line_ids)
    locked = free.select_for_update(of=("self",), skip_locked=True, no_key=True)
    mine = [line.pk for line in locked[:count]]
    OrderLine.objects.filter(pk__in=mine).update(fetcher=by.id, fetcher_since=now)
    _tell(library_id, now=now)
    return len(mine)


@transaction.atomic
def let_go(*, library_id: int, by: Actor, now: datetime) -> int:
    """Leave to others what is not fetched yet; gives back how many books."""
    if not by.is_staff or by.id is None:
        raise Forbidden
    mine = queries.to_fetch(library_id).filter(fetcher=by.id).values("pk")
    left = OrderLine.objects.filter(pk__in=mine).update(fetcher=None, fetcher_since=None)
    _tell(library_id, now=now)
    return left


def fetcher_of(line: OrderLine, *, now: datetime) -> Account | None:
    """Who is fetching the book of a line now."""
    return line.fetcher if line.fetcher_since is not None and line.fetcher_since > now - LASTS else None


def _tell(library_id: int, *, now: datetime) -> None:
    points = point_queries.points(library_id=library_id, open=True).values_list("pk", flat=True)
    live.publish({f"point:{pk}" for pk in points}, now=now)
