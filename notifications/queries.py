"""What other rooms and pages read here."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from django.db.models import Count, Exists, Min, OuterRef, QuerySet

from notifications import doors, phone
from notifications.models import Call, Gateway, InboundMessage, Message, Sender
from notifications.states import CallState, InboundState, MessageState


def messages_about(about: Collection[str]) -> QuerySet[Message]:
    """The texts about these things (`order:42`), oldest first."""
    return Message.objects.filter(about__in=about).select_related("sender").order_by("id")


def calls_about(about: Collection[str]) -> QuerySet[Call]:
    """The calls about these things, oldest first."""
    return Call.objects.filter(about__in=about).select_related("sender").order_by("id")


def inbound_about(about: Collection[str]) -> QuerySet[InboundMessage]:
    """What people sent that was taken to be about these things, oldest first."""
    return InboundMessage.objects.filter(about__in=about).order_by("id")


def answers_to(rows: Collection[InboundMessage]) -> dict[int, Message]:
    """What was answered to some texts that came in, by their id; one query."""
    keys = {f"{practice}{row.answer_key}": row.pk for row in rows for practice in ("", Message.PRACTICE)}
    said = Message.objects.filter(dedup_key__in=keys).order_by("generation")
    return {keys[message.dedup_key]: message for message in said}


def reached(about: Collection[str]) -> bool:
    """Whether somebody was told of one of these things: a carrier took a text, or a call was answered."""
    texts = messages_about(about).filter(state__in=[MessageState.ACCEPTED, MessageState.DELIVERED])
    return texts.exists() or calls_about(about).filter(state=CallState.REACHED).exists()


def calls_due(senders: Collection[str]) -> QuerySet[Call]:
    """The call list of some senders (by key), those due longest first."""
    return (
        Call.objects.filter(state=CallState.DUE, sender__key__in=senders)
        .select_related("sender")
        .order_by("due_at", "id")
    )


def calls_unreached(senders: Collection[str]) -> QuerySet[Call]:
    """Calls that nobody answered and that are not planned again, for the same list."""
    return (
        Call.objects.filter(state=CallState.UNREACHED, sender__key__in=senders)
        .select_related("sender")
        .order_by("moved_at", "id")
    )


def parked(senders: Collection[str] | None = None) -> QuerySet[InboundMessage]:
    """The staff inbox: texts that only a person understands, oldest first; of some senders (by key), or all."""
    rows = InboundMessage.objects.filter(state=InboundState.PARKED).select_related("sender").order_by("id")
    return rows if senders is None else rows.filter(sender__key__in=senders)


def parked_counts(senders: Collection[str]) -> Iterable[tuple[str, int, datetime]]:
    """How many texts wait in the staff inbox of each sender (by key) that has any, and since when."""
    rows = parked(senders).order_by().values_list("sender__key")
    return rows.annotate(n=Count("pk"), since=Min("received_at"))


def calls_due_counts(senders: Collection[str], *, now: datetime) -> Iterable[tuple[str, int, datetime]]:
    """How many calls are due by now on the list of each sender (by key) that has any, and since when."""
    rows = calls_due(senders).filter(due_at__lte=now).order_by().values_list("sender__key")
    return rows.annotate(n=Count("pk"), since=Min("due_at"))


def not_arrived() -> QuerySet[Message]:
    """Texts that failed, were not said again, and in whose place nobody is asked to call."""
    same = {"dedup_key": OuterRef("dedup_key")}
    again = Message.objects.filter(**same, generation__gt=OuterRef("generation"))
    listed = Call.objects.filter(**same)
    return Message.objects.filter(~Exists(again), ~Exists(listed), state=MessageState.FAILED)


def inbound(inbound_id: int) -> InboundMessage | None:
    """One text that came in, with its sender row."""
    return InboundMessage.objects.select_related("sender").filter(pk=inbound_id).first()


def sender(key: str) -> Sender | None:
    """The sender of this key."""
    return Sender.objects.filter(key=key).first()


def sender_of(number: str) -> Sender | None:
    """The sender whose number this is."""
    return Sender.objects.filter(number=number).order_by("id").first()


def open_for(sender_key: str, number: str) -> frozenset[doors.Door]:
    """The doors that are open between a sender and a number, by country and by who carries the sender's texts.

    A domestic gateway carries replies within its own country only. No text asks for what is not in the answer.
    """
    return open_for_many(sender_key, {number})[number]


def open_for_many(sender_key: str, numbers: Collection[str]) -> dict[str, frozenset[doors.Door]]:
    """`open_for` for many numbers, by the number; one query."""
    gateways = Sender.objects.filter(key=sender_key).values_list("gateway", "region").first()
    countries = {number: country_of(number) for number in numbers}
    of_country = {
        country: frozenset(
            door
            for door in doors.Door
            if doors.open(country, door, domestic_gateway=gateways == (Gateway.DOMESTIC, country))
        )
        for country in set(countries.values())
    }
    return {number: of_country[country] for number, country in countries.items()}


def country_of(number: str) -> str:
    """The country of a number, "" where none has it."""
    try:
        return phone.country(number)
    except phone.NotANumber:
        return ""
