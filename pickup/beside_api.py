"""API v1 beside another system: its lists of a day and of what is lent there, and the files for it."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers
from rest_framework.request import Request

from core import clock
from core.actor import Actor
from core.once import once
from core.refusal import BadInput, NotFound
from lending import auth, day_lists, postings, sheets
from lending import queries as lending_queries
from lending.api import where
from lending.edge import Edge, note_look, told
from lending.serializers import AtLibrary, Day, Id, Nothing, Strict, Words, read, read_query
from lending.states import PostingState
from pickup import day_lists as lists
from pickup import point_queries, posting_pages
from pickup.errors import PointNotFound


class ListInput(Strict):
    """A list as a file: CSV, TSV or XLSX."""

    content = Words(max_length=900_000, help_text="the file in Base64, 600 kB at most")
    map = Words(required=False, max_length=40, help_text="kolas or koha; left out: found out")
    encoding = serializers.ChoiceField(choices=sheets.ENCODINGS, required=False, help_text="left out: found out")
    dry_run = serializers.BooleanField(default=False, help_text="tell what would become of it, keep nothing")


class DayListInput(ListInput):
    pickup_point = Id()
    day = Day(required=False, help_text="local day; left out: the next open day")
    packed = serializers.BooleanField(default=False, help_text="the bags are packed already: people are told at once")
    skip_bad = serializers.BooleanField(default=False, help_text="leave out the rows that cannot be taken")


class LentListInput(ListInput):
    library = Words(required=False, max_length=40, help_text="code; needed by those who work in several")


class BadRow(serializers.Serializer[Any]):
    """A row that cannot be taken, and why."""

    line = serializers.IntegerField()
    column = serializers.CharField()
    value = serializers.CharField()
    reason = serializers.CharField()
    sentence = serializers.CharField()


class DayListRow(serializers.Serializer[Any]):
    """What a list became; nothing of it when `kept` is false: it was only tried, or a row cannot be taken."""

    kept = serializers.BooleanField()
    day = serializers.DateField()
    map = serializers.CharField()
    columns = serializers.DictField(child=serializers.CharField(), help_text="which heading each of ours was read from")
    bags = serializers.IntegerField()
    books = serializers.IntegerField()
    ready = serializers.IntegerField()
    same = serializers.IntegerField(help_text="rows that were there already")
    new_people = serializers.IntegerField()
    new_books = serializers.IntegerField()
    bad = BadRow(many=True)


class LentListRow(serializers.Serializer[Any]):
    """What a list of what is lent out there means here."""

    kept = serializers.BooleanField()
    marked = serializers.IntegerField(help_text="copies that are on loan, as we guess, from now on")
    unknown = serializers.IntegerField(help_text="rows whose book is not in our catalogue")
    held = serializers.ListField(child=serializers.CharField(), help_text="barcodes set aside for somebody here: left")
    bad = BadRow(many=True)


class FileRow(serializers.Serializer[Any]):
    file = serializers.UUIDField(allow_null=True, help_text="null: there was nothing to tell")


class SettledRow(serializers.Serializer[Any]):
    lines = serializers.IntegerField(help_text="how many of the file were still to be told")


def _read(given: dict[str, Any], *, region: str, lent: bool = False) -> day_lists.DayList:
    maps = day_lists.saved_maps()
    if "map" in given and given["map"] not in maps:
        raise BadInput(field="map", known=sorted(maps))
    chosen = [maps[given["map"]]] if "map" in given else list(maps.values())
    content = sheets.decoded(given["content"], field="content")
    return day_lists.read(sheets.read(content, encoding=given.get("encoding", "")), chosen, region=region, lent=lent)


class DayLists(Edge):
    @told("import_day_list", DayListRow, takes=DayListInput, keyed=True)
    def post(self, request: Request) -> HttpResponseBase:
        """Make bags of a day's list. The same list twice adds nothing. Staff only."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(DayListInput, request)
            mine = point_queries.points(pk=given["pickup_point"], library_id__in=auth.require_any_staff(by))
            point = mine.first()
            if point is None:
                raise PointNotFound(field="pickup_point")
            day_lists.refuse_unless_beside(point.library)
            days = lists.days(point.library, now=now)
            day = given.get("day") or days.usual
            if day not in days:
                raise BadInput(field="day")
            listed = _read(given, region=point.library.region)
            result = lists.take_over(
                listed=listed,
                point=point,
                day=day,
                packed=given["packed"],
                skip_bad=given["skip_bad"],
                dry_run=given["dry_run"],
                by=by,
                now=now,
            )
            told_of = {"day": day, "map": listed.map.key, "columns": listed.found}
            return answer(DayListRow({**asdict(result), **told_of, "bad": result.bad}).data)


class LentLists(Edge):
    @told("mark_lent", LentListRow, takes=LentListInput, keyed=True)
    def post(self, request: Request) -> HttpResponseBase:
        """Mark what is lent out there; only barcodes are read. Staff only."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(LentListInput, request)
            library = lending_queries.library_with_rules(where(by, given.get("library")))
            day_lists.refuse_unless_beside(library)
            listed = _read(given, region=library.region, lent=True)
            if given["dry_run"]:
                told_of = day_lists.look_at_lent(entries=listed.entries, library=library)
            else:
                told_of = day_lists.mark_lent(entries=listed.entries, library=library, by=by, now=now)
            row = {
                "kept": not given["dry_run"],
                "marked": told_of.marked,
                "unknown": told_of.unknown,
                "held": [copy.barcode for copy in told_of.held],
                "bad": listed.bad,
            }
            return answer(LentListRow(row).data)


class PostingFiles(Edge):
    @told("export_postings", FileRow, takes=AtLibrary, keyed=True)
    def post(self, request: Request) -> HttpResponseBase:
        """Put what is to be told and in no file yet into one; it is told once that was loaded. Staff only."""
        by = Actor.of(request)
        with once(by, request) as answer:
            library_id = where(by, read(AtLibrary, request).get("library"))
            name = postings.export(library_id=library_id, by=by, now=clock.now())
            return answer(FileRow({"file": name}).data)


def _of_file(by: Actor, name: uuid.UUID) -> Any:
    """The postings of a file of one's libraries; others are unknown."""
    found = lending_queries.postings().filter(library_id__in=auth.require_any_staff(by), export=name)
    if not found.exists():
        raise NotFound
    return found


class OnePostingFile(Edge):
    @told("get_posting_file", OpenApiTypes.STR, media="text/csv")
    def get(self, request: Request, name: uuid.UUID) -> HttpResponse:
        """The file as CSV, in the order in which it happened; what is not needed any more is left out. Staff only."""
        read_query(Nothing, request)
        by = Actor.of(request)
        rows = list(_of_file(by, name).exclude(state=PostingState.CANCELLED).order_by("happened_at", "pk"))
        if not rows:
            raise NotFound
        note_look(rows, purpose="api postings", by=by, now=clock.now())
        table = posting_pages.table(rows, ZoneInfo(rows[0].library.zone))
        return HttpResponse(table.encode("utf-8-sig"), content_type="text/csv; charset=utf-8")


class _FileAct(Edge):
    def act(self, request: Request, name: uuid.UUID, verb: Any) -> HttpResponseBase:
        """Once, about all of a file that is still to be told."""
        by = Actor.of(request)
        with once(by, request) as answer:
            read(Nothing, request)
            library_id = _of_file(by, name).first().library_id
            lines = verb(export=name, library_id=library_id, by=by, now=clock.now())
            return answer(SettledRow({"lines": lines}).data)


class PostingFileDone(_FileAct):
    @told("posting_file_done", SettledRow, keyed=True)
    def post(self, request: Request, name: uuid.UUID) -> HttpResponseBase:
        """The file was loaded there. Staff only."""
        return self.act(request, name, postings.done_export)


class PostingFileDropped(_FileAct):
    @told("posting_file_dropped", SettledRow, keyed=True)
    def post(self, request: Request, name: uuid.UUID) -> HttpResponseBase:
        """The file was not loaded there: its lines go into the next one. Staff only."""
        return self.act(request, name, postings.drop_export)
