"""What people type on this room's pages, read once; forms never save."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.contrib.postgres.forms import SimpleArrayField
from django.utils.dates import WEEKDAYS
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from lending.models import (
    NOTICE,
    Allowance,
    ByDoor,
    Consent,
    Contact,
    Language,
    Material,
    Membership,
    Patron,
    Programme,
)
from lending.search import UnreadableQuery
from lending.states import StrikeKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet
    from django.forms import BoundField
    from django_stubs_ext import StrOrPromise

    from core.refusal import Refusal

LONGEST_SEARCH = 200
OF_A_LIST = {"item_invalid": _("Entry %(nth)s:")}
"""Begins what is wrong with one of several values that are parted by commas."""


class Refusable(forms.Form):
    """A form beside whose fields a refusal of the use case can be shown."""

    long: ClassVar[bool] = False
    """Whether its page begins with a list of what is wrong, each with the way to its field."""

    def refuse(self, refusal: Refusal) -> None:
        """Show the sentence beside the field that it names, else above the form."""
        self.add_error(refusal.field if refusal.field in self.fields else None, str(refusal))

    def add_error(self, field: str | None, error: Any) -> None:
        """Keep what is wrong; the page begins there: at the sentence above the form, else at the first such field."""
        super().add_error(field, error)
        above = self.long or self.non_field_errors()
        first = None if above else next((name for name in self.fields if name in self.errors), None)
        for name, one in self.fields.items():
            one.widget.attrs.pop("autofocus", None)
            if name == first:
                one.widget.attrs["autofocus"] = True

    @property
    def listed(self) -> list[BoundField]:
        """The fields of a long form that need another look."""
        return [self[name] for name in self.fields if self.long and name in self.errors]

    @property
    def status(self) -> int:
        """The HTTP status of the page that shows this form."""
        return 400 if self.is_bound and self.errors else 200


class SearchForm(forms.Form):
    q = forms.CharField(
        label=_("Title, author or ISBN"),
        max_length=LONGEST_SEARCH,
        required=False,
        error_messages={
            "max_length": _("This is too long to search for. Please type a few words of the title."),
            "null_characters_not_allowed": UnreadableQuery.sentence,
        },
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off", "enterkeyhint": "search"}),
    )


class SignInForm(Refusable):
    card_number = forms.CharField(
        label=_("Card number"),
        max_length=80,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "characters"}),
    )
    pin = forms.CharField(
        label=_("PIN"),
        max_length=128,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "inputmode": "numeric"}),
    )
    remember = forms.BooleanField(label=_("Stay signed in on this device for 90 days"), required=False)


class CodeForm(Refusable):
    """Step one of a sign-in by code: for which card."""

    card_number = forms.CharField(
        label=_("Card number"),
        max_length=80,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "characters", "autofocus": True}),
    )


class CodeSignInForm(Refusable):
    """Step two: the code."""

    code = forms.CharField(
        label=_("Code"),
        help_text=_("Six digits, good for 10 minutes."),
        max_length=40,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True, "spellcheck": "false"}
        ),
    )
    remember = forms.BooleanField(label=_("Stay signed in on this device for 90 days"), required=False)


class PinForm(Refusable):
    """A new PIN; `old` is asked for unless somebody has just come in by a code, or had none."""

    old = forms.CharField(
        label=_("Current PIN"),
        max_length=128,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "inputmode": "numeric"}),
    )
    pin = forms.CharField(
        label=_("New PIN"),
        help_text=_("6 to 8 digits. No birthday, no row of digits, nothing from your card or telephone number."),
        max_length=128,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "inputmode": "numeric"}),
    )
    again = forms.CharField(
        label=_("New PIN once more"),
        max_length=128,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "inputmode": "numeric"}),
    )

    def __init__(self, *args: Any, asks_old: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not asks_old:
            del self.fields["old"]

    def clean(self) -> dict[str, Any]:
        told = super().clean() or {}
        if {"pin", "again"} <= set(told) and told["pin"] != told["again"]:
            self.add_error("again", _("These are two different PINs. Please type the new one twice."))
        return told


class EraseForm(Refusable):
    """Says with the PIN, or with the card number where there is none, that all about oneself shall be erased."""

    sure = forms.CharField(
        label=_("Your PIN"),
        max_length=80,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "inputmode": "numeric"}),
    )

    def __init__(self, *args: Any, has_pin: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not has_pin:
            self.fields["sure"] = forms.CharField(
                label=_("Your card number"), max_length=80, widget=forms.TextInput(attrs={"autocomplete": "off"})
            )


class NumberForm(Refusable):
    """A new number of one's own."""

    number = forms.CharField(
        label=_("Mobile number"),
        help_text=_("We text a code to it, so that nobody enters a number that is not theirs."),
        max_length=30,
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel", "autofocus": True}),
    )


class ConfirmForm(Refusable):
    """The code that was texted to a new number."""

    code = forms.CharField(
        label=_("Code"),
        help_text=_("Six digits, good for 10 minutes."),
        max_length=40,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True, "spellcheck": "false"}
        ),
    )


class NeedsForm(Refusable):
    """What to do at the car, never why."""

    needs = forms.MultipleChoiceField(choices=Patron.Need.choices, required=False)
    needs_note = forms.CharField(
        label=_("Something else to do"),
        help_text=_("Please tell us only what to do. We do not need the reason."),
        max_length=200,
        required=False,
    )


class LanguageForm(Refusable):
    """The language of pages and texts."""

    language = forms.ChoiceField(choices=Language.choices)


class ConsentForm(Refusable):
    """An answer to one question."""

    what = forms.ChoiceField(choices=Consent.What.choices)
    given = forms.ChoiceField(choices=[("yes", ""), ("no", "")])
    guardian = forms.CharField(label=_("Name of the guardian who agrees"), max_length=80, required=False)


class StaffSignInForm(Refusable):
    username = forms.CharField(
        label=_("User name"), max_length=150, widget=forms.TextInput(attrs={"autocomplete": "username"})
    )
    password = forms.CharField(
        label=_("Password"), max_length=128, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )


class SecondFactorForm(Refusable):
    """What the authenticator shows now, or a recovery code."""

    code = forms.CharField(
        label=_("Code of the authenticator"),
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false"}),
    )


class StaffPinForm(Refusable):
    """A PIN for shared tablets."""

    pin = forms.CharField(
        label=_("PIN for shared tablets"),
        help_text=_("6 to 8 digits, for taking over a tablet. Your password stays as it is."),
        max_length=128,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "inputmode": "numeric"}),
    )


class TakeOverForm(Refusable):
    """Who takes a shared tablet over."""

    who = forms.IntegerField(min_value=1, max_value=2**63 - 1)
    pin = forms.CharField(
        label=_("PIN for shared tablets"),
        max_length=128,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "inputmode": "numeric", "autofocus": True}),
    )


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


class TextsForm(Refusable):
    """What somebody is told of their loans, and by which way; mails are offered where the library sends any."""

    NOT = "no"

    receipts = forms.ChoiceField(label=_("After I collected: how many books, and until when"))
    reminders = forms.ChoiceField(label=_("Before books are due, and when they are late"))
    returns = forms.ChoiceField(label=_("After I brought books back"))

    def __init__(self, *args: Any, who: Patron, mails: bool, **kwargs: Any) -> None:
        stands = {
            name: getattr(who, f"{name}_by") if getattr(who, f"text_{name}") else self.NOT for name in self.base_fields
        }
        kwargs["initial"] = stands
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            ways = [way for way in ByDoor.choices if mails or way[0] in {ByDoor.TEXT, stands[name]}]
            cast("forms.ChoiceField", field).choices = [(self.NOT, _("not at all")), *ways]

    @property
    def chosen(self) -> dict[str, Any]:
        """What was chosen, as the columns have it; the way of what is not wanted stays."""
        told = self.cleaned_data
        wanted = {name: told[name] != self.NOT for name in told}
        return {**wanted, **{f"{name}_by": way for name, way in told.items() if way != self.NOT}}


class ToldForm(Refusable):
    """What may be done with a number, and by which way its owner hears first of what they have to know."""

    may_text = forms.BooleanField(required=False)
    may_call = forms.BooleanField(required=False)
    told_by = forms.ChoiceField(choices=Contact.Door.choices, required=False)

    @property
    def chosen(self) -> dict[str, Any]:
        """What was chosen; a way that was not asked for stays."""
        return {**self.cleaned_data, "told_by": self.cleaned_data["told_by"] or None}


class BookForm(forms.Form):
    """One title, or one volume of it, for the list of books to ask for."""

    title = forms.IntegerField(min_value=1, max_value=2**63 - 1)
    volume = forms.CharField(max_length=20, required=False)

    @property
    def item(self) -> list[Any]:
        """What the session keeps of it."""
        return [self.cleaned_data["title"], self.cleaned_data["volume"]]


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


NTH = {1: _("1st"), 2: _("2nd"), 3: _("3rd"), 4: _("4th"), 5: _("5th")}


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
