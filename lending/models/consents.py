"""What people agreed to. Rows are added, never changed: a withdrawal is a row of its own."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from lending.models.people import Patron


class Consent(models.Model):
    """One answer of a patron to one question, in the version that they read. A trigger refuses UPDATE."""

    class What(models.TextChoices):
        PRIVACY = "privacy", _("Name, card and number are kept to lend books")
        ABROAD = "abroad", _("Texts go through a carrier abroad")
        NEEDS = "needs", _("What to do at the car is kept")
        TOGETHER = "together", _("The household is served in one car")
        HISTORY = "history", _("Returned books stay in my list")

    patron = models.ForeignKey(Patron, on_delete=models.CASCADE, related_name="consents")
    what = models.CharField(max_length=10, choices=What.choices)
    version = models.CharField(max_length=10, help_text=_("of the wording: the month it was written in"))
    given = models.BooleanField(help_text=_("or withdrawn"))
    at = models.DateTimeField()
    by = models.CharField(max_length=40, help_text=_("who entered it: patron, or staff:3"))
    channel = models.CharField(max_length=10)
    guardian = models.CharField(max_length=80, blank=True, help_text=_("who agreed for a child under 14"))

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(what__in=["privacy", "abroad", "needs", "together", "history"]),
                name="lending_consent_known",
            ),
            models.CheckConstraint(condition=~Q(version=""), name="lending_consent_names_its_version"),
        ]
        indexes: ClassVar = [models.Index(fields=["patron", "what", "-id"], name="lending_consent_standing")]

    def __str__(self) -> str:
        return f"{self.what} {'given' if self.given else 'withdrawn'}"
