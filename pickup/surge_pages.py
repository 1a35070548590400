"""The page for managers on which the building is closed and lending goes on: what changes, one click, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from core.once import once
from core.refusal import BadInput
from lending import auth, members
from lending import queries as lending_queries
from lending import surge as lending_surge
from lending.pages import key_of
from lending.staff_forms import NoticeForm, RulesForm, SurgeRulesForm
from pickup import surge
from pickup.staff_pages import Desk, at_desk, show_desk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lending.models import Allowance, Library

CHANGES_SHOWN = 20


@at_desk
@require_http_methods(["GET", "HEAD", "POST"])
def switch(request: HttpRequest, desk: Desk) -> HttpResponse:
    """What turning the switch would change, the notice, and the switch; for managers."""
    auth.require_staff(desk.by, desk.point.library_id, members.Role.MANAGER)
    library = lending_queries.library_with_rules(desk.point.library_id)
    form = NoticeForm(
        request.POST if request.POST.get("step") == "notice" else None,
        initial={"notice_ko": library.surge_notice_ko, "notice_en": library.surge_notice_en},
    )
    among = auth.may_lend_by(desk.by).exclude(pk=library.programme_id)
    rules_form = SurgeRulesForm(
        request.POST if request.POST.get("step") == "rules" else None,
        initial={"programme": library.surge_programme_id},
        among=among,
    )
    if request.method == "POST" and all(not one.is_bound or one.is_valid() for one in (form, rules_form)):
        return _act(request, desk, library, form, rules_form)
    on = not library.surge
    changes = list(lending_surge.history(library.pk)[:CHANGES_SHOWN])
    context = {
        "library": library,
        "on": on,
        "rules": list(_rules(library)),
        "look": surge.look(library=library, on=on, now=desk.now),
        "standing": surge.outside(library=library, now=desk.now) if library.surge else [],
        "notices": [(code, library.surge_notice_in(code)) for code in ("ko", "en")],
        "form": form,
        "rules_form": rules_form,
        "changes": changes,
        "names": members.names_of(one.principal for one in changes),
    }
    return show_desk(request, desk, "pickup/staff/surge.html", context, status=max(form.status, rules_form.status))


def _act(
    request: HttpRequest, desk: Desk, library: Library, form: NoticeForm, rules_form: SurgeRulesForm
) -> HttpResponse:
    step = request.POST.get("step", "")
    if step not in {"on", "off", "notice", "rules"}:
        raise BadInput(field="step")
    with once(desk.by, request, key=key_of(request)) as answer:
        if step == "notice":
            surge.tell(library_id=library.pk, **form.cleaned_data, by=desk.by, now=desk.now)
            said = _("Saved.")
        elif step == "rules":
            programme = rules_form.cleaned_data["programme"]
            chosen = programme.pk if programme is not None else None
            lending_surge.lend_by(library_id=library.pk, programme_id=chosen, by=desk.by, now=desk.now)
            said = _("Saved.")
        elif surge.switch(library_id=library.pk, on=step == "on", by=desk.by, now=desk.now) is None:
            said = _("It stood so already.")
        elif step == "on":
            said = _("It is on: other rules, other hours, and people read the notice.")
        else:
            said = _("It is off: the rules and hours of normal days hold again.")
        messages.success(request, said)
        return answer.redirect(desk.to("surge"))


def _rules(library: Library) -> Iterator[tuple[str, str, str]]:
    """What differs, in words: a rule, on normal days, while the building is closed."""
    form = RulesForm(instance=library.programme)
    for one in lending_surge.beside(library):
        yield form.label_of(one.name), form.shown(one.name, one.normal), form.shown(one.name, one.surge)
    normal, then = (_classes(some) for some in lending_surge.allowances(library))
    if normal != then:
        yield _("Larger allowances"), normal, then


def _classes(some: Sequence[Allowance]) -> str:
    form = RulesForm()
    told = []
    for one in some:
        rules = [(name, getattr(one, name)) for name in ("volumes", "at_once", "loan_days")]
        said = ", ".join(f"{form.label_of(name)} {value}" for name, value in rules if value is not None)
        told.append(f"{one}: {said}")
    return "; ".join(told) or _("none")
