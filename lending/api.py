"""API v1 of this room: who am I, libraries, titles, reservations, loans, returns."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.pagination import BasePagination
from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from core import access, clock
from core.actor import Actor
from core.once import once
from core.refusal import BadInput, NotFound
from lending import accounts, auth, loans, patrons, queries, reservations, search
from lending.errors import UnknownCard, UnknownTitle
from lending.models import Loan, Membership, Patron, Reservation, Token
from lending.serializers import (
    LibraryRow,
    LoanQuery,
    LoanRow,
    MeRow,
    Nothing,
    Paged,
    ProblemRow,
    ReservationInput,
    ReservationQuery,
    ReservationRow,
    ReturnedRow,
    ReturnInput,
    Strict,
    TitleDetail,
    TitleQuery,
    TitleRow,
    TokenInput,
    TokenRow,
    read,
    read_query,
)

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
) -> Callable[[View], View]:
    """Describe an operation in the schema: its name, the row it gives, the body it takes, the query it asks for."""
    parameters: list[Any] = [IDEMPOTENCY_KEY] if keyed else []
    decorate: Callable[[View], View] = extend_schema(
        operation_id=name,
        parameters=[*parameters, asks] if asks else parameters,
        request=takes,
        responses={status: gives, ("4XX", PROBLEM): REFUSED, ("503", PROBLEM): REFUSED},
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

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        final: HttpResponseBase = super().finalize_response(request, response, *args, **kwargs)
        final.headers["Cache-Control"] = "no-store"
        return final


class PublicEdge(Edge):
    """What everybody may read."""

    permission_classes = [AllowAny]


class Pages(BasePagination):
    """Cursor pages: `results`, and `next`, the address of the following page or null.

    Rows are paged by one unique column (`by`, newest first by default), so that nothing is shown twice while rows are
    added. A search, whose order is a rank, is paged by place (`by=""`).
    """

    def __init__(self, by: str = "-id") -> None:
        self.by = by
        self.next: str | None = None

    def paginate_queryset(self, queryset: QuerySet[Row], request: Request, view: Any = None) -> list[Row]:
        """The rows of one page; refuses a cursor that was not given by the page before (`invalid`, field `cursor`)."""
        size = read_query(Paged, request, more=True).get("page_size", 25)
        at = _decode(request.query_params.get("cursor", ""))
        column = self.by.lstrip("-")
        try:
            if self.by:
                rows = queryset.order_by(self.by)
                comparison = f"{column}__{'lt' if self.by.startswith('-') else 'gt'}"
                found = list((rows.filter(**{comparison: at}) if at else rows)[: size + 1])
            else:
                start = int(at or 0)
                if not 0 <= start <= DEEPEST:
                    raise BadInput(field="cursor")
                found = list(queryset[start : start + size + 1])
        except (ValueError, TypeError, OverflowError, ValidationError) as error:
            raise BadInput(field="cursor") from error
        if len(found) > size:
            last = getattr(found[size - 1], column) if self.by else int(at or 0) + size
            self.next = self._link(request, last.isoformat() if isinstance(last, datetime) else str(last))
        return found[:size]

    def get_paginated_response(self, data: Any) -> Response:
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
    """Note that staff saw rows of these patrons."""
    seen = {f"patron:{row.patron_id}" for row in rows if row.patron_id is not None}
    if seen and is_staff(by):
        access.saw(seen, purpose=purpose, by=by, now=now)


def of_card(actor: Actor, rows: QuerySet[Row], asked: dict[str, Any]) -> QuerySet[Row]:
    """The rows narrowed by what a list was asked for: a state, a card."""
    if "card_number" in asked:
        rows = rows.filter(patron_id=borrower(actor, asked["card_number"]))
    return rows.filter(state=asked["state"]) if "state" in asked else rows


class Tokens(PublicEdge):
    authentication_classes: Sequence[Any] = []

    @told("create_token", TokenRow, takes=TokenInput, status=201)
    def post(self, request: Request) -> Response:
        """Sign in; the only POST without an Idempotency-Key."""
        given, now = read(TokenInput, request), clock.now()
        sign_in = accounts.sign_in_patron if "pin" in given else accounts.sign_in_staff
        account = sign_in(**given, address=str(BaseThrottle().get_ident(request)), now=now)
        return Response(TokenRow(accounts.issue_token(account=account, now=now)).data, status=201)


class CurrentToken(Edge):
    @told("revoke_token", None, status=204)
    def delete(self, request: Request) -> Response:
        """Sign out: the token of this request is worthless from now on."""
        if not isinstance(request.auth, Token):
            raise NotFound
        accounts.revoke_token(token_id=request.auth.pk)
        return Response(status=204)


class Me(Edge):
    @told("me", MeRow)
    def get(self, request: Request) -> Response:
        """Who the token or the session belongs to."""
        return Response(MeRow(_me(Actor.of(request))).data)


def _me(actor: Actor) -> dict[str, Any]:
    if actor.kind == "patron":
        patron = Patron.objects.select_related("home").get(pk=actor.id)
        return {
            "kind": "patron",
            "id": patron.pk,
            "name": patron.name,
            "language": patron.language,
            "card_number": patron.card_number,
            "home": patron.home.code,
            "memberships": [],
        }
    nobody = {"card_number": None, "home": None}
    if actor.kind == "device":
        token = Token.objects.select_related("library").get(pk=actor.id)
        works = [Membership(library=token.library, role=Membership.Role.LIBRARIAN)]
        return {
            "kind": "device",
            "id": token.pk,
            "name": token.device,
            "language": "ko",
            "memberships": works,
            **nobody,
        }
    works = list(Membership.objects.select_related("library", "account").filter(account_id=actor.id).order_by("library"))
    account = works[0].account if works else None
    return {
        "kind": "staff",
        "id": actor.id,
        "name": account.get_username() if account else "",
        "language": account.language if account else "ko",
        "memberships": works,
        **nobody,
    }


class Libraries(PublicEdge):
    @told("list_libraries", page_of(LibraryRow), asks=Paged)
    def get(self, request: Request) -> Response:
        """The libraries, in the order in which they opened their doors to this service."""
        read_query(Paged, request)
        pages = Pages("id")
        rows = pages.paginate_queryset(queries.libraries(), request)
        return pages.get_paginated_response(LibraryRow(rows, many=True).data)


class Titles(PublicEdge):
    @told("search_titles", page_of(TitleRow), asks=TitleQuery)
    def get(self, request: Request) -> Response:
        """Search: each word somewhere in title, author or ISBN."""
        asked = read_query(TitleQuery, request)
        pages = Pages("")
        rows = pages.paginate_queryset(queries.titles_with_availability(search.find(asked["q"])), request)
        return pages.get_paginated_response(TitleRow(rows, many=True).data)


class OneTitle(PublicEdge):
    @told("get_title", TitleDetail)
    def get(self, request: Request, title_id: int) -> Response:
        """One title and where its copies stand."""
        read_query(Nothing, request)
        title = queries.titles_with_availability().filter(pk=title_id).first()
        if title is None:
            raise UnknownTitle
        title.holdings = list(queries.copies_of(title_id))  # type: ignore[attr-defined]
        return Response(TitleDetail(title).data)


class Reservations(Edge):
    @told("list_reservations", page_of(ReservationRow), asks=ReservationQuery)
    def get(self, request: Request) -> Response:
        """One's own reservations; for staff those that are collected at their libraries. Newest first."""
        by, asked, pages = Actor.of(request), read_query(ReservationQuery, request), Pages()
        mine = within(by, queries.reservations(), library="pickup_point__library_id")
        rows = pages.paginate_queryset(of_card(by, mine, asked), request)
        note_look(rows, purpose="api reservations", by=by, now=clock.now())
        return pages.get_paginated_response([reservation_row(row, by) for row in rows])

    @told("reserve", ReservationRow, takes=ReservationInput, status=201, keyed=True)
    def post(self, request: Request) -> HttpResponseBase:
        """Ask for one title, or one volume of it."""
        by = Actor.of(request)
        with once(by, request) as answer:
            given = read(ReservationInput, request)
            placed = reservations.place(
                patron_id=borrower(by, given.get("card_number")),
                items=[reservations.Item(given["title"], given["volume"])],
                point_id=given["pickup_point"],
                by=by,
                now=clock.now(),
            )
            return answer(reservation_row(placed[0], by), status=201)


def reservation_row(row: Reservation, by: Actor) -> dict[str, Any]:
    """A reservation as this actor may see it."""
    return dict(ReservationRow(row, context={"staff": is_staff(by)}).data)


class CancelReservation(Edge):
    @told("cancel_reservation", ReservationRow, keyed=True)
    def post(self, request: Request, reservation_id: int) -> HttpResponseBase:
        """End a reservation whose book is in no bag yet."""
        by = Actor.of(request)
        with once(by, request) as answer:
            read(Nothing, request)
            rows = within(by, queries.reservations(), library="pickup_point__library_id")
            if not rows.filter(pk=reservation_id).exists():
                raise NotFound
            reservations.cancel(reservation_id=reservation_id, by=by, now=clock.now())
            return answer(reservation_row(queries.reservations().get(pk=reservation_id), by))


class Loans(Edge):
    @told("list_loans", page_of(LoanRow), asks=LoanQuery)
    def get(self, request: Request) -> Response:
        """One's own loans; for staff those that their libraries made. Newest first."""
        by, asked, pages = Actor.of(request), read_query(LoanQuery, request), Pages()
        rows = pages.paginate_queryset(of_card(by, loans_within(by), asked), request)
        note_look(rows, purpose="api loans", by=by, now=clock.now())
        return pages.get_paginated_response(LoanRow(rows, many=True).data)


def loans_within(actor: Actor) -> QuerySet[Loan]:
    """The loans that an actor may know of."""
    return within(actor, queries.loans(), library="library_id")


class RenewLoan(Edge):
    @told("renew_loan", LoanRow, keyed=True)
    def post(self, request: Request, loan_id: int) -> HttpResponseBase:
        """Keep a book longer."""
        by = Actor.of(request)
        with once(by, request) as answer:
            read(Nothing, request)
            if not loans_within(by).filter(pk=loan_id).exists():
                raise NotFound
            loans.renew(loan_id=loan_id, by=by, now=clock.now())
            return answer(LoanRow(queries.loans().get(pk=loan_id)).data)


class Returns(Edge):
    @told("take_back", ReturnedRow, takes=ReturnInput, keyed=True)
    def post(self, request: Request) -> HttpResponseBase:
        """A copy comes back, at a desk or through the window; says who gets it next."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(ReturnInput, request)
            library_id = _where(by, given.get("library"))
            returned = loans.take_back(barcode=given["barcode"], library_id=library_id, by=by, now=now)
            note_look([returned.loan], purpose="api returns", by=by, now=now)
            row = {
                "loan": queries.loans().get(pk=returned.loan.pk),
                "next_reservation": returned.next_reservation,
            }
            return answer(ReturnedRow(row).data)


def _where(actor: Actor, code: str | None) -> int:
    """The library in which staff act: the one they name, else the only one they work in."""
    works = auth.require_any_staff(actor)
    if code is None:
        if len(works) > 1:
            raise BadInput(field="library")
        return next(iter(works))
    library = queries.libraries().filter(code=code, pk__in=works).first()
    if library is None:
        raise NotFound(field="library")
    return library.pk
