"""What staff write into the forms of this room: books, rules, limits, notices, who works here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib.postgres.forms import SimpleArrayField
from django.utils.dates import WEEKDAYS
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from lending import public_holidays
from lending.forms import Refusable
from lending.models import (
    NOTICE,
    Allowance,
    Material,
    Membership,
    Programme,
)
from lending.states import StrikeKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet
    from django.forms import BoundField
    from django_stubs_ext import StrOrPromise


OF_A_LIST = {"item_invalid": _("Entry %(nth)s:")}
"""Begins what is wrong with one of several values that are parted by commas."""
NTH = {1: _("1st"), 2: _("2nd"), 3: _("3rd"), 4: _("4th"), 5: _("5th")}
LABELS: dict[str, StrOrPromise] = {
    "name_ko": _("Korean name"),
    "name_en": _("English name"),
    "volumes": _("Volumes in a week"),
    "volumes_per": _("Counted"),
    "week": _("A week is a"),
    "volumes_per_order": _("Volumes in one order"),
    "orders_per_week": _("Orders in a week"),
    "reserved_at_once": _("On order at the same time"),
    "at_once": _("On order or at home at the same time"),
    "with_loans": _("Ordinary loans count too"),
    "orders_weekday": _("Orders on a weekday"),
    "orders_weekend": _("Orders on a Saturday or Sunday"),
    "only_surge": _("Only while the building is closed"),
    "waiting_per_copy": _("People waiting for each copy"),
    "waiting_most": _("People waiting for one title"),
    "materials_excluded": _("Kinds"),
    "volumes_excluded": _("Volumes, separated by commas"),
    "loan_days": _("Days of a loan"),
    "first_day_counts": _("The day of lending counts"),
    "open_days_only": _("Closed days do not count"),
    "renewals": _("Renewals"),
    "remind_before": _("Reminders, days before the due date, parted by commas"),
    "remind_after": _("Reminders, days after the due date, parted by commas"),
    "rest_hours": _("Hours a returned book rests"),
    "transfer_days": _("Days between libraries"),
    "transfer_cutoff": _("Leaves on the same day if asked for before"),
    "foreign_books": _("Another library's book that nobody waits for"),
    "strikes_for": _("What counts as a strike"),
    "strikes": _("Strikes that lead to a pause"),
    "strike_days": _("Days for which a strike counts"),
    "pause_days": _("Days of a pause"),
    "relend_days": _("Days without a title that was not collected"),
    "overdue_pause": _("Days of pause for a day overdue"),
}
EMPTY: dict[str, StrOrPromise] = {
    "transfer_days": _("books do not travel"),
    "transfer_cutoff": _("at any hour"),
}
"""What it means where a rule is empty and that is not that nothing is limited."""
GROUPS: dict[str, tuple[StrOrPromise, tuple[str, ...]]] = {
    "name": (_("Name"), ("name_ko", "name_en")),
    "much": (
        _("How much"),
        (
            "volumes",
            "volumes_per",
            "week",
            "volumes_per_order",
            "orders_per_week",
            "reserved_at_once",
            "at_once",
            "with_loans",
        ),
    ),
    "day": (_("Orders in a day"), ("orders_weekday", "orders_weekend", "only_surge")),
    "line": (_("Waiting in line"), ("waiting_per_copy", "waiting_most")),
    "kinds": (_("Not through this programme"), ("materials_excluded", "volumes_excluded")),
    "loan": (
        _("Loans"),
        (
            "loan_days",
            "renewals",
            "remind_before",
            "remind_after",
            "rest_hours",
            "transfer_days",
            "transfer_cutoff",
            "foreign_books",
            "first_day_counts",
            "open_days_only",
        ),
    ),
    "late": (
        _("Not collected, late"),
        ("strikes_for", "strikes", "strike_days", "pause_days", "relend_days", "overdue_pause"),
    ),
}


class MemberForm(Refusable):
    """Somebody who is to work in a library."""

    username = forms.CharField(
        label=_("User name"), max_length=150, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    role = forms.ChoiceField(label=_("Role"), choices=Membership.Role.choices)
    name = forms.CharField(
        label=_("Name"),
        help_text=_("For somebody new; a colleague of another library has one."),
        max_length=150,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    password = forms.CharField(
        label=_("First password"),
        help_text=_("For somebody new: at least 10 characters."),
        max_length=128,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


class BookForm(forms.Form):
    """One title, or one volume of it, for the list of books to ask for."""

    title = forms.IntegerField(min_value=1, max_value=2**63 - 1)
    volume = forms.CharField(max_length=20, required=False)

    @property
    def item(self) -> list[Any]:
        """What the session keeps of it."""
        return [self.cleaned_data["title"], self.cleaned_data["volume"]]


class AllowanceForm(forms.ModelForm, Refusable):  # type: ignore[type-arg] # generic for the stubs alone
    """A class of patrons to whom more is allowed. An empty number is as the programme has it.

    `short` becomes its key; the form of a class that exists has none.
    """

    short = forms.SlugField(label=_("Short name, in Latin letters"), max_length=40)

    class Meta:
        model = Allowance
        fields = ("name_ko", "name_en", "volumes", "at_once", "loan_days")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.Meta.fields:
            field = self.fields[name]
            field.label, field.help_text = LABELS[name], ""
            if isinstance(field, forms.IntegerField):
                field.widget.attrs["inputmode"] = "numeric"
        if self.instance.pk is not None:
            del self.fields["short"]

    def clean_short(self) -> str:
        """A name that the programme does not have yet."""
        short = str(self.cleaned_data["short"])
        if Allowance.objects.filter(programme=self.instance.programme_id, key=short).exists():
            raise forms.ValidationError(_("There is a class of this name already."))
        return short


class NoticeForm(Refusable):
    """What people read while the building is closed; empty is the plain sentence."""

    notice_ko = forms.CharField(
        label=_("In Korean"),
        max_length=NOTICE,
        required=False,
        widget=forms.TextInput(attrs={"lang": "ko", "autocomplete": "off"}),
    )
    notice_en = forms.CharField(
        label=_("In English"),
        max_length=NOTICE,
        required=False,
        widget=forms.TextInput(attrs={"lang": "en", "autocomplete": "off"}),
    )


class SurgeRulesForm(Refusable):
    """Whose rules hold while the building is closed."""

    programme = forms.ModelChoiceField(
        label=_("Rules while the building is closed"),
        queryset=Programme.objects.none(),
        required=False,
        empty_label=_("the same as on normal days"),
    )

    def __init__(self, *args: Any, among: QuerySet[Programme], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast("forms.ModelChoiceField[Programme]", self.fields["programme"]).queryset = among


class WeekForm(Refusable):
    """On which days a library is closed by rule."""

    weekly_closed = forms.TypedMultipleChoiceField(
        label=_("Closed every"),
        choices=list(WEEKDAYS.items()),
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    nth_closed = forms.MultipleChoiceField(
        label=_("Closed on single weeks of a month"),
        choices=[
            (f"{nth}-{day}", format_lazy("{} {}", said, weekday))
            for day, weekday in WEEKDAYS.items()
            for nth, said in NTH.items()
        ],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    holidays = forms.CharField(
        label=_("Closed on the public holidays of"),
        max_length=10,
        required=False,
        help_text=_("A country or a part of it, such as KR or US-NY. Empty: open on holidays."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters"}),
    )

    def clean_weekly_closed(self) -> list[int]:
        closed: list[int] = self.cleaned_data["weekly_closed"]
        if len(set(closed)) == len(WEEKDAYS):
            raise forms.ValidationError(_("A library is open on one weekday at least."))
        return closed

    def clean_holidays(self) -> str:
        region: str = self.cleaned_data["holidays"].upper()
        public_holidays.known(region)
        return region


class RulesForm(forms.ModelForm, Refusable):  # type: ignore[type-arg] # generic for the stubs alone
    """The rules of a programme, in groups. An empty number is no limit. `seen` is the last change before this form."""

    long = True

    seen = forms.IntegerField(min_value=0, required=False, widget=forms.HiddenInput)
    materials_excluded = forms.MultipleChoiceField(
        choices=Material.choices, required=False, widget=forms.CheckboxSelectMultiple
    )
    volumes_excluded = SimpleArrayField(forms.CharField(max_length=20), required=False, error_messages=OF_A_LIST)
    remind_before = SimpleArrayField(
        forms.IntegerField(min_value=0, max_value=30), required=False, max_length=5, error_messages=OF_A_LIST
    )
    remind_after = SimpleArrayField(
        forms.IntegerField(min_value=1, max_value=60), required=False, max_length=5, error_messages=OF_A_LIST
    )
    strikes_for = forms.MultipleChoiceField(
        choices=StrikeKind.choices, required=False, widget=forms.CheckboxSelectMultiple
    )
    transfer_cutoff = forms.TimeField(required=False, widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"))

    class Meta:
        model = Programme
        fields = tuple(name for _title, names in GROUPS.values() for name in names)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.label = LABELS.get(name, "")
            field.help_text = ""
            if isinstance(field, forms.IntegerField):
                field.widget.attrs["inputmode"] = "numeric"

    def groups(self) -> Iterator[tuple[StrOrPromise, list[BoundField]]]:
        """The fields under what they are about."""
        for title, names in GROUPS.values():
            yield title, [self[name] for name in names]

    def read(self) -> Iterator[tuple[StrOrPromise, list[tuple[str, str]]]]:
        """The rules under what they are about, for those who only read them."""
        for title, names in GROUPS.values():
            yield title, [(self.label_of(name), self.shown(name, getattr(self.instance, name))) for name in names]

    @property
    def values(self) -> dict[str, Any]:
        """What was typed, as the columns have it."""
        return {name: self.cleaned_data[name] for name in self.Meta.fields}

    @staticmethod
    def label_of(name: str) -> str:
        """What a rule is called; `<key>.<column>` is a column of a class with larger limits."""
        allowance, dot, column = name.rpartition(".")
        return f"{allowance}: {LABELS.get(column, column)}" if dot else str(LABELS.get(name, name))

    def shown(self, name: str, value: Any) -> str:
        """A value as people read it."""
        if value is None:
            return str(EMPTY.get(name, _("no limit")))
        if name == "transfer_cutoff":
            return str(value)[:5]  # a history keeps it as a text
        if isinstance(value, bool):
            return str(_("yes") if value else _("no"))
        words = dict(getattr(self.fields.get(name), "choices", ()))
        if isinstance(value, list):
            return ", ".join(str(words.get(one, one)) for one in value) or str(_("none"))
        return str(words.get(value, value))
