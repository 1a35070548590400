"""Pages of this room: find books, note them, sign in and out."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec
from uuid import uuid4

from django.contrib import messages
from django.contrib.auth import login, logout
from django.contrib.auth.views import redirect_to_login
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from rest_framework.throttling import BaseThrottle

from core import clock
from core.actor import Actor
from core.refusal import Refusal
from lending import accounts, auth, queries, search
from lending.errors import UnknownTitle
from lending.forms import BookForm, Refusable, SearchForm, SignInForm, StaffSignInForm
from lending.models import Account, Patron

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")

ON_A_PAGE = 20
MOST_BOOKS = 20
BACKEND = "django.contrib.auth.backends.ModelBackend"


def show(
    request: HttpRequest, template: str, context: dict[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    """A page. `key` is what its forms carry, so that one that is sent twice acts once (see core/once.py)."""
    return render(request, template, {"key": uuid4().hex, **(context or {})}, status=status)


def key_of(request: HttpRequest) -> str:
    """The idempotency key that the page put into its form."""
    return request.POST.get("key", "")


def address_of(request: HttpRequest) -> str:
    """The network address of the person, behind as many proxies as the settings name; counters are kept by it."""
    return str(BaseThrottle().get_ident(request))  # type: ignore[arg-type]  # reads the headers alone


def signed_in(
    view: Callable[Concatenate[HttpRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Send whoever is not signed in to the right door and back; keep the page out of shared caches."""

    @never_cache
    @functools.wraps(view)
    def inner(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if Actor.of(request).kind == "anyone":
            door = "staff-sign-in" if request.path.startswith(reverse("staff")) else "sign-in"
            back = request.get_full_path() if request.method == "GET" else request.headers.get("Referer", "")
            return redirect_to_login(_inside(request, back), resolve_url(door))
        return view(request, *args, **kwargs)

    return inner


def patron_of(request: HttpRequest) -> Patron:
    """The patron who is signed in, with their library. Refuses anybody else with `patron_only`."""
    return Patron.objects.select_related("home", "household").get(pk=auth.require_patron(Actor.of(request)))


def _inside(request: HttpRequest, address: str | None, otherwise: str = "/") -> str:
    """The address if it is one of this site, else another."""
    allowed = url_has_allowed_host_and_scheme(address or "", {request.get_host()}, require_https=request.is_secure())
    return address if address and allowed else otherwise


@require_safe
def find(request: HttpRequest) -> HttpResponse:
    """Search; also as a fragment while somebody types."""
    form = SearchForm(request.GET)
    q = form.cleaned_data["q"] if form.is_valid() else ""
    titles = Paginator(queries.titles_with_availability(search.find(q)), ON_A_PAGE).get_page(request.GET.get("page"))
    template = "lending/_results.html" if request.headers.get("HX-Request") == "true" else "lending/search.html"
    context = {"form": form, "q": q, "titles": titles if q else None, "noted": _noted(request)}
    response = show(request, template, context, status=400 if form.errors else 200)
    response.headers["Vary"] = "HX-Request, Accept-Language, Cookie"
    return response


@require_safe
def title(request: HttpRequest, title_id: int) -> HttpResponse:
    """One title: where its copies stand, which volumes there are, and the button to ask for it."""
    found = queries.titles_with_availability().filter(pk=title_id).first()
    if found is None:
        raise UnknownTitle(title=title_id)
    copies = list(queries.copies_of(title_id))
    volumes = sorted({copy.volume for copy in copies}) or [""]
    context = {"title": found, "copies": copies, "volumes": volumes, "noted": _noted(request)}
    return show(request, "lending/title.html", context)


def basket(request: HttpRequest) -> list[tuple[int, str]]:
    """The titles (and volumes) that somebody noted to ask for, in the order in which they were noted."""
    return [(int(title_id), str(volume)) for title_id, volume in request.session.get("basket", [])]


def _noted(request: HttpRequest) -> set[int]:
    return {title_id for title_id, _volume in basket(request)}


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
            messages.warning(request, _("Your list is full. Please ask for these books first."))
            return redirect(back)
        request.session["basket"] = [*noted, form.item]
    messages.success(request, _("The book is on your list."))
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
    return _door(request, form, "lending/sign_in.html", accounts.sign_in_patron, "my")


@never_cache
def staff_sign_in(request: HttpRequest) -> HttpResponse:
    """The librarians' door: user name and password."""
    form = StaffSignInForm(request.POST or None)
    return _door(request, form, "lending/staff_sign_in.html", accounts.sign_in_staff, "staff")


def _door(
    request: HttpRequest, form: Refusable, template: str, opens: Callable[..., Account], home: str
) -> HttpResponse:
    target = _inside(request, request.POST.get("next") or request.GET.get("next"), reverse(home))
    status = form.status
    if request.method == "POST" and form.is_valid():
        try:
            account = opens(**form.cleaned_data, address=address_of(request), now=clock.now())
        except Refusal as refusal:
            form.refuse(refusal)
            status = refusal.status
        else:
            login(request, account, backend=BACKEND)
            return HttpResponseRedirect(target)
    return show(request, template, {"form": form, "next": target}, status=status)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    logout(request)
    return redirect("search")
