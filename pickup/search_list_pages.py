"""The search list: books that were not on their shelf, in shelf order; also where there is no pickup place."""

from __future__ import annotations

from dataclasses import replace

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core import clock
from core.actor import Actor
from core.once import once
from core.refusal import NotFound
from lending import auth, members, missing
from lending import queries as lending_queries
from lending.pages import key_of, show, signed_in
from pickup.staff_pages import Here, at_library, of_library


@at_library
@require_safe
def search_list(request: HttpRequest, here: Here) -> HttpResponse:
    """What to look for, with who looked on which day, and what comes next."""
    today = lending_queries.today(here.library, here.now)
    sought = missing.at(here.library, now=here.now)
    context = {
        **here.context,
        "due": [one for one in sought if one.due_on <= today],
        "later": [one for one in sought if one.due_on > today],
        "looks": missing.LOOKS,
        "names": members.names_of(look.principal for one in sought for look in one.looks),
    }
    return show(request, "pickup/staff/search_list.html", context)


@signed_in
@require_POST
def act(request: HttpRequest, copy_id: int, what: str) -> HttpResponse:
    """What came of looking. `what` is one of looked, found, lost."""
    by, now = replace(Actor.of(request), channel="desk"), clock.now()
    copy = lending_queries.copy_within(copy_id, auth.require_any_staff(by))
    verb, said = {
        "looked": (missing.looked, _("Noted. Please look once more on another day.")),
        "found": (missing.found, _("Good. Onto the return cart, please; who waits longest gets it.")),
        "lost": (missing.give_up, _("Noted: it is lost. Should it turn up, scan it at the returns desk.")),
    }.get(what, (None, ""))
    if copy is None or verb is None:
        raise NotFound
    with once(by, request, key=key_of(request)) as answer:
        verb(copy_id=copy_id, by=by, now=now)
        response = answer.redirect(of_library(request, "search-list", copy.at_library))
    messages.success(request, said)
    return response
