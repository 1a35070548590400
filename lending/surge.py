"""The switch "building closed, lending goes on": whose rules hold, what people read, and who turned it when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import transaction

from core.refusal import NotFound
from lending import programmes
from lending.models import NOTICE as NOTICE  # noqa: PLC0414 (for those who ask here)
from lending.models import Allowance, Library, Programme, SurgeChange

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import QuerySet

    from core.actor import Actor


@dataclass(frozen=True, slots=True)
class Beside:
    """One rule as it is on normal days and while the building is closed."""

    name: str
    normal: Any
    surge: Any


def lock(library_id: int) -> Library:
    """The library, locked and read anew: whoever turns the switch, or makes slots by it, waits for the other.

    Refuses with `not_found`.
    """
    rows = Library.objects.select_for_update(no_key=True, of=("self",)).select_related("programme", "surge_programme")
    found = rows.filter(pk=library_id).first()
    if found is None:
        raise NotFound
    return found


@transaction.atomic
def switch(*, library_id: int, on: bool, by: Actor, now: datetime) -> SurgeChange | None:
    """Turn the switch; None if it stands so already. Refuses with `not_found`.

    What was lent and asked for before keeps its terms. Hours are pickup's: see pickup/surge.py.
    """
    library = lock(library_id)
    if library.surge == on:
        return None
    library.surge = on
    library.save(update_fields=["surge"])
    return _note(library, by=by, now=now)


@transaction.atomic
def tell(*, library_id: int, notice_ko: str, notice_en: str, by: Actor, now: datetime) -> SurgeChange | None:
    """Say in other words what people read while the building is closed; None if these are the words already.

    Empty is the plain sentence. Refuses with `not_found`.
    """
    library = lock(library_id)
    words = (" ".join(notice_ko.split()), " ".join(notice_en.split()))
    if (library.surge_notice_ko, library.surge_notice_en) == words:
        return None
    library.surge_notice_ko, library.surge_notice_en = words
    library.save(update_fields=["surge_notice_ko", "surge_notice_en"])
    return _note(library, by=by, now=now)


@transaction.atomic
def lend_by(*, library_id: int, programme_id: int | None, by: Actor, now: datetime) -> SurgeChange | None:
    """Say by whose rules the library lends while its building is closed; None if it does already.

    None, or its own programme, is by the rules of normal days. While the switch is on they hold at once; what was lent
    and asked for before keeps its terms. Refuses with `not_found`.
    """
    library = lock(library_id)
    wanted = programme_id if programme_id != library.programme_id else None
    if library.surge_programme_id == wanted:
        return None
    programme = Programme.objects.filter(pk=wanted).first() if wanted is not None else None
    if wanted is not None and programme is None:
        raise NotFound(field="programme")
    library.surge_programme = programme
    library.save(update_fields=["surge_programme"])
    return _note(library, by=by, now=now)


def _note(library: Library, *, by: Actor, now: datetime) -> SurgeChange:
    return SurgeChange.objects.create(
        library=library,
        at=now,
        principal=by.principal,
        channel=by.channel,
        surge=library.surge,
        programme=library.surge_programme,
        notice_ko=library.surge_notice_ko,
        notice_en=library.surge_notice_en,
    )


def history(library_id: int) -> QuerySet[SurgeChange]:
    """Who turned or changed it when, the last one first."""
    return SurgeChange.objects.filter(library=library_id).select_related("programme")


def beside(library: Library) -> list[Beside]:
    """The rules that differ between normal days and the closed building, in the order in which rules are shown."""
    surge = library.surge_programme or library.programme
    normal, then = programmes.values_of(library.programme), programmes.values_of(surge)
    plain = programmes.plain
    return [
        Beside(name, plain(normal[name]), plain(then[name])) for name in programmes.RULES if normal[name] != then[name]
    ]


def allowances(library: Library) -> tuple[list[Allowance], list[Allowance]]:
    """The classes of patrons who may have more: on normal days, and while the building is closed."""
    found: dict[int, list[Allowance]] = {}
    for one in Allowance.objects.filter(programme__in=_programmes(library)):
        found.setdefault(one.programme_id, []).append(one)
    normal, surge = _programmes(library)
    return found.get(normal.pk, []), found.get(surge.pk, [])


def _programmes(library: Library) -> tuple[Programme, Programme]:
    return library.programme, library.surge_programme or library.programme
