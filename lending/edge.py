"""What every edge of API v1 is made of: who may come in, pages of rows, and the words of the schema."""

from __future__ import annotations

import base64
import binascii
import functools
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core import access
from core.actor import Actor
from core.refusal import BadInput
from lending import auth, patrons, queries
from lending.errors import UnknownCard
from lending.serializers import Paged, ProblemRow, Strict, read_query

View = TypeVar("View", bound=Callable[..., Any])
Row = TypeVar("Row", bound=Model)

DEEPEST = 10_000  # rows that a search may be paged through
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="1 to 255 characters; the same key and body again get the first answer and have no second effect",
)
PROBLEM = "application/problem+json"
REFUSED = OpenApiResponse(ProblemRow, description="refused: see `code`, `detail` and `facts`")


def told(
    name: str,
    gives: Any,
    *,
    takes: type[Strict] | None = None,
    asks: type[Strict] | None = None,
    status: int = 200,
    keyed: bool = False,
    media: str = "",
) -> Callable[[View], View]:
    """Describe an operation in the schema: its name, the row it gives (as JSON, or as `media`), the body that it takes,
    the query it asks for.
    """
    parameters: list[Any] = [IDEMPOTENCY_KEY] if keyed else []
    decorate: Callable[[View], View] = extend_schema(
        operation_id=name,
        parameters=[*parameters, asks] if asks else parameters,
        request=takes,
        responses={(status, media) if media else status: gives, ("4XX", PROBLEM): REFUSED, ("503", PROBLEM): REFUSED},
    )
    return decorate


def page_of(row: type[serializers.Serializer[Any]]) -> Any:
    """The schema of a page of rows."""
    name = row.__name__.removesuffix("Row") + "Page"
    return inline_serializer(name, {"results": row(many=True), "next": serializers.URLField(allow_null=True)})


class Known(BasePermission):
    """Lets pass whoever the authentication knows to be somebody."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return Actor.of(request).kind != "anyone"


class Edge(APIView):
    """Parse, check who asks, call one use case, show the row."""

    permission_classes: Sequence[Any] = [Known]

    @property
    def default_response_headers(self) -> dict[str, str]:
        return {"Allow": _allowed(type(self))}  # type: ignore[arg-type]  # the stubs think that it has no hash

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        final: HttpResponseBase = super().finalize_response(request, response, *args, **kwargs)
        final.headers["Cache-Control"] = "no-store"
        return final


@functools.cache
def _allowed(kind: Any) -> str:
    """The methods that a kind of edge allows, which DRF looks up with each answer."""
    return ", ".join(kind().allowed_methods)


class PublicEdge(Edge):
    """What everybody may read."""

    permission_classes = [AllowAny]


class Pages:
    """Cursor pages: `results`, and `next`, the address of the following page or null.

    Rows are paged by one unique column (`by`, newest first by default), so that nothing is shown twice while rows are
    added. A search, whose order is a rank, is paged by place (`by=""`).
    """

    def __init__(self, by: str = "-id") -> None:
        self.by = by
        self.next: str | None = None

    def page(self, rows: QuerySet[Row], request: Request) -> list[Row]:
        """The rows of one page; refuses a cursor that was not given by the page before (`invalid`, field `cursor`)."""
        size = read_query(Paged, request, more=True).get("page_size", 25)
        at = _decode(request.query_params.get("cursor", ""))
        column = self.by.lstrip("-")
        try:
            if self.by:
                rows = rows.order_by(self.by)
                comparison = f"{column}__{'lt' if self.by.startswith('-') else 'gt'}"
                found = list((rows.filter(**{comparison: at}) if at else rows)[: size + 1])
            else:
                start = int(at or 0)
                if not 0 <= start <= DEEPEST:
                    raise BadInput(field="cursor")
                found = list(rows[start : start + size + 1])
        except (ValueError, TypeError, OverflowError, ValidationError) as error:
            raise BadInput(field="cursor") from error
        if len(found) > size:
            last = getattr(found[size - 1], column) if self.by else int(at or 0) + size
            self.next = self._link(request, last.isoformat() if isinstance(last, datetime) else str(last))
        return found[:size]

    def response(self, data: Any) -> Response:
        """The page as it is sent."""
        return Response({"results": data, "next": self.next})

    def _link(self, request: Request, last: str) -> str:
        cursor = base64.urlsafe_b64encode(last.encode()).decode().rstrip("=")
        query = {name: value for name, value in request.query_params.items() if name != "cursor"}
        return request.build_absolute_uri(f"{request.path}?{urlencode({**query, 'cursor': cursor})}")


def _decode(cursor: str) -> str:
    try:
        return base64.b64decode(cursor.encode() + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise BadInput(field="cursor") from error


def within(actor: Actor, rows: QuerySet[Row], *, library: str) -> QuerySet[Row]:
    """The rows that an actor may know of: a patron's own, and for staff and devices those of their libraries."""
    if actor.kind == "patron":
        return rows.filter(patron_id=actor.id)
    return rows.filter(**{f"{library}__in": auth.staff_libraries(actor)})


def borrower(actor: Actor, card_number: str | None) -> int:
    """For whom something is asked: a patron for themselves, staff for the patron with this card.

    Refuses a patron who names a card (`invalid`), staff who name none, and a card of another programme
    (`unknown_card`).
    """
    if actor.kind == "patron":
        if card_number is not None:
            raise BadInput(field="card_number")
        return auth.require_patron(actor)
    libraries = auth.require_any_staff(actor)
    if card_number is None:
        raise BadInput(field="card_number")
    patron = queries.patrons_of(libraries).filter(pk=patrons.by_card(card_number).pk).first()
    if patron is None:
        raise UnknownCard(field="card_number")
    return patron.pk


def is_staff(actor: Actor) -> bool:
    """Whether barcodes and telephone numbers are for this actor's eyes."""
    return actor.kind == "staff"


def note_look(rows: Iterable[Any], *, purpose: str, by: Actor, now: datetime) -> None:
    """Note that staff, or a device of theirs, saw rows of these patrons."""
    seen = {f"patron:{row.patron_id}" for row in rows if row.patron_id is not None}
    if seen and by.kind in {"staff", "device"}:
        access.saw(seen, purpose=purpose, by=by, now=now)


def of_card(actor: Actor, rows: QuerySet[Row], asked: dict[str, Any]) -> QuerySet[Row]:
    """The rows narrowed by what a list was asked for: a state, a card."""
    if "card_number" in asked:
        rows = rows.filter(patron_id=borrower(actor, asked["card_number"]))
    return rows.filter(state=asked["state"]) if "state" in asked else rows
