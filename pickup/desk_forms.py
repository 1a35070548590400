"""What staff write into the forms of this room: scans, orders by telephone, lists, signs, texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext_lazy as _

from lending import queries as lending_queries
from lending.forms import Refusable
from notifications import senders, words
from pickup.forms import ANYBODY_ELSE, BIGGEST_ID, GatheringForm, four_digits

if TYPE_CHECKING:
    from lending.models import Allowance, Contact, PickupPoint


_TEL = {"type": "tel", "autocomplete": "off"}
_CLOCK = {"type": "time"}
MOST_SIGNS = 40  # sheets of one run
COUNTRIES = {"CA": _("Canada"), "JP": _("Japan"), "KR": _("South Korea"), "US": _("United States")}
_SCAN = {"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false", "enterkeyhint": "go"}


class ListForm(Refusable):
    """How a list of another system is to be read."""

    map = forms.ChoiceField(label=_("Where it comes from"), required=False)
    encoding = forms.ChoiceField(
        label=_("Encoding"),
        required=False,
        choices=[("", _("found out")), ("utf-8", "UTF-8"), ("cp949", "CP949"), ("utf-16", "UTF-16")],
    )

    def __init__(self, *args: Any, maps: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast("forms.ChoiceField", self.fields["map"]).choices = [("", _("found out")), *maps]


class DayListForm(ListForm):
    """And for which day."""

    day = forms.DateField(label=_("Day"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
    packed = forms.BooleanField(label=_("The bags are packed already"), required=False)

    def __init__(self, *args: Any, days: tuple[date, date], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.days = days

    def clean_day(self) -> date:
        """Today or a day within the next weeks."""
        day = cast("date", self.cleaned_data["day"])
        if not self.days[0] <= day <= self.days[1]:
            raise forms.ValidationError(_("Please choose a day within the next 60 days."))
        return day


class SignSheetForm(Refusable):
    """What is printed as signs: the paper, and the numbers of the parking places, one sheet for each."""

    paper = forms.ChoiceField(label=_("Paper"), choices=[("a4", "A4"), ("a3", "A3")], required=False)
    places = forms.CharField(
        label=_("Numbers of the parking places"),
        help_text=_("Such as 1-8, or A1 A2 A3. Each gets a sheet; empty: one for each lane."),
        max_length=200,
        required=False,
    )

    def clean_paper(self) -> str:
        """A4 unless said."""
        return self.cleaned_data["paper"] or "a4"

    def clean_places(self) -> list[str]:
        """The places one by one, in their order: `1-3 B` is 1, 2, 3 and B."""
        found: list[str] = []
        for word in self.cleaned_data["places"].replace(",", " ").split():
            first, dash, last = word.partition("-")
            if dash and first.isascii() and last.isascii() and first.isdigit() and last.isdigit():
                found += [str(number) for number in range(int(first), min(int(last), int(first) + MOST_SIGNS) + 1)]
            else:
                found.append(word[:10])
        found = list(dict.fromkeys(found))
        if len(found) > MOST_SIGNS:
            raise forms.ValidationError(_("These are too many sheets for one run. Please print them in parts."))
        return found


class GrantForm(Refusable):
    """Of which class with larger limits a patron is from now on; without a day for good."""

    allowance = forms.TypedChoiceField(label=_("Class"), coerce=int)
    until = forms.DateField(
        label=_("Until, if not for good"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )

    def __init__(self, *args: Any, classes: Iterable[Allowance], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast("forms.TypedChoiceField", self.fields["allowance"]).choices = [(one.pk, str(one)) for one in classes]


class ScanForm(Refusable):
    """One field for a scanner that types, or for a person."""

    barcode = forms.CharField(label=_("Barcode"), max_length=80, widget=forms.TextInput(attrs=_SCAN))

    @property
    def as_order_number(self) -> str:
        """The four digits of a bag's slip, or ""."""
        return four_digits(self.cleaned_data["barcode"])


class ShelfForm(Refusable):
    """One bag of the pickup shelf."""

    number = forms.CharField(
        label=_("Order number"), max_length=20, required=False, widget=forms.TextInput(attrs=_SCAN)
    )

    @property
    def as_order_number(self) -> str:
        """The four digits; what is no order number stays as it is and is found nowhere. "" for all bags."""
        typed = self.cleaned_data["number"].strip()
        return four_digits(typed) or typed


class PlaceForm(Refusable):
    """A place of the pickup shelf."""

    place = forms.CharField(label=_("Place"), max_length=12)


class PlaceElsewhereForm(Refusable):
    """At which other pickup place a bag shall be collected."""

    point = forms.TypedChoiceField(label=_("Pickup place"), coerce=int)

    def __init__(self, *args: Any, points: Iterable[PickupPoint], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = [
            (one.pk, str(one) if one.library.name_ko in one.name_ko else f"{one.library}, {one}") for one in points
        ]
        cast("forms.TypedChoiceField", self.fields["point"]).choices = offered


class FindForm(Refusable):
    """Whatever is at hand at the window; see `scans.read`."""

    number = forms.CharField(
        label=_("Order number, card, book, or the last four digits of a phone or a plate"),
        max_length=80,
        widget=forms.TextInput(attrs=_SCAN),
    )


class CallerForm(Refusable):
    """Who calls: whatever they know of a card, a telephone number, a name."""

    caller = forms.CharField(
        label=_("Card number, phone number or name"),
        max_length=80,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class PatronForm(Refusable):
    """What staff keep right about a patron."""

    name = forms.CharField(label=_("Name"), max_length=80, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    accessible_place = forms.BooleanField(label=_("Leaves the car: needs an accessible place"), required=False)
    child_until = forms.DateField(
        label=_("Under 14 until"),
        help_text=_("The day of turning 14. No birthday is kept."),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    blocked_until = forms.DateField(
        label=_("Blocked until"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )


class EnrolForm(Refusable):
    """A new patron, and what they agree to."""

    card_number = forms.CharField(
        label=_("Card number"), max_length=80, widget=forms.TextInput(attrs={**_SCAN, "autofocus": True})
    )
    name = forms.CharField(label=_("Name"), max_length=80, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    number = forms.CharField(
        label=_("Telephone number"),
        help_text=_("A landline is called. It may stay empty."),
        max_length=30,
        required=False,
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "off"}),
    )
    language = forms.ChoiceField(label=_("Language"), choices=[("ko", "한국어"), ("en", "English")])
    child_until = PatronForm.base_fields["child_until"]
    guardian = forms.CharField(label=_("Name of the guardian who agrees"), max_length=80, required=False)
    agrees = forms.BooleanField(
        label=_("Has read the privacy page and agrees that name, card and number are kept to lend books"),
        error_messages={"required": _("Without this nothing can be kept.")},
    )
    abroad = forms.BooleanField(label=_("Agrees to texts through a carrier abroad"), required=False)


def _places() -> list[tuple[int | str, str]]:
    found = [(point.pk, f"{point.library} · {point}") for point in lending_queries.points()]
    return [("", str(_("no place in particular"))), *found]


class TimesForm(Refusable):
    """When and where somebody likes to come: weekdays, and from when until when; no weekday takes it back."""

    weekdays = forms.TypedMultipleChoiceField(
        choices=list(WEEKDAYS.items()),
        coerce=int,
        required=False,
    )
    begins = forms.TimeField(
        label=_("From when"), required=False, widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    ends = forms.TimeField(
        label=_("Until when"), required=False, widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    pickup_point = forms.TypedChoiceField(
        label=_("Pickup place"), choices=_places, coerce=int, empty_value=None, required=False
    )

    def clean(self) -> dict[str, Any]:
        """Weekdays need hours."""
        told = super().clean() or {}
        begins, ends = told.get("begins"), told.get("ends")
        if told.get("weekdays") and not self.errors:
            if begins is None or ends is None:
                self.add_error("begins" if begins is None else "ends", _("Please say from when until when."))
            elif ends <= begins:
                self.add_error("ends", _("Please give an end that is later than the beginning."))
        return told


class PhoneOrderForm(GatheringForm):
    """The order of a caller: a time, who collects, on which number, what to do at the car."""

    slot = forms.IntegerField(required=False, min_value=1, max_value=BIGGEST_ID)
    who = forms.CharField(max_length=20)
    name = forms.CharField(label=_("Name"), max_length=80, required=False)
    number = forms.CharField(
        label=_("Mobile number"),
        max_length=30,
        required=False,
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "off"}),
    )
    language = forms.ChoiceField(
        label=_("Language of the texts"), choices=[("ko", "한국어"), ("en", "English")], required=False
    )
    needed_until = forms.DateField(
        label=_("Needed until"),
        required=False,
        help_text=_("For what is waited for: after this day nobody waits for it any more. Empty: as long as it takes."),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    needs = forms.MultipleChoiceField(required=False)
    needs_note = forms.CharField(label=_("Something else to do"), max_length=200, required=False)

    def __init__(
        self, *args: Any, contacts: Sequence[Contact], needs: Sequence[tuple[str, Any]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.known = {str(contact.pk) for contact in contacts}
        cast("forms.MultipleChoiceField", self.fields["needs"]).choices = needs

    def clean_who(self) -> str:
        """One of the caller's numbers, the caller without any, or somebody else."""
        who = str(self.cleaned_data["who"])
        if who not in {*self.known, ANYBODY_ELSE, "me"}:
            raise forms.ValidationError(_("Please choose who collects."))
        return who

    def clean(self) -> dict[str, Any]:
        """A person who is sent needs a name and a number."""
        cleaned = super().clean() or {}
        if cleaned.get("who") == ANYBODY_ELSE:
            for field in ("name", "number"):
                if not cleaned.get(field):
                    self.add_error(field, _("Please ask for it, or choose one of the numbers above."))
        cleaned["language"] = cleaned.get("language") or "ko"
        return cleaned

    @property
    def somebody_else(self) -> bool:
        """Whether a person is named who is not known yet."""
        return bool(self.cleaned_data["who"] == ANYBODY_ELSE)

    @property
    def contact_id(self) -> int | None:
        """The known number that is told, None for the caller's first."""
        who = self.cleaned_data["who"]
        return int(who) if who in self.known else None


class WordsForm(Refusable):
    """A library's own words for a text; what they may be is the use case's to say."""

    body = forms.CharField(
        label=_("What we say"),
        max_length=words.LONGEST,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "true", "autocomplete": "off"}),
    )


class SenderForm(Refusable):
    """Where texts come from, when, how many and at what price."""

    name_ko = forms.CharField(label=_("Name in Korean"), max_length=40, widget=forms.TextInput(attrs={"lang": "ko"}))
    name_en = forms.CharField(label=_("Name in English"), max_length=60, widget=forms.TextInput(attrs={"lang": "en"}))
    number = forms.CharField(
        label=_("Number that texts come from"),
        help_text=_("One that belongs to your account at the carrier. Answers and calls come in on it."),
        max_length=30,
        widget=forms.TextInput(attrs=_TEL),
    )
    phone = forms.CharField(
        label=_("Number people call"),
        help_text=_("As it is printed in texts."),
        max_length=20,
        widget=forms.TextInput(attrs=_TEL),
    )
    desk = forms.CharField(
        label=_("Telephone of the desk"),
        help_text=_("Rings when somebody who calls wants a person. Empty: they are called back."),
        max_length=30,
        required=False,
        widget=forms.TextInput(attrs=_TEL),
    )
    quiet_from = forms.TimeField(label=_("Quiet from"), widget=forms.TimeInput(format="%H:%M", attrs=_CLOCK))
    quiet_until = forms.TimeField(
        label=_("Quiet until"),
        help_text=_("Notices wait in between. The same time twice: never quiet."),
        widget=forms.TimeInput(format="%H:%M", attrs=_CLOCK),
    )
    daily_budget = forms.IntegerField(
        label=_("Parts a day, at most"),
        help_text=_("Beyond it only answers and codes go; the rest waits for the next day."),
        min_value=0,
        max_value=1_000_000,
    )
    per_person = forms.IntegerField(
        label=_("Notices and reminders to one number a day, at most"),
        help_text=_(
            "Beyond it they wait for the next day, or staff call; answers and codes always go. Empty: no limit."
        ),
        min_value=1,
        max_value=1000,
        required=False,
    )
    part_price = forms.DecimalField(
        label=_("Price of a part"),
        help_text=_("What the carrier takes, to estimate what texts cost. Empty: not known."),
        min_value=0,
        max_digits=8,
        decimal_places=4,
        required=False,
    )
    currency = forms.CharField(label=_("Currency"), help_text=_("Three letters, such as KRW."), max_length=3)
    countries = forms.MultipleChoiceField(
        label=_("Texts go to numbers of"),
        choices=[(code, COUNTRIES.get(code, code)) for code in senders.COUNTRIES],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
