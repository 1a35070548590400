"""One-time codes: six digits that work once, within ten minutes, texted to the number on file or given at the desk.

Asking says the same, after the same time, for every card: a row is written whether the card exists or not, and a worker
makes and sends the code afterwards (`send_due`).
"""

from __future__ import annotations

import secrets
import unicodedata
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F, Q
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext_lazy as _

from core import counters, nudge, sweeps
from core.actor import RULE, Actor
from core.refusal import Refusal
from lending import accounts, patrons
from lending.errors import UnknownCard
from lending.models import Account, Contact, OneTimeCode, Patron
from lending.texts import CODE
from notifications import outbox, phone
from notifications import queries as notification_queries

if TYPE_CHECKING:
    from collections.abc import Collection

LASTS = timedelta(minutes=10)
TRIES = 5
IN_A_WHILE, PER_DAY = 3, 10  # codes that may be asked for one card, in a quarter of an hour and in a day
PER_ADDRESS = 60
MAKE_WITHIN = timedelta(minutes=5)  # a code that was asked for earlier than this would come too late
BATCH = 200

Purpose = OneTimeCode.Purpose


class WrongCode(Refusal):
    """Wrong, used, too old, tried too often, or never made: nobody learns which of them it was."""

    code = "wrong_code"
    status = 401
    sentence = _("This code does not fit, or it is too old. Please check the text, or ask for another code.")


class NoTexts(Refusal):
    """The number takes no texts, so that no code can be sent to it."""

    code = "number_takes_no_texts"
    status = 400
    sentence = _("No text can be sent to this number. Please ask the library to enter it.")


def ask(*, card_number: str, address: str, now: datetime) -> None:
    """Ask for a code to sign in with; it is texted to the patron's own number on file, if there is one.

    Says nothing about the card. Refuses with `too_many_attempts` what is asked too often, for one card
    or from one address.
    """
    key = accounts.card_key(card_number)
    counters.hit(f"code from {accounts.digest(address)[:40]}", limit=PER_ADDRESS, per=accounts.WINDOW, now=now)
    counters.hit(f"code of the day {key[:40]}", limit=PER_DAY, per=timedelta(days=1), now=now)
    counters.hit(f"code {key[:40]}", limit=IN_A_WHILE, per=accounts.WINDOW, now=now)
    card = accounts.read_card(card_number)
    patron_id = Patron.objects.filter(card_number=card).values_list("pk", flat=True).first()
    _write(key=key, patron_id=patron_id, now=now)


@transaction.atomic
def ask_for_number(*, patron_id: int, number: str, by: Actor, now: datetime) -> str:
    """Text a code to a number that the patron says is theirs; gives back the number as it is kept.

    Refuses with `bad_phone_number`, `number_takes_no_texts` and `too_many_attempts`.
    """
    patron = Patron.objects.select_related("home").filter(pk=patron_id).first()
    if patron is None:
        raise UnknownCard
    e164 = patrons.read_number(number, patron.home)
    if not outbox.takes_texts(e164):
        raise NoTexts(field="number")
    _write(key=accounts.card_key(patron.card_number), patron_id=patron_id, number=e164, now=now)
    return e164


def count_number(*, patron_id: int, now: datetime) -> None:
    """Count one number that is to be confirmed; outside the transaction that asks. Refuses with `too_many_attempts`."""
    counters.hit(f"number of {patron_id}", limit=IN_A_WHILE, per=accounts.WINDOW, now=now)


@transaction.atomic
def give(*, patron_id: int, by: Actor, now: datetime) -> str:
    """A code for a patron who stands at the desk, to be shown to them once; no text is sent."""
    patron = Patron.objects.filter(pk=patron_id).first()
    if patron is None:
        raise UnknownCard
    row = OneTimeCode.objects.create(
        key=accounts.card_key(patron.card_number), patron=patron, asked_at=now, expires_at=now + LASTS
    )
    return _make(row, now=now)


def send_due(*, ids: Collection[int] | None = None, now: datetime) -> int:
    """Make and text the codes that were asked for, all or some; gives back how many were seen to."""
    due = OneTimeCode.objects.filter(made_at__isnull=True)
    if ids is not None:
        due = due.filter(pk__in=ids)
    keys = list(due.order_by("pk").values_list("pk", flat=True)[:BATCH])
    return len(sweeps.each("codes", keys, lambda pk: _send(pk, now=now)))


def _write(*, key: str, patron_id: int | None, now: datetime, number: str = "") -> None:
    row = OneTimeCode.objects.create(
        purpose=Purpose.NUMBER if number else Purpose.SIGN_IN,
        key=key,
        patron_id=patron_id,
        number=number,
        asked_at=now,
        expires_at=now + LASTS,
    )
    nudge.ring("code asked", [row.pk])


def _send(pk: int, *, now: datetime) -> None:
    row = OneTimeCode.objects.select_for_update(skip_locked=True, of=("self",)).filter(pk=pk, made_at=None).first()
    if row is None:
        return
    patron = row.patron
    to = _texted(patron, row.number) if patron is not None else None
    house = notification_queries.sender(patron.home.sender) if patron is not None else None
    if patron is None or to is None or house is None or now - row.asked_at > MAKE_WITHIN:
        OneTimeCode.objects.filter(pk=pk).update(made_at=now)
        return
    number, language = to
    code = _make(row, now=now)
    outbox.enqueue(
        sender=house.key,
        to=number,
        language=language,
        kind="code",
        template=CODE,
        values={"library": house.name_ko if language == "ko" else house.name_en, "code": code, "phone": house.phone},
        about=f"code:{pk}",
        dedup_key=f"code:{pk}",
        now=now,
        not_after=row.expires_at,
        practice=patron.home.training,
        by=RULE,
    )


def _texted(patron: Patron, number: str) -> tuple[str, str] | None:
    """Where a code goes, and in which language: to the number to confirm, else to the first own one for texts."""
    if number:
        return number, patron.language
    own = Contact.objects.filter(patron=patron, own=True, may_text=True).order_by("position", "pk")
    return next(((one.number, one.language) for one in own if outbox.takes_texts(one.number)), None)


def _make(row: OneTimeCode, *, now: datetime) -> str:
    code = f"{secrets.randbelow(1_000_000):06d}"
    row.digest, row.made_at = _digest(row.pk, code), now
    row.save(update_fields=["digest", "made_at"])
    return code


def sign_in(*, card_number: str, code: str, address: str, now: datetime) -> Account:
    """The account of the patron with this card, by a code in place of the PIN; made if there was none.

    Refuses with `wrong_code`, whatever is wrong, and with `too_many_attempts` an address that tried too often. Call it
    outside a transaction: a wrong code is counted.
    """
    accounts.count_address(address, now=now)
    try:
        used = _use(Q(key=accounts.card_key(card_number), purpose=Purpose.SIGN_IN), code, now=now)
    except WrongCode:
        accounts.count_failure(address, now=now)
        raise
    account = accounts.account_of(patron_id=used.patron_id or 0)
    if not account.is_active:
        raise WrongCode(field="code")
    accounts.lift_wait(card_number=card_number)
    return account


def confirm_number(*, patron_id: int, code: str, by: Actor, now: datetime) -> str:
    """The number that this code was texted to; the patron has it in their hands. Refuses with `wrong_code`.

    Call it outside a transaction: a wrong code is counted.
    """
    return _use(Q(patron_id=patron_id, purpose=Purpose.NUMBER), code, now=now).number


def _use(which: Q, code: str, *, now: datetime) -> OneTimeCode:
    """The code among those that still live which this is, used now, once. A try that fails counts for all of them.

    All of the last ten minutes count, so that nobody makes somebody else's code worthless by asking for another one.
    """
    typed = "".join(unicodedata.normalize("NFKC", code[:40]).split())
    with transaction.atomic():
        alive = OneTimeCode.objects.filter(which, used_at=None, expires_at__gt=now, tries__lt=TRIES)
        rows = list(alive.exclude(digest="").select_for_update(of=("self",)).order_by("pk"))
        fits = [row for row in rows if constant_time_compare(row.digest, _digest(row.pk, typed))]
        OneTimeCode.objects.filter(pk__in=[row.pk for row in rows]).update(tries=F("tries") + 1)
        if fits:
            OneTimeCode.objects.filter(pk=fits[0].pk).update(used_at=now)
    if not fits:
        raise WrongCode(field="code")
    return fits[0]


def forget(*, before: datetime) -> int:
    """Drop the codes whose time was over before then."""
    return OneTimeCode.objects.filter(expires_at__lt=before).delete()[0]


def _digest(pk: int, code: str) -> str:
    return salted_hmac("lending.code", f"{pk}:{code}", algorithm="sha256").hexdigest()


def shown(number: str, patron: Patron) -> str:
    """The number as people at the patron's library write it."""
    return phone.display(number, patron.home.region)
