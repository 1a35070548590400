"""For managers: where the library's texts come from, when, how many and at what price; and today's use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from core.once import once
from core.refusal import Refusal
from lending import auth, members
from lending.pages import key_of
from notifications import phone, senders
from pickup.desk_forms import SenderForm
from pickup.saying import house_of
from pickup.staff_pages import Desk, at_desk, show_desk

if TYPE_CHECKING:
    from notifications.models import Sender


@at_desk
@require_http_methods(["GET", "HEAD", "POST"])
def sender(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Read and change the sender of the library's texts."""
    auth.require_staff(desk.by, desk.point.library_id, members.Role.MANAGER)
    house = house_of(desk.point.library)
    form = SenderForm(request.POST if request.method == "POST" else None, initial=_shown(house.sender))
    status = form.status
    if request.method == "POST" and form.is_valid():
        try:
            with once(desk.by, request, key=key_of(request)) as answer:
                senders.change(key=house.sender.key, values=form.cleaned_data, by=desk.by, now=desk.now)
                messages.success(request, _("Saved."))
                return answer.redirect(desk.to("sender"))
        except Refusal as refusal:
            form.refuse(refusal)
            status = refusal.status
    use = senders.use(house.sender, now=desk.now)
    context = {"house": house, "form": form, "use": use, "left": max(house.sender.daily_budget - use.parts, 0)}
    return show_desk(request, desk, "pickup/staff/sender.html", context, status=status)


def _shown(row: Sender) -> dict[str, object]:
    """The values as people here write them."""
    values: dict[str, object] = {name: getattr(row, name) for name in senders.SET}
    for name in ("number", "desk"):
        if values[name]:
            values[name] = phone.display(str(values[name]), row.region)
    return values
