"""API v1 of this room: who am I, libraries, titles, reservations, loans, transfers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle

from core import clock
from core.actor import Actor
from core.once import once, require_key
from core.refusal import BadInput, NotFound
from lending import accounts, auth, codes, loans, queries, quota, reservations, search, second_factor, transfers
from lending.edge import Edge, Pages, PublicEdge, borrower, is_staff, note_look, of_card, page_of, told, within
from lending.errors import UnknownTitle
from lending.models import Loan, Membership, Patron, Reservation, Token
from lending.second_factor import SecondFactorNeeded
from lending.serializers import (
    CardInput,
    LibraryRow,
    LoanQuery,
    LoanRow,
    MeRow,
    Nothing,
    Paged,
    ReservationInput,
    ReservationQuery,
    ReservationRow,
    ReturnInput,
    TitleDetail,
    TitleQuery,
    TitleRow,
    TokenInput,
    TokenRow,
    TransferQuery,
    TransferRow,
    queues,
    read,
    read_query,
)


class Tokens(PublicEdge):
    authentication_classes: Sequence[Any] = []

    @told("create_token", TokenRow, takes=TokenInput, status=201)
    def post(self, request: Request) -> Response:
        """Sign in; the only POST without an Idempotency-Key."""
        given, now = read(TokenInput, request), clock.now()
        code, address = given.pop("code", ""), str(BaseThrottle().get_ident(request))
        if "one_time_code" in given:
            told_code = given["one_time_code"]
            account = codes.sign_in(card_number=given["card_number"], code=told_code, address=address, now=now)
        else:
            sign_in = accounts.sign_in_patron if "pin" in given else accounts.sign_in_staff
            account = sign_in(**given, address=address, now=now)
        if second_factor.has(account.pk) and code:
            second_factor.check(account_id=account.pk, code=code, now=now)
        elif second_factor.has(account.pk) or (settings.STAFF_SECOND_FACTOR and "password" in given):
            raise SecondFactorNeeded(field="code")
        return Response(TokenRow(accounts.issue_token(account=account, now=now)).data, status=201)


class AskCode(PublicEdge):
    authentication_classes: Sequence[Any] = []

    @told("ask_code", CardInput, takes=CardInput, keyed=True)
    def post(self, request: Request) -> Response:
        """Text a one-time code to the patron's own number on file, if there is one; the same answer for every card.

        Asked again, also with the same key, another one is sent; so often that it is no use to ask, it is refused.
        """
        require_key(request)
        given = read(CardInput, request)
        codes.ask(card_number=given["card_number"], address=str(BaseThrottle().get_ident(request)), now=clock.now())
        return Response(given)


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
        patron = Patron.objects.select_related("home__programme", "home__surge_programme").get(pk=actor.id or 0)
        return {
            "kind": "patron",
            "id": patron.pk,
            "name": patron.name,
            "language": patron.language,
            "card_number": patron.card_number,
            "home": patron.home.code,
            "barred": list(quota.bars(patron, patron.home, today=queries.today(patron.home, clock.now()))),
            "memberships": [],
        }
    nobody: dict[str, Any] = {"card_number": None, "home": None, "barred": []}
    if actor.kind == "device":
        token = Token.objects.select_related("library").get(pk=actor.id or 0)
        works = [Membership(library=token.library, role=Membership.Role.LIBRARIAN)]
        return {
            "kind": "device",
            "id": token.pk,
            "name": token.device,
            "language": "ko",
            "memberships": works,
            **nobody,
        }
    works = list(
        Membership.objects.select_related("library", "account").filter(account_id=actor.id or 0).order_by("library")
    )
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
        rows = pages.page(queries.libraries(), request)
        return pages.response(LibraryRow(rows, many=True).data)


class Titles(PublicEdge):
    @told("search_titles", page_of(TitleRow), asks=TitleQuery)
    def get(self, request: Request) -> Response:
        """Search: each word somewhere in title, author or ISBN."""
        asked = read_query(TitleQuery, request)
        pages = Pages("")
        rows = pages.page(queries.titles_with_availability(search.find(asked["q"])), request)
        return pages.response(TitleRow(rows, many=True).data)


class OneTitle(PublicEdge):
    @told("get_title", TitleDetail)
    def get(self, request: Request, title_id: int) -> Response:
        """One title and where its copies stand."""
        read_query(Nothing, request)
        title = queries.titles_with_availability().filter(pk=title_id).first()
        if title is None:
            raise UnknownTitle
        title.copies_here = list(queries.copies_of(title_id))  # type: ignore[attr-defined]
        return Response(TitleDetail(title).data)


class Reservations(Edge):
    @told("list_reservations", page_of(ReservationRow), asks=ReservationQuery)
    def get(self, request: Request) -> Response:
        """One's own reservations; for staff those that are collected at their libraries. Newest first."""
        by, asked, pages = Actor.of(request), read_query(ReservationQuery, request), Pages()
        mine = within(by, queries.reservations(), library="pickup_point__library_id")
        rows = pages.page(of_card(by, mine, asked), request)
        note_look(rows, purpose="api reservations", by=by, now=clock.now())
        return pages.response(reservation_rows(rows, by))

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
                needed_until=given["needed_until"],
                by=by,
                now=clock.now(),
            )
            return answer(reservation_row(placed[0], by), status=201)


def reservation_rows(rows: Sequence[Reservation], by: Actor) -> list[dict[str, Any]]:
    """Reservations as this actor may see them."""
    return list(ReservationRow(rows, many=True, context={"staff": is_staff(by), **queues(rows)}).data)


def reservation_row(row: Reservation, by: Actor) -> dict[str, Any]:
    """One reservation as this actor may see it."""
    return reservation_rows([row], by)[0]


class Loans(Edge):
    @told("list_loans", page_of(LoanRow), asks=LoanQuery)
    def get(self, request: Request) -> Response:
        """One's own loans; for staff those that their libraries made. Newest first."""
        by, asked, pages = Actor.of(request), read_query(LoanQuery, request), Pages()
        now = clock.now()
        found = of_card(by, loans_within(by), asked)
        rows = pages.page(queries.late_among(found, now=now) if asked.get("overdue") else found, request)
        note_look(rows, purpose="api loans", by=by, now=now)
        return pages.response(LoanRow(rows, many=True).data)


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


class LostLoan(Edge):
    @told("lose_loan", LoanRow, keyed=True)
    def post(self, request: Request, loan_id: int) -> HttpResponseBase:
        """The reader has lost the book. Staff only."""
        by = Actor.of(request)
        with once(by, request) as answer:
            read(Nothing, request)
            if not loans_within(by).filter(pk=loan_id).exists():
                raise NotFound
            auth.require_any_staff(by)
            loans.lost(loan_id=loan_id, by=by, now=clock.now())
            return answer(LoanRow(queries.loans().get(pk=loan_id)).data)


class Transfers(Edge):
    @told("list_transfers", page_of(TransferRow), asks=TransferQuery)
    def get(self, request: Request) -> Response:
        """What leaves the libraries in which one works, and what comes to them. Newest first."""
        by, asked, pages = Actor.of(request), read_query(TransferQuery, request), Pages()
        works = auth.require_any_staff(by)
        rows = queries.transfers().filter(Q(from_library__in=works) | Q(to_library__in=works))
        if "state" in asked:
            rows = rows.filter(state=asked["state"])
        return pages.response(TransferRow(pages.page(rows, request), many=True).data)

    @told("scan_transfer", TransferRow, takes=ReturnInput, keyed=True)
    def post(self, request: Request) -> HttpResponseBase:
        """A copy is scanned: what another library waits for leaves, what was sent here has come."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(ReturnInput, request)
            library_id = where(by, given.get("library"))
            scanned = transfers.scan(barcode=given["barcode"], library_id=library_id, by=by, now=now)
            return answer(TransferRow(queries.transfers().get(pk=scanned.transfer.pk)).data)


class _TransferAct(Edge):
    """A journey that comes to nothing; who waits for the copy keeps the place and gets the next one."""

    def act(self, request: Request, transfer_id: int, side: str, verb: Callable[..., object]) -> HttpResponseBase:
        """Once, for those who work at that `side` of the journey, with its row as the answer."""
        by = Actor.of(request)
        with once(by, request) as answer:
            read(Nothing, request)
            works = auth.require_any_staff(by)
            if not queries.transfers(pk=transfer_id, **{f"{side}__in": works}).exists():
                raise NotFound
            verb(transfer_id=transfer_id, by=by, now=clock.now())
            return answer(TransferRow(queries.transfers().get(pk=transfer_id)).data)


class TransferNotFound(_TransferAct):
    @told("transfer_not_found", TransferRow, keyed=True)
    def post(self, request: Request, transfer_id: int) -> HttpResponseBase:
        """The copy that shall travel is not on its shelf. By the library that should send it."""
        return self.act(request, transfer_id, "from_library", transfers.not_found)


class TransferLost(_TransferAct):
    @told("transfer_lost", TransferRow, keyed=True)
    def post(self, request: Request, transfer_id: int) -> HttpResponseBase:
        """The copy has left and never come. By the library that waits for it."""
        return self.act(request, transfer_id, "to_library", transfers.lost)


def where(actor: Actor, code: str | None) -> int:
    """The library in which staff act: the one they name, else the only one they work in."""
    works = auth.require_any_staff(actor)
    if code is None:
        if len(works) > 1:
            raise BadInput(field="library")
        return next(iter(works))
    library = queries.library_of(code)
    if library is None or library.pk not in works:
        raise NotFound(field="library")
    return library.pk
