"""What people type on this room's pages, read once; forms never save."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from core.refusal import Refusal

LONGEST_SEARCH = 200


class Refusable(forms.Form):
    """A form beside whose fields a refusal of the use case can be shown."""

    def refuse(self, refusal: Refusal) -> None:
        """Show the sentence beside the field that it names, else above the form."""
        self.add_error(refusal.field if refusal.field in self.fields else None, str(refusal))

    @property
    def status(self) -> int:
        """The HTTP status of the page that shows this form."""
        return 400 if self.is_bound and self.errors else 200


class SearchForm(forms.Form):
    q = forms.CharField(
        label=_("Title, author or ISBN"),
        max_length=LONGEST_SEARCH,
        required=False,
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
        help_text=_("4 to 8 digits. The library gives you a new one if you forgot it."),
        max_length=128,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "inputmode": "numeric"}),
    )


class StaffSignInForm(Refusable):
    username = forms.CharField(
        label=_("User name"), max_length=150, widget=forms.TextInput(attrs={"autocomplete": "username"})
    )
    password = forms.CharField(
        label=_("Password"), max_length=128, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )


class BookForm(forms.Form):
    """One title, or one volume of it, for the list of books to ask for."""

    title = forms.IntegerField(min_value=1, max_value=2**63 - 1)
    volume = forms.CharField(max_length=20, required=False)

    @property
    def item(self) -> list[Any]:
        """What the session keeps of it."""
        return [self.cleaned_data["title"], self.cleaned_data["volume"]]
