"""What other rooms and pages read here."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import QuerySet

from notifications import doors, phone
from notifications.models import Call, Gateway, InboundMessage, Message, Sender
from notifications.states import CallState, InboundState


def messages_about(about: Collection[str]) -> QuerySet[Message]:
    """The texts about these things (`order:42`), oldest first."""
    return Message.objects.filter(about__in=about).select_related("sender").order_by("id")


def calls_about(about: Collection[str]) -> QuerySet[Call]:
    """The calls about these things, oldest first."""
    return Call.objects.filter(about__in=about).select_related("sender").order_by("id")


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
    gateways = Sender.objects.filter(key=sender_key).values_list("gateway", "region").first()
    try:
        country = phone.country(number)
    except phone.NotANumber:
        country = ""
    domestic = gateways is not None and gateways == (Gateway.DOMESTIC, country)
    return frozenset(door for door in doors.Door if doors.open(country, door, domestic_gateway=domestic))
