"""Pages of one order, behind three doors: the patron's own, the address in a text, order number and telephone.

All three show the one thing to do now, and the same acts. Behind the last two stand counts and times, no titles and no
names: whoever holds the telephone may be somebody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from core import clock
from core.actor import Actor
from core.once import once
from core.refusal import NotFound, Refusal
from lending import auth
from lending import queries as lending_queries
from lending.pages import address_of, key_of, show, signed_in
from pickup import (
    appointments,
    arrivals,
    awaited,
    elsewhere,
    gathering,
    lane,
    links,
    notes,
    orders,
    progress,
    queries,
    slots,
    turns,
    waits,
)
from pickup.errors import LinkOver, NoAppointment, OrderNotFound, VisitNotFound
from pickup.forms import CodeForm, HereForm, NoteForm, SlotForm
from pickup.models import Order
from pickup.names import whole_number
from pickup.states import OrderState

DEEDS = ("confirm", "cancel", "here", "leave", "note", "whole", "part", "point")
LOOKS = ("time", "wait")


@dataclass(frozen=True, slots=True)
class Door:
    """Through which page somebody came to an order: its address, who they are, whether they may see titles."""

    base: str
    by: Actor
    titles_too: bool


# The doors


@signed_in
@require_safe
def my_order(request: HttpRequest, order_id: int) -> HttpResponse:
    """One of my orders, with its titles."""
    return _page(request, *_mine(request, order_id))


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def my_order_act(request: HttpRequest, order_id: int, act: str) -> HttpResponse:
    """Confirm, change or give back one of my orders, say that I am here, write to the library."""
    return _act(request, *_mine(request, order_id), act)


def _mine(request: HttpRequest, order_id: int) -> tuple[Order, Door]:
    by = Actor.of(request)
    order = queries.orders_of(auth.require_patron(by)).filter(pk=order_id).first()
    if order is None:
        raise OrderNotFound(order=order_id)
    return order, Door(reverse("my-order", args=[order.pk]), by, titles_too=True)


@never_cache
@require_safe
def link(request: HttpRequest, token: str) -> HttpResponse:
    """The page behind the address in a text: counts and times, no titles, no names."""
    return _page(request, *_linked(request, token))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def link_act(request: HttpRequest, token: str, act: str) -> HttpResponse:
    """What whoever collects may do with the order behind a link."""
    return _act(request, *_linked(request, token), act)


def _linked(request: HttpRequest, token: str) -> tuple[Order, Door]:
    """The order of an address. Only who knocks in vain is counted: whoever waits in the car looks every few seconds."""
    try:
        order = links.order_of(token)
    except LinkOver:
        links.knock(address=address_of(request), now=clock.now())
        raise
    return order, Door(reverse("link", args=[token]), Actor("collector", order.pk, "link"), titles_too=False)


@require_safe
def code(request: HttpRequest) -> HttpResponse:
    """Which library is the order of?"""
    points = lending_queries.points()
    return show(request, "pickup/code_libraries.html", {"points": points})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def code_of(request: HttpRequest, library: str) -> HttpResponse:
    """Order number and the end of the phone number open the order."""
    found = lending_queries.library_of(library)
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


# The page and its acts


def _page(request: HttpRequest, order: Order, door: Door, *, status: int = 200, **forms: Any) -> HttpResponse:
    context = {
        **_seen(order, door),
        "notes": queries.notes().filter(order=order, **({} if door.titles_too else {"channel": door.by.channel})),
        "note_form": NoteForm(),
        "here_form": HereForm(),
        "points": elsewhere.other_points(order) if door.titles_too else [],
        **_following(order, door),
        **forms,
    }
    return show(request, "pickup/order.html", context, status=status)


def _following(order: Order, door: Door) -> dict[str, Any]:
    """The books that are still to come, for those who may see titles, and how many stay if the order is called off."""
    stay = awaited.following([order]).get(order.pk, [])
    rows = [*awaited.travelling([order]).get(order.pk, []), *stay] if door.titles_too else []
    shown = lending_queries.reservations().filter(pk__in=[row.pk for row in rows]) if rows else []
    return {"waiting": turns.of(list(shown), now=clock.now()) if rows else [], "stay": len(stay)}


def _given_back(order: Order) -> str:
    """What is said when an order is about to be called off: what of it stays."""
    stay = awaited.staying(order)
    said = _("The order is given back. You do not need to do anything else.")
    if not stay:
        return said
    return ngettext(
        "The order is given back. %(n)s book that was still to come stays on order; “My orders” has it.",
        "The order is given back. %(n)s books that were still to come stay on order; “My orders” has them.",
        stay,
    ) % {"n": stay}


def _seen(order: Order, door: Door) -> dict[str, Any]:
    """The order with what is left to wait and, while somebody may come, whether the place is open."""
    now = clock.now()
    seen = progress.of_one(order, now=now, by=door.by)
    if seen.is_open:
        seen.expect(waits.now_at(point_id=order.point_id, now=now), now=now)
    due = queries.first_due(order.pk) if order.state == OrderState.HANDED_OVER else None
    return {
        "seen": seen,
        "due": due,
        "base": door.base,
        "titles_too": door.titles_too,
    }


def _act(request: HttpRequest, order: Order, door: Door, act: str) -> HttpResponse:
    if act == "time":
        return _time(request, order, door)
    if act == "wait" and request.method != "POST":
        return show(request, "pickup/_todo.html", {**_seen(order, door), "live": True})
    if (act not in DEEDS and act not in LOOKS) or (act == "point" and not door.titles_too):
        raise NotFound
    if act in LOOKS or request.method != "POST":
        return HttpResponseNotAllowed(["GET", "HEAD"] if act in LOOKS else ["POST"])
    return _do(request, order, door, act)


def _do(request: HttpRequest, order: Order, door: Door, act: str) -> HttpResponse:
    by, now = door.by, clock.now()
    here, note = HereForm(request.POST), NoteForm(request.POST)
    if act == "here" and not here.is_valid():
        return _page(request, order, door, status=here.status, here_form=here)
    if act == "note" and not note.is_valid():
        return _page(request, order, door, status=note.status, note_form=note)
    try:
        with once(by, request, key=key_of(request)) as answer:
            if act == "confirm":
                appointments.confirm(appointment_id=_promised(order), by=by, now=now)
                messages.success(request, _("Thank you. We expect you at this time."))
            elif act == "cancel":
                said = _given_back(order)
                orders.cancel(order_id=order.pk, by=by, now=now)
                messages.success(request, said)
            elif act == "point":
                point_id = whole_number(request.POST.get("point", ""))
                moved = elsewhere.collect_at(order_id=order.pk, point_id=point_id, by=by, now=now)
                messages.success(
                    request,
                    _("Saved. You collect these books at the other place.")
                    if moved.order is not None
                    else _("Saved. No copy is free for this place right now; the place in line is kept."),
                )
                return answer.redirect(reverse("my-order", args=[moved.order.pk]) if moved.order else reverse("my"))
            elif act == "part":
                gathering.choose(order_id=order.pk, whole=False, by=by, now=now)
                messages.success(request, _("You get what is there first."))
            elif act == "whole":
                chosen = gathering.choose(order_id=order.pk, whole=True, by=by, now=now)
                messages.success(
                    request,
                    _("We wait until all books are together.")
                    if chosen.appointment_id == order.appointment_id
                    else _("We wait until all books are together. That is why you have a new time."),
                )
            elif act == "here":
                place = {**here.cleaned_data, "plate": here.cleaned_data["plate"] or order.plate}
                arrivals.arrive(point_id=order.point_id, order_id=order.pk, by=by, now=now, **place)
                messages.success(request, _("We know that you are here."))
            elif act == "leave":
                lane.leave(visit_id=_visit(order), by=by, now=now)
                messages.success(request, _("Taken back. Please say so when you are here."))
            else:
                notes.write(order_id=order.pk, text=note.cleaned_data["text"], by=by, now=now)
                messages.success(request, _("The library has your message."))
            return answer.redirect(door.base)
    except Refusal as refusal:
        if act != "note":
            raise
        note.refuse(refusal)
        return _page(request, order, door, status=refusal.status, note_form=note)


def _promised(order: Order) -> int:
    appointment = queries.live_appointment(order)
    if appointment is None:
        raise NoAppointment(order=order.pk)
    return appointment.pk


def _visit(order: Order) -> int:
    if order.visit_id is None:
        raise VisitNotFound(order=order.pk)
    return order.visit_id


def _time(request: HttpRequest, order: Order, door: Door) -> HttpResponse:
    now = clock.now()
    form = SlotForm(request.POST if request.method == "POST" else None)
    status = form.status
    if request.method == "POST" and form.is_valid():
        try:
            with once(door.by, request, key=key_of(request)) as answer:
                appointments.promise(order_id=order.pk, slot_id=form.cleaned_data["slot"], by=door.by, now=now)
                messages.success(request, _("Your new time is fixed."))
                return answer.redirect(door.base)
        except Refusal as refusal:
            form.refuse(refusal)
            status = refusal.status
    seen = progress.of_one(order, now=now, by=door.by)
    needed = appointments.needed(order, by=door.by)
    days = slots.days(
        point_id=order.point_id, now=now, accessible=needed.accessible, after=needed.after, ready=needed.ready
    )
    if seen.appointment is not None:  # another one is looked for
        for day in days:
            day.rooms[:] = [room for room in day.rooms if room.slot.pk != seen.appointment.slot_id]
    context = {
        "seen": seen,
        "base": door.base,
        "titles_too": door.titles_too,
        "form": form,
        "today": seen.today,
        **chosen_day(days, request, taken=form["slot"].value()),
    }
    return show(request, "pickup/time.html", context, status=status)


def chosen_day(days: list[slots.Day], request: HttpRequest, *, taken: object = None) -> dict[str, Any]:
    """The days to choose from and the one that is shown: that of the time taken, else the one in the address."""
    with_room = [day for day in days if day.rooms]
    of_slot = [day for day in with_room if any(str(room.slot.pk) == str(taken) for room in day.rooms)]
    named = [day for day in with_room if day.day.isoformat() == request.GET.get("day")]
    return {"days": days if with_room else [], "day": next(iter(of_slot or named or with_room), None)}
