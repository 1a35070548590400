"""Pages for fetching and packing: what to take from the shelves, and which bag each book goes into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.once import once
from core.refusal import NotFound, Refusal
from lending import call_numbers, copies, transfers
from lending import queries as lending_queries
from lending.errors import UnknownBarcode
from lending.pages import key_of
from lending.states import TransferState
from pickup import bags, fetching, gathering, orders, packing, parties, point_queries, queries, sessions, streams
from pickup.desk_forms import ScanForm
from pickup.errors import NotInOrder, OrderNotFound
from pickup.models import Order
from pickup.staff_pages import Desk, at_desk, number_in, order_here, show_desk
from pickup.states import HERE, OPEN_ORDER, OrderState

if TYPE_CHECKING:
    from lending.models import Copy

# Of the filter, beside the sessions:
NO_TIME = "none"  # what no session waits for
TRAVELS = "travels"  # what another library asks for


@at_desk
@require_safe
def pull_list(request: HttpRequest, desk: Desk) -> HttpResponse:
    """What to fetch for bags and for other libraries, in shelf order, and where each copy is; all, or for a session.

    What somebody waits for in their car stands first, whichever session is asked for.
    """
    version = streams.version_of(streams.topics(library_id=desk.point.library_id))  # first: newer rows only look again
    rows = _to_fetch(desk)
    in_hand = sum(row["mine"] for row in rows)
    part = "X-Part" in request.headers  # what is looked at stays what was asked for, also once nothing is left of it
    mine = request.GET.get("mine") == "1" and (bool(in_hand) or part)
    choices = [
        {"session": one, "count": sum(row["session"] is not None and row["session"].key == one.key for row in rows)}
        for one in sessions.in_order(row["session"] for row in rows if row["session"] is not None)
    ]
    untimed = sum("line" in row and row["session"] is None for row in rows)
    travels = sum("transfer" in row for row in rows)
    asked = request.GET.get("for", "")
    known = {NO_TIME, TRAVELS, *(choice["session"].key for choice in choices)}
    wanted = asked if asked in known or part else ""
    shown = [row for row in rows if row["mine"]] if mine else _needed(rows, wanted)
    context = {
        "mine": mine,
        "renew": part,
        "stay": "&mine=1" if mine else "",  # on the list of mine, whatever is done there
        "in_hand": in_hand,
        "to_take": min(fetching.AT_ONCE, sum(row["fetcher"] is None and "line" in row for row in shown)),
        "live_at": reverse("live-now", args=[desk.point.library_id]),
        "version": version,
        "rooms": _by_room(shown),
        "shown": len(shown),
        "total": len(rows),
        "choices": choices,
        "untimed": untimed,
        "without_time": lambda: bags.without_time(
            point_queries.rules_of(desk.point.pk)
        ),  # asked only where it is shown
        "travels": travels,
        "filters": bool(choices) or bool(untimed and travels),
        "chosen": next((choice["session"] for choice in choices if choice["session"].key == wanted), None),
        "wanted": wanted,
    }
    return show_desk(request, desk, f"pickup/staff/{'_pull' if part else 'pull_list'}.html", context)


def _to_fetch(desk: Desk) -> list[dict[str, Any]]:
    """A row for each book to fetch: `line` or `transfer`, its copy, the session that needs it, and who fetches it.

    `goes_with` names the bags that go out with its own: the list itself follows the shelves, as people walk.
    """
    lines = list(queries.to_fetch(desk.point.library_id))
    where = queries.where_are(line.copy for line in lines)
    beside = parties.beside(line.order for line in lines)
    zone = desk.point.library.zone
    rows: list[dict[str, Any]] = []
    for line in lines:
        promise = queries.live_appointment(line.order)
        visit = line.order.visit
        fetcher = fetching.fetcher_of(line, now=desk.now)
        rows.append(
            {
                "line": line,
                "copy": line.copy,
                "bag": where.get(line.copy_id, ""),
                "goes_with": bags.numbers(beside.get(line.order_id, ())),
                "session": sessions.of(promise.slot, zone) if promise is not None else None,
                "here": visit is not None and visit.state in HERE,
                "fetcher": fetcher,
                "mine": fetcher is not None and fetcher.pk == desk.by.id,
            }
        )
    to_send = lending_queries.transfers(from_library=desk.point.library_id, state=TransferState.REQUESTED)
    nobodys = {"session": None, "fetcher": None, "mine": False, "here": False}
    rows += [{"transfer": one, "copy": one.copy, **nobodys} for one in to_send]
    rows.sort(key=lambda row: (not row["here"], row["copy"].shelf_key, row["copy"].barcode))
    return rows


def _needed(rows: list[dict[str, Any]], wanted: str) -> list[dict[str, Any]]:
    """The rows of the session whose key is `wanted` (or NO_TIME, TRAVELS), and whose car is here; all for ""."""

    def belongs(row: dict[str, Any]) -> bool:
        if wanted in {NO_TIME, TRAVELS}:
            return row["session"] is None and ("transfer" in row) == (wanted == TRAVELS)
        return row["session"] is not None and row["session"].key == wanted

    return [row for row in rows if row["here"] or belongs(row)] if wanted else rows


@at_desk
@require_POST
def share(request: HttpRequest, desk: Desk, what: str) -> HttpResponse:
    """Take the next books of the list that is shown to fetch them, or leave mine to others: `what` is take or let-go.

    `value` is the session that was chosen, as in the address of the list.
    """
    library_id, wanted = desk.point.library_id, request.POST.get("value", "")
    kept = {"for": wanted} if wanted else {}
    with once(desk.by, request, key=key_of(request)) as answer:
        if what == "take":
            shown = _needed(_to_fetch(desk), wanted) if wanted else None
            line_ids = None if shown is None else [row["line"].pk for row in shown if "line" in row]
            taken = fetching.take(library_id=library_id, by=desk.by, now=desk.now, line_ids=line_ids)
            said = ngettext("%(n)s book is yours to fetch.", "%(n)s books are yours to fetch.", taken) % {"n": taken}
            kept |= {"mine": "1"}
            if not taken:
                said = _("Nothing is left here: others fetch it, or it is packed.")
        elif what == "let-go":
            fetching.let_go(library_id=library_id, by=desk.by, now=desk.now)
            said = _("Left to the others.")
        else:
            raise NotFound
        messages.success(request, said)
        return answer.redirect(desk.to("pull-list", **kept))


def _room(copy: Copy) -> str:
    """The room (별치) that its label names, "" for the open shelves and for what is no call number."""
    try:
        return call_numbers.parse(copy.call_number).room
    except call_numbers.NotACallNumber:
        return ""


def _by_room(rows: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Rows under the room in which their copies stand, as the rows follow each other; before them whose car is here."""
    rooms: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        rooms.setdefault(_("They wait in the car") if row["here"] else _room(row["copy"]), []).append(row)
    return list(rooms.items())


@at_desk
@require_POST
def not_on_shelf(request: HttpRequest, desk: Desk, line_id: int) -> HttpResponse:
    """The copy could not be found: look for another one."""
    with once(desk.by, request, key=key_of(request)) as answer:
        if not queries.to_fetch(desk.point.library_id).filter(pk=line_id).exists():
            raise OrderNotFound(line=line_id)
        packing.not_on_shelf(line_id=line_id, by=desk.by, now=desk.now)
        messages.success(
            request,
            _(
                "Noted as not on the shelf. If there is another copy, it joins the list."
                " Found it after all? Scan it at Returns."
            ),
        )
        kept = {"for": request.POST.get("value", ""), "mine": request.GET.get("mine", "")}
        return answer.redirect(desk.to("pull-list", **{name: value for name, value in kept.items() if value}))


# Packing


@at_desk
@require_http_methods(["GET", "HEAD", "POST"])
def pack_books(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Scan a book: it goes into its bag. Scan the slip of a bag: it is ready. Below, the bags with their books."""
    form = ScanForm(request.POST if request.method == "POST" else None)
    status, hint = form.status, ""
    if request.method == "POST" and form.is_valid():
        try:
            with once(desk.by, request, key=key_of(request)) as answer:
                return answer.redirect(_scanned(desk, form))
        except Refusal as refusal:
            form.refuse(refusal)
            status, hint = refusal.status, str(refusal.facts.get("belongs_to") or "")
    found = bags.of(queries.bags(point_id=desk.point.pk, state__in=OPEN_ORDER), now=desk.now)
    packed = number_in(request, "packed")
    context = {
        "form": form,
        "hint": hint,
        "said": _said(desk, found, packed or number_in(request, "bag")) if not form.is_bound else None,
        "packed": str(packed or ""),
        "to_pack": bags.to_pack(found),
        "ready": sum(bag.order.state == OrderState.READY for bag in found),
    }
    return show_desk(request, desk, "pickup/staff/packing.html", context, status=status)


def _scanned(desk: Desk, form: ScanForm) -> str:
    """Pack the book, send it to who asks for it, or make the bag of the slip ready; the address that says so."""
    barcode, number = form.cleaned_data["barcode"], form.as_order_number
    try:
        copy = copies.by_barcode(barcode)
    except UnknownBarcode:
        order = queries.bags(library_id=desk.point.library_id, number=number, state__in=OPEN_ORDER).first()
        if not number or order is None:
            raise
        if order.state == OrderState.PICKING:
            packing.mark_ready(order_id=order.pk, by=desk.by, now=desk.now)
        return desk.to("packing", bag=order.pk)
    order = queries.order_with_copy(copy_id=copy.pk, library_id=desk.point.library_id)
    in_bag = order is not None and order.state in OPEN_ORDER
    if not in_bag and lending_queries.transfers(
        copy=copy, from_library=desk.point.library_id, state=TransferState.REQUESTED
    ):
        sent = transfers.scan(barcode=barcode, library_id=desk.point.library_id, by=desk.by, now=desk.now)
        return desk.to("transfers", library=desk.point.library_id, last=sent.transfer.pk)
    if order is None:
        raise NotInOrder(field="barcode", barcode=copy.barcode, belongs_to=None)
    packing.pack(order_id=order.pk, barcode=barcode, by=desk.by, now=desk.now)
    return desk.to("packing", packed=order.pk)


def _said(desk: Desk, found: list[bags.Bag], order_id: int) -> bags.Bag | None:
    """The bag of the last scan: one of this point, or of another one of the library."""
    if not order_id:
        return None
    known = next((bag for bag in found if bag.order.pk == order_id), None)
    if known is not None:
        return known
    order = queries.bags(pk=order_id, library_id=desk.point.library_id, state__in=OPEN_ORDER).first()
    return bags.one(order, now=desk.now) if order is not None else None


@at_desk
@require_POST
def ready(request: HttpRequest, desk: Desk, order_id: int) -> HttpResponse:
    """The bag is packed and on the pickup shelf."""
    with once(desk.by, request, key=key_of(request)) as answer:
        order = packing.mark_ready(order_id=order_here(desk, order_id).pk, by=desk.by, now=desk.now)
        return answer.redirect(desk.to("packing", bag=order.pk))


@at_desk
@require_POST
def go_ahead(request: HttpRequest, desk: Desk, order_id: int) -> HttpResponse:
    """The bag waits for all of its books no longer: somebody said so, or it has taken too long."""
    with once(desk.by, request, key=key_of(request)) as answer:
        order = order_here(desk, order_id)
        gathering.choose(order_id=order.pk, whole=False, by=desk.by, now=desk.now)
        return answer.redirect(desk.to("packing", bag=order.pk))


@at_desk
@require_POST
def cancel(request: HttpRequest, desk: Desk, order_id: int) -> HttpResponse:
    """Nobody wants the bag any more: somebody said so on the phone or at the window."""
    with once(desk.by, request, key=key_of(request)) as answer:
        order: Order = orders.cancel(order_id=order_here(desk, order_id).pk, by=desk.by, now=desk.now)
        messages.success(request, _("Order %(number)s is cancelled. Please unpack it.") % {"number": order.shown})
        return answer.redirect(desk.to("unpack"))
