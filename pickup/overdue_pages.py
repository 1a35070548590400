"""Who has overdue books of the library, to phone them: those whom no text reaches come first. Made to be printed."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from core import access
from lending import reminders
from pickup.staff_pages import Desk, at_desk, show_desk


@at_desk
@require_safe
def overdue(request: HttpRequest, desk: Desk) -> HttpResponse:
    """The list, with what to say: how many books, and since when."""
    late = reminders.late_people(desk.point.library, now=desk.now)
    access.saw((f"patron:{one.patron.pk}" for one in late), purpose="overdue", by=desk.by, now=desk.now)
    groups = [[one for one in late if one.texted is texted] for texted in (False, True)]
    context = {"to_call": groups[0], "texted": groups[1], "day": desk.today}
    return show_desk(request, desk, "pickup/staff/overdue.html", context)
