"""Who looked at how many records in a month, those who stand out first; and that a manager went through it."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.db.models import Count
from django.utils.translation import gettext_lazy as _

from core.actor import Actor
from core.models import Access
from core.refusal import BadInput, Refusal
from lending.models import AccessReview, Library, Membership

STANDS_OUT = 3  # times what is usual
FEW = 20  # records a month that are nothing to ask about

SCREENS = {
    "patrons": _("Patron record"),
    "give-code": _("One-time code"),
    "phone-orders": _("Phone orders"),
    "collect-elsewhere": _("Collect elsewhere"),
    "reservations": _("Reservation"),
    "messages": _("Texts and calls"),
    "overdue": _("Overdue books"),
    "lane": _("Window"),
    "run-sheet": _("Run sheet"),
    "catch-up": _("Catch up"),
    "slips": _("Slips"),
    "inbox": _("Inbox"),
    "postings": _("Other system"),
}
"""What people call the purposes under which it is noted who was looked at."""


class AlreadyReviewed(Refusal):
    """Facts: none."""

    code = "already_reviewed"
    sentence = _("This month is marked as reviewed already.")


@dataclass(frozen=True, slots=True)
class Seen:
    """What one colleague looked at in a month."""

    name: str
    role: str
    records: int
    looks: int
    screens: list[tuple[str, int]]
    stands_out: bool


def screen_name(purpose: str) -> str:
    """What people call a purpose: the page, or a program that asked through the API; itself when it has no name."""
    if purpose.startswith("api "):
        return str(_("a connected program"))
    return str(SCREENS.get(purpose, purpose))


def month_of(day: date) -> date:
    """The first day of its month."""
    return day.replace(day=1)


def before(month: date) -> date:
    """The first day of the month before."""
    return month_of(month - timedelta(days=1))


def of(library: Library, month: date) -> list[Seen]:
    """Who of a library looked at how many records in a month of its time zone, those who stand out first."""
    zone = ZoneInfo(library.zone)
    begins = datetime(month.year, month.month, 1, tzinfo=zone)
    after = month_of(month + timedelta(days=32))
    ends = datetime(after.year, after.month, 1, tzinfo=zone)
    members = Membership.objects.filter(library=library).select_related("account")
    names = {f"staff:{one.account_id}": one for one in members}
    rows = Access.objects.filter(principal__in=names, at__gte=begins, at__lt=ends)
    told = {
        row["principal"]: row
        for row in rows.values("principal").annotate(records=Count("about", distinct=True), looks=Count("pk"))
    }
    screens: dict[str, Counter[str]] = {}
    for row in rows.values("principal", "purpose").annotate(n=Count("pk")).order_by("-n"):
        screens.setdefault(row["principal"], Counter())[screen_name(row["purpose"])] += row["n"]
    usual = statistics.median([row["records"] for row in told.values()]) if told else 0
    found = [
        Seen(
            name=names[principal].account.first_name or names[principal].account.username,
            role=str(names[principal].get_role_display()),
            records=row["records"],
            looks=row["looks"],
            screens=screens.get(principal, Counter()).most_common(),
            stands_out=row["records"] > max(FEW, STANDS_OUT * usual),
        )
        for principal, row in told.items()
    ]
    return sorted(found, key=lambda one: (not one.stands_out, -one.records, one.name))


def reviewed(library_id: int, month: date) -> AccessReview | None:
    """The note of a manager who went through the month; None if nobody did."""
    return AccessReview.objects.filter(library=library_id, month=month).first()


@transaction.atomic
def mark(*, library: Library, month: date, note: str, by: Actor, now: datetime) -> AccessReview:
    """Note that a month that is over was gone through. Refuses with `already_reviewed` and `invalid` (month, note)."""
    tidy = " ".join(note.split())
    if len(tidy) > 300 or not all(ch.isprintable() for ch in tidy):
        raise BadInput(field="note")
    if month_of(month) != month or month >= month_of(now.astimezone(ZoneInfo(library.zone)).date()):
        raise BadInput(field="month")
    try:
        with transaction.atomic():
            return AccessReview.objects.create(library=library, month=month, by=by.principal, at=now, note=tidy)
    except IntegrityError as error:
        raise AlreadyReviewed from error
