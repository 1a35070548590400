"""Lists of another system, as files: of a day, of which bags are made, and of what is lent there; looked at first."""

from __future__ import annotations

import base64
from datetime import date
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_language, ngettext
from django.views.decorators.http import require_http_methods

from core.once import once
from core.refusal import Refusal
from lending import circulation, day_lists, sheets
from lending.errors import UnreadableTable
from lending.pages import key_of
from pickup import day_lists as lists
from pickup.desk_forms import DayListForm, ListForm
from pickup.staff_pages import Desk, at_desk, show_desk, show_not_used

if TYPE_CHECKING:
    from lending.models import Library

MOST = 600 * 1024  # bytes; the file travels with the page until it is said that bags are to be made of it
PROBLEMS_SHOWN = 100


class _NotAllFits(Exception):
    """A row that was good when the list was looked at cannot be taken any more: nothing was kept."""


@at_desk
@require_http_methods(["GET", "HEAD", "POST"])
def day_list(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Choose a file, see what would become of it, make bags of it."""
    library = desk.point.library
    if not circulation.is_beside(library):
        return show_not_used(request, desk)
    days, language = lists.days(library, now=desk.now), get_language() or "ko"
    form = DayListForm(
        request.POST if request.method == "POST" else None,
        maps=_maps(language),
        days=(days.first, days.last),
        initial={"day": days.usual},
    )
    context: dict[str, Any] = {"form": form}
    if request.method == "POST" and form.is_valid():
        asked = form.cleaned_data
        try:
            content = _content(request)
            listed = _read(content, asked, library)
            if request.POST.get("step") == "keep":
                try:
                    return _keep(request, desk, listed, asked["day"], packed=asked["packed"])
                except _NotAllFits:
                    pass
            result = _take(desk, listed, asked["day"], packed=asked["packed"], dry_run=True, skip_bad=True)
        except Refusal as refusal:
            form.refuse(refusal)
        else:
            context |= {
                "listed": listed,
                "result": result,
                "bad": result.bad[:PROBLEMS_SHOWN],
                "map_name": listed.map.name_in(language),
                "content": base64.b64encode(content).decode(),
            }
    return show_desk(request, desk, "pickup/staff/day_list.html", context, status=form.status)


@at_desk
@require_http_methods(["GET", "HEAD", "POST"])
def lent_list(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Choose a file of what is lent out there, see which of our copies it marks, mark them."""
    library = desk.point.library
    if not circulation.is_beside(library):
        return show_not_used(request, desk)
    language = get_language() or "ko"
    form = ListForm(request.POST if request.method == "POST" else None, maps=_maps(language))
    context: dict[str, Any] = {"form": form}
    if request.method == "POST" and form.is_valid():
        try:
            content = _content(request)
            listed = _read(content, form.cleaned_data, library, lent=True)
            if request.POST.get("step") == "keep":
                return _mark(request, desk, listed)
        except Refusal as refusal:
            form.refuse(refusal)
        else:
            context |= {
                "listed": listed,
                "told": day_lists.look_at_lent(entries=listed.entries, library=library),
                "bad": listed.bad[:PROBLEMS_SHOWN],
                "map_name": listed.map.name_in(language),
                "content": base64.b64encode(content).decode(),
            }
    return show_desk(request, desk, "pickup/staff/lent_list.html", context, status=form.status)


def _mark(request: HttpRequest, desk: Desk, listed: day_lists.DayList) -> HttpResponse:
    with once(desk.by, request, key=key_of(request)) as answer:
        told = day_lists.mark_lent(entries=listed.entries, library=desk.point.library, by=desk.by, now=desk.now)
        said = ngettext("%(n)s copy is marked as lent there.", "%(n)s copies are marked as lent there.", told.marked)
        messages.success(request, said % {"n": told.marked})
        return answer.redirect(desk.to("day-list"))


def _maps(language: str) -> list[tuple[str, str]]:
    return [(key, one.name_in(language)) for key, one in day_lists.saved_maps().items()]


def _read(content: bytes, asked: dict[str, Any], library: Library, *, lent: bool = False) -> day_lists.DayList:
    sheet = sheets.read(content, encoding=asked["encoding"])
    maps = day_lists.saved_maps()
    chosen = [maps[asked["map"]]] if asked["map"] else list(maps.values())
    return day_lists.read(sheet, chosen, region=library.region, lent=lent)


def _content(request: HttpRequest) -> bytes:
    """The file, freshly chosen or as it was looked at."""
    chosen = request.FILES.get("file")
    if chosen is not None:
        if (chosen.size or 0) > MOST:
            raise UnreadableTable(field="file", why="too_large", most=MOST / 1024 / 1024)
        return bytes(chosen.read())
    return sheets.decoded(request.POST.get("content", ""), field="file")


def _keep(request: HttpRequest, desk: Desk, listed: day_lists.DayList, day: date, *, packed: bool) -> HttpResponse:
    skip_bad = request.POST.get("skip_bad") == "1"
    with once(desk.by, request, key=key_of(request)) as answer:
        result = _take(desk, listed, day, packed=packed, dry_run=False, skip_bad=skip_bad)
        if not result.kept:
            raise _NotAllFits
        said = ngettext("%(n)s bag is on the list now.", "%(n)s bags are on the list now.", result.bags)
        messages.success(request, said % {"n": result.bags})
        return answer.redirect(desk.to("shelf" if packed else "pull-list"))


def _take(
    desk: Desk, listed: day_lists.DayList, day: date, *, packed: bool, dry_run: bool, skip_bad: bool
) -> lists.TakenOver:
    return lists.take_over(
        listed=listed,
        point=desk.point,
        day=day,
        packed=packed,
        skip_bad=skip_bad,
        dry_run=dry_run,
        by=desk.by,
        now=desk.now,
    )
