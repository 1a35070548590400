"""Rehearsals in a training library, and the cars that come to them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core.moves import Moving, state_law
from lending.models import Library, Patron, PickupPoint
from pickup.models.bags import Order
from pickup.models.lanes import Visit
from pickup.states import CAR_MOVES, REHEARSAL_MOVES, CarState, RehearsalState


class Rehearsal(Moving):
    """A mock hour at one pickup point of a training library; `begun_by` is the principal."""

    MOVES = REHEARSAL_MOVES
    FIRST = RehearsalState.RUNNING

    library = models.ForeignKey(Library, on_delete=models.PROTECT, related_name="rehearsals")
    point = models.ForeignKey(PickupPoint, on_delete=models.PROTECT, related_name="rehearsals")
    minutes = models.PositiveSmallIntegerField(help_text=_("in which all cars come"))
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    begun_by = models.CharField(max_length=40)

    class Meta:
        constraints: ClassVar = [
            state_law("pickup_rehearsal_state_known", REHEARSAL_MOVES),
            models.UniqueConstraint(
                fields=["library"], condition=Q(state=RehearsalState.RUNNING), name="pickup_one_rehearsal_at_a_time"
            ),
            models.CheckConstraint(
                condition=(~Q(state=RehearsalState.RUNNING) | Q(ended_at__isnull=True))
                & (~Q(state=RehearsalState.ENDED) | Q(ended_at__isnull=False, ended_at__gte=F("started_at"))),
                name="pickup_ended_rehearsal_has_its_time",
            ),
            models.CheckConstraint(condition=Q(minutes__gte=1), name="pickup_rehearsal_takes_a_while"),
        ]

    def __str__(self) -> str:
        return f"rehearsal {self.pk} ({self.state})"


class RehearsalCar(Moving):
    """One car of a rehearsal: who is in it, for which bag, and when it comes."""

    MOVES = CAR_MOVES
    FIRST = CarState.DUE

    class Kind(models.TextChoices):
        """What is special about it."""

        EARLY = "early", _("Early: the bag is still being packed")
        PLAIN = "plain", _("As expected, tells us by text")
        FAMILY = "family", _("A family, three bags in one car")
        GRANDSON = "grandson", _("The grandson of a reader with a landline")
        MISSING = "missing", _("One book was not on its shelf")
        RETURN = "return", _("Only brings books back")
        WRITING = "writing", _("A Deaf driver: everything in writing")
        ENGLISH = "english", _("Reads English")
        ELSEWHERE = "elsewhere", _("At the wrong place: the bag waits elsewhere")
        BOOT = "boot", _("The bag goes into the boot")
        PLATE = "plate", _("The camera reads the plate")
        CARD = "card", _("No number at hand, only the card")

    rehearsal = models.ForeignKey(Rehearsal, on_delete=models.PROTECT, related_name="cars")
    number = models.PositiveSmallIntegerField(help_text=_("the how-manieth car it is"))
    kind = models.CharField(max_length=10, choices=Kind.choices)
    due_at = models.DateTimeField(help_text=_("then it comes"))
    patron = models.ForeignKey(Patron, null=True, on_delete=models.SET_NULL, related_name="+")
    order = models.ForeignKey(
        Order, null=True, blank=True, on_delete=models.PROTECT, related_name="+", help_text=_("what it comes for")
    )
    visit = models.OneToOneField(Visit, null=True, blank=True, on_delete=models.PROTECT, related_name="rehearsal_car")

    class Meta:
        constraints: ClassVar = [
            state_law("pickup_rehearsal_car_state_known", CAR_MOVES),
            models.CheckConstraint(
                condition=Q(
                    kind__in=[
                        "early", "plain", "family", "grandson", "missing", "return",
                        "writing", "english", "elsewhere", "boot", "plate", "card",
                    ]
                ),
                name="pickup_rehearsal_car_known",
            ),
            models.UniqueConstraint(fields=["rehearsal", "number"], name="pickup_rehearsal_car_numbered_once"),
            models.CheckConstraint(
                condition=Q(order__isnull=False) | Q(kind="return"), name="pickup_rehearsal_car_has_a_bag"
            ),
            models.CheckConstraint(
                condition=(Q(state=CarState.DUE) & Q(visit__isnull=True))
                | (Q(state=CarState.CAME) & Q(visit__isnull=False))
                | Q(state=CarState.DROPPED),
                name="pickup_rehearsal_car_that_came_is_here",
            ),
        ]  # fmt: skip
        indexes: ClassVar = [
            models.Index(fields=["due_at"], condition=Q(state=CarState.DUE), name="pickup_rehearsal_car_due"),
        ]

    def __str__(self) -> str:
        return f"car {self.number} of rehearsal {self.rehearsal_id} ({self.state})"
