"""Lending rules as data: what a programme allows, to whom it allows more, and how its rules were changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from core.rows import Read
from lending.states import StrikeKind

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class Named(Read):
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


class Material(models.TextChoices):
    """What kind of thing a record describes, by position 6 of its leader (loc.gov/marc/bibliographic/bdleader.html)."""

    BOOK = "book", _("book")
    SERIAL = "serial", _("magazine or newspaper")
    SCORE = "score", _("score")
    MAP = "map", _("map")
    VIDEO = "video", _("DVD or video")
    SPEECH = "speech", _("audiobook")
    MUSIC = "music", _("music recording")
    IMAGE = "image", _("picture")
    SOFTWARE = "software", _("computer file")
    KIT = "kit", _("kit")
    OBJECT = "object", _("object or toy")


def limit(help_text: StrOrPromise) -> models.PositiveSmallIntegerField[int | None, int | None]:
    """A number that limits something; empty is no limit."""
    return models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text=help_text
    )


def days(help_text: StrOrPromise, default: int) -> models.PositiveSmallIntegerField[int, int]:
    """A number of days, two years at most."""
    return models.PositiveSmallIntegerField(default=default, validators=[MaxValueValidator(730)], help_text=help_text)


REMIND_BEFORE, REMIND_AFTER = range(31), range(1, 61)
"""The days before and after a due date for which a reminder can be asked for."""


def two_days_before() -> list[int]:
    return [2]


def a_day_and_a_week_after() -> list[int]:
    return [1, 7]


class Programme(Named):
    """Lending rules that several libraries share; counts run over the programme."""

    class Per(models.TextChoices):
        HOUSEHOLD = "household", _("per household")
        PATRON = "patron", _("per person")

    class Foreign(models.TextChoices):
        STAYS = "stays", _("stays where it came back")
        HOME = "home", _("goes home to its own library")

    class Week(models.TextChoices):
        CALENDAR = "calendar", _("calendar week, from Monday")
        ROLLING = "rolling", _("any seven days")

    key = models.SlugField(max_length=40, unique=True)
    volumes = limit(_("volumes in a week"))
    volumes_per = models.CharField(
        max_length=10, choices=Per.choices, default=Per.PATRON, help_text=_("by whom volumes and orders are counted")
    )
    week = models.CharField(max_length=10, choices=Week.choices, default=Week.CALENDAR)
    volumes_per_order = limit(_("volumes in one order"))
    orders_per_week = limit(_("orders in a week"))
    reserved_at_once = limit(_("volumes asked for and not collected yet"))
    at_once = limit(_("volumes asked for or at home, at the same time"))
    with_loans = models.BooleanField(
        default=False, help_text=_("ordinary loans from the desk count among the volumes at home")
    )
    orders_weekday = limit(_("orders taken from Monday to Friday, in a day; first come, first served"))
    orders_weekend = limit(_("orders taken on a Saturday or Sunday"))
    waiting_per_copy = limit(_("people who may wait for each copy of a title"))
    waiting_most = limit(_("people who may wait for one title"))
    materials_excluded = ArrayField(
        models.CharField(max_length=10, choices=Material.choices),
        default=list,
        blank=True,
        help_text=_("kinds that are lent otherwise, but not through this programme"),
    )
    volumes_excluded = ArrayField(
        models.CharField(max_length=20),
        default=list,
        blank=True,
        help_text=_("volumes that are lent otherwise only, such as 부록"),
    )
    loan_days = models.PositiveSmallIntegerField(default=14, validators=[MinValueValidator(1)])
    first_day_counts = models.BooleanField(default=False, help_text=_("the day of lending is the first day"))
    open_days_only = models.BooleanField(default=False, help_text=_("closed days are not counted"))
    renewals = models.PositiveSmallIntegerField(default=1)
    remind_before = ArrayField(
        models.PositiveSmallIntegerField(validators=[MaxValueValidator(REMIND_BEFORE[-1])]),
        default=two_days_before,
        blank=True,
        help_text=_("so many days before books are due a text says so; 0 is the day itself"),
    )
    remind_after = ArrayField(
        models.PositiveSmallIntegerField(
            validators=[MinValueValidator(REMIND_AFTER[0]), MaxValueValidator(REMIND_AFTER[-1])]
        ),
        default=a_day_and_a_week_after,
        blank=True,
        help_text=_("so many days after books were due a text says so"),
    )
    strikes = limit(_("strikes that lead to a pause"))
    strikes_for = ArrayField(
        models.CharField(max_length=12, choices=StrikeKind.choices),
        default=list,
        blank=True,
        help_text=_("what counts as a strike"),
    )
    strike_days = days(_("days for which a strike counts"), 30)
    pause_days = days(_("days of a pause"), 30)
    relend_days = days(_("days for which a title is refused to somebody who did not collect it"), 0)
    overdue_pause = models.PositiveSmallIntegerField(
        default=0, validators=[MaxValueValidator(10)], help_text=_("days of pause for each day overdue")
    )
    transfer_days = limit(_("open days a book takes from one library to another; empty: none travels"))
    transfer_cutoff = models.TimeField(
        null=True,
        blank=True,
        help_text=_("until when a book that is asked for leaves its library on the same day; empty: all day"),
    )
    foreign_books = models.CharField(
        max_length=10,
        choices=Foreign.choices,
        default=Foreign.STAYS,
        help_text=_("what becomes of another library's book that nobody waits for; only where books travel"),
    )
    only_surge = models.BooleanField(
        default=False, help_text=_("takes orders only while the building is closed and lending goes on")
    )
    rest_hours = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(24 * 14)],
        help_text=_("hours a returned book rests before it is promised"),
    )

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(volumes__isnull=True) | Q(volumes__gte=1), name="lending_programme_lends_something"
            ),
            models.CheckConstraint(condition=Q(loan_days__gte=1), name="lending_programme_lends_for_a_day"),
            models.CheckConstraint(
                condition=Q(volumes_per__in=["household", "patron"], week__in=["calendar", "rolling"]),
                name="lending_programme_rule_known",
            ),
            models.CheckConstraint(
                condition=Q(foreign_books__in=["stays", "home"]), name="lending_programme_foreign_books_known"
            ),
            models.CheckConstraint(
                condition=Q(materials_excluded__contained_by=Material.values), name="lending_programme_material_known"
            ),
            models.CheckConstraint(
                condition=Q(strikes_for__contained_by=StrikeKind.values), name="lending_programme_strike_known"
            ),
            models.CheckConstraint(
                condition=Q(
                    remind_before__contained_by=list(REMIND_BEFORE), remind_after__contained_by=list(REMIND_AFTER)
                ),
                name="lending_programme_reminds_in_time",
            ),
            models.CheckConstraint(
                condition=Q(strikes__isnull=True) | Q(strikes__gte=1, strike_days__gte=1, pause_days__gte=1),
                name="lending_programme_pause_possible",
                violation_error_message=_("Where strikes lead to a pause, both strike days and pause days are needed."),
            ),
        ]

    def clean(self) -> None:
        """Refuse a rule that nothing can be known for: who let a title go is forgotten after the retention."""
        kept = settings.RETENTION_DAYS
        if (self.relend_days or 0) > kept:
            said = _("At most %(days)s days: after that nobody knows any more who did not collect it.")
            raise ValidationError({"relend_days": said % {"days": kept}})


class Allowance(Named):
    """A class of patrons to whom a programme allows more: a class, never why. Empty is as the programme has it."""

    programme = models.ForeignKey(Programme, on_delete=models.CASCADE, related_name="allowances")
    key = models.SlugField(max_length=40)
    volumes = limit(_("volumes in a week"))
    at_once = limit(_("volumes asked for or at home, at the same time"))
    loan_days = limit(_("days of a loan"))

    class Meta:
        ordering: ClassVar = ["programme", "key"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["programme", "key"], name="lending_allowance_named_once")
        ]


class ProgrammeChange(models.Model):
    """One change of a programme's rules: what they were, what they became, by whom. A trigger refuses to change it."""

    programme = models.ForeignKey(Programme, on_delete=models.PROTECT, related_name="changes")
    at = models.DateTimeField()
    principal = models.CharField(max_length=40)
    was = models.JSONField()
    became = models.JSONField()

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"change {self.pk} of {self.programme_id}"
