"""The rules of a programme: changed by staff with a history, and what a change would have meant for the last weeks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, F, Max, Min
from django.utils.translation import gettext_lazy as _

from core.refusal import BadInput, Refusal
from lending import queries, rules
from lending.models import Library, Pause, Programme, ProgrammeChange, Reservation, Strike
from lending.states import ReservationState

if TYPE_CHECKING:
    from core.actor import Actor

NAMES = ("name_ko", "name_en")
RULES = tuple(field.name for field in Programme._meta.concrete_fields if field.name not in {"id", "key", *NAMES})
"""The columns that are rules, in the order in which they are shown."""

LOOKED_AT = timedelta(days=28)


class NoSuchRule(BadInput):
    """A rule that does not exist, or a value that it cannot have. Facts: rule, why."""

    code = "no_such_rule"


class RulesChanged(Refusal):
    """Somebody changed the rules after the asker had seen them. Facts: change, the id of the last one."""

    code = "rules_changed"
    sentence = _(
        "Somebody has changed these rules meanwhile; nothing of yours is saved. What you typed is still here: please "
        "look at the last change below, and then at what yours would change."
    )


BY_WHOM = ("volumes_per", "week")
"""How other rules are counted: what they mean is told beside those."""
IN_LINE = ("waiting_per_copy", "waiting_most")
STRIKES = ("strikes_for", "strikes", "strike_days", "pause_days")
KINDS = {"materials_excluded": "title__material__in", "volumes_excluded": "volume__in"}


@dataclass(frozen=True, slots=True)
class Paused:
    """How many people could not ask for books today by the rule that holds, and by the one that is looked at, each as
    if it had held all the time; for strikes that are noted, or for late books of the last `days`.
    """

    was: int
    becomes: int
    days: int | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """The orders of the last four weeks, how many of them each changed rule would have refused, how many people are
    further back in line today than it allows, and how many it would pause. What other rules would have meant is not
    worked out, nor whom a rule would pause where that cannot be known.
    """

    orders: int
    refused: Mapping[str, int]
    beyond: Mapping[str, int]
    paused: Mapping[str, Paused]


def values_of(programme: Programme) -> dict[str, Any]:
    """The rules of a programme as plain values."""
    return {name: getattr(programme, name) for name in RULES}


def last_change(programme_id: int) -> int:
    """The id of the last change of a programme's rules; 0 if they were never changed."""
    last = ProgrammeChange.objects.filter(programme=programme_id).order_by("-pk").values_list("pk", flat=True)
    return last.first() or 0


def refuse_unseen(programme_id: int, seen: int) -> None:
    """Refuse with `rules_changed` whoever has not seen the last change."""
    last = last_change(programme_id)
    if last != seen:
        raise RulesChanged(change=last)


@transaction.atomic
def change(
    *, programme_id: int, values: Mapping[str, Any], by: Actor, now: datetime, seen: int | None = None
) -> ProgrammeChange | None:
    """Give a programme other rules or names; None if they are these already. Refuses with `no_such_rule`.

    Whoever sends all the rules says as `seen` which change was the last one then, and is refused with `rules_changed`
    if there was another one since, which would be lost. What was ordered before keeps its terms: loans their due
    dates, those in line their place.
    """
    programme = Programme.objects.select_for_update(no_key=True).get(pk=programme_id)
    if seen is not None:
        refuse_unseen(programme_id, seen)
    unknown = set(values) - {*RULES, *NAMES}
    if unknown:
        raise NoSuchRule(field=min(unknown), rule=min(unknown), why="unknown")
    was = {name: getattr(programme, name) for name in values}
    for name, value in values.items():
        setattr(programme, name, value)
    try:
        programme.full_clean()
    except ValidationError as error:
        name = next(iter(error.message_dict))
        raise NoSuchRule(field=name, rule=name, why=" ".join(error.message_dict[name])) from error
    changed = [name for name in values if getattr(programme, name) != was[name]]
    if not changed:
        return None
    programme.save(update_fields=changed)
    return ProgrammeChange.objects.create(
        programme=programme,
        at=now,
        principal=by.principal,
        was={name: plain(was[name]) for name in changed},
        became={name: plain(getattr(programme, name)) for name in changed},
    )


def plain(value: Any) -> Any:
    """A rule as a history, and a program, can read it."""
    return value.isoformat("minutes") if isinstance(value, time) else value


def effect(*, programme: Programme, values: Mapping[str, Any], now: datetime) -> Effect:
    """What other rules would have meant for the orders of the last four weeks; nothing is changed.

    Looks at the rules that count orders and volumes (of an order, a week, a day), at those for the length of a line,
    at what is not lent this way, at strikes, as far as these rules have noted and kept them, and at books that are
    overdue or came back late as long as it is known whose they were.
    """
    library = Library.objects.filter(programme=programme).first()
    today = queries.today(library, now) if library is not None else now.date()
    wanted = Programme(**{**values_of(programme), **{name: values[name] for name in values if name in RULES}})
    placed = Reservation.objects.filter(
        programme=programme, placed_on__gt=today - LOOKED_AT, placed_on__lte=today, patron__isnull=False
    ).exclude(state=ReservationState.CANCELLED)
    asked = [
        rules.Asked(
            whose=row["patron__household_id"] or -row["patron_id"]
            if wanted.volumes_per == Programme.Per.HOUSEHOLD
            else -row["patron_id"],
            day=row["day"],
            volumes=row["volumes"],
        )
        for row in placed.order_by()
        .values("request", "patron_id", "patron__household_id")
        .annotate(day=Min("placed_on"), at=Max("placed_at"), volumes=Count("pk"))
        .order_by("at")
    ]
    refused = rules.refused(
        asked,
        rolling=wanted.week == Programme.Week.ROLLING,
        **{name: getattr(wanted, name) for name in rules.COUNTING},
    )
    changed = {name for name in values if name in RULES and values[name] != getattr(programme, name)}
    by_whom = {"volumes", "orders_per_week"} if changed & set(BY_WHOM) else set()
    counted = changed | {name for name in by_whom if getattr(wanted, name) is not None}
    told = {name: refused[name] for name in rules.COUNTING if name in counted}
    for name in changed & KINDS.keys():
        of_kind = placed.order_by().filter(**{KINDS[name]: values[name]})
        told[name] = of_kind.values("request").distinct().count()
    lines = queries.lines(programme.pk).values() if changed & set(IN_LINE) else ()
    beyond = {name: _beyond(lines, **{name: values[name]}) for name in IN_LINE if name in changed}
    paused: dict[str, Paused] = {}
    if changed & set(STRIKES) and _are_kept(programme, wanted):
        was, becomes = (_paused(programme.pk, ruling, today=today) for ruling in (programme, wanted))
        paused |= dict.fromkeys(changed & set(STRIKES), Paused(was, becomes))
    if "overdue_pause" in changed and library is not None:  # else it lends in closed buildings, by other programmes
        rates = programme.overdue_pause, wanted.overdue_pause
        paused["overdue_pause"] = _paused_for_late_books(programme.pk, *rates, today=today, now=now)
    return Effect(len(asked), told, beyond, paused)


def _are_kept(programme: Programme, wanted: Programme) -> bool:
    """Whether all strikes that other rules could see are known: of no new kind, and none is forgotten by now."""
    kept, seen = (one.strike_days + one.pause_days for one in (programme, wanted))
    return seen <= kept and set(wanted.strikes_for) <= set(programme.strikes_for)


def _paused(programme_id: int, ruling: Programme, *, today: date) -> int:
    """How many people the strikes that are noted pause today by these rules."""
    if ruling.strikes is None:
        return 0
    noted = Strike.objects.filter(programme=programme_id, kind__in=ruling.strikes_for, forgiven_at=None, on__lte=today)
    of_patron: dict[int, list[date]] = {}
    for patron_id, on in noted.values_list("patron_id", "on"):
        of_patron.setdefault(patron_id, []).append(on)
    pauses = [
        rules.pause_of(days, allowed=ruling.strikes, counts_for=ruling.strike_days, pause=ruling.pause_days)
        for days in of_patron.values()
    ]
    return sum(pause is not None and pause[1] >= today for pause in pauses)


def _paused_for_late_books(programme_id: int, was: int, becomes: int, *, today: date, now: datetime) -> Paused:
    """Whom so many days of pause for a day overdue keep from asking today: whose books are overdue, and who brought
    some back late and was not forgiven, as long as it is known whose a returned book was.
    """
    looked_at = min(LOOKED_AT, timedelta(days=settings.RETENTION_DAYS))
    lent = queries.loans().filter(programme=programme_id, patron__isnull=False)
    overdue = set(queries.late_among(lent, now=now).order_by().values_list("patron_id", flat=True))
    lifted = Pause.objects.filter(programme=programme_id, lifted_at__isnull=False)
    forgiven = set(lifted.values_list("patron_id", "since", "days_overdue"))
    # from the due date on: in the library's own zone it may be the day after by then
    back = lent.filter(returned_at__gt=now - looked_at, returned_at__date__gte=F("due_on"))
    late = set()
    for loan in back.exclude(pk__in=queries.never_given().order_by().values("pk")):
        day = queries.today(loan.library, loan.returned_at or now)
        days = rules.overdue_days(loan.due_on, day)
        if days and (loan.patron_id, day, days) not in forgiven:
            late.add((loan.patron_id, day, days))

    def people(rate: int) -> int:
        paused = {patron_id for patron_id, day, days in late if day + timedelta(days=days * rate) >= today}
        return len(overdue | paused) if rate else 0

    return Paused(people(was), people(becomes), looked_at.days)


def _beyond(
    lines: Collection[queries.Line], *, waiting_per_copy: int | None = None, waiting_most: int | None = None
) -> int:
    most = [rules.most_waiting(copies=line.copies, per_copy=waiting_per_copy, most=waiting_most) for line in lines]
    return sum(max(0, line.people - n) for line, n in zip(lines, most, strict=True) if n is not None)
