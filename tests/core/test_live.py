"""A topic's version changes whenever something was published on it; Redis only makes it prompt."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
import redis
from django.conf import settings
from django.db import transaction

from core import live
from core.models import Happening
from tests.house.conftest import NOW


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
    watcher = redis.Redis.from_url(settings.REDIS_URL).pubsub(ignore_subscribe_messages=True)
    watcher.subscribe(live.channel("point:7"))
    while watcher.get_message(timeout=0.2):
        pass
    with transaction.atomic():
        live.publish(["point:7"], now=NOW)
        assert watcher.get_message(timeout=0.2) is None
    until = time.monotonic() + 5
    rung = None
    while rung is None and time.monotonic() < until:
        rung = watcher.get_message(timeout=0.5)
    watcher.close()
    assert rung is not None
    assert rung["data"] == b"1"


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
