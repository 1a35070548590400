"""API v1: what the system that keeps a library's loans still has to be told, for whoever tells it."""

from __future__ import annotations

from typing import Any

from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.actor import Actor
from core.once import once
from core.refusal import NotFound
from lending import auth, postings, queries
from lending.edge import Edge, Pages, note_look, page_of, told
from lending.serializers import Nothing, PostingQuery, PostingRow, RefuseInput, read, read_query


class Postings(Edge):
    @told("list_postings", page_of(PostingRow), asks=PostingQuery)
    def get(self, request: Request) -> Response:
        """What happened in the staff's libraries that keep their loans elsewhere, newest first."""
        by, asked, pages = Actor.of(request), read_query(PostingQuery, request), Pages()
        rows = queries.postings().filter(library_id__in=auth.require_any_staff(by))
        for name, column in (("state", "state"), ("kind", "kind"), ("library", "library__code"), ("export", "export")):
            if name in asked:
                rows = rows.filter(**{column: asked[name]})
        found = pages.page(rows, request)
        note_look(found, purpose="api postings", by=by, now=clock.now())
        return pages.response(PostingRow(found, many=True).data)


class _PostingAct(Edge):
    """What became of a posting is said by who works in its library, or by a program of it."""

    def act(self, request: Request, posting_id: int, verb: Any, takes: Any = Nothing) -> HttpResponseBase:
        """Once, with the posting as the answer."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(takes, request)
            here = queries.postings().filter(library_id__in=auth.require_any_staff(by))
            if not here.filter(pk=posting_id).exists():
                raise NotFound
            verb(posting_id=posting_id, **given, by=by, now=now)
            row = here.get(pk=posting_id)
            note_look([row], purpose="api postings", by=by, now=now)
            return answer(PostingRow(row).data)


class PostingDone(_PostingAct):
    @told("posting_done", PostingRow, keyed=True)
    def post(self, request: Request, posting_id: int) -> HttpResponseBase:
        """The other system has been told."""
        return self.act(request, posting_id, postings.done)


class PostingRefused(_PostingAct):
    @told("posting_refused", PostingRow, takes=RefuseInput, keyed=True)
    def post(self, request: Request, posting_id: int) -> HttpResponseBase:
        """The other system did not take it; the reason says where it has to be solved."""
        return self.act(request, posting_id, postings.refuse, RefuseInput)


class PostingAgain(_PostingAct):
    @told("posting_again", PostingRow, keyed=True)
    def post(self, request: Request, posting_id: int) -> HttpResponseBase:
        """What stood in the way is solved: it is to be told again."""
        return self.act(request, posting_id, postings.again)
