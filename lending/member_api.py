"""API v1 for managers: who works in a library and as what, and who looked at whose records."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from django.http.response import HttpResponseBase
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.actor import Actor
from core.once import once
from core.refusal import BadInput, NotFound
from lending import auth, members, queries, reviews, second_factor
from lending.edge import Edge, told
from lending.models import Library
from lending.serializers import Nothing, Strict, Words, read, read_query

MONTH = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])", re.ASCII)


class MemberRow(serializers.Serializer[Any]):
    """Who works in the library, and as what."""

    id = serializers.IntegerField(source="account_id", help_text="of the account")
    username = serializers.CharField(source="account.username")
    name = serializers.CharField(source="account.first_name")
    role = serializers.ChoiceField(choices=members.Role.choices)


class MembersRow(serializers.Serializer[Any]):
    results = MemberRow(many=True)


class MemberInput(Strict):
    """Somebody who has an account; or somebody new, with a first password."""

    username = Words(max_length=150)
    role = serializers.ChoiceField(choices=members.Role.choices)
    name = Words(required=False, default="", allow_blank=True, max_length=150)
    password = Words(required=False, max_length=128, trim_whitespace=False, help_text="makes a new account")


class LooksQuery(Strict):
    month = serializers.RegexField(MONTH, required=False, help_text="2026-11; left out: the month before this one")


class ReviewInput(Strict):
    month = serializers.RegexField(MONTH, help_text="2026-11")
    note = Words(required=False, default="", allow_blank=True, max_length=300)


class ScreenRow(serializers.Serializer[Any]):
    screen = serializers.CharField()
    looks = serializers.IntegerField()


class SeenRow(serializers.Serializer[Any]):
    """What one colleague looked at in the month."""

    name = serializers.CharField()
    role = serializers.CharField()
    records = serializers.IntegerField(help_text="people whose record was looked at")
    looks = serializers.IntegerField()
    screens = ScreenRow(many=True)
    stands_out = serializers.BooleanField()


class ReviewRow(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    by = serializers.CharField()
    note = serializers.CharField()


class LooksRow(serializers.Serializer[Any]):
    """Who looked at how many records, those who stand out first; `review` is null until a manager went through it."""

    month = serializers.CharField()
    seen = SeenRow(many=True)
    review = ReviewRow(allow_null=True)


def _managed(by: Actor, code: str) -> Library:
    """A library that the actor manages. Refuses with `not_found` and `forbidden`."""
    library = queries.library_of(code)
    if library is None:
        raise NotFound
    auth.require_staff(by, library.pk, members.Role.MANAGER)
    return library


def _members(library: Library) -> dict[str, Any]:
    return dict(MembersRow({"results": members.of(library.pk)}).data)


class Members(Edge):
    @told("list_members", MembersRow)
    def get(self, request: Request, code: str) -> Response:
        """Who works in the library, managers first. Managers only."""
        read_query(Nothing, request)
        return Response(_members(_managed(Actor.of(request), code)))

    @told("give_role", MembersRow, takes=MemberInput, keyed=True)
    def post(self, request: Request, code: str) -> HttpResponseBase:
        """Give somebody a role in place of the one they had; the answer is all who work there. Managers only."""
        by = Actor.of(request)
        with once(by, request) as answer:
            given, library = read(MemberInput, request), _managed(by, code)
            about = {"library_id": library.pk, "username": given["username"], "role": given["role"]}
            if "password" in given:
                members.hire(**about, name=given["name"], password=given["password"])
            else:
                members.give(**about)
            return answer(_members(library))


class _MemberAct(Edge):
    def act(self, request: Request, code: str, account_id: int, *, leaves: bool) -> HttpResponseBase:
        """Once, about somebody who works in the library, with all who do as the answer."""
        by = Actor.of(request)
        with once(by, request) as answer:
            read(Nothing, request)
            library = _managed(by, code)
            if leaves:
                members.take(library_id=library.pk, account_id=account_id)
            elif all(one.account_id != account_id for one in members.of(library.pk)):
                raise NotFound
            else:
                second_factor.remove(account_id=account_id, by=by, now=clock.now())
            return answer(_members(library))


class MemberLeaves(_MemberAct):
    @told("take_role", MembersRow, keyed=True)
    def post(self, request: Request, code: str, account_id: int) -> HttpResponseBase:
        """They work there no longer; the account stays, and one manager always does. Managers only."""
        return self.act(request, code, account_id, leaves=True)


class MemberLostFactor(_MemberAct):
    @told("forget_second_factor", MembersRow, keyed=True)
    def post(self, request: Request, code: str, account_id: int) -> HttpResponseBase:
        """They lost their authenticator: they set up another one when they sign in. Managers only."""
        return self.act(request, code, account_id, leaves=False)


class Looks(Edge):
    @told("list_looks", LooksRow, asks=LooksQuery)
    def get(self, request: Request, code: str) -> Response:
        """Who looked at how many records in a month. Managers only."""
        asked, library = read_query(LooksQuery, request), _managed(Actor.of(request), code)
        this = reviews.month_of(queries.today(library, clock.now()))
        month = _month(asked["month"]) if "month" in asked else reviews.before(this)
        return Response(_looks(library, month))


class ReviewLooks(Edge):
    @told("review_looks", LooksRow, takes=ReviewInput, keyed=True)
    def post(self, request: Request, code: str) -> HttpResponseBase:
        """A month that is over was gone through. Managers only."""
        by = Actor.of(request)
        with once(by, request) as answer:
            given, library = read(ReviewInput, request), _managed(by, code)
            month = _month(given["month"])
            reviews.mark(library=library, month=month, note=given["note"], by=by, now=clock.now())
            return answer(_looks(library, month))


def _month(text: str) -> date:
    if not MONTH.fullmatch(text):
        raise BadInput(field="month")
    year, month = text.split("-")
    return date(int(year), int(month), 1)


def _looks(library: Library, month: date) -> dict[str, Any]:
    seen = [
        {
            **{name: getattr(one, name) for name in ("name", "role", "records", "looks", "stands_out")},
            "screens": [{"screen": screen, "looks": looks} for screen, looks in one.screens],
        }
        for one in reviews.of(library, month)
    ]
    review = reviews.reviewed(library.pk, month)
    return dict(LooksRow({"month": f"{month:%Y-%m}", "seen": seen, "review": review}).data)
