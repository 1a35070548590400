"""The address that stands for an order in a text, and the code page that needs no address.

A link is an HMAC that anybody with the key can make again, so a text keeps `{link}` until it is sent; only its digest
is stored, to find the order by. It dies when the order's number is released, a day after the bag is gone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Max

from core import counters
from core.tokens import word_of
from lending import mails
from notifications import phone
from pickup import known_by, queries
from pickup.errors import LinkOver, OrderNotFound
from pickup.models import Link, Order
from pickup.names import digits
from pickup.states import OPEN_ORDER

LENGTH = 16  # characters of base32: 80 bits, which nobody guesses
TRIES_OF_ADDRESS = 10  # in ten minutes from one network address
TRIES_OF_NUMBER = 10  # in three hours for one order number: the display in the car park shows it to everyone
TRIES_AT_LIBRARY = 600  # in an hour, from everywhere


def token_for(order: Order, *, now: datetime) -> str:
    """The token of an order's address, the same each time until `renew`; its digest is stored on the first asking."""
    generation = Link.objects.filter(order=order).aggregate(newest=Max("generation"))["newest"]
    if generation is None:
        generation = 1
        digest = _digest(_token(order.pk, generation))
        Link.objects.bulk_create(
            [Link(order=order, generation=generation, digest=digest, made_at=now)], ignore_conflicts=True
        )
    return _token(order.pk, generation)


def renew(order: Order, *, now: datetime) -> str:
    """A new address for an order whose old one reached somebody it should not; the old one is dead."""
    newest = Link.objects.filter(order=order).aggregate(newest=Max("generation"))["newest"] or 0
    token = _token(order.pk, newest + 1)
    Link.objects.create(order=order, generation=newest + 1, digest=_digest(token), made_at=now)
    return token


def address_of(order: Order, *, now: datetime) -> str:
    """The whole address of an order's page."""
    return f"{settings.PUBLIC_BASE_URL}/o/{token_for(order, now=now)}/"


def for_about(about: str, *, now: datetime, to: str = "") -> str | None:
    """The address that stands for `{link}` in a text about an order, a promise or a visit, or in the mail that asks
    whether an address is right; None when it is over. Of several bags it is one that the number `to` collects.
    """
    noun, _, number = about.partition(":")
    if noun == "mail" and number.isascii() and number.isdigit():
        return mails.address_for(int(number), now=now)
    column = known_by.TIED.get(noun)
    if column is None or not number.isascii() or not number.isdigit():
        return None
    held = list(queries.orders(**{column: int(number)}, number_released_at__isnull=True).order_by("pk"))
    told = queries.collectors_of(held)
    theirs = {order.pk for order in held if (contact := told.get(order.pk)) is not None and contact.number == to}
    held.sort(key=lambda order: (order.state not in OPEN_ORDER, order.pk not in theirs))
    return address_of(held[0], now=now) if held else None


def order_of(token: str) -> Order:
    """The order behind an address, whatever became of it, until its number is released; else refuses (`link_over`).

    The edge limits how often one network address may ask in vain; see `knock`.
    """
    found = Link.objects.filter(digest=_digest(token)).values("order_id", "generation").first()
    if found is None or Link.objects.filter(order_id=found["order_id"], generation__gt=found["generation"]).exists():
        raise LinkOver
    order = queries.orders(pk=found["order_id"], number_released_at__isnull=True).first()
    if order is None:
        raise LinkOver
    return order


def knock(*, address: str, now: datetime) -> None:
    """Count a look at an address that is not valid; refuses (`too_many_attempts`) who tries one after another."""
    counters.hit(f"link:{address}", limit=60, per=timedelta(minutes=10), now=now)


def by_code(*, library_code: str, number: str, last_four: str, address: str, now: datetime) -> Order:
    """The order that somebody names on the code page: its number and the last four digits of the telephone.

    The telephone is the collector's or the patron's. The number of a bag whose books are collected at another place by
    now leads to the bag there. Whatever does not fit is refused alike (`unknown_order`). Counted
    for each network address, each order number and each library (`too_many_attempts`): call it outside a transaction,
    since a refused attempt counts too.
    """
    counters.hit(f"code:from:{address}", limit=TRIES_OF_ADDRESS, per=timedelta(minutes=10), now=now)
    return _named(library_code, number, last_four, now=now)


def by_keys(*, library_codes: Collection[str], number: str, last_four: str, now: datetime) -> Order:
    """The same for somebody who rings one number of several libraries and keys both in, from no network address."""
    for library_code in library_codes:
        with suppress(OrderNotFound):
            return _named(library_code, number, last_four, now=now)
    raise OrderNotFound


def _named(library_code: str, number: str, last_four: str, *, now: datetime) -> Order:
    wanted, four = digits(number), digits(last_four)
    counters.hit(f"code:at:{library_code[:40]}", limit=TRIES_AT_LIBRARY, per=timedelta(hours=1), now=now)
    if len(wanted) != 4 or len(four) != 4:
        raise OrderNotFound
    counters.hit(f"code:of:{library_code[:40]}:{wanted}", limit=TRIES_OF_NUMBER, per=timedelta(hours=3), now=now)
    order = queries.orders(library__code=library_code, number=wanted, number_released_at__isnull=True).first()
    if order is None or not _is_known(order, four):
        raise OrderNotFound
    moved = queries.moved_to(order)
    return moved if moved is not None and _is_known(moved, four) else order


def _is_known(order: Order, four: str) -> bool:
    return four in {phone.last_four(number) for number in known_by.numbers_of(order)}


def _token(order_id: int, generation: int) -> str:
    return word_of(f"order:{order_id}:{generation}", length=LENGTH)


def _digest(token: str) -> str:
    return hashlib.sha256(token.strip().lower().encode()).hexdigest()
