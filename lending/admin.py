"""The administrators' desk: rules and people can be edited, what has a state or is history can only be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from lending import circulation
from lending.errors import BagsLent
from lending.models import (
    Account,
    Contact,
    Copy,
    Household,
    Library,
    Loan,
    Membership,
    Patron,
    PickupPoint,
    Programme,
    Reservation,
    SpecialDay,
    Title,
    Token,
)

if TYPE_CHECKING:
    from django.http import HttpRequest

    Base = admin.ModelAdmin[Any]
else:
    Base = admin.ModelAdmin


DAYS = ["weekly_closed", "nth_closed", "holidays"]


class Kept(Base):
    """Rows that others hang on: edited, never deleted here."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnly(Kept):
    """Rows that only verbs write."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class MembershipLines(admin.TabularInline):  # type: ignore[type-arg]
    model = Membership
    extra = 0


class SpecialDayLines(admin.TabularInline):  # type: ignore[type-arg]
    model = SpecialDay
    extra = 0

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class PointLines(admin.TabularInline):  # type: ignore[type-arg]
    model = PickupPoint
    extra = 0
    can_delete = False
    fields = ["code", "name_ko", "name_en", "layout", "open", "position"]


class ContactLines(admin.TabularInline):  # type: ignore[type-arg]
    model = Contact
    extra = 0


@admin.register(Account)
class AccountAdmin(UserAdmin):  # type: ignore[type-arg]
    """Accounts are switched off (`is_active`), not deleted: journals name them."""

    inlines = [MembershipLines]
    fieldsets = (*(UserAdmin.fieldsets or ()), (None, {"fields": ["language"]}))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Programme)
class ProgrammeAdmin(Kept):
    """A new one is made here; its rules are changed on their page, which keeps a history."""

    list_display = ["key", "name_ko", "volumes", "volumes_per", "week", "loan_days", "renewals"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class LibraryForm(forms.ModelForm):  # type: ignore[type-arg]
    """A library, whose loans may be kept by somebody else only while no bag would be lent twice by that."""

    def clean_circulation(self) -> str:
        """Refuse what `circulation.refuse_change` refuses."""
        keeps: str = self.cleaned_data["circulation"]
        before = Library.objects.filter(pk=self.instance.pk or 0).first()
        if before is not None:
            try:
                circulation.refuse_change(library=before, keeps=keeps)
            except BagsLent as refusal:
                raise ValidationError(str(refusal)) from refusal
        return keeps


@admin.register(Library)
class LibraryAdmin(Kept):
    form = LibraryForm
    list_display = ["code", "name_ko", "programme", "circulation", "surge"]
    list_select_related = ["programme"]
    # These are set on a page that shows what changes, with a history. A zone is set here: the next sweep follows it.
    readonly_fields = ["surge", "surge_programme", "surge_notice_ko", "surge_notice_en", "opening_days"]
    inlines = [PointLines, SpecialDayLines]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """The days of a library that is there are set where its times follow, and its visits can be seen."""
        return [*self.readonly_fields, *([] if obj is None else DAYS)]

    @admin.display(description=_("Opening days"))
    def opening_days(self, _library: Library) -> str:
        """The way to that page."""
        return format_html('<a href="{}">{}</a>', reverse("days"), _("Closed days are set here; the times follow."))


@admin.register(PickupPoint)
class PickupPointAdmin(Kept):
    list_display = ["code", "name_ko", "library", "layout", "open"]
    list_select_related = ["library"]


@admin.register(Household)
class HouseholdAdmin(Base):
    list_display = ["key", "together"]
    search_fields = ["key"]


@admin.register(Patron)
class PatronAdmin(Kept):
    list_display = ["card_number", "home", "household", "blocked_until"]
    list_select_related = ["home", "household"]
    search_fields = ["card_number"]
    autocomplete_fields = ["household"]
    readonly_fields = ["account"]
    inlines = [ContactLines]


@admin.register(Token)
class TokenAdmin(Base):
    """Tokens can be taken away, not made or read: only their digest is kept."""

    list_display = ["__str__", "library", "created_at", "expires_at"]
    list_select_related = ["library", "account"]
    exclude = ["digest"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Title)
class TitleAdmin(ReadOnly):
    list_display = ["title", "author", "publisher", "year", "isbn", "source"]
    search_fields = ["=isbn", "=control_number"]
    exclude = ["grams", "searchable"]
    show_full_result_count = False


@admin.register(Copy)
class CopyAdmin(ReadOnly):
    list_display = ["barcode", "title", "library", "at_library", "state", "call_number"]
    list_filter = ["state", "at_library"]
    list_select_related = ["title", "library", "at_library"]
    search_fields = ["=barcode"]
    show_full_result_count = False


@admin.register(Reservation)
class ReservationAdmin(ReadOnly):
    list_display = ["id", "state", "title", "pickup_point", "placed_at", "moved_at"]
    list_filter = ["state", "pickup_point"]
    list_select_related = ["title", "pickup_point"]
    show_full_result_count = False


@admin.register(Loan)
class LoanAdmin(ReadOnly):
    list_display = ["id", "state", "copy", "library", "lent_at", "due_on", "returned_at"]
    list_filter = ["state", "library"]
    list_select_related = ["copy", "library"]
    show_full_result_count = False
