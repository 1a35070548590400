"""Each limit that a programme can set, asked for to its edge and beyond at one moment; and without its lock."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from lending import quota
from lending.models import PickupPoint, Programme, Reservation
from tests import rows
from tests.races.guards import slowly, without_locks
from tests.races.together import Outcome, together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]

ASKING = 4
SATURDAY = rows.NOW + timedelta(days=4)


@dataclass(frozen=True)
class Limit:
    """A rule, who reaches for it (one reader in several tabs, or several), and the refusal of whoever is too late."""

    columns: dict[str, Any]
    code: str
    allowed: int
    alone: bool = True
    one_title: bool = False
    check: str = "refuse_beyond"
    now: datetime = field(default=rows.NOW)


LIMITS = {
    "orders of a weekday": Limit({"orders_weekday": 2}, "day_full", 2, alone=False, check="refuse_full_day"),
    "orders of a Saturday": Limit(
        {"orders_weekend": 1}, "day_full", 1, alone=False, check="refuse_full_day", now=SATURDAY
    ),
    "orders of a week": Limit({"orders_per_week": 1}, "orders_used_up", 1),
    "volumes of a week": Limit({"volumes": 2, "volumes_per": Programme.Per.PATRON}, "quota_exceeded", 2),
    "volumes of seven days": Limit(
        {"volumes": 2, "volumes_per": Programme.Per.PATRON, "week": Programme.Week.ROLLING}, "quota_exceeded", 2
    ),
    "volumes reserved": Limit({"reserved_at_once": 2}, "too_many_reserved", 2),
    "volumes reserved and at home": Limit({"at_once": 2}, "too_many_at_once", 2),
    "people waiting for a copy": Limit(
        {"waiting_per_copy": 1}, "queue_full", 2, alone=False, one_title=True, check="refuse_long_queue"
    ),
    "people waiting for a title": Limit(
        {"waiting_most": 1}, "queue_full", 2, alone=False, one_title=True, check="refuse_long_queue"
    ),
}


@pytest.fixture(params=LIMITS, ids=lambda name: name.replace(" ", "-"))
def limit(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Limit:
    """One of them; whoever passes its check waits before going on, until the others have passed it too."""
    chosen = LIMITS[request.param]
    slowly(monkeypatch, quota, chosen.check, before=False)
    return chosen


def ask_at_once(limit: Limit) -> Outcome[list[Reservation]]:
    library = rows.library(programme=rows.programme(**limit.columns))
    point: PickupPoint = rows.point(library)
    readers = [rows.patron(library) for _ in range(1 if limit.alone else ASKING)]
    titles = [rows.title() for _ in range(1 if limit.one_title else ASKING)]
    for title in titles:
        rows.copy(title, library)

    def ask(n: int) -> list[Reservation]:
        return rows.reserve(readers[n % len(readers)], titles[n % len(titles)], at=point, now=limit.now)

    return together(ASKING, ask)


def test_a_limit_is_reached_and_never_passed(limit: Limit) -> None:
    outcome = ask_at_once(limit)
    assert len(outcome.answers) == Reservation.objects.count() == limit.allowed
    assert outcome.codes() == [limit.code] * (ASKING - limit.allowed)


@pytest.mark.control
def test_without_the_lock_a_limit_is_passed(limit: Limit, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    without_locks(monkeypatch)
    assert len(ask_at_once(limit).answers) > limit.allowed
