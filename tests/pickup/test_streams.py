"""The streams that tell open pages to look again."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast
from urllib.request import urlopen

import pytest
from django.db import connection, connections, transaction
from django.test import AsyncRequestFactory

from config.embedded.host import free_port
from core import live
from core.actor import ANYONE, Actor
from core.refusal import Refusal
from pickup import errors, streams, watch
from tests import loop, rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def point():
    return rows.point()


def asked(by: Actor):
    request = AsyncRequestFactory().get("/")
    request.actor = by  # type: ignore[attr-defined] # as the middleware does
    return request


def change(point_id, now):
    """Something happens at a point, in a transaction of its own."""
    try:
        with transaction.atomic():
            live.publish([f"point:{point_id}"], now=now)
    finally:
        connections.close_all()


async def next_event(parts, seconds=10.0):
    """The next event of a stream that says something: its name and what it carries."""

    async def wait():
        async for part in parts:
            text = part.decode() if isinstance(part, bytes) else part
            if text.startswith("event:") and not text.startswith("event: here"):
                name, carried, *ids = text.strip().split("\n")
                assert ids in ([], [f"id: {carried.removeprefix('data: ')}"])
                return name.removeprefix("event: "), carried.removeprefix("data: ")
        return None

    return await asyncio.wait_for(wait(), seconds)


def public_events(point):
    return streams._events([f"point:{point.pk}"])


def test_the_first_event_comes_at_once_and_the_doorbell_brings_the_next(point, now, monkeypatch):
    monkeypatch.setattr(watch, "LOOK_EVERY", 60.0)  # so that only the doorbell can bring it

    async def watched():
        async with aclosing(public_events(point)) as parts:
            first = await next_event(parts)
            event = asyncio.ensure_future(next_event(parts, 20))
            while not event.done():  # Redis may not hear us yet when we ring first
                await asyncio.to_thread(change, point.pk, now)
                await asyncio.wait([event], timeout=0.5)
            return first, event.result()

    first, second = loop.run(watched())
    assert (first[0], second[0]) == ("version", "version")
    assert first[1] != second[1]


def test_a_doorbell_that_nobody_hears_costs_two_seconds(point, now, monkeypatch):
    monkeypatch.setattr(live, "_ring", lambda topics: None)

    async def watched():
        async with aclosing(public_events(point)) as parts:
            first = await next_event(parts)
            await asyncio.to_thread(change, point.pk, now)
            return first, await next_event(parts)

    first, second = loop.run(watched())
    assert first[1] != second[1]


def test_without_the_look_into_the_database_the_event_would_be_lost(point, now, monkeypatch):
    """The control: neither doorbell nor look, and nothing comes."""
    monkeypatch.setattr(live, "_ring", lambda topics: None)
    monkeypatch.setattr(watch, "LOOK_EVERY", 60.0)

    async def watched():
        async with aclosing(public_events(point)) as parts:
            await next_event(parts)
            await asyncio.to_thread(change, point.pk, now)
            with pytest.raises(TimeoutError):
                await next_event(parts, 3)

    loop.run(watched())


def test_a_stream_whose_client_has_gone_ends_although_a_version_takes_the_place_of_the_end(point):
    async def watched():
        gone = asyncio.get_running_loop().create_future()
        async with aclosing(watch.versions([f"point:{point.pk}"], until=gone)) as versions:
            await anext(versions)
            gone.set_result(None)
            await asyncio.sleep(0)  # the end is said
            for queue in watch.hub().watchers:
                watch._put(queue, "newer")
            with pytest.raises(StopAsyncIteration):
                await asyncio.wait_for(anext(versions), 5)

    loop.run(watched())


def test_without_redis_the_board_still_hears_of_it(point, now, monkeypatch, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(live, "_ring", lambda topics: None)

    async def watched():
        async with aclosing(public_events(point)) as parts:
            first = await next_event(parts)
            await asyncio.to_thread(change, point.pk, now)
            return first, await next_event(parts)

    first, second = loop.run(watched())
    assert first[1] != second[1]


def test_a_board_that_cannot_look_says_that_it_is_stale_and_then_that_it_is_not(point, now, monkeypatch):
    monkeypatch.setattr(watch, "LOOK_EVERY", 0.1)
    read = watch._versions

    def broken(topics):
        raise OSError("the network is gone")

    async def watched():
        async with aclosing(public_events(point)) as parts:
            events = [await next_event(parts)]
            monkeypatch.setattr(watch, "_versions", broken)
            events.append(await next_event(parts, 3))
            monkeypatch.setattr(watch, "_versions", read)
            return [*events, await next_event(parts, 3)]

    first, stale, again = loop.run(watched())
    assert (stale[0], again) == ("stale", first)


def test_a_page_that_is_slow_gets_the_newest_version_and_no_pile(point, now):
    async def watched():
        async with aclosing(public_events(point)) as parts:
            await next_event(parts)
            for _ in range(5):
                await asyncio.to_thread(change, point.pk, now)
                await asyncio.sleep(0.2)
            event = await next_event(parts)
            known = await asyncio.to_thread(watch._versions, {f"point:{point.pk}"})
            return event[1], known[f"point:{point.pk}"]

    told, known = loop.run(watched())
    assert told == known


def busy():
    """How many connections of the pool are in somebody's hands."""
    stats = connections["default"].pool.get_stats()  # type: ignore[attr-defined] # PostgreSQL's wrapper has it
    return stats["pool_size"] - stats["pool_available"]


def test_nobody_holds_a_connection_while_a_hundred_watch(point, now):
    async def watched():
        before = busy()  # what an earlier test of this process may have left
        streams = [public_events(point) for _ in range(100)]
        for parts in streams:
            await next_event(parts, 5)
        held = []
        for _ in range(20):
            await asyncio.sleep(0.05)
            held.append(busy() - before)
        watching = len(watch.hub().watchers)
        for parts in streams:
            await parts.aclose()
        return held, watching, len(watch.hub().watchers)

    connection.close()
    held, watching, left = loop.run(watched())
    assert min(held) <= 0
    assert max(held) <= 1  # the one look that serves them all
    assert (watching, left) == (100, 0)


def test_one_subscription_serves_all_and_ends_with_the_last(point, now):
    async def watched():
        first, second = public_events(point), public_events(point)
        await next_event(first, 2)
        await next_event(second, 2)
        hub = watch.hub()
        during = len(hub._tasks)
        await first.aclose()
        await second.aclose()
        return during, len(hub._tasks), hub.watchers

    assert loop.run(watched()) == (3, 0, {})


def test_a_silent_stream_breathes(point, now, monkeypatch):
    monkeypatch.setattr(watch, "BREATH", 0.2)

    async def watched():
        async with aclosing(public_events(point)) as parts:
            await next_event(parts)
            return await asyncio.wait_for(anext(parts), 5)

    assert loop.run(watched()) == "event: here\ndata: -\n\n"


def test_only_the_staff_of_the_library_watch_its_board(point, now):
    member, stranger = rows.staff(point.library), rows.staff(rows.library())
    reader = rows.patron(point.library)

    async def ask(by):
        response = await streams.stream(asked(by), point_id=point.pk)
        async with aclosing(cast("AsyncGenerator[bytes, None]", aiter(response))) as parts:
            return response, await next_event(parts)

    response, event = loop.run(ask(rows.staff_actor(member)))
    assert (response["Content-Type"], response["Cache-Control"], response["X-Accel-Buffering"]) == (
        "text/event-stream",
        "no-cache",
        "no",
    )
    assert event[0] == "version"
    for by in (rows.staff_actor(stranger), rows.patron_actor(reader), ANYONE):
        with pytest.raises(Refusal) as refusal:
            loop.run(ask(by))
        assert refusal.value.status in {403, 404}


def test_everyone_may_watch_the_load_of_a_library(point, now):
    other = rows.point(point.library)

    async def watched():
        response = await streams.stream_now(asked(ANYONE), library_id=point.library_id)
        async with aclosing(cast("AsyncGenerator[bytes, None]", aiter(response))) as parts:
            first = await next_event(parts)
            await asyncio.to_thread(change, other.pk, now)
            return first, await next_event(parts)

    first, second = loop.run(watched())
    assert first[1] != second[1]
    with pytest.raises(errors.PointNotFound):
        loop.run(streams.stream_now(asked(ANYONE), library_id=10**9))


def test_more_streams_than_a_process_bears_are_asked_to_come_later(point, now, monkeypatch):
    monkeypatch.setattr(streams, "MOST_STREAMS", 0)
    with pytest.raises(Refusal) as refusal:
        loop.run(streams.stream_now(asked(ANYONE), library_id=point.library_id))
    assert (refusal.value.status, refusal.value.retry_after) == (429, 10)


# The real server


@pytest.fixture
def server(point):
    """The product's own server process on the test's database."""
    told = connection.settings_dict
    port = free_port()
    address = f"postgres://{told['USER']}:{told['PASSWORD']}@{told['HOST']}:{told['PORT']}/{told['NAME']}"
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "config.asgi:application"],
        env={
            **os.environ,
            "DATABASE_URL": address,
            "ALLOWED_HOSTS": "127.0.0.1",
            "PUBLIC_BASE_URL": "http://127.0.0.1",
        },
    )
    try:
        for _ in range(300):
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def test_the_server_streams_and_stops_when_told_with_a_stream_open(server, point, now):
    process, address = server
    with urlopen(f"{address}/live/now/{point.library_id}/", timeout=15) as answer:
        seen = [answer.readline().decode() for _ in range(4)]
        assert (seen[0], seen[2]) == ("retry: 2000\n", "event: version\n")
        change(point.pk, now)
        later = [answer.readline().decode() for _ in range(4)]
        assert "event: version\n" in later
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=15)  # without the hub's word it waits for ever
        answer.read()  # ends
