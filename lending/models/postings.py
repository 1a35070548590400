"""Where another system keeps the loans: what it still has to be told, and whom it has on the list of a day."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core.moves import Moving, state_law
from lending.models.books import Copy, Reservation
from lending.models.libraries import Library
from lending.models.people import Patron
from lending.states import POSTING_MOVES, UNTOLD, PostingState


class Posting(Moving):
    """A book went out or came back; the system that keeps the loans has to be told, by a person or by a file."""

    MOVES = POSTING_MOVES
    FIRST = PostingState.PENDING

    class Kind(models.TextChoices):
        CHECK_OUT = "check_out", _("lent")
        CHECK_IN = "check_in", _("returned")

    class Why(models.TextChoices):
        """Why the other system did not take it, and where that is solved."""

        CARD = "card", _("The card is blocked or unknown: solve it in the patron's record there.")
        BOOK = "book", _("The barcode is unknown there: solve it in the record of the book.")
        LENT = "lent", _("The book is lent to somebody else there: take it back there first.")
        RESERVED = "reserved", _("The book is reserved for somebody else there: solve it in the reservations there.")
        OTHER = "other", _("Something else: see the note.")

    library = models.ForeignKey(Library, on_delete=models.PROTECT, related_name="postings")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    barcode = models.CharField(max_length=30)
    copy = models.ForeignKey(
        Copy, null=True, blank=True, on_delete=models.PROTECT, related_name="postings", help_text=_("if we know it")
    )
    patron = models.ForeignKey(Patron, null=True, blank=True, on_delete=models.SET_NULL, related_name="postings")
    reservation = models.ForeignKey(
        Reservation, null=True, blank=True, on_delete=models.PROTECT, related_name="postings"
    )
    undoes = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="undone_by", help_text=_("takes it back")
    )
    happened_at = models.DateTimeField()
    packed = models.BooleanField(default=False, help_text=_("lent when packed, before the hand-over"))
    reason = models.CharField(max_length=10, blank=True, choices=Why.choices)
    note = models.CharField(max_length=200, blank=True)
    export = models.UUIDField(null=True, blank=True, help_text=_("the file that it was written into"))
    exported_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            state_law("lending_posting_state_known", POSTING_MOVES),
            models.CheckConstraint(condition=Q(kind__in=["check_out", "check_in"]), name="lending_posting_kind_known"),
            models.CheckConstraint(condition=~Q(barcode=""), name="lending_posting_names_a_book"),
            models.CheckConstraint(
                condition=~Q(kind="check_out", state__in=UNTOLD) | Q(patron__isnull=False),
                name="lending_check_out_to_tell_has_patron",
            ),
            models.CheckConstraint(
                condition=(Q(state="refused") & Q(reason__in=["card", "book", "lent", "reserved", "other"]))
                | (~Q(state="refused") & Q(reason="")),
                name="lending_refused_posting_says_why",
            ),
            models.CheckConstraint(
                condition=Q(export__isnull=True, exported_at__isnull=True)
                | Q(export__isnull=False, exported_at__isnull=False),
                name="lending_exported_posting_has_its_time",
            ),
            models.UniqueConstraint(fields=["undoes"], name="lending_posting_undone_once"),
            models.CheckConstraint(
                condition=Q(packed=False) | Q(kind="check_out", reservation__isnull=False),
                name="lending_packed_posting_is_of_a_bag",
            ),
            models.UniqueConstraint(
                fields=["reservation"],
                condition=Q(kind="check_out", state="pending", export__isnull=True),
                name="lending_hand_over_told_once",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["library", "happened_at"], condition=Q(state__in=UNTOLD), name="lending_posting_to_tell"
            ),
            models.Index(fields=["copy", "happened_at"], name="lending_posting_of_copy"),
            models.Index(
                fields=["reservation"], condition=Q(reservation__isnull=False), name="lending_posting_of_asking"
            ),
        ]

    def __str__(self) -> str:
        return f"posting {self.pk} ({self.state})"


class ListedCopy(models.Model):
    """One line of a day's list from the other system, taken over: the same list again finds it and adds nothing."""

    library = models.ForeignKey(Library, on_delete=models.PROTECT, related_name="listed")
    day = models.DateField(help_text=_("the local day for which the list was made"))
    patron = models.ForeignKey(Patron, null=True, on_delete=models.SET_NULL, related_name="listed")
    copy = models.ForeignKey(Copy, on_delete=models.PROTECT, related_name="listed")
    reservation = models.ForeignKey(Reservation, on_delete=models.PROTECT, related_name="listed")

    class Meta:
        verbose_name_plural = "listed copies"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["library", "day", "patron", "copy"], name="lending_copy_listed_once"),
        ]

    def __str__(self) -> str:
        return f"{self.day}: {self.copy_id}"
