"""The paper on a bag: its number, to be read across the room, and marks for a scanner. No name, no title."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from core import access
from pickup import bags, barcodes, queries, sessions
from pickup.bags import Bag
from pickup.errors import OrderNotFound
from pickup.staff_pages import Desk, at_desk, show_desk
from pickup.states import OPEN_ORDER, OrderState

PAPERS = ("label", "a6")  # a roll of 80 mm, or a sheet
BESIDE = "beside"  # the circulation of a library whose loans are kept elsewhere
MOST = 200  # slips of one run


@at_desk
@require_safe
def slip(request: HttpRequest, desk: Desk, order_id: int) -> HttpResponse:
    """The slip of one bag."""
    order = queries.bags(pk=order_id, library_id=desk.point.library_id).first()
    if order is None:
        raise OrderNotFound(order=order_id)
    return _print(request, desk, [bags.one(order, now=desk.now)], {"one": order})


@at_desk
@require_safe
def slips(request: HttpRequest, desk: Desk) -> HttpResponse:
    """The slips of all bags of a session (`?for=`), or of all that are being packed, in one run."""
    open_here = bags.of(queries.bags(point_id=desk.point.pk, state__in=OPEN_ORDER), now=desk.now)
    choices = sessions.in_order(bag.session for bag in open_here if bag.session is not None)
    wanted = request.GET.get("for", "")
    chosen = next((session for session in choices if session.key == wanted), None)
    if chosen is not None:
        found = [bag for bag in open_here if bag.session is not None and bag.session.key == chosen.key]
    else:
        found = [bag for bag in open_here if bag.order.state == OrderState.PICKING and not bag.coming]
    context = {"choices": choices, "chosen": chosen}
    return _print(request, desk, bags.next_to_each_other(found)[:MOST], context)


def _print(request: HttpRequest, desk: Desk, found: Iterable[Bag], context: dict[str, Any]) -> HttpResponse:
    """`paper` is the format; `card` says that the card is printed as a bar code, for a library whose loans are kept
    in another system and whose desk has to scan it there.
    """
    paper = request.GET.get("paper", "")
    card = request.GET.get("card") == "1" or ("card" not in request.GET and desk.point.library.circulation == BESIDE)
    found = list(found)
    if card:
        about = [f"patron:{bag.order.patron_id}" for bag in found if bag.order.patron_id is not None]
        access.saw(about, purpose="slips", by=desk.by, now=desk.now)
    shown = {
        "slips": [_slip(bag, card=card) for bag in found],
        "paper": paper if paper in PAPERS else PAPERS[0],
        "card": card,
        "for_session": request.GET.get("for", ""),
        **context,
    }
    return show_desk(request, desk, "pickup/staff/slips.html", shown)


def _slip(bag: Bag, *, card: bool) -> dict[str, Any]:
    patron = bag.order.patron
    return {
        "bag": bag,
        "qr": barcodes.qr(bag.order.number),
        "copies": [(line, barcodes.code_128(line.copy.barcode)) for line in bag.lines],
        "card": barcodes.code_128(patron.card_number) if card and patron is not None else "",
    }
