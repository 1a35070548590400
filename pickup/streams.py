"""The streams that tell an open page to look again (`/live/...`).

An event carries only a version. The page fetches its fragment anew, so a missed event does no harm.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing

from asgiref.sync import sync_to_async
from django.db import connections
from django.http import HttpRequest, StreamingHttpResponse
from django.views.decorators.http import require_GET

from core import live
from core.actor import Actor
from core.refusal import TooMany
from lending import auth
from pickup import queries, watch
from pickup.errors import PointNotFound

RETRY = 2000  # milliseconds until a browser opens a broken stream again
MOST_STREAMS = 1000  # of one process
FOR_STAFF = 200  # of these, kept for boards: a busy evening on /now/ must not keep a librarian out


@require_GET
async def stream(request: HttpRequest, point_id: int) -> StreamingHttpResponse:
    """Tell the board of a point, to its staff, that it changed (`/live/points/<id>/`)."""
    await sync_to_async(_check_staff)(Actor.of(request), point_id)
    return _answer([f"point:{point_id}"], most=MOST_STREAMS)


@require_GET
async def stream_now(request: HttpRequest, library_id: int) -> StreamingHttpResponse:
    """Tell the public pages of a library that the load of one of its points changed (`/live/now/<library id>/`)."""
    return _answer(await sync_to_async(_known)(library_id=library_id), most=MOST_STREAMS - FOR_STAFF)


@require_GET
async def stream_all(request: HttpRequest) -> StreamingHttpResponse:
    """Tell the public page of all libraries that the load of any point changed (`/live/now/`)."""
    return _answer(await sync_to_async(_known)(), most=MOST_STREAMS - FOR_STAFF)


def _check_staff(by: Actor, point_id: int) -> None:
    try:
        point = queries.points(pk=point_id).first()
        if point is None:
            raise PointNotFound
        auth.require_staff(by, point.library_id)
    finally:
        connections.close_all()


def topics(**narrow: object) -> list[str]:
    """The topics of the pickup points in use, of all libraries that serve people or of `library_id`; sorted."""
    found = queries.points(open=True, **(narrow or {"library__training": False})).values_list("pk", flat=True)
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


def _answer(names: list[str], *, most: int) -> StreamingHttpResponse:
    if len(watch.hub().watchers) >= most:
        raise TooMany(retry_after=10)
    response = StreamingHttpResponse(_events(names), content_type="text/event-stream")
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    return response


async def _events(names: list[str]) -> AsyncIterator[str]:
    """Server-sent events: `version` with the version, `stale` while it cannot be read, `here` when nothing happens."""
    await sync_to_async(connections.close_all)()  # what the middleware read with is not needed for hours
    yield f"retry: {RETRY}\n\n"
    async with aclosing(watch.versions(names)) as versions:
        async for version in versions:
            if version == watch.STALE:
                yield "event: stale\ndata: old\n\n"
            else:
                yield f"event: version\ndata: {version}\n\n" if version else "event: here\ndata: -\n\n"
