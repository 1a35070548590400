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
from lending.serializers import Id, Nothing, Strict, Words, read, read_query
from pickup import surge

if TYPE_CHECKING:
    from lending.models import Library


class SurgeInput(Strict):
    surge = serializers.BooleanField(required=False, help_text="absent: the switch stays as it is")
    programme = Id(required=False, allow_null=True, help_text="whose rules hold meanwhile; null: those of normal days")
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
    programme = serializers.IntegerField(source="programme_id", allow_null=True, help_text="whose rules hold meanwhile")


class ProgrammeChoiceRow(serializers.Serializer[Any]):
    id = serializers.IntegerField(source="pk")
    key = serializers.CharField()
    name_ko = serializers.CharField()
    name_en = serializers.CharField()


class SurgeRow(serializers.Serializer[Any]):
    """The switch of a library, and what turning it would change."""

    library = serializers.CharField()
    surge = serializers.BooleanField(help_text="the building is closed, lending goes on")
    programme = serializers.IntegerField(allow_null=True, help_text="whose rules hold meanwhile; null: the same ones")
    programmes = ProgrammeChoiceRow(many=True, help_text="those that may be chosen")
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
        by = Actor.of(request)
        return Response(_row(_managed(by, code).pk, by))

    @told("switch_surge", SurgeRow, takes=SurgeInput, keyed=True)
    def post(self, request: Request, code: str) -> HttpResponseBase:
        """Turn the switch, change the notice or the rules; what stands so already stays."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(SurgeInput, request)
            library = _managed(by, code)
            if "notice_ko" in given or "notice_en" in given:
                before = {"notice_ko": library.surge_notice_ko, "notice_en": library.surge_notice_en}
                words = {name: given.get(name, was) for name, was in before.items()}
                surge.tell(library_id=library.pk, **words, by=by, now=now)
            if "programme" in given:
                chosen = given["programme"]
                may = auth.may_lend_by(by).filter(pk=chosen).exists()
                if chosen not in {None, library.programme_id} and not may:
                    raise NotFound(field="programme")
                lending_surge.lend_by(library_id=library.pk, programme_id=chosen, by=by, now=now)
            if "surge" in given:
                surge.switch(library_id=library.pk, on=given["surge"], by=by, now=now)
            return answer(_row(library.pk, by))


def _managed(by: Actor, code: str) -> Library:
    library = lending_queries.library_of(code)
    if library is None:
        raise NotFound
    auth.require_staff(by, library.pk, members.Role.MANAGER)
    return library


def _row(library_id: int, by: Actor) -> dict[str, Any]:
    library, now = lending_queries.library_with_rules(library_id), clock.now()
    look = surge.look(library=library, on=not library.surge, now=now)
    row = {
        "library": library.code,
        "surge": library.surge,
        "programme": library.surge_programme_id,
        "programmes": auth.may_lend_by(by).exclude(pk=library.programme_id),
        "notice_ko": library.surge_notice_in("ko"),
        "notice_en": library.surge_notice_in("en"),
        "rules": lending_surge.beside(library),
        "points": look.points,
        "would_be_outside": look.outside,
        "outside": surge.outside(library=library, now=now),
        "changes": lending_surge.history(library.pk)[:20],
    }
    return dict(SurgeRow(row).data)
