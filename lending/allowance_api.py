"""API v1: classes with larger limits, and who is of which."""

from __future__ import annotations

from typing import Any

from django.http.response import HttpResponseBase
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import access, clock
from core.actor import Actor
from core.once import once
from core.refusal import Forbidden, NotFound
from lending import allowances, auth, patrons, queries
from lending.edge import Edge, Pages, borrower, page_of, told
from lending.models import Allowance
from lending.serializers import Nothing, Paged, Strict, Words, read, read_query


class AllowanceQuery(Paged):
    card_number = Words(required=False, max_length=80, help_text="only the classes that this patron is of")


class AllowanceRow(serializers.Serializer[Any]):
    """A class of patrons to whom a programme allows more; null is as the programme has it."""

    id = serializers.IntegerField(source="pk")
    programme = serializers.CharField(source="programme.key")
    key = serializers.CharField()
    name_ko = serializers.CharField()
    name_en = serializers.CharField()
    volumes = serializers.IntegerField(allow_null=True, help_text="in a week")
    at_once = serializers.IntegerField(allow_null=True, help_text="asked for or at home, at the same time")
    loan_days = serializers.IntegerField(allow_null=True)


class AllowanceInput(Strict):
    key = serializers.SlugField(max_length=40)
    name_ko = Words(max_length=60)
    name_en = Words(max_length=80)
    volumes = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=1000)
    at_once = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=1000)
    loan_days = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=1000)


class GrantInput(Strict):
    card_number = Words(max_length=80)
    until = serializers.DateField(
        required=False, default=None, allow_null=True, help_text="last local day; null: for good"
    )


class WithdrawInput(Strict):
    card_number = Words(max_length=80)


class GrantRow(serializers.Serializer[Any]):
    """A patron is of a class."""

    allowance = AllowanceRow()
    card_number = serializers.CharField(source="patron.card_number")
    until = serializers.DateField(allow_null=True)


class Allowances(Edge):
    @told("list_allowances", page_of(AllowanceRow), asks=AllowanceQuery)
    def get(self, request: Request) -> Response:
        """The classes of the programmes of one's libraries."""
        by, asked, pages = Actor.of(request), read_query(AllowanceQuery, request), Pages("id")
        rows = allowances.of_programmes(auth.programmes_of(by))
        if "card_number" in asked:
            patron_id = borrower(by, asked["card_number"])
            rows = rows.filter(grants__patron=patron_id)
            access.saw([f"patron:{patron_id}"], purpose="api allowances", by=by, now=clock.now())
        return pages.response(AllowanceRow(pages.page(rows, request), many=True).data)


class PutAllowance(Edge):
    @told("put_allowance", AllowanceRow, takes=AllowanceInput, keyed=True)
    def post(self, request: Request, programme_id: int) -> HttpResponseBase:
        """Make a class of a programme, or change the one with this key. Managers only."""
        by = Actor.of(request)
        with once(by, request) as answer:
            given = read(AllowanceInput, request)
            if programme_id not in auth.programmes_of(by):
                raise NotFound
            if not auth.leads(by, programme_id):
                raise Forbidden
            made = allowances.put(programme_id=programme_id, key=given.pop("key"), values=given, by=by, now=clock.now())
            return answer(AllowanceRow(made).data)


class _OfOne(Edge):
    """What is done about one class; those of other programmes are unknown."""

    def mine(self, by: Actor, allowance_id: int) -> Allowance:
        found = allowances.of_programmes(auth.programmes_of(by)).filter(pk=allowance_id).first()
        if found is None:
            raise NotFound
        return found


class RemoveAllowance(_OfOne):
    @told("remove_allowance", AllowanceRow, keyed=True)
    def post(self, request: Request, allowance_id: int) -> HttpResponseBase:
        """Remove a class that no patron is of. Managers only."""
        by = Actor.of(request)
        with once(by, request) as answer:
            read(Nothing, request)
            one = self.mine(by, allowance_id)
            if not auth.leads(by, one.programme_id):
                raise Forbidden
            row = AllowanceRow(one).data
            allowances.remove(allowance_id=allowance_id, by=by, now=clock.now())
            return answer(row)


class GrantAllowance(_OfOne):
    @told("grant_allowance", GrantRow, takes=GrantInput, keyed=True)
    def post(self, request: Request, allowance_id: int) -> HttpResponseBase:
        """A patron is of the class, until a day or for good; asked again, the day is changed."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(GrantInput, request)
            self.mine(by, allowance_id)
            patron_id = borrower(by, given["card_number"])
            access.saw([f"patron:{patron_id}"], purpose="api allowances", by=by, now=now)
            row = allowances.grant(
                patron_id=patron_id,
                allowance_id=allowance_id,
                until=given["until"],
                today=queries.today(patrons.by_card(given["card_number"]).home, now),
                by=by,
                now=now,
            )
            return answer(GrantRow(row).data)


class WithdrawAllowance(_OfOne):
    @told("withdraw_allowance", AllowanceRow, takes=WithdrawInput, keyed=True)
    def post(self, request: Request, allowance_id: int) -> HttpResponseBase:
        """A patron is of the class no longer."""
        by = Actor.of(request)
        with once(by, request) as answer:
            given = read(WithdrawInput, request)
            one = self.mine(by, allowance_id)
            allowances.withdraw(patron_id=borrower(by, given["card_number"]), allowance_id=allowance_id)
            return answer(AllowanceRow(one).data)
