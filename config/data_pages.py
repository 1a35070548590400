"""The privacy page, and what patrons do with their own data: see, take along, erase."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from config import erasure
from config import export as exports
from core import clock
from core.actor import Actor
from core.refusal import BadInput, Refusal
from lending import accounts, consents, queries, reviews
from lending.forms import EraseForm
from lending.models import Consent
from lending.pages import address_of, patron_of, show, signed_in
from notifications.models import Gateway, Sender

MOST_LOOKS = 100


def carriers() -> list[dict[str, Any]]:
    """Who carries the texts, as far as settings and senders say; `abroad` where that is not the libraries' country.

    `carries` is false for the line that says that nobody does.
    """
    if settings.SANDBOX:
        return [{"name": _("Nobody: texts stay in this sandbox"), "abroad": False, "carries": False}]
    found = []
    gateways = set(Sender.objects.values_list("gateway", flat=True))
    if Gateway.TWILIO in gateways and "twilio" in settings.TRANSPORTS["text"]:
        found.append({"name": _("Twilio Inc., United States"), "abroad": True, "carries": True})
    if Gateway.DOMESTIC in gateways:
        found.append({"name": _("A carrier in the library's own country"), "abroad": False, "carries": True})
    return found


def _mail_servers() -> list[str]:
    """Who sees the mails, where there are any."""
    if not settings.TRANSPORTS.get("mail"):
        return []
    return [_("The mail server %(host)s: mails to those whom no text reaches") % {"host": settings.EMAIL_HOST}]


@require_safe
def privacy(request: HttpRequest) -> HttpResponse:
    """What is kept, for what, how long, and who else sees it: made from the settings and the rows."""
    plain, needs = erasure.kept_looks()
    context = {
        "version": consents.VERSION,
        "libraries": queries.libraries().filter(training=False),
        "carriers": carriers(),
        "processors": [*settings.PROCESSORS, *_mail_servers()],
        "days": settings.RETENTION_DAYS,
        "looks": plain,
        "looks_needs": needs,
        "asked": Consent.What.choices,
    }
    return show(request, "privacy.html", context)


@signed_in
@require_safe
def mine(request: HttpRequest) -> HttpResponse:
    """Take along, delete, and who looked."""
    return _mine(request, EraseForm(has_pin=_has_pin(request)))


def _mine(request: HttpRequest, form: EraseForm, *, status: int = 200, erasing: bool = False) -> HttpResponse:
    patron = patron_of(request)
    looks = ((day, role, reviews.screen_name(purpose)) for day, role, purpose in exports.looks(patron))
    context = {
        "patron": patron,
        "looks": list(dict.fromkeys(looks))[:MOST_LOOKS],
        "form": form,
        "erasing": erasing,
    }
    return show(request, "my_data.html", context, status=status)


@signed_in
@require_safe
def export(request: HttpRequest) -> HttpResponse:
    """Everything about the patron as a file."""
    response = JsonResponse(
        exports.of(patron_of(request), now=clock.now()), json_dumps_params={"ensure_ascii": False, "indent": 1}
    )
    response.headers["Content-Disposition"] = 'attachment; filename="my-library-data.json"'
    return response


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def erase(request: HttpRequest) -> HttpResponse:
    """Erase everything at once, for whoever says so with the PIN, or with the card number where there is none."""
    form = EraseForm(request.POST if request.method == "POST" else None, has_pin=_has_pin(request))
    if not form.is_valid():
        return _mine(request, form, status=form.status, erasing=True)
    try:
        _erase(request, form.cleaned_data["sure"])
    except Refusal as refusal:
        form.refuse(refusal)
        return _mine(request, form, status=refusal.status, erasing=True)
    logout(request)
    messages.success(request, _("Everything about you is erased. Good-bye, and you are welcome at any time."))
    response = redirect("search")
    response.delete_cookie(settings.DEVICE_COOKIE_NAME, samesite="Lax")
    return response


def _erase(request: HttpRequest, said: str) -> None:
    patron, by, now = patron_of(request), Actor.of(request), clock.now()
    if _has_pin(request):
        accounts.check_pin(patron_id=patron.pk, pin=said, address=address_of(request), now=now, field="sure")
    elif accounts.read_card(said) != patron.card_number:
        raise BadInput(field="sure")
    erasure.everything_of(patron_id=patron.pk, by=by, now=now)


def _has_pin(request: HttpRequest) -> bool:
    return bool(request.user.is_authenticated and request.user.has_usable_password())
