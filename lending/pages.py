"""Pages of this room: find books, note them, sign in and out. One title is in pickup/pages.py."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec
from uuid import uuid4

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, logout
from django.contrib.auth.views import redirect_to_login
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from rest_framework.throttling import BaseThrottle

from core import clock
from core.actor import Actor
from core.refusal import Refusal
from lending import accounts, auth, availability, devices, queries, quota, search, second_factor
from lending.errors import UnknownTitle
from lending.forms import Refusable, SearchForm, SignInForm, StaffSignInForm
from lending.models import Account, Patron, Title
from lending.staff_forms import BookForm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

P = ParamSpec("P")

ON_A_PAGE = 20
NEWEST = 6  # shown on the start page, of the titles that came last
CAME_LAST = 200
MOST_BOOKS = 20
_AROUND = "around"  # of a request: what another room puts around its page
HALF, HALF_LASTS = "half in", 600.0  # in a session: who showed a password and when; for so many seconds


def show(
    request: HttpRequest, template: str, context: dict[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    """A page. `key` is what its forms carry, so that one that is sent twice acts once (see core/once.py)."""
    known = {"key": uuid4().hex, "frame": "base.html", **getattr(request, _AROUND, {})}
    return render(request, template, {**known, **(context or {})}, status=status)


def around(request: HttpRequest, context: dict[str, Any]) -> None:
    """Let the page that answers this request be shown within what another room puts around it, as `frame`."""
    setattr(request, _AROUND, context)


def key_of(request: HttpRequest) -> str:
    """The idempotency key that the page put into its form."""
    return request.POST.get("key", "")


def address_of(request: HttpRequest) -> str:
    """The network address of the person, behind as many proxies as the settings name; counters are kept by it."""
    return str(BaseThrottle().get_ident(request))  # type: ignore[arg-type]  # reads the headers alone


def signed_in(
    view: Callable[Concatenate[HttpRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Send whoever is not signed in to the right door and back; keep the page out of shared caches.

    A fragment that a page renews by itself sends the whole page there.
    """

    @never_cache
    @functools.wraps(view)
    def inner(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if Actor.of(request).kind == "anyone":
            shared = settings.TABLET_COOKIE_NAME in request.COOKIES
            staff = "tablet-locked" if shared else "staff-sign-in"
            door = staff if request.path.startswith(reverse("staff")) else "sign-in"
            fragment = request.headers.get("HX-Request") == "true"
            here = request.method == "GET" and not fragment
            back = request.get_full_path() if here else request.headers.get("Referer", "")
            to = redirect_to_login(_inside(request, back), resolve_url(door))
            return HttpResponse(status=204, headers={"HX-Redirect": to.url}) if fragment else to
        return view(request, *args, **kwargs)

    return inner


def patron_of(request: HttpRequest) -> Patron:
    """The patron who is signed in, with their library. Refuses anybody else with `patron_only`."""
    return Patron.objects.select_related("home", "household").get(pk=auth.require_patron(Actor.of(request)))


def _inside(request: HttpRequest, address: str | None, otherwise: str = "/") -> str:
    """The address if it is one of this site, else another."""
    allowed = url_has_allowed_host_and_scheme(address or "", {request.get_host()}, require_https=request.is_secure())
    return address if address and allowed else otherwise


@dataclass(frozen=True, slots=True)
class Found:
    """One row of a list of titles: where it can be had, and whether the reader has noted or asked for it already."""

    title: Title
    at: availability.Availability
    noted: bool
    mine: bool


@require_safe
def find(request: HttpRequest) -> HttpResponse:
    """Search, also as a fragment while somebody types; without a question, what came last."""
    form = SearchForm(request.GET)
    q = form.cleaned_data["q"] if form.is_valid() else ""
    found = Paginator(search.find(q), ON_A_PAGE).get_page(request.GET.get("page")) if q else None
    context = {
        "form": form,
        "q": q,
        "page": found,
        "rows": _rows(request, _newest() if found is None else found.object_list),
        "noted": len(basket(request)),
        "libraries": queries.libraries(),
        "surging": queries.surging(),
    }
    template = "lending/_results.html"
    if request.headers.get("HX-Request") != "true":  # else what bars somebody stands above it already
        template, context = "lending/search.html", context | barred(request)
    response = show(request, template, context, status=400 if form.errors else 200)
    response.headers["Vary"] = "HX-Request, Accept-Language, Cookie"
    return response


def barred(request: HttpRequest) -> dict[str, Any]:
    """For `lending/_barred.html`: what keeps a reader who is signed in from asking for books; nothing for others."""
    by = Actor.of(request)
    if by.kind != "patron":
        return {}
    patron = patron_of(request)
    today = queries.today(patron.home, clock.now())
    return {"home": patron.home, "bars": list(quota.bars(patron, patron.home, today=today))}


def _newest() -> list[Title]:
    """Of what came last the newest books, those in the reader's language first."""
    language = {"ko": "kor", "en": "eng"}[(get_language() or "ko")[:2]]
    came_last = Title.objects.filter(pk__in=queries.newest_on_shelf(CAME_LAST))
    return sorted(came_last, key=lambda title: (title.language != language, -(title.year or 0), -title.pk))[:NEWEST]


def _rows(request: HttpRequest, titles: Iterable[Title]) -> list[Found]:
    shown = list(titles)
    ids = [title.pk for title in shown]
    where = availability.of_titles(ids)
    noted = {title_id for title_id, _volume in basket(request)}
    by = Actor.of(request)
    patron_id = by.id if by.kind == "patron" else None
    asked = {title_id for title_id, _volume in queries.asked_for(patron_id, ids)} if patron_id else set()
    return [Found(title, where[title.pk], title.pk in noted, title.pk in asked) for title in shown]


def basket(request: HttpRequest) -> list[tuple[int, str]]:
    """The titles (and volumes) that somebody noted to ask for, in the order in which they were noted."""
    return [(int(title_id), str(volume)) for title_id, volume in request.session.get("basket", [])]


@require_POST
def note(request: HttpRequest) -> HttpResponse:
    """Put a title on the list. Twice is once."""
    form = BookForm(request.POST)
    back = _inside(request, request.POST.get("next"))
    if not form.is_valid():
        raise UnknownTitle(title=request.POST.get("title", "")[:20])
    noted = [list(item) for item in basket(request)]
    if form.item not in noted:
        if len(noted) >= MOST_BOOKS:
            messages.warning(request, _("Your list is full. Please request these books first."))
            return redirect(back)
        request.session["basket"] = [*noted, form.item]
    return redirect(back)


@require_POST
def strike(request: HttpRequest) -> HttpResponse:
    """Take a title off the list."""
    form = BookForm(request.POST)
    if form.is_valid():
        request.session["basket"] = [list(item) for item in basket(request) if list(item) != form.item]
    return redirect(_inside(request, request.POST.get("next")))


@never_cache
def sign_in(request: HttpRequest) -> HttpResponse:
    """The patrons' door: card number and PIN."""
    form = SignInForm(request.POST or None)
    others = {"libraries": queries.libraries()}
    known = functools.partial(accounts.sign_in_patron, device=request.COOKIES.get(settings.DEVICE_COOKIE_NAME, ""))
    return _door(request, form, "lending/sign_in.html", known, "my", others)


@never_cache
def staff_sign_in(request: HttpRequest) -> HttpResponse:
    """The librarians' door: user name and password."""
    form = StaffSignInForm(request.POST or None)
    return _door(request, form, "lending/staff_sign_in.html", accounts.sign_in_staff, "staff")


def half_in(request: HttpRequest) -> Account | None:
    """Whoever typed the right password lately and has still to show a second factor."""
    account_id, since = request.session.get(HALF, (0, 0))
    fresh = 0 <= clock.now().timestamp() - since <= HALF_LASTS
    return Account.objects.filter(pk=account_id, is_active=True).first() if fresh else None


def _door(
    request: HttpRequest,
    form: Refusable,
    template: str,
    opens: Callable[..., Account],
    home: str,
    context: dict[str, Any] | None = None,
) -> HttpResponse:
    target = target_of(request, home)
    status = form.status
    if request.method == "POST" and form.is_valid():
        told = dict(form.cleaned_data)
        remember = told.pop("remember", False)
        try:
            account = opens(**told, address=address_of(request), now=clock.now())
        except Refusal as refusal:
            form.refuse(refusal)
            status = refusal.status
        else:
            needed = settings.STAFF_SECOND_FACTOR or second_factor.has(account.pk)
            if home == "staff" and needed:
                request.session[HALF] = (account.pk, clock.now().timestamp())
                door = "second-code" if second_factor.has(account.pk) else "second-set-up"
                return redirect(f"{reverse(door)}?{urlencode({'next': target})}")
            return let_in(request, account, target, remember=remember)
    return show(request, template, {"form": form, "next": target, **(context or {})}, status=status)


def target_of(request: HttpRequest, home: str) -> str:
    """Where somebody who signs in wanted to go, within this site; else `home`."""
    return _inside(request, request.POST.get("next") or request.GET.get("next"), reverse(home))


def let_in(request: HttpRequest, account: Account, target: str, *, remember: bool) -> HttpResponse:
    """Begin a session, on a device that is remembered if its owner wished so, and go on."""
    login(request, account, backend=auth.BACKEND)
    response = HttpResponseRedirect(target)
    if remember:
        now = clock.now()
        key = devices.remember(account=account, agent=request.headers.get("User-Agent", ""), now=now)
        device = devices.of(key, now=now)
        request.session[auth.DEVICE] = device.pk if device else None
        response.set_cookie(
            settings.DEVICE_COOKIE_NAME,
            key,
            max_age=devices.LASTS,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
    return response


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session; the device is remembered no longer."""
    device_id, user = request.session.get(auth.DEVICE), request.user
    if device_id is not None and isinstance(user, Account):
        devices.forget(account_id=user.pk, device_id=device_id)
    logout(request)
    response = redirect("search")
    response.delete_cookie(settings.DEVICE_COOKIE_NAME, samesite="Lax")
    return response
