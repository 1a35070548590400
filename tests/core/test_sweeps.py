"""One row that cannot be dealt with holds up no other."""

from __future__ import annotations

import psycopg
import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import IntegrityError, InterfaceError, OperationalError

from core import sweeps
from core.models import Counter
from core.refusal import NotFound
from tests.rows import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_memory(monkeypatch):
    monkeypatch.setattr(sweeps, "_failed", {})


def broken(sqlstate: str) -> OperationalError:
    """What Django raises of an error of PostgreSQL."""
    error = OperationalError("no")
    error.__cause__ = psycopg.errors.lookup(sqlstate)("no")
    return error


@pytest.mark.parametrize(
    "wrong", [ValueError("a line of the template"), NotFound(), KeyError("Asia/Seul"), broken("40P01"), broken("55P03")]
)
def test_the_others_are_dealt_with_and_what_failed_leaves_no_trace(wrong):
    def note(number: int) -> int:
        Counter.objects.create(key=f"{number}", since=NOW, count=1)
        if number == 2:
            raise wrong
        return number

    assert sweeps.each("rows", [1, 2, 3], note) == [1, 3]
    assert sorted(Counter.objects.values_list("key", flat=True)) == ["1", "3"]


def test_a_law_that_refuses_one_row_refuses_no_other():
    def twice(number: int) -> int:
        Counter.objects.create(key="only once", since=NOW, count=1)
        return number

    assert sweeps.each("rows", [1, 2, 3], twice) == [1]
    with pytest.raises(IntegrityError):
        twice(4)


@pytest.mark.parametrize("wrong", [broken("57P01"), broken("08006"), InterfaceError("closed"), SoftTimeLimitExceeded()])
def test_the_databases_own_trouble_and_the_end_of_the_time_end_the_sweep(wrong):
    done = []

    def act(number: int) -> None:
        done.append(number)
        raise wrong

    with pytest.raises(type(wrong)):
        sweeps.each("rows", [1, 2], act)
    assert done == [1]


def test_rows_that_failed_come_last_the_next_time():
    def odd_ones_fail(number: int) -> int:
        asked.append(number)
        if number % 2:
            raise ValueError(number)
        return number

    asked: list[int] = []
    for _ in range(2):
        assert sweeps.each("rows", range(1, 5), odd_ones_fail) == [2, 4]
    assert asked == [1, 2, 3, 4, 2, 4, 1, 3]


def test_a_sweep_that_takes_too_long_leaves_the_rest_to_the_next_one(monkeypatch):
    monkeypatch.setattr(sweeps, "SPAN", -1.0)
    assert sweeps.each("rows", [1, 2], lambda number: number) == []
