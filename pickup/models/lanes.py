"""Who is here, and where they are served."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core.moves import Moving, state_law
from lending.models import Patron, PickupPoint
from pickup.states import (
    HERE,
    VISIT_MOVES,
    VisitState,
)


class Lane(models.Model):
    """One service position at a point."""

    point = models.ForeignKey(PickupPoint, on_delete=models.CASCADE, related_name="lanes")
    name = models.CharField(max_length=20)
    open = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["point", "name"], name="pickup_lane_named_once")]

    def __str__(self) -> str:
        return self.name


class Visit(Moving):
    """Somebody is here: to collect, to return or to ask."""

    MOVES = VISIT_MOVES
    FIRST = VisitState.WAITING

    class Purpose(models.TextChoices):
        COLLECT = "collect", _("to collect")
        RETURN = "return", _("to return")
        ASK = "ask", _("to ask")

    point = models.ForeignKey(PickupPoint, on_delete=models.PROTECT, related_name="visits")
    purpose = models.CharField(max_length=10, choices=Purpose.choices, default=Purpose.COLLECT)
    patron = models.ForeignKey(Patron, null=True, blank=True, on_delete=models.SET_NULL, related_name="visits")
    plate = models.CharField(max_length=20, blank=True)
    bay = models.CharField(max_length=10, blank=True)
    lane = models.ForeignKey(Lane, null=True, blank=True, on_delete=models.PROTECT, related_name="visits")
    door = models.CharField(max_length=10, help_text=_("the channel of the arrival"))
    arrived_at = models.DateTimeField()
    queued_at = models.DateTimeField(help_text=_("the turn: the moment by which the car stands in the line"))
    expected_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text=_("the wait that was told on arrival; null where none was")
    )
    first = models.BooleanField(default=False, help_text=_("goes before all others: an undone hand-over"))
    called_at = models.DateTimeField(null=True, blank=True)
    called_by = models.CharField(max_length=40, blank=True)
    recalled_at = models.DateTimeField(null=True, blank=True, help_text=_("called once more"))
    recalls = models.PositiveSmallIntegerField(default=0, help_text=_("how often it was called once more"))
    passed_at = models.DateTimeField(
        null=True, blank=True, help_text=_("passed over or put back: called and not there")
    )
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            state_law("pickup_visit_state_known", VISIT_MOVES),
            models.CheckConstraint(
                condition=Q(purpose__in=["collect", "return", "ask"]), name="pickup_visit_purpose_known"
            ),
            models.UniqueConstraint(
                fields=["point", "patron"], condition=Q(state__in=HERE), name="pickup_patron_here_once"
            ),
            models.UniqueConstraint(
                fields=["point", "plate"], condition=Q(state__in=HERE) & ~Q(plate=""), name="pickup_plate_here_once"
            ),
            models.UniqueConstraint(
                fields=["lane"], condition=Q(state=VisitState.CALLED), name="pickup_one_called_per_lane"
            ),
            models.CheckConstraint(
                condition=~Q(state=VisitState.CALLED) | Q(called_at__isnull=False), name="pickup_called_has_its_time"
            ),
            models.CheckConstraint(
                condition=Q(called_at__isnull=True) | Q(called_at__gte=F("arrived_at")),
                name="pickup_arrived_before_called",
            ),
            models.CheckConstraint(
                condition=Q(recalls=0, recalled_at__isnull=True)
                | Q(recalls__gte=1, called_at__isnull=False, recalled_at__gte=F("called_at")),
                name="pickup_called_before_recalled",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["point", "queued_at"], condition=Q(state__in=HERE), name="pickup_visit_queue"),
        ]

    def __str__(self) -> str:
        return f"visit {self.pk} ({self.state})"
