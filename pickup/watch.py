"""Who watches a topic hears of its new version: from Redis at once, from PostgreSQL within two seconds.

One hub for each event loop, which is one for each serving process. It has one Redis subscription and one looking
task, however many watch; both live only while somebody does. A doorbell merely wakes the looking task, so one that is
lost costs two seconds. The looking runs in a thread and gives its connection back each time: nobody holds one while
waiting.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import redis.asyncio
import structlog
from django.conf import settings
from django.db import Error, connections

from core import live

log = structlog.get_logger()

LOOK_EVERY = 2.0  # seconds between two looks into PostgreSQL
TOGETHER = 0.05  # seconds after a look in which several doorbells count as one
BREATH = 15.0  # seconds after which a silent stream sends a comment, so that proxies keep it and dead ones are found
STALE_AFTER = 3  # looks that fail in a row before watchers are told that they see old news
STALE = "stale"
END = "end"


class Hub:
    """The watchers of one event loop, each with the topics it follows."""

    def __init__(self) -> None:
        self.watchers: dict[asyncio.Queue[str], tuple[str, ...]] = {}
        self.ended = False
        self._known: dict[str, str] = {}
        self._failed = 0
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @contextmanager
    def watching(self, topics: Iterable[str]) -> Iterator[asyncio.Queue[str]]:
        """A queue with the newest version of the topics, joined; one that was not taken in time gives way."""
        queue: asyncio.Queue[str] = asyncio.Queue(maxsize=1)
        self.watchers[queue] = tuple(sorted(topics))
        if not self._tasks or any(task.done() for task in self._tasks):
            self._stop()
            self._tasks = [asyncio.create_task(does()) for does in (self._look, self._listen, self._breathe)]
        self._tell([queue])
        self._wake.set()
        try:
            yield queue
        finally:
            del self.watchers[queue]
            self._known = {topic: version for topic, version in self._known.items() if topic in self._watched()}
            if not self.watchers:
                self._stop()

    def end(self) -> None:
        """This process stops: every stream ends, and its browser asks another process."""
        self.ended = True
        for queue in self.watchers:
            _put(queue, END)

    def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._tasks = []

    def _watched(self) -> set[str]:
        return {topic for topics in self.watchers.values() for topic in topics}

    def _tell(self, queues: Iterable[asyncio.Queue[str]]) -> None:
        for queue in queues:
            versions = [self._known.get(topic, "") for topic in self.watchers[queue]]
            if all(versions):
                _put(queue, "-".join(versions))

    async def _look(self) -> None:
        """Read the versions of what is watched, every two seconds and whenever somebody rings."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK_EVERY)
            self._wake.clear()
            try:
                found = await asyncio.to_thread(_versions, self._watched())
            except (Error, OSError) as error:
                self._failed += 1
                log.warning("live.blind", error=type(error).__name__, times=self._failed)
                if self._failed == STALE_AFTER:
                    self._known.clear()  # so that everybody hears the version again when it can be read
                    for queue in self.watchers:
                        _put(queue, STALE)
                continue
            self._failed = 0
            watched = self._watched()
            news = {topic for topic, version in found.items() if topic in watched and self._known.get(topic) != version}
            self._known |= {topic: found[topic] for topic in news}
            self._tell([queue for queue, topics in self.watchers.items() if not news.isdisjoint(topics)])
            await asyncio.sleep(TOGETHER)

    async def _breathe(self) -> None:
        """Let silent streams say something. One clock for all: a deadline for each cost more than the event itself."""
        while True:
            await asyncio.sleep(BREATH)
            for queue in self.watchers:
                if queue.empty():
                    queue.put_nowait("")

    async def _listen(self) -> None:
        """Hear the doorbells of all points; without Redis try again every two seconds."""
        while True:
            client = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_timeout=None, socket_connect_timeout=1)
            heard = client.pubsub(ignore_subscribe_messages=True)
            try:
                await heard.psubscribe(live.channel("point:*"))
                while True:
                    message = await heard.get_message(timeout=BREATH)
                    if message is not None and _name(message["channel"]) in map(live.channel, self._watched()):
                        self._wake.set()
            except (redis.RedisError, OSError) as error:
                log.warning("live.deaf", error=type(error).__name__)
            finally:
                with suppress(redis.RedisError, OSError):
                    await heard.aclose()  # type: ignore[no-untyped-call]
                    await client.aclose()
            await asyncio.sleep(LOOK_EVERY)


_hubs: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = weakref.WeakKeyDictionary()


def hub() -> Hub:
    """The hub of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
        _end_when_told(loop, _hubs[loop].end)
    return _hubs[loop]


async def versions(topics: Iterable[str], *, until: asyncio.Future[Any] | None = None) -> AsyncGenerator[str, None]:
    """The version of some topics, joined: the first at once, then each new one; `stale` while they cannot be read.

    Yields "" at least every fifteen silent seconds. Ends when the process is told to stop, or `until` is done.
    """
    here = hub()
    with here.watching(topics) as queue:
        if until is not None:
            until.add_done_callback(lambda _done: _put(queue, END))
        while not here.ended and not (until is not None and until.done()):  # a version may have taken END's place
            version = await queue.get()
            if version == END:
                return
            yield version


def _put(queue: asyncio.Queue[str], version: str) -> None:
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(version)


def _versions(topics: set[str]) -> dict[str, str]:
    try:
        return live.versions(topics)
    finally:
        connections.close_all()


def _name(channel: bytes | str) -> str:
    return channel.decode() if isinstance(channel, bytes) else channel


def _end_when_told(loop: asyncio.AbstractEventLoop, end: Callable[[], None]) -> None:
    """Call `end` when this process is told to stop, and then do what was to be done before.

    Servers wait for open answers before they stop, and a stream is open for ever: granian and uvicorn alike would hang
    until they are killed. Only the main thread may take signals, and one that nobody handles is left as it is.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)
        if not callable(before):
            continue

        def told(signum: int, frame: FrameType | None, before: Callable[..., object] = before) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(end)
            before(signum, frame)

        signal.signal(number, told)
