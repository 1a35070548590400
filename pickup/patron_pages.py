"""Pages for librarians about people: find, enrol, keep right, hand out a code, lift a wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core import access
from core.once import once
from core.refusal import BadInput, NotFound, Refusal
from lending import (
    accounts,
    allowances,
    auth,
    codes,
    consents,
    contacts,
    loans,
    patrons,
    rules,
    standings,
    strikes,
    wishes,
)
from lending import queries as lending_queries
from lending.forms import ConsentForm, LanguageForm, NeedsForm, TextsForm, ToldForm
from lending.pages import key_of, show
from notifications import phone, transports
from pickup import bags, preferences, queries, turns
from pickup.desk_forms import CallerForm, EnrolForm, GrantForm, PatronForm, TimesForm
from pickup.names import whole_number
from pickup.preference_pages import told_by
from pickup.staff_pages import Here, at_library
from pickup.states import OPEN_ORDER

if TYPE_CHECKING:
    from lending.models import Patron

FOUND = 20
SCREEN = "patrons"  # the purpose under which it is noted who was looked at


def _show(
    request: HttpRequest, here: Here, template: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    return show(request, template, {**here.context, **context}, status=status)


@at_library
@require_http_methods(["GET", "HEAD", "POST"])
def find(request: HttpRequest, here: Here) -> HttpResponse:
    """Whose record? Found by card, telephone number or name; sent as a form, so that no address bears a name."""
    form = CallerForm(request.POST if request.method == "POST" else None)
    if request.method != "POST" or not form.is_valid():
        return _show(request, here, "pickup/staff/patrons.html", {"form": form}, status=form.status)
    library = here.library
    some = list(patrons.find(form.cleaned_data["caller"], library_ids=[library.pk], region=library.region)[: FOUND + 1])
    if not some:
        form.add_error("caller", _("Nobody was found. Please ask for the card number, or for the whole name."))
    access.saw([f"patron:{one.pk}" for one in some[:FOUND]], purpose=SCREEN, by=here.by, now=here.now)
    context = {"form": form, "found": [patrons.hint(one) for one in some[:FOUND]], "more": len(some) > FOUND}
    return _show(request, here, "pickup/staff/patrons.html", context, status=404 if not some else 200)


@at_library
@require_http_methods(["GET", "HEAD", "POST"])
def enrol(request: HttpRequest, here: Here) -> HttpResponse:
    """A new patron of this library, with what they agreed to."""
    form = EnrolForm(request.POST or None, initial={"language": "ko"})
    status = form.status
    if request.method == "POST" and form.is_valid():
        told = form.cleaned_data
        try:
            with once(here.by, request, key=key_of(request)) as answer:
                made = patrons.enrol(
                    card_number=told["card_number"],
                    name=told["name"],
                    home_id=here.library.pk,
                    number=told["number"],
                    language=told["language"],
                    child_until=told["child_until"],
                    by=here.by,
                    now=here.now,
                )
                for what, given in zip(consents.ASKED_AT_ENROLMENT, (told["agrees"], told["abroad"]), strict=True):
                    consents.answer(
                        patron_id=made.pk,
                        what=what,
                        given=given,
                        guardian=told["guardian"],
                        by=here.by,
                        now=here.now,
                    )
                return answer.redirect(here.to("patron", made.pk))
        except Refusal as refusal:
            form.refuse(refusal)
            status = refusal.status
    return _show(request, here, "pickup/staff/enrol.html", {"form": form}, status=status)


@at_library
@require_safe
def patron(request: HttpRequest, here: Here, patron_id: int) -> HttpResponse:
    """All that staff may know of one patron, each with its form."""
    who = _served(here, patron_id)
    access.saw([f"patron:{who.pk}"], purpose=SCREEN, by=here.by, now=here.now, needs=bool(who.what_to_do))
    return _show(request, here, "pickup/staff/patron.html", _shown(here, who))


def _shown(here: Here, who: Patron) -> dict[str, Any]:
    programmes = auth.programmes_of(here.by)
    grants = allowances.granted(who.pk, programmes)
    standing = consents.standing(who.pk)
    agreed = consents.agreed(who.household_id) if who.household_id else {}
    members = lending_queries.patrons_of([here.library.pk]).filter(household_id=who.household_id or 0)
    return {
        "patron": who,
        "form": PatronForm(
            initial={
                "name": who.name,
                "accessible_place": who.accessible_place,
                "child_until": who.child_until,
                "blocked_until": who.blocked_until,
            }
        ),
        "needs_form": NeedsForm(initial={"needs": who.needs, "needs_note": who.needs_note}),
        "texts_form": TextsForm(who=who, mails=transports.mail() is not None),
        "ways": contacts.WAYS,
        "times_form": TimesForm(initial=told_by(who.pk)),
        "contacts": [(one, phone.display(one.number, who.home.region)) for one in contacts.of(who.pk)],
        "members": [(one, agreed.get(one.pk, False)) for one in members.exclude(pk=who.pk).order_by("name", "pk")],
        "mine": agreed.get(who.pk, False),
        "consents": [(what, label, standing.get(what)) for what, label in consents.What.choices],
        "child": consents.is_child(who, here.now),
        "wait": accounts.wait_of(card_number=who.card_number, now=here.now),
        "standing": standings.of(who, here.library, now=here.now),
        "mails": transports.mail() is not None,
        "forgivable": strikes.Forgiven.choices,
        "standing_bags": bags.of(queries.bags(patron_id=who.pk, state__in=OPEN_ORDER), now=here.now),
        "waiting": turns.of(list(lending_queries.reservations_of(who.pk).filter(state__in=wishes.FREE)), now=here.now),
        "at_home": [
            (loan, rules.overdue_days(loan.due_on, lending_queries.today(loan.library, here.now)))
            for loan in lending_queries.at_home().filter(patron=who, programme=who.home.programme_id)
        ],
        "grants": grants,
        "grant_form": GrantForm(classes=allowances.of_programmes(programmes)),
        "today": here.today,
        "has_pin": who.account is not None and who.account.has_usable_password(),
    }


@never_cache
@at_library
@require_POST
def give_code(request: HttpRequest, here: Here, patron_id: int) -> HttpResponse:
    """A one-time code for somebody who stands here; it is on the screen once, and nobody tells a PIN."""
    who = _served(here, patron_id)
    code = codes.give(patron_id=who.pk, by=here.by, now=here.now)
    access.saw([f"patron:{who.pk}"], purpose="give-code", by=here.by, now=here.now)
    context = {"patron": who, "code": f"{code[:3]} {code[3:]}"}
    return _show(request, here, "pickup/staff/give_code.html", context)


@at_library
@require_POST
def settle(request: HttpRequest, here: Here, patron_id: int, act: str) -> HttpResponse:
    """Change one thing about a patron; which one is `act`."""
    who = _served(here, patron_id)
    change = ACTS.get(act)
    if change is None:
        raise NotFound
    with once(here.by, request, key=key_of(request)) as answer:
        said = change(request, here, who)
        response = answer.redirect(here.to("patron", who.pk))
    messages.success(request, said)
    return response


def _served(here: Here, patron_id: int) -> Patron:
    found = lending_queries.patrons_of([here.library.pk]).select_related("account").filter(pk=patron_id).first()
    if found is None:
        raise NotFound
    return found


def _correct(request: HttpRequest, here: Here, who: Patron) -> str:
    form = PatronForm(request.POST)
    if not form.is_valid():
        raise BadInput(field=next(iter(form.errors)))
    patrons.correct(patron_id=who.pk, **form.cleaned_data, by=here.by, now=here.now)
    return _("Saved.")


def _speak(request: HttpRequest, here: Here, who: Patron) -> str:
    form = LanguageForm(request.POST)
    if not form.is_valid():
        raise BadInput(field="language")
    patrons.speak(patron_id=who.pk, language=form.cleaned_data["language"], by=here.by, now=here.now)
    return _("Saved.")


def _needs(request: HttpRequest, here: Here, who: Patron) -> str:
    form = NeedsForm(request.POST)
    if not form.is_valid():
        raise BadInput(field=next(iter(form.errors)))
    patrons.note_needs(patron_id=who.pk, **form.cleaned_data, by=here.by, now=here.now)
    return _("Saved.")


def _times(request: HttpRequest, here: Here, who: Patron) -> str:
    form = TimesForm(request.POST)
    if not form.is_valid():
        raise BadInput(field=next(iter(form.errors)))
    preferences.note(patron_id=who.pk, **form.cleaned_data, by=here.by, now=here.now)
    return _("Saved.")


def _number(request: HttpRequest, here: Here, who: Patron) -> str:
    number = patrons.read_number(request.POST.get("number", ""), who.home)
    contacts.add_own(patron_id=who.pk, number=number, by=here.by, now=here.now)
    return _("The number was added and comes first.")


def _forget_number(request: HttpRequest, here: Here, who: Patron) -> str:
    contact_id = whole_number(request.POST.get("contact", ""))
    contacts.remove(patron_id=who.pk, contact_id=contact_id, by=here.by, now=here.now)
    return _("The number is forgotten.")


def _mail(request: HttpRequest, here: Here, who: Patron) -> str:
    contact_id, mail = whole_number(request.POST.get("contact", "")), request.POST.get("mail", "")
    contacts.set_mail(patron_id=who.pk, contact_id=contact_id, mail=mail, by=here.by, now=here.now)
    return _("Saved.")


def _told(request: HttpRequest, here: Here, who: Patron) -> str:
    form = ToldForm(request.POST)
    if not form.is_valid():
        raise BadInput(field=next(iter(form.errors)))
    contact_id = whole_number(request.POST.get("contact", ""))
    contacts.use(patron_id=who.pk, contact_id=contact_id, **form.chosen, by=here.by, now=here.now)
    return _("Saved.")


def _texts(request: HttpRequest, here: Here, who: Patron) -> str:
    form = TextsForm(request.POST, who=who, mails=transports.mail() is not None)
    if not form.is_valid():
        raise BadInput(field=next(iter(form.errors)))
    patrons.choose_texts(patron_id=who.pk, **form.chosen, by=here.by, now=here.now)
    return _("Saved.")


def _live_with(request: HttpRequest, here: Here, who: Patron) -> str:
    other = patrons.by_card(request.POST.get("card_number", ""))
    _served(here, other.pk)
    consents.live_with(patron_id=who.pk, other_id=other.pk, by=here.by, now=here.now)
    return _("They are one household. They are served together once all of them agreed.")


def _live_apart(request: HttpRequest, here: Here, who: Patron) -> str:
    consents.live_apart(patron_id=who.pk, by=here.by, now=here.now)
    return _("Saved.")


def _consent(request: HttpRequest, here: Here, who: Patron) -> str:
    form = ConsentForm(request.POST)
    if not form.is_valid():
        raise BadInput(field=next(iter(form.errors)))
    told = form.cleaned_data
    consents.answer(
        patron_id=who.pk,
        what=told["what"],
        given=told["given"] == "yes",
        guardian=told["guardian"],
        by=here.by,
        now=here.now,
    )
    return _("Noted, with day and your name.")


def _lift(request: HttpRequest, here: Here, who: Patron) -> str:
    accounts.lift_wait(card_number=who.card_number)
    return _("The card can be tried again at once.")


def _forgive(request: HttpRequest, here: Here, who: Patron) -> str:
    why = request.POST.get("why", "")
    if not why:
        raise BadInput(field="why")
    strikes.forgive(patron_id=who.pk, programme_id=here.library.programme_id, why=why, by=here.by, now=here.now)
    return _("Taken back. Nothing is held against them any more.")


def _lost(request: HttpRequest, here: Here, who: Patron) -> str:
    mine = lending_queries.at_home().filter(patron=who, programme=who.home.programme_id)
    loan = mine.filter(pk=whole_number(request.POST.get("loan", ""))).first()
    if loan is None:
        raise NotFound
    loans.lost(loan_id=loan.pk, by=here.by, now=here.now)
    return _("Noted: the book is lost and the loan is over. Should it turn up, scan it at the returns desk.")


def _grant(request: HttpRequest, here: Here, who: Patron) -> str:
    form = GrantForm(request.POST, classes=allowances.of_programmes(auth.programmes_of(here.by)))
    if not form.is_valid():
        raise BadInput(field=next(iter(form.errors)))
    allowances.grant(
        patron_id=who.pk,
        allowance_id=form.cleaned_data["allowance"],
        until=form.cleaned_data["until"],
        today=here.today,
        by=here.by,
        now=here.now,
    )
    return _("Saved. The larger limits hold at once.")


def _withdraw(request: HttpRequest, here: Here, who: Patron) -> str:
    mine = allowances.of_programmes(auth.programmes_of(here.by))
    found = mine.filter(pk=whole_number(request.POST.get("allowance", ""))).first()
    if found is None:
        raise NotFound
    allowances.withdraw(patron_id=who.pk, allowance_id=found.pk)
    return _("Withdrawn. The rules hold as for everybody.")


ACTS: dict[str, Callable[[HttpRequest, Here, Patron], str]] = {
    "correct": _correct,
    "language": _speak,
    "needs": _needs,
    "times": _times,
    "number": _number,
    "forget-number": _forget_number,
    "mail": _mail,
    "told": _told,
    "texts": _texts,
    "household": _live_with,
    "apart": _live_apart,
    "consent": _consent,
    "lift": _lift,
    "forgive": _forgive,
    "lost": _lost,
    "grant": _grant,
    "withdraw": _withdraw,
}
