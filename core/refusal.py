"""A refusal: what happened, why, and a way on, with a code that programs can rely on."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar

from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


DAYS = frozenset({"until", "again_on", "due_on", "expected_on"})
"""The facts that are days: ISO dates for programs, the words of the reader's language in a sentence."""


class Refusal(Exception):
    """Something that was asked for and cannot be granted.

    A subclass gives a stable `code`, an HTTP `status` and a `sentence` whose %(name)s places are filled from the
    keyword arguments. The arguments themselves travel with it as `facts` (JSON values), so a program finds the way
    on, such as the next free slots, without reading the sentence.
    """

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 409
    sentence: ClassVar[StrOrPromise] = _("This is not possible right now.")

    def __init__(self, *, field: str = "", retry_after: int | None = None, **facts: Any) -> None:
        super().__init__(self.code)
        self.field = field
        self.retry_after = retry_after
        self.facts = facts

    def __str__(self) -> str:
        return str(self.sentence) % self.said

    @property
    def said(self) -> dict[str, Any]:
        """The facts as a sentence says them."""
        return {name: _in_words(fact) if name in DAYS and fact else fact for name, fact in self.facts.items()}


def _in_words(day: str) -> str:
    return date_format(date.fromisoformat(day), "DATE_FORMAT")


class BadInput(Refusal):
    """What was sent cannot be read; `field` names the place."""

    code = "invalid"
    status = 400
    sentence = _("Please check what you entered and try again.")


class NotFound(Refusal):
    """No such row, or not one that the asker may know of: the answer is the same."""

    code = "not_found"
    status = 404
    sentence = _("We could not find that.")


class Forbidden(Refusal):
    """The asker is known, the row is theirs to see, the act is not theirs to do."""

    code = "forbidden"
    status = 403
    sentence = _("Your account may not do this. Please ask a colleague who may.")


class TooMany(Refusal):
    """More attempts than the limit; `retry_after` says in how many seconds to come back."""

    code = "too_many_attempts"
    status = 429
    sentence = _("Too many attempts. Please wait a few minutes and try again, or call the library.")
