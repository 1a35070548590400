"""Pages for managers: who works here and as what, and who looked at whose records."""

from __future__ import annotations

from datetime import date

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.once import once
from core.refusal import BadInput, NotFound, Refusal
from lending import auth, members, reviews, second_factor
from lending.pages import key_of
from lending.staff_forms import MemberForm
from pickup.names import whole_number
from pickup.staff_pages import Desk, at_desk, show_desk

MONTHS = 12  # that can be looked back at: looks are kept for a year


@at_desk
@require_http_methods(["GET", "HEAD", "POST"])
def roles(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Who works in the library; somebody new, or a colleague of another library, is added."""
    library_id = desk.point.library_id
    auth.require_staff(desk.by, library_id, members.Role.MANAGER)
    form = MemberForm(request.POST or None)
    status = form.status
    if request.method == "POST" and form.is_valid():
        told = form.cleaned_data
        known = {"library_id": library_id, "username": told["username"], "role": told["role"]}
        try:
            with once(desk.by, request, key=key_of(request)) as answer:
                if told["password"]:
                    members.hire(**known, name=told["name"], password=told["password"])
                else:
                    members.give(**known)
                return answer.redirect(desk.to("roles"))
        except NotFound:
            form.add_error("password", _("Nobody has this user name yet: choose a first password for them."))
            status = 404
        except Refusal as refusal:
            form.refuse(refusal)
            status = refusal.status
    context = {
        "form": form,
        "members": [(one, second_factor.has(one.account_id)) for one in members.of(library_id)],
        "me": desk.by.id,
    }
    return show_desk(request, desk, "pickup/staff/roles.html", context, status=status)


@at_desk
@require_POST
def change_role(request: HttpRequest, desk: Desk, account_id: int, act: str) -> HttpResponse:
    """Another role, none any more, or a lost authenticator. `act` is one of librarian, manager, leave, lost."""
    library_id = desk.point.library_id
    auth.require_staff(desk.by, library_id, members.Role.MANAGER)
    member = next((one for one in members.of(library_id) if one.account_id == account_id), None)
    if member is None or act not in {*members.Role.values, "leave", "lost"}:
        raise NotFound
    with once(desk.by, request, key=key_of(request)) as answer:
        if act == "leave":
            members.take(library_id=library_id, account_id=account_id)
        elif act == "lost":
            second_factor.remove(account_id=account_id, by=desk.by, now=desk.now)
        else:
            members.give(library_id=library_id, username=member.account.username, role=act)
        response = answer.redirect(desk.to("roles"))
    messages.success(request, _("Saved."))
    return response


@at_desk
@require_safe
def looks(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Who looked at how many records in a month, those who stand out first."""
    library = desk.point.library
    auth.require_staff(desk.by, library.pk, members.Role.MANAGER)
    this = reviews.month_of(desk.today)
    months = _months(this)
    chosen = next((one for one in months if f"{one:%Y-%m}" == request.GET.get("month")), months[1])
    context = {
        "months": months,
        "month": chosen,
        "over": chosen != this,
        "seen": reviews.of(library, chosen),
        "review": reviews.reviewed(library.pk, chosen),
    }
    return show_desk(request, desk, "pickup/staff/looks.html", context)


@at_desk
@require_POST
def review(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Mark a month as gone through."""
    library = desk.point.library
    auth.require_staff(desk.by, library.pk, members.Role.MANAGER)
    year, _dash, number = request.POST.get("month", "").partition("-")
    try:
        month = date(whole_number(year), whole_number(number), 1)
    except (ValueError, OverflowError) as error:
        raise BadInput(field="month") from error
    with once(desk.by, request, key=key_of(request)) as answer:
        note = request.POST.get("note", "")
        reviews.mark(library=library, month=month, note=note, by=desk.by, now=desk.now)
        response = answer.redirect(desk.to("looks", month=f"{month:%Y-%m}"))
    messages.success(request, _("The month is marked as reviewed."))
    return response


def _months(this: date) -> list[date]:
    found = [this]
    while len(found) < MONTHS:
        found.append(reviews.before(found[-1]))
    return found
