"""API v1: the switch "building closed, lending goes on", for managers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http.response import HttpResponseBase
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.actor import Actor
from core.once import once
from core.refusal import NotFound
from lending import auth, members
from lending import queries as lending_queries
from lending import surge as lending_surge
from lending.edge import Edge, told
from lending.serializers import Nothing, Strict, Words, read, read_query
from pickup import surge

if TYPE_CHECKING:
    from lending.models import Library


class SurgeInput(Strict):
    surge = serializers.BooleanField(required=False, help_text="absent: only the notice is changed")
    notice_ko = Words(required=False, allow_blank=True, max_length=lending_surge.NOTICE)
    notice_en = Words(required=False, allow_blank=True, max_length=lending_surge.NOTICE)


class RuleBesideRow(serializers.Serializer[Any]):
    """A rule that differs between normal days and the closed building."""

    rule = serializers.CharField(source="name")
    normal = serializers.JSONField(allow_null=True)
    surge = serializers.JSONField(allow_null=True)


class PointHoursRow(serializers.Serializer[Any]):
    """What a pickup point has in the coming seven days, on normal days and while the building is closed."""

    pickup_point = serializers.IntegerField(source="point.pk")
    normal_slots = serializers.IntegerField(source="normal.slots")
    normal_places = serializers.IntegerField(source="normal.places")
    surge_slots = serializers.IntegerField(source="surge.slots")
    surge_places = serializers.IntegerField(source="surge.places")


class OutsideRow(serializers.Serializer[Any]):
    """A visit that is promised at a time which the other hours do not have; it stands."""

    appointment = serializers.IntegerField(source="appointment.pk")
    starts_at = serializers.DateTimeField(source="appointment.slot.starts_at")
    orders = serializers.SerializerMethodField()

    def get_orders(self, row: surge.Outside) -> list[int]:
        return [order.pk for order in row.orders]


class SurgeChangeRow(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    by = serializers.CharField(source="principal")
    surge = serializers.BooleanField()


class SurgeRow(serializers.Serializer[Any]):
    """The switch of a library, and what turning it would change."""

    library = serializers.CharField()
    surge = serializers.BooleanField(help_text="the building is closed, lending goes on")
    notice_ko = serializers.CharField()
    notice_en = serializers.CharField()
    rules = RuleBesideRow(many=True)
    points = PointHoursRow(many=True)
    would_be_outside = OutsideRow(many=True, help_text="visits outside the hours that turning it would bring")
    outside = OutsideRow(many=True, help_text="visits outside the hours that hold now")
    changes = SurgeChangeRow(many=True, help_text="the last twenty, newest first")


class Surge(Edge):
    @told("get_surge", SurgeRow)
    def get(self, request: Request, code: str) -> Response:
        """How the switch stands, and what turning it would change."""
        read_query(Nothing, request)
        return Response(_row(_managed(Actor.of(request), code).pk))

    @told("switch_surge", SurgeRow, takes=SurgeInput, keyed=True)
    def post(self, request: Request, code: str) -> HttpResponseBase:
        """Turn the switch, change the notice, or both; what stands so already stays."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(SurgeInput, request)
            library = _managed(by, code)
            if "notice_ko" in given or "notice_en" in given:
                before = {"notice_ko": library.surge_notice_ko, "notice_en": library.surge_notice_en}
                words = {name: given.get(name, was) for name, was in before.items()}
                surge.tell(library_id=library.pk, **words, by=by, now=now)
            if "surge" in given:
                surge.switch(library_id=library.pk, on=given["surge"], by=by, now=now)
            return answer(_row(library.pk))


def _managed(by: Actor, code: str) -> Library:
    library = lending_queries.library_of(code)
    if library is None:
        raise NotFound
    auth.require_staff(by, library.pk, members.Role.MANAGER)
    return library


def _row(library_id: int) -> dict[str, Any]:
    library, now = lending_queries.library_with_rules(library_id), clock.now()
    look = surge.look(library=library, on=not library.surge, now=now)
    row = {
        "library": library.code,
        "surge": library.surge,
        "notice_ko": library.surge_notice_in("ko"),
        "notice_en": library.surge_notice_in("en"),
        "rules": lending_surge.beside(library),
        "points": look.points,
        "would_be_outside": look.outside,
        "outside": surge.outside(library=library, now=now),
        "changes": lending_surge.history(library.pk)[:20],
    }
    return dict(SurgeRow(row).data)
