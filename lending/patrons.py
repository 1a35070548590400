"""Patrons, their numbers, and who comes for their books."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core.refusal import BadInput
from lending import accounts, queries
from lending.errors import CardTaken, UnknownCard
from lending.models import Contact, Household, Language, Library, Patron
from notifications import doors, phone

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date, datetime

    from django.db.models import QuerySet

    from core.actor import Actor

LONGEST_NAME = 80
LONGEST_NOTE = 200
LEAST_DIGITS = 4  # of a telephone number, to find somebody by it
LOCAL_DIGITS = 8  # a longer one begins with the trunk zero, which E.164 leaves out


class BadNumber(BadInput):
    """What was typed is no telephone number that can be kept. Facts: why (a code of notifications/phone.py)."""

    code = "bad_phone_number"


class ServiceNumber(BadNumber):
    """Nobody's own: a switchboard, a toll-free or a premium number."""

    code = "service_number"
    sentence = _(
        "This is the number of a service, not of a person. Please give the mobile or home number of whoever collects."
    )


class CountryNotServed(BadNumber):
    """Facts: country ("" where no country has the number), countries (those that are served)."""

    code = "country_not_served"
    sentence = _(
        "We cannot reach telephones of this country. Please give a number of another country, or call the library."
    )


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
    needs: Sequence[str] = (),
    needs_note: str = "",
    accessible_place: bool = False,
    child_until: date | None = None,
    pin: str = "",
) -> Patron:
    """A new patron with a number of their own ("" for none), an account if a PIN is given.

    `number` is read as people at the home library write it; one that takes no texts is kept for calls. Refuses with
    `card_taken`, `bad_phone_number`, `service_number`, `unusable_pin` and `invalid` (card, name or language).
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
                needs=list(needs),
                needs_note=needs_note,
                child_until=child_until,
            )
    except IntegrityError as error:
        if "card_number" not in str(error):
            raise
        raise CardTaken(field="card_number", card_number=card) from error
    if number:
        e164 = read_number(number, home)
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

    The same name and number again is the same contact, with its language and leave to text brought up to date. Anybody
    may type anybody's number here, so it has to be one of the library's own country or of one that was looked up
    (notifications/doors.py). Refuses with `unknown_card`, `bad_phone_number`, `service_number`, `country_not_served`
    and `invalid` (name or language).
    """
    patron = Patron.objects.select_related("home").filter(pk=patron_id).first()
    if patron is None:
        raise UnknownCard
    tidy = _name(name, field="name")
    if not tidy:
        raise BadInput(field="name")
    e164 = read_number(number, patron.home)
    country = phone.country(e164)
    if country != patron.home.region and not doors.looked_up(country):
        served = sorted({patron.home.region, *doors.TABLE})
        raise CountryNotServed(field="number", why="phone_country", country=country, countries=served)
    contact, _made = Contact.objects.update_or_create(
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


@transaction.atomic
def reached_at(*, patron_id: int, number: str) -> Contact:
    """The number (E.164) under which another system has the patron comes first; those known before follow it."""
    patron = Patron.objects.select_for_update(no_key=True).get(pk=patron_id)
    own = Contact.objects.filter(patron=patron, own=True)
    known = own.filter(number=number).order_by("position", "pk").first()
    if known is not None and known == own.order_by("position", "pk").first():
        return known
    own.exclude(pk=known.pk if known else 0).update(position=F("position") + 1)
    if known is None:
        return Contact.objects.create(
            patron=patron, number=number, language=patron.language, may_text=phone.can_text(number)
        )
    known.position = 0
    known.save(update_fields=["position"])
    return known


def find(typed: str, *, library_ids: Collection[int], region: str) -> QuerySet[Patron]:
    """Patrons whom the staff of these libraries serve, by what a caller says: card, telephone number, or name.

    A number is read as people in `region` write it; at least its last four digits find it, also where it is that of
    somebody who collects. A name is found by any part of it. Too little of anything finds nobody.
    """
    served = queries.patrons_of(library_ids).prefetch_related("contacts").order_by("name", "pk")
    said = " ".join(unicodedata.normalize("NFKC", typed[:LONGEST_NAME]).split())
    card = accounts.read_card(said)
    if card and served.filter(card_number=card).exists():
        return served.filter(card_number=card)
    digits = "".join(ch for ch in said if ch.isdigit())
    if digits and not any(ch.isalpha() for ch in said):
        try:
            same = Q(number=phone.parse(said, region))
        except phone.NotANumber:
            end = digits.removeprefix("0") if len(digits) > LOCAL_DIGITS else digits
            same = Q(number__endswith=end) if len(end) >= LEAST_DIGITS else Q(pk__in=[])
        return served.filter(pk__in=Contact.objects.filter(same).values("patron_id"))
    if "\x00" in said or not any(ch.isalpha() for ch in said):
        return served.none()
    for part in said.split():
        served = served.filter(name__icontains=part)
    return served


def masked(name: str) -> str:
    """A name for a list in which one is sought: 홍*동, G***e L*e."""
    return " ".join(part[0] + "*" * max(len(part) - 2, 1) + part[-1] * (len(part) > 2) for part in name.split())


def hint(patron: Patron) -> dict[str, Any]:
    """Enough to tell people of one name apart in a list, and no more."""
    own = [contact for contact in patron.contacts.all() if contact.own]
    return {
        "patron": patron,
        "name": masked(patron.name),
        "ends": phone.last_four(own[0].number) if own else "",
        "card": patron.card_number[-4:],
    }


@transaction.atomic
def note_needs(*, patron_id: int, needs: Sequence[str], needs_note: str, by: Actor, now: datetime) -> Patron:
    """What to do at the car, as the patron said it; never why. Refuses with `unknown_card` and `invalid`."""
    patron = Patron.objects.select_for_update(no_key=True).filter(pk=patron_id).first()
    if patron is None:
        raise UnknownCard
    tidy = " ".join(needs_note.split())
    if not set(needs) <= set(Patron.Need.values):
        raise BadInput(field="needs")
    if len(tidy) > LONGEST_NOTE or not all(ch.isprintable() for ch in tidy):
        raise BadInput(field="needs_note")
    patron.needs = [need for need in Patron.Need.values if need in needs]
    patron.needs_note = tidy
    patron.save(update_fields=["needs", "needs_note"])
    return patron


@transaction.atomic
def speak(*, patron_id: int, language: str, by: Actor, now: datetime) -> Patron:
    """The language of pages and texts for a patron, and for their own numbers. Refuses `unknown_card`, `invalid`."""
    patron = Patron.objects.select_for_update(no_key=True, of=("self",)).filter(pk=patron_id).first()
    if patron is None:
        raise UnknownCard
    patron.language = _language(language)
    patron.save(update_fields=["language"])
    Contact.objects.filter(patron=patron, own=True).update(language=language)
    if patron.account is not None:
        patron.account.language = language
        patron.account.save(update_fields=["language"])
    return patron


@transaction.atomic
def choose_texts(
    *,
    patron_id: int,
    by: Actor,
    now: datetime,
    receipts: bool | None = None,
    reminders: bool | None = None,
    returns: bool | None = None,
    receipts_by: str | None = None,
    reminders_by: str | None = None,
    returns_by: str | None = None,
) -> Patron:
    """What a patron is told of their loans, after a hand-over, before books are due and when late, after a return, and
    whether by text or by mail.

    None leaves it as it is. Refuses with `unknown_card`.
    """
    patron = Patron.objects.select_for_update(no_key=True).filter(pk=patron_id).first()
    if patron is None:
        raise UnknownCard
    chosen = {
        "text_receipts": receipts,
        "text_reminders": reminders,
        "text_returns": returns,
        "receipts_by": receipts_by,
        "reminders_by": reminders_by,
        "returns_by": returns_by,
    }
    changed = {name: value for name, value in chosen.items() if value is not None}
    for name, value in changed.items():
        setattr(patron, name, value)
    patron.save(update_fields=list(changed))
    return patron


@transaction.atomic
def correct(
    *,
    patron_id: int,
    name: str,
    accessible_place: bool,
    child_until: date | None,
    blocked_until: date | None,
    by: Actor,
    now: datetime,
) -> Patron:
    """What staff keep right about a patron. Refuses with `unknown_card` and `invalid` (name)."""
    patron = Patron.objects.select_for_update(no_key=True).filter(pk=patron_id).first()
    if patron is None:
        raise UnknownCard
    tidy = _name(name, field="name")
    if not tidy:
        raise BadInput(field="name")
    patron.name, patron.accessible_place = tidy, accessible_place
    patron.child_until, patron.blocked_until = child_until, blocked_until
    patron.save(update_fields=["name", "accessible_place", "child_until", "blocked_until"])
    return patron


def main_contact(patron_id: int) -> Contact | None:
    """The number under which the patron wants to be reached first; None if there is none."""
    return Contact.objects.filter(patron_id=patron_id, own=True).order_by("position", "pk").first()


def read_number(typed: str, home: Library) -> str:
    """A number as it is kept, typed as people at the library `home` write it. Refuses with `bad_phone_number`."""
    try:
        e164 = phone.parse(typed, home.region)
    except phone.NotANumber as error:
        raise BadNumber(field="number", why=error.code) from error
    if phone.is_service(e164):
        raise ServiceNumber(field="number", why="phone_service")
    return e164


def _language(language: str) -> str:
    if language not in Language.values:
        raise BadInput(field="language")
    return language


def _name(name: str, *, field: str) -> str:
    tidy = " ".join(name.split())
    if len(tidy) > LONGEST_NAME or not all(ch.isprintable() for ch in tidy):
        raise BadInput(field=field)
    return tidy
