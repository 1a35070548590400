"""When and where somebody likes to come: told by patrons on their settings, noted for a caller by librarians."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from core import clock
from core.actor import Actor
from core.refusal import Refusal
from lending.pages import patron_of, show, signed_in
from pickup import point_queries, preferences, queries
from pickup.desk_forms import TimesForm


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def times(request: HttpRequest) -> HttpResponse:
    """The weekdays, the hours and the place that suit me."""
    patron = patron_of(request)
    form = TimesForm(request.POST if request.method == "POST" else None, initial=told_by(patron.pk))
    status = form.status
    if request.method == "POST" and form.is_valid():
        try:
            preferences.note(patron_id=patron.pk, **form.cleaned_data, by=Actor.of(request), now=clock.now())
        except Refusal as refusal:
            form.refuse(refusal)
            status = refusal.status
        else:
            messages.success(
                request, _("Saved. It counts from the next time that we offer, and from the next books on.")
            )
            return redirect("settings")
    return show(request, "pickup/settings_times.html", {"times_form": form}, status=status)


def told_by(patron_id: int) -> dict[str, Any]:
    """What a patron has said so far, as the form shows it."""
    liked = queries.preferences_of([patron_id]).get(patron_id)
    if liked is None:
        return {}
    place = point_queries.points(pk=liked.point_id, open=True).values_list("pk", flat=True).first()
    return {name: getattr(liked, name) for name in ("weekdays", "begins", "ends")} | {"pickup_point": place}
