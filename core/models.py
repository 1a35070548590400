"""The rows behind core's mechanisms."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from core.moves import Journal

__all__ = ["Access", "Answer", "Counter", "Happening", "Heartbeat", "Journal"]


class Answer(models.Model):
    """What was answered to a request with an idempotency key; kept for a day (see core/once.py)."""

    principal = models.CharField(max_length=60)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    body = models.JSONField()
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["principal", "key"], name="core_answer_given_once")]
        indexes: ClassVar = [models.Index(fields=["at"], name="core_answer_age")]

    def __str__(self) -> str:
        return f"{self.principal} {self.key}"


class Happening(models.Model):
    """Something changed on a topic. The version of a topic is its count and newest id (see core/live.py)."""

    topic = models.CharField(max_length=60)
    at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["topic", "id"], name="core_happening_topic"),
            models.Index(fields=["at"], name="core_happening_age"),
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.pk}"


class Access(models.Model):
    """Who looked at whose record, for what. A trigger refuses UPDATE, and DELETE before `keep_until`."""

    principal = models.CharField(max_length=40)
    about = models.CharField(max_length=40)
    purpose = models.CharField(max_length=60)
    at = models.DateTimeField()
    keep_until = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(keep_until__gt=F("at")), name="core_access_kept_a_while")
        ]
        indexes: ClassVar = [models.Index(fields=["about", "at"], name="core_access_about")]

    def __str__(self) -> str:
        return f"{self.principal} saw {self.about}"


class Counter(models.Model):
    """How often something was tried within a window of time (see core/counters.py)."""

    key = models.CharField(max_length=120)
    since = models.DateTimeField()
    count = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["key", "since"], name="core_counter_one_per_window")]

    def __str__(self) -> str:
        return f"{self.key}: {self.count}"


class Heartbeat(models.Model):
    """When a sweep last ran to its end, and what it moved."""

    sweep = models.CharField(max_length=60, primary_key=True)
    at = models.DateTimeField()
    moved = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return self.sweep
