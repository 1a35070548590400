"""API v1: the texts of a library, its own words in their place, and the sender they come from; for managers."""

from __future__ import annotations

from typing import Any

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
from lending.edge import Edge, told
from lending.serializers import Nothing, Strict, Words, read, read_query
from notifications import senders, words
from pickup.saying import House, house_of


class SentenceRow(serializers.Serializer[Any]):
    """A sentence in one language."""

    key = serializers.CharField()
    kind = serializers.CharField()
    language = serializers.CharField()
    plain = serializers.CharField(help_text="the words that came with the service")
    own = serializers.CharField(help_text="what is said in their place, empty: nothing else")


class SentencesRow(serializers.Serializer[Any]):
    texts = SentenceRow(many=True)


class OwnWordsInput(Strict):
    key = Words(max_length=40)
    language = Words(max_length=2, help_text="ko or en")
    body = Words(max_length=words.LONGEST, allow_null=True, help_text="null: the words that came with the service")


class WordsQuery(Strict):
    key = Words(max_length=40)
    language = Words(max_length=2, help_text="ko or en")
    body = Words(max_length=words.LONGEST)


class MeasuredRow(serializers.Serializer[Any]):
    """A text with every place at its longest."""

    body = serializers.CharField()
    characters = serializers.IntegerField(help_text="in UTF-16 code units")
    parts = serializers.IntegerField(help_text="segments, as Twilio counts them")
    korean_bytes = serializers.IntegerField(help_text="in code page 949")
    korean = serializers.ChoiceField(choices=["sms", "lms", "too_long"])
    lost = serializers.ListField(child=serializers.CharField(), help_text="what a Korean carrier does not carry")
    price = serializers.DecimalField(max_digits=12, decimal_places=4, allow_null=True)
    currency = serializers.CharField()


class SenderRow(serializers.Serializer[Any]):
    """Where the texts of a library come from, and the local day so far."""

    key = serializers.CharField(source="sender.key")
    name_ko = serializers.CharField(source="sender.name_ko")
    name_en = serializers.CharField(source="sender.name_en")
    number = serializers.CharField(source="sender.number")
    phone = serializers.CharField(source="sender.phone")
    desk = serializers.CharField(source="sender.desk")
    quiet_from = serializers.TimeField(source="sender.quiet_from")
    quiet_until = serializers.TimeField(source="sender.quiet_until")
    daily_budget = serializers.IntegerField(source="sender.daily_budget")
    per_person = serializers.IntegerField(
        source="sender.per_person", allow_null=True, help_text="notices and reminders to one number a day; null: any"
    )
    part_price = serializers.DecimalField(source="sender.part_price", max_digits=8, decimal_places=4, allow_null=True)
    currency = serializers.CharField(source="sender.currency")
    countries = serializers.ListField(source="sender.countries", child=serializers.CharField())
    parts_today = serializers.IntegerField(source="use.parts")
    waiting = serializers.IntegerField(source="use.waiting", help_text="texts that are due")
    waiting_since = serializers.DateTimeField(source="use.oldest", allow_null=True)
    later = serializers.IntegerField(source="use.later", help_text="texts whose time has not come")
    failed_today = serializers.IntegerField(source="use.failed")


class SenderInput(Strict):
    """What is absent stays as it is."""

    name_ko = Words(required=False, max_length=40)
    name_en = Words(required=False, max_length=60)
    number = Words(required=False, max_length=30)
    phone = Words(required=False, max_length=20)
    desk = Words(required=False, max_length=30, allow_blank=True)
    quiet_from = serializers.TimeField(required=False)
    quiet_until = serializers.TimeField(required=False)
    daily_budget = serializers.IntegerField(required=False, min_value=0, max_value=1_000_000)
    per_person = serializers.IntegerField(required=False, min_value=1, max_value=1000, allow_null=True)
    part_price = serializers.DecimalField(required=False, max_digits=8, decimal_places=4, min_value=0, allow_null=True)
    currency = Words(required=False, max_length=3)
    countries = serializers.ListField(required=False, child=Words(max_length=2), max_length=50)


class Texts(Edge):
    @told("list_sentences", SentencesRow)
    def get(self, request: Request, code: str) -> Response:
        """Every sentence that the library texts, in both languages."""
        read_query(Nothing, request)
        return Response(SentencesRow({"texts": words.listed(_house(Actor.of(request), code).sender)}).data)

    @told("say_in_own_words", SentenceRow, takes=OwnWordsInput, keyed=True)
    def post(self, request: Request, code: str) -> HttpResponseBase:
        """Say a sentence in own words from now on, or in those that came with the service."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(OwnWordsInput, request)
            house = _house(by, code)
            about = {"sender_key": house.sender.key, "key": given["key"], "language": given["language"]}
            if given["body"] is None:
                row = words.take_back(**about)
            else:
                house.measure(given["key"], given["language"], given["body"])
                row = words.change(**about, body=given["body"], by=by, now=now)
            return answer(dict(SentenceRow(row).data))


class TextPreview(Edge):
    @told("measure_words", MeasuredRow, asks=WordsQuery)
    def get(self, request: Request, code: str) -> Response:
        """What own words would become at their longest, and what sending them takes. Nothing is kept."""
        house = _house(Actor.of(request), code)
        asked = read_query(WordsQuery, request)
        return Response(MeasuredRow(house.measure(asked["key"], asked["language"], asked["body"])).data)


class OneSender(Edge):
    @told("get_sender", SenderRow)
    def get(self, request: Request, code: str) -> Response:
        """The sender of the library's texts, and its day so far."""
        read_query(Nothing, request)
        return Response(_row(Actor.of(request), code))

    @told("set_sender", SenderRow, takes=SenderInput, keyed=True)
    def post(self, request: Request, code: str) -> HttpResponseBase:
        """Change the sender; what is absent stays."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(SenderInput, request)
            senders.change(key=_house(by, code).sender.key, values=given, by=by, now=now)
            return answer(_row(by, code))


def _house(by: Actor, code: str) -> House:
    library = lending_queries.library_of(code)
    if library is None:
        raise NotFound
    auth.require_staff(by, library.pk, members.Role.MANAGER)
    return house_of(library)


def _row(by: Actor, code: str) -> dict[str, Any]:
    house = _house(by, code)
    return dict(SenderRow({"sender": house.sender, "use": senders.use(house.sender, now=clock.now())}).data)
