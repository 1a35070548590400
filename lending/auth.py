"""Who is asking: the actor of a request, and what an actor may do in which library."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AnonymousUser
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext_lazy as _
from rest_framework import authentication, exceptions

from core import clock
from core.actor import ANYONE, Actor
from core.refusal import Forbidden, NotFound
from lending import accounts
from lending.models import Account, Library, Membership, Token

if TYPE_CHECKING:
    from django.http import HttpRequest
    from rest_framework.request import Request

ROLES = (Membership.Role.LIBRARIAN, Membership.Role.MANAGER)  # each may do what those before it may


class PatronOnly(Forbidden):
    """The act belongs to a patron; staff do it under another address, naming the patron."""

    code = "patron_only"
    sentence = _("This page is for patrons. Please sign in with a library card.")


class StaffOnly(Forbidden):
    code = "staff_only"
    sentence = _("This page is for the staff of the library.")


class ActorMiddleware(MiddlewareMixin):
    """Sets `request.actor` from the session; pages of links and webhooks set their own."""

    def process_request(self, request: HttpRequest) -> None:
        user = request.user
        actor = accounts.actor_of(user, channel="web") if isinstance(user, Account) else ANYONE
        request.actor = actor  # type: ignore[attr-defined]


class Device(AnonymousUser):
    """The user of a request that a device sends: signed in, but nobody."""

    def __init__(self, token: Token) -> None:
        super().__init__()
        self.token = token

    def __str__(self) -> str:
        return self.token.device

    @property
    def is_authenticated(self) -> Any:  # True also for devices, unlike the type of its parent
        return True

    @property
    def is_anonymous(self) -> Any:
        return False


class TokenAuthentication(authentication.BaseAuthentication):
    """`Authorization: Token <token>`; sets `request.actor` and gives the Token row as `request.auth`."""

    keyword = "Token"

    def authenticate(self, request: Request) -> tuple[Account | Device, Token] | None:
        parts = request.headers.get("Authorization", "").split()
        if not parts or parts[0].lower() != self.keyword.lower():
            return None
        token = accounts.token_of(parts[1], now=clock.now()) if len(parts) == 2 else None
        if token is None:
            raise exceptions.AuthenticationFailed(
                _("This token is unknown, expired or revoked. Please sign in again."), code="invalid_token"
            )
        if token.account is None:
            actor = Actor("device", token.pk, "api")
        else:
            actor = accounts.actor_of(token.account, channel="api")
        request._request.actor = actor  # type: ignore[attr-defined]
        return token.account or Device(token), token

    def authenticate_header(self, request: Request) -> str:
        return self.keyword


class SessionAuthentication(authentication.SessionAuthentication):
    """The browser's session, with the CSRF check; the actor is the middleware's, through the API's door."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        found = super().authenticate(request)
        if found is not None:
            request._request.actor = replace(Actor.of(request._request), channel="api")  # type: ignore[attr-defined]
        return found


def staff_libraries(actor: Actor) -> frozenset[int]:
    """The ids of the libraries in which the actor works; of a device, the one where it stands; else none."""
    if actor.id is None:
        return frozenset()
    if actor.kind == "staff":
        return frozenset(Membership.objects.filter(account_id=actor.id).values_list("library_id", flat=True))
    if actor.kind == "device":
        return frozenset(Library.objects.filter(tokens=actor.id).values_list("pk", flat=True))
    return frozenset()


def require_staff(actor: Actor, library_id: int, role: str | None = None) -> None:
    """Let members of the library pass, with at least `role` if one is named.

    Refuses with `not_found` somebody who does not work there, so that nobody learns what exists in other
    libraries, and with `forbidden` a member whose role is too low. A device counts as its library's librarian.
    """
    if actor.kind == "device" and library_id in staff_libraries(actor):
        if role in {None, ROLES[0].value}:
            return
        raise Forbidden
    member = None
    if actor.kind == "staff" and actor.id is not None:
        member = Membership.objects.filter(account_id=actor.id, library_id=library_id).first()
    if member is None:
        raise NotFound
    if role is not None and ROLES.index(Membership.Role(member.role)) < ROLES.index(Membership.Role(role)):
        raise Forbidden


def require_patron(actor: Actor) -> int:
    """The id of the patron who asks. Refuses anybody else with `patron_only`."""
    if actor.kind != "patron" or actor.id is None:
        raise PatronOnly
    return actor.id


def require_any_staff(actor: Actor) -> frozenset[int]:
    """The libraries in which the actor works, at least one. Refuses anybody else with `staff_only`."""
    libraries = staff_libraries(actor)
    if not libraries:
        raise StaffOnly
    return libraries
