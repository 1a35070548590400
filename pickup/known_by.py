"""What is known by a telephone number, or by what a text is about: orders, libraries, people, open questions."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django.db.models import Q, QuerySet

from lending import queries as lending_queries
from lending.models import Contact, Library, Patron
from notifications.models import Message
from pickup import queries
from pickup.models import Order, Question
from pickup.states import OPEN_ORDER, OrderState

TIED = {"order": "pk", "appointment": "appointment_id", "visit": "visit_id"}
"""What a text or a call may be about (`order:42`), and the column of the orders that it speaks of."""


def numbers_of(order: Order) -> set[str]:
    """The telephone numbers that belong to an order: its collector's and the patron's own."""
    numbers: set[str] = set()
    if order.patron_id is not None:
        own = Contact.objects.filter(patron_id=order.patron_id, own=True)
        numbers = set(own.values_list("number", flat=True))
    return numbers | ({order.collector.number} if order.collector is not None else set())


def orders_of_number(number: str, sender_key: str) -> list[Order]:
    """The open orders that a telephone number is told about by a sender, oldest first.

    Those that it collects; if there are none, those of the patron whose own number it is.
    """
    return _told(number, queries.orders(state__in=OPEN_ORDER, library__sender=sender_key))


def orders_elsewhere(number: str, sender_key: str) -> list[Order]:
    """The same by other senders: of libraries that somebody did not mean who wrote to this one, or rang it."""
    others = queries.orders(state__in=OPEN_ORDER, library__training=False).exclude(library__sender=sender_key)
    return _told(number, others)


def _told(number: str, among: QuerySet[Order]) -> list[Order]:
    opened = among.order_by("id")
    by_default = Q(collector__isnull=True, patron__contacts__number=number, patron__contacts__own=True)
    found = opened.filter(pk__in=Order.objects.filter(Q(collector__number=number) | by_default).values("pk"))
    if not found.exists():
        own = Order.objects.filter(patron__contacts__number=number, patron__contacts__own=True)
        found = opened.filter(pk__in=own.values("pk"))
    return list(found)


def last_of_number(number: str, sender_key: str) -> Order | None:
    """The bag that was handed over last to somebody with this number."""
    told = Q(collector__number=number) | Q(patron__contacts__number=number, patron__contacts__own=True)
    given = Order.objects.filter(told, state=OrderState.HANDED_OVER, library__sender=sender_key)
    return queries.orders(pk__in=given.values("pk")).order_by("-handed_over_at").first()


def open_questions(number: str, sender_key: str) -> QuerySet[Question]:
    """What a number was asked by a sender and has not answered, about orders that are still open; newest first."""
    asked = Question.objects.filter(number=number, closed_at__isnull=True, order__library__sender=sender_key)
    return asked.filter(order__state__in=OPEN_ORDER).order_by("-asked_at", "-id")


def questions_about(order: Order, number: str) -> QuerySet[Question]:
    """The open questions to a number about an order, or about another one of the same promise."""
    about = Q(order=order)
    if order.appointment_id is not None:
        about |= Q(order__appointment_id=order.appointment_id)
    return Question.objects.filter(about, number=number, closed_at__isnull=True)


def is_known_number(number: str) -> bool:
    """Whether the number is somebody's."""
    return Contact.objects.filter(number=number).exists()


def language_of_number(number: str) -> str:
    """The language of whoever has this number, "" when nobody does."""
    found = Contact.objects.filter(number=number).order_by("position", "id").values_list("language", flat=True)
    return found.first() or ""


def things_of(order: Order) -> set[str]:
    """What texts and calls of an order are about: itself, its car, and every time that it was ever promised.

    An earlier promise is known from the texts that named the order's number to whoever collects it.
    """
    keys = {noun: getattr(order, column) for noun, column in TIED.items()}
    things = {f"{noun}:{key}" for noun, key in keys.items() if key is not None}
    named = Message.objects.filter(
        to__in=numbers_of(order),
        created_at__gte=order.opened_at,
        body__contains=order.shown,
        about__startswith="appointment:",
    )
    return things | set(named.values_list("about", flat=True))


def orders_about(things: Collection[str], *, library_id: int) -> dict[str, list[Order]]:
    """The orders of a library that texts and calls about these things speak of, by the thing; one query."""
    return _tied(Order.objects.filter(_about(things), library=library_id).select_related("patron").order_by("pk"))


def libraries_about(things: Collection[str], *, sender: str) -> dict[str, Library]:
    """Of which of a sender's libraries the orders are that texts and calls about these things speak of; one query."""
    rows = Order.objects.filter(_about(things), library__sender=sender).select_related("library")
    return {thing: orders[0].library for thing, orders in _tied(rows).items()}


def homes_of(numbers: Collection[str], *, sender: str) -> dict[str, Library]:
    """Of which of a sender's libraries the people are whose own numbers these are, where it is one; one query."""
    own = Contact.objects.filter(number__in=numbers, own=True, patron__home__sender=sender)
    found: dict[str, set[Library]] = {}
    for contact in own.select_related("patron__home"):
        if contact.patron is not None:
            found.setdefault(contact.number, set()).add(contact.patron.home)
    return {number: next(iter(homes)) for number, homes in found.items() if len(homes) == 1}


def _about(things: Collection[str]) -> Q:
    tied: dict[str, set[int]] = {}
    for noun, _colon, key in (thing.partition(":") for thing in things):
        if noun in TIED and key.isdecimal():
            tied.setdefault(TIED[noun], set()).add(int(key))
    about = Q(pk__in=[])
    for column, keys in tied.items():
        about |= Q(**{f"{column}__in": keys})
    return about


def _tied(orders: Iterable[Order]) -> dict[str, list[Order]]:
    found: dict[str, list[Order]] = {}
    for order in orders:
        for noun, column in TIED.items():
            found.setdefault(f"{noun}:{getattr(order, column)}", []).append(order)
    return found


def owners_of(numbers: Collection[str], *, library_id: int) -> dict[str, list[Patron]]:
    """The patrons whom a library serves and whose own numbers these are, by the number; one query."""
    served = lending_queries.patrons_of([library_id])
    own = Contact.objects.filter(number__in=numbers, own=True, patron__in=served).select_related("patron")
    found: dict[str, list[Patron]] = {}
    for contact in own.order_by("patron_id"):
        if contact.patron is not None and contact.patron not in found.get(contact.number, []):
            found.setdefault(contact.number, []).append(contact.patron)
    return found


def codes_of_sender(sender_key: str) -> list[str]:
    """The codes of the libraries that a sender speaks for."""
    return list(Library.objects.filter(sender=sender_key).order_by("code").values_list("code", flat=True))
