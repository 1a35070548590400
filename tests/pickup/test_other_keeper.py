"""Another system keeps a library's loans from now on, or no longer: what was begun before, what stands in the way."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from config import invariants
from core.refusal import Refusal
from lending import circulation, loans, postings
from lending.errors import BagsLent, KeptElsewhere, NotOnLoan
from lending.models import Library, Loan, Posting
from lending.reservations import Item
from pickup import lane, orders, returns, scans
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


def at_the_window(place) -> Client:
    client = Client(headers={"accept-language": "en"})
    client.force_login(rows.staff(place.library))
    return client


def shown_after_a_return(client: Client, place, barcode: str) -> Any:
    sent = {"key": barcode, "barcode": barcode}
    return client.post(f"/staff/lane/take-back/?point={place.pk}", sent, follow=True)


def test_the_window_shows_as_taken_back_what_was_lent_here_before():
    place = place_of("own")
    order = steps.ready(steps.asked(rows.patron(place.library), place))
    served(place, order, now=NOW)
    keep(place.library, "beside")
    copy = order.lines.get().copy
    desk = at_the_window(place)
    back = shown_after_a_return(desk, place, copy.barcode)
    assert [(one.barcode, one.return_id) for one in back.context["back"]] == [(copy.barcode, 0)]
    assert ("1 book taken back" in back.content.decode(), "undo-back" in back.content.decode()) == (True, False)
    other = rows.copy(at=place.library)
    sent = {"key": "other", "barcode": other.barcode, "back": back.context["back_ids"]}
    more = desk.post(f"/staff/lane/take-back/?point={place.pk}", sent, follow=True)
    assert [one.barcode for one in more.context["back"]] == [copy.barcode, other.barcode]
    posting = Posting.objects.get()
    kept = {"key": "kept", "back": more.context["back_ids"]}
    left = desk.post(f"/staff/lane/keep-on-loan/{posting.pk}/?point={place.pk}", kept, follow=True)
    assert [one.barcode for one in left.context["back"]] == [copy.barcode]


def test_a_second_scan_of_what_was_lent_here_before_tells_the_other_system_nothing():
    place = place_of("own")
    order = steps.ready(steps.asked(rows.patron(place.library), place))
    served(place, order, now=NOW)
    keep(place.library, "beside")
    again = {"barcode": order.lines.get().copy.barcode, "library_id": place.library_id, "by": DESK}
    returns.check_in(**again, now=LATER)
    with pytest.raises(NotOnLoan) as refused:
        returns.check_in(**again, now=LATER + timedelta(minutes=2))
    assert (refused.value.facts["where"], Posting.objects.count()) == (str(place.library), 0)
    returns.check_in(**again, now=LATER + postings.AGAIN)  # by then it was lent there in between
    assert Posting.objects.get().kind == "check_in"


def test_what_went_out_again_within_minutes_comes_back():
    place = place_of("own")
    served(place, steps.ready(steps.asked(rows.patron(place.library), place)), now=NOW)
    keep(place.library, "beside")
    copy = Loan.objects.get().copy
    returns.check_in(barcode=copy.barcode, library_id=place.library_id, by=DESK, now=LATER)
    item, minute = Item(copy.title_id), timedelta(minutes=1)
    wants = {"patron_id": rows.patron(place.library).pk, "point_id": place.pk, "items": [item]}
    order = orders.request(**wants, by=DESK, now=LATER + minute).order
    assert order is not None
    served(place, steps.ready(order, now=LATER + minute), now=LATER + 2 * minute)
    returns.check_in(barcode=copy.barcode, library_id=place.library_id, by=DESK, now=LATER + 3 * minute)
    assert [row.kind for row in Posting.objects.order_by("pk")] == ["check_out", "check_in"]


def test_what_a_library_beside_another_system_lent_is_taken_back_at_the_window_of_a_sister_library():
    place = place_of("beside")
    order = steps.ready(steps.asked(rows.patron(place.library), place))
    served(place, order)
    sister = rows.point(rows.library(programme=place.library.programme))
    copy, later = order.lines.get().copy, LATER + timedelta(days=2)
    assert scans.read(point=sister, typed=copy.barcode, now=later).kind == "on_loan"
    back = shown_after_a_return(at_the_window(sister), sister, copy.barcode)
    assert [(one.barcode, one.return_id) for one in back.context["back"]] == [(copy.barcode, 0)]
    assert Posting.objects.filter(library=place.library, kind="check_in").count() == 1
    assert scans.read(point=sister, typed=copy.barcode, now=later).kind == "stray"


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
