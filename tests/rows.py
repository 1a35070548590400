"""Small builders of real rows, with sensible defaults and values that do not collide.

Everything that the house would refuse is refused here too: states are begun and moved, never written.
"""

from __future__ import annotations

import itertools
import os
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from core import actor
from core.actor import Actor
from lending import accounts, catalogue, reservations
from lending.models import (
    Account,
    Contact,
    Copy,
    Household,
    Library,
    Membership,
    Patron,
    PickupPoint,
    Programme,
    Reservation,
    Title,
)
from lending.reservations import Item
from notifications.models import Sender
from pickup.models import Lane, PointRules, Slot, Window

RULE = actor.RULE
SEOUL = ZoneInfo("Asia/Seoul")
NOW = datetime(2026, 11, 24, 10, 0, tzinfo=SEOUL).astimezone(UTC)  # a Tuesday, ten in the morning in Seoul

PIN = "804217"  # one that nobody guesses soon

_numbers = itertools.count(1)


def serial() -> int:
    """A number that this test run has not used yet, also beside other processes of it."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw") or 0)
    return worker * 1_000_000 + next(_numbers)


def leave_out(before: int) -> None:
    """Go on with higher numbers, in a process whose database another one has filled already."""
    global _numbers
    _numbers = itertools.count(before)


def mobile() -> str:
    """A Korean mobile that belongs to nobody."""
    return f"+82100000{serial() % 10_000:04d}"


def landline() -> str:
    """A Seoul landline that belongs to nobody."""
    return f"+822100{serial() % 10_000:04d}"


def american() -> str:
    """A +1 number kept for fiction."""
    return f"+1212555{100 + serial() % 100:04d}"


def staff_actor(account: Account, channel: Any = "web") -> Actor:
    """A librarian who acts."""
    return Actor("staff", account.pk, channel)


def patron_actor(patron: Patron, channel: Any = "web") -> Actor:
    """A patron who acts."""
    return Actor("patron", patron.pk, channel)


def programme(**columns: Any) -> Programme:
    """Seongdong's rules of 2020: five volumes a calendar week for a household, two weeks, one renewal."""
    number = serial()
    return Programme.objects.create(
        **{
            "key": f"programme-{number}",
            "name_ko": f"사업 {number}",
            "name_en": f"Programme {number}",
            "volumes": 5,
            "volumes_per": Programme.Per.HOUSEHOLD,
            **columns,
        }
    )


def sender(**columns: Any) -> Sender:
    """A sender in Seoul that is quiet from 21:00 to 08:00."""
    number = serial()
    return Sender.objects.create(
        **{
            "key": f"sender-{number}",
            "number": mobile(),
            "name_ko": "성동도서관",
            "name_en": "Seongdong Library",
            "phone": "02-100-6440",
            "quiet_from": time(21),
            "quiet_until": time(8),
            **columns,
        }
    )


def library(**columns: Any) -> Library:
    """A library in Seoul that is open every day and keeps its own loans; with a sender of its own."""
    number = serial()
    if "programme" not in columns:
        columns["programme"] = programme()
    if "sender" not in columns:
        columns["sender"] = sender().key
    return Library.objects.create(
        **{
            "code": f"library-{number}",
            "name_ko": f"도서관 {number}",
            "name_en": f"Library {number}",
            "phone": "02-100-6440",
            **columns,
        }
    )


def point(of: Library | None = None, **columns: Any) -> PickupPoint:
    """A single-file drive lane, with the rules `rules` gives; `rules=None` leaves them out."""
    number = serial()
    with_rules = columns.pop("rules", {})
    made = PickupPoint.objects.create(
        **{
            "library": of or library(),
            "code": f"point-{number}",
            "name_ko": f"승차 대출 {number}",
            "name_en": f"Drive lane {number}",
            "layout": PickupPoint.Layout.FILE,
            **columns,
        }
    )
    if with_rules is not None:
        rules(made, **with_rules)
    return made


def staff(of: Library, role: str = Membership.Role.LIBRARIAN, **columns: Any) -> Account:
    """A librarian of the library; the password is `quiet please`."""
    account = Account.objects.create_user(username=f"librarian-{serial()}", password="quiet please", **columns)
    Membership.objects.create(account=account, library=of, role=role)
    return account


def household(**columns: Any) -> Household:
    """A household whose members are served apart unless `together=True`."""
    return Household.objects.create(**{"key": f"household-{serial()}", **columns})


def patron(home: Library | None = None, *, pin: str = "", number: str | None = None, **columns: Any) -> Patron:
    """A patron with one mobile number of their own (`number=""` for none); `pin` makes the account."""
    serial_number = serial()
    made = Patron.objects.create(
        **{
            "card_number": f"2100{serial_number:08d}",
            "name": f"회원 {serial_number}",
            "home": home or library(),
            **columns,
        }
    )
    if number != "":
        contact(made, **({"number": number} if number else {}))
    if pin:
        accounts.set_pin(patron_id=made.pk, pin=pin, by=RULE, now=NOW)
        made.refresh_from_db()
    return made


def account_of(who: Patron) -> Account:
    """The account of a patron who was made with a PIN."""
    assert who.account is not None
    return who.account


def contact(of: Patron | None, **columns: Any) -> Contact:
    """A number of the patron's own; `own=False, name="손자"` makes it somebody named to collect."""
    return Contact.objects.create(
        **{"patron": of, "number": mobile(), "language": of.language if of else "ko", **columns}
    )


def title(**columns: Any) -> Title:
    """A title with an own name, searchable like any other."""
    number = serial()
    plain = {"source": "test", "control_number": f"t{number}", "title": f"소년이 온다 {number}", "author": "한강"}
    return catalogue.put_title(**{**plain, **columns})


def copy(of: Title | None = None, at: Library | None = None, *, volume: str = "", **columns: Any) -> Copy:
    """A copy on the shelf of the library `at`, which owns it."""
    number = serial()
    return catalogue.add_copy(
        **{
            "title_id": (of or title()).pk,
            "library_id": (at or library()).pk,
            "barcode": f"EM{number:010d}",
            "volume": volume,
            "call_number": "813.7 한31ㅅ",
            "by": RULE,
            "now": NOW,
            **columns,
        }
    )


def reserve(who: Patron, *what: Title | Item, at: PickupPoint, now: datetime = NOW, **kwargs: Any) -> list[Reservation]:
    """One request through the verb itself."""
    items = [one if isinstance(one, Item) else Item(one.pk) for one in what]
    return reservations.place(
        patron_id=who.pk, items=items, point_id=at.pk, now=now, **{"by": patron_actor(who), **kwargs}
    )


def rules(of: PickupPoint, **columns: Any) -> PointRules:
    """Rules of a point: a time is offered when the bag is ready, silence is consent."""
    return PointRules.objects.create(point=of, **columns)


def window(of: PickupPoint, **columns: Any) -> Window:
    """16:00 to 17:00 on Tuesdays in slots of 15 minutes with room for three; `date=` puts it on one day instead."""
    when: dict[str, Any] = {} if "date" in columns else {"weekday": 1}
    return Window.objects.create(
        **{
            "point": of,
            "opens": time(16),
            "closes": time(17),
            "slot_minutes": 15,
            "capacity": 3,
            **when,
            **columns,
        }
    )


def slot(of: PickupPoint, starts_at: datetime | None = None, *, minutes: int = 15, **columns: Any) -> Slot:
    """A slot with room for three, six hours from `NOW` unless told otherwise."""
    begins = starts_at or NOW + timedelta(hours=6)
    capacity = columns.get("capacity", 3)
    return Slot.objects.create(
        **{
            "point": of,
            "starts_at": begins,
            "ends_at": begins + timedelta(minutes=minutes),
            "orders_until": begins,
            "capacity": capacity,
            "capacity_wanted": capacity,
            **columns,
        }
    )


def lane(of: PickupPoint, **columns: Any) -> Lane:
    """An open lane."""
    return Lane.objects.create(**{"point": of, "name": f"{serial()}", "open": True, **columns})


def day(text: str) -> date:
    """A date from `2026-11-24`."""
    return date.fromisoformat(text)
