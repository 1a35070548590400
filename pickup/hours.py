"""When a pickup point hands over, as its staff set it: windows and rules, changed with a history.

Looked at before: which times would be new, which would go, whose visits lie in those. Then the slots follow at once,
and whoever has a time keeps it, unless staff say that those beyond the new hours or places are moved and told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.db import transaction

from core.actor import Actor
from core.refusal import BadInput
from lending import opening as lending_opening
from lending import queries as lending_queries
from lending import surge as lending_surge
from pickup import bookings, fitting, lapses, opening, point_queries, queries, slots, texts, windows
from pickup.errors import WindowNotFound, WindowsOverlap
from pickup.models import Appointment, Order, PointChange, PointRules, Slot, Window
from pickup.states import AppointmentState

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from lending.models import Library

WINDOW = tuple(field.name for field in Window._meta.concrete_fields if field.name not in {"id", "point"})
"""The columns of a window that staff set."""

RULES = (
    "by_appointment", "promise", "silence", "lend_at", "tell_fixed", "answer_minutes", "offers", "lead_minutes",
    "horizon_days", "grace_minutes", "keep_days", "keep_counts", "service_seconds", "auto_call", "bag_places",
)  # fmt: skip
"""The rules of a point that staff set here: all but until when it is shut, which has a switch of its own."""

LONGEST = {
    "answer_minutes": 14 * 24 * 60,
    "offers": 10,
    "lead_minutes": 7 * 24 * 60,
    "horizon_days": 92,
    "grace_minutes": 24 * 60,
    "keep_days": 60,
    "service_seconds": 60 * 60,
}
"""What nobody means to go beyond."""

MOST_PLACES = 500
MOST_BAG_PLACES = 300


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change would do: slots that are new or come back, that go, that get other room or cut-offs.

    `booked` counts those of the slots that go in which somebody has a time. `visits` are those in the slots that change
    for whom there is no place any more: they would be kept, or moved. `excludes`: as the function says.
    """

    new: int
    gone: int
    booked: int
    other: int
    visits: list[opening.Visit]
    excludes: bool


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of a change: the window if one is left, and how many visits were moved, are to be called, stand."""

    window: Window | None
    moved: int = 0
    called: int = 0
    kept: int = 0


def windows_of(point_id: int) -> QuerySet[Window]:
    """The windows of a point: the weekdays' first, then nth weekdays, then dates; each by its hours."""
    return Window.objects.filter(point=point_id).order_by("date", "nth", "weekday", "opens", "pk")


def window_at(point_id: int, window_id: int) -> Window:
    """One window of a point. Refuses with `unknown_window`."""
    found = Window.objects.filter(point=point_id, pk=window_id).first()
    if found is None:
        raise WindowNotFound(window=window_id)
    return found


def history(point_id: int) -> QuerySet[PointChange]:
    """Who changed windows and rules when, the last one first."""
    return PointChange.objects.filter(point=point_id)


def values_of(row: Window | PointRules) -> dict[str, Any]:
    """The columns that staff set, as plain values."""
    return {name: getattr(row, name) for name in (WINDOW if isinstance(row, Window) else RULES)}


@transaction.atomic
def set_window(
    *, point_id: int, window_id: int | None, values: Mapping[str, Any], move: bool, by: Actor, now: datetime
) -> Changed:
    """Add a window, or give one other values; its slots follow at once, and with `move` so do the visits beyond.

    Slots that had room of their own get the window's. Refuses with `unknown_window`, `windows_overlap`, and `invalid`
    with the field.
    """
    library, promised = _begin(point_id, move=move, now=now)
    window = window_at(point_id, window_id) if window_id is not None else Window(point_id=point_id)
    was = values_of(window) if window.pk else {}
    for name, value in values.items():
        setattr(window, name, value)
    check(window, library, now=now)
    became = values_of(window)
    if became == was:
        return Changed(window)
    window.save()
    _note(point_id, window.pk, was=was, became=became, by=by, now=now)
    return _follow(library, window, point_id, promised, anew={window.pk}, by=by, now=now)


@transaction.atomic
def add_windows(*, point_id: int, values: Iterable[Mapping[str, Any]], move: bool, by: Actor, now: datetime) -> Changed:
    """Add several windows, such as one for each weekday; all of them or none. Refuses as `set_window` does."""
    done = [set_window(point_id=point_id, window_id=None, values=one, move=move, by=by, now=now) for one in values]
    return Changed(None, sum(one.moved for one in done), sum(one.called for one in done), sum(one.kept for one in done))


@transaction.atomic
def remove_window(*, point_id: int, window_id: int, move: bool, by: Actor, now: datetime) -> Changed:
    """Take a window away: its slots take nobody any more. Visits stand, or with `move` get another time.

    Refuses with `unknown_window`.
    """
    library, promised = _begin(point_id, move=move, now=now)
    window = window_at(point_id, window_id)
    of_window = Slot.objects.filter(window=window, starts_at__gt=now)
    touched = set(of_window.values_list("pk", flat=True))
    fitting.release([window.pk], now=now)
    _note(point_id, window.pk, was=values_of(window), became={}, by=by, now=now)
    window.delete()
    return _follow(library, None, point_id, promised, touched=touched, by=by, now=now)


@transaction.atomic
def set_rules(*, point_id: int, values: Mapping[str, Any], by: Actor, now: datetime) -> PointRules:
    """Give a point other rules. What is promised keeps its terms; slots follow the horizon and the lead time.

    Beyond a nearer horizon, slots that were never promised go, and the others take nobody new until their day can be
    booked. Where times are promised no more, slots take nobody, and whoever waited for an offer is told that the bag is
    there. Refuses with `unknown_pickup_point`, and `invalid` with the field.
    """
    library, _promised = _begin(point_id, move=False, now=now)
    rules = point_queries.rules_of(point_id)
    was = values_of(rules)
    for name, value in values.items():
        setattr(rules, name, value)
    check_rules(rules)
    became = values_of(rules)
    changed = [name for name in RULES if became[name] != was[name]]
    if not changed:
        return rules
    waiting = [] if rules.by_appointment else list(queries.to_offer(point_ids=[point_id]).values_list("pk", flat=True))
    locked = Order.objects.select_for_update(no_key=True, skip_locked=True).filter(pk__in=waiting).order_by("pk")
    untold = list(locked.values_list("pk", flat=True))  # whoever holds one is offering it a time
    rules.save(update_fields=changed if rules.pk else None)  # the window may close for today at this moment
    for order in queries.orders(pk__in=untold).order_by("pk"):
        texts.ready([order], now=now)
    _note(
        point_id,
        None,
        was={name: was[name] for name in changed},
        became={name: became[name] for name in changed},
        by=by,
        now=now,
    )
    end = fitting.horizon(rules, library, now=now)
    beyond = Slot.objects.select_for_update(no_key=True).filter(
        point=point_id, window__isnull=False, starts_at__gte=end
    )
    unbooked = [slot.pk for slot in beyond.order_by("pk") if not slot.booked]
    Slot.objects.filter(pk__in=unbooked, appointments__isnull=True).delete()
    fitting.follow_at(library, [point_id], now=now)
    return rules


@transaction.atomic
def move_standing(*, point_id: int, by: Actor, now: datetime) -> Changed:
    """Move the visits that stand at times which the hours do not have any more, or beyond the places wanted."""
    library, promised = _begin(point_id, move=True, now=now)
    standing = Slot.objects.filter(point=point_id, starts_at__gt=now).order_by("pk")
    return _move(library, list(standing.select_for_update(no_key=True)), promised, by=by, now=now)


def standing(*, point_id: int, now: datetime) -> list[opening.Visit]:
    """The visits that stand at times which the hours do not have any more, or beyond the places wanted."""
    return opening.with_bags(_beyond_places(list(Slot.objects.filter(point=point_id, starts_at__gt=now, booked__gt=0))))


def effect_of_window(
    *, point_id: int, window_id: int | None, values: Mapping[str, Any] | None, now: datetime
) -> Effect:
    """What adding a window, changing one, or removing it (`values` None) would do; nothing is changed.

    Refuses as the verbs do.
    """
    library, rules = _library(point_id), point_queries.rules_of(point_id)
    cut = [rule for rule in point_queries.window_rules(point_id) if rule.id != window_id]
    window = window_at(point_id, window_id) if window_id is not None else Window(point_id=point_id)
    if values is not None:
        for name, value in values.items():
            setattr(window, name, value)
        check(window, library, now=now)
        cut.append(point_queries.rule_of(window, lead_minutes=rules.lead_minutes))
    return _effect(rules, library, cut, anew={window_id}, now=now)


def effect_of_new(*, point_id: int, values: Iterable[Mapping[str, Any]], now: datetime) -> Effect:
    """What adding several windows would do; nothing is changed. Refuses as the verb does."""
    library, rules = _library(point_id), point_queries.rules_of(point_id)
    cut = point_queries.window_rules(point_id)
    for one in values:
        window = Window(point_id=point_id, **one)
        check(window, library, now=now)
        cut.append(point_queries.rule_of(window, lead_minutes=rules.lead_minutes))
    return _effect(rules, library, cut, anew={None}, now=now)


def effect_of_rules(*, point_id: int, values: Mapping[str, Any], now: datetime) -> Effect:
    """What other rules would do to the slots; nothing is changed. Refuses as `set_rules` does."""
    library, rules = _library(point_id), point_queries.rules_of(point_id)
    for name, value in values.items():
        setattr(rules, name, value)
    check_rules(rules)
    held = point_queries.window_rules(point_id) if rules.by_appointment else []
    cut = [replace(rule, lead_minutes=rules.lead_minutes) for rule in held]
    return _effect(rules, library, cut, anew=fitting.NOWHERE, now=now)


def check(window: Window, library: Library, *, now: datetime) -> None:
    """Refuse a window that cannot be cut into slots (`invalid`), or lies across another one (`windows_overlap`)."""
    for name in ("session_ko", "session_en"):
        setattr(window, name, " ".join(getattr(window, name).split()))
    _plain(window)
    if (window.weekday is None) == (window.date is None):
        raise BadInput(field="weekday")
    if window.weekday is not None and window.weekday > 6:
        raise BadInput(field="weekday")
    if window.nth is not None and (window.weekday is None or not 1 <= window.nth <= 5):
        raise BadInput(field="nth")
    lasts = windows.minutes(window.opens, window.closes)
    if lasts <= 0:
        raise BadInput(field="closes")
    if not 5 <= window.slot_minutes <= lasts:
        raise BadInput(field="slot_minutes")
    if not 1 <= window.capacity <= MOST_PLACES:
        raise BadInput(field="capacity")
    if window.accessible > window.capacity:
        raise BadInput(field="accessible")
    if window.cutoff_days > windows.LOOK_BACK // 2:
        raise BadInput(field="cutoff_days")
    today = lending_queries.today(library, now)
    if window.date is not None and not today <= window.date <= today + lending_opening.FURTHEST:
        raise BadInput(field="date")
    mine = point_queries.rule_of(window, lead_minutes=0)
    for other in point_queries.window_rules(window.point_id):
        if other.id != window.pk and mine.clashes(other):
            raise WindowsOverlap(
                field="opens", window=other.id, opens=f"{other.opens:%H:%M}", closes=windows.until(other.closes)
            )


def check_rules(rules: PointRules) -> None:
    """Refuse rules that nobody can mean (`invalid`, with the field)."""
    _plain(rules)
    for name, longest in LONGEST.items():
        if getattr(rules, name) > longest:
            raise BadInput(field=name)
    for name in ("offers", "horizon_days", "service_seconds"):
        if getattr(rules, name) < 1:
            raise BadInput(field=name)
    places = [place.strip() for place in rules.bag_places]
    if "" in places or len(set(places)) < len(places) or len(places) > MOST_BAG_PLACES:
        raise BadInput(field="bag_places")
    rules.bag_places = places


def _plain(row: Window | PointRules) -> None:
    """Types and choices, column by column; the laws between them are told apart by their callers."""
    try:
        row.clean_fields(exclude=["point"])
    except ValidationError as error:
        raise BadInput(field=next(iter(error.message_dict))) from error


def _library(point_id: int) -> Library:
    return lending_queries.library_with_rules(point_queries.point(point_id).library_id)


def _begin(point_id: int, *, move: bool, now: datetime) -> tuple[Library, frozenset[int]]:
    """Lock the library, and who may have to move: orders and promises by id, before any slot. Gives back whom."""
    library = lending_surge.lock(point_queries.point(point_id).library_id)
    if not move:
        return library, frozenset()
    promised = frozenset(queries.to_come(point=point_id, slot__starts_at__gt=now).values_list("pk", flat=True))
    bookings.lock_many(promised)
    return library, promised


def _note(
    point_id: int, window_id: int | None, *, was: dict[str, Any], became: dict[str, Any], by: Actor, now: datetime
) -> None:
    PointChange.objects.create(
        point_id=point_id,
        at=now,
        principal=by.principal,
        channel=by.channel,
        window=window_id,
        was=was,
        became=became,
    )


def _follow(
    library: Library,
    window: Window | None,
    point_id: int,
    promised: Collection[int],
    *,
    by: Actor,
    now: datetime,
    anew: Collection[int] = (),
    touched: Collection[int] = (),
) -> Changed:
    changed = fitting.follow_at(library, [point_id], anew=anew, now=now)
    ids = {slot.pk for slot in changed} | set(touched)
    rows = list(Slot.objects.filter(pk__in=ids))
    return replace(_move(library, rows, promised, by=by, now=now), window=window)


def _move(library: Library, rows: Iterable[Slot], promised: Collection[int], *, by: Actor, now: datetime) -> Changed:
    """Another time for those beyond, as far as they were locked before the slots; who came in between stands."""
    rows = list(rows)
    beyond = list(_beyond_places(rows, among=promised).select_related("slot").order_by("slot__starts_at", "pk"))
    moved = called = 0
    for one in beyond:
        day = one.slot.starts_at.astimezone(ZoneInfo(library.zone)).date()
        kept_until = opening.end_of_next_open_day(library, day)
        new = lapses.move_away(appointment_id=one.pk, kept_until=kept_until, template="hours", by=by, now=now)
        moved, called = moved + (new is not None), called + (new is None)
    again = Slot.objects.filter(pk__in=[slot.pk for slot in rows])
    return Changed(None, moved, called, kept=_beyond_places(again).count())


def _beyond_places(rows: Iterable[Slot], *, among: Collection[int] | None = None) -> QuerySet[Appointment]:
    """The visits for which slots have no place any more: all of those that lie outside the hours, else the surplus.

    Of the surplus those go first who have not said yes, and then whoever was promised last. Nobody goes who is here,
    and nobody who leaves the car, unless accessible places are what is short.
    """
    slots_by_id = {slot.pk: slot for slot in rows}
    found = queries.to_come(slot__in=slots_by_id)
    if among is not None:
        found = found.filter(pk__in=among)
    in_slot: dict[int, list[Appointment]] = {}
    for one in found.order_by("-offered_at", "-pk"):
        in_slot.setdefault(one.slot_id, []).append(one)
    beyond: list[int] = []
    for pk, promises in in_slot.items():
        beyond += [one.pk for one in _surplus(slots_by_id[pk], promises)]
    return Appointment.objects.filter(pk__in=beyond)


def _surplus(slot: Slot, promises: list[Appointment]) -> list[Appointment]:
    if slot.outside:
        return promises
    promises = sorted(promises, key=lambda one: one.state == AppointmentState.CONFIRMED)  # stable: the newest first
    wide = [one for one in promises if one.accessible]
    plain = [one for one in promises if not one.accessible]
    wanted = slot.accessible if slot.accessible_wanted is None else slot.accessible_wanted
    going = wide[: max(0, slot.booked_accessible - wanted)]
    return going + plain[: max(0, slot.booked - slot.capacity_wanted - len(going))]


def _effect(
    rules: PointRules,
    library: Library,
    cut: list[windows.WindowRule],
    *,
    anew: Collection[int | None],
    now: datetime,
) -> Effect:
    looked = fitting.look(library, rules, cut, anew=anew, now=now)
    changed = [one for one in looked if one.differs]
    coming = 0
    if rules.by_appointment and point_queries.point(rules.point_id).open:
        standing = Slot.objects.filter(point=rules.point_id, starts_at__gt=now).values_list("starts_at", flat=True)
        coming = len({plan.starts_at for plan in slots.ahead(rules, cut, library, now=now)} - set(standing))
    back = sum(one.becomes.open and not one.was.open for one in changed)
    going = [one.was for one in changed if one.was.open and not one.becomes.open]
    beyond = _beyond_places([one.becomes for one in changed])
    booked, other = sum(slot.booked > 0 for slot in going), len(changed) - back - len(going)
    return Effect(coming + back, len(going), booked, other, opening.with_bags(beyond), excludes(rules, cut))


def excludes(rules: PointRules, cut: Iterable[windows.WindowRule]) -> bool:
    """Whether a point promises times of which none has a place for people who leave the car: they can book nothing."""
    places = [rule.accessible for rule in cut]
    return rules.by_appointment and bool(places) and not any(places)
