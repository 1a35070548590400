"""What a rule refuses is told as which rule it is, with its count, and when it will be possible again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import translation

from core.refusal import Refusal
from lending import errors, loans, quota, reservations, wishes
from lending.models import PickupPoint, Title
from tests import rows

pytestmark = pytest.mark.django_db

NOW = rows.NOW  # Tuesday 24 November 2026


def place(**rules: object) -> PickupPoint:
    return rows.point(rows.library(programme=rows.programme(**{"volumes": None, **rules})))


def books(at: PickupPoint, count: int, **columns: object) -> list[Title]:
    return [rows.copy(rows.title(**columns), at.library).title for _ in range(count)]


def lent(who, at: PickupPoint, *, days_ago: int = 0):
    copy, day = rows.copy(rows.title(), at.library), NOW - timedelta(days=days_ago)
    return loans.check_out(copy_id=copy.pk, patron_id=who.pk, library_id=at.library_id, by=rows.RULE, now=day)


def a_week():
    at = place(volumes=3)
    who = rows.patron(at.library)
    rows.reserve(who, *books(at, 2), at=at)
    rows.reserve(who, *books(at, 2), at=at)


def more_than_a_week_ever_allows():
    at = place(volumes=3)
    rows.reserve(rows.patron(at.library), *books(at, 4), at=at)


def orders():
    at = place(orders_per_week=1, week="rolling")
    who = rows.patron(at.library)
    for day in (2, 0):
        rows.reserve(who, *books(at, 1), at=at, now=NOW - timedelta(days=day))


def an_order():
    at = place(volumes_per_order=2)
    rows.reserve(rows.patron(at.library), *books(at, 3), at=at)


def on_order():
    at = place(reserved_at_once=2)
    who = rows.patron(at.library)
    rows.reserve(who, *books(at, 2), at=at)
    rows.reserve(who, *books(at, 1), at=at)


def at_home():
    at = place(at_once=2, with_loans=True)
    who = rows.patron(at.library)
    lent(who, at, days_ago=3)
    lent(who, at)
    rows.reserve(who, *books(at, 2), at=at)


def at_home_and_overdue():
    at = place(at_once=1, with_loans=True)
    who = rows.patron(at.library)
    lent(who, at, days_ago=20)
    rows.reserve(who, *books(at, 1), at=at)


def a_day():
    at = place(orders_weekday=1)
    for _ in range(2):
        rows.reserve(rows.patron(at.library), *books(at, 1), at=at)


def a_line():
    at = place(waiting_most=1)
    loan = lent(rows.patron(at.library), at)
    for _ in range(2):
        rows.reserve(rows.patron(at.library), loan.copy.title, at=at)


def a_line_for_what_should_be_back():
    at = place(waiting_most=1)
    loan = lent(rows.patron(at.library), at, days_ago=20)
    for _ in range(2):
        rows.reserve(rows.patron(at.library), loan.copy.title, at=at)


def a_title_not_collected():
    at = place(relend_days=7)
    who, (title,) = rows.patron(at.library), books(at, 1)
    (row,) = rows.reserve(who, title, at=at)
    reservations.bag(reservation_ids=[row.pk], by=rows.RULE, now=NOW)
    reservations.end_bagged(reservation_ids=[row.pk], to="expired", by=rows.RULE, now=NOW)  # type: ignore[arg-type]
    rows.reserve(who, title, at=at, now=NOW + timedelta(days=1))


def late_books():
    at = place(overdue_pause=2)
    loan = lent(rows.patron(at.library), at, days_ago=17)
    loans.take_back(barcode=loan.copy.barcode, library_id=at.library_id, by=rows.RULE, now=NOW)
    assert loan.patron is not None
    rows.reserve(loan.patron, *books(at, 1), at=at)


def cancellations():
    at = place(strikes=2, strikes_for=["cancelled"], pause_days=10)
    who = rows.patron(at.library)
    for row in rows.reserve(who, *books(at, 2), at=at):
        wishes.cancel(reservation_id=row.pk, by=rows.patron_actor(who), now=NOW)
    rows.reserve(who, *books(at, 1), at=at)


def late_at_home():
    at = place(overdue_pause=2)
    loan = lent(rows.patron(at.library), at, days_ago=17)
    assert loan.patron is not None
    rows.reserve(loan.patron, *books(at, 1), at=at)


def a_card():
    at = place()
    rows.reserve(rows.patron(at.library, blocked_until=rows.day("2026-12-24")), *books(at, 1), at=at)


def an_open_building():
    at = place(only_surge=True)
    rows.reserve(rows.patron(at.library), *books(at, 1), at=at)


def a_film():
    at = place(materials_excluded=["video"])
    rows.reserve(rows.patron(at.library), *books(at, 1, material="video"), at=at)


SAID = {
    a_week: (errors.QuotaExceeded, ["3권", "2권", "2026년 11월 30일부터"], ["3 volumes a week", "on 30 November 2026"]),
    more_than_a_week_ever_allows: (errors.QuotaExceeded, ["3권", "권수를 줄여"], ["3 volumes", "ask for fewer"]),
    orders: (errors.OrdersUsedUp, ["1번", "2026년 11월 29일부터"], ["1 orders a week", "on 29 November 2026"]),
    an_order: (errors.TooManyInOrder, ["2권", "3권"], ["2 volumes at most", "3 were requested"]),
    on_order: (errors.TooManyReserved, ["2권", "수령하거나 취소"], ["2 volumes", "As soon as one is collected"]),
    at_home: (errors.TooManyAtOnce, ["2권", "2026년 12월 8일부터"], ["2 volumes", "on 8 December 2026"]),
    at_home_and_overdue: (errors.TooManyAtOnce, ["1권", "반납하거나"], ["1 volumes", "brought back"]),
    a_day: (errors.DayFull, ["1건", "2026년 11월 25일부터"], ["All 1 orders", "on 25 November 2026"]),
    a_line: (errors.QueueFull, ["1명", "2026년 12월 8일"], ["1 people wait", "due on 8 December 2026"]),
    a_line_for_what_should_be_back: (errors.QueueFull, ["1명", "나중에"], ["1 people wait", "try again later"]),
    a_title_not_collected: (errors.NotAgainYet, ["7일", "2026년 12월 1일부터"], ["7 days", "from 1 December 2026"]),
    late_books: (errors.Paused, ["2026년 11월 30일까지", "3일"], ["until 30 November 2026", "3 days late"]),
    cancellations: (
        errors.Paused,
        ["2026년 12월 4일까지", "2"],
        ["until 4 December 2026", "were missed: 2"],
    ),
    late_at_home: (errors.LoansOverdue, ["1권", "반납", "6일"], ["overdue: 1.", "a pause of 6 days"]),
    a_card: (errors.Blocked, ["2026년 12월 24일까지"], ["until 24 December 2026"]),
    an_open_building: (errors.ProgrammeClosed, ["휴관"], ["only while the building is closed"]),
    a_film: (errors.NotThroughProgramme, ["DVD"], ["DVD"]),
}


@pytest.mark.parametrize("happens", SAID, ids=lambda happens: happens.__name__)
def test_a_refusal_says_the_rule_the_count_and_when_it_is_possible_again(happens):
    kind, korean, english = SAID[happens]
    with pytest.raises(kind) as refused:
        happens()
    for language, words in (("ko", korean), ("en", english)):
        with translation.override(language):
            told = str(refused.value)
        assert [word for word in words if word not in told] == [], told
        assert "2026-" not in told


def test_no_rule_refuses_without_being_looked_at_here():
    refusals = {one for one in vars(quota).values() if isinstance(one, type) and issubclass(one, Refusal)}
    assert refusals == {kind for kind, _korean, _english in SAID.values()}
