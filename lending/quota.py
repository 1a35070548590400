"""What stands between a patron and a book, as the rules of the programme have it: blocks, pauses, quotas, queues.

One code for web, API, telephone and text. Each refusal says which rule it is, the count, and when it will be possible
again. A quota holds while the caller has locked whoever it counts by (see `reservations.lock_borrower`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from django.db.models import Max, Q, QuerySet

from lending import queries, rules
from lending.errors import (
    Blocked,
    DayFull,
    LoansOverdue,
    NotAgainYet,
    NotThroughProgramme,
    OrdersUsedUp,
    Paused,
    ProgrammeClosed,
    QueueFull,
    QuotaExceeded,
    TooManyAtOnce,
    TooManyInOrder,
    TooManyReserved,
)
from lending.models import Grant, Library, Loan, Patron, Pause, Programme, Reservation, Strike, Title
from lending.states import OPEN, LoanState, ReservationState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from core.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Limits:
    """What a patron is allowed by the rules that hold today, the class that they are of taken into account."""

    volumes: int | None
    at_once: int | None
    loan_days: int


@dataclass(frozen=True, slots=True)
class Pausing:
    """Why a patron cannot ask for books (`strikes` or `overdue`), how many strikes or days, and the last such day."""

    why: str
    count: int
    until: date


@dataclass(frozen=True, slots=True)
class Standing:
    """How a patron stands with the programme of a library today; None where the programme sets no limit."""

    volumes: rules.Counted | None
    orders: rules.Counted | None
    reserved: rules.Counted | None
    at_once: rules.Counted | None
    per_order: int | None
    paused: Pausing | None
    blocked_until: date | None
    strikes: rules.Counted | None = None

    @property
    def left(self) -> int | None:
        """How many volumes may be asked for in one order now; None for any number."""
        counted = [one.left for one in (self.volumes, self.reserved, self.at_once) if one is not None]
        if self.orders is not None and not self.orders.left:
            counted.append(0)
        if self.per_order is not None:
            counted.append(self.per_order)
        return min(counted, default=None)


def limits_of(patron: Patron, library: Library, *, today: date) -> Limits:
    """What the library's rules of today allow this patron."""
    ruling = library.rules
    grants = Grant.objects.filter(patron=patron, allowance__programme=ruling).select_related("allowance")
    classes = [grant.allowance for grant in grants if grant.until is None or grant.until >= today]

    def most(column: str) -> int | None:
        allowed = [getattr(ruling, column), *(getattr(one, column) for one in classes)]
        numbers = [number for number in allowed[1:] if number is not None]
        return max([allowed[0], *numbers]) if allowed[0] is not None else None

    return Limits(most("volumes"), most("at_once"), most("loan_days") or ruling.loan_days)


def standing(*, patron: Patron, library: Library, today: date) -> Standing:
    """What is used up and what is left, for whoever shows it."""
    ruling, limits = library.rules, limits_of(patron, library, today=today)
    of = _whose(patron, library)
    rolling = ruling.week == Programme.Week.ROLLING

    def weekly(allowed: int | None, days: Callable[[Q, Library, date], list[date]]) -> rules.Counted | None:
        if allowed is None:
            return None
        return rules.in_week(allowed, days(of, library, today), asked=1, today=today, rolling=rolling)

    reserved, due = _at_once(of, library)
    return Standing(
        volumes=weekly(limits.volumes, _volume_days),
        orders=weekly(ruling.orders_per_week, _order_days),
        reserved=rules.Counted(ruling.reserved_at_once, reserved) if ruling.reserved_at_once else None,
        at_once=rules.at_once(limits.at_once, reserved, due, asked=1, today=today) if limits.at_once else None,
        per_order=ruling.volumes_per_order,
        paused=_pause(patron, library, today=today),
        blocked_until=patron.blocked_until if patron.blocked_until and patron.blocked_until >= today else None,
        strikes=_strikes(patron, library, today=today),
    )


def refuse_blocked(patron: Patron, *, today: date) -> None:
    """Refuse a patron whose card is blocked on the library's day `today` with `patron_blocked`."""
    block = _block(patron, today=today)
    if block is not None:
        raise block


def bars(patron: Patron, library: Library, *, today: date) -> Iterator[Refusal]:
    """What keeps a patron from asking for books today, as the refusals: `patron_blocked`, `paused`, `loans_overdue`."""
    block = _block(patron, today=today)
    if block is not None:
        yield block
    pause = _pause(patron, library, today=today)
    if pause is not None:
        again_on = pause.until + timedelta(days=1)
        yield Paused(why=pause.why, count=pause.count, until=pause.until.isoformat(), again_on=again_on.isoformat())
    if library.rules.overdue_pause:
        late = queries.at_home().filter(patron=patron, programme=library.programme_id, due_on__lt=today)
        pauses = [
            rules.overdue_days(loan.due_on, today) * loan.rules.overdue_pause
            for loan in late.select_related("library__programme", "library__surge_programme")
        ]
        if pauses:
            yield LoansOverdue(count=len(pauses), days=max(pauses))


def refuse_person(patron: Patron, library: Library, *, today: date) -> None:
    """Refuse who may not ask for anything today: `patron_blocked`, `paused`, `loans_overdue`, `programme_closed`."""
    refuse_blocked(patron, today=today)
    if library.rules.only_surge and not library.surge:
        raise ProgrammeClosed(library=library.code)
    for bar in bars(patron, library, today=today):
        raise bar


def refuse_title(title: Title, volume: str, ruling: Programme, *, field: str) -> None:
    """Refuse with `not_through_programme` what is lent otherwise only."""
    if title.material in ruling.materials_excluded:
        raise NotThroughProgramme(field=field, title=title.pk, kind=str(title.get_material_display()))
    if volume and volume in ruling.volumes_excluded:
        raise NotThroughProgramme(field=field, title=title.pk, kind=volume)


def refuse_again(items: Sequence[tuple[int, str]], patron: Patron, library: Library, *, today: date) -> None:
    """Refuse with `not_again_yet` a title that the patron let go uncollected a short while ago."""
    bar = library.rules.relend_days
    if not bar:
        return
    let_go = Reservation.objects.filter(
        patron=patron,
        programme=library.programme_id,
        state=ReservationState.EXPIRED,
        copy__isnull=False,
        title__in=[title_id for title_id, _volume in items],
    )
    zone = queries.zone_of(library)
    last = dict(let_go.values_list("title_id").annotate(at=Max("moved_at")))
    for index, (title_id, _volume) in enumerate(items):
        at = last.get(title_id)
        again_on = at.astimezone(zone).date() + timedelta(days=bar) if at is not None else today
        if again_on > today:
            raise NotAgainYet(field=f"items.{index}", title=title_id, days=bar, again_on=again_on.isoformat())


def refuse_beyond(*, asked: int, patron: Patron, library: Library, today: date) -> None:
    """Refuse more volumes, or one more order, than are left; says when there is room again, if ever.

    `too_many_in_order`, `orders_used_up`, `quota_exceeded` (of a week), `too_many_reserved`, `too_many_at_once`.
    """
    ruling, limits = library.rules, limits_of(patron, library, today=today)
    if ruling.volumes_per_order is not None and asked > ruling.volumes_per_order:
        raise TooManyInOrder(field="items", allowed=ruling.volumes_per_order, asked=asked)
    of, rolling = _whose(patron, library), ruling.week == Programme.Week.ROLLING
    if ruling.orders_per_week is not None:
        days = _order_days(of, library, today)
        week = rules.in_week(ruling.orders_per_week, days, asked=1, today=today, rolling=rolling)
        if not week.left:
            raise OrdersUsedUp(
                allowed=week.allowed, taken=week.taken, per=ruling.volumes_per, again_on=_iso(week.again_on)
            )
    if limits.volumes is not None:
        days = _volume_days(of, library, today)
        week = rules.in_week(limits.volumes, days, asked=asked, today=today, rolling=rolling)
        if asked > week.left:
            raise QuotaExceeded(
                field="items",
                allowed=week.allowed,
                taken=week.taken,
                asked=asked,
                per=ruling.volumes_per,
                again_on=_iso(week.again_on),
            )
    reserved, due = _at_once(of, library)
    if ruling.reserved_at_once is not None and reserved + asked > ruling.reserved_at_once:
        raise TooManyReserved(field="items", allowed=ruling.reserved_at_once, taken=reserved, asked=asked)
    if limits.at_once is not None:
        now = rules.at_once(limits.at_once, reserved, due, asked=asked, today=today)
        if asked > now.left:
            raise TooManyAtOnce(
                field="items", allowed=now.allowed, taken=now.taken, asked=asked, again_on=_iso(now.again_on)
            )


def refuse_full_day(library: Library, *, today: date) -> None:
    """Refuse with `day_full` one more order than the programme takes in a day. The caller has locked the day."""
    ruling = library.rules
    allowed = ruling.orders_weekend if today.weekday() >= rules.SATURDAY else ruling.orders_weekday
    if allowed is None:
        return
    today_s = Reservation.objects.filter(programme=library.programme_id, placed_on=today)
    taken = today_s.exclude(state=ReservationState.CANCELLED).values("request").distinct().count()
    if taken >= allowed:
        again_on = queries.calendar_of(library).next_open(today + timedelta(days=1))
        raise DayFull(allowed=allowed, taken=taken, again_on=again_on.isoformat())


def limits_days(ruling: Programme) -> bool:
    """Whether the orders of a day are limited, so that whoever orders has to lock the day."""
    return ruling.orders_weekday is not None or ruling.orders_weekend is not None


def refuse_long_queue(waiting: Mapping[int, Reservation], library: Library, *, today: date) -> None:
    """Refuse with `queue_full` who would wait behind more people than the rules allow; says when a copy is due.

    `waiting` are the reservations of this request that got no copy, by their index in it; they are written already, and
    a refusal undoes them. Who pauses counts: the place is kept. The caller has locked their titles, so that two who
    come together do not both slip in.
    """
    ruling = library.rules
    if not waiting or (ruling.waiting_per_copy is None and ruling.waiting_most is None):
        return
    lines = queries.lines(library.programme_id, {row.title_id for row in waiting.values()})
    for index, row in waiting.items():
        line = lines[row.title_id, row.volume]
        most = rules.most_waiting(copies=line.copies, per_copy=ruling.waiting_per_copy, most=ruling.waiting_most)
        if most is not None and line.people > most:
            lent = Loan.objects.filter(
                copy__title=row.title_id,
                copy__volume=row.volume,
                copy__library__programme=library.programme_id,
                state=LoanState.OUT,
            )
            due = rules.nth_due(_due_days(lent), line.people - most, today=today)
            raise QueueFull(
                field=f"items.{index}",
                title=row.title_id,
                allowed=most,
                waiting=line.people - 1,
                again_on=_iso(due),
            )


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day is not None else None


def _block(patron: Patron, *, today: date) -> Blocked | None:
    if patron.blocked_until is None or patron.blocked_until < today:
        return None
    return Blocked(until=patron.blocked_until.isoformat())


def _pause(patron: Patron, library: Library, *, today: date) -> Pausing | None:
    """The pause that holds today and ends last."""
    ruling, of = library.rules, {"patron": patron, "programme": library.programme_id}
    found = [
        Pausing("overdue", row.days_overdue, row.until)
        for row in Pause.objects.filter(**of, since__lte=today, until__gte=today, lifted_at=None)
    ]
    if ruling.strikes is not None:
        counted = Strike.objects.filter(**of, kind__in=ruling.strikes_for, forgiven_at=None)
        days = list(counted.values_list("on", flat=True))
        pause = rules.pause_of(days, allowed=ruling.strikes, counts_for=ruling.strike_days, pause=ruling.pause_days)
        if pause is not None and pause[1] >= today:
            found.append(Pausing("strikes", *pause))
    return max(found, key=lambda one: one.until, default=None)


def _strikes(patron: Patron, library: Library, *, today: date) -> rules.Counted | None:
    """How many strikes count today, of how many that lead to a pause; None where the rules count none."""
    ruling = library.rules
    if ruling.strikes is None:
        return None
    of = {"patron": patron, "programme": library.programme_id, "kind__in": ruling.strikes_for, "forgiven_at": None}
    since = today - timedelta(days=ruling.strike_days)
    return rules.Counted(ruling.strikes, Strike.objects.filter(**of, on__gt=since, on__lte=today).count())


def _whose(patron: Patron, library: Library) -> Q:
    """By whom the programme counts: the household if there is one, else the patron."""
    if library.rules.volumes_per == Programme.Per.HOUSEHOLD and patron.household_id is not None:
        return Q(patron__household_id=patron.household_id)
    return Q(patron=patron)


def _this_week(of: Q, library: Library, today: date) -> QuerySet[Reservation]:
    """What was asked for in the week of `today`, over all libraries of the programme.

    What was cancelled does not count, nor what the library let expire without a copy; a book that was set aside and not
    collected does.
    """
    given_back = Q(state=ReservationState.CANCELLED) | Q(state=ReservationState.EXPIRED, copy=None)
    week = rules.week_of(today, rolling=library.rules.week == Programme.Week.ROLLING)
    rows = Reservation.objects.filter(of, programme=library.programme_id, placed_on__range=week)
    return rows.exclude(given_back).order_by("placed_on")


def _volume_days(of: Q, library: Library, today: date) -> list[date]:
    return list(_this_week(of, library, today).values_list("placed_on", flat=True))


def _order_days(of: Q, library: Library, today: date) -> list[date]:
    requests = _this_week(of, library, today).values_list("placed_on", "request").distinct()
    return [day for day, _request in requests]


def _at_once(of: Q, library: Library) -> tuple[int, list[date]]:
    """How many volumes are asked for and not collected, and the due dates of the loans that count beside them."""
    reserved = Reservation.objects.filter(of, programme=library.programme_id, state__in=OPEN).count()
    home = queries.at_home().filter(of, programme=library.programme_id)
    return reserved, _due_days(home if library.rules.with_loans else home.filter(reservation__isnull=False))


def _due_days(lent: QuerySet[Loan]) -> list[date]:
    """When these loans are due, the first one first."""
    return list(lent.order_by("due_on").values_list("due_on", flat=True))
