"""What patrons settle for themselves: their PIN, the devices that stay signed in."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings as django_settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core import clock
from core.actor import Actor
from core.refusal import BadInput, NotFound, Refusal
from lending import accounts, auth, consents, contacts, devices, patrons, queries, standings
from lending.forms import ConsentForm, LanguageForm, NeedsForm, PinForm, TextsForm
from lending.models import Account, Consent, Language, Patron, RememberedDevice
from lending.pages import ON_A_PAGE, address_of, patron_of, show, signed_in
from lending.sign_in_pages import BY_CODE
from notifications import outbox, phone, transports

What = Consent.What

FRESH = timedelta(minutes=15)  # so long after coming in by a code a new PIN needs no old one


@signed_in
@require_safe
def settings(request: HttpRequest) -> HttpResponse:
    """What can be settled, and how it stands."""
    patron = patron_of(request)
    mine = contacts.of(patron.pk)
    context = {
        "patron": patron,
        "has_pin": _has_pin(patron),
        "devices": len(_devices(patron)),
        "first": next((phone.display(one.number, patron.home.region) for one in mine if one.own), ""),
        "collectors": sum(not one.own for one in mine),
        "languages": Language.choices,
    }
    return show(request, "lending/settings.html", context)


@signed_in
@require_safe
def standing(request: HttpRequest) -> HttpResponse:
    """How much of each limit is used, when there is room again, and what is held against me."""
    patron = patron_of(request)
    library = queries.library_with_rules(patron.home_id)
    return show(request, "lending/settings_standing.html", {"standing": standings.of(patron, library, now=clock.now())})


@signed_in
@require_POST
def speak(request: HttpRequest) -> HttpResponse:
    """The language of pages and texts."""
    form = LanguageForm(request.POST)
    if not form.is_valid():
        raise BadInput(field="language")
    language = form.cleaned_data["language"]
    patrons.speak(patron_id=patron_of(request).pk, language=language, by=Actor.of(request), now=clock.now())
    response = redirect("settings")
    response.set_cookie(django_settings.LANGUAGE_COOKIE_NAME, language, samesite="Lax")
    return response


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def needs(request: HttpRequest) -> HttpResponse:
    """What to do at the car. Saying it is agreeing that it is kept; taking all of it back withdraws that."""
    patron, by, now = patron_of(request), Actor.of(request), clock.now()
    form = NeedsForm(request.POST or None, initial={"needs": patron.needs, "needs_note": patron.needs_note})
    status = form.status
    if request.method == "POST" and form.is_valid():
        told = form.cleaned_data
        wanted = bool(told["needs"] or told["needs_note"].strip())
        try:
            with transaction.atomic():
                standing = consents.standing(patron.pk).get(What.NEEDS)
                if wanted != (standing is not None and standing.given):
                    consents.answer(patron_id=patron.pk, what=What.NEEDS, given=wanted, by=by, now=now)
                patrons.note_needs(patron_id=patron.pk, **told, by=by, now=now)
        except Refusal as refusal:
            form.refuse(refusal)
            status = refusal.status
        else:
            messages.success(request, _("Saved. Whoever brings your bag sees it."))
            return redirect("settings")
    return show(request, "lending/settings_needs.html", {"form": form, "patron": patron}, status=status)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def texts(request: HttpRequest) -> HttpResponse:
    """What the patron is told of their loans, and by which way."""
    patron, by, now = patron_of(request), Actor.of(request), clock.now()
    form = TextsForm(request.POST or None, who=patron, mails=transports.mail() is not None)
    if request.method == "POST" and form.is_valid():
        patrons.choose_texts(patron_id=patron.pk, **form.chosen, by=by, now=now)
        messages.success(request, _("Saved. It counts from now on."))
        return redirect("settings")
    mine = [one for one in contacts.of(patron.pk) if one.own]
    context = {
        "form": form,
        "reached": any(one.may_text or outbox.takes_mails(one.mails_to) for one in mine),
        "mails": transports.mail() is not None,
        "mailed": any(one.mails_to for one in mine),
    }
    return show(request, "lending/settings_texts.html", context, status=form.status)


@signed_in
@require_safe
def history(request: HttpRequest) -> HttpResponse:
    """The books that the patron had and brought back, if they keep such a list."""
    patron = patron_of(request)
    back = Paginator(queries.history_of(patron), ON_A_PAGE).get_page(request.GET.get("page"))
    return show(request, "lending/history.html", {"patron": patron, "page": back, "zone": patron.home.zone})


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def agree(request: HttpRequest) -> HttpResponse:
    """What the patron agreed to; every answer is a row, and can be changed at any time."""
    patron, by, now = patron_of(request), Actor.of(request), clock.now()
    form = ConsentForm(request.POST or None)
    status = form.status
    if request.method == "POST" and form.is_valid():
        what, given = form.cleaned_data["what"], form.cleaned_data["given"] == "yes"
        try:
            consents.answer(patron_id=patron.pk, what=what, given=given, by=by, now=now)
        except Refusal as refusal:
            form.refuse(refusal)
            status = refusal.status
        else:
            messages.success(request, _("Saved. It counts from now on."))
            return redirect("settings-consents")
    standing = consents.standing(patron.pk)
    told = consents.agreed(patron.household_id) if patron.household_id else {}
    context = {
        "form": form,
        "patron": patron,
        "asked": [
            {"what": what, "label": label, "answer": standing.get(what)}
            for what, label in Consent.What.choices
            if what != What.TOGETHER or patron.household_id
        ],
        "members": len(told),
        "agreed": sum(told.values()),
        "zone": patron.home.zone,
    }
    return show(request, "lending/settings_consents.html", context, status=status)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def pin(request: HttpRequest) -> HttpResponse:
    """Set or change the PIN."""
    patron, now = patron_of(request), clock.now()
    asks_old = _has_pin(patron) and not _came_by_code(request, now.timestamp())
    form = PinForm(request.POST or None, asks_old=asks_old)
    status = form.status
    if request.method == "POST" and form.is_valid():
        by, new = Actor.of(request), form.cleaned_data["pin"]
        try:
            if asks_old:
                old, address = form.cleaned_data["old"], address_of(request)
                account = accounts.change_pin(patron_id=patron.pk, old=old, pin=new, address=address, by=by, now=now)
            else:
                account = accounts.set_pin(patron_id=patron.pk, pin=new, by=by, now=now)
        except Refusal as refusal:
            form.refuse(refusal)
            status = refusal.status
        else:
            request.session.pop(BY_CODE, None)
            request.session.pop(auth.DEVICE, None)
            update_session_auth_hash(request, account)
            messages.success(request, _("Your new PIN counts from now on. All other devices are signed out."))
            return redirect("settings")
    context = {"form": form, "asks_old": asks_old, "has_pin": _has_pin(patron)}
    return show(request, "lending/settings_pin.html", context, status=status)


@signed_in
@require_safe
def remembered(request: HttpRequest) -> HttpResponse:
    """The devices that stay signed in."""
    patron = patron_of(request)
    context = {"devices": _devices(patron), "this": request.session.get(auth.DEVICE), "zone": patron.home.zone}
    return show(request, "lending/settings_devices.html", context)


@signed_in
@require_POST
def forget_device(request: HttpRequest, device_id: int) -> HttpResponse:
    """Sign a device out."""
    patron_of(request)
    user = request.user
    if not isinstance(user, Account) or not devices.forget(account_id=user.pk, device_id=device_id):
        raise NotFound
    messages.success(request, _("This device is signed out."))
    return redirect("settings-devices")


def _devices(patron: Patron) -> list[RememberedDevice]:
    return devices.of_account(patron.account_id or 0)


def _has_pin(patron: Patron) -> bool:
    return patron.account is not None and patron.account.has_usable_password()


def _came_by_code(request: HttpRequest, at: float) -> bool:
    since = request.session.get(BY_CODE)
    return isinstance(since, float) and 0 <= at - since <= FRESH.total_seconds()
