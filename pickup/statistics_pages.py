"""The numbers of a month for the people who work there, as charts; and as an open file that names nobody."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from io import StringIO
from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from core.refusal import NotFound
from pickup import statistics
from pickup.staff_pages import Desk, at_desk, show_desk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from django_stubs_ext import StrOrPromise

    from lending.models import PickupPoint
    from pickup.statistics import Figures, Month

DOORS: Mapping[str, StrOrPromise] = {
    "web": _("their own pages"),
    "link": _("the link of a text"),
    "code": _("order number"),
    "sign": _("the sign at the lane"),
    "text": _("a text"),
    "call": _("a call"),
    "phone": _("a call to the desk"),
    "desk": _("noted at the window"),
    "api": _("a camera or another program"),
    "rule": _("noted afterwards"),
}


@dataclass(frozen=True, slots=True)
class Bar:
    """A line of a chart: what, how many, and its length of a hundred."""

    label: StrOrPromise
    count: int
    length: int


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines of one measure under their title; counted in `unit`: `seconds`, `%`, or empty for what is just counted."""

    title: StrOrPromise
    bars: list[Bar]
    unit: str = ""


@at_desk
@require_safe
def month(request: HttpRequest, desk: Desk) -> HttpResponse:
    """A month (`?month=2026-11`, else this one) of every pickup place of the library."""
    library = desk.point.library
    months = statistics.months(library, now=desk.now)
    chosen = next((one for one in months if f"{one:%Y-%m}" == request.GET.get("month")), months[0])
    figures = statistics.of_month(library, chosen, now=desk.now)
    year = {point.pk: told for point, told in statistics.of_year(library, now=desk.now)}
    context = {
        "library": library,
        "months": months[:24],
        "month": chosen,
        "figures": [
            (one, list(_charts(one)), year[one.point.pk]) for one in figures if one.cars or one.kept or one.missed
        ],
        "minutes": statistics.NEAR // 60,
    }
    return show_desk(request, desk, "pickup/staff/statistics.html", context)


@at_desk
@require_safe
def open_file(request: HttpRequest, desk: Desk, month: str) -> HttpResponse:
    """The same as CSV (UTF-8 with a mark, so that spreadsheets read Hangul): place, measure, of what, number."""
    library = desk.point.library
    chosen = next((one for one in statistics.months(library, now=desk.now) if f"{one:%Y-%m}" == month), None)
    if chosen is None:
        raise NotFound
    figures = statistics.of_month(library, chosen, now=desk.now)
    return _file(library.code, month, ((chosen, one.point, one) for one in figures))


@at_desk
@require_safe
def year_file(request: HttpRequest, desk: Desk) -> HttpResponse:
    """The main figures of the last twelve months, in the same columns."""
    library = desk.point.library
    year = statistics.of_year(library, now=desk.now)
    return _file(library.code, "year", ((one.first, point, one) for point, told in year for one in told))


def _file(library: str, name: str, told: Iterable[tuple[date, PickupPoint, Figures | Month]]) -> HttpResponse:
    """An open file; words and order of its columns stay."""
    written = StringIO()
    out = csv.writer(written)
    out.writerow(["library", "month", "pickup_point", "measure", "of", "value"])
    for first, point, one in told:
        out.writerows([library, f"{first:%Y-%m}", point.code, *row] for row in one.rows())
    response = HttpResponse(written.getvalue().encode("utf-8-sig"), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{library}-{name}.csv"'
    return response


def _charts(one: Figures) -> Iterator[Chart]:
    """The charts of a month of a place, without those that have nothing to show."""
    came = {_("early"): one.early, _("on time"): one.on_time, _("late"): one.late, _("did not come"): one.missed}
    given = {f"{hour.hour:02}:00": hour.share for hour in one.hours}
    found = (
        (_("Wait until called, by the hour"), _by_hour(one.waited_at), "seconds"),
        (_("Time at the window, by the hour"), _by_hour(one.taken_at), "seconds"),
        (_("When people came for their time"), came if any(came.values()) else {}, ""),
        (_("How people said that they are here"), {DOORS.get(door, door): n for door, n in one.doors.items()}, ""),
        (_("Places taken, by the hour"), given, "%"),
    )
    for title, measured, unit in found:
        longest = 100 if unit == "%" else max(measured.values(), default=0)
        if measured:
            bars = [Bar(what, count, round(100 * count / (longest or 1))) for what, count in measured.items()]
            yield Chart(title, bars, unit)


def _by_hour(middles: Mapping[int, int]) -> dict[str, int]:
    return {f"{hour:02}:00": middle for hour, middle in middles.items()}
