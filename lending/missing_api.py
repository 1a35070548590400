"""API v1: the search list of a library."""

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
from lending import auth, missing, queries
from lending.api import where
from lending.edge import Edge, told
from lending.serializers import AtLibrary, Nothing, TitleName, read, read_query
from lending.states import CopyState


class LookRow(serializers.Serializer[Any]):
    on = serializers.DateField(help_text="local day")
    by = serializers.CharField(source="principal")


class SoughtRow(serializers.Serializer[Any]):
    """A copy that is missing, and what comes next."""

    id = serializers.IntegerField(source="copy.pk", help_text="of the copy")
    barcode = serializers.CharField(source="copy.barcode")
    call_number = serializers.CharField(source="copy.call_number")
    title = TitleName(source="copy.title")
    volume = serializers.CharField(source="copy.volume")
    missing_since = serializers.DateTimeField(source="copy.moved_at")
    looks = LookRow(many=True)
    next = serializers.ChoiceField(choices=["look", "give_up"])
    due_on = serializers.DateField(help_text="local day from which it is to be done")


class SearchListRow(serializers.Serializer[Any]):
    library = serializers.CharField()
    results = SoughtRow(many=True)


class FateRow(serializers.Serializer[Any]):
    """What became of a copy that was looked for."""

    id = serializers.IntegerField(source="pk", help_text="of the copy")
    barcode = serializers.CharField()
    state = serializers.ChoiceField(choices=CopyState.choices)


class SearchList(Edge):
    @told("search_list", SearchListRow, asks=AtLibrary)
    def get(self, request: Request) -> Response:
        """What is missing at a library, in shelf order, all of it."""
        by, asked = Actor.of(request), read_query(AtLibrary, request)
        library = queries.library_with_rules(where(by, asked.get("library")))
        return Response(SearchListRow({"library": library.code, "results": missing.at(library, now=clock.now())}).data)


class _CopyAct(Edge):
    def act(self, request: Request, copy_id: int, verb: Callable[..., object]) -> HttpResponseBase:
        """Once, with what became of the copy as the answer."""
        by = Actor.of(request)
        with once(by, request) as answer:
            read(Nothing, request)
            if queries.copy_within(copy_id, auth.require_any_staff(by)) is None:
                raise NotFound
            verb(copy_id=copy_id, by=by, now=clock.now())
            return answer(FateRow(queries.copy(copy_id)).data)


class Looked(_CopyAct):
    @told("looked_for_copy", FateRow, keyed=True)
    def post(self, request: Request, copy_id: int) -> HttpResponseBase:
        """Somebody looked for it and did not see it; once a day."""
        return self.act(request, copy_id, missing.looked)


class Found(_CopyAct):
    @told("found_copy", FateRow, keyed=True)
    def post(self, request: Request, copy_id: int) -> HttpResponseBase:
        """It was there after all; who waits longest gets it."""
        return self.act(request, copy_id, missing.found)


class Lost(_CopyAct):
    @told("lost_copy", FateRow, keyed=True)
    def post(self, request: Request, copy_id: int) -> HttpResponseBase:
        """It is lost; possible after two looks on different days."""
        return self.act(request, copy_id, missing.give_up)
