"""A topic's version changes whenever something was published on it; Redis only makes it prompt."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import transaction

from core import live
from core.models import Happening
from tests.house.conftest import NOW


@contextmanager
def watching(*topics: str) -> Iterator[Callable[..., str]]:
    """What tells which of these topics is rung for next, "" if none is in time."""
    watcher = redis.Redis.from_url(settings.REDIS_URL).pubsub()
    names = {live.channel(topic): topic for topic in topics}
    watcher.subscribe(*names)

    def heard(*, within: float = 5.0) -> str:
        until = time.monotonic() + within
        while (left := until - time.monotonic()) > 0:
            said = watcher.get_message(timeout=left)
            if said and said["type"] == "message":
                return names[said["channel"].decode()]
        return ""

    for _ in topics:
        assert watcher.get_message(timeout=5) is not None  # that it listens now
    yield heard
    watcher.close()


@pytest.mark.django_db
def test_each_topic_has_its_own_version() -> None:
    before = live.versions(["point:1", "point:2"])
    assert before == {"point:1": "0.0", "point:2": "0.0"}
    live.publish(["point:1", "point:1"], now=NOW)
    after = live.versions(["point:1", "point:2"])
    assert after["point:1"] != before["point:1"]
    assert after["point:2"] == before["point:2"]


@pytest.mark.django_db
def test_nothing_to_tell_is_nothing(django_assert_num_queries) -> None:
    with django_assert_num_queries(0):
        live.publish([], now=NOW)


@pytest.mark.django_db
def test_a_row_with_a_lower_id_that_commits_later_changes_the_version_too() -> None:
    Happening.objects.create(id=1000, topic="point:1", at=NOW)
    before = live.versions(["point:1"])
    Happening.objects.create(id=999, topic="point:1", at=NOW)
    assert live.versions(["point:1"]) != before


@pytest.mark.django_db
def test_what_is_rolled_back_was_never_published() -> None:
    before = live.versions(["point:1"])
    with transaction.atomic():
        live.publish(["point:1"], now=NOW)
        transaction.set_rollback(True)
    assert live.versions(["point:1"]) == before


@pytest.mark.django_db(transaction=True)
def test_watchers_are_rung_after_the_commit_and_not_before() -> None:
    with watching("point:7") as heard:
        with transaction.atomic():
            live.publish(["point:7"], now=NOW)
            assert heard(within=0.2) == ""
        assert heard() == "point:7"


def test_the_bell_rings_once_for_each_topic() -> None:
    with watching("point:7", "point:8") as heard:
        live._ring(["point:7", "point:8"])
        assert {heard(), heard()} == {"point:7", "point:8"}
        assert heard(within=0.2) == ""


def test_a_line_to_the_bell_that_has_ended_is_laid_anew_and_nothing_is_lost() -> None:
    with watching("point:7") as heard, redis.Redis.from_url(settings.REDIS_URL) as other:
        live._ring(["point:7"])
        assert heard() == "point:7"
        line: Any = live._doorbell(os.getpid())
        here = ":".join(map(str, line._sock.getsockname()))
        assert other.client_kill_filter(addr=here) == 1
        live._ring(["point:7"])
        assert heard() == "point:7"
        assert ":".join(map(str, line._sock.getsockname())) != here


def test_many_threads_ring_on_one_line() -> None:
    with watching("point:7") as heard:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(live._ring, [["point:7"]] * 400))
        assert [heard() for _ in range(400)] == ["point:7"] * 400
        assert not live._doorbell(os.getpid()).can_read()  # nothing is answered that nobody would read


@pytest.mark.django_db(transaction=True)
def test_without_redis_publishing_neither_fails_nor_waits(settings, monkeypatch) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(live, "_broken_until", 0.0)
    live._doorbell.cache_clear()
    try:
        began = time.monotonic()
        for _ in range(20):
            live.publish(["point:1"], now=NOW)
        assert time.monotonic() - began < 2
        assert live.versions(["point:1"])["point:1"].endswith(".20")
    finally:
        live._doorbell.cache_clear()


@pytest.mark.django_db
def test_old_happenings_are_forgotten() -> None:
    live.publish(["point:1"], now=NOW)
    live.publish(["point:1"], now=NOW + timedelta(hours=1))
    assert live.forget(before=NOW + timedelta(minutes=1)) == 1
