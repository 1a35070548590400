"""A mail address is written to when whoever reads it has said yes: by the address in the one mail that asks.

The link is made again from the contact, the address and the day until which it holds, so nothing is stored: another
address, or none, makes it worthless, and so does the yes itself.
"""

from __future__ import annotations

import hmac
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction

from core import counters
from core.actor import RULE, Actor
from core.tokens import word_of
from lending.errors import MailLinkOver
from lending.models import Contact
from lending.texts import MAIL
from notifications import outbox
from notifications import queries as notification_queries

LASTS = timedelta(days=7)
LENGTH = 24  # characters of base32: 120 bits
ASKED, WHILE = 4, timedelta(hours=1)
"""So often, in such a while, a patron may have a mail written to an address that may be a stranger's."""


def about(contact_id: int) -> str:
    """What the mail that asks is about, for the outbox."""
    return f"mail:{contact_id}"


def count(*, patron_id: int, now: datetime) -> None:
    """Count one address that is to be confirmed; outside the transaction. Refuses with `too_many_attempts`."""
    counters.hit(f"mail of {patron_id}", limit=ASKED, per=WHILE, now=now)


def ask(contact: Contact, *, now: datetime) -> None:
    """Write to a contact's address and ask whether it is theirs; an earlier mail that was not sent yet is kept back."""
    patron = contact.patron
    house = notification_queries.sender(patron.home.sender) if patron is not None else None
    outbox.suppress(about={about(contact.pk)}, why="replaced", now=now, by=RULE)
    if patron is None or house is None or not outbox.takes_mails(contact.mail):
        return
    outbox.enqueue(
        sender=house.key,
        to=contact.number,
        mail=contact.mail,
        language=contact.language,
        kind="answer",
        template=MAIL,
        values={"library": patron.home.name_in(contact.language), "phone": patron.home.phone},
        about=about(contact.pk),
        dedup_key=f"{about(contact.pk)}:{_mac(contact, '')}:{now.timestamp():.6f}",
        not_after=now + LASTS,
        may_text=False,
        may_call=False,
        practice=patron.home.training,
        now=now,
    )


def address_for(contact_id: int, *, now: datetime) -> str | None:
    """The address that confirms a contact's mail address; None when there is nothing to confirm."""
    contact = Contact.objects.filter(pk=contact_id, mail_confirmed_at=None).exclude(mail="").first()
    if contact is None:
        return None
    until = f"{int((now + LASTS).timestamp())}"
    return f"{settings.PUBLIC_BASE_URL}/mail/{contact.pk}-{until}-{_mac(contact, until)}/"


def contact_of(token: str, *, now: datetime) -> Contact:
    """Whose address a link would confirm. Refuses with `mail_link_over` what is wrong, too old, or said already."""
    number, _, rest = token.partition("-")
    until, _, mac = rest.partition("-")
    plain = all(part.isascii() and part.isdigit() and len(part) < 19 for part in (number, until))
    contact = Contact.objects.select_related("patron__home").filter(pk=int(number)).first() if plain else None
    if (
        contact is None
        or not contact.mail
        or contact.mail_confirmed_at is not None
        or not hmac.compare_digest(_mac(contact, until).encode(), mac.encode())
        or int(until) <= now.replace(tzinfo=now.tzinfo or UTC).timestamp()
    ):
        raise MailLinkOver
    return contact


@transaction.atomic
def confirm(*, token: str, by: Actor, now: datetime) -> Contact:
    """Whoever reads the address says that it is theirs: it gets what no text brings from now on.

    Refuses with `mail_link_over`.
    """
    found = contact_of(token, now=now)
    Contact.objects.select_for_update(no_key=True).get(pk=found.pk)
    contact = contact_of(token, now=now)  # read after the lock
    contact.mail_confirmed_at = now
    contact.save(update_fields=["mail_confirmed_at"])
    return contact


def masked(mail: str) -> str:
    """An address of which a stranger learns no name: `g…@example.org`."""
    name, _, host = mail.rpartition("@")
    return f"{name[:1]}…@{host}"


def _mac(contact: Contact, until: str) -> str:
    return word_of(f"mail:{contact.pk}:{contact.mail}:{until}", length=LENGTH)
