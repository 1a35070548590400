"""What people type on this room's pages, read once; forms never save."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from lending.models import (
    ByDoor,
    Consent,
    Contact,
    Language,
    Patron,
)
from lending.search import UnreadableQuery

if TYPE_CHECKING:
    from django.forms import BoundField

    from core.refusal import Refusal

LONGEST_SEARCH = 200


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
