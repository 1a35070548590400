"""API v1: single copies of a library: they come back, are set aside, withdrawn, found again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http.response import HttpResponseBase
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.actor import Actor
from core.once import once
from core.refusal import NotFound
from lending import auth, copies
from lending import queries as lending_queries
from lending.api import where
from lending.edge import Edge, Pages, note_look, page_of, told
from lending.serializers import (
    ComesBackInput,
    Nothing,
    Paged,
    ReturnedRow,
    TitleName,
    Words,
    read,
    read_query,
)
from lending.states import CopyState
from pickup import returns


class CopyQuery(Paged):
    state = serializers.ChoiceField(choices=CopyState.choices, required=False)
    barcode = Words(required=False, max_length=30)


class StockRow(serializers.Serializer[Any]):
    """One physical volume: whose it is, where it is, in what state."""

    id = serializers.IntegerField(source="pk")
    barcode = serializers.CharField()
    title = TitleName()
    volume = serializers.CharField()
    call_number = serializers.CharField()
    library = serializers.CharField(source="library.code", help_text="whose it is")
    at_library = serializers.CharField(source="at_library.code", help_text="where it is, or was last")
    state = serializers.ChoiceField(choices=CopyState.choices)
    moved_at = serializers.DateTimeField()


class Copies(Edge):
    @told("list_copies", page_of(StockRow), asks=CopyQuery)
    def get(self, request: Request) -> Response:
        """The copies that the libraries in which one works own, and those that stand there. Newest first."""
        works = auth.require_any_staff(Actor.of(request))
        asked, pages = read_query(CopyQuery, request), Pages()
        rows = lending_queries.copies(library_ids=works)
        rows = rows.filter(**{name: asked[name] for name in ("state", "barcode") if name in asked})
        return pages.response(StockRow(pages.page(rows, request), many=True).data)


class Returns(Edge):
    @told("take_back", ReturnedRow, takes=ComesBackInput, keyed=True)
    def post(self, request: Request) -> HttpResponseBase:
        """A copy comes back, at a desk or through the window, as at the returns desk; says who gets it next.

        A loan ends; a library that keeps its loans in another system answers with a `posting` in its place. Neither is
        there for what was found, came from another library, or lay in a bag that nobody collects.
        """
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(ComesBackInput, request)
            library_id = where(by, given.pop("library", None))
            back = returns.check_in(**given, library_id=library_id, by=by, now=now)
            loan = lending_queries.loans().filter(pk=back.loan.pk).first() if back.loan else None
            posting = lending_queries.postings().filter(pk=back.posting.pk).first() if back.posting else None
            copy = lending_queries.copy(back.copy.pk) if back.copy is not None else None
            holder = lending_queries.holder_of(copy.pk) if copy is not None else None
            note_look(filter(None, [loan, posting]), purpose="api returns", by=by, now=now)
            row = {"copy": copy, "loan": loan, "posting": posting, "next_reservation": holder}
            return answer(ReturnedRow(row).data)


class _CopyAct(Edge):
    def act(self, request: Request, copy_id: int, verb: Callable[..., object]) -> HttpResponseBase:
        """Once, at the library where the copy is, for whoever works there or at the library that owns it."""
        by = Actor.of(request)
        with once(by, request) as answer:
            read(Nothing, request)
            mine = lending_queries.copies(library_ids=auth.require_any_staff(by))
            if not mine.filter(pk=copy_id).exists():
                raise NotFound
            verb(copy_id=copy_id, by=by, now=clock.now())
            return answer(StockRow(mine.get(pk=copy_id)).data)


class Damaged(_CopyAct):
    @told("set_copy_aside", StockRow, keyed=True)
    def post(self, request: Request, copy_id: int) -> HttpResponseBase:
        """It cannot be lent as it is; who was to get it keeps the place in line."""
        return self.act(request, copy_id, returns.set_aside)


class Withdraw(_CopyAct):
    @told("withdraw_copy", StockRow, keyed=True)
    def post(self, request: Request, copy_id: int) -> HttpResponseBase:
        """It leaves the collection for good."""
        return self.act(request, copy_id, returns.withdraw)


class Found(_CopyAct):
    @told("find_copy", StockRow, keyed=True)
    def post(self, request: Request, copy_id: int) -> HttpResponseBase:
        """It was missing, lost or damaged and can be lent again, where it was last."""
        return self.act(request, copy_id, copies.found_again)
