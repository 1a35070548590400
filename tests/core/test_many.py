"""Many rows at once are the rows that one at a time would be, and the laws count for them too."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError, transaction

from core import moves
from core.actor import RULE
from core.among import Among
from core.models import Happening, Journal
from core.moves import NothingToBeginWith
from lending.models import Copy, Reservation
from notifications.models import Kind, Message
from tests import rows

pytestmark = pytest.mark.django_db


def columns(count: int) -> list[dict[str, object]]:
    here = {"title": rows.title(), "library": rows.library(), "at_library": rows.library()}
    return [{**here, "barcode": f"MANY{n:05}"} for n in range(count)]


@pytest.mark.parametrize("count", [3, moves.MANY + 3])
def test_rows_are_begun_with_their_journal_however_many(count):
    made = Copy.begin_many(columns(count), at=rows.NOW, by=RULE)
    stored = Copy.objects.in_bulk([one.pk for one in made])
    assert [stored[one.pk].barcode for one in made] == [f"MANY{n:05}" for n in range(count)]
    assert {one.state for one in stored.values()} == {Copy.FIRST}
    told = Journal.objects.filter(noun="lending.copy", row__in=stored)
    assert (told.count(), set(told.values_list("was", "became"))) == (count, {("", Copy.FIRST)})
    made[0].refresh_from_db()
    assert not made[0]._state.adding


def text() -> dict[str, object]:
    told = {"sender": rows.sender(), "to": "+821000000001", "language": "ko", "template": "t", "created_at": rows.NOW}
    return told | {"not_before": rows.NOW, "not_after": rows.NOW.replace(year=2027), "kind": Kind.NOTICE}


def test_a_word_of_a_list_is_written_as_its_value():
    told = text()
    made = Message.begin_many([{**told, "dedup_key": f"{n}"} for n in range(moves.MANY)], at=rows.NOW, by=RULE)
    assert set(Message.objects.values_list("kind", "state")) == {("notice", "queued")}
    assert len(made) == moves.MANY


@pytest.mark.parametrize("odd", ["a\tb", "two\nlines", "\r", "\\", "\\N", "\\.", "\\t", "{a,b}", '"', "", "책"])
def test_whatever_is_said_is_written_as_it_is(odd):
    told = text()
    asked = [{**told, "dedup_key": f"{n}", "body": odd if n % 2 else "plain"} for n in range(moves.MANY)]
    made = Message.begin_many(asked, at=rows.NOW, by=RULE)
    stored = Message.objects.in_bulk([one.pk for one in made])
    assert [(stored[one.pk].body, stored[one.pk].accepted_at) for one in made] == [(one["body"], None) for one in asked]


def test_keys_days_and_moments_are_written_as_they_are():
    of = rows.point()
    told = {"title": rows.title(), "pickup_point": of, "programme": of.library.programme, "channel": "web"}
    told |= {"placed_at": rows.NOW, "placed_on": rows.NOW.date()}
    asked = [{**told, "patron": rows.patron(of.library), "request": uuid4()} for _ in range(moves.MANY)]
    made = Reservation.begin_many(asked, at=rows.NOW, by=RULE)
    stored = Reservation.objects.in_bulk([one.pk for one in made])
    names = ("patron", "request", "placed_at", "placed_on", "channel")
    assert [{name: getattr(stored[one.pk], name) for name in names} for one in made] == [
        {name: one[name] for name in names} for one in asked
    ]


def test_very_many_rows_name_the_same_columns():
    asked = columns(moves.MANY)
    asked[-1]["call_number"] = "813.6"
    with pytest.raises(TypeError):
        Copy.begin_many(asked, at=rows.NOW, by=RULE)
    del asked[-1]["barcode"]
    with pytest.raises(KeyError):
        Copy.begin_many(asked, at=rows.NOW, by=RULE)


def test_two_moments_at_one_time_on_the_wall_stay_two():
    wall = datetime(2026, 11, 1, 1, 30, tzinfo=ZoneInfo("America/New_York"))  # twice in that night
    told = text()
    asked = [{**told, "dedup_key": f"{n}", "not_before": wall.replace(fold=n % 2)} for n in range(moves.MANY)]
    Message.begin_many(asked, at=rows.NOW, by=RULE)
    assert set(Message.objects.values_list("not_before", flat=True)) == {
        wall.astimezone(UTC),
        wall.replace(fold=1).astimezone(UTC),
    }


@pytest.mark.parametrize("count", [3, moves.MANY + 3])
def test_one_row_that_breaks_a_law_refuses_all(count):
    asked = columns(count)
    asked[-1]["barcode"] = asked[0]["barcode"]
    with pytest.raises(IntegrityError), transaction.atomic():
        Copy.begin_many(asked, at=rows.NOW, by=RULE)
    assert not Copy.objects.filter(barcode__startswith="MANY").exists()


def test_one_of_many_values_is_one_parameter():
    made = Copy.begin_many(columns(5), at=rows.NOW, by=RULE)
    some = [made[1].pk, made[3].pk]
    assert list(Copy.objects.filter(Among("pk", some, "bigint")).order_by("pk").values_list("pk", flat=True)) == some
    assert not Copy.objects.filter(Among("pk", [], "bigint")).exists()
    assert Copy.objects.filter(Among("barcode", {"MANY00002"}, "varchar"), library=made[0].library).count() == 1


# One row, with what it begins with and what is done beside it


AHEAD = 4_000_000  # a key taken ahead


def begun(found: bool, key: int | None = None) -> Copy:
    """A copy that begins with what a statement before it gives, and a happening beside it."""
    return Copy.begin(
        **cast("dict[str, Any]", columns(1)[0]),
        at=rows.NOW,
        by=RULE,
        out_of=("SELECT WHERE %s", [found]),
        beside=[("INSERT INTO core_happening (topic, at) SELECT 'copy:' || key, %s FROM changed", [rows.NOW])],
        key=key,
    )


@pytest.mark.parametrize("key", [None, AHEAD])
def test_a_row_begins_with_what_a_statement_gives(key):
    made = begun(found=True, key=key)
    assert key in {None, made.pk}
    assert Copy.objects.get(pk=made.pk).state == Copy.FIRST
    assert Happening.objects.get().topic == f"copy:{made.pk}"
    assert Journal.objects.filter(noun="lending.copy", row=made.pk).count() == 1


def test_where_the_statement_gives_nothing_nothing_happens():
    with pytest.raises(NothingToBeginWith):
        begun(found=False)
    assert not any(model.objects.exists() for model in (Copy, Happening, Journal))


def test_who_does_not_wait_for_it_meets_a_law_with_what_comes_next():
    with pytest.raises(IntegrityError), transaction.atomic():
        begun(found=False, key=AHEAD).refresh_from_db()
    assert not any(model.objects.exists() for model in (Copy, Happening, Journal))
