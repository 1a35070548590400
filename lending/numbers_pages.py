"""A patron's own numbers and the people who collect for them. A new number is confirmed by a code texted to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core import clock, counters
from core.actor import Actor
from core.refusal import BadInput, Refusal
from lending import codes, contacts, mails
from lending.errors import MailLinkOver
from lending.forms import ConfirmForm, NumberForm, ToldForm
from lending.pages import address_of, patron_of, show, signed_in
from notifications import phone, transports

KNOCKS = 60  # links that confirm nothing, from one network address in ten minutes
NUMBER = "number to confirm"  # in a session: the number to which a code was texted


@signed_in
@require_safe
def numbers(request: HttpRequest) -> HttpResponse:
    """The numbers on file, what may be done with each, and who collects."""
    patron = patron_of(request)
    rows: list[dict[str, Any]] = [
        {
            "contact": one,
            "number": phone.display(one.number, patron.home.region),
            "can_text": phone.can_text(one.number),
        }
        for one in contacts.of(patron.pk)
    ]
    own = [row for row in rows if row["contact"].own]
    named = [row for row in rows if not row["contact"].own]
    context = {"own": own, "named": named, "ways": contacts.WAYS, "mails": transports.mail() is not None}
    return show(request, "lending/settings_numbers.html", context)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def add_number(request: HttpRequest) -> HttpResponse:
    """A new number: a code is texted to it."""
    patron, by, now = patron_of(request), Actor.of(request), clock.now()
    form = NumberForm(request.POST or None)
    status = form.status
    if request.method == "POST" and form.is_valid():
        try:
            codes.count_number(patron_id=patron.pk, now=now)
            number = codes.ask_for_number(patron_id=patron.pk, number=form.cleaned_data["number"], by=by, now=now)
        except Refusal as refusal:
            form.refuse(refusal)
            status = refusal.status
        else:
            request.session[NUMBER] = number
            return redirect("confirm-number")
    return show(request, "lending/settings_number_add.html", {"form": form}, status=status)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def confirm_number(request: HttpRequest) -> HttpResponse:
    """The code from the text: the number is theirs."""
    patron, by, now = patron_of(request), Actor.of(request), clock.now()
    asked = request.session.get(NUMBER, "")
    if not asked:
        return redirect("add-number")
    form = ConfirmForm(request.POST or None)
    status = form.status
    if request.method == "POST" and form.is_valid():
        try:
            number = codes.confirm_number(patron_id=patron.pk, code=form.cleaned_data["code"], by=by, now=now)
            contacts.add_own(patron_id=patron.pk, number=number, by=by, now=now)
        except Refusal as refusal:
            form.refuse(refusal)
            status = refusal.status
        else:
            del request.session[NUMBER]
            messages.success(request, _("We reach you under this number first from now on."))
            return redirect("settings-numbers")
    number = format_html('<span class="nowrap">{}</span>', phone.display(asked, patron.home.region))
    context = {"form": form, "number": number}
    return show(request, "lending/settings_number_confirm.html", context, status=status)


@signed_in
@require_POST
def change_number(request: HttpRequest, contact_id: int, act: str) -> HttpResponse:
    """First, may text, may call, forget. `act` is one of first, uses, keep, once, mail, unmail, remove."""
    told: dict[str, Any] = {"patron_id": patron_of(request).pk, "contact_id": contact_id}
    by, now = Actor.of(request), clock.now()
    if act == "first":
        contacts.put_first(**told, by=by, now=now)
        said = _("We reach you under this number first from now on.")
    elif act == "uses":
        form = ToldForm(request.POST)
        if not form.is_valid():
            raise BadInput(field=next(iter(form.errors)))
        contacts.use(**told, **form.chosen, by=by, now=now)
        said = _("Saved.")
    elif act == "mail":
        mails.count(patron_id=told["patron_id"], now=now)
        contacts.set_mail(**told, mail=request.POST.get("mail", ""), by=by, now=now)
        said = _("Saved. A mail is on its way there: the address counts once you have confirmed it.")
    elif act in {"keep", "once"}:
        contacts.keep(**told, kept=act == "keep", by=by, now=now)
        said = _("Saved.")
    elif act == "unmail":
        contacts.set_mail(**told, mail="", by=by, now=now)
        said = _("The mail address is forgotten.")
    else:
        contacts.remove(**told, by=by, now=now)
        said = _("This number is forgotten.")
    messages.success(request, said)
    return redirect("settings-numbers")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def confirm_mail(request: HttpRequest, token: str) -> HttpResponse:
    """The page behind the link in the mail that asks: whoever reads the address says that it is theirs.

    It tells a stranger no name. Who knocks in vain is counted.
    """
    now = clock.now()
    try:
        if request.method == "POST":
            contact = mails.confirm(token=token, by=Actor("anyone", None, "link"), now=now)
        else:
            contact = mails.contact_of(token, now=now)
    except MailLinkOver:
        counters.hit(f"mail link:{address_of(request)}", limit=KNOCKS, per=timedelta(minutes=10), now=now)
        raise
    home = contact.patron.home if contact.patron is not None else None
    context = {"mail": mails.masked(contact.mail), "library": home, "confirmed": contact.mail_confirmed_at is not None}
    return show(request, "lending/confirm_mail.html", context)
