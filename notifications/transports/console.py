"""Texts on standard error, for a developer without a carrier."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

import structlog

from notifications.transports import Outgoing, Received, Report

log = structlog.get_logger()

OURS = "console-"


class Console:
    """Says each text in the log. Nothing comes back, and nothing is remembered but the form of its own ids."""

    def send(self, text: Outgoing) -> Report:
        """See Transport.send."""
        log.info("text", message=text.message_id, to=text.to, body=text.body)
        return Report(provider_id=f"{OURS}{uuid.uuid4().hex}", status="sent")

    def sent_to(self, number: str, *, since: datetime) -> Sequence[Report]:
        """Knows of none."""
        return []

    def fetch(self, provider_id: str) -> Report | None:
        """Whatever was said was read."""
        return Report(provider_id=provider_id, status="delivered") if provider_id.startswith(OURS) else None

    def received(self, number: str, *, since: datetime) -> Sequence[Received]:
        """Nobody answers a console."""
        return []
