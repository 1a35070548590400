"""Consents: rows that are added and never changed, and what follows from them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from core.actor import RULE, Actor
from lending import consents
from lending.errors import GuardianNeeded, NoHousehold, UnknownCard
from lending.models import Consent, Household, Patron
from tests import rows

pytestmark = pytest.mark.django_db

NOW = rows.NOW
BY: dict[str, Any] = {"by": RULE, "now": NOW}


def answer(who: Patron, what: str, *, given: bool = True, **more) -> Consent:
    return consents.answer(patron_id=who.pk, what=what, given=given, **{**BY, **more})


def test_an_answer_says_what_which_version_when_and_by_whom() -> None:
    who = rows.patron()
    row = answer(who, "privacy", by=Actor("staff", 3, "desk"))
    assert (row.what, row.version, row.given, row.at) == ("privacy", consents.VERSION, True, NOW)
    assert (row.by, row.channel, row.guardian) == ("staff:3", "desk", "")
    answer(who, "privacy", given=False, now=NOW + timedelta(days=1))
    assert list(Consent.objects.filter(patron=who).order_by("id").values_list("given", flat=True)) == [True, False]
    assert not consents.standing(who.pk)["privacy"].given


def test_a_row_is_never_changed() -> None:
    row = answer(rows.patron(), "privacy")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Consent.objects.filter(pk=row.pk).update(given=False)


def test_a_household_is_served_together_while_all_of_it_agrees() -> None:
    home = rows.household()
    both = [rows.patron(household=home) for _ in range(2)]

    def together() -> bool:
        return Household.objects.get(pk=home.pk).together

    answer(both[0], "together")
    assert not together()
    answer(both[1], "together")
    assert together()
    answer(both[0], "together", given=False)
    assert not together()


def test_who_moves_in_has_to_agree_and_who_moves_out_counts_no_more() -> None:
    library = rows.library()
    first, second, third = (rows.patron(library) for _ in range(3))
    home = consents.live_with(patron_id=first.pk, other_id=second.pk, **BY)
    for who in (first, second):
        answer(who, "together")
    assert Household.objects.get(pk=home.pk).together
    consents.live_with(patron_id=third.pk, other_id=first.pk, **BY)
    assert not Household.objects.get(pk=home.pk).together
    consents.live_apart(patron_id=third.pk, **BY)
    assert Household.objects.get(pk=home.pk).together
    consents.live_apart(patron_id=second.pk, **BY)
    assert not Household.objects.get(pk=home.pk).together  # one alone is no party


def test_who_lives_with_nobody_cannot_agree_for_a_household() -> None:
    who = rows.patron()
    with pytest.raises(NoHousehold):
        answer(who, "together")
    with pytest.raises(NoHousehold):
        consents.live_apart(patron_id=who.pk, **BY)
    with pytest.raises(UnknownCard):
        consents.live_with(patron_id=who.pk, other_id=who.pk, **BY)


def test_under_14_a_guardian_is_named_and_only_the_day_of_turning_14_is_kept() -> None:
    child = rows.patron(child_until=rows.day("2026-11-25"))
    with pytest.raises(GuardianNeeded) as refused:
        answer(child, "privacy")
    assert refused.value.facts == {"until": "2026-11-25"}
    assert answer(child, "privacy", guardian="  김 보호자 ").guardian == "김 보호자"
    assert answer(child, "abroad", given=False)  # to withdraw, nobody is needed
    assert answer(child, "abroad", now=NOW + timedelta(days=1)).guardian == ""  # 14 today


def test_needs_are_forgotten_with_the_consent() -> None:
    who = rows.patron(needs=["boot"], needs_note="말보다 글로", accessible_place=True)
    answer(who, "needs")
    answer(who, "needs", given=False)
    after = Patron.objects.get(pk=who.pk)
    assert (after.needs, after.needs_note, after.accessible_place) == ([], "", False)


def test_history_is_kept_for_whom_it_is_wanted() -> None:
    who = rows.patron()
    answer(who, "history")
    assert Patron.objects.get(pk=who.pk).keeps_history
    answer(who, "history", given=False)
    assert not Patron.objects.get(pk=who.pk).keeps_history
