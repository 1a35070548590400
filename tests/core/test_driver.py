"""What the driver reads and writes its own way is what it would have read and written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db import DataError, connection, transaction
from psycopg.types.array import ListDumper
from psycopg.types.datetime import TimestamptzLoader

from core.compiled import ask
from core.driver.values import Many, Moment

pytestmark = pytest.mark.django_db

MOMENTS = ["2026-11-23 08:00:00+00", "2026-11-23 08:00:00.12+09", "0999-12-31 23:59:59.999999-05:30"]
LISTS = [
    [],
    [1, -5, 2**40],
    [1, None],
    [True, False],
    ["a", "", "NULL", " x ", "{}", "o'clock", "한글", "a,b"],
    ['a"b', '"'],
    ["back\\slash"],
    ["a", None],
    [["a"], ["b"]],
    [datetime(2026, 11, 23, 8, tzinfo=UTC), datetime(2026, 11, 23, 8, 0, 0, 5, tzinfo=timezone(timedelta(hours=9)))],
]


def asked(sql, *params):
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchone()[0]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_moment_is_read_as_the_driver_reads_it(moment):
    mine, theirs = Moment(0, None), TimestamptzLoader(0, None)
    assert mine.load(moment.encode()) == theirs.load(moment.encode())
    read = asked("SELECT %s::timestamptz", moment)
    assert (read, read.tzinfo) == (theirs.load(moment.encode()), UTC)


@pytest.mark.parametrize("values", LISTS)
def test_a_list_is_written_as_the_driver_writes_it(values):
    kind = {int: "bigint", bool: "boolean", datetime: "timestamptz"}.get(type(values[0]) if values else int, "text")
    shown = f"SELECT array_to_json(%s::{kind}[])::text"
    mine = asked(shown, values)
    assert ask(shown, [values]) == [(mine,)]
    connection.connection.adapters.register_dumper(list, ListDumper)
    try:
        assert asked(shown, values) == mine
    finally:
        connection.connection.adapters.register_dumper(list, Many)


def test_a_string_that_no_column_takes_is_refused_in_a_list_too():
    with pytest.raises(DataError), transaction.atomic():
        asked("SELECT %s::text[]", ["a\0b"])
