"""The page on which a librarian lets a caller collect a bag at another pickup place."""

from __future__ import annotations

from dataclasses import replace

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from core import access
from core.once import once
from core.refusal import Refusal
from lending.pages import key_of
from pickup import bags, elsewhere, queries
from pickup.desk_forms import PlaceElsewhereForm
from pickup.staff_pages import Desk, at_desk, order_here, show_desk
from pickup.states import OPEN_ORDER


@at_desk
@require_http_methods(["GET", "HEAD", "POST"])
def collect_at(request: HttpRequest, desk: Desk, order_id: int) -> HttpResponse:
    """Where a bag of this library shall be collected instead; afterwards the number to tell the caller."""
    order = order_here(desk, order_id)
    by = replace(desk.by, channel="phone")
    points = elsewhere.other_points(order)
    form = PlaceElsewhereForm(request.POST if request.method == "POST" else None, points=points)
    status = form.status
    if request.method == "POST" and form.is_valid():
        try:
            with once(by, request, key=key_of(request)) as answer:
                point_id = form.cleaned_data["point"]
                moved = elsewhere.collect_at(order_id=order.pk, point_id=point_id, by=by, now=desk.now)
                if moved.order is None:
                    said = _("Saved. No copy is free for this place right now; the place in line is kept.")
                else:
                    said = _("Now at %(place)s, with the number %(number)s. Please tell the caller.") % {
                        "place": moved.order.point,
                        "number": moved.order.shown,
                    }
                messages.success(request, said)
                return answer.redirect(desk.to("patron", order.patron_id))
        except Refusal as refusal:
            form.refuse(refusal)
            status = refusal.status
    access.saw([f"order:{order.pk}"], purpose="collect-elsewhere", by=by, now=desk.now)
    context = {
        "form": form,
        "order": order,
        "is_open": order.state in OPEN_ORDER,
        "is_here": queries.is_here(order),
        "bag": bags.one(queries.bags(pk=order.pk).get(), now=desk.now),
        "points": points,
    }
    return show_desk(request, desk, "pickup/staff/elsewhere.html", context, status=status)
