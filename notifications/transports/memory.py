"""Texts in a list of this process, for tests of rooms that only want to read what was said."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from notifications.transports import Outgoing, Received, Report

sent: list[tuple[Outgoing, Report]] = []


class Memory:
    """Keeps each text in `sent`; the carrier that never fails."""

    def send(self, text: Outgoing) -> Report:
        """See Transport.send."""
        report = Report(f"memory-{uuid.uuid4().hex}", "queued", body=text.body, created_at=datetime.now(UTC))
        sent.append((text, report))
        return report

    def sent_to(self, number: str, *, since: datetime) -> Sequence[Report]:
        """See Transport.sent_to."""
        return [r for t, r in reversed(sent) if t.to == number and r.created_at is not None and r.created_at >= since]

    def fetch(self, provider_id: str) -> Report | None:
        """See Transport.fetch: whatever it took was delivered."""
        known = any(report.provider_id == provider_id for _, report in sent)
        return Report(provider_id, "delivered") if known else None

    def received(self, number: str, *, since: datetime) -> Sequence[Received]:
        """Nobody answers a list."""
        return []
