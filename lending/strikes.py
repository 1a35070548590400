"""What is held against a patron for a while: strikes, and the pause for books that came back late.

Only what a patron did counts: never what staff or a rule took away, nor a bag of which nobody could be told. Rows are
only added here, so nothing has to be locked; what they lead to is worked out when the patron asks for books.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.utils.translation import gettext

from core.refusal import BadInput
from lending import queries, rules
from lending.models import Forgiven as Forgiven  # noqa: PLC0414 (for those who ask here)
from lending.models import Library, Pause, Strike

if TYPE_CHECKING:
    from datetime import date, datetime

    from core.actor import Actor
    from lending.models import Loan


@dataclass(frozen=True, slots=True)
class Held:
    """One thing that is held against a patron: its day, its class, whether it still counts; of a pause its last day."""

    on: date
    kind: str
    counts: bool
    until: date | None = None


def note(*, patron_id: int | None, library_id: int, kind: str, now: datetime) -> Strike | None:
    """Hold something against a patron where the library's rules count it; None where they do not."""
    library = Library.objects.select_related("programme", "surge_programme").get(pk=library_id)
    if patron_id is None or kind not in library.rules.strikes_for:
        return None
    return Strike.objects.create(
        patron_id=patron_id, programme_id=library.programme_id, kind=kind, on=queries.today(library, now)
    )


def came_back(*, loan: Loan, now: datetime) -> Pause | None:
    """A book came back, at whatever library: days overdue may become days of a pause.

    Counted by the rules and the day of the library that lent it; if that follows another programme since, by those of
    the programme that it was lent by.
    """
    day = queries.today(loan.library, now)
    late, rate = rules.overdue_days(loan.due_on, day), loan.rules.overdue_pause
    if not late or not rate or loan.patron_id is None:
        return None
    return Pause.objects.create(
        patron_id=loan.patron_id,
        programme_id=loan.programme_id,
        days_overdue=late,
        since=day,
        until=day + timedelta(days=late * rate),
    )


def undo_came_back(*, loan: Loan, by: Actor, now: datetime) -> Pause | None:
    """The return of a loan is to be undone: lift the pause that it led to; None where it led to none that holds.

    A pause does not say for which book it is, so of several that are alike any one is lifted.
    """
    if loan.returned_at is None or loan.patron_id is None:
        return None
    day = queries.today(loan.library, loan.returned_at)
    alike = Pause.objects.filter(
        patron_id=loan.patron_id,
        programme_id=loan.programme_id,
        since=day,
        days_overdue=rules.overdue_days(loan.due_on, day),
        lifted_at=None,
    )
    pause = alike.select_for_update(skip_locked=True).order_by("pk").first()
    if pause is not None:
        pause.lifted_at, pause.lifted_by, pause.lifted_why = now, by.principal, Forgiven.OURS
        pause.save(update_fields=["lifted_at", "lifted_by", "lifted_why"])
    return pause


def forgive(*, patron_id: int, programme_id: int, by: Actor, now: datetime, why: str = "") -> int:
    """Staff take back what was held against a patron and end the pauses; gives back how many rows that were.

    `why` is one of `Forgiven`, or empty where nobody was asked. Refuses with `invalid` (field `why`) any other word.
    """
    if why and why not in Forgiven.values:
        raise BadInput(field="why")
    of = {"patron_id": patron_id, "programme_id": programme_id}
    forgiven = {"forgiven_at": now, "forgiven_by": by.principal, "forgiven_why": why}
    lifted = {"lifted_at": now, "lifted_by": by.principal, "lifted_why": why}
    strikes = Strike.objects.filter(**of, forgiven_at=None).update(**forgiven)
    return strikes + Pause.objects.filter(**of, lifted_at=None).update(**lifted)


def forgive_one(
    *, patron_id: int, library_id: int, kind: str, noted_at: datetime, by: Actor, now: datetime
) -> Strike | None:
    """Take back one thing of this kind that was noted at a moment by mistake; None where none holds.

    A strike does not say for what it is, so of several of that day any one is forgiven.
    """
    library = Library.objects.select_related("programme", "surge_programme").get(pk=library_id)
    alike = Strike.objects.filter(
        patron_id=patron_id,
        programme_id=library.programme_id,
        kind=kind,
        on=queries.today(library, noted_at),
        forgiven_at=None,
    )
    strike = alike.select_for_update(skip_locked=True).order_by("pk").first()
    if strike is not None:
        strike.forgiven_at, strike.forgiven_by, strike.forgiven_why = now, by.principal, Forgiven.OURS
        strike.save(update_fields=["forgiven_at", "forgiven_by", "forgiven_why"])
    return strike


def held(*, patron_id: int, library: Library, today: date) -> list[Held]:
    """What the rules of a library can still see against a patron, the newest first: days and classes, no titles."""
    ruling, of = library.rules, {"patron_id": patron_id, "programme_id": library.programme_id}
    since = today - timedelta(days=ruling.strike_days + ruling.pause_days)
    strikes = [
        Held(
            row.on,
            str(row.get_kind_display()),
            row.kind in ruling.strikes_for and row.on + timedelta(days=ruling.strike_days) > today,
        )
        for row in Strike.objects.filter(**of, forgiven_at=None, on__gt=since)
    ]
    pauses = [
        Held(row.since, gettext("a book came back late"), True, row.until)
        for row in Pause.objects.filter(**of, lifted_at=None, until__gte=today)
    ]
    return sorted([*strikes, *pauses], key=lambda one: one.on, reverse=True)
