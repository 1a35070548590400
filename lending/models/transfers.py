"""Books that travel between libraries of a programme, because somebody elsewhere waits for them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from core.moves import Moving, state_law
from lending.models.books import Copy
from lending.models.libraries import Library
from lending.states import OPEN_TRANSFER, TRANSFER_MOVES, TransferState


class Transfer(Moving):
    """One journey of a copy. For whom, the reservation that holds the copy says; it may change on the way."""

    MOVES = TRANSFER_MOVES
    FIRST = TransferState.REQUESTED

    copy = models.ForeignKey(Copy, on_delete=models.PROTECT, related_name="transfers")
    from_library = models.ForeignKey(Library, on_delete=models.PROTECT, related_name="transfers_out")
    to_library = models.ForeignKey(Library, on_delete=models.PROTECT, related_name="transfers_in")
    requested_at = models.DateTimeField()
    expected_on = models.DateField(help_text="local day of the receiving library")

    class Meta:
        constraints: ClassVar = [
            state_law("lending_transfer_state_known", TRANSFER_MOVES),
            models.UniqueConstraint(
                fields=["copy"], condition=Q(state__in=OPEN_TRANSFER), name="lending_copy_travels_once"
            ),
            models.CheckConstraint(condition=~Q(from_library=F("to_library")), name="lending_transfer_goes_somewhere"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["from_library"], condition=Q(state=TransferState.REQUESTED), name="lending_transfers_to_send"
            ),
            models.Index(
                fields=["to_library"], condition=Q(state=TransferState.SENT), name="lending_transfers_to_receive"
            ),
        ]

    def __str__(self) -> str:
        return f"transfer {self.pk} ({self.state})"
