"""Libraries, their rules and closed days, and where bags are handed over."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _


class Named(models.Model):
    """A name in both languages."""

    name_ko = models.CharField(max_length=60)
    name_en = models.CharField(max_length=80)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name_in(get_language() or "ko")

    def name_in(self, language: str) -> str:
        """The Korean name for readers of Korean, else the English one."""
        return self.name_ko if language.startswith("ko") else self.name_en


class Programme(Named):
    """Lending rules that several libraries share; counts run over the programme."""

    class Per(models.TextChoices):
        HOUSEHOLD = "household", _("per household")
        PATRON = "patron", _("per person")

    class Week(models.TextChoices):
        CALENDAR = "calendar", _("calendar week, from Monday")
        ROLLING = "rolling", _("any seven days")

    key = models.SlugField(max_length=40, unique=True)
    volumes = models.PositiveSmallIntegerField(validators=[MinValueValidator(1)], help_text=_("volumes in a week"))
    volumes_per = models.CharField(max_length=10, choices=Per.choices, default=Per.PATRON)
    week = models.CharField(max_length=10, choices=Week.choices, default=Week.CALENDAR)
    loan_days = models.PositiveSmallIntegerField(default=14, validators=[MinValueValidator(1)])
    first_day_counts = models.BooleanField(default=False)
    renewals = models.PositiveSmallIntegerField(default=1)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(volumes__gte=1), name="lending_programme_lends_something"),
            models.CheckConstraint(condition=Q(loan_days__gte=1), name="lending_programme_lends_for_a_day"),
            models.CheckConstraint(
                condition=Q(volumes_per__in=["household", "patron"], week__in=["calendar", "rolling"]),
                name="lending_programme_rule_known",
            ),
        ]


class Library(Named):
    """A branch: its zone, its telephone, its closed days, its rules."""

    class Circulation(models.TextChoices):
        OWN = "own", _("loans are kept here")
        BESIDE = "beside", _("another system keeps the loans")

    code = models.SlugField(max_length=40, unique=True)
    programme = models.ForeignKey(Programme, on_delete=models.PROTECT, related_name="libraries")
    sender = models.SlugField(max_length=40, help_text=_("key of the sender that texts come from"))
    phone = models.CharField(max_length=20)
    region = models.CharField(max_length=2, default="KR", help_text=_("country in which local numbers are read"))
    zone = models.CharField(max_length=40, default="Asia/Seoul")
    circulation = models.CharField(max_length=10, choices=Circulation.choices, default=Circulation.OWN)
    weekly_closed = ArrayField(
        models.PositiveSmallIntegerField(), default=list, blank=True, help_text=_("weekdays, Monday is 0")
    )
    rooms = ArrayField(
        models.CharField(max_length=20), default=list, blank=True, help_text=_("order of the rooms on a pull list")
    )
    surge = models.BooleanField(default=False, help_text=_("building closed, lending goes on"))
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["position", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(circulation__in=["own", "beside"]), name="lending_library_circulation_known"
            ),
            models.CheckConstraint(
                condition=Q(weekly_closed__contained_by=[0, 1, 2, 3, 4, 5, 6]), name="lending_library_weekdays_known"
            ),
        ]


class ClosedDay(models.Model):
    """One day on which a library is closed though its week says open."""

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="closed_days")
    day = models.DateField()
    reason = models.CharField(max_length=80, blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["library", "day"], name="lending_day_closed_once")]

    def __str__(self) -> str:
        return f"{self.library_id} {self.day}"


class PickupPoint(Named):
    """Where bags are handed over. Every library system keeps pickup places; windows and lanes are pickup's."""

    class Layout(models.TextChoices):
        FILE = "file", _("single-file lane")
        BAYS = "bays", _("numbered bays")
        DOOR = "door", _("front door, on foot")
        LOCKER = "locker", _("locker")

    library = models.ForeignKey(Library, on_delete=models.PROTECT, related_name="pickup_points")
    code = models.SlugField(max_length=40, unique=True)
    layout = models.CharField(max_length=10, choices=Layout.choices)
    place_ko = models.CharField(max_length=120, blank=True, help_text=_("how to find it"))
    place_en = models.CharField(max_length=160, blank=True)
    open = models.BooleanField(default=True)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["position", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(layout__in=["file", "bays", "door", "locker"]), name="lending_point_layout_known"
            ),
        ]

    def place_in(self, language: str) -> str:
        """How to find it, in the reader's language."""
        return self.place_ko if language.startswith("ko") else self.place_en
