"""A library in the process of a test: its people speak to API v1, look at pages and text; the story moves the clock.

Between two moments everything that is due is done by `manage.py sweep`, as a worker would do it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from core import clock
from lending.models import Account, Copy, Library, Patron, PickupPoint, Title
from notifications.models import Sender
from notifications.transports import memory
from pickup.models import Order
from tests import rows
from tests.api import Api, signed_in
from tests.notifications.test_webhooks import MESSAGES, post, text_from


@dataclass
class Reader:
    """A patron with a program, a browser and a telephone."""

    town: Town
    patron: Patron
    api: Api
    number: str
    read: int = 0

    def asks(self, *titles: int, at: PickupPoint | None = None, **more: Any) -> dict[str, Any]:
        """Ask for books; gives what API v1 answers."""
        where = (at or self.town.point).pk
        items = [{"title": title} for title in titles]
        return dict(self.api.post("orders", {"pickup_point": where, "items": items, **more}, 201))

    def order(self, order: dict[str, Any]) -> dict[str, Any]:
        """The order as its patron sees it now."""
        return dict(self.api.get(f"orders/{order['id']}"))

    def texts(self) -> list[str]:
        """What has come to the telephone since it was looked at last, oldest first."""
        bodies = [str(text.body) for text, _report in memory.sent if text.to == self.number]
        new, self.read = bodies[self.read :], len(bodies)
        return new

    def writes(self, body: str, *, swept: bool = True) -> None:
        """A text to the library, as the carrier brings it: signed, to the webhook."""
        sent = text_from(self.number, self.town.sender, self.town.settings, Body=body)
        assert post(self.town.settings, MESSAGES, sent).status_code == 200
        if swept:
            self.town.sweep()

    def page(self, path: str) -> str:
        """A page as this patron sees it, in English, its white space in order."""
        return " ".join(self.browser.get(path).content.decode().split())

    @property
    def browser(self) -> Client:
        """Their browser, signed in."""
        browser = Client(headers={"accept-language": "en"})
        browser.force_login(rows.account_of(self.patron))
        return browser


@dataclass
class Town:
    """One library with a drive lane, open every day from ten to seven, three parties each half hour."""

    settings: Any
    monkeypatch: pytest.MonkeyPatch
    now: datetime = rows.NOW
    rules: dict[str, Any] = field(default_factory=dict)
    library: Library = field(init=False)
    sender: Sender = field(init=False)
    point: PickupPoint = field(init=False)
    librarian: Account = field(init=False)
    browser: Client = field(init=False)

    def __post_init__(self) -> None:
        """Build it on a Tuesday at ten."""
        self.settings.TRANSPORTS = {"text": "notifications.transports.memory.Memory", "mail": ""}
        for name in ("now", "database_now"):
            self.monkeypatch.setattr(clock, name, lambda: self.now)
        self.sender = rows.sender(gateway="domestic")  # answers arrive
        counting = {"strikes": 3, "strikes_for": ["missed", "uncollected"]}
        programme = rows.programme(volumes=20, transfer_days=1, **counting)
        self.library = rows.library(programme=programme, sender=self.sender.key, name_ko="성동도서관")
        self.point = self.place(**self.rules)
        rows.lane(self.point)
        self.librarian = rows.staff(self.library)
        self.browser = Client(headers={"accept-language": "en"})
        self.browser.force_login(self.librarian)
        self.sweep()

    @property
    def desk(self) -> Api:
        """The librarian's program, signed in at this moment, for a shift is shorter than a story."""
        return signed_in(self.librarian)

    def place(self, **rules: Any) -> PickupPoint:
        """One more drive lane of the library, with the same hours."""
        made = rows.point(self.library, rules={"grace_minutes": 15, "keep_days": 2, **rules})
        for weekday in range(7):
            rows.window(made, weekday=weekday, opens=time(10), closes=time(19), slot_minutes=30)
        return made

    def at(self, moment: str) -> None:
        """It is later now, as `2026-11-25 16:00` in Seoul, and what was due has been done."""
        later = datetime.fromisoformat(moment).replace(tzinfo=rows.SEOUL)
        assert later > self.now
        self.now = later
        self.sweep()

    def sweep(self) -> None:
        """Everything that is due, as `manage.py sweep` does it."""
        call_command("sweep", stdout=_Nowhere())

    def reader(self, **columns: Any) -> Reader:
        """Somebody new, with a Korean mobile of their own."""
        number = rows.mobile()
        who = rows.patron(self.library, pin=rows.PIN, number=number, **columns)
        return Reader(self, who, signed_in(who.account), number)

    def book(self, at: Library | None = None, title: int | None = None) -> Copy:
        """A book on the shelf."""
        return rows.copy(Title.objects.get(pk=title) if title else None, at=at or self.library)

    def packs(self, order: dict[str, Any]) -> None:
        """Staff put every book that is to be fetched into the bag and mark it ready, and the worker does its part."""
        for line in self.desk.get(f"orders/{order['id']}")["lines"]:
            if line["state"] == "to_pick":
                self.desk.post(f"orders/{order['id']}/pack", {"barcode": line["barcode"]})
        if self.desk.get(f"orders/{order['id']}")["state"] == "picking":
            self.desk.post(f"orders/{order['id']}/ready")
        self.sweep()

    def ready(self, who: Reader, *books: Copy, **more: Any) -> dict[str, Any]:
        """A packed bag with these books, about which its patron has been told."""
        order: dict[str, Any] = who.asks(*(book.title_id for book in books), **more)["order"]
        self.packs(order)
        return order

    def slot(self, moment: str) -> int:
        """The slot of the lane that begins at this moment in Seoul."""
        begins = datetime.fromisoformat(moment).replace(tzinfo=rows.SEOUL)
        return int(self.point.slots.get(starts_at=begins).pk)

    def call_next(self) -> list[dict[str, Any]]:
        """Whom the next press of the button calls."""
        return list(self.desk.post(f"pickup-points/{self.point.pk}/call-next")["visits"])

    def page(self, path: str) -> str:
        """A page of the staff, in English, its white space in order."""
        answer = self.browser.get(f"{path}?point={self.point.pk}")
        assert answer.status_code == 200
        return " ".join(answer.content.decode().split())

    def row(self, order: dict[str, Any]) -> Order:
        """The order in the database."""
        return Order.objects.select_related("appointment__slot").get(pk=order["id"])


class _Nowhere:
    """Where a command may write what nobody reads."""

    def write(self, _text: str) -> None:
        """Forget it."""

    def flush(self) -> None:
        """Nothing is kept."""
