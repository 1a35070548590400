"""The pages on which managers set when a pickup point hands over: the week, one window, the rules behind them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from core.once import once
from core.refusal import BadInput, Refusal
from lending import auth, members
from lending import queries as lending_queries
from lending.pages import key_of
from pickup import hours, hours_forms, point_queries
from pickup.hours_forms import NewWindowsForm, PointRulesForm, WindowForm
from pickup.models import Window
from pickup.staff_pages import Desk, at_desk, became, show_desk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pickup.models import PointChange, PointRules

CHANGES_SHOWN = 20
NEW = {"slot_minutes": 15, "capacity": 4, "accessible": 0, "cutoff_days": 0, "regime": Window.Regime.BOTH}


@dataclass(frozen=True, slots=True)
class Weekday:
    """A weekday of the week table with its windows; `closed`: the library never opens on it."""

    number: int
    name: str
    closed: bool
    windows: list[Window] = field(default_factory=list)


@at_desk
@require_http_methods(["GET", "HEAD", "POST"])
def times(request: HttpRequest, desk: Desk) -> HttpResponse:
    """The week of a pickup point, what differs from it, and the rules; for managers."""
    _manager(desk)
    if request.method == "POST":
        if request.POST.get("step") != "move":
            raise BadInput(field="step")
        with once(desk.by, request, key=key_of(request)) as answer:
            done = hours.move_standing(point_id=desk.point.pk, by=desk.by, now=desk.now)
            messages.success(request, " ".join(_became(done)) or _("There was nobody to move."))
            return answer.redirect(desk.to("times"))
    closed = lending_queries.library_with_rules(desk.point.library_id).weekly_closed
    week = [Weekday(number, str(name), number in closed) for number, name in WEEKDAYS.items()]
    special = []
    for window in hours.windows_of(desk.point.pk):
        if window.weekday is not None and window.nth is None:
            week[window.weekday].windows.append(window)
        elif window.date is None or window.date >= desk.today:
            special.append((hours_forms.day_of(hours.values_of(window)), window))
    rules = point_queries.rules_of(desk.point.pk)
    context = {
        "week": week,
        "special": special,
        "rules": list(_rules(rules)),
        "excludes": hours.excludes(rules, point_queries.window_rules(desk.point.pk)),
        "visits": hours.standing(point_id=desk.point.pk, now=desk.now),
        "changes": [_told(change) for change in hours.history(desk.point.pk)[:CHANGES_SHOWN]],
    }
    return show_desk(request, desk, "pickup/staff/hours.html", context)


@at_desk
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest, desk: Desk) -> HttpResponse:
    """New windows, one for each weekday that is ticked: a form, then what they would mean, then keep or move."""
    _manager(desk)
    step = request.POST.get("step", "look")
    if step not in {"look", "keep", "move"}:
        raise BadInput(field="step")
    form = NewWindowsForm(request.POST if request.method == "POST" else None, initial=NEW)
    effect = None
    if request.method == "POST" and form.is_valid():
        try:
            if step == "look":
                effect = hours.effect_of_new(point_id=desk.point.pk, values=form.each, now=desk.now)
            else:
                with once(desk.by, request, key=key_of(request)) as answer:
                    done = hours.add_windows(
                        point_id=desk.point.pk, values=form.each, move=step == "move", by=desk.by, now=desk.now
                    )
                    messages.success(request, " ".join([_("Saved. The times follow."), *_became(done)]))
                    return answer.redirect(desk.to("times"))
        except Refusal as refusal:
            form.refuse(refusal)
    becomes = [hours_forms.called(one) for one in form.each] if effect else []
    context = {"form": form, "effect": effect, "becomes": becomes}
    return show_desk(request, desk, "pickup/staff/hours_window.html", context, status=form.status)


@at_desk
@require_http_methods(["GET", "HEAD", "POST"])
def window(request: HttpRequest, desk: Desk, window_id: int) -> HttpResponse:
    """One window: a form, then what the change would mean, then keep or move; removing it goes the same way."""
    _manager(desk)
    one = hours.window_at(desk.point.pk, window_id)
    step = request.POST.get("step", "look")
    if step not in {"look", "keep", "move", "look-remove", "remove", "move-remove"}:
        raise BadInput(field="step")
    going = "remove" in step
    given = request.POST if request.method == "POST" and not going else None
    form = WindowForm(given, initial=hours_forms.initial(one))
    about: dict[str, Any] = {"point_id": desk.point.pk, "window_id": window_id, "now": desk.now}
    effect = None
    if request.method == "POST" and (going or form.is_valid()):
        values = None if going else form.values
        try:
            if step in {"look", "look-remove"}:
                effect = hours.effect_of_window(**about, values=values)
            else:
                return _act(request, desk, window_id, values, move=step.startswith("move"))
        except Refusal as refusal:
            if going:
                raise
            form.refuse(refusal)
    called, looked = hours_forms.called(hours.values_of(one)), effect is not None and not going
    becomes = hours_forms.called(form.values) if looked else called
    context = {
        "one": one,
        "form": form,
        "going": going,
        "effect": effect,
        "called": called,
        "differences": hours_forms.differences(hours.values_of(one), form.values) if looked else [],
        "becomes": [becomes] if becomes != called else [],
    }
    return show_desk(request, desk, "pickup/staff/hours_window.html", context, status=form.status)


def _act(
    request: HttpRequest, desk: Desk, window_id: int, values: dict[str, Any] | None, *, move: bool
) -> HttpResponse:
    with once(desk.by, request, key=key_of(request)) as answer:
        if values is None:
            done = hours.remove_window(point_id=desk.point.pk, window_id=window_id, move=move, by=desk.by, now=desk.now)
            said = _("These times are gone.")
        else:
            done = hours.set_window(
                point_id=desk.point.pk, window_id=window_id, values=values, move=move, by=desk.by, now=desk.now
            )
            said = _("Saved. The times follow.")
        messages.success(request, " ".join([said, *_became(done)]))
        return answer.redirect(desk.to("times"))


@at_desk
@require_http_methods(["GET", "HEAD", "POST"])
def rules(request: HttpRequest, desk: Desk) -> HttpResponse:
    """The rules behind the times: a form, then what they would change, then the click; for managers."""
    _manager(desk)
    found = point_queries.rules_of(desk.point.pk)
    step = request.POST.get("step", "look")
    if step not in {"look", "save"}:
        raise BadInput(field="step")
    was = hours.values_of(found)
    form = PointRulesForm(request.POST if request.method == "POST" else None, initial=was)
    about: dict[str, Any] = {"point_id": desk.point.pk, "now": desk.now}
    effect = None
    if request.method == "POST" and form.is_valid():
        try:
            if step == "look":
                effect = hours.effect_of_rules(**about, values=form.values)
            else:
                with once(desk.by, request, key=key_of(request)) as answer:
                    hours.set_rules(**about, values=form.values, by=desk.by)
                    messages.success(request, _("Saved. What is promised keeps its terms."))
                    return answer.redirect(desk.to("times"))
        except Refusal as refusal:
            effect = None
            form.refuse(refusal)
    context = {
        "form": form,
        "effect": effect,
        "differences": hours_forms.differences(was, form.values) if effect else [],
    }
    return show_desk(request, desk, "pickup/staff/hours_rules.html", context, status=form.status)


def _manager(desk: Desk) -> None:
    auth.require_staff(desk.by, desk.point.library_id, members.Role.MANAGER)


def _rules(rules: PointRules) -> Iterator[tuple[str, str]]:
    for name, value in hours.values_of(rules).items():
        yield str(hours_forms.LABELS[name]), hours_forms.shown(name, value)


def _told(change: PointChange) -> tuple[PointChange, str, list[tuple[str, str, str]]]:
    """A change, what it was about, and what differs."""
    if change.window is None:
        about = _("Rules")
    elif not change.was:
        about = _("New: %(window)s") % {"window": hours_forms.called(change.became)}
    elif not change.became:
        about = _("Removed: %(window)s") % {"window": hours_forms.called(change.was)}
    else:
        about = hours_forms.called(change.was)
    return change, about, hours_forms.differences(change.was, change.became)


def _became(done: hours.Changed) -> list[str]:
    parts = became(done.moved, done.called)
    if done.kept:
        said = ngettext("%(n)s visit keeps its time.", "%(n)s visits keep their time.", done.kept)
        parts.append(said % {"n": done.kept})
    return parts
