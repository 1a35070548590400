"""The sign at a pickup place: what its code opens on a telephone, and the sheets to print.

Whoever scans it is known by being signed in, or by order number and telephone once: then the telephone is remembered,
and from then on it is one tap. The address is on paper, so it stays.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from core import clock
from core.actor import Actor
from core.once import once
from core.refusal import Refusal
from lending import queries as lending_queries
from lending.pages import address_of, key_of, show
from notifications import phone
from notifications import queries as notified
from pickup import arrivals, barcodes, links, point_queries, queries, waits
from pickup.desk_forms import SignSheetForm
from pickup.errors import OrderNotFound
from pickup.forms import SignForm
from pickup.models import Order, Visit
from pickup.staff_pages import Desk, at_desk, show_desk
from pickup.states import HERE, OPEN_ORDER

if TYPE_CHECKING:
    from datetime import date, datetime

    from core.actor import Channel
    from lending.models import PickupPoint

SIGN: Channel = "sign"
REMEMBERED = timedelta(days=90)
PURPOSES = (Visit.Purpose.RETURN, Visit.Purpose.ASK)  # of a patron who has nothing to collect
LONGEST_BAY = 10


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def here(request: HttpRequest, code: str) -> HttpResponse:
    """I am here, said by scanning the sign of a pickup place; `?bay=` is the parking place that the sign stands at."""
    point = point_queries.points(code=code, open=True).first()
    if point is None:
        return redirect("now")
    now, bay = clock.now(), request.GET.get("bay", "")[:LONGEST_BAY]
    patron, contact_id = _patron(request), _remembered(request)
    if "forget" in request.POST:
        response = redirect(request.get_full_path())
        response.delete_cookie(settings.COLLECTOR_COOKIE_NAME)
        return response
    bags = _bags(patron, contact_id)
    mine = next((order for order in bags if order.point_id == point.pk), None)
    asked_by_code = request.method == "POST" and "number" in request.POST
    form = SignForm(request.POST if asked_by_code else None)
    status = form.status
    try:
        if asked_by_code and form.is_valid():
            named = _named(request, point, form, now=now)
            arrivals.refuse_over(named)
            mine = named
            if mine.point_id != point.pk:
                bags = [mine]
            else:
                return _arrived(request, point, mine, bay=bay, remember=form.cleaned_data["remember"], now=now)
        elif request.method == "POST" and not asked_by_code:
            if mine is not None:
                return _arrived(request, point, mine, bay=bay, patron=patron, now=now)
            if patron is not None and request.POST.get("purpose") in PURPOSES:
                return _without_bag(request, point, patron, bay=bay, now=now)
            raise OrderNotFound(field="order")
    except Refusal as refusal:
        form.refuse(refusal) if asked_by_code else messages.error(request, str(refusal))
        status = refusal.status
    visit, load = _visit(point, patron), waits.now_at(point_id=point.pk, now=now)
    mine = mine if mine is not None and mine.point_id == point.pk else None
    context = {
        "point": point,
        "library": point.library,
        "bay": bay,
        "mine": mine,
        "comes_on": _comes_on(mine, now=now),
        "stands": mine is not None and waits.time_stands(mine, load, now=now),
        "elsewhere": [order for order in bags if order.point_id != point.pk],
        "patron": patron is not None,
        "remembered": contact_id is not None,
        "visit": visit,
        "minutes": waits.minutes_of(visit, load) if visit is not None else None,
        "form": form,
        "load": load,
        "now": now,
    }
    return show(request, "pickup/sign.html", context, status=status)


def _patron(request: HttpRequest) -> Actor | None:
    by = Actor.of(request)
    return Actor("patron", by.id, SIGN) if by.kind == "patron" else None


def _remembered(request: HttpRequest) -> int | None:
    """The contact to whom this telephone belongs, if somebody has said so at a sign."""
    kept = request.get_signed_cookie(
        settings.COLLECTOR_COOKIE_NAME, default="", salt=SIGN, max_age=int(REMEMBERED.total_seconds())
    )
    return int(kept) if kept else None


def _bags(patron: Actor | None, contact_id: int | None) -> list[Order]:
    """The open orders of a patron, and after them those that this telephone collects."""
    found: list[Order] = []
    if patron is not None and patron.id is not None:
        found += queries.orders_of(patron.id).filter(state__in=OPEN_ORDER)
    if contact_id is not None:
        found += [order for order in queries.collected_by(contact_id) if order not in found]
    return found


def _named(request: HttpRequest, point: PickupPoint, form: SignForm, *, now: datetime) -> Order:
    """The order of these numbers, here or at another library of the programme: then it is said which."""
    told = {name: form.cleaned_data[name] for name in ("number", "last_four")}
    try:
        return links.by_code(library_code=point.library.code, address=address_of(request), now=now, **told)
    except OrderNotFound:
        others = lending_queries.points().filter(library__programme=point.library.programme_id)
        codes_of = set(others.exclude(library=point.library_id).values_list("library__code", flat=True))
        return links.by_keys(library_codes=codes_of, now=now, **told)


def _arrived(
    request: HttpRequest,
    point: PickupPoint,
    order: Order,
    *,
    bay: str,
    now: datetime,
    patron: Actor | None = None,
    remember: bool = False,
) -> HttpResponse:
    """Note the car, and show how many are before it."""
    own = patron is not None and patron.id == order.patron_id
    by = patron if patron is not None and own else Actor("collector", order.pk, SIGN)
    to = reverse("my-order", args=[order.pk]) if own else reverse("link", args=[links.token_for(order, now=now)])
    with once(by, request, key=key_of(request)) as answer:
        arrivals.arrive(point_id=point.pk, order_id=order.pk, bay=bay, by=by, now=now)
        messages.success(request, _("We know that you are here."))
        response = answer.redirect(to)
    contact = queries.collector_of(order) if remember else None
    if contact is not None:
        response.set_signed_cookie(
            settings.COLLECTOR_COOKIE_NAME,
            str(contact.pk),
            salt=SIGN,
            max_age=REMEMBERED,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
    return response


def _without_bag(request: HttpRequest, point: PickupPoint, patron: Actor, *, bay: str, now: datetime) -> HttpResponse:
    with once(patron, request, key=key_of(request)) as answer:
        purpose = request.POST["purpose"]
        arrivals.arrive(point_id=point.pk, patron_id=patron.id, purpose=purpose, bay=bay, by=patron, now=now)
        messages.success(request, _("We know that you are here."))
        return answer.redirect(request.get_full_path())


def _comes_on(order: Order | None, *, now: datetime) -> date | None:
    return None if order is None else arrivals.comes_in_vain(order, by=Actor("collector", order.pk, SIGN), now=now)


def _visit(point: PickupPoint, patron: Actor | None) -> Visit | None:
    """The car of a patron who is here already."""
    if patron is None:
        return None
    return Visit.objects.filter(point=point, patron=patron.id, state__in=HERE).select_related("lane").first()


def _rings(point: PickupPoint) -> str:
    """The number that notes who calls it as here, as people write it; the library's own where it has no such number."""
    sender = notified.sender(point.library.sender)
    return phone.shown(sender.number, sender.region) if sender is not None else point.library.phone


@at_desk
@require_safe
def signs(request: HttpRequest, desk: Desk) -> HttpResponse:
    """The signs to print: for the place, for each of its lanes if it has several, or for each parking place that was
    named. Made from the settings, in both languages.
    """
    form = SignSheetForm(request.GET if "paper" in request.GET else None)
    told = form.cleaned_data if form.is_bound and form.is_valid() else {"paper": "a4", "places": []}
    address = settings.PUBLIC_BASE_URL + reverse("here", args=[desk.point.code])
    lanes = list(desk.point.lanes.order_by("name", "pk").values_list("name", flat=True))
    sheets = [{"bay": bay, "qr": barcodes.qr(f"{address}?{urlencode({'bay': bay})}")} for bay in told["places"]]
    if not sheets:
        qr = barcodes.qr(address)
        sheets = [{"lane": name, "qr": qr} for name in lanes] if len(lanes) > 1 else [{"qr": qr}]
    context = {
        "form": form,
        "sheets": sheets,
        "paper": told["paper"],
        "address": address,
        "phone": _rings(desk.point),
        "drives": desk.point.layout in {"file", "bays"},
    }
    return show_desk(request, desk, "pickup/staff/signs.html", context, status=form.status)
