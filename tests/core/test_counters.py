"""Attempts are counted in PostgreSQL, by all processes together."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection

from core import counters
from core.models import Counter
from core.refusal import TooMany
from tests.house.conftest import NOW

MINUTE = timedelta(minutes=1)


@pytest.mark.django_db
def test_the_attempt_after_the_limit_is_refused_until_the_window_ends() -> None:
    assert [counters.hit("pin 1", limit=3, per=MINUTE, now=NOW) for _ in range(3)] == [1, 2, 3]
    with pytest.raises(TooMany) as refused:
        counters.hit("pin 1", limit=3, per=MINUTE, now=NOW + timedelta(seconds=20))
    assert refused.value.retry_after == 40
    assert counters.hit("pin 1", limit=3, per=MINUTE, now=NOW + MINUTE) == 1
    assert counters.hit("pin 2", limit=3, per=MINUTE, now=NOW) == 1


@pytest.mark.django_db(transaction=True)
def test_many_connections_count_together() -> None:
    seen: list[int] = []

    def hit() -> None:
        try:
            seen.append(counters.hit("door", limit=100, per=MINUTE, now=NOW))
        finally:
            connection.close()

    threads = [threading.Thread(target=hit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.django_db
def test_old_windows_are_forgotten() -> None:
    counters.hit("a", limit=9, per=MINUTE, now=NOW)
    counters.hit("a", limit=9, per=MINUTE, now=NOW + MINUTE)
    assert counters.forget(before=NOW + MINUTE) == 1
    assert Counter.objects.get().since == NOW + MINUTE
