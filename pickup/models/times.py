"""When a point hands over, in which slots, and what was promised."""

from __future__ import annotations

from datetime import datetime, time
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core.moves import Moving, state_law
from core.rows import Read
from lending.models import Patron, PickupPoint
from pickup import windows
from pickup.states import APPOINTMENT_MOVES, PROMISED, AppointmentState


class PointRules(Read):
    """How a pickup point promises, waits and lends."""

    class Promise(models.TextChoices):
        AT_ORDER = "at_order", _("the time is chosen while ordering")
        WHEN_READY = "when_ready", _("a time is offered when the bag is ready")

    class Silence(models.TextChoices):
        CONSENT = "consent", _("no answer means yes")
        LAPSE = "lapse", _("no answer gives the place back")

    class LendAt(models.TextChoices):
        PACKING = "packing", _("when packed")
        HAND_OVER = "hand_over", _("when handed over")

    class KeepCounts(models.TextChoices):
        OPEN = "open", _("open days alone")
        ALL = "all", _("closed days too")

    point = models.OneToOneField(PickupPoint, on_delete=models.CASCADE, related_name="rules")
    promise = models.CharField(max_length=10, choices=Promise.choices, default=Promise.WHEN_READY)
    by_appointment = models.BooleanField(default=True)
    silence = models.CharField(max_length=10, choices=Silence.choices, default=Silence.CONSENT)
    lend_at = models.CharField(max_length=10, choices=LendAt.choices, default=LendAt.HAND_OVER)
    answer_minutes = models.PositiveIntegerField(default=720, help_text=_("time to answer an offer"))
    lead_minutes = models.PositiveIntegerField(default=20, help_text=_("from ready to the earliest slot"))
    grace_minutes = models.PositiveIntegerField(default=30, help_text=_("from the slot's end until it is missed"))
    keep_days = models.PositiveSmallIntegerField(
        default=3, help_text=_("days a ready bag is kept; 0: until that evening")
    )
    keep_counts = models.CharField(
        max_length=10,
        choices=KeepCounts.choices,
        default=KeepCounts.OPEN,
        help_text=_("which days are counted; the last one is an open day either way"),
    )
    horizon_days = models.PositiveSmallIntegerField(default=14, help_text=_("how far ahead slots are made"))
    offers = models.PositiveSmallIntegerField(default=2, help_text=_("how often a time is offered in all"))
    service_seconds = models.PositiveIntegerField(default=90, help_text=_("one car, until the point's own are known"))
    bag_places = ArrayField(
        models.CharField(max_length=12),
        default=list,
        blank=True,
        help_text=_("places of the pickup shelf in their order, such as A1, A2"),
    )
    tell_fixed = models.BooleanField(
        default=False, help_text=_("a text as soon as a time is fixed, before the bag is ready")
    )
    auto_call = models.BooleanField(
        default=False, help_text=_("in a single file the service calls the next car to a free lane by itself")
    )
    shut_until = models.DateTimeField(null=True, blank=True, help_text=_("closed by the staff until then"))

    class Meta:
        verbose_name_plural = "point rules"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(
                    promise__in=["at_order", "when_ready"],
                    silence__in=["consent", "lapse"],
                    lend_at__in=["packing", "hand_over"],
                    keep_counts__in=["open", "all"],
                ),
                name="pickup_point_rule_known",
            ),
            models.CheckConstraint(condition=Q(offers__gte=1, horizon_days__gte=1), name="pickup_point_rules_possible"),
        ]

    def __str__(self) -> str:
        return f"rules of {self.point_id}"


class Window(models.Model):
    """When a point hands over, cut into slots: on a weekday, on the nth such weekday of each month, or on one date.

    The nth weekday's windows replace the weekday's, and a date's replace both.
    """

    class Regime(models.TextChoices):
        NORMAL = "normal", _("normal days")
        SURGE = "surge", _("building closed, lending goes on")
        BOTH = "both", _("always")

    point = models.ForeignKey(PickupPoint, on_delete=models.CASCADE, related_name="windows")
    weekday = models.PositiveSmallIntegerField(null=True, blank=True, help_text=_("Monday is 0"))
    nth = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text=_("only the nth such weekday of a month: 1 to 5")
    )
    date = models.DateField(null=True, blank=True)
    opens = models.TimeField()
    closes = models.TimeField(help_text=_("00:00 is the end of the day"))
    slot_minutes = models.PositiveSmallIntegerField()
    capacity = models.PositiveSmallIntegerField()
    accessible = models.PositiveSmallIntegerField(default=0, help_text=_("places for people who leave the car"))
    cutoff_days = models.PositiveSmallIntegerField(default=0, help_text=_("open days before"))
    cutoff_time = models.TimeField(null=True, blank=True)
    regime = models.CharField(max_length=10, choices=Regime.choices, default=Regime.BOTH)
    session_ko = models.CharField(max_length=30, blank=True)
    session_en = models.CharField(max_length=40, blank=True)
    by_arrival = models.BooleanField(
        default=False, help_text=_("who has a time in it is served in the order of arrival, whatever that time is")
    )

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(weekday__isnull=False, date__isnull=True) | Q(weekday__isnull=True, date__isnull=False),
                name="pickup_window_on_weekday_or_date",
            ),
            models.CheckConstraint(condition=Q(weekday__isnull=True) | Q(weekday__lte=6), name="pickup_window_weekday"),
            models.CheckConstraint(
                condition=Q(nth__isnull=True) | Q(weekday__isnull=False, nth__gte=1, nth__lte=5),
                name="pickup_window_nth_weekday",
            ),
            models.CheckConstraint(
                condition=Q(closes__gt=F("opens")) | Q(closes=time()), name="pickup_window_opens_before_it_closes"
            ),
            models.CheckConstraint(
                condition=Q(slot_minutes__gte=5, capacity__gte=1, accessible__lte=F("capacity")),
                name="pickup_window_has_places",
            ),
            models.CheckConstraint(
                condition=Q(regime__in=["normal", "surge", "both"]), name="pickup_window_regime_known"
            ),
        ]

    def __str__(self) -> str:
        return f"window {self.pk}"

    @property
    def until(self) -> str:
        """When it closes, as people write it."""
        return windows.until(self.closes)


class PointChange(models.Model):
    """One change of a point's windows or rules: what it was, what it became, by whom. A trigger refuses to change it.

    `window` is the id of the window, which may be gone; None for the rules. Empty `was`: new; empty `became`: removed.
    """

    point = models.ForeignKey(PickupPoint, on_delete=models.PROTECT, related_name="changes")
    at = models.DateTimeField()
    principal = models.CharField(max_length=40)
    channel = models.CharField(max_length=10)
    window = models.BigIntegerField(null=True, blank=True)
    was = models.JSONField(encoder=DjangoJSONEncoder)
    became = models.JSONField(encoder=DjangoJSONEncoder)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"change {self.pk} of {self.point_id}"


class Slot(Read):
    """A stretch of time at a point with room for so many appointments. `booked` is a counter under a law.

    Each counter and its limit are under one law, which keeps the limit above nought as well: all laws of a row are
    looked at with each booking.
    """

    point = models.ForeignKey(PickupPoint, on_delete=models.PROTECT, related_name="slots")
    window = models.ForeignKey(Window, null=True, blank=True, on_delete=models.SET_NULL, related_name="slots")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    orders_until = models.DateTimeField(help_text=_("orders after this moment come too late for it"))
    capacity = models.SmallIntegerField()
    capacity_wanted = models.PositiveSmallIntegerField(help_text=_("what it shall come down to"))
    booked = models.SmallIntegerField(default=0)
    accessible = models.SmallIntegerField(default=0)
    accessible_wanted = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text=_("what the accessible places shall come down to; empty: they stay")
    )
    booked_accessible = models.SmallIntegerField(default=0)
    open = models.BooleanField(default=True)
    outside = models.BooleanField(
        default=False, help_text=_("closed because other hours hold while the building is closed, or open again")
    )
    beyond = models.BooleanField(
        default=False, db_default=False, help_text=_("closed because its day cannot be booked yet")
    )
    session_ko = models.CharField(max_length=30, blank=True)
    session_en = models.CharField(max_length=40, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["point", "starts_at"], name="pickup_slot_starts_once"),
            models.CheckConstraint(
                condition=Q(booked__gte=0, booked__lte=F("capacity")), name="pickup_slot_never_oversold"
            ),
            models.CheckConstraint(
                condition=Q(booked_accessible__gte=0, booked_accessible__lte=F("accessible")),
                name="pickup_accessible_places_never_oversold",
            ),
            models.CheckConstraint(
                condition=Q(accessible__lte=F("capacity")), name="pickup_accessible_within_capacity"
            ),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="pickup_slot_starts_before_it_ends"),
            models.CheckConstraint(
                condition=Q(outside=False, beyond=False) | Q(open=False), name="pickup_slot_outside_takes_nobody"
            ),
        ]

    def __str__(self) -> str:
        return f"slot {self.pk}"


class Appointment(Moving):
    """The promise to a party that it is served in a slot. Counts one place, however many orders it has."""

    MOVES = APPOINTMENT_MOVES
    FIRST = AppointmentState.OFFERED

    class Why(models.TextChoices):
        """Why it is this slot: somebody's wish, or what took away the one that it is `instead_of`.

        Empty for promises from before it was noted.
        """

        CHOSEN = "chosen", _("The time that was chosen")
        WISHED = "wished", _("A time you wished")
        NEAREST = "nearest", _("The free place nearest to the time you wished")
        NEAR = "near", _("A place near the time you wished; nearer ones are kept for others who need them")
        SOONEST = "soonest", _("The soonest free place")
        CLOSED = "closed", _("Moved: the day of the time before is closed")
        HOURS = "hours", _("Moved: the pickup hours have changed")
        LATE = "late", _("Moved: the bag was not ready in time")

    MOVED = frozenset({Why.CLOSED, Why.HOURS, Why.LATE})

    # PostgreSQL holds both by one law, pickup_appointment_at_its_slot.
    point = models.ForeignKey(
        PickupPoint, on_delete=models.PROTECT, related_name="appointments", db_constraint=False, db_index=False
    )
    slot = models.ForeignKey(Slot, on_delete=models.PROTECT, related_name="appointments", db_constraint=False)
    accessible = models.BooleanField(default=False, help_text=_("takes an accessible place"))
    offered_at = models.DateTimeField()
    answer_by = models.DateTimeField()
    miss_after = models.DateTimeField()
    instead_of = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="became", help_text=_("what it replaces")
    )
    offer = models.PositiveSmallIntegerField(default=1, help_text=_("the how-manieth offer it is"))
    arrive_at = models.DateTimeField(null=True, blank=True, help_text=_("when within the slot the party shall come"))
    wished_at = models.DateTimeField(null=True, blank=True, help_text=_("the moment wished that is nearest to it"))
    why = models.CharField(max_length=10, choices=Why.choices, blank=True, help_text=_("why it is this slot"))

    class Meta:
        constraints: ClassVar = [
            state_law("pickup_appointment_state_known", APPOINTMENT_MOVES),
            models.CheckConstraint(
                condition=Q(why__in=["", "chosen", "wished", "nearest", "near", "soonest", "closed", "hours", "late"]),
                name="pickup_appointment_why_known",
            ),
            models.CheckConstraint(
                condition=Q(answer_by__gte=F("offered_at")), name="pickup_offer_leaves_time_to_answer"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["answer_by"], condition=Q(state=AppointmentState.OFFERED), name="pickup_appointment_to_answer"
            ),
            models.Index(fields=["miss_after"], condition=Q(state__in=PROMISED), name="pickup_appointment_to_miss"),
        ]

    def __str__(self) -> str:
        return f"appointment {self.pk} ({self.state})"

    @property
    def arrives(self) -> datetime:
        """When the party is asked to come; the start of the slot for promises from before this was spread."""
        return self.arrive_at or self.slot.starts_at

    @property
    def moved_by_us(self) -> bool:
        """Whether its people had another time, which we took away: nobody is late or missed by it."""
        return self.why in self.MOVED


class Preference(models.Model):
    """When a patron likes to come, and where: some weekdays, from one local time until another; a pickup point.

    The times count where the rule offers, the point where none is named.
    """

    patron = models.OneToOneField(Patron, on_delete=models.CASCADE, related_name="preference")
    weekdays = ArrayField(models.PositiveSmallIntegerField(), blank=True, help_text=_("Monday is 0"))
    begins = models.TimeField(null=True, blank=True)
    ends = models.TimeField(null=True, blank=True)
    point = models.ForeignKey(PickupPoint, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(weekdays__contained_by=list(range(7))), name="pickup_preference_weekdays_known"
            ),
            models.CheckConstraint(
                condition=Q(weekdays__len__gte=1, begins__isnull=False, ends__isnull=False)
                | Q(weekdays__len=0, begins__isnull=True, ends__isnull=True, point__isnull=False),
                name="pickup_preference_says_something",
            ),
            models.CheckConstraint(condition=Q(ends__gt=F("begins")), name="pickup_preference_begins_before_it_ends"),
        ]

    def __str__(self) -> str:
        return f"preference {self.pk}"
