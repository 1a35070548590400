"""Find titles by a few letters of any of their words; lending/grams.py says what finding means."""

from __future__ import annotations

from typing import Final

from django.contrib.postgres.search import SearchQuery
from django.db.models import Case, F, Func, IntegerField, Q, QuerySet, Value, When
from django.db.models.functions import Length
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


_SIGNS: Final = " !\"$%&'()*,-./:;<=>?@[\\]^_`{|}~·…–—‘’“”ʻʼ「」『』《》〈〉\u3000、。，：；！？（）"
"""The spaces and signs that titles are written with and that folding drops; others are too rare to matter here."""


def find(q: str, *, practice: bool = False) -> QuerySet[Title]:
    """Titles in which each word of `q` occurs: first those that it is the whole of, as far as letters and digits go,
    then those that begin with it; within each the newest come first.

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
    begins = Q(searchable__startswith=grams.compact(asked))
    typed = len(grams.normalise(asked).replace(" ", ""))
    letters = Length(Func(F("title"), Value(_SIGNS), Value(""), function="translate"))
    short = Q(long__lte=len(asked.strip()) + typed // 2 + 2)  # so that letters are counted only where they may fit
    rank = Case(
        When(begins & short & Q(letters=typed), then=Value(0)),
        When(begins, then=Value(1)),
        default=Value(2),
        output_field=IntegerField(),
    )
    ranked = found.alias(long=Length("title"), letters=letters, rank=rank)
    return ranked.order_by("rank", F("year").desc(nulls_last=True), "pk")
