"""A class of patrons given, taken and removed at the same moment; each race also with its guard taken away."""

from __future__ import annotations

import pytest
from django.db.models import QuerySet

from lending import allowances
from lending.models import Allowance, Grant, Patron, PickupPoint
from tests import rows
from tests.races.guards import law_dropped, slowly, without_count, without_locks
from tests.races.together import Outcome, together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]

TODAY = rows.NOW.date()


@pytest.fixture
def point() -> PickupPoint:
    return rows.point()


@pytest.fixture
def allowance(point: PickupPoint) -> Allowance:
    made: Allowance = point.library.programme.allowances.create(key="more", name_ko="우대", name_en="More", volumes=9)
    return made


def grant(who: Patron, allowance_id: int) -> Grant:
    return allowances.grant(patron_id=who.pk, allowance_id=allowance_id, by=rows.RULE, now=rows.NOW, today=TODAY)


# Removed while somebody is given it


def given_while_removed(point: PickupPoint, allowance: Allowance, monkeypatch: pytest.MonkeyPatch) -> Outcome[object]:
    """Whoever has looked at the class waits before going on, until the other has looked too."""
    slowly(monkeypatch, allowances, "_locked", before=False)
    who = rows.patron(point.library)

    def act(n: int) -> object:
        if n:
            return grant(who, allowance.pk)
        return allowances.remove(allowance_id=allowance.pk, by=rows.RULE, now=rows.NOW)

    return together(2, act)


def test_a_class_is_removed_or_given_and_never_both(
    point: PickupPoint, allowance: Allowance, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = given_while_removed(point, allowance, monkeypatch)
    assert len(outcome.answers) == 1
    assert outcome.codes() in (["allowance_in_use"], ["not_found"])
    assert Grant.objects.count() == Allowance.objects.filter(pk=allowance.pk).count()


@pytest.mark.control
def test_without_the_lock_a_class_is_removed_from_under_a_patron(
    point: PickupPoint, allowance: Allowance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the database alone answers, with an error that nobody can read, or both went through."""
    without_locks(monkeypatch)
    outcome = given_while_removed(point, allowance, monkeypatch)
    assert outcome.codes() not in (["allowance_in_use"], ["not_found"])


# Given at two desks


def given_at_two_desks(point: PickupPoint, allowance: Allowance) -> tuple[Patron, Outcome[Grant]]:
    who = rows.patron(point.library)
    return who, together(4, lambda _n: grant(who, allowance.pk))


def test_given_at_two_desks_it_is_one_class_of_one_patron(
    point: PickupPoint, allowance: Allowance, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowly(monkeypatch, Grant, "save")
    who, outcome = given_at_two_desks(point, allowance)
    assert outcome.refused == []
    assert Grant.objects.filter(patron=who).count() == 1


@pytest.mark.control
def test_without_lock_and_law_it_is_given_twice(
    point: PickupPoint, allowance: Allowance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control."""
    slowly(monkeypatch, Grant, "save")
    without_locks(monkeypatch)
    with law_dropped(Grant, "lending_allowance_granted_once"):
        who, _outcome = given_at_two_desks(point, allowance)
        assert Grant.objects.filter(patron=who).count() > 1


# Withdrawn at two desks


def withdrawn_at_two_desks(point: PickupPoint, allowance: Allowance) -> Outcome[None]:
    who = rows.patron(point.library)
    grant(who, allowance.pk)
    outcome = together(4, lambda _n: allowances.withdraw(patron_id=who.pk, allowance_id=allowance.pk))
    assert not Grant.objects.exists()
    return outcome


def test_withdrawn_at_two_desks_one_of_them_is_told_that_there_was_none(
    point: PickupPoint, allowance: Allowance, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowly(monkeypatch, QuerySet, "delete")
    outcome = withdrawn_at_two_desks(point, allowance)
    assert (len(outcome.answers), outcome.codes()) == (1, ["not_found"] * 3)


def test_without_counting_what_was_deleted_several_have_withdrawn_it(
    point: PickupPoint, allowance: Allowance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control."""
    without_count(monkeypatch)
    assert len(withdrawn_at_two_desks(point, allowance).answers) > 1
