"""API v1: the days on which a library is open, and closing or opening one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.http.response import HttpResponseBase
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.actor import Actor
from core.once import once
from core.refusal import BadInput, NotFound
from lending import auth, members
from lending import opening as lending_opening
from lending import queries as lending_queries
from lending.edge import PublicEdge, told
from lending.serializers import Day, Strict, Words, read, read_query
from pickup import opening

if TYPE_CHECKING:
    from lending.models import Library

LONGEST = 100


class DaysQuery(Strict):
    first = Day(required=False, help_text="local day, at most 800 days from today; today unless given")
    last = Day(required=False, help_text="local day; four weeks later unless given, at most 100 days")


class DayRow(serializers.Serializer[Any]):
    day = serializers.DateField()
    open = serializers.BooleanField(source="is_open")
    differs = serializers.BooleanField(help_text="somebody said so of this very day")
    reason = serializers.CharField()


class DaysRow(serializers.Serializer[Any]):
    days = DayRow(many=True)


class DayInput(Strict):
    day = Day()
    open = serializers.BooleanField(required=False, allow_null=True, help_text="null: as the rule has it")
    reason = Words(required=False, allow_blank=True, max_length=80)


class BecameRow(serializers.Serializer[Any]):
    """What became of those who had a time on the day."""

    moved = serializers.IntegerField(help_text="visits that have a new time")
    called = serializers.IntegerField(help_text="visits without one, on the call list of the staff")


class WeekRow(serializers.Serializer[Any]):
    """On which days a library is closed by rule."""

    weekly_closed = serializers.ListField(child=serializers.IntegerField(), help_text="weekdays; Monday is 0")
    nth_closed = serializers.ListField(
        child=serializers.CharField(), help_text='weekdays of some weeks of a month; "1-0" is the first Monday'
    )
    holidays = serializers.CharField(help_text='whose public holidays, such as KR or US-NY; "" for nobody\'s')


class WeekInput(Strict):
    """What is absent stays as it is."""

    weekly_closed = serializers.ListField(child=serializers.IntegerField(), required=False, max_length=7)
    nth_closed = serializers.ListField(child=Words(max_length=10), required=False, max_length=35)
    holidays = Words(required=False, allow_blank=True, max_length=10)


class WeekSetRow(WeekRow):
    standing = serializers.IntegerField(help_text="promised visits that lie outside the hours now; they stand")


class Week(PublicEdge):
    @told("get_week", WeekRow)
    def get(self, request: Request, code: str) -> Response:
        """On which days it is closed by rule."""
        return Response(WeekRow(_library(code)).data)

    @told("set_week", WeekSetRow, takes=WeekInput, keyed=True)
    def post(self, request: Request, code: str) -> HttpResponseBase:
        """Change the rule; for managers. Visits that are promised stand until somebody closes their day."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(WeekInput, request)
            library = _library(code)
            auth.require_staff(by, library.pk, members.Role.MANAGER)
            rule = {**WeekRow(library).data, **given}
            standing = opening.rule(library_id=library.pk, **rule, by=by, now=now)
            return answer({**WeekRow(_library(code)).data, "standing": standing})


class Days(PublicEdge):
    @told("list_days", DaysRow, asks=DaysQuery)
    def get(self, request: Request, code: str) -> Response:
        """Which days are open."""
        asked = read_query(DaysQuery, request)
        library = _library(code)
        today = lending_queries.today(library, clock.now())
        first = asked.get("first") or today
        if abs(first - today) > lending_opening.FURTHEST:
            raise BadInput(field="first")
        last = asked.get("last") or first + timedelta(days=27)
        if not timedelta() <= last - first < timedelta(days=LONGEST):
            raise BadInput(field="last")
        return Response(DaysRow({"days": opening.days(library=library, first=first, last=last)}).data)

    @told("set_day", BecameRow, takes=DayInput, keyed=True)
    def post(self, request: Request, code: str) -> HttpResponseBase:
        """Close a day, open it, or let the rule decide again; for managers. Whoever had a time on it is told."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(DayInput, request)
            library = _library(code)
            auth.require_staff(by, library.pk, members.Role.MANAGER)
            about = {"library_id": library.pk, "day": given["day"], "by": by, "now": now}
            is_open, reason = given.get("open"), given.get("reason", "")
            done = opening.Closed(0, 0)
            if is_open is None:
                done = opening.forget(**about)
            elif is_open:
                opening.open_up(**about, reason=reason)
            else:
                done = opening.close(**about, reason=reason)
            return answer(dict(BecameRow(done).data))


def _library(code: str) -> Library:
    library = lending_queries.library_of(code)
    if library is None:
        raise NotFound
    return library
