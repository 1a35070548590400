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
from lending import accounts, allowances, auth, codes, consents, contacts, loans, patrons, standings, strikes, wishes
from lending import queries as lending_queries
from lending.forms import ConsentForm, LanguageForm, NeedsForm, TextsForm, ToldForm
from lending.pages import key_of
from notifications import phone, transports
from pickup import bags, preferences, queries, turns
from pickup.forms import CallerForm, EnrolForm, GrantForm, PatronForm, TimesForm
from pickup.names import whole_number
from pickup.preference_pages import told_by
from pickup.staff_pages import Desk, at_desk, show_desk
from pickup.states import OPEN_ORDER

if TYPE_CHECKING:
    from lending.models import Patron

FOUND = 20
SCREEN = "patrons"  # the purpose under which it is noted who was looked at


@at_desk
@require_http_methods(["GET", "HEAD", "POST"])
def find(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Whose record? Found by card, telephone number or name; sent as a form, so that no address bears a name."""
    form = CallerForm(request.POST if request.method == "POST" else None)
    if request.method != "POST" or not form.is_valid():
        return show_desk(request, desk, "pickup/staff/patrons.html", {"form": form}, status=form.status)
    library = desk.point.library
    some = list(patrons.find(form.cleaned_data["caller"], library_ids=[library.pk], region=library.region)[: FOUND + 1])
    if not some:
        form.add_error("caller", _("Nobody was found. Please ask for the card number, or for the whole name."))
    access.saw([f"patron:{one.pk}" for one in some[:FOUND]], purpose=SCREEN, by=desk.by, now=desk.now)
    context = {"form": form, "found": [patrons.hint(one) for one in some[:FOUND]], "more": len(some) > FOUND}
    return show_desk(request, desk, "pickup/staff/patrons.html", context, status=404 if not some else 200)


@at_desk
@require_http_methods(["GET", "HEAD", "POST"])
def enrol(request: HttpRequest, desk: Desk) -> HttpResponse:
    """A new patron of this library, with what they agreed to."""
    form = EnrolForm(request.POST or None, initial={"language": "ko"})
    status = form.status
    if request.method == "POST" and form.is_valid():
        told = form.cleaned_data
        try:
            with once(desk.by, request, key=key_of(request)) as answer:
                made = patrons.enrol(
                    card_number=told["card_number"],
                    name=told["name"],
                    home_id=desk.point.library_id,
                    number=told["number"],
                    language=told["language"],
                    child_until=told["child_until"],
                    by=desk.by,
                    now=desk.now,
                )
                for what, given in zip(consents.ASKED_AT_ENROLMENT, (told["agrees"], told["abroad"]), strict=True):
                    consents.answer(
                        patron_id=made.pk,
                        what=what,
                        given=given,
                        guardian=told["guardian"],
                        by=desk.by,
                        now=desk.now,
                    )
                return answer.redirect(desk.to("patron", made.pk))
        except Refusal as refusal:
            form.refuse(refusal)
            status = refusal.status
    return show_desk(request, desk, "pickup/staff/enrol.html", {"form": form}, status=status)


@at_desk
@require_safe
def patron(request: HttpRequest, desk: Desk, patron_id: int) -> HttpResponse:
    """All that staff may know of one patron, each with its form."""
    who = _served(desk, patron_id)
    access.saw([f"patron:{who.pk}"], purpose=SCREEN, by=desk.by, now=desk.now, needs=bool(who.what_to_do))
    return show_desk(request, desk, "pickup/staff/patron.html", _shown(desk, who))


def _shown(desk: Desk, who: Patron) -> dict[str, Any]:
    programmes = auth.programmes_of(desk.by)
    grants = allowances.granted(who.pk, programmes)
    standing = consents.standing(who.pk)
    agreed = consents.agreed(who.household_id) if who.household_id else {}
    members = lending_queries.patrons_of([desk.point.library_id]).filter(household_id=who.household_id or 0)
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
        "child": consents.is_child(who, desk.now),
        "wait": accounts.wait_of(card_number=who.card_number, now=desk.now),
        "standing": standings.of(who, lending_queries.library_with_rules(desk.point.library_id), now=desk.now),
        "mails": transports.mail() is not None,
        "forgivable": strikes.Forgiven.choices,
        "standing_bags": bags.of(queries.bags(patron_id=who.pk, state__in=OPEN_ORDER), now=desk.now),
        "waiting": turns.of(list(lending_queries.reservations_of(who.pk).filter(state__in=wishes.FREE)), now=desk.now),
        "at_home": lending_queries.at_home().filter(patron=who, programme=who.home.programme_id),
        "grants": grants,
        "grant_form": GrantForm(classes=allowances.of_programmes(programmes)),
        "today": desk.today,
        "has_pin": who.account is not None and who.account.has_usable_password(),
    }


@never_cache
@at_desk
@require_POST
def give_code(request: HttpRequest, desk: Desk, patron_id: int) -> HttpResponse:
    """A one-time code for somebody who stands here; it is on the screen once, and nobody tells a PIN."""
    who = _served(desk, patron_id)
    code = codes.give(patron_id=who.pk, by=desk.by, now=desk.now)
    access.saw([f"patron:{who.pk}"], purpose="give-code", by=desk.by, now=desk.now)
    context = {"patron": who, "code": f"{code[:3]} {code[3:]}"}
    return show_desk(request, desk, "pickup/staff/give_code.html", context)


@at_desk
@require_POST
def settle(request: HttpRequest, desk: Desk, patron_id: int, act: str) -> HttpResponse:
    """Change one thing about a patron; which one is `act`."""
    who = _served(desk, patron_id)
    change = ACTS.get(act)
    if change is None:
        raise NotFound
    with once(desk.by, request, key=key_of(request)) as answer:
        said = change(request, desk, who)
        response = answer.redirect(desk.to("patron", who.pk))
    messages.success(request, said)
    return response


def _served(desk: Desk, patron_id: int) -> Patron:
    found = lending_queries.patrons_of([desk.point.library_id]).select_related("account").filter(pk=patron_id).first()
    if found is None:
        raise NotFound
    return found


def _correct(request: HttpRequest, desk: Desk, who: Patron) -> str:
    form = PatronForm(request.POST)
    if not form.is_valid():
        raise BadInput(field=next(iter(form.errors)))
    patrons.correct(patron_id=who.pk, **form.cleaned_data, by=desk.by, now=desk.now)
    return _("Saved.")


def _speak(request: HttpRequest, desk: Desk, who: Patron) -> str:
    form = LanguageForm(request.POST)
    if not form.is_valid():
        raise BadInput(field="language")
    patrons.speak(patron_id=who.pk, language=form.cleaned_data["language"], by=desk.by, now=desk.now)
    return _("Saved.")


def _needs(request: HttpRequest, desk: Desk, who: Patron) -> str:
    form = NeedsForm(request.POST)
    if not form.is_valid():
        raise BadInput(field=next(iter(form.errors)))
    patrons.note_needs(patron_id=who.pk, **form.cleaned_data, by=desk.by, now=desk.now)
    return _("Saved.")


def _times(request: HttpRequest, desk: Desk, who: Patron) -> str:
    form = TimesForm(request.POST)
    if not form.is_valid():
        raise BadInput(field=next(iter(form.errors)))
    preferences.note(patron_id=who.pk, **form.cleaned_data, by=desk.by, now=desk.now)
    return _("Saved.")


def _number(request: HttpRequest, desk: Desk, who: Patron) -> str:
    number = patrons.read_number(request.POST.get("number", ""), who.home)
    contacts.add_own(patron_id=who.pk, number=number, by=desk.by, now=desk.now)
    return _("The number was added and comes first.")


def _forget_number(request: HttpRequest, desk: Desk, who: Patron) -> str:
    contact_id = whole_number(request.POST.get("contact", ""))
    contacts.remove(patron_id=who.pk, contact_id=contact_id, by=desk.by, now=desk.now)
    return _("The number is forgotten.")


def _mail(request: HttpRequest, desk: Desk, who: Patron) -> str:
    contact_id, mail = whole_number(request.POST.get("contact", "")), request.POST.get("mail", "")
    contacts.set_mail(patron_id=who.pk, contact_id=contact_id, mail=mail, by=desk.by, now=desk.now)
    return _("Saved.")


def _told(request: HttpRequest, desk: Desk, who: Patron) -> str:
    form = ToldForm(request.POST)
    if not form.is_valid():
        raise BadInput(field=next(iter(form.errors)))
    contact_id = whole_number(request.POST.get("contact", ""))
    contacts.use(patron_id=who.pk, contact_id=contact_id, **form.chosen, by=desk.by, now=desk.now)
    return _("Saved.")


def _texts(request: HttpRequest, desk: Desk, who: Patron) -> str:
    form = TextsForm(request.POST, who=who, mails=transports.mail() is not None)
    if not form.is_valid():
        raise BadInput(field=next(iter(form.errors)))
    patrons.choose_texts(patron_id=who.pk, **form.chosen, by=desk.by, now=desk.now)
    return _("Saved.")


def _live_with(request: HttpRequest, desk: Desk, who: Patron) -> str:
    other = patrons.by_card(request.POST.get("card_number", ""))
    _served(desk, other.pk)
    consents.live_with(patron_id=who.pk, other_id=other.pk, by=desk.by, now=desk.now)
    return _("They are one household. They are served together once all of them agreed.")


def _live_apart(request: HttpRequest, desk: Desk, who: Patron) -> str:
    consents.live_apart(patron_id=who.pk, by=desk.by, now=desk.now)
    return _("Saved.")


def _consent(request: HttpRequest, desk: Desk, who: Patron) -> str:
    form = ConsentForm(request.POST)
    if not form.is_valid():
        raise BadInput(field=next(iter(form.errors)))
    told = form.cleaned_data
    consents.answer(
        patron_id=who.pk,
        what=told["what"],
        given=told["given"] == "yes",
        guardian=told["guardian"],
        by=desk.by,
        now=desk.now,
    )
    return _("Noted, with day and your name.")


def _lift(request: HttpRequest, desk: Desk, who: Patron) -> str:
    accounts.lift_wait(card_number=who.card_number)
    return _("The card can be tried again at once.")


def _forgive(request: HttpRequest, desk: Desk, who: Patron) -> str:
    library = lending_queries.library_with_rules(desk.point.library_id)
    why = request.POST.get("why", "")
    if not why:
        raise BadInput(field="why")
    strikes.forgive(patron_id=who.pk, programme_id=library.programme_id, why=why, by=desk.by, now=desk.now)
    return _("Taken back. Nothing is held against them any more.")


def _lost(request: HttpRequest, desk: Desk, who: Patron) -> str:
    mine = lending_queries.at_home().filter(patron=who, programme=who.home.programme_id)
    loan = mine.filter(pk=whole_number(request.POST.get("loan", ""))).first()
    if loan is None:
        raise NotFound
    loans.lost(loan_id=loan.pk, by=desk.by, now=desk.now)
    return _("Noted: the book is lost and the loan is over. Should it turn up, scan it at the returns desk.")


def _grant(request: HttpRequest, desk: Desk, who: Patron) -> str:
    form = GrantForm(request.POST, classes=allowances.of_programmes(auth.programmes_of(desk.by)))
    if not form.is_valid():
        raise BadInput(field=next(iter(form.errors)))
    allowances.grant(
        patron_id=who.pk,
        allowance_id=form.cleaned_data["allowance"],
        until=form.cleaned_data["until"],
        today=desk.today,
        by=desk.by,
        now=desk.now,
    )
    return _("Saved. The larger limits hold at once.")


def _withdraw(request: HttpRequest, desk: Desk, who: Patron) -> str:
    mine = allowances.of_programmes(auth.programmes_of(desk.by))
    found = mine.filter(pk=whole_number(request.POST.get("allowance", ""))).first()
    if found is None:
        raise NotFound
    allowances.withdraw(patron_id=who.pk, allowance_id=found.pk)
    return _("Withdrawn. The rules hold as for everybody.")


ACTS: dict[str, Callable[[HttpRequest, Desk, Patron], str]] = {
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
