"""Titles and copies, who waits for what, what is lent."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core.moves import Moving, state_law
from lending.models.libraries import Library, PickupPoint
from lending.models.people import Contact, Patron
from lending.models.programmes import Material, Programme
from lending.states import (
    COPY_MOVES,
    HOLDING,
    LOAN_MOVES,
    OPEN,
    RESERVATION_MOVES,
    CopyState,
    LoanState,
    ReservationState,
)


class Title(models.Model):
    """The bibliographic record."""

    source = models.CharField(max_length=20, help_text=_("where the record comes from"))
    control_number = models.CharField(max_length=40)
    title = models.CharField(max_length=1000)
    title_romanised = models.CharField(max_length=1000, blank=True)
    author = models.CharField(max_length=500, blank=True)
    publisher = models.CharField(max_length=300, blank=True)
    year = models.SmallIntegerField(null=True, blank=True)
    isbn = models.CharField(max_length=13, blank=True)
    language = models.CharField(max_length=3, blank=True)
    classification = models.CharField(max_length=30, blank=True)
    material = models.CharField(max_length=10, choices=Material.choices, default=Material.BOOK)
    searchable = models.TextField(help_text=_("normalised title, author and ISBN; see lending/grams.py"))
    grams = SearchVectorField(help_text=_("one- and two-letter grams of `searchable`"))

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["source", "control_number"], name="lending_title_recorded_once"),
            models.CheckConstraint(condition=Q(material__in=Material.values), name="lending_title_material_known"),
        ]
        indexes: ClassVar = [
            GinIndex(fields=["grams"], name="lending_title_grams"),
            models.Index(fields=["isbn"], name="lending_title_isbn"),
        ]

    def __str__(self) -> str:
        return self.title


class Copy(Moving):
    """One physical volume with a barcode: whose it is, where it is, in what state."""

    MOVES = COPY_MOVES
    FIRST = CopyState.SHELF

    title = models.ForeignKey(Title, on_delete=models.PROTECT, related_name="copies")
    library = models.ForeignKey(Library, on_delete=models.PROTECT, related_name="copies", help_text=_("whose it is"))
    at_library = models.ForeignKey(Library, on_delete=models.PROTECT, related_name="copies_here")
    barcode = models.CharField(max_length=30, unique=True)
    volume = models.CharField(max_length=20, blank=True)
    call_number = models.CharField(max_length=80, blank=True)
    shelf_key = models.CharField(max_length=200, blank=True, help_text=_("sorts in shelf order"))
    rests_until = models.DateTimeField(null=True, blank=True, help_text=_("promised to nobody before"))

    class Meta:
        verbose_name_plural = "copies"
        constraints: ClassVar = [state_law("lending_copy_state_known", COPY_MOVES)]
        indexes: ClassVar = [
            models.Index(fields=["title", "volume", "at_library", "state"], name="lending_copy_to_hand"),
            models.Index(fields=["at_library", "state", "shelf_key"], name="lending_copy_in_shelf_order"),
        ]

    def __str__(self) -> str:
        return self.barcode


class ShelfLook(models.Model):
    """Somebody looked for a copy that is not where it should be, and did not see it."""

    copy = models.ForeignKey(Copy, on_delete=models.CASCADE, related_name="looks")
    on = models.DateField(help_text=_("local day of the library where it should stand"))
    at = models.DateTimeField()
    principal = models.CharField(max_length=40)

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["copy", "on"], name="lending_copy_looked_for_once_a_day")
        ]

    def __str__(self) -> str:
        return f"look for {self.copy_id} on {self.on}"


class Reservation(Moving):
    """One patron wants one title, or one volume of it, at one pickup point."""

    MOVES = RESERVATION_MOVES
    FIRST = ReservationState.WAITING

    patron = models.ForeignKey(Patron, null=True, on_delete=models.SET_NULL, related_name="reservations")
    title = models.ForeignKey(Title, on_delete=models.PROTECT, related_name="reservations")
    volume = models.CharField(max_length=20, blank=True)
    copy = models.ForeignKey(Copy, null=True, blank=True, on_delete=models.PROTECT, related_name="reservations")
    pickup_point = models.ForeignKey(PickupPoint, on_delete=models.PROTECT, related_name="reservations")
    programme = models.ForeignKey(Programme, on_delete=models.PROTECT, related_name="reservations")
    request = models.UUIDField(help_text=_("the one asking that it was part of"))
    collector = models.ForeignKey(
        Contact, null=True, blank=True, on_delete=models.SET_NULL, related_name="reservations"
    )
    placed_at = models.DateTimeField()
    placed_on = models.DateField(help_text=_("local day; weeks are counted by it"))
    channel = models.CharField(max_length=10)
    suspended_until = models.DateField(null=True, blank=True, help_text=_("local day on which it waits again"))
    needed_until = models.DateField(null=True, blank=True, help_text=_("last local day on which it is of use"))

    class Meta:
        constraints: ClassVar = [
            state_law("lending_reservation_state_known", RESERVATION_MOVES),
            models.CheckConstraint(
                condition=Q(state="suspended", suspended_until__isnull=False)
                | (~Q(state="suspended") & Q(suspended_until__isnull=True)),
                name="lending_suspended_reservation_has_its_day",
            ),
            models.UniqueConstraint(
                fields=["patron", "title", "volume"],
                condition=Q(state__in=OPEN),
                name="lending_title_reserved_once_per_patron",
            ),
            models.UniqueConstraint(
                fields=["copy"], condition=Q(state__in=HOLDING), name="lending_copy_set_aside_once"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=HOLDING) | Q(copy__isnull=False), name="lending_held_reservation_has_copy"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["waiting", "suspended"]) | Q(copy__isnull=True),
                name="lending_waiting_reservation_has_no_copy",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=OPEN) | Q(patron__isnull=False), name="lending_open_reservation_has_patron"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["title", "placed_at", "id"], condition=Q(state="waiting"), name="lending_reservation_queue"
            ),
            models.Index(fields=["patron", "placed_on"], name="lending_reservation_quota"),
            models.Index(fields=["id"], condition=Q(state="allocated"), name="lending_reservation_to_bag"),
            models.Index(
                fields=["suspended_until"], condition=Q(state="suspended"), name="lending_reservation_to_resume"
            ),
            models.Index(
                fields=["needed_until"],
                condition=Q(state__in=["waiting", "suspended", "allocated"], needed_until__isnull=False),
                name="lending_reservation_to_expire",
            ),
        ]

    def __str__(self) -> str:
        return f"reservation {self.pk} ({self.state})"


class Loan(Moving):
    """A copy lent to a patron until a local day."""

    MOVES = LOAN_MOVES
    FIRST = LoanState.OUT

    copy = models.ForeignKey(Copy, on_delete=models.PROTECT, related_name="loans")
    patron = models.ForeignKey(Patron, null=True, on_delete=models.SET_NULL, related_name="loans")
    library = models.ForeignKey(Library, on_delete=models.PROTECT, related_name="loans", help_text=_("lent by"))
    programme = models.ForeignKey(Programme, on_delete=models.PROTECT, related_name="loans")
    reservation = models.ForeignKey(Reservation, null=True, blank=True, on_delete=models.PROTECT, related_name="loans")
    lent_at = models.DateTimeField()
    due_on = models.DateField()
    renewals = models.PositiveSmallIntegerField(default=0)
    returned_at = models.DateTimeField(null=True, blank=True)
    packed_due_on = models.DateField(
        null=True, blank=True, help_text=_("the due date while it lay in its bag; empty: not lent before the hand-over")
    )
    reminded = models.SmallIntegerField(
        null=True, blank=True, help_text=_("of the last reminder: how many days after the due date it was for")
    )
    reminded_on = models.DateField(null=True, blank=True, help_text=_("local day of the last reminder"))
    return_told_at = models.DateTimeField(null=True, blank=True, help_text=_("when the return was confirmed"))

    class Meta:
        constraints: ClassVar = [
            state_law("lending_loan_state_known", LOAN_MOVES),
            models.UniqueConstraint(fields=["copy"], condition=Q(state=LoanState.OUT), name="lending_copy_lent_once"),
            models.CheckConstraint(
                condition=~Q(state=LoanState.OUT) | Q(patron__isnull=False), name="lending_open_loan_has_patron"
            ),
            models.CheckConstraint(
                condition=Q(state=LoanState.RETURNED, returned_at__isnull=False)
                | (~Q(state=LoanState.RETURNED) & Q(returned_at__isnull=True)),
                name="lending_returned_loan_has_its_time",
            ),
            models.CheckConstraint(
                condition=Q(returned_at__isnull=True) | Q(returned_at__gte=F("lent_at")),
                name="lending_lent_before_returned",
            ),
            models.UniqueConstraint(
                fields=["reservation"], condition=Q(state=LoanState.OUT), name="lending_reservation_lent_once"
            ),
            models.CheckConstraint(
                condition=Q(packed_due_on__isnull=True) | Q(reservation__isnull=False),
                name="lending_packed_loan_is_of_a_bag",
            ),
            models.CheckConstraint(
                condition=Q(reminded__isnull=True, reminded_on__isnull=True)
                | Q(reminded__isnull=False, reminded_on__isnull=False),
                name="lending_reminder_has_its_day",
            ),
            models.CheckConstraint(
                condition=Q(return_told_at__isnull=True) | Q(returned_at__isnull=False),
                name="lending_only_a_return_is_told",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["patron"], condition=Q(state=LoanState.OUT), name="lending_loan_of_patron"),
            models.Index(fields=["library", "due_on"], condition=Q(state=LoanState.OUT), name="lending_loan_due"),
            models.Index(
                fields=["returned_at"],
                condition=Q(state=LoanState.RETURNED, return_told_at__isnull=True),
                name="lending_return_to_tell",
            ),
        ]

    def __str__(self) -> str:
        return f"loan {self.pk} ({self.state})"

    @property
    def rules(self) -> Programme:
        """Those of the library that lent it; of the programme that it was lent by, if the library follows another."""
        return self.library.rules if self.library.programme_id == self.programme_id else self.programme
