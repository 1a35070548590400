"""All that the service keeps about one patron, from every room, as one JSON document they can take along."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Model, Q
from django.utils.translation import gettext as _

from core.models import Access
from lending.models import (
    Consent,
    Contact,
    Grant,
    ListedCopy,
    Loan,
    Membership,
    OneTimeCode,
    Patron,
    Pause,
    Posting,
    RememberedDevice,
    Reservation,
    Strike,
    Token,
)
from notifications.models import Call, InboundMessage, Message, OptOut
from pickup.models import Note, Order, Preference, Question, RehearsalCar, Visit

LEFT_OUT = {"digest", "password", "fingerprint", "key"}
"""Columns that open doors or mean nothing outside."""


def of(patron: Patron, *, now: datetime) -> dict[str, Any]:
    """Everything keyed to the patron: plain columns, titles in words, times with their offset."""
    contacts = Contact.objects.filter(patron=patron)
    numbers = set(contacts.values_list("number", flat=True))
    orders = Order.objects.filter(patron=patron).order_by("pk")
    about = [f"patron:{patron.pk}", *(f"order:{pk}" for pk in orders.values_list("pk", flat=True))]
    account = patron.account_id or 0
    return {
        "made_at": now.isoformat(timespec="seconds"),
        "patron": {**_row(patron), "home": str(patron.home), "has_pin": patron.has_pin},
        "household": [] if patron.household is None else [{"together": patron.household.together}],
        "contacts": _rows(contacts.order_by("pk")),
        "likes_to_come": [
            {**_row(row), "point": str(row.point) if row.point is not None else None}
            for row in Preference.objects.filter(patron=patron).select_related("point")
        ],
        "consents": _rows(Consent.objects.filter(patron=patron).order_by("pk")),
        "codes": _rows(OneTimeCode.objects.filter(patron=patron).order_by("pk")),
        "devices": _rows(RememberedDevice.objects.filter(account=account).order_by("pk")),
        "tokens": _rows(Token.objects.filter(account=account).order_by("pk")),
        "reservations": [
            {**_row(row), "title": str(row.title), "pickup_point": str(row.pickup_point)}
            for row in Reservation.objects.filter(patron=patron).select_related("title", "pickup_point").order_by("pk")
        ],
        "loans": [
            {**_row(row), "title": str(row.copy.title), "barcode": row.copy.barcode}
            for row in Loan.objects.filter(patron=patron).select_related("copy__title").order_by("pk")
        ],
        "told_to_another_system": _rows(Posting.objects.filter(patron=patron).order_by("pk")),
        "lists_of_another_system": _rows(ListedCopy.objects.filter(patron=patron).order_by("pk")),
        "allowances": [
            str(grant.allowance) for grant in Grant.objects.filter(patron=patron).select_related("allowance")
        ],
        "rehearsals": _rows(RehearsalCar.objects.filter(patron=patron).order_by("pk")),
        "strikes": _rows(Strike.objects.filter(patron=patron).order_by("pk")),
        "pauses": _rows(Pause.objects.filter(patron=patron).order_by("pk")),
        "orders": [
            {
                **_row(order),
                "books": [
                    {"title": str(line.copy.title), "state": line.state}
                    for line in order.lines.select_related("copy__title").order_by("pk")
                ],
                "notes": _rows(Note.objects.filter(order=order).order_by("pk")),
                "questions": _rows(Question.objects.filter(order=order).order_by("pk")),
            }
            for order in orders.prefetch_related("lines")
        ],
        "visits": _rows(Visit.objects.filter(patron=patron).order_by("pk")),
        "texts": _rows(Message.objects.filter(Q(to__in=numbers) | Q(about__in=about)).order_by("pk")),
        "answers": _rows(InboundMessage.objects.filter(from_number__in=numbers).order_by("pk")),
        "calls": _rows(Call.objects.filter(Q(number__in=numbers) | Q(about__in=about)).order_by("pk")),
        "opt_outs": _rows(OptOut.objects.filter(number__in=numbers).order_by("pk")),
        "looks": [{"day": day.isoformat(), "role": role, "screen": screen} for day, role, screen in looks(patron)],
    }


def looks(patron: Patron) -> list[tuple[date, str, str]]:
    """Who looked at the record: day at the home library, role, purpose; the newest first. Colleagues are not named."""
    zone = ZoneInfo(patron.home.zone)
    rows = Access.objects.filter(about=f"patron:{patron.pk}").order_by("-at", "-pk")
    seen = list(rows.values_list("at", "principal", "purpose"))
    roles = _roles({principal for _at, principal, _purpose in seen})
    said = [(at.astimezone(zone).date(), roles.get(principal, principal), purpose) for at, principal, purpose in seen]
    return list(dict.fromkeys(said))


def _roles(principals: Iterable[str]) -> dict[str, str]:
    """For each `staff:3` the role and the libraries, of those who still work somewhere."""
    ids = {int(one.partition(":")[2]): one for one in principals if one.startswith("staff:")}
    found: dict[str, str] = {}
    for member in Membership.objects.filter(account__in=ids).select_related("library").order_by("library__position"):
        name = ids[member.account_id]
        found.setdefault(name, f"{member.get_role_display()}, {member.library}")
    return {**dict.fromkeys(ids.values(), _("member of staff")), **found}


def _rows(rows: Iterable[Model]) -> list[dict[str, Any]]:
    return [_row(row) for row in rows]


def _row(row: Model) -> dict[str, Any]:
    return {
        field.name: field.value_from_object(row) for field in row._meta.concrete_fields if field.name not in LEFT_OUT
    }
