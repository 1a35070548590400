"""The returns desk: one scan after the other, each answered by one word that can be read from two metres."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from core import clock
from core.once import once
from core.refusal import Refusal
from lending import circulation
from lending import queries as lending_queries
from lending.pages import key_of, show
from lending.states import ON_HAND, OPEN_TRANSFER
from pickup import orders, queries, returns
from pickup.desk_forms import ScanForm
from pickup.staff_pages import Here, at_library, number_in, undo_return_here

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lending.models import Copy, Library
    from pickup.models import OrderLine

LATELY = timedelta(hours=12)
SHOWN = 12


@dataclass(frozen=True, slots=True)
class Scan:
    """A copy that came back, and where it goes: into the bag of `line`, to who waits (`held`), else to the shelf.

    Who waits may collect at another library, to which it then travels (`goes_to`).


    `return_id` is of the loan that ended at `at`, or of the posting where another system keeps the loans; 0 for a book
    that was not on loan. `copy` is None, and only the `barcode` known, where only that system knows the book.
    """

    barcode: str
    copy: Copy | None
    return_id: int
    at: datetime | None
    line: OrderLine | None
    held: bool
    goes_to: Library | None = None

    @property
    def fit(self) -> bool:
        """Whether it is at hand and could be set aside as damaged: nobody has packed or sent it since."""
        return self.copy is not None and self.copy.state in ON_HAND

    @property
    def undoable(self) -> bool:
        """Whether the return may still be taken back: nobody has packed or borrowed the book since."""
        return bool(self.return_id) and (self.copy is None or self.copy.state in ON_HAND)


@at_library
@require_http_methods(["GET", "HEAD", "POST"])
def taking_back(request: HttpRequest, here: Here) -> HttpResponse:
    """Scan a returned book: who is next, or onto the cart. The last scans stay in sight, each with its undo."""
    form = ScanForm(request.POST if request.method == "POST" else None)
    status = form.status
    if request.method == "POST" and form.is_valid():
        try:
            with once(here.by, request, key=key_of(request)) as answer:
                back = returns.check_in(
                    barcode=form.cleaned_data["barcode"], library_id=here.library.pk, by=here.by, now=here.now
                )
                about = {"copy": back.copy.pk} if back.copy is not None else {"barcode": form.cleaned_data["barcode"]}
                response = answer.redirect(here.to("returns", **about))
        except Refusal as refusal:
            form.refuse(refusal)
            status = refusal.status
        else:
            # In a transaction of its own, after the copy's locks are gone: bags are locked before copies. What fails
            # here, or comes too early, the doorbell and the sweep do.
            if back.copy is not None:
                given = lending_queries.allocated().filter(copy=back.copy).values_list("pk", flat=True)
                orders.assemble(reservation_ids=list(given), now=clock.now())
            return response
    last = lending_queries.copy_at(number_in(request, "copy"), library_id=here.library.pk)
    scans = _scans(_lately(here), last)
    unknown = request.GET.get("barcode", "") if last is None else ""
    shown = next((scan for scan in scans if scan.barcode == (last.barcode if last is not None else unknown)), None)
    context = {
        **here.context,
        "form": form,
        "last": shown if not form.is_bound else None,
        "scans": [scan for scan in scans if scan.return_id],
        "beside": circulation.is_beside(here.library),
    }
    return show(request, "pickup/staff/returns.html", context, status=status)


Came = tuple[str, "Copy | None", int, "datetime | None"]


def _lately(here: Here) -> list[Came]:
    """What came back here in the last hours, the last one first: barcode, copy, by what it is undone, and when."""
    library, since = here.library, here.now - LATELY
    if circulation.is_beside(library):
        told = lending_queries.taken_back(library.pk).filter(happened_at__gt=since)[:SHOWN]
        return [(row.barcode, row.copy, row.pk, row.happened_at) for row in told]
    back = lending_queries.returned(library.pk, since=since)[:SHOWN]
    return [(loan.copy.barcode, loan.copy, loan.pk, loan.returned_at) for loan in back]


def _scans(lately: Iterable[Came], last: Copy | None) -> list[Scan]:
    """Each book once, the last scanned first, as it stands now; three queries, however many there are."""
    came: dict[str, Came] = {} if last is None else {last.barcode: (last.barcode, last, 0, None)}
    seen: set[str] = set()
    for one in lately:
        if one[0] not in seen:
            came[one[0]] = one
            seen.add(one[0])
    ids = [copy.pk for _barcode, copy, _id, _at in came.values() if copy is not None]
    held, lines = lending_queries.held_copies(ids), queries.lines_in_bags(ids)
    journeys = {one.copy_id: one for one in lending_queries.transfers(copy__in=ids, state__in=OPEN_TRANSFER)}
    return [
        Scan(
            barcode,
            copy,
            return_id,
            at,
            lines.get(copy.pk) if copy else None,
            copy is not None and copy.pk in held,
            journeys[copy.pk].to_library if copy is not None and copy.pk in journeys else None,
        )
        for barcode, copy, return_id, at in came.values()
    ]


@at_library
@require_POST
def undo_return(request: HttpRequest, here: Here, return_id: int) -> HttpResponse:
    """The book was not returned after all."""
    with once(here.by, request, key=key_of(request)) as answer:
        undo_return_here(here.library, return_id, by=here.by, now=here.now)
        messages.success(request, _("The return is undone: the book is on loan again."))
        return answer.redirect(here.to("returns"))
