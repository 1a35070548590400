"""One sentence to a patron about books, by text or mail: counts and days, never a title."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lending.models import Contact
from notifications import outbox
from notifications import queries as notification_queries

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import date, datetime

    from lending.models import Patron

PLACES = ("count", "due", "late", "was_due", "left")


def tell(
    patron: Patron,
    template: str,
    dates: Mapping[str, Collection[date]],
    counts: Mapping[str, int],
    *,
    kind: str,
    by_mail: bool = False,
    key: str,
    now: datetime,
) -> None:
    """Text one sentence to the first of the patron's own numbers that takes texts, else mail it; nobody is called.

    `by_mail` the other way round.
    """
    house = notification_queries.sender(patron.home.sender)
    to = _told_on(patron.pk, by_mail=by_mail)
    if house is None or to is None:
        return
    language = to.language
    values: dict[str, Any] = dict.fromkeys(PLACES, "")
    values |= {name: days(on, language) for name, on in dates.items() if on}
    values |= {name: _number(name, count, language) for name, count in counts.items()}
    outbox.enqueue(
        sender=house.key,
        to=to.number,
        language=language,
        kind=kind,
        template=template,
        values={**values, "library": patron.home.name_in(language), "phone": patron.home.phone},
        about=f"patron:{patron.pk}",
        dedup_key=key,
        now=now,
        may_text=to.may_text and not (by_mail and outbox.takes_mails(to.mails_to)),
        may_call=False,
        mail=to.mails_to,
    )


def days(found: Collection[date], language: str) -> str:
    """One day, or the first and the last of several: `11/26`, `11/26-12/3`, `26 Nov`."""
    shown = [f"{one.month}/{one.day}" if language.startswith("ko") else f"{one.day} {one:%b}" for one in sorted(found)]
    return shown[0] if len(shown) == 1 else f"{shown[0]}-{shown[-1]}"


def _number(name: str, count: int, language: str) -> str:
    if language.startswith("ko") or name == "left":
        return str(count)
    return "1 book" if count == 1 else f"{count} books"


def _told_on(patron_id: int, *, by_mail: bool) -> Contact | None:
    own = list(Contact.objects.filter(patron=patron_id, own=True).order_by("position", "pk"))
    texted = [one for one in own if one.may_text and outbox.takes_texts(one.number)]
    mailed = [one for one in own if outbox.takes_mails(one.mails_to)]
    return next(iter([*mailed, *texted] if by_mail else [*texted, *mailed]), None)
