"""A book that is to go home while somebody asks for it; each race also with its guard taken away."""

from __future__ import annotations

import pytest

from lending import allocation
from lending.models import Copy, Library, PickupPoint, Reservation, Transfer
from lending.states import OPEN_TRANSFER
from tests import rows
from tests.races.guards import law_dropped, slowly, without_locks
from tests.races.together import Outcome, together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]


@pytest.fixture
def home() -> Library:
    return rows.library(programme=rows.programme(transfer_days=1, foreign_books="home"))


@pytest.fixture
def branch(home: Library) -> PickupPoint:
    """A pickup place of another library of the programme."""
    return rows.point(rows.library(programme=home.programme))


@pytest.fixture
def far(home: Library, branch: PickupPoint) -> Copy:
    """A book of the one library on the shelf of the other."""
    copy = rows.copy(at=home)
    Copy.objects.filter(pk=copy.pk).update(at_library=branch.library_id)
    return copy


def journeys(copy: Copy) -> int:
    return Transfer.objects.filter(copy=copy, state__in=OPEN_TRANSFER).count()


# Asked for while it is sent home


def asked_while_sent_home(far: Copy, branch: PickupPoint, monkeypatch: pytest.MonkeyPatch) -> Outcome[object]:
    """The journey is begun a moment after it was seen that nobody waits for the book."""
    slowly(monkeypatch, allocation, "_send")
    who = rows.patron(branch.library)

    def act(n: int) -> object:
        if n:
            return rows.reserve(who, far.title, at=branch)
        return allocation.send_home(copy_id=far.pk, by=rows.RULE, now=rows.NOW)

    return together(2, act)


def test_who_asks_for_it_here_keeps_it_here(far: Copy, branch: PickupPoint, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = asked_while_sent_home(far, branch, monkeypatch)
    assert outcome.refused == []
    row = Reservation.objects.get()
    assert (row.state, row.copy_id, journeys(far)) == ("allocated", far.pk, 0)


@pytest.mark.control
def test_without_the_lock_it_is_promised_here_and_sent_away(
    far: Copy, branch: PickupPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control."""
    without_locks(monkeypatch)
    asked_while_sent_home(far, branch, monkeypatch)
    assert (Reservation.objects.get().copy_id, journeys(far)) == (far.pk, 1)


# Sent home by two sweeps


def sent_twice(far: Copy, monkeypatch: pytest.MonkeyPatch) -> Outcome[Transfer | None]:
    slowly(monkeypatch, allocation, "_send")
    return together(4, lambda _n: allocation.send_home(copy_id=far.pk, by=rows.RULE, now=rows.NOW))


def test_several_sweeps_send_it_home_once(far: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = sent_twice(far, monkeypatch)
    assert outcome.refused == []
    assert sum(one is not None for one in outcome.answers) == journeys(far) == 1


@pytest.mark.control
def test_without_lock_and_law_it_is_sent_home_several_times(far: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    without_locks(monkeypatch)
    with law_dropped(Transfer, "lending_copy_travels_once"):
        sent_twice(far, monkeypatch)
        assert journeys(far) > 1
