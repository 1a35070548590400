"""People write a sentence to the library about their order, and see that it was read."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.actor import Actor
from core.live import versions
from core.refusal import BadInput, NotFound
from pickup import notes, orders, queries
from pickup.errors import NoOpenOrder, OrderNotFound
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db
COLLECTOR = Actor("collector", 1, "link")


@pytest.fixture
def order():
    point = rows.point(rules={"by_appointment": False})
    return steps.asked(rows.patron(point.library), point)


def written(order, text, now=rows.NOW):
    return notes.write(order_id=order.pk, text=text, by=COLLECTOR, now=now)


def test_a_note_is_read_once_by_the_librarys_own_staff(order, now):
    elsewhere = rows.point()
    note = written(order, "  10분 늦습니다.\r\n죄송합니다 ")
    assert (note.text, note.channel) == ("10분 늦습니다. 죄송합니다", "link")
    assert list(queries.notes_to_read(order.library_id)) == [note]
    assert not queries.notes_to_read(elsewhere.library_id).exists()
    notes.settle(note_id=note.pk, by=DESK, now=now + timedelta(minutes=1))
    again = notes.settle(note_id=note.pk, by=Actor("staff", 9), now=now + timedelta(hours=1))
    assert (again.settled_by, again.settled_at) == (DESK.principal, now + timedelta(minutes=1))
    assert not queries.notes_to_read(order.library_id).exists()


def test_open_boards_hear_of_a_note(order):
    topic = f"point:{order.point_id}"
    before = versions([topic])
    written(order, "늦습니다")
    assert versions([topic]) != before


@pytest.mark.parametrize("text", ["", "  ", "\x00\u200b\n", "가" * 301])
def test_what_says_nothing_or_too_much_is_refused(order, text):
    with pytest.raises(BadInput) as refused:
        written(order, text)
    assert refused.value.field == "text"


def test_markup_and_emoji_are_kept_as_they_are(order):
    assert written(order, "<b>늦어요</b> 🙏").text == "<b>늦어요</b> 🙏"


def test_the_sixth_unread_note_is_refused_until_one_is_read(order, now):
    first = written(order, "하나")
    for number in range(4):
        written(order, f"또 {number}")
    with pytest.raises(notes.TooManyNotes):
        written(order, "여섯")
    notes.settle(note_id=first.pk, by=DESK, now=now)
    assert written(order, "여섯").pk


def test_nothing_is_written_to_an_order_that_is_over_or_unknown(order, now):
    orders.cancel(order_id=order.pk, by=DESK, now=now)
    with pytest.raises(NoOpenOrder):
        written(order, "늦습니다")
    with pytest.raises(OrderNotFound):
        notes.write(order_id=10**12, text="?", by=COLLECTOR, now=now)
    with pytest.raises(NotFound):
        notes.settle(note_id=10**12, by=DESK, now=now)
