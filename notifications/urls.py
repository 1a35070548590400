"""Where carriers reach us; these addresses stand in their consoles and in texts on their way."""

from __future__ import annotations

from django.urls import path

from notifications import call_webhooks, webhooks

urlpatterns = [
    path("hooks/twilio/messages", webhooks.messages, name="twilio-messages"),
    path("hooks/twilio/status", webhooks.status, name="twilio-status"),
    path("hooks/twilio/calls", call_webhooks.twilio, name="twilio-calls"),
    path("hooks/calls", call_webhooks.own, name="calls"),
]
