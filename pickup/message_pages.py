"""What was said to whoever collects an order, by text and telephone: what, when, what became of it, why not yet."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core import access
from core.once import once
from lending.pages import key_of
from notifications import outbox, phone, trail
from notifications import queries as notified
from notifications.errors import UnknownMessage
from pickup import known_by
from pickup.staff_pages import Desk, at_desk, order_here, show_desk


@at_desk
@require_safe
def said(request: HttpRequest, desk: Desk, order_id: int) -> HttpResponse:
    """The texts and calls about an order and its times, and what was written back; newest first."""
    order = order_here(desk, order_id)
    access.saw([f"order:{order.pk}"], purpose="messages", by=desk.by, now=desk.now)
    entries = trail.about(known_by.things_of(order), now=desk.now)
    region = desk.point.library.region
    told = [(entry, phone.shown(entry.number, region)) for entry in entries]
    return show_desk(request, desk, "pickup/staff/said.html", {"order": order, "entries": told})


@at_desk
@require_POST
def repeat(request: HttpRequest, desk: Desk, order_id: int, message_id: int) -> HttpResponse:
    """Send one of the texts about an order once more."""
    with once(desk.by, request, key=key_of(request)) as answer:
        order = order_here(desk, order_id)
        if not notified.messages_about(known_by.things_of(order)).filter(pk=message_id).exists():
            raise UnknownMessage(message=message_id)
        outbox.repeat(message_id=message_id, now=desk.now, by=desk.by)
        messages.success(request, _("The text goes out again."))
        return answer.redirect(desk.to("order-messages", order.pk))
