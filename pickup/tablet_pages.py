"""A tablet at the window: shared by colleagues, locked in one tap, taken over with a staff PIN."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core import clock
from core.refusal import Refusal
from lending import auth, devices, tablets
from lending.forms import StaffPinForm, TakeOverForm
from lending.pages import let_in, show, target_of
from pickup.staff_pages import Desk, at_desk, show_desk


@at_desk
@require_safe
def tablet(request: HttpRequest, desk: Desk) -> HttpResponse:
    """The own PIN for shared tablets, and whether this one is shared."""
    found = tablets.of(request.COOKIES.get(settings.TABLET_COOKIE_NAME, ""), now=desk.now)
    context = {
        "form": StaffPinForm(),
        "shared": found is not None and found.library_id == desk.point.library_id,
        "has_pin": request.user.is_authenticated and bool(request.user.staff_pin),
        "minutes": settings.TABLET_LOCK_MINUTES,
    }
    return show_desk(request, desk, "pickup/staff/tablet.html", context)


@at_desk
@require_POST
def share(request: HttpRequest, desk: Desk) -> HttpResponse:
    """This device is shared in the library from now on."""
    name = devices.named(request.headers.get("User-Agent", ""))
    key = tablets.make(library_id=desk.point.library_id, name=name, by=desk.by, now=desk.now)
    messages.success(request, _("This tablet is shared: lock it in one tap, and take it over with your PIN."))
    response = redirect(desk.to("tablet"))
    request.session[auth.TABLET] = True
    response.set_cookie(
        settings.TABLET_COOKIE_NAME,
        key,
        max_age=tablets.LASTS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


@require_POST
def lock(request: HttpRequest) -> HttpResponse:
    """Lock the screen: the session ends, the tablet stays shared."""
    logout(request)
    return redirect("tablet-locked")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def locked(request: HttpRequest) -> HttpResponse:
    """Who takes over? A name and the staff PIN."""
    now = clock.now()
    tablet = tablets.of(request.COOKIES.get(settings.TABLET_COOKIE_NAME, ""), now=now)
    if tablet is None:
        return redirect("staff-sign-in")
    people = tablets.colleagues(tablet)
    form = TakeOverForm(request.POST or None)
    target, status = target_of(request, "staff"), form.status
    if request.method == "POST" and form.is_valid():
        told = form.cleaned_data
        try:
            account = tablets.take_over(tablet=tablet, account_id=told["who"], pin=told["pin"], now=now)
        except Refusal as refusal:
            form.refuse(refusal)
            status = refusal.status
        else:
            response = let_in(request, account, target, remember=False)
            request.session[auth.TABLET] = True
            return response
    context = {"form": form, "people": people, "tablet": tablet, "next": target}
    return show(request, "pickup/staff/locked.html", context, status=status)


@at_desk
@require_POST
def staff_pin(request: HttpRequest, desk: Desk) -> HttpResponse:
    """A PIN for shared tablets, chosen by whoever is signed in."""
    if request.user.is_authenticated:
        tablets.set_pin(account=request.user, pin=request.POST.get("pin", ""), by=desk.by, now=desk.now)
    messages.success(request, _("Your PIN for shared tablets counts from now on."))
    return redirect(desk.to("tablet"))
