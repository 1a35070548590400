"""What patrons are told of their loans: before books are due, when they are late, and that some came back.

The days are rules of the programme. What was told is noted on each loan, so that nothing is told twice and a day that
was missed is made up for on the next; a person hears of all their books in one text a day. A text holds counts and
dates, never a title. Whoever has no number that takes texts is on the list of overdue books instead (`late_people`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Exists, OuterRef, Q

from core import sweeps
from lending import queries, telling
from lending.models import ByDoor, Contact, Library, Loan, Patron
from lending.states import LoanState
from lending.texts import BOTH, DUE, OVERDUE, RETURNED
from notifications import consent, outbox, phone
from notifications import queries as notification_queries

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from lending.models import Programme

BATCH = 500
SETTLED = timedelta(minutes=10)
"""So long nothing more has come back before a return is confirmed: a pile of books is one text."""
OF_USE = timedelta(hours=24)
"""A return that could not be confirmed for so long is not confirmed any more."""


def remind_due(*, now: datetime) -> int:
    """Remind everybody of whom a rule says so today, outside quiet hours; gives back how many were seen to.

    Also of what was lent here before another system kept the library's loans: it ends here, and nobody else reminds.
    """
    done = 0
    for library in queries.libraries().select_related("surge_programme"):
        if _quiet(library, now):
            continue
        keys = _to_remind(library, now=now).values_list("patron_id", flat=True).order_by("patron_id").distinct()[:BATCH]
        done += sum(sweeps.each("reminders", list(keys), lambda pk: _remind(pk, now=now)))
    return done


def confirm_returns(*, now: datetime) -> int:
    """Confirm to those who want it which of their books came back; gives back how many people that were."""
    lately = Loan.objects.filter(state=LoanState.RETURNED, patron=OuterRef("patron"), returned_at__gt=now - SETTLED)
    keys = _to_confirm(now).exclude(Exists(lately)).values_list("patron_id", flat=True).order_by("patron_id").distinct()
    return sum(sweeps.each("returns to confirm", list(keys[:BATCH]), lambda pk: _confirm(pk, now=now)))


@dataclass(frozen=True, slots=True)
class Late:
    """Somebody whose books should be back by now: how many, since which day, and the number they are reached at."""

    patron: Patron
    count: int
    since: date
    number: str
    texted: bool


def late_people(library: Library, *, now: datetime) -> list[Late]:
    """Who has overdue books of a library: first those whom no text reaches, whose books were due first before all.

    Three queries, however many they are.
    """
    found: dict[int, list[Loan]] = {}
    for loan in queries.overdue(library, now=now):
        found.setdefault(loan.patron_id or 0, []).append(loan)
    numbers: dict[int, list[Contact]] = {}
    for one in Contact.objects.filter(patron__in=found, own=True).order_by("position", "pk"):
        numbers.setdefault(one.patron_id or 0, []).append(one)
    silent = consent.opted_out(one.number for own in numbers.values() for one in own)
    late = []
    for patron_id, loans in found.items():
        own, patron = numbers.get(patron_id, []), loans[0].patron
        if patron is None:
            continue
        texted = patron.text_reminders and any(
            (one.may_text and phone.can_text(one.number) and one.number not in silent)
            or outbox.takes_mails(one.mails_to)
            for one in own
        )
        number = phone.display(own[0].number, library.region) if own else ""
        late.append(Late(patron, len(loans), loans[0].due_on, number, texted))
    return sorted(late, key=lambda one: (one.texted, one.since, one.patron.pk))


def milestone(loan: Loan, ruling: Programme, *, today: date) -> int | None:
    """The reminder that a loan is to have by now: how many days after the due date it is for (before: below zero).

    None when there is none yet, when it was sent, or when the book was not lent yet on the day it is for.
    """
    lent_on = loan.lent_at.astimezone(queries.zone_of(loan.library)).date()
    passed = [one for one in _milestones(ruling) if loan.due_on + timedelta(days=one) <= today]
    newest = max(passed, default=None)
    if newest is None or (loan.reminded is not None and loan.reminded >= newest):
        return None
    return newest if loan.due_on + timedelta(days=newest) > lent_on else None


def _milestones(ruling: Programme) -> list[int]:
    return sorted({*(-days for days in ruling.remind_before), *ruling.remind_after})


def _to_remind(library: Library, *, now: datetime) -> QuerySet[Loan]:
    """Loans of a library that may need a reminder now, of people who want them and were not told today."""
    today = queries.today(library, now)
    due = Q(pk__in=[])
    for one in _milestones(library.rules):
        due |= Q(due_on__lte=today - timedelta(days=one)) & (Q(reminded=None) | Q(reminded__lt=one))
    told_today = Loan.objects.filter(patron=OuterRef("patron"), reminded_on=today)
    found = queries.at_home().filter(due, library=library, patron__text_reminders=True)
    return found.exclude(Exists(told_today))


def _remind(patron_id: int, *, now: datetime) -> int:
    patron = _lock(patron_id)
    if patron is None or not patron.text_reminders or _quiet(patron.home, now):
        return 0
    today = queries.today(patron.home, now)
    if Loan.objects.filter(patron=patron, reminded_on=today).exists():
        return 0
    rows = queries.at_home().filter(patron=patron).select_related("library__programme", "library__surge_programme")
    home = list(rows.select_for_update(no_key=True, of=("self",)).order_by("pk"))
    wanted = {loan.pk: milestone(loan, loan.library.rules, today=today) for loan in home}
    needed = [loan for loan in home if wanted[loan.pk] is not None]
    if not needed:
        return 0
    late = [loan for loan in home if loan.due_on < today]
    due = [loan for loan in needed if loan.due_on >= today]
    telling.tell(
        patron,
        BOTH if late and due else OVERDUE if late else DUE,
        {name: {loan.due_on for loan in of} for name, of in (("due", due), ("was_due", late))},
        {"count": len(due), "late": len(late)},
        kind="reminder",
        by_mail=patron.reminders_by == ByDoor.MAIL,
        key=f"reminder:{patron.pk}:{today.isoformat()}",
        now=now,
    )
    for loan in needed:
        Loan.objects.filter(pk=loan.pk).update(reminded=wanted[loan.pk], reminded_on=today)
    return 1


def _to_confirm(now: datetime) -> QuerySet[Loan]:
    back = Loan.objects.filter(
        state=LoanState.RETURNED,
        return_told_at=None,
        returned_at__gt=now - OF_USE,
        returned_at__lte=now - SETTLED,
        patron__text_returns=True,
        library__training=False,
    )
    return back.exclude(pk__in=queries.never_given().order_by().values("pk"))


def _confirm(patron_id: int, *, now: datetime) -> int:
    patron = _lock(patron_id)
    if patron is None:
        return 0
    back = list(_to_confirm(now).filter(patron=patron).select_for_update(no_key=True, of=("self",)).order_by("pk"))
    if not back:
        return 0
    left = queries.at_home().filter(patron=patron).count()
    key = f"returned:{back[-1].pk}:{int(max(loan.returned_at for loan in back if loan.returned_at).timestamp())}"
    by_mail = patron.returns_by == ByDoor.MAIL
    counts = {"count": len(back), "left": left}
    telling.tell(patron, RETURNED, {}, counts, kind="notice", by_mail=by_mail, key=key, now=now)
    Loan.objects.filter(pk__in=[loan.pk for loan in back]).update(return_told_at=now)
    return 1


def _lock(patron_id: int) -> Patron | None:
    rows = Patron.objects.select_for_update(no_key=True, skip_locked=True, of=("self",)).select_related("home")
    return rows.filter(pk=patron_id, home__training=False).first()


def _quiet(library: Library, now: datetime) -> bool:
    house = notification_queries.sender(library.sender)
    return house is not None and outbox.may_go(house, "reminder", now) > now
