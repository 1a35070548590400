"""Pages for those who borrow and collect: ask for books, follow an order, say when and that one is here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core import clock
from core.actor import Actor
from core.once import once
from core.refusal import Refusal
from lending import auth, loans, patrons, reservations
from lending import queries as lending_queries
from lending.pages import address_of, basket, key_of, patron_of, show, signed_in
from notifications import phone
from pickup import appointments, arrivals, links, orders, queries, slots, waits
from pickup.errors import NoAppointment, OrderNotFound
from pickup.forms import AskForm, CodeForm, HereForm, SlotForm
from pickup.models import Order, PointRules, Slot
from pickup.states import HERE, IN_BAG, OPEN_ORDER, LineState, OrderState

if TYPE_CHECKING:
    from lending.models import Patron, PickupPoint

TIMES_SHOWN = 12
STEPS = (OrderState.PICKING, OrderState.READY, OrderState.HANDED_OVER)


# Asking for books


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest) -> HttpResponse:
    """The list of noted books: choose where, when and who, and ask for them."""
    by = Actor.of(request)
    patron = patron_of(request)

    def done(requested: orders.Requested) -> str:
        request.session["basket"] = []
        if requested.order is None:
            messages.info(
                request, _("Noted. No copy is free at this library right now; we tell you when the books are ready.")
            )
            return reverse("my")
        messages.success(request, _("Your order number is %(number)s.") % {"number": requested.order.shown})
        return reverse("my-order", args=[requested.order.pk])

    return asking(request, "pickup/ask.html", patron=patron, items=basket(request), by=by, done=done)


def asking(
    request: HttpRequest,
    template: str,
    *,
    patron: Patron,
    items: list[tuple[int, str]],
    by: Actor,
    done: Callable[[orders.Requested], str],
    context: dict[str, Any] | None = None,
) -> HttpResponse:
    """Show what a patron is about to ask for, or ask for it; `done` says where to go afterwards."""
    now = clock.now()
    points = list(lending_queries.points())
    form = AskForm(request.POST if request.method == "POST" else None, initial={"language": patron.language})
    chosen = request.POST.get("point") or request.GET.get("place") or ""
    point = next((one for one in points if str(one.pk) == chosen), None)
    if point is None:
        point = next((one for one in points if one.library_id == patron.home_id), points[0] if points else None)
    status, wrong = form.status, ""
    if request.method == "POST" and form.is_valid():
        try:
            with once(by, request, key=key_of(request)) as answer:
                asked = orders.request(
                    patron_id=patron.pk,
                    point_id=form.cleaned_data["point"],
                    items=[reservations.Item(title_id, volume) for title_id, volume in items],
                    slot_id=form.cleaned_data["slot"],
                    collector_id=_collector(form, patron.pk, by=by, now=now),
                    by=by,
                    now=now,
                )
                return answer.redirect(done(asked))
        except Refusal as refusal:
            form.refuse(refusal)
            status, wrong = refusal.status, refusal.field
    rules = queries.rules_of(point.pk) if point else None
    free = []
    if point and rules and rules.by_appointment and rules.promise == PointRules.Promise.AT_ORDER:
        free = slots.free(point_id=point.pk, now=now, limit=TIMES_SHOWN, accessible=patron.accessible_place)
    contact = patrons.main_contact(patron.pk)
    shown = {
        "form": form,
        "patron": patron,
        "books": _books(items, wrong, point),
        "points": points,
        "point": point,
        "rules": rules,
        "days": by_day(free),
        "place": point.place_in(get_language() or "ko") if point else "",
        "ends": phone.last_four(contact.number) if contact else "",
        **(context or {}),
    }
    return show(request, template, shown, status=status)


def by_day(free: list[Slot]) -> list[tuple[date, list[Slot]]]:
    """Slots under their local day, as people look for a time."""
    days: dict[date, list[Slot]] = {}
    for slot in free:
        days.setdefault(slot.starts_at.astimezone(ZoneInfo(slot.point.library.zone)).date(), []).append(slot)
    return list(days.items())


def _collector(form: AskForm, patron_id: int, *, by: Actor, now: datetime) -> int | None:
    if not form.somebody_else:
        return None
    named = {name: form.cleaned_data[name] for name in ("name", "number")}
    language = form.cleaned_data["language"] or "ko"
    return patrons.collector_for(patron_id=patron_id, language=language, may_text=True, by=by, now=now, **named).pk


def _books(items: list[tuple[int, str]], wrong: str, point: PickupPoint | None) -> list[dict[str, Any]]:
    """The noted titles, each saying whether a copy stands at the library of the pickup point."""
    wanted = lending_queries.titles_with_availability().filter(pk__in=[title_id for title_id, _volume in items])
    titles = {title.pk: title for title in wanted}
    free = lending_queries.free_copies().filter(title_id__in=titles)
    here = set(free.filter(at_library=point.library_id if point else None).values_list("title_id", flat=True))
    return [
        {
            "title": titles[title_id],
            "volume": volume,
            "item": f"{title_id}:{volume}",
            "here": title_id in here,
            "wrong": wrong == f"items.{index}",
        }
        for index, (title_id, volume) in enumerate(items)
        if title_id in titles
    ]


# What is mine


@signed_in
@require_safe
def my(request: HttpRequest) -> HttpResponse:
    """Bags on their way, books waited for, books at home."""
    patron = patron_of(request)
    waiting = lending_queries.reservations_of(patron.pk).filter(state__in=["waiting", "suspended", "allocated"])
    context = {
        "orders": [seen(order) for order in queries.orders_of(patron.pk).filter(state__in=OPEN_ORDER)],
        "waiting": [
            {"row": row, "position": lending_queries.position(row), "why": lending_queries.why_waiting(row)}
            for row in waiting
        ],
        "loans": lending_queries.loans_of(patron.pk).filter(state="out"),
        "patron": patron,
    }
    return show(request, "pickup/my.html", context)


@signed_in
@require_safe
def my_orders(request: HttpRequest) -> HttpResponse:
    """All my orders, newest first."""
    patron_id = auth.require_patron(Actor.of(request))
    return show(request, "pickup/my_orders.html", {"orders": [seen(row) for row in queries.orders_of(patron_id)[:50]]})


@signed_in
@require_safe
def my_order(request: HttpRequest, order_id: int) -> HttpResponse:
    """One of my orders, with its titles."""
    order = _mine(request, order_id)
    return show(request, "pickup/order.html", {**seen(order), "base": request.path, "titles_too": True})


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def my_order_act(request: HttpRequest, order_id: int, act: str) -> HttpResponse:
    """Confirm, change or give back one of my orders, or say that I am here."""
    order = _mine(request, order_id)
    return _act(request, order, act, by=Actor.of(request), base=reverse("my-order", args=[order.pk]))


def _mine(request: HttpRequest, order_id: int) -> Order:
    order = queries.orders_of(auth.require_patron(Actor.of(request))).filter(pk=order_id).first()
    if order is None:
        raise OrderNotFound(order=order_id)
    return order


@signed_in
@require_POST
def cancel_reservation(request: HttpRequest, reservation_id: int) -> HttpResponse:
    """I do not wait for this book any more."""
    by = Actor.of(request)
    patron_id = auth.require_patron(by)
    with once(by, request, key=key_of(request)) as answer:
        if not lending_queries.reservations_of(patron_id).filter(pk=reservation_id).exists():
            raise OrderNotFound(reservation=reservation_id)
        reservations.cancel(reservation_id=reservation_id, by=by, now=clock.now())
        messages.success(request, _("You are no longer waiting for this book."))
        return answer.redirect(reverse("my"))


@signed_in
@require_POST
def renew(request: HttpRequest, loan_id: int) -> HttpResponse:
    """I would like to keep this book longer."""
    by = Actor.of(request)
    patron_id = auth.require_patron(by)
    with once(by, request, key=key_of(request)) as answer:
        if not lending_queries.loans_of(patron_id).filter(pk=loan_id).exists():
            raise OrderNotFound(loan=loan_id)
        loans.renew(loan_id=loan_id, by=by, now=clock.now())
        messages.success(request, _("The loan is renewed."))
        return answer.redirect(reverse("my"))


# One order, for whoever collects it


@never_cache
@require_safe
def link(request: HttpRequest, token: str) -> HttpResponse:
    """The page behind the address in a text: counts and times, no titles, no names."""
    order = _linked(request, token)
    return show(request, "pickup/order.html", {**seen(order), "base": request.path, "titles_too": False})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def link_act(request: HttpRequest, token: str, act: str) -> HttpResponse:
    """What whoever collects may do with the order behind a link."""
    order = _linked(request, token)
    return _act(request, order, act, by=Actor("collector", order.pk, "link"), base=reverse("link", args=[token]))


def _linked(request: HttpRequest, token: str) -> Order:
    links.knock(address=address_of(request), now=clock.now())
    return links.order_of(token)


@require_safe
def code(request: HttpRequest) -> HttpResponse:
    """Which library is the order of?"""
    return show(request, "pickup/code_libraries.html", {"points": lending_queries.points()})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def code_of(request: HttpRequest, library: str) -> HttpResponse:
    """Order number and the end of the phone number open the order."""
    found = lending_queries.libraries().filter(code=library).first()
    if found is None:
        return redirect("code")
    form = CodeForm(request.POST if request.method == "POST" else None)
    status = form.status
    if request.method == "POST" and form.is_valid():
        try:
            order = links.by_code(
                library_code=library, address=address_of(request), now=clock.now(), **form.cleaned_data
            )
        except Refusal as refusal:
            form.refuse(refusal)
            status = refusal.status
        else:
            return redirect("link", token=links.token_for(order, now=clock.now()))
    return show(request, "pickup/code.html", {"form": form, "library": found}, status=status)


def seen(order: Order) -> dict[str, Any]:
    """An order as the pages for its collector show it."""
    lines = list(order.lines.all())
    inside = [line for line in lines if line.state in {*IN_BAG, LineState.GIVEN}]
    here = order.visit if order.visit is not None and order.visit.state in HERE else None
    return {
        "order": order,
        "lines": inside,
        "count": len(inside),
        "rules": queries.rules_of(order.point_id),
        "appointment": queries.live_appointment(order),
        "visit": here,
        "ahead": waits.ahead_of(here) if here else 0,
        "zone": order.library.zone,
        "kept_to": order.keep_until and order.keep_until - timedelta(minutes=1),
        "is_open": order.state in OPEN_ORDER,
        "steps_done": STEPS.index(OrderState(order.state)) + 1 if order.state in STEPS else 0,
    }


def _act(request: HttpRequest, order: Order, act: str, *, by: Actor, base: str) -> HttpResponse:
    if act == "time":
        return _time(request, order, by=by, base=base)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    now = clock.now()
    form = HereForm(request.POST)
    with once(by, request, key=key_of(request)) as answer:
        if act == "confirm":
            appointments.confirm(appointment_id=_promised(order), by=by, now=now)
            messages.success(request, _("Thank you. We expect you at this time."))
        elif act == "cancel":
            orders.cancel(order_id=order.pk, by=by, now=now)
            messages.success(request, _("The order is given back. You do not need to do anything else."))
        elif act == "here":
            placed = form.cleaned_data if form.is_valid() else {}
            arrivals.arrive(point_id=order.point_id, order_id=order.pk, by=by, now=now, **placed)
            messages.success(request, _("We know that you are here."))
        return answer.redirect(base)


def _promised(order: Order) -> int:
    appointment = queries.live_appointment(order)
    if appointment is None:
        raise NoAppointment(order=order.pk)
    return appointment.pk


def _time(request: HttpRequest, order: Order, *, by: Actor, base: str) -> HttpResponse:
    now = clock.now()
    form = SlotForm(request.POST if request.method == "POST" else None)
    status = form.status
    if request.method == "POST" and form.is_valid():
        try:
            with once(by, request, key=key_of(request)) as answer:
                appointments.promise(order_id=order.pk, slot_id=form.cleaned_data["slot"], by=by, now=now)
                messages.success(request, _("Your new time is fixed."))
                return answer.redirect(base)
        except Refusal as refusal:
            form.refuse(refusal)
            status = refusal.status
    appointment = queries.live_appointment(order)
    accessible = bool(appointment and appointment.accessible)
    ready = order.state == OrderState.READY
    free = slots.free(point_id=order.point_id, now=now, limit=TIMES_SHOWN, accessible=accessible, ready=ready)
    context = {**seen(order), "form": form, "days": by_day(free), "base": base}
    return show(request, "pickup/time.html", context, status=status)


# How busy it is


@require_safe
def now(request: HttpRequest) -> HttpResponse:
    """How busy each pickup place is."""
    return _now(request, list(lending_queries.points()), "")


@require_safe
def now_of(request: HttpRequest, library: str) -> HttpResponse:
    """How busy the pickup places of one library are."""
    found = [point for point in lending_queries.points() if point.library.code == library]
    return _now(request, found, library) if found else redirect("now")


def _now(request: HttpRequest, points: list[Any], library: str) -> HttpResponse:
    moment = clock.now()
    loads = [{"point": point, "load": waits.now_at(point_id=point.pk, now=moment)} for point in points]
    template = "pickup/_now.html" if request.headers.get("HX-Request") == "true" else "pickup/now.html"
    return show(request, template, {"loads": loads, "at": moment, "library": library})
