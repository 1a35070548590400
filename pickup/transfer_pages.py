"""Books between libraries: what to send, what is coming, one scan for both; also where there is no pickup place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from core import clock
from core.actor import Actor
from core.once import once
from core.refusal import NotFound, Refusal
from lending import auth, transfers
from lending import queries as lending_queries
from lending.pages import key_of, show, signed_in
from lending.states import TransferState
from pickup import orders, queries
from pickup.desk_forms import ScanForm
from pickup.staff_pages import Here, at_library, number_in, of_library

if TYPE_CHECKING:
    from lending.models import Library, Transfer
    from pickup.models import OrderLine


@dataclass(frozen=True, slots=True)
class Last:
    """The journey that was scanned last, and the bag that its book goes into, if it is here and somebody waits."""

    transfer: Transfer
    line: OrderLine | None
    held: bool


@at_library
@require_http_methods(["GET", "HEAD", "POST"])
def desk(request: HttpRequest, here: Here) -> HttpResponse:
    """Scan what leaves and what has come; below, what is to be sent in shelf order, and what is on its way here."""
    by, library = here.by, here.library
    form = ScanForm(request.POST if request.method == "POST" else None)
    status = form.status
    if request.method == "POST" and form.is_valid():
        try:
            with once(by, request, key=key_of(request)) as answer:
                scanned = transfers.scan(
                    barcode=form.cleaned_data["barcode"], library_id=library.pk, by=by, now=here.now
                )
                response = answer.redirect(here.to("transfers", last=scanned.transfer.pk))
        except Refusal as refusal:
            form.refuse(refusal)
            status = refusal.status
        else:
            if scanned.reservation is not None:  # after the copy's locks are gone: bags are locked before copies
                orders.assemble(reservation_ids=[scanned.reservation.pk], now=clock.now())
            return response
    context = {
        **here.context,
        "form": form,
        "last": _last(number_in(request, "last"), library) if not form.is_bound else None,
        "to_send": lending_queries.transfers(from_library=library, state=TransferState.REQUESTED),
        "coming": lending_queries.transfers(to_library=library, state=TransferState.SENT).order_by("expected_on", "pk"),
    }
    return show(request, "pickup/staff/transfers.html", context, status=status)


def _last(transfer_id: int, library: Library) -> Last | None:
    found = lending_queries.transfers(pk=transfer_id).first()
    if found is None or library.pk not in {found.from_library_id, found.to_library_id}:
        return None
    line = queries.lines_in_bags([found.copy_id]).get(found.copy_id)
    return Last(found, line, bool(lending_queries.held_copies([found.copy_id])))


@signed_in
@require_POST
def gone(request: HttpRequest, transfer_id: int) -> HttpResponse:
    """The book is not on the shelf of the library that should send it, or has left and never come."""
    by = replace(Actor.of(request), channel="desk")
    mine = auth.require_any_staff(by)
    found = lending_queries.transfers(pk=transfer_id).first()
    if found is None:
        raise NotFound
    leaving = found.state == TransferState.REQUESTED
    library = found.from_library if leaving else found.to_library
    if library.pk not in mine:
        raise NotFound
    with once(by, request, key=key_of(request)) as answer:
        act = transfers.not_found if leaving else transfers.lost
        act(transfer_id=transfer_id, by=by, now=clock.now())
        messages.success(request, _("Noted. Who waits for it keeps the place and gets the next copy."))
        pulled = leaving and "value" in request.POST  # on the pull list, of which the button keeps the session
        return answer.redirect(of_library(request, "pull-list" if pulled else "transfers", library))
