"""Who is asking: the actor of a request, and what an actor may do in which library."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import login, logout
from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, OuterRef, Q
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext_lazy as _
from rest_framework import authentication, exceptions

from core import clock
from core.actor import ANYONE, Actor
from core.refusal import Forbidden, NotFound
from lending import accounts, devices
from lending.models import Account, Library, Membership, Programme, Token

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from rest_framework.request import Request

Scope = Token.Scope
BACKEND = "django.contrib.auth.backends.ModelBackend"
DEVICE = "device"  # in a session: the remembered device that it belongs to
TABLET, TOUCHED = "tablet", "touched"  # in a session: on a shared tablet, and when somebody last touched it
TOUCH_EVERY = 20  # seconds
ROLES = (Membership.Role.LIBRARIAN, Membership.Role.MANAGER)  # each may do what those before it may


class PatronOnly(Forbidden):
    """The act belongs to a patron; staff do it under another address, naming the patron."""

    code = "patron_only"
    sentence = _("This page is for patrons. Please sign in with a library card.")


class StaffOnly(Forbidden):
    code = "staff_only"
    sentence = _("This page is for the staff of the library.")


class ActorMiddleware(MiddlewareMixin):
    """Sets `request.actor` from the session; pages of links and webhooks set their own.

    A patron's device that is remembered signs itself in; one that was forgotten is signed out.
    """

    def process_request(self, request: HttpRequest) -> None:
        key = request.COOKIES.get(settings.DEVICE_COOKIE_NAME, "")
        if isinstance(request.user, Account):
            if request.session.get(TABLET) and _left_alone(request):
                logout(request)
            device_id = request.session.get(DEVICE)
            account_id = request.user.pk or 0
            if device_id is not None and not devices.known(device_id, account_id=account_id):
                logout(request)
        elif key:
            _sign_in_again(request, key)
        user = request.user
        actor = accounts.actor_of(user, channel="web") if isinstance(user, Account) else ANYONE
        request.actor = actor  # type: ignore[attr-defined]


def _left_alone(request: HttpRequest) -> bool:
    """Whether nobody has touched a shared tablet for too long; what a page renews by itself is no touch."""
    now = clock.now().timestamp()
    idle = now - request.session.get(TOUCHED, now)
    by_itself = request.method == "GET" and request.headers.get("HX-Request") == "true"
    if idle >= settings.TABLET_LOCK_MINUTES * 60:
        return True
    if TOUCHED not in request.session or (idle >= TOUCH_EVERY and not by_itself):
        request.session[TOUCHED] = now
    return False


def _sign_in_again(request: HttpRequest, key: str) -> None:
    now = clock.now()
    device = devices.of(key, now=now)
    if device is None or accounts.actor_of(device.account, channel="web").kind != "patron":
        return
    devices.seen(device, now=now)
    login(request, device.account, backend=BACKEND)
    request.session[DEVICE] = device.pk


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
        parts = request.META.get("HTTP_AUTHORIZATION", "").split()
        if not parts or parts[0].lower() != self.keyword.lower():
            return None
        token = accounts.token_of(parts[1], now=clock.now()) if len(parts) == 2 else None
        if token is None:
            raise exceptions.AuthenticationFailed(
                _("This token is unknown, expired or revoked. Please sign in again."), code="invalid_token"
            )
        request._request.actor = accounts.actor_of_token(token)  # type: ignore[attr-defined]
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


def staff_libraries(actor: Actor, scope: str = Scope.DESK) -> frozenset[int]:
    """The ids of the libraries in which the actor works; of a device with this scope, where it stands; else none."""
    if actor.id is None:
        return frozenset()
    if actor.kind == "staff":
        return frozenset(Membership.objects.filter(account_id=actor.id).values_list("library_id", flat=True))
    if actor.kind == "device":
        may = Library.objects.filter(tokens=actor.id, tokens__scopes__contains=[scope])
        return frozenset(may.values_list("pk", flat=True))
    return frozenset()


def require_staff(actor: Actor, library_id: int, role: str | None = None, *, scope: str = Scope.DESK) -> None:
    """Let members of the library pass, with at least `role` if one is named.

    Refuses with `not_found` somebody who does not work there, so that nobody learns what exists in other
    libraries, and with `forbidden` a member whose role is too low and a device of the library that lacks the scope.
    """
    if actor.kind == "device" and Token.objects.filter(pk=actor.id or 0, library_id=library_id).exists():
        if role in {None, ROLES[0].value} and library_id in staff_libraries(actor, scope):
            return
        raise Forbidden
    member = None
    if actor.kind == "staff" and actor.id is not None:
        member = Membership.objects.filter(account_id=actor.id, library_id=library_id).first()
    if member is None:
        raise NotFound
    if role is not None and ROLES.index(Membership.Role(member.role)) < ROLES.index(Membership.Role(role)):
        raise Forbidden


def manages(actor: Actor, library_id: int) -> bool:
    """Whether the actor is a manager of the library."""
    roles = Membership.objects.filter(account_id=actor.id or 0, library_id=library_id, role=Membership.Role.MANAGER)
    return actor.kind == "staff" and roles.exists()


def programmes_of(actor: Actor) -> frozenset[int]:
    """The programmes by whose rules the libraries lend in which the actor works, also while a building is closed."""
    libraries = Library.objects.filter(pk__in=require_any_staff(actor))
    normal = libraries.values_list("programme_id", flat=True)
    surging = libraries.filter(surge_programme__isnull=False).values_list("surge_programme_id", flat=True)
    return frozenset([*normal, *(pk for pk in surging if pk)])


def leads(actor: Actor, programme_id: int) -> bool:
    """Whether the actor manages a library that follows this programme, be it only while its building is closed."""
    led = Library.objects.filter(memberships__account=actor.id or 0, memberships__role=Membership.Role.MANAGER)
    follow = Q(programme=programme_id) | Q(surge_programme=programme_id)
    return actor.kind == "staff" and led.filter(follow).exists()


def may_lend_by(actor: Actor) -> QuerySet[Programme]:
    """The programmes that a manager may let a library lend by while its building is closed.

    Those that the manager leads, and those that no library follows: whoever follows somebody else's would lead it.
    """
    led = Library.objects.filter(memberships__account=actor.id or 0, memberships__role=Membership.Role.MANAGER)
    mine = Q(libraries__in=led) | Q(pk__in=led.filter(surge_programme__isnull=False).values("surge_programme"))
    others = Library.objects.filter(Q(programme=OuterRef("pk")) | Q(surge_programme=OuterRef("pk")))
    found = Programme.objects.filter(pk__in=Programme.objects.filter(mine | ~Exists(others)).values("pk"))
    return found.order_by("pk") if actor.kind == "staff" else found.none()


def require_patron(actor: Actor) -> int:
    """The id of the patron who asks. Refuses anybody else with `patron_only`."""
    if actor.kind != "patron" or actor.id is None:
        raise PatronOnly
    return actor.id


def require_any_staff(actor: Actor, scope: str = Scope.DESK) -> frozenset[int]:
    """The libraries in which the actor works, at least one. Refuses anybody else with `staff_only`.

    A device needs the scope (`forbidden`).
    """
    libraries = staff_libraries(actor, scope)
    if not libraries and actor.kind == "device":
        raise Forbidden
    if not libraries:
        raise StaffOnly
    return libraries
