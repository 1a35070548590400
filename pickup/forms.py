"""What people type on this room's pages, read once; forms never save."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _

from core.refusal import BadInput
from lending.forms import Refusable
from pickup import notes
from pickup.names import digits

if TYPE_CHECKING:
    from django.http import HttpRequest

BIGGEST_ID = 2**63 - 1
ANYBODY_ELSE = "other"
_NUMERIC = {"inputmode": "numeric", "autocomplete": "off"}


def day_of(text: str, *, field: str) -> date:
    """A day as a browser's date field sends it; refuses with `invalid` any other."""
    try:
        return date.fromisoformat(text.strip()[:10])
    except ValueError as error:
        raise BadInput(field=field) from error


class SlotForm(Refusable):
    """A time chosen from a list."""

    slot = forms.IntegerField(
        min_value=1, max_value=BIGGEST_ID, error_messages={"required": _("Please choose a time.")}
    )


class DayForm(Refusable):
    """One day that shall be closed or open, and why."""

    day = forms.DateField(label=_("Day"), widget=forms.DateInput(attrs={"type": "date"}))
    reason = forms.CharField(
        label=_("Why"), max_length=80, required=False, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )


class GatheringForm(Refusable):
    """Whether the bag waits for all of the books that are asked for together, or takes what is here."""

    whole = forms.BooleanField(required=False)

    def together(self, request: HttpRequest) -> bool:
        """As it was sent, else as the address says."""
        return bool(self["whole"].value()) if self.is_bound else "together" in request.GET


class AskForm(GatheringForm):
    """Where, when and who, for the books on somebody's list."""

    point = forms.IntegerField(min_value=1, max_value=BIGGEST_ID)
    slot = forms.IntegerField(required=False, min_value=1, max_value=BIGGEST_ID)
    plate = forms.CharField(
        label=_("Number plate"),
        max_length=20,
        required=False,
        help_text=_("If you like: we find your car sooner."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters"}),
    )
    needed_until = forms.DateField(
        label=_("Needed until"),
        required=False,
        help_text=_("For what is waited for: after this day nobody waits for it any more. Empty: as long as it takes."),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    who = forms.ChoiceField(choices=[("me", _("I will come myself")), (ANYBODY_ELSE, _("Somebody else will come"))])
    name = forms.CharField(label=_("Name"), max_length=80, required=False)
    number = forms.CharField(
        label=_("Mobile number"),
        max_length=30,
        required=False,
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "off"}),
        help_text=_("The text with the order number goes there."),
    )
    language = forms.ChoiceField(
        label=_("Language of the texts"), choices=[("ko", "한국어"), ("en", "English")], required=False
    )

    def clean(self) -> dict[str, Any]:
        """A person who is sent needs a name and a number."""
        cleaned = super().clean() or {}
        if cleaned.get("who") == ANYBODY_ELSE:
            for field in ("name", "number"):
                if not cleaned.get(field):
                    self.add_error(field, _("Please fill this in, or choose to come yourself."))
        return cleaned

    @property
    def somebody_else(self) -> bool:
        """Whether a person was named who is not the patron."""
        return bool(self.cleaned_data["who"] == ANYBODY_ELSE)


class HereForm(Refusable):
    """Where the car stands, if there are numbered places."""

    bay = forms.CharField(
        label=_("Number of your parking place"),
        max_length=10,
        required=False,
        widget=forms.TextInput(attrs={**_NUMERIC}),
    )
    plate = forms.CharField(label=_("Number plate"), max_length=20, required=False)


class NoteForm(Refusable):
    """A sentence for the library."""

    text = forms.CharField(
        label=_("Your message"),
        max_length=notes.LONGEST,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("For example: we come ten minutes later, on foot."),
    )


class CodeForm(Refusable):
    """The two numbers that open one order."""

    number = forms.CharField(
        label=_("Order number"),
        help_text=_("Four digits, such as 47-21. It is in the text that you got."),
        max_length=20,
        widget=forms.TextInput(attrs=_NUMERIC),
    )
    last_four = forms.CharField(
        label=_("Last four digits of the phone number"),
        help_text=_("Of the phone that the library texts or calls."),
        max_length=20,
        widget=forms.TextInput(attrs=_NUMERIC),
    )

    def clean_number(self) -> str:
        """The order number as four digits."""
        return self._four("number")

    def clean_last_four(self) -> str:
        """The end of the phone number as four digits; the whole number is fine."""
        return self._four("last_four", tail=True)

    def _four(self, field: str, *, tail: bool = False) -> str:
        found = digits(self.cleaned_data[field])
        if tail:
            found = found[-4:]
        if len(found) != 4:
            raise forms.ValidationError(_("Please type four digits."))
        return found


def four_digits(typed: str) -> str:
    """The order number if that is what was typed or scanned, such as 47-21; else ""."""
    tidy = typed.strip()
    found = digits(tidy)
    return found if len(found) == 4 and len(tidy) <= 6 else ""


class SignForm(CodeForm):
    """Who stands at a sign: the two numbers of an order, and whether this telephone is known from now on."""

    remember = forms.BooleanField(label=_("Know this phone the next time"), required=False, initial=True)
