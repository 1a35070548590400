"""The second factor of staff: set it up, type its code at the door, keep recovery codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from core import clock
from core.actor import Actor
from core.refusal import Forbidden, Refusal
from lending import second_factor
from lending.forms import SecondFactorForm
from lending.pages import HALF, half_in, let_in, show, target_of
from pickup import barcodes

if TYPE_CHECKING:
    from lending.models import Account


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def code(request: HttpRequest) -> HttpResponse:
    """After the password: the code that the authenticator shows now, or a recovery code."""
    account = half_in(request)
    if account is None:
        return redirect("staff-sign-in")
    form = SecondFactorForm(request.POST or None)
    target, status = target_of(request, "staff"), form.status
    if request.method == "POST" and form.is_valid():
        try:
            second_factor.check(account_id=account.pk, code=form.cleaned_data["code"], now=clock.now())
        except Refusal as refusal:
            form.refuse(refusal)
            status = refusal.status
        else:
            request.session.pop(HALF, None)
            return let_in(request, account, target, remember=False)
    return show(request, "pickup/staff/second_code.html", {"form": form, "next": target}, status=status)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def set_up(request: HttpRequest) -> HttpResponse:
    """A secret for the authenticator, confirmed by its first code; then recovery codes, shown once."""
    half = half_in(request)
    account = half or _signed_in(request)
    if account is None:
        return redirect("staff-sign-in")
    form = SecondFactorForm(request.POST or None)
    target, status = target_of(request, "staff"), form.status
    if second_factor.has(account.pk) and half is not None:
        return redirect("second-code")
    if second_factor.has(account.pk):
        return show(request, "pickup/staff/second_on.html", {"form": form, "required": settings.STAFF_SECOND_FACTOR})
    begun = second_factor.begin(account=account, now=clock.now())
    if request.method == "POST" and form.is_valid():
        by = Actor("staff", account.pk)
        try:
            given = second_factor.confirm(account_id=account.pk, code=form.cleaned_data["code"], by=by, now=clock.now())
        except Refusal as refusal:
            form.refuse(refusal)
            status = refusal.status
        else:
            if half is not None:
                request.session.pop(HALF, None)
                let_in(request, account, target, remember=False)
            return show(request, "pickup/staff/second_recovery.html", {"codes": given, "next": target})
    context = {"form": form, "next": target, "secret": begun.secret, "qr": barcodes.qr(begun.address)}
    return show(request, "pickup/staff/second_set_up.html", context, status=status)


@never_cache
@require_POST
def switch_off(request: HttpRequest) -> HttpResponse:
    """Do without it again, where the library lets its staff choose; with a last code."""
    account = _signed_in(request)
    if account is None:
        return redirect("staff-sign-in")
    if settings.STAFF_SECOND_FACTOR:
        raise Forbidden
    second_factor.check(account_id=account.pk, code=request.POST.get("code", ""), now=clock.now())
    second_factor.remove(account_id=account.pk, by=Actor.of(request), now=clock.now())
    messages.success(request, _("From now on your password alone signs you in."))
    return redirect("staff")


def _signed_in(request: HttpRequest) -> Account | None:
    return request.user if Actor.of(request).is_staff and request.user.is_authenticated else None
