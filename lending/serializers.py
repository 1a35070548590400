"""What the API reads and shows of this room. Serializers never save: they parse once and spell fields out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request

from core.refusal import BadInput
from lending import queries
from lending.models import Language, Membership, Reservation
from lending.states import LoanState, ReservationState

BIGGEST_ID = 2**63 - 1
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.IGNORECASE | re.ASCII)

Input = TypeVar("Input", bound="Strict")


class Strict(serializers.Serializer[Any]):
    """Input in which a field that nobody asked for is refused, not ignored."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = sorted(str(name)[:60] for name in set(data) - set(self.fields))
            if unknown:
                raise ValidationError(
                    {name: [ErrorDetail(str(_("There is no such field.")), code="unknown_field")] for name in unknown}
                )
        return super().to_internal_value(data)


class Nothing(Strict):
    """An act that needs no words."""


class Id(serializers.IntegerField):
    """A row's number in a JSON body: a number, not a text or a truth value."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=BIGGEST_ID, **kwargs)

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return super().to_internal_value(data)


class Words(serializers.CharField):
    """A text in a JSON body: a text, not a number."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Moment(serializers.DateTimeField):
    """A moment in RFC 3339 with its offset; without one nobody knows which moment is meant."""

    default_error_messages = {
        "ambiguous_or_invalid_time": _(
            "Please send a moment with its offset, such as 2026-11-24T16:00:00+09:00 (in an address, + is %2B)."
        )
    }

    def to_internal_value(self, value: Any) -> datetime:
        try:
            moment = parse_datetime(value) if isinstance(value, str) and RFC3339.fullmatch(value) else None
            if moment is None or moment.tzinfo is None:
                self.fail("ambiguous_or_invalid_time")
            return moment.astimezone(ZoneInfo("UTC"))
        except (ValueError, OverflowError):
            self.fail("ambiguous_or_invalid_time")


def read(kind: type[Input], request: Request) -> dict[str, Any]:
    """The body of a request, parsed; refuses with `invalid` or `unknown_field` and the field."""
    asked = kind(data=request.data)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


def read_query(kind: type[Input], request: Request, *, more: bool = False) -> dict[str, Any]:
    """The query of an address, parsed like a body; a name given twice is refused.

    `more`: other names than these are somebody else's to read.
    """
    for name, values in request.query_params.lists():
        if len(values) > 1:
            raise BadInput(field=name[:60])
    names = kind().fields
    asked = kind(data={name: value for name, value in request.query_params.items() if not more or name in names})
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


class Paged(Strict):
    """The query of a list."""

    cursor = serializers.CharField(required=False, max_length=200, help_text="from `next` of the page before")
    page_size = serializers.IntegerField(required=False, min_value=1, max_value=100)


class Local(serializers.Serializer[Any]):
    """A row whose moments are told in its library's zone."""

    def zone(self, row: Any) -> str:
        """The name of the zone."""
        return str(row.library.zone)

    def to_representation(self, instance: Any) -> dict[str, Any]:
        if isinstance(self.parent, Local):  # told in the zone of the row that it belongs to
            return dict(super().to_representation(instance))
        with timezone.override(ZoneInfo(self.zone(instance))):
            return dict(super().to_representation(instance))


class ProblemRow(serializers.Serializer[Any]):
    """Why something was refused (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="a sentence in the reader's language")
    code = serializers.CharField(help_text="stable; programs decide by it")
    field = serializers.CharField(allow_blank=True, help_text="the part of the request that it is about")
    facts = serializers.DictField(help_text="what the way on needs, such as free slots")


# Signing in


class TokenInput(Strict):
    """Either card number and PIN, or user name and password."""

    card_number = Words(required=False, max_length=80)
    pin = Words(required=False, max_length=128, trim_whitespace=False)
    username = Words(required=False, max_length=150)
    password = Words(required=False, max_length=128, trim_whitespace=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if set(attrs) not in ({"card_number", "pin"}, {"username", "password"}):
            raise ValidationError(_("Please send card_number and pin, or username and password."))
        return attrs


class TokenRow(serializers.Serializer[Any]):
    token = serializers.CharField()
    expires_at = serializers.DateTimeField()


class MembershipRow(serializers.Serializer[Any]):
    library = serializers.CharField(source="library.code")
    role = serializers.ChoiceField(choices=Membership.Role.choices)


class MeRow(serializers.Serializer[Any]):
    """Who the token or the session belongs to."""

    kind = serializers.ChoiceField(choices=["patron", "staff", "device"])
    id = serializers.IntegerField(help_text="of the patron, the account or the token")
    name = serializers.CharField()
    language = serializers.ChoiceField(choices=Language.choices)
    card_number = serializers.CharField(allow_null=True)
    home = serializers.CharField(allow_null=True, help_text="code of the patron's library")
    memberships = MembershipRow(many=True)


# Libraries and titles


class LibraryRow(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    code = serializers.CharField()
    name_ko = serializers.CharField()
    name_en = serializers.CharField()
    phone = serializers.CharField()
    zone = serializers.CharField()
    circulation = serializers.CharField()
    surge = serializers.BooleanField(help_text="the building is closed, lending goes on")


class TitleQuery(Paged):
    q = serializers.CharField(allow_blank=True, trim_whitespace=False, help_text="words, first consonants or an ISBN")


class TitleRow(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    title = serializers.CharField()
    author = serializers.CharField()
    publisher = serializers.CharField()
    year = serializers.IntegerField(allow_null=True)
    isbn = serializers.CharField()
    language = serializers.CharField()
    classification = serializers.CharField()
    copies_count = serializers.IntegerField()
    free_count = serializers.IntegerField(help_text="copies that can be fetched now and are promised to nobody")
    waiting_count = serializers.IntegerField(help_text="people who wait for it")


class PlaceRow(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    code = serializers.CharField()


class CopyRow(serializers.Serializer[Any]):
    """One copy, for everybody: where it stands and whether it can be had now."""

    library = PlaceRow(source="at_library")
    volume = serializers.CharField()
    call_number = serializers.CharField()
    free = serializers.BooleanField()


class TitleDetail(TitleRow):
    copies = CopyRow(many=True, source="copies_here")


class TitleName(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    title = serializers.CharField()
    author = serializers.CharField()


# Reservations and loans


class ReservationQuery(Paged):
    state = serializers.ChoiceField(choices=ReservationState.choices, required=False)
    card_number = serializers.CharField(required=False, max_length=80, help_text="staff only")


class ReservationInput(Strict):
    title = Id()
    volume = Words(required=False, default="", allow_blank=True, max_length=20)
    pickup_point = Id()
    card_number = Words(required=False, max_length=80, help_text="staff only: for whom")


class ReservationRow(Local):
    """One patron waits for one title, or one volume of it."""

    id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=ReservationState.choices)
    title = TitleName()
    volume = serializers.CharField()
    pickup_point = serializers.IntegerField(source="pickup_point_id")
    placed_at = serializers.DateTimeField()
    position = serializers.SerializerMethodField(help_text="place in the queue, 1 is next; null if not waiting")
    why_waiting = serializers.SerializerMethodField(help_text="why it waits: lent, elsewhere or no_copy; else empty")
    barcode = serializers.SerializerMethodField(help_text="of the copy set aside; for staff, else null")

    def zone(self, row: Reservation) -> str:
        return row.pickup_point.library.zone

    def get_position(self, row: Reservation) -> int | None:
        return queries.position(row) or None

    def get_why_waiting(self, row: Reservation) -> str:
        return queries.why_waiting(row) if row.state == ReservationState.WAITING else ""

    def get_barcode(self, row: Reservation) -> str | None:
        return row.copy.barcode if self.context.get("staff") and row.copy is not None else None


class LoanQuery(Paged):
    state = serializers.ChoiceField(choices=LoanState.choices, required=False)
    card_number = serializers.CharField(required=False, max_length=80, help_text="staff only")


class LoanRow(Local):
    """A copy lent until a local day, that day included."""

    id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=LoanState.choices)
    title = TitleName(source="copy.title")
    volume = serializers.CharField(source="copy.volume")
    barcode = serializers.CharField(source="copy.barcode")
    library = serializers.CharField(source="library.code")
    lent_at = serializers.DateTimeField()
    due_on = serializers.DateField()
    renewals = serializers.IntegerField()
    returned_at = serializers.DateTimeField(allow_null=True)


class ReturnInput(Strict):
    barcode = Words(max_length=30)
    library = Words(required=False, max_length=40, help_text="code; needed by those who work in several")


class NextReaderRow(serializers.Serializer[Any]):
    """Who gets the copy next: put it aside for the bag."""

    reservation = serializers.IntegerField(source="pk")
    pickup_point = serializers.IntegerField(source="pickup_point_id")


class ReturnedRow(serializers.Serializer[Any]):
    loan = LoanRow()
    next = NextReaderRow(source="next_reservation", allow_null=True)
