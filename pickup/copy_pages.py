"""One book of the collection: what it is, where it should be, and the acts that take it out of lending or back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from core.once import once
from core.refusal import NotFound, Refusal
from lending import copies
from lending import queries as lending_queries
from lending.pages import key_of, show
from lending.states import CopyState
from pickup import orders, returns
from pickup.desk_forms import ScanForm
from pickup.staff_pages import Here, at_library, number_in

if TYPE_CHECKING:
    from lending.models import Copy

DAMAGED, WITHDRAW, FOUND = "damaged", "withdraw", "found"


def acts_for(copy: Copy) -> list[str]:
    """Which of the acts are possible with a copy as it stands."""
    moves = copy.MOVES[copy.state]
    if copy.state in {CopyState.LOAN, CopyState.BAG, CopyState.TRANSIT}:
        return []  # taken back, unpacked or received first
    possible = [FOUND] if copy.state in copies.AWAY else []
    possible += [DAMAGED] if CopyState.DAMAGED in moves else []
    return possible + ([WITHDRAW] if CopyState.WITHDRAWN in moves else [])


@at_library
@require_http_methods(["GET", "HEAD", "POST"])
def books(request: HttpRequest, here: Here) -> HttpResponse:
    """Scan a book to see it; below, what is set aside here: damaged, or lost."""
    form = ScanForm(request.POST if request.method == "POST" else None)
    status, copy = form.status, None
    if request.method == "POST" and form.is_valid():
        try:
            copy = copies.by_barcode(form.cleaned_data["barcode"])
        except Refusal as refusal:
            form.refuse(refusal)
            status = refusal.status
    elif request.method != "POST":
        copy = lending_queries.copies(library_ids=[here.library.pk]).filter(pk=number_in(request, "copy")).first()
    ours = copy is not None and here.library.pk in {copy.library_id, copy.at_library_id}
    context = {
        **here.context,
        "form": form,
        "copy": copy,
        "acts": acts_for(copy) if copy is not None and ours else [],
        "waiting": lending_queries.waiting_for([copy.title_id]).get(copy.title_id, 0) if copy is not None else 0,
        "aside": lending_queries.set_aside(here.library.pk),
    }
    return show(request, "pickup/staff/books.html", context, status=status)


@at_library
@require_POST
def act(request: HttpRequest, here: Here, copy_id: int, what: str) -> HttpResponse:
    """Take a book out of lending, or back into it. `what` is one of damaged, withdraw, found."""
    copy = lending_queries.copies(library_ids=[here.library.pk]).filter(pk=copy_id).first()
    if copy is None or what not in {DAMAGED, WITHDRAW, FOUND}:
        raise NotFound
    with once(here.by, request, key=key_of(request)) as answer:
        if what == DAMAGED:
            returns.set_aside(copy_id=copy.pk, by=here.by, now=here.now)
            said = _("Set aside. Who waits for the title keeps the place and gets another copy.")
        elif what == WITHDRAW:
            returns.withdraw(copy_id=copy.pk, by=here.by, now=here.now)
            said = _("It is withdrawn: nobody finds it any more.")
        else:
            copies.found(barcode=copy.barcode, library_id=here.library.pk, by=here.by, now=here.now)
            said = _("Good. Onto the return cart, please; who waits longest gets it.")
        response = answer.redirect(here.to("books", copy=copy.pk))
    messages.success(request, said)
    orders.assemble(reservation_ids=lending_queries.held_by_title(copy.title_id), now=here.now)
    return response
