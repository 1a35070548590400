"""API v1: the rules of a programme: read by its staff, changed by its managers after a look at what it would mean."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http.response import HttpResponseBase
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.actor import Actor
from core.once import once
from core.refusal import Forbidden, NotFound
from lending import auth, members, programmes
from lending.edge import Edge, Pages, page_of, told
from lending.models import Programme, ProgrammeChange
from lending.serializers import Nothing, Paged, Strict, read, read_query


class LendingRulesRow(serializers.ModelSerializer[Programme]):
    """What a programme allows; null limits nothing."""

    class Meta:
        model = Programme
        fields = programmes.RULES


class ProgrammeRow(serializers.Serializer[Any]):
    """The lending rules that some libraries share."""

    id = serializers.IntegerField(source="pk")
    key = serializers.CharField()
    name_ko = serializers.CharField()
    name_en = serializers.CharField()
    libraries = serializers.SerializerMethodField(help_text="codes of those that lend by it on normal days")
    rules = LendingRulesRow(source="*")
    last_change = serializers.SerializerMethodField(help_text="id of the last change; 0 if there was none")

    def get_libraries(self, row: Programme) -> list[str]:
        return [library.code for library in row.libraries.all()]

    def get_last_change(self, row: Programme) -> int:
        return programmes.last_change(row.pk)


class LendingRulesInput(Strict, serializers.ModelSerializer[Programme]):
    """Rules and names; what is left out stays as it is."""

    class Meta:
        model = Programme
        fields = (*programmes.NAMES, *programmes.RULES)
        extra_kwargs: ClassVar = {name: {"required": False} for name in fields}


class ChangeInput(Strict):
    rules = LendingRulesInput()
    seen = serializers.IntegerField(
        required=False, min_value=0, help_text="id of the last change that one has seen; refused if there was another"
    )


class DifferenceRow(serializers.Serializer[Any]):
    rule = serializers.CharField()
    was = serializers.JSONField()
    becomes = serializers.JSONField()


class PausedByRuleRow(serializers.Serializer[Any]):
    """How many people could not ask for books today, by each rule as if it had held all the time."""

    was = serializers.IntegerField()
    becomes = serializers.IntegerField()
    days = serializers.IntegerField(
        allow_null=True, help_text="books that came back late are counted for so many days; null: strikes are counted"
    )


class LendingEffectRow(serializers.Serializer[Any]):
    """What other rules would have meant for the orders of the last four weeks, where that can be worked out."""

    differences = DifferenceRow(many=True)
    orders = serializers.IntegerField(help_text="orders of the last four weeks")
    refused = serializers.DictField(child=serializers.IntegerField(), help_text="by rule: how many it would refuse")
    beyond = serializers.DictField(
        child=serializers.IntegerField(), help_text="by rule: people further back in line than it allows"
    )
    paused = serializers.DictField(
        child=PausedByRuleRow(),
        help_text="by rule: people whom it pauses, for strikes or late books; left out if unknown",
    )


class ChangeRow(serializers.Serializer[Any]):
    """One change: only the rules that became others, a class's as `class.rule`."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    by = serializers.SerializerMethodField()
    was = serializers.DictField()
    became = serializers.DictField()

    def get_by(self, row: ProgrammeChange) -> str:
        return str(self.context["names"].get(row.principal, row.principal))


def _mine(by: Actor, programme_id: int, *, to_change: bool = False) -> Programme:
    """A programme of one's libraries; other ones are unknown."""
    found = Programme.objects.filter(pk__in=auth.programmes_of(by)).prefetch_related("libraries")
    programme = found.filter(pk=programme_id).first()
    if programme is None:
        raise NotFound
    if to_change and not auth.leads(by, programme_id):
        raise Forbidden
    return programme


class Programmes(Edge):
    @told("list_programmes", page_of(ProgrammeRow), asks=Paged)
    def get(self, request: Request) -> Response:
        """The programmes of the libraries in which one works, those of a closed building among them."""
        read_query(Paged, request)
        pages = Pages("id")
        rows = Programme.objects.filter(pk__in=auth.programmes_of(Actor.of(request))).prefetch_related("libraries")
        return pages.response(ProgrammeRow(pages.page(rows, request), many=True).data)


class OneProgramme(Edge):
    @told("get_programme", ProgrammeRow)
    def get(self, request: Request, programme_id: int) -> Response:
        """One programme with all of its rules."""
        read_query(Nothing, request)
        return Response(ProgrammeRow(_mine(Actor.of(request), programme_id)).data)

    @told("change_programme", ProgrammeRow, takes=ChangeInput, keyed=True)
    def post(self, request: Request, programme_id: int) -> HttpResponseBase:
        """Give it other rules or names; what was ordered before keeps its terms. Managers only."""
        by = Actor.of(request)
        with once(by, request) as answer:
            given = read(ChangeInput, request)
            _mine(by, programme_id, to_change=True)
            programmes.change(
                programme_id=programme_id,
                values=given["rules"],
                seen=given.get("seen"),
                by=by,
                now=clock.now(),
            )
            return answer(ProgrammeRow(_mine(by, programme_id)).data)


class ProgrammePreview(Edge):
    @told("preview_programme", LendingEffectRow, takes=ChangeInput, keyed=True)
    def post(self, request: Request, programme_id: int) -> HttpResponseBase:
        """What other rules would change and would have meant; nothing is changed. Managers only."""
        by = Actor.of(request)
        with once(by, request) as answer:
            given = read(ChangeInput, request)
            programme = _mine(by, programme_id, to_change=True)
            if "seen" in given:
                programmes.refuse_unseen(programme_id, given["seen"])
            values = given["rules"]
            effect = programmes.effect(programme=programme, values=values, now=clock.now())
            differences = [
                {"rule": name, "was": getattr(programme, name), "becomes": value}
                for name, value in values.items()
                if getattr(programme, name) != value
            ]
            told_of = {name: getattr(effect, name) for name in ("orders", "refused", "beyond", "paused")}
            return answer(LendingEffectRow({"differences": differences, **told_of}).data)


class ProgrammeHistory(Edge):
    @told("list_programme_changes", page_of(ChangeRow), asks=Paged)
    def get(self, request: Request, programme_id: int) -> Response:
        """Who changed what, the last change first."""
        read_query(Paged, request)
        pages = Pages()
        rows = pages.page(_mine(Actor.of(request), programme_id).changes.all(), request)
        names = members.names_of(row.principal for row in rows)
        return pages.response(ChangeRow(rows, many=True, context={"names": names}).data)
