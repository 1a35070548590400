"""Orders, what is in them, the addresses and questions that belong to them."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core.moves import Moving, state_law
from lending.models import Contact, Copy, Language, Library, Patron, PickupPoint, Reservation
from notifications.phone import E164
from pickup.models.lanes import Visit
from pickup.models.times import Appointment
from pickup.states import (
    LINE_MOVES,
    OPEN_ORDER,
    ORDER_MOVES,
    LineState,
    OrderState,
)


class Order(Moving):
    """The bag: what one patron collects at one pickup point."""

    MOVES = ORDER_MOVES
    FIRST = OrderState.PICKING

    library = models.ForeignKey(Library, on_delete=models.PROTECT, related_name="orders")
    point = models.ForeignKey(PickupPoint, on_delete=models.PROTECT, related_name="orders", db_index=False)
    number = models.CharField(max_length=4)
    number_released_at = models.DateTimeField(null=True, blank=True)
    patron = models.ForeignKey(Patron, null=True, on_delete=models.SET_NULL, related_name="orders")
    collector = models.ForeignKey(
        Contact, null=True, blank=True, on_delete=models.SET_NULL, related_name="orders", db_index=False
    )
    language = models.CharField(max_length=5, choices=Language.choices, default=Language.KO)
    appointment = models.ForeignKey(
        Appointment, null=True, blank=True, on_delete=models.PROTECT, related_name="orders", help_text=_("the newest")
    )
    missed = models.ForeignKey(
        Appointment,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        help_text=_("the promise that was missed before another time was offered"),
    )
    visit = models.ForeignKey(
        Visit, null=True, blank=True, on_delete=models.PROTECT, related_name="orders", db_index=False
    )
    opened_at = models.DateTimeField()
    ready_at = models.DateTimeField(null=True, blank=True)
    handed_over_at = models.DateTimeField(null=True, blank=True)
    keep_until = models.DateTimeField(null=True, blank=True, help_text=_("then a ready bag is unpacked"))
    place = models.CharField(max_length=12, blank=True, help_text=_("where the bag stands on the pickup shelf"))
    plate = models.CharField(max_length=20, blank=True, help_text=_("of the car that comes, if it was told"))
    whole_until = models.DateTimeField(
        null=True, blank=True, help_text=_("until then the bag waits until all of its books are together")
    )
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
            models.UniqueConstraint(
                fields=["point", "place"],
                condition=Q(state=OrderState.READY) & ~Q(place=""),
                name="pickup_place_holds_one_bag",
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
        indexes: ClassVar = [  # each costs every change of a bag: a link or a state that most bags lack is left out
            models.Index(fields=["point", "state"], condition=Q(state__in=OPEN_ORDER), name="pickup_order_open"),
            models.Index(
                fields=["point", "handed_over_at"],
                condition=Q(state=OrderState.HANDED_OVER),
                name="pickup_order_handed_over",
            ),
            models.Index(fields=["collector"], condition=Q(collector__isnull=False), name="pickup_order_collector"),
            models.Index(fields=["visit"], condition=Q(visit__isnull=False), name="pickup_order_visit"),
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
    fetcher = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text=_("who fetches it from the shelf"),
    )
    fetcher_since = models.DateTimeField(null=True, blank=True)

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


class Note(models.Model):
    """What whoever collects an order wrote to the library about it."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="notes")
    text = models.CharField(max_length=300)
    channel = models.CharField(max_length=10)
    written_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.CharField(max_length=40, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(text=""), name="pickup_note_says_something"),
            models.CheckConstraint(
                condition=Q(settled_at__isnull=True) | Q(settled_at__gte=F("written_at")),
                name="pickup_note_written_before_settled",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["written_at"], condition=Q(settled_at__isnull=True), name="pickup_note_to_read"),
        ]

    def __str__(self) -> str:
        return f"note on order {self.order_id}"


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
