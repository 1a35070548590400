"""API v1 of a pickup point for those who work there: its board, closed for today, a month in numbers."""

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
from lending import auth
from lending import queries as lending_queries
from lending.edge import Edge, told
from lending.serializers import Nothing, Strict, read, read_query
from pickup import board, closing, point_queries, statistics
from pickup.lane_api import point_at_work, visit_rows
from pickup.serializers import VisitRow, WhyClosed


class LaneNowRow(serializers.Serializer[Any]):
    """A lane, and the car that is served in it."""

    id = serializers.IntegerField(source="lane_id")
    name = serializers.CharField()
    open = serializers.BooleanField()
    visit = serializers.IntegerField(source="car.visit_id", default=None, allow_null=True)


class BoardRow(serializers.Serializer[Any]):
    """A pickup point at one moment: the cars in the order in which they are called, without any name."""

    pickup_point = serializers.IntegerField()
    layout = serializers.CharField(help_text="file, bays, door or locker")
    version = serializers.CharField(help_text="what the point's stream says while nothing has changed since")
    at = serializers.DateTimeField()
    why_closed = WhyClosed()
    lanes = LaneNowRow(many=True, help_text="of a single file")
    called = VisitRow(many=True)
    waiting = VisitRow(many=True)
    ended = VisitRow(many=True, help_text="of the last minutes: they can be undone")


class Board(Edge):
    @told("get_board", BoardRow)
    def get(self, request: Request, point_id: int) -> Response:
        """Who is here, who is called where, who has just gone; what the board at the window shows."""
        read_query(Nothing, request)
        by = Actor.of(request)
        now_at = board.snapshot(point_id=point_at_work(by, point_id), now=clock.now())
        cars = {name: getattr(now_at, name) for name in ("called", "waiting", "ended")}
        rows = {row["id"]: row for row in visit_rows([car.visit_id for some in cars.values() for car in some], by)}
        return Response(
            {
                "pickup_point": point_id,
                "layout": now_at.layout,
                "version": now_at.version,
                "at": now_at.at,
                "why_closed": now_at.load.why_closed,
                "lanes": LaneNowRow(now_at.lanes, many=True).data,
                **{name: [rows[car.visit_id] for car in some] for name, some in cars.items()},
            }
        )


class ShutRow(serializers.Serializer[Any]):
    """Until when a pickup point is closed, whatever its hours say."""

    pickup_point = serializers.IntegerField(source="point_id")
    shut_until = serializers.DateTimeField(allow_null=True, help_text="null: the hours count")


class _OpenAct(Edge):
    """A point is closed for today, and opened again, by those who work there."""

    def act(self, request: Request, point_id: int, verb: Callable[..., Any]) -> HttpResponseBase:
        """Once, with the point's state as the answer."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            read(Nothing, request)
            verb(point_id=point_at_work(by, point_id), by=by, now=now)
            return answer(dict(ShutRow(point_queries.rules_of(point_id)).data))


class Shut(_OpenAct):
    @told("shut_point", ShutRow, keyed=True)
    def post(self, request: Request, point_id: int) -> HttpResponseBase:
        """Close for the rest of the day; who waits is served, and promises stand."""
        return self.act(request, point_id, closing.shut)


class OpenAgain(_OpenAct):
    @told("open_point_again", ShutRow, keyed=True)
    def post(self, request: Request, point_id: int) -> HttpResponseBase:
        """The hours count again."""
        return self.act(request, point_id, closing.open_again)


class MonthQuery(Strict):
    month = serializers.RegexField(r"^\d{4}-\d{2}$", required=False, help_text="such as 2026-11; this one unless given")


class FigureRow(serializers.Serializer[Any]):
    """One number of a month, in the words of the open file."""

    pickup_point = serializers.CharField(help_text="its code")
    measure = serializers.CharField()
    of = serializers.CharField(help_text="the channel, the hour, or count, middle and most of times in seconds")
    value = serializers.FloatField(allow_null=True)


class StatisticsRow(serializers.Serializer[Any]):
    library = serializers.CharField()
    month = serializers.CharField()
    figures = FigureRow(many=True)


class Statistics(Edge):
    @told("get_statistics", StatisticsRow, asks=MonthQuery)
    def get(self, request: Request, code: str) -> Response:
        """A month of every pickup place of a library in numbers that name nobody."""
        asked, now = read_query(MonthQuery, request), clock.now()
        library = lending_queries.library_of(code)
        if library is None or library.pk not in auth.require_any_staff(Actor.of(request)):
            raise NotFound
        months = statistics.months(library, now=now)
        first = next((one for one in months if f"{one:%Y-%m}" == asked.get("month", f"{months[0]:%Y-%m}")), None)
        if first is None:
            raise NotFound(field="month")
        figures = [
            {"pickup_point": one.point.code, "measure": measure, "of": of, "value": value}
            for one in statistics.of_month(library, first, now=now)
            for measure, of, value in one.rows()
        ]
        return Response({"library": library.code, "month": f"{first:%Y-%m}", "figures": figures})
