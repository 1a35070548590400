"""What people type on this room's pages, read once; forms never save."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from lending.forms import Refusable
from pickup.lane import digits

BIGGEST_ID = 2**63 - 1
ANYBODY_ELSE = "other"

_NUMERIC = {"inputmode": "numeric", "autocomplete": "off"}
_SCAN = {"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false", "enterkeyhint": "go"}


class SlotForm(Refusable):
    """A time chosen from a list."""

    slot = forms.IntegerField(
        min_value=1, max_value=BIGGEST_ID, error_messages={"required": _("Please choose a time.")}
    )


class AskForm(Refusable):
    """Where, when and who, for the books on somebody's list."""

    point = forms.IntegerField(min_value=1, max_value=BIGGEST_ID)
    slot = forms.IntegerField(required=False, min_value=1, max_value=BIGGEST_ID)
    who = forms.ChoiceField(choices=[("me", _("I come myself")), (ANYBODY_ELSE, _("Somebody else comes"))])
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

    bay = forms.CharField(label=_("Number of your parking place"), max_length=10, required=False)
    plate = forms.CharField(max_length=20, required=False)


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


class ScanForm(Refusable):
    """One field for a scanner that types, or for a person."""

    barcode = forms.CharField(label=_("Barcode"), max_length=80, widget=forms.TextInput(attrs=_SCAN))


class FindForm(Refusable):
    """Order number, card or a book of the bag: whatever is at hand at the window."""

    number = forms.CharField(
        label=_("Order number, card or a book of the bag"), max_length=80, widget=forms.TextInput(attrs=_SCAN)
    )

    @property
    def as_order_number(self) -> str:
        """The four digits if that is what was typed, such as 47-21; else ""."""
        typed = self.cleaned_data["number"].strip()
        found = digits(typed)
        return found if len(found) == 4 and len(typed) <= 6 else ""


class CardForm(Refusable):
    card = forms.CharField(label=_("Card number"), max_length=80, widget=forms.TextInput(attrs=_SCAN))
