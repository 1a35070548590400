"""Where titles can be had: which libraries have a free copy, which hold one at all, in which volumes a title comes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from django.utils.translation import gettext_lazy as _

from lending import queries
from lending.states import ON_HAND, CopyState

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    from lending.models import Copy, Library

Key = TypeVar("Key", int, tuple[int, str])
Kind = Literal["in", "away", "kept", "out", "none"]
WORDS: Final[Mapping[Kind, StrOrPromise]] = {
    "in": _("on the shelf"),
    "away": _("elsewhere"),
    "kept": _("set aside for somebody"),
    "out": _("lent out"),
    "none": _("no copy to lend"),
}


@dataclass(slots=True)
class Availability:
    """One title, or one volume of it, at this moment; libraries in the order in which they are shown.

    `kind` is `in` (a copy can be fetched for a pickup place of its library), `away` (a copy stands on a shelf, but no
    bags are handed over there), `kept` (none is lent: they are set aside, in bags or on their way), `out` (all lent or
    promised, one comes back) or `none` (none that could come). `word` says it to people.
    """

    free_at: list[Library] = field(default_factory=list)
    held_at: list[Library] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)
    served: bool = False
    kept: bool = False
    waiting: int = 0

    @property
    def kind(self) -> Kind:
        if self.free_at:
            return "in" if self.served else "away"
        if self.held_at:
            return "kept" if self.kept else "out"
        return "none"

    @property
    def word(self) -> StrOrPromise:
        return WORDS[self.kind]

    @property
    def choose(self) -> bool:
        """Whether somebody who wants the title has to say which volume."""
        return len(self.volumes) > 1


def of_titles(title_ids: Collection[int], *, practice: bool = False) -> dict[int, Availability]:
    """The availability of titles by their id, in three queries, however many are asked about.

    Copies of a library that only rehearses are left out; `practice` asks for those alone.
    """
    found = {title_id: Availability() for title_id in title_ids}
    served = queries.libraries_with_points(practice=practice)
    for title_id, of_title in _grouped(title_ids, lambda copy: copy.title_id, practice=practice).items():
        found[title_id] = _of_copies(of_title, served)
    for title_id, count in queries.waiting_for(title_ids, practice=practice).items():
        found[title_id].waiting = count
    return found


def of_volumes(title_ids: Collection[int], *, practice: bool = False) -> dict[tuple[int, str], Availability]:
    """As `of_titles`, of each volume in which they come: by the title's id and the volume, "" for none."""
    served = queries.libraries_with_points(practice=practice)
    copies = _grouped(title_ids, lambda copy: (copy.title_id, copy.volume), practice=practice)
    found = {volume: _of_copies(of_volume, served) for volume, of_volume in copies.items()}
    for title_id, volume, _programme, _library, count in queries.queues(title_ids):
        if (title_id, volume) in found:
            found[title_id, volume].waiting += count
    return found


def are_kept(copies: Iterable[Copy]) -> bool:
    """Whether none of these copies is lent: they are set aside, lie in bags, or are on their way."""
    return all(copy.state in {*ON_HAND, CopyState.BAG, CopyState.TRANSIT} for copy in copies)


def _grouped(title_ids: Collection[int], key: Callable[[Copy], Key], *, practice: bool) -> dict[Key, list[Copy]]:
    found: dict[Key, list[Copy]] = {}
    for copy in queries.copies_of_many(title_ids, practice=practice):
        found.setdefault(key(copy), []).append(copy)
    return found


def _of_copies(copies: Iterable[Copy], served: Collection[int]) -> Availability:
    """What these copies of one title come to; they bear `free`, as `queries.copies_of` gives it."""
    free: dict[int, Library] = {}
    held: dict[int, Library] = {}
    volumes: set[str] = set()
    there = []
    for copy in copies:
        volumes.add(copy.volume)
        if copy.state not in queries.NOWHERE:
            held[copy.at_library_id] = copy.at_library
            there.append(copy)
        if copy.free:  # type: ignore[attr-defined]  # annotated
            free[copy.at_library_id] = copy.at_library
    ordered, served_here = sorted(volumes, key=volume_order), not free.keys().isdisjoint(served)
    return Availability(_shown(free), _shown(held), ordered, served=served_here, kept=are_kept(there))


def by_volume(copies: Iterable[Copy]) -> dict[str, Availability]:
    """The availability of each volume in which these copies of one title come, in the order of the shelf."""
    found: dict[str, list[Copy]] = {}
    served = queries.libraries_with_points()
    for copy in copies:
        found.setdefault(copy.volume, []).append(copy)
    return {volume: _of_copies(found[volume], served) for volume in sorted(found, key=volume_order)}


def volume_order(volume: str) -> tuple[int, str]:
    """Volumes as they stand on the shelf: 2 before 10."""
    digits = "".join(ch for ch in volume if ch.isascii() and ch.isdigit())
    return int(digits or 0), volume


def _shown(libraries: dict[int, Library]) -> list[Library]:
    return sorted(libraries.values(), key=lambda library: (library.position, library.pk))
