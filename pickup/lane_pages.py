"""The window: one field, one button; beside it the board. What is out of the ordinary is on a page of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core import access
from core.once import once
from core.refusal import BadInput, NotFound
from lending import circulation
from lending.pages import key_of, show
from pickup import arrivals, board, closing, figures, findings, handovers, lane, queries, queue, scans, today
from pickup.desk_forms import FindForm
from pickup.errors import NoBagChosen, VisitNotFound
from pickup.forms import HereForm
from pickup.models import Order
from pickup.names import whole_number
from pickup.staff_pages import Desk, at_desk, order_here, show_desk, undo_return_here
from pickup.states import HERE, OPEN_ORDER

if TYPE_CHECKING:
    from collections.abc import Iterable

KEEP = "keep-"  # the fields that name a book which stays here: keep-<order number>-<barcode>
VISIT = "v"  # before the visit of a car without bags
MOST_BACK = 40  # books that one car brings back


@at_desk
@require_safe
def lane_board(request: HttpRequest, desk: Desk) -> HttpResponse:
    """The window; only the part that a script asks for by name (`X-Part`): what is shown, or the board.

    With the board come the counts of the tabs, which htmx puts in their places.
    """
    part = request.headers.get("X-Part", "")
    if part == "board":
        changed = {**_board(desk), "renew": True, "counts": today.counts(desk.point)}
        return show(request, "pickup/staff/_board.html", {**desk.context, **changed})
    context = _shown(request, desk)
    status = 404 if isinstance(context["shown"], findings.Unknown) else 200
    if part == "shown":
        response = show(request, "pickup/staff/_shown.html", {**desk.context, **context}, status=status)
        response["X-Part"] = part  # so that a script knows it from a refusal, or from the sign-in page
        return response
    return show_desk(request, desk, "pickup/staff/lane.html", {**context, **_board(desk)}, status=status)


def _board(desk: Desk) -> dict[str, Any]:
    return {"board": board.snapshot(point_id=desk.point.pk, now=desk.now)}


def _shown(request: HttpRequest, desk: Desk) -> dict[str, Any]:
    """What stands below the field: a scan's meaning, a car that was called, what was just given, what came back."""
    form = FindForm(request.GET if request.GET.get("number") else None)
    back = _names(request.GET.get("back", ""))
    kept = _car_in_hand(desk, request.GET.get("car", ""))
    shown: Any = None
    if form.is_valid():
        shown = scans.read(point=desk.point, typed=form.cleaned_data["number"], now=desk.now)
    elif visit_id := whole_number(request.GET.get("visit", "")):
        visit = desk.point.visits.select_related("lane").filter(pk=visit_id).first()
        shown = scans.party_of_visit(visit, now=desk.now) if visit is not None and visit.state in HERE else None
    elif visit_id := whole_number(request.GET.get("given", "")):
        shown = scans.given(point_id=desk.point.pk, visit_id=visit_id, now=desk.now)
    elif kept is not None:
        shown, kept = kept, None
    if isinstance(shown, findings.Party):
        kept = None
    _note_look(desk, [car for car in (shown, kept) if isinstance(car, findings.Party)])
    if desk.point.library.training:
        _note_practice(desk, shown)
    taken = scans.returned(point=desk.point, names=back) if back else []
    return {
        "form": form,
        "shown": shown,
        "car_in_hand": kept,
        "back": taken,
        "back_ids": ",".join(one.name for one in taken),
        "car_id": next((_name(car) for car in (shown, kept) if isinstance(car, findings.Party)), ""),
    }


def _name(car: findings.Party) -> str:
    """By what a car is carried along: by an order of its own, else by its visit."""
    return str(car.order_id) if car.order_id or car.car is None else f"{VISIT}{car.car.visit_id}"


def _car_in_hand(desk: Desk, name: str) -> findings.Party | None:
    """The car that was shown when a book was scanned: it stays while books are taken back."""
    if name.startswith(VISIT):
        visit_id = whole_number(name.removeprefix(VISIT))
        visit = desk.point.visits.select_related("lane").filter(pk=visit_id, state__in=HERE).first()
        return scans.party_of_visit(visit, now=desk.now) if visit is not None else None
    order_id = whole_number(name)
    order = queries.orders(pk=order_id, point_id=desk.point.pk, state__in=OPEN_ORDER).first() if order_id else None
    return scans.party(order, now=desk.now) if order is not None else None


def _names(text: str) -> list[str]:
    return [name for name in text.split(",")[-MOST_BACK:] if name]


def _note_look(desk: Desk, cars: Iterable[findings.Party]) -> None:
    """Note whose bags the page shows, and what is to be done for them."""
    bags = [bag for car in cars for bag in car.bags]
    if bags:
        of_patrons = Order.objects.filter(pk__in=[bag.order_id for bag in bags]).values_list("patron_id", flat=True)
        needs = any(bag.needs or bag.in_writing for bag in bags)
        about = [f"patron:{patron_id}" for patron_id in of_patrons]
        access.saw(about, purpose=figures.LOOK, by=desk.by, now=desk.now, needs=needs)


def _note_practice(desk: Desk, shown: Any) -> None:
    """In a rehearsal also note the look at a car whose bag is not shown: its time counts from there (see figures)."""
    patron_id = shown.order.patron_id if isinstance(shown, findings.Elsewhere) else None
    if isinstance(shown, findings.Party) and not shown.bags and shown.car is not None:
        visits = desk.point.visits.filter(pk=shown.car.visit_id)
        patron_id = visits.values_list("patron_id", flat=True).first()
    if patron_id is not None:
        access.saw([f"patron:{patron_id}"], purpose=figures.LOOK, by=desk.by, now=desk.now)


# Acts


@at_desk
@require_POST
def serve(request: HttpRequest, desk: Desk) -> HttpResponse:
    """The bags of the car go out of the window, but for books that are kept back."""
    with once(desk.by, request, key=key_of(request)) as answer:
        handed = lane.serve(
            point_id=desk.point.pk,
            order_number=request.POST.get("order_number", "")[:20],
            orders=_bags_in(request),
            by=desk.by,
            now=desk.now,
        )
        return answer.redirect(desk.to("lane", given=handed.visit.pk, **_carried(request, "back")))


@at_desk
@require_POST
def hand_over(request: HttpRequest, desk: Desk, visit_id: int) -> HttpResponse:
    """Everything ready of a car that was called goes out, but for books that are kept back."""
    with once(desk.by, request, key=key_of(request)) as answer:
        _check_here(desk, visit_id)
        lane.hand_over(visit_id=visit_id, orders=_bags_in(request), by=desk.by, now=desk.now)
        return answer.redirect(desk.to("lane", given=visit_id, **_carried(request, "back")))


def _bags_in(request: HttpRequest) -> list[lane.HandOver]:
    """The bags that a form names, with the books that it keeps back; none when all of the car's go.

    Refuses (`no_bag_chosen`) a form on which they are `chosen` and none is.
    """
    kept: dict[str, dict[str, str]] = {number[:20]: {} for number in request.POST.getlist("bag")}
    for name, reason in request.POST.items():
        number, _dash, barcode = name.removeprefix(KEEP).partition("-")
        if name.startswith(KEEP) and number in kept and reason:
            kept[number][barcode] = str(reason)[:40]
    if not kept and request.POST.get("chosen"):
        raise NoBagChosen(field="bag")
    return [lane.HandOver(number, not_given) for number, not_given in kept.items()]


def _carried(request: HttpRequest, *names: str) -> dict[str, str]:
    """What the page goes on showing: the books that came back, the car in hand."""
    return {name: value for name in names if (value := request.POST.get(name, "")[:400])}


@at_desk
@require_POST
def attend(request: HttpRequest, desk: Desk, visit_id: int) -> HttpResponse:
    """Somebody without a bag is seen to."""
    with once(desk.by, request, key=key_of(request)) as answer:
        _check_here(desk, visit_id)
        queue.attend(visit_id=visit_id, by=desk.by, now=desk.now)
        return answer.redirect(desk.to("lane", given=visit_id, **_carried(request, "back")))


@at_desk
@require_POST
def take_back(request: HttpRequest, desk: Desk) -> HttpResponse:
    """A book comes back through the window."""
    with once(desk.by, request, key=key_of(request)) as answer:
        back = circulation.take_back(
            barcode=request.POST.get("barcode", "")[:80], library_id=desk.point.library_id, by=desk.by, now=desk.now
        )
        so_far = [*_names(request.POST.get("back", "")), scans.name_of_return(back)]
        carried = {"back": ",".join(so_far), **_carried(request, "car")}
        return answer.redirect(desk.to("lane", **carried))


@at_desk
@require_POST
def keep_on_loan(request: HttpRequest, desk: Desk, return_id: int) -> HttpResponse:
    """A book was not taken back after all."""
    with once(desk.by, request, key=key_of(request)) as answer:
        undo_return_here(desk.point.library, return_id, by=desk.by, now=desk.now)
        left = [name for name in _names(request.POST.get("back", "")) if name != str(return_id)]
        return answer.redirect(desk.to("lane", **{"back": ",".join(left)} if left else {}, **_carried(request, "car")))


@at_desk
@require_POST
def call_next(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Call who is next, to a lane where there are lanes; the page shows the car that was called."""
    lane_id = whole_number(request.POST.get("lane", "")) or None
    with once(desk.by, request, key=key_of(request)) as answer:
        called = lane.call_next(point_id=desk.point.pk, lane_id=lane_id, by=desk.by, now=desk.now)
        return answer.redirect(desk.to("lane", visit=called[0].pk))


@at_desk
@require_POST
def set_lane(request: HttpRequest, desk: Desk, lane_id: int, what: str) -> HttpResponse:
    """Open or close a lane of this point."""
    with once(desk.by, request, key=key_of(request)) as answer:
        if not desk.point.lanes.filter(pk=lane_id).exists():
            raise NotFound
        change = lane.open_lane if what == "open" else lane.close_lane
        change(lane_id=lane_id, by=desk.by, now=desk.now)
        return answer.redirect(desk.to("lane"))


@at_desk
@require_POST
def set_open(request: HttpRequest, desk: Desk, what: str) -> HttpResponse:
    """Close for today, whatever the hours say, or open again."""
    changes = {"shut": closing.shut, "open-again": closing.open_again}
    with once(desk.by, request, key=key_of(request)) as answer:
        if what not in changes:
            raise NotFound
        changes[what](point_id=desk.point.pk, by=desk.by, now=desk.now)
        return answer.redirect(desk.to("lane"))


ACTS = {
    "recall": lane.recall,
    "skip": lane.skip,
    "put-back": lane.put_back,
    "leave": lane.leave,
    "undo": lane.undo,
}
SHOWN_AFTER = frozenset({"recall", "undo"})
"""After these the page goes on showing the car."""


@at_desk
@require_POST
def visit_act(request: HttpRequest, desk: Desk, visit_id: int, what: str) -> HttpResponse:
    """Called once more, passed over, back into the line, left, or undone."""
    with once(desk.by, request, key=key_of(request)) as answer:
        _check_here(desk, visit_id)
        if what not in ACTS:
            raise NotFound
        visit = ACTS[what](visit_id=visit_id, by=desk.by, now=desk.now)
        return answer.redirect(desk.to("lane", **{"visit": visit.pk} if what in SHOWN_AFTER else {}))


@at_desk
@require_POST
def move(request: HttpRequest, desk: Desk, visit_id: int) -> HttpResponse:
    """The car stands elsewhere in the line than it says here: before another one, or at the end."""
    typed = request.POST.get("before", "")
    before = whole_number(typed) or None
    with once(desk.by, request, key=key_of(request)) as answer:
        _check_here(desk, visit_id)
        if typed and before is None:
            raise BadInput(field="before")
        queue.move(visit_id=visit_id, before_id=before, by=desk.by, now=desk.now)
        return answer.redirect(desk.to("lane"))


@at_desk
@require_POST
def arrive(request: HttpRequest, desk: Desk, order_id: int) -> HttpResponse:
    """Somebody is here who did not tell us by themselves."""
    form = HereForm(request.POST)
    with once(desk.by, request, key=key_of(request)) as answer:
        order = order_here(desk, order_id)
        placed = form.cleaned_data if form.is_valid() else {}
        arrivals.arrive(point_id=desk.point.pk, order_id=order.pk, by=desk.by, now=desk.now, **placed)
        messages.success(request, _("%(number)s is in the line.") % {"number": order.shown})
        return answer.redirect(desk.to("lane"))


@at_desk
@require_POST
def walk_up(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Somebody is here without an order: to return, to ask, or a car of which only the plate is known."""
    with once(desk.by, request, key=key_of(request)) as answer:
        visit = arrivals.arrive(
            point_id=desk.point.pk,
            purpose=request.POST.get("purpose", "")[:20],
            plate=request.POST.get("plate", "")[:80],
            bay=request.POST.get("bay", "")[:80],
            by=desk.by,
            now=desk.now,
        )
        return answer.redirect(desk.to("lane", visit=visit.pk))


@at_desk
@require_safe
def bag(request: HttpRequest, desk: Desk, order_id: int) -> HttpResponse:
    """What is different this time: a book stays here, nobody is there, the bag is not ready, it waits elsewhere."""
    order = order_here(desk, order_id)
    here = order.point_id == desk.point.pk
    car = scans.party(order, now=desk.now) if here and order.state in OPEN_ORDER else None
    seen = car.bags if car is not None else [board.bag_of(order)]
    _note_look(desk, [findings.Party(order.pk, seen, None)])
    promise = queries.live_appointment(order)
    if promise is not None:
        promise.slot.point = order.point
    given = None
    if order.visit_id and handovers.lately([order], now=desk.now):
        given = scans.given(point_id=order.point_id, visit_id=order.visit_id, now=desk.now)
    context = {
        "order": order,
        "bags": seen,
        "party": car,
        "here": here,
        "reasons": handovers.NOT_GIVEN,
        "given": given,
        "promise": promise,
        "open_states": OPEN_ORDER,
    }
    return show_desk(request, desk, "pickup/staff/bag.html", context)


def _check_here(desk: Desk, visit_id: int) -> None:
    if not desk.point.visits.filter(pk=visit_id).exists():
        raise VisitNotFound(visit=visit_id)
