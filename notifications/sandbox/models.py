"""What the stand-in remembers: texts, what it still has to tell us, and who said stop."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Text(models.Model):
    """A text as the carrier sees it, in either direction."""

    class Direction(models.TextChoices):
        INBOUND = "inbound"
        OUTBOUND = "outbound-api"
        OUTBOUND_REPLY = "outbound-reply"  # the carrier's own answer to STOP and its kind

    sid = models.CharField(max_length=34, unique=True)
    direction = models.CharField(max_length=14, choices=Direction.choices)
    sent_from = models.CharField(max_length=16)
    sent_to = models.CharField(max_length=16)
    body = models.TextField(blank=True)
    segments = models.PositiveSmallIntegerField(default=1)
    status = models.CharField(max_length=12)
    status_callback = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["sent_to", "-id"], name="sandbox_text_to"),
            models.Index(fields=["sent_from", "-id"], name="sandbox_text_from"),
        ]

    def __str__(self) -> str:
        return f"{self.sid} ({self.status})"


class Posting(models.Model):
    """Something the carrier tells our webhooks: a worker posts it, signed, until it is answered."""

    text = models.ForeignKey(Text, on_delete=models.CASCADE, related_name="postings")
    address = models.CharField(max_length=500)
    fields = models.JSONField()
    status = models.CharField(max_length=12, blank=True, help_text="what the text becomes when this is told")
    due_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)
    done_at = models.DateTimeField(null=True, blank=True)
    answer = models.PositiveSmallIntegerField(null=True, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["due_at", "id"], condition=Q(done_at__isnull=True), name="sandbox_posting_due")
        ]

    def __str__(self) -> str:
        return f"{self.text_id} to {self.address}"


class Mood(models.Model):
    """How well the carrier works, for people who learn what our pages say when it does not. One row, or none: well."""

    class Reports(models.TextChoices):
        USUAL = "usual", _("come within a second")
        LATE = "late", _("come a minute late")
        REPEATED = "repeated", _("come three times and out of order")
        LOST = "lost", _("never come")

    reports = models.CharField(max_length=8, choices=Reports.choices, default=Reports.USUAL)
    answers_lost = models.BooleanField(default=False, help_text="a text is taken, and its sender hears of an error")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(pk=1), name="sandbox_one_mood"),
            models.CheckConstraint(
                condition=Q(reports__in=["usual", "late", "repeated", "lost"]), name="sandbox_reports_known"
            ),
        ]

    def __str__(self) -> str:
        return self.reports

    @classmethod
    def now(cls) -> Mood:
        """How it is at this moment."""
        return cls.objects.filter(pk=1).first() or cls(pk=1)


class Stopped(models.Model):
    """A phone that takes no texts from one of our numbers since it said STOP."""

    phone = models.CharField(max_length=16)
    sender = models.CharField(max_length=16)
    since = models.DateTimeField()

    class Meta:
        verbose_name_plural = "stopped"
        constraints: ClassVar = [models.UniqueConstraint(fields=["phone", "sender"], name="sandbox_stopped_once")]

    def __str__(self) -> str:
        return f"{self.phone} stopped {self.sender}"
