"""Classes of patrons to whom a programme allows more, and who is of which: a class, never why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import transaction

from core.refusal import BadInput, NotFound
from lending.errors import AllowanceInUse
from lending.models import Allowance, Grant, Patron, Programme, ProgrammeChange

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import date, datetime

    from django.db.models import QuerySet

    from core.actor import Actor

COLUMNS = ("name_ko", "name_en", "volumes", "at_once", "loan_days")


def of_programmes(programme_ids: Collection[int]) -> QuerySet[Allowance]:
    """The classes of some programmes."""
    return Allowance.objects.filter(programme__in=programme_ids).select_related("programme")


def granted(patron_id: int, programme_ids: Collection[int]) -> list[Grant]:
    """Of which classes of some programmes a patron is, also those whose last day is over."""
    mine = Grant.objects.filter(patron=patron_id, allowance__programme__in=programme_ids)
    return list(mine.select_related("allowance").order_by("allowance__key"))


@transaction.atomic
def put(*, programme_id: int, key: str, values: Mapping[str, Any], by: Actor, now: datetime) -> Allowance:
    """Make a class of a programme, or change the one that has this key; written into the programme's history.

    `values` are some of COLUMNS; an empty number is as the programme has it. Refuses with `invalid` what is no value.
    What was lent before keeps its due date.
    """
    programme = Programme.objects.select_for_update(no_key=True).get(pk=programme_id)
    allowance = Allowance.objects.filter(programme=programme, key=key).first()
    was = _values(allowance) if allowance is not None else dict.fromkeys(COLUMNS)
    allowance = allowance or Allowance(programme=programme, key=key)
    for name, value in values.items():
        if name not in COLUMNS:
            raise BadInput(field=name)
        setattr(allowance, name, value)
    try:
        allowance.full_clean()
    except ValidationError as error:
        raise BadInput(field=next(iter(error.message_dict))) from error
    allowance.save()
    _note(allowance, was, _values(allowance), by=by, now=now)
    return allowance


@transaction.atomic
def remove(*, allowance_id: int, by: Actor, now: datetime) -> None:
    """A class that nobody is of any more is gone. Refuses with `allowance_in_use` one that somebody is still of."""
    allowance = _locked(allowance_id)
    count = allowance.grants.count()
    if count:
        raise AllowanceInUse(count=count)
    _note(allowance, _values(allowance), dict.fromkeys(COLUMNS), by=by, now=now)
    allowance.delete()


@transaction.atomic
def grant(
    *, patron_id: int, allowance_id: int, by: Actor, now: datetime, today: date, until: date | None = None
) -> Grant:
    """A patron is of a class, up to and with the local day `until`, or for good; asked again, the day is changed.

    Refuses with `invalid` (field `until`) a day that is over, and with `not_found`.
    """
    if until is not None and until < today:
        raise BadInput(field="until")
    allowance = _locked(allowance_id)
    if Patron.objects.select_for_update(no_key=True).filter(pk=patron_id).first() is None:
        raise NotFound
    given, _made = Grant.objects.update_or_create(
        patron_id=patron_id,
        allowance=allowance,
        defaults={"until": until, "granted_at": now, "granted_by": by.principal},
    )
    return given


@transaction.atomic
def withdraw(*, patron_id: int, allowance_id: int) -> None:
    """A patron is of a class no longer; what was asked for keeps its place. Refuses with `not_found`."""
    gone, _each = Grant.objects.filter(patron=patron_id, allowance=allowance_id).delete()
    if not gone:
        raise NotFound


def _locked(allowance_id: int) -> Allowance:
    """The class, its programme locked before it, so that nobody removes it while somebody else grants it."""
    programme_id = Allowance.objects.filter(pk=allowance_id).values_list("programme_id", flat=True).first()
    if programme_id is not None:
        Programme.objects.select_for_update(no_key=True).get(pk=programme_id)
    allowance = Allowance.objects.filter(pk=allowance_id).first()
    if allowance is None:
        raise NotFound
    return allowance


def _values(allowance: Allowance) -> dict[str, Any]:
    return {name: getattr(allowance, name) for name in COLUMNS}


def _note(allowance: Allowance, was: Mapping[str, Any], became: Mapping[str, Any], *, by: Actor, now: datetime) -> None:
    changed = [name for name in COLUMNS if was[name] != became[name]]
    if changed:
        ProgrammeChange.objects.create(
            programme=allowance.programme,
            at=now,
            principal=by.principal,
            was={f"{allowance.key}.{name}": was[name] for name in changed},
            became={f"{allowance.key}.{name}": became[name] for name in changed},
        )
