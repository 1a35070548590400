"""At a point that lends when packed: out from packing on, counted anew at the window, returned if nobody comes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from config import invariants
from core import clock
from core.moves import MoveRefused
from lending import loans, postings, queries, quota, reservations
from lending.errors import AlreadyReserved, Blocked, InAnOrder, NotRenewable, TooManyAtOnce
from lending.models import Copy, Library, Loan, Patron, Posting, Reservation, SpecialDay
from notifications.models import Message
from pickup import lane, orders, packing, returns
from pickup.errors import NotInOrder
from pickup.models import PointRules
from tests import api, rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db

NOW = rows.NOW
HERE = {"by_appointment": False, "lend_at": "packing"}


def place(**columns):
    return rows.point(rows.library(**columns), rules=HERE)


@pytest.fixture
def point():
    return place()


@pytest.fixture
def order(point):
    """A ready bag of two books, packed at ten."""
    return steps.ready(steps.asked(rows.patron(point.library), point, books=2))


def states(order) -> set[tuple[str, str, str, str]]:
    """Of each book of the bag: line, reservation, copy, and loan."""
    return {
        (
            line.state,
            Reservation.objects.get(pk=line.reservation_id).state,
            Copy.objects.get(pk=line.copy_id).state,
            ",".join(loan.state for loan in Loan.objects.filter(copy=line.copy_id).order_by("pk")),
        )
        for line in steps.again(order).lines.all()
    }


@pytest.fixture(autouse=True)
def _lawful():
    yield
    broken = [law for law in invariants.breaches() if law.law.number in {"I2", "I3"}]
    assert not broken


def test_a_packed_book_is_on_loan_and_lies_in_the_bag(order):
    assert states(order) == {("packed", "bagged", "bag", "out")}
    assert {loan.due_on for loan in Loan.objects.all()} == {rows.day("2026-12-08")}
    assert queries.in_bags().count() == 2
    assert queries.at_home().count() == 0


def test_elsewhere_books_are_lent_at_the_window():
    point = rows.point(rules={"by_appointment": False})
    order = steps.ready(steps.asked(rows.patron(point.library), point))
    assert states(order) == {("packed", "bagged", "bag", "")}


def test_the_hand_over_counts_the_due_date_anew_by_the_calendar(order):
    SpecialDay.objects.create(library=order.library, day=rows.day("2026-12-10"))
    now = NOW + timedelta(days=2)
    with_loans = handed_over(order, now=now)
    assert {one.due_on for one in with_loans} == {"2026-12-11"}  # the tenth is closed
    assert states(order) == {("given", "fulfilled", "loan", "out")}
    assert {(loan.lent_at, loan.packed_due_on) for loan in Loan.objects.all()} == {(NOW, rows.day("2026-12-08"))}


def handed_over(order, *, now):
    return lane.serve(point_id=order.point_id, order_number=order.number, by=DESK, now=now).given


def test_an_undone_hand_over_leaves_the_loan_as_it_was_when_packed(order):
    served = lane.serve(point_id=order.point_id, order_number=order.number, by=DESK, now=NOW + timedelta(days=2))
    lane.undo(visit_id=served.visit.pk, by=DESK, now=NOW + timedelta(days=2, minutes=5))
    assert states(order) == {("packed", "bagged", "bag", "out")}
    assert {loan.due_on for loan in Loan.objects.all()} == {rows.day("2026-12-08")}
    later = NOW + timedelta(days=3)
    assert {one.due_on for one in handed_over(order, now=later)} == {"2026-12-11"}
    assert Loan.objects.count() == 2


def test_what_nobody_collects_is_returned_and_then_unpacked(order):
    after = NOW + timedelta(days=5)
    assert orders.expire_due(now=after) == 1
    assert states(order) == {("to_unpack", "expired", "bag", "returned")}
    line = order.lines.select_related("copy").first()
    packing.unpack(barcode=line.copy.barcode, by=DESK, now=after)
    assert Copy.objects.get(pk=line.copy_id).state == "to_shelve"
    loan = Loan.objects.get(copy=line.copy_id)
    assert loan.returned_at == after
    assert not queries.returned(order.library_id, since=NOW).exists()  # nothing came back over the desk
    with pytest.raises(MoveRefused):
        returns.undo(loan_id=loan.pk, by=DESK, now=after)


def test_a_cancelled_bag_is_returned(order):
    orders.cancel(order_id=order.pk, by=rows.patron_actor(order.patron), now=NOW + timedelta(hours=1))
    assert states(order) == {("to_unpack", "cancelled", "bag", "returned")}


def test_what_is_not_wanted_at_the_window_is_returned_and_what_is_missing_was_never_lent(order):
    first, second = order.lines.select_related("copy").order_by("pk")
    order = steps.handed_over(order, not_given={first.copy.barcode: "not_wanted", second.copy.barcode: "missing"})
    assert Loan.objects.get(copy=first.copy).state == "returned"
    assert Loan.objects.get(copy=second.copy).state == "voided"
    assert Reservation.objects.get(pk=second.reservation_id).state == "waiting"


def test_a_book_still_on_its_shelf_is_not_lent(point):
    order = steps.asked(rows.patron(point.library), point, books=2)
    first, second = order.lines.select_related("copy").order_by("pk")
    packing.pack(order_id=order.pk, barcode=first.copy.barcode, by=DESK, now=NOW)
    packing.not_on_shelf(line_id=second.pk, by=DESK, now=NOW)
    assert [loan.copy for loan in Loan.objects.all()] == [first.copy]


def test_a_book_that_joins_a_ready_bag_is_lent_when_it_is_packed(order):
    copy = rows.copy(at=order.library)
    (made,) = rows.reserve(order.patron, copy.title, at=order.point)
    orders.assemble(now=NOW)
    packing.pack(order_id=order.pk, barcode=copy.barcode, by=DESK, now=NOW + timedelta(hours=2))
    loan = Loan.objects.get(copy=copy)
    assert (loan.state, loan.reservation) == ("out", made)


def test_a_blocked_card_is_refused_when_packing_and_not_at_the_window(point):
    who = rows.patron(point.library)
    order = steps.asked(who, point)
    Patron.objects.filter(pk=who.pk).update(blocked_until=rows.day("2026-12-31"))
    line = order.lines.select_related("copy").get()
    with pytest.raises(Blocked):
        packing.pack(order_id=order.pk, barcode=line.copy.barcode, by=DESK, now=NOW)
    assert not Loan.objects.exists()
    Patron.objects.filter(pk=who.pk).update(blocked_until=None)
    order = steps.ready(order)
    Patron.objects.filter(pk=who.pk).update(blocked_until=rows.day("2026-12-31"))
    assert [one.reason for one in handed_over(order, now=NOW)] == [""]


def test_a_packed_book_is_not_taken_back_nor_lent_at_a_desk(order):
    copy = order.lines.select_related("copy").first().copy
    with pytest.raises(InAnOrder):
        loans.take_back(barcode=copy.barcode, library_id=order.library_id, by=DESK, now=NOW)
    with pytest.raises(InAnOrder):
        loans.check_out(copy_id=copy.pk, patron_id=order.patron_id, library_id=order.library_id, by=DESK, now=NOW)


def test_a_packed_book_is_not_renewed(order):
    with pytest.raises(NotRenewable) as refused:
        loans.renew(loan_id=Loan.objects.first().pk, by=DESK, now=NOW)
    assert refused.value.facts == {"why": "in_bag", "count": 0, "due_on": "2026-12-08"}


def test_a_packed_book_counts_once_at_the_same_time():
    point = place(programme=rows.programme(volumes=None, at_once=3))
    who = rows.patron(point.library)
    steps.packed(steps.asked(who, point, books=2))
    library = Library.objects.select_related("programme").get(pk=point.library_id)
    standing = quota.standing(patron=who, library=library, today=rows.day("2026-11-24"))
    assert standing.at_once is not None
    assert standing.at_once.taken == 2
    rows.reserve(who, rows.copy(at=point.library).title, at=point)
    with pytest.raises(TooManyAtOnce):
        rows.reserve(who, rows.copy(at=point.library).title, at=point)


def test_it_is_what_was_lent_and_not_the_rule_of_today_that_counts_at_the_window(order, point):
    PointRules.objects.filter(point=point).update(lend_at="hand_over")
    handed_over(order, now=NOW + timedelta(days=1))
    assert Loan.objects.count() == 2
    plain = rows.point(point.library, rules={"by_appointment": False})
    other = steps.ready(steps.asked(rows.patron(point.library), plain))
    PointRules.objects.filter(point=plain).update(lend_at="packing")
    handed_over(other, now=NOW + timedelta(days=1))
    assert Loan.objects.get(reservation__in=[line.reservation_id for line in other.lines.all()]).packed_due_on is None


def test_an_undo_is_refused_when_the_title_was_asked_for_again(order):
    served = lane.serve(point_id=order.point_id, order_number=order.number, by=DESK, now=NOW)
    title = order.lines.first().copy.title
    rows.reserve(order.patron, title, at=rows.point(order.library))
    with pytest.raises(AlreadyReserved):
        lane.undo(visit_id=served.visit.pk, by=DESK, now=NOW)
    assert {loan.state for loan in Loan.objects.all()} == {"out"}


def test_what_leaves_the_bag_for_the_next_one_was_never_lent(point):
    order = steps.packed(steps.asked(rows.patron(point.library), point))
    line = order.lines.get()
    reservations.unbag(reservation_ids=[line.reservation_id], by=DESK, now=NOW)
    assert Loan.objects.get().state == "voided"
    reservations.bag(reservation_ids=[line.reservation_id], by=DESK, now=NOW)  # as it was, for the law


def test_a_book_that_a_desk_took_out_of_a_dead_bag_is_not_taken_out_of_the_next_one(order, point):
    orders.cancel(order_id=order.pk, by=DESK, now=NOW)
    copy = order.lines.select_related("copy__title").first().copy
    whose = {"copy_id": copy.pk, "patron_id": rows.patron(point.library).pk, "library_id": point.library_id}
    loans.check_out(**whose, by=DESK, now=NOW)
    (made,) = rows.reserve(rows.patron(point.library), copy.title, at=point)
    loans.take_back(barcode=copy.barcode, library_id=point.library_id, by=DESK, now=NOW)
    (following,) = orders.assemble(now=NOW)
    packing.pack(order_id=following.pk, barcode=copy.barcode, by=DESK, now=NOW)
    with pytest.raises(NotInOrder) as refused:
        packing.unpack(barcode=copy.barcode, by=DESK, now=NOW)
    assert refused.value.facts["belongs_to"] == following.shown
    made.refresh_from_db()
    assert (made.state, Copy.objects.get(pk=copy.pk).state) == ("bagged", "bag")


# Beside another system


def test_beside_another_system_the_posting_is_made_when_packed():
    point = place(circulation="beside")
    order = steps.ready(steps.asked(rows.patron(point.library), point))
    posting = Posting.objects.get()
    assert (posting.kind, posting.state, posting.packed) == ("check_out", "pending", True)
    assert states(order) == {("packed", "bagged", "bag", "")}
    served = lane.serve(point_id=point.pk, order_number=order.number, by=DESK, now=NOW + timedelta(hours=3))
    assert [one.posting_id for one in served.given] == [posting.pk]
    assert states(order) == {("given", "fulfilled", "loan", "")}
    lane.undo(visit_id=served.visit.pk, by=DESK, now=NOW + timedelta(hours=3))
    assert (Posting.objects.get().state, states(order)) == ("pending", {("packed", "bagged", "bag", "")})
    lane.serve(point_id=point.pk, order_number=order.number, by=DESK, now=NOW + timedelta(hours=4))
    assert Posting.objects.count() == 1


@pytest.mark.parametrize("told", [False, True])
def test_beside_another_system_a_bag_that_nobody_collects_is_told_the_contrary_or_not_at_all(told):
    point = place(circulation="beside")
    order = steps.ready(steps.asked(rows.patron(point.library), point))
    if told:
        postings.done(posting_id=Posting.objects.get().pk, by=DESK, now=NOW)
    assert orders.expire_due(now=NOW + timedelta(days=5)) == 1
    said = [(row.kind, row.state) for row in Posting.objects.order_by("pk")]
    assert said == ([("check_out", "done"), ("check_in", "pending")] if told else [("check_out", "cancelled")])
    assert states(order) == {("to_unpack", "expired", "bag", "")}


# What people see


def test_a_program_sees_that_a_loan_lies_in_a_bag(point):
    who, mine = api.patron(home=point.library)
    order = steps.ready(steps.asked(who, point))
    (row,) = mine.get("loans")["results"]
    assert (row["state"], row["in_bag"]) == ("out", True)
    said = mine.post(f"loans/{row['id']}/renew", status=409)
    assert (said["code"], said["facts"]["why"]) == ("not_renewable", "in_bag")
    steps.handed_over(order, now=clock.now())
    assert mine.get("loans")["results"][0]["in_bag"] is False


def test_what_is_in_a_bag_is_not_at_home(client, point):
    who = rows.patron(point.library, pin=rows.PIN)
    order = steps.ready(steps.asked(who, point, now=clock.now()), now=clock.now())
    client.force_login(who.account)
    assert list(client.get("/my/").context["loans"]) == []
    steps.handed_over(order, now=clock.now())
    assert len(client.get("/my/").context["loans"]) == 1


def test_the_receipt_says_the_day_that_was_counted_anew(order):
    handed_over(order, now=NOW + timedelta(days=2))
    assert "2026-12-10" in Message.objects.get(template="receipt").body


def test_who_wants_no_receipt_gets_none(order):
    Patron.objects.filter(pk=order.patron_id).update(text_receipts=False)
    handed_over(order, now=NOW)
    assert not Message.objects.filter(template="receipt").exists()
