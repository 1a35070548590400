"""What the API reads and shows of this room. Serializers never save: they parse once and spell fields out."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request

from core.refusal import BadInput
from lending import queries
from lending.models import ByDoor, Language, Library, Loan, Membership, Posting, Reservation
from lending.states import CopyState, LoanState, PostingState, ReservationState, TransferState

BIGGEST_ID = 2**63 - 1
YEARS = range(2000, 2101)  # far from where a calendar ends: a zone, a day or a month may be added to every moment
DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.IGNORECASE | re.ASCII)

Input = TypeVar("Input", bound="Strict")
Output = TypeVar("Output", bound="serializers.Serializer[Any]")


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


class Whole(serializers.IntegerField):
    """A whole number in a JSON body: a number, not a text or a truth value."""

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return super().to_internal_value(data)


class Id(Whole):
    """A row's number in a JSON body."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=BIGGEST_ID, **kwargs)


class Words(serializers.CharField):
    """A text in a JSON body: a text, not a number."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Moment(serializers.DateTimeField):
    """A moment of this century in RFC 3339 with its offset; without one nobody knows which moment is meant."""

    default_error_messages = {
        "ambiguous_or_invalid_time": _(
            "Please send a moment of the years 2000 to 2100 with its offset, such as 2026-11-24T16:00:00+09:00"
            " (in an address, + is %2B)."
        )
    }

    def to_internal_value(self, value: Any) -> datetime:
        try:
            moment = parse_datetime(value) if isinstance(value, str) and RFC3339.fullmatch(value) else None
            if moment is None or moment.tzinfo is None or moment.year not in YEARS:
                self.fail("ambiguous_or_invalid_time")
            return moment.astimezone(ZoneInfo("UTC"))
        except (ValueError, OverflowError):
            self.fail("ambiguous_or_invalid_time")


class Day(serializers.DateField):
    """A local day: `2026-11-24`, a text and nothing else."""

    def to_internal_value(self, value: Any) -> date:
        if not isinstance(value, str) or not DAY.fullmatch(value):
            self.fail("invalid", format="YYYY-MM-DD")
        return super().to_internal_value(value)


def read(kind: type[Input], request: Request) -> dict[str, Any]:
    """The body of a request, parsed; refuses with `invalid` or `unknown_field` and the field."""
    return dict(_made(kind).run_validation(request.data))


def shown(kind: type[serializers.Serializer[Any]], row: Any) -> dict[str, Any]:
    """A row as this serializer, which is told nothing more, spells it out."""
    return dict(_made_in(kind, None).to_representation(row))


def _made(kind: type[Output]) -> Output:
    """A serializer of the kind without data: to make one copies each of its fields, which takes as long as a query."""
    made: Output = _made_in(kind, get_language())
    return made


@functools.cache
def _made_in(kind: type[Output], language: str | None) -> Output:
    """One for each language: a field keeps the sentences of its limits as they were first said."""
    return kind()


def read_query(kind: type[Input], request: Request, *, more: bool = False) -> dict[str, Any]:
    """The query of an address, parsed like a body; a name given twice is refused.

    `more`: other names than these are somebody else's to read.
    """
    for name, values in request.query_params.lists():
        if len(values) > 1:
            raise BadInput(field=name[:60])
    asked = _made(kind)
    given = {name: value for name, value in request.query_params.items() if not more or name in asked.fields}
    return dict(asked.run_validation(given))


class Paged(Strict):
    """The query of a list."""

    cursor = serializers.CharField(required=False, max_length=200, help_text="from `next` of the page before")
    page_size = serializers.IntegerField(required=False, min_value=1, max_value=100)


class At(serializers.DateTimeField):
    """A moment as it is told; spelled as DRF does, which takes twice as long to find out how."""

    def to_representation(self, value: datetime) -> str:
        told = value.astimezone(timezone.get_current_timezone()).isoformat()
        return f"{told[:-6]}Z" if told.endswith("+00:00") else told


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


class CardInput(Strict):
    card_number = Words(max_length=80)


class TokenInput(Strict):
    """Card number and PIN, card number and one-time code, or user name and password."""

    card_number = Words(required=False, max_length=80)
    pin = Words(required=False, max_length=128, trim_whitespace=False)
    one_time_code = Words(required=False, max_length=40, help_text="texted, or given at the desk; in place of the PIN")
    username = Words(required=False, max_length=150)
    password = Words(required=False, max_length=128, trim_whitespace=False)
    code = Words(required=False, max_length=40, help_text="of the authenticator, where the account has one")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        patrons = ({"card_number", "pin"}, {"card_number", "one_time_code"})
        if set(attrs) not in (*patrons, {"username", "password"}, {"username", "password", "code"}):
            raise ValidationError(_("Please send card_number and pin, or username and password."))
        return attrs


class TokenRow(serializers.Serializer[Any]):
    token = serializers.CharField()
    expires_at = At()


class MembershipRow(serializers.Serializer[Any]):
    library = serializers.CharField(source="library.code")
    role = serializers.ChoiceField(choices=Membership.Role.choices)


class BarRow(serializers.Serializer[Any]):
    """What keeps a patron from asking for books today: the refusal that an order would get."""

    code = serializers.CharField(help_text="patron_blocked, paused or loans_overdue")
    detail = serializers.CharField(source="__str__")
    until = serializers.DateField(
        source="facts.until", allow_null=True, help_text="last local day; null: until the books are back"
    )


class MeRow(serializers.Serializer[Any]):
    """Who the token or the session belongs to."""

    kind = serializers.ChoiceField(choices=["patron", "staff", "device"])
    id = serializers.IntegerField(help_text="of the patron, the account or the token")
    name = serializers.CharField()
    language = serializers.ChoiceField(choices=Language.choices)
    card_number = serializers.CharField(allow_null=True)
    home = serializers.CharField(allow_null=True, help_text="code of the patron's library")
    barred = BarRow(many=True, help_text="what keeps the patron from asking for books at home; empty: nothing")
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
    notice_ko = serializers.SerializerMethodField(help_text="what people are told meanwhile; empty on normal days")
    notice_en = serializers.SerializerMethodField()

    def get_notice_ko(self, row: Library) -> str:
        return row.surge_notice_in("ko") if row.surge else ""

    def get_notice_en(self, row: Library) -> str:
        return row.surge_notice_in("en") if row.surge else ""


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
    needed_until = Day(required=False, allow_null=True, default=None, help_text="last local day on which it is of use")
    card_number = Words(required=False, max_length=80, help_text="staff only: for whom")


class SuspendInput(Strict):
    until = Day(help_text="local day on which it waits again")


class NeededInput(Strict):
    until = Day(allow_null=True, help_text="last local day on which it is of use; null: as long as it takes")


class PointInput(Strict):
    pickup_point = Id()


class ReservationRow(Local):
    """One patron waits for one title, or one volume of it; see `queues` for the context."""

    id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=ReservationState.choices)
    title = TitleName()
    volume = serializers.CharField()
    pickup_point = serializers.IntegerField(source="pickup_point_id")
    placed_at = At()
    suspended_until = serializers.DateField(allow_null=True, help_text="local day on which it waits again")
    needed_until = serializers.DateField(allow_null=True, help_text="last local day on which it is of use")
    position = serializers.SerializerMethodField(help_text="place in the queue, 1 is next; null if not waiting")
    why_waiting = serializers.SerializerMethodField(help_text="why it waits: lent, elsewhere or no_copy; else empty")
    barcode = serializers.SerializerMethodField(help_text="of the copy set aside; for staff, else null")

    def zone(self, row: Reservation) -> str:
        return row.pickup_point.library.zone

    def get_position(self, row: Reservation) -> int | None:
        found: int | None = self.context["positions"].get(row.pk)
        return found

    def get_why_waiting(self, row: Reservation) -> str:
        return str(self.context["whys"].get(row.pk, ""))

    def get_barcode(self, row: Reservation) -> str | None:
        return row.copy.barcode if self.context.get("staff") and row.copy is not None else None


def queues(rows: Iterable[Reservation]) -> dict[str, Any]:
    """What `ReservationRow` shows of where reservations stand in line, read at once for all of them."""
    waiting = [row for row in rows if row.state == ReservationState.WAITING]
    return {"positions": queries.positions(waiting), "whys": queries.whys_waiting(waiting)}


class LoanQuery(Paged):
    state = serializers.ChoiceField(choices=LoanState.choices, required=False)
    card_number = serializers.CharField(required=False, max_length=80, help_text="staff only")
    overdue = serializers.BooleanField(required=False, help_text="only those that should have ended before today")


class LoanRow(Local):
    """A copy lent until a local day, that day included.

    `in_bag`: lent when it was packed and not collected yet; the days are counted anew then.
    """

    id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=LoanState.choices)
    title = TitleName(source="copy.title")
    volume = serializers.CharField(source="copy.volume")
    barcode = serializers.CharField(source="copy.barcode")
    library = serializers.CharField(source="library.code")
    lent_at = At()
    due_on = serializers.DateField()
    renewals = serializers.IntegerField()
    returned_at = At(allow_null=True)
    in_bag = serializers.SerializerMethodField()

    def get_in_bag(self, row: Loan) -> bool:
        lent_packed = row.state == LoanState.OUT and row.packed_due_on is not None
        return lent_packed and row.reservation is not None and row.reservation.state == ReservationState.BAGGED


class HistoryRow(LoanRow):
    """A book that one had and brought back."""


class KeepInput(Strict):
    keep = serializers.BooleanField(help_text="whether returned books stay in the list")


class TextsInput(Strict):
    receipts = serializers.BooleanField(required=False)
    reminders = serializers.BooleanField(required=False)
    returns = serializers.BooleanField(required=False)
    receipts_by = serializers.ChoiceField(choices=ByDoor.choices, required=False)
    reminders_by = serializers.ChoiceField(choices=ByDoor.choices, required=False)
    returns_by = serializers.ChoiceField(choices=ByDoor.choices, required=False)


class TextsRow(serializers.Serializer[Any]):
    """What a patron is told of their loans, and by which way, if it is open; else by the other one."""

    receipts = serializers.BooleanField(source="text_receipts", help_text="after a hand-over: how many, until when")
    reminders = serializers.BooleanField(source="text_reminders", help_text="before books are due, and when late")
    returns = serializers.BooleanField(source="text_returns", help_text="after books came back")
    receipts_by = serializers.ChoiceField(choices=ByDoor.choices)
    reminders_by = serializers.ChoiceField(choices=ByDoor.choices)
    returns_by = serializers.ChoiceField(choices=ByDoor.choices)


class TransferQuery(Paged):
    state = serializers.ChoiceField(choices=TransferState.choices, required=False)


class TransferRow(serializers.Serializer[Any]):
    """A copy that travels, or has travelled, from one library to another."""

    id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=TransferState.choices)
    title = TitleName(source="copy.title")
    volume = serializers.CharField(source="copy.volume")
    barcode = serializers.CharField(source="copy.barcode")
    call_number = serializers.CharField(source="copy.call_number")
    from_library = serializers.CharField(source="from_library.code")
    to_library = serializers.CharField(source="to_library.code")
    expected_on = serializers.DateField(help_text="local day of the receiving library")


class AtLibrary(Strict):
    library = Words(required=False, max_length=40, help_text="code; needed by those who work in several")


class ReturnInput(Strict):
    barcode = Words(max_length=30)
    library = Words(required=False, max_length=40, help_text="code; needed by those who work in several")


class ComesBackInput(ReturnInput):
    damaged = serializers.BooleanField(required=False, default=False, help_text="it cannot be lent as it is")


class BackRow(serializers.Serializer[Any]):
    """Where a copy is now that it was scanned."""

    id = serializers.IntegerField(source="pk")
    barcode = serializers.CharField()
    state = serializers.ChoiceField(choices=CopyState.choices)
    at_library = serializers.CharField(source="at_library.code")


class NextReaderRow(serializers.Serializer[Any]):
    """Who gets the copy next: put it aside for the bag."""

    reservation = serializers.IntegerField(source="pk")
    pickup_point = serializers.IntegerField(source="pickup_point_id")


class PostingQuery(Paged):
    state = serializers.ChoiceField(choices=PostingState.choices, required=False)
    kind = serializers.ChoiceField(choices=Posting.Kind.choices, required=False)
    export = serializers.UUIDField(required=False, help_text="only those of this file")
    library = Words(required=False, max_length=40, help_text="code")


class PostingRow(Local):
    """What the system that keeps a library's loans has to be told: which book, which card, when."""

    id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=PostingState.choices)
    kind = serializers.ChoiceField(choices=Posting.Kind.choices)
    library = serializers.CharField(source="library.code")
    barcode = serializers.CharField()
    title = TitleName(source="copy.title", allow_null=True, help_text="null where only the other system knows the book")
    card_number = serializers.CharField(
        source="patron.card_number", allow_null=True, help_text="null where only the other system knows who had it"
    )
    happened_at = At()
    undoes = serializers.IntegerField(source="undoes_id", allow_null=True, help_text="the posting that it takes back")
    reason = serializers.ChoiceField(choices=["", *Posting.Why.values], help_text="why it was not taken there")
    note = serializers.CharField()
    export = serializers.UUIDField(allow_null=True, help_text="the file that it was written into")


class RefuseInput(Strict):
    reason = serializers.ChoiceField(choices=Posting.Why.choices)
    note = Words(required=False, default="", allow_blank=True, max_length=200)


class ReturnedRow(serializers.Serializer[Any]):
    """What a scan at the returns desk ended: a loan, or what another system is told of; or neither."""

    copy = BackRow(allow_null=True, help_text="null where only the other system knows the book")
    loan = LoanRow(allow_null=True)
    posting = PostingRow(allow_null=True)
    next = NextReaderRow(source="next_reservation", allow_null=True)
