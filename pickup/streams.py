"""The streams that tell an open page to look again (`/live/...`).

An event carries only a version. The page fetches its fragment anew, so a missed event does no harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from contextlib import aclosing
from http import HTTPStatus
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections
from django.http import HttpRequest, StreamingHttpResponse
from django.views.decorators.http import require_GET

from core import live
from core.actor import Actor
from core.refusal import TooMany
from lending import auth
from pickup import point_queries, watch
from pickup.errors import PointNotFound

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

HELD = "lending.held"  # in the scope of a request: the topics of a stream that goes on when Django is done with it
RETRY = 2000  # milliseconds until a browser opens a broken stream again
MOST_STREAMS = 1000  # of one process
FOR_STAFF = 200  # of these, kept for boards: a busy evening on /now/ must not keep a librarian out


@require_GET
async def stream(request: HttpRequest, point_id: int) -> StreamingHttpResponse:
    """Tell the board of a point, to its staff, that it changed (`/live/points/<id>/`)."""
    await sync_to_async(_check_staff)(Actor.of(request), point_id)
    return _answer(request, [f"point:{point_id}"], most=MOST_STREAMS)


@require_GET
async def stream_now(request: HttpRequest, library_id: int) -> StreamingHttpResponse:
    """Tell the public pages of a library that the load of one of its points changed (`/live/now/<library id>/`)."""
    return _answer(request, await sync_to_async(_known)(library_id=library_id), most=MOST_STREAMS - FOR_STAFF)


@require_GET
async def stream_all(request: HttpRequest) -> StreamingHttpResponse:
    """Tell the public page of all libraries that the load of any point changed (`/live/now/`)."""
    return _answer(request, await sync_to_async(_known)(), most=MOST_STREAMS - FOR_STAFF)


def _check_staff(by: Actor, point_id: int) -> None:
    try:
        point = point_queries.points(pk=point_id).first()
        if point is None:
            raise PointNotFound
        auth.require_staff(by, point.library_id)
    finally:
        connections.close_all()


def topics(**narrow: object) -> list[str]:
    """The topics of the pickup points in use, of all libraries that serve people or of `library_id`; sorted."""
    found = point_queries.points(open=True, **(narrow or {"library__training": False})).values_list("pk", flat=True)
    return sorted(f"point:{pk}" for pk in found)


def version_of(names: Iterable[str]) -> str:
    """The version that the stream of these topics tells as long as nothing changes."""
    found = live.versions(names)
    return "-".join(found[name] for name in sorted(found))


def _known(**narrow: object) -> list[str]:
    try:
        names = topics(**narrow)
    finally:
        connections.close_all()
    if not names:
        raise PointNotFound
    return names


def held(django: App) -> App:
    """Wrap Django for a server: its view says who may watch what, then the event loop alone holds the open answer.

    Django itself keeps a thread, two tasks and the whole request for every answer that has not ended.
    """

    async def serve(scope: Message, receive: Receive, send: Send) -> None:
        async def begin(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] != HTTPStatus.OK:
                scope[HELD] = None
            if message["type"] == "http.response.start" or scope[HELD] is None:
                await send(message)  # what follows the start of a held answer is ours

        scope[HELD] = None
        await django(scope, receive, begin)
        if scope[HELD] is not None:
            await _hold(scope[HELD], receive, send)

    return serve


async def _hold(names: list[str], receive: Receive, send: Send) -> None:
    gone = asyncio.ensure_future(receive())
    try:
        async with aclosing(_events(names, gone)) as parts:
            async for part in parts:
                await send({"type": "http.response.body", "body": part.encode(), "more_body": True})
        await send({"type": "http.response.body"})
    finally:
        gone.cancel()


def _answer(request: HttpRequest, names: list[str], *, most: int) -> StreamingHttpResponse:
    if len(watch.hub().watchers) >= most:
        raise TooMany(retry_after=10)
    scope: Message = getattr(request, "scope", {})
    if HELD in scope:
        scope[HELD] = names
    response = StreamingHttpResponse(_nothing() if HELD in scope else _events(names), content_type="text/event-stream")
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    return response


async def _nothing() -> AsyncIterator[str]:
    return
    yield


async def _events(names: list[str], gone: asyncio.Future[Message] | None = None) -> AsyncGenerator[str, None]:
    """Server-sent events: `version` with the version, `stale` while it cannot be read, `here` when nothing happens.

    The version is the event's id as well. Whichever one a browser names as its last, the newest comes first: there is
    nothing to send again. They end when the browser has `gone`.
    """
    yield f"retry: {RETRY}\n\n"
    async with aclosing(watch.versions(names, until=gone)) as versions:
        async for version in versions:
            if version == watch.STALE:
                yield "event: stale\ndata: old\n\n"
            else:
                yield f"event: version\ndata: {version}\nid: {version}\n\n" if version else "event: here\ndata: -\n\n"
