"""What patrons agree to, and what follows when they do or do not any more; and with whom they live."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction

from core.actor import Actor
from lending import queries
from lending.errors import GuardianNeeded, NoHousehold, UnknownCard
from lending.models import Consent, Contact, Household, Loan, Patron
from lending.states import LoanState
from notifications import phone

VERSION: Final = "2026-11"
"""Of the wording on the consent page and the privacy page; a change of either makes a new one."""
ASKED_AT_ENROLMENT: Final = (Consent.What.PRIVACY, Consent.What.ABROAD)
LONGEST_NAME = 80

What = Consent.What


@transaction.atomic
def answer(*, patron_id: int, what: str, given: bool, by: Actor, now: datetime, guardian: str = "") -> Consent:
    """Note that a patron agrees, or does not any more, and do what follows from it at once.

    Without `abroad` none of their own numbers is texted, with it those that can be; without `needs` what to do at the
    car is forgotten; a household is served together while all of it agrees; without `history` the list is empty at
    once: what was returned before the retention is tied to nobody any more, the rest when that is over. Under 14 a
    guardian is named. Refuses with `guardian_needed`, `no_household` and `unknown_card`.
    """
    patron = Patron.objects.select_related("home", "household").filter(pk=patron_id).first()
    if patron is None:
        raise UnknownCard
    if what == What.TOGETHER and patron.household is None:
        raise NoHousehold
    if patron.household is not None:
        Household.objects.select_for_update(no_key=True).get(pk=patron.household.pk)
    patron = Patron.objects.select_for_update(no_key=True, of=("self",)).select_related("home").get(pk=patron_id)
    named = " ".join(guardian.split())[:LONGEST_NAME]
    if given and not named and is_child(patron, now):
        raise GuardianNeeded(field="guardian", until=str(patron.child_until))
    before = Consent.objects.filter(patron=patron, what=what).order_by("-id").first()
    row = Consent.objects.create(
        patron=patron,
        what=What(what),
        version=VERSION,
        given=given,
        at=now,
        by=by.principal,
        channel=by.channel,
        guardian=named if given else "",
    )
    if before is None or before.given != given:
        _follow(patron, What(what), given=given, now=now)
    return row


def _follow(patron: Patron, what: Consent.What, *, given: bool, now: datetime) -> None:
    if what == What.HISTORY:
        Patron.objects.filter(pk=patron.pk).update(keeps_history=given)
        if not given:
            _forget_history(patron, now)
    if what == What.ABROAD:
        for own in Contact.objects.filter(patron=patron, own=True):
            Contact.objects.filter(pk=own.pk).update(may_text=given and phone.can_text(own.number))
    if what == What.NEEDS and not given:
        Patron.objects.filter(pk=patron.pk).update(needs=[], needs_note="", accessible_place=False)
    if what == What.TOGETHER and patron.household_id is not None:
        _count_household(patron.household_id)


def _forget_history(patron: Patron, now: datetime) -> None:
    old = Loan.objects.filter(patron=patron).exclude(state=LoanState.OUT)
    old.filter(moved_at__lt=now - timedelta(days=settings.RETENTION_DAYS)).update(patron=None)


def is_child(patron: Patron, now: datetime) -> bool:
    """Whether the patron is under 14."""
    return patron.child_until is not None and queries.today(patron.home, now) < patron.child_until


def standing(patron_id: int) -> dict[str, Consent]:
    """The newest answer to each question that a patron was asked, by what it is about."""
    rows = Consent.objects.filter(patron_id=patron_id).order_by("what", "-id").distinct("what")
    return {row.what: row for row in rows}


@transaction.atomic
def live_with(*, patron_id: int, other_id: int, by: Actor, now: datetime) -> Household:
    """Put a patron into the household of another one, made if there is none; together only once all agreed.

    Refuses with `unknown_card`.
    """
    patrons = {row.pk: row for row in Patron.objects.filter(pk__in=[patron_id, other_id])}
    if len(patrons) != 2:
        raise UnknownCard(field="card_number")
    other = patrons[other_id]
    household = other.household or Household.objects.create(key=f"house-{secrets.token_hex(8)}")
    left = patrons[patron_id].household_id
    for pk in sorted({household.pk, left or household.pk}):
        Household.objects.select_for_update(no_key=True).get(pk=pk)
    Patron.objects.filter(pk__in=[patron_id, other_id]).update(household=household)
    for pk in {household.pk, left or household.pk}:
        _count_household(pk)
    return household


@transaction.atomic
def live_apart(*, patron_id: int, by: Actor, now: datetime) -> None:
    """Take a patron out of their household. Refuses with `no_household`."""
    household_id = Patron.objects.filter(pk=patron_id).values_list("household_id", flat=True).first()
    if household_id is None:
        raise NoHousehold
    Household.objects.select_for_update(no_key=True).get(pk=household_id)
    Patron.objects.filter(pk=patron_id).update(household=None)
    _count_household(household_id)


def agreed(household_id: int) -> dict[int, bool]:
    """Who of a household agreed to be served together, by the patron's id."""
    members = Patron.objects.filter(household_id=household_id).values_list("pk", flat=True)
    rows = Consent.objects.filter(patron__in=members, what=What.TOGETHER).order_by("patron", "-id").distinct("patron")
    given = {row.patron_id: row.given for row in rows}
    return {pk: given.get(pk, False) for pk in members}


def _count_household(household_id: int) -> None:
    """Served together: at least two, and every one of them agreed."""
    told = agreed(household_id)
    Household.objects.filter(pk=household_id).update(together=len(told) > 1 and all(told.values()))
