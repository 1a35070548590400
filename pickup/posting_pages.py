"""What the system that keeps the loans still has to be told: one by one, or as the file of a day."""

from __future__ import annotations

import csv
import io
import uuid
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from core import access
from core.once import once
from core.refusal import NotFound
from lending import circulation, postings
from lending import queries as lending_queries
from lending.pages import key_of
from lending.states import PostingState
from pickup.staff_pages import Desk, at_desk, show_desk, show_not_used

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lending.models import Posting

SHOWN = 300
DONE_SHOWN = 20
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@at_desk
@require_safe
def to_tell(request: HttpRequest, desk: Desk) -> HttpResponse:
    """What is to be told, what is in a file, what was not taken and why; and what was told last."""
    library = desk.point.library
    untold = list(lending_queries.untold(library.pk)[:SHOWN])
    if not untold and not circulation.is_beside(library):
        return show_not_used(request, desk)
    files: dict[uuid.UUID, list[Posting]] = {}
    for row in untold:
        if row.export is not None:
            files.setdefault(row.export, []).append(row)
    told = lending_queries.postings().filter(library=library, state=PostingState.DONE).order_by("-moved_at", "-pk")
    done = list(told[:DONE_SHOWN])
    _note_look([*untold, *done], desk)
    context = {
        "pending": [row for row in untold if row.state == PostingState.PENDING and row.export is None],
        "files": list(files.items()),
        "refused": [row for row in untold if row.state == PostingState.REFUSED],
        "done": done,
        "reasons": lending_queries.why_refused(),
    }
    return show_desk(request, desk, "pickup/staff/postings.html", context)


@at_desk
@require_POST
def settle(request: HttpRequest, desk: Desk, posting_id: int, what: str) -> HttpResponse:
    """It was entered there, or was not taken there and why, or is to be told again."""
    verbs: dict[str, Any] = {"done": postings.done, "refuse": postings.refuse, "again": postings.again}
    with once(desk.by, request, key=key_of(request)) as answer:
        if what not in verbs or not _here(desk).filter(pk=posting_id).exists():
            raise NotFound
        said = {}
        if what == "refuse":
            said = {"reason": request.POST.get("reason", "")[:20], "note": request.POST.get("note", "")[:400]}
        verbs[what](posting_id=posting_id, **said, by=desk.by, now=desk.now)
        return answer.redirect(desk.to("postings"))


@at_desk
@require_POST
def export(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Put what is in no file yet into one; the page then offers it."""
    with once(desk.by, request, key=key_of(request)) as answer:
        if postings.export(library_id=desk.point.library_id, by=desk.by, now=desk.now) is None:
            messages.info(request, _("There is nothing to put into a file."))
        return answer.redirect(desk.to("postings"))


@at_desk
@require_POST
def settle_file(request: HttpRequest, desk: Desk, name: uuid.UUID, what: str) -> HttpResponse:
    """The file was loaded into the other system, or was not."""
    verbs: dict[str, Any] = {"done": postings.done_export, "drop": postings.drop_export}
    with once(desk.by, request, key=key_of(request)) as answer:
        if what not in verbs or not _here(desk).filter(export=name).exists():
            raise NotFound
        count = verbs[what](export=name, library_id=desk.point.library_id, by=desk.by, now=desk.now)
        if what == "done":
            said = ngettext("%(n)s line is done.", "%(n)s lines are done.", count)
        else:
            said = ngettext("%(n)s line goes into the next file.", "%(n)s lines go into the next file.", count)
        messages.success(request, said % {"n": count})
        return answer.redirect(desk.to("postings"))


@at_desk
@require_safe
def download(request: HttpRequest, desk: Desk, name: uuid.UUID) -> HttpResponse:
    """The file: UTF-8 with a byte order mark, which Korean Excel needs; no cell is a formula."""
    found = list(_here(desk).filter(export=name).exclude(state=PostingState.CANCELLED).order_by("happened_at", "pk"))
    if not found:
        raise NotFound
    _note_look(found, desk)
    zone = ZoneInfo(desk.point.library.zone)
    at = found[0].exported_at or desk.now
    response = HttpResponse(table(found, zone).encode("utf-8-sig"), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = (
        f'attachment; filename="{desk.point.library.code}-{at.astimezone(zone):%Y%m%d-%H%M}.csv"'
    )
    return response


def table(rows: Iterable[Posting], zone: ZoneInfo) -> str:
    """Postings as CSV, in the order in which they happened; times in `zone`."""
    written = io.StringIO()
    out = csv.writer(written)
    out.writerow([_("What"), _("Time"), _("Card number"), _("Barcode"), _("Title")])
    for row in rows:
        out.writerow(
            harmless(text)
            for text in (
                str(row.get_kind_display()),
                f"{row.happened_at.astimezone(zone):%Y-%m-%d %H:%M}",
                row.patron.card_number if row.patron is not None else "",
                row.barcode,
                row.copy.title.title if row.copy is not None else "",
            )
        )
    return written.getvalue()


def harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula (ASVS 1.2.10)."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _here(desk: Desk) -> Any:
    return lending_queries.postings().filter(library=desk.point.library_id)


def _note_look(rows: Iterable[Posting], desk: Desk) -> None:
    seen = {f"patron:{row.patron_id}" for row in rows if row.patron_id is not None}
    if seen:
        access.saw(seen, purpose="postings", by=desk.by, now=desk.now)
