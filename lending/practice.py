"""What a rehearsal borrows from: the books and the invented people of a library that is marked for training.

Everything here refuses a library that serves people (`not_a_training_library`), so that no rehearsal touches one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from core.actor import Actor
from lending import allocation, catalogue, copies, loans, patrons, queries, wishes
from lending.errors import NotForTraining
from lending.models import Copy, Household, Library, Loan, Patron, Reservation
from lending.states import CopyState, LoanState, ReservationState

_ASKED = (ReservationState.WAITING, ReservationState.SUSPENDED, ReservationState.ALLOCATED)


@dataclass(frozen=True, slots=True)
class Part:
    """An invented person: `card` ends their card number, `household` names those who agreed to be served together."""

    card: str
    name: str
    number: str
    language: str = "ko"
    needs: tuple[str, ...] = ()
    household: str = ""


def library(library_id: int) -> Library:
    """The training library. Refuses any other with `not_a_training_library`."""
    found = Library.objects.filter(pk=library_id).first()
    if found is None or not found.training:
        raise NotForTraining(library=found.code if found is not None else None)
    return found


@transaction.atomic
def people(*, library_id: int, parts: Sequence[Part], by: Actor, now: datetime) -> dict[str, Patron]:
    """The invented people, by the end of their card number: those that the library has, the others enrolled."""
    home = library(library_id)
    cards = {part.card: f"P{home.pk}-{part.card}" for part in parts}
    known = {patron.card_number: patron for patron in Patron.objects.filter(card_number__in=cards.values())}
    for part in parts:
        card = cards[part.card]
        if card in known:
            continue
        key = f"practice-{home.pk}-{part.household}" if part.household else ""
        known[card] = patrons.enrol(
            card_number=card,
            name=part.name,
            home_id=home.pk,
            number=part.number,
            language=part.language,
            household_key=key,
            needs=part.needs,
            by=by,
            now=now,
        )
        if key:
            Household.objects.filter(key=key).update(together=True)
    return {part.card: known[cards[part.card]] for part in parts}


@transaction.atomic
def stock(*, library_id: int, count: int, by: Actor, now: datetime) -> None:
    """Let the library have so many books, of invented titles, so that no reader ever waits for a rehearsal."""
    home = library(library_id)
    if home.copies.filter(title__source=queries.PRACTICE).count() >= count:
        return
    numbers = range(1, count + 1)
    catalogue.put_titles(
        [
            catalogue.row(
                source=queries.PRACTICE,
                control_number=f"{home.pk}-{number}",
                title=f"연습 책 {number:02} · Practice book {number:02}",
            )
            for number in numbers
        ]
    )
    titles = dict(queries.titles(practice=True).values_list("control_number", "pk"))
    rows = [
        catalogue.copy_row(
            titles[f"{home.pk}-{number}"],
            home,
            barcode=f"P{home.pk}-{number:04}",
            call_number=f"{100 + 37 * number % 800} 연58",
        )
        for number in numbers
    ]
    catalogue.add_copies(rows, by=by, now=now)


def books(*, library_id: int) -> list[Copy]:
    """The practice books on the library's shelves that nobody has or wants, always in the same order."""
    home = library(library_id)
    free = queries.free_copies().filter(library=home, at_library=home, title__source=queries.PRACTICE)
    return list(free.order_by("barcode"))


@transaction.atomic
def lend(*, library_id: int, patron_id: int, copy_ids: Sequence[int], by: Actor, now: datetime) -> None:
    """Books that somebody has at home already, to bring them back."""
    home = library(library_id)
    for copy_id in copy_ids:
        loans.check_out(copy_id=copy_id, patron_id=patron_id, library_id=home.pk, by=by, now=now)


def lock_people(*, library_id: int) -> None:
    """Lock the library's households and patrons: the first in the order of locks, before anything of theirs changes."""
    home = library(library_id)
    households = Household.objects.filter(patrons__home=home).values("pk")
    list(Household.objects.select_for_update(no_key=True).filter(pk__in=households).order_by("pk"))
    list(Patron.objects.select_for_update(no_key=True).filter(home=home).order_by("pk"))


def lock_titles(*, library_id: int) -> None:
    """Lock the titles of the library's copies, so that they need not be locked one by one in another order."""
    allocation.lock_titles(set(library(library_id).copies.values_list("title_id", flat=True)))


@transaction.atomic
def tidy(*, library_id: int, by: Actor, now: datetime) -> None:
    """Everything stands on the shelves again: nobody waits, loans have ended, what was missing is found.

    Bags are pickup's: they have been given up by now.
    """
    home = library(library_id)
    for row in Reservation.objects.filter(pickup_point__library=home, state__in=_ASKED).order_by("pk"):
        wishes.cancel(reservation_id=row.pk, by=by, now=now)
    for loan in Loan.objects.filter(library=home, state=LoanState.OUT).select_related("copy").order_by("pk"):
        loans.take_back(barcode=loan.copy.barcode, library_id=home.pk, by=by, now=now)
    for barcode in home.copies.filter(state__in=copies.AWAY).order_by("pk").values_list("barcode", flat=True):
        copies.found(barcode=barcode, library_id=home.pk, by=by, now=now)
    on_cart = home.copies.filter(state=CopyState.TO_SHELVE)
    copies.shelve(copy_ids=list(on_cart.values_list("pk", flat=True)), by=by, now=now)
