"""Two librarians load the same list at the same moment: one of them makes the bags, the other finds them there."""

from __future__ import annotations

import pytest

from lending import day_lists, sheets
from pickup import day_lists as lists
from pickup.models import Order
from tests import rows
from tests.pickup.steps import DESK
from tests.races.guards import slowly
from tests.races.together import together

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

LIST = "카드,회원번호,이용자명,등록번호,서명\n" + "".join(
    f"x,210000000{n},회원 {n},EM000{n},책 {n}\n" for n in range(1, 4)
)


def both_load(now, monkeypatch):
    """How many rows were there already, for each of the two; with what was wrong."""
    point = rows.point(rows.library(circulation="beside"), rules={"by_appointment": False})
    slowly(monkeypatch, lists, "_people")

    def load(_n):
        listed = day_lists.read(sheets.read(LIST.encode()), day_lists.saved_maps().values(), region="KR")
        done = lists.take_over(listed=listed, point=point, day=rows.day("2026-11-25"), by=DESK, now=now)
        return done.same, len(done.bad)

    return sorted(together(2, load).answers)


def test_of_two_equal_lists_the_second_finds_all_of_it_there(now, monkeypatch):
    assert both_load(now, monkeypatch) == [(0, 0), (3, 0)]
    assert Order.objects.count() == 3


@pytest.mark.control
def test_without_taking_turns_the_second_is_told_that_its_rows_are_wrong(now, monkeypatch):
    """The control: nothing is made twice, but somebody reads about cards that are taken."""
    monkeypatch.setattr(day_lists, "take_turns", lambda library: None)
    assert both_load(now, monkeypatch) == [(0, 0), (0, 3)]
