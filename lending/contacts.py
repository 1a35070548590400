"""The numbers of a patron, the people they named to collect, and by which way each of them is told."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from core.actor import Actor
from core.refusal import NotFound
from lending import mails
from lending.errors import DoorShut, LastNumber, MailUnreadable, NoDoorLeft, NumberListed, UnknownCard
from lending.models import Consent, Contact, Patron
from notifications import outbox, phone

WAYS = Contact.Door.choices
"""The ways by which somebody may choose to hear first of what they have to know, with their words."""


class Doors(NamedTuple):
    """By which ways something is told to a contact: a text if it may be one, else a mail to `mail`, else a call."""

    may_text: bool
    mail: str
    may_call: bool


def doors(contact: Contact, *, by_mail: bool = False) -> Doors:
    """The ways that are open to tell a contact what they have to know, as they chose it.

    A way that was chosen and is not open any more gives way to the others. `by_mail`: what they wanted by mail alone,
    such as receipts.
    """
    mail = contact.mails_to
    if (by_mail or contact.told_by == Contact.Door.MAIL) and outbox.takes_mails(mail):
        return Doors(may_text=False, mail=mail, may_call=contact.may_call)
    if contact.told_by == Contact.Door.CALL and contact.may_call and not by_mail:
        return Doors(may_text=False, mail="", may_call=True)
    return Doors(may_text=contact.may_text, mail=mail, may_call=contact.may_call)


def of(patron_id: int) -> list[Contact]:
    """The contacts of a patron, their own numbers first."""
    return sorted(Contact.objects.filter(patron_id=patron_id), key=lambda one: not one.own)


@transaction.atomic
def add_own(*, patron_id: int, number: str, by: Actor, now: datetime) -> Contact:
    """One more number (E.164) of the patron's own; it comes first from now on.

    Whether it was confirmed is the caller's business: staff see the person. Refuses with `unknown_card` and
    `number_listed`.
    """
    patron = _locked(patron_id)
    try:
        with transaction.atomic():
            made = Contact.objects.create(
                patron=patron, number=number, language=patron.language, may_text=phone.can_text(number)
            )
    except IntegrityError as error:
        if "lending_contact_listed_once" not in str(error):
            raise
        raise NumberListed(field="number") from error
    put_first(patron_id=patron_id, contact_id=made.pk, by=by, now=now)
    return made


@transaction.atomic
def put_first(*, patron_id: int, contact_id: int, by: Actor, now: datetime) -> Contact:
    """Reach the patron under this number of their own first. Refuses with `not_found`."""
    _locked(patron_id)
    chosen = _one(patron_id, contact_id)
    if not chosen.own:
        raise NotFound
    for place, one in enumerate([chosen, *(one for one in of(patron_id) if one.own and one.pk != chosen.pk)]):
        Contact.objects.filter(pk=one.pk).update(position=place)
    return chosen


@transaction.atomic
def use(
    *,
    patron_id: int,
    contact_id: int,
    may_text: bool,
    may_call: bool,
    by: Actor,
    now: datetime,
    told_by: str | None = None,
) -> Contact:
    """What may be done with a number, and how its owner hears first of what they have to know (None: as before).

    It is never texted if it can take no texts, or if the patron withdrew that texts go through a carrier abroad.
    Refuses with `not_found`, with `door_shut` a way that is not open for it, and with `no_door_left` if no number of
    the patron's own would be told anything any more.
    """
    _locked(patron_id)
    chosen = _one(patron_id, contact_id)
    was = chosen.may_text, chosen.may_call, chosen.told_by
    abroad = Consent.objects.filter(patron=patron_id, what=Consent.What.ABROAD).order_by("-id").first()
    wanted = may_text and (abroad is None or abroad.given)
    chosen.may_text, chosen.may_call = wanted and phone.can_text(chosen.number), may_call
    if told_by is not None:
        if told_by not in Contact.Door.values or (told_by != Contact.Door.TEXT and not chosen.own):
            raise DoorShut(field="told_by", door=told_by)
        chosen.told_by = told_by
    if (
        chosen.own
        and (chosen.may_text, chosen.may_call, chosen.told_by) != was
        and (
            (chosen.told_by == Contact.Door.MAIL and not chosen.mails_to)
            or (chosen.told_by == Contact.Door.CALL and not chosen.may_call)
        )
    ):
        raise DoorShut(field="told_by", door=chosen.told_by)
    chosen.save(update_fields=["may_text", "may_call", "told_by"])
    if chosen.own and was[:2] != (may_text, may_call):
        _refuse_silence(patron_id)
    return chosen


def _refuse_silence(patron_id: int) -> None:
    """Refuse with `no_door_left` if no number of the patron's own could be told anything."""
    own = list(Contact.objects.filter(patron_id=patron_id, own=True))
    if not any(one.may_text or one.may_call or one.mails_to for one in own):
        raise NoDoorLeft


@transaction.atomic
def set_mail(*, patron_id: int, contact_id: int, mail: str, by: Actor, now: datetime) -> Contact:
    """Where mails go to the owner of this number, once whoever reads them there has confirmed it; "" for none.

    A mail asks for that, again when the same address is said again, unless it is confirmed. Refuses with `not_found`,
    with `mail_unreadable` what is no address, and with `no_door_left` to forget the last way to tell them anything.
    """
    _locked(patron_id)
    chosen = _one(patron_id, contact_id)
    if not chosen.own:
        raise NotFound
    was, had_door = chosen.mail, bool(chosen.mails_to)
    chosen.mail = mail.strip()
    if chosen.mail == was and had_door:
        return chosen
    chosen.mail_confirmed_at = None
    if chosen.told_by == Contact.Door.MAIL:
        chosen.told_by = Contact.Door.TEXT
    try:
        chosen.clean_fields(exclude=[field.name for field in Contact._meta.fields if field.name != "mail"])
    except ValidationError as error:
        raise MailUnreadable(field="mail") from error
    chosen.save(update_fields=["mail", "mail_confirmed_at", "told_by"])
    if had_door:
        _refuse_silence(patron_id)
    mails.ask(chosen, now=now)
    return chosen


@transaction.atomic
def keep(*, patron_id: int, contact_id: int, kept: bool, by: Actor, now: datetime) -> Contact:
    """Keep somebody who collects for the next time, or forget them after this order. Refuses with `not_found`."""
    _locked(patron_id)
    chosen = _one(patron_id, contact_id)
    if chosen.own:
        raise NotFound
    chosen.kept = kept
    chosen.save(update_fields=["kept"])
    return chosen


@transaction.atomic
def remove(*, patron_id: int, contact_id: int, by: Actor, now: datetime) -> None:
    """Forget a number, or somebody who collects; for orders under way the patron collects again.

    Refuses with `not_found`, and with `last_number` the patron's last own one.
    """
    _locked(patron_id)
    chosen = _one(patron_id, contact_id)
    if chosen.own and Contact.objects.filter(patron_id=patron_id, own=True).count() == 1:
        raise LastNumber
    chosen.delete()


def _locked(patron_id: int) -> Patron:
    patron = Patron.objects.select_for_update(no_key=True).filter(pk=patron_id).first()
    if patron is None:
        raise UnknownCard
    return patron


def _one(patron_id: int, contact_id: int) -> Contact:
    chosen = Contact.objects.filter(patron_id=patron_id, pk=contact_id).first()
    if chosen is None:
        raise NotFound
    return chosen
