"""What managers type about the times of a pickup point, read once; forms never save."""

from __future__ import annotations

from datetime import time
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib.postgres.forms import SimpleArrayField
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext_lazy as _

from core.refusal import BadInput
from lending.forms import Refusable
from lending.staff_forms import OF_A_LIST
from pickup import hours, windows
from pickup.models import PointRules, Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_stubs_ext import StrOrPromise

    from core.refusal import Refusal

NTH = [
    (1, _("only the first of the month")),
    (2, _("only the second of the month")),
    (3, _("only the third of the month")),
    (4, _("only the fourth of the month")),
    (5, _("only the fifth of the month")),
]
ONE_DATE = ""
TIMES = [
    (True, _("a time is promised")),
    (False, _("people come when they like, within the hours")),
]

LABELS: dict[str, StrOrPromise] = {
    "weekday": _("Weekday"),
    "nth": _("How often"),
    "date": _("Date"),
    "opens": _("From"),
    "closes": _("Until"),
    "slot_minutes": _("Minutes of one time"),
    "capacity": _("Cars at one time"),
    "accessible": _("Of these, places for people who leave the car"),
    "cutoff_days": _("Ordered how many open days before"),
    "cutoff_time": _("Ordered by what time"),
    "regime": _("Applies"),
    "session_ko": _("Name of the session (Korean)"),
    "session_en": _("Name of the session (English)"),
    "by_arrival": _("Order of service"),
    "by_appointment": _("Times"),
    "promise": _("When a time is given"),
    "silence": _("When nobody answers an offer"),
    "tell_fixed": _("When a time is fixed before the bag is ready"),
    "answer_minutes": _("Minutes to answer an offer"),
    "offers": _("How often a time is offered in all"),
    "lead_minutes": _("Minutes to pack, before the earliest time"),
    "horizon_days": _("Days ahead that can be booked"),
    "grace_minutes": _("Minutes until who has not come counts as missed"),
    "keep_days": _("Days that a ready bag is kept"),
    "keep_counts": _("Days that count for keeping a bag"),
    "lend_at": _("When a book counts as lent"),
    "auto_call": _("When a lane is free"),
    "service_seconds": _("Seconds for one car, until this place's own are known"),
    "bag_places": _("Places of the pickup shelf, in their order"),
}
"""What windows and rules are called, by their columns."""


TOLD = ((False, _("no text: the next one says that it is ready")), (True, _("a text says so")))


CALLS = (
    (False, _("a librarian calls the next car")),
    (True, _("the service calls the next car by itself (single file)")),
)
ORDERS = (
    (False, _("by the promised time")),
    (True, _("by arrival")),
)


def shown(name: str, value: Any) -> str:
    """A value of a window or rule as people read it; times and days also as the history keeps them."""
    if value is None or value in ("", []):
        return str(_("none"))
    if name == "bag_places":
        return ", ".join(value)
    if name == "weekday":
        return str(WEEKDAYS[value])
    if name in {"opens", "closes", "cutoff_time"}:
        at = time.fromisoformat(value) if isinstance(value, str) else value
        return windows.until(at) if name == "closes" else f"{at:%H:%M}"
    words: dict[Any, Any] = {
        "nth": NTH,
        "regime": Window.Regime.choices,
        "by_appointment": TIMES,
        "lend_at": PointRules.LendAt.choices,
        "keep_counts": PointRules.KeepCounts.choices,
        "promise": PointRules.Promise.choices,
        "silence": PointRules.Silence.choices,
        "tell_fixed": TOLD,
        "auto_call": CALLS,
        "by_arrival": ORDERS,
    }
    return str(dict(words.get(name, ())).get(value, value))


def number(name: str, *, least: int, most: int, **more: Any) -> forms.IntegerField:
    """A whole number between two others, under the name that the column has."""
    widget = forms.NumberInput(attrs={"inputmode": "numeric", "min": least, "max": most})
    return forms.IntegerField(label=LABELS[name], min_value=least, max_value=most, widget=widget, **more)


def clock(name: str, **more: Any) -> forms.TimeField:
    """A time of day, as the browser's field sends it."""
    return forms.TimeField(label=LABELS[name], widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"), **more)


class HoursForm(Refusable):
    """A form for columns that a use case sets."""

    def refuse(self, refusal: Refusal) -> None:
        """What the use case finds wrong with a column is said beside it."""
        plain = type(refusal) is BadInput and refusal.field in self.fields
        said = _("Please look at this again.") if plain else str(refusal)
        self.add_error(refusal.field if refusal.field in self.fields else None, said)

    @property
    def values(self) -> dict[str, Any]:
        """What was typed, as the columns have it."""
        return dict(self.cleaned_data)


class WindowForm(HoursForm):
    """One window: on which days, from when until when, for how many cars, ordered until when."""

    weekday = forms.TypedChoiceField(
        label=LABELS["weekday"],
        choices=[*WEEKDAYS.items(), (ONE_DATE, _("One date"))],
        coerce=int,
        empty_value=None,
        required=False,
    )
    nth = forms.TypedChoiceField(
        label=LABELS["nth"], choices=[("", _("every week")), *NTH], coerce=int, empty_value=None, required=False
    )
    date = forms.DateField(
        label=LABELS["date"],
        help_text=_("Only for one date: it replaces the weekday's times."),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    opens = clock("opens")
    closes = clock("closes", help_text=_("Until midnight is 00:00."))
    slot_minutes = number("slot_minutes", least=5, most=12 * 60)
    capacity = number("capacity", least=1, most=hours.MOST_PLACES)
    accessible = number("accessible", least=0, most=hours.MOST_PLACES)
    cutoff_time = clock(
        "cutoff_time",
        required=False,
        help_text=_("Empty: until the end of that day; on the same day until the time to pack is left."),
    )
    cutoff_days = number("cutoff_days", least=0, most=windows.LOOK_BACK // 2, help_text=_("0: on the same day."))
    session_ko = forms.CharField(label=LABELS["session_ko"], max_length=30, required=False)
    session_en = forms.CharField(label=LABELS["session_en"], max_length=40, required=False)
    regime = forms.ChoiceField(label=LABELS["regime"], choices=Window.Regime.choices)
    by_arrival = forms.TypedChoiceField(
        label=LABELS["by_arrival"],
        help_text=_("By arrival: for hours when everybody comes at once, whatever time they have."),
        choices=ORDERS,
        coerce=lambda said: said == "True",
    )

    DAYS: ClassVar = ("weekday", "nth", "date")
    HOURS = ("opens", "closes", "slot_minutes", "capacity", "accessible")
    ORDERED = ("cutoff_time", "cutoff_days")
    MORE = ("session_ko", "session_en", "regime", "by_arrival")

    def groups(self) -> Iterator[tuple[StrOrPromise, list[forms.BoundField]]]:
        """The fields under what they are about."""
        titles = [_("On which days"), _("Times and places"), _("Ordered until"), _("Session, and when it applies")]
        for title, names in zip(titles, (self.DAYS, self.HOURS, self.ORDERED, self.MORE), strict=True):
            yield title, [self[name] for name in names]

    def clean(self) -> dict[str, Any]:
        """A weekday or a date, an end after the beginning, a slot that fits in."""
        told = super().clean() or {}
        if self.errors:
            return told
        if told[self.DAYS[0]] in (None, []):
            told["nth"] = None
            if told["date"] is None:
                self.add_error("date", _("Please choose the date."))
        else:
            told["date"] = None
        length = windows.minutes(told["opens"], told["closes"])
        if length <= 0:
            self.add_error("closes", _("Please give an end that is later than the beginning."))
        elif told["slot_minutes"] > length:
            self.add_error("slot_minutes", _("This is longer than the whole."))
        if told["accessible"] > told["capacity"]:
            self.add_error("accessible", _("This is more than all places."))
        return told


class NewWindowsForm(WindowForm):
    """The same window on several weekdays, or on one date."""

    weekday = None  # type: ignore[assignment]  # Django's way to leave a field out
    weekdays = forms.TypedMultipleChoiceField(
        label=_("Weekdays"),
        choices=list(WEEKDAYS.items()),
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    DAYS = ("weekdays", "nth", "date")

    @property
    def each(self) -> list[dict[str, Any]]:
        """What was typed, a window at a time, as the columns have it."""
        rest = self.values
        weekdays = rest.pop("weekdays")
        return [{**rest, "weekday": weekday} for weekday in weekdays or [None]]


class PointRulesForm(HoursForm):
    """How a point promises, waits and keeps."""

    by_appointment = forms.TypedChoiceField(
        label=LABELS["by_appointment"], choices=TIMES, coerce=lambda chosen: chosen == "True"
    )
    promise = forms.ChoiceField(label=LABELS["promise"], choices=PointRules.Promise.choices)
    silence = forms.ChoiceField(label=LABELS["silence"], choices=PointRules.Silence.choices)
    tell_fixed = forms.TypedChoiceField(label=LABELS["tell_fixed"], choices=TOLD, coerce=lambda said: said == "True")
    lend_at = forms.ChoiceField(label=LABELS["lend_at"], choices=PointRules.LendAt.choices)
    auto_call = forms.TypedChoiceField(label=LABELS["auto_call"], choices=CALLS, coerce=lambda said: said == "True")
    answer_minutes = number("answer_minutes", least=0, most=hours.LONGEST["answer_minutes"])
    offers = number("offers", least=1, most=hours.LONGEST["offers"])
    lead_minutes = number("lead_minutes", least=0, most=hours.LONGEST["lead_minutes"])
    horizon_days = number("horizon_days", least=1, most=hours.LONGEST["horizon_days"])
    grace_minutes = number("grace_minutes", least=0, most=hours.LONGEST["grace_minutes"])
    keep_days = number(
        "keep_days", least=0, most=hours.LONGEST["keep_days"], help_text=_("0: until the evening of its time.")
    )
    keep_counts = forms.ChoiceField(
        label=LABELS["keep_counts"],
        choices=PointRules.KeepCounts.choices,
        help_text=_("If the last day is a closed one, the next open day is the last."),
    )
    service_seconds = number("service_seconds", least=1, most=hours.LONGEST["service_seconds"])
    bag_places = SimpleArrayField(
        forms.CharField(max_length=12),
        label=LABELS["bag_places"],
        help_text=_("With commas between them, such as A1, A2. Empty: bags have no places."),
        required=False,
        max_length=hours.MOST_BAG_PLACES,
        error_messages=OF_A_LIST,
    )

    def groups(self) -> list[list[forms.BoundField]]:
        """What is chosen, then what is counted, then what is written: sentences need more room than numbers."""
        chosen = ["by_appointment", "promise", "silence", "tell_fixed", "lend_at", "auto_call"]
        written = ["bag_places"]
        counted = [name for name in self.fields if name not in {*chosen, *written}]
        return [[self[name] for name in names] for names in (chosen[:2], chosen[2:], counted, written)]


def differences(was: dict[str, Any], became: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What differs, in words: the name, as it was, as it became; of a new or removed window nothing."""
    names = [name for name in LABELS if name in was and name in became and was[name] != became[name]]
    return [(str(LABELS[name]), shown(name, was[name]), shown(name, became[name])) for name in names]


def day_of(values: dict[str, Any]) -> str:
    """On which days a window holds, in a few words: `Tuesday`, `Saturday, only the second of the month`."""
    if values.get("date"):
        return str(values["date"])
    words = [shown("weekday", values["weekday"])]
    if values.get("nth"):
        words.append(shown("nth", values["nth"]))
    return ", ".join(words)


def called(values: dict[str, Any]) -> str:
    """A window in a few words: `Tuesday 16:00–17:00`."""
    opens, closes = shown("opens", values["opens"]), shown("closes", values["closes"])
    return f"{day_of(values)} {opens}–{closes}"


def initial(window: Window) -> dict[str, Any]:
    """What the form shows of a window."""
    return {**hours.values_of(window), "weekday": ONE_DATE if window.weekday is None else window.weekday}
