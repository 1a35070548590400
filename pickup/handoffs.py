"""Hand-offs: where work waits for somebody of the staff, in words, with the page on which it is done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import ngettext_lazy

if TYPE_CHECKING:
    from lending.models import PickupPoint
    from pickup.sessions import Session


class Kind(StrEnum):
    """A hand-off: what waits for somebody of the staff."""

    HERE = "here"  # people at the window
    BLOCKED = "blocked"  # bags, packed or not, of cards that were blocked since: nobody should come in vain
    FETCH = "fetch"  # books on the shelves
    PACK = "pack"  # bags of which every book is at hand or which miss some
    MARK = "mark"  # bags that are packed and not said to be ready
    NO_TIME = "no_time"  # ready bags to whom no time is promised
    UNPACK = "unpack"  # books in bags that nobody collects
    NOTES = "notes"
    TEXTS = "texts"
    CALLS = "calls"
    TELL = "tell"  # what the other system of record does not know yet
    UNTOLD = "untold"  # people whom no text reached and whom nobody is asked to call


PATIENCE = {
    Kind.HERE: timedelta(minutes=10),
    Kind.FETCH: timedelta(days=1),
    Kind.PACK: timedelta(days=1),
    Kind.MARK: timedelta(hours=1),
    Kind.NO_TIME: timedelta(days=1),
    Kind.UNPACK: timedelta(days=2),
    Kind.NOTES: timedelta(hours=4),
    Kind.TEXTS: timedelta(hours=4),
    Kind.CALLS: timedelta(hours=2),
    Kind.TELL: timedelta(days=1),
}
"""What has waited longer is late. People whom nobody can tell stay on the list until they come: that is not late."""


WHAT = {
    Kind.HERE: ngettext_lazy("person here", "people here"),
    Kind.BLOCKED: ngettext_lazy("bag of a blocked card", "bags of blocked cards"),
    Kind.FETCH: ngettext_lazy("book to fetch", "books to fetch"),
    Kind.PACK: ngettext_lazy("bag to pack", "bags to pack"),
    Kind.MARK: ngettext_lazy("bag packed, not marked ready", "bags packed, not marked ready"),
    Kind.NO_TIME: ngettext_lazy("ready bag without a time", "ready bags without a time"),
    Kind.UNPACK: ngettext_lazy("book to unpack", "books to unpack"),
    Kind.NOTES: ngettext_lazy("note to read", "notes to read"),
    Kind.TEXTS: ngettext_lazy("text to read", "texts to read"),
    Kind.CALLS: ngettext_lazy("call to make", "calls to make"),
    Kind.TELL: ngettext_lazy(
        "loan or return to enter in the other system", "loans and returns to enter in the other system"
    ),
    Kind.UNTOLD: ngettext_lazy("bag of which nobody could be told", "bags of which nobody could be told"),
}
DO = {
    Kind.HERE: ngettext_lazy("%(n)s person is at the window", "%(n)s people are at the window", "n"),
    Kind.BLOCKED: ngettext_lazy("Decide on %(n)s bag of a blocked card", "Decide on %(n)s bags of blocked cards", "n"),
    Kind.FETCH: ngettext_lazy("Fetch %(n)s book", "Fetch %(n)s books", "n"),
    Kind.PACK: ngettext_lazy("Pack %(n)s bag", "Pack %(n)s bags", "n"),
    Kind.MARK: ngettext_lazy("Mark %(n)s packed bag as ready", "Mark %(n)s packed bags as ready", "n"),
    Kind.NO_TIME: ngettext_lazy("Look at %(n)s bag without a time", "Look at %(n)s bags without a time", "n"),
    Kind.UNPACK: ngettext_lazy("Unpack %(n)s book", "Unpack %(n)s books", "n"),
    Kind.NOTES: ngettext_lazy("Read %(n)s note", "Read %(n)s notes", "n"),
    Kind.TEXTS: ngettext_lazy("Read %(n)s text", "Read %(n)s texts", "n"),
    Kind.CALLS: ngettext_lazy("Make %(n)s call", "Make %(n)s calls", "n"),
    Kind.TELL: ngettext_lazy(
        "Enter %(n)s loan or return in the other system", "Enter %(n)s loans and returns in the other system", "n"
    ),
    Kind.UNTOLD: ngettext_lazy("Find out how to tell %(n)s person", "Find out how to tell %(n)s people", "n"),
}
PAGE = {
    Kind.HERE: "lane",
    Kind.BLOCKED: "packing",
    Kind.FETCH: "pull-list",
    Kind.PACK: "packing",
    Kind.MARK: "packing",
    Kind.NO_TIME: "shelf",
    Kind.UNPACK: "unpack",
    Kind.TELL: "postings",
}
"""The name of the page where it is done; all else is in the inbox."""


@dataclass(frozen=True, slots=True)
class Task:
    """What waits at one hand-off. `oldest` (UTC) is since when, `age` how long that is, in words; `session` is the one
    that it is needed for first, `of_session` how much of it.
    """

    kind: Kind
    count: int
    oldest: datetime | None
    age: str
    late: bool
    point: PickupPoint
    session: Session | None = None
    of_session: int = 0

    @property
    def what(self) -> str:
        """The words beside the count."""
        return str(WHAT[self.kind] % self.count)

    @property
    def do(self) -> str:
        """What there is to do first, with the count: of the soonest session, if one waits for it."""
        return str(DO[self.kind] % {"n": self.of_session or self.count})

    @property
    def page(self) -> str:
        """The address of the list where it is done."""
        return f"{reverse(PAGE.get(self.kind, 'inbox'))}?{urlencode({'point': self.point.pk})}"

    @property
    def first_page(self) -> str:
        """The address of what is to be done first; a pull list then shows what the soonest session needs."""
        if self.kind != Kind.FETCH or self.session is None:
            return self.page
        return f"{self.page}&{urlencode({'for': self.session.key})}"
