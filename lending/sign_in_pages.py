"""Sign in with a one-time code: by those who have no PIN, or forgot it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache

from core import clock
from core.refusal import Refusal
from lending import codes, queries
from lending.forms import CodeForm, CodeSignInForm
from lending.pages import address_of, let_in, show, target_of

CARD = "code for card"  # in a session: the card for which a code was asked
BY_CODE = "by code at"  # in a session: when somebody came in by a code, in seconds since the epoch


@never_cache
def ask_code(request: HttpRequest) -> HttpResponse:
    """For which card? The answer is the same for every card."""
    form = CodeForm(request.POST or None)
    target, status = target_of(request, "my"), form.status
    if request.method == "POST" and form.is_valid():
        try:
            codes.ask(**form.cleaned_data, address=address_of(request), now=clock.now())
        except Refusal as refusal:
            form.refuse(refusal)
            status = refusal.status
        else:
            request.session[CARD] = form.cleaned_data["card_number"]
            return redirect(f"{reverse('enter-code')}?{urlencode({'next': target})}")
    libraries = queries.libraries().filter(training=False)
    context = {"form": form, "next": target, "libraries": libraries}
    return show(request, "lending/ask_code.html", context, status=status)


@never_cache
def enter_code(request: HttpRequest) -> HttpResponse:
    """The code from the text, or from the desk."""
    card = request.session.get(CARD, "")
    target = target_of(request, "my")
    if not card:
        return redirect(f"{reverse('ask-code')}?{urlencode({'next': target})}")
    form = CodeSignInForm(request.POST or None)
    status = form.status
    if request.method == "POST" and form.is_valid():
        now = clock.now()
        told = {"card_number": card, "code": form.cleaned_data["code"]}
        try:
            account = codes.sign_in(**told, address=address_of(request), now=now)
        except Refusal as refusal:
            form.refuse(refusal)
            status = refusal.status
        else:
            response = let_in(request, account, target, remember=form.cleaned_data["remember"])
            request.session.pop(CARD, None)
            request.session[BY_CODE] = now.timestamp()
            return response
    libraries = queries.libraries().filter(training=False)
    context = {"form": form, "next": target, "card": card, "libraries": libraries}
    return show(request, "lending/enter_code.html", context, status=status)
