"""Whose telephone a number is, for the phones of the sandbox, which know no patrons."""

from __future__ import annotations

from typing import NamedTuple

from django import template

from lending.models import Contact
from notifications import phone

register = template.Library()
MOST = 300


class Owner(NamedTuple):
    """A number with the names of those whose it is."""

    number: str
    shown: str
    name: str


@register.simple_tag
def phone_owners() -> list[Owner]:
    """Everybody's telephones, in the order of the cards."""
    names: dict[str, list[str]] = {}
    rows = Contact.objects.order_by("patron__card_number", "position", "id")
    for number, own, patron in rows.values_list("number", "name", "patron__name")[:MOST]:
        names.setdefault(number, []).append(own or patron or "")
    return [Owner(number, phone.display(number, "KR"), ", ".join(found)) for number, found in names.items()]


@register.simple_tag
def owner_of(number: str) -> str:
    """The names of those whose number it is, "" when it is nobody's."""
    rows = Contact.objects.filter(number=number).order_by("patron__card_number", "position", "id")
    return ", ".join(own or patron or "" for own, patron in rows.values_list("name", "patron__name")[:4])
