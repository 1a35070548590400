"""Find titles by a few letters of any of their words; lending/grams.py says what finding means."""

from __future__ import annotations

from typing import Final

from django.contrib.postgres.search import SearchQuery
from django.db.models import Case, F, IntegerField, QuerySet, Value, When
from django.utils.translation import gettext_lazy as _

from core.refusal import BadInput
from lending import grams, queries
from lending.isbn import isbn13
from lending.models import Title

LONGEST_QUERY: Final = 200  # characters that are looked at; the rest is cut off
MOST_WORDS: Final = 12


class UnreadableQuery(BadInput):
    code = "unreadable_query"
    sentence = _("There is a character in it that cannot be read. Please type the words anew.")


class _AllOf(SearchQuery):
    """A tsquery that asks for every term, taken as they are: no parser looks into them."""

    template = "%(expressions)s::tsquery"

    def __init__(self, terms: list[str]) -> None:
        super().__init__(" & ".join("'" + term.replace("\\", "\\\\").replace("'", "''") + "'" for term in terms))


def find(q: str, *, practice: bool = False) -> QuerySet[Title]:
    """Titles in which each word of `q` occurs; those that begin with it first, then the newest.

    An ISBN of 10 or 13 digits finds its title, first consonants find Hangul titles, one syllable is enough. What is
    beyond 200 characters or 12 words is not looked at; nothing asked finds nothing. Refuses a NUL character with
    `unreadable_query`. `practice` looks among the books of rehearsals instead.
    """
    if "\x00" in q:
        raise UnreadableQuery(field="q")
    asked = q[:LONGEST_QUERY]
    isbn = isbn13(asked.strip())
    titles = queries.titles(practice=practice)
    if isbn and titles.filter(isbn=isbn).exists():
        return titles.filter(isbn=isbn).order_by(F("year").desc(nulls_last=True), "pk")
    words = grams.words(asked)[:MOST_WORDS]
    if not words:
        return Title.objects.none()
    found = titles.filter(grams=_AllOf(grams.query_grams(" ".join(words))))
    for word in words:
        found = found.filter(searchable__contains=word)
    begins = Case(
        When(searchable__startswith=grams.compact(asked), then=Value(0)), default=Value(1), output_field=IntegerField()
    )
    return found.alias(begins=begins).order_by("begins", F("year").desc(nulls_last=True), "pk")
