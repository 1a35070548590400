"""The page of opening days: the coming weeks, a day that is closed or opened, and the rule behind them."""

from __future__ import annotations

from datetime import date, timedelta

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from core.once import once
from core.refusal import BadInput
from lending import auth, members
from lending import opening as lending_opening
from lending import queries as lending_queries
from lending.pages import key_of
from lending.staff_forms import WeekForm
from pickup import opening
from pickup.forms import DayForm
from pickup.staff_pages import Desk, at_desk, became, show_desk

WEEKS = 6


@at_desk
@require_http_methods(["GET", "HEAD", "POST"])
def days(request: HttpRequest, desk: Desk) -> HttpResponse:
    """The coming weeks; with `?day=` what closing or opening that day would mean, and the click; for managers."""
    auth.require_staff(desk.by, desk.point.library_id, members.Role.MANAGER)
    library = lending_queries.library_with_rules(desk.point.library_id)
    week = WeekForm(
        request.POST if request.POST.get("step") == "week" else None,
        initial={
            "weekly_closed": library.weekly_closed,
            "nth_closed": library.nth_closed,
            "holidays": library.holidays,
        },
    )
    form = DayForm(request.POST if request.POST.get("step") in {"close", "move", "open", "forget"} else None)
    if request.method == "POST" and ((form.is_bound and form.is_valid()) or (week.is_bound and week.is_valid())):
        return _act(request, desk, week, form)
    monday = desk.today - timedelta(days=desk.today.weekday())
    last = monday + timedelta(days=7 * WEEKS - 1)
    counts = opening.visits_of_days(library=library, first=monday, last=last, now=desk.now)
    shown = [(one, counts[one.day]) for one in opening.days(library=library, first=monday, last=last)]
    typed = request.POST.get("day") or request.GET.get("day", "")
    chosen = _chosen(typed, desk.today)
    context = {
        "library": library,
        "today": desk.today,
        "tomorrow": desk.today + timedelta(days=1),
        "weeks": [shown[start : start + 7] for start in range(0, len(shown), 7)],
        "special": lending_opening.special_days(library.pk, since=desk.today),
        "furthest": desk.today + lending_opening.FURTHEST,
        "chosen": chosen,
        "not_a_day": chosen is None and typed,
        "one": next(iter(opening.days(library=library, first=chosen, last=chosen))) if chosen else None,
        "visits": opening.visits(library=library, day=chosen, now=desk.now) if chosen else [],
        "bags": opening.kept_until(library=library, day=chosen).count() if chosen else 0,
        "form": form,
        "week": week,
    }
    return show_desk(request, desk, "pickup/staff/days.html", context, status=max(form.status, week.status))


def _act(request: HttpRequest, desk: Desk, week: WeekForm, form: DayForm) -> HttpResponse:
    step, library_id = request.POST.get("step", ""), desk.point.library_id
    with once(desk.by, request, key=key_of(request)) as answer:
        if step == "week":
            standing = opening.rule(library_id=library_id, **week.cleaned_data, by=desk.by, now=desk.now)
            messages.success(request, _said_of_rule(standing))
            return answer.redirect(desk.to("days"))
        day, reason = form.cleaned_data["day"], form.cleaned_data["reason"]
        if step == "close":
            done = opening.close(library_id=library_id, day=day, reason=reason, by=desk.by, now=desk.now)
            messages.success(request, " ".join([_("The day is closed."), *became(done.moved, done.called)]))
        elif step == "move":
            done = opening.move(library_id=library_id, day=day, by=desk.by, now=desk.now)
            messages.success(request, " ".join(became(done.moved, done.called)))
        elif step == "open":
            if opening.open_up(library_id=library_id, day=day, reason=reason, by=desk.by, now=desk.now):
                messages.success(request, _("The day is open; its times can be had."))
            else:
                messages.warning(request, _("The day is open. No pickup times are set for it: add them here."))
                return answer.redirect(desk.to("times"))
        elif step == "forget":
            done = opening.forget(library_id=library_id, day=day, by=desk.by, now=desk.now)
            said = [_("The rule decides about this day again."), *became(done.moved, done.called)]
            messages.success(request, " ".join(said))
        else:
            raise BadInput(field="step")
        return answer.redirect(desk.to("days"))


def _said_of_rule(standing: int) -> str:
    if not standing:
        return _("Saved.")
    return ngettext(
        "Saved. %(n)s promised visit lies outside the hours now, and stands: “Pickup times” keeps or moves it.",
        "Saved. %(n)s promised visits lie outside the hours now, and stand: “Pickup times” keeps or moves them.",
        standing,
    ) % {"n": standing}


def _chosen(typed: str, today: date) -> date | None:
    """The day that was typed, if it is one that can still be changed."""
    try:
        found = parse_date(typed)
    except ValueError:
        return None
    return found if found is not None and lending_opening.can_change(found, today=today) else None
