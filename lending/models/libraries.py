"""Libraries, their closed days, and where bags are handed over."""

from __future__ import annotations

from typing import ClassVar
from zoneinfo import available_timezones

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import translation
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from lending import public_holidays
from lending.models.programmes import Named, Programme
from notifications import queries as notification_queries

NTH_WEEKDAYS = [f"{nth}-{day}" for nth in range(1, 6) for day in range(7)]
"""The weekdays of a month: 1-1 is its first Tuesday."""
NOTICE = 160  # characters of a notice: one sentence, read at a glance


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
    nth_closed = ArrayField(
        models.CharField(max_length=3),
        default=list,
        blank=True,
        help_text=_("the how-manyeth weekday of a month, such as 1-1 and 3-1 for its first and third Tuesday"),
    )
    holidays = models.CharField(
        max_length=10,
        blank=True,
        validators=[public_holidays.known],
        help_text=_("closed on the public holidays of this country or part of it, such as KR or US-NY"),
    )
    rooms = ArrayField(
        models.CharField(max_length=20), default=list, blank=True, help_text=_("order of the rooms on a pull list")
    )
    surge = models.BooleanField(default=False, help_text=_("building closed, lending goes on"))
    surge_programme = models.ForeignKey(
        Programme,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text=_("whose rules hold while the building is closed; else those of its own programme"),
    )
    surge_notice_ko = models.CharField(max_length=NOTICE, blank=True, help_text=_("what people read meanwhile"))
    surge_notice_en = models.CharField(max_length=NOTICE, blank=True)
    training = models.BooleanField(
        default=False, help_text=_("for rehearsals: invented people, left out of statistics")
    )
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
            models.CheckConstraint(
                condition=Q(nth_closed__contained_by=NTH_WEEKDAYS),
                name="lending_library_nth_weekdays_known",
            ),
        ]

    @property
    def rules(self) -> Programme:
        """The programme whose rules hold today. Counts run over the library's own programme all the same."""
        return self.surge_programme if self.surge and self.surge_programme is not None else self.programme

    @property
    def surge_notice(self) -> str:
        """What people read while the building is closed, in the language that is spoken now."""
        return self.surge_notice_in(translation.get_language() or "ko")

    def surge_notice_in(self, language: str) -> str:
        """What people read while the building is closed, in the reader's language; a plain sentence if none is set."""
        with translation.override("ko" if language.startswith("ko") else "en"):
            plain = gettext(
                "The building is closed. Lending goes on: please order here and collect at the pickup place."
            )
        return (self.surge_notice_ko if language.startswith("ko") else self.surge_notice_en) or plain

    def clean(self) -> None:
        """Refuse what nobody could be served by: no open weekday, an unknown zone, texts from nobody; and readers among
        the invented people of rehearsals.
        """
        if set(self.weekly_closed or []) >= set(range(7)):
            raise ValidationError({"weekly_closed": _("A library is open on one weekday at least.")})
        if self.zone not in available_timezones():
            raise ValidationError({"zone": _("There is no such time zone.")})
        if notification_queries.sender(self.sender) is None:
            raise ValidationError({"sender": _("There is no such sender.")})
        if self._shares_its_people():
            raise ValidationError({"programme": _("A training library needs a programme of its own.")})

    def _shares_its_people(self) -> bool:
        """Whether readers and the invented people of rehearsals would be found at the same desks."""
        others = Library.objects.filter(programme_id=self.programme_id).exclude(pk=self.pk)
        return others.exclude(training=self.training).exists()


class SurgeChange(models.Model):
    """The switch "building closed, lending goes on" was turned, or its notice or rules changed; a trigger keeps it."""

    library = models.ForeignKey(Library, on_delete=models.PROTECT, related_name="surge_changes")
    at = models.DateTimeField()
    principal = models.CharField(max_length=40)
    channel = models.CharField(max_length=10)
    surge = models.BooleanField(help_text=_("as it is from then on"))
    programme = models.ForeignKey(
        Programme, null=True, on_delete=models.PROTECT, related_name="+", help_text=_("whose rules hold meanwhile")
    )
    notice_ko = models.CharField(max_length=NOTICE, blank=True)
    notice_en = models.CharField(max_length=NOTICE, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"{self.library_id}: {'on' if self.surge else 'off'} at {self.at}"


class SpecialDay(models.Model):
    """One day that differs: closed though the week says open, or open though a rule or a holiday says closed."""

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="special_days")
    day = models.DateField()
    open = models.BooleanField(default=False)
    reason = models.CharField(max_length=80, blank=True)

    class Meta:
        ordering: ClassVar = ["day"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["library", "day"], name="lending_special_day_once")]

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

    @property
    def with_library(self) -> str:
        """Its name, after that of its library where the name alone does not say it."""
        return str(self) if str(self.library) in str(self) else f"{self.library}, {self}"

    @property
    def by_car(self) -> bool:
        """Whether people are served in their cars."""
        return self.layout in {self.Layout.FILE, self.Layout.BAYS}

    def place_in(self, language: str) -> str:
        """How to find it, in the reader's language."""
        return self.place_ko if language.startswith("ko") else self.place_en
