"""Patrons, their numbers, and who comes for their books."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from core.refusal import BadInput
from lending import accounts
from lending.errors import CardTaken, UnknownCard
from lending.models import Contact, Household, Language, Library, Patron
from notifications import phone

if TYPE_CHECKING:
    from datetime import datetime

    from core.actor import Actor

LONGEST_NAME = 80


class BadNumber(BadInput):
    """What was typed is no telephone number that can be kept. Facts: why (a code of notifications/phone.py)."""

    code = "bad_phone_number"


def by_card(card_number: str) -> Patron:
    """The patron with this card, as scanned or typed. Refuses with `unknown_card`."""
    card = accounts.read_card(card_number)
    patron = Patron.objects.select_related("home__programme", "household").filter(card_number=card).first()
    if not card or patron is None:
        raise UnknownCard(field="card_number")
    return patron


@transaction.atomic
def enrol(
    *,
    card_number: str,
    name: str,
    home_id: int,
    number: str,
    by: Actor,
    now: datetime,
    language: str = Language.KO,
    may_text: bool = True,
    may_call: bool = True,
    household_key: str = "",
    needs: str = "",
    accessible_place: bool = False,
    pin: str = "",
) -> Patron:
    """A new patron with a number of their own ("" for none), an account if a PIN is given.

    `number` is read as people at the home library write it; one that takes no texts is kept for calls. Refuses with
    `card_taken`, `bad_phone_number`, `unusable_pin` and `invalid` (card, name or language).
    """
    card = accounts.read_card(card_number)
    home = Library.objects.filter(pk=home_id).first()
    tidy = _name(name, field="name")
    if not card or home is None or not tidy:
        raise BadInput(field="card_number" if not card else "home" if home is None else "name")
    household = Household.objects.get_or_create(key=household_key)[0] if household_key else None
    try:
        with transaction.atomic():
            patron = Patron.objects.create(
                card_number=card,
                name=tidy,
                language=_language(language),
                household=household,
                home=home,
                accessible_place=accessible_place,
                needs=needs,
            )
    except IntegrityError as error:
        if "card_number" not in str(error):
            raise
        raise CardTaken(field="card_number", card_number=card) from error
    if number:
        e164 = _number(number, home)
        Contact.objects.create(
            patron=patron,
            number=e164,
            language=patron.language,
            may_text=may_text and phone.can_text(e164),
            may_call=may_call,
        )
    if pin:
        accounts.set_pin(patron_id=patron.pk, pin=pin, by=by, now=now)
        patron.refresh_from_db()
    return patron


@transaction.atomic
def collector_for(
    *, patron_id: int, name: str, number: str, language: str, may_text: bool, by: Actor, now: datetime
) -> Contact:
    """Somebody whom the patron names to collect: gets the texts, and has the right to the books.

    The same name and number again is the same contact, with its language and leave to text brought up to date. Refuses
    with `unknown_card`, `bad_phone_number` and `invalid` (name or language).
    """
    patron = Patron.objects.select_related("home").filter(pk=patron_id).first()
    if patron is None:
        raise UnknownCard
    tidy = _name(name, field="name")
    if not tidy:
        raise BadInput(field="name")
    e164 = _number(number, patron.home)
    contact, _ = Contact.objects.update_or_create(
        patron=patron,
        number=e164,
        name=tidy,
        defaults={"language": _language(language), "may_text": may_text and phone.can_text(e164)},
        create_defaults={
            "language": _language(language),
            "may_text": may_text and phone.can_text(e164),
            "own": False,
            "position": 1,
        },
    )
    return contact


def main_contact(patron_id: int) -> Contact | None:
    """The number under which the patron wants to be reached first; None if there is none."""
    return Contact.objects.filter(patron_id=patron_id, own=True).order_by("position", "pk").first()


def party_key(patron: Patron, collector: Contact | None) -> str:
    """What those have in common who come in one car: equal keys are one party.

    A named collector's number, so that a grandson collects for both grandparents at once; else the household, if all
    of it agreed; else the patron alone.
    """
    if collector is not None and not collector.own:
        return f"number:{collector.number}"
    if patron.household is not None and patron.household.together:
        return f"household:{patron.household_id}"
    return f"patron:{patron.pk}"


def _number(typed: str, home: Library) -> str:
    try:
        return phone.parse(typed, home.region)
    except phone.NotANumber as error:
        raise BadNumber(field="number", why=error.code) from error


def _language(language: str) -> str:
    if language not in Language.values:
        raise BadInput(field="language")
    return language


def _name(name: str, *, field: str) -> str:
    tidy = " ".join(name.split())
    if len(tidy) > LONGEST_NAME or not all(ch.isprintable() for ch in tidy):
        raise BadInput(field=field)
    return tidy
