"""Pages for the two shelves behind the window: bags that wait to be collected, and bags that nobody collects."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.once import once
from core.refusal import Refusal
from lending import copies
from lending.pages import key_of
from pickup import bags, packing, places, point_queries, queries
from pickup.desk_forms import PlaceForm, ScanForm, ShelfForm
from pickup.errors import NotInOrder
from pickup.staff_pages import Desk, at_desk, number_in, order_here, show_desk
from pickup.states import HERE, OPEN_ORDER, OrderState


@at_desk
@require_safe
def shelf(request: HttpRequest, desk: Desk) -> HttpResponse:
    """What stands on the pickup shelf, place by place; one bag by its number (`?number=`)."""
    form = ShelfForm(request.GET if "number" in request.GET else None)
    named = point_queries.rules_of(desk.point.pk).bag_places
    ready = bags.of(queries.bags(point_id=desk.point.pk, state=OrderState.READY), now=desk.now)
    rank = {place: position for position, place in enumerate(named)}
    ready.sort(key=lambda bag: (rank.get(bag.order.place, len(rank)), bag.order.number))
    number = form.as_order_number if form.is_valid() else ""
    shown = [bag for bag in ready if bag.order.number == number] if number else ready
    if form.is_bound and form.is_valid() and not shown:
        form.add_error("number", _("No bag with this number stands here."))
        shown = ready
    context = {
        "form": form,
        "bags": shown,
        "found": number and not form.errors,
        "total": len(ready),
        "free": places.free(desk.point.pk),
        "named": len(named),
        "here": {bag.order.pk for bag in ready if bag.order.visit is not None and bag.order.visit.state in HERE},
    }
    return show_desk(request, desk, "pickup/staff/shelf.html", context, status=form.status)


@at_desk
@require_POST
def move(request: HttpRequest, desk: Desk, order_id: int) -> HttpResponse:
    """Another place for a bag on the pickup shelf."""
    form = PlaceForm(request.POST)
    with once(desk.by, request, key=key_of(request)) as answer:
        order = order_here(desk, order_id)
        place = form.cleaned_data["place"] if form.is_valid() else ""
        moved = places.move(order_id=order.pk, place=place, by=desk.by, now=desk.now)
        messages.success(
            request, _("Bag %(number)s stands at %(place)s now.") % {"number": moved.shown, "place": moved.place}
        )
        return answer.redirect(desk.to("shelf"))


@at_desk
@require_http_methods(["GET", "HEAD", "POST"])
def unpack(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Dead bags: scan each book as it leaves its bag."""
    form = ScanForm(request.POST if request.method == "POST" else None)
    status, hint = form.status, ""
    if request.method == "POST" and form.is_valid():
        try:
            with once(desk.by, request, key=key_of(request)) as answer:
                copy = copies.by_barcode(form.cleaned_data["barcode"])
                if not queries.to_unpack(desk.point.library_id).filter(copy=copy).exists():
                    meant = queries.order_with_copy(copy_id=copy.pk, library_id=desk.point.library_id)
                    belongs = meant.shown if meant is not None and meant.state in OPEN_ORDER else None
                    raise NotInOrder(field="barcode", barcode=copy.barcode, belongs_to=belongs)
                line = packing.unpack(barcode=copy.barcode, by=desk.by, now=desk.now)
                return answer.redirect(desk.to("unpack", done=line.pk))
        except Refusal as refusal:
            form.refuse(refusal)
            status, hint = refusal.status, str(refusal.facts.get("belongs_to") or "")
    lines = list(queries.to_unpack(desk.point.library_id))
    done = queries.unpacked(desk.point.library_id).filter(pk=number_in(request, "done")).first()
    context = {"form": form, "lines": lines, "hint": hint, "done": done if not form.is_bound else None}
    return show_desk(request, desk, "pickup/staff/unpack.html", context, status=status)
