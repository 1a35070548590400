"""The classes with larger limits of one programme: read by its staff, kept by its managers."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from core import clock
from core.actor import Actor
from core.once import once
from core.refusal import Forbidden, NotFound, Refusal
from lending import allowances, auth
from lending.models import Allowance, Programme
from lending.pages import key_of, show, signed_in
from lending.staff_forms import AllowanceForm


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def classes(request: HttpRequest, programme_id: int) -> HttpResponse:
    """Each class with its form, and an empty one; `allowance` names the class that is changed, or removed."""
    by, now = Actor.of(request), clock.now()
    if programme_id not in auth.programmes_of(by):
        raise NotFound
    programme = Programme.objects.get(pk=programme_id)
    known = {str(one.pk): one for one in allowances.of_programmes({programme_id})}
    meant, sent, status = request.POST.get("allowance", ""), None, 200
    if request.method == "POST":
        if not auth.leads(by, programme_id):
            raise Forbidden
        if meant and meant not in known:
            raise NotFound
        sent = _form(known.get(meant), programme, request)
        if request.POST.get("step") == "remove" or sent.is_valid():
            try:
                with once(by, request, key=key_of(request)) as answer:
                    if request.POST.get("step") == "remove":
                        allowances.remove(allowance_id=int(meant or 0), by=by, now=now)
                        said = _("The class is removed.")
                    else:
                        values = {name: sent.cleaned_data[name] for name in allowances.COLUMNS}
                        key = known[meant].key if meant else sent.cleaned_data["short"]
                        allowances.put(programme_id=programme_id, key=key, values=values, by=by, now=now)
                        said = _("Saved.")
                    response = answer.redirect(request.get_full_path())
            except Refusal as refusal:
                messages.error(request, str(refusal))
                return redirect(request.get_full_path())
            messages.success(request, said)
            return response
        status = 400
    forms = [(one, sent if sent is not None and meant == pk else _form(one, programme)) for pk, one in known.items()]
    context = {
        "programme": programme,
        "leads": auth.leads(by, programme_id),
        "classes": forms,
        "fresh": sent if sent is not None and not meant else _form(None, programme),
    }
    return show(request, "lending/staff/allowances.html", context, status=status)


def _form(one: Allowance | None, programme: Programme, request: HttpRequest | None = None) -> AllowanceForm:
    """The form of one class; each has ids of its own, since several stand on the page."""
    row = Allowance.objects.get(pk=one.pk) if one is not None else Allowance(programme=programme)  # the form writes it
    return AllowanceForm(
        request.POST if request is not None else None, instance=row, auto_id=f"id_{row.pk or 'new'}_%s"
    )
