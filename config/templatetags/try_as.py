"""The cards and names to try, beside the sign-in forms of the sandbox; nothing anywhere else."""

from __future__ import annotations

from typing import Any

from django import template
from django.conf import settings
from django.utils.translation import get_language

from config import sample
from lending.models import Account, Patron
from notifications.models import Sender

register = template.Library()


@register.inclusion_tag("try_as.html", takes_context=True)
def try_as(context: dict[str, Any], who: str) -> dict[str, Any]:
    """Whom to sign in as (`patron` or `staff`) with one click, while the sandbox shows the sample library."""
    tried = (_staff() if who == "staff" else _patrons()) if settings.SANDBOX and _is_sample() else []
    return {
        "tried": tried,
        "names": ("username", "password") if who == "staff" else ("card_number", "pin"),
        "secret": sample.PASSWORD if who == "staff" else sample.PIN,
        "who": who,
        "next": context.get("next", ""),
        "csrf_token": context.get("csrf_token"),
    }


def _is_sample() -> bool:
    return Sender.objects.filter(key=sample.SENDERS[0]["key"], number=sample.SENDERS[0]["number"]).exists()


def _patrons() -> list[dict[str, str]]:
    known = {person.card: person.name for person in sample.PEOPLE}
    cards = {f"2020-00{who}": (ko, en) for who, ko, en in sample.TRY_PATRONS}
    found = Patron.objects.filter(card_number__in=cards, account__isnull=False).values_list("card_number", "name")
    there = {card for card, name in found if known[card] == name}
    return [
        {"name": known[card], "key": card, "special": _said(*said)} for card, said in cards.items() if card in there
    ]


def _staff() -> list[dict[str, str]]:
    known = {username: name for username, name, *_rest in sample.STAFF}
    there = set(Account.objects.filter(username__in=known, is_active=True).values_list("username", flat=True))
    return [
        {"name": known[username], "key": username, "special": _said(ko, en)}
        for username, ko, en in sample.TRY_STAFF
        if username in there
    ]


def _said(ko: str, en: str) -> str:
    return ko if (get_language() or "ko").startswith("ko") else en
