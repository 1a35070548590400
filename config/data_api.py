"""API v1: what patrons do with all that is kept about them: take it along, have it erased."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, URLResolver, path
from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle

from config import erasure
from config import export as exports
from core import clock
from core.actor import Actor
from core.once import require_key
from core.refusal import BadInput
from lending import accounts, auth
from lending.edge import Edge, told
from lending.models import Patron
from lending.serializers import Nothing, Strict, Words, read, read_query


class EraseInput(Strict):
    """The PIN; or the card number, where the patron has no PIN."""

    pin = Words(required=False, max_length=128, trim_whitespace=False)
    card_number = Words(required=False, max_length=80)


class ErasedRow(serializers.Serializer[Any]):
    erased = serializers.DictField(child=serializers.IntegerField(), help_text="how many rows of each kind")


def _me(by: Actor) -> Patron:
    return Patron.objects.select_related("home", "household", "account").get(pk=auth.require_patron(by))


class MyData(Edge):
    @told("export_my_data", OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """Everything that is kept about oneself, from every room, as the page gives it as a file."""
        read_query(Nothing, request)
        return Response(exports.of(_me(Actor.of(request)), now=clock.now()))


class EraseMe(Edge):
    @told("erase_my_data", ErasedRow, takes=EraseInput, keyed=True)
    def post(self, request: Request) -> Response:
        """Erase everything about oneself at once, for whoever says so with the PIN. This token is worthless then.

        The answer is not kept, for it would be about somebody: the same request again is refused.
        """
        require_key(request)
        by, now = Actor.of(request), clock.now()
        patron, given = _me(by), read(EraseInput, request)
        # Outside the transaction: a refusal takes back what was written in it, and a guess has to be counted.
        if patron.has_pin:
            address = str(BaseThrottle().get_ident(request))
            accounts.check_pin(patron_id=patron.pk, pin=given.get("pin", ""), address=address, now=now, field="pin")
        elif accounts.read_card(given.get("card_number", "")) != patron.card_number:
            raise BadInput(field="card_number")
        return Response(ErasedRow({"erased": erasure.everything_of(patron_id=patron.pk, by=by, now=now)}).data)


api: list[URLPattern | URLResolver] = [
    path("me/data", MyData.as_view(), name="api-my-data"),
    path("me/data/erase", EraseMe.as_view(), name="api-erase-me"),
]
