"""Who comes to a rehearsal: twelve cars with invented people, and what each says at the window. Nobody is real."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from django.utils.translation import gettext_lazy as _

from lending.practice import Part
from pickup.models import RehearsalCar

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

Kind = RehearsalCar.Kind
Door = Literal["web", "text", "link", "call", "desk", "api"]


@dataclass(frozen=True, slots=True)
class Cue:
    """One car: when it comes (a share of the whole time), by which door, who is in it and with how many books each.

    `says` is what is said or shown at the window, with places for number, card, plate and barcodes; `do` what a
    librarian does then. `collector` is somebody who comes instead of the reader: name and number.
    """

    kind: Kind
    at: float
    door: Door
    people: tuple[tuple[Part, int], ...]
    says: StrOrPromise
    do: StrOrPromise
    icon: str
    collector: tuple[str, str] = ("", "")


CAST = (
    Cue(
        Kind.EARLY,
        0.0,
        "web",
        ((Part("01", "강한별", "+821000000901"), 2),),
        _("“Order %(number)s. I am a little early.”"),
        _("Fetch and pack the bag under “Pack”, mark it ready, then call."),
        "clock",
    ),
    Cue(
        Kind.PLAIN,
        0.05,
        "text",
        ((Part("02", "정시온", "+821000000902"), 1),),
        _("“Order %(number)s.”"),
        _("Call, hand over."),
        "car",
    ),
    Cue(
        Kind.FAMILY,
        0.13,
        "web",
        (
            (Part("03", "한가람", "+821000000903", household="family"), 2),
            (Part("04", "한아람", "+821000000903", household="family"), 1),
            (Part("05", "한보람", "+821000000903", household="family"), 1),
        ),
        _("“Order %(number)s, and those of my two children.”"),
        _("Bring all three bags; one tap gives them."),
        "users",
    ),
    Cue(
        Kind.GRANDSON,
        0.22,
        "call",
        ((Part("06", "나순례", "+8221000906"), 2),),
        _("“Order %(number)s, for my grandmother.”"),
        _("He is named on the order and may collect it. Call, hand over."),
        "phone",
        collector=("나우진", "+821000000906"),
    ),
    Cue(
        Kind.MISSING,
        0.27,
        "link",
        ((Part("07", "도서율", "+821000000907"), 2),),
        _("“Order %(number)s. I asked for two books.”"),
        _("One was not on its shelf and is still looked for. Say so, and hand over the other."),
        "search",
    ),
    Cue(
        Kind.RETURN,
        0.35,
        "desk",
        ((Part("08", "반지윤", "+821000000908"), 2),),
        _("“I only bring these back.” Books: %(barcodes)s"),
        _("Open the car in the line, scan or type each book, then “Done”."),
        "undo-2",
    ),
    Cue(
        Kind.WRITING,
        0.45,
        "link",
        ((Part("09", "손하람", "+821000000909", needs=("board",)), 1),),
        _("Shows a telephone with order %(number)s."),
        _("Use the show card; nothing has to be said aloud."),
        "message-square",
    ),
    Cue(
        Kind.ENGLISH,
        0.49,
        "text",
        ((Part("10", "Rosa Reader", "+821000000910", language="en"), 2),),
        _("“Good morning, order %(number)s, please.” In English."),
        _("The show card has every sentence in English."),
        "languages",
    ),
    Cue(
        Kind.ELSEWHERE,
        0.58,
        "desk",
        ((Part("11", "길유진", "+821000000911"), 1),),
        _("“Order %(number)s.”"),
        _("Type the number: the page says where the bag waits. Send the car there, and note in the line that it left."),
        "map-pin",
    ),
    Cue(
        Kind.BOOT,
        0.70,
        "web",
        ((Part("12", "변서준", "+821000000912", needs=("boot",)), 3),),
        _("“Order %(number)s.” The boot is open."),
        _("Put the bag into the boot, then hand over."),
        "truck",
    ),
    Cue(
        Kind.PLATE,
        0.76,
        "api",
        ((Part("13", "차도윤", "+821000000913"), 1),),
        _("Says nothing; the plate is %(plate)s."),
        _("The plate stands in the line. Call, hand over."),
        "scan-barcode",
    ),
    Cue(
        Kind.CARD,
        0.9,
        "text",
        ((Part("14", "표은채", "+821000000914"), 2),),
        _("“I cannot find the text. Here is my card: %(card)s”"),
        _("Scan or type the card."),
        "user",
    ),
)
OF_KIND = {cue.kind: cue for cue in CAST}
PEOPLE = [part for cue in CAST for part, _count in cue.people]
BOOKS = sum(count for cue in CAST for _part, count in cue.people)


def plate(number: int) -> str:
    """The number plate of a car that has one, by the car's number; plates of real cars never bear this syllable."""
    return f"{10 + number}연{1000 + number}"
