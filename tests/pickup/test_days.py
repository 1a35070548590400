"""How the pages say when a place opens again."""

from __future__ import annotations

from datetime import timedelta

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
    with override("ko"):
        assert ko in days.opens(rows.NOW + later, "Asia/Seoul", rows.NOW)
    with override("en"):
        assert days.opens(rows.NOW + later, "Asia/Seoul", rows.NOW).startswith(en)
