"""For managers: what the library's texts say, and its own words in their place, measured while they are written."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from core.once import once
from core.refusal import BadInput, Refusal
from lending import auth, members
from lending.pages import key_of
from notifications import wording, words
from pickup.desk_forms import WordsForm
from pickup.saying import House, house_of
from pickup.staff_pages import Desk, at_desk, show_desk

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

KINDS: dict[str, StrOrPromise] = {
    "notice": gettext_lazy("What we tell"),
    "answer": gettext_lazy("Answers to texts"),
    "reminder": gettext_lazy("About books on loan"),
    "code": gettext_lazy("Codes for signing in"),
}
WHERE: dict[str, StrOrPromise] = {
    "reply": gettext_lazy("where answers arrive"),
    "link": gettext_lazy("where a link may be sent"),
    "reply_link": gettext_lazy("where answers arrive and a link may be sent"),
}


@at_desk
@require_safe
def texts(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Every text by kind, in both languages, with how long each is at its longest."""
    house = _house(desk)
    listed = [(row, house.measure(row.key, row.language, row.said)) for row in words.listed(house.sender)]
    of_kind: dict[str, list[tuple[StrOrPromise, list[tuple[words.Listed, words.Measured]]]]] = {
        kind: [] for kind in KINDS
    }
    for (kind, key), rows in itertools.groupby(listed, key=lambda one: (one[0].kind, one[0].key)):
        of_kind[kind].append((_where(key), list(rows)))
    context = {
        "house": house,
        "groups": [(KINDS[kind], rows) for kind, rows in of_kind.items() if rows],
        "own": sum(bool(row.own) for row, _measured in listed),
    }
    return show_desk(request, desk, "pickup/staff/texts.html", context)


@at_desk
@require_http_methods(["GET", "HEAD", "POST"])
def text(request: HttpRequest, desk: Desk, key: str, language: str) -> HttpResponse:
    """One text: look at other words, keep them, or take back those that came with the service."""
    house = _house(desk)
    row = words.one(house.sender, key, language)
    form = WordsForm(request.POST if request.method == "POST" else None, initial={"body": row.said})
    measured, refused, status = None, "", 200
    try:
        if request.method == "POST" and request.POST.get("step") in {"save", "plain"}:
            return _act(request, desk, house, row)
        body = request.POST.get("body", "") if request.method == "POST" else row.said
        measured = house.measure(key, language, body)
    except Refusal as refusal:
        if refusal.field != "body":
            raise
        refused = str(refusal)
        # What is looked at while somebody types is an answer, not an error.
        status = 200 if request.headers.get("HX-Request") == "true" else refusal.status
    sentence = wording.sentence(key)
    examples = {**wording.examples(key, language), **house.longest(language)}
    must = sentence.must(language)
    context = {
        "house": house,
        "row": row,
        "where": _where(key),
        "form": form,
        "measured": measured,
        "refused": refused,
        "places": [(f"{{{name}}}", examples.get(name, ""), name in must) for name in sorted(sentence.may())],
    }
    return show_desk(request, desk, "pickup/staff/text.html", context, status=status)


def _act(request: HttpRequest, desk: Desk, house: House, row: words.Listed) -> HttpResponse:
    about = {"sender_key": house.sender.key, "key": row.key, "language": row.language}
    with once(desk.by, request, key=key_of(request)) as answer:
        if request.POST.get("step") == "save":
            body = request.POST.get("body")
            if body is None:
                raise BadInput(field="step")
            house.measure(row.key, row.language, body)  # also with the longest name it can be sent
            words.change(**about, body=body, by=desk.by, now=desk.now)
            messages.success(request, _("Saved. Texts that wait already keep their words."))
        else:
            words.take_back(**about)
            messages.success(request, _("The words that came with the service are back."))
        return answer.redirect(desk.to("texts"))


def _house(desk: Desk) -> House:
    auth.require_staff(desk.by, desk.point.library_id, members.Role.MANAGER)
    return house_of(desk.point.library)


def _where(key: str) -> StrOrPromise:
    """Where this variant of a sentence is said."""
    return WHERE.get(key.rpartition(".")[2], "")
