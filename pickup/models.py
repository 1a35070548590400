"""Windows and slots, orders and their lines, promises, visits and lanes."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core.moves import Moving, state_law
from lending.models import Contact, Copy, Language, Library, Patron, PickupPoint, Reservation
from pickup.states import (
    APPOINTMENT_MOVES,
    COUNTED,
    HERE,
    LINE_MOVES,
    OPEN_ORDER,
    ORDER_MOVES,
    PROMISED,
    VISIT_MOVES,
    AppointmentState,
    LineState,
    OrderState,
    VisitState,
)

E164 = r"^\+[1-9][0-9]{6,14}$"


class PointRules(models.Model):
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

    point = models.OneToOneField(PickupPoint, on_delete=models.CASCADE, related_name="rules")
    promise = models.CharField(max_length=10, choices=Promise.choices, default=Promise.WHEN_READY)
    by_appointment = models.BooleanField(default=True)
    silence = models.CharField(max_length=10, choices=Silence.choices, default=Silence.CONSENT)
    lend_at = models.CharField(max_length=10, choices=LendAt.choices, default=LendAt.HAND_OVER)
    answer_minutes = models.PositiveIntegerField(default=720, help_text=_("time to answer an offer"))
    lead_minutes = models.PositiveIntegerField(default=20, help_text=_("from ready to the earliest slot"))
    grace_minutes = models.PositiveIntegerField(default=30, help_text=_("from the slot's end until it is missed"))
    keep_days = models.PositiveSmallIntegerField(default=3, help_text=_("open days a ready bag is kept"))
    horizon_days = models.PositiveSmallIntegerField(default=14, help_text=_("how far ahead slots are made"))
    offers = models.PositiveSmallIntegerField(default=2, help_text=_("how often a time is offered in all"))
    service_seconds = models.PositiveIntegerField(default=90, help_text=_("one car, until the point's own are known"))

    class Meta:
        verbose_name_plural = "point rules"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(
                    promise__in=["at_order", "when_ready"],
                    silence__in=["consent", "lapse"],
                    lend_at__in=["packing", "hand_over"],
                ),
                name="pickup_point_rule_known",
            ),
            models.CheckConstraint(
                condition=Q(keep_days__gte=1, offers__gte=1, horizon_days__gte=1), name="pickup_point_rules_possible"
            ),
        ]

    def __str__(self) -> str:
        return f"rules of {self.point_id}"


class Window(models.Model):
    """When a point hands over: on a weekday or on one date, cut into slots. A date's windows replace the weekday's."""

    class Regime(models.TextChoices):
        NORMAL = "normal", _("normal days")
        SURGE = "surge", _("building closed, lending goes on")
        BOTH = "both", _("always")

    point = models.ForeignKey(PickupPoint, on_delete=models.CASCADE, related_name="windows")
    weekday = models.PositiveSmallIntegerField(null=True, blank=True, help_text=_("Monday is 0"))
    date = models.DateField(null=True, blank=True)
    opens = models.TimeField()
    closes = models.TimeField()
    slot_minutes = models.PositiveSmallIntegerField()
    capacity = models.PositiveSmallIntegerField()
    accessible = models.PositiveSmallIntegerField(default=0, help_text=_("places for people who leave the car"))
    cutoff_days = models.PositiveSmallIntegerField(default=0, help_text=_("open days before"))
    cutoff_time = models.TimeField(null=True, blank=True)
    regime = models.CharField(max_length=10, choices=Regime.choices, default=Regime.BOTH)
    session_ko = models.CharField(max_length=30, blank=True)
    session_en = models.CharField(max_length=40, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(weekday__isnull=False, date__isnull=True) | Q(weekday__isnull=True, date__isnull=False),
                name="pickup_window_on_weekday_or_date",
            ),
            models.CheckConstraint(condition=Q(weekday__isnull=True) | Q(weekday__lte=6), name="pickup_window_weekday"),
            models.CheckConstraint(condition=Q(closes__gt=F("opens")), name="pickup_window_opens_before_it_closes"),
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


class Slot(models.Model):
    """A stretch of time at a point with room for so many appointments. `booked` is a counter under a law."""

    point = models.ForeignKey(PickupPoint, on_delete=models.PROTECT, related_name="slots")
    window = models.ForeignKey(Window, null=True, blank=True, on_delete=models.SET_NULL, related_name="slots")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    orders_until = models.DateTimeField(help_text=_("orders after this moment come too late for it"))
    capacity = models.PositiveSmallIntegerField()
    capacity_wanted = models.PositiveSmallIntegerField(help_text=_("what it shall come down to"))
    booked = models.PositiveSmallIntegerField(default=0)
    accessible = models.PositiveSmallIntegerField(default=0)
    booked_accessible = models.PositiveSmallIntegerField(default=0)
    open = models.BooleanField(default=True)
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
        ]

    def __str__(self) -> str:
        return f"slot {self.pk}"


class Appointment(Moving):
    """The promise to a party that it is served in a slot. Counts one place, however many orders it has."""

    MOVES = APPOINTMENT_MOVES
    FIRST = AppointmentState.OFFERED

    point = models.ForeignKey(PickupPoint, on_delete=models.PROTECT, related_name="appointments")
    slot = models.ForeignKey(Slot, on_delete=models.PROTECT, related_name="appointments")
    accessible = models.BooleanField(default=False, help_text=_("takes an accessible place"))
    offered_at = models.DateTimeField()
    answer_by = models.DateTimeField()
    miss_after = models.DateTimeField()
    instead_of = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="became", help_text=_("what it replaces")
    )
    offer = models.PositiveSmallIntegerField(default=1, help_text=_("the how-manieth offer it is"))

    class Meta:
        constraints: ClassVar = [
            state_law("pickup_appointment_state_known", APPOINTMENT_MOVES),
            models.CheckConstraint(
                condition=Q(answer_by__gte=F("offered_at")), name="pickup_offer_leaves_time_to_answer"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["slot"], condition=Q(state__in=COUNTED), name="pickup_appointment_in_slot"),
            models.Index(
                fields=["answer_by"], condition=Q(state=AppointmentState.OFFERED), name="pickup_appointment_to_answer"
            ),
            models.Index(fields=["miss_after"], condition=Q(state__in=PROMISED), name="pickup_appointment_to_miss"),
        ]

    def __str__(self) -> str:
        return f"appointment {self.pk} ({self.state})"


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
    first = models.BooleanField(default=False, help_text=_("goes before all others: an undone hand-over"))
    called_at = models.DateTimeField(null=True, blank=True)
    called_by = models.CharField(max_length=40, blank=True)
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
        ]
        indexes: ClassVar = [
            models.Index(fields=["point", "arrived_at"], condition=Q(state__in=HERE), name="pickup_visit_queue"),
        ]

    def __str__(self) -> str:
        return f"visit {self.pk} ({self.state})"


class Order(Moving):
    """The bag: what one patron collects at one pickup point."""

    MOVES = ORDER_MOVES
    FIRST = OrderState.PICKING

    library = models.ForeignKey(Library, on_delete=models.PROTECT, related_name="orders")
    point = models.ForeignKey(PickupPoint, on_delete=models.PROTECT, related_name="orders")
    number = models.CharField(max_length=4)
    number_released_at = models.DateTimeField(null=True, blank=True)
    patron = models.ForeignKey(Patron, null=True, on_delete=models.SET_NULL, related_name="orders")
    collector = models.ForeignKey(Contact, null=True, blank=True, on_delete=models.SET_NULL, related_name="orders")
    language = models.CharField(max_length=5, choices=Language.choices, default=Language.KO)
    appointment = models.ForeignKey(
        Appointment, null=True, blank=True, on_delete=models.PROTECT, related_name="orders", help_text=_("the newest")
    )
    visit = models.ForeignKey(Visit, null=True, blank=True, on_delete=models.PROTECT, related_name="orders")
    opened_at = models.DateTimeField()
    ready_at = models.DateTimeField(null=True, blank=True)
    handed_over_at = models.DateTimeField(null=True, blank=True)
    keep_until = models.DateTimeField(null=True, blank=True, help_text=_("then a ready bag is unpacked"))
    note = models.CharField(max_length=300, blank=True, help_text=_("what the patron wrote to the library"))
    why = models.CharField(max_length=40, blank=True, help_text=_("why nobody was told, or why it ended"))

    class Meta:
        constraints: ClassVar = [
            state_law("pickup_order_state_known", ORDER_MOVES),
            models.CheckConstraint(condition=Q(number__regex=r"^[0-9]{4}$"), name="pickup_order_number_form"),
            models.UniqueConstraint(
                fields=["library", "number"],
                condition=Q(number_released_at__isnull=True),
                name="pickup_order_number_held_once",
            ),
            models.UniqueConstraint(
                fields=["patron", "point"], condition=Q(state__in=OPEN_ORDER), name="pickup_one_open_order"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=OPEN_ORDER) | Q(patron__isnull=False), name="pickup_open_order_has_patron"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["ready", "handed_over", "expired"]) | Q(ready_at__isnull=False),
                name="pickup_ready_order_has_its_time",
            ),
            models.CheckConstraint(
                condition=~Q(state=OrderState.READY) | Q(keep_until__isnull=False), name="pickup_ready_order_is_kept"
            ),
            models.CheckConstraint(
                condition=Q(state=OrderState.HANDED_OVER, handed_over_at__isnull=False)
                | (~Q(state=OrderState.HANDED_OVER) & Q(handed_over_at__isnull=True)),
                name="pickup_handed_over_has_its_time",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["point", "state"], condition=Q(state__in=OPEN_ORDER), name="pickup_order_open"),
            models.Index(fields=["keep_until"], condition=Q(state=OrderState.READY), name="pickup_order_to_expire"),
        ]

    def __str__(self) -> str:
        return f"order {self.number} ({self.state})"

    @property
    def shown(self) -> str:
        """The number as it is printed and shouted: 47-21."""
        return f"{self.number[:2]}-{self.number[2:]}"


class OrderLine(Moving):
    """One copy in the bag."""

    MOVES = LINE_MOVES
    FIRST = LineState.TO_PICK

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="lines")
    reservation = models.ForeignKey(Reservation, on_delete=models.PROTECT, related_name="lines")
    copy = models.ForeignKey(Copy, on_delete=models.PROTECT, related_name="lines")
    late = models.BooleanField(default=False, help_text=_("joined after the bag was ready"))
    reason = models.CharField(max_length=40, blank=True, help_text=_("why it was not given"))

    class Meta:
        constraints: ClassVar = [
            state_law("pickup_line_state_known", LINE_MOVES),
            models.UniqueConstraint(
                fields=["reservation"],
                condition=Q(state__in=["to_pick", "packed", "given"]),
                name="pickup_reservation_in_one_bag",
            ),
            models.UniqueConstraint(
                fields=["copy"], condition=Q(state__in=["to_pick", "packed"]), name="pickup_copy_in_one_bag"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["order", "state"], name="pickup_line_of_order"),
            models.Index(
                fields=["state"], condition=Q(state__in=["to_pick", "to_unpack", "withheld"]), name="pickup_line_to_do"
            ),
        ]

    def __str__(self) -> str:
        return f"line {self.pk} ({self.state})"


class Link(models.Model):
    """The address that stands for an order in a text; only its digest is kept. Dead with the order."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="links")
    generation = models.PositiveSmallIntegerField(default=1)
    digest = models.CharField(max_length=64, unique=True)
    made_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["order", "generation"], name="pickup_link_made_once"),
        ]

    def __str__(self) -> str:
        return f"link of order {self.order_id}"


class Question(models.Model):
    """What a number was last asked, so that its answer is understood. Choices are numbered 5 to 9."""

    class Kind(models.TextChoices):
        OFFER = "offer", _("does the time suit")
        TIMES = "times", _("which other time")
        ORDERS = "orders", _("which of several orders")

    number = models.CharField(max_length=16)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="questions")
    options = models.JSONField(default=list, blank=True, help_text=_("slot or order ids, the first is choice 5"))
    asked_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(number__regex=E164), name="pickup_question_number_e164"),
            models.CheckConstraint(condition=Q(kind__in=["offer", "times", "orders"]), name="pickup_question_known"),
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True) | Q(closed_at__gte=F("asked_at")),
                name="pickup_asked_before_closed",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["number", "-asked_at"], condition=Q(closed_at__isnull=True), name="pickup_question_open"
            ),
        ]

    def __str__(self) -> str:
        return f"question {self.kind} of order {self.order_id}"
