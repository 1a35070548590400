"""What may come of a scan at the window: a car and its bags, a choice of cars, a book, or why there is nothing to give.

Each is a screen of its own: `kind` names it for the template.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, ClassVar

from pickup import board, waits
from pickup.names import masked

if TYPE_CHECKING:
    from pickup.models import Order


@dataclass(frozen=True, slots=True)
class Party:
    """The bags of one car, whether it is here or not; `order_id` is the one that was asked for, 0 for none."""

    kind: ClassVar[str] = "party"
    order_id: int
    bags: list[board.Bag]
    car: board.Car | None
    matched: str = ""

    @property
    def ready(self) -> list[board.Bag]:
        """The bags that go out with one tap."""
        return [bag for bag in self.bags if bag.ready]

    @property
    def unready(self) -> list[board.Bag]:
        """The bags that are still being packed."""
        return [bag for bag in self.bags if not bag.ready]

    @property
    def count(self) -> int:
        """How many books go out."""
        return sum(bag.packed for bag in self.ready)

    @property
    def needs(self) -> list[str]:
        """What to do at this car, each thing once."""
        return list(dict.fromkeys(need for bag in self.bags for need in bag.needs))

    @property
    def languages(self) -> list[str]:
        """The languages other than Korean that are read in this car."""
        return list(dict.fromkeys(bag.language for bag in self.bags if bag.language != "ko"))

    @property
    def in_writing(self) -> bool:
        """Whether somebody in this car reads what others hear."""
        return any(bag.in_writing for bag in self.bags)

    @property
    def names(self) -> list[str]:
        """Whose bags they are, masked."""
        return [masked(bag.patron_name) for bag in self.bags]


@dataclass(frozen=True, slots=True)
class Choice:
    """Several cars have what was typed."""

    kind: ClassVar[str] = "choice"
    parties: list[Party]


@dataclass(frozen=True, slots=True)
class OnLoan:
    """A book that somebody has at home, or had until a moment ago: it can be taken back here. Where another system
    keeps the loans that is any book in no bag, and the day is not known (`due_on` None).

    `just_now` is the number of the bag in which it went out of a window within the last minutes: whoever scans it then
    rather means the bag.
    """

    kind: ClassVar[str] = "on_loan"
    barcode: str
    title: str
    due_on: date | None
    just_now: str


@dataclass(frozen=True, slots=True)
class Away:
    """A bag that waits at another pickup place, whether that is one of the same library, and how it is there now."""

    order: Order
    own: bool
    load: waits.Waiting


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The bag waits at another pickup place; several where one has bags at some, or libraries hold the same number."""

    kind: ClassVar[str] = "elsewhere"
    bags: list[Away]

    @property
    def order(self) -> Order:
        """The first of them."""
        return self.bags[0].order


@dataclass(frozen=True, slots=True)
class Over:
    """A bag that was given already (`given_at`), given back or not collected in time."""

    kind: ClassVar[str] = "over"
    order: Order
    given_at: datetime | None
    visit_id: int | None


@dataclass(frozen=True, slots=True)
class Stray:
    """A book that is neither in a bag nor on loan, as far as is known here: where it is thought to be.

    It `goes` onto the "cart"; to the "returns" desk if that has to note where it is; or stays "aside".
    """

    kind: ClassVar[str] = "stray"
    copy_id: int
    barcode: str
    title: str
    where: str
    goes: str


@dataclass(frozen=True, slots=True)
class ToUnpack:
    """A book that was kept back, or whose bag nobody collects any more: it is to be unpacked."""

    kind: ClassVar[str] = "to_unpack"
    barcode: str
    title: str
    bag: str


@dataclass(frozen=True, slots=True)
class NoBag:
    """A card that we know, of somebody who has no bag here."""

    kind: ClassVar[str] = "no_bag"
    name: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nothing here goes by that."""

    kind: ClassVar[str] = "unknown"
    typed: str


Found = Party | Choice | OnLoan | Elsewhere | Over | Stray | ToUnpack | NoBag | Unknown


@dataclass(frozen=True, slots=True)
class Back:
    """A book that was taken back at the window, and who waits for it: a bag, or a place where one will be made.

    The page carries it by its `name`. It is undone by `return_id`, of the loan or posting; 0 where the window cannot.
    """

    name: str
    return_id: int
    barcode: str
    title: str
    bag: str = ""
    point: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """A book that stayed behind at a hand-over, and the reason."""

    barcode: str
    title: str
    reason: str


@dataclass(frozen=True, slots=True)
class GivenBag:
    """A bag that went out of the window: how many books, what stayed behind, what follows in the next bag."""

    shown: str
    count: int
    kept: list[Kept] = field(default_factory=list)
    follows: int = 0


@dataclass(frozen=True, slots=True)
class Given:
    """A car that has just been served; it can be undone for a while."""

    kind: ClassVar[str] = "given"
    visit_id: int
    at: datetime
    bags: list[GivenBag]

    @property
    def count(self) -> int:
        """How many books went out."""
        return sum(bag.count for bag in self.bags)

    @property
    def kept(self) -> list[Kept]:
        """Every book that stayed behind."""
        return [kept for bag in self.bags for kept in bag.kept]

    @property
    def follows(self) -> int:
        """How many books follow in a later bag."""
        return sum(bag.follows for bag in self.bags)
