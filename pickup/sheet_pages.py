"""Beside the window: the run sheet on paper, what is noted afterwards, and the card that is held up to a driver."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from core import access
from core.refusal import Refusal
from lending import circulation
from lending import queries as lending_queries
from lending.errors import NotOnLoan
from pickup import catch_up as catching_up
from pickup import queries, run_sheets
from pickup.errors import AlreadyHandedOver
from pickup.names import whole_number
from pickup.phrases import PHRASES, TONGUES
from pickup.staff_pages import Desk, at_desk, order_here, show_desk

MOST_LINES = 300  # of one catching up; more is not a session any more


@at_desk
@require_safe
def run_sheet(request: HttpRequest, desk: Desk) -> HttpResponse:
    """The bags of a day by session and time, to be printed; no title, names masked."""
    day = _day(desk, request.GET.get("day", ""))
    sessions = run_sheets.of_day(point=desk.point, day=day)
    _note_look(desk, sessions, purpose="run-sheet")
    return show_desk(request, desk, "pickup/staff/run_sheet.html", {"sessions": sessions, "day": day, "at": desk.now})


@at_desk
@require_safe
def show_card(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Sentences that fill the screen, and free typing, for the driver to read."""
    asked = request.GET.get("language", "")
    tongue = asked if asked in TONGUES else "ko"
    return show_desk(
        request, desk, "pickup/staff/show_card.html", {"phrases": PHRASES, "tongues": TONGUES, "tongue": tongue}
    )


def _note_look(desk: Desk, sessions: Iterable[run_sheets.Session], *, purpose: str) -> None:
    """Note whose bags, with masked names and what to do for them, are on a sheet."""
    bags = {row.bag.order_id: row.bag for session in sessions for row in session.rows}
    of_patrons = queries.orders(pk__in=list(bags)).values_list("patron_id", flat=True)
    needs = any(bag.needs or bag.in_writing for bag in bags.values())
    access.saw([f"patron:{pk}" for pk in of_patrons if pk], purpose=purpose, by=desk.by, now=desk.now, needs=needs)


# Catching up


@dataclass(slots=True)
class Line:
    """One line of the page and what became of it: `done`, `already` or `failed`, with the sentence."""

    label: str
    outcome: str
    said: str
    kept: list[str] = field(default_factory=list)


@at_desk
@require_http_methods(["GET", "HEAD", "POST"])
def catch_up(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Note what happened while the network was gone. Each line is applied by itself; what fails stays with its reason.

    Sending the page again does no harm: a bag or book that was noted already only says so.
    """
    fields = request.POST if request.method == "POST" else request.GET
    day = _day(desk, fields.get("day", ""))
    lines: list[Line] = []
    ticked: dict[int, str] = {}
    barcodes: list[str] = []
    at = fields.get("returned_at", "")
    if request.method == "POST":
        for text in request.POST.getlist("bag")[:MOST_LINES]:
            typed = request.POST.get(f"at-{text}", "")[:80]  # cut shorter, it might read as another time
            line = _hand_over(desk, text, day, typed)
            lines.append(line)
            if line.outcome == "failed":
                ticked[whole_number(text)] = typed
        for barcode in request.POST.get("barcodes", "").split()[:MOST_LINES]:
            line = _take_back(desk, barcode[:80], day, at)
            lines.append(line)
            if line.outcome == "failed":
                barcodes.append(barcode[:80])
    zone = ZoneInfo(desk.point.library.zone)
    context: dict[str, Any] = {
        "sessions": _sessions(desk, day, ticked),
        "day": day,
        "today": lending_queries.today(desk.point.library, desk.now),
        "lines": lines,
        "barcodes": "\n".join(barcodes),
        "returned_at": at or f"{desk.now.astimezone(zone):%H:%M}",
        "failed": [line for line in lines if line.outcome == "failed"],
        "went": [line for line in lines if line.outcome != "failed"],
    }
    return show_desk(request, desk, "pickup/staff/catch_up.html", context)


def _sessions(desk: Desk, day: date, ticked: dict[int, str]) -> list[dict[str, Any]]:
    """The bags that may have gone out, each with the time that is put into its field."""
    zone = ZoneInfo(desk.point.library.zone)
    found = run_sheets.of_day(point=desk.point, day=day, others=True)
    _note_look(desk, found, purpose="catch-up")
    return [
        {
            "session": session,
            "rows": [
                {
                    "row": row,
                    "ticked": row.bag.order_id in ticked,
                    "at": ticked.get(row.bag.order_id) or f"{min(row.at or desk.now, desk.now).astimezone(zone):%H:%M}",
                }
                for row in session.rows
            ],
        }
        for session in found
    ]


def _hand_over(desk: Desk, text: str, day: date, typed: str) -> Line:
    label = text[:20]
    try:
        order = order_here(desk, whole_number(text))
        label = order.shown
        at = _moment(desk, day, typed)
        if at is None:
            return Line(label, "failed", _("Please say at what time, at the latest now."))
        handed = catching_up.hand_over(order_id=order.pk, at=at, by=desk.by, now=desk.now)
    except AlreadyHandedOver as refusal:
        return Line(label, "already", str(refusal))
    except Refusal as refusal:
        return Line(label, "failed", str(refusal))
    given = sum(1 for one in handed.given if not one.reason)
    kept = [one.copy.barcode for one in handed.given if one.reason]
    said = ngettext("%(n)s book handed over.", "%(n)s books handed over.", given) % {"n": given}
    if kept:
        said += " " + ngettext("%(n)s stays here.", "%(n)s stay here.", len(kept)) % {"n": len(kept)}
    return Line(label, "done", said, kept)


def _take_back(desk: Desk, barcode: str, day: date, typed: str) -> Line:
    at = _moment(desk, day, typed)
    if at is None:
        return Line(barcode, "failed", _("Please say at what time, at the latest now."))
    try:
        back = circulation.take_back(barcode=barcode, library_id=desk.point.library_id, by=desk.by, now=at)
    except NotOnLoan as refusal:
        outcome = "already" if refusal.facts.get("returned_at") else "failed"
        return Line(barcode, outcome, str(refusal))
    except Refusal as refusal:
        return Line(barcode, "failed", str(refusal))
    following = back.next_reservation
    return Line(barcode, "done", _("Taken back; somebody waits for it.") if following else _("Taken back."))


def _moment(desk: Desk, day: date, typed: str) -> datetime | None:
    """The local time on that day as a moment that has come; None for anything else."""
    try:
        clock_time = time.fromisoformat(typed.strip())
    except ValueError:
        return None
    if clock_time.tzinfo is not None:
        return None
    moment = datetime.combine(day, clock_time, tzinfo=ZoneInfo(desk.point.library.zone))
    return moment if moment <= desk.now else None


def _day(desk: Desk, typed: str) -> date:
    """The day that the page is about: the one that was asked for, within a year, else the library's today."""
    today = lending_queries.today(desk.point.library, desk.now)
    try:
        day = date.fromisoformat(typed)
    except ValueError:
        return today
    return day if abs(day - today) <= timedelta(days=366) else today
