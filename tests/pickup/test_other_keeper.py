"""Another system keeps a library's loans from now on, or no longer: what was begun before, what stands in the way."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from config import invariants
from core.refusal import Refusal
from lending import circulation, loans, postings
from lending.errors import BagsLent, KeptElsewhere
from lending.models import Library, Loan, Posting
from pickup import lane, orders, returns
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db

NOW = rows.NOW
LATER = NOW + timedelta(hours=2)


def place_of(circulation: str, **rules):
    return rows.point(rows.library(circulation=circulation), rules={"by_appointment": False, **rules})


def keep(library: Library, keeps: str) -> None:
    """As administrators do it, whose form asks the same."""
    before = Library.objects.get(pk=library.pk)
    circulation.refuse_change(library=before, keeps=keeps)
    Library.objects.filter(pk=library.pk).update(circulation=keeps)


def served(place, order, *, now=LATER):
    return lane.serve(point_id=place.pk, order_number=order.number, by=DESK, now=now)


def broken() -> list[invariants.Breach]:
    return [breach for breach in invariants.breaches() if "now()" not in breach.law.sql]


def test_a_bag_that_was_packed_before_is_told_when_it_is_handed_over():
    place = place_of("own")
    order = steps.ready(steps.asked(rows.patron(place.library), place))
    keep(place.library, "beside")
    handed = served(place, order)
    assert (Loan.objects.count(), Posting.objects.get().kind) == (0, "check_out")
    lane.undo(visit_id=handed.visit.pk, by=DESK, now=LATER)
    assert (steps.again(order).state, Posting.objects.get().state, broken()) == ("ready", "cancelled", [])


def test_a_book_that_was_lent_before_comes_back_as_a_loan_and_is_not_renewed_here():
    place = place_of("own")
    order = steps.ready(steps.asked(rows.patron(place.library), place))
    handed = served(place, order, now=NOW)
    keep(place.library, "beside")
    loan = Loan.objects.get()
    with pytest.raises(KeptElsewhere):
        loans.renew(loan_id=loan.pk, by=DESK, now=LATER)
    returns.check_in(barcode=loan.copy.barcode, library_id=place.library_id, by=DESK, now=LATER)
    loan.refresh_from_db()
    assert (loan.state, Posting.objects.count(), broken()) == ("returned", 0, [])
    assert handed.given[0].loan_id == loan.pk


def test_a_hand_over_of_before_is_undone_after():
    place = place_of("own")
    order = steps.ready(steps.asked(rows.patron(place.library), place))
    handed = served(place, order, now=NOW)
    keep(place.library, "beside")
    lane.undo(visit_id=handed.visit.pk, by=DESK, now=NOW + timedelta(minutes=3))
    assert (steps.again(order).state, Loan.objects.get().state, broken()) == ("ready", "voided", [])


def test_what_another_system_was_told_goes_on_being_told_there():
    place = place_of("beside")
    order = steps.ready(steps.asked(rows.patron(place.library), place))
    served(place, order)
    keep(place.library, "own")
    barcode = order.lines.get().copy.barcode
    back = returns.check_in(barcode=barcode, library_id=place.library_id, by=DESK, now=LATER + timedelta(days=2))
    assert (back.loan, back.posting.kind, back.copy.state) == (None, "check_in", "to_shelve")
    for row in Posting.objects.all():
        postings.done(posting_id=row.pk, by=DESK, now=LATER + timedelta(days=3))
    assert (Loan.objects.count(), broken()) == (0, [])


@pytest.mark.parametrize(("was", "becomes"), [("own", "beside"), ("beside", "own")])
def test_with_bags_that_were_lent_when_packed_it_is_refused(was, becomes):
    place = place_of(was, lend_at="packing")
    order = steps.packed(steps.asked(rows.patron(place.library), place))
    with pytest.raises(BagsLent) as refused:
        keep(place.library, becomes)
    assert refused.value.facts["count"] == 1
    assert "1" in str(refused.value)
    keep(place.library, was)
    orders.cancel(order_id=order.pk, by=DESK, now=LATER)
    keep(place.library, becomes)
    assert broken() == []


def test_without_that_refusal_a_book_would_be_lent_twice(monkeypatch):
    """The negative control: handed over beside, the loan of the packing stays out and the other system is told too."""
    place = place_of("own", lend_at="packing")
    order = steps.ready(steps.asked(rows.patron(place.library), place))
    monkeypatch.setattr(circulation, "refuse_change", lambda **_: None)
    keep(place.library, "beside")
    served(place, order)
    assert (Loan.objects.get().state, Posting.objects.get().kind) == ("out", "check_out")


def test_the_administrators_form_says_why(admin_client):
    place = place_of("own", lend_at="packing")
    steps.packed(steps.asked(rows.patron(place.library), place))
    address = f"/admin/lending/library/{place.library_id}/change/"
    form = admin_client.get(address).context["adminform"].form
    inlines: dict[str, Any] = {}
    for formset in admin_client.get(address).context["inline_admin_formsets"]:
        management = formset.formset.management_form
        inlines |= {f"{management.prefix}-{name}": management[name].value() for name in management.fields}
        for line in formset.formset.forms:
            inlines |= {f"{line.prefix}-{name}": line[name].value() for name in line.fields}
    sent = {**{name: form[name].value() for name in form.fields}, **inlines, "circulation": "beside"}
    sent["rooms"] = ",".join(sent["rooms"] or [])
    answer = admin_client.post(address, {name: "" if value is None else value for name, value in sent.items()})
    assert answer.status_code == 200
    assert "circulation" in answer.context["adminform"].form.errors
    assert Library.objects.get(pk=place.library_id).circulation == "own"


def test_a_refusal_is_a_sentence_in_both_languages():
    from django.utils import translation

    said = {}
    for language in ("ko", "en"):
        with translation.override(language):
            said[language] = str(BagsLent(field="circulation", count=3))
    assert "3" in said["ko"] and "3" in said["en"] and said["ko"] != said["en"]  # noqa: PT018
    assert issubclass(BagsLent, Refusal)
