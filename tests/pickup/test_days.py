"""How the pages say when a place opens again."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from django.utils.translation import override

from pickup.templatetags import days
from tests import rows


@pytest.mark.parametrize(
    ("later", "ko", "en"),
    [
        (timedelta(minutes=1), "오늘", "Opens today at"),
        (timedelta(days=1), "내일", "Opens tomorrow at"),
        (timedelta(days=2), "월", "Opens on"),
    ],
)
def test_an_opening_is_told_as_people_near_it_would(later, ko, en):
    today = days.day_in(rows.NOW, "Asia/Seoul")
    with override("ko"):
        assert ko in days.opens(rows.NOW + later, "Asia/Seoul", today)
    with override("en"):
        assert days.opens(rows.NOW + later, "Asia/Seoul", today).startswith(en)


@pytest.mark.parametrize(
    ("ahead", "ko", "en"),
    [(1, "내일 엽니다.", "Opens tomorrow."), (2, "11월 26일(목)에 엽니다.", "Opens on Thu 26 November.")],
)
def test_of_a_place_without_hours_only_the_day_is_told(ahead, ko, en):
    today = date(2026, 11, 24)
    midnight = datetime(2026, 11, 24 + ahead, tzinfo=rows.SEOUL)
    for language, words in (("ko", ko), ("en", en)):
        with override(language):
            assert days.opens(midnight, "Asia/Seoul", today) == words
