"""How a patron stands with a programme: a larger allowance, strikes, pauses. Dates and kinds, never a title."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from lending.models.people import Patron
from lending.models.programmes import Allowance, Programme
from lending.states import StrikeKind


class Forgiven(models.TextChoices):
    """Why staff took something back that was held against a patron: a class, never a story."""

    OURS = "ours", _("a mistake of the library")
    UNTOLD = "untold", _("the message did not arrive")
    GOODWILL = "goodwill", _("goodwill")


class Grant(models.Model):
    """A patron is of a class to whom the programme allows more, until a day or for good."""

    patron = models.ForeignKey(Patron, on_delete=models.CASCADE, related_name="grants")
    allowance = models.ForeignKey(Allowance, on_delete=models.CASCADE, related_name="grants")
    until = models.DateField(null=True, blank=True, help_text=_("last local day; empty: for good"))
    granted_at = models.DateTimeField(null=True, blank=True)
    granted_by = models.CharField(max_length=40, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["patron", "allowance"], name="lending_allowance_granted_once")
        ]

    def __str__(self) -> str:
        return f"grant {self.pk}"


class Strike(models.Model):
    """Something that is held against a patron while the rule of the programme can see it; staff may forgive it."""

    Kind = StrikeKind

    patron = models.ForeignKey(Patron, on_delete=models.CASCADE, related_name="strikes")
    programme = models.ForeignKey(Programme, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=12, choices=StrikeKind.choices)
    on = models.DateField()
    forgiven_at = models.DateTimeField(null=True, blank=True)
    forgiven_by = models.CharField(max_length=40, blank=True)
    forgiven_why = models.CharField(max_length=12, choices=Forgiven.choices, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(kind__in=StrikeKind.values), name="lending_strike_kind_known"),
            models.CheckConstraint(
                condition=Q(forgiven_why__in=["", *Forgiven.values]), name="lending_strike_forgiven_for_a_known_reason"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["patron", "programme", "on"], name="lending_strikes_of_patron")]

    def __str__(self) -> str:
        return f"strike {self.pk} ({self.kind})"


class Pause(models.Model):
    """From which day until which a patron cannot ask for books of a programme, because some came back late."""

    patron = models.ForeignKey(Patron, on_delete=models.CASCADE, related_name="pauses")
    programme = models.ForeignKey(Programme, on_delete=models.PROTECT, related_name="+")
    days_overdue = models.PositiveSmallIntegerField()
    since = models.DateField()
    until = models.DateField()
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.CharField(max_length=40, blank=True)
    lifted_why = models.CharField(max_length=12, choices=Forgiven.choices, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(until__gte=F("since")), name="lending_pause_begins_before_it_ends"),
            models.CheckConstraint(
                condition=Q(lifted_why__in=["", *Forgiven.values]), name="lending_pause_lifted_for_a_known_reason"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["patron", "programme", "until"], name="lending_pauses_of_patron")]

    def __str__(self) -> str:
        return f"pause {self.pk} until {self.until}"
