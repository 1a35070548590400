"""The pages on which managers read and change the rules of their programme: a form, what it would mean, its history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from core import clock
from core.actor import Actor
from core.once import once
from core.refusal import Forbidden, NotFound, Refusal
from lending import auth, members, programmes
from lending.models import Programme, ProgrammeChange
from lending.pages import key_of, show, signed_in
from lending.staff_forms import RulesForm

if TYPE_CHECKING:
    from collections.abc import Iterator

CHANGES_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Difference:
    """One rule that becomes another one: how many of the last orders it would have refused, how many people are further
    back in line, or how many would be paused today, where that is worked out; `counted`: it is, or there is nothing to
    work out.
    """

    label: str
    was: str
    becomes: str
    refused: int | None = None
    beyond: int | None = None
    paused: programmes.Paused | None = None
    counted: bool = True


@signed_in
@require_safe
def all_rules(request: HttpRequest) -> HttpResponse:
    """The programmes of my libraries, and who follows them."""
    by = Actor.of(request)
    found = Programme.objects.filter(pk__in=auth.programmes_of(by)).prefetch_related("libraries")
    return show(request, "lending/staff/rules.html", {"programmes": found})


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def rules(request: HttpRequest, programme_id: int) -> HttpResponse:
    """One programme: read by its staff, changed by a manager after a look at what it would mean."""
    by, now = Actor.of(request), clock.now()
    programme = Programme.objects.filter(pk__in=auth.programmes_of(by)).filter(pk=programme_id).first()
    if programme is None:
        raise NotFound
    manager = auth.leads(by, programme.pk)
    form = RulesForm(request.POST if request.method == "POST" else None, instance=programme)
    differences: list[Difference] = []
    effect, last = None, programmes.last_change(programme.pk)
    status = 0
    if request.method == "POST":
        if not manager:
            raise Forbidden
        if form.is_valid():
            values, seen = form.values, form.cleaned_data["seen"] or 0
            programme.refresh_from_db()  # the form has written its values into the row
            try:
                if request.POST.get("step") == "save":
                    with once(by, request, key=key_of(request)) as answer:
                        changed = programmes.change(programme_id=programme.pk, values=values, seen=seen, by=by, now=now)
                        messages.success(
                            request, _("The rules are changed.") if changed else _("These were the rules already.")
                        )
                        return answer.redirect(request.get_full_path())
                programmes.refuse_unseen(programme.pk, seen)
                effect = programmes.effect(programme=programme, values=values, now=now)
                differences = list(_differences(programme, values, effect, form))
                if not differences:
                    messages.info(request, _("These were the rules already."))
                    return redirect(request.get_full_path())
            except Refusal as refusal:
                form.refuse(refusal)
                status = refusal.status
    context = {
        "programme": programme,
        "form": form,
        "manager": manager,
        "differences": differences,
        "effect": effect,
        "last": last,
        "changes": _changes(programme, form),
    }
    return show(request, "lending/staff/programme.html", context, status=status or form.status)


def _changes(programme: Programme, form: RulesForm) -> list[tuple[ProgrammeChange, str, list[Difference]]]:
    """The last changes: when, by whom, which rules."""
    found = list(programme.changes.all()[:CHANGES_SHOWN])
    names = members.names_of(one.principal for one in found)
    return [(one, names.get(one.principal, one.principal), list(_told(one.was, one.became, form))) for one in found]


def _differences(
    programme: Programme, values: dict[str, Any], effect: programmes.Effect, form: RulesForm
) -> Iterator[Difference]:
    """The rules that become others, and after them those that stay and are counted in another way."""
    changed = [name for name, value in values.items() if getattr(programme, name) != value]
    for name in [*changed, *(name for name in effect.refused if name not in changed)]:
        refused, beyond = effect.refused.get(name), effect.beyond.get(name)
        paused = effect.paused.get(name)
        yield Difference(
            form.label_of(name),
            form.shown(name, getattr(programme, name)),
            form.shown(name, values[name]),
            refused,
            beyond,
            paused,
            counted=any(told is not None for told in (refused, beyond, paused))
            or name in {*programmes.NAMES, *programmes.BY_WHOM},
        )


def _told(was: dict[str, Any], became: dict[str, Any], form: RulesForm) -> Iterator[Difference]:
    for name in (*form.fields, *sorted(became.keys() - form.fields.keys())):  # JSON keeps no order
        if name in became:
            yield Difference(form.label_of(name), form.shown(name, was.get(name)), form.shown(name, became[name]))
