"""The numbers of a patron, and the people they named to collect."""

from __future__ import annotations

from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from core.actor import Actor
from core.refusal import NotFound
from lending.errors import LastNumber, MailUnreadable, NumberListed, UnknownCard
from lending.models import Consent, Contact, Patron
from notifications import phone


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
def use(*, patron_id: int, contact_id: int, may_text: bool, may_call: bool, by: Actor, now: datetime) -> Contact:
    """What may be done with a number. Refuses with `not_found`.

    It is never texted if it can take no texts, or if the patron withdrew that texts go through a carrier abroad.
    """
    _locked(patron_id)
    chosen = _one(patron_id, contact_id)
    abroad = Consent.objects.filter(patron=patron_id, what=Consent.What.ABROAD).order_by("-id").first()
    wanted = may_text and (abroad is None or abroad.given)
    chosen.may_text, chosen.may_call = wanted and phone.can_text(chosen.number), may_call
    chosen.save(update_fields=["may_text", "may_call"])
    return chosen


@transaction.atomic
def set_mail(*, patron_id: int, contact_id: int, mail: str, by: Actor, now: datetime) -> Contact:
    """Where mails go while this number of the patron's own takes no texts; "" for none any more.

    Whether the address is theirs is the caller's business: staff see the person. Refuses with `not_found`, and with
    `mail_unreadable` what is no address.
    """
    _locked(patron_id)
    chosen = _one(patron_id, contact_id)
    if not chosen.own:
        raise NotFound
    chosen.mail = mail.strip()
    try:
        chosen.clean_fields(exclude=[field.name for field in Contact._meta.fields if field.name != "mail"])
    except ValidationError as error:
        raise MailUnreadable(field="mail") from error
    chosen.save(update_fields=["mail"])
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
